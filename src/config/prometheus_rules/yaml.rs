//! What a YAML file says: a tree in which every key and every value knows its place.
//!
//! Reads one document. Anchors, aliases and merge keys (`<<`) are resolved, within bounds, so a
//! small file cannot become a huge tree. Scalars stay text, as Go's reader gives them to text
//! fields. Also turns a place inside a scalar's value into a place inside its file, past quotes,
//! escapes, indentation and folding.

use std::collections::BTreeMap;
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput, Tag};

use crate::code::Code;
use crate::diagnostic::Place;
use crate::findings::Findings;
use crate::raw::{FILE_BYTES_MAX, Key};

/// The deepest nesting; rule files have a depth of six.
const DEPTH_MAX: usize = 64;
/// The most values of a file, repeated ones counted each time.
const NODES_MAX: usize = 500_000;

/// A value with its place; a scalar's place includes its quotes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) kind: Kind,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    /// Nothing, `~` or `null`.
    Null,
    /// Any other scalar.
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: Key,
    pub(crate) node: Node,
}

/// Reads a file; reports what is wrong with it as YAML. `None` where it says nothing, or where
/// what it says cannot be known. Documents after the first are never read; that is an error, or a
/// warning where they are `ignored`.
pub(crate) fn read(file: usize, text: &str, ignored: bool, out: &mut Findings<'_>) -> Option<Node> {
    if FILE_BYTES_MAX < text.len() {
        let message = format!("the file is larger than {} MiB", FILE_BYTES_MAX / 1024 / 1024);
        out.error(Code::Syntax, &Place { file, span: 0..0 }, message);
        return None;
    }
    let build = Build {
        text,
        offsets: Offsets::new(text),
        file,
        stack: Vec::new(),
        anchors: BTreeMap::new(),
        nodes: 0,
        template: None,
        root: None,
    };
    build.run(ignored, out)
}

/// Returns the place in the file of a range of a scalar's value.
pub(crate) fn inside(node: &Node, range: Range<usize>, source: &str) -> Place {
    let Kind::Text(value) = &node.kind else { return node.place.clone() };
    let Some(literal) = source.get(node.place.span.clone()) else { return node.place.clone() };
    // What is missing at the end is missing after the last letter, not lines below it.
    let last = value.trim_end().len();
    let range = range.start.min(last)..range.end.min(last);
    let start = offset_of(literal, value, range.start);
    let end = if range.start < range.end { end_of(literal, value, &range) } else { start };
    let base = node.place.span.start;
    Place { file: node.place.file, span: base + start..base + end.max(start) }
}

/// A list or a map that is being read.
struct Open {
    anchor: usize,
    start: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, key: Option<Pending> },
}

/// The key whose value comes next.
enum Pending {
    Key(Key),
    /// It was reported; the value is left out.
    Refused,
}

/// A value that aliases can repeat, with its size.
struct Anchored {
    node: Node,
    nodes: usize,
    depth: usize,
}

struct Build<'a> {
    text: &'a str,
    offsets: Offsets,
    file: usize,
    stack: Vec<Open>,
    anchors: BTreeMap<usize, Anchored>,
    nodes: usize,
    /// Where a template without quotes was read as a map.
    template: Option<usize>,
    root: Option<Node>,
}

/// The rest of the file cannot be read.
struct Stop;

