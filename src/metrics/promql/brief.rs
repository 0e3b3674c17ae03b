//! Range functions that a summary of the window answers, so that nobody decodes its samples.
//!
//! Each gives what the function of the same name gives for the samples, to the last few bits.

use crate::promql::function::Function;
use crate::promql::rate::{Ends, extrapolated};
use crate::promql::window::seconds;
use crate::sample::{Millis, Summary};

/// A window that is known by its summary.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Brief<'a> {
    pub(crate) summary: &'a Summary,
    /// Exclusive start.
    pub(crate) from: Millis,
    /// Inclusive end.
    pub(crate) to: Millis,
}

/// What answers a function.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    pub(crate) run: fn(&Brief<'_>) -> Option<f64>,
    /// Only where the moments of the summary mean anything.
    pub(crate) needs_finite: bool,
}

/// Returns what answers a function; nothing where it needs the samples.
pub(crate) fn answer(function: &Function) -> Option<Answer> {
    let any = |run| Some(Answer { run, needs_finite: false });
    let finite = |run| Some(Answer { run, needs_finite: true });
    match function.name {
        "rate" => any(|brief| {
            let (change, factor) = change(brief, true)?;
            Some(change * (factor / seconds(brief.to - brief.from)))
        }),
        "increase" => any(|brief| change(brief, true).map(|(change, factor)| change * factor)),
        "delta" => any(|brief| change(brief, false).map(|(change, factor)| change * factor)),
        "count_over_time" => any(|brief| Some(f64::from(brief.summary.count))),
        "present_over_time" => any(|_| Some(1.0)),
        "first_over_time" => any(|brief| Some(brief.summary.first.value)),
        "last_over_time" => any(|brief| Some(brief.summary.last.value)),
        "min_over_time" => any(|brief| Some(brief.summary.min)),
        "max_over_time" => any(|brief| Some(brief.summary.max)),
        "changes" => any(|brief| Some(f64::from(brief.summary.changes))),
        "resets" => any(|brief| Some(f64::from(brief.summary.resets))),
        "sum_over_time" => finite(|brief| Some(brief.summary.sum())),
        "avg_over_time" => finite(|brief| Some(brief.summary.mean())),
        "stdvar_over_time" => finite(|brief| Some(brief.summary.variance())),
        "stddev_over_time" => finite(|brief| Some(brief.summary.variance().sqrt())),
        "deriv" => finite(|brief| brief.summary.line(brief.to).map(|(slope, _)| slope)),
        // Its other argument comes when it is called.
        "predict_linear" => finite(|_| None),
        _ => None,
    }
}

fn change(brief: &Brief<'_>, counter: bool) -> Option<(f64, f64)> {
    let Summary { first, last, count, corrections, .. } = *brief.summary;
    let ends = Ends { first, last, count: usize::try_from(count).ok()?, corrections };
    extrapolated(&ends, (brief.from, brief.to), counter)
}
