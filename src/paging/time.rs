//! Instants, zones and lengths of time as values.
//!
//! Reads no clock. Every sum saturates: an absurd length gives a far instant, never a panic.

use std::fmt;
use std::time::Duration;

use jiff::civil;
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use serde::{Deserialize, Serialize};

/// An instant: UTC milliseconds since 1970.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

/// A text that is no instant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no instant; write 2026-11-23T10:00:00Z")]
pub struct InvalidTimestamp(pub String);

impl Timestamp {
    /// Wraps UTC milliseconds.
    #[must_use]
    pub fn from_millis(ms: i64) -> Self {
        Self(ms)
    }

    /// Returns UTC milliseconds.
    #[must_use]
    pub fn as_millis(self) -> i64 {
        self.0
    }

    /// Reads RFC 3339.
    ///
    /// # Errors
    /// Refuses any other text.
    pub fn parse_rfc3339(text: &str) -> Result<Self, InvalidTimestamp> {
        let parsed: jiff::Timestamp =
            text.trim().parse().map_err(|_| InvalidTimestamp(text.to_owned()))?;
        Ok(Self(parsed.as_millisecond()))
    }

    /// Returns the instant `length` later.
    #[must_use]
    pub fn plus(self, length: Duration) -> Self {
        Self(self.0.saturating_add(millis(length)))
    }

    /// Returns the instant `length` earlier.
    #[must_use]
    pub fn minus(self, length: Duration) -> Self {
        Self(self.0.saturating_sub(millis(length)))
    }

    /// Returns the time that passed since `earlier`; zero if it is not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Writes RFC 3339 in UTC with milliseconds: `2026-11-23T10:00:00.000Z`.
    #[must_use]
    pub fn to_rfc3339(self) -> String {
        let at = self.to_utc();
        format!("{}.{:03}Z", at.strftime("%Y-%m-%dT%H:%M:%S"), at.subsec_nanosecond() / 1_000_000)
    }

    /// Writes RFC 3339 in UTC without a fraction: `2026-11-23T10:00:00Z`.
    #[must_use]
    pub fn to_rfc3339_seconds(self) -> String {
        self.to_utc().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// Returns the local date and clock in a zone.
    #[must_use]
    pub fn to_local(self, zone: &Zone) -> civil::DateTime {
        zone.0.to_datetime(self.to_jiff())
    }

    pub(crate) fn to_jiff(self) -> jiff::Timestamp {
        let bounded = self
            .0
            .clamp(jiff::Timestamp::MIN.as_millisecond(), jiff::Timestamp::MAX.as_millisecond());
        jiff::Timestamp::from_millisecond(bounded).unwrap_or_default()
    }

    pub(crate) fn from_jiff(at: jiff::Timestamp) -> Self {
        Self(at.as_millisecond())
    }

    fn to_utc(self) -> civil::DateTime {
        TimeZone::UTC.to_datetime(self.to_jiff())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.to_rfc3339())
    }
}

/// A time zone of the bundled database, looked up once.
#[derive(Clone)]
pub struct Zone(TimeZone);

/// A name that is no zone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no time zone {0:?}; write an IANA name such as Europe/Berlin")]
pub struct UnknownZone(pub String);

impl Zone {
    /// Looks a zone up by its IANA name.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn find(name: &str) -> Result<Self, UnknownZone> {
        let found = TimeZoneDatabase::bundled().get(name);
        found.map(Self).map_err(|_| UnknownZone(name.to_owned()))
    }

    /// Returns UTC.
    #[must_use]
    pub fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// Returns the IANA name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// Returns every name of the bundled database.
    #[must_use]
    pub fn names() -> Vec<String> {
        TimeZoneDatabase::bundled().available().map(|name| name.to_string()).collect()
    }

    /// Returns the instants in `(from, to]` at which the zone's offset changes.
    #[must_use]
    pub fn changes(&self, from: Timestamp, to: Timestamp) -> Vec<Timestamp> {
        self.0
            .following(from.to_jiff())
            .map(|change| Timestamp::from_jiff(change.timestamp()))
            .take_while(|change| *change <= to)
            .collect()
    }

    pub(crate) fn as_jiff(&self) -> &TimeZone {
        &self.0
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Zone({})", self.name())
    }
}

/// Returns the first instant whose local clock in `zone` is at or after `local`: inside a gap
/// the end of the gap, inside a fold the first of the two.
#[must_use]
pub fn instant(local: civil::DateTime, zone: &Zone) -> Timestamp {
    let ambiguous = zone.as_jiff().to_ambiguous_timestamp(local);
    let is_gap = matches!(ambiguous.offset(), AmbiguousOffset::Gap { .. });
    let Ok(earlier) = ambiguous.earlier() else {
        return far(local);
    };
    if !is_gap {
        return Timestamp::from_jiff(earlier);
    }
    let change = zone.as_jiff().following(earlier).next();
    Timestamp::from_jiff(change.map_or(earlier, |change| change.timestamp()))
}

/// Words a length of time the way operators say it: `250ms`, `48s`, `4m 30s`, `2h 5m`.
#[must_use]
pub fn format_duration(length: Duration) -> String {
    let whole = if length < Duration::from_secs(10) {
        length
    } else {
        Duration::from_secs(length.as_secs())
    };
    watchbell_metrics::units::duration(whole.as_secs_f64())
}

/// Local times beyond the calendar of the zone library.
fn far(local: civil::DateTime) -> Timestamp {
    if local.year() > 1970 { Timestamp(i64::MAX) } else { Timestamp(i64::MIN) }
}

fn millis(length: Duration) -> i64 {
    i64::try_from(length.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_written_in_utc_with_milliseconds() {
        let at = Timestamp::parse_rfc3339("2026-11-23T11:00:00.25+01:00").unwrap();
        assert_eq!(at.to_rfc3339(), "2026-11-23T10:00:00.250Z");
        assert_eq!(at.to_rfc3339_seconds(), "2026-11-23T10:00:00Z");
        assert!(Timestamp::parse_rfc3339("yesterday").is_err());
    }

    #[test]
    fn sums_saturate() {
        assert_eq!(Timestamp(i64::MAX).plus(Duration::MAX), Timestamp(i64::MAX));
        assert_eq!(Timestamp(0).since(Timestamp(5)), Duration::ZERO);
        assert!(!Timestamp(i64::MAX).to_rfc3339().is_empty());
    }

    #[test]
    fn a_gap_ends_at_its_end_and_a_fold_counts_its_first_time() {
        let berlin = Zone::find("Europe/Berlin").unwrap();
        for (local, expected) in [
            ("2026-03-29T02:30:00", "2026-03-29T01:00:00Z"),
            ("2026-10-25T02:30:00", "2026-10-25T00:30:00Z"),
            ("2026-11-23T09:00:00", "2026-11-23T08:00:00Z"),
        ] {
            let at = instant(local.parse().unwrap(), &berlin);
            assert_eq!(at.to_rfc3339_seconds(), expected, "{local}");
        }
    }

    #[test]
    fn lengths_are_worded() {
        assert_eq!(format_duration(Duration::from_millis(250)), "250ms");
        assert_eq!(format_duration(Duration::from_millis(48_400)), "48s");
        assert_eq!(format_duration(Duration::from_secs(270)), "4m 30s");
    }
}
