//! Cases of promises, outcomes and the report.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use super::*;
use crate::calendar::{DayOff, WorkWeek, parse_clock};
use crate::id::PersonId;
use crate::time::Zone;

#[test]
fn every_deadline_case_holds() {
    let Some(text) = conformance("sla/deadlines.json") else { return };
    let file: Value = serde_json::from_str(&text).unwrap();
    let calendar = calendar_of(&file["calendar"]);
    for case in file["cases"].as_array().unwrap() {
        let severity = severity_of(case["severity"].as_str().unwrap());
        let fired = at(&case["fired"]);
        let found = deadline(severity, fired, &Promises::default(), &calendar);
        assert_eq!(found, Some(at(&case["deadline"])), "{}", case["id"]);
    }
}

#[test]
fn the_worked_week_gives_exactly_its_report() {
    let Some(text) = conformance("sla/week.json") else { return };
    let file: Value = serde_json::from_str(&text).unwrap();
    let facts: Vec<ReportFact> = file["incidents"].as_array().unwrap().iter().map(fact).collect();
    let (from, to) = week_range("2026-W47", &Zone::utc()).unwrap();
    let zone = Zone::utc();
    let (zones, shifts) = (BTreeMap::new(), BTreeMap::new());
    let input =
        ReportInput { facts: &facts, from, to, zone: &zone, zones: &zones, shifts: &shifts };
    let report = serde_json::to_value(report(&input)).unwrap();
    assert_eq!(report["week"], "2026-W47");
    let all = &report["rows"][0];
    for (key, expected) in file["expect"].as_object().unwrap() {
        let same = match (expected.as_f64(), all[key].as_f64()) {
            (Some(expected), Some(found)) => expected.to_bits() == found.to_bits(),
            (_, _) => *expected == all[key],
        };
        assert!(same, "{key}: expected {expected}, got {}", all[key]);
    }
}

#[test]
fn a_calendar_without_business_days_has_no_deadline() {
    let calendar = Calendar { zone: Zone::utc(), work: WorkWeek::default(), off: Vec::new() };
    assert_eq!(deadline(Severity::Info, Timestamp(0), &Promises::default(), &calendar), None);
}

#[test]
fn an_answer_at_the_deadline_is_in_time() {
    let mut clock = Clock::start(Timestamp(0), Some(Timestamp(300_000)));
    assert_eq!(clock.outcome(None), Outcome::Running);
    assert_eq!(clock.outcome(Some(Timestamp(300_000))), Outcome::SelfResolved);
    assert_eq!(clock.outcome(Some(Timestamp(300_001))), Outcome::Missed);
    clock.answered = Some(Timestamp(300_000));
    assert_eq!(clock.outcome(None), Outcome::Met);
    clock.answered = Some(Timestamp(300_001));
    assert_eq!(clock.outcome(None), Outcome::Late);
}

#[test]
fn the_cause_is_the_first_that_fits() {
    let good = BreachFacts {
        opened: Timestamp(0),
        deadline: Timestamp(300_000),
        planned: Timestamp(0),
        notified: Some(Timestamp(1_000)),
        no_one_on_call: false,
        daemon_down: false,
    };
    let late = |ms| BreachFacts { notified: Some(Timestamp(ms)), ..good };
    for (facts, expected) in [
        (BreachFacts { daemon_down: true, no_one_on_call: true, ..good }, BreachCause::DaemonDown),
        (BreachFacts { no_one_on_call: true, notified: None, ..good }, BreachCause::NoOneOnCall),
        (BreachFacts { notified: None, ..good }, BreachCause::DeliveryFailed),
        (late(180_001), BreachCause::DeliveryFailed),
        (late(180_000), BreachCause::SystemLate),
        (late(60_001), BreachCause::SystemLate),
        (late(60_000), BreachCause::Responder),
        (BreachFacts { planned: Timestamp(600_000), ..late(601_000) }, BreachCause::Responder),
    ] {
        assert_eq!(cause(&facts), expected, "{facts:?}");
    }
}

