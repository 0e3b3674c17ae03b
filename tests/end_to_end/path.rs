//! The whole way: errors begin, a page arrives, a link acknowledges, errors stop, it is over.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use watchbell_paging::time::Timestamp;

use crate::support::daemon::{Daemon, Folder};
use crate::support::mail::{Mail, MailServer};
use crate::support::service::Service;
use crate::support::slack::{Call, Slack};

/// An edit must show an acknowledgement within this (semantics 7.5); the rest is the test's own.
const SHOWN_WITHIN_MS: i64 = 2_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_page_on_call_and_a_link_in_a_mail_keeps_the_promise() {
    let Some(mail) = MailServer::start().await else { return };
    let (service, slack) = (Service::start().await, Slack::start().await);
    let folder = Folder::new("path");
    let daemon = Daemon::start(&folder, &configuration(&service, &slack, &mail)).await;
    let traffic = Traffic::new(&service);

    // Good requests first, so that the counter is known before it moves.
    traffic.send("200", 50).await;
    daemon.incidents("no incident yet", "all", |all| all.is_empty().then_some(())).await;
    scraped(&daemon, "http_requests_total{code=\"200\"}", 50.0).await;

    // Errors begin; some requests dawdle meanwhile, as they do.
    let dawdling = traffic.dawdle(3);
    traffic.send("500", 30).await;
    let fired = daemon.incidents("the incident", "open", only).await;
    assert_eq!(fired["severity"], "critical");
    assert_eq!(fired["state"], "triggered");
    let id = fired["id"].as_str().unwrap().to_owned();

    let calls = slack.wait_for(|calls| posted_to(calls, "#prod-ops"), DEADLINE).await;
    assert!(posted_to(&calls, "U01"), "the person on call is paged: {calls:#?}");
    assert!(calls.iter().all(|call| call.bearer.as_deref() == Some("xoxb-test")));
    let mails = mail.wait_for(|mails| !mails.is_empty(), DEADLINE).await;
    let page = &mails[0];
    assert!(page.header("subject").contains(&format!("#{id}")), "{}", page.raw);
    assert_eq!(page.header("auto-submitted"), "auto-generated");
    assert!(page.header("to").contains("ana@example.org"));

    // A mail scanner follows the link and must change nothing.
    let link = acknowledge_link(page);
    let (status, shown) = traffic.get(&link).await;
    assert_eq!(status, 200, "{shown}");
    assert!(shown.contains("Acknowledge"), "{shown}");
    let unchanged = daemon.incidents("the incident", "open", only).await;
    assert_eq!(unchanged["state"], "triggered");

    let path = link.strip_prefix(&daemon.url).unwrap();
    let acked = daemon.request("POST", path, "").await;
    assert!(acked.status < 400, "{} {}", acked.status, acked.text);
    let acked = daemon.incidents("the ack", "acked", only).await;
    assert_eq!(acked["acked_by"], "ana");
    assert_eq!(acked["sla"], "met");
    slack.wait_for(|calls| edited(calls, "acknowledged by Ana"), DEADLINE).await;

    // Errors stop, the window empties, and whoever was told hears of the end.
    traffic.open_gate(&service, dawdling).await;
    let resolved = traffic.until(&daemon, &id).await;
    assert_eq!(resolved["sla"], "met");
    slack.wait_for(|calls| edited(calls, "esolved"), DEADLINE).await;
    let mails = mail.wait_for(|mails| 2 <= mails.len(), DEADLINE).await;
    let threads: Vec<&Mail> =
        mails.iter().filter(|one| !one.header("in-reply-to").is_empty()).collect();
    assert!(threads.iter().any(|one| one.header("references").contains(page.header("message-id"))));

    check_instants(&resolved);
    check_report(&daemon).await;
}

const DEADLINE: Duration = crate::support::daemon::DEADLINE;

fn configuration(service: &Service, slack: &Slack, mail: &MailServer) -> String {
    format!(
        r##"
[scrape.api]
url = ["{}"]
interval = "1s"
labels = {{ service = "api" }}

[rule.error_rate]
ratio = {{ bad = 'http_requests_total{{code=~"5.."}}', total = 'http_requests_total' }}
window = "10s"
by = ["service"]
target = "< 0.1%"
warn = "> 0.5%"
critical = "> 1%"
clear_for = "1s"
summary = "{{{{ labels.service }}}}: {{{{ value | percent }}}} of requests fail"
runbook = "https://wiki.example.org/error-rate"

[person.ana]
name = "Ana"
email = "ana@example.org"
slack = "U01"
[schedule.devops]
people = ["ana"]
every = "1w"
handoff = "mon 09:00"
start = "2026-01-05"
[[route]]
name = "all"
page = ["devops"]
post = ["#prod-ops"]
fallback = ["ana"]
[slack]
token = "env:TEST_SLACK_TOKEN"
api_url = "{}"
[email]
smtp = "smtp://{}"
from = "Watchbell <watchbell@example.org>"
"##,
        service.metrics_url(),
        slack.api_url(),
        mail.address
    )
}

