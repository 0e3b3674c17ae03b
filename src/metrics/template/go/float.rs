//! Floating-point numbers as Go's `strconv.FormatFloat` writes them.

/// Writes a number for one of the verbs e, E, f, F, g and G; without precision, with as few
/// digits as tell it from its neighbours.
pub(super) fn format(value: f64, verb: char, precision: Option<usize>) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    let sign = if value.is_sign_negative() { "-" } else { "" };
    if value.is_infinite() {
        return format!("{}Inf", if sign.is_empty() { "+" } else { sign });
    }
    let size = value.abs();
    let written = match verb {
        'e' | 'E' => {
            let text = match precision {
                Some(precision) => format!("{size:.precision$e}"),
                None => format!("{size:e}"),
            };
            let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
            scientific(digits, exponent.parse().unwrap_or(0))
        }
        'f' | 'F' => match precision {
            Some(precision) => format!("{size:.precision$}"),
            None => format!("{size}"),
        },
        _ => general(size, precision),
    };
    let written = if matches!(verb, 'E' | 'G') { written.to_ascii_uppercase() } else { written };
    format!("{sign}{written}")
}

fn scientific(digits: &str, exponent: i32) -> String {
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
}

/// The most digits before the point; beyond, a number without
/// precision takes an exponent.
const SHORTEST_DIGITS_MAX: i32 = 6;

/// `%g`: without trailing zeros, and with an exponent where the number is very small, or has more
/// digits before the point than the precision.
fn general(size: f64, precision: Option<usize>) -> String {
    if size == 0.0 {
        return "0".to_owned();
    }
    let precision = precision.map(|precision| precision.max(1));
    let text = match precision {
        Some(precision) => format!("{size:.*e}", precision - 1),
        None => format!("{size:e}"),
    };
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits = mantissa.replace('.', "");
    let digits = digits.trim_end_matches('0');
    let limit = precision
        .map_or(SHORTEST_DIGITS_MAX, |precision| i32::try_from(precision).unwrap_or(i32::MAX));
    if exponent < -4 || limit <= exponent {
        let first = digits.get(..1).unwrap_or("0");
        let rest = digits.get(1..).unwrap_or_default();
        let point = if rest.is_empty() { "" } else { "." };
        return scientific(&format!("{first}{point}{rest}"), exponent);
    }
    plain(digits, exponent)
}

/// Writes digits whose first has the given power of ten.
fn plain(digits: &str, exponent: i32) -> String {
    let before = usize::try_from(exponent + 1).unwrap_or(0);
    if before == 0 {
        let zeros = "0".repeat(usize::try_from(-1 - exponent).unwrap_or(0));
        return format!("0.{zeros}{digits}");
    }
    match (digits.get(..before), digits.get(before..)) {
        (Some(whole), Some("")) => whole.to_owned(),
        (Some(whole), Some(rest)) => format!("{whole}.{rest}"),
        _ => format!("{digits}{}", "0".repeat(before - digits.len())),
    }
}
