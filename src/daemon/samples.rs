//! The journal of samples: what was scraped, on disk within a second, read back at start.
//!
//! Losing samples is worse history, not a lost page: nothing here stops the process or waits for
//! the disk on the hot path. Memory is bounded: what a slow or full disk does not take is dropped.

pub mod loaded;
mod pack;
mod segment;
mod writer;

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::{JoinError, JoinHandle};
use tracing::warn;
use watchbell_metrics::series::{self, Retention};

use self::writer::Writer;
use crate::clock::Clock;
use crate::telemetry::Metrics;

/// How often blocks are written and synced.
const EVERY: Duration = Duration::from_secs(1);
/// What may wait for a slow or full disk.
const WAITING_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What a start read back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Files read.
    pub segments: usize,
    /// Blocks taken.
    pub blocks: usize,
    /// Samples taken.
    pub samples: usize,
    /// Places that were damaged and skipped, unreadable files included.
    pub damaged: usize,
    /// Torn tails that were cut off.
    pub torn: usize,
}

/// The writing end.
#[derive(Debug)]
pub struct Journal {
    source: Source,
    clock: Arc<Clock>,
    metrics: Arc<Metrics>,
    keep: Keep,
    folder: PathBuf,
    waiting: Waiting,
    packing: Option<JoinHandle<()>>,
}

/// A writer that comes back from its thread.
struct Written {
    writer: Writer,
    left: VecDeque<Vec<u8>>,
    /// It has begun a new segment.
    is_begun: bool,
}

/// How long files are kept; a reload changes it through any clone.
#[derive(Clone, Debug, Default)]
pub struct Keep(Arc<Kept>);

/// Milliseconds.
#[derive(Debug, Default)]
struct Kept {
    raw: AtomicU64,
    longest: AtomicU64,
}

/// Where blocks come from.
#[derive(Clone)]
struct Source(Arc<dyn Fn() -> Vec<u8> + Send + Sync>);

/// Blocks that are not written yet, oldest first.
#[derive(Debug, Default)]
struct Waiting {
    blocks: VecDeque<Vec<u8>>,
    bytes: usize,
}

/// Reads loaded history and the journal back into the store, in order. Never fails: what cannot be
/// read is reported.
pub fn replay(folder: &Path, store: &series::Store) -> Replayed {
    let loaded = replay_into(&loaded::folder(folder), |block| {
        store.replay_loaded(block).map_err(|error| error.to_string())
    });
    let journal =
        replay_into(folder, |block| store.replay(block).map_err(|error| error.to_string()));
    Replayed {
        segments: loaded.segments + journal.segments,
        blocks: loaded.blocks + journal.blocks,
        samples: loaded.samples + journal.samples,
        damaged: loaded.damaged + journal.damaged,
        torn: loaded.torn + journal.torn,
    }
}

fn replay_into(folder: &Path, mut take: impl FnMut(&[u8]) -> Result<usize, String>) -> Replayed {
    let mut replayed = Replayed::default();
    for segment::Listed { path, .. } in segment::list(folder) {
        replayed.segments += 1;
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) => {
                warn!(path = %path.display(), %error, "samples could not be read back");
                replayed.damaged += 1;
                continue;
            }
        };
        let found = segment::scan(&bytes, &mut take);
        replayed.blocks += found.blocks;
        replayed.samples += found.samples;
        replayed.damaged += found.damaged;
        if 0 < found.damaged {
            let places = found.damaged;
            warn!(path = %path.display(), places, "damaged samples were skipped");
        }
        if let Some(length) = found.torn_at {
            replayed.torn += 1;
            let lost = (bytes.len() as u64).saturating_sub(length);
            warn!(path = %path.display(), lost_bytes = lost, "a torn end of samples was cut off");
            if let Err(error) = cut(&path, length) {
                warn!(path = %path.display(), %error, "it stays in the file");
            }
        }
    }
    replayed
}

impl Keep {
    /// Starts with what a retention needs.
    #[must_use]
    pub fn new(retention: &Retention) -> Self {
        let keep = Self::default();
        keep.set(retention);
        keep
    }

    /// Keeps files as long as this retention needs them.
    pub fn set(&self, retention: &Retention) {
        let reach = retention.reads.iter().map(|read| read.reach).max().unwrap_or(0);
        let longest = reach.max(retention.keep).max(retention.raw);
        let millis = |length: i64| u64::try_from(length).unwrap_or(0);
        self.0.raw.store(millis(retention.raw), Ordering::Relaxed);
        self.0.longest.store(millis(longest), Ordering::Relaxed);
    }

    fn raw(&self) -> Duration {
        Duration::from_millis(self.0.raw.load(Ordering::Relaxed))
    }

