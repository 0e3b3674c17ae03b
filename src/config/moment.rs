//! Dates, times of day and instants as texts or as TOML's own values.

use jiff::civil::{Date, DateTime, Time};
use watchbell_paging::calendar::parse_clock;
use watchbell_paging::time::{Timestamp, Zone, instant};

use crate::code::Code;
use crate::findings::Findings;
use crate::raw::{Kind, Node};
use crate::walk;

/// Takes a date: `2026-12-25`.
pub(crate) fn date(node: &Node, out: &mut Findings<'_>) -> Option<Date> {
    let text = written(node, out)?;
    let found = Some(text).filter(|text| text.len() == 10).and_then(|text| text.parse().ok());
    if found.is_none() {
        out.error(Code::BadDate, &node.place, format!("{text:?} is no date"))
            .help("write the year first: \"2026-12-25\"");
    }
    found
}

/// Takes a time of day: `09:00`.
pub(crate) fn clock(node: &Node, out: &mut Findings<'_>) -> Option<Time> {
    let text = walk::text(node, out)?;
    let found = parse_clock(text);
    if found.is_none() {
        out.error(Code::BadTime, &node.place, format!("{text:?} is no time of day"))
            .help("write two digits each: \"09:00\"");
    }
    found
}

/// Takes a part of the day: `20:00-08:00`; `24:00` is midnight.
pub(crate) fn hours(node: &Node, out: &mut Findings<'_>) -> Option<(Time, Time)> {
    let text = walk::text(node, out)?;
    let clock = |text: &str| match text.trim() {
        "24:00" => Some(Time::midnight()),
        other => parse_clock(other),
    };
    let found = text.split_once('-').and_then(|(from, to)| Some((clock(from)?, clock(to)?)));
    if found.is_none() {
        out.error(Code::BadTime, &node.place, format!("{text:?} is no range of hours"))
            .help("write \"09:00-17:00\"; it may pass midnight: \"20:00-08:00\"");
    }
    found
}

/// Takes an instant: RFC 3339, or local to a zone (`2026-12-24T09:00`, or a date's beginning).
pub(crate) fn moment(node: &Node, zone: &Zone, out: &mut Findings<'_>) -> Option<Timestamp> {
    let text = written(node, out)?;
    let found = read(text, zone);
    if found.is_none() {
        out.error(Code::BadDate, &node.place, format!("{text:?} is no instant")).help(
            "write local time of the zone, \"2026-12-24T09:00\", or \"2026-12-24T08:00:00Z\"",
        );
    }
    found
}

fn read(text: &str, zone: &Zone) -> Option<Timestamp> {
    if text.len() == 10 {
        let date: Date = text.parse().ok()?;
        return Some(instant(date.to_datetime(Time::midnight()), zone));
    }
    let (_, clock) = text.split_once(['T', 't', ' '])?;
    if clock.contains(['Z', 'z', '+', '-']) {
        return Timestamp::parse_rfc3339(text).ok();
    }
    let local: DateTime = text.parse().ok()?;
    Some(instant(local, zone))
}

fn written<'a>(node: &'a Node, out: &mut Findings<'_>) -> Option<&'a str> {
    if let Kind::Date(text) = &node.kind { Some(text) } else { walk::text(node, out) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_local_or_absolute() {
        let berlin = Zone::find("Europe/Berlin").unwrap();
        for (text, expected) in [
            ("2026-12-24T09:00", Some("2026-12-24T08:00:00Z")),
            ("2026-12-24 09:00:30", Some("2026-12-24T08:00:30Z")),
            ("2026-12-24T09:00:00Z", Some("2026-12-24T09:00:00Z")),
            ("2026-12-24T09:00:00+02:00", Some("2026-12-24T07:00:00Z")),
            ("2026-08-01", Some("2026-07-31T22:00:00Z")),
            ("2026-13-01", None),
            ("tomorrow", None),
            ("", None),
        ] {
            let found = read(text, &berlin).map(Timestamp::to_rfc3339_seconds);
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }
}
