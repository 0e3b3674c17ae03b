//! The commands of a script: `clear`, `load`, `eval`, each with the lines that belong to it.

use std::fmt;

use regex::Regex;

use crate::label::{Labels, METRIC_NAME};
use crate::promql::lexer::{self, Kind};
use crate::promql::notation::{self, Point};
use crate::sample::Millis;

/// One command.
#[derive(Debug)]
pub(crate) enum Command {
    Clear,
    Load(Load),
    Eval(Box<Case>),
}

/// Series to load.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) step: Millis,
    pub(crate) series: Vec<(Labels, Vec<Point>)>,
    /// Labels of series with native histograms.
    pub(crate) native: Vec<Labels>,
}

/// When a case is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    Instant(Millis),
    Range { from: Millis, to: Millis, step: Millis },
}

/// One `eval` and what it should give.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) when: When,
    pub(crate) expression: String,
    pub(crate) expected: Expected,
    /// Whether it expects native histograms.
    pub(crate) native: bool,
}

/// What a case should give.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    pub(crate) fail: Option<Wanted>,
    pub(crate) warn: Vec<Wanted>,
    pub(crate) info: Vec<Wanted>,
    pub(crate) no_warn: bool,
    pub(crate) no_info: bool,
    pub(crate) ordered: bool,
    pub(crate) text: Option<String>,
    /// The times of a range vector: from, to, step.
    pub(crate) range: Option<(Millis, Millis, Millis)>,
    pub(crate) scalar: Option<f64>,
    pub(crate) series: Vec<(Labels, Vec<Point>)>,
}

/// A text that is expected.
#[derive(Debug)]
pub(crate) enum Wanted {
    Any,
    Exact(String),
    Pattern(Regex),
}

impl Wanted {
    fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Some(exact) = text.strip_prefix("msg:") {
            return Ok(Self::Exact(exact.trim().to_owned()));
        }
        if let Some(pattern) = text.strip_prefix("regex:") {
            return Self::pattern(pattern.trim());
        }
        if text.is_empty() {
            return Ok(Self::Any);
        }
        Err(format!("{text:?} is neither `msg:` nor `regex:`"))
    }

    fn pattern(text: &str) -> Result<Self, String> {
        Regex::new(text).map(Self::Pattern).map_err(|error| error.to_string())
    }

    /// Older scripts expect notes without their place, newer ones with it.
    pub(crate) fn matches(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(exact) => exact == text || exact == without_place(text),
            Self::Pattern(pattern) => {
                pattern.is_match(text) || pattern.is_match(without_place(text))
            }
        }
    }
}

/// Takes the `(line:column)` off the end of a note.
fn without_place(text: &str) -> &str {
    let place = text.strip_suffix(')').and_then(|text| text.rsplit_once(" ("));
    place.filter(|(_, place)| is_place(place)).map_or(text, |(note, _)| note)
}

fn is_place(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once(':').is_some_and(|(line, column)| digits(line) && digits(column))
}

impl fmt::Display for Wanted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => formatter.write_str("anything"),
            Self::Exact(exact) => write!(formatter, "{exact:?}"),
            Self::Pattern(pattern) => write!(formatter, "the pattern {:?}", pattern.as_str()),
        }
    }
}

/// Reads every command with its line; one that cannot be read is an error, the rest go on.
pub(crate) fn parse(text: &str) -> Vec<(usize, Result<Command, String>)> {
    let mut commands = Vec::new();
    let mut lines = text.lines().map(str::trim).zip(1..).peekable();
    while let Some((head, line)) = lines.next() {
        if is_blank(head) {
            continue;
        }
        let word = head.split_whitespace().next().unwrap_or_default();
        let mut block = Vec::new();
        while word != "clear"
            && let Some((body, _)) = lines.next_if(|(body, _)| !is_blank(body))
        {
            block.push(body);
        }
        let command = match word {
            "clear" => Ok(Command::Clear),
            "load" | "load_with_nhcb" => load(head, word, &block).map(Command::Load),
            "eval" | "eval_fail" | "eval_warn" | "eval_info" | "eval_ordered" => {
                eval(head, word, &block).map(|case| Command::Eval(Box::new(case)))
            }
            _ => Err(format!("{word:?} is no command; there are clear, load and eval")),
        };
        commands.push((line, command));
    }
    commands
}

fn is_blank(line: &str) -> bool {
    line.is_empty() || line.starts_with('#')
}

fn load(head: &str, word: &str, block: &[&str]) -> Result<Load, String> {
    let step = head.strip_prefix(word).unwrap_or_default().trim();
    let step = time(step).filter(|step| *step > 0).ok_or("load needs a step such as 5m")?;
    let mut load = Load { step, series: Vec::new(), native: Vec::new() };
    // Start timestamps of all series that follow.
    let mut start_times = false;
    for line in block {
        if let Some(series) = start_times_of(line) {
            start_times |= series.is_empty();
            if !series.is_empty() {
                let labels = notation::parse_labels(series).map_err(|error| error.to_string())?;
                load.native.push(labels);
            }
            continue;
        }
        let (labels, points) = notation::split_series(line);
        let labels = notation::parse_labels(labels).map_err(|error| error.to_string())?;
        if points.contains("{{") || start_times {
            load.native.push(labels);
            continue;
        }
        let points = notation::parse_values(points).map_err(|error| error.to_string())?;
        if word == "load_with_nhcb" {
            load.native.extend(custom_buckets(&labels));
        }
        // A series that is given twice has the later points.
        load.series.retain(|(known, _)| *known != labels);
        load.series.push((labels, points));
    }
    Ok(load)
}

