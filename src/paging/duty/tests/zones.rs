//! Properties over every zone of the bundled database and every change of offset 2024-2035.
//!
//! Days far from a change of offset are alike, so only the days around each are walked, and one
//! week of zones that never change.

use std::collections::BTreeSet;

use super::*;

const CLOCKS: [&str; 4] = ["00:00", "02:30", "09:00", "23:30"];
const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

#[test]
fn day_shifts_follow_each_other_around_every_change_of_every_zone() {
    let mut shifts = 0;
    for name in Zone::names() {
        let zone = Zone::find(&name).unwrap();
        for middle in middles(&zone) {
            for clock in CLOCKS {
                let mut schedule = daily(clock);
                schedule.zone = zone.clone();
                let (from, to) = (Timestamp(middle.0 - 2 * DAY), Timestamp(middle.0 + 3 * DAY));
                let found = timeline(&schedule, &[], from, to);
                let context = format!("{name} {clock} around {middle}: {found:#?}");
                follows(&found, from, to, &context);
                shifts += day_shifts(&schedule, &found, clock, &context);
            }
        }
    }
    assert!(shifts > 50_000, "only {shifts} shifts were looked at");
}

#[test]
fn a_hand_off_is_the_first_instant_at_or_after_its_clock() {
    for zone in distinct_zones() {
        for middle in middles(&zone) {
            for clock in CLOCKS {
                let local = middle.to_local(&zone).date();
                for days in -1..=1 {
                    let date = local.saturating_add(days.days());
                    let wanted = date.to_datetime(crate::calendar::parse_clock(clock).unwrap());
                    let found = crate::time::instant(wanted, &zone);
                    assert_eq!(found, first_at_or_after(wanted, &zone), "{zone:?} {wanted}");
                }
            }
        }
    }
}

#[test]
fn the_timeline_and_who_agree_at_every_quarter_hour_around_every_change() {
    let mut asked = 0;
    for zone in distinct_zones() {
        // The eight first changes of a zone, which are four years where clocks change twice a year.
        for middle in middles(&zone).into_iter().take(8) {
            for mut schedule in shapes() {
                schedule.zone = zone.clone();
                let (from, to) = (Timestamp(middle.0 - DAY), Timestamp(middle.0 + DAY));
                let found = timeline(&schedule, &[], from, to);
                follows(&found, from, to, &format!("{zone:?} around {middle}"));
                let mut segments = found.iter().peekable();
                for step in 0..2 * 96 {
                    let at = Timestamp(from.0 + step * HOUR / 4);
                    while segments.peek().is_some_and(|one| one.to <= at) {
                        segments.next();
                    }
                    let expected = &segments.peek().unwrap().people;
                    assert_eq!(&who(&schedule, &[], at), expected, "{zone:?} {at} {found:#?}");
                    asked += 1;
                }
            }
        }
    }
    assert!(asked > 100_000, "only {asked} instants were looked at");
}

/// Every segment lasts, begins where the one before ends, and differs from it.
fn follows(found: &[Segment], from: Timestamp, to: Timestamp, context: &str) {
    assert_eq!(found.first().map(|one| one.from), Some(from), "{context}");
    assert_eq!(found.last().map(|one| one.to), Some(to), "{context}");
    assert!(found.iter().all(|one| one.from < one.to), "{context}");
    for pair in found.windows(2) {
        assert_eq!(pair[0].to, pair[1].from, "{context}");
        assert_ne!(pair[0].people, pair[1].people, "{context}");
    }
}

