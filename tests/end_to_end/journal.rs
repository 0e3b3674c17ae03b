//! A journal that cannot be written: pages go on from memory, and nothing else is held up.

use rusqlite::Connection;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::daemon::{DEADLINE, Daemon, Folder, one_gauge};
use crate::support::service::Service;
use crate::support::slack::{Call, Slack};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_journal_stops_no_page_and_is_itself_paged_and_catches_up() {
    let (service, slack) = (Service::start().await, Slack::start().await);
    let folder = Folder::new("locked");
    let mut daemon = Daemon::start(&folder, &one_gauge(&service, &slack, "0s")).await;
    let lock = lock(&folder);
    service.instruments.gauge.set(2.0);
    slack.wait_for(|calls| pages_of(calls, "gauge") == 1, DEADLINE).await;
    slack.wait_for(|calls| pages_of(calls, "WatchbellJournalFailing") == 1, DEADLINE).await;

    let id = daemon.incidents("the incident", "open", |all| id_of(all, "gauge")).await;
    let path = format!("/api/watchbell/v1/incidents/{id}/ack");
    let acked = daemon.post(&path, &json!({ "by": "ana" })).await;
    assert_eq!(acked.status, 200, "an answer counts at once: {}", acked.text);

    lock.execute_batch("ROLLBACK").unwrap();
    let works = |all: &[Value]| id_of(all, "WatchbellJournalFailing");
    daemon.incidents("the journal's recovery", "resolved", works).await;
    daemon.kill();

    let daemon = Daemon::start_again(folder.path(), daemon.port()).await;
    let again = daemon.incidents("the ack", "acked", |all| id_of(all, "gauge")).await;
    assert_eq!(again, id, "what happened meanwhile was written down later");
    assert_eq!(pages_of(&slack.calls(), "gauge"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_journal_holds_up_neither_a_reload_nor_a_stop() {
    let (service, slack) = (Service::start().await, Slack::start().await);
    let folder = Folder::new("held");
    let mut daemon = Daemon::start(&folder, &one_gauge(&service, &slack, "0s")).await;
    let _lock = lock(&folder);
    let main = folder.path().join("watchbell.toml");
    let text = std::fs::read_to_string(&main).unwrap();
    std::fs::write(&main, text.replace("critical = ", "critcal = ")).unwrap();
    let limit = std::time::Duration::from_secs(10);
    let refused = tokio::time::timeout(limit, daemon.post("/-/reload", &Value::Null)).await;
    assert_eq!(refused.expect("an answer in time").status, 400);
    std::fs::write(&main, &text).unwrap();
    daemon.signal(Signal::HUP);
    daemon.signal(Signal::TERM);
    let ended = tokio::time::timeout(limit, daemon.ended()).await;
    assert!(ended.expect("within ten seconds").success(), "{}", daemon.log());
}

/// Takes the one lock of writers, as a backup tool may.
fn lock(folder: &Folder) -> Connection {
    let connection = Connection::open(folder.path().join("state/watchbell.db")).unwrap();
    connection.busy_timeout(DEADLINE).unwrap();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    connection
}

/// Counts messages that make a sound and name a rule.
fn pages_of(calls: &[Call], rule: &str) -> usize {
    let is_page = |call: &&Call| {
        call.method == "chat.postMessage"
            && call.body["thread_ts"].is_null()
            && call.body.to_string().contains(rule)
    };
    calls.iter().filter(is_page).count()
}

fn id_of(incidents: &[Value], rule: &str) -> Option<String> {
    let one = incidents.iter().find(|one| one.to_string().contains(rule))?;
    one["id"].as_str().map(str::to_owned)
}