/// The series of a line of start timestamps, `metric{a="b"}@st -1m`; empty where the line is for
/// all series that follow.
fn start_times_of(line: &str) -> Option<&str> {
    let (labels, points) = notation::split_series(line);
    let written = points.trim_start();
    if written == "@st" || written.starts_with("@st ") || written.starts_with("@st\t") {
        return Some(labels);
    }
    labels.strip_suffix("@st")
}

/// The native histogram that `load_with_nhcb` makes of a classic one.
fn custom_buckets(labels: &Labels) -> Option<Labels> {
    let name = labels.get(METRIC_NAME)?;
    let base = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix))?;
    Some(labels.without(&["le"]).with(METRIC_NAME, base))
}

fn eval(head: &str, word: &str, block: &[&str]) -> Result<Case, String> {
    let rest = head.strip_prefix(word).unwrap_or_default().trim_start();
    let (when, expression) = if let Some(rest) = after(rest, &["instant", "at"]) {
        let (at, expression) = first_word(rest);
        (When::Instant(time(at).ok_or("the time cannot be read")?), expression)
    } else if let Some(rest) = after(rest, &["range", "from"]) {
        let (times, expression) = range_times(rest)?;
        (times, expression)
    } else {
        return Err("write eval instant at TIME EXPR or eval range from A to B step S EXPR".into());
    };
    let mut expected = Expected::default();
    match word {
        "eval_fail" => expected.fail = Some(Wanted::Any),
        "eval_warn" => expected.warn.push(Wanted::Any),
        "eval_info" => expected.info.push(Wanted::Any),
        "eval_ordered" => expected.ordered = true,
        _ => {}
    }
    let mut native = false;
    for line in block {
        if line.contains("{{") && !line.starts_with("expect ") {
            native = true;
        } else {
            expectation(line, &mut expected)?;
        }
    }
    Ok(Case { when, expression: expression.trim().to_owned(), expected, native })
}

/// One line below `eval`.
fn expectation(line: &str, expected: &mut Expected) -> Result<(), String> {
    if let Some(text) = line.strip_prefix("expected_fail_message") {
        expected.fail = Some(Wanted::Exact(text.trim().to_owned()));
    } else if let Some(text) = line.strip_prefix("expected_fail_regexp") {
        expected.fail = Some(Wanted::pattern(text.trim())?);
    } else if let Some(rest) = after(line, &["expect"]) {
        let (what, rest) = first_word(rest);
        match what {
            "fail" => expected.fail = Some(Wanted::parse(rest)?),
            "warn" => expected.warn.push(Wanted::parse(rest)?),
            "info" => expected.info.push(Wanted::parse(rest)?),
            "no_warn" => expected.no_warn = true,
            "no_info" => expected.no_info = true,
            "ordered" => expected.ordered = true,
            "string" => expected.text = Some(quoted(rest)?),
            "range" => {
                let rest = after(rest, &["vector", "from"]).ok_or("expect range vector from …")?;
                let (When::Range { from, to, step }, _) = range_times(rest)? else {
                    return Err("expect range vector from A to B step S".to_owned());
                };
                expected.range = Some((from, to, step));
            }
            _ => return Err(format!("nothing is known of expect {what:?}")),
        }
    } else if let Ok(number) = notation::number(line) {
        expected.scalar = Some(number);
    } else {
        let (labels, points) = notation::split_series(line);
        let labels = notation::parse_labels(labels).map_err(|error| error.to_string())?;
        let points = notation::parse_values(points).map_err(|error| error.to_string())?;
        expected.series.push((labels, points));
    }
    Ok(())
}

/// `A to B step S` and what follows.
fn range_times(text: &str) -> Result<(When, &str), String> {
    let bad = || "a range is written: from A to B step S".to_owned();
    let (from, rest) = first_word(text);
    let (to, rest) = first_word(after(rest, &["to"]).ok_or_else(bad)?);
    let (step, rest) = first_word(after(rest, &["step"]).ok_or_else(bad)?);
    let [Some(from), Some(to), Some(step)] = [from, to, step].map(time) else {
        return Err(bad());
    };
    Ok((When::Range { from, to, step }, rest))
}

/// The rest of a text that starts with these words.
fn after<'a>(text: &'a str, words: &[&str]) -> Option<&'a str> {
    let mut rest = text;
    for wanted in words {
        let (word, next) = first_word(rest);
        if word != *wanted {
            return None;
        }
        rest = next;
    }
    Some(rest)
}

fn first_word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    text.split_once(char::is_whitespace).unwrap_or((text, ""))
}

/// A time since 1970: a duration, or seconds.
fn time(text: &str) -> Option<Millis> {
    if let Some(ms) = lexer::parse_duration(text).filter(|_| !text.is_empty()) {
        return ms.ok();
    }
    let seconds = notation::number(text).ok().filter(|seconds| seconds.abs() < 1e11)?;
    #[allow(clippy::cast_possible_truncation, reason = "bounded above")]
    let ms = (seconds * 1000.0).round() as Millis;
    Some(ms)
}

fn quoted(text: &str) -> Result<String, String> {
    let tokens = lexer::tokens(text).map_err(|error| error.to_string())?;
    match tokens.into_iter().next().map(|token| token.kind) {
        Some(Kind::Text(text)) => Ok(text),
        _ => Err("a string in quotes is due".to_owned()),
    }
}
