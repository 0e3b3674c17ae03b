//! Quantities as people write them: `500ms`, `1h30m`, `0.5%`, `2GiB`, `2%/h`, `> 1%`.
//!
//! Everything becomes its base unit: seconds, bytes, a ratio where 1 is 100 %. Faults carry their
//! range in the text and the repair. Knows no file and no key.

use std::ops::Range;
use std::time::Duration;

use watchbell_metrics::rule::{Bound, Comparison};

use crate::code::Code;

/// The longest duration that is accepted: a century.
const SECONDS_MAX: f64 = 100.0 * 365.0 * 86_400.0;

/// What a quantity measures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    /// A number without a unit.
    None,
    Ratio,
    RatioPerHour,
    Seconds,
    Bytes,
    PerSecond,
    /// A word of the user's own.
    Word(String),
}

/// A number in the base unit of its measure.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Quantity {
    pub(crate) value: f64,
    pub(crate) measure: Measure,
}

/// Why a text is no such quantity, and where.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fault {
    pub(crate) code: Code,
    pub(crate) span: Range<usize>,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

/// A unit's name, what it measures, and its size: times the first number, divided by the second.
/// Division keeps `70%` the number nearest to 0.7, which a factor of 0.01 would not.
const UNITS: [(&str, Measure, f64, f64); 27] = [
    ("ns", Measure::Seconds, 1.0, 1e9),
    ("us", Measure::Seconds, 1.0, 1e6),
    ("µs", Measure::Seconds, 1.0, 1e6),
    ("ms", Measure::Seconds, 1.0, 1e3),
    ("s", Measure::Seconds, 1.0, 1.0),
    ("m", Measure::Seconds, 60.0, 1.0),
    ("h", Measure::Seconds, 3_600.0, 1.0),
    ("d", Measure::Seconds, 86_400.0, 1.0),
    ("w", Measure::Seconds, 604_800.0, 1.0),
    ("y", Measure::Seconds, 31_536_000.0, 1.0),
    ("%", Measure::Ratio, 1.0, 100.0),
    ("%/h", Measure::RatioPerHour, 1.0, 100.0),
    ("/s", Measure::PerSecond, 1.0, 1.0),
    ("B", Measure::Bytes, 1.0, 1.0),
    ("kB", Measure::Bytes, 1e3, 1.0),
    ("MB", Measure::Bytes, 1e6, 1.0),
    ("GB", Measure::Bytes, 1e9, 1.0),
    ("TB", Measure::Bytes, 1e12, 1.0),
    ("KiB", Measure::Bytes, 1_024.0, 1.0),
    ("MiB", Measure::Bytes, 1_048_576.0, 1.0),
    ("GiB", Measure::Bytes, 1_073_741_824.0, 1.0),
    ("TiB", Measure::Bytes, 1_099_511_627_776.0, 1.0),
    ("kB/s", Measure::PerSecond, 1e3, 1.0),
    ("MB/s", Measure::PerSecond, 1e6, 1.0),
    ("KiB/s", Measure::PerSecond, 1_024.0, 1.0),
    ("MiB/s", Measure::PerSecond, 1_048_576.0, 1.0),
    ("GiB/s", Measure::PerSecond, 1_073_741_824.0, 1.0),
];

/// How people spell units that we spell differently.
const ALIASES: [(&str, &str); 25] = [
    ("sec", "s"),
    ("secs", "s"),
    ("second", "s"),
    ("seconds", "s"),
    ("msec", "ms"),
    ("min", "m"),
    ("mins", "m"),
    ("minute", "m"),
    ("minutes", "m"),
    ("hr", "h"),
    ("hrs", "h"),
    ("hour", "h"),
    ("hours", "h"),
    ("day", "d"),
    ("days", "d"),
    ("week", "w"),
    ("weeks", "w"),
    ("percent", "%"),
    ("pct", "%"),
    ("%/hour", "%/h"),
    ("kb", "kB"),
    ("k", "KiB"),
    ("mb", "MB"),
    ("g", "GiB"),
    ("gb", "GB"),
];

