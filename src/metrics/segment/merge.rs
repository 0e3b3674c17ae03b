//! Joins the series of several blocks.

use std::collections::HashMap;

use crate::sample::Sample;
use crate::segment::{Encoder, Pairs, SeriesPart, TargetPart};

/// Blocks joined so far, in the order in which targets and series first appeared.
#[derive(Debug, Default)]
pub(super) struct Joined {
    targets: Vec<TargetPart>,
    target_index: HashMap<Pairs, usize>,
    series_index: Vec<HashMap<Pairs, usize>>,
}

impl Joined {
    pub(super) fn add(&mut self, parts: Vec<TargetPart>, with_raw: bool) {
        for part in parts {
            let index = self.target(part.labels);
            let (Some(target), Some(known)) =
                (self.targets.get_mut(index), self.series_index.get_mut(index))
            else {
                continue;
            };
            for series in part.series.into_iter().filter(|one| with_raw || !one.traits.is_raw) {
                let next = target.series.len();
                let at = *known.entry(series.labels.clone()).or_insert(next);
                match target.series.get_mut(at) {
                    Some(earlier) => append(earlier, series),
                    None => target.series.push(series),
                }
            }
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::default();
        for target in self.targets.iter().filter(|target| !target.series.is_empty()) {
            encoder.target(texts(&target.labels));
            for series in &target.series {
                encoder.series(texts(&series.labels), series.traits, &series.samples);
            }
        }
        encoder.finish()
    }

    fn target(&mut self, labels: Pairs) -> usize {
        let next = self.targets.len();
        let index = *self.target_index.entry(labels.clone()).or_insert(next);
        if index == next {
            self.targets.push(TargetPart { labels, series: Vec::new() });
            self.series_index.push(HashMap::new());
        }
        index
    }
}

fn texts(pairs: &Pairs) -> impl Iterator<Item = (&str, &str)> {
    pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
}

fn append(earlier: &mut SeriesPart, later: SeriesPart) {
    let newest = earlier.samples.last().map(|sample| sample.at);
    let first = later.samples.first().map(|sample| sample.at);
    if newest < first {
        earlier.samples.extend(later.samples);
    } else {
        earlier.samples = union(std::mem::take(&mut earlier.samples), later.samples);
    }
    earlier.traits.is_raw &= later.traits.is_raw;
    earlier.traits.has_own_times = later.traits.has_own_times;
    earlier.traits.zero_at = earlier.traits.zero_at.or(later.traits.zero_at);
}

/// Joins samples by time; of two at one time the one that was there stays.
fn union(there: Vec<Sample>, coming: Vec<Sample>) -> Vec<Sample> {
    let mut joined = Vec::with_capacity(there.len() + coming.len());
    let mut coming = coming.into_iter().peekable();
    for sample in there {
        while let Some(before) = coming.next_if(|one| one.at < sample.at) {
            joined.push(before);
        }
        coming.next_if(|one| one.at == sample.at);
        joined.push(sample);
    }
    joined.extend(coming);
    joined
}