impl Build<'_> {
    fn run(mut self, ignored: bool, out: &mut Findings<'_>) -> Option<Node> {
        let mut parser: Parser<'_, StrInput<'_>> = Parser::new_from_str(self.text);
        let mut documents = 0;
        while let Some(event) = parser.next_event() {
            let (event, span) = match event {
                Ok(event) => event,
                Err(error) => {
                    let at = self.offsets.byte(error.marker().index());
                    if !self.is_known(at) {
                        let message = format!("this is not YAML: {}", error.info());
                        out.error(Code::Syntax, &self.place(at..at), message);
                    }
                    return None;
                }
            };
            documents += usize::from(matches!(event, Event::DocumentStart(_)));
            if 1 < documents && is_content(&event) {
                self.note_second(&span, ignored, out);
                break;
            }
            if documents < 2 && self.take(event, &span, out).is_err() {
                return None;
            }
        }
        self.root
    }

    fn note_second(&self, span: &Span, ignored: bool, out: &mut Findings<'_>) {
        let at = self.offsets.byte(span.start.index());
        let place = self.place(at..at);
        let message = "a second YAML document begins here, and would not be read";
        let finding = if ignored {
            out.warning(Code::SecondDocument, &place, message)
        } else {
            out.error(Code::SecondDocument, &place, message)
        };
        finding.help("put all groups under one `groups:`, or make two files");
    }

    fn take(&mut self, event: Event<'_>, span: &Span, out: &mut Findings<'_>) -> Result<(), Stop> {
        let bytes = self.offsets.range(span);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let last = bytes.end;
                let place = self.place(self.without_properties(bytes));
                let is_text = tag.as_deref().is_some_and(is_text_tag);
                let kind = match style {
                    ScalarStyle::Plain if !is_text && is_null(&text) => Kind::Null,
                    ScalarStyle::Literal | ScalarStyle::Folded => {
                        Kind::Text(self.without_added_end(text.into_owned(), last))
                    }
                    ScalarStyle::Plain | ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
                        Kind::Text(text.into_owned())
                    }
                };
                self.close(Node { place, kind }, anchor, out)
            }
            Event::SequenceStart(anchor, _) => {
                self.open(anchor, bytes, Content::List(Vec::new()), out)
            }
            Event::MappingStart(anchor, _) => {
                let content = Content::Map { entries: Vec::new(), key: None };
                self.open(anchor, bytes, content, out)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.stack.pop() else { return Ok(()) };
                let place = self.place(open.start..bytes.end.max(open.start));
                let kind = match open.content {
                    Content::List(items) => Kind::List(items),
                    Content::Map { entries, .. } => Kind::Map(merged(entries)),
                };
                self.close(Node { place, kind }, open.anchor, out)
            }
            Event::Alias(anchor) => self.repeat(anchor, bytes, out),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
        }
    }

    /// A block that ends with the file ends with a line end only if the file does, as with Go's
    /// reader; the parser adds one.
    fn without_added_end(&self, mut text: String, last: usize) -> String {
        let is_cut = !self.text.ends_with('\n') && self.text.trim_end().len() <= last;
        if is_cut && text.ends_with('\n') {
            text.pop();
        }
        text
    }

    fn open(
        &mut self,
        anchor: usize,
        bytes: Range<usize>,
        content: Content,
        out: &mut Findings<'_>,
    ) -> Result<(), Stop> {
        self.stack.push(Open { anchor, start: bytes.start, content });
        self.bound(1, 0, &bytes, out)
    }

    /// Puts an anchored value where an alias stands.
    fn repeat(
        &mut self,
        anchor: usize,
        bytes: Range<usize>,
        out: &mut Findings<'_>,
    ) -> Result<(), Stop> {
        let Some(found) = self.anchors.get(&anchor) else {
            let message = "the alias stands inside what it repeats";
            out.error(Code::Syntax, &self.place(bytes), message);
            return Err(Stop);
        };
        let (nodes, depth) = (found.nodes, found.depth);
        self.bound(nodes, depth, &bytes, out)?;
        if let Some(node) = self.anchors.get(&anchor).map(|found| found.node.clone()) {
            self.add(node, out);
        }
        Ok(())
    }

    fn close(&mut self, node: Node, anchor: usize, out: &mut Findings<'_>) -> Result<(), Stop> {
        if matches!(node.kind, Kind::Null | Kind::Text(_)) {
            self.bound(1, 0, &node.place.span, out)?;
        }
        if anchor != 0 {
            let (nodes, depth) = size(&node);
            self.anchors.insert(anchor, Anchored { node: node.clone(), nodes, depth });
        }
        self.add(node, out);
        Ok(())
    }

    fn add(&mut self, node: Node, out: &mut Findings<'_>) {
        // A key is a value, too, until its map has it.
        let Some(mut open) = self.stack.pop() else {
            self.root = Some(node);
            return;
        };
        match &mut open.content {
            Content::List(items) => items.push(node),
            Content::Map { entries, key } => match key.take() {
                Some(Pending::Refused) => {}
                Some(Pending::Key(key)) => {
                    let first = entries.iter().find(|one| one.key.text == key.text);
                    if let Some(first) = first.filter(|_| key.text != MERGE) {
                        let message = format!("the key {:?} is written twice", key.text);
                        out.error(Code::DuplicateName, &key.place, message)
                            .also(&first.key.place, "first written here")
                            .help("remove one of them");
                    } else {
                        entries.push(Entry { key, node });
                    }
                }
                None => *key = Some(self.key_of(node, out)),
            },
        }
        self.stack.push(open);
    }

    /// Takes a key; one that is no text is reported, and what it holds is left out.
    fn key_of(&mut self, node: Node, out: &mut Findings<'_>) -> Pending {
        let Kind::Text(text) = node.kind else {
            let is_template =
                self.text.get(..node.place.span.start).is_some_and(|before| before.ends_with('{'));
            if is_template {
                self.template = Some(node.place.span.start);
                out.error(Code::Syntax, &node.place, "to YAML, an unquoted {{ begins a map")
                    .help("put the whole text in quotes");
            } else {
                out.error(Code::Syntax, &node.place, "a key must be a text");
            }
            return Pending::Refused;
        };
        Pending::Key(Key { text, place: node.place })
    }

    /// Tells whether a fault follows from a template without quotes that was reported.
    fn is_known(&self, at: usize) -> bool {
        let between = self.template.and_then(|start| self.text.get(start..at));
        between.is_some_and(|text| text.matches('\n').count() < 2)
    }

    fn bound(
        &mut self,
        nodes: usize,
        depth: usize,
        bytes: &Range<usize>,
        out: &mut Findings<'_>,
    ) -> Result<(), Stop> {
        self.nodes += nodes;
        let message = if DEPTH_MAX < self.stack.len() + depth {
            format!("values are nested deeper than {DEPTH_MAX}")
        } else if NODES_MAX < self.nodes {
            format!("the file has more than {NODES_MAX} values")
        } else {
            return Ok(());
        };
        out.error(Code::Syntax, &self.place(bytes.start..bytes.start), message);
        Err(Stop)
    }

    fn place(&self, span: Range<usize>) -> Place {
        Place { file: self.file, span }
    }

    /// Skips the anchor and the tag, which the parser counts as part of a scalar.
    fn without_properties(&self, bytes: Range<usize>) -> Range<usize> {
        let whole = self.text.get(bytes.clone()).unwrap_or_default();
        let mut rest = whole;
        while rest.starts_with(['&', '!']) {
            rest = rest.trim_start_matches(|sign| !is_blank(sign)).trim_start_matches(is_blank);
        }
        bytes.start + (whole.len() - rest.len())..bytes.end
    }
}