/// Whole shifts of a day have one holder, last 22 to 26 hours and change on the millisecond.
fn day_shifts(schedule: &Schedule, found: &[Segment], clock: &str, context: &str) -> usize {
    let clock = crate::calendar::parse_clock(clock).unwrap();
    assert!((5..=7).contains(&found.len()), "{context}");
    for pair in found.windows(2) {
        let handoff = pair[1].from;
        assert_eq!(pair[0].people.len(), 1, "{context}");
        assert_eq!(who(schedule, &[], handoff), pair[1].people, "{context}");
        assert_eq!(who(schedule, &[], Timestamp(handoff.0 - 1)), pair[0].people, "{context}");
        let local = handoff.to_local(&schedule.zone);
        let late = local.time().duration_since(clock).as_millis().rem_euclid(i128::from(DAY));
        assert!(late <= i128::from(2 * HOUR), "{local} is not near the hand-off, {context}");
    }
    let whole = &found[1..found.len() - 1];
    for one in whole {
        let length = one.to.0 - one.from.0;
        assert!((22 * HOUR..=26 * HOUR).contains(&length), "{one:?} in {context}");
    }
    whole.len()
}

/// What `instant` promises, found by walking minutes.
fn first_at_or_after(wanted: jiff::civil::DateTime, zone: &Zone) -> Timestamp {
    // Offsets reach from -12 to +14 hours.
    let utc = crate::time::instant(wanted, &Zone::utc());
    let start = Timestamp(utc.0 - 15 * HOUR);
    let before = |at: &Timestamp| at.to_local(zone) < wanted;
    // Quarters first, then the minutes before: a clock that is set back passes a time twice, half
    // an hour apart at least, and the walk stops at the first.
    let quarter = (0..128).map(|step| Timestamp(start.0 + step * HOUR / 4));
    let from = quarter.into_iter().find(|at| !before(at)).unwrap().0 - HOUR / 4;
    (0..=15).map(|step| Timestamp(from + step * 60_000)).find(|at| !before(at)).unwrap()
}

/// Changes of offset, or any day where there are none.
fn middles(zone: &Zone) -> Vec<Timestamp> {
    let (from, to) = range("2024-01-01T00:00:00Z", "2036-01-01T00:00:00Z");
    let mut changes = zone.changes(from, to);
    if changes.is_empty() {
        changes.push(at(&"2026-11-24T00:00:00Z".into()));
    }
    changes
}

/// Zones whose clocks differ at some change; most names are links to another zone.
fn distinct_zones() -> Vec<Zone> {
    let mut seen = BTreeSet::new();
    let zones = Zone::names().into_iter().map(|name| Zone::find(&name).unwrap());
    zones
        .filter(|zone| {
            let clocks = middles(zone).into_iter().map(|at| (at, at.to_local(zone)));
            seen.insert(clocks.collect::<Vec<_>>())
        })
        .collect()
}

/// Rotations of every kind, with windows and weekdays.
fn shapes() -> Vec<Schedule> {
    let hours = |from: &str, to: &str| {
        let clock = |text| crate::calendar::parse_clock(text).unwrap();
        Some((clock(from), clock(to)))
    };
    let people = ["ana", "ben", "cho"];
    let of = |every, handoff: &str| LayerSpec {
        start: "2023-12-31".parse().unwrap(),
        ..spec(&people, every, handoff)
    };
    let weekdays = Some((0..5).collect::<BTreeSet<i8>>());
    vec![
        schedule(vec![of(Every::Hours(4), "02:30")]),
        schedule(vec![LayerSpec { days: weekdays.clone(), ..of(Every::Hours(12), "00:00") }]),
        schedule(vec![LayerSpec { hours: hours("20:00", "02:30"), ..of(Every::Days(1), "09:00") }]),
        schedule(vec![LayerSpec {
            hours: hours("00:00", "02:15"),
            days: weekdays,
            ..of(Every::Weeks(1), "sun 23:30")
        }]),
        schedule(vec![of(Every::Months(1), "02:30")]),
        schedule(vec![
            of(Every::Weeks(2), "mon 00:00"),
            LayerSpec {
                hours: hours("01:30", "03:00"),
                priority: 1,
                zone: Some(Zone::find("Australia/Lord_Howe").unwrap()),
                ..of(Every::Days(1), "12:00")
            },
        ]),
    ]
}
