//! Business days: work hours by weekday, holidays, half days, and when the next day's work ends.
//!
//! Knows nothing of people; who is on call is `duty`.

use std::collections::BTreeMap;

use jiff::civil::{self, Date, Time, Weekday};

use crate::time::{Timestamp, Zone, instant};

/// How far ahead a business day is looked for.
const DAYS_AHEAD_MAX: usize = 366;

/// Hours of one weekday; the end is exclusive and after the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// When work begins.
    pub from: Time,
    /// When it ends.
    pub to: Time,
}

/// Work hours by weekday; a missing day is free.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkWeek(BTreeMap<i8, Hours>);

/// A text that is no work week.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no work week: {why}; write \"mon-fri 09:00-18:00\"")]
pub struct InvalidWorkWeek {
    /// What was written.
    pub text: String,
    /// What is wrong with it.
    pub why: String,
}

/// A day without work, or with work until an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayOff {
    /// The local date.
    pub date: Date,
    /// Work ends at this hour; absent: no work at all.
    pub until: Option<Time>,
}

/// What "next business day" means.
#[derive(Clone, Debug, PartialEq)]
pub struct Calendar {
    /// Where its clocks hang.
    pub zone: Zone,
    /// The work week.
    pub work: WorkWeek,
    /// Holidays and half days.
    pub off: Vec<DayOff>,
}

impl WorkWeek {
    /// Reads `mon-fri 09:00-18:00`, also several parts with commas; a later part replaces an
    /// earlier one's days.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn parse(text: &str) -> Result<Self, InvalidWorkWeek> {
        let refuse = |why: String| InvalidWorkWeek { text: text.to_owned(), why };
        let mut week = BTreeMap::new();
        for part in text.split(',') {
            let mut words = part.split_whitespace();
            let (Some(days), Some(hours), None) = (words.next(), words.next(), words.next()) else {
                return Err(refuse("a part is days, then hours".to_owned()));
            };
            let hours = parse_hours(hours).map_err(refuse)?;
            for day in parse_days(days).map_err(refuse)? {
                week.insert(day, hours);
            }
        }
        Ok(Self(week))
    }

    /// Returns the hours of a weekday.
    #[must_use]
    pub fn hours(&self, day: Weekday) -> Option<Hours> {
        self.0.get(&day.to_monday_zero_offset()).copied()
    }
}

impl Calendar {
    /// Returns Monday to Friday, nine to six, without holidays.
    #[must_use]
    pub fn standard(zone: Zone) -> Self {
        let hours = Hours { from: civil::time(9, 0, 0, 0), to: civil::time(18, 0, 0, 0) };
        Self { zone, work: WorkWeek((0..5).map(|day| (day, hours)).collect()), off: Vec::new() }
    }

    /// Returns the hours that are worked on a local date.
    #[must_use]
    pub fn hours_on(&self, date: Date) -> Option<Hours> {
        let hours = self.work.hours(date.weekday())?;
        let mut to = hours.to;
        for off in self.off.iter().filter(|off| off.date == date) {
            to = to.min(off.until?);
        }
        (hours.from < to).then_some(Hours { from: hours.from, to })
    }

    /// Tells whether work is done at an instant.
    #[must_use]
    pub fn is_working(&self, at: Timestamp) -> bool {
        let local = at.to_local(&self.zone);
        self.hours_on(local.date())
            .is_some_and(|hours| hours.from <= local.time() && local.time() < hours.to)
    }

    /// Returns when work begins or ends next after an instant; none within the next 366 days.
    #[must_use]
    pub fn next_change(&self, at: Timestamp) -> Option<Timestamp> {
        let mut date = at.to_local(&self.zone).date();
        for _ in 0..DAYS_AHEAD_MAX {
            let next = date.tomorrow().ok()?;
            if let Some(hours) = self.hours_on(date) {
                // The last instant of a day is midnight, which is the next day's.
                let ends = if hours.to == Time::MAX {
                    next.to_datetime(Time::midnight())
                } else {
                    date.to_datetime(hours.to)
                };
                let edges = [date.to_datetime(hours.from), ends];
                let found = edges.map(|edge| instant(edge, &self.zone));
                if let Some(change) = found.into_iter().find(|change| at < *change) {
                    return Some(change);
                }
            }
            date = next;
        }
        None
    }

    /// Returns the close of the first business day after the local date of `fired`; none where
    /// the next 366 days have no business day.
    #[must_use]
    pub fn close_of_next_business_day(&self, fired: Timestamp) -> Option<Timestamp> {
        let mut date = fired.to_local(&self.zone).date();
        for _ in 0..DAYS_AHEAD_MAX {
            date = date.tomorrow().ok()?;
            if let Some(hours) = self.hours_on(date) {
                return Some(instant(date.to_datetime(hours.to), &self.zone));
            }
        }
        None
    }
}

/// Reads a weekday's first three letters, in any case.
#[must_use]
pub fn parse_weekday(text: &str) -> Option<Weekday> {
    Some(match text.to_ascii_lowercase().as_str() {
        "mon" | "monday" => Weekday::Monday,
        "tue" | "tuesday" => Weekday::Tuesday,
        "wed" | "wednesday" => Weekday::Wednesday,
        "thu" | "thursday" => Weekday::Thursday,
        "fri" | "friday" => Weekday::Friday,
        "sat" | "saturday" => Weekday::Saturday,
        "sun" | "sunday" => Weekday::Sunday,
        _ => return None,
    })
}

/// Reads `HH:MM`, strictly with two digits each.
#[must_use]
pub fn parse_clock(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let two = |digits: &str| {
        let plain = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| digits.parse::<i8>().ok()).flatten()
    };
    Time::new(two(hour)?, two(minute)?, 0, 0).ok()
}

fn parse_hours(text: &str) -> Result<Hours, String> {
    let (from, to) =
        text.split_once('-').ok_or_else(|| format!("{text:?} is no range of hours"))?;
    let from = parse_clock(from).ok_or_else(|| format!("{from:?} is no clock time"))?;
    let to = match to {
        "24:00" => Time::MAX,
        _ => parse_clock(to).ok_or_else(|| format!("{to:?} is no clock time"))?,
    };
    if to <= from {
        return Err("the end is not after the start".to_owned());
    }
    Ok(Hours { from, to })
}

fn parse_days(text: &str) -> Result<Vec<i8>, String> {
    let day = |name: &str| {
        parse_weekday(name)
            .map(Weekday::to_monday_zero_offset)
            .ok_or_else(|| format!("{name:?} is no weekday"))
    };
    let Some((first, last)) = text.split_once('-') else {
        return Ok(vec![day(text)?]);
    };
    let (first, last) = (day(first)?, day(last)?);
    let length = (last - first).rem_euclid(7);
    Ok((0..=length).map(|step| (first + step).rem_euclid(7)).collect())
}