#[test]
fn people_are_charged_for_what_was_theirs() {
    let (ana, ben) = (PersonId::from("ana"), PersonId::from("ben"));
    let page = |person: &PersonId, delivered: Option<i64>| PageFact {
        person: person.clone(),
        at: Timestamp(0),
        delivered: delivered.map(Timestamp),
    };
    let base = ReportFact {
        severity: Severity::Critical,
        service: None,
        team: None,
        first_bad: None,
        fired: Timestamp(0),
        notified: Some(Timestamp(100)),
        acked: Some(Timestamp(200_000)),
        acked_by: Some(ben.clone()),
        resolved: None,
        outcome: Outcome::Met,
        cause: None,
        pages: vec![page(&ana, Some(100)), page(&ben, Some(120_000))],
        drill: false,
    };
    let gap = ReportFact {
        outcome: Outcome::Late,
        cause: Some(BreachCause::NoOneOnCall),
        pages: vec![page(&ben, Some(100))],
        ..base.clone()
    };
    let facts = [base.clone(), ReportFact { drill: true, ..base }, gap];
    let zone = Zone::utc();
    let (zones, shifts) = (BTreeMap::new(), BTreeMap::from([(ana, 2)]));
    let input = ReportInput {
        facts: &facts,
        from: Timestamp(0),
        to: Timestamp(1),
        zone: &zone,
        zones: &zones,
        shifts: &shifts,
    };
    let report = report(&input);
    let row = |name: &str| report.persons.iter().find(|row| row.person == name).unwrap();
    assert_eq!((row("ana").covered, row("ana").met, row("ana").night_pages), (1, 0, 1));
    assert_eq!((row("ben").met, row("ben").late, row("ben").not_charged), (1, 0, 1));
    assert_eq!(row("ana").pages_per_shift, Some(0.5));
    assert_eq!((report.drills, report.rows[0].incidents), (1, 2));
}

#[test]
fn weeks_are_iso_weeks_of_the_zone() {
    let berlin = Zone::find("Europe/Berlin").unwrap();
    let (from, to) = week_range("2026-W44", &berlin).unwrap();
    assert_eq!(from.to_rfc3339_seconds(), "2026-10-25T23:00:00Z");
    assert_eq!(to.to_rfc3339_seconds(), "2026-11-01T23:00:00Z");
    assert_eq!(iso_week(from, &berlin).as_deref(), Some("2026-W44"));
    for nonsense in ["2026-44", "2026-W60", "W44", "x-W1"] {
        assert_eq!(week_range(nonsense, &berlin), None, "{nonsense}");
    }
}

fn fact(value: &Value) -> ReportFact {
    let (from, _) = week_range("2026-W47", &Zone::utc()).unwrap();
    let after = |seconds: &Value| seconds.as_i64().map(|s| Timestamp(from.0 + s * 1000));
    let mut clock = Clock::start(from, Some(Timestamp(from.0 + 300_000)));
    clock.answered = after(&value["tta_s"]);
    let resolved = after(&value["self"]);
    ReportFact {
        severity: Severity::Critical,
        service: None,
        team: None,
        first_bad: None,
        fired: from,
        notified: Some(from),
        acked: clock.answered,
        acked_by: clock.answered.map(|_| PersonId::from("ana")),
        resolved,
        outcome: clock.outcome(resolved),
        cause: None,
        pages: Vec::new(),
        drill: false,
    }
}

fn calendar_of(value: &Value) -> Calendar {
    let off = value["off"].as_array().unwrap().iter().map(|day| match day.as_str() {
        Some(date) => DayOff { date: date.parse().unwrap(), until: None },
        None => DayOff {
            date: day["date"].as_str().unwrap().parse().unwrap(),
            until: parse_clock(day["until"].as_str().unwrap()),
        },
    });
    Calendar {
        zone: Zone::find(value["zone"].as_str().unwrap()).unwrap(),
        work: WorkWeek::parse(value["work"].as_str().unwrap()).unwrap(),
        off: off.collect(),
    }
}

fn severity_of(text: &str) -> Severity {
    serde_json::from_value(Value::String(text.to_owned())).unwrap()
}

fn at(value: &Value) -> Timestamp {
    Timestamp::parse_rfc3339(value.as_str().unwrap()).unwrap()
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
