//! Reloading: checked, swapped at once, nothing in flight lost; a bad file changes nothing.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::daemon::{Daemon, Folder, one_gauge, wait_for};
use crate::support::service::Service;
use crate::support::slack::Slack;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_file_changes_nothing_and_says_so_everywhere() {
    let (service, slack) = (Service::start().await, Slack::start().await);
    let folder = Folder::new("bad");
    let daemon = Daemon::start(&folder, &one_gauge(&service, &slack, "0s")).await;
    let main = folder.path().join("watchbell.toml");
    let good = std::fs::read_to_string(&main).unwrap();

    std::fs::write(&main, good.replace("critical = ", "critcal = ")).unwrap();
    let answer = daemon.post("/-/reload", &Value::Null).await;
    assert_eq!(answer.status, 400, "{}", answer.text);
    assert!(answer.text.contains("critcal") && answer.text.contains("critical"), "{}", answer.text);
    assert!(answer.text.contains("watchbell.toml:"), "the place is named: {}", answer.text);
    assert_eq!(metric(&daemon, "watchbell_config_last_reload_successful").await, "0");
    daemon
        .incidents("the internal alert", "open", |all| {
            all.iter().find(|one| one.to_string().contains("WatchbellReloadFailed")).map(|_| ())
        })
        .await;

    // The rule still works as it did.
    service.instruments.gauge.set(2.0);
    daemon.incidents("the rule's incident", "open", |all| of_rule(all, "gauge")).await;

    std::fs::write(&main, &good).unwrap();
    let answer = daemon.post("/-/reload", &Value::Null).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(metric(&daemon, "watchbell_config_last_reload_successful").await, "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sighup_puts_new_rules_and_targets_in_force_and_keeps_open_incidents() {
    let (service, slack) = (Service::start().await, Slack::start().await);
    let folder = Folder::new("hup");
    let daemon = Daemon::start(&folder, &one_gauge(&service, &slack, "0s")).await;
    service.instruments.gauge.set(2.0);
    let before = daemon.incidents("the incident", "open", |all| of_rule(all, "gauge")).await;

    let main = folder.path().join("watchbell.toml");
    let text = std::fs::read_to_string(&main).unwrap();
    let more = "[rule.second]\nexpr = \"test_gauge * 2\"\ncritical = \"> 3\"\n";
    std::fs::write(&main, format!("{text}\n{more}")).unwrap();
    daemon.signal(Signal::HUP);
    daemon.incidents("the new rule's incident", "open", |all| of_rule(all, "second")).await;
    let after = daemon.incidents("the incident", "open", |all| of_rule(all, "gauge")).await;
    assert_eq!(before["id"], after["id"]);
    assert_eq!(before["deadline"], after["deadline"]);
    let id = after["id"].as_str().unwrap();
    let acked = daemon
        .post(&format!("/api/watchbell/v1/incidents/{id}/ack"), &json!({ "by": "ana" }))
        .await;
    assert_eq!(acked.json()["sla"], "met");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_heartbeat_that_a_reload_brings_is_sent() {
    let (service, slack) = (Service::start().await, Slack::start().await);
    let folder = Folder::new("beat");
    let daemon = Daemon::start(&folder, &one_gauge(&service, &slack, "0s")).await;
    let (url, mut beats) = crate::support::count("/ping").await;
    let secret = folder.write("deadman", &url);
    let main = folder.path().join("watchbell.toml");
    let text = std::fs::read_to_string(&main).unwrap();
    let more = format!("[deadman]\nping = \"file:{}\"\n", secret.display());
    std::fs::write(&main, format!("{text}\n{more}")).unwrap();
    let answer = daemon.post("/-/reload", &Value::Null).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let beat = beats.wait_for(|count| 0 < *count);
    tokio::time::timeout(crate::support::daemon::DEADLINE, beat).await.unwrap().unwrap();

    // A secret that is gone is refused before anything is swapped.
    std::fs::remove_file(&secret).unwrap();
    let answer = daemon.post("/-/reload", &Value::Null).await;
    assert_eq!(answer.status, 400, "{}", answer.text);
    assert!(answer.text.contains("deadman"), "{}", answer.text);
}

fn of_rule(incidents: &[Value], rule: &str) -> Option<Value> {
    let fires = |one: &&Value| one["alerts"][0]["labels"]["alertname"] == rule;
    incidents.iter().find(fires).cloned()
}

/// Returns an own metric's value, waiting for it to exist.
async fn metric(daemon: &Daemon, name: &str) -> String {
    wait_for(name, async || {
        let text = daemon.get("/metrics").await.text;
        let line = text.lines().find(|line| line.starts_with(&format!("{name} ")))?.to_owned();
        line.rsplit(' ').next().map(str::to_owned)
    })
    .await
}
