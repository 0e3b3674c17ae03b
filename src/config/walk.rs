//! Walking the tree: opens tables, takes values of the type that is due, reports what is not.
//!
//! Every function reports its own faults and answers `None` for what cannot be used, so that a
//! check reads like the list of its keys.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use watchbell_metrics::label::Matchers;
use watchbell_metrics::promql::parse_matchers;
use watchbell_paging::time::{Zone, format_duration};

use crate::code::Code;
use crate::diagnostic::Place;
use crate::findings::Findings;
use crate::quantity::{self, Fault, Measure};
use crate::raw::{Entry, Key, Kind, Node};
use crate::shape::{Shape, nearest};
use crate::value::SecretRef;

/// The shortest time between two scrapes or evaluations.
const PACE_MIN: Duration = Duration::from_millis(100);

/// An opened table whose keys are all known.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    entries: &'a [Entry],
    shape: &'static Shape,
    /// Where findings about the whole table point.
    pub(crate) place: &'a Place,
}

impl<'a> Fields<'a> {
    /// Opens a table and reports keys that it cannot have.
    pub(crate) fn open(
        node: &'a Node,
        place: &'a Place,
        shape: &'static Shape,
        out: &mut Findings<'_>,
    ) -> Option<Self> {
        let entries = table(node, out)?;
        for entry in entries.iter().filter(|entry| shape.field(&entry.key.text).is_none()) {
            unknown_key(&entry.key, &shape.names(), out);
        }
        Some(Self { entries, shape, place })
    }

    pub(crate) fn entry(&self, name: &str) -> Option<&'a Entry> {
        debug_assert!(self.shape.field(name).is_some(), "{name} is not described");
        self.entries.iter().find(|entry| entry.key.text == name)
    }

    pub(crate) fn node(&self, name: &str) -> Option<&'a Node> {
        self.entry(name).map(|entry| &entry.node)
    }

    /// Takes a value that has no default; `example` is a line that would do.
    pub(crate) fn required(
        &self,
        name: &str,
        example: &str,
        out: &mut Findings<'_>,
    ) -> Option<&'a Node> {
        let node = self.node(name);
        if node.is_none() {
            out.error(Code::MissingKey, self.place, format!("{name:?} is missing"))
                .help(format!("write {example}"));
        }
        node
    }

    pub(crate) fn text(&self, name: &str, out: &mut Findings<'_>) -> Option<&'a str> {
        text(self.node(name)?, out)
    }

    pub(crate) fn texts(&self, name: &str, out: &mut Findings<'_>) -> Vec<(&'a str, &'a Node)> {
        self.node(name).map_or_else(Vec::new, |node| texts(node, out))
    }

    pub(crate) fn flag(&self, name: &str, out: &mut Findings<'_>) -> Option<bool> {
        flag(self.node(name)?, out)
    }

    pub(crate) fn integer(&self, name: &str, out: &mut Findings<'_>) -> Option<i64> {
        integer(self.node(name)?, out)
    }

    /// Takes a count that must lie in a range.
    pub(crate) fn count(
        &self,
        name: &str,
        range: std::ops::RangeInclusive<usize>,
        out: &mut Findings<'_>,
    ) -> Option<usize> {
        let node = self.node(name)?;
        let number = integer(node, out)?;
        let count = usize::try_from(number).ok().filter(|count| range.contains(count));
        if count.is_none() {
            let (least, most) = (range.start(), range.end());
            out.error(
                Code::BadValue,
                &node.place,
                format!("{name:?} must lie between {least} and {most}, not be {number}"),
            );
        }
        count
    }

    pub(crate) fn duration(&self, name: &str, out: &mut Findings<'_>) -> Option<Duration> {
        duration(self.node(name)?, out)
    }

    /// Takes a length of time that is not zero; nothing is timed finer than in milliseconds.
    pub(crate) fn period(&self, name: &str, out: &mut Findings<'_>) -> Option<Duration> {
        self.at_least(name, Duration::from_millis(1), out)
    }

    /// Takes how often something is done all the time.
    pub(crate) fn pace(&self, name: &str, out: &mut Findings<'_>) -> Option<Duration> {
        self.at_least(name, PACE_MIN, out)
    }

    fn at_least(&self, name: &str, least: Duration, out: &mut Findings<'_>) -> Option<Duration> {
        let node = self.node(name)?;
        let length = duration(node, out)?;
        if length < least {
            let message = format!("{name:?} must be at least {}", format_duration(least));
            out.error(Code::BadValue, &node.place, message);
            return None;
        }
        Some(length)
    }

    pub(crate) fn secret(&self, name: &str, out: &mut Findings<'_>) -> Option<SecretRef> {
        secret(self.node(name)?, out)
    }

    pub(crate) fn path(&self, name: &str, out: &mut Findings<'_>) -> Option<PathBuf> {
        self.text(name, out).map(PathBuf::from)
    }

    pub(crate) fn zone(&self, name: &str, out: &mut Findings<'_>) -> Option<Zone> {
        zone(self.node(name)?, out)
    }
}

