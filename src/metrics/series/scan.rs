//! Reads a body against what its target sent last time.
//!
//! A target sends the same lines in the same order, only with other values. So each line is
//! compared with the remembered one; where it begins with the same series, only the number behind
//! it is parsed. A line that differs is parsed whole, its series looked up, and the memory
//! repaired. Nothing is changed outside the scanner: a scan may be thrown away.

mod layout;

use std::hash::BuildHasher;

use hashbrown::HashTable;

use self::layout::{BIRTH, COMMENT, Layout};
use crate::exposition::{Fault, Format, Line, Lines, Point, SampleLine, parse_line, parse_point};
use crate::label::METRIC_NAME;
use crate::sample::Millis;
use crate::series::Limits;
use crate::series::family::Remark;
use crate::series::history::NEVER;
use crate::series::key::{self, Key};
use crate::series::plan::index_of;
use crate::series::report;
use crate::series::shard::Shard;

/// Faults whose text is kept.
const FAULTS_KEPT: usize = 10;
/// How far ahead of the scrape a sample's own time may be.
const FUTURE_MAX_MS: Millis = 600_000;

/// Faulty lines: the first few, and how many.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    pub(super) kept: Vec<Fault>,
    pub(super) count: usize,
}

impl Faults {
    pub(super) fn add(&mut self, line: usize, message: impl Into<String>) {
        self.count += 1;
        if self.kept.len() < FAULTS_KEPT {
            self.kept.push(Fault { line, message: message.into() });
        }
    }

    /// Adds a fault that was found after the whole body was read.
    pub(super) fn add_late(&mut self, line: usize, message: &str) {
        self.count += 1;
        let place = self.kept.partition_point(|fault| fault.line <= line);
        if place < FAULTS_KEPT {
            self.kept.insert(place, Fault { line, message: message.to_owned() });
            self.kept.truncate(FAULTS_KEPT);
        }
    }
}

/// A sample of a body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scanned {
    /// A slot, or [`BIRTH`] plus the index of a new series.
    pub(super) slot: u32,
    /// 1-based.
    pub(super) line: u32,
    /// Its own time, or [`NEVER`].
    pub(super) own_at: Millis,
    pub(super) value: f64,
}

/// What the scanner remembers of a series.
#[derive(Clone, Copy, Debug, Default)]
struct Note {
    /// Number of the last scan that saw it.
    scan: u32,
    /// Index of its last sample in that scan.
    sample: u32,
    /// Its line in the layout.
    line: u32,
}

/// A series that the shard does not have yet.
#[derive(Debug)]
struct Birth {
    key: Key,
    note: Note,
}

/// What one scan found, beside the memory of the scans before.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    /// Samples in the order of the body.
    pub(super) samples: Vec<Scanned>,
    /// Types and helps that were not there last time.
    pub(super) remarks: Vec<(String, Remark)>,
    pub(super) faults: Faults,
    /// Every line was where it was last time, so the body has the very same series.
    pub(super) is_unchanged: bool,
    layout: Layout,
    next: Layout,
    notes: Vec<Note>,
    births: Vec<Birth>,
    births_by_key: HashTable<u32>,
    hasher: foldhash::fast::RandomState,
    scan: u32,
}

/// One walk over a body.
struct Pass<'a> {
    scanner: &'a mut Scanner,
    shard: &'a Shard,
    format: Format,
    at: Millis,
    limits: Limits,
    place: layout::Place,
    line: usize,
    series_count: usize,
    is_rebuilding: bool,
    is_ended: bool,
    key: Vec<u8>,
}

impl Scanner {
    /// Forgets what is remembered of the target.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Reads a body.
    ///
    /// # Errors
    /// The limit that the body passes, in a sentence.
    pub(super) fn scan(
        &mut self,
        shard: &Shard,
        body: &[u8],
        format: Format,
        at: Millis,
        limits: Limits,
    ) -> Result<(), String> {
        self.samples.clear();
        self.samples.reserve(self.layout.len());
        self.remarks.clear();
        self.births.clear();
        self.births_by_key.clear();
        self.faults = Faults::default();
        self.scan = self.scan.wrapping_add(1);
        let mut pass = Pass {
            scanner: self,
            shard,
            format,
            at,
            limits,
            place: layout::Place::default(),
            line: 0,
            series_count: 0,
            is_rebuilding: false,
            is_ended: false,
            key: Vec::new(),
        };
        let read = pass.read(body);
        let (place, is_rebuilding) = (pass.place, pass.is_rebuilding);
        self.is_unchanged = read.is_ok() && !is_rebuilding && self.layout.is_at_end(place);
        if is_rebuilding {
            self.layout = std::mem::take(&mut self.next);
            self.layout.shrink();
        } else {
            self.layout.truncate(place);
        }
        if read.is_err() {
            // Half a walk is no memory to compare with.
            self.forget();
        }
        read
    }

    /// Gives back the memory that only the last scan needed.
    pub(super) fn release(&mut self) {
        self.samples = Vec::new();
        self.births = Vec::new();
        self.births_by_key = HashTable::new();
    }