/// The key that lays other maps under the one that holds it.
const MERGE: &str = "<<";

/// Lays merged maps under the entries; what is written wins.
fn merged(entries: Vec<Entry>) -> Vec<Entry> {
    if entries.iter().all(|one| one.key.text != MERGE) {
        return entries;
    }
    let (merges, mut own): (Vec<Entry>, Vec<Entry>) =
        entries.into_iter().partition(|one| one.key.text == MERGE);
    for merge in merges {
        let under = match merge.node.kind {
            Kind::List(items) => items,
            Kind::Null | Kind::Text(_) | Kind::Map(_) => vec![merge.node],
        };
        for node in under {
            let Kind::Map(entries) = node.kind else { continue };
            for entry in entries {
                if own.iter().all(|one| one.key.text != entry.key.text) {
                    own.push(entry);
                }
            }
        }
    }
    own
}

/// Counts the values of a tree and its depth.
fn size(node: &Node) -> (usize, usize) {
    let children: Vec<&Node> = match &node.kind {
        Kind::Null | Kind::Text(_) => return (1, 0),
        Kind::List(items) => items.iter().collect(),
        Kind::Map(entries) => entries.iter().map(|entry| &entry.node).collect(),
    };
    children
        .into_iter()
        .map(size)
        .fold((1, 1), |(nodes, depth), (more, deep)| (nodes + more, depth.max(deep + 1)))
}

/// Tells whether an event of a further document says anything.
fn is_content(event: &Event<'_>) -> bool {
    match event {
        Event::Scalar(text, ..) => !is_null(text),
        Event::Alias(_) | Event::SequenceStart(..) | Event::MappingStart(..) => true,
        Event::Nothing
        | Event::StreamStart
        | Event::StreamEnd
        | Event::DocumentStart(_)
        | Event::DocumentEnd
        | Event::SequenceEnd
        | Event::MappingEnd => false,
    }
}

fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

fn is_text_tag(tag: &Tag) -> bool {
    tag.is_yaml_core_schema() && tag.suffix == "str"
}

/// Turns the parser's positions, which count characters, into bytes.
struct Offsets {
    /// The byte of every character; empty where the text is ASCII.
    bytes: Vec<usize>,
    end: usize,
}

impl Offsets {
    fn new(text: &str) -> Self {
        let bytes = if text.is_ascii() {
            Vec::new()
        } else {
            text.char_indices().map(|(byte, _)| byte).collect()
        };
        Self { bytes, end: text.len() }
    }

    fn byte(&self, character: usize) -> usize {
        if self.bytes.is_empty() {
            return character.min(self.end);
        }
        self.bytes.get(character).copied().unwrap_or(self.end)
    }

