//! The response scenarios, and the promise: deadlines, outcomes, causes.

use watchbell_metrics::rule::Level;

use super::harness::{Mood, World, person, settings, with_route};
use crate::command::Command;
use crate::ledger::report_of;
use crate::route::ChannelKind;
use crate::sla::{BreachCause, Outcome};
use crate::time::Timestamp;
use crate::view::IncidentState;

#[test]
fn critical_pages_at_once_escalates_at_two_and_four_minutes_and_breaches_at_five() {
    let mut world = World::new(settings());
    world.set("Db", Level::Critical);
    world.at("1s");
    let deadline = world.start.0 + 300_000;
    let incident = world.incident("Db");
    assert_eq!(incident.state, IncidentState::Triggered);
    assert_eq!(incident.deadline, Some(Timestamp(deadline)));
    assert_eq!(incident.posted, ["#ops"]);
    for (t, people) in [
        ("1s", &["ana"][..]),
        ("1m59s", &["ana"]),
        ("2m1s", &["ana", "ben"]),
        ("4m1s", &["ana", "ben", "cho"]),
    ] {
        if t != "1s" {
            world.at(t);
        }
        assert_eq!(world.paged("Db"), people, "at {t}");
    }
    assert_eq!(world.at("5m").incident("Db").breached_at, None);
    let incident = world.at("5m1s").incident("Db");
    assert_eq!((incident.sla, incident.breached_at), (Outcome::Running, Some(Timestamp(deadline))));
    assert_eq!(incident.breach_cause, Some(BreachCause::Responder));
}

#[test]
fn an_ack_stops_the_chain_and_keeps_the_promise() {
    let mut world = World::new(settings());
    world.set("Db", Level::Critical);
    world.at("1m").ack("Db", "ana");
    let incident = world.at("29m").incident("Db");
    assert_eq!((incident.state, incident.sla), (IncidentState::Acked, Outcome::Met));
    assert_eq!(incident.acked_by.as_deref(), Some("ana"));
    assert_eq!(world.paged("Db"), ["ana"]);
}

#[test]
fn an_ack_at_the_deadline_is_in_time_and_a_millisecond_later_is_late() {
    let mut world = World::new(settings());
    world.set("Db", Level::Critical);
    world.at("5m").ack("Db", "ana");
    let incident = world.incident("Db");
    assert_eq!((incident.sla, incident.breached_at), (Outcome::Met, None));

    let mut world = World::new(settings());
    world.set("Db", Level::Critical);
    world.at("5m");
    world.now = Timestamp(world.now.0 + 1);
    let incident = world.id("Db");
    world.ask(Command::Ack { incident, by: person("ana"), note: None });
    assert_eq!(world.incident("Db").sla, Outcome::Late);
}

#[test]
fn a_warning_posts_at_once_pages_at_ten_minutes_and_breaches_at_fifteen() {
    let mut world = World::new(settings());
    world.set("Db", Level::Warning);
    assert_eq!(world.at("1s").incident("Db").posted, ["#ops"]);
    assert!(world.at("9m59s").paged("Db").is_empty());
    assert_eq!(world.at("10m1s").paged("Db"), ["ana"]);
    assert_eq!(world.at("15m").incident("Db").breached_at, None);
    let incident = world.at("15m1s").incident("Db");
    assert_eq!(incident.breach_cause, Some(BreachCause::Responder));
}

#[test]
fn an_info_posts_and_is_recalled_two_hours_before_the_close_of_the_next_business_day() {
    let mut world = World::new(settings());
    world.set("Db", Level::Info);
    let incident = world.at("1s").incident("Db");
    let deadline = Timestamp::parse_rfc3339("2026-11-24T16:00:00Z").unwrap();
    assert_eq!(
        (incident.deadline, incident.posted.as_slice()),
        (Some(deadline), &["#ops".to_owned()][..])
    );
    assert!(!world.at("27h59m").arrived("#ops").contains(&"thread Reminder".to_owned()));
    assert!(world.at("28h1s").arrived("#ops").contains(&"thread Reminder".to_owned()));
    assert!(world.at("30h1s").incident("Db").breached_at.is_some());
    assert!(world.paged("Db").is_empty());
}

#[test]
fn a_rise_keeps_the_incident_and_the_earlier_deadline() {
    let mut world = World::new(settings());
    world.set("Db", Level::Warning);
    world.at("10m").set("Db", Level::Critical);
    let incident = world.incident("Db");
    assert_eq!(incident.deadline, Some(Timestamp(world.start.0 + 900_000)));
    assert_eq!((incident.severity.as_str(), incident.route.as_str()), ("critical", "critical"));
    assert!(incident.key.starts_with("warning{"), "the key is that of the first route");
    world.at("14m").ack("Db", "ana");
    assert_eq!(world.incident("Db").sla, Outcome::Met);
    assert_eq!(world.incidents("Db").len(), 1);

    let mut early = World::new(settings());
    early.set("Db", Level::Warning);
    early.at("1m").set("Db", Level::Critical);
    let deadline = early.incident("Db").deadline;
    assert_eq!(deadline, Some(Timestamp(early.start.0 + 360_000)), "rise + 5 m is earlier");
    assert_eq!(early.paged("Db"), ["ana"], "the critical chain starts at step 0");
    assert_eq!(early.at("3m1s").paged("Db"), ["ana", "ben"], "counted from the rise");
}

