//! Recording rules over a store: what they write, what ends, who is woken by what.

use std::sync::Arc;
use std::time::Duration;

use super::{Failure, Recorded, Recorder, Recording, reads, recordings};
use crate::exposition::Format;
use crate::label::Labels;
use crate::promql::{Options, Value, eval_instant, parse};
use crate::rule::group::{Group, GroupRule};
use crate::rule::state_series::{self, AlertState};
use crate::rule::{RulePolicy, RuleSource, RuleSpec, lower, tally};
use crate::sample::Millis;
use crate::series::{Limits, Read, Retention, Store, Target};

const MINUTE: Millis = 60_000;

#[test]
fn values_become_series_that_later_rules_and_queries_read() {
    let mut world = World::new(&[
        ("job:up:sum", "sum by (job) (up)", &[("team", "ops"), ("zone", "é\"\\\n")]),
        ("job:up:twice", "job:up:sum * 2", &[]),
        ("fixed", "1 / 0", &[("team", "")]),
        ("none", "0 / 0", &[]),
    ]);
    world.scrape(MINUTE, "up{job=\"a\",i=\"1\"} 1\nup{job=\"a\",i=\"2\"} 1\n");
    assert_eq!(world.record(&[0, 1, 2, 3], MINUTE), []);
    let labels = "job=\"a\", team=\"ops\", zone=\"é\\\"\\\\\\n\"";
    assert_eq!(world.ask("job:up:sum"), [format!("job:up:sum{{{labels}}} 2")]);
    assert_eq!(world.ask("job:up:twice"), [format!("job:up:twice{{{labels}}} 4")]);
    assert_eq!(world.ask("fixed"), ["fixed inf"]);
    assert_eq!(world.ask("none"), ["none NaN"]);
}

#[test]
fn nothing_is_written_about_the_writing_itself() {
    let mut world = World::new(&[("one", "vector(1)", &[])]);
    world.record(&[0], MINUTE);
    assert_eq!(world.ask("{__name__=~\".+\"}"), ["one 1"]);
}

#[test]
fn a_series_that_is_not_given_any_more_ends_at_once() {
    let mut world = World::new(&[("busy", "up == 1", &[])]);
    world.scrape(MINUTE, "up{i=\"1\"} 1\nup{i=\"2\"} 1\n");
    world.record(&[0], MINUTE);
    assert_eq!(world.ask("busy").len(), 2);
    world.scrape(2 * MINUTE, "up{i=\"1\"} 0\nup{i=\"2\"} 1\n");
    world.record(&[0], 2 * MINUTE);
    assert_eq!(world.ask("busy"), ["busy{i=\"2\"} 1"]);
    world.scrape(3 * MINUTE, "up{i=\"1\"} 0\nup{i=\"2\"} 0\n");
    world.record(&[0], 3 * MINUTE);
    assert_eq!(world.ask("busy"), [""; 0]);
}

#[test]
fn what_is_not_due_goes_on_without_a_new_sample() {
    let mut world = World::new(&[("a", "x", &[]), ("b", "x", &[])]);
    world.scrape(MINUTE, "x 1\n");
    world.record(&[0, 1], MINUTE);
    world.scrape(2 * MINUTE, "x 2\n");
    world.record(&[0], 2 * MINUTE);
    assert_eq!(world.ask("a"), ["a 2"]);
    assert_eq!(world.ask("b"), ["b 1"]);
    assert_eq!(world.ask("count_over_time(b[5m])"), ["{} 1"]);
    assert_eq!(world.store.stats().dropped, 0);
}

#[test]
fn a_group_is_not_evaluated_more_often_than_it_says() {
    let mut group = group(&[("a", "x", &[])]);
    group.interval = Some(Duration::from_secs(180));
    let mut world = World::of(group);
    for minute in 1..=8 {
        world.scrape(minute * MINUTE, &format!("x {minute}\n"));
        world.record(&[0], minute * MINUTE);
    }
    assert_eq!(world.ask("count_over_time(a[10m])"), ["{} 3"]);
    assert_eq!(world.ask("a"), ["a 7"]);
}

