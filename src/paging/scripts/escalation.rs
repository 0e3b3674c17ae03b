//! Escalation: who is paged when, empty stages, rounds, the fallback, the end of a chain.

use std::time::Duration;

use watchbell_metrics::rule::Level;

use super::harness::{Mood, World, length, pageable, person, settings, with_route};
use crate::command::Command;
use crate::duty::Override;
use crate::id::{PersonId, ScheduleId};
use crate::route::{ChannelKind, Preference, Step};
use crate::settings::Settings;

#[test]
fn without_escalate_the_next_in_turn_is_paged_at_two_and_the_fallback_at_four() {
    let mut world = World::new(with_route("handover", |route| route.escalate = Vec::new()));
    // On Monday at ten the daily schedule has ben; ana follows.
    world.set("Handover", Level::Critical);
    assert_eq!(world.at("1m59s").paged("Handover"), ["ben"]);
    assert_eq!(world.at("2m1s").paged("Handover"), ["ben", "ana"]);
    assert_eq!(world.at("3m59s").paged("Handover"), ["ben", "ana"]);
    assert_eq!(world.at("4m1s").paged("Handover"), ["ben", "ana", "cho"]);
}

#[test]
fn each_step_resolves_its_people_when_it_runs() {
    let mut world = World::starting(settings(), "2026-11-23T08:59:00Z");
    world.set("Handover", Level::Critical);
    assert_eq!(world.at("1s").paged("Handover"), ["ana"]);
    assert_eq!(world.at("2m1s").paged("Handover"), ["ana", "ben"], "the shift changed at nine");
}

#[test]
fn an_override_made_at_run_time_counts_for_the_next_page() {
    let mut world = World::new(settings());
    world.ask(Command::Override {
        schedule: ScheduleId::from("primary"),
        change: Override {
            add: Some(PersonId::from("cho")),
            remove: Some(PersonId::from("ana")),
            from: world.now,
            to: world.now.plus(Duration::from_secs(3600)),
            why: None,
            by: None,
        },
        by: person("ben"),
    });
    world.set("Db", Level::Critical);
    assert_eq!(world.paged("Db"), ["cho"]);
}

#[test]
fn an_empty_step_is_passed_at_once() {
    let mut world = World::new(settings());
    world.set("Skip", Level::Critical);
    assert_eq!(world.at("1m59s").paged("Skip"), ["ana"]);
    assert_eq!(world.at("2m1s").paged("Skip"), ["ana", "ben"]);
    assert_eq!(world.incident("Skip").breach_cause, None);
    assert!(world.kinds("Skip").contains(&"step_empty".to_owned()));
}

#[test]
fn nobody_at_all_means_the_fallback_at_once() {
    let mut world = World::new(settings());
    world.set("Orphan", Level::Critical);
    assert_eq!(world.paged("Orphan"), ["cho"]);
    assert_eq!(world.arrived("U3"), ["page Fallback"]);
    let cause = world.at("5m1s").incident("Orphan").breach_cause;
    assert_eq!(cause.map(|cause| cause.as_str()), Some("no_one_on_call"));
}

#[test]
fn a_person_without_an_address_is_passed_like_an_empty_step() {
    let mut changed = settings();
    let ana = changed.people.get_mut(&PersonId::from("ana")).unwrap();
    (ana.slack, ana.email) = (None, None);
    let mut world = World::new(changed);
    world.set("Db", Level::Critical);
    assert_eq!(world.paged("Db"), ["ben"], "the step after it runs at once");
    assert!(world.kinds("Db").contains(&"unreachable".to_owned()));
}

#[test]
fn a_critical_page_is_never_dropped_even_where_the_fallback_has_nobody() {
    let mut world = World::new(with_route("nobody", |route| route.fallback = Vec::new()));
    world.set("Orphan", Level::Critical);
    assert_eq!(world.paged("Orphan"), ["cho"], "the next route's fallback stands in");
}

#[test]
fn the_chain_repeats_every_five_minutes_until_somebody_answers_each_time_with_the_fallback() {
    let mut world = World::new(settings());
    world.set("Db", Level::Critical);
    world.at("8m59s");
    let pages = |world: &mut World| ["ana", "ben", "cho"].map(|who| world.pages("Db", who));
    assert_eq!(pages(&mut world), [1, 1, 1]);
    world.at("9m1s");
    assert_eq!(pages(&mut world), [2, 1, 2]);
    world.at("11m1s");
    assert_eq!(pages(&mut world), [2, 2, 2]);
    world.at("13m1s");
    assert_eq!(pages(&mut world), [2, 2, 3]);
    world.at("18m1s");
    assert_eq!(pages(&mut world), [3, 2, 4]);
    world.ack("Db", "ana");
    world.at("40m");
    assert_eq!(pages(&mut world), [3, 2, 4]);
}

