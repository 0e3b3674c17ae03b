//! The lines of a body as they were last time: for each the text before its number.

/// Marks a line that holds no sample.
pub(crate) const COMMENT: u32 = u32::MAX;
/// Marks a series that has no slot yet; its index among the new ones is added.
pub(crate) const BIRTH: u32 = 1 << 31;

/// Texts of lines, one behind the other, and whose they are.
#[derive(Clone, Debug, Default)]
pub(super) struct Layout {
    text: Vec<u8>,
    lines: Vec<Remembered>,
}

#[derive(Clone, Copy, Debug)]
struct Remembered {
    /// Where its text ends.
    end: u32,
    slot: u32,
}

/// A place before a line.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    line: usize,
    start: usize,
}

impl Layout {
    /// Compares a line with the one at a place; returns whose it is and the length of the text
    /// that is equal. A series must be followed by a blank, a comment by nothing.
    pub(super) fn matches(&self, place: Place, line: &[u8]) -> Option<(u32, usize)> {
        let remembered = self.lines.get(place.line)?;
        let text = self.text.get(place.start..size(remembered.end))?;
        let behind = line.strip_prefix(text)?.first();
        let is_match = match behind {
            None => remembered.slot == COMMENT,
            Some(byte) => remembered.slot != COMMENT && (*byte == b' ' || *byte == b'\t'),
        };
        is_match.then_some((remembered.slot, text.len()))
    }

    /// Returns the place behind the line at a place.
    pub(super) fn behind(&self, place: Place) -> Place {
        match self.lines.get(place.line) {
            None => place,
            Some(line) => Place { line: place.line + 1, start: size(line.end) },
        }
    }

    /// Returns the place behind the line of this number, if it belongs to `slot`.
    pub(super) fn behind_line(&self, line: u32, slot: u32) -> Option<Place> {
        let line = size(line);
        let remembered = self.lines.get(line).filter(|line| line.slot == slot)?;
        Some(Place { line: line + 1, start: size(remembered.end) })
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// Gives back the slack of growing.
    pub(super) fn shrink(&mut self) {
        self.text.shrink_to_fit();
        self.lines.shrink_to_fit();
    }

    pub(super) fn is_at_end(&self, place: Place) -> bool {
        place.line == self.lines.len()
    }

    /// Forgets what stands behind a place.
    pub(super) fn truncate(&mut self, place: Place) {
        self.lines.truncate(place.line);
        self.text.truncate(place.start);
    }

    /// Becomes what another layout is before a place.
    pub(super) fn copy(&mut self, other: &Self, place: Place) {
        self.text.clear();
        self.lines.clear();
        self.text.extend_from_slice(other.text.get(..place.start).unwrap_or_default());
        self.lines.extend_from_slice(other.lines.get(..place.line).unwrap_or_default());
    }

    /// Adds a line and returns its number. Beyond 4 GiB of text nothing is remembered.
    pub(super) fn push(&mut self, text: &[u8], slot: u32) -> u32 {
        let line = u32::try_from(self.lines.len()).unwrap_or(u32::MAX);
        if let Ok(end) = u32::try_from(self.text.len() + text.len()) {
            self.text.extend_from_slice(text);
            self.lines.push(Remembered { end, slot });
        }
        line
    }

    /// Puts slots in the place of marks of new series.
    pub(super) fn settle(&mut self, slot_of: impl Fn(u32) -> Option<u32>) {
        let marked = |line: &&mut Remembered| BIRTH <= line.slot && line.slot != COMMENT;
        for line in self.lines.iter_mut().filter(marked) {
            line.slot = slot_of(line.slot).unwrap_or(line.slot);
        }
    }
}

fn size(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
