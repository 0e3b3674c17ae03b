//! The level machine, held to its claims by tables.

use std::time::Duration;

use watchbell_metrics::label::{MatchOp, Matcher, Matchers};
use watchbell_metrics::rule::{Bound, Comparison, PolicyOverride, Unit};

use super::*;

/// Feeds readings, seconds and values, and gives the level after each.
fn levels(policy: &RulePolicy, readings: &[(i64, f64)]) -> Vec<Level> {
    let mut state = Levels::default();
    let feed = |(at, value): &(i64, f64)| {
        state = step(&state, &Sight::Value(*value, None), policy, Timestamp(at * 1000)).0;
        state.level
    };
    readings.iter().map(feed).collect()
}

fn run(policy: &RulePolicy, sights: &[(i64, Sight)]) -> (Levels, Vec<Event>) {
    let mut state = Levels::default();
    let mut all = Vec::new();
    for (at, sight) in sights {
        let (next, events) = step(&state, sight, policy, Timestamp(at * 1000));
        state = next;
        all.extend(events);
    }
    (state, all)
}

#[allow(clippy::unnecessary_wraps, reason = "a policy holds optional bounds")]
fn bound(comparison: Comparison, value: f64) -> Option<Bound> {
    Some(Bound { comparison, value })
}

fn plain() -> RulePolicy {
    let mut policy = RulePolicy::new("cpu");
    policy.bounds.target = bound(Comparison::AtMost, 60.0);
    policy.bounds.warn = bound(Comparison::Above, 70.0);
    policy.bounds.critical = bound(Comparison::Above, 80.0);
    policy.clear_for = Duration::ZERO;
    policy
}

fn with_clears() -> RulePolicy {
    let mut policy = plain();
    policy.clears.target = bound(Comparison::Below, 50.0);
    policy.clears.warn = bound(Comparison::Below, 60.0);
    policy.clears.critical = bound(Comparison::Below, 70.0);
    policy
}

const S: Duration = Duration::from_secs(1);

#[test]
fn the_worked_example_gives_its_levels() {
    use Level::{Critical, Info, Ok, Warning};
    let values = [61.0, 73.0, 64.0, 85.0, 62.0, 56.0, 47.0];
    let readings: Vec<(i64, f64)> = (0..).zip(values).collect();
    let expected = [Info, Warning, Warning, Critical, Info, Info, Ok];
    assert_eq!(levels(&with_clears(), &readings), expected);
}

#[test]
fn bounds_are_strict_as_written() {
    for (value, expected) in [
        (60.0, Level::Ok),
        (60.1, Level::Info),
        (70.0, Level::Info),
        (70.1, Level::Warning),
        (80.0, Level::Warning),
        (80.1, Level::Critical),
        (f64::NAN, Level::Ok),
    ] {
        assert_eq!(levels(&plain(), &[(0, value)]), [expected], "{value}");
    }
}

#[test]
fn a_level_clears_on_the_good_side_moved_by_the_hysteresis() {
    // 5 % of 80 are 4: critical clears at 76, warning (70) at 66.5, info (60) at 57.
    for (value, expected) in [
        (79.0, Level::Critical),
        (76.1, Level::Critical),
        (76.0, Level::Warning),
        (66.0, Level::Info),
        (58.0, Level::Ok),
    ] {
        assert_eq!(levels(&plain(), &[(0, 85.0), (1, value)])[1], expected, "{value}");
    }
    for (value, expected) in [(58.0, Level::Info), (57.1, Level::Info), (56.9, Level::Ok)] {
        assert_eq!(levels(&plain(), &[(0, 61.0), (1, value)])[1], expected, "{value}");
    }
}

#[test]
fn a_share_close_to_one_can_still_clear() {
    let mut policy = RulePolicy::new("availability");
    policy.bounds.target = bound(Comparison::Above, 0.999);
    policy.unit = Unit::Ratio;
    policy.clear_for = Duration::ZERO;
    let found = levels(&policy, &[(0, 0.998), (1, 0.999_01), (2, 0.9999)]);
    assert_eq!(found, [Level::Info, Level::Info, Level::Ok]);
}

