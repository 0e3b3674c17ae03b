//! PromQL: parsed with places, checked by type, evaluated against a source of series.
//!
//! Float samples and classic histograms; windows and look-back are left-open. Native histograms
//! and Prometheus's experimental modifiers are refused with a clear error. No text and no data makes it panic:
//! length, nesting, samples and steps are bounded, and each bound names itself when it is met.

mod math;
mod order;
mod xxhash;
mod window;
mod over_time;
mod rate;
mod trend;
mod histogram;
mod calendar;
mod function;
mod brief;
mod ast;
mod lexer;
mod parser;
mod check;
mod print;
mod reach;
mod advice;
pub mod notation;
mod notes;
mod outcome;
mod limit;
mod select;
mod labels;
mod binary;
mod aggregate;
mod eval;
pub mod script;

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

pub use self::eval::{eval_instant, eval_range};
pub use self::limit::{Limits, Options, Stop};
pub use self::outcome::EvalError;
use crate::label::{Labels, METRIC_NAME, MatchOp, Matcher, Matchers};
use crate::promql::ast::{Node, NodeKind};
use crate::sample::{Millis, Sample};

/// The longest text that is accepted, in bytes.
pub const TEXT_MAX: usize = 64 * 1024;

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    /// A number.
    Scalar,
    /// One sample for each of several series.
    Vector,
    /// A range of samples for each of several series.
    Matrix,
    /// A string.
    String,
}

impl fmt::Display for ValueType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Scalar => "number",
            Self::Vector => "instant vector",
            Self::Matrix => "range vector",
            Self::String => "string",
        })
    }
}

/// Why a text is no expression, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ParseError {
    /// Where, in bytes of the text.
    pub span: Range<usize>,
    /// What is wrong, in a sentence.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl ParseError {
    fn new(span: Range<usize>, message: String) -> Self {
        Self { span, message, help: None }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// A parsed and checked expression.
#[derive(Clone, Debug)]
pub struct Expr {
    node: Node,
    value_type: ValueType,
    /// Selectors and subqueries.
    leaf_count: usize,
    /// As written, for the places of notes.
    text: Arc<str>,
}

/// Expressions of the same meaning; how they are laid out does not count.
impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        self.node == other.node
    }
}

/// What a selector of an expression reads.
#[derive(Clone, Debug, PartialEq)]
pub struct SelectorInfo {
    /// Its matchers, that of the name included.
    pub matchers: Vec<Matcher>,
    /// How far before the evaluated time it reads, milliseconds.
    pub reach: Millis,
}

/// One element of an instant vector.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorSample {
    /// Its labels, the metric name included where it is kept.
    pub labels: Labels,
    /// Its value.
    pub value: f64,
}

/// One series of a range vector.
#[derive(Clone, Debug)]
pub struct MatrixSeries {
    /// Its labels.
    pub labels: Labels,
    /// Its samples in time order.
    pub samples: Vec<Sample>,
}

/// What an evaluation gives.
#[derive(Clone, Debug)]
pub enum Value {
    /// A number.
    Scalar(f64),
    /// A string.
    String(String),
    /// One sample for each series.
    Vector(Vec<VectorSample>),
    /// Several samples for each series.
    Matrix(Vec<MatrixSeries>),
}

/// A value with what people should know about it.
#[derive(Clone, Debug)]
pub struct Evaluated {
    /// The value.
    pub value: Value,
    /// Faults of the data that did not stop the evaluation.
    pub warnings: Vec<String>,
    /// Hints that the query may not be what was meant.
    pub infos: Vec<String>,
}

/// Parses and checks an expression.
///
/// # Errors
/// The first fault, with its place. Never panics, whatever the text.
pub fn parse(text: &str) -> Result<Expr, ParseError> {
    let (node, leaf_count) = parser::parse(text)?;
    let value_type = check::check(&node)?;
    Ok(Expr { node, value_type, leaf_count, text: text.into() })
}

/// Parses matchers: `severity="critical",team=~"a|b"`, with or without braces.
///
/// # Errors
/// The first fault, with its place.
pub fn parse_matchers(text: &str) -> Result<Matchers, ParseError> {
    parser::parse_matchers(text).map(Matchers)
}

impl Expr {
    /// Returns the type of its value.
    #[must_use]
    pub fn value_type(&self) -> ValueType {
        self.value_type
    }

    /// Tells whether it is an instant selector and nothing else, without offset and `@`.
    #[must_use]
    pub fn is_plain_selector(&self) -> bool {
        matches!(&self.node.kind, NodeKind::Selector(selector)
            if selector.offset == 0 && selector.pin.is_none())
    }

    /// Returns a plain selector with a suffix on its metric name; `None` where there is no name.
    #[must_use]
    pub fn with_suffix(&self, suffix: &str) -> Option<Self> {
        let mut suffixed = self.clone();
        let NodeKind::Selector(selector) = &mut suffixed.node.kind else { return None };
        let name = format!("{}{suffix}", selector.name.as_deref()?);
        let matcher = Matcher::new(METRIC_NAME, MatchOp::Equal, &name).ok()?;
        // The matcher of a name that is written stands first.
        *selector.matchers.first_mut()? = matcher;
        selector.name = Some(name);
        suffixed.text = suffixed.to_string().into();
        Some(suffixed)
    }

    /// Returns the labels that its result can have; `None` where that depends on the data.
    #[must_use]
    pub fn kept_labels(&self) -> Option<BTreeSet<String>> {
        advice::kept_labels(&self.node)
    }

    /// Returns the counters, by name and place, whose height is used although it says only how
    /// long they have counted.
    #[must_use]
    pub fn bare_counters(&self) -> Vec<(String, Range<usize>)> {
        advice::bare_counters(&self.node)
    }

    /// Returns what its selectors read.
    #[must_use]
    pub fn selectors(&self) -> Vec<SelectorInfo> {
        reach::selectors(&self.node)
    }
}

/// Writes canonical PromQL, which parses to the same expression.
impl fmt::Display for Expr {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        print::write(formatter, &self.node)
    }
}

#[cfg(test)]
mod tests;
