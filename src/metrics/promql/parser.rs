//! A Pratt parser: tokens to a tree, with the place and the expectation of every fault.
//!
//! Checks shapes only; types are `check`'s. Nesting is bounded, so no text can exhaust the stack.

pub(super) mod fault;
mod grouping;
mod selector;
mod when;

use std::ops::Range;

use crate::label::{self, Labels, METRIC_NAME, MatchOp, Matcher};
use crate::promql::ast::{Aggregate, AggregateOp, Binary, Node, NodeKind, Op, Subquery};
use crate::promql::function::{self, Body, Special};
use crate::promql::lexer::{Kind, Token, tokens};
use crate::promql::parser::fault::{counted, usage_of_aggregation};
use crate::promql::parser::when::{set_offset, set_pin};
use crate::promql::window::seconds;
use crate::promql::{ParseError, TEXT_MAX};

/// The deepest nesting that is accepted.
const DEPTH_MAX: usize = 200;
/// The deepest tree that is accepted; a chain of operators is as deep as it is long.
const HEIGHT_MAX: usize = 500;

/// The most memory that all patterns of one text may take, in bytes.
const PATTERNS_MAX: usize = 64 << 20;
/// Words of the language that name a metric in quotes only: `{"on"}`.
const NO_METRICS: [&str; 6] = ["atan2", "bool", "group_left", "group_right", "ignoring", "on"];

/// Parses a whole text; also tells how many selectors and subqueries it has.
pub(super) fn parse(text: &str) -> Result<(Node, usize), ParseError> {
    let mut parser = Parser::new(text)?;
    let node = parser.expression(0)?;
    parser.expect_end("an operator or the end")?;
    Ok((node, parser.leaves))
}

/// Parses matchers alone, with or without braces.
pub(super) fn parse_matchers(text: &str) -> Result<Vec<Matcher>, ParseError> {
    let mut parser = Parser::new(text)?;
    let braces = parser.take_sign("{");
    let end = if braces { "}" } else { "" };
    let place = parser.span();
    let (name, mut matchers) = parser.matchers(end)?;
    if let Some(name) = name {
        matchers.insert(0, matcher(METRIC_NAME, MatchOp::Equal, &name, place)?);
    }
    if braces {
        parser.expect_sign("}")?;
    }
    parser.expect_end("a comma or the end")?;
    Ok(matchers)
}

/// Parses the labels of one series: `metric{a="b"}`.
pub(super) fn parse_labels(text: &str) -> Result<Labels, ParseError> {
    let mut parser = Parser::new(text)?;
    let mut name = None;
    if let Kind::Word(word) = parser.peek() {
        name = Some(word.clone());
        parser.at += 1;
    }
    let mut pairs = Vec::new();
    let place = parser.span();
    if parser.take_sign("{") {
        let (quoted, matchers) = parser.matchers("}")?;
        parser.expect_sign("}")?;
        name = name.or(quoted);
        if matchers.iter().any(|matcher| matcher.op() != MatchOp::Equal) {
            return Err(ParseError::new(place, "a series' labels are written with =".to_owned()));
        }
        pairs.extend(matchers.iter().map(|one| (one.name().to_owned(), one.value().to_owned())));
    } else if name.is_none() {
        return Err(parser.unexpected("a metric name or {"));
    }
    parser.expect_end("the end of the labels")?;
    pairs.extend(name.map(|name| (METRIC_NAME.to_owned(), name)));
    Ok(Labels::from_pairs(pairs))
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    /// Selectors and subqueries so far.
    leaves: usize,
    depth: usize,
    /// What the patterns so far may take, in bytes.
    patterns: usize,
}

impl Parser {
    fn new(text: &str) -> Result<Self, ParseError> {
        if TEXT_MAX < text.len() {
            let message = format!("the text is longer than {} KiB", TEXT_MAX / 1024);
            return Err(ParseError::new(0..text.len(), message));
        }
        Ok(Self { tokens: tokens(text)?, at: 0, leaves: 0, depth: 0, patterns: 0 })
    }

    fn expect_end(&self, expected: &str) -> Result<(), ParseError> {
        match self.peek() {
            Kind::End => Ok(()),
            Kind::Word(_) | Kind::Number(_) | Kind::Duration(_) | Kind::Text(_) | Kind::Sign(_) => {
                Err(self.unexpected(expected))
            }
        }
    }

