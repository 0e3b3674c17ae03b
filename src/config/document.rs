//! Reading files and merging them: includes, names that are defined twice, a table over a base.
//!
//! Knows the top level only; what stands inside a table is `check`'s.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Place, Severity, SourceFile};
use crate::raw::{self, Entry, Kind, Node, SyntaxFault};
use crate::root::{RULE_TABLES, Root, SHAPE};
use crate::shape::{Word, nearest};

/// The most files that one configuration may include.
const FILES_MAX: usize = 1_000;

/// Who opens files; this crate does not.
pub trait Files {
    /// Reads a file.
    ///
    /// # Errors
    /// Says why not, as the system words it.
    fn read(&self, path: &Path) -> Result<String, String>;

    /// Lists the files that match a pattern such as `rules/*.toml`, sorted; an absent folder
    /// gives none.
    ///
    /// # Errors
    /// Says why not.
    fn matching(&self, folder: &Path, pattern: &str) -> Result<Vec<PathBuf>, String>;
}

/// Reads files and collects what is wrong with them as files.
pub(crate) struct Reader<'a> {
    files: &'a dyn Files,
    pub(crate) sources: Vec<SourceFile>,
    pub(crate) findings: Vec<Diagnostic>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(files: &'a dyn Files) -> Self {
        Self { files, sources: Vec::new(), findings: Vec::new() }
    }

    /// Reads a main file with its includes.
    pub(crate) fn main(&mut self, path: &Path) -> Root {
        let entries = self.open(path, "");
        self.with_includes(path, entries)
    }

    /// Takes a main file's text, and reads its includes.
    pub(crate) fn main_text(&mut self, path: &Path, text: &str) -> Root {
        let entries = self.parse(path, text, "");
        self.with_includes(path, entries)
    }

    /// Takes the configuration of a scenario: its `[config]` table, or the whole text.
    pub(crate) fn inline(&mut self, path: &Path, text: &str) -> Root {
        let entries = self.parse(path, text, "");
        let is_scenario =
            |entry: &Entry| ["config", "test", "base"].contains(&entry.key.text.as_str());
        let inner = if entries.iter().any(is_scenario) { config_of(entries) } else { entries };
        self.with_includes(path, inner)
    }

    /// Reads a file of rules by itself.
    pub(crate) fn rules(&mut self, path: &Path) -> Root {
        let entries = self.open(path, "rule");
        let mut root = Root::default();
        self.add_rules(entries, &mut root);
        root
    }

    /// Reads a Prometheus rule file by itself.
    pub(crate) fn prometheus_file(&mut self, path: &Path) -> Root {
        let mut root = Root::default();
        self.add_prometheus(path, &mut root);
        root
    }

    /// Reads a file of rule tests; the rule files that it names follow with `rule_files`.
    pub(crate) fn rule_tests(&mut self, path: &Path) -> Option<usize> {
        let text = self.read(path, "")?;
        self.sources.push(SourceFile { path: path.to_owned(), text });
        Some(self.sources.len() - 1)
    }

    /// Reads the rule files that a file of rule tests names.
    pub(crate) fn rule_files(&mut self, path: &Path, patterns: &[(String, Place)]) -> Root {
        let mut root = Root::default();
        let folder = path.parent().unwrap_or_else(|| Path::new("")).to_owned();
        for (pattern, place) in patterns {
            let known = self.findings.len();
            let found = self.included(&folder, pattern, place);
            // Tests of expressions need no rules, and tests of absent rules fail by themselves.
            for finding in self.findings.iter_mut().skip(known) {
                finding.severity = Severity::Warning;
            }
            for path in found {
                self.add_prometheus(&path, &mut root);
            }
        }
        root
    }

    fn open(&mut self, path: &Path, table: &str) -> Vec<Entry> {
        self.read(path, table).map(|text| self.parse(path, &text, table)).unwrap_or_default()
    }

    fn add_prometheus(&mut self, path: &Path, root: &mut Root) {
        if let Some(text) = self.read(path, "rule") {
            root.prometheus.push(self.sources.len());
            self.sources.push(SourceFile { path: path.to_owned(), text });
        }
    }

    fn read(&mut self, path: &Path, table: &str) -> Option<String> {
        let why = match self.files.read(path) {
            Ok(text) => return Some(text),
            Err(why) => why,
        };
        let file = self.sources.len();
        self.sources.push(SourceFile { path: path.to_owned(), text: String::new() });
        let message = format!("{} cannot be read: {why}", path.display());
        self.report(Code::Unreadable, table, Place { file, span: 0..0 }, message);
        None
    }

    fn parse(&mut self, path: &Path, text: &str, table: &str) -> Vec<Entry> {
        let file = self.sources.len();
        let (entries, faults) = raw::parse(file, text);
        self.sources.push(SourceFile { path: path.to_owned(), text: text.to_owned() });
        for fault in faults {
            self.report_syntax(file, text, table, fault);
        }
        entries
    }

    fn report_syntax(&mut self, file: usize, text: &str, table: &str, fault: SyntaxFault) {
        let place = Place { file, span: fault.span };
        if !fault.message.contains("duplicate key") {
            self.report(Code::Syntax, table, place, fault.message);
            return;
        }
        let name = text.get(place.span.clone()).unwrap_or_default().trim_matches(['"', '\'']);
        let message = format!("{name:?} is defined twice");
        let first = first_definition(text, place.span.start);
        let finding = self.report(Code::DuplicateName, table, place, message);
        if let Some(span) = first {
            finding.also(&Place { file, span }, "first defined here");
        }
    }

    fn with_includes(&mut self, path: &Path, entries: Vec<Entry>) -> Root {
        let mut root = Root { entries, ..Root::default() };
        self.check_top_level(&root);
        let patterns = |name: &str| root.entry(name).map(|entry| texts(&entry.node));
        let (toml, yaml) = (patterns("include"), patterns("prometheus_rules"));
        let folder = path.parent().unwrap_or_else(|| Path::new("")).to_owned();
        for (pattern, place) in toml.unwrap_or_default() {
            for found in self.included(&folder, &pattern, &place) {
                let entries = self.open(&found, "rule");
                self.add_rules(entries, &mut root);
            }
        }
        for (pattern, place) in yaml.unwrap_or_default() {
            for found in self.included(&folder, &pattern, &place) {
                self.add_prometheus(&found, &mut root);
            }
        }
        root
    }

    fn included(&mut self, folder: &Path, pattern: &str, place: &Place) -> Vec<PathBuf> {
        let found = match self.files.matching(folder, pattern) {
            Ok(found) => found,
            Err(why) => {
                let message = format!("{pattern:?} cannot be included: {why}");
                self.report(Code::Unreadable, "rule", place.clone(), message);
                return Vec::new();
            }
        };
        if found.is_empty() {
            let is_one = !pattern.contains(['*', '?', '[']);
            let message = format!("{pattern:?} matches no file in {}", shown(folder));
            let finding = self.report(Code::Unreadable, "rule", place.clone(), message);
            if !is_one {
                finding.severity = Severity::Warning;
            }
        }
        let is_new = |path: &PathBuf| !self.sources.iter().any(|source| source.path == *path);
        let room = FILES_MAX.saturating_sub(self.sources.len());
        let mut new: Vec<PathBuf> =
            found.into_iter().filter(|path| !is_test(path)).filter(is_new).collect();
        if room < new.len() {
            let message = format!("more than {FILES_MAX} files are included");
            self.report(Code::BadValue, "rule", place.clone(), message);
            new.truncate(room);
        }
        new
    }

    /// Adds the rules of a rule file.
    fn add_rules(&mut self, entries: Vec<Entry>, root: &mut Root) {
        for entry in entries {
            let name = entry.key.text.as_str();
            if RULE_TABLES.contains(&name) {
                self.add_table(entry, root);
            } else if SHAPE.field(name).is_some() {
                let message = format!("rule files hold [rule.*] and [slo.*] only, not [{name}]");
                let place = entry.key.place.clone();
                self.report(Code::MisplacedTable, "rule", place, message)
                    .help("move it to the main file");
            } else {
                self.unknown_table(&entry, &RULE_TABLES);
            }
        }
    }

    fn add_table(&mut self, entry: Entry, root: &mut Root) {
        let table = entry.key.text.clone();
        let Some(index) = root.entries.iter().position(|one| one.key.text == table) else {
            root.entries.push(entry);
            return;
        };
        let (Kind::Table(own), Kind::Table(new)) =
            (&mut root.entries[index].node.kind, entry.node.kind)
        else {
            return;
        };
        let mut places: BTreeMap<String, Place> =
            own.iter().map(|one| (one.key.text.clone(), one.key.place.clone())).collect();
        for one in new {
            let Some(first) = places.get(&one.key.text).cloned() else {
                places.insert(one.key.text.clone(), one.key.place.clone());
                own.push(one);
                continue;
            };
            let message = format!("the {table} {:?} is defined twice", one.key.text);
            let finding = Diagnostic::new(
                Code::DuplicateName.as_str(),
                Severity::Error,
                &table,
                one.key.place,
                message,
            );
            self.findings.push(finding);
            if let Some(finding) = self.findings.last_mut() {
                finding.also(&first, "first defined here").help("rename or remove one of them");
            }
        }
    }

    fn check_top_level(&mut self, root: &Root) {
        let names = SHAPE.names();
        for entry in root.entries.iter().filter(|one| SHAPE.field(&one.key.text).is_none()) {
            self.unknown_table(entry, &names);
        }
    }

    fn unknown_table(&mut self, entry: &Entry, known: &[&'static str]) {
        let name = entry.key.text.as_str();
        let near = nearest(name, known.iter().copied());
        let message = format!("there is no table {name:?}");
        let place = entry.key.place.clone();
        // A misspelt table is missing from the commands that read it.
        let finding = self.report(Code::UnknownTable, near.unwrap_or(name), place, message);
        match near {
            Some(near) => finding.label(format!("did you mean {near:?}?")),
            None => finding.help(format!("tables known here: {}", known.join(", "))),
        };
    }

    fn report(
        &mut self,
        code: Code,
        table: &str,
        place: Place,
        message: String,
    ) -> &mut Diagnostic {
        let index = self.findings.len();
        let finding = Diagnostic::new(code.as_str(), Severity::Error, table, place, message);
        self.findings.push(finding);
        &mut self.findings[index]
    }
}

