//! The configuration of a scenario: a base file, what is written inline, or both.
//!
//! Inline configuration is handed on with its places kept, so that a finding in it names the line
//! of the scenario.

use std::path::Path;

use watchbell_config::diagnostic::{Diagnostic, Severity, line_column};
use watchbell_config::load::{Checked, Files, load, load_over};
use watchbell_config::value::Config;

use crate::scenario::ScenarioFile;

/// Where inline configuration stands.
const KEY: &str = "config";
/// Tables that a scenario never reads: the daemon alone needs them.
const UNREAD: [&str; 4] = ["http", "deadman", "history", "collect"];

/// Loads the configuration of a scenario.
///
/// # Errors
/// Every finding that matters, in one text, with the line of the first one in the scenario.
pub(super) fn configuration(
    file: &ScenarioFile,
    path: &Path,
    text: &str,
    files: &dyn Files,
) -> Result<Config, (usize, String)> {
    let base = file.base.as_ref().map(|base| beside(path, base));
    let inline = match &file.config {
        Some(table) => inline(text, table),
        None => String::new(),
    };
    accept(load_over(base.as_deref(), &inline, path, files), path)
}

/// Loads the file of a `reload`, which replaces everything.
///
/// # Errors
/// Every finding that matters, in one text.
pub(super) fn reloaded(
    file: &str,
    path: &Path,
    files: &dyn Files,
) -> Result<Config, (usize, String)> {
    accept(load(&beside(path, file), files), path)
}

fn beside(path: &Path, file: &str) -> std::path::PathBuf {
    path.parent().unwrap_or_else(|| Path::new("")).join(file)
}

fn accept(checked: Checked, path: &Path) -> Result<Config, (usize, String)> {
    let matters = |one: &&Diagnostic| {
        one.severity == Severity::Error && !UNREAD.contains(&one.table.as_str())
    };
    let errors: Vec<&Diagnostic> = checked.diagnostics.iter().filter(matters).collect();
    if errors.is_empty() {
        return Ok(checked.config);
    }
    let mut first = None;
    let mut words = Vec::new();
    for error in errors {
        let (line, column) = line_column(&error.place, &checked.sources);
        let source = checked.sources.get(error.place.file);
        let help = error.help.as_ref().map_or_else(String::new, |help| format!("; {help}"));
        if source.is_some_and(|source| source.path == path) {
            first.get_or_insert(line);
            words.push(format!("line {line}: {}{help}", error.message));
        } else {
            let place = source.map_or_else(String::new, |source| source.path.display().to_string());
            words.push(format!("{place}:{line}:{column}: {}{help}", error.message));
        }
    }
    Err((first.unwrap_or(1), words.join("\n")))
}

/// Returns the inline configuration as a configuration's own text, every line where it was.
fn inline(text: &str, table: &toml::Table) -> String {
    let masked = mask(text);
    match toml::from_str::<toml::Table>(&masked) {
        Ok(read) if read == *table => masked,
        // Written in another shape than `[config.x]` tables: the values count more than the lines.
        Ok(_) | Err(_) => toml::to_string(table).unwrap_or_default(),
    }
}

/// Blanks everything but `[config...]` tables, and `config.` in their headers.
fn mask(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut inside = false;
    for line in text.lines() {
        match header(line) {
            Some((name, rest)) if name == KEY => {
                inside = true;
                if let Some(rest) = rest.strip_prefix('.') {
                    let brackets = line.len() - line.trim_start().trim_start_matches('[').len();
                    let (head, _) = line.split_at_checked(brackets).unwrap_or_default();
                    masked.push_str(head);
                    masked.push_str(&" ".repeat(line.len() - head.len() - rest.len()));
                    masked.push_str(rest);
                }
            }
            Some(_) => inside = false,
            None if inside => masked.push_str(line),
            None => {}
        }
        masked.push('\n');
    }
    masked
}

/// Splits a table's header into its first word and the rest.
fn header(line: &str) -> Option<(&str, &str)> {
    let name = line.trim_start().strip_prefix('[')?.trim_start_matches('[').trim_start();
    let end = name.find(|letter: char| !letter.is_alphanumeric() && letter != '_')?;
    name.split_at_checked(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inline_tables_keep_their_lines() {
        let text = "base = \"x\"\n[config.sla]\ncritical = \"5m\"\n[[config.route]]\n\
                    name = \"all\"\n\n[[test]]\nname = \"a\"\n";
        let table: toml::Table = toml::from_str(text).unwrap();
        let config = table["config"].as_table().unwrap();
        let expected =
            "\n[       sla]\ncritical = \"5m\"\n[[       route]]\nname = \"all\"\n\n\n\n";
        assert_eq!(inline(text, config), expected);
    }

    #[test]
    fn other_shapes_keep_their_values() {
        let text = "config = { sla = { critical = \"5m\" } }\n[[test]]\nname = \"a\"\n";
        let table: toml::Table = toml::from_str(text).unwrap();
        let config = table["config"].as_table().unwrap();
        let read: toml::Table = toml::from_str(&inline(text, config)).unwrap();
        assert_eq!(read, *config);
    }
}
