//! Blocks of the journal of samples: bytes in, bytes out.
//!
//! A block stands for itself: it names its series, so any of its neighbours may be lost or
//! deleted. Layout: magic, version, checksum (FNV-1a 64 of all that follows), length of the
//! plain body, body compressed with LZ4. The body groups series by target; times are deltas of
//! deltas and values are XORed, as bytes of varying length, so every bit of a value survives.
//! A block is read whole before anything of it is used.

mod bytes;
mod merge;

use self::bytes::{Reader, Writer};
use self::merge::Joined;
use crate::sample::{Millis, Sample};

/// Begins every block; the last byte is the version of the layout.
const MAGIC: [u8; 8] = *b"WBSAMP\x00\x01";
/// LZ4 cannot shrink further than this, so a longer claim is damage.
const SHRINK_MAX: usize = 255;

/// Ends the body.
const TAG_END: u8 = 0;
/// Begins a target.
const TAG_TARGET: u8 = 1;
/// Begins a series; the flags below are added to it.
const TAG_SERIES: u8 = 2;
/// Nobody reads the series.
const FLAG_RAW: u8 = 4;
/// The series is known to have been zero at a time.
const FLAG_ZERO: u8 = 8;
/// The target gives the series with times of its own.
const FLAG_OWN_TIMES: u8 = 16;

/// Why a journal block was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BlockError(pub String);

/// Label names and values.
pub type Pairs = Vec<(String, String)>;

/// Samples of one target, as read from a block.
#[derive(Clone, Debug)]
pub struct TargetPart {
    /// The target's labels.
    pub labels: Pairs,
    /// Its series.
    pub series: Vec<SeriesPart>,
}

/// Samples of one series, as read from a block.
#[derive(Clone, Debug)]
pub struct SeriesPart {
    /// Labels, metric name included, without those of the target.
    pub labels: Pairs,
    /// What else is known of it.
    pub traits: Traits,
    /// In time order, at least one.
    pub samples: Vec<Sample>,
}

/// What is known of a series beside its labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traits {
    /// Nobody read it when the block was made.
    pub is_raw: bool,
    /// When it was last known to be zero.
    pub zero_at: Option<Millis>,
    /// Its newest sample came with a time of its own.
    pub has_own_times: bool,
}

/// Writes a block, target by target.
#[derive(Debug, Default)]
pub struct Encoder {
    body: Writer,
    base: Millis,
}

impl Encoder {
    /// Begins a target; the series that follow are its own.
    pub fn target<'a>(&mut self, labels: impl IntoIterator<Item = (&'a str, &'a str)>) {
        self.body.byte(TAG_TARGET);
        self.body.pairs(labels);
    }

    /// Adds a series of the target; one without samples is left out.
    pub fn series<'a>(
        &mut self,
        labels: impl IntoIterator<Item = (&'a str, &'a str)>,
        traits: Traits,
        samples: &[Sample],
    ) {
        let Some(first) = samples.first() else { return };
        let raw = if traits.is_raw { FLAG_RAW } else { 0 };
        let zero = if traits.zero_at.is_some() { FLAG_ZERO } else { 0 };
        let own_times = if traits.has_own_times { FLAG_OWN_TIMES } else { 0 };
        self.body.byte(TAG_SERIES | raw | zero | own_times);
        self.body.pairs(labels);
        if let Some(at) = traits.zero_at {
            self.body.signed(at.wrapping_sub(self.base));
        }
        self.body.count(samples.len());
        // Series of one scrape share their times, so most first times cost one byte.
        let (mut at, mut delta, mut bits) = (self.base, 0_i64, 0_u64);
        self.base = first.at;
        for (index, sample) in samples.iter().enumerate() {
            let step = sample.at.wrapping_sub(at);
            self.body.signed(step.wrapping_sub(delta));
            // The step from the base is no interval.
            delta = if index == 0 { 0 } else { step };
            at = sample.at;
            self.body.unsigned((sample.value.to_bits() ^ bits).swap_bytes());
            bits = sample.value.to_bits();
        }
    }

    /// Ends the block; without any series it is empty.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        if self.body.is_empty() {
            return Vec::new();
        }
        self.body.byte(TAG_END);
        let body = self.body.into_bytes();
        let mut sealed = u64::try_from(body.len()).unwrap_or(u64::MAX).to_le_bytes().to_vec();
        sealed.extend(lz4_flex::block::compress(&body));
        let mut bytes = MAGIC.to_vec();
        bytes.extend(checksum(&sealed).to_le_bytes());
        bytes.extend(sealed);
        bytes
    }
}

