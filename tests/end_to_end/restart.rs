//! Killed, terminated, started again: what was due is still due, and nothing is told twice.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::burst::{Burst, Lives, repeats};
use crate::support::daemon::{Daemon, Folder, one_gauge};
use crate::support::service::Service;
use crate::support::slack::{Call, Fault, Slack};

/// Long enough that a kill after an arrival meets requests without an answer.
const ANSWERS_AFTER: std::time::Duration = std::time::Duration::from_millis(500);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_daemon_finds_its_incidents_deadlines_and_acks_again() {
    let (service, slack) = (Service::start().await, Slack::start().await);
    let folder = Folder::new("kill");
    let mut daemon = Daemon::start(&folder, &one_gauge(&service, &slack, "0s")).await;
    service.instruments.gauge.set(2.0);
    let before = daemon.incidents("the incident", "open", notified).await;
    daemon.kill();

    let mut daemon = Daemon::start_again(folder.path(), daemon.port()).await;
    let after = daemon.incidents("the incident", "open", notified).await;
    for name in ["id", "fired_at", "first_bad_at", "deadline", "notified_at", "key"] {
        assert_eq!(before[name], after[name], "{name}");
    }
    let id = after["id"].as_str().unwrap();
    let acked = daemon
        .post(&format!("/api/watchbell/v1/incidents/{id}/ack"), &json!({ "by": "ana" }))
        .await;
    assert_eq!(acked.status, 200, "{}", acked.text);
    daemon.kill();

    let daemon = Daemon::start_again(folder.path(), daemon.port()).await;
    let again = daemon.incidents("the ack", "acked", notified).await;
    assert_eq!(again["acked_by"], "ana");
    assert_eq!(again["sla"], "met");
    let pages = pages(&slack.calls());
    assert_eq!(pages.len(), 1, "one act of paging, one message: {pages:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pending_hold_goes_on_after_a_kill() {
    let (service, slack) = (Service::start().await, Slack::start().await);
    let folder = Folder::new("hold");
    let mut daemon = Daemon::start(&folder, &one_gauge(&service, &slack, "4s")).await;
    service.instruments.gauge.set(2.0);
    let since = pending(&daemon).await;
    daemon.kill();

    let daemon = Daemon::start_again(folder.path(), daemon.port()).await;
    let incident = daemon.incidents("the incident", "open", |all| all.first().cloned()).await;
    // The run that began before the kill is the run that fired.
    assert_eq!(incident["first_bad_at"].as_str().unwrap(), since, "{incident:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_in_flight_at_the_kill_is_sent_again_and_marked() {
    let (service, slack) = (Service::start().await, Slack::start().await);
    slack.fail_always("chat.postMessage", Fault::Hang);
    let folder = Folder::new("flight");
    let mut daemon = Daemon::start(&folder, &one_gauge(&service, &slack, "0s")).await;
    service.instruments.gauge.set(2.0);
    slack.wait_for(|calls| !pages(calls).is_empty(), crate::support::daemon::DEADLINE).await;
    daemon.kill();
    slack.heal();

    let daemon = Daemon::start_again(folder.path(), daemon.port()).await;
    daemon.incidents("the delivery", "open", notified).await;
    let pages = pages(&slack.calls());
    assert!(2 <= pages.len(), "{pages:#?}");
    let identity = |call: &Call| call.body["metadata"].clone();
    assert_eq!(identity(&pages[0]), identity(&pages[1]), "the same identity");
    assert!(pages[1].body.to_string().contains("repeat"), "it is marked: {:#}", pages[1].body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_in_a_burst_lose_no_page_and_repeats_are_marked() {
    let burst = Burst::start(10, 5).await;
    burst.slack.fail_always("chat.postMessage", Fault::Late(ANSWERS_AFTER));
    let folder = Folder::new("burst");
    let mut lives = Lives::begin();
    let mut daemon = burst.daemon(&folder).await;
    burst.begin(0);
    let mut arrived = 0;
    for _ in 0..3 {
        arrived = burst.more_pages_than(arrived).await;
        lives.next(&mut daemon);
    }
    daemon.wait_ready().await;
    let lost = burst.lost(0, &daemon).await;
    assert!(lost.is_empty(), "the pages of {lost:?} never arrived\n{}", daemon.log());

    let pages = burst.pages();
    let again = repeats(&pages);
    assert!(0 < again.arrived, "the kills met pages under way: {pages:#?}");
    assert_eq!(again.unmarked, 0, "{pages:#?}");
    let under_way: usize = lives.under_way(&pages, &folder).iter().sum();
    assert!(again.arrived <= under_way, "only what was under way comes again: {pages:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn windows_are_there_again_after_a_kill() {
    let (service, slack) = (Service::start().await, Slack::start().await);
    let folder = Folder::new("window");
    let mut daemon = Daemon::start(&folder, &one_gauge(&service, &slack, "0s")).await;
    let query = "/api/v1/query?query=count_over_time(test_gauge%5B10m%5D)";
    let count = |answer: &Value| -> Option<f64> {
        answer["data"]["result"][0]["value"][1].as_str()?.parse().ok()
    };
    let before = crate::support::daemon::wait_for("five samples", async || {
        count(&daemon.get(query).await.json()).filter(|count| 5.0 <= *count)
    })
    .await;
    daemon.kill();
    let daemon = Daemon::start_again(folder.path(), daemon.port()).await;
    let after = crate::support::daemon::wait_for("samples", async || {
        count(&daemon.get(query).await.json())
    })
    .await;
    // The journal of samples is written each second, so at most about one second is missing.
    assert!(before - 2.0 <= after, "{before} samples before, {after} after");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_ends_it_cleanly_within_ten_seconds() {
    let (service, slack) = (Service::start().await, Slack::start().await);
    slack.fail_always("chat.postMessage", Fault::Hang);
    let folder = Folder::new("term");
    let mut daemon = Daemon::start(&folder, &one_gauge(&service, &slack, "0s")).await;
    service.instruments.gauge.set(2.0);
    slack.wait_for(|calls| !pages(calls).is_empty(), crate::support::daemon::DEADLINE).await;
    daemon.signal(Signal::TERM);
    let ended = tokio::time::timeout(std::time::Duration::from_secs(10), daemon.ended()).await;
    assert!(ended.expect("within ten seconds").success(), "{}", daemon.log());

    // What was not delivered is delivered after the next start.
    slack.heal();
    let daemon = Daemon::start_again(folder.path(), daemon.port()).await;
    daemon.incidents("the delivery", "open", notified).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_is_taken_during_the_stop_is_not_sent_again() {
    let (service, slack) = (Service::start().await, Slack::start().await);
    slack.fail_always("chat.postMessage", Fault::Held);
    let folder = Folder::new("taken");
    let mut daemon = Daemon::start(&folder, &one_gauge(&service, &slack, "0s")).await;
    service.instruments.gauge.set(2.0);
    slack.wait_for(|calls| !pages(calls).is_empty(), crate::support::daemon::DEADLINE).await;
    daemon.signal(Signal::TERM);
    // The stop is under way when nobody is let in any more.
    crate::support::daemon::wait_for("the stop", async || {
        daemon.log().contains("stopping").then_some(())
    })
    .await;
    slack.release();
    assert!(daemon.ended().await.success(), "{}", daemon.log());

    slack.heal();
    let daemon = Daemon::start_again(folder.path(), daemon.port()).await;
    daemon.incidents("the delivery", "open", notified).await;
    let pages = pages(&slack.calls());
    assert_eq!(pages.len(), 1, "{pages:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_hanging_pages_hold_up_no_stop_and_none_is_lost() {
    const PAGES: usize = 200;
    let slack = Slack::start().await;
    slack.fail_always("chat.postMessage", Fault::Hang);
    let body: String =
        (0..PAGES).map(|number| format!("broken{{part=\"p{number}\"}} 1\n")).collect();
    let metrics = crate::support::serve("/metrics", body).await;
    let folder = Folder::new("many");
    let config = format!(
        r#"
[scrape.api]
url = ["{metrics}"]
interval = "1s"
[rule.broken]
expr = "broken"
critical = "> 0"
[person.ana]
slack = "U01"
[[route]]
name = "all"
group_by = ["part"]
page = ["ana"]
fallback = ["ana"]
[slack]
token = "env:TEST_SLACK_TOKEN"
api_url = "{}"
"#,
        slack.api_url()
    );
    let mut daemon = Daemon::start(&folder, &config).await;
    let many = |calls: &[Call]| 100 <= pages(calls).len();
    slack.wait_for(many, crate::support::daemon::DEADLINE).await;
    let is_all = |all: &[Value]| (all.len() == PAGES).then_some(());
    daemon.incidents("all incidents", "open", is_all).await;
    daemon.signal(Signal::TERM);
    let ended = tokio::time::timeout(std::time::Duration::from_secs(10), daemon.ended()).await;
    assert!(ended.expect("within ten seconds").success(), "{}", daemon.log());

    slack.heal();
    let daemon = Daemon::start_again(folder.path(), daemon.port()).await;
    daemon
        .incidents("all deliveries", "open", |all| {
            let told = all.iter().filter(|one| !one["notified_at"].is_null()).count();
            (told == PAGES).then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_daemon_on_the_same_state_is_refused() {
    let (service, slack) = (Service::start().await, Slack::start().await);
    let folder = Folder::new("second");
    let daemon = Daemon::start(&folder, &one_gauge(&service, &slack, "0s")).await;
    let port = crate::support::daemon::free_port();
    let text = std::fs::read_to_string(folder.path().join("watchbell.toml")).unwrap();
    let other =
        folder.write("other.toml", &text.replace(&daemon.port().to_string(), &port.to_string()));
    let output = crate::support::daemon::watchbell()
        .args(["run", "--config"])
        .arg(other)
        .env("TEST_SLACK_TOKEN", "x")
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{words}");
    assert!(words.contains("another daemon"), "{words}");
}

fn notified(incidents: &[Value]) -> Option<Value> {
    incidents.iter().find(|one| !one["notified_at"].is_null()).cloned()
}

/// Messages that make a sound, in order.
fn pages(calls: &[Call]) -> Vec<Call> {
    calls
        .iter()
        .filter(|call| call.method == "chat.postMessage" && call.body["thread_ts"].is_null())
        .cloned()
        .collect()
}

/// Waits until the rule is pending and returns since when.
async fn pending(daemon: &Daemon) -> String {
    crate::support::daemon::wait_for("the pending alert", async || {
        let answer = daemon.get("/api/v1/alerts").await.json();
        let alert = answer["data"]["alerts"]
            .as_array()?
            .iter()
            .find(|alert| alert["state"] == "pending" && alert["labels"]["alertname"] == "gauge")?;
        let at = watchbell_paging::time::Timestamp::parse_rfc3339(alert["activeAt"].as_str()?);
        Some(at.ok()?.to_rfc3339())
    })
    .await
}
