//! Tables of claims: one line per case, the first word of each line is the claim.

use super::*;

#[test]
fn the_person_at_an_instant() {
    let window = |days: std::ops::Range<i8>, from: i8, to: i8| LayerSpec {
        days: Some(days.collect()),
        hours: Some((time(from, 0, 0, 0), time(to, 0, 0, 0))),
        ..spec(&["ana"], Every::Days(1), "09:00")
    };
    let nights = schedule(vec![window(0..5, 20, 8)]);
    let whole = schedule(vec![window(0..5, 8, 8)]);
    let never = schedule(vec![window(0..0, 8, 8)]);
    let daily = daily("09:00");
    let nobody: &[&str] = &[];
    for (claim, schedule, at, expected) in [
        ("the hand-off is the new person's", &daily, "2026-11-24T09:00:00Z", &["ben"][..]),
        ("1 ms before is the old one's", &daily, "2026-11-24T08:59:59.999Z", &["ana"]),
        ("1 ns before too", &daily, "2026-11-24T08:59:59.999999999Z", &["ana"]),
        ("1 ns after is the new one's", &daily, "2026-11-24T09:00:00.000000001Z", &["ben"]),
        ("down over three hand-offs", &daily, "2026-11-26T10:00:00Z", &["ben"]),
        ("Saturday 07:00 is Friday's night", &nights, "2026-11-28T07:00:00Z", &["ana"]),
        ("Saturday 07:59:59.999 is too", &nights, "2026-11-28T07:59:59.999Z", &["ana"]),
        ("Saturday 08:00 is not", &nights, "2026-11-28T08:00:00Z", nobody),
        ("Saturday 20:00 is no night", &nights, "2026-11-28T20:00:00Z", nobody),
        ("Monday 07:00 is Sunday's", &nights, "2026-11-30T07:00:00Z", nobody),
        ("Monday 20:00 begins one", &nights, "2026-11-30T20:00:00Z", &["ana"]),
        ("equal hours begin at their hour", &whole, "2026-11-23T08:00:00Z", &["ana"]),
        ("equal hours do not begin before", &whole, "2026-11-23T07:59:59.999Z", nobody),
        ("equal hours cover noon", &whole, "2026-11-25T12:00:00Z", &["ana"]),
        ("equal hours reach into Saturday", &whole, "2026-11-28T07:59:59.999Z", &["ana"]),
        ("equal hours end on Saturday", &whole, "2026-11-28T08:00:00Z", nobody),
        ("no weekday is never", &never, "2026-11-25T12:00:00Z", nobody),
    ] {
        let at = Timestamp::parse_rfc3339(at).unwrap();
        assert_eq!(names(&who(schedule, &[], at)), expected, "{claim}");
    }
}

#[test]
fn overrides_change_one_day_of_ana_then_ben() {
    // Ana until 09:00 of the 25th, ben after; each case is the whole day's timeline.
    for (claim, changes, expected) in [
        ("none", &[][..], "00 ben, 09 ana"),
        ("inside", &[("cho", "ana", "11", "13")][..], "00 ben, 09 ana, 11 cho, 13 ana"),
        ("cutting the start", &[("cho", "ana", "06", "12")], "00 ben, 09 cho, 12 ana"),
        ("cutting the end", &[("cho", "ben", "06", "12")], "00 ben, 06 cho, 09 ana"),
        ("while the replaced is off", &[("cho", "ana", "01", "08")], "00 ben, 09 ana"),
        ("replaced by whom is on call", &[("ben", "ana", "00", "12")], "00 ben, 12 ana"),
        ("added", &[("cho", "", "08", "10")], "00 ben, 08 ben+cho, 09 ana+cho, 10 ana"),
        (
            "added twice",
            &[("cho", "", "10", "12"), ("cho", "", "11", "13")],
            "00 ben, 09 ana, 10 ana+cho, 13 ana",
        ),
        ("added again", &[("ana", "", "10", "12")], "00 ben, 09 ana"),
        ("taken out", &[("", "ana", "10", "12")], "00 ben, 09 ana, 10 nobody, 12 ana"),
        ("taken out while off", &[("", "ana", "02", "04")], "00 ben, 09 ana"),
        (
            "a chain of replacements",
            &[("cho", "ana", "10", "14"), ("dan", "cho", "12", "16")],
            "00 ben, 09 ana, 10 cho, 12 dan, 14 ana",
        ),
        ("of no length", &[("cho", "ana", "10", "10")], "00 ben, 09 ana"),
        ("backwards", &[("cho", "ana", "12", "10")], "00 ben, 09 ana"),
    ] {
        let at = |hour: &str| format!("2026-11-25T{hour}:00:00Z");
        let some = |name: &&'static str| Some(*name).filter(|name| !name.is_empty());
        let changes: Vec<Override> = changes
            .iter()
            .map(|(add, remove, from, to)| replace(some(add), some(remove), &at(from), &at(to)))
            .collect();
        let mut fixed = daily("09:00");
        let (from, to) = range("2026-11-25T00:00:00Z", "2026-11-26T00:00:00Z");
        assert_eq!(shown(&timeline(&fixed, &changes, from, to)), expected, "{claim}, at run time");
        fixed.overrides = changes;
        assert_eq!(shown(&timeline(&fixed, &[], from, to)), expected, "{claim}, configured");
    }
}

