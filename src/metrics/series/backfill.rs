//! Reads exposition text with times into blocks of history, window by window.
//!
//! Series may come in any order and each in time order, so the text of one series may span weeks.
//! Samples are held until the caller takes them; what is remembered beside them grows with the
//! number of series only. The first fault ends the reading: a file is loaded whole or not at all.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Place;
use std::hash::BuildHasher;

use hashbrown::HashTable;

use crate::exposition::{Format, Line, Point, RawLabels, parse_line, parse_point};
use crate::label::Labels;
use crate::sample::{Millis, Sample};
use crate::segment::{Encoder, Traits};
use crate::series::key;
use crate::series::plan::index_of;

/// The length of a window, milliseconds. One window of all series fits into memory.
pub const WINDOW_MS: Millis = 2 * 3_600_000;
/// Series of one file.
const SERIES_MAX: usize = 5_000_000;
/// In the text format a time before this (1973) is one in seconds by mistake.
const MILLIS_MIN: Millis = 100_000_000_000;

/// Which times are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Samples before it are past their time and left out.
    pub oldest: Millis,
    /// A sample after it is a fault.
    pub newest: Millis,
}

/// What was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Samples taken.
    pub samples: u64,
    /// Samples left out because they are past their time.
    pub too_old: u64,
    /// Samples left out because the line before said the same.
    pub repeated: u64,
    /// Series.
    pub series: usize,
    /// The time of the oldest sample taken.
    pub first_at: Option<Millis>,
    /// The time of the newest sample taken.
    pub last_at: Option<Millis>,
}

/// The samples of one window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Where it begins, a multiple of [`WINDOW_MS`].
    pub from: Millis,
    /// The block.
    pub block: Vec<u8>,
}

/// Reads the lines of one file.
#[derive(Debug)]
pub struct Loader {
    format: Format,
    bounds: Bounds,
    series: Vec<Loaded>,
    /// Series by the text that names them.
    by_text: HashTable<u32>,
    /// Series by their key.
    by_key: HashTable<u32>,
    hasher: foldhash::fast::RandomState,
    /// The series of the line before.
    latest: Option<u32>,
    key: Vec<u8>,
    waiting: usize,
    counts: Counts,
    is_ended: bool,
}

#[derive(Debug)]
struct Loaded {
    key: Box<[u8]>,
    /// How it was named first.
    text: Box<[u8]>,
    newest: Option<Sample>,
    waiting: Vec<Sample>,
}

impl Loader {
    /// Starts a file.
    #[must_use]
    pub fn new(format: Format, bounds: Bounds) -> Self {
        Self {
            format,
            bounds,
            series: Vec::new(),
            by_text: HashTable::new(),
            by_key: HashTable::new(),
            hasher: foldhash::fast::RandomState::default(),
            latest: None,
            key: Vec::new(),
            waiting: 0,
            counts: Counts::default(),
            is_ended: false,
        }
    }

    /// Reads a line without its line end.
    ///
    /// # Errors
    /// A sentence about what is wrong with it.
    pub fn read_line(&mut self, line: &[u8]) -> Result<(), String> {
        let line = line.trim_ascii();
        if line.is_empty() {
            return Ok(());
        }
        if self.is_ended {
            return Err("nothing may stand behind \"# EOF\"".to_owned());
        }
        let known = self.latest_named(line).or_else(|| self.named(line));
        if let Some((series, length)) = known {
            let point = parse_point(line.get(length..).unwrap_or_default(), self.format)?;
            return self.take(series, point);
        }
        match parse_line(line, self.format)? {
            Line::Blank | Line::Help { .. } | Line::Type { .. } => Ok(()),
            Line::End => {
                self.is_ended = true;
                Ok(())
            }
            Line::Sample(mut sample) => {
                let text = line.get(..sample.series_length).unwrap_or_default();
                let series = self.series_of(&mut sample.labels, text)?;
                self.take(series, sample.point)
            }
        }
    }

    /// Ends the file.
    ///
    /// # Errors
    /// It may be cut off.
    pub fn finish(&self) -> Result<(), String> {
        match self.format {
            Format::OpenMetrics if !self.is_ended => {
                Err("the file does not end with \"# EOF\": it may be cut off".to_owned())
            }
            Format::OpenMetrics | Format::Text => Ok(()),
        }
    }

