//! Real and hostile targets: the good ones are read, the bad ones have a reason each.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::support::daemon::{Daemon, Folder, free_port, wait_for};
use crate::support::service::Service;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn debians_node_exporter_is_scraped_and_agrees_with_our_host_metrics() {
    let Some(exporter) = NodeExporter::start() else { return };
    let folder = Folder::new("node");
    let config = format!(
        "[collect]\nhost = true\ninterval = \"1s\"\n[scrape.node]\nurl = [\"{}\"]\ninterval = \"1s\"\n",
        exporter.url
    );
    let daemon = Daemon::start(&folder, &config).await;
    let memory = |job: &str| format!("node_memory_MemTotal_bytes{{job=\"{job}\"}}");
    let theirs = value(&daemon, &memory("node")).await;
    let ours = value(&daemon, &memory("host")).await;
    assert_eq!(theirs, ours);
    assert_eq!(value(&daemon, "up{job=\"node\"}").await, 1.0);
    // Rules of the stock read the same from either.
    let idle = "sum by (job) (node_cpu_seconds_total{mode=\"idle\"})";
    let answer = query(&daemon, idle).await;
    assert_eq!(answer["data"]["result"].as_array().map(Vec::len), Some(2), "{answer:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_target_has_a_reason_and_the_good_one_goes_on() {
    let service = Service::start().await;
    // Takes connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let refused = free_port();
    let folder = Folder::new("targets");
    let config = format!(
        r#"
[scrape.good]
url = ["{}"]
interval = "1s"
[scrape.silent]
url = ["http://{}/metrics"]
interval = "1s"
timeout = "500ms"
[scrape.refused]
url = ["http://127.0.0.1:{refused}/metrics"]
interval = "1s"
[scrape.missing]
url = ["http://{}/nothing"]
interval = "1s"
"#,
        service.metrics_url(),
        silent.local_addr().unwrap(),
        service.address
    );
    let daemon = Daemon::start(&folder, &config).await;
    for (job, word) in [("silent", "timed out"), ("refused", "refused"), ("missing", "404")] {
        let reason = wait_for(job, async || {
            let targets = daemon.get("/api/watchbell/v1/targets").await.json();
            let target = targets
                .as_array()?
                .iter()
                .find(|one| one["labels"]["job"] == job && one["health"] == "down")?;
            target["last_error"].as_str().map(str::to_owned)
        })
        .await;
        assert!(reason.contains(word), "{job}: {reason}");
        assert_eq!(value(&daemon, &format!("up{{job=\"{job}\"}}")).await, 0.0);
    }
    assert_eq!(value(&daemon, "up{job=\"good\"}").await, 1.0);
}

async fn query(daemon: &Daemon, query: &str) -> Value {
    let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
    daemon.get(&format!("/api/v1/query?query={encoded}")).await.json()
}

/// Waits until a query gives a number.
async fn value(daemon: &Daemon, text: &str) -> f64 {
    wait_for(text, async || {
        let answer = query(daemon, text).await;
        answer["data"]["result"][0]["value"][1].as_str()?.parse().ok()
    })
    .await
}

/// Debian's package, ended when dropped.
struct NodeExporter {
    child: Child,
    url: String,
}

impl NodeExporter {
    fn start() -> Option<Self> {
        let port = free_port();
        let started = Command::new("prometheus-node-exporter")
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match started {
            Ok(child) => Some(Self { child, url: format!("http://127.0.0.1:{port}/metrics") }),
            Err(error) => {
                assert!(std::env::var_os("CI").is_none(), "prometheus-node-exporter: {error}");
                eprintln!("skipped: prometheus-node-exporter is absent: {error}");
                None
            }
        }
    }
}

impl Drop for NodeExporter {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}
