//! The `*_over_time` functions, `changes` and `resets`: one window in, one value out.

#![allow(clippy::unnecessary_wraps, reason = "all have the shape that the table of functions asks")]

use crate::promql::order::{count, quantile};
use crate::promql::window::{Window, seconds};
use crate::sample::Sample;
use crate::sum::{Mean, Variance, sum};

pub(crate) fn sum_over_time(window: &Window<'_>) -> Option<f64> {
    Some(sum(window.values()))
}

pub(crate) fn avg_over_time(window: &Window<'_>) -> Option<f64> {
    let mut mean = Mean::default();
    for value in window.values() {
        mean.add(value);
    }
    Some(mean.value())
}

pub(crate) fn count_over_time(window: &Window<'_>) -> Option<f64> {
    Some(count(window.samples.len()))
}

pub(crate) fn present_over_time(_: &Window<'_>) -> Option<f64> {
    Some(1.0)
}

pub(crate) fn min_over_time(window: &Window<'_>) -> Option<f64> {
    window
        .values()
        .reduce(|least, value| if value < least || least.is_nan() { value } else { least })
}

pub(crate) fn max_over_time(window: &Window<'_>) -> Option<f64> {
    window.values().reduce(|most, value| if most < value || most.is_nan() { value } else { most })
}

pub(crate) fn first_over_time(window: &Window<'_>) -> Option<f64> {
    window.samples.first().map(|sample| sample.value)
}

pub(crate) fn last_over_time(window: &Window<'_>) -> Option<f64> {
    window.samples.last().map(|sample| sample.value)
}

pub(crate) fn ts_of_first_over_time(window: &Window<'_>) -> Option<f64> {
    window.samples.first().map(|sample| seconds(sample.at))
}

pub(crate) fn ts_of_last_over_time(window: &Window<'_>) -> Option<f64> {
    window.samples.last().map(|sample| seconds(sample.at))
}

/// The last time of the lowest value.
pub(crate) fn ts_of_min_over_time(window: &Window<'_>) -> Option<f64> {
    ts_of(window, |value, least| value <= least)
}

/// The last time of the highest value.
pub(crate) fn ts_of_max_over_time(window: &Window<'_>) -> Option<f64> {
    ts_of(window, |value, most| most <= value)
}

fn ts_of(window: &Window<'_>, better: fn(f64, f64) -> bool) -> Option<f64> {
    let pick = |best: Sample, next: &Sample| {
        if better(next.value, best.value) || best.value.is_nan() { *next } else { best }
    };
    let first = *window.samples.first()?;
    Some(seconds(window.samples.iter().fold(first, pick).at))
}

pub(crate) fn stdvar_over_time(window: &Window<'_>) -> Option<f64> {
    let mut variance = Variance::default();
    for value in window.values() {
        variance.add(value);
    }
    Some(variance.value())
}

pub(crate) fn stddev_over_time(window: &Window<'_>) -> Option<f64> {
    stdvar_over_time(window).map(f64::sqrt)
}

/// The median distance from the median.
pub(crate) fn mad_over_time(window: &Window<'_>) -> Option<f64> {
    let mut values: Vec<f64> = window.values().collect();
    if values.iter().any(|value| value.is_nan()) {
        return Some(f64::NAN);
    }
    let median = quantile(0.5, &mut values);
    for value in &mut values {
        *value = (*value - median).abs();
    }
    Some(quantile(0.5, &mut values))
}

pub(crate) fn changes(window: &Window<'_>) -> Option<f64> {
    Some(pairs(window, |before, after| before != after && !(before.is_nan() && after.is_nan())))
}

pub(crate) fn resets(window: &Window<'_>) -> Option<f64> {
    Some(pairs(window, |before, after| after < before))
}

fn pairs(window: &Window<'_>, counts: fn(f64, f64) -> bool) -> f64 {
    count(window.samples.windows(2).filter(|pair| counts(pair[0].value, pair[1].value)).count())
}
