//! Rules from their text to readings, over series in memory.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::label::Labels;
use crate::promql::notation::{parse_labels, parse_values};
use crate::promql::script::Memory;
use crate::promql::{Options, parse_matchers};
use crate::rule::{
    Bound, Comparison, Level, LowerError, OverTime, Part, PolicyOverride, Reading, Rule, RuleKind,
    RulePolicy, RuleSource, RuleSpec, evaluate, lower,
};
use crate::sample::Millis;

const MINUTE: Millis = 60_000;

#[test]
fn each_source_lowers_to_promql() {
    let of = || "mem{job=\"a\"}".to_owned();
    let over = |function| RuleSource::OverTime { function, of: of() };
    for (source, by, expected) in [
        (
            ratio("bad{c=~\"5..\"}", "all"),
            None,
            "(sum by (job, service) (increase(bad{c=~\"5..\"}[5m])) or 0 * sum by (job, service) \
             (increase(all[5m]))) / (sum by (job, service) (increase(all[5m])) > 0)",
        ),
        (
            ratio("bad", "all"),
            Some(vec![]),
            "(sum by () (increase(bad[5m])) or 0 * sum by () (increase(all[5m]))) / (sum by () \
             (increase(all[5m])) > 0)",
        ),
        (
            RuleSource::Quantile { q: 0.95, of: "lat{job=\"a\"}".to_owned() },
            Some(vec!["service"]),
            "histogram_quantile(0.95, sum by (service, le) (rate(lat_bucket{job=\"a\"}[5m])))",
        ),
        (
            RuleSource::Quantile { q: 0.5, of: "lat".to_owned() },
            Some(vec![]),
            "histogram_quantile(0.5, sum by (le) (rate(lat_bucket[5m])))",
        ),
        (
            RuleSource::Rate("hits".to_owned()),
            Some(vec!["a b"]),
            "sum by (\"a b\") (rate(hits[5m]))",
        ),
        (over(OverTime::Mean), None, "avg_over_time(mem{job=\"a\"}[5m])"),
        (
            over(OverTime::Max),
            Some(vec!["job"]),
            "max by (job) (max_over_time(mem{job=\"a\"}[5m]))",
        ),
        (
            over(OverTime::Min),
            Some(vec!["job"]),
            "min by (job) (min_over_time(mem{job=\"a\"}[5m]))",
        ),
        (
            over(OverTime::Sum),
            Some(vec!["job"]),
            "sum by (job) (sum_over_time(mem{job=\"a\"}[5m]))",
        ),
        (RuleSource::Growth { of: of() }, None, "growth_per_hour(mem{job=\"a\"}[6h])"),
        (
            RuleSource::Growth { of: of() },
            Some(vec!["job"]),
            "max by (job) (growth_per_hour(mem{job=\"a\"}[6h]))",
        ),
        (
            RuleSource::Forecast { of: "disk".to_owned(), reach: 0.0 },
            Some(vec!["job"]),
            "min by (job) ((((0 - predict_linear(disk[6h], 0)) / deriv(disk[6h]) >= 0) or 0 * \
             (predict_linear(disk[6h], 0) == 0) or (0 * deriv(disk[6h]) + Inf)))",
        ),
        (RuleSource::Expr("up == 0 # down".to_owned()), None, "up == 0 # down"),
        (
            RuleSource::Rate("hits # all\n".to_owned()),
            None,
            "sum by (job, service) (rate(hits[5m]))",
        ),
    ] {
        let rule = build(source, by);
        assert_eq!(rule.policy.query, expected);
        assert_eq!(crate::promql::parse(&rule.policy.query).unwrap(), rule.value);
    }
}

