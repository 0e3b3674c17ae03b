//! Queries that would compute for minutes, more at once than there are places: they end in time,
//! and meanwhile the daemon is healthy, scrapes and pages.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::side::{Side, encode};
use crate::support::daemon::{Daemon, Folder, wait_for};
use crate::support::gauges::Gauges;
use crate::support::slack::Slack;
use crate::support::spawn;

/// More than there are places.
const QUERIES: usize = 10;
/// What they are given.
const TIMEOUT: Duration = Duration::from_secs(3);
/// A health check may take this long on a machine whose processors are all busy.
const HEALTHY_WITHIN: Duration = Duration::from_secs(2);
/// A query that was told to end ends within this.
const ENDED_WITHIN: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_without_end_hold_up_nothing_and_end_in_time() {
    let (gauges, slack) = (Gauges::start().await, Slack::start().await);
    let folder = Folder::new("slow");
    let daemon = Daemon::start(&folder, &configuration(&gauges, &slack)).await;
    gauges.set(["calm=\"yes\"".to_owned()], 0.0);
    gauges.read().await;

    let began = now();
    let asked: Vec<_> = (0..QUERIES).map(|_| spawn(ask_slowly(daemon.url.clone()))).collect();
    // They compute by now: the one place that is asked for last is not free.
    wait_for("all places to be taken", async || {
        let answer = daemon.get("/api/v1/query?query=1&timeout=1ms").await;
        (answer.status == 503).then_some(())
    })
    .await;
    gauges.set(["calm=\"no\"".to_owned()], 2.0);
    gauges.read().await;
    let mut healthy = 0;
    while !asked.iter().all(tokio::task::JoinHandle::is_finished) {
        let before = now();
        assert_eq!(daemon.get("/-/healthy").await.status, 200);
        let labels = daemon.get("/api/v1/label/job/values").await;
        assert_eq!(labels.status, 200, "{}", labels.text);
        let took = before.elapsed();
        assert!(took < HEALTHY_WITHIN, "health and a look-up took {took:?}");
        healthy += 1;
    }
    assert!(0 < healthy, "something was asked while they computed");
    for answer in asked {
        let (status, kind, text, took) = answer.await.unwrap();
        assert_eq!((status, kind.as_str()), (503, "timeout"), "{text}");
        assert!(text.contains("query timed out in "), "{text}");
        assert!(took < TIMEOUT + HEALTHY_WITHIN, "{took:?}");
    }
    let is_page = |call: &crate::support::slack::Call| call.method == "chat.postMessage";
    slack.wait_for(|calls| calls.iter().any(is_page), crate::support::DEADLINE).await;

    // Their places are free again.
    wait_for("an answer", async || {
        (daemon.get("/api/v1/query?query=1").await.status == 200).then_some(())
    })
    .await;
    let took = began.elapsed();
    assert!(took < TIMEOUT + ENDED_WITHIN, "all was over after {took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_of_clients_that_have_gone_end() {
    let folder = Folder::new("gone");
    let daemon = Daemon::start(&folder, "").await;
    let form = slow_query("30s");
    let began = now();
    let mut clients = Vec::new();
    for _ in 0..QUERIES {
        let mut client = TcpStream::connect(("127.0.0.1", daemon.port())).await.unwrap();
        let head = format!(
            "POST /api/v1/query_range HTTP/1.1\r\nhost: localhost\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n",
            form.len()
        );
        client.write_all(format!("{head}{form}").as_bytes()).await.unwrap();
        clients.push(client);
    }
    let is_full = async || {
        let answer = daemon.get("/api/v1/query?query=1&timeout=200ms").await;
        (answer.status == 503).then_some(())
    };
    wait_for("all places to be taken", is_full).await;
    drop(clients);
    let answer = daemon.get("/api/v1/query?query=1").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let took = began.elapsed();
    assert!(took < ENDED_WITHIN, "the places were free after {took:?}");
}

fn configuration(gauges: &Gauges, slack: &Slack) -> String {
    format!(
        r#"
[scrape.api]
url = ["{}"]
interval = "1s"
[rule.gauge]
expr = "gauge"
critical = "> 1"
[person.ana]
slack = "U01"
[[route]]
name = "all"
page = ["ana"]
fallback = ["ana"]
[slack]
token = "env:TEST_SLACK_TOKEN"
api_url = "{}"
"#,
        gauges.metrics_url(),
        slack.api_url()
    )
}

/// Sends a query that computes for minutes; returns status, kind of fault, body and time.
async fn ask_slowly(url: String) -> (u16, String, String, Duration) {
    let form = slow_query(&format!("{}s", TIMEOUT.as_secs()));
    let before = now();
    let answer = Side::new(&url).post("/api/v1/query_range", &form).await;
    let kind = answer.json["errorType"].as_str().unwrap_or_default().to_owned();
    (answer.status, kind, answer.text, before.elapsed())
}

/// Returns the form of a query that computes for minutes.
fn slow_query(timeout: &str) -> String {
    let term = "quantile_over_time(0.5, (vector(time()) % 7919)[50000s:1s])";
    let query = [term; 20].join(" + ");
    encode(&[
        ("query", query.as_str()),
        ("start", "1795590000"),
        ("end", "1795600999"),
        ("step", "1"),
        ("timeout", timeout),
    ])
}

#[allow(clippy::disallowed_methods, reason = "how long something really took is the claim")]
fn now() -> Instant {
    Instant::now()
}
