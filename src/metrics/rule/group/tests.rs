//! Alerts of groups as rules: what they are called, what they say, what they refuse.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::{Group, GroupRule};
use crate::exposition::Format;
use crate::label::Labels;
use crate::promql::{Options, parse};
use crate::rule::{Level, Reading, Rule, RuleKind, evaluate};
use crate::sample::Millis;
use crate::series::{Limits, Retention, Store};
use crate::template::go::GoTemplate;

const NOW: Millis = 1_000_000;

#[test]
fn the_severity_label_gives_the_level_and_the_level_holds_for_as_long() {
    for (severity, level) in [
        (Some("critical"), Level::Critical),
        (Some("page"), Level::Critical),
        (Some("warning"), Level::Warning),
        (Some("info"), Level::Info),
        (Some("none"), Level::Warning),
        (Some("{{ $labels.severity }}"), Level::Warning),
        (None, Level::Warning),
    ] {
        let labels: Vec<_> = severity.iter().map(|word| ("severity", *word)).collect();
        let rule = one(group(vec![alert("Down", "up == 0", &labels, &[])]));
        let policy = &rule.policy;
        assert_eq!(policy.kind, RuleKind::Prometheus(level), "{severity:?}");
        let holds = [policy.holds.info, policy.holds.warning, policy.holds.critical];
        let minutes = holds.map(|hold| hold.as_secs() / 60);
        let expected = [Level::Info, Level::Warning, Level::Critical];
        // A severity that each series says by itself can be any.
        let is_held = |one: Level| one == level || severity.is_some_and(|text| text.contains("{{"));
        assert_eq!(minutes, expected.map(|one| if is_held(one) { 5 } else { 0 }), "{severity:?}");
        assert_eq!(policy.keep_firing_for, Duration::from_secs(60));
        assert_eq!((policy.clear_for, policy.hysteresis), (Duration::ZERO, 0.0));
    }
}

#[test]
fn alerts_of_one_name_are_told_apart_and_shown_alike() {
    let rules = vec![
        alert("Disk", "a > 1", &[("severity", "warning")], &[]),
        alert("Disk", "a > 2", &[("severity", "critical")], &[]),
        alert("Disk", "a > 3", &[("severity", "critical")], &[]),
    ];
    let mut taken = BTreeSet::new();
    let found = group(rules).alerts(&mut taken);
    assert_eq!(taken.len(), 3);
    assert!(found.iter().all(|rule| rule.policy.name.as_str() == "Disk"));
    assert!(found.iter().all(|rule| rule.policy.name.to_string() == "Disk"));
    let text = serde_json::to_string(&found[1].policy.name).unwrap();
    assert_eq!(serde_json::from_str::<crate::rule::RuleName>(&text).unwrap(), found[1].policy.name);
}

#[test]
fn a_rule_keeps_its_name_when_others_come_and_go() {
    let critical = alert("Disk", "a > 2", &[("severity", "critical")], &[]);
    let before = one(group(vec![critical.clone()])).policy.name.clone();
    let warning = alert("Disk", "a > 1", &[("severity", "warning")], &[]);
    let after = group(vec![warning, critical]).alerts(&mut BTreeSet::new());
    assert_eq!(after[1].policy.name, before);
}

#[test]
fn labels_and_annotations_are_rendered_for_every_series() {
    let labels = [
        ("severity", "page"),
        ("team", "{{ $labels.job }}-ops"),
        ("job", "{{ $labels.job | toUpper }}"),
        ("instance", ""),
    ];
    let annotations = [
        ("description", "{{ $labels.job }} has {{ $value }}"),
        ("summary", "{{ $labels.__name__ }} of {{ $labels.instance }} is {{ $value }}"),
        ("others", "{{ range query \"up == 1\" }}{{ .Labels.instance }}{{ end }}"),
        ("runbook_url", "https://example.org/down"),
    ];
    let rule = one(group(vec![alert("Down", "up == 0", &labels, &annotations)]));
    assert_eq!(rule.policy.runbook.as_deref(), Some("https://example.org/down"));
    let readings =
        read(&rule, "up{job=\"api\",instance=\"a\"} 0\nup{job=\"api\",instance=\"b\"} 1\n");
    let readings = readings.unwrap();
    assert_eq!(readings.len(), 1);
    let expected = [("alertname", "Down"), ("cluster", "eu"), ("job", "API"), ("team", "api-ops")];
    assert_eq!(readings[0].labels, Labels::from_pairs(expected));
    assert_eq!(readings[0].summary.as_deref(), Some("up of a is 0"));
    let said: Vec<&str> = readings[0].annotations.iter().map(|one| one.1.as_str()).collect();
    assert_eq!(said, ["api has 0", "b", "https://example.org/down"]);
}