    fn range(&self, span: &Span) -> Range<usize> {
        let start = self.byte(span.start.index());
        start..self.byte(span.end.index()).max(start)
    }
}

/// How a scalar is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    Single,
    Double,
    Block,
}

/// Where the last letter of a range ends.
fn end_of(literal: &str, value: &str, range: &Range<usize>) -> usize {
    let covered = value.get(range.clone()).unwrap_or_default();
    let last = covered.trim_end().chars().next_back().map_or(1, char::len_utf8);
    let last_start = range.start + covered.trim_end().len().saturating_sub(last);
    let start = offset_of(literal, value, last_start);
    let rest = literal.get(start..).unwrap_or_default();
    start
        + value
            .get(last_start..)
            .and_then(|rest| rest.chars().next())
            .map_or(0, |letter| width(rest, letter, style_of(literal)))
}

fn style_of(literal: &str) -> Style {
    match literal.chars().next() {
        Some('\'') => Style::Single,
        Some('"') => Style::Double,
        Some('|' | '>') => Style::Block,
        Some(_) | None => Style::Plain,
    }
}

/// Walks a literal and its value side by side up to a byte of the value. Folding and indentation
/// touch blanks only, so all other letters stand in both, in the same order.
fn offset_of(literal: &str, value: &str, wanted: usize) -> usize {
    let style = style_of(literal);
    let mut raw = match style {
        Style::Plain => 0,
        Style::Single | Style::Double => 1,
        Style::Block => literal.find('\n').map_or(literal.len(), |at| at + 1),
    };
    let mut done = 0;
    for letter in value.chars() {
        let rest = literal.get(raw..).unwrap_or_default();
        if is_blank(letter) {
            if wanted <= done {
                return raw;
            }
            let is_there = rest.starts_with(letter) || is_escape(rest, style);
            raw += if is_there { width(rest, letter, style) } else { 0 };
        } else {
            raw += blanks(rest, style);
            if wanted <= done {
                return raw;
            }
            raw += width(literal.get(raw..).unwrap_or_default(), letter, style);
        }
        done += letter.len_utf8();
    }
    raw.min(literal.len())
}

fn is_blank(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\n' | '\r')
}

/// The length of blanks, and of line breaks that a backslash swallows.
fn blanks(rest: &str, style: Style) -> usize {
    let mut length = 0;
    loop {
        let left = rest.get(length..).unwrap_or_default();
        let blank = left.len() - left.trim_start_matches(is_blank).len();
        let swallowed = style == Style::Double
            && left
                .get(blank..)
                .is_some_and(|left| left.starts_with("\\\n") || left.starts_with("\\\r"));
        length += blank + usize::from(swallowed);
        if !swallowed {
            return length;
        }
    }
}

fn is_escape(rest: &str, style: Style) -> bool {
    let next = rest.strip_prefix('\\').and_then(|rest| rest.chars().next());
    style == Style::Double && next.is_some_and(|next| !matches!(next, '\n' | '\r'))
}

