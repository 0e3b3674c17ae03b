//! Values of a rule file: takes what is due, reports what is not.

use std::time::Duration;

use watchbell_metrics::label::METRIC_NAME;
use watchbell_metrics::promql::{self, Expr, ValueType};
use watchbell_metrics::template::go::GoTemplate;

use super::RuleFileOptions;
use super::yaml::{Entry, Kind, Node, inside};
use crate::code::Code;
use crate::diagnostic::{Place, SourceFile};
use crate::findings::Findings;
use crate::raw::Key;
use crate::scrape::is_label_name;
use crate::shape::nearest;

/// A map whose keys are all known.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    entries: &'a [Entry],
    /// Where findings about the whole map point.
    pub(crate) place: &'a Place,
}

impl<'a> Fields<'a> {
    pub(crate) fn entry(&self, name: &str) -> Option<&'a Entry> {
        // To Go's reader a null is as if the key were not there.
        let is_it = |entry: &&Entry| entry.key.text == name && entry.node.kind != Kind::Null;
        self.entries.iter().find(is_it)
    }

    pub(crate) fn node(&self, name: &str) -> Option<&'a Node> {
        self.entry(name).map(|entry| &entry.node)
    }
}

/// A label's name, its text, and where the text stands.
pub(crate) type Label<'a> = (&'a str, &'a str, &'a Node);

/// Returns the place of a rule's name; that of its first key where it has none.
pub(crate) fn name_place(node: &Node) -> &Place {
    let Kind::Map(entries) = &node.kind else { return &node.place };
    let is_name = |entry: &&Entry| matches!(entry.key.text.as_str(), "alert" | "record");
    match entries.iter().find(is_name) {
        Some(entry) => &entry.node.place,
        None => entries.first().map_or(&node.place, |entry| &entry.key.place),
    }
}

/// Reads the values of one file.
#[derive(Debug)]
pub(crate) struct Reader<'a, 'b> {
    pub(crate) source: &'a SourceFile,
    pub(crate) out: &'a mut Findings<'b>,
    pub(crate) options: RuleFileOptions,
}

