//! History that is loaded before the daemon starts, and read over HTTP.

use std::fs;
use std::process::Output;

use serde_json::Value;
use watchbell::clock::Clock;

use crate::support::daemon::{Daemon, Folder, wait_for, watchbell};
use crate::support::service::Service;

const DAY: i64 = 86_400;
const STEP: i64 = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loaded_history_is_read_in_windows_and_goes_on_in_the_live_series() {
    let service = Service::start().await;
    let folder = Folder::new("backfill");
    let config = config(&service);
    let mut daemon = Daemon::start(&folder, &config).await;
    let live = wait_for("the live series", async || {
        let answer = query(&daemon, "test_gauge", now()).await;
        answer["data"]["result"][0]["metric"].as_object().cloned()
    })
    .await;
    let labels: Vec<String> = live
        .iter()
        .filter(|(name, _)| *name != "__name__")
        .map(|(name, value)| format!("{name}={value}"))
        .collect();

    let end = now() / STEP * STEP - 600;
    let mut text = String::from("# TYPE test_gauge gauge\n");
    for index in 0..=DAY / STEP {
        let at = end - DAY + index * STEP;
        text.push_str(&format!("test_gauge{{{}}} {index} {at}\n", labels.join(",")));
    }
    text.push_str("# EOF\n");
    let file = folder.write("history.om", &text);
    let refused = backfill(&folder, &[file.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(2), "the daemon is running: {refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("in use"), "{refused:?}");
    daemon.kill();

    let first = backfill(&folder, &["--json", file.to_str().unwrap()]);
    assert!(first.status.success(), "{first:?}");
    let summary: Value = serde_json::from_slice(&first.stdout).unwrap();
    assert_eq!(summary["samples"], DAY / STEP + 1);
    assert_eq!(summary["state"], folder.path().join("state").to_str().unwrap());
    assert_eq!(summary["already_there"], 0);
    assert_eq!(summary["files"][0]["series"], 1);
    let again = backfill(&folder, &[file.to_str().unwrap()]);
    let words = String::from_utf8_lossy(&again.stdout).into_owned();
    assert!(words.contains("1,441 were there already"), "{words}");

    let daemon = Daemon::start_again(folder.path(), daemon.port()).await;
    for (expr, at, expected) in [
        ("count_over_time(test_gauge[1h])", end - 3600, "60"),
        ("avg_over_time(test_gauge[1h])", end - 3600, "1350.5"),
        ("count_over_time(test_gauge[1d])", end, "1440"),
        ("test_gauge", end - DAY + 30, "0"),
    ] {
        let answer = query(&daemon, expr, at).await;
        let result = answer["data"]["result"].as_array().unwrap();
        assert_eq!(result.len(), 1, "{expr}: {answer:#}");
        assert_eq!(result[0]["value"][1], expected, "{expr}: {answer:#}");
    }
    // The newest value is the live one, and both are one series in a window over both.
    service.instruments.gauge.set(7.5);
    wait_for("the live value", async || {
        let answer = query(&daemon, "max_over_time(test_gauge[2h]) + 0 * test_gauge", now()).await;
        assert!(answer["data"]["result"].as_array().unwrap().len() < 2, "{answer:#}");
        let newest = query(&daemon, "test_gauge", now()).await;
        let is_live = newest["data"]["result"][0]["value"][1] == "7.5";
        (is_live && answer["data"]["result"][0]["value"][1] == "1440").then_some(())
    })
    .await;
}

#[test]
fn a_bad_line_is_named_and_costs_its_file_alone() {
    let folder = Folder::new("badfill");
    let state = folder.path().join("state");
    folder.write("watchbell.toml", &format!("[daemon]\nstate = {state:?}\n"));
    let at = now() - 3600;
    let good = folder.write("good.om", &format!("a 1 {at}\n# EOF\n"));
    let bad = folder.write("bad.om", &format!("a 1 {at}\nb x {at}\n# EOF\n"));
    let torn = folder.write("torn.txt", &format!("a 1 {at}\n"));
    let loaded = || fs::read_dir(state.join("samples/loaded")).map_or(0, Iterator::count);
    let cases = [
        (&bad, ":2: \"x\" is not a number; nothing of this file was loaded"),
        (&torn, ":1: the time"),
    ];
    for (file, expected) in cases {
        let output = backfill(&folder, &[file.to_str().unwrap()]);
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{words}");
        assert!(words.contains(expected), "{words}");
        assert_eq!(loaded(), 0);
    }
    let files = [good.to_str().unwrap(), bad.to_str().unwrap()];
    let output = backfill(&folder, &files);
    assert_eq!(output.status.code(), Some(1));
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(words.contains("read 1 samples of 1 file"), "{words}");
    assert_eq!(loaded(), 1, "the good file before it stays");
}

fn config(service: &Service) -> String {
    format!(
        "[scrape.api]\nurl = [\"{}\"]\ninterval = \"1s\"\n[history]\nkeep = ['{{__name__=\"test_gauge\"}}']\n",
        service.metrics_url()
    )
}

fn backfill(folder: &Folder, words: &[&str]) -> Output {
    let config = folder.path().join("watchbell.toml");
    watchbell().arg("backfill").arg("--config").arg(config).args(words).output().unwrap()
}

async fn query(daemon: &Daemon, expr: &str, at: i64) -> Value {
    let encoded: String = expr.bytes().map(|byte| format!("%{byte:02X}")).collect();
    daemon.get(&format!("/api/v1/query?query={encoded}&time={at}")).await.json()
}

fn now() -> i64 {
    Clock::start().now().0 / 1000
}