#[test]
fn windows_have_defaults_and_are_written_in_the_largest_unit() {
    for (window, expected) in [
        (Some(Duration::from_secs(90)), "sum by (job, service) (rate(a[90s]))"),
        (Some(Duration::from_secs(86_400)), "sum by (job, service) (rate(a[1d]))"),
        (Some(Duration::from_millis(1_500)), "sum by (job, service) (rate(a[1500ms]))"),
        (None, "sum by (job, service) (rate(a[5m]))"),
    ] {
        let rule =
            lower(RuleSpec { window, ..spec(RuleSource::Rate("a".to_owned()), None) }).unwrap();
        assert_eq!(rule.policy.query, expected);
        assert_eq!(rule.policy.window, window.unwrap_or(Duration::from_secs(300)));
    }
    assert_eq!(build(expr("up"), None).policy.window, Duration::ZERO);
}

#[test]
fn every_fault_is_found_where_it_stands() {
    let faults = |spec: RuleSpec| -> Vec<(Part, std::ops::Range<usize>)> {
        lower(spec)
            .unwrap_err()
            .into_iter()
            .map(|LowerError { part, span, .. }| (part, span))
            .collect()
    };
    let both = RuleSpec {
        summary: Some("{{ value | nope }}".to_owned()),
        labels: vec![("team".to_owned(), "{{".to_owned())],
        ..spec(ratio("bad{", "rate(all[5m])"), None)
    };
    let parts: Vec<Part> = faults(both).into_iter().map(|fault| fault.0).collect();
    assert_eq!(parts, [Part::Bad, Part::Total, Part::Summary, Part::Label(0)]);
    for (source, expected) in [
        (expr("rate(up)"), (Part::Expr, 5..7)),
        (expr("up[5m]"), (Part::Expr, 0..6)),
        (RuleSource::Rate("up offset 5m".to_owned()), (Part::Of, 0..12)),
        (RuleSource::Growth { of: "up{a=}".to_owned() }, (Part::Of, 5..6)),
        (RuleSource::Quantile { q: 0.5, of: "{a=\"b\"}".to_owned() }, (Part::Of, 0..7)),
    ] {
        assert_eq!(faults(spec(source, None)), [expected]);
    }
    let rate = || RuleSource::Rate("up".to_owned());
    for window in [Duration::ZERO, Duration::from_secs(400 * 86_400)] {
        let spec = RuleSpec { window: Some(window), ..spec(rate(), None) };
        assert_eq!(faults(spec), [(Part::Of, 0..2)]);
    }
    assert_eq!(faults(spec(rate(), Some(vec![""]))), [(Part::Of, 0..2)]);
}

#[test]
fn a_ratio_brings_its_evidence() {
    let source = series(&[
        ("bad_total{job=\"a\",instance=\"1\"}", "0+1x10"),
        ("bad_total{job=\"a\",instance=\"2\"}", "0+2x10"),
        ("all_total{job=\"a\",instance=\"1\"}", "0+10x10"),
        ("all_total{job=\"a\",instance=\"2\"}", "0+20x10"),
        ("all_total{job=\"good\"}", "0+10x10"),
        ("all_total{job=\"idle\"}", "7x10"),
        ("bad_total{job=\"idle\"}", "0x10"),
        ("bad_total{job=\"alone\"}", "0+1x10"),
    ]);
    let readings = read(&build(ratio("bad_total", "all_total"), None), &source, 10 * MINUTE);
    let found: Vec<_> = readings
        .iter()
        .map(|one| {
            let evidence = one.evidence.unwrap();
            (one.labels.get("job").unwrap(), one.value, evidence.bad, evidence.total)
        })
        .collect();
    // No bad events are 0 %, no events at all are no data.
    assert_eq!(found, [("a", 0.1, 15.0, 150.0), ("good", 0.0, 0.0, 50.0)]);
}

