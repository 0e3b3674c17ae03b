//! The samples of one series: sealed chunks, the open one, and the newest sample by itself.
//!
//! Times rise strictly. The newest sample is always there, even where no range is kept.

use std::sync::Arc;

use crate::chunk::{Chunk, OpenChunk};
use crate::label::Labels;
use crate::sample::{Digest, Millis, Sample, SeriesView, TimeRange, is_stale, summarise};
use crate::series::sealed::{Sealed, joined};

/// The time of a sample that there is not.
pub(super) const NEVER: Millis = Millis::MIN;

/// Samples in time order.
#[derive(Clone, Debug)]
pub(super) struct History {
    /// Most series never have any.
    sealed: Option<Arc<Sealed>>,
    open: Option<Arc<OpenChunk>>,
    last: Sample,
    keep_for: Millis,
    /// How many of the newest samples the journal does not have.
    unwritten: u32,
}

/// A series at one moment, for a reader.
#[derive(Debug)]
pub(super) struct View {
    labels: Labels,
    zero_at: Option<Millis>,
    sealed: Option<Arc<Sealed>>,
    open: Option<Arc<OpenChunk>>,
    last: Sample,
}

impl History {
    /// Makes an empty one; `keep_for` zero keeps the last sample only.
    pub(super) fn new(keep_for: Millis) -> Self {
        let last = Sample { at: NEVER, value: 0.0 };
        Self { sealed: None, open: None, last, keep_for, unwritten: 0 }
    }

    pub(super) fn last(&self) -> Sample {
        self.last
    }

    pub(super) fn is_empty(&self) -> bool {
        self.last.at == NEVER
    }

    pub(super) fn is_stale(&self) -> bool {
        is_stale(self.last.value)
    }

    pub(super) fn keep_for(&self) -> Millis {
        self.keep_for
    }

    /// Appends a sample that is newer than the last one. Tells whether it is the first that the
    /// journal does not have.
    pub(super) fn append(&mut self, sample: Sample) -> bool {
        debug_assert!(self.is_empty() || self.last.at < sample.at);
        self.last = sample;
        if self.keep_for == 0 {
            return false;
        }
        self.store(sample);
        self.unwritten += 1;
        self.unwritten == 1
    }

    /// Appends a sample that comes from the journal.
    pub(super) fn restore(&mut self, sample: Sample) {
        self.last = sample;
        if 0 < self.keep_for {
            self.store(sample);
            // What stands behind unwritten samples is written with them again.
            self.unwritten += u32::from(0 < self.unwritten);
        }
    }

    /// Takes the samples that the journal does not have yet, as far as they are still kept.
    pub(super) fn take_unwritten(&mut self, into: &mut Vec<Sample>) {
        let wanted = usize::try_from(std::mem::take(&mut self.unwritten)).unwrap_or(usize::MAX);
        if wanted < 2 {
            into.extend((wanted == 1).then_some(self.last));
            return;
        }
        let mut count = self.open.as_ref().map_or(0, |open| open.count());
        let mut from = self.sealed().len();
        while count < wanted && 0 < from {
            from -= 1;
            count += self.sealed().get(from).map_or(0, |chunk| chunk.count());
        }
        let sealed = self.sealed().iter().skip(from).flat_map(|chunk| chunk.samples());
        let open = self.open.iter().flat_map(|open| open.samples());
        into.extend(sealed.chain(open).skip(count.saturating_sub(wanted)));
    }

    /// Changes how long samples are kept. Tells whether the journal now misses the last one.
    pub(super) fn keep(&mut self, keep_for: Millis) -> bool {
        let before = std::mem::replace(&mut self.keep_for, keep_for);
        if keep_for == 0 {
            self.sealed = None;
            self.open = None;
            self.unwritten = 0;
        } else if before == 0 && !self.is_empty() {
            self.store(self.last);
            self.unwritten = 1;
            return true;
        }
        false
    }

    /// Drops whole chunks that are older than what is kept.
    pub(super) fn expire(&mut self, now: Millis) {
        let horizon = now.saturating_sub(self.keep_for);
        if let Some(sealed) = &mut self.sealed {
            let old_count = sealed.count_until(horizon);
            if 0 < old_count {
                Arc::make_mut(sealed).drop_first(old_count);
            }
        }
        self.sealed.take_if(|sealed| sealed.chunks().is_empty());
        if self.open.as_ref().is_some_and(|open| open.last_at() <= horizon) {
            self.open = None;
        }
    }

    /// Returns the time of the oldest sample that is kept.
    pub(super) fn first_at(&self) -> Millis {
        let sealed = self.sealed().first().map(|chunk| chunk.first_at());
        let open = self.open.as_ref().map(|open| open.first_at());
        sealed.or(open).unwrap_or(self.last.at)
    }

    /// Shares what the range touches with a reader.
    pub(super) fn view(&self, labels: Labels, zero_at: Option<Millis>, range: TimeRange) -> View {
        let touches = |sealed: &&Arc<Sealed>| !sealed.touched(range).is_empty();
        let sealed = self.sealed.as_ref().filter(touches).cloned();
        View { labels, zero_at, sealed, open: self.open.clone(), last: self.last }
    }

    fn sealed(&self) -> &[Arc<Chunk>] {
        self.sealed.as_ref().map(|sealed| sealed.chunks()).unwrap_or_default()
    }

    fn store(&mut self, sample: Sample) {
        match &mut self.open {
            None => self.open = Some(Arc::new(OpenChunk::new(sample))),
            // Copies only while a reader still holds the chunk.
            Some(open) => Arc::make_mut(open).append(sample),
        }
        if let Some(full) = self.open.take_if(|open| open.is_full()) {
            let chunk = Arc::new(Arc::unwrap_or_clone(full).seal());
            Arc::make_mut(self.sealed.get_or_insert_default()).push(chunk);
            self.expire(sample.at);
        }
    }
}

impl SeriesView for View {
    fn labels(&self) -> &Labels {
        &self.labels
    }

    fn samples(&self, range: TimeRange, into: &mut Vec<Sample>) {
        if self.sealed.is_none() && self.open.is_none() {
            into.extend(range.contains(self.last.at).then_some(self.last));
            return;
        }
        if let Some(sealed) = &self.sealed {
            sealed.samples(range, into);
        }
        if let Some(open) = &self.open
            && range.from < open.last_at()
            && open.first_at() <= range.to
        {
            into.extend(open.samples().within(range));
        }
    }

    fn digest(&self, range: TimeRange) -> Digest {
        let Some(sealed) = self.sealed.as_ref().filter(|one| !one.inside(range).is_empty()) else {
            // A short window: its samples are as quickly had.
            return Digest::Unknown;
        };
        let open = self.open.as_ref().and_then(|open| summarise(open.samples().within(range)));
        joined(sealed.summary(range), open.as_ref()).map_or(Digest::Empty, Digest::Of)
    }

    fn newest(&self, range: TimeRange) -> Option<Sample> {
        if self.last.at <= range.to {
            return range.contains(self.last.at).then_some(self.last);
        }
        if let Some(open) = &self.open
            && open.first_at() <= range.to
        {
            return open.samples().within(range).last();
        }
        let sealed = self.sealed.as_ref()?;
        let chunk = sealed.chunks().get(sealed.touched(range).last()?)?;
        chunk.samples().within(range).last()
    }

    fn zero_at(&self) -> Option<Millis> {
        self.zero_at
    }
}
