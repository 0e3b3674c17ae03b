//! Loading: from the main file and its includes to one checked configuration.

use std::path::Path;
use std::sync::Arc;

use watchbell_metrics::rule::group::Group;

use crate::check::{Scope, check, groups};
use crate::code::Code;
use crate::diagnostic::{Diagnostic, Place, Severity, SourceFile};
pub use crate::document::Files;
use crate::document::{Reader, holds_rules_only, overlay};
use crate::findings::Findings;
use crate::mask::mask;
use crate::prometheus_rules::Manner;
pub use crate::prometheus_rules::{Lints, RuleFileOptions};
use crate::root::Root;
use crate::rule_test::{self, RuleTests};
use crate::value::Config;

/// A configuration and everything that is wrong with it. What is faulty is left out of `config`,
/// so commands that need only a part can go on if that part has no errors.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The best that could be built.
    pub config: Config,
    /// Every finding, in order of place.
    pub diagnostics: Vec<Diagnostic>,
    /// The files; secrets that stood in them are blanked, places are those of the real text.
    pub sources: Vec<SourceFile>,
}

impl Checked {
    /// Tells whether anything is refused.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|one| one.severity == Severity::Error)
    }

    /// Returns the errors in some tables (`["schedule", "person"]`), syntax errors included.
    #[must_use]
    pub fn errors_in(&self, tables: &[&str]) -> Vec<Diagnostic> {
        let concerns =
            |one: &&Diagnostic| one.table.is_empty() || tables.contains(&one.table.as_str());
        let errors = self.diagnostics.iter().filter(|one| one.severity == Severity::Error);
        errors.filter(concerns).cloned().collect()
    }
}

/// A file of rule tests, the rules that it names, and everything that is wrong with them.
#[derive(Clone, Debug)]
pub struct CheckedTests {
    /// The tests; none where the file cannot be read at all.
    pub tests: Option<RuleTests>,
    /// The groups of all rule files, in the order of the files.
    pub groups: Vec<Arc<Group>>,
    /// Every finding, in order of place; the test file is the first source.
    pub diagnostics: Vec<Diagnostic>,
    /// The files.
    pub sources: Vec<SourceFile>,
}

impl CheckedTests {
    /// Tells whether the tests cannot be run, because they or the rules are refused as a whole.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        let Some(tests) = &self.tests else { return true };
        // A fault inside a test is that test's alone.
        let is_inside = |place: &Place| {
            tests.tests.iter().filter(|test| test.faulty).map(|test| &test.extent).any(|extent| {
                extent.file == place.file
                    && extent.span.start <= place.span.start
                    && place.span.end <= extent.span.end
            })
        };
        let mut errors = self.diagnostics.iter().filter(|one| one.severity == Severity::Error);
        errors.any(|error| !is_inside(&error.place))
    }
}

/// Loads a main file with its includes.
#[must_use]
pub fn load(main: &Path, files: &dyn Files) -> Checked {
    load_with(main, files, RuleFileOptions::default())
}

/// Loads a main file with its includes; `options` are about Prometheus rule files.
#[must_use]
pub fn load_with(main: &Path, files: &dyn Files, options: RuleFileOptions) -> Checked {
    let mut reader = Reader::new(files);
    let root = Root { rule_files: options, ..reader.main(main) };
    finish(reader, &root, Scope::Whole)
}

/// Loads a configuration from text, `path` naming it in findings and anchoring its includes.
#[must_use]
pub fn load_text(path: &Path, text: &str, files: &dyn Files) -> Checked {
    let mut reader = Reader::new(files);
    let root = reader.main_text(path, text);
    finish(reader, &root, Scope::Whole)
}

/// Loads a base file (if any) with a table laid over it: names in `inline` replace or add to
/// those of the base (`[[route]]` as a whole). Used by scenarios.
///
/// `inline` is either the configuration itself, or the text of a whole scenario file, of which the
/// `config` table counts; then findings have the coordinates of that file.
#[must_use]
pub fn load_over(
    base: Option<&Path>,
    inline: &str,
    inline_path: &Path,
    files: &dyn Files,
) -> Checked {
    let mut reader = Reader::new(files);
    let under = base.map(|base| reader.main(base)).unwrap_or_default();
    let over = reader.inline(inline_path, inline);
    finish(reader, &overlay(under, over), Scope::Whole)
}

/// Checks a file of `[rule.*]` and `[slo.*]` tables by itself, without routes.
#[must_use]
pub fn load_rules(path: &Path, files: &dyn Files) -> Checked {
    let mut reader = Reader::new(files);
    let root = reader.rules(path);
    finish(reader, &root, Scope::RulesOnly)
}

/// Checks a Prometheus rule file by itself.
#[must_use]
pub fn load_prometheus_rules(path: &Path, files: &dyn Files, options: RuleFileOptions) -> Checked {
    let mut reader = Reader::new(files);
    let root = Root { rule_files: options, ..reader.prometheus_file(path) };
    finish(reader, &root, Scope::RulesOnly)
}

/// Loads a file of rule tests with the rule files that it names; `options` are about the latter.
#[must_use]
pub fn load_rule_tests(path: &Path, files: &dyn Files, options: RuleFileOptions) -> CheckedTests {
    let mut reader = Reader::new(files);
    let file = reader.rule_tests(path);
    let source = file.and_then(|file| Some((file, reader.sources.get(file)?.clone())));
    let (tests, mut found) = source.map_or_else(Default::default, |(file, source)| {
        let sources = [source.clone()];
        let mut out = Findings::new(&sources);
        let tests = rule_test::read(file, &source, &mut out);
        (tests, out.take())
    });
    let (tests, patterns) = tests.unzip();
    let root = reader.rule_files(path, &patterns.unwrap_or_default());
    let manner = Manner { external: Arc::default(), options };
    let mut out = Findings::new(&reader.sources);
    let groups = groups(&root, &reader.sources, &manner, &mut out);
    found.extend(out.take());
    found.extend(reader.findings);
    found.sort_by_key(|one| (one.place.file, one.place.span.start));
    found.dedup();
    CheckedTests { tests, groups, diagnostics: found, sources: reader.sources }
}

/// Tells whether a text holds `[rule.*]` and `[slo.*]` tables only, so that it is checked by
/// itself (`load_rules`).
#[must_use]
pub fn is_rule_file(text: &str) -> bool {
    holds_rules_only(text)
}

fn finish(reader: Reader<'_>, root: &Root, scope: Scope) -> Checked {
    let (config, found) = check(root, &reader.sources, scope);
    let mut diagnostics = reader.findings;
    // What stands in a file that is not TOML may have been read differently from what was meant.
    let is_broken = |file: usize| {
        let syntax = Code::Syntax.as_str();
        diagnostics.iter().any(|one| one.code == syntax && one.place.file == file)
    };
    let is_sure = |one: &Diagnostic| one.severity == Severity::Error || !is_broken(one.place.file);
    let found: Vec<Diagnostic> = found.into_iter().filter(is_sure).collect();
    diagnostics.extend(found);
    diagnostics.sort_by_key(|one| (one.place.file, one.place.span.start));
    diagnostics.dedup();
    let mut sources = reader.sources;
    mask(&mut sources, &diagnostics);
    Checked { config, diagnostics, sources }
}
