//! What the tests of one file showed, whatever kind they are of.

use std::fmt;
use std::iter::Sum;
use std::path::Path;

use serde::Serialize;

/// How many cases passed, failed and were skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Counts {
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) skipped: usize,
}

/// One file.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Suite {
    pub(super) path: String,
    #[serde(flatten)]
    pub(super) counts: Counts,
    pub(super) cases: Vec<Case>,
    /// What people read of it.
    #[serde(skip)]
    pub(super) text: String,
    /// Warnings about it.
    #[serde(skip)]
    pub(super) notes: String,
}

/// One case.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) line: usize,
    /// What did not hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) failure: Option<String>,
    /// Nothing of it could be looked at.
    pub(super) skipped: bool,
}

impl Suite {
    pub(super) fn new(path: &Path) -> Self {
        let path = path.display().to_string();
        let (text, notes) = (String::new(), String::new());
        Self { path, counts: Counts::default(), cases: Vec::new(), text, notes }
    }

    pub(super) fn add(&mut self, case: Case) {
        match (&case.failure, case.skipped) {
            (Some(_), _) => self.counts.failed += 1,
            // What is skipped is counted by whoever knows how much that is.
            (None, true) => {}
            (None, false) => self.counts.passed += 1,
        }
        self.cases.push(case);
    }
}

impl Case {
    /// A case that failed where there are words about it.
    pub(super) fn new(name: &str, line: usize, failures: &str) -> Self {
        let failure = Some(failures.to_owned()).filter(|failures| !failures.is_empty());
        Self { name: name.to_owned(), line, failure, skipped: false }
    }

    pub(super) fn failed(name: &str, line: usize, failure: &str) -> Self {
        Self { failure: Some(failure.to_owned()), ..Self::new(name, line, "") }
    }
}

impl Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), |sum, one| Self {
            passed: sum.passed + one.passed,
            failed: sum.failed + one.failed,
            skipped: sum.skipped + one.skipped,
        })
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} passed, {} failed", self.passed, self.failed)?;
        match self.skipped {
            0 => Ok(()),
            skipped => write!(formatter, ", {skipped} skipped"),
        }
    }
}
