//! Where a series is heading: regression, smoothing, and the growth of its floor.

use crate::promql::order::{count, quantile};
use crate::promql::window::{Window, seconds};
use crate::sample::{Millis, Sample};
use crate::sum::Sum;

/// How many buckets `growth_per_hour` cuts its window into.
const GROWTH_BUCKETS: usize = 36;
const HOUR_SECONDS: f64 = 3600.0;

/// The slope of the regression line, per second.
pub(crate) fn deriv(window: &Window<'_>) -> Option<f64> {
    // An origin near the samples keeps the sums small.
    let origin = window.samples.first()?.at;
    line(window.samples, origin).map(|(slope, _)| slope)
}

/// The regression line's value `ahead` seconds after `now`.
pub(crate) fn predict(window: &Window<'_>, now: Millis, ahead: f64) -> Option<f64> {
    line(window.samples, now).map(|(slope, intercept)| slope * ahead + intercept)
}

/// Slope per second, and the value at `origin`, by least squares.
fn line(samples: &[Sample], origin: Millis) -> Option<(f64, f64)> {
    let [first, _, ..] = samples else { return None };
    if samples.iter().all(|sample| sample.value == first.value) {
        let level = if first.value.is_infinite() { f64::NAN } else { first.value };
        return Some((if level.is_nan() { level } else { 0.0 }, level));
    }
    let [mut x, mut y, mut xy, mut xx] = [Sum::default(); 4];
    for sample in samples {
        let at = seconds(sample.at - origin);
        x.add(at);
        y.add(sample.value);
        xy.add(at * sample.value);
        xx.add(at * at);
    }
    let n = count(samples.len());
    let [x, y, xy, xx] = [x, y, xy, xx].map(Sum::value);
    let slope = (xy - x * y / n) / (xx - x * x / n);
    Some((slope, y / n - slope * x / n))
}

/// Double exponential smoothing (Holt 1957, Winters 1960): the last smoothed value.
pub(crate) fn smoothed(window: &Window<'_>, smoothing: f64, trend_factor: f64) -> Option<f64> {
    let [first, second, ..] = window.samples else { return None };
    let mut before = 0.0;
    let mut level = first.value;
    let mut trend = second.value - first.value;
    for (index, sample) in window.samples.iter().enumerate().skip(1) {
        if index > 1 {
            trend = trend_factor * (level - before) + (1.0 - trend_factor) * trend;
        }
        let next = smoothing * sample.value + (1.0 - smoothing) * (level + trend);
        before = level;
        level = next;
    }
    Some(level)
}

/// Our one extension: the relative growth of the floor per hour.
///
/// The window is cut into buckets, the minimum of each is taken, and the Theil-Sen slope over the
/// minima (Sen 1968) is divided by the first of them. A sawtooth has a level floor, and a warm-up
/// moves too few buckets to move the median: true of teeth up to a ninth of the window and of
/// warm-ups that are over in a sixth of it. Slower ones look like growth until they end. Needs
/// samples over half of the window, and a floor above zero.
pub(crate) fn growth_per_hour(window: &Window<'_>) -> Option<f64> {
    let [first, .., last] = window.samples else { return None };
    if last.at - first.at < window.length() / 2 {
        return None;
    }
    let floors = floors(window);
    let floor = floors.first()?.value;
    if floor.is_nan() || floor <= 0.0 {
        return None;
    }
    let mut slopes = Vec::with_capacity(floors.len() * floors.len() / 2);
    for (index, left) in floors.iter().enumerate() {
        for right in floors.iter().skip(index + 1) {
            slopes.push((right.value - left.value) / seconds(right.at - left.at));
        }
    }
    if slopes.is_empty() {
        return None;
    }
    Some(quantile(0.5, &mut slopes) * HOUR_SECONDS / floor)
}