#[test]
fn the_end_of_a_chain_is_written_down_and_raises_one_internal_alert() {
    let mut world = World::new(settings());
    world.set("Db", Level::Critical);
    world.at("8m59s");
    assert!(world.incidents("WatchbellEscalationExhausted").is_empty());
    world.at("9m1s");
    assert!(world.kinds("Db").contains(&"exhausted".to_owned()));
    let raised = world.incident("WatchbellEscalationExhausted");
    assert_eq!(raised.alerts[0].labels.get("source"), Some("watchbell"));
    assert_eq!(raised.severity.as_str(), "warning");
    // Its own chain ends too, which raises nothing further.
    world.at("2h");
    assert_eq!(world.incidents("WatchbellEscalationExhausted").len(), 1);
    world.ack("Db", "ana");
    assert!(world.incident("WatchbellEscalationExhausted").resolved_at.is_some());
}

#[test]
fn a_warning_pages_no_further_round_unless_its_route_says_so() {
    let mut world = World::new(settings());
    world.set("Db", Level::Warning);
    assert_eq!(world.at("3h").pages("Db", "ana"), 1);
    let route = |route: &mut crate::route::Route| route.repeat = Some(length("30m"));
    let mut world = World::new(with_route("warning", route));
    world.set("Db", Level::Warning);
    assert_eq!(world.at("41m").pages("Db", "ana"), 2);
}

#[test]
fn somebody_may_ask_for_the_next_step() {
    let mut world = World::new(settings());
    world.set("Db", Level::Critical);
    let incident = world.at("10s").id("Db");
    world.ask(Command::Escalate { incident, by: person("ana") });
    assert_eq!(world.paged("Db"), ["ana", "ben"]);
    assert_eq!(world.arrived("U2"), ["page Handed"]);
    assert_eq!(world.at("3m59s").paged("Db"), ["ana", "ben"], "the rest keeps its times");
    assert_eq!(world.at("4m1s").paged("Db"), ["ana", "ben", "cho"]);
}

#[test]
fn an_answer_runs_out_while_it_still_fires() {
    for (level, kept, over) in [(Level::Critical, "29m", "31m"), (Level::Warning, "119m", "121m")] {
        let mut world = World::new(settings());
        world.set("Db", level);
        world.ack("Db", "ana");
        let state = |world: &mut World| format!("{:?}", world.incident("Db").state);
        assert_eq!(state(world.at(kept)), "Acked", "{level}");
        let before = world.pages("Db", "ana");
        assert_eq!(state(world.at(over)), "Triggered", "{level}");
        assert_eq!(world.pages("Db", "ana"), before + 1, "{level}: they are paged at once");
        assert_eq!(world.incident("Db").sla.as_str(), "met", "the promise stays kept");
    }
    let changed = with_route("critical", |route| route.ack_timeout = Some(length("1h")));
    let mut world = World::new(changed);
    world.set("Db", Level::Critical);
    world.ack("Db", "ana");
    assert_eq!(format!("{:?}", world.at("59m").incident("Db").state), "Acked");
}

#[test]
fn people_choose_their_channels_and_delays() {
    let choose = |settings: &mut Settings| {
        let ana = settings.people.get_mut(&PersonId::from("ana")).unwrap();
        let choice = |channel, seconds| Preference {
            severity: crate::level::Severity::Critical,
            channel,
            delay: Duration::from_secs(seconds),
        };
        ana.notify = vec![choice(ChannelKind::Email, 0), choice(ChannelKind::Slack, 60)];
    };
    let mut changed = settings();
    choose(&mut changed);
    let mut world = World::new(changed.clone());
    world.set("Db", Level::Critical);
    assert_eq!((world.arrived("ana@example.org").len(), world.arrived("U1").len()), (1, 0));
    assert_eq!(world.at("1m1s").arrived("U1"), ["page New"]);
    assert_eq!(world.pages("Db", "ana"), 1, "one act of paging, however many channels");

    let mut answered = World::new(changed);
    answered.set("Db", Level::Critical);
    answered.at("30s").ack("Db", "ana");
    assert!(answered.at("2m").arrived("U1").is_empty(), "an answer takes the later channel back");
}

#[test]
fn refused_pages_run_the_next_step_instead_of_waiting_for_it() {
    let mut changed = settings();
    let ana = changed.people.get_mut(&PersonId::from("ana")).unwrap();
    ana.slack = None;
    let ben = changed.people.get_mut(&PersonId::from("ben")).unwrap();
    ben.email = None;
    let mut world = World::new(changed);
    world.mood(ChannelKind::Email, Mood::Refuses);
    world.set("Db", Level::Critical);
    assert_eq!(world.paged("Db"), ["ben"]);
}

#[test]
fn a_further_step_of_a_warning_never_comes_before_its_first_page() {
    let mut world = World::new(with_route("warning", |route| {
        route.escalate = vec![Step { at: length("2m"), page: vec![pageable("ben")] }];
    }));
    world.set("Db", Level::Warning);
    assert!(world.at("9m59s").paged("Db").is_empty());
    assert_eq!(world.at("10m1s").paged("Db"), ["ana"]);
    assert_eq!(world.at("12m1s").paged("Db"), ["ana", "ben"]);
}
