//! Sums and means that keep what floats would lose.
//!
//! Neumaier's variant of Kahan summation (1974), in the places where Prometheus uses it, so that
//! results agree with it to the last bits.

/// A compensated sum.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sum {
    total: f64,
    lost: f64,
}

impl Sum {
    pub(crate) fn add(&mut self, value: f64) {
        let next = self.total + value;
        if next.is_infinite() {
            self.lost = 0.0;
        } else if value.abs() <= self.total.abs() {
            self.lost += (self.total - next) + value;
        } else {
            self.lost += (value - next) + self.total;
        }
        self.total = next;
    }

    /// Adds what was summed up elsewhere.
    pub(crate) fn append(&mut self, other: Self) {
        self.add(other.total);
        if self.total.is_finite() {
            self.lost += other.lost;
        }
    }

    pub(crate) fn value(self) -> f64 {
        self.total + self.lost
    }

    fn scale(self, factor: f64) -> Self {
        Self { total: factor * self.total, lost: factor * self.lost }
    }
}

/// Sums up values.
pub(crate) fn sum(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut total = Sum::default();
    for value in values {
        total.add(value);
    }
    total.value()
}

/// A mean that goes over to the incremental form when the sum would overflow.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mean {
    count: f64,
    /// The sum, or the mean itself once `incremental`.
    state: Sum,
    incremental: bool,
}

impl Mean {
    pub(crate) fn add(&mut self, value: f64) {
        self.count += 1.0;
        if !self.incremental {
            let mut next = self.state;
            next.add(value);
            if !next.total.is_infinite() || self.count <= 1.0 {
                self.state = next;
                return;
            }
            self.incremental = true;
            let before = self.count - 1.0;
            self.state = Sum { total: self.state.total / before, lost: self.state.lost / before };
        }
        let mean = self.state.total;
        if mean.is_infinite() {
            let same = value.is_infinite() && (mean > 0.0) == (value > 0.0);
            // Infinities of one sign cannot be subtracted, and finite values change nothing.
            if same || value.is_finite() {
                return;
            }
        }
        self.state = self.state.scale((self.count - 1.0) / self.count);
        self.state.add(value / self.count);
    }

    pub(crate) fn value(self) -> f64 {
        if self.incremental {
            return self.state.value();
        }
        self.state.total / self.count + self.state.lost / self.count
    }
}

/// The population variance by Welford's method (1962), as aggregations have it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PlainVariance {
    count: f64,
    mean: f64,
    squares: f64,
}

impl PlainVariance {
    pub(crate) fn add(&mut self, value: f64) {
        self.count += 1.0;
        let delta = value - self.mean;
        self.mean += delta / self.count;
        self.squares += delta * (value - self.mean);
    }

    pub(crate) fn value(self) -> f64 {
        self.squares / self.count
    }
}

/// The population variance by Welford's method (1962), compensated, as windows have it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Variance {
    count: f64,
    mean: Sum,
    squares: Sum,
}

impl Variance {
    pub(crate) fn add(&mut self, value: f64) {
        self.count += 1.0;
        let delta = value - self.mean.value();
        self.mean.add(delta / self.count);
        self.squares.add(delta * (value - self.mean.value()));
    }

    pub(crate) fn value(self) -> f64 {
        self.squares.value() / self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(values: &[f64]) -> f64 {
        let mut mean = Mean::default();
        for value in values {
            mean.add(*value);
        }
        mean.value()
    }

    #[test]
    fn small_values_survive_big_ones() {
        assert_eq!(sum([1.0, 1e100, 1.0, -1e100]), 2.0);
        assert_eq!(mean(&[1.0, 1e100, 1.0, -1e100]), 0.5);
    }

    #[test]
    fn a_mean_does_not_overflow() {
        let big = 1e308;
        assert_eq!(mean(&[big, big]), big);
        assert_eq!(mean(&[f64::INFINITY, 0.0, f64::INFINITY]), f64::INFINITY);
        assert!(mean(&[f64::INFINITY, f64::NEG_INFINITY]).is_nan());
    }

    #[test]
    fn equal_values_have_no_variance() {
        let mut variance = Variance::default();
        for _ in 0..3 {
            variance.add(1.599_050_563_727_786_8);
        }
        assert_eq!(variance.value(), 0.0);
    }
}