/// Reports a key that a table cannot have.
pub(crate) fn unknown_key(key: &Key, known: &[&'static str], out: &mut Findings<'_>) {
    let finding =
        out.error(Code::UnknownKey, &key.place, format!("there is no key {:?} here", key.text));
    match nearest(&key.text, known.iter().copied()) {
        Some(near) => finding.label(format!("did you mean {near:?}?")),
        None => finding.help(format!("keys of this table: {}", known.join(", "))),
    };
}

pub(crate) fn table<'a>(node: &'a Node, out: &mut Findings<'_>) -> Option<&'a [Entry]> {
    match &node.kind {
        Kind::Table(entries) => Some(entries),
        other => wrong(node, other, "a table", "{ key = \"value\" }", out),
    }
}

pub(crate) fn array<'a>(node: &'a Node, out: &mut Findings<'_>) -> Option<&'a [Node]> {
    match &node.kind {
        Kind::Array(items) => Some(items),
        other => wrong(node, other, "a list", "[...]", out),
    }
}

pub(crate) fn text<'a>(node: &'a Node, out: &mut Findings<'_>) -> Option<&'a str> {
    match &node.kind {
        Kind::Text(text) if text.is_empty() => {
            out.error(Code::BadValue, &node.place, "the text is empty")
                .help("leave the key out, or fill it");
            None
        }
        Kind::Text(text) => Some(text),
        other => wrong(node, other, "a text in quotes", "\"...\"", out),
    }
}

/// Takes a list of texts; a single text counts as a list of one.
pub(crate) fn texts<'a>(node: &'a Node, out: &mut Findings<'_>) -> Vec<(&'a str, &'a Node)> {
    match &node.kind {
        Kind::Text(_) => text(node, out).map(|text| (text, node)).into_iter().collect(),
        Kind::Array(items) => {
            items.iter().filter_map(|item| text(item, out).map(|text| (text, item))).collect()
        }
        other => {
            wrong::<()>(node, other, "a list of texts", "[\"...\"]", out);
            Vec::new()
        }
    }
}

/// Takes a table of texts.
pub(crate) fn text_map(node: &Node, out: &mut Findings<'_>) -> BTreeMap<String, String> {
    let entries = table(node, out).unwrap_or_default();
    let pairs = entries
        .iter()
        .filter_map(|entry| Some((entry.key.text.clone(), text(&entry.node, out)?.to_owned())));
    pairs.collect()
}

pub(crate) fn flag(node: &Node, out: &mut Findings<'_>) -> Option<bool> {
    match &node.kind {
        Kind::Flag(flag) => Some(*flag),
        other => wrong(node, other, "true or false", "true", out),
    }
}

pub(crate) fn integer(node: &Node, out: &mut Findings<'_>) -> Option<i64> {
    match &node.kind {
        Kind::Integer(number) => Some(*number),
        other => wrong(node, other, "a whole number without quotes", "", out),
    }
}

pub(crate) fn number(node: &Node, out: &mut Findings<'_>) -> Option<f64> {
    match &node.kind {
        Kind::Float(number) if number.is_finite() => Some(*number),
        #[allow(clippy::cast_precision_loss, reason = "no setting needs 53 bits")]
        Kind::Integer(number) => Some(*number as f64),
        other => wrong(node, other, "a number without quotes", "", out),
    }
}

pub(crate) fn duration(node: &Node, out: &mut Findings<'_>) -> Option<Duration> {
    measured(node, "a length of time", "15s", &Measure::Seconds, quantity::duration, out)
}

pub(crate) fn size(node: &Node, out: &mut Findings<'_>) -> Option<u64> {
    measured(node, "a size", "16MiB", &Measure::Bytes, quantity::size, out)
}

pub(crate) fn share(node: &Node, out: &mut Findings<'_>) -> Option<f64> {
    measured(node, "a share", "5%", &Measure::Ratio, quantity::share, out)
}

fn measured<T>(
    node: &Node,
    what: &str,
    example: &str,
    due: &Measure,
    read: impl Fn(&str) -> Result<T, Fault>,
    out: &mut Findings<'_>,
) -> Option<T> {
    let bare = |number: String| quantity::bare(&number, due, &number);
    let fault = match &node.kind {
        Kind::Text(text) => match read(text) {
            Ok(value) => return Some(value),
            Err(fault) => fault,
        },
        Kind::Integer(number) => bare(number.to_string()),
        Kind::Float(number) => bare(number.to_string()),
        other => {
            return wrong(node, other, &format!("{what} in quotes"), &format!("{example:?}"), out);
        }
    };
    out.fault(node, fault);
    None
}

