//! Text of values as Go's `fmt` prints them: the verbs of `printf` with their flags, `print`,
//! `println`, and the form in which an action prints.
//!
//! Never fails: wrong verbs and missing arguments give Go's error text. The text is bounded.

use crate::label::Labels;
use crate::template::go::OUTPUT_BYTES_MAX;
use crate::template::go::float;
use crate::template::go::value::{Root, Sample, Value};

/// Text that stops to grow at the bound.
#[derive(Debug, Default)]
pub(super) struct Output {
    pub(super) text: String,
    /// Whether something was left out.
    pub(super) full: bool,
}

/// What stands between `%` and the verb.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flags {
    pub(super) minus: bool,
    pub(super) plus: bool,
    pub(super) sharp: bool,
    pub(super) space: bool,
    pub(super) zero: bool,
    /// `%+v`, which names fields.
    pub(super) names: bool,
    pub(super) width: Option<usize>,
    pub(super) precision: Option<usize>,
}

impl Output {
    pub(super) fn push(&mut self, text: &str) {
        self.full |= OUTPUT_BYTES_MAX < self.text.len() + text.len();
        if !self.full {
            self.text.push_str(text);
        }
    }

    pub(super) fn push_char(&mut self, letter: char) {
        self.push(letter.encode_utf8(&mut [0; 4]));
    }
}

/// Writes a value as an action does.
pub(super) fn action(out: &mut Output, value: &Value) {
    match value {
        Value::Nil => out.push("<no value>"),
        Value::Sample(sample) => write_sample(out, sample, 'v', Flags::default()),
        _ => argument(out, value, 'v', Flags::default()),
    }
}

/// `print`: spaces between operands when neither is a string.
pub(super) fn print(values: &[Value]) -> Output {
    let mut out = Output::default();
    let mut after_text = true;
    for value in values {
        let text = matches!(value, Value::Text(_));
        if !text && !after_text {
            out.push(" ");
        }
        after_text = text;
        argument(&mut out, value, 'v', Flags::default());
    }
    out
}

/// `println`: spaces between all, and a line's end.
pub(super) fn print_line(values: &[Value]) -> Output {
    let mut out = Output::default();
    for (index, value) in values.iter().enumerate() {
        out.push(if index == 0 { "" } else { " " });
        argument(&mut out, value, 'v', Flags::default());
    }
    out.push("\n");
    out
}

/// Writes an argument under a verb.
pub(super) fn argument(out: &mut Output, value: &Value, verb: char, flags: Flags) {
    match (value, verb) {
        (_, 'T') => pad(out, value.type_name(), flags),
        (Value::Nil, 'v') => pad(out, "<nil>", flags),
        (Value::Sample(sample), _) => {
            out.push("&");
            write_sample(out, sample, verb, flags);
        }
        _ => element(out, value, verb, flags),
    }
}

/// Writes a value that may stand inside of another.
fn element(out: &mut Output, value: &Value, verb: char, flags: Flags) {
    if out.full {
        return;
    }
    match value {
        Value::Nil if verb == 'v' => out.push("<nil>"),
        Value::Nil => bad(out, value, verb, flags),
        Value::Bool(truth) if matches!(verb, 't' | 'v') => pad(out, &truth.to_string(), flags),
        Value::Bool(_) => bad(out, value, verb, flags),
        Value::Int(number) => integer(out, *number, verb, flags),
        Value::Float(number) => floating(out, *number, verb, flags),
        Value::Text(text) => words(out, text, verb, flags),
        Value::Labels(labels) => write_labels(out, labels, verb, flags),
        Value::Map(map) => {
            let entries = map.entries.iter().map(|(name, value)| (name.as_str(), value.clone()));
            write_map(out, entries, verb, flags);
        }
        Value::Sample(sample) => write_sample(out, sample, verb, flags),
        Value::Samples(samples) => {
            out.push("[");
            for (index, sample) in samples.iter().enumerate() {
                out.push(if index == 0 { "" } else { " " });
                write_sample(out, sample, verb, flags);
            }
            out.push("]");
        }
        Value::Root(root) => write_root(out, root, verb, flags),
        Value::Moment(moment) if is_wordy(verb) => words(out, &moment.to_string(), verb, flags),
        Value::Span(span) if is_wordy(verb) => {
            words(out, &super::span::display(*span), verb, flags);
        }
        Value::Moment(_) | Value::Span(_) => bad(out, value, verb, flags),
    }
}

fn is_wordy(verb: char) -> bool {
    matches!(verb, 'v' | 's' | 'q' | 'x' | 'X')
}

fn write_labels(out: &mut Output, labels: &Labels, verb: char, flags: Flags) {
    write_map(out, labels.iter().map(|(name, value)| (name, Value::text(value))), verb, flags);
}

fn write_map<'a>(
    out: &mut Output,
    entries: impl Iterator<Item = (&'a str, Value)>,
    verb: char,
    flags: Flags,
) {
    out.push("map[");
    for (index, (name, value)) in entries.enumerate() {
        out.push(if index == 0 { "" } else { " " });
        words(out, name, verb, flags);
        out.push(":");
        element(out, &value, verb, flags);
    }
    out.push("]");
}

fn write_sample(out: &mut Output, sample: &Sample, verb: char, flags: Flags) {
    out.push(if flags.names { "{Labels:" } else { "{" });
    write_labels(out, &sample.labels, verb, flags);
    out.push(if flags.names { " Value:" } else { " " });
    floating(out, sample.value, verb, flags);
    out.push("}");
}

