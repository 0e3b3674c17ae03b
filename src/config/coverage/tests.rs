//! Tables of claims about hours in which a page reaches nobody.

use std::path::{Path, PathBuf};

use super::*;
use crate::diagnostic::render;
use crate::load::{Files, load_text};

const ANA: &str = "[person.ana]\nterminal = true\n";
const BEN: &str = "[person.ben]\nterminal = true\n";
const MUTE: &str = "[person.mute]\n";
const ALWAYS: &str = "every = '1d'\nstart = '2026-01-05'\nzone = 'UTC'\n";

#[test]
fn what_reaches_nobody_is_found_with_its_dates() {
    for (claim, text, expected) in [
        ("all is well", format!("{ANA}[schedule.s]\npeople = ['ana']\n{ALWAYS}"), &[][..]),
        (
            "all are away, and ben could cover",
            format!("{ANA}{BEN}[schedule.s]\npeople = ['ana']\n{ALWAYS}{}", away("ana")),
            &[
                "nobody is on call for 2d of the next 30 days on s",
                "Tue 01 Dec 00:00 to Thu 03 Dec 00:00",
                "write an override; not away: ben",
            ],
        ),
        (
            "all are away, and nobody could",
            format!("{ANA}[schedule.s]\npeople = ['ana']\n{ALWAYS}{}", away("ana")),
            &["nobody else could: everyone is away or has no channel"],
        ),
        (
            "the next in turn has no channel",
            format!("{ANA}{MUTE}[schedule.s]\npeople = ['ana', 'mute']\n{ALWAYS}{}", away("ana")),
            &["warning[unreachable-person]: no channel reaches who is on call for "],
        ),
        (
            "neighbours are one stretch",
            format!("{MUTE}[person.deaf]\n[schedule.s]\npeople = ['mute', 'deaf']\n{ALWAYS}"),
            &["^ Tue 24 Nov 00:00 to Thu 24 Dec 00:00\n"],
        ),
        (
            "nights are uncovered and days are mute",
            format!("{ANA}{MUTE}[schedule.s]\npeople = ['mute']\n{ALWAYS}hours = '08:00-20:00'\n"),
            &[
                "nobody is on call for 15d of the next 30 days on s",
                "no channel reaches who is on call for 15d of the next 30 days on s",
                "Tue 24 Nov 08:00 to Tue 24 Nov 20:00",
            ],
        ),
    ] {
        let checked = load_text(Path::new("x.toml"), &text, &Nothing);
        assert!(!checked.has_errors(), "{claim}: {:?}", checked.diagnostics);
        let now = Timestamp::parse_rfc3339("2026-11-24T00:00:00Z").unwrap();
        let found = render(&coverage(&checked, now), &checked.sources, false);
        assert_eq!(found.is_empty(), expected.is_empty(), "{claim}: {found}");
        for words in expected {
            assert!(found.contains(words), "{claim}: {found}");
        }
    }
}

#[test]
fn a_calendar_without_a_business_day_in_a_year_is_an_error() {
    let first: jiff::civil::Date = "2026-11-01".parse().unwrap();
    let dates = |count: usize| {
        let dates: Vec<String> =
            first.series(jiff::ToSpan::week(1)).take(count).map(|day| format!("'{day}'")).collect();
        format!("work = 'sun 09:00-18:00'\noff = [{}]\n", dates.join(", "))
    };
    for (claim, text, expected) in [
        (
            "every Sunday of a year is off",
            format!("[calendar]\n{}", dates(60)),
            "x.toml:1:2: error",
        ),
        ("the last one is not", format!("[calendar]\n{}", dates(50)), ""),
        (
            "likewise of a calendar with a name",
            format!("{ANA}[calendars.church]\n{}", dates(60)),
            "x.toml:3:12: error[bad-calendar]: there is no business day within the next 366 days",
        ),
    ] {
        let checked = load_text(Path::new("x.toml"), &text, &Nothing);
        assert!(checked.errors_in(&["calendar", "calendars"]).is_empty(), "{claim}");
        let now = Timestamp::parse_rfc3339("2026-11-24T00:00:00Z").unwrap();
        let found = render(&coverage(&checked, now), &checked.sources, false);
        assert!(found.starts_with(expected), "{claim}: {found}");
        assert_eq!(found.is_empty(), expected.is_empty(), "{claim}: {found}");
    }
}

fn away(person: &str) -> String {
    format!("away = [{{ person = '{person}', from = '2026-12-01', to = '2026-12-03' }}]\n")
}

struct Nothing;

impl Files for Nothing {
    fn read(&self, _: &Path) -> Result<String, String> {
        Err("there are no files".to_owned())
    }

    fn matching(&self, _: &Path, _: &str) -> Result<Vec<PathBuf>, String> {
        Ok(Vec::new())
    }
}
