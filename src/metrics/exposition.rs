//! Exposition text to samples: Prometheus text format 0.0.4 and OpenMetrics 1.0.
//!
//! Reads one line at a time and remembers nothing between lines; what a whole body means is the
//! store's duty. Lenient where both formats agree on the meaning: blanks between tokens, `\r`
//! before the line feed, a missing last line feed, blank lines. No bytes make it panic, and what
//! is wrong with a line never reaches its neighbours.

mod cursor;
mod number;

use std::borrow::Cow;

use self::cursor::{Cursor, excerpt, is_blank, unescape};
use crate::label::METRIC_NAME;
use crate::sample::Millis;

/// Which dialect a body is written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text format 0.0.4.
    #[default]
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

/// A line that was left out, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// 1-based.
    pub line: usize,
    /// What is wrong, in a sentence.
    pub message: String,
}

/// What `# TYPE` says about a family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MetricType {
    /// Only rises, or starts again from zero.
    Counter,
    /// Any number.
    Gauge,
    /// Cumulative buckets, their sum and count.
    Histogram,
    /// Buckets that are not cumulative over time.
    GaugeHistogram,
    /// Quantiles, their sum and count.
    Summary,
    /// Constant labels.
    Info,
    /// One of several states.
    StateSet,
    /// Not told.
    #[default]
    Untyped,
}

impl MetricType {
    /// Returns the word of Prometheus's metadata API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::GaugeHistogram => "gaugehistogram",
            Self::Summary => "summary",
            Self::Info => "info",
            Self::StateSet => "stateset",
            Self::Untyped => "unknown",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        match word {
            "counter" => Some(Self::Counter),
            "gauge" => Some(Self::Gauge),
            "histogram" => Some(Self::Histogram),
            "gaugehistogram" => Some(Self::GaugeHistogram),
            "summary" => Some(Self::Summary),
            "info" => Some(Self::Info),
            "stateset" => Some(Self::StateSet),
            "untyped" | "unknown" => Some(Self::Untyped),
            _ => None,
        }
    }

    /// Tells whether a series of this name in a family of this type only counts up, so that it
    /// was zero before it existed. An untyped one is judged by its name.
    #[must_use]
    pub fn counts(self, series_name: &str) -> bool {
        let ends = |endings: &[&str]| endings.iter().any(|ending| series_name.ends_with(ending));
        match self {
            Self::Counter => !ends(&["_created"]),
            Self::Histogram => ends(&["_bucket", "_count", "_sum"]),
            Self::Summary => ends(&["_count", "_sum"]),
            Self::Untyped => ends(&["_total", "_bucket", "_count", "_sum"]),
            Self::Gauge | Self::GaugeHistogram | Self::Info | Self::StateSet => false,
        }
    }
}

/// One line of a body.
#[derive(Clone, Debug, PartialEq)]
pub enum Line<'a> {
    /// Nothing, or a comment for people.
    Blank,
    /// `# EOF` of OpenMetrics.
    End,
    /// `# HELP name text`.
    Help {
        /// The family.
        name: Cow<'a, str>,
        /// What it is.
        text: Cow<'a, str>,
    },
    /// `# TYPE name type`.
    Type {
        /// The family.
        name: Cow<'a, str>,
        /// Its type.
        kind: MetricType,
    },
    /// A sample.
    Sample(SampleLine<'a>),
}

/// Label names and values as a line gives them.
pub type RawLabels<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// A sample as it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleLine<'a> {
    /// Length of the text that names the series, bytes from the start of the line.
    pub series_length: usize,
    /// Names and values in the order of the line, `__name__` among them.
    pub labels: RawLabels<'a>,
    /// What stands behind the series.
    pub point: Point,
}

/// A value and, where the line has one, its own time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The value.
    pub value: f64,
    /// UTC milliseconds.
    pub at: Option<Millis>,
}

/// Cuts a body into lines without their line ends.
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Lines<'a> {
    /// Begins at the start of a body.
    #[must_use]
    pub fn new(body: &'a [u8]) -> Self {
        Self { rest: body }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let end = memchr::memchr(b'\n', self.rest).unwrap_or(self.rest.len());
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest.get(1..).unwrap_or_default();
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }
}

/// Parses a line without its line end.
///
/// # Errors
/// A sentence about what is wrong with the line.
pub fn parse_line(line: &[u8], format: Format) -> Result<Line<'_>, String> {
    let text = std::str::from_utf8(line)
        .map_err(|error| format!("byte {} is not valid UTF-8", error.valid_up_to() + 1))?;
    let mut cursor = Cursor::new(text);
    cursor.skip_blanks();
    if cursor.rest.is_empty() {
        return Ok(Line::Blank);
    }
    if cursor.eat('#') {
        return parse_comment(cursor, format);
    }
    let labels = parse_series(&mut cursor)?;
    let series_length = text.len() - cursor.rest.len();
    let point = parse_point(cursor.rest.as_bytes(), format)?;
    Ok(Line::Sample(SampleLine { series_length, labels, point }))
}

/// Parses what stands behind a series: a value, a time, an exemplar that is skipped.
///
/// # Errors
/// A sentence about what is wrong.
pub fn parse_point(text: &[u8], format: Format) -> Result<Point, String> {
    let (token, rest) = next_token(text);
    if token.is_empty() {
        return Err("a value is expected behind the series".to_owned());
    }
    let Some(value) = number::value(token) else {
        return Err(format!("{} is not a number", shown(token)));
    };
    let (token, rest) = next_token(rest);
    if token.is_empty() || is_exemplar(token) {
        return Ok(Point { value, at: None });
    }
    let Some(at) = number::time(token, format) else {
        return Err(match format {
            Format::Text => format!("{} is not a time in whole milliseconds", shown(token)),
            Format::OpenMetrics => format!("{} is not a time in seconds", shown(token)),
        });
    };
    let (token, _) = next_token(rest);
    if token.is_empty() || is_exemplar(token) {
        return Ok(Point { value, at: Some(at) });
    }
    Err(format!("{} stands behind the time and means nothing there", shown(token)))
}

