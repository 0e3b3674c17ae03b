//! What a file says: a tree in which every key and every value knows its place; nothing is checked.
//!
//! Also turns a place inside a string's value into a place inside its file, past quotes and
//! escapes. Entries of a table stand in the order of the file.

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::diagnostic::Place;

/// The largest file that is read, in bytes.
pub(crate) const FILE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A key with its place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) place: Place,
}

/// A value with its place; a string's place includes its quotes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) kind: Kind,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Text(String),
    Integer(i64),
    Float(f64),
    Flag(bool),
    /// A TOML date or time, as written.
    Date(String),
    Array(Vec<Node>),
    Table(Vec<Entry>),
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: Key,
    pub(crate) node: Node,
}

/// A text that is not TOML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SyntaxFault {
    pub(crate) span: Range<usize>,
    pub(crate) message: String,
}

/// Reads a file as far as it can be read.
pub(crate) fn parse(file: usize, text: &str) -> (Vec<Entry>, Vec<SyntaxFault>) {
    if let Some(fault) = refuse_at_once(text) {
        return (Vec::new(), vec![fault]);
    }
    let (table, errors) = DeTable::parse_recoverable(text);
    let faults = errors
        .iter()
        .map(|error| SyntaxFault {
            span: clamp(error.span().unwrap_or(0..0), text),
            message: error.message().to_owned(),
        })
        .collect();
    (Build { file, text }.entries(table.get_ref()), faults)
}

/// Returns the place in the file of a range of a string's value.
pub(crate) fn inside(node: &Node, range: Range<usize>, source: &str) -> Place {
    let Kind::Text(value) = &node.kind else { return node.place.clone() };
    let Some(literal) = source.get(node.place.span.clone()) else { return node.place.clone() };
    let start = offset_of(literal, value, range.start);
    let end = offset_of(literal, value, range.end.max(range.start));
    let base = node.place.span.start;
    Place { file: node.place.file, span: base + start..base + end.max(start) }
}

/// Long chains of dotted keys make deep trees, which only a recursive walk could take apart.
const KEY_PARTS_MAX: usize = 256;

fn refuse_at_once(text: &str) -> Option<SyntaxFault> {
    if FILE_BYTES_MAX < text.len() {
        let message = format!("the file is larger than {} MiB", FILE_BYTES_MAX / 1024 / 1024);
        return Some(SyntaxFault { span: 0..0, message });
    }
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if KEY_PARTS_MAX <= longest_key(line) {
            let message = format!("a key has more than {KEY_PARTS_MAX} parts");
            return Some(SyntaxFault { span: at..at + line.trim_end().len(), message });
        }
        at += line.len();
    }
    None
}

/// The most dots that a line has between two other signs, outside quotes.
fn longest_key(line: &str) -> usize {
    let (mut longest, mut dots, mut open) = (0, 0, None);
    for letter in line.chars() {
        match (open, letter) {
            (Some(quote), _) if letter == quote => open = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => open = Some(letter),
            (None, '.') => dots += 1,
            (None, '=' | ',' | '{' | '}' | '[' | ']' | '#') => dots = 0,
            (None, _) => {}
        }
        longest = longest.max(dots);
    }
    longest
}

fn clamp(span: Range<usize>, text: &str) -> Range<usize> {
    let mut start = span.start.min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let mut end = span.end.clamp(start, text.len());
    while !text.is_char_boundary(end) {
        end += 1;
    }
    start..end
}

/// Builds the tree of one file.
struct Build<'a> {
    file: usize,
    text: &'a str,
}

impl Build<'_> {
    /// A recovered value's span may cut through a letter.
    fn place(&self, span: Range<usize>) -> Place {
        Place { file: self.file, span: clamp(span, self.text) }
    }

    fn entries(&self, table: &DeTable<'_>) -> Vec<Entry> {
        let entry = |(key, value): (&Spanned<Cow<'_, str>>, &Spanned<DeValue<'_>>)| Entry {
            key: Key { text: key.get_ref().to_string(), place: self.place(key.span()) },
            node: self.node(value),
        };
        let mut entries: Vec<Entry> = table.iter().map(entry).collect();
        entries.sort_by_key(|entry| entry.key.place.span.start);
        entries
    }

    fn node(&self, value: &Spanned<DeValue<'_>>) -> Node {
        let kind = match value.get_ref() {
            DeValue::String(text) => Kind::Text(text.to_string()),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or_else(|_| Kind::Float(f64::INFINITY), Kind::Integer),
            DeValue::Float(number) => Kind::Float(number.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Boolean(flag) => Kind::Flag(*flag),
            DeValue::Datetime(date) => Kind::Date(date.to_string()),
            DeValue::Array(items) => {
                Kind::Array(items.iter().map(|item| self.node(item)).collect())
            }
            DeValue::Table(table) => Kind::Table(self.entries(table)),
        };
        Node { place: self.place(value.span()), kind }
    }
}

