//! One rotation: whose turn it is, and whether the rotation covers an instant at all.

use std::collections::BTreeSet;

use jiff::ToSpan;
use jiff::civil::{Date, Time, Weekday};

use crate::calendar::{parse_clock, parse_weekday};
use crate::id::PersonId;
use crate::time::{Timestamp, Zone, instant};

/// How long a turn lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    /// Hours by the wall clock; a divisor of 24.
    Hours(u8),
    /// Calendar days, or active days where `days` is given.
    Days(u16),
    /// Calendar weeks.
    Weeks(u16),
    /// Calendar months, clamped to a month's last day.
    Months(u16),
}

/// When turns change: a local clock, for weekly turns on a weekday.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handoff {
    /// The weekday of weekly turns; absent: the weekday of `start`.
    pub weekday: Option<Weekday>,
    /// The local clock.
    pub clock: Time,
}

/// A rotation as the configuration says it.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerSpec {
    /// Who, in turn.
    pub people: Vec<PersonId>,
    /// How long a turn lasts.
    pub every: Every,
    /// When turns change.
    pub handoff: Handoff,
    /// The local date of the first person's first shift.
    pub start: Date,
    /// Only these days, by the day on which a shift (or its `hours`) starts.
    pub days: Option<BTreeSet<i8>>,
    /// Only this part of a day; may pass midnight; equal ends are a whole day from there.
    pub hours: Option<(Time, Time)>,
    /// Higher wins where layers overlap.
    pub priority: i32,
    /// A zone of its own; absent: the schedule's.
    pub zone: Option<Zone>,
}

/// A rotation that makes sense.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer(LayerSpec);

/// Why a rotation makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLayer {
    /// Nobody takes turns.
    #[error("a schedule needs people")]
    NoPeople,
    /// A turn of nothing.
    #[error("a turn must last")]
    NoLength,
    /// Turns that would wander around the clock.
    #[error("turns of {0} hours wander around the clock; hours must divide 24")]
    UnevenHours(u8),
    /// A text that is no length of a turn.
    #[error("{0:?} is no length of a turn; write 12h, 1d, 1w or 1mo")]
    Length(String),
    /// A text that is no hand-off.
    #[error("{0:?} is no hand-off; write \"mon 09:00\" or \"09:00\"")]
    Handoff(String),
}

impl Every {
    /// Reads `12h`, `1d`, `2w`, `1mo`.
    ///
    /// # Errors
    /// Refuses other texts, zero, and hours that do not divide a day.
    pub fn parse(text: &str) -> Result<Self, InvalidLayer> {
        let refuse = || InvalidLayer::Length(text.to_owned());
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at_checked(digits).ok_or_else(refuse)?;
        let count: u16 = number.parse().map_err(|_| refuse())?;
        if count == 0 {
            return Err(InvalidLayer::NoLength);
        }
        match unit {
            "h" => {
                let hours = u8::try_from(count).map_err(|_| refuse())?;
                if !24_u8.is_multiple_of(hours) {
                    return Err(InvalidLayer::UnevenHours(hours));
                }
                Ok(Self::Hours(hours))
            }
            "d" => Ok(Self::Days(count)),
            "w" => Ok(Self::Weeks(count)),
            "mo" => Ok(Self::Months(count)),
            _ => Err(refuse()),
        }
    }
}

impl Handoff {
    /// Reads `mon 09:00` or `09:00`.
    ///
    /// # Errors
    /// Refuses other texts.
    pub fn parse(text: &str) -> Result<Self, InvalidLayer> {
        let refuse = || InvalidLayer::Handoff(text.to_owned());
        let (weekday, clock) = match text.trim().split_once(' ') {
            Some((day, clock)) => (Some(parse_weekday(day).ok_or_else(refuse)?), clock.trim()),
            None => (None, text.trim()),
        };
        Ok(Self { weekday, clock: parse_clock(clock).ok_or_else(refuse)? })
    }
}

impl Layer {
    /// Checks a rotation.
    ///
    /// # Errors
    /// Says why it makes no sense.
    pub fn new(spec: LayerSpec) -> Result<Self, InvalidLayer> {
        if spec.people.is_empty() {
            return Err(InvalidLayer::NoPeople);
        }
        match spec.every {
            Every::Hours(0) | Every::Days(0) | Every::Weeks(0) | Every::Months(0) => {
                Err(InvalidLayer::NoLength)
            }
            Every::Hours(hours) if !24_u8.is_multiple_of(hours) => {
                Err(InvalidLayer::UnevenHours(hours))
            }
            Every::Hours(_) | Every::Days(_) | Every::Weeks(_) | Every::Months(_) => Ok(Self(spec)),
        }
    }

    /// Returns what it was made of.
    #[must_use]
    pub fn spec(&self) -> &LayerSpec {
        &self.0
    }

    pub(super) fn zone<'a>(&'a self, default: &'a Zone) -> &'a Zone {
        self.0.zone.as_ref().unwrap_or(default)
    }

