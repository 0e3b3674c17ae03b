//! The shifts of a schedule as an iCalendar feed (RFC 5545).
//!
//! One event per shift of a person, in UTC; lines end in CRLF and fold at 75 octets, texts are
//! escaped. A UID is made of schedule, person and the start of the shift, so that a calendar
//! knows an event again when it reads the feed anew. Gaps are no events.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::{Override, Schedule, timeline};
use crate::id::PersonId;
use crate::route::Person;
use crate::time::{Timestamp, Zone, instant};

/// The longest line, in octets without its end.
const LINE_OCTETS_MAX: usize = 75;

/// A stretch in which one person is on call without a break.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shift {
    /// Who.
    pub person: PersonId,
    /// Inclusive.
    pub from: Timestamp,
    /// Exclusive.
    pub to: Timestamp,
}

/// What a feed shows.
#[derive(Clone, Copy, Debug)]
pub struct Feed<'a> {
    /// Whose shifts.
    pub schedule: &'a Schedule,
    /// Overrides made at run time.
    pub extra: &'a [Override],
    /// Names of people; who is not in it is called by the id.
    pub people: &'a BTreeMap<PersonId, Person>,
    /// Only this person's shifts.
    pub person: Option<&'a PersonId>,
    /// The host that publishes it, which makes UIDs unique in the world.
    pub host: &'a str,
}

/// Returns the shifts that overlap `[from, to)`, whole: they may begin before and end after it.
///
/// A shift is followed to the new year before the last one, and likewise ahead.
#[must_use]
pub fn shifts(
    schedule: &Schedule,
    extra: &[Override],
    from: Timestamp,
    to: Timestamp,
) -> Vec<Shift> {
    let mut shifts: Vec<Shift> = Vec::new();
    for segment in timeline(schedule, extra, new_year(from, -1), new_year(to, 1)) {
        for person in segment.people {
            let before = shifts.iter_mut().rev().find(|shift| shift.person == person);
            match before.filter(|shift| shift.to == segment.from) {
                Some(shift) => shift.to = segment.to,
                None => shifts.push(Shift { person, from: segment.from, to: segment.to }),
            }
        }
    }
    shifts.retain(|shift| shift.from < to && from < shift.to);
    shifts
}

impl Feed<'_> {
    /// Writes the shifts that overlap `[from, to)`; `now` is when the feed is written.
    #[must_use]
    pub fn write(&self, from: Timestamp, to: Timestamp, now: Timestamp) -> String {
        let mut out = String::new();
        let title = match self.person {
            Some(person) => format!("{} on call: {}", self.name(person), self.schedule.id),
            None => format!("On call: {}", self.schedule.id),
        };
        line(&mut out, "BEGIN:VCALENDAR");
        line(&mut out, "VERSION:2.0");
        line(&mut out, "PRODID:-//Watchbell//On call//EN");
        line(&mut out, "CALSCALE:GREGORIAN");
        line(&mut out, "METHOD:PUBLISH");
        line(&mut out, &format!("X-WR-CALNAME:{}", escape(&title)));
        line(&mut out, "REFRESH-INTERVAL;VALUE=DURATION:PT1H");
        line(&mut out, "X-PUBLISHED-TTL:PT1H");
        for shift in shifts(self.schedule, self.extra, from, to) {
            if self.person.is_none_or(|person| *person == shift.person) {
                self.event(&mut out, &shift, now);
            }
        }
        line(&mut out, "END:VCALENDAR");
        out
    }

    fn event(&self, out: &mut String, shift: &Shift, now: Timestamp) {
        let (start, end) = (utc(shift.from), utc(shift.to));
        // Overrides may be shorter than the second that this format knows.
        if start == end {
            return;
        }
        let Shift { person, .. } = shift;
        let uid = format!("{start}-{person}-{}@{}", self.schedule.id, self.host);
        let summary = format!("{} on call: {}", self.name(person), self.schedule.id);
        line(out, "BEGIN:VEVENT");
        line(out, &format!("UID:{}", escape(&uid)));
        line(out, &format!("DTSTAMP:{}", utc(now)));
        line(out, &format!("DTSTART:{start}"));
        line(out, &format!("DTEND:{end}"));
        line(out, &format!("SUMMARY:{}", escape(&summary)));
        // Being on call does not make a person busy.
        line(out, "TRANSP:TRANSPARENT");
        line(out, "END:VEVENT");
    }

    fn name<'a>(&'a self, person: &'a PersonId) -> &'a str {
        self.people.get(person).map_or(person.as_str(), |known| known.name.as_str())
    }
}

/// Ranges are walked from new year to new year, so that a shift without end keeps its start.
fn new_year(at: Timestamp, years: i16) -> Timestamp {
    let year = at.to_local(&Zone::utc()).year().saturating_add(years);
    Date::new(year, 1, 1).map_or(at, |date| instant(date.at(0, 0, 0, 0), &Zone::utc()))
}

fn utc(at: Timestamp) -> String {
    at.to_local(&Zone::utc()).strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// Escapes a text; control characters other than line ends have no place in one.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' | ';' | ',' => escaped.extend(['\\', letter]),
            '\n' => escaped.push_str("\\n"),
            other if other.is_control() => {}
            other => escaped.push(other),
        }
    }
    escaped
}

/// Writes a content line, folded between characters.
fn line(out: &mut String, text: &str) {
    let mut octets = 0;
    for letter in text.chars() {
        if LINE_OCTETS_MAX < octets + letter.len_utf8() {
            out.push_str("\r\n ");
            octets = 1;
        }
        out.push(letter);
        octets += letter.len_utf8();
    }
    out.push_str("\r\n");
}

#[cfg(test)]
mod tests;
