//! How long from a change that can be seen at the target to the call that pages somebody.
//!
//! One target, scraped each second; a gauge turns critical at a random moment of the interval, and
//! the fake Slack on loopback notes when `chat.postMessage` arrives. Half an interval of it is
//! waiting for the next scrape. Each change is a new incident.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints and may give up")]

mod support;

use std::time::Duration;

use support::daemon::{Daemon, Folder};
use support::gauges::Gauges;
use support::slack::{Call, Slack};
use support::{Dice, line, machine, now, pass, percentile};

const CHANGES: usize = 20;
const INTERVAL: Duration = Duration::from_secs(1);
/// Enough for a scrape of the good value, the resolution and its edits.
const REST: Duration = Duration::from_secs(2);

fn main() {
    support::run(measure());
}

async fn measure() {
    println!("change at the target -> chat.postMessage received, {CHANGES} changes");
    machine();
    let mut dice = Dice::new();
    let (gauges, slack) = (Gauges::start().await, Slack::start().await);
    let rounds = 0..CHANGES;
    gauges.set(rounds.clone().map(labels), 0.0);
    let folder = Folder::new("response");
    let daemon = Daemon::start(&folder, &configuration(&gauges, &slack)).await;
    pass(REST).await;
    let (mut waits, mut own) = (Vec::new(), Vec::new());
    for round in rounds {
        pass(dice.time(INTERVAL)).await;
        let changed = now();
        gauges.set([labels(round)], 1.0);
        gauges.read().await;
        let read = now();
        let paged = page(&slack, round).await;
        own.push(paged.at.saturating_duration_since(read));
        waits.push(paged.at.saturating_duration_since(changed));
        gauges.set([labels(round)], 0.0);
        pass(REST).await;
    }
    let ms = |wait: Duration| format!("{:.0} ms", wait.as_secs_f64() * 1e3);
    line("smallest", ms(percentile(&waits, 0)));
    line("median", ms(percentile(&waits, 50)));
    line("p90", ms(percentile(&waits, 90)));
    line("largest", ms(percentile(&waits, 100)));
    line("from the scrape that shows it, median", ms(percentile(&own, 50)));
    line("from the scrape that shows it, largest", ms(percentile(&own, 100)));
    inside(&daemon).await;
}

/// Prints what the daemon says of its own part.
async fn inside(daemon: &Daemon) {
    let text = daemon.get("/metrics").await.text;
    let value = |name: &str| -> f64 {
        let of = |line: &str| line.strip_prefix(name)?.trim().parse().ok();
        text.lines().find_map(of).unwrap_or_default()
    };
    for name in ["decision_seconds", "journal_sync_seconds"] {
        let sum = value(&format!("watchbell_{name}_sum "));
        let count = value(&format!("watchbell_{name}_count "));
        let mean = sum / count.max(1.0) * 1e3;
        line(&format!("mean of watchbell_{name} ({count})"), format!("{mean:.1} ms"));
    }
}

async fn page(slack: &Slack, round: usize) -> Call {
    let word = format!("changed in round {round}!");
    let is_page = |call: &Call| {
        call.method == "chat.postMessage"
            && call.body["thread_ts"].is_null()
            && call.body.to_string().contains(&word)
    };
    let calls = slack.wait_for(|calls| calls.iter().any(is_page), support::DEADLINE).await;
    calls.into_iter().find(is_page).unwrap()
}

fn labels(round: usize) -> String {
    format!("round=\"{round}\"")
}

fn configuration(gauges: &Gauges, slack: &Slack) -> String {
    format!(
        r#"
[scrape.api]
url = ["{}"]
interval = "1s"
[rule.gauge]
expr = "gauge"
critical = "> 0.5"
clear_for = "0s"
summary = "changed in round {{{{ labels.round }}}}!"
[person.ana]
slack = "U01"
[[route]]
name = "all"
page = ["ana"]
group_by = ["alertname", "round"]
fallback = ["ana"]
[slack]
token = "env:TEST_SLACK_TOKEN"
api_url = "{}"
"#,
        gauges.metrics_url(),
        slack.api_url()
    )
}
