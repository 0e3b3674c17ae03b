//! Text to tokens with their places; comments and white space vanish here.
//!
//! Never fails as a whole: a character that fits nowhere becomes a fault with its place.

use std::ops::Range;

use crate::promql::ParseError;

/// One token.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    /// What it is.
    pub(super) kind: Kind,
    /// Where it stands, in bytes.
    pub(super) span: Range<usize>,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// A name or keyword.
    Word(String),
    /// A number, a duration in seconds included.
    Number(f64),
    /// A duration such as `5m`, milliseconds.
    Duration(i64),
    /// A string without its quotes.
    Text(String),
    /// An operator or a bracket.
    Sign(&'static str),
    /// The end of the text.
    End,
}

/// Longest first, so that `>=` is not read as `>`.
const SIGNS: [&str; 24] = [
    "=~", "!~", "==", "!=", ">=", "<=", "(", ")", "{", "}", "[", "]", ",", "+", "-", "*", "/", "%",
    "^", ">", "<", "=", ":", "@",
];

/// Splits a text into tokens, the end included.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, ParseError> {
    let mut lexer = Lexer { text, at: 0, brackets: 0 };
    let mut found = Vec::new();
    loop {
        let token = lexer.next()?;
        let end = token.kind == Kind::End;
        found.push(token);
        if end {
            return Ok(found);
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    /// Inside `[...]` a colon separates the step; elsewhere it is part of a name.
    brackets: usize,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn next(&mut self) -> Result<Token, ParseError> {
        self.skip_blank();
        let start = self.at;
        let Some(first) = self.rest().chars().next() else {
            return Ok(Token { kind: Kind::End, span: start..start });
        };
        let after = self.rest().chars().nth(1);
        let starts_number = first.is_ascii_digit()
            || (first == '.' && after.is_some_and(|letter| letter.is_ascii_digit()));
        let kind = if starts_number {
            self.number(start)?
        } else if is_word_start(first) || (first == ':' && self.brackets == 0) {
            self.word()
        } else if matches!(first, '"' | '\'' | '`') {
            Kind::Text(self.quoted(first)?)
        } else if let Some(sign) = SIGNS.iter().find(|sign| self.rest().starts_with(**sign)) {
            self.at += sign.len();
            match *sign {
                "[" => self.brackets += 1,
                "]" => self.brackets = self.brackets.saturating_sub(1),
                _ => {}
            }
            Kind::Sign(sign)
        } else {
            let span = start..start + first.len_utf8();
            let written = self.text.get(..start).unwrap_or_default();
            let template = written.trim_end().ends_with("{{");
            return Err(unexpected(first, after.filter(|_| !template), span));
        };
        Ok(Token { kind, span: start..self.at })
    }

    fn skip_blank(&mut self) {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start_matches(|letter: char| letter.is_ascii_whitespace());
            let blank = rest.len() - trimmed.len();
            let comment = if trimmed.starts_with('#') {
                trimmed.find('\n').unwrap_or(trimmed.len())
            } else {
                0
            };
            self.at += blank + comment;
            if comment == 0 {
                return;
            }
        }
    }

    fn word(&mut self) -> Kind {
        let colon = self.brackets == 0;
        let length = self
            .rest()
            .find(|letter: char| {
                !(is_word_start(letter) || letter.is_ascii_digit() || (colon && letter == ':'))
            })
            .unwrap_or_else(|| self.rest().len());
        let word = self.rest().get(..length).unwrap_or_default().to_owned();
        self.at += length;
        Kind::Word(word)
    }

    /// A number, or a duration if letters of units follow digits.
    fn number(&mut self, start: usize) -> Result<Kind, ParseError> {
        let length = number_length(self.rest());
        let word = self.rest().get(..length).unwrap_or_default().to_owned();
        self.at += length;
        let refuse = || {
            ParseError::new(start..start + length, format!("{word:?} is no number and no duration"))
                .help("write 5, 0.5, 1e6, 0x1f, or a duration such as 5m")
        };
        if let Some(ms) = parse_duration(&word) {
            return Ok(Kind::Duration(
                ms.map_err(|message| ParseError::new(start..start + length, message))?,
            ));
        }
        parse_number(&word).map(Kind::Number).ok_or_else(refuse)
    }

    fn quoted(&mut self, quote: char) -> Result<String, ParseError> {
        let start = self.at;
        let inner = start + 1;
        let mut escaped = false;
        let body = self.text.get(inner..).unwrap_or_default();
        for (offset, letter) in body.char_indices() {
            let raw = quote == '`';
            if letter == quote && !escaped {
                self.at = inner + offset + 1;
                let text = body.get(..offset).unwrap_or_default();
                return if raw { Ok(text.to_owned()) } else { unescape(text, inner, quote) };
            }
            if letter == '\n' && !raw {
                break;
            }
            escaped = !raw && letter == '\\' && !escaped;
        }
        let end = self.text.len();
        Err(ParseError::new(start..end, "the string does not end".to_owned())
            .help(format!("close it with {quote}")))
    }
}

