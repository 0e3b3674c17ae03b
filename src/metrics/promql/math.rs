//! Functions of numbers, computed in the steps that Prometheus's platform uses.
//!
//! Rule tests compare to the last bit, so logarithms, powers and the inverse hyperbolic functions
//! follow the classic reductions (fraction and exponent, FreeBSD's msun) instead of the system's
//! library. Sines and their like are the library's; they may differ in the last bit.

use std::f64::consts::{FRAC_1_SQRT_2, LN_2, LOG2_E, LOG10_2, PI};

/// The natural logarithm of two in two parts, the first with zeros at its end.
const LN_2_HIGH: f64 = 6.931_471_803_691_238e-1;
const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
/// Terms of the logarithm's polynomial, the first one first.
const LN_TERMS: [f64; 7] = [
    6.666_666_666_666_735e-1,
    3.999_999_999_940_942e-1,
    2.857_142_874_366_239e-1,
    2.222_219_843_214_978_4e-1,
    1.818_357_216_161_805e-1,
    1.531_383_769_920_937_3e-1,
    1.479_819_860_511_658_6e-1,
];
/// Above this the square of a number swallows one.
const LARGE: f64 = 268_435_456.0;
const NEAR_ZERO: f64 = 1.0 / LARGE;
/// The lowest magnitude without lost digits.
const NORMAL_MIN: f64 = f64::MIN_POSITIVE;
const TWO_POW_52: f64 = 4_503_599_627_370_496.0;
/// 2^63: a power above it is zero, one or infinite.
const POWER_MAX: f64 = 9_223_372_036_854_775_808.0;

/// The sign of a value; zero and what is no number stay as they are.
pub(crate) fn sgn(value: f64) -> f64 {
    if value == 0.0 || value.is_nan() { value } else { value.signum() }
}

pub(crate) fn rad(degrees: f64) -> f64 {
    degrees * PI / 180.0
}

pub(crate) fn deg(radians: f64) -> f64 {
    radians * 180.0 / PI
}

/// The natural logarithm (FreeBSD's `e_log`): `2^k * (1 + f)`, the rest by a polynomial.
pub(crate) fn ln(value: f64) -> f64 {
    if value <= 0.0 || !value.is_finite() {
        return value.ln();
    }
    let (mut fraction, mut exponent) = split(value);
    if fraction < FRAC_1_SQRT_2 {
        fraction *= 2.0;
        exponent -= 1;
    }
    let (rest, whole) = (fraction - 1.0, f64::from(exponent));
    let share = rest / (2.0 + rest);
    let square = share * share;
    let fourth = square * square;
    let odd = square * polynomial(fourth, [LN_TERMS[0], LN_TERMS[2], LN_TERMS[4], LN_TERMS[6]]);
    let even = fourth * polynomial(fourth, [LN_TERMS[1], LN_TERMS[3], LN_TERMS[5], 0.0]);
    let half = 0.5 * rest * rest;
    whole * LN_2_HIGH - ((half - (share * (half + (odd + even)) + whole * LN_2_LOW)) - rest)
}

fn polynomial(at: f64, terms: [f64; 4]) -> f64 {
    terms.iter().rev().fold(0.0, |sum, term| sum * at + term)
}

pub(crate) fn log2(value: f64) -> f64 {
    if value <= 0.0 || !value.is_finite() {
        return value.log2();
    }
    let (fraction, exponent) = split(value);
    // Powers of two are exact.
    if fraction == 0.5 {
        return f64::from(exponent - 1);
    }
    ln(fraction) * LOG2_E + f64::from(exponent)
}

pub(crate) fn log10(value: f64) -> f64 {
    log2(value) * LOG10_2
}

pub(crate) fn asinh(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let size = value.abs();
    let result = if size > LARGE {
        ln(size) + LN_2
    } else if size > 2.0 {
        ln(2.0 * size + 1.0 / ((size * size + 1.0).sqrt() + size))
    } else if size < NEAR_ZERO {
        size
    } else {
        (size + size * size / (1.0 + (1.0 + size * size).sqrt())).ln_1p()
    };
    result.copysign(value)
}

pub(crate) fn acosh(value: f64) -> f64 {
    if value < 1.0 || value.is_nan() {
        return f64::NAN;
    }
    if value >= LARGE {
        return ln(value) + LN_2;
    }
    if value > 2.0 {
        return ln(2.0 * value - 1.0 / (value + (value * value - 1.0).sqrt()));
    }
    let above = value - 1.0;
    (above + (2.0 * above + above * above).sqrt()).ln_1p()
}

pub(crate) fn atanh(value: f64) -> f64 {
    let size = value.abs();
    if 1.0 <= size || value.is_nan() {
        return value.atanh();
    }
    let result = if size < NEAR_ZERO {
        size
    } else if size < 0.5 {
        let double = size + size;
        0.5 * (double + double * size / (1.0 - size)).ln_1p()
    } else {
        0.5 * ((size + size) / (1.0 - size)).ln_1p()
    };
    result.copysign(value)
}

