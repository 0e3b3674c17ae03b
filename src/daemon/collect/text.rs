//! Writing exposition text (format 0.0.4).

use std::fmt::{Display, Write as _};

/// What a family is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Type {
    Counter,
    Gauge,
    Untyped,
}

/// Text that grows family by family; samples of a family are written together.
#[derive(Debug, Default)]
pub(super) struct Text(String);

impl Text {
    /// Begins a family.
    pub(super) fn family(&mut self, name: &str, kind: Type, help: &str) {
        let kind = match kind {
            Type::Counter => "counter",
            Type::Gauge => "gauge",
            Type::Untyped => "untyped",
        };
        self.line(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}"));
    }

    /// Writes one sample of the family that was begun last.
    pub(super) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let mut inside = String::new();
        for (label, content) in labels {
            let comma = if inside.is_empty() { "" } else { "," };
            inside.push_str(comma);
            inside.push_str(label);
            inside.push_str("=\"");
            for letter in content.chars() {
                match letter {
                    '\\' => inside.push_str("\\\\"),
                    '"' => inside.push_str("\\\""),
                    '\n' => inside.push_str("\\n"),
                    other => inside.push(other),
                }
            }
            inside.push('"');
        }
        if inside.is_empty() {
            self.line(format_args!("{name} {value}"));
        } else {
            self.line(format_args!("{name}{{{inside}}} {value}"));
        }
    }

    /// Writes a family with one sample that has no labels.
    pub(super) fn single(&mut self, name: &str, kind: Type, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    /// Returns the text.
    pub(super) fn finish(self) -> String {
        self.0
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let written = writeln!(self.0, "{line}");
        debug_assert!(written.is_ok());
    }
}

/// Returns units of a thousandth or millionth as seconds, exact to the last digit shown.
#[allow(clippy::cast_precision_loss, reason = "a counter passes 2^53 after centuries")]
pub(super) fn seconds(count: u64, per_second: u64) -> f64 {
    count as f64 / per_second as f64
}
