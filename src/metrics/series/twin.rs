//! A series that was scraped and one that was loaded, of the same labels: one series to a reader.

use std::collections::HashMap;
use std::sync::Arc;

use crate::label::Labels;
use crate::sample::{Sample, SeriesView, TimeRange};

/// Both halves of a series; at a time that both have, the scraped sample counts.
#[derive(Debug)]
struct Twin {
    scraped: Arc<dyn SeriesView>,
    loaded: Arc<dyn SeriesView>,
}

/// Adds loaded series; one that was scraped too is joined with its other half.
pub(super) fn join(scraped: &mut Vec<Arc<dyn SeriesView>>, loaded: Vec<Arc<dyn SeriesView>>) {
    if loaded.is_empty() {
        return;
    }
    let by_labels: HashMap<&Labels, usize> =
        scraped.iter().enumerate().map(|(index, view)| (view.labels(), index)).collect();
    let places: Vec<Option<usize>> =
        loaded.iter().map(|view| by_labels.get(view.labels()).copied()).collect();
    for (view, place) in loaded.into_iter().zip(places) {
        match place.and_then(|index| scraped.get_mut(index)) {
            Some(other) => *other = Arc::new(Twin { scraped: Arc::clone(other), loaded: view }),
            None => scraped.push(view),
        }
    }
}

impl SeriesView for Twin {
    fn labels(&self) -> &Labels {
        self.scraped.labels()
    }

    fn samples(&self, range: TimeRange, into: &mut Vec<Sample>) {
        let mut scraped = Vec::new();
        self.scraped.samples(range, &mut scraped);
        let mut loaded = Vec::new();
        self.loaded.samples(range, &mut loaded);
        into.reserve(scraped.len() + loaded.len());
        let mut loaded = loaded.into_iter().peekable();
        for sample in scraped {
            while let Some(before) = loaded.next_if(|one| one.at < sample.at) {
                into.push(before);
            }
            loaded.next_if(|one| one.at == sample.at);
            into.push(sample);
        }
        into.extend(loaded);
    }

    fn newest(&self, range: TimeRange) -> Option<Sample> {
        match (self.scraped.newest(range), self.loaded.newest(range)) {
            (Some(scraped), Some(loaded)) if scraped.at < loaded.at => Some(loaded),
            (Some(scraped), _) => Some(scraped),
            (None, loaded) => loaded,
        }
    }
}
