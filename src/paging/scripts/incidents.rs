//! Incidents: keys, grouping, joining, reopening, flapping, rules that vanish.

use std::time::Duration;

use watchbell_metrics::rule::{Level, RuleName};

use super::harness::{World, length, posted, settings, with_route, with_rule};
use crate::engine::Input;
use crate::route::Route;
use crate::sla::Outcome;
use crate::time::Timestamp;
use crate::view::IncidentState;

#[test]
fn the_key_is_the_first_route_and_the_group_labels_and_missing_ones_are_empty() {
    let mut world = World::new(settings());
    world.set("Db", Level::Critical);
    world.set_with("Db", &[("service", "shop"), ("pod", "a")], Level::Critical);
    world.set_with("Db", &[("service", "shop"), ("pod", "b")], Level::Critical);
    let keys: Vec<String> = world.incidents("Db").iter().map(|one| one.key.clone()).collect();
    let of = |service| format!("critical{{alertname=\"Db\",service=\"{service}\"}}");
    assert_eq!(keys, [of("shop"), of("")]);
    assert_eq!(world.incident("Db").alerts.len(), 2, "one open incident for each key");
}

#[test]
fn an_incident_ends_when_its_last_alert_has_cleared() {
    let mut world = World::new(settings());
    world.set_with("Db", &[("pod", "a")], Level::Critical);
    world.set_with("Db", &[("pod", "b")], Level::Critical);
    world.at("1m").set_with("Db", &[("pod", "a")], Level::Ok);
    assert_eq!(world.incident("Db").state, IncidentState::Triggered);
    world.at("1m30s").set_with("Db", &[("pod", "b")], Level::Ok);
    let incident = world.incident("Db");
    assert_eq!((incident.state, incident.sla), (IncidentState::Resolved, Outcome::SelfResolved));
    assert_eq!(world.at("10m").pages("Db", "ben"), 0, "its chain has ended with it");
}

#[test]
fn back_within_ten_minutes_it_is_the_same_and_its_deadline_moves_by_the_closed_time() {
    let mut world = World::new(settings());
    world.set("Db", Level::Critical);
    world.at("1m").set("Db", Level::Ok);
    world.at("4m").set("Db", Level::Critical);
    let incident = world.incident("Db");
    assert_eq!(world.incidents("Db").len(), 1);
    assert_eq!(incident.state, IncidentState::Triggered);
    assert_eq!(incident.deadline, Some(Timestamp(world.start.0 + 8 * 60_000)));
    assert!(world.arrived("U1").contains(&"thread Reopened".to_owned()));
    // The chain goes on where it stood: ben's turn was a minute away.
    assert_eq!(world.at("4m59s").paged("Db"), ["ana"]);
    assert_eq!(world.at("5m1s").paged("Db"), ["ana", "ben"]);
    assert_eq!(
        world.at("8m1s").incident("Db").breached_at,
        Some(Timestamp(world.start.0 + 480_000))
    );
}

#[test]
fn back_after_more_than_ten_minutes_it_is_a_new_one() {
    let mut world = World::new(settings());
    world.set("Db", Level::Critical);
    world.at("1m").set("Db", Level::Ok);
    world.at("11m").set("Db", Level::Critical);
    assert_eq!(world.incidents("Db").len(), 1, "ten minutes are within");
    world.at("12m").set("Db", Level::Ok);
    world.at("22m1s").set("Db", Level::Critical);
    assert_eq!(world.incidents("Db").len(), 2);
}

#[test]
fn an_answer_survives_a_reopen_and_people_paged_long_ago_hear_it_again() {
    let mut world = World::new(settings());
    world.set("Db", Level::Critical);
    world.at("1m").ack("Db", "ana");
    world.at("5m").set("Db", Level::Ok);
    world.at("10m").set("Db", Level::Critical);
    let incident = world.incident("Db");
    assert_eq!((incident.state, incident.sla), (IncidentState::Acked, Outcome::Met));
    assert_eq!(world.pages("Db", "ana"), 2);
    assert_eq!(world.at("35m59s").incident("Db").state, IncidentState::Acked);
    assert_eq!(world.at("36m1s").incident("Db").state, IncidentState::Triggered);
}

#[test]
fn a_critical_that_comes_back_after_a_warning_is_the_same_incident() {
    let mut world = World::new(settings());
    world.set("Db", Level::Warning);
    world.at("1m").set("Db", Level::Ok);
    world.at("2m").set("Db", Level::Critical);
    let incidents = world.incidents("Db");
    assert_eq!(incidents.len(), 1);
    assert_eq!(incidents[0].severity.as_str(), "critical");
    assert_eq!(world.paged("Db"), ["ana"]);
}