/// The length in the literal of one letter of the value.
fn width(rest: &str, letter: char, style: Style) -> usize {
    match style {
        Style::Single if letter == '\'' => 2,
        Style::Double if is_escape(rest, style) => match rest.chars().nth(1) {
            Some('x') => 4,
            Some('u') => 6,
            Some('U') => 10,
            Some(other) => 1 + other.len_utf8(),
            None => 1,
        },
        Style::Plain | Style::Single | Style::Double | Style::Block => letter.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::{Diagnostic, SourceFile};

    #[test]
    fn a_place_in_a_value_is_found_in_its_file() {
        for (source, part) in [
            ("a: sum(x) foo", "foo"),
            ("a: 'it''s x{a=\"é\"} foo'", "foo"),
            ("é: \"rate(x{y=\\\"é\\\"}) foo\" # c", "foo"),
            ("a: \"\\u00e9\\t\\x20 foo\"", "foo"),
            ("a: \"sum \\\n   \\\n  foo\"", "foo"),
            ("a: sum(\n    x)\n    foo", "foo"),
            ("a: 'sum(\n\n  x)\n  foo'", "foo"),
            ("a: | # why\n  sum(\n    foo\n  )\n", "foo"),
            ("a: |-\n\n    sum(\n      foo\n    )", "foo"),
            ("a: |2+\n    sum(\n   foo )\n\n", "foo"),
            ("a: >\n  sum(x)\n\n  foo\n    bar\n", "foo"),
            ("a: >-\r\n  sum(x)\r\n  foo\r\n", "foo"),
            ("a: &b !!str foo", "foo"),
        ] {
            let node = value(source);
            let Kind::Text(text) = &node.kind else { panic!("a text: {source}") };
            let start = text.find(part).unwrap();
            let place = inside(&node, start..start + part.len(), source);
            assert_eq!(source.get(place.span), Some(part), "{source:?} {text:?}");
        }
    }

    #[test]
    fn a_range_over_several_lines_ends_where_its_last_letter_does() {
        let source = "a: |\n  sum(\n    x\n  )\n";
        let node = value(source);
        let Kind::Text(text) = &node.kind else { panic!("a text") };
        let place = inside(&node, 0..text.len(), source);
        assert_eq!(source.get(place.span), Some("sum(\n    x\n  )"));
    }

    #[test]
    fn the_end_of_a_value_is_where_something_is_missing() {
        for source in ["a: sum(", "a: 'sum('", "a: \"sum(\""] {
            let node = value(source);
            let place = inside(&node, 4..4, source);
            let end = source.find('(').unwrap() + 1;
            assert_eq!(place.span, end..end, "{source}");
        }
    }

    #[test]
    fn repeated_and_merged_values_stand_where_they_were_written() {
        let source = "a: &x {b: 1, c: 2}\nd: *x\ne:\n  <<: *x\n  b: 3\nf:\n  <<: [*x, {g: 4}]\n";
        let (root, found) = parse(source);
        assert_eq!(found, []);
        let Some(Kind::Map(entries)) = root.map(|root| root.kind) else { panic!("a map") };
        assert_eq!(entries[1].node, entries[0].node);
        assert_eq!(pairs(&entries[2].node), [("b", "3"), ("c", "2")]);
        assert_eq!(pairs(&entries[3].node), [("b", "1"), ("c", "2"), ("g", "4")]);
    }

    #[test]
    fn nothing_and_null_are_not_texts_unless_quoted() {
        for (source, is_null) in [
            ("a:", true),
            ("a: ~", true),
            ("a: null", true),
            ("a: 'null'", false),
            ("a: ''", false),
        ] {
            assert_eq!(value(source).kind == Kind::Null, is_null, "{source}");
        }
    }

    #[test]
    fn what_is_not_one_document_is_refused() {
        for (source, word) in [
            ("a: [1", "not YAML"),
            ("a: 1\n b: 2", "not YAML"),
            ("a: \t- b\n\t- c", "not YAML"),
            ("a: 1\n---\nb: 2", "second YAML document"),
            ("a: 1\nb: 2\na: 3", "\"a\" is written twice"),
            ("a: &x [*x]", "stands inside"),
            ("? [a, b]\n: c", "a key must be a text"),
            ("a: *b", "not YAML"),
        ] {
            let (_, found) = parse(source);
            assert_eq!(found.len(), 1, "{source:?}: {found:?}");
            assert!(found[0].message.contains(word), "{source:?}: {}", found[0].message);
        }
        for source in ["", "---\n", "a: 1\n---\n", "# nothing\n", "a: 1\n...\n"] {
            assert_eq!(parse(source).1, [], "{source:?}");
        }
    }

    #[test]
    fn a_small_file_does_not_become_a_huge_tree() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..20 {
            let items = vec![format!("*a{}", level - 1); 10].join(", ");
            text.push_str(&format!("a{level}: &a{level} [{items}]\n"));
        }
        assert!(parse(&text).1[0].message.contains("values"));
        for text in ["[".repeat(100_000), "- ".repeat(100_000), "{a: ".repeat(100_000)] {
            assert_eq!(parse(&text).1.len(), 1);
        }
    }

    fn parse(text: &str) -> (Option<Node>, Vec<Diagnostic>) {
        let sources = [SourceFile { path: "rules.yml".into(), text: text.to_owned() }];
        let mut out = Findings::new(&sources);
        let node = read(0, text, false, &mut out);
        (node, out.take())
    }

    fn value(text: &str) -> Node {
        let (node, found) = parse(text);
        assert_eq!(found, [], "{text:?}");
        match node.map(|node| node.kind) {
            Some(Kind::Map(mut entries)) => entries.remove(0).node,
            other => panic!("a map: {other:?}"),
        }
    }

    fn pairs(node: &Node) -> Vec<(&str, &str)> {
        let Kind::Map(entries) = &node.kind else { panic!("a map") };
        entries
            .iter()
            .map(|entry| {
                let Kind::Text(text) = &entry.node.kind else { panic!("a text") };
                (entry.key.text.as_str(), text.as_str())
            })
            .collect()
    }
}
