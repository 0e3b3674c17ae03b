//! Loading: from the main file and its includes to one checked configuration.

use std::path::Path;

use crate::check::{Scope, check};
use crate::code::Code;
use crate::diagnostic::{Diagnostic, Severity, SourceFile};
pub use crate::document::Files;
use crate::document::{Reader, holds_rules_only, overlay};
use crate::mask::mask;
use crate::root::Root;
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

/// Loads a main file with its includes.
#[must_use]
pub fn load(main: &Path, files: &dyn Files) -> Checked {
    let mut reader = Reader::new(files);
    let root = reader.main(main);
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
pub fn load_prometheus_rules(path: &Path, files: &dyn Files) -> Checked {
    let mut reader = Reader::new(files);
    let root = reader.prometheus_file(path);
    finish(reader, &root, Scope::RulesOnly)
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
