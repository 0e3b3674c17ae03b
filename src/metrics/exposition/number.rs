//! Numbers and times as expositions write them.

use crate::exposition::Format;
use crate::sample::Millis;

/// Powers of ten that a double holds exactly, as far as the short form needs them.
const POWERS: [f64; 16] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
/// The farthest time that is understood, milliseconds either side of 1970.
const TIME_MAX: f64 = 9e15;

/// Reads a value: decimal, `NaN`, `Inf`, `+Inf`, `-Inf`, in any case.
pub(super) fn value(token: &[u8]) -> Option<f64> {
    short(token).or_else(|| std::str::from_utf8(token).ok()?.parse().ok())
}

/// Reads up to 15 plain digits: both operands of the division are exact, so the quotient is
/// rounded once, as a full parser rounds it.
fn short(token: &[u8]) -> Option<f64> {
    let digits = token.strip_prefix(b"-").unwrap_or(token);
    if digits.is_empty() || 16 < digits.len() {
        return None;
    }
    let mut mantissa = 0_u64;
    let mut point = None;
    for (index, byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => mantissa = mantissa * 10 + u64::from(byte - b'0'),
            b'.' if point.is_none() => point = Some(index),
            _ => return None,
        }
    }
    let digit_count = digits.len() - usize::from(point.is_some());
    if digit_count == 0 || 15 < digit_count {
        return None;
    }
    let decimals = point.map_or(0, |index| digits.len() - 1 - index);
    let value = mantissa as f64 / POWERS.get(decimals)?;
    Some(if digits.len() < token.len() { -value } else { value })
}

/// Reads a timestamp: whole milliseconds in the text format, seconds in OpenMetrics.
pub(super) fn time(token: &[u8], format: Format) -> Option<Millis> {
    let text = std::str::from_utf8(token).ok()?;
    match format {
        Format::Text => text.parse().ok(),
        Format::OpenMetrics => {
            let millis = (text.parse::<f64>().ok()? * 1000.0).round();
            #[allow(clippy::cast_possible_truncation, reason = "a whole number within i64")]
            (millis.abs() <= TIME_MAX).then_some(millis as Millis)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spellings_of_values() {
        let cases: [(&str, Option<f64>); 22] = [
            ("0", Some(0.0)),
            ("1", Some(1.0)),
            ("+1", Some(1.0)),
            ("1.5", Some(1.5)),
            (".5", Some(0.5)),
            ("5.", Some(5.0)),
            ("-12.25", Some(-12.25)),
            ("1e3", Some(1000.0)),
            ("1.7560473e+07", Some(17_560_473.0)),
            ("999999999999999", Some(999_999_999_999_999.0)),
            ("12345678901234567890", Some(12_345_678_901_234_567_890.0)),
            ("+Inf", Some(f64::INFINITY)),
            ("-inf", Some(f64::NEG_INFINITY)),
            ("Infinity", Some(f64::INFINITY)),
            ("", None),
            ("-", None),
            (".", None),
            ("1_000", None),
            ("0x10", None),
            ("1.2.3", None),
            ("12a", None),
            ("\u{0661}", None),
        ];
        for (text, expected) in cases {
            assert_eq!(value(text.as_bytes()), expected, "{text:?}");
        }
        for text in ["NaN", "nan", "NAN"] {
            assert!(value(text.as_bytes()).unwrap().is_nan(), "{text}");
        }
        assert!(value(b"-0").unwrap().is_sign_negative());
    }

    #[test]
    fn times_are_milliseconds_in_text_and_seconds_in_openmetrics() {
        let cases = [
            (Format::Text, "1395066363000", Some(1_395_066_363_000)),
            (Format::Text, "-5", Some(-5)),
            (Format::Text, "1.5", None),
            (Format::OpenMetrics, "1395066363", Some(1_395_066_363_000)),
            (Format::OpenMetrics, "1520879607.789", Some(1_520_879_607_789)),
            (Format::OpenMetrics, "NaN", None),
            (Format::OpenMetrics, "1e300", None),
        ];
        for (format, text, expected) in cases {
            assert_eq!(time(text.as_bytes(), format), expected, "{format:?} {text}");
        }
    }

    proptest! {
        #[test]
        fn the_short_form_rounds_as_the_full_parser(text in "-?[0-9]{0,12}\\.?[0-9]{0,12}") {
            if let Some(found) = short(text.as_bytes()) {
                prop_assert_eq!(found.to_bits(), text.parse::<f64>().unwrap().to_bits());
            }
        }
    }
}
