//! What a fault of syntax says: what stands there, what was expected, and what to write instead.

use crate::promql::ParseError;
use crate::promql::ast::AggregateOp;
use crate::promql::function::{Body, Function, Special};
use crate::promql::lexer::Kind;
use crate::promql::parser::Parser;

impl Parser {
    /// The fault of the token that stands here where something else was expected.
    pub(super) fn unexpected(&self, expected: &str) -> ParseError {
        let found = match self.peek() {
            Kind::End => {
                let message = format!("the expression ends too early; expected {expected}");
                let error = ParseError::new(self.span(), message);
                let before = self.at.checked_sub(1).and_then(|at| self.tokens.get(at));
                let share = before.is_some_and(|token| token.kind == Kind::Sign("%"));
                return match self.open_bracket() {
                    _ if share => {
                        error.help("% is the rest of a division; write a share as 0.9, or as 90")
                    }
                    Some(bracket) => error.help(format!("close the bracket of {bracket:?}")),
                    None => error,
                };
            }
            Kind::Word(word) => format!("{word:?}"),
            Kind::Number(number) => format!("number {number}"),
            Kind::Duration(_) => "duration".to_owned(),
            Kind::Text(text) => format!("string {text:?}"),
            Kind::Sign(sign) => format!("{sign:?}"),
        };
        let error =
            ParseError::new(self.span(), format!("unexpected {found}; expected {expected}"));
        let closes = [")", "]", "}"].iter().any(|sign| expected.ends_with(&format!("{sign}\"")));
        match (self.cure(), self.open_bracket().filter(|_| closes)) {
            (Some(help), _) => error.help(help),
            (None, Some(bracket)) => error.help(format!("close the bracket of {bracket:?}")),
            (None, None) => error,
        }
    }

    /// What is usually meant where this token stands.
    fn cure(&self) -> Option<String> {
        let before = self.at.checked_sub(1).and_then(|at| self.tokens.get(at));
        let before = before.map(|token| &token.kind);
        let cure = match (before, self.peek()) {
            (_, Kind::Sign("=")) if self.is_inside('{').is_none() => "write == to compare",
            (_, Kind::Sign("==")) if self.is_inside('{').is_some() => "write = to match a label",
            (Some(Kind::Sign("<")), Kind::Sign(">")) => "write != for what differs",
            (Some(Kind::Word(word)), Kind::Word(label))
                if ["by", "without", "on", "ignoring"]
                    .contains(&word.to_ascii_lowercase().as_str()) =>
            {
                return Some(format!("labels stand in brackets: {word} ({label})"));
            }
            (Some(Kind::Number(_)), Kind::Word(unit)) if self.is_inside('[').is_some() => {
                return Some(format!("write the number and {unit:?} without a space"));
            }
            (Some(Kind::Sign("=" | "!=" | "=~" | "!~")), Kind::Number(value))
                if self.is_inside('{').is_some() =>
            {
                return Some(format!("put the value in quotes: \"{value}\""));
            }
            (Some(Kind::Sign("=" | "!=" | "=~" | "!~")), Kind::Word(value)) => {
                return Some(format!("put the value in quotes: \"{value}\""));
            }
            (_, Kind::Sign("-" | "+" | "*")) if self.is_inside('(').is_some_and(is_list) => {
                "a name with such a letter stands in quotes: (\"a-b\")"
            }
            (Some(Kind::Word(label)), Kind::Sign("}" | ",")) if self.is_inside('{').is_some() => {
                return Some(format!("a label is matched as {label}=\"…\""));
            }
            (_, Kind::Word(word)) if is_grouping(word) && self.is_inside('(').is_some() => {
                let bracket = self.open_bracket()?;
                return Some(format!("close the bracket of {bracket:?} before it"));
            }
            (_, Kind::Word(word)) => match word.to_ascii_lowercase().as_str() {
                "by" | "without" => "it belongs to an aggregation: sum by (job) (…)",
                "on" | "ignoring" => "it stands after the operator: a + on (job) b",
                "group_left" | "group_right" => "it stands after on (…) or ignoring (…)",
                "bool" => "it stands after the comparison: a > bool b",
                _ => return None,
            },
            (Some(Kind::Sign("]")), Kind::Sign("{")) => {
                "matchers stand before the range: metric{a=\"b\"}[5m]"
            }
            (_, _) => return None,
        };
        Some(cure.to_owned())
    }

