//! Cases of who is on call: the shared rotations, and small tables of claims.

mod claims;
mod zones;

use std::collections::BTreeSet;
use std::path::PathBuf;

use jiff::civil::time;
use serde_json::Value;

use super::*;

#[test]
fn every_conformance_case_gives_its_timeline() {
    let Some(text) = conformance("oncall/rotations.json") else { return };
    let cases: Value = serde_json::from_str(&text).unwrap();
    for case in cases.as_array().unwrap() {
        let schedule = schedule_of(&case["schedule"]);
        let found = timeline(&schedule, &[], at(&case["from"]), at(&case["to"]));
        let expected: Vec<Segment> =
            case["expect"].as_array().unwrap().iter().map(segment).collect();
        assert_eq!(found, expected, "{}: {}", case["id"], case["claim"]);
    }
}

#[test]
fn the_instant_of_the_hand_off_belongs_to_the_new_person() {
    let schedule = daily("09:00");
    let handoff = Timestamp::parse_rfc3339("2026-11-24T09:00:00Z").unwrap();
    assert_eq!(names(&who(&schedule, &[], handoff)), ["ben"]);
    assert_eq!(names(&who(&schedule, &[], Timestamp(handoff.0 - 1))), ["ana"]);
}

#[test]
fn a_night_window_belongs_to_the_day_on_which_it_starts() {
    let mut spec = spec(&["ana"], Every::Days(1), "09:00");
    spec.hours = Some((time(20, 0, 0, 0), time(8, 0, 0, 0)));
    spec.days = Some((0..5).collect());
    let schedule = schedule(vec![spec]);
    for (text, on_call) in [
        ("2026-11-28T07:00:00Z", true),  // Saturday morning: Friday's night.
        ("2026-11-28T08:00:00Z", false), // Its end.
        ("2026-11-28T20:00:00Z", false), // Saturday has no night.
        ("2026-11-27T20:00:00Z", true),  // Friday's begins.
        ("2026-11-27T19:59:59Z", false),
        ("2026-11-30T07:00:00Z", false), // Monday morning would be Sunday's night.
    ] {
        let found = who(&schedule, &[], Timestamp::parse_rfc3339(text).unwrap());
        assert_eq!(!found.is_empty(), on_call, "{text}");
    }
}

#[test]
fn equal_hours_are_whole_days_and_no_weekday_is_never() {
    let mut whole = spec(&["ana"], Every::Days(1), "08:00");
    whole.hours = Some((time(8, 0, 0, 0), time(8, 0, 0, 0)));
    let mut never = spec(&["ana"], Every::Days(1), "08:00");
    never.days = Some(BTreeSet::new());
    let (from, to) = range("2026-11-24T00:00:00Z", "2026-11-27T00:00:00Z");
    assert_eq!(timeline(&schedule(vec![whole]), &[], from, to).len(), 1);
    assert_eq!(timeline(&schedule(vec![never]), &[], from, to)[0].people, []);
}

#[test]
fn the_highest_priority_wins_and_equal_ones_are_on_call_together() {
    let window = |person: &str, hours: (i8, i8), priority: i32| {
        let mut spec = spec(&[person], Every::Days(1), "00:00");
        spec.hours = Some((time(hours.0, 0, 0, 0), time(hours.1, 0, 0, 0)));
        spec.priority = priority;
        spec
    };
    let schedule = schedule(vec![
        window("a", (10, 20), 1),
        window("b", (12, 16), 1),
        window("c", (15, 18), 2),
    ]);
    let (from, to) = range("2026-11-24T10:00:00Z", "2026-11-24T20:00:00Z");
    let found: Vec<(String, String)> = timeline(&schedule, &[], from, to)
        .iter()
        .map(|one| (one.from.to_rfc3339_seconds(), names(&one.people).join("+")))
        .collect();
    let expected = [("10", "a"), ("12", "a+b"), ("15", "c"), ("18", "a")]
        .map(|(hour, who)| (format!("2026-11-24T{hour}:00:00Z"), who.to_owned()));
    assert_eq!(found, expected);
}

#[test]
fn an_override_cuts_the_timeline_where_it_lies() {
    let schedule = schedule(vec![spec(&["ana"], Every::Weeks(1), "mon 00:00")]);
    let (from, to) = range("2026-11-24T00:00:00Z", "2026-11-25T00:00:00Z");
    for (start, end, segments) in [
        ("2026-11-24T06:00:00Z", "2026-11-24T12:00:00Z", 3),
        ("2026-11-23T06:00:00Z", "2026-11-24T12:00:00Z", 2),
        ("2026-11-24T12:00:00Z", "2026-11-26T00:00:00Z", 2),
        ("2026-11-23T00:00:00Z", "2026-11-26T00:00:00Z", 1),
    ] {
        let change = replace(Some("ben"), Some("ana"), start, end);
        assert_eq!(timeline(&schedule, &[change], from, to).len(), segments, "{start} to {end}");
    }
}

#[test]
fn a_replacement_counts_only_while_the_replaced_person_is_on_call() {
    let schedule = daily("09:00");
    let change = replace(Some("cho"), Some("ana"), "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z");
    let anas = Timestamp::parse_rfc3339("2026-11-23T12:00:00Z").unwrap();
    let bens = Timestamp::parse_rfc3339("2026-11-24T12:00:00Z").unwrap();
    assert_eq!(names(&who(&schedule, std::slice::from_ref(&change), anas)), ["cho"]);
    assert_eq!(names(&who(&schedule, &[change], bens)), ["ben"]);
}