/// The fault of a character that starts nothing.
fn unexpected(letter: char, next: Option<char>, span: Range<usize>) -> ParseError {
    let error = ParseError::new(span, format!("unexpected character {letter:?}"));
    error.help(match (letter, next) {
        ('&', _) => "write and",
        ('|', _) => "write or",
        ('!', _) => "write unless, or compare with == 0",
        (
            '\u{2018}' | '\u{2019}' | '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{ab}' | '\u{bb}',
            _,
        ) => "write plain quotes: \" or '",
        ('$', _) | ('.', Some(' ' | '.') | None) => {
            "variables and templates are not filled in here"
        }
        ('.', _) => "a name with dots stands in quotes: {\"a.b\"}",
        ('\u{a0}' | '\u{2003}' | '\u{202f}' | '\u{200b}' | '\u{feff}', _) => "write a plain space",
        ('\u{2212}' | '\u{2013}' | '\u{2014}', _) => "write a plain minus: -",
        ('\u{d7}', _) => "write *",
        ('\u{2264}' | '\u{2265}' | '\u{2260}', _) => "write <=, >= or !=",
        (';', _) => "an expression has no end mark; leave it out",
        (letter, _) if letter.is_alphabetic() => {
            "a name with such letters stands in quotes: {\"…\"}"
        }
        (_, _) => "leave it out, or put a text in quotes",
    })
}

/// Reads a number in every spelling of Prometheus: decimal, exponent, hexadecimal, octal with a
/// leading zero, underscores between digits.
pub(super) fn parse_number(word: &str) -> Option<f64> {
    let plain = without_underscores(word)?;
    let lower = plain.to_ascii_lowercase();
    if let Some(digits) = lower.strip_prefix("0x") {
        // A sign belongs to the expression, not to the digits.
        let signed = digits.starts_with(['+', '-']);
        return i64::from_str_radix(digits, 16).ok().filter(|_| !signed).map(wide);
    }
    let octal =
        lower.len() > 1 && lower.starts_with('0') && lower.bytes().all(|b| b.is_ascii_digit());
    if octal && let Ok(value) = i64::from_str_radix(&lower, 8) {
        return Some(wide(value));
    }
    lower.parse().ok().filter(|number: &f64| number.is_finite())
}

#[allow(clippy::cast_precision_loss, reason = "PromQL's numbers are floats")]
fn wide(value: i64) -> f64 {
    value as f64
}

/// Underscores may stand between digits only.
fn without_underscores(word: &str) -> Option<String> {
    let letters: Vec<char> = word.chars().collect();
    let hexadecimal = matches!(letters.as_slice(), ['0', 'x' | 'X', ..]);
    for (index, letter) in letters.iter().enumerate() {
        let digit = |at: Option<usize>| {
            at.and_then(|at| letters.get(at)).is_some_and(|letter| match hexadecimal {
                true => letter.is_ascii_alphanumeric(),
                false => letter.is_ascii_digit(),
            })
        };
        if *letter == '_' && !(digit(index.checked_sub(1)) && digit(Some(index + 1))) {
            return None;
        }
    }
    Some(letters.into_iter().filter(|letter| *letter != '_').collect())
}