impl Reader<'_, '_> {
    /// Takes a map's entries.
    pub(crate) fn map<'n>(&mut self, node: &'n Node) -> Option<&'n [Entry]> {
        match &node.kind {
            Kind::Map(entries) => Some(entries),
            other => self.wrong(node, other, "a map (`key: value`)"),
        }
    }

    /// Takes a list's items; an absent list has none.
    pub(crate) fn list<'n>(&mut self, node: &'n Node) -> &'n [Node] {
        match &node.kind {
            Kind::List(items) => items,
            other => self.wrong(node, other, "a list (`- ...`)").unwrap_or_default(),
        }
    }

    /// Reports keys that a map cannot have; `help` replaces the list of those it can have.
    pub(crate) fn fields<'n>(
        &mut self,
        node: &'n Node,
        entries: &'n [Entry],
        what: &str,
        known: &[&'static str],
        help: Option<&str>,
    ) -> Fields<'n> {
        for Entry { key, .. } in entries {
            if !known.contains(&key.text.as_str()) {
                self.unknown(key, what, known, help);
            }
        }
        let place = entries.first().map_or(&node.place, |entry| &entry.key.place);
        Fields { entries, place }
    }

    /// Takes a text that may be empty; a number or a flag is its own text.
    pub(crate) fn text<'n>(&mut self, node: &'n Node) -> Option<&'n str> {
        match &node.kind {
            Kind::Text(text) => Some(text),
            Kind::Null => Some(""),
            other @ (Kind::List(_) | Kind::Map(_)) => self.wrong(node, other, "a text"),
        }
    }

    /// Takes a text that says something.
    pub(crate) fn filled<'n>(&mut self, node: &'n Node) -> Option<&'n str> {
        let text = self.text(node)?;
        if text.is_empty() {
            self.out.error(Code::BadValue, &node.place, "the text is empty");
            return None;
        }
        Some(text)
    }

    /// Takes a length of time as Prometheus writes it.
    pub(crate) fn duration(&mut self, node: &Node) -> Option<Duration> {
        let text = self.text(node)?;
        let length = duration(text);
        if length.is_none() {
            let message = format!("{text:?} is no length of time of Prometheus");
            self.out
                .error(Code::BadQuantity, &node.place, message)
                .help("write whole numbers with units, largest first: 30s, 5m, 1h30m, 1d");
        }
        length
    }

    /// Takes a number of things; one below zero counts as zero, as in Prometheus.
    pub(crate) fn count(&mut self, node: &Node) -> Option<usize> {
        let text = self.text(node)?;
        let Ok(number) = text.parse::<i64>() else {
            self.out.error(Code::WrongType, &node.place, "a whole number is due here");
            return None;
        };
        usize::try_from(number.max(0)).ok()
    }

    /// Takes a map of texts whose names can be labels.
    pub(crate) fn labels<'n>(&mut self, node: &'n Node) -> Vec<Label<'n>> {
        self.named_texts(node, true)
    }

    /// Takes a map of texts whose names can be annotations.
    pub(crate) fn annotations<'n>(&mut self, node: &'n Node) -> Vec<Label<'n>> {
        self.named_texts(node, false)
    }

    fn named_texts<'n>(&mut self, node: &'n Node, are_labels: bool) -> Vec<Label<'n>> {
        let mut texts = Vec::new();
        for Entry { key, node } in self.map(node).unwrap_or_default() {
            let name = key.text.as_str();
            let is_bad = name.is_empty() || (are_labels && name == METRIC_NAME);
            if is_bad {
                let what = if are_labels { "a label's" } else { "an annotation's" };
                let message = format!("{name:?} cannot be {what} name here");
                self.out.error(Code::BadLabel, &key.place, message);
            } else if are_labels && !is_label_name(name.trim_start_matches('_')) {
                let message = format!("the label {name:?} needs quotes wherever it is used");
                self.out
                    .warning(Code::BadLabel, &key.place, message)
                    .help("letters, digits and underscores need none");
            }
            let text = self.text(node);
            texts.extend(text.filter(|_| !is_bad).map(|text| (name, text, node)));
        }
        texts
    }

    /// Takes an expression that gives a vector or a number.
    pub(crate) fn expr(&mut self, node: &Node) -> Option<Expr> {
        let text = self.filled(node)?;
        let expr = match promql::parse(text) {
            Ok(expr) => expr,
            Err(error) => {
                let place = inside(node, error.span, &self.source.text);
                self.out.error(Code::BadPromql, &place, error.message).help = error.help;
                return None;
            }
        };
        match expr.value_type() {
            ValueType::Vector | ValueType::Scalar => Some(expr),
            other @ (ValueType::Matrix | ValueType::String) => {
                let place = inside(node, 0..text.len(), &self.source.text);
                let message = format!("a rule needs a vector or a number, this is a {other}");
                self.out
                    .error(Code::BadPromql, &place, message)
                    .help("wrap a range in a function such as rate(...)");
                None
            }
        }
    }

    /// Takes texts that are Go templates.
    pub(crate) fn templates(&mut self, texts: &[Label<'_>]) -> Vec<(String, GoTemplate)> {
        let mut templates = Vec::with_capacity(texts.len());
        for (name, text, node) in texts {
            match GoTemplate::parse(text) {
                Ok(template) => templates.push(((*name).to_owned(), template)),
                Err(error) => {
                    let place = inside(node, error.span, &self.source.text);
                    self.out.error(Code::BadTemplate, &place, error.message).help = error.help;
                }
            }
        }
        templates
    }

    /// Reports that something is not there.
    pub(crate) fn missing(&mut self, place: &Place, message: &str, help: &str) {
        self.out.error(Code::MissingKey, place, message).help(help);
    }

    fn unknown(&mut self, key: &Key, what: &str, known: &[&'static str], help: Option<&str>) {
        let message = format!("{what} has no field {:?}", key.text);
        let finding = if self.options.ignore_unknown_fields {
            self.out.warning(Code::UnknownKey, &key.place, message)
        } else {
            self.out.error(Code::UnknownKey, &key.place, message)
        };
        match (help, nearest(&key.text, known.iter().copied())) {
            (Some(help), _) => finding.help(help),
            (None, Some(near)) => finding.label(format!("did you mean {near:?}?")),
            (None, None) => finding.help(format!("fields of {what}: {}", known.join(", "))),
        };
    }

    fn wrong<T>(&mut self, node: &Node, kind: &Kind, due: &str) -> Option<T> {
        let literal = self.source.text.get(node.place.span.clone()).unwrap_or_default();
        if literal.starts_with("{{") {
            // A template without quotes, which was reported when it was read.
            return None;
        }
        let found = match kind {
            Kind::Null => "nothing",
            Kind::Text(_) => "a text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
        };
        // What goes over lines is shown by its first one.
        let length = literal.lines().next().map_or(0, str::len);
        let start = node.place.span.start;
        let place = Place { file: node.place.file, span: start..start + length };
        self.out.error(Code::WrongType, &place, format!("{due} is due here, not {found}"));
        None
    }
}

/// Reads a length of time: whole numbers with units, each unit once, the largest first; `0` alone.
/// The grammar and the size of a year and a day are those of `model.ParseDuration`:
/// <https://pkg.go.dev/github.com/prometheus/common/model#ParseDuration>.
fn duration(text: &str) -> Option<Duration> {
    const UNITS: [(&str, u64); 7] = [
        ("y", 365 * 86_400_000),
        ("w", 7 * 86_400_000),
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
        ("ms", 1),
    ];
    /// What Go's duration can hold: 2^63 ns.
    const MS_MAX: u64 = 9_223_372_036_854;
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let (mut rest, mut units, mut total) = (text, UNITS.as_slice(), 0_u64);
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|sign: char| sign.is_ascii_digit()).len();
        let (number, after) = rest.split_at_checked(digits)?;
        let letters = after.find(|sign: char| !sign.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, left) = after.split_at_checked(letters)?;
        let index = units.iter().position(|(name, _)| *name == unit)?;
        let (_, size) = units.get(index)?;
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(*size)?)?;
        (rest, units) = (left, units.get(index + 1..)?);
    }
    (!text.is_empty() && total <= MS_MAX).then(|| Duration::from_millis(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_those_of_prometheus() {
        for (text, ms) in [
            ("0", Some(0)),
            ("0s", Some(0)),
            ("324ms", Some(324)),
            ("5m", Some(300_000)),
            ("1h30m", Some(5_400_000)),
            ("4d1h7m", Some(349_620_000)),
            ("1y", Some(31_536_000_000)),
            ("", None),
            ("1", None),
            ("m", None),
            ("1.5h", None),
            ("-1m", None),
            ("5m1h", None),
            ("1m1m", None),
            ("1 m", None),
            ("5min", None),
            ("300y", None),
            ("99999999999999999999s", None),
        ] {
            assert_eq!(duration(text), ms.map(Duration::from_millis), "{text}");
        }
    }
}