#[test]
fn absent_people_are_skipped_and_everybody_absent_is_a_gap() {
    let (from, to) = range("2026-11-23T00:00:00Z", "2026-11-26T00:00:00Z");
    let away = |person: &str| Away { person: PersonId::from(person), from, to };
    let mut schedule = daily("09:00");
    schedule.away = vec![away("ana")];
    let noon = Timestamp::parse_rfc3339("2026-11-23T12:00:00Z").unwrap();
    assert_eq!(names(&who(&schedule, &[], noon)), ["ben"]);
    schedule.away = vec![away("ana"), away("ben")];
    assert_eq!(who(&schedule, &[], noon), []);
}

#[test]
fn the_next_in_turn_is_neither_absent_nor_excluded() {
    let mut spec = spec(&["ana", "ben", "cho"], Every::Days(1), "09:00");
    spec.start = "2026-11-23".parse().unwrap();
    let mut schedule = schedule(vec![spec]);
    let noon = Timestamp::parse_rfc3339("2026-11-23T12:00:00Z").unwrap();
    let ana = [PersonId::from("ana")];
    assert_eq!(next_of(&schedule, noon, &ana), Some(PersonId::from("ben")));
    schedule.away =
        vec![Away { person: PersonId::from("ben"), from: Timestamp(0), to: Timestamp(i64::MAX) }];
    assert_eq!(next_of(&schedule, noon, &ana), Some(PersonId::from("cho")));
}

#[test]
fn a_shift_ends_at_the_next_change() {
    let schedule = daily("09:00");
    let noon = Timestamp::parse_rfc3339("2026-11-23T12:00:00Z").unwrap();
    let end = shift_end(&schedule, &[], noon).unwrap();
    assert_eq!(end.to_rfc3339_seconds(), "2026-11-24T09:00:00Z");
}

fn daily(handoff: &str) -> Schedule {
    let mut spec = spec(&["ana", "ben"], Every::Days(1), handoff);
    spec.start = "2023-12-30".parse().unwrap();
    // An even number of days before 2026-11-23, so that day is ana's.
    spec.start = spec.start.saturating_add(1.day());
    schedule(vec![spec])
}

fn spec(people: &[&str], every: Every, handoff: &str) -> LayerSpec {
    LayerSpec {
        people: people.iter().map(|name| PersonId::from(*name)).collect(),
        every,
        handoff: Handoff::parse(handoff).unwrap(),
        start: "2026-01-05".parse().unwrap(),
        days: None,
        hours: None,
        priority: 0,
        zone: None,
    }
}

fn schedule(layers: Vec<LayerSpec>) -> Schedule {
    Schedule {
        id: ScheduleId::from("devops"),
        zone: Zone::utc(),
        layers: layers.into_iter().map(|spec| Layer::new(spec).unwrap()).collect(),
        overrides: Vec::new(),
        away: Vec::new(),
    }
}

fn replace(add: Option<&str>, remove: Option<&str>, from: &str, to: &str) -> Override {
    Override {
        add: add.map(PersonId::from),
        remove: remove.map(PersonId::from),
        from: Timestamp::parse_rfc3339(from).unwrap(),
        to: Timestamp::parse_rfc3339(to).unwrap(),
        why: None,
        by: None,
    }
}

fn range(from: &str, to: &str) -> (Timestamp, Timestamp) {
    (Timestamp::parse_rfc3339(from).unwrap(), Timestamp::parse_rfc3339(to).unwrap())
}

fn names(people: &[PersonId]) -> Vec<&str> {
    people.iter().map(PersonId::as_str).collect()
}

fn at(value: &Value) -> Timestamp {
    Timestamp::parse_rfc3339(value.as_str().unwrap()).unwrap()
}

fn segment(value: &Value) -> Segment {
    let people = value["people"].as_array().unwrap().iter();
    Segment {
        from: at(&value["from"]),
        to: at(&value["to"]),
        people: people.map(|name| PersonId::from(name.as_str().unwrap())).collect(),
    }
}

fn schedule_of(value: &Value) -> Schedule {
    let text = |key: &str| value[key].as_str().unwrap();
    let people = value["people"].as_array().unwrap().iter();
    let days = value["days"].as_array().map(|days| {
        days.iter()
            .map(|day| crate::calendar::parse_weekday(day.as_str().unwrap()).unwrap())
            .map(jiff::civil::Weekday::to_monday_zero_offset)
            .collect()
    });
    let spec = LayerSpec {
        people: people.map(|name| PersonId::from(name.as_str().unwrap())).collect(),
        every: Every::parse(text("every")).unwrap(),
        handoff: Handoff::parse(text("handoff")).unwrap(),
        start: text("start").parse().unwrap(),
        days,
        hours: None,
        priority: 0,
        zone: None,
    };
    Schedule { zone: Zone::find(text("zone")).unwrap(), ..schedule(vec![spec]) }
}

/// Reads conformance data beside the checkout; absent, the test says so and fails in CI.
#[allow(clippy::disallowed_methods, reason = "test data stands beside the checkout")]
fn conformance(path: &str) -> Option<String> {
    let file = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance"));
    let text = std::fs::read_to_string(file.join(path)).ok();
    assert!(text.is_some() || std::env::var_os("CI").is_none(), "{path} is absent");
    if text.is_none() {
        println!("skipped: {path} is absent");
    }
    text
}
