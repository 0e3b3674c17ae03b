//! The real promtool as a client of both.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use crate::side::Side;
use crate::support::present;
use crate::support::prometheus::program;
use crate::verdict::differ;
use crate::world::World;

/// What is asked; `$url`, `$began` and `$end` stand for themselves.
const COMMANDS: &[&[&str]] = &[
    &["query", "instant", "--time=$end", "$url", "shop_info"],
    &["query", "instant", "--time=$end", "$url", "sum by (code) (shop_requests_total)"],
    &["query", "instant", "--time=$end", "$url", "1 + 1"],
    &["query", "instant", "--time=$end", "$url", "shop_untold[1m]"],
    &["query", "instant", "--time=$end", "$url", "shop_missing"],
    &["query", "instant", "--time=$end", "-o", "json", "$url", "shop_odd{kind=\"nan\"}"],
    &["query", "range", "--start=$began", "--end=$end", "--step=1m", "$url", "shop_untold"],
    &["query", "range", "--start=$began", "--end=$end", "--step=5m", "$url", "shop_info"],
    &["query", "series", "--match=shop_info", "$url"],
    &["query", "series", "--match=shop_info", "--match=shop_untold", "$url"],
    &["query", "series", "--match=shop_info", "--start=$began", "--end=$end", "$url"],
    &["query", "labels", "$url", "job"],
    &["query", "labels", "--match=shop_requests_total", "$url", "code"],
    &["query", "labels", "--start=$began", "--end=$end", "$url", "pod"],
];

/// Compares what it prints; returns what differs.
pub(crate) async fn compare(world: &World) -> Vec<String> {
    let program = program("PROMTOOL", "promtool");
    let mut faults = Vec::new();
    for words in COMMANDS {
        let run = |side: &Side| -> Option<Output> {
            let place = |word: &&str| {
                word.replace("$url", &side.url)
                    .replace("$began", &world.instant(0))
                    .replace("$end", &world.instant(880))
            };
            present(&program, Command::new(&program).args(words.iter().map(place)).output())
        };
        let (Some(ours), Some(theirs)) = (run(&world.ours), run(&world.theirs)) else {
            return faults;
        };
        if !theirs.status.success() {
            faults.push(format!("promtool {words:?} at Prometheus: {}", shown(&theirs)));
        } else if (ours.status.code(), lines(&ours)) != (theirs.status.code(), lines(&theirs)) {
            let words = format!("promtool {words:?}");
            faults.push(differ(&words, &shown(&ours), &shown(&theirs)));
        }
    }
    faults.extend(check_own_metrics(&program, &world.daemon.get("/metrics").await.text));
    faults
}

/// The linter finds nothing to say about our own metrics.
fn check_own_metrics(program: &str, metrics: &str) -> Option<String> {
    assert!(metrics.contains("watchbell_samples_ingested_total"), "{metrics}");
    let mut linter = Command::new(program)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    linter.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let output = linter.wait_with_output().unwrap();
    let is_clean = output.status.success() && output.stderr.is_empty();
    (!is_clean).then(|| format!("promtool check metrics: {}", shown(&output)))
}

/// Series have no order.
fn lines(output: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stdout);
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

fn shown(output: &Output) -> String {
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{} {out}{err}", output.status)
}
