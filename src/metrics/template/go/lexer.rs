//! Cuts a Go template into text and the words of its actions; trims what `{{-` and `-}}` ask for.

use std::sync::Arc;

use crate::template::TemplateError;
use crate::template::go::ast::{Literal, Span};
use crate::template::go::literal;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Word {
    /// Text between actions.
    Text,
    /// `{{`
    Open,
    /// `}}`
    Close,
    /// A function, or a word such as `if`.
    Name(String),
    /// `.name`
    Field(String),
    /// `$name`, with the dollar sign.
    Variable(String),
    Dot,
    Literal(Literal),
    /// `:=`
    Declare,
    /// `=`
    Assign,
    Comma,
    Pipe,
    LeftParen,
    RightParen,
    /// The end of the text.
    End,
}

#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) word: Word,
    pub(super) span: Span,
    /// Whether space stands before it.
    pub(super) spaced: bool,
}

/// Space, as Go's templates count it.
fn is_space(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\r' | '\n')
}

fn is_name(letter: char) -> bool {
    letter == '_' || letter.is_alphanumeric()
}

pub(super) fn fault(message: impl Into<String>, span: Span, help: Option<&str>) -> TemplateError {
    TemplateError { message: message.into(), span, help: help.map(str::to_owned) }
}

/// Cuts the whole text; the last token is `End`.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, TemplateError> {
    let mut lexer = Lexer { text, at: 0, trims: false, tokens: Vec::new() };
    loop {
        match lexer.text_part()? {
            Part::Action => lexer.action()?,
            Part::Comment => {}
            Part::End => break,
        }
    }
    lexer.push(Word::End, text.len()..text.len(), false);
    Ok(lexer.tokens)
}

/// What ended a piece of text.
enum Part {
    Action,
    Comment,
    End,
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    /// Whether the text that follows loses its leading space.
    trims: bool,
    tokens: Vec<Token>,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn push(&mut self, word: Word, span: Span, spaced: bool) {
        self.tokens.push(Token { word, span, spaced });
    }

    /// Takes text up to the next action and its opening brackets; a comment is taken whole.
    fn text_part(&mut self) -> Result<Part, TemplateError> {
        let rest = self.rest();
        let start = self.at;
        let open = rest.find("{{");
        let mut part = rest.get(..open.unwrap_or(rest.len())).unwrap_or_default();
        let mut from = start;
        if self.trims {
            let trimmed = part.trim_start_matches(is_space);
            from += part.len() - trimmed.len();
            part = trimmed;
        }
        self.trims = false;
        let Some(open) = open else {
            self.text(from, part);
            return Ok(Part::End);
        };
        self.at = start + open + 2;
        let mut inside = self.rest().chars();
        if inside.next() == Some('-') && inside.next().is_some_and(is_space) {
            self.at += 2;
            part = part.trim_end_matches(is_space);
        }
        self.text(from, part);
        if self.rest().starts_with("/*") {
            self.comment(start + open)?;
            return Ok(Part::Comment);
        }
        self.push(Word::Open, start + open..start + open + 2, false);
        Ok(Part::Action)
    }

    fn text(&mut self, from: usize, part: &str) {
        if !part.is_empty() {
            self.push(Word::Text, from..from + part.len(), false);
        }
    }

    /// `{{/* … */}}`, with or without trimming.
    fn comment(&mut self, open: usize) -> Result<(), TemplateError> {
        let span = open..(open + 4).min(self.text.len());
        let Some(end) = self.rest().find("*/") else {
            return Err(fault("unclosed comment", span, Some("close it with */}}")));
        };
        self.at += end + 2;
        let after = self.rest();
        let trimmed = after.trim_start_matches(is_space);
        self.trims = trimmed.len() < after.len() && trimmed.starts_with("-}}");
        let close = if self.trims { trimmed.strip_prefix("-}}") } else { after.strip_prefix("}}") };
        let Some(left) = close else {
            let message = "comment ends before closing delimiter";
            return Err(fault(message, span, Some("write nothing between */ and }}")));
        };
        self.at = self.text.len() - left.len();
        Ok(())
    }

    /// Cuts what stands inside of the brackets, up to the closing ones.
    fn action(&mut self) -> Result<(), TemplateError> {
        let open = self.tokens.last().map_or(self.at, |token| token.span.start);
        loop {
            let before = self.rest();
            let rest = before.trim_start_matches(is_space);
            let spaced = rest.len() < before.len();
            self.at += before.len() - rest.len();
            if spaced && rest.starts_with("-}}") {
                self.at += 1;
                self.trims = true;
            }
            if self.rest().starts_with("}}") {
                self.push(Word::Close, self.at..self.at + 2, spaced);
                self.at += 2;
                return Ok(());
            }
            if rest.is_empty() {
                let help = Some("close the action with }}");
                return Err(fault("unclosed action", open..self.text.len(), help));
            }
            self.word(rest, spaced)?;
        }
    }

