//! A place in a line that moves forward over names, quoted texts and blanks.

use std::borrow::Cow;

/// Characters of a foreign text that a message repeats.
const EXCERPT_MAX: usize = 40;

/// What is left of a line.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    pub(super) rest: &'a str,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(rest: &'a str) -> Self {
        Self { rest }
    }

    pub(super) fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches(is_blank);
    }

    /// Takes one character if it is next.
    pub(super) fn eat(&mut self, wanted: char) -> bool {
        let Some(rest) = self.rest.strip_prefix(wanted) else { return false };
        self.rest = rest;
        true
    }

    /// Takes characters up to the first that `is_wanted` refuses.
    pub(super) fn take_while(&mut self, is_wanted: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|letter| !is_wanted(letter)).unwrap_or(self.rest.len());
        self.take(end)
    }

    /// Takes the rest of a text whose opening quote is behind, and its closing quote.
    pub(super) fn quoted(&mut self) -> Result<Cow<'a, str>, String> {
        let mut from = 0;
        loop {
            let tail = self.rest.as_bytes().get(from..).unwrap_or_default();
            let Some(found) = memchr::memchr2(b'"', b'\\', tail) else {
                return Err(format!("the quote before {} is not closed", excerpt(self.rest)));
            };
            let at = from + found;
            if self.rest.as_bytes().get(at) == Some(&b'"') {
                let text = self.take(at);
                self.rest = self.rest.strip_prefix('"').unwrap_or(self.rest);
                return Ok(unescape(text, true));
            }
            from = at + 2;
        }
    }

    fn take(&mut self, end: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }
}

pub(super) fn is_blank(letter: char) -> bool {
    letter == ' ' || letter == '\t'
}

/// Replaces `\\`, `\n` and, in quoted texts, `\"`; any other backslash stands for itself.
pub(super) fn unescape(text: &str, with_quotes: bool) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            plain.push(letter);
            continue;
        }
        match letters.next() {
            Some('\\') => plain.push('\\'),
            Some('n') => plain.push('\n'),
            Some('"') if with_quotes => plain.push('"'),
            Some(other) => plain.extend(['\\', other]),
            None => plain.push('\\'),
        }
    }
    Cow::Owned(plain)
}

/// Quotes the beginning of a foreign text for a message.
pub(super) fn excerpt(text: &str) -> String {
    if text.is_empty() {
        return "the end of the line".to_owned();
    }
    match text.char_indices().nth(EXCERPT_MAX) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}...", text.get(..end).unwrap_or_default()),
    }
}
