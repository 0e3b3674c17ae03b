//! Severity: the level of an alert that has fired.

use std::fmt;

use serde::{Deserialize, Serialize};
use watchbell_metrics::rule::Level;

/// How bad an incident is; the order is the order of badness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A target is missed.
    Info,
    /// Someone should look within a quarter of an hour.
    Warning,
    /// Someone must look now.
    Critical,
}

impl Severity {
    /// Returns the severity of a level; ok has none.
    #[must_use]
    pub fn of(level: Level) -> Option<Self> {
        match level {
            Level::Ok => None,
            Level::Info => Some(Self::Info),
            Level::Warning => Some(Self::Warning),
            Level::Critical => Some(Self::Critical),
        }
    }

    /// Returns the word used in labels, JSON and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
