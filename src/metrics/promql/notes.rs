//! Warnings and hints of an evaluation, worded and placed as Prometheus does.

use std::collections::BTreeSet;
use std::ops::Range;

/// The most notes of one kind; more say nothing new.
const NOTES_MAX: usize = 50;

/// What people should know about a result.
#[derive(Debug)]
pub(crate) struct Notes<'e> {
    text: &'e str,
    warnings: BTreeSet<String>,
    infos: BTreeSet<String>,
}

impl<'e> Notes<'e> {
    pub(crate) fn new(text: &'e str) -> Self {
        Self { text, warnings: BTreeSet::new(), infos: BTreeSet::new() }
    }

    /// Faults of the data or of a parameter.
    pub(crate) fn warn(&mut self, span: &Range<usize>, message: &str) {
        if self.warnings.len() < NOTES_MAX {
            self.warnings.insert(format!("PromQL warning: {message} {}", self.place(span)));
        }
    }

    /// Hints that the query may not be what was meant.
    pub(crate) fn info(&mut self, span: &Range<usize>, message: &str) {
        if self.infos.len() < NOTES_MAX {
            self.infos.insert(format!("PromQL info: {message} {}", self.place(span)));
        }
    }

    /// Warns of a quantile that is none.
    pub(crate) fn quantile(&mut self, span: &Range<usize>, q: f64) {
        if !(0.0..=1.0).contains(&q) {
            let value = go_float(q);
            self.warn(span, &format!("quantile value should be between 0 and 1, got {value}"));
        }
    }

    pub(crate) fn into_parts(self) -> (Vec<String>, Vec<String>) {
        (self.warnings.into_iter().collect(), self.infos.into_iter().collect())
    }

    /// `(line:column)`, both from 1.
    fn place(&self, span: &Range<usize>) -> String {
        let before = self.text.get(..span.start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1) + 1;
        format!("({line}:{column})")
    }
}

/// A number as Prometheus words it.
pub(crate) fn go_float(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() };
    }
    format!("{value}")
}
