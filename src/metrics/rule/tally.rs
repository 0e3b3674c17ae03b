//! Counts what an evaluation reads: a source that hands everything on.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::label::{Labels, Matcher};
use crate::sample::{Digest, Millis, Sample, SeriesView, Source, TimeRange};

/// What was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// Series that passed a selector.
    pub series: usize,
    /// Their samples that were looked at.
    pub samples: usize,
}

/// A source that counts.
pub struct Tally<'a> {
    source: &'a dyn Source,
    series: AtomicUsize,
    samples: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct Counted {
    view: Arc<dyn SeriesView>,
    samples: Arc<AtomicUsize>,
}

impl<'a> Tally<'a> {
    /// Starts at zero.
    #[must_use]
    pub fn new(source: &'a dyn Source) -> Self {
        Self { source, series: AtomicUsize::new(0), samples: Arc::default() }
    }

    /// Returns what was read so far.
    #[must_use]
    pub fn read(&self) -> Read {
        Read {
            series: self.series.load(Ordering::Relaxed),
            samples: self.samples.load(Ordering::Relaxed),
        }
    }
}

impl fmt::Debug for Tally<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tally").field("read", &self.read()).finish_non_exhaustive()
    }
}

impl Source for Tally<'_> {
    fn select(&self, matchers: &[Matcher], range: TimeRange) -> Vec<Arc<dyn SeriesView>> {
        let found = self.source.select(matchers, range);
        self.series.fetch_add(found.len(), Ordering::Relaxed);
        let counted = |view| -> Arc<dyn SeriesView> {
            Arc::new(Counted { view, samples: Arc::clone(&self.samples) })
        };
        found.into_iter().map(counted).collect()
    }
}

impl SeriesView for Counted {
    fn labels(&self) -> &Labels {
        self.view.labels()
    }

    fn samples(&self, range: TimeRange, into: &mut Vec<Sample>) {
        let before = into.len();
        self.view.samples(range, into);
        self.samples.fetch_add(into.len().saturating_sub(before), Ordering::Relaxed);
    }

    fn newest(&self, range: TimeRange) -> Option<Sample> {
        let newest = self.view.newest(range);
        self.samples.fetch_add(usize::from(newest.is_some()), Ordering::Relaxed);
        newest
    }

    fn digest(&self, range: TimeRange) -> Digest {
        let digest = self.view.digest(range);
        if let Digest::Of(summary) = &digest {
            let count = usize::try_from(summary.count).unwrap_or(usize::MAX);
            self.samples.fetch_add(count, Ordering::Relaxed);
        }
        digest
    }

    fn zero_at(&self) -> Option<Millis> {
        self.view.zero_at()
    }
}
