//! Diagnostics: what is wrong, where exactly, and what to write instead.

use std::ops::Range;
use std::path::PathBuf;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The configuration works, but surely not as meant.
    Warning,
    /// The configuration is refused.
    Error,
}

/// A place in one of the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Index into `Sources`.
    pub file: usize,
    /// Bytes.
    pub span: Range<usize>,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// A stable word: `unknown-key`.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The top-level table it belongs to: `rule`, `schedule`, ...
    pub table: String,
    /// One sentence of fact.
    pub message: String,
    /// Where.
    pub place: Place,
    /// Words at the caret.
    pub label: Option<String>,
    /// The repair.
    pub help: Option<String>,
    /// Further places, each with its words.
    pub also: Vec<(Place, String)>,
}

/// One file that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// As it is shown to people.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

/// Renders findings for people; each begins `PATH:LINE:COL`.
#[must_use]
pub fn render(diagnostics: &[Diagnostic], sources: &[SourceFile], colour: bool) -> String {
    let _ = (diagnostics, sources, colour);
    todo!()
}

/// Returns the 1-based line and column (in characters) of a place.
#[must_use]
pub fn line_column(place: &Place, sources: &[SourceFile]) -> (usize, usize) {
    let _ = (place, sources);
    todo!()
}

/// Returns the long text of a diagnostic's code.
#[must_use]
pub fn explain(code: &str) -> Option<&'static str> {
    let _ = code;
    todo!()
}
