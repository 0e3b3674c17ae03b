//! Output: answers to standard output, words about them to standard error.

use std::io::Write;
use std::process::ExitCode;

use comfy_table::{Table, presets};
use serde::Serialize;

use crate::notify::is_direction;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything is as it should be.
    Ok,
    /// A problem was found.
    Problem,
    /// The words or the configuration are wrong.
    Usage,
    /// The daemon cannot be reached.
    Unreachable,
}

impl Exit {
    pub(crate) fn code(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Ok => 0,
            Self::Problem => 1,
            Self::Usage => 2,
            Self::Unreachable => 4,
        })
    }
}

/// Why a command gave no answer.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, message: message.into() }
    }

    pub(crate) fn problem(message: impl Into<String>) -> Self {
        Self { exit: Exit::Problem, message: message.into() }
    }

    pub(crate) fn unreachable(message: impl Into<String>) -> Self {
        Self { exit: Exit::Unreachable, message: message.into() }
    }
}

/// Where answers go.
#[derive(Debug)]
pub(crate) struct Out {
    pub(crate) json: bool,
}

impl Out {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Prints a line of the answer. A reader that went away (`| head`) is no error.
    pub(crate) fn line(&self, text: impl AsRef<str>) {
        let mut stdout = anstream::stdout().lock();
        drop(writeln!(stdout, "{}", text.as_ref()));
    }

    /// Prints text that brings its own line ends.
    pub(crate) fn text(&self, text: &str) {
        let mut stdout = anstream::stdout().lock();
        drop(write!(stdout, "{text}"));
    }

    /// Prints a value as JSON.
    pub(crate) fn value<T: Serialize>(&self, value: &T) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|error| Failure::problem(format!("the answer is no JSON: {error}")))?;
        self.line(text);
        Ok(())
    }

    /// Prints rows under a head, in columns without lines; columns without a word are left out.
    pub(crate) fn table(&self, head: &[&str], rows: Vec<Vec<String>>) {
        let says = |column: usize| {
            rows.iter().any(|row| row.get(column).is_some_and(|cell| !cell.is_empty()))
        };
        let shown: Vec<usize> =
            (0..head.len()).filter(|column| rows.is_empty() || says(*column)).collect();
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(shown.iter().map(|column| head[*column].to_uppercase()));
        for row in &rows {
            let cells = shown.iter().filter_map(|column| row.get(*column));
            table.add_row(cells.map(|cell| one_line(cell)).collect::<Vec<_>>());
        }
        for line in table.to_string().lines() {
            self.line(line.trim_end().strip_prefix(' ').unwrap_or_else(|| line.trim_end()));
        }
    }

    /// Tells whether standard error shows colours.
    pub(crate) fn colour_of_stderr(&self) -> bool {
        anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never
    }

    /// Prints a warning.
    pub(crate) fn warn(&self, text: &str) {
        let mut stderr = anstream::stderr().lock();
        drop(writeln!(stderr, "warning: {text}"));
    }

    /// Prints findings or other text about the answer.
    pub(crate) fn note(&self, text: &str) {
        let mut stderr = anstream::stderr().lock();
        drop(writeln!(stderr, "{text}"));
    }

    /// Prints why there is no answer.
    pub(crate) fn error(&self, text: &str) {
        let mut stderr = anstream::stderr().lock();
        drop(writeln!(stderr, "error: {text}"));
    }
}

/// Control and direction-changing characters of foreign text never reach the terminal.
pub(crate) fn one_line(text: &str) -> String {
    text.chars()
        .filter(|letter| !is_direction(*letter))
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}