/// Lays a configuration over another: names of `over` replace or add to those of `base`, table by
/// table; lists and plain values are replaced as a whole.
pub(crate) fn overlay(mut base: Root, over: Root) -> Root {
    base.prometheus.extend(over.prometheus);
    for entry in over.entries {
        let name = entry.key.text.clone();
        let Some(index) = base.entries.iter().position(|one| one.key.text == name) else {
            base.entries.push(entry);
            continue;
        };
        let is_table = matches!(
            SHAPE.field(&name).map(|field| &field.word),
            Some(Word::Table(_) | Word::Map(_))
        );
        match (&mut base.entries[index].node.kind, entry.node.kind) {
            (Kind::Table(own), Kind::Table(new)) if is_table => {
                for one in new {
                    own.retain(|other| other.key.text != one.key.text);
                    own.push(one);
                }
            }
            (_, kind) => {
                let node = Node { place: entry.node.place, kind };
                base.entries[index] = Entry { key: entry.key, node };
            }
        }
    }
    base
}

/// Tells whether a file holds rules only, so that it can be checked by itself.
pub(crate) fn holds_rules_only(text: &str) -> bool {
    let (entries, _) = raw::parse(0, text);
    let is_rule = |entry: &Entry| RULE_TABLES.contains(&entry.key.text.as_str());
    !entries.is_empty() && entries.iter().all(is_rule)
}