/// Reads `1h30m`; `None` where the text is no duration, an error where it is one but absurd.
pub(super) fn parse_duration(word: &str) -> Option<Result<i64, String>> {
    const UNITS: [(&str, i64); 7] = [
        ("ms", 1),
        ("y", 31_536_000_000),
        ("w", 604_800_000),
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
    ];
    const ORDER: [&str; 7] = ["y", "w", "d", "h", "m", "s", "ms"];
    let mut rest = word;
    let mut total: i64 = 0;
    let mut position = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at_checked(digits)?;
        let (unit, size) = UNITS.iter().find(|(unit, _)| tail.starts_with(unit))?;
        if number.is_empty() {
            return None;
        }
        let rank = ORDER.iter().position(|one| one == unit)?;
        if rank < position {
            return None;
        }
        position = rank + 1;
        let sum = number.parse::<i64>().ok().and_then(|count| count.checked_mul(*size));
        let Some(sum) =
            sum.and_then(|sum| sum.checked_add(total)).filter(|sum| *sum < i64::MAX / 1_000_000)
        else {
            return Some(Err(format!("the duration {word:?} is out of range")));
        };
        total = sum;
        rest = tail.strip_prefix(unit)?;
    }
    Some(Ok(total))
}

fn number_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let hex = text.starts_with("0x") || text.starts_with("0X");
    let mut length = 0;
    for (index, byte) in bytes.iter().enumerate() {
        let previous = index.checked_sub(1).and_then(|before| bytes.get(before));
        let exponent_sign = matches!(byte, b'+' | b'-')
            && !hex
            && matches!(previous, Some(b'e' | b'E'))
            && bytes.get(index + 1).is_some_and(u8::is_ascii_digit);
        if !(byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_') || exponent_sign) {
            break;
        }
        length = index + 1;
    }
    length
}

fn is_word_start(letter: char) -> bool {
    letter.is_ascii_alphabetic() || letter == '_'
}

/// Resolves the escapes of a quoted string as Go does: `\x` and octal escapes are bytes, so the
/// result may be no text. `base` is where its inside starts; of the quotes only its own may be
/// escaped.
fn unescape(text: &str, base: usize, quote: char) -> Result<String, ParseError> {
    let mut out: Vec<u8> = Vec::with_capacity(text.len());
    let mut letters = text.char_indices();
    let mut utf8 = [0; 4];
    while let Some((offset, letter)) = letters.next() {
        if letter != '\\' {
            out.extend_from_slice(letter.encode_utf8(&mut utf8).as_bytes());
            continue;
        }
        let refuse = || {
            let at = base + offset;
            ParseError::new(at..at + 1, "unknown escape in the string".to_owned())
                .help("write \\\\ for a backslash, or use `backticks`")
        };
        let (_, code) = letters.next().ok_or_else(refuse)?;
        let mut digits = |count: usize, radix: u32, first: Option<char>| {
            let missing = count - usize::from(first.is_some());
            let more = (0..missing).filter_map(|_| letters.next().map(|(_, letter)| letter));
            let digits: String = first.into_iter().chain(more).collect();
            let complete = digits.chars().filter(|digit| digit.is_digit(radix)).count() == count;
            u32::from_str_radix(&digits, radix).ok().filter(|_| complete)
        };
        let byte = |code: Option<u32>| code.and_then(|code| u8::try_from(code).ok());
        match code {
            'x' => out.push(byte(digits(2, 16, None)).ok_or_else(refuse)?),
            '0'..='7' => out.push(byte(digits(3, 8, Some(code))).ok_or_else(refuse)?),
            'u' | 'U' => {
                let count = if code == 'u' { 4 } else { 8 };
                let letter = digits(count, 16, None).and_then(char::from_u32);
                let letter = letter.ok_or_else(refuse)?;
                out.extend_from_slice(letter.encode_utf8(&mut utf8).as_bytes());
            }
            '"' | '\'' if code == quote => {
                out.extend_from_slice(code.encode_utf8(&mut utf8).as_bytes());
            }
            _ => out.push(plain_escape(code).ok_or_else(refuse)?),
        }
    }
    String::from_utf8(out).map_err(|_| {
        ParseError::new(base..base + text.len(), "the string is not valid UTF-8".to_owned())
    })
}

fn plain_escape(code: char) -> Option<u8> {
    Some(match code {
        'a' => 0x07,
        'b' => 0x08,
        'f' => 0x0c,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 0x0b,
        '\\' => b'\\',
        _ => return None,
    })
}