#[test]
fn flapping_is_one_incident_one_page_and_a_notice_at_start_and_end() {
    let mut world = World::new(settings());
    for minute in 0..12 {
        let level = if minute % 2 == 0 { Level::Critical } else { Level::Ok };
        world.at(&format!("{minute}m")).set("Db", level);
        if minute == 0 {
            world.at("10s").ack("Db", "ana");
        }
    }
    assert_eq!(world.incidents("Db").len(), 1);
    assert_eq!(world.pages("Db", "ana"), 1);
    let incident = world.incident("Db");
    assert_eq!(incident.state, IncidentState::Acked, "it stays open between two flaps");
    let told = |world: &World, what: &str| {
        world.arrived("#ops").iter().filter(|line| line.contains(what)).count()
    };
    assert_eq!((told(&world, "FlappingStarted"), told(&world, "FlappingEnded")), (1, 0));
    world.at("40m");
    assert_eq!((told(&world, "FlappingStarted"), told(&world, "FlappingEnded")), (1, 1));
    let incident = world.incident("Db");
    assert_eq!(incident.state, IncidentState::Resolved, "clear, and steady at last");
}

#[test]
fn alerts_that_join_are_told_once_for_each_interval() {
    let mut world = World::new(settings());
    world.set_with("Db", &[("pod", "a")], Level::Warning);
    world.at("1m").set_with("Db", &[("pod", "b")], Level::Warning);
    world.at("2m").set_with("Db", &[("pod", "c")], Level::Warning);
    let joined = |world: &World| {
        world.arrived("#ops").iter().filter(|line| line.ends_with("Joined")).count()
    };
    assert_eq!(joined(&world), 0);
    world.at("5m1s");
    assert_eq!(joined(&world), 1);
    world.at("20m");
    assert_eq!(joined(&world), 1);
}

#[test]
fn a_group_wait_delays_a_warning_and_never_a_critical() {
    let slow = |route: &mut Route| route.group_wait = length("30s");
    let mut world = World::new(with_route("warning", slow));
    world.set("Db", Level::Warning);
    assert!(world.at("29s").arrived("#ops").is_empty());
    assert_eq!(world.at("31s").arrived("#ops"), ["post New"]);
    let mut world = World::new(with_route("critical", slow));
    world.set("Db", Level::Critical);
    assert_eq!(world.arrived("#ops"), ["post New"]);
}

#[test]
fn an_info_waits_for_the_digest() {
    let digest = |route: &mut Route| route.digest = Some(jiff::civil::time(14, 0, 0, 0));
    let mut world = World::new(with_route("rest", digest));
    world.set("Db", Level::Info);
    assert!(world.at("3h59m").arrived("#ops").is_empty());
    assert_eq!(world.at("4h1s").arrived("#ops"), ["post Digest"]);
}

#[test]
fn an_alert_of_another_program_ends_unless_it_is_posted_again() {
    let mut world = World::new(settings());
    let start = world.now;
    let ends = |seconds| start.plus(Duration::from_secs(seconds));
    world.feed(Input::External(vec![posted("page", start, ends(240))]));
    assert_eq!(world.incident("Posted").severity.as_str(), "critical");
    assert_eq!(world.incident("Posted").title, "posted by another");
    world.at("3m").feed(Input::External(vec![posted("page", start, ends(420))]));
    assert_eq!(world.at("6m").incident("Posted").state, IncidentState::Triggered);
    assert_eq!(world.at("7m1s").incident("Posted").state, IncidentState::Resolved);
    let now = world.now;
    world.feed(Input::External(vec![posted("info", start, ends(900))]));
    world.feed(Input::External(vec![posted("info", start, now)]));
    assert_eq!(world.incident("Posted").state, IncidentState::Resolved, "an end that has come");
}

#[test]
fn a_posted_alert_is_journalled_in_its_turn() {
    let mut world = World::new(settings());
    let before = world.outside.journal.len();
    let now = world.now;
    world.turn(vec![Input::External(vec![posted("critical", now, now.plus(length("5m")))])]);
    assert!(before < world.outside.journal.len());
    world.crash("10s");
    assert_eq!(world.incident("Posted").severity.as_str(), "critical");
}

#[test]
fn a_rule_that_vanishes_takes_its_alerts_along() {
    let mut world = World::new(with_rule(|_| {}));
    world.read("cpu", &[("api", 90.0)]);
    world.set("Db", Level::Critical);
    let mut without = settings();
    without.rules.remove(&RuleName::new("cpu"));
    world.configure(without);
    let incident = world.incident("cpu");
    assert_eq!((incident.state, incident.sla), (IncidentState::Resolved, Outcome::Cancelled));
    assert!(incident.timeline.iter().any(|line| line.text.contains("rule removed")));
    assert_eq!(world.incident("Db").state, IncidentState::Triggered, "never was a rule of ours");
}

#[test]
fn incidents_keep_going_over_a_reload_that_takes_their_route() {
    let mut world = World::new(settings());
    world.set("Db", Level::Critical);
    let mut changed = settings();
    changed.routes.retain(|route| route.name.as_str() != "critical");
    for route in &mut changed.routes {
        route.fallback = vec![super::harness::pageable("cho")];
    }
    world.at("1m").configure(changed);
    assert_eq!(world.at("4m1s").paged("Db").last().map(String::as_str), Some("cho"));
    assert!(world.at("5m1s").incident("Db").breached_at.is_some());
}
