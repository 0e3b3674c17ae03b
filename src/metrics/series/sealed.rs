//! The sealed chunks of one series, with summaries over runs of them.
//!
//! Shared with readers as a whole; who appends copies the list only while a reader holds it.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use crate::chunk::Chunk;
use crate::sample::{Millis, Sample, Summary, TimeRange, summarise};

/// Chunks of one group; a window of any length costs a few of them and a few single chunks.
const GROUP: usize = if cfg!(test) { 2 } else { 16 };

/// Chunks in time order.
#[derive(Clone, Debug, Default)]
pub(super) struct Sealed {
    chunks: Vec<Arc<Chunk>>,
    /// How many chunks there were before these: groups keep their chunks when old ones go.
    dropped: usize,
    /// From the group of the first chunk on; each made when it is first asked for.
    groups: Vec<OnceLock<Option<Box<Summary>>>>,
}

impl Sealed {
    pub(super) fn chunks(&self) -> &[Arc<Chunk>] {
        &self.chunks
    }

    pub(super) fn push(&mut self, chunk: Arc<Chunk>) {
        self.chunks.push(chunk);
        let wanted = (self.dropped + self.chunks.len()).div_ceil(GROUP) - self.dropped / GROUP;
        self.groups.resize_with(wanted, OnceLock::new);
    }

    /// Returns how many chunks end at a time or before it.
    pub(super) fn count_until(&self, horizon: Millis) -> usize {
        self.chunks.partition_point(|chunk| chunk.last_at() <= horizon)
    }

    /// Drops the oldest chunks.
    pub(super) fn drop_first(&mut self, count: usize) {
        let before = self.dropped / GROUP;
        self.chunks.drain(..count.min(self.chunks.len()));
        self.dropped += count;
        let gone = self.dropped / GROUP - before;
        self.groups.drain(..gone.min(self.groups.len()));
        self.chunks.shrink_to_fit();
    }

    /// Returns the chunks that have samples in a range.
    pub(super) fn touched(&self, range: TimeRange) -> Range<usize> {
        let from = self.chunks.partition_point(|chunk| chunk.last_at() <= range.from);
        let to = self.chunks.partition_point(|chunk| chunk.first_at() <= range.to);
        from..to.max(from)
    }

    /// Returns the chunks that lie wholly in a range.
    pub(super) fn inside(&self, range: TimeRange) -> Range<usize> {
        let from = self.chunks.partition_point(|chunk| chunk.first_at() <= range.from);
        let to = self.chunks.partition_point(|chunk| chunk.last_at() <= range.to);
        from..to.max(from)
    }

    /// Returns what the samples of a range come to, stale markers left out.
    pub(super) fn summary(&self, range: TimeRange) -> Option<Summary> {
        let (touched, inside) = (self.touched(range), self.inside(range));
        let decoded = |at: usize| {
            let chunk = self.chunks.get(at)?;
            summarise(chunk.samples().within(range))
        };
        let mut whole = None;
        if inside.is_empty() {
            return touched.fold(whole, |whole, at| joined(whole, decoded(at).as_ref()));
        }
        for at in touched.start..inside.start {
            whole = joined(whole, decoded(at).as_ref());
        }
        let mut at = inside.start;
        while at < inside.end {
            if (self.dropped + at).is_multiple_of(GROUP) && at + GROUP <= inside.end {
                whole = joined(whole, self.group(at));
                at += GROUP;
            } else {
                whole = joined(whole, self.chunks.get(at).and_then(|chunk| chunk.summary()));
                at += 1;
            }
        }
        for at in inside.end..touched.end {
            whole = joined(whole, decoded(at).as_ref());
        }
        whole
    }

    /// The summary of the group that begins with a chunk.
    fn group(&self, at: usize) -> Option<&Summary> {
        let group = (self.dropped + at) / GROUP - self.dropped / GROUP;
        let make = || {
            let chunks = self.chunks.get(at..at + GROUP).unwrap_or_default().iter();
            let whole = chunks.fold(None, |whole, chunk| joined(whole, chunk.summary()));
            whole.map(Box::new)
        };
        self.groups.get(group)?.get_or_init(make).as_deref()
    }

    /// Appends the samples of a range.
    pub(super) fn samples(&self, range: TimeRange, into: &mut Vec<Sample>) {
        for chunk in self.chunks.get(self.touched(range)).unwrap_or_default() {
            into.extend(chunk.samples().within(range));
        }
    }
}

/// Puts what follows behind what there is.
pub(super) fn joined(whole: Option<Summary>, next: Option<&Summary>) -> Option<Summary> {
    match (whole, next) {
        (Some(whole), Some(next)) => Some(whole.and(next)),
        (None, next) => next.copied(),
        (whole, None) => whole,
    }
}
