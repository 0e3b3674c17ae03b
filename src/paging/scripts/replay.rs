//! The state is a fold of the journal: replaying gives the same state and the same next wakeup.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use watchbell_metrics::label::{MatchOp, Matcher, Matchers};
use watchbell_metrics::rule::{Level, RuleName};

use super::harness::{Mood, World, person, posted, program, settings, with_rule};
use crate::command::Command;
use crate::duty::Override;
use crate::engine::{Engine, Input, Output};
use crate::id::{IncidentId, PersonId, ScheduleId};
use crate::record::{Fact, Record, Snapshot};
use crate::route::ChannelKind;
use crate::silence::id_of;
use crate::time::Timestamp;

/// Something that happens.
#[derive(Clone, Copy, Debug)]
enum Happening {
    Read(u8, u8),
    Missing,
    Error,
    Set(u8, u8),
    Post(u8, u16),
    Wait(u16),
    Act(u8, u8),
    Silence(u8, u16),
    Mood(u8, u8),
    Crash(u16),
    Disk(bool),
    Clock(i16),
    Rules(bool),
}

fn happening() -> impl Strategy<Value = Happening> {
    use Happening::{
        Act, Clock, Crash, Disk, Error, Missing, Mood, Post, Read, Rules, Set, Silence, Wait,
    };
    prop_oneof![
        4 => (0..2_u8, 0..100_u8).prop_map(|(job, value)| Read(job, value)),
        1 => Just(Missing),
        1 => Just(Error),
        3 => (0..6_u8, 0..4_u8).prop_map(|(rule, level)| Set(rule, level)),
        1 => (0..3_u8, 0..900_u16).prop_map(|(severity, ends)| Post(severity, ends)),
        6 => (0..1500_u16).prop_map(Wait),
        3 => (0..9_u8, 1..5_u8).prop_map(|(what, incident)| Act(what, incident)),
        1 => (0..3_u8, 1..1200_u16).prop_map(|(what, seconds)| Silence(what, seconds)),
        2 => (0..2_u8, 0..5_u8).prop_map(|(channel, mood)| Mood(channel, mood)),
        1 => (0..900_u16).prop_map(Crash),
        1 => any::<bool>().prop_map(Disk),
        1 => (-600..600_i16).prop_map(Clock),
        1 => any::<bool>().prop_map(Rules),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn replaying_the_records_gives_the_same_state(
        all in prop::collection::vec(happening(), 1..50),
        cut in 0..100_usize,
    ) {
        let mut world = World::new(with_rule(|_| {}));
        let mut snapshot: Option<Snapshot> = None;
        let half = all.len() * cut / 100;
        for (index, one) in all.iter().enumerate() {
            happen(&mut world, *one);
            if index == half && !world.outside.disk_full {
                snapshot = Some(through_json(&world.engine.snapshot()));
            }
        }
        world.outside.disk_full = false;
        world.set("Db", Level::Critical);
        settle_timers(&mut world);
        let journal: Vec<Record> =
            world.outside.journal.iter().map(through_json).collect();
        prop_assert!(journal.iter().zip(1..).all(|(record, seq)| record.seq == seq));
        for start in [None, snapshot] {
            same(&world, start, &journal)?;
        }
    }
}

#[test]
fn every_kind_of_record_is_replayed() {
    let mut kinds: BTreeSet<&'static str> = BTreeSet::new();
    let scripts: [fn(&mut World); 3] = [people_act, things_fail, it_comes_back];
    for script in scripts {
        let mut world = World::new(settings());
        script(&mut world);
        settle_timers(&mut world);
        kinds.extend(world.outside.journal.iter().map(Record::kind));
        let journal = world.outside.journal.clone();
        same(&world, None, &journal).unwrap();
    }
    for kind in [
        "started",
        "clock_stepped",
        "journal_resumed",
        "alert",
        "forgot",
        "fired",
        "joined",
        "rise",
        "posting",
        "escalated",
        "paged",
        "exhausted",
        "muted",
        "acked",
        "snoozed",
        "acted_in_vain",
        "ack_expired",
        "handed",
        "assigned",
        "note",
        "resolved",
        "reopened",
        "breached",
        "reminded",
        "intended",
        "attempted",
        "retried",
        "delivered",
        "delivery_failed",
        "delivery_dropped",
        "silenced",
        "unsilenced",
        "overridden",
    ] {
        assert!(kinds.contains(kind), "no script leads to {kind}: {kinds:?}");
    }
}

#[test]
fn a_journal_with_a_hole_is_refused() {
    let record = |seq| Record { seq, at: Timestamp(0), fact: Fact::Started { down_since: None } };
    let settings = Arc::new(settings());
    let error = Engine::restore(settings, None, [record(1), record(3)].into_iter()).unwrap_err();
    assert_eq!(error.seq, 3);
}

fn people_act(world: &mut World) {
    world.read("cpu", &[("api", 90.0), ("web", 10.0)]);
    world.set_with("cpu", &[("job", "web")], Level::Critical);
    for what in 0..9 {
        happen(world, Happening::Act(what, 1));
    }
    happen(world, Happening::Silence(0, 60));
    happen(world, Happening::Silence(2, 60));
    world.at("20m").read("cpu", &[("api", 10.0)]);
    world.set_with("cpu", &[("job", "web")], Level::Ok);
    world.at("21m").read("cpu", &[("api", 90.0)]);
    world.silence("alertname", "cpu", "10m");
    world.at("2h");
}

fn things_fail(world: &mut World) {
    world.mood(ChannelKind::Slack, Mood::Down);
    world.mood(ChannelKind::Email, Mood::Refuses);
    world.set("Db", Level::Warning);
    world.set("Info", Level::Info);
    world.at("11m").mood(ChannelKind::Slack, Mood::Works);
    world.at("12m").set("Db", Level::Critical);
    world.at("30m").crash("1m");
    happen(world, Happening::Clock(5));
    world.at("40m").outside.disk_full = true;
    world.set("Other", Level::Critical);
    world.outside.disk_full = false;
    world.at("50m").set("Db", Level::Ok);
    world.at("30h");
}

fn it_comes_back(world: &mut World) {
    world.set("Db", Level::Critical);
    world.mood(ChannelKind::Slack, Mood::Down);
    world.mood(ChannelKind::Email, Mood::Down);
    world.at("1m").ack("Db", "ana");
    world.at("40m").set("Db", Level::Ok);
    world.at("41m").set("Db", Level::Critical);
}

fn same(world: &World, start: Option<Snapshot>, journal: &[Record]) -> Result<(), TestCaseError> {
    let tail = journal.iter().cloned();
    let restored = Engine::restore(Arc::clone(&world.settings), start, tail);
    let mut restored = restored.map_err(|error| TestCaseError::fail(error.to_string()))?;
    let text = |engine: &Engine| serde_json::to_value(engine.snapshot()).unwrap();
    prop_assert_eq!(text(&restored), text(&world.engine));
    let mut out = Output::default();
    restored.handle(Input::Tick, world.now, &mut out);
    prop_assert!(out.records.is_empty(), "the replayed engine decides anew: {:?}", out.records);
    let live = world.engine.next_wakeup();
    let again = restored.next_wakeup();
    prop_assert_eq!(again, live);
    Ok(())
}

/// Lets what waits be published, so that only durable timers are left.
fn settle_timers(world: &mut World) {
    world.now = world.now.plus(Duration::from_millis(60));
    world.feed(Input::Tick);
    while world
        .engine
        .next_wakeup()
        .is_some_and(|(at, _)| at <= world.now.plus(Duration::from_millis(60)))
    {
        world.now = world.now.plus(Duration::from_millis(60));
        world.feed(Input::Tick);
    }
}

fn through_json<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
}