#[test]
fn a_rule_that_fails_writes_nothing_and_ends_nothing() {
    let mut world = World::new(&[("a", "x * on (job) y", &[]), ("b", "x", &[("i", "same")])]);
    world.scrape(MINUTE, "x{job=\"j\",i=\"1\"} 1\ny{job=\"j\"} 1\n");
    assert_eq!(world.record(&[0, 1], MINUTE), []);
    world.scrape(2 * MINUTE, "x{job=\"j\",i=\"1\"} 1\nx{job=\"j\",i=\"2\"} 1\ny{job=\"j\"} 1\n");
    let failures = world.record(&[0, 1], 2 * MINUTE);
    let records: Vec<&str> = failures.iter().map(|one| one.record.as_str()).collect();
    assert_eq!(records, ["a", "b"], "{failures:?}");
    assert_eq!(world.ask("a"), ["a{job=\"j\"} 1"]);
    assert_eq!(world.ask("b"), ["b{i=\"same\", job=\"j\"} 1"]);
}

#[test]
fn the_limit_of_a_group_holds_for_each_of_its_rules() {
    let mut group = group(&[("a", "x", &[])]);
    group.limit = 1;
    let mut world = World::of(group);
    world.scrape(MINUTE, "x{i=\"1\"} 1\nx{i=\"2\"} 1\n");
    let failures = world.record(&[0], MINUTE);
    assert_eq!(failures[0].why, "exceeded limit of 1 with 2 series");
}

#[test]
fn a_reload_ends_the_series_of_rules_that_are_gone_and_keeps_the_others() {
    let mut world = World::new(&[("a", "x", &[]), ("b", "x", &[])]);
    world.scrape(MINUTE, "x 1\n");
    world.record(&[0, 1], MINUTE);
    world.known = recordings(&[Arc::new(group(&[("a", "x", &[])]))]);
    world.record(&[], 2 * MINUTE);
    assert_eq!(world.ask("a"), ["a 1"]);
    assert_eq!(world.ask("b"), [""; 0]);
    world.known = recordings(&[]);
    world.record(&[], 3 * MINUTE);
    assert_eq!(world.ask("a"), [""; 0]);
}

#[test]
fn recorded_series_go_on_after_a_restart() {
    let mut world = World::new(&[("a", "x", &[]), ("b", "a * 2", &[]), ("c", "b * 2", &[])]);
    world.scrape(MINUTE, "x 1\n");
    world.record(&[0, 1, 2], MINUTE);
    let mut again = World::new(&[("a", "x", &[]), ("b", "a * 2", &[]), ("c", "b * 2", &[])]);
    again.store.replay(&world.store.take_block()).unwrap();
    again.scrape(2 * MINUTE, "x 2\n");
    assert_eq!(again.record(&[0], 2 * MINUTE), []);
    assert_eq!(again.ask("c"), ["c 8"]);
    assert_eq!(again.ask("count_over_time(c[5m])"), ["{} 2"]);
    assert_eq!(again.ask("count_over_time(a[5m])"), ["{} 2"]);
}

#[test]
fn what_ends_in_a_chain_ends_at_once() {
    let mut world = World::new(&[("a", "x == 1", &[]), ("b", "a * 2", &[])]);
    world.scrape(MINUTE, "x 1\n");
    world.record(&[0, 1], MINUTE);
    assert_eq!(world.ask("b"), ["b 2"]);
    world.scrape(2 * MINUTE, "x 0\n");
    world.record(&[0, 1], 2 * MINUTE);
    assert_eq!(world.ask("a"), [""; 0]);
    assert_eq!(world.ask("b"), [""; 0]);
}

#[test]
fn who_reads_a_recorded_series_is_woken_by_what_it_is_computed_from() {
    let known = recordings(&[Arc::new(group(&[
        ("a", "rate(hits[5m])", &[]),
        ("b", "a * 2", &[]),
        ("c", "b > 1", &[]),
    ]))]);
    let found = reads(&[], &known);
    let readers_of = |name: &str| -> Vec<usize> {
        let is_it = |read: &&Read| read.matchers.iter().any(|one| one.is_match(name));
        found.iter().filter(is_it).map(|read| read.reader).collect()
    };
    assert_eq!(readers_of("hits"), [0, 1, 2]);
    assert_eq!(readers_of("a"), [1, 2]);
    assert_eq!(readers_of("b"), [2]);
}