fn is_exemplar(token: &[u8]) -> bool {
    token.starts_with(b"#")
}

fn next_token(text: &[u8]) -> (&[u8], &[u8]) {
    let is_gap = |byte: &u8| *byte == b' ' || *byte == b'\t';
    let start = text.iter().position(|byte| !is_gap(byte)).unwrap_or(text.len());
    let text = text.get(start..).unwrap_or_default();
    let end = text.iter().position(is_gap).unwrap_or(text.len());
    text.split_at(end)
}

fn shown(token: &[u8]) -> String {
    excerpt(&String::from_utf8_lossy(token))
}

fn parse_comment(mut cursor: Cursor<'_>, format: Format) -> Result<Line<'_>, String> {
    cursor.skip_blanks();
    let keyword = cursor.take_while(|letter| !is_blank(letter));
    cursor.skip_blanks();
    match (keyword, format) {
        ("EOF", Format::OpenMetrics) if cursor.rest.is_empty() => Ok(Line::End),
        ("HELP", _) => {
            let name = family_name(&mut cursor, "HELP")?;
            let text = unescape(cursor.rest, format == Format::OpenMetrics);
            Ok(Line::Help { name, text })
        }
        ("TYPE", _) => {
            let name = family_name(&mut cursor, "TYPE")?;
            let word = cursor.rest.trim_end_matches(is_blank);
            let kind = MetricType::parse(word)
                .ok_or_else(|| format!("{} is no type of metric", excerpt(word)))?;
            Ok(Line::Type { name, kind })
        }
        _ => Ok(Line::Blank),
    }
}

fn family_name<'a>(cursor: &mut Cursor<'a>, keyword: &str) -> Result<Cow<'a, str>, String> {
    let name = if cursor.eat('"') {
        cursor.quoted()?
    } else {
        Cow::Borrowed(cursor.take_while(|letter| !is_blank(letter)))
    };
    cursor.skip_blanks();
    if name.is_empty() {
        return Err(format!("a metric name is expected behind {keyword}"));
    }
    Ok(name)
}

/// Parses `name{label="value"}`, `name`, or `{"name",label="value"}`.
fn parse_series<'a>(cursor: &mut Cursor<'a>) -> Result<RawLabels<'a>, String> {
    let mut labels = Vec::with_capacity(8);
    let start = cursor.rest;
    let name = cursor.take_while(|letter| is_name_letter(letter) || letter == ':');
    if name.starts_with(|letter: char| letter.is_ascii_digit()) {
        return Err(format!("{} is no metric name: it begins with a digit", excerpt(name)));
    }
    if !name.is_empty() {
        labels.push((Cow::Borrowed(METRIC_NAME), Cow::Borrowed(name)));
    }
    let behind_name = cursor.rest;
    cursor.skip_blanks();
    if cursor.eat('{') {
        parse_labels(cursor, &mut labels)?;
    } else if name.is_empty() {
        return Err(format!("a metric name is expected instead of {}", excerpt(start)));
    } else if behind_name.len() == cursor.rest.len() && !cursor.rest.is_empty() {
        return Err(format!("{} cannot be part of a metric name", excerpt(behind_name)));
    } else {
        cursor.rest = behind_name;
    }
    if labels.iter().all(|(name, _)| name != METRIC_NAME) {
        return Err("the series has no metric name".to_owned());
    }
    Ok(labels)
}

fn parse_labels<'a>(cursor: &mut Cursor<'a>, labels: &mut RawLabels<'a>) -> Result<(), String> {
    loop {
        cursor.skip_blanks();
        if cursor.eat('}') {
            return Ok(());
        }
        let is_quoted = cursor.eat('"');
        let name = if is_quoted { cursor.quoted()? } else { label_name(cursor)? };
        cursor.skip_blanks();
        if cursor.eat('=') {
            cursor.skip_blanks();
            if !cursor.eat('"') {
                return Err(format!("the value of label {} is not quoted", excerpt(&name)));
            }
            if name.is_empty() || name == METRIC_NAME {
                return Err(format!("{name:?} is no label that a target may set"));
            }
            labels.push((name, cursor.quoted()?));
        } else if is_quoted && !name.is_empty() && labels.is_empty() {
            labels.push((Cow::Borrowed(METRIC_NAME), name));
        } else {
            return Err(format!("an equals sign is expected instead of {}", excerpt(cursor.rest)));
        }
        cursor.skip_blanks();
        if !cursor.eat(',') && !cursor.rest.starts_with('}') {
            let found = excerpt(cursor.rest);
            return Err(format!("a comma or a closing brace is expected instead of {found}"));
        }
    }
}

fn label_name<'a>(cursor: &mut Cursor<'a>) -> Result<Cow<'a, str>, String> {
    let name = cursor.take_while(is_name_letter);
    if name.is_empty() || name.starts_with(|letter: char| letter.is_ascii_digit()) {
        let found = format!("{name}{}", cursor.rest);
        return Err(format!("a label name is expected instead of {}", excerpt(&found)));
    }
    Ok(Cow::Borrowed(name))
}

fn is_name_letter(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

#[cfg(test)]
mod tests;