/// A power: whole exponents by squaring the fraction, the rest by a logarithm.
pub(crate) fn pow(base: f64, power: f64) -> f64 {
    let size = power.abs();
    let special = base == 0.0 || base == 1.0 || power == 0.0 || size == 0.5;
    let finite = base.is_finite() && power.is_finite();
    if special || !finite || POWER_MAX <= size || (base < 0.0 && size.fract() != 0.0) {
        return if size == 0.5 && 0.0 < base { root(base, power) } else { base.powf(power) };
    }
    let (mut whole, mut part) = (size.trunc(), size.fract());
    let mut result = 1.0;
    let mut exponent = 0_i64;
    if part != 0.0 {
        if part > 0.5 {
            part -= 1.0;
            whole += 1.0;
        }
        result = (part * ln(base)).exp();
    }
    let (mut square, exponent_of_base) = split(base);
    let mut doubled = i64::from(exponent_of_base);
    let mut rest = to_whole(whole);
    while rest != 0 {
        // The result is zero or infinite, however the rest goes.
        if doubled.abs() > 1 << 12 {
            exponent += doubled;
            break;
        }
        if rest & 1 == 1 {
            result *= square;
            exponent += doubled;
        }
        square *= square;
        doubled *= 2;
        if square < 0.5 {
            square += square;
            doubled -= 1;
        }
        rest >>= 1;
    }
    if power < 0.0 {
        result = 1.0 / result;
        exponent = -exponent;
    }
    scaled(result, exponent)
}

fn root(base: f64, power: f64) -> f64 {
    if power < 0.0 { 1.0 / base.sqrt() } else { base.sqrt() }
}

/// A finite number as a fraction of 0.5..1 and an exponent of two.
fn split(value: f64) -> (f64, i32) {
    if value == 0.0 {
        return (value, 0);
    }
    let (value, shift) =
        if value.abs() < NORMAL_MIN { (value * TWO_POW_52, -52) } else { (value, 0) };
    let bits = value.to_bits();
    let biased = i32::try_from(bits >> 52 & 0x7ff).unwrap_or_default();
    let fraction = f64::from_bits(bits & !(0x7ff << 52) | 1022 << 52);
    (fraction, biased - 1022 + shift)
}

/// `value * 2^exponent`, rounded once.
fn scaled(value: f64, exponent: i64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let (fraction, own) = split(value);
    let exponent = exponent.saturating_add(i64::from(own));
    if exponent > 1024 {
        return f64::INFINITY.copysign(value);
    }
    if exponent < -1075 {
        return 0.0_f64.copysign(value);
    }
    let power = |exponent: i64| {
        let biased = u64::try_from(exponent + 1023).unwrap_or_default();
        f64::from_bits(biased << 52)
    };
    if exponent < -1021 {
        return fraction * power(exponent + 53) * power(-53);
    }
    // A fraction has the exponent -1, so half of the scale is always in reach.
    fraction * 2.0 * power(exponent - 1)
}

#[allow(clippy::cast_possible_truncation, reason = "the number is below 2^63")]
fn to_whole(number: f64) -> i64 {
    number as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_prometheus_to_the_last_bit() {
        for (name, found, expected) in [
            ("log2(3)", log2(3.0), 1.584_962_500_721_156_3),
            ("log2(8)", log2(8.0), 3.0),
            ("log10(5)", log10(5.0), 0.698_970_004_336_018_7),
            ("log10(1000)", log10(1000.0), 3.0),
            ("log10(0)", log10(0.0), f64::NEG_INFINITY),
            ("rad(3)", rad(3.0), 0.052_359_877_559_829_88),
            ("ln(3)", ln(3.0), 1.098_612_288_668_109_6),
            ("ln(0)", ln(0.0), f64::NEG_INFINITY),
            ("ln(1)", ln(1.0), 0.0),
            ("acosh(3)", acosh(3.0), 1.762_747_174_039_085_9),
            ("1e3^2", pow(1e3, 2.0), 1e6),
            ("2^0.5", pow(2.0, 0.5), std::f64::consts::SQRT_2),
            ("2^-1074", pow(2.0, -1074.0), 5e-324),
            ("2^1024", pow(2.0, 1024.0), f64::INFINITY),
            ("(-2)^3", pow(-2.0, 3.0), -8.0),
            ("0^-1", pow(0.0, -1.0), f64::INFINITY),
            ("(-0)^3", pow(-0.0, 3.0), -0.0),
            ("inf^0", pow(f64::INFINITY, 0.0), 1.0),
            ("2^1e300", pow(2.0, 1e300), f64::INFINITY),
            ("acosh(1e308)", acosh(1e308), 709.889_355_822_726),
            ("asinh(-1e308)", asinh(-1e308), -709.889_355_822_726),
            ("acosh(1)", acosh(1.0), 0.0),
            ("atanh(1)", atanh(1.0), f64::INFINITY),
        ] {
            assert_eq!(found.to_bits(), expected.to_bits(), "{name} is {found}");
        }
        assert!(pow(-2.0, 0.3).is_nan() && pow(-2.0, 0.5).is_nan() && log10(-1.0).is_nan());
    }

    #[test]
    fn a_power_is_the_library_s_within_rounding() {
        for base in [1e-300, 0.1, 0.9, 1.5, 7.0, 123.456, 1e10, -3.0] {
            for power in [-50.0, -3.0, -0.25, 0.1, 0.75, 1.0, 2.0, 2.5, 17.0, 300.0] {
                let (found, expected) = (pow(base, power), base.powf(power));
                let same = found == expected
                    || (found.is_nan() && expected.is_nan())
                    || (found - expected).abs() <= 1e-12 * expected.abs();
                assert!(same, "{base}^{power}: {found} {expected}");
            }
        }
    }
}
