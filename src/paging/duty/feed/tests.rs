//! Feeds are read back by another parser of the format.

use icalendar::parser::{read_calendar, unfold};
use icalendar::{Calendar, Component as _, Event};

use super::*;
use crate::duty::{Every, Handoff, Layer, LayerSpec};
use crate::id::ScheduleId;

#[test]
fn another_parser_reads_every_shift() {
    let schedule = schedule("devops", &["ana", "ben"]);
    let events = read(&text(&schedule, None, "2026-11-24T12:00:00Z"));
    let found: Vec<(&str, &str, &str)> = events.iter().map(fields).collect();
    let expected = [
        ("Ana Lopez on call: devops", "20261123T090000Z", "20261130T090000Z"),
        ("ben on call: devops", "20261130T090000Z", "20261207T090000Z"),
        ("Ana Lopez on call: devops", "20261207T090000Z", "20261214T090000Z"),
    ];
    assert_eq!(found, expected);
    assert!(events.iter().all(|one| one.property_value("DTSTAMP") == Some("20261124T120000Z")));
}

#[test]
fn a_person_sees_only_own_shifts() {
    let schedule = schedule("devops", &["ana", "ben"]);
    let ben = PersonId::from("ben");
    let events = read(&text(&schedule, Some(&ben), "2026-11-24T12:00:00Z"));
    assert_eq!(events.len(), 1);
    assert_eq!(fields(&events[0]).0, "ben on call: devops");
    let stranger = PersonId::from("x");
    assert!(read(&text(&schedule, Some(&stranger), "2026-11-24T12:00:00Z")).is_empty());
}

#[test]
fn a_feed_that_is_read_later_knows_its_events_again() {
    for people in [&["ana", "ben"][..], &["ana"]] {
        let schedule = schedule("devops", people);
        let first = |now: &str| read(&text(&schedule, None, now))[0].get_uid().unwrap().to_owned();
        let uid = first("2026-11-24T12:00:00Z");
        assert_eq!(uid, first("2026-11-29T23:59:59.999Z"), "{people:?}");
        assert!(uid.ends_with("-ana-devops@ops.example.org"), "{uid}");
    }
    let uids = read(&text(&schedule("devops", &["ana", "ben"]), None, "2026-11-24T12:00:00Z"));
    let distinct: std::collections::BTreeSet<_> = uids.iter().map(|one| one.get_uid()).collect();
    assert_eq!(distinct.len(), uids.len());
}

#[test]
fn shifts_are_whole_and_together_where_people_are() {
    let mut schedule = schedule("devops", &["ana", "ben"]);
    schedule.overrides.push(Override {
        add: Some(PersonId::from("cho")),
        remove: None,
        from: at("2026-11-29T09:00:00Z"),
        to: at("2026-12-01T09:00:00Z"),
        why: None,
        by: None,
    });
    let day = (at("2026-11-30T00:00:00Z"), at("2026-12-01T00:00:00Z"));
    let found: Vec<(String, String, String)> = shifts(&schedule, &[], day.0, day.1)
        .into_iter()
        .map(|one| {
            let (from, to) = (one.from.to_rfc3339_seconds(), one.to.to_rfc3339_seconds());
            (one.person.to_string(), from, to)
        })
        .collect();
    let expected = [
        ("ana", "2026-11-23T09:00:00Z", "2026-11-30T09:00:00Z"),
        ("cho", "2026-11-29T09:00:00Z", "2026-12-01T09:00:00Z"),
        ("ben", "2026-11-30T09:00:00Z", "2026-12-07T09:00:00Z"),
    ]
    .map(|(person, from, to)| (person.to_owned(), from.to_owned(), to.to_owned()));
    assert_eq!(found, expected);
}

#[test]
fn lines_end_and_fold_as_the_format_wants_whatever_the_names() {
    for name in [
        "plain",
        "a, b; c\\d",
        "two\nlines\r\nBEGIN:VEVENT",
        "\u{7}bell\u{0}",
        "ÄÖÜ und noch viel mehr Umlaute: äöüäöüäöüäöüäöüäöüäöüäöüäöüäöüäöüäöüäöüäöüäöü",
        "🚨🚨🚨🚨🚨🚨🚨🚨🚨🚨🚨🚨🚨🚨🚨🚨🚨🚨🚨🚨🚨🚨🚨🚨🚨🚨🚨🚨🚨🚨",
    ] {
        let text = text(&schedule(name, &["ana"]), None, "2026-11-24T12:00:00Z");
        assert!(text.ends_with("END:VCALENDAR\r\n"), "{text}");
        for line in text.strip_suffix("\r\n").unwrap().split("\r\n") {
            assert!(line.len() <= 75, "{} octets: {line}", line.len());
            assert!(!line.contains(char::is_control), "{line:?}");
        }
        let events = read(&text);
        assert_eq!(events.len(), 1, "{text}");
        let clean: String = name.chars().filter(|one| *one == '\n' || !one.is_control()).collect();
        assert_eq!(events[0].get_summary(), Some(&*format!("Ana Lopez on call: {clean}")));
    }
}

#[test]
fn lines_fold_at_75_octets_and_not_before() {
    for (length, lines) in [(74, 1), (75, 1), (76, 2), (149, 2), (150, 3)] {
        let mut out = String::new();
        line(&mut out, &"x".repeat(length));
        assert_eq!(out.matches("\r\n").count(), lines, "{length}");
        assert_eq!(out.replace("\r\n ", "").trim_end().len(), length);
    }
}

fn fields(event: &Event) -> (&str, &str, &str) {
    let value = |key| event.property_value(key).unwrap();
    (event.get_summary().unwrap(), value("DTSTART"), value("DTEND"))
}

fn read(text: &str) -> Vec<Event> {
    read_calendar(&unfold(text)).unwrap_or_else(|error| panic!("{error}: {text}"));
    let calendar: Calendar = text.parse().unwrap_or_else(|error| panic!("{error}: {text}"));
    calendar.components.iter().filter_map(|one| one.as_event().cloned()).collect()
}

fn text(schedule: &Schedule, person: Option<&PersonId>, now: &str) -> String {
    let ana = Person {
        id: PersonId::from("ana"),
        name: "Ana Lopez".to_owned(),
        email: None,
        slack: None,
        terminal: false,
        zone: None,
        notify: Vec::new(),
    };
    let people = BTreeMap::from([(ana.id.clone(), ana)]);
    let feed = Feed { schedule, extra: &[], people: &people, person, host: "ops.example.org" };
    let now = at(now);
    feed.write(now, now.plus(std::time::Duration::from_secs(14 * 86_400)), now)
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

fn schedule(name: &str, people: &[&str]) -> Schedule {
    let layer = LayerSpec {
        people: people.iter().map(|name| PersonId::from(*name)).collect(),
        every: Every::Weeks(1),
        handoff: Handoff::parse("mon 09:00").unwrap(),
        start: "2026-11-09".parse().unwrap(),
        days: None,
        hours: None,
        priority: 0,
        zone: None,
    };
    Schedule {
        id: ScheduleId::from(name),
        zone: Zone::utc(),
        layers: vec![Layer::new(layer).unwrap()],
        overrides: Vec::new(),
        away: Vec::new(),
    }
}
