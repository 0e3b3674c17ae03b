//! A series that lies in memory as it is: what tests read.

use crate::label::Labels;
use crate::sample::{Millis, Sample, SeriesView, TimeRange};

/// Labels and all samples, in time order.
#[derive(Clone, Debug)]
pub struct Held {
    /// The labels, metric name included.
    pub labels: Labels,
    /// The samples; times rise strictly.
    pub samples: Vec<Sample>,
    /// When a counter is known to have been zero, if it is.
    pub zero_at: Option<Millis>,
}

impl Held {
    /// Starts without samples.
    #[must_use]
    pub fn new(labels: &Labels) -> Self {
        Self { labels: labels.clone(), samples: Vec::new(), zero_at: None }
    }

    fn of(&self, range: TimeRange) -> &[Sample] {
        let begin = self.samples.partition_point(|sample| sample.at <= range.from);
        let end = self.samples.partition_point(|sample| sample.at <= range.to);
        self.samples.get(begin..end).unwrap_or_default()
    }
}

impl SeriesView for Held {
    fn labels(&self) -> &Labels {
        &self.labels
    }

    fn samples(&self, range: TimeRange, into: &mut Vec<Sample>) {
        into.extend_from_slice(self.of(range));
    }

    fn newest(&self, range: TimeRange) -> Option<Sample> {
        self.of(range).last().copied()
    }

    fn zero_at(&self) -> Option<Millis> {
        self.zero_at
    }
}