impl Measure {
    /// Words it: `a share in %`.
    pub(crate) fn wording(&self) -> String {
        match self {
            Self::None => "a plain number".to_owned(),
            Self::Ratio => "a share in %".to_owned(),
            Self::RatioPerHour => "a growth in %/h".to_owned(),
            Self::Seconds => "a length of time".to_owned(),
            Self::Bytes => "a size in bytes".to_owned(),
            Self::PerSecond => "a rate in /s".to_owned(),
            Self::Word(word) => format!("a number of {word}"),
        }
    }

    /// Returns the unit that a bare number most likely meant.
    pub(crate) fn likely_unit(&self) -> &str {
        match self {
            Self::None => "",
            Self::Ratio => "%",
            Self::RatioPerHour => "%/h",
            Self::Seconds => "s",
            Self::Bytes => "B",
            Self::PerSecond => "/s",
            Self::Word(word) => word,
        }
    }
}

/// Reads a number with or without a unit; `word` is a unit of the user's own.
pub(crate) fn quantity(text: &str, word: Option<&str>) -> Result<Quantity, Fault> {
    let mut total: Option<Quantity> = None;
    let mut at = 0;
    loop {
        let (value, unit) = part(text, at).ok_or_else(|| no_number(text))?;
        let name = text.get(unit.clone()).unwrap_or_default();
        at = unit.end;
        let is_end = text.get(at..).is_none_or(|rest| rest.trim().is_empty());
        if name.is_empty() && total.is_none() && is_end {
            return Ok(Quantity { value, measure: Measure::None });
        }
        let found = scale(value, name, word).ok_or_else(|| unknown_unit(text, name, unit))?;
        let sum = match total {
            None => found,
            Some(before)
                if before.measure == Measure::Seconds && found.measure == Measure::Seconds =>
            {
                Quantity { value: before.value + found.value, measure: found.measure }
            }
            Some(_) => {
                return Err(malformed(text, "only lengths of time may have several parts"));
            }
        };
        if is_end {
            return Ok(sum);
        }
        total = Some(sum);
    }
}

/// Reads a number and finds the word behind it; blanks may stand around both.
fn part(text: &str, at: usize) -> Option<(f64, Range<usize>)> {
    let blanks = |at: usize| {
        let rest = text.get(at..).unwrap_or_default();
        rest.len() - rest.trim_start().len()
    };
    let start = at + blanks(at);
    let (value, length) = number(text.get(start..)?)?;
    let unit = start + length + blanks(start + length);
    let rest = text.get(unit..)?;
    let ends = |letter: char| letter.is_ascii_digit() || letter.is_whitespace();
    let end = unit + rest.find(ends).unwrap_or(rest.len());
    Some((value, unit..end))
}

/// Reads a length of time: `500ms`, `5m`, `1h30m`.
pub(crate) fn duration(text: &str) -> Result<Duration, Fault> {
    let quantity = quantity(text, None)?;
    match quantity.measure {
        Measure::Seconds => {}
        // Zero is the same in every unit.
        Measure::None if quantity.value == 0.0 => {}
        Measure::None => return Err(bare(text, &Measure::Seconds, text.trim())),
        other => return Err(mismatch(text, &Measure::Seconds, &other)),
    }
    if !(0.0..=SECONDS_MAX).contains(&quantity.value) {
        return Err(malformed(text, "a length of time lies between 0s and 100y"));
    }
    Ok(Duration::from_secs_f64(quantity.value))
}

/// Reads a size: `512B`, `16MiB`, `2GB`.
pub(crate) fn size(text: &str) -> Result<u64, Fault> {
    let quantity = quantity(text, None)?;
    match quantity.measure {
        Measure::Bytes => {}
        Measure::None => return Err(bare(text, &Measure::Bytes, text.trim())),
        other => return Err(mismatch(text, &Measure::Bytes, &other)),
    }
    if !(0.0..=1e18).contains(&quantity.value) {
        return Err(malformed(text, "a size lies between 0B and 1000000TB"));
    }
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range was checked one line above"
    )]
    Ok(quantity.value.round() as u64)
}

