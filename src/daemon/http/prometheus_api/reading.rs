//! What a query reads of the store, and what it cost, for whoever asks with `stats=`.
//!
//! Counts the samples that were read, each once however many steps read it; what each step read
//! is not counted.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use watchbell_metrics::label::{Labels, Matcher};
use watchbell_metrics::sample::{Millis, Sample, SeriesView, Source, TimeRange};
use watchbell_metrics::series::Store;

use crate::clock::Clock;

/// The store as one query sees it.
#[derive(Debug)]
pub(super) struct Reading<'s> {
    store: &'s Store,
    selected: Mutex<Vec<Selected>>,
    /// Where samples are counted.
    sample_count: Option<Arc<AtomicU64>>,
}

/// What one selector of a query asked the store for.
#[derive(Clone, Debug)]
pub(super) struct Selected {
    pub(super) matchers: Vec<Matcher>,
    /// From when on.
    pub(super) from: Millis,
}

/// Measures one query.
#[derive(Debug)]
pub(super) struct Meter {
    clock: Arc<Clock>,
    asked: Duration,
    begun: Duration,
    sample_count: Arc<AtomicU64>,
}

impl<'s> Reading<'s> {
    pub(super) fn new(store: &'s Store, meter: Option<&Meter>) -> Self {
        let sample_count = meter.map(|meter| Arc::clone(&meter.sample_count));
        Self { store, selected: Mutex::default(), sample_count }
    }

    /// Returns what was asked for.
    pub(super) fn into_selected(self) -> Vec<Selected> {
        self.selected.into_inner()
    }
}

impl Source for Reading<'_> {
    fn select(&self, matchers: &[Matcher], range: TimeRange) -> Vec<Arc<dyn SeriesView>> {
        self.selected.lock().push(Selected { matchers: matchers.to_vec(), from: range.from });
        let found = self.store.select(matchers, range);
        let Some(sample_count) = &self.sample_count else { return found };
        let counted = |series| -> Arc<dyn SeriesView> {
            Arc::new(Counted { series, sample_count: Arc::clone(sample_count) })
        };
        found.into_iter().map(counted).collect()
    }
}

impl Meter {
    /// Starts when the query is asked.
    pub(super) fn start(clock: &Arc<Clock>) -> Self {
        let asked = clock.elapsed();
        let sample_count = Arc::default();
        Self { clock: Arc::clone(clock), asked, begun: asked, sample_count }
    }

    /// Notes that the query has its place.
    pub(super) fn begun(self) -> Self {
        Self { begun: self.clock.elapsed(), ..self }
    }

    /// Says what it cost, in Prometheus's shape.
    pub(super) fn read(&self) -> Value {
        let now = self.clock.elapsed();
        let waited = self.begun.saturating_sub(self.asked).as_secs_f64();
        let evaluated = now.saturating_sub(self.begun).as_secs_f64();
        let sample_count = self.sample_count.load(Ordering::Relaxed);
        json!({
            "timings": {
                "evalTotalTime": evaluated,
                "resultSortTime": 0.0,
                "queryPreparationTime": 0.0,
                "innerEvalTime": evaluated,
                "execQueueTime": waited,
                "execTotalTime": now.saturating_sub(self.asked).as_secs_f64(),
            },
            "samples": { "totalQueryableSamples": sample_count, "peakSamples": sample_count },
        })
    }
}

/// A series, counting what is read of it.
struct Counted {
    series: Arc<dyn SeriesView>,
    sample_count: Arc<AtomicU64>,
}

impl Counted {
    fn count(&self, samples: usize) {
        let samples = u64::try_from(samples).unwrap_or(u64::MAX);
        self.sample_count.fetch_add(samples, Ordering::Relaxed);
    }
}

impl SeriesView for Counted {
    fn labels(&self) -> &Labels {
        self.series.labels()
    }

    fn samples(&self, range: TimeRange, into: &mut Vec<Sample>) {
        let before = into.len();
        self.series.samples(range, into);
        self.count(into.len().saturating_sub(before));
    }

    fn newest(&self, range: TimeRange) -> Option<Sample> {
        let newest = self.series.newest(range);
        self.count(usize::from(newest.is_some()));
        newest
    }

    fn zero_at(&self) -> Option<Millis> {
        self.series.zero_at()
    }
}

impl fmt::Debug for Counted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Counted").field(&self.series).finish()
    }
}
