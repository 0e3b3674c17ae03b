//! Delivery: intents first, retries, the next channel, repeats, edits, threads.

use std::collections::BTreeSet;
use std::time::Duration;

use watchbell_metrics::rule::Level;

use super::harness::{Mood, World, person, posted, settings};
use crate::command::Command;
use crate::engine::Input;
use crate::id::{CommandId, DeliveryId, PersonId};
use crate::outbox::Purpose;
use crate::record::Fact;
use crate::route::{ChannelKind, Preference};
use crate::settings::Settings;
use crate::time::Timestamp;

#[test]
fn an_intent_is_in_the_journal_before_anything_is_sent() {
    let mut world = World::new(settings());
    world.set("Db", Level::Critical);
    for (_, delivery) in &world.outside.sent {
        let intended = world.outside.journal.iter().any(
            |record| matches!(&record.fact, Fact::Intended(intent) if intent.id == delivery.id),
        );
        assert!(intended, "{}", delivery.id);
    }
    let to: BTreeSet<String> =
        world.outside.sent.iter().map(|(_, one)| one.address.as_written()).collect();
    let expected = ["#ops", "U1", "ana@example.org"].map(str::to_owned);
    assert_eq!(to, BTreeSet::from(expected), "Slack and mail at once, and the post");
}

#[test]
fn only_configured_channels_and_known_addresses_are_used() {
    let mut changed = settings();
    changed.channels = BTreeSet::from([ChannelKind::Email, ChannelKind::Terminal]);
    let ana = changed.people.get_mut(&PersonId::from("ana")).unwrap();
    ana.terminal = true;
    let mut world = World::new(changed);
    world.set("Db", Level::Critical);
    let kinds: BTreeSet<ChannelKind> = pages(&world).map(|one| one.1.address.kind()).collect();
    assert_eq!(kinds, BTreeSet::from([ChannelKind::Email, ChannelKind::Terminal]));
}

#[test]
fn a_temporary_failure_is_tried_again_with_growing_waits_and_the_same_identity() {
    let mut world = World::new(settings());
    world.mood(ChannelKind::Slack, Mood::Down);
    world.set("Db", Level::Critical);
    world.at("1m");
    let tries: Vec<&(Timestamp, crate::outbox::Delivery)> =
        world.outside.sent.iter().filter(|(_, one)| to(one, "U1")).collect();
    let ids: BTreeSet<DeliveryId> = tries.iter().map(|(_, one)| one.id).collect();
    assert_eq!(ids.len(), 1);
    assert!(tries.iter().zip(1..).all(|((_, one), attempt)| one.attempt == attempt));
    assert!(7 <= tries.len(), "{} attempts", tries.len());
    let waits: Vec<i64> = tries.windows(2).map(|pair| pair[1].0.0 - pair[0].0.0).collect();
    for (wait, whole) in waits.iter().zip([500, 1000, 2000, 4000, 8000, 16_000, 30_000]) {
        assert!(whole * 4 / 5 <= *wait && *wait <= whole, "{waits:?}");
    }
    world.mood(ChannelKind::Slack, Mood::Works);
    assert_eq!(world.at("1m31s").arrived("U1")[0], "page New", "it keeps trying");
}

#[test]
fn retry_after_is_obeyed_for_each_conversation() {
    let mut world = World::new(settings());
    world.mood(ChannelKind::Slack, Mood::Throttles(Duration::from_secs(20)));
    world.set("Db", Level::Critical);
    world.at("19s");
    assert_eq!(world.outside.sent.iter().filter(|(_, one)| to(one, "U1")).count(), 1);
    world.mood(ChannelKind::Slack, Mood::Works);
    world.at("21s");
    assert_eq!(world.arrived("U1"), ["page New"]);
}

#[test]
fn after_ten_seconds_of_failing_the_next_channel_of_a_critical_page_is_tried_too() {
    for (level, early, late) in
        [(Level::Critical, "9s", "10s"), (Level::Warning, "10m29s", "10m30s")]
    {
        let mut world = World::new(slack_only());
        world.mood(ChannelKind::Slack, Mood::Down);
        world.set("Db", level);
        assert!(world.at(early).arrived("ana@example.org").is_empty(), "{level}");
        assert_eq!(world.at(late).arrived("ana@example.org").len(), 1, "{level}");
        assert_eq!(world.pages("Db", "ana"), 1);
    }
}

#[test]
fn a_hanging_channel_is_no_reason_to_wait_longer() {
    let mut world = World::new(slack_only());
    world.mood(ChannelKind::Slack, Mood::Hangs);
    world.set("Db", Level::Critical);
    assert_eq!(world.at("10s").arrived("ana@example.org"), ["page New"]);
}

#[test]
fn a_permanent_failure_takes_the_next_channel_at_once() {
    let mut world = World::new(slack_only());
    world.mood(ChannelKind::Slack, Mood::Refuses);
    world.set("Db", Level::Critical);
    assert_eq!(world.arrived("ana@example.org"), ["page New"]);
    assert!(world.kinds("Db").contains(&"delivery_failed".to_owned()));
}

