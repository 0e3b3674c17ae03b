//! The store of series: one shard for each target, read by PromQL, written once per scrape.
//!
//! A scrape is parsed without a lock and appended whole under one, so a reader sees it whole or
//! not at all. Readers share sealed chunks and hold a lock only while they collect them. What a
//! series feeds and how long it is kept is decided when it is born, and again on `configure`.
//! Known series of a target are bounded: live ones by `Limits`, ended ones by their age and by a
//! multiple of the limit.

pub mod backfill;
mod family;
mod sealed;
mod history;
mod key;
mod plan;
mod report;
mod scan;
mod shard;
mod target;
mod twin;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;

use self::plan::Plan;
use self::shard::{Query, Shard};
pub use self::target::Target;
use crate::exposition::Fault;
use crate::label::{Labels, Matcher, Matchers};
use crate::sample::{Millis, SeriesView, Source, TimeRange};
pub use crate::segment::BlockError;
use crate::segment::{self, Encoder};

/// What a target may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most series.
    pub series_max: usize,
    /// The most labels of one series, the metric name and the target's own not counted.
    pub labels_max: usize,
    /// The longest label value, bytes; names are held to it too.
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
    /// Samples dropped since the start because they were not newer than their series.
    pub dropped: u64,
    /// Ended series dropped before their time since the start, to make room for new ones.
    pub evicted: u64,
}

/// What one scrape did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// Why the scrape counts as failed although a body came (a limit was passed, nothing usable).
    pub failed: Option<String>,
    /// Samples taken.
    pub samples: usize,
    /// Samples dropped because they were not newer than their series.
    pub dropped: usize,
    /// Series that are new.
    pub added: usize,
    /// Series of the target now, those of the scrape itself not counted.
    pub series: usize,
    /// The first few faulty lines.
    pub faults: Vec<Fault>,
    /// How many lines were faulty.
    pub fault_count: usize,
}

/// The store; a clone is another handle of the same one.
#[derive(Clone, Default)]
pub struct Store(Arc<Shared>);

/// What all handles share.
#[derive(Debug, Default)]
struct Shared {
    /// In the order in which the targets were first opened.
    shards: RwLock<Vec<Arc<Shard>>>,
    /// Loaded history: beside what was scraped, so that each may begin and end when it likes.
    loaded: Shard,
    plan: RwLock<Arc<Plan>>,
    ingested: AtomicU64,
    dropped: AtomicU64,
    evicted: AtomicU64,
    /// Numbers the handles of targets.
    opened: AtomicU64,
}

impl Store {
    /// Makes an empty store.
    #[must_use]
    pub fn new(retention: Retention) -> Self {
        let plan = Arc::new(Plan::new(retention));
        let loaded = Shard::new(Labels::empty(), Arc::clone(&plan));
        Self(Arc::new(Shared { plan: RwLock::new(plan), loaded, ..Shared::default() }))
    }

    /// Changes what is kept, after a reload.
    pub fn configure(&self, retention: Retention) {
        let shards = self.0.shards.read();
        let plan = Arc::new(Plan::new(retention));
        *self.0.plan.write() = Arc::clone(&plan);
        for shard in shards.iter() {
            shard.state.write().configure(&plan);
        }
        self.0.loaded.state.write().configure(&plan);
    }

    /// Opens the shard of a target, known by its labels (`job`, `instance`, the table's own).
    #[must_use]
    pub fn open(&self, labels: &Labels, limits: Limits) -> Target {
        Target::new(Arc::clone(&self.0), self.0.shard(labels), limits)
    }

    /// Opens the shard of series that no target sends, such as those of recording rules: nothing
    /// is written about the append itself (`up`, ...), a sample given again is not a loss, and a
    /// series that is missing ends although its samples have times of their own.
    #[must_use]
    pub fn open_own(&self, labels: &Labels, limits: Limits) -> Target {
        let target = Target::new(Arc::clone(&self.0), self.0.shard(labels), limits);
        target.without_report().ending_own_times()
    }

