//! Series as tests write them: `metric{a="b"}` and `0+10x5 _ 3 stale`.

use crate::label::Labels;
use crate::promql::ParseError;

/// One place of a series of a test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Point {
    /// A sample.
    Value(f64),
    /// No sample at this step.
    Missing,
    /// The series ends here.
    Stale,
}

/// Reads a series' name and labels: `metric{a="b"}`.
///
/// # Errors
/// The first fault, with its place.
pub fn parse_labels(text: &str) -> Result<Labels, ParseError> {
    let _ = text;
    todo!()
}

/// Reads values in the expanding notation: `1 2 3`, `0+10x5`, `4-1x3`, `1x5`, `_`, `_x3`, `stale`.
///
/// # Errors
/// The first fault, with its place.
pub fn parse_values(text: &str) -> Result<Vec<Point>, ParseError> {
    let _ = text;
    todo!()
}
