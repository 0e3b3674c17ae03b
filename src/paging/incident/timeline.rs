//! The timeline of an incident: one line for each thing that happened, in words for people.

use serde::{Deserialize, Serialize};

use crate::incident::Incident;
use crate::time::Timestamp;

/// Lines that are kept of one incident. Its first lines always stay; of the rest the newest.
pub const TIMELINE_MAX: usize = 500;
/// How many of the first lines stay.
const FIRST_KEPT: usize = 50;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// When.
    pub at: Timestamp,
    /// A stable word.
    pub kind: String,
    /// A sentence.
    pub text: String,
    /// Who acted or was reached.
    pub who: Option<String>,
    /// Over which channel or surface.
    pub channel: Option<String>,
}

impl Line {
    /// Makes a line that names nobody.
    #[must_use]
    pub fn new(at: Timestamp, kind: &str, text: impl Into<String>) -> Self {
        Self { at, kind: kind.to_owned(), text: text.into(), who: None, channel: None }
    }

    /// Names who acted or was reached.
    #[must_use]
    pub fn by(self, who: &str) -> Self {
        Self { who: Some(who.to_owned()), ..self }
    }

    /// Names the channel or the surface.
    #[must_use]
    pub fn over(self, channel: &str) -> Self {
        Self { channel: Some(channel.to_owned()), ..self }
    }
}

impl Incident {
    /// Adds a line; the oldest line after the first ones makes room.
    pub fn write(&mut self, line: Line) {
        if TIMELINE_MAX <= self.timeline.len() {
            self.timeline.remove(FIRST_KEPT);
        }
        self.timeline.push(line);
    }
}
