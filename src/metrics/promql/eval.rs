//! Evaluation of a checked expression at one time or over a range of times.

use crate::promql::{Evaluated, Expr};
use crate::sample::{LOOKBACK_MS, Millis, Source};

/// Bounds of one evaluation; meeting one is an error that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most samples that may be read.
    pub samples_max: usize,
    /// The most steps of a range query.
    pub steps_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { samples_max: 50_000_000, steps_max: 11_000 }
    }
}

/// How an evaluation behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The look-back of instant selectors, milliseconds.
    pub lookback: Millis,
    /// The default step of subqueries, milliseconds.
    pub subquery_step: Millis,
    /// Counters that appeared in a known target count from zero (`SeriesView::zero_at`): our own
    /// rules; Prometheus's meaning where false.
    pub counters_from_zero: bool,
    /// Bounds.
    pub limits: Limits,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            lookback: LOOKBACK_MS,
            subquery_step: 60_000,
            counters_from_zero: false,
            limits: Limits::default(),
        }
    }
}

/// Why an evaluation gave nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EvalError {
    /// In a sentence.
    pub message: String,
}

/// Evaluates at one time, UTC milliseconds.
///
/// # Errors
/// Faults of the data (two series for one match) and bounds that were met.
pub fn eval_instant(
    expr: &Expr,
    source: &dyn Source,
    at: Millis,
    options: &Options,
) -> Result<Evaluated, EvalError> {
    let _ = (expr, source, at, options);
    todo!()
}

/// Evaluates at `start`, `start + step`, … up to `end`; gives a matrix.
///
/// # Errors
/// As `eval_instant`.
pub fn eval_range(
    expr: &Expr,
    source: &dyn Source,
    range: std::ops::RangeInclusive<Millis>,
    step: Millis,
    options: &Options,
) -> Result<Evaluated, EvalError> {
    let _ = (expr, source, range, step, options);
    todo!()
}