/// Reads a share: `5%`, as a ratio.
pub(crate) fn share(text: &str) -> Result<f64, Fault> {
    let quantity = quantity(text, None)?;
    match quantity.measure {
        Measure::Ratio => Ok(quantity.value),
        Measure::None => Err(bare(text, &Measure::Ratio, text.trim())),
        other => Err(mismatch(text, &Measure::Ratio, &other)),
    }
}

/// Splits a bound into its comparison and the rest with its offset; no comparison gives `None`.
pub(crate) fn comparison(text: &str) -> (Option<Comparison>, &str, usize) {
    let trimmed = text.trim_start();
    let blanks = text.len() - trimmed.len();
    for (sign, comparison) in [
        (">=", Comparison::AtLeast),
        ("≥", Comparison::AtLeast),
        ("<=", Comparison::AtMost),
        ("≤", Comparison::AtMost),
        (">", Comparison::Above),
        ("<", Comparison::Below),
    ] {
        if let Some(rest) = trimmed.strip_prefix(sign) {
            return (Some(comparison), rest, blanks + sign.len());
        }
    }
    (None, trimmed, blanks)
}

/// Reads a bound: `> 1%`, `<= 500ms`.
pub(crate) fn bound(text: &str, word: Option<&str>) -> Result<(Bound, Measure), Fault> {
    let (comparison, rest, offset) = comparison(text);
    let Some(comparison) = comparison else {
        let plain = rest.trim_start_matches(['=', '!', '~', ' ']);
        return Err(Fault {
            code: Code::BadBound,
            span: 0..text.len(),
            message: format!("the bound {text:?} lacks its comparison"),
            help: Some(format!("write \"> {plain}\" or \"< {plain}\" (also >= and <=)")),
        });
    };
    let quantity = quantity(rest, word).map_err(|mut fault| {
        fault.span = fault.span.start + offset..fault.span.end + offset;
        fault
    })?;
    Ok((Bound { comparison, value: quantity.value }, quantity.measure))
}

/// The fault of a number without the unit that is due; `number` is how it was written.
pub(crate) fn bare(text: &str, due: &Measure, number: &str) -> Fault {
    let unit = due.likely_unit();
    Fault {
        code: Code::BareNumber,
        span: 0..text.len(),
        message: format!("{} is due here, and {number} has no unit", due.wording()),
        help: Some(format!("write \"{number}{unit}\"")),
    }
}

/// The fault of a quantity of another kind.
pub(crate) fn mismatch(text: &str, due: &Measure, got: &Measure) -> Fault {
    Fault {
        code: Code::UnitMismatch,
        span: 0..text.len(),
        message: format!("{} is due here, not {}", due.wording(), got.wording()),
        help: None,
    }
}

/// Turns a number in a unit into the base unit of what it measures.
fn scale(value: f64, unit: &str, word: Option<&str>) -> Option<Quantity> {
    if word == Some(unit) {
        return Some(Quantity { value, measure: Measure::Word(unit.to_owned()) });
    }
    let (_, measure, times, per) = UNITS.iter().find(|(name, ..)| *name == unit)?;
    Some(Quantity { value: value * times / per, measure: measure.clone() })
}

/// Reads a number at the start; also gives its length.
fn number(text: &str) -> Option<(f64, usize)> {
    let bytes = text.as_bytes();
    let digits = |from: usize| bytes.iter().skip(from).take_while(|b| b.is_ascii_digit()).count();
    let mut end = usize::from(matches!(bytes.first(), Some(b'-' | b'+')));
    end += digits(end);
    if bytes.get(end) == Some(&b'.') && digits(end + 1) > 0 {
        end += 1 + digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'-' | b'+')));
        let power = digits(end + 1 + sign);
        if power > 0 {
            end += 1 + sign + power;
        }
    }
    let value: f64 = text.get(..end)?.parse().ok()?;
    value.is_finite().then_some((value, end))
}