    /// Tells whether the last scan saw a series.
    pub(super) fn saw(&self, slot: u32) -> bool {
        self.notes.get(index_of(slot)).is_some_and(|note| note.scan == self.scan)
    }

    /// Returns the series that the last scan saw, each once.
    pub(super) fn seen(&self) -> Vec<u32> {
        let mut seen: Vec<u32> = (0_u32..)
            .zip(&self.notes)
            .filter(|(_, note)| note.scan == self.scan)
            .map(|(slot, _)| slot)
            .collect();
        seen.shrink_to_fit();
        seen
    }

    /// Returns the new series, in order of their indexes.
    pub(super) fn births(&self) -> impl ExactSizeIterator<Item = &Key> {
        self.births.iter().map(|birth| &birth.key)
    }

    /// Puts slots in the place of the new series' indexes.
    pub(super) fn settle(&mut self, slots: &[u32]) {
        if slots.is_empty() {
            return;
        }
        let slot_of = |index: u32| slots.get(index_of(index - BIRTH)).copied();
        for sample in self.samples.iter_mut().filter(|sample| BIRTH <= sample.slot) {
            sample.slot = slot_of(sample.slot).unwrap_or(sample.slot);
        }
        self.layout.settle(slot_of);
        let slot_count = slots.iter().max().map_or(0, |slot| index_of(*slot) + 1);
        if self.notes.len() < slot_count {
            self.notes.reserve_exact(slot_count - self.notes.len());
        }
        for (birth, slot) in self.births.iter().zip(slots) {
            *note_of(&mut self.notes, *slot) = birth.note;
        }
    }
}