    fn word(&mut self, rest: &str, spaced: bool) -> Result<(), TemplateError> {
        let letter = rest.chars().next().unwrap_or_default();
        let second = rest.chars().nth(1).unwrap_or_default();
        let (word, length) = match letter {
            '"' | '`' | '\'' => self.quoted(rest, letter)?,
            '.' if !second.is_ascii_digit() => {
                let name = name_of(rest, 1);
                let length = 1 + name.len();
                let word = if name.is_empty() { Word::Dot } else { Word::Field(name.to_owned()) };
                (word, length)
            }
            '$' => {
                let length = 1 + name_of(rest, 1).len();
                (Word::Variable(rest.get(..length).unwrap_or_default().to_owned()), length)
            }
            '0'..='9' | '+' | '-' | '.' => self.number(rest)?,
            ':' if second == '=' => (Word::Declare, 2),
            '=' => (Word::Assign, 1),
            ',' => (Word::Comma, 1),
            '|' => (Word::Pipe, 1),
            '(' => (Word::LeftParen, 1),
            ')' => (Word::RightParen, 1),
            _ if is_name(letter) => {
                let name = name_of(rest, 0);
                (plain(name), name.len())
            }
            _ => {
                let message = format!("unexpected {letter:?} in an action");
                return Err(fault(message, self.at..self.at + letter.len_utf8(), None));
            }
        };
        let ends = matches!(word, Word::Name(_) | Word::Field(_) | Word::Variable(_) | Word::Dot);
        let next = rest.get(length..).and_then(|left| left.chars().next());
        if ends && !next.is_none_or(terminates) {
            let bad = next.unwrap_or_default();
            let message = format!("bad character U+{:04X} {bad:?}", u32::from(bad));
            let at = self.at + length;
            return Err(fault(message, at..at + bad.len_utf8(), character_help(bad)));
        }
        self.push(word, self.at..self.at + length, spaced);
        self.at += length;
        Ok(())
    }

    fn quoted(&self, rest: &str, quote: char) -> Result<(Word, usize), TemplateError> {
        let what = match quote {
            '`' => "raw quoted string",
            '"' => "quoted string",
            _ => "character constant",
        };
        let end = literal::closing(rest, quote).ok_or_else(|| {
            let line = rest.lines().next().unwrap_or_default().len();
            fault(format!("unterminated {what}"), self.at..self.at + line, None)
        })?;
        let inner = rest.get(1..end).unwrap_or_default();
        let read = match quote {
            '`' => Some(Literal::Text(inner.replace('\r', "").into())),
            '"' => literal::unquote(inner).map(|text| Literal::Text(Arc::from(text))),
            _ => literal::character(inner).map(Literal::Int),
        };
        let span = self.at..self.at + end + 1;
        let read = read.ok_or_else(|| fault(format!("malformed {what}"), span, None))?;
        Ok((Word::Literal(read), end + 1))
    }

    fn number(&self, rest: &str) -> Result<(Word, usize), TemplateError> {
        let mut previous = ' ';
        let length = rest
            .char_indices()
            .find(|(index, letter)| {
                let sign = matches!(letter, '+' | '-')
                    && (*index == 0 || matches!(previous, 'e' | 'E' | 'p' | 'P'));
                previous = *letter;
                !(sign || *letter == '.' || is_name(*letter))
            })
            .map_or(rest.len(), |(index, _)| index);
        let written = rest.get(..length).unwrap_or_default();
        let read = literal::number(written).ok_or_else(|| {
            fault(format!("bad number syntax: {written:?}"), self.at..self.at + length, None)
        })?;
        Ok((Word::Literal(read), length))
    }
}

/// The name that stands at `from`.
fn name_of(rest: &str, from: usize) -> &str {
    let rest = rest.get(from..).unwrap_or_default();
    rest.get(..rest.find(|letter| !is_name(letter)).unwrap_or(rest.len())).unwrap_or_default()
}

fn plain(name: &str) -> Word {
    match name {
        "true" => Word::Literal(Literal::Bool(true)),
        "false" => Word::Literal(Literal::Bool(false)),
        "nil" => Word::Literal(Literal::Nil),
        _ => Word::Name(name.to_owned()),
    }
}

/// What may follow a name at once.
fn terminates(letter: char) -> bool {
    is_space(letter) || matches!(letter, '.' | ',' | '|' | ':' | ')' | '(' | '}' | '=')
}

fn character_help(letter: char) -> Option<&'static str> {
    match letter {
        '-' => Some("a name with a dash is written as index $labels \"the-name\""),
        '+' | '*' | '/' | '%' => Some("templates do not calculate: do it in the expression"),
        _ => None,
    }
}