fn happen(world: &mut World, happening: Happening) {
    const LEVELS: [Level; 4] = [Level::Ok, Level::Info, Level::Warning, Level::Critical];
    const RULES: [&str; 6] = ["Db", "Orphan", "Skip", "Handover", "Info", "cpu"];
    match happening {
        Happening::Read(job, value) => {
            let job = if job == 0 { "api" } else { "web" };
            world.read("cpu", &[(job, f64::from(value)), ("other", 75.0)]);
        }
        Happening::Missing => world.read("cpu", &[]),
        Happening::Error => world.evaluated("cpu", Err("no such function".to_owned())),
        Happening::Set(rule, level) => {
            world.set(RULES[usize::from(rule)], LEVELS[usize::from(level)]);
        }
        Happening::Post(severity, ends) => {
            let severity = ["critical", "warning", "info"][usize::from(severity)];
            let ends = world.now.plus(Duration::from_secs(u64::from(ends)));
            world.feed(Input::External(vec![posted(severity, world.now, ends)]));
        }
        Happening::Wait(seconds) => {
            let t = world.now.since(world.start).as_secs() + u64::from(seconds);
            world.at(&format!("{}s", t + 1));
        }
        Happening::Act(what, incident) => act(world, what, IncidentId(u64::from(incident))),
        Happening::Silence(what, seconds) => silence(world, what, u64::from(seconds)),
        Happening::Mood(channel, mood) => {
            let channel = [ChannelKind::Slack, ChannelKind::Email][usize::from(channel)];
            let wait = Duration::from_secs(20);
            let moods =
                [Mood::Works, Mood::Down, Mood::Refuses, Mood::Hangs, Mood::Throttles(wait)];
            world.mood(channel, moods[usize::from(mood)].clone());
        }
        Happening::Crash(seconds) => {
            if !world.outside.disk_full {
                world.crash(&format!("{seconds}s"));
            }
        }
        Happening::Disk(full) => world.outside.disk_full = full,
        Happening::Clock(seconds) => {
            let by_ms = i64::from(seconds) * 1000;
            world.now = Timestamp(world.now.0 + by_ms);
            world.start = Timestamp(world.start.0 + by_ms);
            world.feed(Input::ClockStepped { by_ms });
        }
        Happening::Rules(here) => {
            let mut changed = settings();
            if !here {
                changed.rules.remove(&RuleName::new("cpu"));
            }
            world.configure(changed);
        }
    }
}

