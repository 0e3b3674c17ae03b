//! Series as tests write them: `metric{a="b"}` and `0+10x5 _ 3 stale`.
//!
//! Knows floats only; the `{{…}}` of native histograms is a fault like any other.

use std::ops::Range;

use crate::label::Labels;
use crate::promql::ParseError;
use crate::promql::lexer;
use crate::promql::parser;

/// The most points that one series may have.
pub const POINTS_MAX: usize = 1_000_000;

/// One place of a series of a test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Point {
    /// A sample.
    Value(f64),
    /// No sample at this step.
    Missing,
    /// The series ends here.
    Stale,
}

/// Reads a series' name and labels: `metric{a="b"}`.
///
/// # Errors
/// The first fault, with its place.
pub fn parse_labels(text: &str) -> Result<Labels, ParseError> {
    parser::parse_labels(text)
}

/// Reads values in the expanding notation: `1 2 3`, `0+10x5`, `4-1x3`, `1x5`, `_`, `_x3`, `stale`.
///
/// `axN` and `a+bxN` are N + 1 points, `_xN` is N, as in Prometheus.
///
/// # Errors
/// The first fault, with its place.
pub fn parse_values(text: &str) -> Result<Vec<Point>, ParseError> {
    let mut points = Vec::new();
    for (span, word) in words(text) {
        expand(word, &mut points).map_err(|message| {
            ParseError::new(span, message)
                .help("write 1, 0+10x5, 4-1x3, 1x5, _, _x3, stale, NaN or Inf")
        })?;
    }
    Ok(points)
}

/// Splits a line of a test into the labels of a series and its values.
pub(crate) fn split_series(line: &str) -> (&str, &str) {
    let mut quote = None;
    let mut escaped = false;
    let mut inside = false;
    for (at, letter) in line.char_indices() {
        match quote {
            Some(open) => {
                if letter == open && !escaped {
                    quote = None;
                }
                escaped = letter == '\\' && !escaped && open != '`';
            }
            None => match letter {
                '"' | '\'' | '`' => quote = Some(letter),
                '{' => inside = true,
                '}' => return line.split_at_checked(at + 1).unwrap_or((line, "")),
                _ if letter.is_whitespace() && !inside => {
                    let rest = line.get(at..).unwrap_or_default().trim_start();
                    // Two brackets are a native histogram, one starts the labels.
                    if !rest.starts_with('{') || rest.starts_with("{{") {
                        return line.split_at_checked(at).unwrap_or((line, ""));
                    }
                }
                _ => {}
            },
        }
    }
    (line, "")
}

fn words(text: &str) -> impl Iterator<Item = (Range<usize>, &str)> {
    let mut at = 0;
    text.split_whitespace().map(move |word| {
        let from = text.get(at..).and_then(|rest| rest.find(word)).map_or(at, |found| at + found);
        at = from + word.len();
        (from..at, word)
    })
}

fn expand(word: &str, points: &mut Vec<Point>) -> Result<(), String> {
    let (item, times) = match word.rsplit_once('x') {
        Some((item, times)) => {
            let times: usize =
                times.parse().map_err(|_| format!("{times:?} is no number of repeats"))?;
            (item, Some(times))
        }
        None => (word, None),
    };
    let wanted = times.unwrap_or_default().saturating_add(points.len()).saturating_add(1);
    if POINTS_MAX < wanted {
        return Err(format!("a series has more than {POINTS_MAX} points"));
    }
    match item {
        "_" => points.extend((0..times.unwrap_or(1)).map(|_| Point::Missing)),
        "stale" if times.is_none() => points.push(Point::Stale),
        _ => {
            let (start, step) = start_and_step(item, times.is_some())?;
            let mut value = start;
            // Added up rather than multiplied, as Prometheus does.
            for _ in 0..=times.unwrap_or_default() {
                points.push(Point::Value(value));
                value += step;
            }
        }
    }
    Ok(())
}

