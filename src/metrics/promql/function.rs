//! The table of functions: names, the types of their arguments, and what they compute.

use crate::promql::ValueType;
use crate::promql::calendar::{self, Civil};
use crate::promql::math as own;
use crate::promql::over_time as over;
use crate::promql::rate;
use crate::promql::trend;
use crate::promql::window::Window;

/// What a function computes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Body {
    /// A value for each value.
    Math(fn(f64) -> f64),
    /// A part of the date of each value, or of the evaluated time.
    Calendar(fn(Civil) -> i64),
    /// A value for each window.
    Window(fn(&Window<'_>) -> Option<f64>),
    /// As `Window`, of a counter: one that appeared may count from zero.
    Counter(fn(&Window<'_>) -> Option<f64>),
    /// As `Window`, picking a sample of the series, which keeps its name.
    Pick(fn(&Window<'_>) -> Option<f64>),
    /// What needs more than one argument, the time, or labels.
    Special(Special),
}

/// Functions with a shape of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Special {
    Absent,
    AbsentOverTime,
    Clamp,
    ClampMax,
    ClampMin,
    End,
    HistogramFraction,
    HistogramQuantile,
    LabelJoin,
    LabelReplace,
    MaxOf,
    MinOf,
    Pi,
    PredictLinear,
    QuantileOverTime,
    Range,
    Round,
    Scalar,
    Smoothing,
    Sort,
    SortByLabel,
    SortByLabelDesc,
    SortDesc,
    Start,
    Step,
    Time,
    Timestamp,
    Vector,
}

/// A function of PromQL.
#[derive(Debug)]
pub(crate) struct Function {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it computes.
    pub(crate) body: Body,
    /// The types of its arguments.
    pub(crate) arguments: &'static [ValueType],
    /// How many of them may be left out at the end.
    pub(crate) optional: usize,
    /// The last argument may be repeated, or be missing.
    pub(crate) variadic: bool,
    /// What it gives.
    pub(crate) returns: ValueType,
}

/// Names are unique.
impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Function {}

const S: ValueType = ValueType::Scalar;
const V: ValueType = ValueType::Vector;
const M: ValueType = ValueType::Matrix;
const T: ValueType = ValueType::String;

const fn function(name: &'static str, body: Body, arguments: &'static [ValueType]) -> Function {
    Function { name, body, arguments, optional: 0, variadic: false, returns: V }
}

const fn math(name: &'static str, run: fn(f64) -> f64) -> Function {
    function(name, Body::Math(run), &[V])
}

const fn date(name: &'static str, run: fn(Civil) -> i64) -> Function {
    optional(function(name, Body::Calendar(run), &[V]))
}

const fn window(name: &'static str, run: fn(&Window<'_>) -> Option<f64>) -> Function {
    function(name, Body::Window(run), &[M])
}

const fn counter(name: &'static str, run: fn(&Window<'_>) -> Option<f64>) -> Function {
    function(name, Body::Counter(run), &[M])
}

const fn pick(name: &'static str, run: fn(&Window<'_>) -> Option<f64>) -> Function {
    function(name, Body::Pick(run), &[M])
}

const fn special(name: &'static str, run: Special, arguments: &'static [ValueType]) -> Function {
    function(name, Body::Special(run), arguments)
}

const fn optional(function: Function) -> Function {
    Function { optional: 1, ..function }
}

const fn variadic(function: Function) -> Function {
    Function { variadic: true, ..function }
}

const fn scalar(name: &'static str, run: Special, arguments: &'static [ValueType]) -> Function {
    Function { returns: S, ..special(name, run, arguments) }
}

/// Every function, by name.
pub(crate) static FUNCTIONS: &[Function] = &[
    math("abs", f64::abs),
    special("absent", Special::Absent, &[V]),
    special("absent_over_time", Special::AbsentOverTime, &[M]),
    math("acos", f64::acos),
    math("acosh", own::acosh),
    math("asin", f64::asin),
    math("asinh", own::asinh),
    math("atan", f64::atan),
    math("atanh", own::atanh),
    window("avg_over_time", over::avg_over_time),
    math("ceil", f64::ceil),
    window("changes", over::changes),
    special("clamp", Special::Clamp, &[V, S, S]),
    special("clamp_max", Special::ClampMax, &[V, S]),
    special("clamp_min", Special::ClampMin, &[V, S]),
    math("cos", f64::cos),
    math("cosh", f64::cosh),
    window("count_over_time", over::count_over_time),
    date("day_of_month", calendar::day_of_month),
    date("day_of_week", calendar::day_of_week),
    date("day_of_year", calendar::day_of_year),
    date("days_in_month", calendar::days_in_month),
    math("deg", own::deg),
    window("delta", rate::delta),
    window("deriv", trend::deriv),
    special("double_exponential_smoothing", Special::Smoothing, &[M, S, S]),
    scalar("end", Special::End, &[]),
    math("exp", f64::exp),
    pick("first_over_time", over::first_over_time),
    math("floor", f64::floor),
    window("growth_per_hour", trend::growth_per_hour),
    special("histogram_fraction", Special::HistogramFraction, &[S, S, V]),
    special("histogram_quantile", Special::HistogramQuantile, &[S, V]),
    date("hour", calendar::hour),
    window("idelta", rate::idelta),
    counter("increase", rate::increase),
    counter("irate", rate::irate),
    variadic(special("label_join", Special::LabelJoin, &[V, T, T, T])),
    special("label_replace", Special::LabelReplace, &[V, T, T, T, T]),
    pick("last_over_time", over::last_over_time),
    math("ln", own::ln),
    math("log10", own::log10),
    math("log2", own::log2),
    window("mad_over_time", over::mad_over_time),
    scalar("max_of", Special::MaxOf, &[S, S]),
    window("max_over_time", over::max_over_time),
    scalar("min_of", Special::MinOf, &[S, S]),
    window("min_over_time", over::min_over_time),
    date("minute", calendar::minute),
    date("month", calendar::month),
    scalar("pi", Special::Pi, &[]),
    special("predict_linear", Special::PredictLinear, &[M, S]),
    window("present_over_time", over::present_over_time),
    special("quantile_over_time", Special::QuantileOverTime, &[S, M]),
    math("rad", own::rad),
    scalar("range", Special::Range, &[]),
    counter("rate", rate::rate),
    window("resets", over::resets),
    optional(special("round", Special::Round, &[V, S])),
    scalar("scalar", Special::Scalar, &[V]),
    math("sgn", own::sgn),
    math("sin", f64::sin),
    math("sinh", f64::sinh),
    special("sort", Special::Sort, &[V]),
    variadic(special("sort_by_label", Special::SortByLabel, &[V, T])),
    variadic(special("sort_by_label_desc", Special::SortByLabelDesc, &[V, T])),
    special("sort_desc", Special::SortDesc, &[V]),
    math("sqrt", f64::sqrt),
    scalar("start", Special::Start, &[]),
    window("stddev_over_time", over::stddev_over_time),
    window("stdvar_over_time", over::stdvar_over_time),
    scalar("step", Special::Step, &[]),
    window("sum_over_time", over::sum_over_time),
    math("tan", f64::tan),
    math("tanh", f64::tanh),
    scalar("time", Special::Time, &[]),
    special("timestamp", Special::Timestamp, &[V]),
    window("ts_of_first_over_time", over::ts_of_first_over_time),
    window("ts_of_last_over_time", over::ts_of_last_over_time),
    window("ts_of_max_over_time", over::ts_of_max_over_time),
    window("ts_of_min_over_time", over::ts_of_min_over_time),
    special("vector", Special::Vector, &[S]),
    date("year", calendar::year),
];

/// Functions that speak of native histograms or are experimental: known, but refused.
const REFUSED: [&str; 8] = [
    "histogram_avg",
    "histogram_count",
    "histogram_sum",
    "histogram_stddev",
    "histogram_stdvar",
    "histogram_quantiles",
    "info",
    "integral",
];

/// What other languages call a function or an aggregation of ours.
const OTHER_NAMES: [(&str, &str); 8] = [
    ("average", "avg"),
    ("first", "first_over_time"),
    ("last", "last_over_time"),
    ("log", "ln"),
    ("mean", "avg"),
    ("median", "quantile"),
    ("now", "time"),
    ("percentile", "quantile"),
];

/// Finds a function.
pub(crate) fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

/// Tells whether Prometheus has a function that is not supported here.
pub(crate) fn is_refused(name: &str) -> bool {
    REFUSED.contains(&name)
}

/// Returns the known name that is nearest to a misspelt one.
pub(crate) fn nearest(name: &str) -> Option<&'static str> {
    if let Some((_, known)) = OTHER_NAMES.iter().find(|(other, _)| *other == name) {
        return Some(known);
    }
    let aggregations = crate::promql::ast::AggregateOp::ALL.iter().map(|(name, _)| *name);
    let most = (name.len() / 3).max(1);
    FUNCTIONS
        .iter()
        .map(|function| function.name)
        .chain(aggregations)
        .map(|known| (distance(name, known), known))
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, known)| known)
}

/// The edit distance in which neighbours that change places count once (Damerau 1964, the form
/// that edits no part twice), by characters.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().take(64).collect();
    let right: Vec<char> = right.chars().collect();
    let mut above: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, one) in left.iter().enumerate() {
        let mut next = vec![line + 1];
        for (column, other) in right.iter().enumerate() {
            let change = row[column] + usize::from(one != other);
            let mut least = change.min(row[column + 1] + 1).min(next[column] + 1);
            let swapped =
                line > 0 && column > 0 && left[line - 1] == *other && right[column - 1] == *one;
            if swapped {
                least = least.min(above[column - 1] + 1);
            }
            next.push(least);
        }
        above = std::mem::replace(&mut row, next);
    }
    row[right.len()]
}