impl Pass<'_> {
    fn read(&mut self, body: &[u8]) -> Result<(), String> {
        let (whole, torn) = self.split_torn(body);
        for line in Lines::new(whole) {
            self.line += 1;
            self.read_line(line)?;
        }
        self.line += usize::from(!torn.is_empty());
        if self.format == Format::OpenMetrics && !self.is_ended && torn != b"# EOF" {
            let message = "the body does not end with \"# EOF\": it may be cut off";
            self.scanner.faults.add(self.line, message);
        }
        if self.limits.series_max < self.series_count {
            return Err(format!(
                "the body has {} series, at most {} are allowed (max_series)",
                self.series_count, self.limits.series_max
            ));
        }
        Ok(())
    }

    /// An OpenMetrics body whose last line is not ended may be cut inside a number.
    fn split_torn<'b>(&self, body: &'b [u8]) -> (&'b [u8], &'b [u8]) {
        match self.format {
            Format::Text => (body, &[]),
            Format::OpenMetrics => {
                let end = memchr::memrchr(b'\n', body).map_or(0, |index| index + 1);
                body.split_at(end)
            }
        }
    }

    fn read_line(&mut self, line: &[u8]) -> Result<(), String> {
        let line = line.trim_ascii_start();
        if line.is_empty() {
            return Ok(());
        }
        if self.is_ended {
            self.scanner.faults.add(self.line, "nothing may stand behind \"# EOF\"");
            return Ok(());
        }
        if let Some((slot, length)) = self.scanner.layout.matches(self.place, line) {
            if slot == COMMENT {
                self.step(line, slot);
                return Ok(());
            }
            let behind = line.get(length..).unwrap_or_default();
            if let Ok(point) = parse_point(behind, self.format) {
                self.step(line.get(..length).unwrap_or_default(), slot);
                self.take(slot, point);
                return Ok(());
            }
        }
        self.read_foreign_line(line)
    }

    /// Walks over a remembered line.
    fn step(&mut self, text: &[u8], slot: u32) {
        self.place = self.scanner.layout.behind(self.place);
        if self.is_rebuilding {
            self.remember(text, slot);
        }
    }

    fn read_foreign_line(&mut self, line: &[u8]) -> Result<(), String> {
        match parse_line(line, self.format) {
            Err(message) => self.scanner.faults.add(self.line, message),
            Ok(Line::Blank) => self.learn(line, COMMENT),
            Ok(Line::End) => self.is_ended = true,
            Ok(Line::Help { name, text }) => {
                self.scanner.remarks.push((name.into_owned(), Remark::Help(text.into_owned())));
                self.learn(line, COMMENT);
            }
            Ok(Line::Type { name, kind }) => {
                self.scanner.remarks.push((name.into_owned(), Remark::Type(kind)));
                self.learn(line, COMMENT);
            }
            Ok(Line::Sample(sample)) => self.read_foreign_sample(line, sample)?,
        }
        Ok(())
    }

    fn read_foreign_sample(&mut self, line: &[u8], sample: SampleLine<'_>) -> Result<(), String> {
        if self.limits.series_max < self.series_count {
            // Only counted from here on.
            self.series_count += 1;
            return Ok(());
        }
        let SampleLine { series_length, mut labels, point } = sample;
        self.check_labels(&labels)?;
        if let Err(message) = key::write(&mut labels, &self.shard.labels, &mut self.key) {
            self.scanner.faults.add(self.line, message);
            return Ok(());
        }
        if report::is_own(&self.key) {
            let message = "the series is written by the scrape itself; a target may not send it";
            self.scanner.faults.add(self.line, message);
            return Ok(());
        }
        let known = self.shard.state.read().find(&self.key);
        let slot = known.unwrap_or_else(|| self.scanner.birth(&self.key));
        self.begin_rebuilding();
        if let Some(slot) = known {
            let line = note_of(&mut self.scanner.notes, slot).line;
            self.place = self.scanner.layout.behind_line(line, slot).unwrap_or(self.place);
        }
        if self.take(slot, point) {
            self.remember(line.get(..series_length).unwrap_or_default(), slot);
        }
        Ok(())
    }

    fn check_labels<T: AsRef<str>>(&self, labels: &[(T, T)]) -> Result<(), String> {
        let line = self.line;
        let name = || {
            let name = labels.iter().find(|(name, _)| name.as_ref() == METRIC_NAME);
            name.map(|(_, value)| value.as_ref()).unwrap_or_default()
        };
        let count = labels.len() - 1;
        if self.limits.labels_max < count {
            let most = self.limits.labels_max;
            let name = name().chars().take(80).collect::<String>();
            return Err(format!(
                "line {line}: {name} has {count} labels, at most {most} are allowed"
            ));
        }
        let most = self.limits.label_length_max;
        let lengths = labels.iter().flat_map(|(name, value)| [name, value]);
        match lengths.map(|text| text.as_ref().len()).max().filter(|length| most < *length) {
            None => Ok(()),
            Some(length) => {
                Err(format!("line {line}: a label of {length} bytes, at most {most} are allowed"))
            }
        }
    }

    /// Takes a sample unless its series was there before; tells whether the line is good.
    fn take(&mut self, slot: u32, point: Point) -> bool {
        let own_at = point.at.unwrap_or(NEVER);
        let scan = self.scanner.scan;
        let sample = u32::try_from(self.scanner.samples.len()).unwrap_or(u32::MAX);
        let note = match slot.checked_sub(BIRTH) {
            Some(index) => match self.scanner.births.get_mut(index_of(index)) {
                Some(birth) => &mut birth.note,
                None => return false,
            },
            None => note_of(&mut self.scanner.notes, slot),
        };
        if note.scan == scan {
            let earlier = self.scanner.samples.get(index_of(note.sample));
            if earlier.is_none_or(|earlier| own_at <= earlier.own_at) {
                self.scanner.faults.add(self.line, "the series was already given in this body");
                return false;
            }
        } else {
            self.series_count += 1;
            note.scan = scan;
            note.sample = u32::MAX;
        }
        if self.at.saturating_add(FUTURE_MAX_MS) < own_at {
            let message = "the sample's own time is more than 10 minutes in the future";
            self.scanner.faults.add(self.line, message);
            return true;
        }
        note.sample = sample;
        let line = u32::try_from(self.line).unwrap_or(u32::MAX);
        self.scanner.samples.push(Scanned { slot, line, own_at, value: point.value });
        true
    }

    fn begin_rebuilding(&mut self) {
        if !self.is_rebuilding {
            self.is_rebuilding = true;
            self.scanner.next.copy(&self.scanner.layout, self.place);
        }
    }

    /// Remembers a line that was not where it was expected.
    fn learn(&mut self, text: &[u8], slot: u32) {
        self.begin_rebuilding();
        self.remember(text, slot);
    }

    fn remember(&mut self, text: &[u8], slot: u32) {
        let line = self.scanner.next.push(text, slot);
        if slot < BIRTH {
            note_of(&mut self.scanner.notes, slot).line = line;
        } else if let Some(index) = slot.checked_sub(BIRTH).filter(|_| slot != COMMENT)
            && let Some(birth) = self.scanner.births.get_mut(index_of(index))
        {
            birth.note.line = line;
        }
    }
}

impl Scanner {
    /// Returns the mark of a new series, known from this scan or not.
    fn birth(&mut self, key: &[u8]) -> u32 {
        let (hasher, births) = (&self.hasher, &self.births);
        let bytes_of = |index: &u32| {
            births.get(index_of(*index)).map(|birth| birth.key.as_bytes()).unwrap_or_default()
        };
        let hash = hasher.hash_one(key);
        let index = match self.births_by_key.find(hash, |index| bytes_of(index) == key) {
            Some(index) => *index,
            None => {
                let index = u32::try_from(births.len()).unwrap_or(u32::MAX);
                let hash_of = |index: &u32| hasher.hash_one(bytes_of(index));
                self.births_by_key.insert_unique(hash, index, hash_of);
                self.births.push(Birth { key: Key::new(key), note: Note::default() });
                index
            }
        };
        BIRTH.saturating_add(index)
    }
}

fn note_of(notes: &mut Vec<Note>, slot: u32) -> &mut Note {
    let index = index_of(slot);
    if notes.len() <= index {
        notes.resize(index + 1, Note::default());
    }
    &mut notes[index]
}