#[test]
fn the_first_errors_of_a_new_counter_count_in_our_rules_only() {
    let mut source =
        series(&[("bad_total{job=\"a\"}", "_x8 4 4 4"), ("all_total{job=\"a\"}", "0+10x10")]);
    source.zero_at(&parse_labels("bad_total{job=\"a\"}").unwrap(), 7 * MINUTE);
    let own = build(ratio("bad_total", "all_total"), None);
    let readings = read(&own, &source, 10 * MINUTE);
    assert_eq!(readings[0].evidence.unwrap().bad, 4.0);
    assert!((readings[0].value - 0.08).abs() < 1e-9);
    let mut imported = spec(expr("increase(bad_total[5m])"), None);
    imported.policy.kind = RuleKind::Prometheus(Level::Critical);
    let readings = read(&lower(imported).unwrap(), &source, 10 * MINUTE);
    assert_eq!(readings[0].value, 0.0);
}

#[test]
fn a_counter_that_resets_goes_on_counting() {
    // In the window: 2 before the restart, 1 by the first scrape after it, then 1 and 1.
    let source = series(&[
        ("bad_total{job=\"a\"}", "100 102 104 1 2 3"),
        ("all_total{job=\"a\"}", "1000 1020 1040 10 20 30"),
        ("hits_total{job=\"a\"}", "600 660 720 60 120 180"),
    ]);
    let readings = read(&build(ratio("bad_total", "all_total"), None), &source, 5 * MINUTE);
    assert!((readings[0].value - 0.1).abs() < 1e-9, "{readings:?}");
    let rate = build(RuleSource::Rate("hits_total".to_owned()), None);
    assert_eq!(read(&rate, &source, 5 * MINUTE)[0].value, 1.0);
}

#[test]
fn a_reading_is_named_and_has_no_severity() {
    let source = series(&[("up{job=\"a\",severity=\"x\",alertname=\"y\"}", "0")]);
    let mut spec = spec(expr("up"), None);
    spec.labels = vec![
        ("service".to_owned(), "{{ labels.job }}-api".to_owned()),
        ("severity".to_owned(), "critical".to_owned()),
        ("empty".to_owned(), "{{ labels.nothing }}".to_owned()),
    ];
    let readings = read(&lower(spec).unwrap(), &source, 0);
    let expected = [("alertname", "test"), ("job", "a"), ("service", "a-api")];
    assert_eq!(readings[0].labels, Labels::from_pairs(expected));
}

#[test]
fn what_is_not_a_number_is_no_data() {
    let source = series(&[("g{job=\"a\"}", "NaN"), ("g{job=\"b\"}", "1")]);
    assert_eq!(jobs(&read(&build(expr("g"), None), &source, 0)), ["b"]);
    let buckets = series(&[("lat_bucket{le=\"1\"}", "0x5"), ("lat_bucket{le=\"+Inf\"}", "0x5")]);
    let quantile = build(RuleSource::Quantile { q: 0.9, of: "lat".to_owned() }, None);
    assert!(read(&quantile, &buckets, 5 * MINUTE).is_empty());
    assert_eq!(read(&build(expr("1 + 1"), None), &source, 0)[0].value, 2.0);
}

#[test]
fn two_results_of_the_same_labels_are_an_error() {
    let source = series(&[("a{job=\"x\"}", "1"), ("b{job=\"x\"}", "1")]);
    let rule = build(expr("{job=\"x\"}"), None);
    let outcome = evaluate(&rule, &source, 0, &Options::default()).outcome;
    assert!(outcome.unwrap_err().contains("{alertname=\"test\", job=\"x\"}"));
    let rule = build(expr("a + on(job) {job=\"x\"}"), None);
    assert!(evaluate(&rule, &source, 0, &Options::default()).outcome.is_err());
}

#[test]
fn the_summary_sees_value_labels_and_level() {
    let source = series(&[("g{job=\"a\"}", "0.5"), ("g{job=\"b\"}", "0.5")]);
    let mut spec = spec(expr("g"), None);
    spec.labels = vec![("team".to_owned(), "red".to_owned())];
    spec.summary = Some(
        "{{ labels.alertname }} {{ labels.job }} {{ labels.team }} {{ value | percent }} {{ level }}"
            .to_owned(),
    );
    let above = |value| Some(Bound { comparison: Comparison::Above, value });
    spec.policy.bounds.warn = above(0.4);
    spec.policy.overrides = vec![PolicyOverride {
        matchers: parse_matchers("job=\"b\"").unwrap(),
        warn: None,
        critical: above(0.3),
        enabled: true,
    }];
    let summaries: Vec<String> = read(&lower(spec).unwrap(), &source, 0)
        .into_iter()
        .filter_map(|reading| reading.summary)
        .collect();
    assert_eq!(summaries, ["test a red 50% warning", "test b red 50% critical"]);
}

