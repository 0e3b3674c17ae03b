//! The series of one rule test: what was put in so far and what the rules have written.

use std::collections::HashMap;
use std::sync::Arc;

use watchbell_metrics::label::{Labels, METRIC_NAME, MatchOp, Matcher};
use watchbell_metrics::sample::{Held, Millis, Sample, SeriesView, Source, TimeRange};

/// The most samples of one test.
const SAMPLES_MAX: usize = 20_000_000;

/// Series in memory; each grows at its end.
#[derive(Debug, Default)]
pub(super) struct Storage {
    series: Vec<Arc<Held>>,
    by_labels: HashMap<Labels, usize>,
    by_name: HashMap<String, Vec<usize>>,
    sample_count: usize,
}

impl Storage {
    /// Adds a sample.
    ///
    /// # Errors
    /// The series has a newer sample, or another value at that time; Prometheus's words.
    pub(super) fn append(&mut self, labels: &Labels, at: Millis, value: f64) -> Result<(), String> {
        if SAMPLES_MAX <= self.sample_count {
            return Err(format!("the test has more than {SAMPLES_MAX} samples"));
        }
        let place = self.place(labels);
        let Some(held) = self.series.get_mut(place) else { return Ok(()) };
        // Nobody reads between two evaluations, so nothing is copied here.
        let samples = &mut Arc::make_mut(held).samples;
        match samples.last() {
            Some(last) if at < last.at => Err(format!("out of order sample of {labels}")),
            Some(last) if at == last.at && last.value.to_bits() == value.to_bits() => Ok(()),
            Some(last) if at == last.at => {
                Err(format!("duplicate sample for timestamp: {labels} is there with another value"))
            }
            Some(_) | None => {
                samples.push(Sample { at, value });
                self.sample_count += 1;
                Ok(())
            }
        }
    }

    fn place(&mut self, labels: &Labels) -> usize {
        if let Some(place) = self.by_labels.get(labels) {
            return *place;
        }
        let place = self.series.len();
        let name = labels.get(METRIC_NAME).unwrap_or_default().to_owned();
        self.by_labels.insert(labels.clone(), place);
        self.by_name.entry(name).or_default().push(place);
        self.series.push(Arc::new(Held::new(labels)));
        place
    }
}

impl Source for Storage {
    fn select(&self, matchers: &[Matcher], _: TimeRange) -> Vec<Arc<dyn SeriesView>> {
        let is_match = |held: &&Arc<Held>| matchers.iter().all(|one| one.matches(&held.labels));
        let view = |held: &Arc<Held>| Arc::<Held>::clone(held) as Arc<dyn SeriesView>;
        let mut names = matchers
            .iter()
            .filter(|one| one.name() == METRIC_NAME && one.op() == MatchOp::Equal)
            .map(Matcher::value);
        match names.next() {
            Some(name) => {
                let places = self.by_name.get(name).into_iter().flatten();
                places
                    .filter_map(|place| self.series.get(*place))
                    .filter(is_match)
                    .map(view)
                    .collect()
            }
            None => self.series.iter().filter(is_match).map(view).collect(),
        }
    }
}
