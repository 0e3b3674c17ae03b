//! The functions of Go's own templates: comparison, access, printing, escaping.

use std::cmp::Ordering;

use crate::template::go::function::{Function, Run, text_at};
use crate::template::go::print::{self, Output};
use crate::template::go::printf;
use crate::template::go::value::Kind::{Any, Text};
use crate::template::go::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    Function { name: "and", kinds: &[Any], more: Some(Any), run: Run::And },
    Function { name: "or", kinds: &[Any], more: Some(Any), run: Run::Or },
    Function::plain("not", &[Any], |values| Ok(Value::Bool(!at(values, 0).truth()))),
    Function::plain("eq", &[Any], equal).with_more(),
    Function::plain("ne", &[Any, Any], |values| {
        Ok(Value::Bool(!is_equal(at(values, 0), at(values, 1))?))
    }),
    Function::plain("lt", &[Any, Any], |values| ordered(values, Ordering::is_lt)),
    Function::plain("le", &[Any, Any], |values| ordered(values, Ordering::is_le)),
    Function::plain("gt", &[Any, Any], |values| ordered(values, Ordering::is_gt)),
    Function::plain("ge", &[Any, Any], |values| ordered(values, Ordering::is_ge)),
    Function::plain("len", &[Any], length),
    Function::plain("index", &[Any], index).with_more(),
    Function::plain("slice", &[Any], slice).with_more(),
    Function::plain("print", &[], |values| bounded(print::print(values))).with_more(),
    Function::plain("println", &[], |values| bounded(print::print_line(values))).with_more(),
    Function::plain("printf", &[Text], |values| {
        bounded(printf::printf(text_at(values, 0), values.get(1..).unwrap_or_default()))
    })
    .with_more(),
    Function::plain("html", &[], |values| escaped(values, html)).with_more(),
    Function::plain("js", &[], |values| escaped(values, js)).with_more(),
    Function::plain("urlquery", &[], |values| escaped(values, url_query)).with_more(),
    Function::plain("call", &[Any], call).with_more(),
];

const NIL: &Value = &Value::Nil;

fn at(values: &[Value], index: usize) -> &Value {
    values.get(index).unwrap_or(NIL)
}

pub(super) fn bounded(out: Output) -> Result<Value, String> {
    if out.full {
        return Err(format!("the text is longer than {} bytes", super::OUTPUT_BYTES_MAX));
    }
    Ok(Value::text(out.text))
}

fn call(values: &[Value]) -> Result<Value, String> {
    Err(format!("non-function of type {}", at(values, 0).type_name()))
}