/// Reads a block; an empty one is no damage.
///
/// # Errors
/// The bytes are no block, of another version, or damaged.
pub fn decode(bytes: &[u8]) -> Result<Vec<TargetPart>, BlockError> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let body = open(bytes)?;
    read_body(&mut Reader::new(&body))
        .ok_or_else(|| BlockError("the journal block does not hold what it claims".to_owned()))
}

/// Joins blocks, oldest first, into one: each series is named once, so a day of small blocks
/// becomes a fraction of its size and is read back faster. `with_raw` = false leaves out series
/// that nobody read.
///
/// # Errors
/// One of the blocks is damaged.
pub fn merge<'a>(
    blocks: impl IntoIterator<Item = &'a [u8]>,
    with_raw: bool,
) -> Result<Vec<u8>, BlockError> {
    let mut joined = Joined::default();
    for bytes in blocks {
        joined.add(decode(bytes)?, with_raw);
    }
    Ok(joined.encode())
}

fn open(bytes: &[u8]) -> Result<Vec<u8>, BlockError> {
    let damaged = |what: &str| BlockError(format!("the journal block {what}"));
    let Some((header, sealed)) = bytes.split_at_checked(16) else {
        return Err(damaged("is cut off inside its header"));
    };
    let (magic, sum) = header.split_at(MAGIC.len());
    if magic.get(..7) != MAGIC.get(..7) {
        return Err(damaged("does not begin as one"));
    }
    if magic != MAGIC {
        return Err(damaged("has a version that this program does not know"));
    }
    if sum != checksum(sealed).to_le_bytes() {
        return Err(damaged("fails its checksum: it is cut off or damaged"));
    }
    let Some((length, packed)) = sealed.split_first_chunk::<8>() else {
        return Err(damaged("is cut off inside its header"));
    };
    let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
    if packed.len().saturating_add(1).saturating_mul(SHRINK_MAX) < length {
        return Err(damaged("claims more than it can hold"));
    }
    lz4_flex::block::decompress(packed, length)
        .map_err(|error| damaged(&format!("does not unpack: {error}")))
}

/// FNV-1a 64.
fn checksum(bytes: &[u8]) -> u64 {
    let mut sum = 0xcbf2_9ce4_8422_2325_u64;
    for byte in bytes {
        sum = (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    sum
}

fn read_body(reader: &mut Reader<'_>) -> Option<Vec<TargetPart>> {
    let mut targets: Vec<TargetPart> = Vec::new();
    let mut base = 0;
    loop {
        match reader.byte()? {
            TAG_END => return reader.is_at_end().then_some(targets),
            TAG_TARGET => {
                targets.push(TargetPart { labels: reader.pairs()?, series: Vec::new() });
            }
            tag if tag & TAG_SERIES != 0 => {
                let series = read_series(reader, tag, &mut base)?;
                targets.last_mut()?.series.push(series);
            }
            _ => return None,
        }
    }
}

fn read_series(reader: &mut Reader<'_>, tag: u8, base: &mut Millis) -> Option<SeriesPart> {
    let labels = reader.pairs()?;
    let zero_at = match tag & FLAG_ZERO {
        0 => None,
        _ => Some(reader.signed()?.wrapping_add(*base)),
    };
    let (mut at, mut delta, mut bits) = (*base, 0_i64, 0_u64);
    let mut samples: Vec<Sample> = Vec::new();
    for index in 0..reader.count()? {
        let step = delta.wrapping_add(reader.signed()?);
        delta = if index == 0 { 0 } else { step };
        let next_at = at.wrapping_add(step);
        if 0 < index && next_at <= at {
            return None;
        }
        at = next_at;
        bits ^= reader.unsigned()?.swap_bytes();
        samples.push(Sample { at, value: f64::from_bits(bits) });
    }
    *base = samples.first()?.at;
    let has_own_times = tag & FLAG_OWN_TIMES != 0;
    let traits = Traits { is_raw: tag & FLAG_RAW != 0, zero_at, has_own_times };
    Some(SeriesPart { labels, traits, samples })
}

#[cfg(test)]
mod tests;
