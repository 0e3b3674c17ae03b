//! Scripts in Prometheus's test format, of any text: every case passes, fails with words, or is
//! skipped; the same every time.

#![no_main]

use libfuzzer_sys::fuzz_target;
use watchbell_metrics::promql::notation::{parse_labels, parse_values};
use watchbell_metrics::promql::script;

fuzz_target!(|text: &str| {
    if let Err(error) = parse_values(text) {
        assert!(text.get(error.span).is_some());
    }
    if let Err(error) = parse_labels(text) {
        assert!(text.get(error.span).is_some());
    }
    let report = script::run(text);
    let lines = text.lines().count();
    assert!(report.passed + report.skipped + report.failed.len() <= lines);
    assert!(report.failed.iter().all(|one| 0 < one.line && one.line <= lines));
    assert_eq!(script::run(text), report);
});
