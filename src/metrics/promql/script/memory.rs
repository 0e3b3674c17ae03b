//! The series of a script: a source that holds everything in memory, as loaded.

use std::sync::Arc;

use crate::label::{Labels, Matcher};
use crate::promql::notation::Point;
use crate::sample::{Held, Millis, Sample, SeriesView, Source, TimeRange, stale_marker};

/// The most samples that a script may load.
const SAMPLES_MAX: usize = 5_000_000;

/// Loaded series.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    series: Vec<Arc<Held>>,
    sample_count: usize,
}

impl Memory {
    /// Adds points at 0, `step`, 2 `step`, …; a series that is there gets more samples.
    pub(crate) fn load(
        &mut self,
        step: Millis,
        series: &[(Labels, Vec<Point>)],
    ) -> Result<(), String> {
        for (labels, points) in series {
            self.sample_count += points.len();
            if SAMPLES_MAX < self.sample_count {
                return Err(format!("the script loads more than {SAMPLES_MAX} samples"));
            }
            let times = (0..).map(|index: Millis| index.saturating_mul(step));
            let samples = times.zip(points).filter_map(|(at, point)| match point {
                Point::Value(value) => Some(Sample { at, value: *value }),
                Point::Stale => Some(Sample { at, value: stale_marker() }),
                Point::Missing => None,
            });
            let known = self.series.iter_mut().find(|one| one.labels == *labels);
            match known.map(Arc::make_mut) {
                Some(known) => {
                    // Later ones replace earlier ones of the same time.
                    let mut all: Vec<Sample> = samples.collect();
                    all.append(&mut known.samples);
                    all.sort_by_key(|sample| sample.at);
                    all.dedup_by_key(|sample| sample.at);
                    known.samples = all;
                }
                None => self.series.push(Arc::new(Held {
                    labels: labels.clone(),
                    samples: samples.collect(),
                    zero_at: None,
                })),
            }
        }
        Ok(())
    }

    /// Says when the counters of these labels are known to have been zero.
    #[cfg(test)]
    pub(crate) fn zero_at(&mut self, labels: &Labels, at: Millis) {
        for series in &mut self.series {
            if series.labels == *labels {
                Arc::make_mut(series).zero_at = Some(at);
            }
        }
    }
}

impl Source for Memory {
    fn select(&self, matchers: &[Matcher], _: TimeRange) -> Vec<Arc<dyn SeriesView>> {
        let matching =
            self.series.iter().filter(|one| matchers.iter().all(|m| m.matches(&one.labels)));
        matching.map(|one| Arc::<Held>::clone(one) as Arc<dyn SeriesView>).collect()
    }
}
