//! Durations: Go's `time.Duration` and the durations that Prometheus reads.

use crate::template::go::float;
use crate::template::go::value::Value;

const UNITS: [(&str, u64); 7] = [
    ("y", 31_536_000_000),
    ("w", 604_800_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Reads `1d12h` as Prometheus does, into nanoseconds: whole numbers, large units first.
///
/// # Errors
/// Refuses what is no duration, or too long.
pub(super) fn parse(text: &str) -> Result<i64, String> {
    if text.is_empty() {
        return Err("empty duration string".to_owned());
    }
    if text == "0" {
        return Ok(0);
    }
    let bad = || format!("not a valid duration string: {text:?}");
    let mut units = UNITS.iter();
    let mut rest = text;
    let mut sum_ms = 0_u64;
    while !rest.is_empty() {
        let digits =
            rest.len() - rest.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
        let (number, after) = rest.split_at_checked(digits).ok_or_else(bad)?;
        let letters = after.len()
            - after.trim_start_matches(|letter: char| letter.is_ascii_lowercase()).len();
        let (unit, after) = after.split_at_checked(letters).ok_or_else(bad)?;
        let (_, size) = units.find(|(name, _)| *name == unit).ok_or_else(bad)?;
        if number.is_empty() {
            return Err(bad());
        }
        let part = number.parse::<u64>().ok().and_then(|number| number.checked_mul(*size));
        sum_ms = part
            .and_then(|part| sum_ms.checked_add(part))
            .ok_or_else(|| "duration out of range".to_owned())?;
        rest = after;
    }
    i64::try_from(sum_ms)
        .ok()
        .and_then(|sum| sum.checked_mul(1_000_000))
        .ok_or_else(|| "duration out of range".to_owned())
}

/// A duration in seconds.
///
/// # Errors
/// Refuses what is no duration.
pub(super) fn from_seconds(seconds: f64) -> Result<i64, String> {
    if !seconds.is_finite() {
        return Err("value is NaN or Inf".to_owned());
    }
    let nanoseconds = seconds * 1e9;
    if !(-9.2e18..9.2e18).contains(&nanoseconds) {
        let written = float::format(seconds, 'g', None);
        return Err(format!(
            "{written} cannot be represented as a duration since it overflows int64"
        ));
    }
    #[allow(clippy::cast_possible_truncation, reason = "bounded above")]
    Ok(nanoseconds as i64)
}

/// Seconds of a duration that Prometheus's syntax writes.
///
/// # Errors
/// Refuses what is no duration.
pub(super) fn seconds_of(text: &str) -> Result<f64, String> {
    #[allow(clippy::cast_precision_loss, reason = "Go's durations lose as much")]
    Ok(parse(text)? as f64 / 1e9)
}

/// Writes nanoseconds as Go does: `1h30m0s`, `1.5s`, `250ms`.
pub(super) fn display(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let size = nanoseconds.unsigned_abs();
    let (unit, name) = match size {
        0 => return "0s".to_owned(),
        1..=999 => (1, "ns"),
        1_000..=999_999 => (1_000, "µs"),
        1_000_000..=999_999_999 => (1_000_000, "ms"),
        _ => (1_000_000_000, "s"),
    };
    if name != "s" {
        return format!("{sign}{}{name}", decimal(size, unit));
    }
    let minutes = size / 60_000_000_000;
    let seconds = decimal(size % 60_000_000_000, unit);
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{sign}{seconds}s"),
        (0, minutes) => format!("{sign}{minutes}m{seconds}s"),
        (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}s"),
    }
}

/// A quotient in decimal digits, exactly; the unit is a power of ten.
fn decimal(size: u64, unit: u64) -> String {
    let rest = size % unit;
    if rest == 0 {
        return (size / unit).to_string();
    }
    let width = usize::try_from(unit.ilog10()).unwrap_or(0);
    let fraction = format!("{rest:0>width$}");
    format!("{}.{}", size / unit, fraction.trim_end_matches('0'))
}

/// Calls a method of `time.Duration`.
///
/// # Errors
/// Says that there is none of the name.
pub(super) fn method(span: i64, name: &str, arguments: &[Value]) -> Result<Value, String> {
    #[allow(clippy::cast_precision_loss, reason = "Go's durations lose as much")]
    let nanoseconds = span as f64;
    let value = match name {
        "Hours" => Value::Float(nanoseconds / 3.6e12),
        "Minutes" => Value::Float(nanoseconds / 6e10),
        "Seconds" => Value::Float(nanoseconds / 1e9),
        "Milliseconds" => Value::Int(span / 1_000_000),
        "Microseconds" => Value::Int(span / 1_000),
        "Nanoseconds" => Value::Int(span),
        "String" => Value::text(display(span)),
        _ => return Err(format!("can't evaluate field {name} in type *time.Duration")),
    };
    if arguments.is_empty() {
        return Ok(value);
    }
    Err(format!("wrong number of args for {name}: want 0 got {}", arguments.len()))
}