    fn next_leaf(&mut self) -> usize {
        self.leaves += 1;
        self.leaves - 1
    }

    fn peek(&self) -> &Kind {
        self.tokens.get(self.at).map_or(&Kind::End, |token| &token.kind)
    }

    fn peek_after(&self) -> &Kind {
        self.tokens.get(self.at + 1).map_or(&Kind::End, |token| &token.kind)
    }

    fn span(&self) -> Range<usize> {
        let last = self.tokens.last().map_or(0, |token| token.span.end);
        self.tokens.get(self.at).map_or(last..last, |token| token.span.clone())
    }

    fn end_of_last(&self) -> usize {
        self.at.checked_sub(1).and_then(|at| self.tokens.get(at)).map_or(0, |token| token.span.end)
    }

    fn take(&mut self) -> Kind {
        let kind = self.peek().clone();
        self.at += 1;
        kind
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.peek(), Kind::Sign(found) if *found == sign)
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let found = self.is_sign(sign);
        self.at += usize::from(found);
        found
    }

    fn expect_sign(&mut self, sign: &'static str) -> Result<(), ParseError> {
        if self.take_sign(sign) {
            return Ok(());
        }
        Err(self.unexpected(&format!("\"{sign}\"")))
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Kind::Word(found) if found.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    fn deeper(&mut self) -> Result<(), ParseError> {
        self.depth += 1;
        if self.depth <= DEPTH_MAX {
            return Ok(());
        }
        Err(ParseError::new(self.span(), format!("the nesting is deeper than {DEPTH_MAX}")))
    }

    /// Everything whose operators bind at least as tightly as `least`.
    fn expression(&mut self, least: u8) -> Result<Node, ParseError> {
        self.deeper()?;
        let mut left = self.unary()?;
        while let Some(op) = self.operator().filter(|op| least <= op.precedence()) {
            self.at += 1;
            let (returns_bool, matching) = self.modifiers(op)?;
            // The power associates to the right, everything else to the left.
            let next = if op == Op::Pow { op.precedence() } else { op.precedence() + 1 };
            let right = self.expression(next)?;
            let span = left.span.start..right.span.end;
            let binary = Binary { op, left, right, returns_bool, matching };
            left = node(NodeKind::Binary(Box::new(binary)), span)?;
        }
        self.depth -= 1;
        Ok(left)
    }

    fn operator(&self) -> Option<Op> {
        Some(match self.peek() {
            Kind::Sign(sign) => match *sign {
                "+" => Op::Add,
                "-" => Op::Sub,
                "*" => Op::Mul,
                "/" => Op::Div,
                "%" => Op::Mod,
                "^" => Op::Pow,
                "==" => Op::Equal,
                "!=" => Op::NotEqual,
                "<" => Op::Less,
                "<=" => Op::LessEqual,
                ">" => Op::Greater,
                ">=" => Op::GreaterEqual,
                _ => return None,
            },
            Kind::Word(word) => match word.to_ascii_lowercase().as_str() {
                "and" => Op::And,
                "or" => Op::Or,
                "unless" => Op::Unless,
                "atan2" => Op::Atan2,
                _ => return None,
            },
            Kind::Number(_) | Kind::Duration(_) | Kind::Text(_) | Kind::End => return None,
        })
    }

    fn unary(&mut self) -> Result<Node, ParseError> {
        let start = self.span().start;
        if self.take_sign("-") {
            // A sign binds more tightly than `*` and less than `^`.
            let inner = self.expression(Op::Pow.precedence())?;
            let span = start..inner.span.end;
            if let NodeKind::Number(number) = inner.kind {
                return node(NodeKind::Number(-number), span);
            }
            return node(NodeKind::Negate(Box::new(inner)), span);
        }
        if self.take_sign("+") {
            let inner = self.expression(Op::Pow.precedence())?;
            return match inner.bare().kind {
                NodeKind::Text(_) => Err(ParseError::new(inner.span, unsigned("string"))),
                NodeKind::Range(_, _) | NodeKind::Subquery(_) => {
                    Err(ParseError::new(inner.span, unsigned("range vector")))
                }
                NodeKind::Number(_)
                | NodeKind::Selector(_)
                | NodeKind::Negate(_)
                | NodeKind::Paren(_)
                | NodeKind::Binary(_)
                | NodeKind::Aggregate(_)
                | NodeKind::Call(_, _) => Ok(inner),
            };
        }
        let atom = self.atom()?;
        self.postfix(atom)
    }

    fn atom(&mut self) -> Result<Node, ParseError> {
        let span = self.span();
        match self.peek().clone() {
            Kind::Number(number) => {
                self.at += 1;
                node(NodeKind::Number(number), span)
            }
            Kind::Duration(ms) => {
                self.at += 1;
                node(NodeKind::Number(seconds(ms)), span)
            }
            Kind::Text(text) => {
                self.at += 1;
                node(NodeKind::Text(text), span)
            }
            Kind::Sign("(") => {
                self.at += 1;
                let inner = self.expression(0)?;
                self.expect_sign(")")?;
                let span = span.start..self.end_of_last();
                node(NodeKind::Paren(Box::new(inner)), span)
            }
            Kind::Sign("{") => self.selector(None),
            Kind::Word(word) => self.word(&word),
            Kind::Sign(_) | Kind::End => Err(self.unexpected("an expression")),
        }
    }

    fn word(&mut self, word: &str) -> Result<Node, ParseError> {
        let number = match word.to_ascii_lowercase().as_str() {
            "inf" => Some(f64::INFINITY),
            "nan" => Some(f64::NAN),
            _ => None,
        };
        if let Some(number) = number {
            let span = self.span();
            self.at += 1;
            return node(NodeKind::Number(number), span);
        }
        let opens = matches!(self.peek_after(), Kind::Sign("("));
        let groups = matches!(self.peek_after(), Kind::Word(next)
            if next.eq_ignore_ascii_case("by") || next.eq_ignore_ascii_case("without"));
        if let Some(op) = AggregateOp::find(word).filter(|_| opens || groups) {
            return self.aggregation(op);
        }
        let lower = word.to_ascii_lowercase();
        if NO_METRICS.contains(&lower.as_str()) {
            return Err(self.unexpected("an expression"));
        }
        if opens {
            return self.call(word);
        }
        self.selector(Some(word.to_owned()))
    }

    fn aggregation(&mut self, op: AggregateOp) -> Result<Node, ParseError> {
        let start = self.span().start;
        self.at += 1;
        let mut group = self.group()?;
        self.expect_sign("(")?;
        let mut arguments = self.arguments()?;
        if group.is_none() {
            group = self.group()?;
        }
        let span = start..self.end_of_last();
        let wanted = 1 + usize::from(op.takes_parameter());
        if arguments.len() != wanted {
            let message =
                format!("{} takes {}, not {}", op.as_str(), counted(wanted), arguments.len());
            return Err(ParseError::new(span, message).help(usage_of_aggregation(op)));
        }
        let Some(inner) = arguments.pop() else {
            return Err(ParseError::new(span, "an aggregation needs a vector".to_owned()));
        };
        let grouped = group.is_some();
        let (without, labels) = group.unwrap_or_default();
        let parameter = arguments.pop();
        let aggregate = Aggregate { op, inner, parameter, without, labels, grouped };
        node(NodeKind::Aggregate(Box::new(aggregate)), span)
    }

    fn call(&mut self, name: &str) -> Result<Node, ParseError> {
        let place = self.span();
        let Some(function) = function::find(name) else {
            if function::is_refused(name) {
                let message = format!("the function {name} is not supported");
                return Err(ParseError::new(place, message)
                    .help("native histograms and experimental functions are left out for now"));
            }
            return Err(unknown_function(name, place));
        };
        self.at += 2;
        let arguments = self.arguments()?;
        if let (Body::Special(Special::LabelReplace), [_, _, _, _, pattern]) =
            (function.body, arguments.as_slice())
            && let NodeKind::Text(text) = &pattern.bare().kind
        {
            let (_, size) = label::compile_sized(text).map_err(|reason| {
                let message = format!("the pattern of label_replace is refused: {reason}");
                ParseError::new(pattern.span.clone(), message)
            })?;
            self.spend_pattern(size, &pattern.span)?;
        }
        let span = place.start..self.end_of_last();
        node(NodeKind::Call(function, arguments), span)
    }

    /// Counts the memory of a pattern against the bound of the whole expression.
    fn spend_pattern(&mut self, bytes: usize, place: &Range<usize>) -> Result<(), ParseError> {
        self.patterns += bytes;
        if self.patterns <= PATTERNS_MAX {
            return Ok(());
        }
        let message = format!(
            "the regular expressions together need more than {} MiB of memory",
            PATTERNS_MAX >> 20
        );
        Err(ParseError::new(place.clone(), message).help("use fewer or simpler patterns"))
    }

    fn matcher(
        &mut self,
        name: &str,
        op: MatchOp,
        value: &str,
        place: Range<usize>,
    ) -> Result<Matcher, ParseError> {
        let matcher = matcher(name, op, value, place.clone())?;
        self.spend_pattern(matcher.pattern_size(), &place)?;
        Ok(matcher)
    }

    /// Arguments up to and including the closing bracket.
    fn arguments(&mut self) -> Result<Vec<Node>, ParseError> {
        let mut arguments = Vec::new();
        if self.take_sign(")") {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.expression(0)?);
            if !self.take_sign(",") {
                break;
            }
        }
        if !self.take_sign(")") {
            return Err(self.unexpected("\",\" or \")\""));
        }
        Ok(arguments)
    }

    fn postfix(&mut self, mut node: Node) -> Result<Node, ParseError> {
        loop {
            let place = self.span();
            if self.take_sign("[") {
                node = self.brackets(node)?;
            } else if self.take_word("offset") {
                let offset = self.signed_duration()?;
                node.span.end = self.end_of_last();
                set_offset(&mut node, offset, &place)?;
            } else if self.take_sign("@") {
                let pin = self.pin()?;
                node.span.end = self.end_of_last();
                set_pin(&mut node, pin, &place)?;
            } else if self.take_word("anchored") || self.take_word("smoothed") {
                let message = "anchored and smoothed are experimental and not supported";
                return Err(ParseError::new(place, message.to_owned()).help("leave it out"));
            } else {
                return Ok(node);
            }
        }
    }

    fn brackets(&mut self, inner: Node) -> Result<Node, ParseError> {
        let place = self.span();
        let range = self.signed_duration()?;
        if range <= 0 {
            return Err(ParseError::new(place, "a range must be longer than zero".to_owned()));
        }
        let subquery = self.take_sign(":");
        let step = if subquery && !self.is_sign("]") {
            let place = self.span();
            let step = self.signed_duration()?;
            if step <= 0 {
                return Err(ParseError::new(place, "a step must be longer than zero".to_owned()));
            }
            Some(step)
        } else {
            None
        };
        self.expect_sign("]")?;
        let span = inner.span.start..self.end_of_last();
        if subquery {
            let index = self.next_leaf();
            let subquery = Subquery { index, inner, range, step, offset: 0, pin: None };
            return node(NodeKind::Subquery(Box::new(subquery)), span);
        }
        match inner.kind {
            NodeKind::Selector(selector) if selector.offset == 0 && selector.pin.is_none() => {
                node(NodeKind::Range(selector, range), span)
            }
            NodeKind::Selector(_) => {
                Err(ParseError::new(span, "no offset or @ may stand before the range".to_owned())
                    .help("write metric[5m] offset 1h"))
            }
            _ => Err(ParseError::new(span, "a range can be taken of a selector only".to_owned())
                .help("for the range of an expression write a subquery: (…)[5m:]")),
        }
    }
}

