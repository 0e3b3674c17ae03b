//! Whether a result is what a case expects.

use crate::label::Labels;
use crate::promql::notation::Point;
use crate::promql::script::command::{Case, Wanted, When};
use crate::promql::{MatrixSeries, Value, VectorSample};
use crate::sample::{Millis, Sample, is_stale};

/// The relative difference that passes.
const TOLERANCE: f64 = 1e-6;

/// Compares a value.
pub(crate) fn value(case: &Case, value: &Value) -> Result<(), String> {
    let expected = &case.expected;
    match value {
        Value::String(text) => match &expected.text {
            Some(wanted) if wanted == text => Ok(()),
            Some(wanted) => Err(format!("the string is {text:?}, not {wanted:?}")),
            None => Err(format!("the string {text:?} was not expected")),
        },
        Value::Scalar(number) => match expected.scalar {
            Some(wanted) if almost(*number, wanted) => Ok(()),
            Some(wanted) => Err(format!("the value is {number}, not {wanted}")),
            None => Err(format!("the number {number} was not expected")),
        },
        Value::Vector(vector) => compare_vector(case, vector),
        Value::Matrix(matrix) => compare_matrix(case, matrix),
    }
}

/// Tells whether a case can be repeated as the middle of a range query.
pub(crate) fn can_be_a_range(case: &Case) -> bool {
    let expected = &case.expected;
    !expected.ordered && expected.text.is_none() && expected.range.is_none()
}

/// Compares notes: every one is expected, and every expectation is met.
pub(crate) fn notes(
    kind: &str,
    found: &[String],
    wanted: &[Wanted],
    none: bool,
) -> Result<(), String> {
    if let Some(note) = found.first().filter(|_| none) {
        return Err(format!("no {kind} was expected: {note}"));
    }
    if wanted.is_empty() {
        return Ok(());
    }
    if let Some(missing) = wanted.iter().find(|one| !found.iter().any(|note| one.matches(note))) {
        return Err(format!("expected the {kind} {missing}, found {found:?}"));
    }
    match found.iter().find(|note| !wanted.iter().any(|one| one.matches(note))) {
        Some(note) => Err(format!("the {kind} was not expected: {note}")),
        None => Ok(()),
    }
}

fn compare_vector(case: &Case, vector: &[VectorSample]) -> Result<(), String> {
    let expected = &case.expected;
    if expected.scalar.is_some() || expected.text.is_some() {
        return Err("a vector came where a single value was expected".to_owned());
    }
    for (position, (labels, points)) in expected.series.iter().enumerate() {
        let [Point::Value(wanted)] = points.as_slice() else {
            return Err(format!("{labels} must be expected to have exactly one value"));
        };
        let found = vector.iter().position(|sample| sample.labels == *labels);
        let Some(found) = found else { return Err(format!("{labels} is missing")) };
        if expected.ordered && found != position {
            return Err(format!("{labels} stands at {found}, not at {position}"));
        }
        let value = vector[found].value;
        if !almost(value, *wanted) {
            return Err(format!("{labels} is {value}, not {wanted}"));
        }
    }
    surplus(vector.iter().map(|sample| &sample.labels), expected.series.iter().map(|one| &one.0))
}

fn compare_matrix(case: &Case, matrix: &[MatrixSeries]) -> Result<(), String> {
    let expected = &case.expected;
    let (from, to, step) = match (case.when, expected.range) {
        (When::Range { from, to, step }, _) | (When::Instant(_), Some((from, to, step))) => {
            (from, to, step)
        }
        (When::Instant(_), None) => {
            return Err("a range vector came; write expect range vector …".to_owned());
        }
    };
    for (labels, points) in &expected.series {
        let Some(found) = matrix.iter().find(|series| series.labels == *labels) else {
            return Err(format!("{labels} is missing"));
        };
        let times = (0..).map(|index: Millis| from.saturating_add(index.saturating_mul(step)));
        let wanted: Vec<(Millis, f64)> = times
            .zip(points)
            .filter_map(|(at, point)| match point {
                Point::Value(value) => Some((at, *value)),
                Point::Missing | Point::Stale => None,
            })
            .collect();
        if wanted.last().is_some_and(|(at, _)| to < *at) {
            return Err(format!("{labels} is expected to have more points than steps"));
        }
        compare_points(labels, &found.samples, &wanted)?;
    }
    surplus(matrix.iter().map(|series| &series.labels), expected.series.iter().map(|one| &one.0))
}

fn compare_points(
    labels: &Labels,
    found: &[Sample],
    wanted: &[(Millis, f64)],
) -> Result<(), String> {
    let times = found.iter().map(|sample| sample.at);
    if !times.eq(wanted.iter().map(|(at, _)| *at)) {
        let found: Vec<_> = found.iter().map(|sample| (sample.at, sample.value)).collect();
        return Err(format!("{labels} has the points {found:?}, not {wanted:?}"));
    }
    match found.iter().zip(wanted).find(|(sample, (_, value))| !almost(sample.value, *value)) {
        Some((sample, (at, value))) => {
            Err(format!("{labels} is {} at {at} ms, not {value}", sample.value))
        }
        None => Ok(()),
    }
}

/// Refuses series that were not expected.
fn surplus<'a>(
    mut found: impl Iterator<Item = &'a Labels>,
    wanted: impl Iterator<Item = &'a Labels> + Clone,
) -> Result<(), String> {
    match found.find(|labels| !wanted.clone().any(|one| one == *labels)) {
        Some(labels) => Err(format!("{labels} was not expected")),
        None => Ok(()),
    }
}

fn almost(left: f64, right: f64) -> bool {
    if is_stale(left) || is_stale(right) {
        return is_stale(left) && is_stale(right);
    }
    if left.is_nan() || right.is_nan() {
        return left.is_nan() && right.is_nan();
    }
    if left == right {
        return true;
    }
    let difference = (left - right).abs();
    let size = left.abs() + right.abs();
    if left == 0.0 || right == 0.0 || size < f64::MIN_POSITIVE {
        return difference < TOLERANCE * f64::MIN_POSITIVE;
    }
    difference / size.min(f64::MAX) < TOLERANCE
}
