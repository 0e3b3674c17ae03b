//! Debian's node exporter as a child process.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A running node exporter; it is ended when this is dropped.
pub struct NodeExporter {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// Held open, because a closed one would end it at its next line.
    _log: Box<dyn Iterator<Item = String> + Send>,
}

impl NodeExporter {
    /// Starts it, or says that it is absent.
    pub fn start() -> Option<Self> {
        let address = SocketAddr::from(([127, 0, 0, 1], super::daemon::free_port()));
        let started = Command::new("prometheus-node-exporter")
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = super::present("prometheus-node-exporter", started)?;
        // It says on its log that it listens; the end of the log is the end of the process.
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let listens = log.any(|line| line.contains("TLS is disabled"));
        let mut exporter = Self { child, address, _log: Box::new(log) };
        assert!(listens, "node_exporter ended with {:?}", exporter.child.wait());
        Some(exporter)
    }

    /// Returns what it shows now.
    pub fn scrape(&self) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.0\r\nAccept: text/plain\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(" 200 "), "{head}");
        body.to_owned()
    }
}

impl Drop for NodeExporter {
    fn drop(&mut self) {
        let ended = self.child.kill().and_then(|()| self.child.wait());
        if let Err(error) = ended {
            eprintln!("ending node_exporter: {error}");
        }
    }
}