fn unknown_function(name: &str, place: Range<usize>) -> ParseError {
    let error = ParseError::new(place, format!("there is no function {name:?}"));
    match name.to_ascii_lowercase().as_str() {
        "by" | "without" => error.help("it belongs to an aggregation: sum by (job) (…)"),
        "fill" | "fill_left" | "fill_right" => {
            error.help("filling in is experimental and not supported; write (a or b * 0)")
        }
        _ => match function::nearest(name) {
            Some(known) => error.help(format!("did you mean {known:?}?")),
            None => error,
        },
    }
}

pub(super) fn unsigned(what: &str) -> String {
    format!("a sign needs a number or an instant vector, not a {what}")
}

/// Makes a node, unless the tree would be too deep to walk.
fn node(kind: NodeKind, span: Range<usize>) -> Result<Node, ParseError> {
    let node = Node::new(kind, span);
    if node.height <= HEIGHT_MAX {
        return Ok(node);
    }
    let message = format!("more than {HEIGHT_MAX} operations depend on each other");
    Err(ParseError::new(node.span, message).help("split the expression"))
}

fn matcher(
    name: &str,
    op: MatchOp,
    value: &str,
    place: Range<usize>,
) -> Result<Matcher, ParseError> {
    Matcher::new(name, op, value).map_err(|error| ParseError::new(place, error.to_string()))
}
