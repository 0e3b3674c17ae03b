//! Orders of values and of words: quantiles, not-a-numbers at an end, numbers inside words.

use std::cmp::Ordering;

/// Orders by value, not-a-numbers after everything.
pub(crate) fn nan_last(left: f64, right: f64) -> Ordering {
    left.partial_cmp(&right).unwrap_or_else(|| left.is_nan().cmp(&right.is_nan()))
}

/// Orders from the highest value down, not-a-numbers after everything.
pub(crate) fn nan_last_descending(left: f64, right: f64) -> Ordering {
    right.partial_cmp(&left).unwrap_or_else(|| left.is_nan().cmp(&right.is_nan()))
}

fn nan_first(left: &f64, right: &f64) -> Ordering {
    left.partial_cmp(right).unwrap_or_else(|| right.is_nan().cmp(&left.is_nan()))
}

/// The quantile `q` of the values, interpolated; -Inf and +Inf outside 0..1. Sorts the values,
/// not-a-numbers first, as Prometheus does.
pub(crate) fn quantile(q: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    values.sort_by(nan_first);
    let last = values.len() - 1;
    let rank = q * count(last);
    let lower = floor_index(rank).min(last);
    let upper = (lower + 1).min(last);
    let weight = rank - rank.floor();
    values[lower] * (1.0 - weight) + values[upper] * weight
}

/// Compares words so that numbers inside them count as numbers: `4m5` < `4m600` < `4m1000`.
pub(crate) fn natural(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left, right);
    loop {
        if left.is_empty() || right.is_empty() {
            return left.len().cmp(&right.len());
        }
        let (one, one_rest, one_digits) = chunk(left);
        let (other, other_rest, other_digits) = chunk(right);
        let order = if one_digits && other_digits {
            let (one, other) = (one.trim_start_matches('0'), other.trim_start_matches('0'));
            one.len().cmp(&other.len()).then_with(|| one.cmp(other))
        } else {
            one.cmp(other)
        };
        if order != Ordering::Equal {
            return order;
        }
        (left, right) = (one_rest, other_rest);
    }
}

/// The leading run of digits or of anything else.
fn chunk(text: &str) -> (&str, &str, bool) {
    let digits = text.starts_with(|letter: char| letter.is_ascii_digit());
    let end = text.find(|letter: char| letter.is_ascii_digit() != digits).unwrap_or(text.len());
    let (head, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    (head, rest, digits)
}

#[allow(clippy::cast_precision_loss, reason = "a number of samples is far below 2^53")]
pub(crate) fn count(count: usize) -> f64 {
    count as f64
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the rank lies between 0 and the number of values"
)]
fn floor_index(rank: f64) -> usize {
    rank.floor() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_lies_between_its_neighbours() {
        for (q, expected) in [(0.0, 0.0), (0.5, 1.0), (0.75, 2.5), (1.0, 4.0)] {
            assert_eq!(quantile(q, &mut [4.0, 0.0, 1.0]), expected);
        }
        assert_eq!(quantile(-1.0, &mut [1.0]), f64::NEG_INFINITY);
        assert_eq!(quantile(2.0, &mut [1.0]), f64::INFINITY);
        assert!(quantile(0.5, &mut []).is_nan());
        assert!(quantile(f64::NAN, &mut [1.0]).is_nan());
    }

    #[test]
    fn numbers_in_words_count_as_numbers() {
        let mut words = ["4m1000", "4m5", "10", "9", "a", "4m600", ""];
        words.sort_by(|left, right| natural(left, right));
        assert_eq!(words, ["", "4m5", "4m600", "4m1000", "9", "10", "a"]);
    }
}