    /// The innermost bracket that is open here, with the word before or after it.
    fn open_bracket(&self) -> Option<String> {
        let at = self.is_open(|_| true)?;
        let kind = |index: usize| self.tokens.get(index).map(|token| &token.kind);
        let Some(Kind::Sign(sign)) = kind(at) else { return None };
        Some(match (at.checked_sub(1).and_then(kind), kind(at + 1)) {
            (Some(Kind::Word(word)), _) => format!("{word}{sign}"),
            (_, Some(Kind::Word(word))) => format!("{sign}{word}"),
            (_, _) => (*sign).to_owned(),
        })
    }

    /// The word before the innermost open bracket, if that is of a kind; empty where none stands.
    fn is_inside(&self, bracket: char) -> Option<&str> {
        let at = self.is_open(|_| true)?;
        let kind = |index: usize| self.tokens.get(index).map(|token| &token.kind);
        if !matches!(kind(at), Some(Kind::Sign(sign)) if sign.starts_with(bracket)) {
            return None;
        }
        match at.checked_sub(1).and_then(kind) {
            Some(Kind::Word(word)) => Some(word),
            Some(_) | None => Some(""),
        }
    }

    fn is_open(&self, wanted: impl Fn(&str) -> bool) -> Option<usize> {
        let mut open = Vec::new();
        for (index, token) in self.tokens.iter().enumerate().take(self.at) {
            match &token.kind {
                Kind::Sign(sign @ ("(" | "[" | "{")) if wanted(sign) => open.push(index),
                Kind::Sign(")" | "]" | "}") => drop(open.pop()),
                Kind::Sign(_)
                | Kind::Word(_)
                | Kind::Number(_)
                | Kind::Duration(_)
                | Kind::Text(_)
                | Kind::End => {}
            }
        }
        open.pop()
    }
}

fn is_grouping(word: &str) -> bool {
    word.eq_ignore_ascii_case("by") || word.eq_ignore_ascii_case("without")
}

fn is_list(word: &str) -> bool {
    let lists = ["by", "without", "on", "ignoring", "group_left", "group_right"];
    lists.contains(&word.to_ascii_lowercase().as_str())
}

/// How an aggregation is written.
pub(crate) fn usage_of_aggregation(op: AggregateOp) -> String {
    let parameter = match op {
        AggregateOp::CountValues => "\"label\", ",
        _ if op.takes_parameter() => "number, ",
        _ => "",
    };
    format!("write {}({parameter}instant vector)", op.as_str())
}

/// How a call is written.
pub(crate) fn usage(function: &Function) -> String {
    match function.body {
        Body::Special(Special::LabelReplace) => {
            return "write label_replace(vector, \"target\", \"$1\", \"source\", \"(.*)\")"
                .to_owned();
        }
        Body::Special(Special::LabelJoin) => {
            return "write label_join(vector, \"target\", \"-\", \"source\", …)".to_owned();
        }
        Body::Special(_)
        | Body::Math(_)
        | Body::Calendar(_)
        | Body::Window(_)
        | Body::Counter(_)
        | Body::Pick(_) => {}
    }
    let mut words = Vec::new();
    for (index, argument) in function.arguments.iter().enumerate() {
        let last = index + 1 == function.arguments.len();
        words.push(match (last && function.variadic, last && 0 < function.optional) {
            (true, _) => format!("{argument}, …"),
            (false, true) => format!("[{argument}]"),
            (false, false) => argument.to_string(),
        });
    }
    format!("write {}({})", function.name, words.join(", "))
}

/// `1 argument`, `2 arguments`
pub(crate) fn counted(count: usize) -> String {
    format!("{count} argument{}", if count == 1 { "" } else { "s" })
}
