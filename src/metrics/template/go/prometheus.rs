//! The functions that Prometheus adds for queries, numbers, times and letters.

use std::sync::Arc;

use crate::template::go::float;
use crate::template::go::function::{Context, Function, text_at};
use crate::template::go::span;
use crate::template::go::time::Moment;
use crate::template::go::value::Kind::{Any, Sample as Row, Samples as Rows, Text};
use crate::template::go::value::{Map, Sample, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::scoped("query", &[Text], query),
    Function::plain("first", &[Rows], first),
    Function::plain("label", &[Text, Row], |values| {
        row(values, 1, |sample| label(sample, text_at(values, 0)))
    }),
    Function::plain("value", &[Row], |values| row(values, 0, |sample| Value::Float(sample.value))),
    Function::plain("strvalue", &[Row], |values| {
        row(values, 0, |sample| label(sample, "__value__"))
    }),
    Function::plain("sortByLabel", &[Text, Rows], sort_by_label),
    Function::plain("args", &[], |values| Ok(Value::Map(Arc::new(Map::of_arguments(values)?))))
        .with_more(),
    Function::plain("humanize", &[Any], |values| number(values, humanize)),
    Function::plain("humanize1024", &[Any], |values| number(values, humanize_1024)),
    Function::plain("humanizeDuration", &[Any], |values| number(values, humanize_duration)),
    Function::plain("humanizePercentage", &[Any], |values| {
        number(values, |value| format!("{}%", short(value * 100.0)))
    }),
    Function::plain("humanizeTimestamp", &[Any], humanize_timestamp),
    Function::plain("toTime", &[Any], |values| {
        Ok(Value::Moment(Moment::from_seconds(float_at(values)?)?))
    }),
    Function::plain("toDuration", &[Any], |values| {
        Ok(Value::Span(span::from_seconds(float_at(values)?)?))
    }),
    Function::scoped("now", &[], |context, _| {
        #[allow(clippy::cast_precision_loss, reason = "milliseconds of any date fit")]
        Ok(Value::Float(context.scope.now_ms as f64 / 1000.0))
    }),
    Function::plain("parseDuration", &[Text], |values| {
        Ok(Value::Float(span::seconds_of(text_at(values, 0))?))
    }),
    Function::plain("parseDurationTime", &[Text], |values| {
        Ok(Value::Span(span::parse(text_at(values, 0))?))
    }),
    Function::plain("title", &[Text], |values| Ok(Value::text(title(text_at(values, 0))))),
    Function::plain("toUpper", &[Text], |values| {
        Ok(Value::text(text_at(values, 0).to_uppercase()))
    }),
    Function::plain("toLower", &[Text], |values| {
        Ok(Value::text(text_at(values, 0).to_lowercase()))
    }),
    Function::plain("safeHtml", &[Text], |values| Ok(Value::text(text_at(values, 0)))),
];

/// What a query costs in steps, besides its rows.
const QUERY_STEPS: usize = 1_000;

fn query(context: &mut Context<'_>, values: &[Value]) -> Result<Value, String> {
    context.charge(QUERY_STEPS)?;
    let rows = (context.scope.query)(text_at(values, 0))?;
    context.charge(rows.len())?;
    let rows: Vec<Arc<Sample>> =
        rows.into_iter().map(|(labels, value)| Arc::new(Sample { labels, value })).collect();
    Ok(Value::Samples(rows.into()))
}

fn rows(values: &[Value], index: usize) -> &[Arc<Sample>] {
    match values.get(index) {
        Some(Value::Samples(samples)) => samples,
        Some(_) | None => &[],
    }
}

fn first(values: &[Value]) -> Result<Value, String> {
    let sample = rows(values, 0).first().ok_or("first() called on vector with no elements")?;
    Ok(Value::Sample(Arc::clone(sample)))
}

/// Reads from a row; its kind was checked before.
fn row(values: &[Value], index: usize, read: impl Fn(&Sample) -> Value) -> Result<Value, String> {
    match values.get(index) {
        Some(Value::Sample(sample)) => Ok(read(sample)),
        Some(_) | None => Err("no sample".to_owned()),
    }
}