#[test]
fn the_bound_must_hold_at_every_evaluation_for_the_hold() {
    let mut policy = plain();
    policy.holds.critical = 60 * S;
    policy.holds.warning = 60 * S;
    policy.bounds.target = None;
    use Level::{Critical, Ok};
    for (claim, readings, expected) in [
        ("held", vec![(0, 90.0), (30, 90.0), (60, 90.0)], vec![Ok, Ok, Critical]),
        ("short by a second", vec![(0, 90.0), (59, 90.0)], vec![Ok, Ok]),
        ("a good one resets", vec![(0, 90.0), (30, 10.0), (60, 90.0), (90, 90.0)], vec![Ok; 4]),
        ("a missing one does not", vec![(0, 90.0), (60, 90.0)], vec![Ok, Critical]),
    ] {
        assert_eq!(levels(&policy, &readings), expected, "{claim}");
    }
}

#[test]
fn holds_run_for_each_level_and_first_bad_is_the_first_run_that_fired() {
    let mut policy = plain();
    policy.bounds.target = None;
    policy.holds.warning = 120 * S;
    policy.holds.critical = 30 * S;
    let values = |at| Sight::Value(if at < 60 { 75.0 } else { 90.0 }, None);
    let sights: Vec<(i64, Sight)> = (0..8).map(|n| (n * 15, values(n * 15))).collect();
    let (state, events) = run(&policy, &sights);
    assert_eq!(state.level, Level::Critical, "30 s beyond critical came before 120 s of warning");
    assert_eq!(state.first_bad, Some(Timestamp(60_000)), "the run beyond the critical bound");
    assert!(events.contains(&Event::Pending(Level::Warning)));
    assert_eq!(state.since, Timestamp(90_000));
}

#[test]
fn clearing_needs_its_time_and_the_timers_of_all_levels_run_at_once() {
    let mut policy = plain();
    policy.clear_for = 120 * S;
    use Level::{Critical, Info, Ok};
    let fall = [(0, 90.0), (60, 10.0), (120, 10.0), (180, 10.0)];
    assert_eq!(levels(&policy, &fall), [Critical, Critical, Critical, Ok]);
    let broken = [(0, 90.0), (60, 10.0), (120, 79.0), (180, 10.0), (240, 10.0), (300, 10.0)];
    assert_eq!(levels(&policy, &broken)[3..], [Critical, Critical, Ok]);
    // Info went good a minute after critical did: it stands for the minute between.
    let stepped = [(0, 90.0), (60, 62.0), (120, 10.0), (180, 10.0), (240, 10.0)];
    assert_eq!(levels(&policy, &stepped)[3..], [Info, Ok]);
}

#[test]
fn missing_data_never_resolves_and_is_told_after_its_time() {
    let value = |value| Sight::Value(value, None);
    let mut sights = vec![(0, value(90.0))];
    sights.extend((1..30).map(|n| (n * 15, Sight::Missing)));
    let (state, events) = run(&plain(), &sights);
    assert_eq!((state.level, state.no_data_since), (Level::Critical, Some(Timestamp(15_000))));
    assert_eq!(events.iter().filter(|event| **event == Event::NoData).count(), 1);
    sights.push((600, value(90.0)));
    let (state, events) = run(&plain(), &sights);
    assert_eq!((state.no_data_since, events.last()), (None, Some(&Event::DataBack)));
}

#[test]
fn missing_data_counts_as_the_rule_says() {
    for (no_data, expected) in [
        (NoData::Keep, Level::Warning),
        (NoData::Ok, Level::Ok),
        (NoData::Warn, Level::Warning),
        (NoData::Critical, Level::Critical),
    ] {
        let mut policy = plain();
        policy.no_data = no_data;
        let mut sights = vec![(0, Sight::Value(75.0, None))];
        sights.extend((1..40).map(|n| (n * 15, Sight::Missing)));
        assert_eq!(run(&policy, &sights).0.level, expected, "{no_data:?}");
    }
}

#[test]
fn a_pending_alert_without_data_is_dropped_in_the_end() {
    let mut policy = plain();
    policy.bounds.target = None;
    policy.holds.warning = 600 * S;
    policy.holds.critical = 600 * S;
    let mut sights = vec![(0, Sight::Value(75.0, None))];
    sights.extend((1..30).map(|n| (n * 15, Sight::Missing)));
    assert_eq!(run(&policy, &sights).0.pending(), None);
}