/// Splits `4-1` into 4 and -1; a sign at the start or in an exponent splits nothing.
fn start_and_step(item: &str, repeated: bool) -> Result<(f64, f64), String> {
    let mut previous = 'e';
    for (at, letter) in item.char_indices() {
        let splits = matches!(letter, '+' | '-') && !matches!(previous, 'e' | 'E');
        if let Some((start, step)) = item.split_at_checked(at).filter(|_| splits && repeated) {
            return Ok((number(start)?, number(step)?));
        }
        previous = letter;
    }
    Ok((number(item)?, 0.0))
}

/// Reads a number with a sign.
pub(crate) fn number(word: &str) -> Result<f64, String> {
    let (sign, digits) = match word.strip_prefix('-') {
        Some(digits) => (-1.0, digits),
        None => (1.0, word.strip_prefix('+').unwrap_or(word)),
    };
    let value = match digits.to_ascii_lowercase().as_str() {
        "inf" => Some(f64::INFINITY),
        "nan" => Some(f64::NAN),
        _ if digits.starts_with(|letter: char| letter.is_ascii_digit() || letter == '.') => {
            lexer::parse_number(digits)
        }
        _ => None,
    };
    value.map(|value| sign * value).ok_or_else(|| format!("{word:?} is no number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<f64> {
        parse_values(text)
            .unwrap()
            .into_iter()
            .map(|point| match point {
                Point::Value(value) => value,
                Point::Missing => -1000.0,
                Point::Stale => -2000.0,
            })
            .collect()
    }

    #[test]
    fn the_notation_expands_as_prometheus_does() {
        for (text, expected) in [
            ("1 2 3", vec![1.0, 2.0, 3.0]),
            ("0+10x3", vec![0.0, 10.0, 20.0, 30.0]),
            ("4-1x3", vec![4.0, 3.0, 2.0, 1.0]),
            ("-4-1x1", vec![-4.0, -5.0]),
            ("1x2", vec![1.0, 1.0, 1.0]),
            ("_ _x2 1", vec![-1000.0, -1000.0, -1000.0, 1.0]),
            ("3 stale", vec![3.0, -2000.0]),
            ("1e-3+1e+2x1", vec![0.001, 100.001]),
            ("Inf -Inf .5", vec![f64::INFINITY, f64::NEG_INFINITY, 0.5]),
        ] {
            assert_eq!(values(text), expected, "{text}");
        }
        assert!(values("NaN")[0].is_nan());
    }

    #[test]
    fn faults_show_their_place() {
        for (text, span) in
            [("1 2 zwei", 4..8), ("1 1x", 2..4), ("0x999999999", 0..11), ("{{count:1}}", 0..11)]
        {
            assert_eq!(parse_values(text).unwrap_err().span, span, "{text}");
        }
    }

    #[test]
    fn labels_are_read_with_and_without_a_name() {
        for (text, expected) in [
            ("up", "up"),
            ("up{}", "up"),
            ("{}", "{}"),
            (r#"up{job="a b", x='}'}"#, r#"up{job="a b", x="}"}"#),
            (r#"{"my.metric", "a.b"="c"}"#, r#"my.metric{a.b="c"}"#),
        ] {
            assert_eq!(parse_labels(text).unwrap().to_string(), expected, "{text}");
        }
        assert!(parse_labels(r#"up{job=~"a"}"#).is_err());
        assert!(parse_labels("").is_err());
    }

    #[test]
    fn a_line_splits_after_the_labels() {
        for (line, labels, values) in [
            ("up 1 2", "up", "1 2"),
            (r#"up{a="} 1"} 3"#, r#"up{a="} 1"}"#, "3"),
            ("{} 5", "{}", "5"),
            ("up", "up", ""),
            ("up {{count:1}}", "up", "{{count:1}}"),
            (r#"up {a="b"} 1"#, r#"up {a="b"}"#, "1"),
        ] {
            let (left, right) = split_series(line);
            assert_eq!((left, right.trim()), (labels, values), "{line}");
        }
    }
}