#[test]
fn who_asks_for_states_is_woken_by_what_those_alerts_read() {
    let alert = |name: &str, expr: &str| {
        let spec = RuleSpec {
            policy: RulePolicy::new(name),
            source: RuleSource::Expr(expr.to_owned()),
            window: None,
            by: None,
            labels: Vec::new(),
            summary: None,
            interval: None,
        };
        Arc::new(lower(spec).unwrap())
    };
    let rules = [
        alert("A", "a > 1"),
        alert("B", "b > 1"),
        alert("Inhibited", "ALERTS{alertname=\"A\"}"),
        alert("Circle", "ALERTS{alertname=~\"Circle|B\"} or c"),
    ];
    let found = reads(&rules, &[]);
    let read_by = |reader: usize| -> Vec<&str> {
        let own = found.iter().filter(|read| read.reader == reader);
        own.filter_map(|read| Some(read.matchers.first()?.value())).collect()
    };
    assert_eq!(read_by(0), ["a"]);
    assert_eq!(read_by(2), ["ALERTS", "a"]);
    assert_eq!(read_by(3), ["ALERTS", "c", "b"]);
}

#[test]
fn the_states_of_alerts_stand_beside_what_is_recorded_and_end_at_once() {
    let mut world = World::new(&[("a", "x", &[])]);
    let firing = state("A", AlertState::Firing, 30_000);
    let pending = state("B", AlertState::Pending, MINUTE);
    world.scrape(MINUTE, "x 1\n");
    world.record(&[0], MINUTE);
    world.tell(&[&firing, &pending], MINUTE);
    let alert = "ALERTS{alertname=\"A\", alertstate=\"firing\", severity=\"page\"} 1";
    assert_eq!(world.ask("ALERTS{alertname='A'}"), [alert]);
    assert_eq!(world.ask("ALERTS").len(), 2);
    assert_eq!(world.ask("sum(ALERTS_FOR_STATE{alertname='A'})"), ["{} 30"]);
    world.scrape(2 * MINUTE, "x 2\n");
    world.record(&[0], 2 * MINUTE);
    assert_eq!(world.ask("ALERTS").len(), 2, "a recording ends no state");
    world.tell(&[&firing], 2 * MINUTE);
    assert_eq!(world.ask("ALERTS"), [alert]);
    assert_eq!(world.ask("a"), ["a 2"], "a state ends no recording");
    world.tell(&[], 3 * MINUTE);
    assert_eq!(world.ask("ALERTS or ALERTS_FOR_STATE"), [""; 0]);
    assert_eq!(world.ask("count_over_time(ALERTS{alertname='A'}[5m])").len(), 1);
}

#[test]
fn states_from_before_a_restart_go_on_until_they_are_told() {
    let firing = state("A", AlertState::Firing, 30_000);
    let mut world = World::new(&[("a", "x", &[])]);
    world.tell(&[&firing], MINUTE);
    let mut again = World::new(&[("a", "x", &[])]);
    again.store.replay(&world.store.take_block()).unwrap();
    again.recorder = Recorder::new(&again.store).awaiting_states();
    again.record(&[0], 2 * MINUTE);
    assert_eq!(again.ask("ALERTS").len(), 1, "nobody has said that it is over");
    again.tell(&[&firing], 2 * MINUTE);
    assert_eq!(again.ask("count_over_time(ALERTS[5m])").len(), 1, "one series");
    again.tell(&[], 3 * MINUTE);
    assert_eq!(again.ask("ALERTS"), [""; 0]);
}

#[test]
fn states_that_are_told_first_after_a_restart_end_no_recorded_series() {
    let mut world = World::new(&[("a", "x", &[]), ("b", "x", &[])]);
    world.scrape(MINUTE, "x 1\n");
    world.record(&[0, 1], MINUTE);
    let mut again = World::new(&[("a", "x", &[]), ("b", "x", &[])]);
    again.store.replay(&world.store.take_block()).unwrap();
    again.recorder = Recorder::new(&again.store).awaiting_states();
    again.tell(&[&state("A", AlertState::Firing, 30_000)], 2 * MINUTE);
    assert_eq!(again.ask("{__name__=~'a|b'}"), ["a 1", "b 1"]);
    again.tell(&[], 3 * MINUTE);
    assert_eq!(again.ask("{__name__=~'a|b'}"), ["a 1", "b 1"]);
}

