//! What a run of samples comes to: enough for most range functions, without the samples.
//!
//! Summaries of neighbouring runs are put together in any grouping, so a long window costs a few of
//! them. Sums are compensated (Neumaier 1974); means, variances and co-moments are those of Chan,
//! Golub and LeVeque (1979), which keep their digits where plain sums of squares lose them. Stale
//! markers are left out. Where infinities, values that are no number, or an overflow make the
//! moments meaningless, `is_finite` says so and the samples must be asked.

use crate::sample::{Millis, Sample, is_stale};
use crate::sum::Sum;

/// A run of samples, at least one, in time order.
#[derive(Clone, Copy, Debug)]
pub struct Summary {
    /// How many there are.
    pub count: u32,
    /// The first.
    pub first: Sample,
    /// The last.
    pub last: Sample,
    /// The lowest value that is a number; NaN where there is none.
    pub min: f64,
    /// The highest value that is a number; NaN where there is none.
    pub max: f64,
    /// The values from which a counter fell back, added up.
    pub corrections: f64,
    /// How often the value fell.
    pub resets: u32,
    /// How often the value changed.
    pub changes: u32,
    /// All values are equal.
    pub is_level: bool,
    /// Every value is finite.
    has_finite: bool,
    sum: Sum,
    moments: Moments,
}

/// Means and co-moments of times and values; times in seconds after the first sample.
#[derive(Clone, Copy, Debug)]
struct Moments {
    mean_time: f64,
    mean_value: f64,
    time_time: f64,
    time_value: f64,
    value_value: f64,
}

impl Summary {
    /// Summarises one sample.
    #[must_use]
    pub fn of(sample: Sample) -> Self {
        let mut sum = Sum::default();
        sum.add(sample.value);
        Self {
            count: 1,
            first: sample,
            last: sample,
            min: sample.value,
            max: sample.value,
            corrections: 0.0,
            resets: 0,
            changes: 0,
            is_level: true,
            has_finite: sample.value.is_finite(),
            sum,
            moments: Moments {
                mean_time: 0.0,
                mean_value: sample.value,
                time_time: 0.0,
                time_value: 0.0,
                value_value: 0.0,
            },
        }
    }

    /// Puts the run that follows behind this one.
    #[must_use]
    pub fn and(mut self, next: &Self) -> Self {
        let (before, after) = (self.last.value, next.first.value);
        let is_fall = after < before;
        let is_change = before != after && !(before.is_nan() && after.is_nan());
        self.corrections += next.corrections + if is_fall { before } else { 0.0 };
        self.resets += next.resets + u32::from(is_fall);
        self.changes += next.changes + u32::from(is_change);
        self.is_level &= next.is_level && before == after;
        self.has_finite &= next.has_finite;
        self.min = lower(self.min, next.min);
        self.max = higher(self.max, next.max);
        self.sum.append(next.sum);
        let ahead = seconds(next.first.at - self.first.at);
        self.moments =
            self.moments.and(f64::from(self.count), &next.moments, f64::from(next.count), ahead);
        self.count += next.count;
        self.last = next.last;
        self
    }

    /// Puts a further sample behind this run.
    #[must_use]
    pub fn push(self, sample: Sample) -> Self {
        self.and(&Self::of(sample))
    }

    /// Tells whether sum, mean, variance and regression mean anything; where not, the samples say
    /// what they are.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        let Moments { mean_value, time_value, value_value, .. } = self.moments;
        self.has_finite
            && [self.sum.value(), mean_value, time_value, value_value]
                .iter()
                .all(|one| one.is_finite())
    }

    /// Returns the sum of the values.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.sum.value()
    }

    /// Returns the mean of the values.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.sum.value() / f64::from(self.count)
    }

    /// Returns the population variance of the values.
    #[must_use]
    pub fn variance(&self) -> f64 {
        self.moments.value_value.max(0.0) / f64::from(self.count)
    }

    /// Returns the regression line: the slope per second, and the value at a time; nothing where
    /// there are fewer than two samples.
    #[must_use]
    pub fn line(&self, at: Millis) -> Option<(f64, f64)> {
        if self.count < 2 {
            return None;
        }
        if self.is_level {
            return Some((0.0, self.first.value));
        }
        let Moments { mean_time, time_time, time_value, .. } = self.moments;
        let slope = time_value / time_time;
        let ahead = seconds(at - self.first.at) - mean_time;
        Some((slope, self.mean() + slope * ahead))
    }
}

impl Moments {
    /// Joins two runs of these counts, the second of which begins `ahead` seconds later.
    fn and(self, count: f64, next: &Self, next_count: f64, ahead: f64) -> Self {
        let whole = count + next_count;
        let share = next_count / whole;
        let weight = count * share;
        let time = next.mean_time + ahead - self.mean_time;
        let value = next.mean_value - self.mean_value;
        Self {
            mean_time: self.mean_time + time * share,
            mean_value: self.mean_value + value * share,
            time_time: self.time_time + next.time_time + time * time * weight,
            time_value: self.time_value + next.time_value + time * value * weight,
            value_value: self.value_value + next.value_value + value * value * weight,
        }
    }
}

/// Summarises samples, stale markers left out; nothing where there are no others.
#[must_use]
pub fn summarise(samples: impl Iterator<Item = Sample>) -> Option<Summary> {
    let mut samples = samples.filter(|sample| !is_stale(sample.value));
    let first = Summary::of(samples.next()?);
    Some(samples.fold(first, Summary::push))
}

/// The lower of two numbers; one that is none does not count.
fn lower(left: f64, right: f64) -> f64 {
    if right < left || left.is_nan() { right } else { left }
}

/// The higher of two numbers; one that is none does not count.
fn higher(left: f64, right: f64) -> f64 {
    if left < right || left.is_nan() { right } else { left }
}

#[allow(clippy::cast_precision_loss, reason = "times are far below 2^53 ms")]
fn seconds(ms: Millis) -> f64 {
    ms as f64 / 1000.0
}