/// `eq a b c` asks whether a is any of the others.
fn equal(values: &[Value]) -> Result<Value, String> {
    let (first, rest) = values.split_first().unwrap_or((NIL, &[]));
    if rest.is_empty() {
        return Err("missing argument for comparison".to_owned());
    }
    for other in rest {
        if is_equal(first, other)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

fn is_equal(left: &Value, right: &Value) -> Result<bool, String> {
    match (left, right) {
        (Value::Nil, Value::Nil) => Ok(true),
        (Value::Nil, _) | (_, Value::Nil) => Ok(false),
        (Value::Bool(left), Value::Bool(right)) => Ok(left == right),
        (Value::Int(left), Value::Int(right)) | (Value::Span(left), Value::Span(right)) => {
            Ok(left == right)
        }
        #[allow(clippy::float_cmp, reason = "the comparison that was asked for")]
        (Value::Float(left), Value::Float(right)) => Ok(left == right),
        (Value::Text(left), Value::Text(right)) => Ok(left == right),
        (Value::Moment(left), Value::Moment(right)) => Ok(left == right),
        _ if is_basic(left) && is_basic(right) => Err(incompatible(left, right)),
        _ => {
            let odd = if is_basic(left) { right } else { left };
            Err(format!("non-comparable type: {}", odd.type_name()))
        }
    }
}

fn is_basic(value: &Value) -> bool {
    matches!(value, Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_))
}

/// Go's words, with the repair that people look for: `$value` is a float64, `1` is an int.
fn incompatible(left: &Value, right: &Value) -> String {
    let numbers = |value: &Value| matches!(value, Value::Int(_) | Value::Float(_));
    let repair = if numbers(left) && numbers(right) { "; write 1.0 instead of 1" } else { "" };
    format!("incompatible types for comparison{repair}")
}

fn ordered(values: &[Value], asked: fn(Ordering) -> bool) -> Result<Value, String> {
    let order = match (at(values, 0), at(values, 1)) {
        (Value::Int(left), Value::Int(right)) => Some(left.cmp(right)),
        (Value::Float(left), Value::Float(right)) => left.partial_cmp(right),
        (Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
        (left, right) if is_basic(left) && is_basic(right) => {
            if matches!((left, right), (Value::Bool(_), Value::Bool(_))) {
                return Err("invalid type for comparison".to_owned());
            }
            return Err(incompatible(left, right));
        }
        _ => return Err("invalid type for comparison".to_owned()),
    };
    Ok(Value::Bool(order.is_some_and(asked)))
}

fn length(values: &[Value]) -> Result<Value, String> {
    let count = match at(values, 0) {
        Value::Text(text) => text.len(),
        Value::Labels(labels) => labels.len(),
        Value::Map(map) => map.entries.len(),
        Value::Samples(samples) => samples.len(),
        Value::Nil => return Err("len of nil pointer".to_owned()),
        other => return Err(format!("len of type {}", other.type_name())),
    };
    Ok(Value::Int(i64::try_from(count).unwrap_or(i64::MAX)))
}

/// `index item 1 "a"` is `item[1]["a"]`.
fn index(values: &[Value]) -> Result<Value, String> {
    let (item, keys) = values.split_first().unwrap_or((NIL, &[]));
    if matches!(item, Value::Nil) {
        return Err("index of untyped nil".to_owned());
    }
    keys.iter().try_fold(item.clone(), |item, key| one(&item, key))
}

fn one(item: &Value, key: &Value) -> Result<Value, String> {
    match (item, key) {
        (Value::Labels(_) | Value::Map(_), Value::Text(name)) => item.field(name, &[]),
        (Value::Labels(_) | Value::Map(_), _) => {
            Err(format!("value has type {}; should be string", key.type_name()))
        }
        (Value::Samples(samples), _) => {
            let place = place(key, samples.len().saturating_sub(1))?;
            let sample = samples.get(place).ok_or_else(|| out_of_range(key))?;
            Ok(Value::Sample(sample.clone()))
        }
        (Value::Text(text), _) => {
            let place = place(key, text.len().saturating_sub(1))?;
            let byte = text.as_bytes().get(place).ok_or_else(|| out_of_range(key))?;
            Ok(Value::Int(i64::from(*byte)))
        }
        _ => Err(format!("can't index item of type {}", item.type_name())),
    }
}

/// A place from 0 to the last one.
fn place(key: &Value, last: usize) -> Result<usize, String> {
    let Value::Int(number) = key else {
        return Err(format!("cannot index slice/array with type {}", key.type_name()));
    };
    usize::try_from(*number)
        .ok()
        .filter(|place| *place <= last)
        .ok_or_else(|| format!("index out of range: {number}"))
}

fn out_of_range(key: &Value) -> String {
    format!("index out of range: {}", print::print(std::slice::from_ref(key)).text)
}

/// `slice item 1 2` is `item[1:2]`.
fn slice(values: &[Value]) -> Result<Value, String> {
    let (item, places) = values.split_first().unwrap_or((NIL, &[]));
    let length = match item {
        Value::Text(text) => text.len(),
        Value::Samples(samples) => samples.len(),
        Value::Nil => return Err("slice of untyped nil".to_owned()),
        other => return Err(format!("can't slice item of type {}", other.type_name())),
    };
    let (from, to) = match places {
        [] => (0, length),
        [from] => (place(from, length)?, length),
        [from, to] => (place(from, length)?, place(to, length)?),
        _ => return Err(format!("too many slice indexes: {}", places.len())),
    };
    if to < from {
        return Err(format!("invalid slice index: {from} > {to}"));
    }
    match item {
        Value::Text(text) => {
            let bytes = text.as_bytes().get(from..to).unwrap_or_default();
            Ok(Value::text(String::from_utf8_lossy(bytes)))
        }
        Value::Samples(samples) => {
            Ok(Value::Samples(samples.get(from..to).unwrap_or_default().into()))
        }
        _ => Ok(Value::Nil),
    }
}

fn escaped(values: &[Value], escape: fn(&str, &mut Output)) -> Result<Value, String> {
    let printed = print::print(values);
    let mut out = Output { full: printed.full, ..Output::default() };
    escape(&printed.text, &mut out);
    bounded(out)
}

fn html(text: &str, out: &mut Output) {
    for letter in text.chars() {
        match letter {
            '<' => out.push("&lt;"),
            '>' => out.push("&gt;"),
            '&' => out.push("&amp;"),
            '"' => out.push("&#34;"),
            '\'' => out.push("&#39;"),
            '\0' => out.push("\u{fffd}"),
            _ => out.push_char(letter),
        }
    }
}

fn js(text: &str, out: &mut Output) {
    for letter in text.chars() {
        let odd = letter.is_control() || (letter.is_whitespace() && letter != ' ');
        match letter {
            '\\' => out.push("\\\\"),
            '\'' => out.push("\\'"),
            '"' => out.push("\\\""),
            '<' | '>' | '&' | '=' => out.push(&format!("\\u{:04X}", u32::from(letter))),
            _ if odd => out.push(&format!("\\u{:04X}", u32::from(letter))),
            _ => out.push_char(letter),
        }
    }
}

/// `url.QueryEscape`
pub(super) fn url_query(text: &str, out: &mut Output) {
    for byte in text.bytes() {
        match byte {
            b' ' => out.push("+"),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push_char(char::from(byte));
            }
            _ => out.push(&format!("%{byte:02X}")),
        }
    }
}