#[test]
fn after_a_restart_an_intent_without_result_goes_out_again_as_a_possible_repeat() {
    let mut world = World::new(settings());
    world.mood(ChannelKind::Slack, Mood::Hangs);
    world.set("Db", Level::Critical);
    let first = sent_to(&world, "U1");
    world.mood(ChannelKind::Slack, Mood::Works);
    world.at("5s").crash("10s");
    let again = sent_to(&world, "U1");
    assert_eq!((again.len(), again[0].id, again[0].may_be_repeat), (2, first[0].id, false));
    assert_eq!((again[1].id, again[1].may_be_repeat), (first[0].id, true));
    assert!(world.incident("Db").repeat);
    let mail = sent_to(&world, "ana@example.org");
    assert_eq!(mail.len(), 1, "what has a result is not repeated");
    world.set("Db", Level::Ok);
    assert!(world.arrived("U1").contains(&"thread Resolved".to_owned()));
}

#[test]
fn a_result_of_an_unknown_delivery_changes_nothing() {
    let mut world = World::new(settings());
    let before = world.outside.journal.len();
    let outcome = crate::outbox::Outcome::Accepted { anchor: None };
    world.feed(Input::Delivered(DeliveryId(77), outcome));
    assert_eq!(world.outside.journal.len(), before);
}

#[test]
fn pages_are_tried_until_somebody_answers() {
    let mut world = World::new(slack_only());
    world.mood(ChannelKind::Slack, Mood::Down);
    world.mood(ChannelKind::Email, Mood::Down);
    world.set("Db", Level::Critical);
    world.at("3h");
    let before = sent_to(&world, "U1").len();
    assert!(100 < before, "{before}");
    world.ack("Db", "ana");
    let settled = sent_to(&world, "U1").len();
    assert!(settled <= before + 1, "an answer calls them off");
    world.at("3h20m");
    assert_eq!(sent_to(&world, "U1").len(), settled);
}

#[test]
fn after_an_outage_a_person_gets_one_page_and_not_one_for_each_round() {
    let mut world = World::new(settings());
    world.mood(ChannelKind::Slack, Mood::Down);
    world.mood(ChannelKind::Email, Mood::Down);
    world.set("Db", Level::Critical);
    world.at("2h").mood(ChannelKind::Email, Mood::Works);
    world.at("121m");
    let id = world.id("Db");
    let arrived = world.outside.arrived.iter();
    let own =
        arrived.filter(|(_, one)| one.message.incident.id == id && to(one, "ana@example.org"));
    assert_eq!(own.count(), 1);
    assert_eq!(world.pages("Db", "ana"), 1);
}

#[test]
fn edits_are_given_up_after_an_hour() {
    let mut world = World::new(settings());
    world.set("Db", Level::Warning);
    world.mood(ChannelKind::Slack, Mood::Down);
    world.ack("Db", "ana");
    world.at("59m");
    assert!(0 < world.view().in_flight);
    world.at("61m");
    assert_eq!(world.view().in_flight, 0);
    let given_up = world.incident("Db");
    assert!(given_up.timeline.iter().any(|line| line.text.contains("tried for an hour")));
}

#[test]
fn an_ack_edits_every_slack_message_within_its_turn_and_tells_those_paged() {
    let mut world = World::new(settings());
    world.set("Db", Level::Critical);
    let before = world.outside.sent.len();
    let turns = world.outside.appends;
    world.at("1m").ack("Db", "ana");
    let sent: BTreeSet<(String, &str)> = world.outside.sent[before..]
        .iter()
        .map(|(_, one)| (one.address.as_written(), word(&one.purpose)))
        .collect();
    let expected = [
        ("#ops", "edit"),
        ("#ops", "thread"),
        ("U1", "edit"),
        ("U1", "thread"),
        ("ana@example.org", "thread"),
    ];
    assert_eq!(sent, expected.map(|(to, what)| (to.to_owned(), what)).into());
    assert!(turns < world.outside.appends);
    for (at, delivery) in &world.outside.sent[before..] {
        assert_eq!(*at, Timestamp(world.start.0 + 60_000));
        assert!(
            delivery.anchor.is_some(),
            "{} stands in a conversation",
            delivery.address.as_written()
        );
        assert!(delivery.message.why.contains("ana"), "{}", delivery.message.why);
    }
}

#[test]
fn edits_are_coalesced_and_the_newest_state_wins() {
    let mut world = World::new(settings());
    world.set("Db", Level::Warning);
    world.mood(ChannelKind::Slack, Mood::Hangs);
    for second in 1..20 {
        let level = if second % 2 == 0 { Level::Warning } else { Level::Info };
        world.at(&format!("{second}m")).set("Db", level);
    }
    let edits = |world: &World| {
        sent_to(world, "#ops").iter().filter(|one| one.purpose == Purpose::Edit).count()
    };
    assert_eq!(edits(&world), 1, "one at a time");
    world.mood(ChannelKind::Slack, Mood::Works);
    world.crash("1s");
    let last = sent_to(&world, "#ops").into_iter().rfind(|one| one.purpose == Purpose::Edit);
    let last = last.unwrap().message.incident;
    assert_eq!(last.severity, world.incident("Db").severity);
}

