//! The list of findings that every check adds to, and the texts that places point into.

use std::ops::Range;

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Place, Severity, SourceFile};
use crate::quantity::Fault;
use crate::raw::{Node, inside};

/// Findings so far.
#[derive(Debug)]
pub(crate) struct Findings<'a> {
    sources: &'a [SourceFile],
    table: String,
    error_count: usize,
    list: Vec<Diagnostic>,
}

impl<'a> Findings<'a> {
    pub(crate) fn new(sources: &'a [SourceFile]) -> Self {
        Self { sources, table: String::new(), error_count: 0, list: Vec::new() }
    }

    /// Says which top-level table the next findings belong to.
    pub(crate) fn enter(&mut self, table: &str) {
        table.clone_into(&mut self.table);
    }

    /// Adds an error; the answer takes label, help and further places.
    pub(crate) fn error(
        &mut self,
        code: Code,
        place: &Place,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        self.push(code, Severity::Error, place.clone(), message.into())
    }

    /// Adds a warning.
    pub(crate) fn warning(
        &mut self,
        code: Code,
        place: &Place,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        self.push(code, Severity::Warning, place.clone(), message.into())
    }

    /// Adds an error inside the value of a string.
    pub(crate) fn error_inside(
        &mut self,
        code: Code,
        node: &Node,
        range: Range<usize>,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        let place = self.place_inside(node, range);
        self.push(code, Severity::Error, place, message.into())
    }

    /// Adds the fault of a quantity.
    pub(crate) fn fault(&mut self, node: &Node, fault: Fault) {
        let finding = self.error_inside(fault.code, node, fault.span, fault.message);
        finding.help = fault.help;
    }

    pub(crate) fn place_inside(&self, node: &Node, range: Range<usize>) -> Place {
        let source = self.sources.get(node.place.file).map_or("", |source| source.text.as_str());
        inside(node, range, source)
    }

    /// Returns the number of errors so far; a check compares it before and after.
    pub(crate) fn errors(&self) -> usize {
        self.error_count
    }

    pub(crate) fn take(self) -> Vec<Diagnostic> {
        self.list
    }

    fn push(
        &mut self,
        code: Code,
        severity: Severity,
        place: Place,
        message: String,
    ) -> &mut Diagnostic {
        let message = one_line(message);
        let finding = Diagnostic::new(code.as_str(), severity, &self.table, place, message);
        self.error_count += usize::from(severity == Severity::Error);
        let index = self.list.len();
        self.list.push(finding);
        &mut self.list[index]
    }
}

/// Faults of regular expressions come with a picture of their own, of which the last line counts.
fn one_line(message: String) -> String {
    let Some((start, _)) = message.split_once('\n') else { return message };
    let start = start.trim_end_matches("regex parse error:").trim_end();
    let end = message.lines().last().unwrap_or_default();
    format!("{start} {}", end.trim_start_matches("error: "))
}