    /// Drops samples that nobody needs any more, ended series that are older than what is kept
    /// of them, and targets without series that nobody has open.
    pub fn expire(&self, now: Millis) {
        self.0.loaded.state.write().expire(now);
        let mut is_any_empty = false;
        for shard in self.0.shards.read().iter() {
            let mut state = shard.state.write();
            state.expire(now);
            is_any_empty |= state.len() == 0;
        }
        if is_any_empty {
            let is_needed = |shard: &Arc<Shard>| 0 < shard.state.read().len();
            let is_open = |shard: &Arc<Shard>| 1 < Arc::strong_count(shard);
            self.0.shards.write().retain(|shard| is_open(shard) || is_needed(shard));
        }
    }

    /// Returns how much is kept.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = Stats {
            ingested: self.0.ingested.load(Ordering::Relaxed),
            dropped: self.0.dropped.load(Ordering::Relaxed),
            evicted: self.0.evicted.load(Ordering::Relaxed),
            ..Stats::default()
        };
        for shard in self.0.shards.read().iter().map(Arc::as_ref).chain([&self.0.loaded]) {
            let state = shard.state.read();
            stats.read += state.read_count();
            stats.unread += state.len() - state.read_count();
        }
        stats
    }

    /// Returns name, type (`counter`, `gauge`, ..., `unknown`) and help of every family that a
    /// target told of, sorted; a family of which targets tell differently is there once for each.
    #[must_use]
    pub fn metadata(&self) -> Vec<(String, &'static str, String)> {
        let mut families = BTreeSet::new();
        for shard in self.0.shards.read().iter() {
            for (name, family) in shard.state.read().families.iter() {
                families.insert((name.to_owned(), family.kind.as_str(), family.help.clone()));
            }
        }
        families.into_iter().collect()
    }

    /// Takes what was appended since the last call as one self-contained block of bytes for the
    /// journal of samples; empty if nothing was. Only series with a range to keep are in it.
    /// [`segment::merge`] joins blocks into one that is smaller and read back faster.
    #[must_use]
    pub fn take_block(&self) -> Vec<u8> {
        let mut encoder = Encoder::default();
        for shard in self.0.shards.read().iter() {
            shard.state.write().take_unwritten(&mut encoder);
        }
        encoder.finish()
    }

    /// Appends what a block holds, as it was; used at start, in order. Samples that are not newer
    /// than what a series has are passed over, so a block may be given twice.
    ///
    /// # Errors
    /// The block is damaged; nothing of it was taken.
    pub fn replay(&self, block: &[u8]) -> Result<usize, BlockError> {
        let mut taken = 0;
        for part in segment::decode(block)? {
            let shard = self.0.shard(&Labels::from_pairs(part.labels));
            let mut state = shard.state.write();
            for series in part.series {
                taken += state.restore(series);
            }
        }
        Ok(taken)
    }

    /// Appends a block of loaded history, oldest first. It stands beside what was scraped: series
    /// of the same labels are one to a reader, and at a time that both have the scraped sample
    /// counts.
    ///
    /// # Errors
    /// The block is damaged; nothing of it was taken.
    pub fn replay_loaded(&self, block: &[u8]) -> Result<usize, BlockError> {
        let parts = segment::decode(block)?;
        let mut state = self.0.loaded.state.write();
        let mut taken = 0;
        for part in parts {
            for mut series in part.series {
                series.labels.extend_from_slice(&part.labels);
                taken += state.restore(series);
            }
        }
        Ok(taken)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Store").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

impl Source for Store {
    fn select(&self, matchers: &[Matcher], range: TimeRange) -> Vec<Arc<dyn SeriesView>> {
        let plan = Arc::clone(&self.0.plan.read());
        let query = Query { matchers, range, selector: plan.find(matchers), plan: &plan };
        let mut found = Vec::new();
        for shard in self.0.shards.read().iter().filter(|shard| !shard.refuses(matchers)) {
            shard.state.read().select(&query, &mut found);
        }
        let mut loaded = Vec::new();
        self.0.loaded.state.read().select(&query, &mut loaded);
        twin::join(&mut found, loaded);
        found
    }
}

impl Shared {
    /// Returns the shard of these labels, new or known.
    fn shard(&self, labels: &Labels) -> Arc<Shard> {
        let mut shards = self.shards.write();
        if let Some(known) = shards.iter().find(|shard| shard.labels == *labels) {
            return Arc::clone(known);
        }
        let shard = Arc::new(Shard::new(labels.clone(), Arc::clone(&self.plan.read())));
        shards.push(Arc::clone(&shard));
        shard
    }
}

#[cfg(test)]
mod tests;
