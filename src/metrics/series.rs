//! The store of series: one shard for each target, read by PromQL, written once per scrape.

use std::sync::Arc;

use crate::exposition::{Fault, Format};
use crate::label::{Labels, Matcher, Matchers};
use crate::sample::{Millis, SeriesView, Source, TimeRange};

/// What a target may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most series.
    pub series_max: usize,
    /// The most labels of one series.
    pub labels_max: usize,
    /// The longest label value, bytes.
    pub label_length_max: usize,
}

/// A selector that somebody reads.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    /// Who reads: the rule's index in the configuration.
    pub reader: usize,
    /// Which series.
    pub matchers: Vec<Matcher>,
    /// How far back, milliseconds.
    pub reach: Millis,
}

/// What is kept, and for how long.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Retention {
    /// What rules read.
    pub reads: Vec<Read>,
    /// Ranges of series that nobody reads; zero keeps their last sample only.
    pub raw: Millis,
    /// How long what rules read is kept at least.
    pub keep: Millis,
    /// Further series that are kept as if a rule read them.
    pub matchers: Vec<Matchers>,
}

/// How much is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Series that somebody reads.
    pub read: usize,
    /// Series that nobody reads.
    pub unread: usize,
    /// Samples ingested since the start.
    pub ingested: u64,
}

/// What one scrape did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// Why the scrape counts as failed although a body came (a limit was passed, nothing usable).
    pub failed: Option<String>,
    /// Samples taken.
    pub samples: usize,
    /// Series that are new.
    pub added: usize,
    /// Series of the target now.
    pub series: usize,
    /// The first few faulty lines.
    pub faults: Vec<Fault>,
    /// How many lines were faulty.
    pub fault_count: usize,
}

/// Why a journal block was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BlockError(pub String);

/// The store; a clone is another handle of the same one.
#[derive(Clone, Debug, Default)]
pub struct Store(Arc<()>);

/// One target's shard, for the one who scrapes it.
#[derive(Debug)]
pub struct Target(());

impl Store {
    /// Makes an empty store.
    #[must_use]
    pub fn new(retention: Retention) -> Self {
        let _ = retention;
        todo!()
    }

    /// Changes what is kept, after a reload.
    pub fn configure(&self, retention: Retention) {
        let _ = retention;
        todo!()
    }

    /// Opens the shard of a target, known by its labels (`job`, `instance`, the table's own).
    #[must_use]
    pub fn open(&self, labels: &Labels, limits: Limits) -> Target {
        let _ = (labels, limits);
        todo!()
    }

    /// Drops samples that nobody needs any more.
    pub fn expire(&self, now: Millis) {
        let _ = now;
        todo!()
    }

    /// Returns how much is kept.
    #[must_use]
    pub fn stats(&self) -> Stats {
        todo!()
    }

    /// Takes what was appended since the last call as one self-contained block of bytes for the
    /// journal of samples; empty if nothing was. Only series with a range to keep are in it.
    #[must_use]
    pub fn take_block(&self) -> Vec<u8> {
        todo!()
    }

    /// Appends what a block holds, as it was; used at start, in order.
    ///
    /// # Errors
    /// The block is damaged; nothing of it was taken.
    pub fn replay(&self, block: &[u8]) -> Result<usize, BlockError> {
        let _ = block;
        todo!()
    }
}

impl Source for Store {
    fn select(&self, matchers: &[Matcher], range: TimeRange) -> Vec<Arc<dyn SeriesView>> {
        let _ = (matchers, range);
        todo!()
    }
}

impl Target {
    /// Parses a body and appends it, with `up` = 1 and the scrape metrics; series that are
    /// missing from it become stale. A body that passes a limit counts as failed: `up` = 0.
    pub fn append(&mut self, body: &[u8], format: Format, at: Millis, seconds: f64) -> Appended {
        let _ = (body, format, at, seconds);
        todo!()
    }

    /// Records a failed scrape: `up` = 0, every series stale.
    pub fn fail(&mut self, at: Millis, seconds: f64) -> Appended {
        let _ = (at, seconds);
        todo!()
    }

    /// Ends every series of a target that is no longer configured, `up` included.
    pub fn close(&mut self, at: Millis) {
        let _ = at;
        todo!()
    }

    /// Returns who reads series of this target, ascending and unique.
    #[must_use]
    pub fn readers(&self) -> Vec<usize> {
        todo!()
    }
}