fn label(sample: &Sample, name: &str) -> Value {
    Value::text(sample.labels.get(name).unwrap_or_default())
}

#[allow(clippy::unnecessary_wraps, reason = "the shape of all functions")]
fn sort_by_label(values: &[Value]) -> Result<Value, String> {
    let name = text_at(values, 0);
    let mut sorted = rows(values, 1).to_vec();
    sorted.sort_by(|left, right| left.labels.get(name).cmp(&right.labels.get(name)));
    Ok(Value::Samples(sorted.into()))
}

fn float_at(values: &[Value]) -> Result<f64, String> {
    values.first().unwrap_or(&Value::Nil).to_float()
}

fn number(values: &[Value], word: impl Fn(f64) -> String) -> Result<Value, String> {
    Ok(Value::text(word(float_at(values)?)))
}

/// `%.4g`
fn short(value: f64) -> String {
    float::format(value, 'g', Some(4))
}

const LARGE: [&str; 8] = ["k", "M", "G", "T", "P", "E", "Z", "Y"];
const SMALL: [&str; 8] = ["m", "u", "n", "p", "f", "a", "z", "y"];

/// Divides while the value is not below the step, up to the last prefix.
fn reduce(mut value: f64, step: f64) -> (f64, &'static str) {
    let mut reached = "";
    for prefix in LARGE {
        if value.abs() < step {
            break;
        }
        reached = prefix;
        value /= step;
    }
    (value, reached)
}

/// Multiplies while the value is below one, down to the last prefix.
fn enlarge(mut value: f64) -> (f64, &'static str) {
    let mut reached = "";
    for prefix in SMALL {
        if 1.0 <= value.abs() {
            break;
        }
        reached = prefix;
        value *= 1000.0;
    }
    (value, reached)
}

fn humanize(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return short(value);
    }
    let (value, prefix) = if 1.0 <= value.abs() { reduce(value, 1000.0) } else { enlarge(value) };
    format!("{}{prefix}", short(value))
}

fn humanize_1024(value: f64) -> String {
    if value.abs() <= 1.0 || !value.is_finite() {
        return short(value);
    }
    let (value, prefix) = reduce(value, 1024.0);
    let binary = if prefix.is_empty() { "" } else { "i" };
    format!("{}{prefix}{binary}", short(value))
}

fn humanize_duration(value: f64) -> String {
    if !value.is_finite() {
        return short(value);
    }
    if value == 0.0 {
        return "0s".to_owned();
    }
    if value.abs() < 1.0 {
        let (value, prefix) = enlarge(value);
        return format!("{}{prefix}s", short(value));
    }
    let sign = if value < 0.0 { "-" } else { "" };
    let size = value.abs();
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive, and whole seconds are meant; a longer time than any is the longest"
    )]
    let seconds = size as u64;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    let rest = seconds % 60;
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{sign}{}s", short(size)),
        (0, 0, _) => format!("{sign}{minutes}m {rest}s"),
        (0, _, _) => format!("{sign}{hours}h {minutes}m {rest}s"),
        _ => format!("{sign}{days}d {hours}h {minutes}m {rest}s"),
    }
}

fn humanize_timestamp(values: &[Value]) -> Result<Value, String> {
    let seconds = float_at(values)?;
    if !seconds.is_finite() {
        return Ok(Value::text(short(seconds)));
    }
    Ok(Value::text(Moment::from_seconds(seconds)?.to_string()))
}

/// Raises the first letter of each word; digits and underscores do not end a word.
fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut starts = true;
    for letter in text.chars() {
        if starts {
            out.extend(letter.to_uppercase());
        } else {
            out.push(letter);
        }
        let ascii_end = letter.is_ascii() && !letter.is_ascii_alphanumeric() && letter != '_';
        starts = ascii_end || letter.is_whitespace();
    }
    out
}
