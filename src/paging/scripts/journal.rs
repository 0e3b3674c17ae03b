//! The journal fails, the clock steps: pages go on, and what was not written is marked.

use std::collections::BTreeSet;

use watchbell_metrics::rule::Level;

use super::harness::{World, settings};
use crate::engine::Input;
use crate::record::Fact;
use crate::time::Timestamp;
use crate::view::IncidentState;

#[test]
fn pages_go_on_from_memory_while_the_journal_cannot_be_written() {
    let mut world = World::new(settings());
    world.at("1s").outside.disk_full = true;
    world.set("Db", Level::Critical);
    assert_eq!(world.paged("Db"), ["ana"]);
    assert_eq!(world.at("2m1s").paged("Db"), ["ana", "ben"]);
    let fault = world.incident("WatchbellJournalFailing");
    assert_eq!(fault.severity.as_str(), "critical");
    assert_eq!(fault.paged.first().map(|one| one.as_str()), Some("ana"), "the fault is paged");
    assert!(fault.title.contains("no space left"), "{}", fault.title);
}

#[test]
fn what_was_not_written_is_written_first_and_marked_when_space_returns() {
    let mut world = World::new(settings());
    world.set("Before", Level::Critical);
    let whole = world.outside.journal.len();
    world.at("1s").outside.disk_full = true;
    world.set("Db", Level::Critical);
    world.at("1m").outside.disk_full = false;
    world.at("1m6s");
    let journal = &world.outside.journal;
    assert!(journal.iter().zip(1..).all(|(record, seq)| record.seq == seq), "no gaps");
    let mark = journal.iter().find_map(|record| match &record.fact {
        Fact::JournalResumed { from, to, since } => Some((*from, *to, *since)),
        _ => None,
    });
    let (from, to, since) = mark.expect("the stretch is marked");
    assert_eq!(usize::try_from(from).unwrap(), whole + 1);
    assert_eq!(since, Timestamp(world.start.0 + 1_000));
    assert!(
        journal.iter().any(|record| record.kind() == "fired" && (from..=to).contains(&record.seq))
    );
    assert_eq!(world.incident("WatchbellJournalFailing").state, IncidentState::Resolved);
    world.crash("1s");
    assert_eq!(world.incident("Db").state, IncidentState::Triggered);
}

#[test]
fn the_records_of_a_turn_are_one_append() {
    let mut world = World::new(settings());
    let before = world.outside.appends;
    let inputs = vec![
        Input::Readings(vec![watchbell_metrics::rule::RuleReadings {
            rule: watchbell_metrics::rule::RuleName::new("cpu"),
            at: world.now.as_millis(),
            outcome: Ok(vec![super::harness::reading("cpu", "api", 90.0, None)]),
        }]),
        Input::Tick,
    ];
    world.turn(inputs);
    assert_eq!(world.outside.appends, before + 1);
    let kinds: BTreeSet<&str> = world.outside.journal.iter().map(|one| one.kind()).collect();
    for kind in ["alert", "fired", "escalated", "paged", "intended"] {
        assert!(kinds.contains(kind), "{kind}: the transition and its intents are one sync");
    }
}

#[test]
fn a_clock_step_is_one_record_and_moves_what_runs() {
    for by_ms in [3_600_000, -1_800_000] {
        let mut world = World::new(settings());
        world.set("Old", Level::Critical);
        world.set("Old", Level::Ok);
        world.set("Db", Level::Critical);
        world.at("1m");
        let ended = world.incident("Old");
        let records = world.outside.journal.len();
        world.now = Timestamp(world.now.0 + by_ms);
        world.start = Timestamp(world.start.0 + by_ms);
        world.feed(Input::ClockStepped { by_ms });
        assert_eq!(world.outside.journal.len(), records + 1, "one record");
        let incident = world.incident("Db");
        assert_eq!(incident.fired_at, world.start);
        assert_eq!(incident.deadline, Some(Timestamp(world.start.0 + 300_000)));
        assert_eq!(world.paged("Db"), ["ana"], "no step ran because of it");
        assert_eq!(world.incident("Old").resolved_at, ended.resolved_at, "finished ones stay");
        assert_eq!(world.at("2m1s").paged("Db"), ["ana", "ben"]);
        world.at("5m").ack("Db", "ana");
        assert_eq!(world.incident("Db").sla.as_str(), "met");
    }
}

#[test]
fn a_start_is_no_alert() {
    let mut world = World::new(settings());
    world.crash("1h");
    assert!(world.view().incidents.is_empty());
}