#[test]
fn a_forecast_tells_when_the_trend_arrives() {
    let source = series(&[
        ("disk{job=\"fills\"}", "3600-10x180"),
        ("disk{job=\"empties\"}", "1000+10x180"),
        ("disk{job=\"stands\"}", "500x180"),
        ("disk{job=\"full\"}", "0x180"),
    ]);
    let rule = build(RuleSource::Forecast { of: "disk".to_owned(), reach: 0.0 }, Some(vec!["job"]));
    let found: BTreeMap<String, f64> = read(&rule, &source, 180 * MINUTE)
        .into_iter()
        .map(|one| (one.labels.get("job").unwrap().to_owned(), one.value))
        .collect();
    assert!((found["fills"] - 180.0 * 60.0).abs() < 1.0, "{found:?}");
    assert_eq!(found["empties"], f64::INFINITY);
    assert_eq!(found["stands"], f64::INFINITY);
    assert_eq!(found["full"], 0.0);
}

#[test]
fn gauges_and_rates_give_what_they_say() {
    let source = series(&[
        ("g{job=\"a\",i=\"1\"}", "1 2 3 4 5 6"),
        ("g{job=\"a\",i=\"2\"}", "10x5"),
        ("hits_total{job=\"a\",i=\"1\"}", "0+60x5"),
        ("hits_total{job=\"a\",i=\"2\"}", "0+120x5"),
    ]);
    let over = |function| RuleSource::OverTime { function, of: "g".to_owned() };
    for (source_of, by, expected) in [
        (over(OverTime::Mean), None, vec![4.0, 10.0]),
        (over(OverTime::Max), Some(vec!["job"]), vec![10.0]),
        (over(OverTime::Min), Some(vec!["job"]), vec![2.0]),
        (over(OverTime::Sum), Some(vec!["job"]), vec![70.0]),
        (RuleSource::Rate("hits_total".to_owned()), None, vec![3.0]),
    ] {
        let readings = read(&build(source_of, by), &source, 5 * MINUTE);
        let values: Vec<f64> = readings.iter().map(|one| one.value).collect();
        assert_eq!(values, expected);
    }
}

fn ratio(bad: &str, total: &str) -> RuleSource {
    RuleSource::Ratio { bad: bad.to_owned(), total: total.to_owned() }
}

fn expr(text: &str) -> RuleSource {
    RuleSource::Expr(text.to_owned())
}

fn spec(source: RuleSource, by: Option<Vec<&str>>) -> RuleSpec {
    RuleSpec {
        policy: RulePolicy::new("test"),
        source,
        window: None,
        by: by.map(|by| by.into_iter().map(str::to_owned).collect()),
        labels: Vec::new(),
        summary: None,
        interval: None,
    }
}

fn build(source: RuleSource, by: Option<Vec<&str>>) -> Rule {
    lower(spec(source, by)).unwrap()
}

/// Series with a sample a minute.
fn series(lines: &[(&str, &str)]) -> Memory {
    let mut memory = Memory::default();
    let loaded: Vec<_> = lines
        .iter()
        .map(|(labels, values)| (parse_labels(labels).unwrap(), parse_values(values).unwrap()))
        .collect();
    memory.load(MINUTE, &loaded).unwrap();
    memory
}

fn read(rule: &Rule, source: &Memory, at: Millis) -> Vec<Reading> {
    evaluate(rule, source, at, &Options::default()).outcome.unwrap()
}

fn jobs(readings: &[Reading]) -> Vec<&str> {
    readings.iter().filter_map(|one| one.labels.get("job")).collect()
}
