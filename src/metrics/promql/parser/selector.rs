//! Selectors: a metric name, matchers in braces, or both.

use crate::label::{METRIC_NAME, MatchOp, Matcher};
use crate::promql::ParseError;
use crate::promql::ast::{Node, NodeKind, Selector};
use crate::promql::lexer::Kind;
use crate::promql::parser::{Parser, matcher, node};

impl Parser {
    pub(super) fn selector(&mut self, name: Option<String>) -> Result<Node, ParseError> {
        let start = self.span().start;
        if name.is_some() {
            self.at += 1;
        }
        let mut name = name;
        let mut matchers = Vec::new();
        if self.take_sign("{") {
            let place = self.span();
            let (quoted, found) = self.matchers("}")?;
            if !self.take_sign("}") {
                return Err(self.unexpected("\",\" or \"}\""));
            }
            matchers = found;
            let twice = quoted.is_some() || matchers.iter().any(|one| one.name() == METRIC_NAME);
            if name.is_some() && twice {
                return Err(ParseError::new(place, "the metric name is set twice".to_owned())
                    .help(
                        "a word in quotes alone is a metric name; a label is matched as a=\"b\"",
                    ));
            }
            name = name.or(quoted);
        }
        let span = start..self.end_of_last();
        if let Some(name) = &name {
            matchers.insert(0, matcher(METRIC_NAME, MatchOp::Equal, name, span.clone())?);
        }
        if matchers.iter().all(|matcher| matcher.is_match("")) {
            return Err(ParseError::new(span, "the selector would match every series".to_owned())
                .help("name a metric, or give a matcher that does not match the empty value"));
        }
        let index = self.next_leaf();
        let selector = Selector { index, name, matchers, offset: 0, pin: None };
        node(NodeKind::Selector(selector), span)
    }

    /// Matchers up to `end`, which is left standing; a quoted metric name may be among them.
    pub(super) fn matchers(
        &mut self,
        end: &str,
    ) -> Result<(Option<String>, Vec<Matcher>), ParseError> {
        let mut name = None;
        let mut matchers = Vec::new();
        while !(self.is_sign(end) || *self.peek() == Kind::End) {
            let label = self.label_name()?;
            let quoted =
                matches!(self.tokens.get(self.at - 1).map(|t| &t.kind), Some(Kind::Text(_)));
            let op = match self.peek() {
                Kind::Sign("=") => MatchOp::Equal,
                Kind::Sign("!=") => MatchOp::NotEqual,
                Kind::Sign("=~") => MatchOp::Regex,
                Kind::Sign("!~") => MatchOp::NotRegex,
                Kind::Sign("," | "}") | Kind::End if quoted => {
                    // A second name is one more condition on the same label.
                    match &name {
                        Some(_) => {
                            let place = self.span();
                            matchers.push(matcher(METRIC_NAME, MatchOp::Equal, &label, place)?);
                        }
                        None => name = Some(label),
                    }
                    if !self.take_sign(",") {
                        break;
                    }
                    continue;
                }
                Kind::Word(_)
                | Kind::Number(_)
                | Kind::Duration(_)
                | Kind::Text(_)
                | Kind::Sign(_)
                | Kind::End => {
                    return Err(self.unexpected("one of = != =~ !~"));
                }
            };
            self.at += 1;
            let place = self.span();
            let Kind::Text(value) = self.peek().clone() else {
                return Err(self.unexpected("a value in quotes"));
            };
            self.at += 1;
            matchers.push(self.matcher(&label, op, &value, place)?);
            if !self.take_sign(",") {
                break;
            }
        }
        Ok((name, matchers))
    }

    fn label_name(&mut self) -> Result<String, ParseError> {
        let name = match self.peek() {
            Kind::Word(word) if !word.contains(':') => word.clone(),
            Kind::Text(text) if !text.is_empty() => text.clone(),
            Kind::Word(_)
            | Kind::Text(_)
            | Kind::Number(_)
            | Kind::Duration(_)
            | Kind::Sign(_)
            | Kind::End => {
                return Err(self.unexpected("a label name"));
            }
        };
        self.at += 1;
        Ok(name)
    }
}
