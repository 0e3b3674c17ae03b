//! Writing blocks to segments: rotation, retreat after a failure, deletion of old files.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing::{info, warn};
use watchbell_paging::time::Timestamp;

use super::segment::{self, Segment};
use super::{Keep, loaded};

/// A segment is closed after this time.
const SEGMENT_TIME: Duration = Duration::from_secs(3600);
/// A segment is closed after this size.
const SEGMENT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The files of one folder.
#[derive(Debug)]
pub(super) struct Writer {
    folder: PathBuf,
    keep: Keep,
    /// The open segment and when it was begun, on the clock of the process.
    segment: Option<(Segment, Duration)>,
    is_failing: bool,
}

impl Writer {
    pub(super) fn new(folder: &Path, keep: Keep) -> Self {
        Self { folder: folder.to_owned(), keep, segment: None, is_failing: false }
    }

    /// Writes and syncs the blocks; those that are on disk are taken away. Tells whether a new
    /// segment was begun.
    pub(super) fn write(
        &mut self,
        blocks: &mut VecDeque<Vec<u8>>,
        now: Timestamp,
        elapsed: Duration,
    ) -> bool {
        if blocks.is_empty() {
            return false;
        }
        let before = self.segment.as_ref().map(|(_, since)| *since);
        match self.try_write(blocks, now, elapsed) {
            Ok(()) => {
                blocks.clear();
                if std::mem::take(&mut self.is_failing) {
                    info!("samples are written again");
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut self.is_failing, true) {
                    let folder = self.folder.display();
                    warn!(%folder, %error, "samples cannot be written; trying every second");
                }
            }
        }
        self.segment.as_ref().is_some_and(|(_, since)| Some(*since) != before)
    }

    fn try_write(
        &mut self,
        blocks: &VecDeque<Vec<u8>>,
        now: Timestamp,
        elapsed: Duration,
    ) -> io::Result<()> {
        let is_full = self.segment.as_ref().is_some_and(|(segment, since)| {
            SEGMENT_BYTES_MAX <= segment.length() || SEGMENT_TIME <= elapsed.saturating_sub(*since)
        });
        if is_full {
            self.segment = None;
        }
        let (segment, _) = match &mut self.segment {
            Some(open) => open,
            None => {
                expire(&self.folder, self.keep.longest(), now);
                loaded::expire(&self.folder, self.keep.longest(), now);
                let last = segment::list(&self.folder).last().map_or(0, |last| last.number);
                let next = Segment::create(&self.folder, last.saturating_add(1))?;
                self.segment.insert((next, elapsed))
            }
        };
        let before = segment.length();
        let written = blocks.iter().try_for_each(|block| segment.append(block));
        let written = written.and_then(|()| segment.sync());
        // All or nothing, because what is not taken now comes again with the next try.
        if written.is_err() && segment.rewind(before).is_err() {
            self.segment = None;
        }
        written
    }
}

/// Deletes segments whose last block is older than anything that is kept.
fn expire(folder: &Path, keep: Duration, now: Timestamp) {
    let oldest = now.minus(keep);
    for old in segment::list(folder) {
        if old.written().is_some_and(|written| written < oldest) {
            let path = old.path.display();
            match std::fs::remove_file(&old.path) {
                Ok(()) => info!(%path, "samples past their time were deleted"),
                Err(error) => warn!(%path, %error, "old samples stay"),
            }
        }
    }
}
