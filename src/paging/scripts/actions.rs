//! Actions: idempotent, the same from every surface, honest about who was first.

use std::time::Duration;

use watchbell_metrics::label::Labels;
use watchbell_metrics::rule::{Level, RuleName};

use super::harness::{World, person, program, settings};
use crate::command::{Answer, Command, Refusal};
use crate::duty::Override;
use crate::id::{IncidentId, PersonId, ScheduleId};
use crate::sla::Outcome;
use crate::view::IncidentState;

#[test]
fn the_first_ack_wins_and_the_second_is_told_who_was_first() {
    let mut world = World::new(settings());
    world.set("Db", Level::Critical);
    assert!(matches!(world.at("1m").ack("Db", "ana"), Answer::Incident(_)));
    let at = world.now;
    match world.at("2m").ack("Db", "ben") {
        Answer::Already { first, at: when, .. } => assert_eq!((first.as_str(), when), ("ana", at)),
        other => panic!("{other:?}"),
    }
    let incident = world.incident("Db");
    assert_eq!(incident.acked_by.as_deref(), Some("ana"));
    assert!(incident.timeline.iter().any(|line| line.who.as_deref() == Some("ben")), "logged");
}

#[test]
fn an_ack_by_a_program_is_written_down_and_changes_nothing() {
    let mut world = World::new(settings());
    world.set("Db", Level::Critical);
    let incident = world.at("1m").id("Db");
    world.ask(Command::Ack { incident, by: program("bot"), note: None });
    let view = world.incident("Db");
    assert_eq!((view.state, view.sla), (IncidentState::Triggered, Outcome::Running));
    assert!(view.timeline.iter().any(|line| line.text.contains("program bot")));
    assert_eq!(world.at("2m1s").paged("Db"), ["ana", "ben"]);
}

#[test]
fn a_stranger_counts_as_a_person() {
    let mut world = World::new(settings());
    world.set("Db", Level::Critical);
    world.ack("Db", "zoe");
    let incident = world.incident("Db");
    assert_eq!((incident.acked_by.as_deref(), incident.sla), (Some("zoe"), Outcome::Met));
}

