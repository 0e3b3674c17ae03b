//! Files of rule tests: what is read of them, and the golden text of their faults.

#![allow(clippy::disallowed_methods, reason = "tests read files")]

use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::diagnostic::render;
use crate::document::Files;
use crate::load::{CheckedTests, RuleFileOptions, load_rule_tests};

/// One text under one name.
struct One<'a>(&'a str);

impl Files for One<'_> {
    fn read(&self, _: &Path) -> Result<String, String> {
        Ok(self.0.to_owned())
    }

    fn matching(&self, _: &Path, _: &str) -> Result<Vec<PathBuf>, String> {
        Err("there is no such file".to_owned())
    }
}

fn read(text: &str) -> CheckedTests {
    load_rule_tests(Path::new("faults.yml"), &One(text), RuleFileOptions::default())
}

#[test]
fn faults_are_worded_as_the_golden_file_says_and_are_those_of_their_tests() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("rule_test");
    let checked = read(&std::fs::read_to_string(folder.join("faults.yml")).unwrap());
    let got = render(&checked.diagnostics, &checked.sources, false);
    let golden = folder.join("faults.txt");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&golden, &got).unwrap();
    }
    assert_eq!(std::fs::read_to_string(golden).unwrap_or_default(), got);
    assert!(checked.is_refused());
    let faulty: Vec<bool> = checked.tests.unwrap().tests.iter().map(|test| test.faulty).collect();
    assert_eq!(faulty, [true, true, false, true]);
}

#[test]
fn a_file_whose_faults_are_inside_tests_can_be_run() {
    let checked = read("tests:\n- input_series: [{ series: '{' }]\n- {}\n");
    assert!(!checked.is_refused());
    let faulty: Vec<bool> = checked.tests.unwrap().tests.iter().map(|test| test.faulty).collect();
    assert_eq!(faulty, [true, false]);
    assert!(read("groups: []").is_refused());
    assert!(read("").is_refused());
}

#[test]
fn what_is_not_written_has_prometheus_s_defaults() {
    let checked = read(
        r#"
evaluation_interval: 0s
tests:
- input_series: [{ series: 'x{a="1"}' , values: "1" }, { series: y, values: "{{count:1}}" }]
  external_labels: { cluster: 7 }
  alert_rule_test:
  - { alertname: A, partial: true, exp_alerts: [{}, ~], exp_pending: [] }
  promql_expr_test:
  - { expr: x, exp_samples: [{ labels: x, value: 0x10 }, { value: -.inf }, { value: 1_000 }] }
  - { expr: y, exp_samples: [{ labels: y, histogram: "{{count:1}}" }] }
- interval: 5s
"#,
    );
    assert_eq!(checked.diagnostics, []);
    let tests = checked.tests.unwrap();
    assert_eq!(tests.evaluation_interval, MINUTE);
    let [first, second] = tests.tests.as_slice() else { panic!("two tests") };
    assert_eq!((first.interval, second.interval), (MINUTE, Duration::from_secs(5)));
    assert_eq!((first.start, &first.name, first.faulty), (0, &None, false));
    assert_eq!(first.external.labels, Labels::from_pairs([("cluster", "7")]));
    assert_eq!(first.series[0].points, Some(vec![Point::Value(1.0)]));
    assert_eq!(first.series[1].points, None);
    let alert = &first.alerts[0];
    assert_eq!((alert.at, alert.pending.as_ref().map(Vec::len)), (Duration::ZERO, Some(0)));
    let named = Labels::from_pairs([(ALERT_NAME, "A")]);
    assert!(alert.firing.iter().all(|one| one.partial && one.labels == named));
    let values = first.exprs[0].samples.as_ref().unwrap().iter().map(|sample| sample.value);
    assert_eq!(values.collect::<Vec<_>>(), [16.0, f64::NEG_INFINITY, 1000.0]);
    assert_eq!(first.exprs[1].samples, None);
}

#[test]
fn numbers_are_read_as_yaml_and_prometheus_write_them() {
    for (text, expected) in [
        ("1", Some(1.0)),
        ("-1.5e3", Some(-1500.0)),
        (".5", Some(0.5)),
        ("+Inf", Some(f64::INFINITY)),
        (".inf", Some(f64::INFINITY)),
        ("0x1F", Some(31.0)),
        ("", None),
        ("one", None),
        ("--1", None),
        ("1 2", None),
    ] {
        assert_eq!(number(text), expected, "{text:?}");
    }
    assert!(number(".NaN").is_some_and(f64::is_nan));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_damaged_file_makes_reading_panic(
        cut in 0_usize..1_200,
        length in 0_usize..40,
        put in r#"[ -~\n\t|>&*!é]{0,12}"#,
    ) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("rule_test/faults.yml");
        let whole = std::fs::read_to_string(path).unwrap();
        let head: String = whole.chars().take(cut).collect();
        let tail: String = whole.chars().skip(cut + length).collect();
        let checked = read(&format!("{head}{put}{tail}"));
        prop_assert!(!checked.diagnostics.is_empty() || checked.tests.is_some());
    }
}
