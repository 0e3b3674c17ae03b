//! From readings to the picture: levels as the engine tells them.

use std::sync::Arc;
use std::time::Duration;

use watchbell_metrics::rule::{Evidence, Level, NoData, RuleName, RuleReadings};

use super::harness::{World, cpu, reading, settings, with_rule};
use crate::engine::{FailingRecording, Input};
use crate::time::Timestamp;
use crate::view::IncidentState;

#[test]
fn the_worked_example_shows_in_the_incident() {
    let mut world = World::new(settings());
    let expected = [
        (61.0, Level::Info),
        (73.0, Level::Warning),
        (64.0, Level::Warning),
        (85.0, Level::Critical),
        (62.0, Level::Info),
        (56.0, Level::Info),
        (47.0, Level::Ok),
    ];
    for (index, (value, level)) in expected.into_iter().enumerate() {
        world.at(&format!("{}s", index * 15)).read("cpu", &[("api", value)]);
        let incident = world.incident("cpu");
        assert_eq!(incident.alerts[0].level, level, "{value}");
        assert_eq!(incident.alerts[0].value, value);
    }
    let incident = world.incident("cpu");
    assert_eq!(incident.state, IncidentState::Resolved);
    assert_eq!(incident.severity.as_str(), "critical", "after the end, the worst it had");
    assert_eq!(world.incidents("cpu").len(), 1);
}

#[test]
fn readings_that_change_nothing_write_no_record_and_are_shown_all_the_same() {
    let mut world = World::new(settings());
    world.read("cpu", &[("api", 90.0), ("web", 10.0)]);
    let records = world.outside.journal.len();
    for second in 1..20 {
        world.at(&format!("{second}s"));
        world.read("cpu", &[("api", 90.0 + f64::from(second) / 10.0), ("web", 11.0)]);
    }
    assert_eq!(world.outside.journal.len(), records);
    assert_eq!(world.incident("cpu").alerts[0].value, 91.9);
    let rule = world.view().rules[0].clone();
    assert_eq!((rule.level, rule.readings, rule.alerts.len()), (Level::Critical, 2, 1));
}

#[test]
fn first_bad_is_the_start_of_the_run_and_survives_a_restart_that_does_not_count() {
    let mut world = World::new(with_rule(|policy| {
        policy.holds.critical = Duration::from_secs(60);
        policy.bounds.warn = None;
        policy.bounds.target = None;
    }));
    world.at("15s").read("cpu", &[("api", 90.0)]);
    let rule = world.view().rules[0].clone();
    assert_eq!((rule.alerts[0].state, rule.level), ("pending", Level::Ok));
    world.at("45s").crash("5m");
    world.at("5m50s").read("cpu", &[("api", 90.0)]);
    assert!(world.incidents("cpu").is_empty(), "35 s of the hold have passed");
    world.at("6m15s").read("cpu", &[("api", 90.0)]);
    let incident = world.incident("cpu");
    assert_eq!(incident.first_bad_at, Some(Timestamp(world.start.0 + 15_000)));
    assert_eq!(incident.timeline[0].kind, "first_bad");
}

#[test]
fn the_message_at_recovery_carries_the_value_at_recovery() {
    let mut world = World::new(settings());
    world.read("cpu", &[("api", 90.0)]);
    world.at("1m").read("cpu", &[("api", 12.5)]);
    let last = world.outside.arrived.last().unwrap().1.clone();
    assert_eq!(last.message.incident.state, IncidentState::Resolved);
    let alert = &last.message.incident.alerts[0];
    assert_eq!((alert.value, alert.value_text.as_str()), (12.5, "12.5"));
    world.at("2m").read("cpu", &[("api", 13.5)]);
    assert_eq!(world.incident("cpu").alerts[0].value, 12.5, "an ended incident stays as it was");
}

#[test]
fn missing_data_keeps_the_level_and_the_incident_says_so() {
    let mut world = World::new(settings());
    world.read("cpu", &[("api", 90.0)]);
    for second in (15..600).step_by(15) {
        world.at(&format!("{second}s")).read("cpu", &[]);
    }
    let incident = world.incident("cpu");
    assert_eq!(incident.alerts[0].level, Level::Critical);
    assert_eq!(incident.alerts[0].no_data_since, Some(Timestamp(world.start.0 + 15_000)));
    assert_eq!(world.kinds("cpu").iter().filter(|kind| *kind == "no_data").count(), 1);
    assert!(world.arrived("#ops").contains(&"thread NoData".to_owned()));
}

#[test]
fn missing_data_becomes_an_alert_where_the_rule_says_so() {
    let mut world = World::new(with_rule(|policy| policy.no_data = NoData::Critical));
    world.read("cpu", &[("api", 10.0), ("web", 10.0)]);
    world.at("1m").read("cpu", &[("web", 10.0)]);
    world.at("5m59s").read("cpu", &[("web", 10.0)]);
    assert!(world.incidents("cpu").is_empty());
    world.at("6m").read("cpu", &[("web", 10.0)]);
    let incident = world.incident("cpu");
    assert_eq!(incident.alerts[0].labels.get("job"), Some("api"));
    assert_eq!(incident.severity.as_str(), "critical");
    world.at("7m").read("cpu", &[("api", 10.0), ("web", 10.0)]);
    assert_eq!(world.incident("cpu").state, IncidentState::Resolved);
}

#[test]
fn a_rule_that_never_gives_anything_is_missing_as_a_whole() {
    let mut world = World::new(with_rule(|policy| policy.no_data = NoData::Warn));
    world.read("cpu", &[]);
    world.at("5m").read("cpu", &[]);
    assert_eq!(world.incident("cpu").severity.as_str(), "warning");
}