/// Takes a reference to a secret; a literal one is used, with a warning.
pub(crate) fn secret(node: &Node, out: &mut Findings<'_>) -> Option<SecretRef> {
    let text = text(node, out)?;
    let named = |name: &str| (!name.trim().is_empty()).then(|| name.trim().to_owned());
    let (found, what) = match text.split_once(':') {
        Some(("cred", name)) => (named(name).map(SecretRef::Credential), "a credential's name"),
        Some(("env", name)) => (named(name).map(SecretRef::Environment), "a variable's name"),
        Some(("file", path)) => (named(path).map(|path| SecretRef::File(path.into())), "a path"),
        Some(_) | None => {
            out.warning(Code::LiteralSecret, &node.place, "a secret stands in the configuration")
                .help("refer to it: \"cred:NAME\", \"env:NAME\" or \"file:PATH\"");
            return Some(SecretRef::Literal(text.to_owned()));
        }
    };
    if found.is_none() {
        out.error(Code::BadValue, &node.place, format!("{what} is missing after the colon"));
    }
    found
}

pub(crate) fn zone(node: &Node, out: &mut Findings<'_>) -> Option<Zone> {
    let name = text(node, out)?;
    let found = Zone::find(name);
    if found.is_err() {
        let names = Zone::names();
        let finding =
            out.error(Code::BadZone, &node.place, format!("there is no time zone {name:?}"));
        match nearest(name, names.iter().map(String::as_str)) {
            Some(near) => finding.label(format!("did you mean {near:?}?")),
            None => finding.help("write an IANA name such as \"Europe/Berlin\""),
        };
    }
    found.ok()
}

/// Takes Prometheus matchers.
pub(crate) fn matchers(node: &Node, out: &mut Findings<'_>) -> Option<Matchers> {
    let text = text(node, out)?;
    match parse_matchers(text) {
        Ok(matchers) => Some(matchers),
        Err(error) => {
            let finding = out.error_inside(Code::BadMatcher, node, error.span, error.message);
            finding.help = error.help;
            None
        }
    }
}

/// Takes one of a few words.
pub(crate) fn one_of<T: Copy>(
    node: &Node,
    words: &[(&'static str, T)],
    out: &mut Findings<'_>,
) -> Option<T> {
    let text = text(node, out)?;
    let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
    if found.is_none() {
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        out.error(Code::BadValue, &node.place, format!("{text:?} is none of the words known here"))
            .help(format!("write one of: {}", known.join(", ")));
    }
    found
}

/// Takes an `http` or `https` address, without a slash at its end.
pub(crate) fn url(node: &Node, out: &mut Findings<'_>) -> Option<String> {
    let text = text(node, out)?;
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
    let fault = if rest.is_none() {
        "it must begin with http:// or https://"
    } else if host.is_empty() || host.starts_with(':') {
        "it has no host"
    } else if host.contains('@') {
        "a user name or password does not belong into an address"
    } else if text.chars().any(|letter| letter.is_whitespace() || letter.is_control()) {
        "it contains blanks"
    } else if !has_good_port(host) {
        "its port is no number between 1 and 65535"
    } else {
        return Some(text.to_owned());
    };
    // The address is not repeated in the message: it may hold a secret.
    out.error(Code::BadUrl, &node.place, format!("the address cannot be called: {fault}"));
    None
}

fn has_good_port(host: &str) -> bool {
    let after = host.rsplit(']').next().unwrap_or_default();
    after.rsplit_once(':').is_none_or(|(_, port)| port.parse::<u16>().is_ok_and(|port| port != 0))
}

/// Reports a name that is not defined, with the nearest that is.
pub(crate) fn unknown_name<'n>(
    code: Code,
    node: &Node,
    message: String,
    known: impl IntoIterator<Item = &'n str> + Clone,
    out: &mut Findings<'_>,
) {
    let name = if let Kind::Text(name) = &node.kind { name.as_str() } else { "" };
    let near = nearest(name, known.clone());
    let all: Vec<&str> = known.into_iter().take(NAMES_SHOWN_MAX).collect();
    let finding = out.error(code, &node.place, message);
    match near {
        Some(near) => finding.label(format!("did you mean {near:?}?")),
        None if all.is_empty() => finding.help("none is defined"),
        None => finding.help(format!("defined are: {}", all.join(", "))),
    };
}

/// How many names a finding lists.
const NAMES_SHOWN_MAX: usize = 12;

fn wrong<T>(
    node: &Node,
    found: &Kind,
    due: &str,
    example: &str,
    out: &mut Findings<'_>,
) -> Option<T> {
    let found = match found {
        Kind::Text(_) => "a text",
        Kind::Integer(_) | Kind::Float(_) => "a number",
        Kind::Flag(_) => "true or false",
        Kind::Date(_) => "a date without quotes",
        Kind::Array(_) => "a list",
        Kind::Table(_) => "a table",
    };
    let message = format!("{due} is due here, not {found}");
    let finding = out.error(Code::WrongType, &node.place, message);
    if !example.is_empty() {
        finding.help(format!("write {example}"));
    }
    None
}