#[test]
fn resolve_is_refused_while_alerts_fire_and_names_them() {
    let mut world = World::new(settings());
    world.set_with("Db", &[("pod", "a")], Level::Critical);
    match world.resolve("Db", "ana", false) {
        Answer::Refused(Refusal::StillFiring { alerts, .. }) => {
            assert_eq!(alerts, [r#"{alertname="Db", pod="a"}"#]);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(world.incident("Db").state, IncidentState::Triggered);
}

#[test]
fn a_forced_resolve_mutes_the_alerts_until_they_clear() {
    let mut world = World::new(settings());
    world.set("Db", Level::Critical);
    world.at("1m").resolve("Db", "ana", true);
    let incident = world.incident("Db");
    assert_eq!((incident.state, incident.sla), (IncidentState::Resolved, Outcome::Met));
    let pages = world.pages("Db", "ana");
    world.at("2m").set("Db", Level::Warning);
    world.at("3m").set("Db", Level::Critical);
    assert_eq!(world.at("5m").incidents("Db").len(), 1);
    assert_eq!(world.incident("Db").state, IncidentState::Resolved, "muted until it clears");
    world.set("Db", Level::Ok);
    world.at("6m").set("Db", Level::Critical);
    assert_eq!(world.incident("Db").state, IncidentState::Triggered);
    assert_eq!(world.pages("Db", "ana"), pages + 1, "who ended it by hand is asked again");
    match world.resolve("Db", "ben", true) {
        Answer::Incident(_) => {}
        other => panic!("{other:?}"),
    }
    match world.resolve("Db", "ana", true) {
        Answer::Already { first, .. } => assert_eq!(first, "ben"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_snooze_answers_and_ends_while_it_still_fires() {
    let mut world = World::new(settings());
    world.set("Db", Level::Critical);
    let incident = world.at("1m").id("Db");
    let until = world.now.plus(Duration::from_secs(3600));
    let (by, note) = (person("ana"), None);
    world.ask(Command::Snooze { incident, by: by.clone(), until, note: note.clone() });
    let view = world.at("60m").incident("Db");
    assert_eq!((view.state, view.snoozed_until), (IncidentState::Acked, Some(until)));
    assert_eq!(view.sla, Outcome::Met);
    let view = world.at("61m").incident("Db");
    assert_eq!((view.state, view.snoozed_until), (IncidentState::Triggered, None));
    assert_eq!(world.pages("Db", "ana"), 2);
    let until = world.now;
    let past = world.ask(Command::Snooze { incident, by, until, note });
    assert!(matches!(past, Answer::Refused(Refusal::Invalid(_))));
}

#[test]
fn a_hand_over_pages_the_new_person_and_is_no_answer() {
    let mut world = World::new(settings());
    world.set("Db", Level::Critical);
    let incident = world.at("10s").id("Db");
    world.ask(Command::Assign { incident, by: person("ana"), to: PersonId::from("cho") });
    assert_eq!(world.paged("Db"), ["ana", "cho"]);
    assert_eq!(world.incident("Db").state, IncidentState::Triggered);
    world.ask(Command::Assign { incident, by: person("cho"), to: PersonId::from("cho") });
    let view = world.incident("Db");
    assert_eq!((view.state, view.acked_by.as_deref()), (IncidentState::Acked, Some("cho")));
}

#[test]
fn a_note_is_no_answer() {
    let mut world = World::new(settings());
    world.set("Db", Level::Critical);
    let incident = world.id("Db");
    world.ask(Command::Note { incident, by: person("ana"), note: "looking".to_owned() });
    let view = world.incident("Db");
    assert_eq!(view.state, IncidentState::Triggered);
    assert_eq!(view.timeline.last().unwrap().text, "looking");
}

#[test]
fn what_does_not_exist_is_refused() {
    let mut world = World::new(settings());
    let incident = IncidentId(9);
    let by = person("ana");
    let change = Override {
        add: Some(PersonId::from("ben")),
        remove: None,
        from: world.now,
        to: world.now.plus(Duration::from_secs(60)),
        why: None,
        by: None,
    };
    for (command, expected) in [
        (Command::Ack { incident, by: by.clone(), note: None }, Refusal::UnknownIncident(incident)),
        (
            Command::Override { schedule: ScheduleId::from("none"), change, by },
            Refusal::UnknownSchedule(ScheduleId::from("none")),
        ),
    ] {
        match world.ask(command) {
            Answer::Refused(refusal) => assert_eq!(refusal, expected),
            other => panic!("{other:?}"),
        }
    }
    world.set("Db", Level::Critical);
    world.set("Db", Level::Ok);
    let late = world.ack("Db", "ana");
    assert!(matches!(late, Answer::Refused(Refusal::AlreadyResolved(_))), "{late:?}");
    assert!(world.outside.journal.iter().all(|record| record.kind() != "overridden"));
}

#[test]
fn a_drill_is_marked_and_takes_the_ordinary_way() {
    let mut world = World::new(settings());
    let answer = world.ask(Command::SetLevel {
        rule: RuleName::new("drill_page"),
        labels: Labels::empty(),
        level: Level::Critical,
        summary: Some("DRILL: please acknowledge".to_owned()),
        drill: true,
    });
    let Answer::Incident(view) = answer else { panic!("{answer:?}") };
    assert!(view.drill);
    assert_eq!(view.title, "DRILL: please acknowledge");
    assert_eq!(world.paged("drill_page"), ["ana"]);
    assert!(world.incident("drill_page").fact.drill, "no report counts it");
}

#[test]
fn the_picture_comes_before_the_answer() {
    let mut world = World::new(settings());
    world.set("Db", Level::Critical);
    world.outside.order.clear();
    world.ack("Db", "ana");
    let order = &world.outside.order;
    let reply = order.iter().position(|what| *what == "reply").unwrap();
    assert!(order[..reply].contains(&"publish"), "{order:?}");
    assert_eq!(world.outside.view.incidents[0].state, IncidentState::Acked);
}

#[test]
fn pictures_are_published_at_most_every_fifty_milliseconds() {
    let mut world = World::new(settings());
    world.at("1s");
    let before = world.outside.published.len();
    for _ in 0..40 {
        world.now = world.now.plus(Duration::from_millis(5));
        world.read("cpu", &[("api", 10.0)]);
    }
    let published = world.outside.published.len() - before;
    assert!((3..=5).contains(&published), "{published} in 200 ms");
    world.at("2s");
    let (last, now) = (*world.outside.published.last().unwrap(), world.now);
    assert!(last < now, "nothing new, nothing published");
}
