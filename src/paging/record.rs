//! Records: the facts of which all state is a fold.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// One fact. Written, synced, and only then acted upon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Counted from 1 without gaps.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// What.
    pub fact: Fact,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Fact {
    /// The process started.
    Started { down_since: Option<Timestamp> },
}

/// All state at one record.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Snapshot {
    /// The last record that is in it.
    pub seq: u64,
}

impl Record {
    /// Returns the stable word of the fact's kind, for queries over the journal.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.fact {
            Fact::Started { .. } => "started",
        }
    }
}
