//! `watchbell test` and `check` on rule tests and rule files of others, with the verdicts that
//! promtool 3 gives them.

#![allow(clippy::unwrap_used, reason = "a test fails where it meets a fault")]
#![allow(clippy::print_stdout, reason = "a test says that it was skipped")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Files of rule tests that pass.
const GOOD: [&str; 6] = [
    "at-modifier-test.yml",
    "long-period.yml",
    "negative-offset-test.yml",
    "no-test-group-interval.yml",
    "start-time-test.yml",
    "unittest.yml",
];
/// Files of rule tests that fail, and a word of the reason.
const BAD: [(&str, &str); 8] = [
    ("bad-input-series.yml", "bad-input-series.yml:3:64: error[bad-promql]"),
    ("bad-promql.yml", "many-to-many matching not allowed"),
    ("bad-rules-error-test.yml", "the rule joined failed at 0s"),
    ("bad-rules-syntax-test.yml", "bad-rules-syntax.yml:7:22: error[bad-promql]"),
    ("failing.yml", "alertname: InstanceDown, time: 5m, firing"),
    ("rules_run.yml", "wrong test: expr: \"test\", time: 0s"),
    ("rules_run_fuzzy.yml", "wrong fuzzy match"),
    ("rules_run_no_fuzzy.yml", "got: test_low 2.9999999999999996"),
];

#[test]
fn promtool_s_own_files_get_promtool_s_verdict() {
    let Some(folder) = conformance("promtool") else { return };
    for file in GOOD {
        let output = run(&folder, &["test", file]);
        assert_eq!(output.status.code(), Some(0), "{file}: {}", text(&output));
    }
    for (file, reason) in BAD {
        let output = run(&folder, &["test", file]);
        assert_eq!(output.status.code(), Some(1), "{file}: {}", text(&output));
        assert!(text(&output).contains(reason), "{file}: {}", text(&output));
    }
    let files = ["rules.yml", "rules_duplicates.yml", "rules_large.yml", "at-modifier.yml"];
    for file in files {
        assert_eq!(run(&folder, &["check", file]).status.code(), Some(0), "{file}");
    }
    for file in ["rules-bad.yml", "rules_extrafields.yml", "bad-rules-syntax.yml"] {
        assert_eq!(run(&folder, &["check", file]).status.code(), Some(2), "{file}");
    }
    let lenient = ["check", "--ignore-unknown-fields", "rules_extrafields.yml"];
    assert_eq!(run(&folder, &lenient).status.code(), Some(0));
    let test = "rules_run_extrafields.yml";
    assert_eq!(run(&folder, &["test", test]).status.code(), Some(1));
    let output = run(&folder, &["test", "--ignore-unknown-fields", test]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let lint = ["check", "--lint-fatal", "prometheus-rules.lint.yml"];
    assert_eq!(run(&folder, &lint).status.code(), Some(1));
    let lint = ["check", "--lint=none", "--lint-fatal", "prometheus-rules.lint.yml"];
    assert_eq!(run(&folder, &lint).status.code(), Some(0));
}

#[test]
fn the_tests_of_the_kubernetes_mixin_pass() {
    let Some(folder) = conformance("kubernetes-mixin/tests") else { return };
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 8);
    // The folder stands for its files.
    let output = run(&folder, &["test", "."]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_eq!(text(&output).lines().last(), Some("113 passed, 0 failed"));
}

#[test]
fn results_can_be_chosen_written_down_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let rules = "groups:\n- name: web\n  rules:\n  - { alert: Down, expr: up == 0 }\n  \
                 - { alert: Slow, expr: latency > 1 }\n";
    std::fs::write(folder.path().join("rules.yml"), rules).unwrap();
    let tests = "rule_files: [rules.yml]\ntests:\n- name: down\n  input_series:\n  \
                 - { series: up, values: '0' }\n  alert_rule_test:\n  - alertname: Down\n    \
                 exp_alerts: [{}]\n- name: wrong\n  promql_expr_test:\n  - expr: '1'\n    \
                 exp_samples: [{ value: 2 }]\n";
    std::fs::write(folder.path().join("a_test.yml"), tests).unwrap();
    let run = |words: &[&str]| run(folder.path(), words);

    let output = run(&["test", "--run", "^do", "--coverage", "a_test.yml"]);
    let expected = "not covered: rules.yml: web: alert Slow\ncoverage: 1 of 2 rules (50.0%)\n\
                    1 passed, 0 failed\n";
    assert_eq!((output.status.code(), text(&output).as_str()), (Some(0), expected));
    let output = run(&["test", "--run", "down", "--min-coverage", "80%", "a_test.yml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("coverage: 1 of 2 rules (50.0%), below 80.0%"));
    assert_eq!(run(&["test", "--min-coverage", "120%", "a_test.yml"]).status.code(), Some(2));
    assert_eq!(run(&["test", "--run", "(", "a_test.yml"]).status.code(), Some(2));

    let output = run(&["test", "--junit", "results.xml", "--json", "a_test.yml"]);
    assert_eq!(output.status.code(), Some(1));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&answer["passed"], &answer["failed"]), (&1.into(), &1.into()));
    assert_eq!(answer["files"][0]["cases"][1]["name"], "wrong");
    let xml = std::fs::read_to_string(folder.path().join("results.xml")).unwrap();
    assert!(xml.contains("<testsuite name=\"a_test.yml\" tests=\"2\" failures=\"1\""), "{xml}");
    assert!(xml.contains("<testcase name=\"down\" line=\"3\"/>"), "{xml}");
    assert!(xml.contains("expected: {} 2\n         got: {} 1"), "{xml}");

    let output = run(&["test", "rules.yml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("this file holds rules: `watchbell check` reads it"));
    let output = run(&["check", "a_test.yml"]);
    assert_eq!(output.status.code(), Some(2));
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(errors.contains("`watchbell test` runs it"), "{errors}");
}

fn run(folder: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_watchbell")).current_dir(folder).args(words).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Conformance data beside the checkout; absent, the test says so and fails in CI.
fn conformance(folder: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/conformance").join(folder);
    if path.exists() {
        return Some(path);
    }
    assert!(std::env::var_os("CI").is_none(), "the conformance data is absent");
    println!("the conformance data is absent");
    None
}
