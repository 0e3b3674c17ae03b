//! Segments: files of framed blocks.
//!
//! A file begins with eight bytes of magic; a frame is a mark, a length and a block, which carries
//! its own checksum. The mark lets a reader go on behind damage. Knows nothing of a block's inside.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use watchbell_paging::time::Timestamp;

const MAGIC: [u8; 8] = *b"WBSAMP01";
const MARK: [u8; 4] = [0xf5, b'W', b'B', 0xfa];
const HEAD: usize = MARK.len() + size_of::<u32>();
/// What was written second by second.
const ENDING: &str = "wbs";
/// What was packed later.
const ENDING_PACKED: &str = "wbp";

/// A segment that is being written.
#[derive(Debug)]
pub(super) struct Segment {
    file: File,
    /// Where the last whole frame ends.
    length: u64,
}

/// A segment in a folder; the order is that of time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Listed {
    pub(super) number: u64,
    pub(super) is_packed: bool,
    pub(super) path: PathBuf,
}

/// What was found in a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Blocks that were taken.
    pub(super) blocks: usize,
    /// Samples in them.
    pub(super) samples: usize,
    /// Places where bytes or blocks had to be skipped.
    pub(super) damaged: usize,
    /// Where the last whole frame ends, if something that is no frame follows.
    pub(super) torn_at: Option<u64>,
}

impl Segment {
    /// Begins the segment of a number, in a file that is not there yet.
    pub(super) fn create(folder: &Path, number: u64) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        Self::create_at(&folder.join(format!("{number:08}.{ENDING}")))
    }

    /// Begins a segment in a file that is not there yet.
    pub(super) fn create_at(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
        if let Err(error) = file.write_all(&MAGIC) {
            // Without its magic it would block the number and say nothing.
            std::fs::remove_file(path)?;
            return Err(error);
        }
        Ok(Self { file, length: MAGIC.len() as u64 })
    }

    /// Goes on with a file that [`Self::create_at`] has begun.
    pub(super) fn reopen(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new().write(true).open(path)?;
        let length = file.seek(SeekFrom::End(0))?;
        Ok(Self { file, length })
    }

    /// Appends a block; on a failure the file ends where it ended before.
    pub(super) fn append(&mut self, block: &[u8]) -> io::Result<()> {
        let length = u32::try_from(block.len())
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a block of 4 GiB"))?;
        let mut frame = Vec::with_capacity(HEAD + block.len());
        frame.extend_from_slice(&MARK);
        frame.extend_from_slice(&length.to_le_bytes());
        frame.extend_from_slice(block);
        let written = self.file.write_all(&frame);
        if written.is_ok() {
            self.length += frame.len() as u64;
        } else {
            self.rewind(self.length)?;
        }
        written
    }

    /// Takes back what was appended after the file had this length.
    pub(super) fn rewind(&mut self, length: u64) -> io::Result<()> {
        self.file.set_len(length)?;
        self.file.seek(SeekFrom::Start(length))?;
        self.length = length;
        Ok(())
    }

    /// Gives the file the time of another one.
    pub(super) fn set_written(&self, at: std::time::SystemTime) -> io::Result<()> {
        self.file.set_modified(at)
    }

    /// Waits until everything is on disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Returns its size.
    pub(super) fn length(&self) -> u64 {
        self.length
    }
}

impl Listed {
    /// Returns where its packed form stands.
    pub(super) fn packed_path(&self) -> PathBuf {
        self.path.with_extension(ENDING_PACKED)
    }

    /// Returns when it was written last.
    pub(super) fn written(&self) -> Option<Timestamp> {
        let at = std::fs::metadata(&self.path).and_then(|data| data.modified()).ok()?;
        let since = at.duration_since(UNIX_EPOCH).ok()?;
        i64::try_from(since.as_millis()).ok().map(Timestamp)
    }
}

/// Returns the name of a packed segment.
pub(super) fn packed_name(number: u64) -> String {
    format!("{number:08}.{ENDING_PACKED}")
}

/// Returns the segments of a folder, in order; none where it cannot be read.
pub(super) fn list(folder: &Path) -> Vec<Listed> {
    let mut found: Vec<Listed> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let path = entry.path();
            let is_packed = match path.extension()?.to_str()? {
                ENDING => false,
                ENDING_PACKED => true,
                _ => return None,
            };
            let number = path.file_stem()?.to_str()?.parse().ok()?;
            Some(Listed { number, is_packed, path })
        })
        .collect();
    found.sort();
    found
}

