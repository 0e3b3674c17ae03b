//! One window of one series: the samples that a range function sees at one time.

use crate::sample::{Millis, Sample};

/// The samples of `(from, to]`, stale markers taken out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window<'a> {
    /// In time order; never empty when a function is called.
    pub(crate) samples: &'a [Sample],
    /// Exclusive start.
    pub(crate) from: Millis,
    /// Inclusive end.
    pub(crate) to: Millis,
}

impl Window<'_> {
    /// Returns its length in milliseconds.
    pub(crate) fn length(&self) -> Millis {
        self.to - self.from
    }

    /// Returns the values alone.
    pub(crate) fn values(&self) -> impl Iterator<Item = f64> {
        self.samples.iter().map(|sample| sample.value)
    }
}

/// Milliseconds as seconds.
#[allow(clippy::cast_precision_loss, reason = "times are far below 2^53 ms")]
pub(crate) fn seconds(ms: Millis) -> f64 {
    ms as f64 / 1000.0
}
