//! What rules do over the time of a test, told by the tests themselves.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use watchbell_config::load::{Files, RuleFileOptions, load_rule_tests};

use super::*;

/// Files in memory.
struct Folder(BTreeMap<&'static str, String>);

impl Files for Folder {
    fn read(&self, path: &Path) -> Result<String, String> {
        let name = path.to_str().unwrap_or_default();
        self.0.get(name).cloned().ok_or_else(|| "there is no such file".to_owned())
    }

    fn matching(&self, _: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
        if self.0.contains_key(pattern) {
            return Ok(vec![PathBuf::from(pattern)]);
        }
        Err("there is no such file".to_owned())
    }
}

/// Runs tests, of which every one has to be readable, on rules.
fn ran(rules: &str, tests: &str) -> (Vec<TestReport>, Coverage) {
    let tests = format!("rule_files: [rules.yml]\n{tests}");
    let files = BTreeMap::from([("rules.yml", format!("groups:\n{rules}")), ("t.yml", tests)]);
    let checked = load_rule_tests(Path::new("t.yml"), &Folder(files), RuleFileOptions::default());
    assert!(!checked.is_refused(), "{:?}", checked.diagnostics);
    let mut coverage = Coverage::default();
    (run(&checked, &|_| true, &mut coverage), coverage)
}

/// Runs tests that have to pass.
fn pass(rules: &str, tests: &str) {
    for report in ran(rules, tests).0 {
        assert_eq!(report.failures, [], "{}", report.name);
        assert!(0 < report.looked_at, "{} expects nothing", report.name);
    }
}

/// Runs one test that has to fail, and returns what it says.
fn fail(rules: &str, tests: &str) -> Vec<String> {
    let (reports, _) = ran(rules, tests);
    let failures = reports.into_iter().flat_map(|report| report.failures);
    failures.map(|failure| format!("{}\n{}", failure.what, failure.sides)).collect()
}

const DOWN: &str = r#"
- name: hosts
  rules:
  - alert: Down
    expr: up == 0
    for: 2m
    labels: { severity: page }
    annotations: { summary: "{{ $labels.job }} is down" }
"#;

#[test]
fn an_alert_is_pending_until_its_for_has_passed_and_gone_with_its_series() {
    pass(
        DOWN,
        r#"
tests:
- input_series: [{ series: 'up{job="api"}', values: '1 0 0 0 1 0' }]
  alert_rule_test:
  - { eval_time: 0m, alertname: Down, exp_alerts: [], exp_pending: [] }
  - eval_time: 1m
    alertname: Down
    exp_pending:
    - exp_labels: { job: api, severity: page }
      exp_annotations: { summary: api is down }
  - { eval_time: 2m59s, alertname: Down, exp_pending: [{ partial: true }] }
  - eval_time: 3m
    alertname: Down
    exp_pending: []
    exp_alerts:
    - exp_labels: { job: api, severity: page }
      exp_annotations: { summary: api is down }
  - { eval_time: 4m, alertname: Down, exp_alerts: [], exp_pending: [] }
  - { eval_time: 5m, alertname: Down, exp_alerts: [], exp_pending: [{ partial: true }] }
  promql_expr_test:
  - expr: ALERTS
    eval_time: 1m
    exp_samples:
    - { labels: 'ALERTS{alertname="Down",alertstate="pending",job="api",severity="page"}', value: 1 }
  - expr: ALERTS_FOR_STATE
    eval_time: 3m
    exp_samples:
    - { labels: 'ALERTS_FOR_STATE{alertname="Down",job="api",severity="page"}', value: 60 }
  - { expr: ALERTS, eval_time: 4m, exp_samples: [] }
"#,
    );
}

#[test]
fn an_alert_is_kept_firing_for_a_while_and_says_what_it_said_last() {
    pass(
        r#"
- name: a
  rules:
  - alert: Kept
    expr: load > 5
    keep_firing_for: 2m
    annotations: { summary: "{{ $value }}" }
"#,
        r#"
tests:
- input_series: [{ series: load, values: '6 7 1 1 1 8 1 9 1 1' }]
  alert_rule_test:
  - { eval_time: 0, alertname: Kept, exp_alerts: [{ exp_annotations: { summary: "6" } }] }
  - { eval_time: 3m, alertname: Kept, exp_alerts: [{ exp_annotations: { summary: "7" } }] }
  - { eval_time: 4m, alertname: Kept, exp_alerts: [] }
  - { eval_time: 6m, alertname: Kept, exp_alerts: [{ exp_annotations: { summary: "8" } }] }
  - { eval_time: 9m, alertname: Kept, exp_alerts: [{ exp_annotations: { summary: "9" } }] }
"#,
    );
}

#[test]
fn rules_see_what_the_rules_before_them_gave_and_no_sample_that_is_yet_to_come() {
    let rules = r"
- name: late
  rules:
  - { record: 'c', expr: b * 2 }
- name: early
  rules:
  - { record: 'a', expr: sum(in) }
  - { record: 'b', expr: a + 1 }
  - { record: 'ahead', expr: in offset -1m }
";
    pass(
        rules,
        r#"
group_eval_order: [early, late]
tests:
- input_series: [{ series: 'in{x="1"}', values: 1 2 3 }, { series: 'in{x="2"}', values: 10x2 }]
  promql_expr_test:
  - { expr: b, eval_time: 0, exp_samples: [{ labels: b, value: 12 }] }
  - { expr: c, eval_time: 1m, exp_samples: [{ labels: c, value: 26 }] }
  - { expr: 'ahead{x="1"}', eval_time: 1m, exp_samples: [{ labels: 'ahead{x="1"}', value: 2 }] }
"#,
    );
}

#[test]
fn a_series_ends_when_its_rule_does_not_give_it_any_more() {
    pass(
        r"
- name: a
  rules:
  - { record: bad, expr: 'load > 5', labels: { team: web } }
",
        r#"
tests:
- input_series: [{ series: load, values: '6 1 7' }]
  promql_expr_test:
  - { expr: bad, eval_time: 59s, exp_samples: [{ labels: 'bad{team="web"}', value: 6 }] }
  - { expr: bad, eval_time: 1m, exp_samples: [] }
  - { expr: bad, eval_time: 2m, exp_samples: [{ labels: 'bad{team="web"}', value: 7 }] }
"#,
    );
}

#[test]
fn templates_speak_of_the_server_and_ask_queries_of_the_evaluated_time() {
    pass(
        r#"
- name: a
  rules:
  - alert: A
    expr: load > 5
    labels: { cluster: "{{ $externalLabels.cluster }}" }
    annotations:
      link: "{{ externalURL }}/x{{ graphLink \"up\" }}"
      others: '{{ range query "sort(load)" }}{{ .Value }} {{ end }}'
"#,
        r#"
tests:
- external_labels: { cluster: eu }
  external_url: https://prom.example.org
  input_series: [{ series: 'load{h="a"}', values: '6 7' }, { series: 'load{h="b"}', values: '1 2' }]
  alert_rule_test:
  - eval_time: 1m
    alertname: A
    exp_alerts:
    - exp_labels: { h: a, cluster: eu }
      exp_annotations:
        link: https://prom.example.org/x/graph?g0.expr=up&g0.tab=0
        others: "2 7 "
"#,
    );
}

#[test]
fn time_starts_where_the_test_says() {
    pass(
        DOWN,
        r#"
tests:
- start_timestamp: 2024-01-01T00:00:00Z
  input_series: [{ series: up, values: '0x5' }]
  promql_expr_test:
  - { expr: time(), eval_time: 1m, exp_samples: [{ value: 1704067260 }] }
  - { expr: ALERTS_FOR_STATE, eval_time: 1m, exp_samples: [{ labels: 'ALERTS_FOR_STATE{alertname="Down",severity="page"}', value: 1704067200 }] }
- start_timestamp: 1609459200.5
  promql_expr_test:
  - { expr: time(), eval_time: 0, exp_samples: [{ value: 1609459200.5 }] }
"#,
    );
}

#[test]
fn an_offset_and_a_limit_of_a_group_count() {
    pass(
        r"
- name: a
  query_offset: 1m
  rules:
  - { record: r, expr: in }
",
        r#"
tests:
- input_series: [{ series: in, values: 1 2 3 }]
  promql_expr_test:
  - { expr: r, eval_time: 2m, exp_samples: [{ labels: r, value: 2 }] }
  - { expr: timestamp(r), eval_time: 2m, exp_samples: [{ value: 60 }] }
"#,
    );
    let words = fail(
        r"
- name: a
  limit: 1
  rules:
  - { alert: A, expr: in }
",
        r#"
tests:
- input_series: [{ series: 'in{a="1"}', values: 1 }, { series: 'in{a="2"}', values: 1 }]
  alert_rule_test: [{ eval_time: 0, alertname: A }]
"#,
    );
    assert_eq!(words, ["the rule A failed at 0s: exceeded limit of 1 with 2 alerts\n"]);
}

#[test]
fn a_rule_that_writes_over_the_input_fails_its_test_alone() {
    let words = fail(
        "\n- name: a\n  rules:\n  - { record: x, expr: vector(2) }\n",
        r#"
tests:
- input_series: [{ series: x, values: 1 }]
  promql_expr_test: [{ expr: x, exp_samples: [{ labels: x, value: 1 }] }]
- promql_expr_test: [{ expr: x, exp_samples: [{ labels: x, value: 2 }] }]
"#,
    );
    let expected = "the rule x failed at 0s: duplicate sample for timestamp: x is there with \
        another value\n";
    assert_eq!(words, [expected]);
}

#[test]
fn a_test_of_too_many_evaluations_says_so() {
    let words = fail(
        DOWN,
        r"
evaluation_interval: 1ms
tests:
- promql_expr_test: [{ expr: time(), eval_time: 1d, exp_samples: [{ value: 86400 }] }]
",
    );
    let expected = "the test needs 86400000 evaluations, more than 1000000; choose a longer \
        evaluation_interval\n";
    assert_eq!(words, [expected]);
}

#[test]
fn coverage_counts_what_was_seen_at_work() {
    let rules = r"
- name: a
  rules:
  - { record: fed, expr: in * 2 }
  - { record: unread, expr: in * 3 }
  - { record: read, expr: in * 4 }
  - { alert: Fires, expr: fed > 1 }
  - { alert: Silent, expr: fed > 100 }
  - { alert: Unasked, expr: fed > 1 }
  - { alert: Asked, expr: fed > 1 }
";
    let (reports, coverage) = ran(
        rules,
        r#"
tests:
- input_series: [{ series: in, values: 1 }]
  alert_rule_test:
  - { eval_time: 0, alertname: Fires, exp_alerts: [{}] }
  - { eval_time: 0, alertname: Silent, exp_alerts: [] }
  promql_expr_test:
  - { expr: read, eval_time: 0, exp_samples: [{ labels: read, value: 4 }] }
  - { expr: 'count(ALERTS{alertname="Asked"})', eval_time: 0, exp_samples: [{ value: 1 }] }
"#,
    );
    assert!(reports.iter().all(|report| report.failures.is_empty()), "{reports:?}");
    let covered: Vec<(&str, bool)> =
        coverage.rules().map(|rule| (rule.name.as_str(), rule.is_covered)).collect();
    let expected = [
        ("fed", true),
        ("unread", false),
        ("read", true),
        ("Fires", true),
        ("Silent", false),
        ("Unasked", false),
        ("Asked", true),
    ];
    assert_eq!(covered, expected);
}