fn write_root(out: &mut Output, root: &Root, verb: char, flags: Flags) {
    let name = |name: &'static str| if flags.names { name } else { "" };
    out.push("{");
    out.push(name("Labels:"));
    write_labels(out, &root.labels, verb, flags);
    out.push(" ");
    out.push(name("ExternalLabels:"));
    write_labels(out, &root.external_labels, verb, flags);
    out.push(" ");
    out.push(name("ExternalURL:"));
    words(out, &root.external_url, verb, flags);
    out.push(" ");
    out.push(name("Value:"));
    floating(out, root.value, verb, flags);
    out.push("}");
}

/// Go's text for a verb that does not fit: `%!d(string=x)`.
fn bad(out: &mut Output, value: &Value, verb: char, flags: Flags) {
    out.push("%!");
    out.push_char(verb);
    out.push("(");
    named(out, value, flags);
    out.push(")");
}

/// `string=x`
pub(super) fn named(out: &mut Output, value: &Value, flags: Flags) {
    out.push(value.type_name());
    if !matches!(value, Value::Nil) {
        out.push("=");
        argument(out, value, 'v', flags);
    }
}

/// Writes text at its width; zeros fill only the left side.
fn pad(out: &mut Output, text: &str, flags: Flags) {
    let missing = flags.width.unwrap_or(0).saturating_sub(text.chars().count());
    if flags.minus {
        out.push(text);
        out.push(&" ".repeat(missing));
    } else {
        out.push(&if flags.zero { "0" } else { " " }.repeat(missing));
        out.push(text);
    }
}

fn words(out: &mut Output, text: &str, verb: char, flags: Flags) {
    let kept: String = match flags.precision {
        Some(precision) => text.chars().take(precision).collect(),
        None => text.to_owned(),
    };
    match verb {
        'v' | 's' => pad(out, &kept, flags),
        'q' => pad(out, &quote(&kept, '"', flags.plus), flags),
        'x' | 'X' => {
            let between = if flags.space { " " } else { "" };
            let pairs: Vec<String> = kept.bytes().map(|byte| format!("{byte:02x}")).collect();
            let written = pairs.join(between);
            pad(out, &if verb == 'X' { written.to_uppercase() } else { written }, flags);
        }
        _ => bad(out, &Value::text(text), verb, flags),
    }
}

/// Quotes as Go's `strconv.Quote` does.
fn quote(text: &str, mark: char, ascii: bool) -> String {
    let mut out = String::from(mark);
    for letter in text.chars() {
        let code = u32::from(letter);
        let printable = !letter.is_control()
            && (letter == ' ' || !letter.is_whitespace())
            && letter != '\u{feff}'
            && (!ascii || letter.is_ascii());
        match letter {
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x0b' => out.push_str("\\v"),
            '\\' => out.push_str("\\\\"),
            _ if letter == mark => {
                out.push('\\');
                out.push(mark);
            }
            _ if printable => out.push(letter),
            _ if letter.is_ascii() => out.push_str(&format!("\\x{code:02x}")),
            _ if code <= 0xffff => out.push_str(&format!("\\u{code:04x}")),
            _ => out.push_str(&format!("\\U{code:08x}")),
        }
    }
    out.push(mark);
    out
}

fn integer(out: &mut Output, number: i64, verb: char, flags: Flags) {
    let size = number.unsigned_abs();
    let letter = u32::try_from(number).ok().and_then(char::from_u32).unwrap_or('\u{fffd}');
    let (digits, prefix) = match verb {
        'v' | 'd' => (size.to_string(), ""),
        'b' => (format!("{size:b}"), "0b"),
        'o' => (format!("{size:o}"), "0"),
        'O' => (format!("{size:o}"), "0o"),
        'x' => (format!("{size:x}"), "0x"),
        'X' => (format!("{size:X}"), "0X"),
        'c' => return pad(out, letter.encode_utf8(&mut [0; 4]), flags),
        'q' => return pad(out, &quote(&letter.to_string(), '\'', flags.plus), flags),
        'U' => return pad(out, &format!("U+{size:04X}"), flags),
        _ => return bad(out, &Value::Int(number), verb, flags),
    };
    let sign = sign(number < 0, flags);
    let zeros = match (flags.precision, flags.width) {
        (Some(0), _) if number == 0 => {
            return pad(out, "", Flags { zero: false, ..flags });
        }
        (Some(precision), _) => precision,
        (None, Some(width)) if flags.zero && !flags.minus => width.saturating_sub(sign.len()),
        (None, _) => 0,
    };
    let prefix = if flags.sharp || verb == 'O' { prefix } else { "" };
    let written = format!("{sign}{prefix}{digits:0>zeros$}");
    pad(out, &written, Flags { zero: false, ..flags });
}

fn sign(negative: bool, flags: Flags) -> &'static str {
    match (negative, flags.plus, flags.space) {
        (true, ..) => "-",
        (false, true, _) => "+",
        (false, false, true) => " ",
        (false, false, false) => "",
    }
}

fn floating(out: &mut Output, number: f64, verb: char, flags: Flags) {
    let default = match verb {
        'v' | 'g' | 'G' => None,
        'e' | 'E' | 'f' | 'F' => Some(6),
        _ => return bad(out, &Value::Float(number), verb, flags),
    };
    let verb = if verb == 'v' { 'g' } else { verb };
    let written = float::format(number, verb, flags.precision.or(default));
    if !number.is_finite() {
        return pad(out, &written, Flags { zero: false, ..flags });
    }
    let size = written.strip_prefix('-').unwrap_or(&written);
    let sign = sign(size.len() < written.len(), flags);
    let zeros = match flags.width {
        Some(width) if flags.zero && !flags.minus => width.saturating_sub(sign.len()),
        Some(_) | None => 0,
    };
    pad(out, &format!("{sign}{size:0>zeros$}"), Flags { zero: false, ..flags });
}