/// Walks a literal and its value side by side up to a byte of the value.
fn offset_of(literal: &str, value: &str, wanted: usize) -> usize {
    let (quote, multiline) = if literal.starts_with("\"\"\"") || literal.starts_with("'''") {
        (3, true)
    } else {
        (1, false)
    };
    let escapes = literal.starts_with('"');
    let mut raw = quote;
    if multiline {
        let rest = literal.get(raw..).unwrap_or_default();
        raw += if rest.starts_with("\r\n") { 2 } else { usize::from(rest.starts_with('\n')) };
    }
    let mut done = 0;
    for letter in value.chars() {
        let rest = literal.get(raw..).unwrap_or_default();
        let skipped = if escapes { folded(rest) } else { 0 };
        raw += skipped;
        if wanted <= done {
            return raw;
        }
        let rest = literal.get(raw..).unwrap_or_default();
        raw += width(rest, letter, escapes);
        done += letter.len_utf8();
    }
    raw.min(literal.len().saturating_sub(quote).max(quote))
}

/// The length of a line-ending backslash with the blanks that it swallows.
fn folded(rest: &str) -> usize {
    let Some(after) = rest.strip_prefix('\\') else { return 0 };
    let blanks = after.len() - after.trim_start_matches([' ', '\t', '\n', '\r']).len();
    let swallows = after.trim_start_matches([' ', '\t']).starts_with(['\n', '\r']);
    if swallows { 1 + blanks } else { 0 }
}

/// The length in the literal of one letter of the value.
fn width(rest: &str, letter: char, escapes: bool) -> usize {
    if letter == '\n' && rest.starts_with("\r\n") {
        return 2;
    }
    if !escapes || !rest.starts_with('\\') {
        return letter.len_utf8();
    }
    match rest.chars().nth(1) {
        Some('u') => 6,
        Some('U') => 10,
        Some('x') => 4,
        Some(_) | None => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_a_value_is_found_in_its_file() {
        for (source, part) in [
            ("a = 'sum(x) foo'", "foo"),
            ("a = \"rate(x{y=\\\"é\\\"}) foo\"", "foo"),
            ("a = \"\\u00e9\\t foo\"", "foo"),
            ("a = '''\nsum(\n  foo\n)'''", "foo"),
            ("a = '''\r\nsum(\r\n  foo\r\n)'''", "foo"),
            ("a = \"\"\"\nsum \\\n    foo\"\"\"", "foo"),
            ("a = \"\"\"sum\\u0020foo\"\"\"", "foo"),
        ] {
            let (entries, faults) = parse(0, source);
            assert_eq!(faults, [], "{source}");
            let node = &entries[0].node;
            let Kind::Text(value) = &node.kind else { panic!("a text: {source}") };
            let start = value.find(part).unwrap();
            let place = inside(node, start..start + part.len(), source);
            assert_eq!(source.get(place.span), Some(part), "{source}");
        }
    }

    #[test]
    fn the_end_of_a_value_is_its_closing_quote() {
        for source in ["a = 'sum('", "a = \"sum(\"", "a = '''\nsum('''", "a = ''"] {
            let (entries, _) = parse(0, source);
            let Kind::Text(value) = &entries[0].node.kind else { panic!("a text: {source}") };
            let place = inside(&entries[0].node, value.len()..value.len(), source);
            let quotes = if source.contains("'''") { 3 } else { 1 };
            assert_eq!(place.span, source.len() - quotes..source.len() - quotes, "{source}");
        }
    }

    #[test]
    fn deep_keys_are_refused_before_they_are_read() {
        let text = format!("{}a = 1", "a.".repeat(100_000));
        let (_, faults) = parse(0, &text);
        assert_eq!(faults.len(), 1);
        let inline = format!("a = {}", "{ b = ".repeat(100_000));
        assert!(!parse(0, &inline).1.is_empty());
        let array = format!("a = {}", "[".repeat(100_000));
        assert!(!parse(0, &array).1.is_empty());
        let quoted = format!("{}a = 1", "\"a\".".repeat(20_000));
        assert_eq!(parse(0, &quoted).1.len(), 1);
        let header = format!("[{}a]", "'a'.".repeat(20_000));
        assert_eq!(parse(0, &header).1.len(), 1);
    }
}
