//! Diagnostics: what is wrong, where exactly, and what to write instead.

use std::ops::Range;
use std::path::PathBuf;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet};

use crate::code::Code;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The configuration works, but surely not as meant.
    Warning,
    /// The configuration is refused.
    Error,
}

/// A place in one of the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Index into `Sources`.
    pub file: usize,
    /// Bytes.
    pub span: Range<usize>,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// A stable word: `unknown-key`.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The top-level table it belongs to: `rule`, `schedule`, ...; empty where a whole file is
    /// concerned.
    pub table: String,
    /// One sentence of fact.
    pub message: String,
    /// Where.
    pub place: Place,
    /// Words at the caret.
    pub label: Option<String>,
    /// The repair.
    pub help: Option<String>,
    /// Further places, each with its words.
    pub also: Vec<(Place, String)>,
}

/// One file that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// As it is shown to people.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

impl Severity {
    /// Returns the word of findings: `error`, `warning`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl Diagnostic {
    pub(crate) fn new(
        code: &'static str,
        severity: Severity,
        table: &str,
        place: Place,
        message: String,
    ) -> Self {
        let table = table.to_owned();
        Self { code, severity, table, message, place, label: None, help: None, also: Vec::new() }
    }

    pub(crate) fn label(&mut self, words: impl Into<String>) -> &mut Self {
        self.label = Some(words.into());
        self
    }

    pub(crate) fn help(&mut self, words: impl Into<String>) -> &mut Self {
        self.help = Some(words.into());
        self
    }

    pub(crate) fn also(&mut self, place: &Place, words: impl Into<String>) -> &mut Self {
        self.also.push((place.clone(), words.into()));
        self
    }
}

/// Renders findings for people; each begins `PATH:LINE:COL`.
#[must_use]
pub fn render(diagnostics: &[Diagnostic], sources: &[SourceFile], colour: bool) -> String {
    let mut text = String::new();
    for finding in diagnostics {
        text.push_str(&headline(finding, sources, colour));
        text.push('\n');
        let body = picture(finding, sources, colour);
        if !body.is_empty() {
            text.push_str(&body);
            text.push('\n');
        }
        text.push('\n');
    }
    text
}

/// Returns the 1-based line and column (in characters) of a place.
#[must_use]
pub fn line_column(place: &Place, sources: &[SourceFile]) -> (usize, usize) {
    let text = sources.get(place.file).map_or("", |source| source.text.as_str());
    let before = text.get(..place.span.start).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
    (before.matches('\n').count() + 1, column)
}

/// Returns the long text of a diagnostic's code.
#[must_use]
pub fn explain(code: &str) -> Option<&'static str> {
    Code::ALL.iter().find(|one| one.as_str() == code).map(|one| one.explain())
}

/// Returns every code with its long text.
#[must_use]
pub fn codes() -> Vec<(&'static str, &'static str)> {
    Code::ALL.iter().map(|code| (code.as_str(), code.explain())).collect()
}

fn headline(finding: &Diagnostic, sources: &[SourceFile], colour: bool) -> String {
    let (line, column) = line_column(&finding.place, sources);
    let path = sources.get(finding.place.file).map(|source| source.path.display().to_string());
    let path = path.unwrap_or_default();
    let word = finding.severity.as_str();
    let (code, message) = (finding.code, &finding.message);
    if !colour {
        return format!("{path}:{line}:{column}: {word}[{code}]: {message}");
    }
    let tint = match finding.severity {
        Severity::Warning => 33,
        Severity::Error => 31,
    };
    format!("{path}:{line}:{column}: \x1b[1;{tint}m{word}[{code}]\x1b[0m: \x1b[1m{message}\x1b[0m")
}

fn picture(finding: &Diagnostic, sources: &[SourceFile], colour: bool) -> String {
    let level = match finding.severity {
        Severity::Warning => Level::WARNING,
        Severity::Error => Level::ERROR,
    };
    let main = finding.place.file;
    let mut group = Group::with_level(level);
    if let Some(source) = sources.get(main).filter(|source| !source.text.is_empty()) {
        let first = AnnotationKind::Primary.span(visible(&finding.place, &source.text));
        let first = first.label(finding.label.as_deref());
        let near = finding.also.iter().filter(|(place, _)| place.file == main);
        let further = near.map(|(place, words)| context(place, words, source));
        group = group.element(Snippet::source(&source.text).annotation(first).annotations(further));
    }
    for (place, words) in finding.also.iter().filter(|(place, _)| place.file != main) {
        let Some(source) = sources.get(place.file) else { continue };
        let snippet = Snippet::source(&source.text).path(source.path.to_string_lossy());
        group = group.element(snippet.annotation(context(place, words, source)));
    }
    if let Some(help) = &finding.help {
        group = group.element(Level::HELP.message(help));
    }
    if group.is_empty() {
        return String::new();
    }
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    renderer.decor_style(DecorStyle::Ascii).render(&[group])
}

fn context<'a>(place: &Place, words: &'a str, source: &SourceFile) -> Annotation<'a> {
    AnnotationKind::Context.span(visible(place, &source.text)).label(words)
}

/// A span that lies in the text, between letters, and covers something to point at.
fn visible(place: &Place, text: &str) -> Range<usize> {
    let boundary = |at: usize| (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    let start = boundary(place.span.start).unwrap_or_default();
    let end = boundary(place.span.end).unwrap_or_default().max(start);
    let next = text.get(start..).and_then(|rest| rest.chars().next());
    match next.filter(|next| start == end && !matches!(next, '\n' | '\r')) {
        Some(next) => start..start + next.len_utf8(),
        None => start..end,
    }
}