    /// Returns how long the longest kept samples are.
    pub(crate) fn longest(&self) -> Duration {
        Duration::from_millis(self.0.longest.load(Ordering::Relaxed))
    }
}

impl Journal {
    /// Writes the blocks of `store` into `folder`, which is made when the first block comes.
    #[must_use]
    pub fn new(
        folder: &Path,
        store: series::Store,
        clock: Arc<Clock>,
        metrics: Arc<Metrics>,
        keep: Keep,
    ) -> Self {
        Self::from_source(
            folder,
            Source(Arc::new(move || store.take_block())),
            clock,
            metrics,
            keep,
        )
    }

    fn from_source(
        folder: &Path,
        source: Source,
        clock: Arc<Clock>,
        metrics: Arc<Metrics>,
        keep: Keep,
    ) -> Self {
        Self {
            source,
            clock,
            metrics,
            keep,
            folder: folder.to_owned(),
            waiting: Waiting::default(),
            packing: None,
        }
    }

    /// Runs until `stop` resolves; the last block is on disk when this returns.
    pub async fn run(mut self, stop: impl Future<Output = ()> + Send) {
        let mut writer = Some(Writer::new(&self.folder, self.keep.clone()));
        let mut writing: Option<JoinHandle<Written>> = None;
        let mut tick = tokio::time::interval(EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        tokio::pin!(stop);
        loop {
            let is_last = tokio::select! {
                biased;
                () = &mut stop => true,
                _ = tick.tick() => false,
            };
            self.take().await;
            if let Some(task) = writing.take_if(|task| is_last || task.is_finished()) {
                writer = Some(self.home(task.await));
            }
            // A writer that is still busy with a slow disk is waited for at the end only.
            if let Some(free) = writer.take() {
                writing = Some(self.write(free));
            }
            if is_last {
                break;
            }
        }
        if let Some(task) = writing {
            self.home(task.await);
        }
    }

    /// Takes the newest block from the store.
    async fn take(&mut self) {
        let source = self.source.clone();
        match tokio::task::spawn_blocking(move || (source.0)()).await {
            Ok(block) => self.hold([block].into()),
            Err(error) => warn!(%error, "a block of samples was lost"),
        }
    }

    fn write(&mut self, mut writer: Writer) -> JoinHandle<Written> {
        let mut blocks = std::mem::take(&mut self.waiting.blocks);
        self.waiting.bytes = 0;
        let (now, elapsed) = (self.clock.now(), self.clock.elapsed());
        tokio::task::spawn_blocking(move || {
            let is_begun = writer.write(&mut blocks, now, elapsed);
            Written { writer, left: blocks, is_begun }
        })
    }

    /// Takes a writer back with what it could not write.
    fn home(&mut self, done: Result<Written, JoinError>) -> Writer {
        match done {
            Ok(Written { writer, mut left, is_begun }) => {
                if is_begun {
                    self.pack();
                }
                left.append(&mut self.waiting.blocks);
                self.waiting.bytes = 0;
                self.hold(left);
                writer
            }
            Err(error) => {
                warn!(%error, "writing samples was cut short");
                Writer::new(&self.folder, self.keep.clone())
            }
        }
    }

    /// Packs what is old, unless that is still going on. It takes its time, so it has its own
    /// thread; a process that stops does not wait for it.
    fn pack(&mut self) {
        if self.packing.as_ref().is_none_or(JoinHandle::is_finished) {
            let (folder, raw, now) = (self.folder.clone(), self.keep.raw(), self.clock.now());
            let pack = move || pack::pack_old(&folder, raw, now);
            self.packing = Some(tokio::task::spawn_blocking(pack));
        }
    }

    fn hold(&mut self, blocks: VecDeque<Vec<u8>>) {
        let dropped = self.waiting.hold(blocks, WAITING_BYTES_MAX);
        if 0 < dropped {
            self.metrics.sample_blocks_dropped.inc_by(dropped);
            warn!(blocks = dropped, "the disk does not take samples; the oldest were dropped");
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Source")
    }
}

impl Waiting {
    /// Adds blocks at the end and returns how many old ones had to go.
    fn hold(&mut self, blocks: VecDeque<Vec<u8>>, bytes_max: usize) -> u64 {
        for block in blocks.into_iter().filter(|block| !block.is_empty()) {
            self.bytes += block.len();
            self.blocks.push_back(block);
        }
        let mut dropped = 0;
        while bytes_max < self.bytes
            && let Some(oldest) = self.blocks.pop_front()
        {
            self.bytes -= oldest.len();
            dropped += 1;
        }
        dropped
    }
}

fn cut(path: &Path, length: u64) -> io::Result<()> {
    std::fs::OpenOptions::new().write(true).open(path)?.set_len(length)
}

#[cfg(test)]
mod tests;