#[test]
fn an_alert_without_a_summary_says_its_description_and_keeps_it() {
    let rule = one(group(vec![alert("Down", "x", &[], &[("description", "is {{ $value }}")])]));
    let readings = read(&rule, "x 3\n").unwrap();
    assert_eq!(readings[0].summary.as_deref(), Some("is 3"));
    assert_eq!(readings[0].annotations, [("description".to_owned(), "is 3".to_owned())]);
}

#[test]
fn every_series_that_is_given_fires_whatever_its_value() {
    let rule = one(group(vec![alert("Any", "x", &[], &[])]));
    let readings = read(&rule, "x{a=\"1\"} 0\nx{a=\"2\"} NaN\n").unwrap();
    assert_eq!(readings.len(), 2);
    let scalar = one(group(vec![alert("Always", "1", &[], &[])]));
    assert_eq!(read(&scalar, "x 1\n").unwrap().len(), 1);
}

#[test]
fn more_alerts_than_the_limit_are_an_error() {
    let mut limited = Group::clone(&group(vec![alert("Any", "x", &[], &[])]));
    limited.limit = 1;
    let rule = one(Arc::new(limited));
    assert!(read(&rule, "x{a=\"1\"} 1\n").is_ok());
    let error = read(&rule, "x{a=\"1\"} 1\nx{a=\"2\"} 1\n").unwrap_err();
    assert_eq!(error, "exceeded limit of 1 with 2 alerts");
}

#[test]
fn series_that_become_the_same_alert_are_an_error() {
    let rule = one(group(vec![alert("Any", "x", &[("a", "same")], &[])]));
    assert!(read(&rule, "x{a=\"1\"} 1\nx{a=\"2\"} 1\n").unwrap_err().contains("same labels"));
}

#[test]
fn the_query_offset_asks_the_past() {
    let mut late = Group::clone(&group(vec![alert("Any", "x", &[], &[])]));
    late.query_offset = Duration::from_secs(60);
    let rule = one(Arc::new(late));
    assert_eq!(read(&rule, "x 1\n").unwrap(), []);
}

fn group(rules: Vec<GroupRule>) -> Arc<Group> {
    Arc::new(Group {
        external: Arc::default(),
        name: "web".to_owned(),
        file: "rules.yml".to_owned(),
        interval: None,
        limit: 0,
        query_offset: Duration::ZERO,
        labels: templates(&[("cluster", "eu"), ("team", "nobody")]),
        rules,
    })
}

fn alert(
    name: &str,
    expr: &str,
    labels: &[(&str, &str)],
    annotations: &[(&str, &str)],
) -> GroupRule {
    GroupRule::Alert {
        alert: name.to_owned(),
        expr: parse(expr).unwrap(),
        holds_for: Duration::from_secs(300),
        keep_firing_for: Duration::from_secs(60),
        labels: templates(labels),
        annotations: templates(annotations),
    }
}

fn templates(texts: &[(&str, &str)]) -> Vec<(String, GoTemplate)> {
    let template = |text: &str| GoTemplate::parse(text).unwrap();
    texts.iter().map(|(name, text)| ((*name).to_owned(), template(text))).collect()
}

fn one(group: Arc<Group>) -> Rule {
    let mut rules = group.alerts(&mut BTreeSet::new());
    assert_eq!(rules.len(), 1);
    rules.remove(0)
}

/// Evaluates over what one target without labels said a moment ago.
fn read(rule: &Rule, body: &str) -> Result<Vec<Reading>, String> {
    let store = Store::new(Retention::default());
    let limits = Limits { series_max: 100, labels_max: 10, label_length_max: 100 };
    let mut target = store.open(&Labels::from_pairs([("cluster", "us")]), limits);
    let appended = target.append(body.as_bytes(), Format::Text, NOW, 0.0);
    assert_eq!(appended.failed, None);
    evaluate(rule, &store, NOW, &Options::default()).outcome
}