#[test]
fn a_rule_that_never_worked_is_asked_when_it_is_due_and_no_more_often() {
    let mut group = group(&[("a", "x * on (job) y", &[])]);
    group.interval = Some(Duration::from_secs(180));
    let mut world = World::of(group);
    world.scrape(MINUTE, "x{i=\"1\"} 1\nx{i=\"2\"} 1\ny 1\n");
    let failed: Vec<usize> =
        (1..=6).map(|minute| world.record(&[0], minute * MINUTE).len()).collect();
    assert_eq!(failed, [1, 0, 0, 1, 0, 0]);
}

#[test]
fn what_a_rule_read_and_gave_is_counted() {
    let mut world = World::new(&[("a", "sum by (i) (rate(x[5m]))", &[])]);
    for minute in 1..=3 {
        world.scrape(minute * MINUTE, &format!("x{{i=\"1\"}} {minute}\nx{{i=\"2\"}} {minute}\n"));
    }
    let due = world.recorder.take_due(&world.known, &[], 3 * MINUTE);
    assert_eq!(due, [0]);
    let recorded = world.recorder.record(0, 3 * MINUTE, &Options::default()).unwrap();
    assert_eq!(recorded, Recorded { series: 2, read: tally::Read { series: 2, samples: 6 } });
}

type Texts<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)]);

fn group(rules: &[Texts<'_>]) -> Group {
    let rule = |(record, expr, labels): &Texts<'_>| GroupRule::Recording {
        record: (*record).to_owned(),
        expr: parse(expr).unwrap(),
        labels: labels.iter().map(|(name, text)| ((*name).into(), (*text).into())).collect(),
    };
    Group {
        external: Arc::default(),
        name: "web".to_owned(),
        file: "rules.yml".to_owned(),
        interval: None,
        limit: 0,
        query_offset: Duration::ZERO,
        labels: Vec::new(),
        rules: rules.iter().map(rule).collect(),
    }
}

fn state(name: &str, state: AlertState, active_at: Millis) -> [(Labels, f64); 2] {
    let labels = Labels::from_pairs([("alertname", name)]);
    state_series::series(&labels, Some("page"), state, active_at)
}

/// A store with one target and the recorder; asks at the time of the last recording.
struct World {
    store: Store,
    target: Target,
    recorder: Recorder,
    known: Arc<[Recording]>,
    now: Millis,
}

impl World {
    fn new(rules: &[Texts<'_>]) -> Self {
        Self::of(group(rules))
    }

    fn of(group: Group) -> Self {
        let known = recordings(&[Arc::new(group)]);
        let raw = 3_600_000;
        let store =
            Store::new(Retention { reads: reads(&[], &known), raw, ..Retention::default() });
        let limits = Limits { series_max: 100, labels_max: 10, label_length_max: 100 };
        let target = store.open_own(&Labels::from_pairs([("target", "t")]), limits);
        let recorder = Recorder::new(&store);
        Self { store, target, recorder, known, now: 0 }
    }

    fn scrape(&mut self, at: Millis, body: &str) {
        assert_eq!(self.target.append(body.as_bytes(), Format::Text, at, 0.0).failed, None);
    }

    fn record(&mut self, due: &[usize], at: Millis) -> Vec<Failure> {
        self.now = at;
        self.recorder.evaluate(&self.known, due, at, &Options::default())
    }

    fn tell(&mut self, states: &[&[(Labels, f64); 2]], at: Millis) {
        self.now = at;
        let series = states.iter().flat_map(|pair| pair.iter());
        let series = series.map(|(labels, value)| (labels, *value, at));
        assert_eq!(self.recorder.tell_states(series, at), None);
    }

    /// Words the series without the label of the target.
    fn ask(&self, text: &str) -> Vec<String> {
        let expr = parse(text).unwrap();
        let found = eval_instant(&expr, &self.store, self.now, &Options::default()).unwrap();
        let Value::Vector(samples) = found.value else { panic!("a vector: {text}") };
        let word = |labels: &Labels, value: f64| format!("{} {value}", labels.without(&["target"]));
        samples.iter().map(|sample| word(&sample.labels, sample.value)).collect()
    }
}