    /// Returns how many samples wait to be taken.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Returns what was read so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts { series: self.series.len(), ..self.counts }
    }

    /// Takes the samples that wait, by the windows that they lie in.
    pub fn take_windows(&mut self) -> Vec<Window> {
        let mut windows: BTreeMap<Millis, Encoder> = BTreeMap::new();
        for series in &mut self.series {
            let samples = std::mem::take(&mut series.waiting);
            let window_of = |sample: &Sample| sample.at.div_euclid(WINDOW_MS);
            for run in samples.chunk_by(|one, next| window_of(one) == window_of(next)) {
                let Some(first) = run.first() else { continue };
                let encoder = match windows.entry(window_of(first)) {
                    Place::Occupied(place) => place.into_mut(),
                    Place::Vacant(place) => {
                        let encoder = place.insert(Encoder::default());
                        encoder.target(std::iter::empty());
                        encoder
                    }
                };
                let traits = Traits { has_own_times: true, ..Traits::default() };
                encoder.series(key::pairs(&series.key), traits, run);
            }
        }
        self.waiting = 0;
        let from = |window: Millis| window.saturating_mul(WINDOW_MS);
        windows
            .into_iter()
            .map(|(window, encoder)| Window { from: from(window), block: encoder.finish() })
            .collect()
    }

    /// Returns the series of the line before and the length of its text, if this one begins alike.
    fn latest_named(&self, line: &[u8]) -> Option<(u32, usize)> {
        let latest = self.latest?;
        let text = &self.series.get(index_of(latest))?.text;
        let behind = line.strip_prefix(text.as_ref())?.first()?;
        is_blank(*behind).then_some((latest, text.len()))
    }

    /// Returns the series that is known by the text at the start of the line, and its length.
    fn named(&self, line: &[u8]) -> Option<(u32, usize)> {
        let length = naming_length(line)?;
        let text = line.get(..length)?;
        let hash = self.hasher.hash_one(text);
        let is_it = |index: &u32| text_of(&self.series, *index) == text;
        Some((*self.by_text.find(hash, is_it)?, length))
    }

    /// Returns the series of these labels, new or known, and remembers how it is named.
    fn series_of(&mut self, labels: &mut RawLabels<'_>, text: &[u8]) -> Result<u32, String> {
        key::write(labels, &Labels::empty(), &mut self.key)?;
        let (hasher, series) = (&self.hasher, &self.series);
        let key_of = |index: &u32| {
            series.get(index_of(*index)).map(|one| one.key.as_ref()).unwrap_or_default()
        };
        let hash = hasher.hash_one(self.key.as_slice());
        let known = self.by_key.find(hash, |index| key_of(index) == self.key).copied();
        let index = match known {
            Some(index) => index,
            None if SERIES_MAX <= series.len() => {
                return Err(format!("a file may have {SERIES_MAX} series at most"));
            }
            None => {
                let index = u32::try_from(series.len()).unwrap_or(u32::MAX);
                self.by_key.insert_unique(hash, index, |one| hasher.hash_one(key_of(one)));
                self.series.push(Loaded {
                    key: Box::from(self.key.as_slice()),
                    text: Box::from(text),
                    newest: None,
                    waiting: Vec::new(),
                });
                index
            }
        };
        // Another spelling of a known series is parsed each time: spellings have no bound.
        if known.is_none() {
            let (hasher, series) = (&self.hasher, &self.series);
            let hash_of = |index: &u32| hasher.hash_one(text_of(series, *index));
            self.by_text.insert_unique(hasher.hash_one(text), index, hash_of);
        }
        Ok(index)
    }

    fn take(&mut self, index: u32, point: Point) -> Result<(), String> {
        let Some(at) = point.at else {
            return Err("the sample has no time: it cannot be put into the past".to_owned());
        };
        if self.format == Format::Text && (1..MILLIS_MIN).contains(&at) {
            return Err(format!(
                "the time {at} lies before 1973: it may be in seconds, as OpenMetrics has it"
            ));
        }
        if self.bounds.newest < at {
            return Err(format!("the time {at} (in milliseconds) lies in the future"));
        }
        let Some(series) = self.series.get_mut(index_of(index)) else { return Ok(()) };
        self.latest = Some(index);
        let sample = Sample { at, value: point.value };
        if let Some(newest) = series.newest.filter(|newest| at <= newest.at) {
            if newest.at == at && newest.value.to_bits() == point.value.to_bits() {
                self.counts.repeated += 1;
                return Ok(());
            }
            return Err(
                "the sample is not newer than the one before of its series; samples of a series \
                 must stand in order of time"
                    .to_owned(),
            );
        }
        series.newest = Some(sample);
        if at < self.bounds.oldest {
            self.counts.too_old += 1;
            return Ok(());
        }
        series.waiting.push(sample);
        self.waiting += 1;
        self.counts.samples += 1;
        self.counts.first_at = Some(self.counts.first_at.map_or(at, |first| first.min(at)));
        self.counts.last_at = self.counts.last_at.max(Some(at));
        Ok(())
    }
}

fn text_of(series: &[Loaded], index: u32) -> &[u8] {
    series.get(index_of(index)).map(|one| one.text.as_ref()).unwrap_or_default()
}

/// Returns the length of the text that names a series: up to the closing brace, or to the first
/// blank where there are no labels.
fn naming_length(line: &[u8]) -> Option<usize> {
    let stop = line.iter().position(|byte| matches!(byte, b'{' | b' ' | b'\t'))?;
    if line.get(stop) != Some(&b'{') {
        return Some(stop);
    }
    let mut at = stop;
    let mut is_quoted = false;
    loop {
        let rest = line.get(at + 1..)?;
        at += 1 + if is_quoted {
            memchr::memchr2(b'"', b'\\', rest)?
        } else {
            memchr::memchr2(b'"', b'}', rest)?
        };
        match line.get(at)? {
            b'"' => is_quoted = !is_quoted,
            // Whatever stands behind a backslash is no end.
            b'\\' => at += 1,
            _ => return Some(at + 1),
        }
    }
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

#[cfg(test)]
mod tests;