fn no_number(text: &str) -> Fault {
    Fault {
        code: Code::BadQuantity,
        span: 0..text.len(),
        message: format!("{text:?} is no quantity: it needs a number"),
        help: Some("quantities look like \"500ms\", \"5m\", \"0.5%\", \"2GiB\"".to_owned()),
    }
}

fn malformed(text: &str, message: &str) -> Fault {
    Fault {
        code: Code::BadQuantity,
        span: 0..text.len(),
        message: format!("{text:?} is no quantity: {message}"),
        help: None,
    }
}

fn unknown_unit(text: &str, unit: &str, span: Range<usize>) -> Fault {
    let lower = unit.to_lowercase();
    let meant = ALIASES.iter().find(|(alias, _)| *alias == lower).map(|(_, unit)| *unit);
    let start = text.get(..span.start).unwrap_or_default().trim();
    let help = match meant {
        Some(meant) => format!("write \"{start}{meant}\""),
        None => "units: ms s m h d w, % %/h, B kB MB GB KiB MiB GiB, /s".to_owned(),
    };
    Fault {
        code: Code::BadQuantity,
        span,
        message: format!("there is no unit {unit:?}"),
        help: Some(help),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read() {
        for (text, ms) in [
            ("500ms", 500),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("1h 30m", 5_400_000),
            ("1.5s", 1_500),
            ("24h", 86_400_000),
            ("2w", 1_209_600_000),
            ("0s", 0),
            ("0", 0),
        ] {
            assert_eq!(duration(text).unwrap(), Duration::from_millis(ms), "{text}");
        }
    }

    #[test]
    fn what_is_no_length_of_time_is_refused_with_the_repair() {
        for (text, word) in [
            ("15", "\"15s\""),
            ("15 sec", "\"15s\""),
            ("5 minutes", "\"5m\""),
            ("5%", ""),
            ("-5m", ""),
            ("", "quantities look like"),
            ("m", "quantities look like"),
            ("1e300y", ""),
            ("1mo", "units"),
            ("5m10", "units"),
        ] {
            let fault = duration(text).unwrap_err();
            let help = fault.help.unwrap_or_default();
            assert!(help.contains(word), "{text}: {help}");
            assert!(fault.span.end <= text.len(), "{text}");
        }
    }

    #[test]
    fn sizes_and_shares_take_their_base_unit() {
        assert_eq!(size("16MiB").unwrap(), 16 * 1024 * 1024);
        assert_eq!(size("2GB").unwrap(), 2_000_000_000);
        assert!((share("5%").unwrap() - 0.05).abs() < 1e-12);
        assert!(size("5m").is_err() && share("5m").is_err() && size("-1B").is_err());
    }

    #[test]
    fn bounds_carry_their_comparison() {
        for (text, comparison, value, measure) in [
            ("> 1%", Comparison::Above, 0.01, Measure::Ratio),
            ("<500ms", Comparison::Below, 0.5, Measure::Seconds),
            (">= 2GiB", Comparison::AtLeast, 2_147_483_648.0, Measure::Bytes),
            ("<= -3", Comparison::AtMost, -3.0, Measure::None),
            ("> 2%/h", Comparison::Above, 0.02, Measure::RatioPerHour),
            ("> 1e3/s", Comparison::Above, 1000.0, Measure::PerSecond),
            ("> 5 jobs", Comparison::Above, 5.0, Measure::Word("jobs".to_owned())),
        ] {
            let (bound, found) = bound(text, Some("jobs")).unwrap();
            assert_eq!(bound.comparison, comparison, "{text}");
            assert!((bound.value - value).abs() < 1e-9, "{text}");
            assert_eq!(found, measure, "{text}");
        }
    }

    #[test]
    fn a_fault_of_a_bound_points_at_its_part() {
        assert_eq!(bound("1%", None).unwrap_err().code, Code::BadBound);
        assert_eq!(bound("== 1%", None).unwrap_err().code, Code::BadBound);
        let fault = bound("> 1 prcnt", None).unwrap_err();
        assert_eq!(fault.span, 4..9);
    }
}