fn act(world: &mut World, what: u8, incident: IncidentId) {
    let (by, note) = (person("ana"), Some("looking".to_owned()));
    let until = world.now.plus(Duration::from_secs(600));
    let command = match what {
        0 => Command::Note { incident, by, note: "hm".to_owned() },
        1 => Command::Ack { incident, by: program("bot"), note },
        2 => Command::Escalate { incident, by },
        3 => Command::Assign { incident, by, to: PersonId::from("ben") },
        4 => Command::Ack { incident, by, note },
        5 => Command::Ack { incident, by: person("ben"), note },
        6 => Command::Snooze { incident, by, until, note },
        7 => Command::Override {
            schedule: ScheduleId::from("primary"),
            change: Override {
                add: Some(PersonId::from("cho")),
                remove: Some(PersonId::from("ana")),
                from: world.now,
                to: until,
                why: None,
                by: None,
            },
            by,
        },
        _ => Command::Resolve { incident, by, note, force: true },
    };
    world.ask(command);
}

fn silence(world: &mut World, what: u8, seconds: u64) {
    let by = person("ben");
    if what == 2 {
        world.ask(Command::Unsilence { id: id_of(1), by });
        return;
    }
    let value = if what == 0 { "cpu" } else { "Db" };
    let matcher = Matcher::new("alertname", MatchOp::Equal, value).unwrap();
    let from = world.now.plus(Duration::from_secs(seconds / 3));
    world.ask(Command::Silence {
        matchers: Matchers(vec![matcher]),
        from,
        until: from.plus(Duration::from_secs(seconds)),
        reason: String::new(),
        by,
    });
}
