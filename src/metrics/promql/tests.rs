//! The engine against Prometheus's own test scripts, and against text that makes no sense.

use std::path::Path;

use crate::promql::script;

/// Passed and skipped cases of each file; none may fail. What is skipped needs native histograms.
const FILES: [(&str, usize, usize); 7] = [
    ("aggregators.test", 125, 35),
    ("functions.test", 323, 108),
    ("histograms.test", 83, 102),
    ("literals.test", 25, 0),
    ("range_queries.test", 16, 2),
    ("selectors.test", 31, 0),
    ("trig_functions.test", 19, 0),
];

#[test]
fn prometheus_scripts_pass() {
    let Some(folder) = conformance() else { return };
    for (name, passed, skipped) in FILES {
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        let report = script::run(&text);
        let failures: Vec<String> = report
            .failed
            .iter()
            .map(|one| format!("{name}:{}: {}", one.line, one.message))
            .collect();
        assert!(failures.is_empty(), "{}", failures.join("\n"));
        assert_eq!((report.passed, report.skipped), (passed, skipped), "{name}");
    }
}

fn conformance() -> Option<std::path::PathBuf> {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance/promqltest");
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(std::env::var_os("CI").is_none(), "the conformance data is absent");
    println!("the conformance data is absent");
    None
}

#[test]
fn scratch() {
    for path in std::env::var("SCRATCH").unwrap_or_default().split_whitespace() {
        let report = script::run(&std::fs::read_to_string(path).unwrap());
        println!("{path} {report:#?}");
    }
}
