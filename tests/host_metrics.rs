//! Host metrics beside those of a real node_exporter on the same host.

#![allow(clippy::unwrap_used, reason = "a test fails where it meets a fault")]
#![allow(clippy::print_stdout, reason = "a test says that it was skipped")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use watchbell::collect::host_text;
use watchbell_paging::time::Timestamp;

/// Families of which every name of theirs must be one of ours.
const WHOLE_FAMILIES: [&str; 5] =
    ["node_memory_", "node_load", "node_vmstat_", "node_pressure_", "node_procs_"];

#[test]
fn names_labels_and_sizes_agree_with_node_exporter() {
    let Some(exporter) = Exporter::start() else { return };
    let theirs = samples(&exporter.scrape());
    drop(exporter);
    let ours = samples(&host_text(Timestamp(1_000)));
    let names = |samples: &BTreeMap<String, f64>| -> BTreeSet<String> {
        samples.keys().map(|key| key.split('{').next().unwrap().to_owned()).collect()
    };
    let (our_names, their_names) = (names(&ours), names(&theirs));
    let missing: Vec<&String> = their_names
        .iter()
        .filter(|name| WHOLE_FAMILIES.iter().any(|start| name.starts_with(start)))
        .filter(|name| !our_names.contains(*name))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    // Pressure is left out by node_exporter on kernels that lack one of its files.
    let further: Vec<&String> = our_names
        .iter()
        .filter(|name| !their_names.contains(*name))
        .filter(|name| !name.starts_with("node_pressure_"))
        .collect();
    assert!(further.is_empty(), "{further:?}");
    for name in ["node_memory_MemTotal_bytes", "node_boot_time_seconds", "node_filefd_maximum"] {
        assert_eq!(ours[name], theirs[name], "{name}");
    }
    for start in ["node_cpu_seconds_total{", "node_filesystem_size_bytes{", "node_uname_info{"] {
        let of = |samples: &BTreeMap<String, f64>| -> Vec<String> {
            samples.keys().filter(|key| key.starts_with(start)).cloned().collect()
        };
        assert_eq!(of(&ours), of(&theirs), "{start}");
    }
    for (key, value) in theirs.iter().filter(|(key, _)| key.starts_with("node_filesystem_size")) {
        assert_eq!(ours[key], *value, "{key}");
    }
}

/// Samples by name and labels; both sides write labels in order of names.
fn samples(text: &str) -> BTreeMap<String, f64> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.rsplit_once(' '))
        .filter_map(|(key, value)| Some((key.to_owned(), value.parse().ok()?)))
        .collect()
}

/// A running node_exporter; it is ended when this is dropped.
struct Exporter {
    child: Child,
    address: SocketAddr,
    /// Held open, because a closed one would end it at its next line.
    _log: Box<dyn Iterator<Item = String>>,
}

impl Exporter {
    /// Starts it, or says that it is absent.
    fn start() -> Option<Self> {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let started = Command::new("prometheus-node-exporter")
            .arg(format!("--web.listen-address={free}"))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = match started {
            Ok(child) => child,
            Err(error) => {
                assert!(std::env::var_os("CI").is_none(), "prometheus-node-exporter: {error}");
                println!("prometheus-node-exporter is absent: {error}");
                return None;
            }
        };
        // It says on its log that it listens; the end of the log is the end of the process.
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let listens = log.any(|line| line.contains("TLS is disabled"));
        let mut exporter = Self { child, address: free, _log: Box::new(log) };
        assert!(listens, "node_exporter ended with {:?}", exporter.child.wait());
        Some(exporter)
    }

    fn scrape(&self) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.0\r\nAccept: text/plain\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let ended = self.child.kill().and_then(|()| self.child.wait());
        assert!(ended.is_ok(), "{ended:?}");
    }
}