#[test]
fn a_page_in_a_known_conversation_goes_into_its_thread_and_counts() {
    let mut world = World::new(settings());
    world.set("Db", Level::Critical);
    world.at("9m1s");
    let again = sent_to(&world, "U1").into_iter().rfind(|one| one.purpose != Purpose::Edit);
    let again = again.unwrap();
    assert_eq!(again.purpose, Purpose::Thread { person: Some(PersonId::from("ana")) });
    assert!(again.anchor.is_some());
    assert_eq!(world.pages("Db", "ana"), 2);
}

#[test]
fn a_first_message_that_arrives_after_the_end_is_followed_by_the_end() {
    let mut world = World::new(settings());
    world.mood(ChannelKind::Email, Mood::Hangs);
    world.set("Db", Level::Critical);
    let id = sent_to(&world, "ana@example.org")[0].id;
    world.at("1m").set("Db", Level::Ok);
    world.mood(ChannelKind::Email, Mood::Works);
    let outcome = crate::outbox::Outcome::Accepted { anchor: None };
    world.feed(Input::Delivered(id, outcome));
    assert_eq!(world.arrived("ana@example.org"), ["thread Resolved"]);
}

#[test]
fn critical_pages_go_first_within_a_turn_and_edits_last() {
    let mut world = World::new(settings());
    world.set("Db", Level::Critical);
    let order: Vec<&str> = world.outside.sent.iter().map(|(_, one)| word(&one.purpose)).collect();
    assert_eq!(order, ["page", "page", "post"]);
    let before = world.outside.sent.len();
    world.at("5m1s");
    world.ack("Db", "ana");
    let order: Vec<&str> =
        world.outside.sent[before..].iter().map(|(_, one)| word(&one.purpose)).collect();
    let first_edit = order.iter().position(|what| *what == "edit").unwrap();
    assert!(order.iter().take(first_edit).any(|what| *what == "thread"));
}

#[test]
fn a_new_critical_goes_ahead_of_what_earlier_inputs_of_its_turn_led_to() {
    let mut world = World::new(settings());
    world.set("Db", Level::Critical);
    let (incident, before) = (world.id("Db"), world.outside.sent.len());
    let ack = Command::Ack { incident, by: person("ana"), note: None };
    let now = world.now;
    let critical = posted("critical", now, now.plus(Duration::from_secs(600)));
    world.turn(vec![Input::Command(CommandId(900), ack), Input::External(vec![critical])]);
    let words: Vec<&str> =
        world.outside.sent[before..].iter().map(|(_, one)| word(&one.purpose)).collect();
    assert_eq!(words[..2], ["page", "page"], "{words:?}");
    assert!(words.contains(&"edit"));
}

#[test]
fn a_message_says_why_who_else_and_what_is_next() {
    let mut world = World::new(settings());
    world.set("Db", Level::Critical);
    world.at("2m1s");
    let page = sent_to(&world, "U2").remove(0);
    assert_eq!(page.message.paged, ["ana", "ben"]);
    let next = page.message.next.unwrap();
    assert_eq!((next.at, next.what.as_str()), (Timestamp(world.start.0 + 240_000), "cho is paged"));
    assert!(page.message.why.contains("2m"), "{}", page.message.why);
    assert_eq!(page.severity.as_str(), "critical");
}

fn slack_only() -> Settings {
    let mut changed = settings();
    for person in changed.people.values_mut() {
        let choice =
            |severity| Preference { severity, channel: ChannelKind::Slack, delay: Duration::ZERO };
        person.notify =
            vec![choice(crate::level::Severity::Critical), choice(crate::level::Severity::Warning)];
    }
    changed
}

fn pages(world: &World) -> impl Iterator<Item = &(Timestamp, crate::outbox::Delivery)> {
    let page =
        |one: &&(Timestamp, crate::outbox::Delivery)| matches!(one.1.purpose, Purpose::Page { .. });
    world.outside.sent.iter().filter(page)
}

fn to(delivery: &crate::outbox::Delivery, address: &str) -> bool {
    delivery.address.as_written() == address
}

fn sent_to(world: &World, address: &str) -> Vec<crate::outbox::Delivery> {
    world
        .outside
        .sent
        .iter()
        .filter(|(_, one)| to(one, address))
        .map(|(_, one)| one.clone())
        .collect()
}

fn word(purpose: &Purpose) -> &'static str {
    match purpose {
        Purpose::Page { .. } => "page",
        Purpose::Post => "post",
        Purpose::Edit => "edit",
        Purpose::Thread { .. } => "thread",
    }
}
