//! History that was loaded from files: one segment for each window of time, beside the journal.
//!
//! What is being loaded is collected aside and takes its place window by window once a whole file
//! was read, so an interrupted load leaves nothing behind that a start would see. A window that is
//! there already is joined with what comes; of two samples of a series at one time the one that is
//! there stays, so the same file may be loaded again.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing::{info, warn};
use watchbell_metrics::sample::Millis;
use watchbell_metrics::segment::{decode, merge};
use watchbell_metrics::series::backfill::{WINDOW_MS, Window};
use watchbell_paging::time::Timestamp;

use super::segment::{self, Segment};

/// The folder of loaded windows, in that of the samples.
const FOLDER: &str = "loaded";
/// What is not whole yet, in the folder of loaded windows.
const ASIDE: &str = "unfinished";

/// What is being loaded; [`Load::finish`] puts it in its place.
#[derive(Debug)]
pub struct Load {
    folder: PathBuf,
    aside: PathBuf,
    windows: BTreeSet<u64>,
}

/// Why samples could not be put on disk.
#[derive(Debug, thiserror::Error)]
#[error("writing {}: {source}", path.display())]
pub struct LoadError {
    path: PathBuf,
    source: io::Error,
}

/// Returns the folder of loaded windows.
pub(super) fn folder(samples: &Path) -> PathBuf {
    samples.join(FOLDER)
}

/// Deletes windows that are older than anything that is kept.
pub(super) fn expire(samples: &Path, keep: Duration, now: Timestamp) {
    let oldest = now.minus(keep).0;
    for one in segment::list(&folder(samples)) {
        if until(one.number) <= oldest {
            let path = one.path.display();
            match std::fs::remove_file(&one.path) {
                Ok(()) => info!(%path, "loaded samples past their time were deleted"),
                Err(error) => warn!(%path, %error, "old samples stay"),
            }
        }
    }
}

impl Load {
    /// Begins; what an interrupted load has left is removed.
    ///
    /// # Errors
    /// The folders cannot be made.
    pub fn begin(samples: &Path) -> Result<Self, LoadError> {
        let folder = folder(samples);
        let aside = folder.join(ASIDE);
        let refuse = |source| LoadError { path: aside.clone(), source };
        match std::fs::remove_dir_all(&aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(refuse(error)),
            Ok(()) | Err(_) => {}
        }
        std::fs::create_dir_all(&aside).map_err(refuse)?;
        Ok(Self { folder, aside, windows: BTreeSet::new() })
    }

    /// Adds blocks, each to its window.
    ///
    /// # Errors
    /// The disk does not take them.
    pub fn add(&mut self, windows: &[Window]) -> Result<(), LoadError> {
        for window in windows {
            let number = number_of(window.from);
            let path = path_in(&self.aside, number);
            let is_new = self.windows.insert(number);
            let segment = if is_new { Segment::create_at(&path) } else { Segment::reopen(&path) };
            segment
                .and_then(|mut segment| segment.append(&window.block))
                .map_err(|source| LoadError { path, source })?;
        }
        Ok(())
    }

    /// Puts everything in its place and returns how many samples were there already.
    ///
    /// # Errors
    /// The disk does not take it; windows that are in their place stay there.
    pub fn finish(self) -> Result<u64, LoadError> {
        let mut repeated = 0;
        for number in &self.windows {
            let (from, to) = (path_in(&self.aside, *number), path_in(&self.folder, *number));
            repeated +=
                place(&from, &to).map_err(|source| LoadError { path: to.clone(), source })?;
        }
        let refuse = |source| LoadError { path: self.folder.clone(), source };
        File::open(&self.folder).and_then(|folder| folder.sync_all()).map_err(refuse)?;
        self.discard()?;
        Ok(repeated)
    }

    /// Removes what is not in its place.
    ///
    /// # Errors
    /// It stays; the next load removes it.
    pub fn discard(self) -> Result<(), LoadError> {
        std::fs::remove_dir_all(&self.aside)
            .map_err(|source| LoadError { path: self.aside.clone(), source })
    }
}

/// Puts a window in its place, joined with what is there.
fn place(from: &Path, to: &Path) -> io::Result<u64> {
    let there = match std::fs::read(to) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // Only a sync before the renaming makes sure that the new name never means less.
            Segment::reopen(from)?.sync()?;
            std::fs::rename(from, to)?;
            return Ok(0);
        }
        Err(error) => return Err(error),
    };
    let mut blocks = blocks_of(&there);
    blocks.extend(blocks_of(&std::fs::read(from)?));
    let joined = merge(blocks.iter().map(Vec::as_slice), true).map_err(io::Error::other)?;
    let before: u64 = blocks.iter().map(|block| sample_count(block)).sum();
    let whole = from.with_extension("joined");
    let mut segment = Segment::create_at(&whole)?;
    segment.append(&joined)?;
    segment.sync()?;
    std::fs::rename(&whole, to)?;
    Ok(before.saturating_sub(sample_count(&joined)))
}

/// Returns the good blocks of a segment.
fn blocks_of(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut blocks = Vec::new();
    let found = segment::scan(bytes, |block| {
        decode(block).map_err(|error| error.to_string())?;
        blocks.push(block.to_vec());
        Ok(0)
    });
    if 0 < found.damaged || found.torn_at.is_some() {
        warn!("damaged samples were left out");
    }
    blocks
}

fn sample_count(block: &[u8]) -> u64 {
    let parts = decode(block).unwrap_or_default();
    let series = parts.iter().flat_map(|part| &part.series);
    series.map(|one| u64::try_from(one.samples.len()).unwrap_or(u64::MAX)).sum()
}

/// A window is named by the second in which it begins; there is none before 1970.
fn number_of(from: Millis) -> u64 {
    u64::try_from(from / 1000).unwrap_or(0)
}

/// Returns the end of a window, milliseconds.
fn until(number: u64) -> Millis {
    let from = i64::try_from(number).unwrap_or(i64::MAX).saturating_mul(1000);
    from.saturating_add(WINDOW_MS)
}

fn path_in(folder: &Path, number: u64) -> PathBuf {
    folder.join(segment::packed_name(number))
}
