//! The table of functions: names and the types of their arguments.

use crate::promql::ValueType;

/// A function of PromQL.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    /// Its name.
    pub(crate) name: &'static str,
    /// The types of its arguments.
    pub(crate) arguments: &'static [ValueType],
    /// How many of them may be left out at the end.
    pub(crate) optional: usize,
    /// The last argument may be repeated, or be missing.
    pub(crate) variadic: bool,
    /// What it gives.
    pub(crate) returns: ValueType,
}

const S: ValueType = ValueType::Scalar;
const V: ValueType = ValueType::Vector;
const M: ValueType = ValueType::Matrix;
const T: ValueType = ValueType::String;

const fn plain(name: &'static str, arguments: &'static [ValueType]) -> Function {
    Function { name, arguments, optional: 0, variadic: false, returns: V }
}

const fn optional(name: &'static str, arguments: &'static [ValueType]) -> Function {
    Function { name, arguments, optional: 1, variadic: false, returns: V }
}

const fn variadic(name: &'static str, arguments: &'static [ValueType]) -> Function {
    Function { name, arguments, optional: 0, variadic: true, returns: V }
}

const fn scalar(name: &'static str, arguments: &'static [ValueType]) -> Function {
    Function { name, arguments, optional: 0, variadic: false, returns: S }
}

/// Every function, by name.
pub(crate) static FUNCTIONS: &[Function] = &[
    plain("abs", &[V]),
    plain("absent", &[V]),
    plain("absent_over_time", &[M]),
    plain("acos", &[V]),
    plain("acosh", &[V]),
    plain("asin", &[V]),
    plain("asinh", &[V]),
    plain("atan", &[V]),
    plain("atanh", &[V]),
    plain("avg_over_time", &[M]),
    plain("ceil", &[V]),
    plain("changes", &[M]),
    plain("clamp", &[V, S, S]),
    plain("clamp_max", &[V, S]),
    plain("clamp_min", &[V, S]),
    plain("cos", &[V]),
    plain("cosh", &[V]),
    plain("count_over_time", &[M]),
    optional("day_of_month", &[V]),
    optional("day_of_week", &[V]),
    optional("day_of_year", &[V]),
    optional("days_in_month", &[V]),
    plain("deg", &[V]),
    plain("delta", &[M]),
    plain("deriv", &[M]),
    plain("double_exponential_smoothing", &[M, S, S]),
    plain("exp", &[V]),
    plain("first_over_time", &[M]),
    plain("floor", &[V]),
    plain("growth_per_hour", &[M]),
    plain("histogram_fraction", &[S, S, V]),
    plain("histogram_quantile", &[S, V]),
    optional("hour", &[V]),
    plain("idelta", &[M]),
    plain("increase", &[M]),
    plain("irate", &[M]),
    variadic("label_join", &[V, T, T, T]),
    plain("label_replace", &[V, T, T, T, T]),
    plain("last_over_time", &[M]),
    plain("ln", &[V]),
    plain("log10", &[V]),
    plain("log2", &[V]),
    plain("mad_over_time", &[M]),
    plain("max_over_time", &[M]),
    plain("min_over_time", &[M]),
    optional("minute", &[V]),
    optional("month", &[V]),
    scalar("pi", &[]),
    plain("predict_linear", &[M, S]),
    plain("present_over_time", &[M]),
    plain("quantile_over_time", &[S, M]),
    plain("rad", &[V]),
    plain("rate", &[M]),
    plain("resets", &[M]),
    optional("round", &[V, S]),
    scalar("scalar", &[V]),
    plain("sgn", &[V]),
    plain("sin", &[V]),
    plain("sinh", &[V]),
    plain("sort", &[V]),
    variadic("sort_by_label", &[V, T]),
    variadic("sort_by_label_desc", &[V, T]),
    plain("sort_desc", &[V]),
    plain("sqrt", &[V]),
    plain("stddev_over_time", &[M]),
    plain("stdvar_over_time", &[M]),
    plain("sum_over_time", &[M]),
    plain("tan", &[V]),
    plain("tanh", &[V]),
    scalar("time", &[]),
    plain("timestamp", &[V]),
    plain("ts_of_first_over_time", &[M]),
    plain("ts_of_last_over_time", &[M]),
    plain("ts_of_max_over_time", &[M]),
    plain("ts_of_min_over_time", &[M]),
    plain("vector", &[S]),
    optional("year", &[V]),
];

/// Functions that speak of native histograms or are experimental: known, but refused.
const REFUSED: [&str; 10] = [
    "histogram_avg",
    "histogram_count",
    "histogram_sum",
    "histogram_stddev",
    "histogram_stdvar",
    "histogram_quantiles",
    "info",
    "start",
    "end",
    "range",
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
    let aggregations = crate::promql::ast::AggregateOp::ALL.iter().map(|(name, _)| *name);
    FUNCTIONS
        .iter()
        .map(|function| function.name)
        .chain(aggregations)
        .map(|known| (distance(name, known), known))
        .filter(|(distance, known)| *distance <= 1 + known.len() / 4)
        .min()
        .map(|(_, known)| known)
}

/// Levenshtein's edit distance (1966), by characters.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, one) in left.chars().take(64).enumerate() {
        let mut before = row[0];
        row[0] = line + 1;
        for (column, other) in right.iter().enumerate() {
            let above = row[column + 1];
            let change = before + usize::from(one != *other);
            row[column + 1] = change.min(above + 1).min(row[column] + 1);
            before = above;
        }
    }
    row[right.len()]
}
