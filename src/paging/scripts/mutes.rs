//! What mutes: silences, needed rules, a calendar; it stops notifications and nothing else.

use std::sync::Arc;

use watchbell_metrics::rule::{Level, RuleName, RulePolicy};

use super::harness::{World, person, posted, settings, with_route};
use crate::command::{Answer, Command};
use crate::engine::Input;
use crate::sla::Outcome;
use crate::view::IncidentState;

#[test]
fn a_silence_stops_notifications_and_neither_evaluation_nor_resolution() {
    let mut world = World::new(settings());
    world.silence("alertname", "Db", "1h");
    world.set("Db", Level::Critical);
    world.at("10m");
    let incident = world.incident("Db");
    assert_eq!(incident.state, IncidentState::Triggered);
    assert!(incident.suppressed_by[0].contains("silence"), "{:?}", incident.suppressed_by);
    assert!(!incident.alerts[0].muted_by.is_empty());
    assert_eq!((incident.breached_at, world.outside.sent.len()), (None, 0));
    world.set("Db", Level::Ok);
    let incident = world.incident("Db");
    assert_eq!((incident.state, incident.sla), (IncidentState::Resolved, Outcome::Suppressed));
    assert!(world.outside.sent.is_empty(), "nobody had been told");
}

#[test]
fn when_a_silence_ends_while_it_still_fires_people_are_told_then() {
    let mut world = World::new(settings());
    world.silence("alertname", "Db", "3m");
    world.set("Db", Level::Critical);
    assert!(world.at("2m59s").paged("Db").is_empty());
    assert_eq!(world.at("3m").paged("Db"), ["ana"]);
    assert_eq!(world.incident("Db").posted, ["#ops"]);
    assert_eq!(world.at("4m59s").paged("Db"), ["ana"]);
    assert_eq!(world.at("5m1s").paged("Db"), ["ana", "ben"], "the chain counts from then");
    assert!(world.incident("Db").breached_at.is_some(), "the deadline does not move");
    world.at("6m").set("Db", Level::Ok);
    assert_eq!(world.incident("Db").sla, Outcome::Missed);
}

#[test]
fn a_silence_is_ended_by_hand() {
    let mut world = World::new(settings());
    let Answer::Silence(id) = world.silence("alertname", "Db", "1h") else { panic!("no silence") };
    world.set("Db", Level::Critical);
    world.at("1m").ask(Command::Unsilence { id, by: person("ana") });
    assert_eq!(world.paged("Db"), ["ana"]);
    assert_eq!(world.view().silences[0].until, world.now);
    let unknown = world.ask(Command::Unsilence { id: "nope".into(), by: person("ana") });
    assert!(matches!(unknown, Answer::Refused(_)));
}

#[test]
fn the_end_of_a_silenced_incident_goes_to_whoever_had_been_told() {
    let mut world = World::new(settings());
    world.set("Db", Level::Critical);
    world.at("1m").silence("alertname", "Db", "1h");
    let told = world.outside.sent.len();
    world.at("20m");
    let edits = world.outside.sent[told..]
        .iter()
        .all(|(_, one)| one.purpose == crate::outbox::Purpose::Edit);
    assert!(edits, "no sound while it is silenced");
    world.set("Db", Level::Ok);
    for to in ["U1", "ana@example.org", "#ops"] {
        assert!(world.arrived(to).contains(&"thread Resolved".to_owned()), "{to}");
    }
    assert!(world.arrived("U2").is_empty());
}

#[test]
fn an_alert_that_is_not_silenced_speaks_for_its_incident() {
    let mut world = World::new(settings());
    world.silence("pod", "a", "1h");
    world.set_with("Db", &[("pod", "a")], Level::Critical);
    assert!(world.paged("Db").is_empty());
    world.at("1m").set_with("Db", &[("pod", "b")], Level::Critical);
    assert_eq!(world.paged("Db"), ["ana"]);
}

#[test]
fn the_firing_of_a_needed_rule_mutes() {
    let mut changed = settings();
    let mut web = RulePolicy::new("web");
    web.needs = vec![RuleName::new("Db")];
    changed.rules.insert(web.name.clone(), Arc::new(web));
    let mut world = World::new(changed);
    world.set("Db", Level::Critical);
    world.set("web", Level::Critical);
    assert!(world.at("1m").paged("web").is_empty());
    assert!(world.incident("web").suppressed_by[0].contains("Db"));
    world.set("Db", Level::Ok);
    assert_eq!(world.paged("web"), ["ana"], "told when the needed rule is well again");
}

#[test]
fn a_critical_mutes_its_own_warning() {
    let mut world = World::new(settings());
    let ends = world.now.plus(super::harness::length("1h"));
    let both = vec![posted("warning", world.now, ends), posted("critical", world.now, ends)];
    world.feed(Input::External(both));
    let warning =
        world.view().incidents.iter().find(|one| one.severity.as_str() == "warning").cloned();
    assert!(warning.unwrap().suppressed_by[0].contains("critical"));
    assert_eq!(world.arrived("#ops").len(), 1);
}

#[test]
fn a_calendar_mutes_below_critical_and_people_are_told_at_its_end() {
    let nights = |route: &mut crate::route::Route| route.mute = vec!["nights".to_owned()];
    // 20:00 to 24:00 in Berlin is 19:00 to 23:00 UTC.
    let mut world = World::starting(with_route("warning", nights), "2026-11-23T21:00:00Z");
    world.set("Db", Level::Warning);
    assert!(world.at("1h59m").arrived("#ops").is_empty());
    assert_eq!(world.incident("Db").suppressed_by, ["calendar nights"]);
    assert_eq!(world.at("2h").arrived("#ops")[0], "post New");

    let mut world = World::starting(with_route("critical", nights), "2026-11-23T21:00:00Z");
    world.set("Db", Level::Critical);
    assert_eq!(world.paged("Db"), ["ana"], "a critical is never delayed");

    let mut world = World::starting(with_route("warning", nights), "2026-11-23T18:50:00Z");
    world.set("Db", Level::Warning);
    assert!(world.at("12m").paged("Db").is_empty(), "muted when the page was due");
    assert_eq!(world.arrived("#ops").iter().filter(|line| line.contains("post")).count(), 1);
}

#[test]
fn nonsense_silences_are_refused() {
    let mut world = World::new(settings());
    let refused = |answer: Answer| matches!(answer, Answer::Refused(_));
    assert!(refused(world.silence("alertname", "Db", "0s")));
    assert!(refused(world.silence("alertname", "", "1h")));
}
