//! Packing closed segments: many blocks of a second become few, without series that nobody reads.
//!
//! A packed file takes the place of the original only when it is whole and on disk; if the process
//! dies in between, both are there, and reading both back gives the same.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

use tracing::warn;
use watchbell_metrics::segment::merge;
use watchbell_paging::time::Timestamp;

use super::segment::{self, Listed, Segment};

/// Blocks of so many bytes are joined; more would take memory by the hundred megabytes.
const JOIN_BYTES: usize = 8 * 1024 * 1024;

/// Packs every closed segment that is so old that no series needs its raw samples.
pub(super) fn pack_old(folder: &Path, raw: Duration, now: Timestamp) {
    let listed = segment::list(folder);
    // The newest is the one that is being written.
    let newest = listed.last().map_or(0, |last| last.number);
    let oldest_raw = now.minus(raw);
    let is_due = |one: &Listed| {
        !one.is_packed
            && one.number < newest
            && one.written().is_some_and(|written| written < oldest_raw)
    };
    for one in listed.iter().filter(|one| is_due(one)) {
        if let Err(error) = pack(folder, one) {
            warn!(path = %one.path.display(), %error, "samples could not be packed; they stay");
        }
    }
}

fn pack(folder: &Path, from: &Listed) -> io::Result<()> {
    let bytes = std::fs::read(&from.path)?;
    let to = from.packed_path();
    let unfinished = to.with_extension("tmp");
    remove(&unfinished)?;
    let mut segment = Segment::create_at(&unfinished)?;
    let done = join(&bytes, &mut segment).and_then(|()| {
        segment.set_written(std::fs::metadata(&from.path)?.modified()?)?;
        segment.sync()?;
        std::fs::rename(&unfinished, &to)?;
        File::open(folder)?.sync_all()
    });
    if let Err(error) = done {
        remove(&unfinished)?;
        return Err(error);
    }
    remove(&from.path)
}

/// Removes a file that may not be there.
fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Writes the blocks of a segment joined; damaged ones are left out.
fn join(bytes: &[u8], into: &mut Segment) -> io::Result<()> {
    let mut waiting: Vec<Vec<u8>> = Vec::new();
    let mut size = 0;
    let mut written = Ok(());
    segment::scan(bytes, |block| {
        let one = merge([block], false).map_err(|error| error.to_string())?;
        size += one.len();
        waiting.push(one);
        if JOIN_BYTES < size && written.is_ok() {
            written = flush(&mut waiting, into);
            size = 0;
        }
        Ok(0)
    });
    written.and_then(|()| flush(&mut waiting, into))
}

fn flush(waiting: &mut Vec<Vec<u8>>, into: &mut Segment) -> io::Result<()> {
    let blocks = std::mem::take(waiting);
    let joined = merge(blocks.iter().map(Vec::as_slice), false).map_err(io::Error::other)?;
    if joined.is_empty() { Ok(()) } else { into.append(&joined) }
}