#[test]
fn a_rise_after_the_answer_opens_a_second_clock_and_the_worst_counts() {
    let mut world = World::new(settings());
    world.set("Db", Level::Warning);
    world.at("1m").ack("Db", "ana");
    world.at("20m").set("Db", Level::Critical);
    let incident = world.incident("Db");
    assert_eq!((incident.state, incident.sla), (IncidentState::Triggered, Outcome::Running));
    assert_eq!(incident.deadline, Some(Timestamp(world.start.0 + 25 * 60_000)));
    world.at("26m").ack("Db", "ana");
    let incident = world.incident("Db");
    assert_eq!(incident.sla, Outcome::Late);
    assert_eq!(incident.fact.acked, Some(Timestamp(world.start.0 + 26 * 60_000)));
}

#[test]
fn a_fall_keeps_the_incident_and_never_moves_the_deadline_later() {
    let mut world = World::new(settings());
    world.set("Db", Level::Critical);
    world.at("1m").set("Db", Level::Warning);
    let incident = world.incident("Db");
    assert_eq!(incident.deadline, Some(Timestamp(world.start.0 + 300_000)));
    assert_eq!(incident.severity.as_str(), "warning");
    world.at("2m").set("Db", Level::Critical);
    assert_eq!(world.pages("Db", "ana"), 1, "critical again is nothing new");
}

#[test]
fn down_over_the_deadline_is_a_breach_at_the_start_and_the_daemon_is_to_blame() {
    let mut world = World::new(settings());
    world.set("Db", Level::Critical);
    world.at("1m").crash("8m");
    let incident = world.at("9m1s").incident("Db");
    assert!(incident.breached_at.is_some());
    assert_eq!(world.paged("Db"), ["ana", "ben", "cho"]);
    assert_eq!(world.incidents("Db").len(), 1);
    world.at("9m30s").ack("Db", "ana");
    let incident = world.incident("Db");
    assert_eq!(incident.sla, Outcome::Late);
    assert_eq!(incident.breach_cause, Some(BreachCause::DaemonDown));
}

#[test]
fn outcomes_follow_how_an_incident_ends() {
    for (fixed_at, answered, expected) in [
        ("4m", false, Outcome::SelfResolved),
        ("6m", false, Outcome::Missed),
        ("6m", true, Outcome::Met),
    ] {
        let mut world = World::new(settings());
        world.set("Db", Level::Critical);
        if answered {
            world.at("1m").ack("Db", "ana");
        }
        world.at(fixed_at).set("Db", Level::Ok);
        assert_eq!(world.incident("Db").sla, expected, "ends at {fixed_at}");
    }
}

#[test]
fn causes_name_what_kept_people_from_answering() {
    let cause = |world: &mut World, rule: &str| world.at("6m").incident(rule).breach_cause;
    let mut down = World::new(settings());
    down.mood(ChannelKind::Slack, Mood::Down);
    down.mood(ChannelKind::Email, Mood::Down);
    down.set("Db", Level::Critical);
    assert_eq!(cause(&mut down, "Db"), Some(BreachCause::DeliveryFailed));

    let mut late = World::new(settings());
    late.mood(ChannelKind::Slack, Mood::Down);
    late.mood(ChannelKind::Email, Mood::Down);
    late.set("Db", Level::Critical);
    late.at("1m20s").mood(ChannelKind::Email, Mood::Works);
    assert_eq!(cause(&mut late, "Db"), Some(BreachCause::SystemLate));

    let mut nobody = World::new(settings());
    nobody.set("Orphan", Level::Critical);
    assert_eq!(cause(&mut nobody, "Orphan"), Some(BreachCause::NoOneOnCall));
}

#[test]
fn the_report_counts_answers_and_shifts() {
    let mut world = World::new(with_route("critical", |_| {}));
    world.set("Db", Level::Critical);
    world.at("1m").ack("Db", "ana");
    world.set("Db", Level::Ok);
    let view = world.view();
    let week = crate::sla::week_range("2026-W48", &world.settings.zone).unwrap();
    let report = report_of(&view, &world.settings, week.0, week.1);
    assert_eq!((report.rows[0].met, report.rows[0].pages), (1, 1));
    let ana = report.persons.iter().find(|row| row.person == "ana").unwrap();
    assert_eq!((ana.met, ana.pages), (1, 1));
    // The week of the primary schedule hands over on Monday at nine; the daily one has four.
    assert_eq!(ana.shifts, 1 + 4);
}
