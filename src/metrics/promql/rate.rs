//! How counters and gauges change over a window: `rate`, `increase`, `delta`, `irate`, `idelta`.
//!
//! Extrapolates to the window's borders as Prometheus does; left-open windows.

use crate::promql::order::count;
use crate::promql::window::{Window, seconds};
use crate::sample::{Millis, Sample};

pub(crate) fn rate(window: &Window<'_>) -> Option<f64> {
    let (change, factor) = of_samples(window, true)?;
    // The factor is divided first, as Prometheus does: results are equal to the last bit.
    Some(change * (factor / seconds(window.length())))
}

pub(crate) fn increase(window: &Window<'_>) -> Option<f64> {
    of_samples(window, true).map(|(change, factor)| change * factor)
}

pub(crate) fn delta(window: &Window<'_>) -> Option<f64> {
    of_samples(window, false).map(|(change, factor)| change * factor)
}

pub(crate) fn irate(window: &Window<'_>) -> Option<f64> {
    let (before, last, interval) = last_two(window)?;
    let change = if last < before { last } else { last - before };
    Some(change / interval)
}

pub(crate) fn idelta(window: &Window<'_>) -> Option<f64> {
    let (before, last, _) = last_two(window)?;
    Some(last - before)
}

/// The last two values and the seconds between them.
fn last_two(window: &Window<'_>) -> Option<(f64, f64, f64)> {
    let [.., before, last] = window.samples else { return None };
    let interval = seconds(last.at - before.at);
    (interval > 0.0).then_some((before.value, last.value, interval))
}

/// What a change over a window is computed from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    pub(crate) first: Sample,
    pub(crate) last: Sample,
    /// How many samples there are.
    pub(crate) count: usize,
    /// The values from which a counter fell back, added up.
    pub(crate) corrections: f64,
}

fn of_samples(window: &Window<'_>, counter: bool) -> Option<(f64, f64)> {
    let [first, .., last] = window.samples else { return None };
    let mut change = last.value - first.value;
    if counter {
        for pair in window.samples.windows(2) {
            if pair[1].value < pair[0].value {
                change += pair[0].value;
            }
        }
    }
    let count = window.samples.len();
    let ends = Ends { first: *first, last: *last, count, corrections: 0.0 };
    scaled(change, &ends, (window.from, window.to), counter)
}

/// The change between the first and the last sample, and the factor that scales it to the whole
/// window where the samples come close to its borders.
pub(crate) fn extrapolated(
    ends: &Ends,
    window: (Millis, Millis),
    counter: bool,
) -> Option<(f64, f64)> {
    if ends.count < 2 {
        return None;
    }
    let corrections = if counter { ends.corrections } else { 0.0 };
    scaled(ends.last.value - ends.first.value + corrections, ends, window, counter)
}

fn scaled(
    change: f64,
    ends: &Ends,
    (from, to): (Millis, Millis),
    counter: bool,
) -> Option<(f64, f64)> {
    let Ends { first, last, .. } = ends;
    let sampled = seconds(last.at - first.at);
    let between = sampled / count(ends.count.checked_sub(1)?);
    // A border is near when it is at most a tenth further than the next sample would be.
    let near = between * 1.1;
    let reach = |distance: f64| if distance < near { distance } else { between / 2.0 };
    let mut to_start = reach(seconds(first.at - from));
    if counter && change > 0.0 && first.value >= 0.0 {
        // A counter does not start below zero.
        to_start = to_start.min(sampled * (first.value / change));
    }
    let to_end = reach(seconds(to - last.at));
    Some((change, (sampled + to_start + to_end) / sampled))
}