/// The lowest sample of each bucket that has any.
fn floors(window: &Window<'_>) -> Vec<Sample> {
    let buckets = i128::try_from(GROWTH_BUCKETS).unwrap_or(1);
    let length = i128::from(window.length().max(1));
    let mut floors: Vec<Sample> = Vec::with_capacity(GROWTH_BUCKETS);
    let mut current = -1;
    for sample in window.samples.iter().filter(|sample| !sample.value.is_nan()) {
        let bucket = i128::from(sample.at - window.from - 1) * buckets / length;
        match floors.last_mut() {
            Some(floor) if bucket == current => {
                if sample.value < floor.value {
                    *floor = *sample;
                }
            }
            Some(_) | None => floors.push(*sample),
        }
        current = bucket;
    }
    floors
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Millis = 60_000;
    const WINDOW: Millis = 6 * 60 * MINUTE;

    /// The growth of a day of one sample a minute, at every full window and from half of one on.
    fn worst(series: impl Fn(f64) -> f64) -> f64 {
        let samples: Vec<Sample> = (1..=24 * 60)
            .map(|minute| Sample {
                at: minute * MINUTE,
                value: series(seconds(minute * MINUTE) / HOUR_SECONDS),
            })
            .collect();
        let mut worst = f64::NEG_INFINITY;
        for end in (1..=24 * 60).step_by(7) {
            let to = end * MINUTE;
            let from = to - WINDOW;
            let inside: Vec<Sample> =
                samples.iter().copied().filter(|s| from < s.at && s.at <= to).collect();
            if let Some(growth) = growth_per_hour(&Window { samples: &inside, from, to }) {
                worst = worst.max(growth);
            }
        }
        worst
    }

    #[test]
    fn a_sawtooth_does_not_grow() {
        for period_minutes in [5.0, 13.0, 20.0, 30.0, 40.0] {
            let worst = worst(|hours| {
                let phase = (hours * 60.0 / period_minutes).fract();
                1e9 * (1.0 + 0.8 * phase)
            });
            assert!(worst <= 0.02, "a tooth of {period_minutes} min grows by {worst} an hour");
        }
    }

    #[test]
    fn a_warm_up_does_not_grow() {
        for minutes in [5.0, 10.0] {
            let worst = worst(|hours| 1e9 * (2.0 - (-hours * 60.0 / minutes).exp()));
            assert!(worst <= 0.02, "a warm-up of {minutes} min grows by {worst} an hour");
        }
    }

    #[test]
    fn a_leak_of_three_per_cent_is_found() {
        let leak = |hours: f64| {
            let tooth = (hours * 60.0 / 20.0).fract();
            1e9 * (1.0 + 0.03 * hours) * (1.0 + 0.3 * tooth)
        };
        let samples: Vec<Sample> = (1..=6 * 60)
            .map(|minute| Sample {
                at: minute * MINUTE,
                value: leak(seconds(minute * MINUTE) / HOUR_SECONDS),
            })
            .collect();
        let growth = growth_per_hour(&Window { samples: &samples, from: 0, to: WINDOW }).unwrap();
        assert!((0.025..0.04).contains(&growth), "{growth}");
    }

    #[test]
    fn growth_needs_half_the_window_and_a_floor() {
        let rising = |minutes: i64, from: f64| -> Option<f64> {
            let samples: Vec<Sample> = (0..=minutes)
                .zip(0u32..)
                .map(|(minute, step)| Sample {
                    at: WINDOW - (minutes - minute) * MINUTE,
                    value: from + f64::from(step),
                })
                .collect();
            growth_per_hour(&Window { samples: &samples, from: 0, to: WINDOW })
        };
        assert!(rising(179, 100.0).is_none());
        assert!(rising(180, 100.0).is_some());
        assert!(rising(300, 0.0).is_none(), "nothing is relative to zero");
    }

    #[test]
    fn a_line_goes_through_its_points() {
        let samples = [Sample { at: 0, value: 1.0 }, Sample { at: 1000, value: 3.0 }];
        let window = Window { samples: &samples, from: -1, to: 1000 };
        assert_eq!(deriv(&window), Some(2.0));
        assert_eq!(predict(&window, 1000, 2.0), Some(7.0));
        assert_eq!(deriv(&Window { samples: &samples[..1], ..window }), None);
    }
}