    /// Returns the number of the turn at an instant, where the rotation covers it.
    pub(super) fn turn(&self, at: Timestamp, default: &Zone) -> Option<i64> {
        let zone = self.zone(default);
        let shift = self.shift_date(at, zone);
        if at < instant(self.0.start.to_datetime(self.0.handoff.clock), zone)
            || !self.covers(at, shift, zone)
        {
            return None;
        }
        match self.0.every {
            Every::Hours(hours) => {
                let per_day = 24 / i64::from(hours);
                let today = if self.is_active(shift) {
                    self.parts(shift, hours, zone).filter(|part| *part <= at).count()
                } else {
                    usize::try_from(per_day).unwrap_or(1)
                };
                let part = i64::try_from(today).unwrap_or(1) - 1;
                Some(self.active_days(shift)? * per_day + part)
            }
            Every::Days(days) => Some(self.active_days(shift)?.div_euclid(i64::from(days))),
            Every::Weeks(weeks) => {
                let days = days_between(self.first_handoff_date(), shift);
                Some(days.div_euclid(7 * i64::from(weeks)))
            }
            Every::Months(months) => Some(self.months(shift).div_euclid(i64::from(months))),
        }
    }

    /// Returns the instants around a local date at which the answer may change.
    pub(super) fn cuts_of(&self, date: Date, default: &Zone) -> Vec<Timestamp> {
        let zone = self.zone(default);
        let mut cuts = vec![instant(date.to_datetime(self.0.handoff.clock), zone)];
        if let Every::Hours(hours) = self.0.every {
            cuts.extend(self.parts(date, hours, zone));
        }
        if let Some((from, to)) = self.0.hours {
            cuts.push(instant(date.to_datetime(from), zone));
            cuts.push(instant(date.to_datetime(to), zone));
        }
        cuts
    }

    /// The local date whose hand-off clock came last.
    fn shift_date(&self, at: Timestamp, zone: &Zone) -> Date {
        let mut date = at.to_local(zone).date().saturating_add(1.day());
        // At most three steps: local dates and hand-offs differ by less than two days.
        while at < instant(date.to_datetime(self.0.handoff.clock), zone) {
            let Ok(before) = date.yesterday() else { break };
            date = before;
        }
        date
    }

    fn covers(&self, at: Timestamp, shift: Date, zone: &Zone) -> bool {
        let Some((from, to)) = self.0.hours else {
            return self.is_active(shift);
        };
        let passes_midnight = to <= from;
        let today = at.to_local(zone).date();
        [today.saturating_sub(1.day()), today].into_iter().any(|date| {
            let end_date = if passes_midnight { date.saturating_add(1.day()) } else { date };
            self.is_active(date)
                && instant(date.to_datetime(from), zone) <= at
                && at < instant(end_date.to_datetime(to), zone)
        })
    }

    fn is_active(&self, date: Date) -> bool {
        let day = date.weekday().to_monday_zero_offset();
        self.0.days.as_ref().is_none_or(|days| days.contains(&day))
    }

    /// Active days from `start` to `date` inclusive, less one; none before the first.
    fn active_days(&self, date: Date) -> Option<i64> {
        let total = days_between(self.0.start, date) + 1;
        let Some(days) = &self.0.days else {
            return (total > 0).then_some(total - 1);
        };
        let first = i64::from(self.0.start.weekday().to_monday_zero_offset());
        let rest = (0..total.rem_euclid(7))
            .filter(|step| days.iter().any(|day| i64::from(*day) == (first + step).rem_euclid(7)))
            .count();
        let per_week = i64::try_from(days.len()).unwrap_or(7);
        let active = total.div_euclid(7) * per_week + i64::try_from(rest).unwrap_or(0);
        (active > 0).then_some(active - 1)
    }

    /// The hand-off that the first shift belongs to; its week may begin before `start`.
    fn first_handoff_date(&self) -> Date {
        let start = self.0.start;
        let wanted = self.0.handoff.weekday.unwrap_or_else(|| start.weekday());
        let back = i64::from(start.weekday().since(wanted));
        start.saturating_sub(back.days())
    }

    /// Whole months from `start` to `date`, where the 31st clamps to a month's last day.
    fn months(&self, date: Date) -> i64 {
        let start = self.0.start;
        let years = i64::from(date.year()) - i64::from(start.year());
        let months = years * 12 + i64::from(date.month()) - i64::from(start.month());
        let reached = start.day().min(date.days_in_month()) <= date.day();
        if reached { months } else { months - 1 }
    }

    /// The hand-offs of one shift day of hourly turns.
    fn parts(&self, date: Date, hours: u8, zone: &Zone) -> impl Iterator<Item = Timestamp> {
        let first = date.to_datetime(self.0.handoff.clock);
        (0..24 / i64::from(hours))
            .map(move |part| instant(first.saturating_add((part * i64::from(hours)).hours()), zone))
    }
}

fn days_between(from: Date, to: Date) -> i64 {
    from.until(to).map_or(0, |span| i64::from(span.get_days()))
}
