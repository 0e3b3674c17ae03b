//! Templates of Prometheus's rules: the part of Go's `text/template` that rule files use, with the
//! functions that Prometheus adds.
//!
//! Pure: what a template asks of queries and of the time comes in with the scope. Whatever the
//! text, rendering ends: text, steps, depth and output are bounded. Escaping for a channel is not
//! done here.
//!
//! Sources: the documentation of Go's packages `text/template`, `fmt` and `time`, and
//! Prometheus's template reference.

mod ast;
mod literal;
mod lexer;
mod float;
mod span;
mod time;
mod value;
mod print;
mod printf;
mod function;
mod builtin;
mod host;
mod pattern;
mod prometheus;
mod parser;
mod exec;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use self::ast::Program;
use self::exec::Fault;
use crate::label::Labels;
use crate::template::TemplateError;

/// The longest template, in bytes.
pub const TEXT_BYTES_MAX: usize = 64 << 10;
/// The longest text that a template, or a function in it, may produce, in bytes.
pub const OUTPUT_BYTES_MAX: usize = 64 << 10;

/// What Prometheus writes before the text of a rule, in bytes: the declarations of `$labels` and
/// the others. It counts them in the columns of the first line.
const PREAMBLE_BYTES: usize = 112;

/// A checked template.
#[derive(Clone)]
pub struct GoTemplate {
    text: Arc<str>,
    program: Arc<Program>,
}

/// Answers a query with the rows of an instant vector, or says why not.
pub type Query<'a> = dyn Fn(&str) -> Result<Vec<(Labels, f64)>, String> + 'a;

/// What a template can speak of.
#[derive(Clone, Copy)]
pub struct GoScope<'a> {
    /// `$labels`
    pub labels: &'a Labels,
    /// `$value`
    pub value: f64,
    /// `$externalLabels`
    pub external_labels: &'a Labels,
    /// `$externalURL`
    pub external_url: &'a str,
    /// What `query` asks, at the time of the evaluation.
    pub query: &'a Query<'a>,
    /// The time of the evaluation in UTC milliseconds.
    pub now_ms: i64,
}

impl fmt::Debug for GoScope<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("GoScope")
            .field("labels", self.labels)
            .field("value", &self.value)
            .field("external_labels", self.external_labels)
            .field("external_url", &self.external_url)
            .field("now_ms", &self.now_ms)
            .finish_non_exhaustive()
    }
}

impl GoTemplate {
    /// Checks the syntax, and that every function and variable exists.
    ///
    /// # Errors
    /// Says what is wrong and where, in Go's words where people know them.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        if TEXT_BYTES_MAX < text.len() {
            return Err(TemplateError {
                message: format!("the template is longer than {TEXT_BYTES_MAX} bytes"),
                span: 0..text.len(),
                help: None,
            });
        }
        let program = parser::parse(text)?;
        Ok(Self { text: text.into(), program: Arc::new(program) })
    }

    /// Returns the template as written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.text
    }

    /// Renders.
    ///
    /// # Errors
    /// Says what failed and where, as Go does for a template that has the name `name`.
    fn render_as(&self, name: &str, scope: &GoScope<'_>) -> Result<String, String> {
        exec::run(&self.text, &self.program, scope).map_err(|fault| self.worded(name, &fault))
    }

    /// Renders.
    ///
    /// # Errors
    /// Says what failed and where, in Go's words.
    pub fn render(&self, scope: &GoScope<'_>) -> Result<String, String> {
        self.render_as("text", scope)
    }

    /// Renders for an alert; a failure gives text that says so, as it does in Prometheus, and never
    /// keeps the alert from firing.
    #[must_use]
    pub fn expand(&self, alert: &str, scope: &GoScope<'_>) -> String {
        let name = format!("__alert_{alert}");
        self.render_as(&name, scope).unwrap_or_else(|error| {
            format!("<error expanding template: error executing template {name}: {error}>")
        })
    }

    fn worded(&self, name: &str, fault: &Fault) -> String {
        let before = self.text.get(..fault.at).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = match before.rfind('\n') {
            Some(end) => before.len() - end - 1,
            None => before.len() + PREAMBLE_BYTES,
        };
        let node = self.text.get(fault.span.clone()).unwrap_or_default();
        let executing = fault.template.as_deref().unwrap_or(name);
        let message = &fault.message;
        format!("template: {name}:{line}:{column}: executing {executing:?} at <{node}>: {message}")
    }
}

/// Expands a text for an alert, whether it parses or not.
#[must_use]
pub fn expand(text: &str, alert: &str, scope: &GoScope<'_>) -> String {
    match GoTemplate::parse(text) {
        Ok(template) => template.expand(alert, scope),
        Err(error) => {
            let name = format!("__alert_{alert}");
            let line = text.get(..error.span.start).unwrap_or_default().matches('\n').count() + 1;
            format!(
                "<error expanding template: error parsing template {name}: \
                 template: {name}:{line}: {error}>"
            )
        }
    }
}

impl fmt::Debug for GoTemplate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "GoTemplate({:?})", self.text)
    }
}

impl PartialEq for GoTemplate {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}