#[test]
fn an_evaluation_error_is_no_recovery_and_three_in_a_row_raise_an_alert() {
    let mut world = World::new(settings());
    world.read("cpu", &[("api", 90.0)]);
    for count in 1..=3 {
        world.at(&format!("{}s", count * 15));
        assert!(world.incidents("WatchbellRuleErrors").is_empty(), "before the third");
        world.evaluated("cpu", Err("many-to-many".to_owned()));
        assert_eq!(world.incident("cpu").alerts[0].level, Level::Critical);
    }
    let raised = world.incident("WatchbellRuleErrors");
    assert_eq!(raised.alerts[0].labels.get("rule"), Some("cpu"));
    assert!(raised.title.contains("many-to-many"));
    assert_eq!(world.view().rules[0].errors_in_row, 3);
    world.at("1m").read("cpu", &[("api", 90.0)]);
    assert_eq!(world.incident("WatchbellRuleErrors").state, IncidentState::Resolved);
}

#[test]
fn an_alert_tells_when_its_run_began_while_it_is_pending_and_when_it_fires() {
    let mut world = World::new(with_rule(|policy| {
        policy.holds.critical = Duration::from_secs(60);
        policy.bounds.warn = None;
        policy.bounds.target = None;
        policy.clear_for = Duration::from_secs(60);
    }));
    let second = |world: &World, second: i64| Timestamp(world.start.0 + second * 1000);
    for (at, value, state, good_since) in [
        (15, 90.0, "pending", None),
        (45, 90.0, "pending", None),
        (75, 90.0, "firing", None),
        (90, 10.0, "firing", Some(90)),
        (105, 10.0, "firing", Some(90)),
    ] {
        world.at(&format!("{at}s")).read("cpu", &[("api", value)]);
        let alert = world.view().rules[0].alerts[0].clone();
        assert_eq!((alert.state, alert.first_bad_at), (state, second(&world, 15)), "{at} s");
        assert_eq!(alert.good_since, good_since.map(|at| second(&world, at)), "{at} s");
    }
}

#[test]
fn a_recording_rule_that_fails_three_times_is_told_of_until_it_works() {
    let mut world = World::new(settings());
    let failing = |errors_in_row| FailingRecording {
        record: "job:up:sum".to_owned(),
        group: "web".to_owned(),
        error: "many-to-many".to_owned(),
        errors_in_row,
    };
    world.feed(Input::Recordings(vec![failing(2)]));
    assert!(world.incidents("WatchbellRuleErrors").is_empty(), "before the third");
    world.feed(Input::Recordings(vec![failing(3)]));
    let raised = world.incident("WatchbellRuleErrors");
    assert_eq!(raised.alerts[0].labels.get("record"), Some("job:up:sum"));
    assert!(raised.title.contains("many-to-many"), "{}", raised.title);
    world.configure(settings());
    world.at("1m").crash("30s");
    world.at("2m").feed(Input::Recordings(vec![failing(1)]));
    assert_eq!(world.incident("WatchbellRuleErrors").state, IncidentState::Triggered);
    world.feed(Input::Recordings(Vec::new()));
    assert_eq!(world.incident("WatchbellRuleErrors").state, IncidentState::Resolved);
    assert_eq!(world.incidents("WatchbellRuleErrors").len(), 1);
}

#[test]
fn a_reload_does_not_silence_the_alert_of_a_rule_that_fails_on() {
    let mut policy = cpu();
    policy.name = RuleName::variant("Cpu", "web{}");
    let mut wanted = settings();
    wanted.rules.insert(policy.name.clone(), Arc::new(policy.clone()));
    let mut world = World::new(wanted.clone());
    let fail = |world: &mut World| {
        let (rule, at) = (policy.name.clone(), world.now.as_millis());
        let outcome = Err("many-to-many".to_owned());
        world.feed(Input::Readings(vec![RuleReadings { rule, at, outcome }]));
    };
    (0..3).for_each(|_| fail(&mut world));
    assert_eq!(world.incident("WatchbellRuleErrors").state, IncidentState::Triggered);
    world.configure(wanted.clone());
    assert_eq!(world.incident("WatchbellRuleErrors").state, IncidentState::Triggered);
    wanted.rules.remove(&policy.name);
    world.configure(wanted);
    assert_eq!(world.incident("WatchbellRuleErrors").state, IncidentState::Resolved);
}

#[test]
fn a_ratio_without_evidence_is_good() {
    let mut world = World::new(settings());
    let seen = |bad| vec![reading("cpu", "api", 90.0, Some(Evidence { bad, total: 100.0 }))];
    world.evaluated("cpu", Ok(seen(2.0)));
    assert!(world.incidents("cpu").is_empty());
    world.evaluated("cpu", Ok(seen(3.0)));
    assert_eq!(world.incident("cpu").state, IncidentState::Triggered);
}

#[test]
fn a_level_set_by_hand_stands_past_holds_and_against_readings() {
    let mut world = World::new(with_rule(|policy| {
        policy.holds.critical = Duration::from_secs(600);
    }));
    world.set_with("cpu", &[("job", "api")], Level::Critical);
    world.read("cpu", &[("api", 10.0)]);
    world.at("10m").read("cpu", &[]);
    assert_eq!(world.incident("cpu").state, IncidentState::Triggered);
    world.set_with("cpu", &[("job", "api")], Level::Ok);
    assert_eq!(world.incident("cpu").state, IncidentState::Resolved);
}