#[test]
fn a_ratio_needs_evidence_to_raise_and_to_stay() {
    let mut policy = plain();
    policy.min_count = 20.0;
    let seen = |bad, total| Sight::Value(90.0, Some(Evidence { bad, total }));
    for (bad, total, expected) in
        [(2.0, 100.0, Level::Ok), (3.0, 100.0, Level::Critical), (3.0, 19.0, Level::Ok)]
    {
        assert_eq!(run(&policy, &[(0, seen(bad, total))]).0.level, expected, "{bad} of {total}");
    }
    let cleared = run(&policy, &[(0, seen(9.0, 100.0)), (1, seen(1.0, 100.0))]).0;
    assert_eq!(cleared.level, Level::Ok);
}

#[test]
fn an_override_changes_bounds_or_switches_off_for_its_label_sets() {
    let mut policy = with_clears();
    let job = |value| Matchers(vec![Matcher::new("job", MatchOp::Equal, value).unwrap()]);
    let change =
        |matchers, critical, enabled| PolicyOverride { matchers, warn: None, critical, enabled };
    policy.overrides = vec![
        change(job("batch"), bound(Comparison::Above, 95.0), true),
        change(job("test"), None, false),
    ];
    let labels = |job: &str| Labels::from_pairs([("job", job)]);
    let own = with_override(&policy, &labels("batch")).unwrap();
    assert_eq!(levels(&own, &[(0, 90.0)]), [Level::Warning]);
    assert_eq!(levels(&own, &[(0, 96.0), (1, 91.0)])[1], Level::Critical, "5 % of 95, not 70");
    assert_eq!(with_override(&policy, &labels("test")), None);
    assert_eq!(with_override(&policy, &labels("api")).unwrap().bounds, policy.bounds);
}

#[test]
fn an_imported_rule_fires_while_its_series_is_returned() {
    use Level::{Ok, Warning};
    let mut policy = RulePolicy::new("HighLoad");
    policy.kind = RuleKind::Prometheus(Warning);
    policy.holds.warning = 60 * S;
    policy.keep_firing_for = 30 * S;
    let here = Sight::Value(0.0, None);
    let gone = Sight::Missing;
    let states: Vec<Level> =
        [(0, here), (30, here), (60, here), (75, gone), (90, gone), (105, gone)]
            .iter()
            .scan(Levels::default(), |state, (at, sight)| {
                *state = step(state, sight, &policy, Timestamp(at * 1000)).0;
                Some(state.level)
            })
            .collect();
    assert_eq!(states, [Ok, Ok, Warning, Warning, Warning, Ok]);
    let pending = run(&policy, &[(0, here), (30, gone)]).0;
    assert_eq!(pending.pending(), None, "a series that is gone is no longer pending");
}

#[test]
fn more_than_five_changes_in_half_an_hour_are_flapping_until_they_grow_rare() {
    let readings = |n: i64| (n * 60, Sight::Value(if n % 2 == 0 { 90.0 } else { 10.0 }, None));
    let (five, events) = run(&plain(), &(0..5).map(readings).collect::<Vec<_>>());
    assert!(!five.flapping && !events.contains(&Event::FlappingStarted));
    let (six, events) = run(&plain(), &(0..6).map(readings).collect::<Vec<_>>());
    assert!(six.flapping && events.contains(&Event::FlappingStarted));
    let ends = six.flapping_ends().unwrap();
    assert_eq!(ends, Timestamp(30 * 60_000), "the first of the six leaves the window");
    assert_eq!(six.settled(Timestamp(ends.0 - 1)), None);
    assert!(!six.settled(ends).unwrap().flapping);
}

#[test]
fn time_that_does_not_count_moves_the_timers_and_not_the_beginning() {
    let mut policy = plain();
    policy.bounds.target = None;
    policy.holds.critical = 60 * S;
    policy.bounds.warn = None;
    let (mut state, _) = run(&policy, &[(0, Sight::Value(90.0, None))]);
    state.shift(100 * S);
    let high = Sight::Value(90.0, None);
    let (early, _) = step(&state, &high, &policy, Timestamp(159_000));
    assert_eq!(early.level, Level::Ok);
    let (held, _) = step(&state, &high, &policy, Timestamp(160_000));
    assert_eq!((held.level, held.first_bad), (Level::Critical, Some(Timestamp(0))));
}