fn config_of(entries: Vec<Entry>) -> Vec<Entry> {
    let config = entries.into_iter().find(|entry| entry.key.text == "config");
    match config.map(|entry| entry.node.kind) {
        Some(Kind::Table(entries)) => entries,
        Some(_) | None => Vec::new(),
    }
}

fn texts(node: &Node) -> Vec<(String, Place)> {
    let text = |node: &Node| match &node.kind {
        Kind::Text(text) => Some((text.clone(), node.place.clone())),
        _ => None,
    };
    match &node.kind {
        Kind::Array(items) => items.iter().filter_map(text).collect(),
        _ => text(node).into_iter().collect(),
    }
}

fn is_test(path: &Path) -> bool {
    path.to_string_lossy().ends_with(".test.toml")
}

fn shown(folder: &Path) -> String {
    if folder.as_os_str().is_empty() { ".".to_owned() } else { folder.display().to_string() }
}

/// Finds the line that defined a key or a table first, by its text: the parser tells the second.
fn first_definition(text: &str, second: usize) -> Option<std::ops::Range<usize>> {
    let before = text.get(..second)?;
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = text.get(line_start..)?.lines().next()?.trim();
    let is_header = line.starts_with('[');
    let wanted = if is_header { line } else { line.split('=').next()?.trim() };
    let mut at = 0;
    let mut found = None;
    for candidate in text.get(..line_start)?.split_inclusive('\n') {
        let trimmed = candidate.trim();
        let own = if is_header { trimmed } else { trimmed.split('=').next()?.trim() };
        if !is_header && trimmed.starts_with('[') {
            found = None;
        } else if own == wanted {
            let start = at + (candidate.len() - candidate.trim_start().len());
            found = found.or(Some(start..start + own.len()));
        }
        at += candidate.len();
    }
    found
}
