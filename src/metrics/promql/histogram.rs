//! Classic histograms: quantiles and fractions from cumulative buckets.

use crate::promql::order::nan_last;

/// Relative differences below this are rounding, not a broken histogram.
const ROUNDING: f64 = 1e-12;

/// One cumulative bucket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    /// Its `le`.
    pub(crate) bound: f64,
    /// How many observations are at or below it.
    pub(crate) count: f64,
}

/// A quantile, and whether counts that fell had to be lifted.
pub(crate) fn quantile(q: f64, buckets: &mut Vec<Bucket>) -> (f64, bool) {
    if q.is_nan() {
        return (f64::NAN, false);
    }
    if q < 0.0 {
        return (f64::NEG_INFINITY, false);
    }
    if q > 1.0 {
        return (f64::INFINITY, false);
    }
    if !prepare(buckets) {
        return (f64::NAN, false);
    }
    let lifted = lift(buckets);
    (inside(q, buckets), lifted)
}

fn inside(q: f64, buckets: &[Bucket]) -> f64 {
    let [finite @ .., last] = buckets else { return f64::NAN };
    let Some(highest) = finite.last() else { return f64::NAN };
    if last.count == 0.0 || last.count.is_nan() {
        return f64::NAN;
    }
    let rank = q * last.count;
    let index = finite.partition_point(|bucket| bucket.count < rank);
    let Some(bucket) = finite.get(index) else { return highest.bound };
    let below = index.checked_sub(1).and_then(|below| finite.get(below)).copied();
    if below.is_none() && bucket.bound <= 0.0 {
        return bucket.bound;
    }
    let below = below.unwrap_or(Bucket { bound: 0.0, count: 0.0 });
    let share = (rank - below.count) / (bucket.count - below.count);
    below.bound + (bucket.bound - below.bound) * share
}

/// The share of observations between two values.
pub(crate) fn fraction(lower: f64, upper: f64, buckets: &mut Vec<Bucket>) -> f64 {
    if !prepare(buckets) || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    let total = buckets.last().map_or(0.0, |bucket| bucket.count);
    if total == 0.0 || total.is_nan() {
        return f64::NAN;
    }
    if upper <= lower {
        return 0.0;
    }
    let below = |value: f64, unbounded: fn(Bucket) -> f64| rank(value, buckets, unbounded);
    let from = below(lower, |bucket| bucket.count).min(total);
    // Nothing is known about where observations lie in a bucket without a lower bound.
    let to = below(upper, |_| 0.0).min(total);
    (to - from).max(0.0) / total
}

/// How many observations are below a value; linear inside a bucket. `unbounded` answers for the
/// first bucket where it has no lower bound.
fn rank(value: f64, buckets: &[Bucket], unbounded: fn(Bucket) -> f64) -> f64 {
    if value == f64::NEG_INFINITY {
        return 0.0;
    }
    let mut below = Bucket { bound: f64::NEG_INFINITY, count: 0.0 };
    for (index, bucket) in buckets.iter().enumerate() {
        if index == 0 && bucket.bound > 0.0 {
            below.bound = 0.0;
        }
        if value <= below.bound {
            return below.count;
        }
        if value < bucket.bound {
            if below.bound == f64::NEG_INFINITY {
                return unbounded(*bucket);
            }
            let width = bucket.bound - below.bound;
            return below.count + (bucket.count - below.count) * (value - below.bound) / width;
        }
        below = *bucket;
    }
    below.count
}

/// Sorts the buckets and joins those of one bound; false where the `+Inf` bucket is missing.
fn prepare(buckets: &mut Vec<Bucket>) -> bool {
    buckets.sort_by(|left, right| nan_last(left.bound, right.bound));
    buckets.dedup_by(|next, kept| {
        let same = next.bound == kept.bound;
        if same {
            kept.count += next.count;
        }
        same
    });
    buckets.last().is_some_and(|last| last.bound == f64::INFINITY)
}

/// Lifts counts that are below the one before; tells whether it was more than rounding.
fn lift(buckets: &mut [Bucket]) -> bool {
    let mut lifted = false;
    let mut highest = buckets.first().map_or(0.0, |bucket| bucket.count);
    for bucket in buckets.iter_mut().skip(1) {
        let rounding = (bucket.count - highest).abs() < ROUNDING * (bucket.count + highest).abs();
        if rounding || bucket.count < highest {
            lifted |= !rounding;
            bucket.count = highest;
        } else {
            highest = bucket.count;
        }
    }
    lifted
}