fn only(incidents: &[Value]) -> Option<Value> {
    assert!(incidents.len() <= 1, "one fault is one incident: {incidents:#?}");
    incidents.first().cloned()
}

fn posted_to(calls: &[Call], channel: &str) -> bool {
    calls.iter().any(|call| call.method == "chat.postMessage" && call.body["channel"] == channel)
}

fn edited(calls: &[Call], word: &str) -> bool {
    calls.iter().any(|call| call.method == "chat.update" && call.body.to_string().contains(word))
}

fn acknowledge_link(mail: &Mail) -> String {
    let mut words = mail.text.split_whitespace();
    let link = words.find(|word| word.starts_with("http://") && word.contains("/ack/"));
    link.unwrap_or_else(|| panic!("no link in {}", mail.text)).to_owned()
}

/// Waits until a sample has been scraped.
async fn scraped(daemon: &Daemon, query: &str, at_least: f64) {
    let path = format!("/api/v1/query?query={}", encode(query));
    crate::support::daemon::wait_for(&format!("{query} at {at_least}"), async || {
        let answer = daemon.get(&path).await.json();
        let value = answer["data"]["result"][0]["value"][1].as_str()?.parse::<f64>().ok()?;
        (at_least <= value).then_some(())
    })
    .await;
}

fn encode(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn check_instants(incident: &Value) {
    let at = |name: &str| {
        let text = incident[name].as_str().unwrap_or_else(|| panic!("no {name}: {incident:#}"));
        Timestamp::parse_rfc3339(text).unwrap().as_millis()
    };
    let order = ["first_bad_at", "fired_at", "notified_at", "acked_at", "resolved_at"].map(at);
    assert!(order.is_sorted(), "{order:?} in {incident:#}");
    assert_eq!(at("deadline"), at("fired_at") + 300_000);
    let kinds: Vec<&str> = incident["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|line| line["kind"].as_str())
        .collect();
    for kind in ["first_bad", "fired", "delivered", "acked", "resolved"] {
        assert!(kinds.contains(&kind), "no {kind} among {kinds:?}");
    }
    let shown = incident["timeline"].as_array().unwrap().iter().find(|line| {
        line["kind"] == "delivered"
            && line["channel"].as_str().is_some_and(|channel| channel.contains("slack"))
            && at("acked_at")
                <= Timestamp::parse_rfc3339(line["at"].as_str().unwrap()).unwrap().as_millis()
    });
    if let Some(shown) = shown {
        let at_shown = Timestamp::parse_rfc3339(shown["at"].as_str().unwrap()).unwrap().as_millis();
        assert!(at_shown - at("acked_at") <= SHOWN_WITHIN_MS, "{incident:#}");
    }
}

async fn check_report(daemon: &Daemon) {
    let report = daemon.get("/api/watchbell/v1/report").await.json();
    let all = report["rows"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["group"] == "all")
        .unwrap_or_else(|| panic!("no row for all: {report:#}"));
    assert_eq!(all["incidents"], 1, "{report:#}");
    assert_eq!(all["met"], 1, "{report:#}");
    assert_eq!(all["attainment"], 1.0, "{report:#}");
}

/// Real requests to the service.
struct Traffic {
    client: Client<HttpConnector, Empty<Bytes>>,
    base: String,
}

impl Traffic {
    fn new(service: &Service) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { client, base: format!("http://{}", service.address) }
    }

    async fn send(&self, code: &str, count: usize) {
        for _ in 0..count {
            let (status, _) = self.get(&format!("{}/answer/{code}", self.base)).await;
            assert_eq!(status.to_string(), code);
        }
    }

    async fn get(&self, url: &str) -> (u16, String) {
        let response = self.client.get(url.parse().unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Starts requests that do not end until the gate opens.
    fn dawdle(&self, count: usize) -> Vec<tokio::task::JoinHandle<u16>> {
        (0..count)
            .map(|_| {
                let (client, url) = (self.client.clone(), format!("{}/dawdle", self.base));
                crate::support::spawn(async move {
                    client.get(url.parse().unwrap()).await.unwrap().status().as_u16()
                })
            })
            .collect()
    }

    async fn open_gate(&self, service: &Service, dawdling: Vec<tokio::task::JoinHandle<u16>>) {
        service.gate.send_replace(true);
        for request in dawdling {
            assert_eq!(request.await.unwrap(), 200);
        }
    }

    /// Sends good requests until the incident is resolved.
    async fn until(&self, daemon: &Daemon, id: &str) -> Value {
        let path = format!("/api/watchbell/v1/incidents/{id}");
        crate::support::daemon::wait_for("the resolution", async || {
            self.send("200", 20).await;
            let incident = daemon.get(&path).await.json();
            (incident["state"] == "resolved").then_some(incident)
        })
        .await
    }
}