/// Hands every block of a segment to `take`, which says how many samples it took or why not.
pub(super) fn scan(bytes: &[u8], mut take: impl FnMut(&[u8]) -> Result<usize, String>) -> Found {
    let mut found = Found::default();
    let Some(mut rest) = bytes.strip_prefix(&MAGIC) else {
        found.damaged = usize::from(!bytes.is_empty());
        return found;
    };
    let mut is_lost = false;
    let mut whole_until = MAGIC.len();
    while !rest.is_empty() {
        let taken = frame(rest).and_then(|(block, after)| {
            let taken = take(block).inspect_err(|why| {
                tracing::debug!(why, "a block of the sample journal is damaged");
            });
            Some((taken.ok()?, after))
        });
        match taken {
            Some((samples, after)) => {
                found.blocks += 1;
                found.samples += samples;
                found.damaged += usize::from(is_lost);
                is_lost = false;
                rest = after;
                whole_until = bytes.len() - rest.len();
            }
            None => {
                is_lost = true;
                rest = next_mark(rest);
            }
        }
    }
    if is_lost {
        found.torn_at = u64::try_from(whole_until).ok();
    }
    found
}

/// Returns the block at the start of `bytes` and what follows it.
fn frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, after) = bytes.strip_prefix(&MARK)?.split_first_chunk()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    after.split_at_checked(length)
}

/// Skips at least one byte, up to the next mark or the end.
fn next_mark(bytes: &[u8]) -> &[u8] {
    let after = bytes.get(1..).unwrap_or_default();
    let at = after.windows(MARK.len()).position(|window| window == MARK);
    at.and_then(|at| after.get(at..)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_costs_the_blocks_it_hits() {
        let whole = segment(&[b"one", b"two", b"three"]);
        assert_eq!(read(&whole), (vec!["one", "two", "three"], 0, None));

        let mut bad_block = whole.clone();
        let at = find(&whole, b"two");
        bad_block[at] = b'!';
        assert_eq!(read(&bad_block), (vec!["one", "three"], 1, None));

        let mut bad_length = whole.clone();
        bad_length[at - 1] = 0xff;
        assert_eq!(read(&bad_length), (vec!["one", "three"], 1, None));

        let mut bad_mark = whole;
        bad_mark[at - HEAD] = 0;
        assert_eq!(read(&bad_mark), (vec!["one", "three"], 1, None));
    }

    #[test]
    fn a_torn_tail_is_found_wherever_it_is_torn() {
        let whole = segment(&[b"one", b"two"]);
        let first_end = find(&whole, b"one") + 3;
        for length in first_end + 1..whole.len() {
            let expected = (vec!["one"], 0, Some(first_end as u64));
            assert_eq!(read(&whole[..length]), expected, "cut at {length}");
        }
        let mut zeros = whole.clone();
        zeros.extend_from_slice(&[0; 4096]);
        assert_eq!(read(&zeros), (vec!["one", "two"], 0, Some(whole.len() as u64)));
    }

    #[test]
    fn a_file_that_is_no_segment_is_damage_and_an_empty_one_is_not() {
        assert_eq!(read(b"hello, world"), (vec![], 1, None));
        assert_eq!(read(b""), (vec![], 0, None));
        assert_eq!(read(&MAGIC), (vec![], 0, None));
    }

    /// Blocks here are their own checksum: lower-case letters.
    fn read(bytes: &[u8]) -> (Vec<&'static str>, usize, Option<u64>) {
        let mut seen = Vec::new();
        let found = scan(bytes, |block| {
            let known = ["one", "two", "three"].into_iter().find(|word| word.as_bytes() == block);
            seen.push(known.ok_or("unknown")?);
            Ok(1)
        });
        assert_eq!(found.blocks, seen.len());
        (seen, found.damaged, found.torn_at)
    }

    fn segment(blocks: &[&[u8]]) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let mut segment = Segment::create(folder.path(), 1).unwrap();
        for block in blocks {
            segment.append(block).unwrap();
        }
        segment.sync().unwrap();
        let bytes = std::fs::read(&list(folder.path())[0].path).unwrap();
        assert_eq!(segment.length(), bytes.len() as u64);
        bytes
    }

    fn find(bytes: &[u8], word: &[u8]) -> usize {
        bytes.windows(word.len()).position(|window| window == word).unwrap()
    }
}
