//! A sample, a range of time, and what a reader of series may ask.
//!
//! Times are UTC milliseconds. Every range is left-open and right-closed, as in Prometheus 3.

mod held;
mod summary;

use std::fmt;
use std::sync::Arc;

pub use self::held::Held;
pub use self::summary::{Summary, summarise};
use crate::label::{Labels, Matcher};

/// UTC milliseconds since 1970; also a length of time in milliseconds.
pub type Millis = i64;

/// The look-back of an instant selector: five minutes, as Prometheus.
pub const LOOKBACK_MS: Millis = 300_000;

/// The bit pattern that marks a series as ended (Prometheus `value.StaleNaN`).
pub const STALE_BITS: u64 = 0x7ff0_0000_0000_0002;

/// Returns the marker that ends a series.
#[must_use]
pub fn stale_marker() -> f64 {
    f64::from_bits(STALE_BITS)
}

/// Tells the stale marker from every other value, other NaNs included.
#[must_use]
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_BITS
}

/// One value at one time.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// UTC milliseconds.
    pub at: Millis,
    /// The value; may be NaN, infinite or the stale marker.
    pub value: f64,
}

/// The times `from < t <= to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRange {
    /// Exclusive start, UTC milliseconds.
    pub from: Millis,
    /// Inclusive end, UTC milliseconds.
    pub to: Millis,
}

impl TimeRange {
    /// Tells whether `at` lies in the range.
    #[must_use]
    pub fn contains(self, at: Millis) -> bool {
        self.from < at && at <= self.to
    }
}

/// What a range of a series comes to.
#[derive(Clone, Copy, Debug)]
pub enum Digest {
    /// Only the samples can tell.
    Unknown,
    /// There is no sample in it.
    Empty,
    /// This.
    Of(Summary),
}

/// One series as a reader sees it; reads never block an append for longer than a copy.
pub trait SeriesView: Send + Sync + fmt::Debug {
    /// Returns the labels, metric name included.
    fn labels(&self) -> &Labels;

    /// Appends the samples of the range in time order, stale markers included.
    fn samples(&self, range: TimeRange, into: &mut Vec<Sample>);

    /// Returns the newest sample of the range, which may be the stale marker.
    fn newest(&self, range: TimeRange) -> Option<Sample>;

    /// Returns what the samples of the range come to, stale markers left out, where that is had
    /// for less than the samples themselves.
    fn digest(&self, _: TimeRange) -> Digest {
        Digest::Unknown
    }

    /// Returns the time just before its first sample at which a counter is known to have been
    /// zero: it appeared in a good scrape of a target that was scraped before without it.
    fn zero_at(&self) -> Option<Millis> {
        None
    }
}

/// What PromQL reads: a store of series, or the series of a test script.
pub trait Source: Sync {
    /// Returns every series whose labels pass all matchers and that may have samples in the
    /// range; order is not defined.
    fn select(&self, matchers: &[Matcher], range: TimeRange) -> Vec<Arc<dyn SeriesView>>;
}