#[test]
fn layers_and_absences_decide_one_day() {
    let layer = |people: &[&str], hours: (i8, i8), priority: i32| LayerSpec {
        hours: Some((time(hours.0, 0, 0, 0), time(hours.1, 0, 0, 0))),
        priority,
        start: "2026-11-25".parse().unwrap(),
        ..spec(people, Every::Days(1), "00:00")
    };
    let three =
        [layer(&["a"], (10, 20), 1), layer(&["b"], (12, 16), 1), layer(&["c"], (15, 18), 2)];
    let sun = [layer(&["a"], (0, 8), 0), layer(&["b"], (8, 16), 0), layer(&["c"], (16, 0), 0)];
    let turn = [layer(&["a", "b"], (0, 0), 0)];
    let backed = [layer(&["a"], (0, 0), 1), layer(&["b"], (0, 0), 0)];
    let twice = [layer(&["a"], (0, 0), 0), layer(&["a"], (8, 16), 0)];
    for (claim, layers, away, expected) in [
        (
            "three layers with priorities",
            &three[..],
            &[][..],
            "00 nobody, 10 a, 12 a+b, 15 c, 18 a, 20 nobody",
        ),
        (
            "the highest is away",
            &three,
            &[("c", 0, 24)],
            "00 nobody, 10 a, 12 a+b, 16 a, 20 nobody",
        ),
        ("one of two equals is away", &three, &[("a", 0, 24)], "00 nobody, 12 b, 15 c, 18 nobody"),
        ("the sun is followed", &sun, &[], "00 a, 08 b, 16 c"),
        ("the next in turn takes over", &turn, &[("a", 6, 12)], "00 a, 06 b, 12 a"),
        ("who is not in turn is away", &turn, &[("b", 6, 12)], "00 a"),
        ("all are away", &turn, &[("a", 6, 12), ("b", 8, 10)], "00 a, 06 b, 08 nobody, 10 b, 12 a"),
        ("a lower layer stands in", &backed, &[("a", 6, 12)], "00 a, 06 b, 12 a"),
        ("one person on two layers", &twice, &[], "00 a"),
    ] {
        let at = |hour: i64| {
            Timestamp(range("2026-11-25T00:00:00Z", "2026-11-26T00:00:00Z").0.0 + hour * 3_600_000)
        };
        let mut schedule = schedule(layers.to_vec());
        let gone = away.iter().map(|(person, from, to)| Away {
            person: PersonId::from(*person),
            from: at(*from),
            to: at(*to),
        });
        schedule.away = gone.collect();
        assert_eq!(shown(&timeline(&schedule, &[], at(0), at(24))), expected, "{claim}");
    }
}

#[test]
fn turns_are_counted_in_local_periods() {
    let of = |people: &[&str], every: &str, handoff: &str, start: &str| {
        let every = Every::parse(every).unwrap();
        schedule(vec![LayerSpec { start: start.parse().unwrap(), ..spec(people, every, handoff) }])
    };
    let two = &["ana", "ben"];
    for (claim, schedule, at, expected) in [
        ("nobody before the start", of(two, "1d", "09:00", "2026-11-25"), "2026-11-25T08:59", ""),
        ("the first at the start", of(two, "1d", "09:00", "2026-11-25"), "2026-11-25T09:00", "ana"),
        (
            "a week that began before",
            of(two, "1w", "mon 09:00", "2026-11-25"),
            "2026-11-25T09:00",
            "ana",
        ),
        ("its end", of(two, "1w", "mon 09:00", "2026-11-25"), "2026-11-30T09:00", "ben"),
        (
            "two weeks, the second",
            of(two, "2w", "mon 09:00", "2026-11-23"),
            "2026-12-06T10:00",
            "ana",
        ),
        (
            "two weeks, their end",
            of(two, "2w", "mon 09:00", "2026-11-23"),
            "2026-12-07T09:00",
            "ben",
        ),
        (
            "the 31st clamps to the 28th",
            of(two, "1mo", "09:00", "2026-01-31"),
            "2026-02-28T09:00",
            "ben",
        ),
        ("and not before", of(two, "1mo", "09:00", "2026-01-31"), "2026-02-28T08:59", "ana"),
        (
            "from the anchor, not from the 28th",
            of(two, "1mo", "09:00", "2026-01-31"),
            "2026-03-30T09:00",
            "ben",
        ),
        ("the 31st again", of(two, "1mo", "09:00", "2026-01-31"), "2026-03-31T09:00", "ana"),
        ("a leap day", of(two, "1mo", "09:00", "2027-12-31"), "2028-02-29T09:00", "ana"),
        (
            "quarter days",
            of(&["a", "b", "c"], "6h", "00:00", "2026-11-25"),
            "2026-11-25T18:00",
            "a",
        ),
        (
            "quarter days, the next day",
            of(&["a", "b", "c"], "6h", "00:00", "2026-11-25"),
            "2026-11-26T00:00",
            "b",
        ),
        ("a year later", of(two, "1d", "09:00", "2026-11-25"), "2027-11-25T09:00", "ben"),
    ] {
        let at = Timestamp::parse_rfc3339(&format!("{at}:00Z")).unwrap();
        assert_eq!(names(&who(&schedule, &[], at)).join("+"), expected, "{claim}");
    }
}

fn shown(segments: &[Segment]) -> String {
    let words = segments.iter().map(|one| {
        let people = names(&one.people).join("+");
        let people = if people.is_empty() { "nobody" } else { &people };
        format!("{} {people}", one.from.to_local(&Zone::utc()).strftime("%H"))
    });
    words.collect::<Vec<_>>().join(", ")
}
