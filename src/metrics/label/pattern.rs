//! Regular expressions as Prometheus means them: RE2's syntax, fully anchored, the dot matching
//! every character, classes such as `\d` in ASCII.
//!
//! The pattern is rewritten for the `regex` crate, whose syntax is close to RE2's but not the
//! same. What cannot be rewritten is refused.

use std::iter::Peekable;
use std::str::Chars;

use regex::{Regex, RegexBuilder};

/// The most memory that a compiled pattern may take, in bytes.
const SIZE_MAX: usize = 4 << 20;
/// The deepest nesting of groups.
const NEST_MAX: u32 = 100;
/// RE2's bound of `{n,m}`.
const REPEAT_MAX: u32 = 1000;

/// Compiles a pattern of PromQL.
///
/// # Errors
/// Says why the pattern is refused.
pub(crate) fn compile(pattern: &str) -> Result<Regex, String> {
    let translated = translate(pattern)?;
    let anchored = format!("^(?s:{translated})$");
    RegexBuilder::new(&anchored)
        .size_limit(SIZE_MAX)
        .nest_limit(NEST_MAX)
        .build()
        .map_err(|error| reason(&error))
}

fn reason(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(_) => "it is too big".to_owned(),
        regex::Error::Syntax(text) => {
            let last = text.lines().last().unwrap_or_default();
            last.strip_prefix("error: ").unwrap_or(last).to_owned()
        }
        other => other.to_string(),
    }
}

/// Rewrites RE2's syntax into that of the `regex` crate.
fn translate(pattern: &str) -> Result<String, String> {
    let mut reader =
        Reader { rest: pattern.chars().peekable(), out: String::with_capacity(pattern.len()) };
    let mut open = 0_usize;
    // Whether the last thing was a repetition, which must not be repeated again.
    let mut repeated = false;
    while let Some(letter) = reader.rest.next() {
        let mut repeats = false;
        match letter {
            '\\' => reader.escape(false)?,
            '[' => reader.class()?,
            '(' => {
                reader.out.push('(');
                open += usize::from(!reader.group()?);
            }
            ')' => {
                open = open.checked_sub(1).ok_or("a closing bracket has no opening one")?;
                reader.out.push(')');
            }
            '*' | '+' | '?' => {
                reader.out.push(letter);
                repeats = true;
            }
            '{' => repeats = reader.repetition()?,
            '}' | ']' => reader.literal(letter),
            _ => reader.out.push(letter),
        }
        if repeats {
            if repeated {
                return Err("a repetition is repeated".to_owned());
            }
            if reader.rest.next_if_eq(&'?').is_some() {
                reader.out.push('?');
            }
        }
        repeated = repeats;
    }
    if open > 0 {
        return Err("a bracket is not closed".to_owned());
    }
    Ok(reader.out)
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    out: String,
}

impl Reader<'_> {
    /// Writes a character that stands for itself.
    fn literal(&mut self, letter: char) {
        if r"\.+*?()|[]{}^$".contains(letter) {
            self.out.push('\\');
        }
        self.out.push(letter);
    }

    /// What follows a backslash. Inside a class, nothing but characters and classes may.
    fn escape(&mut self, class: bool) -> Result<(), String> {
        let letter = self.rest.next().ok_or("a backslash stands at the end")?;
        match letter {
            'd' => self.out.push_str("[0-9]"),
            'D' => self.out.push_str("[^0-9]"),
            'w' => self.out.push_str("[0-9A-Za-z_]"),
            'W' => self.out.push_str("[^0-9A-Za-z_]"),
            's' => self.out.push_str(r"[\t\n\x0c\r ]"),
            'S' => self.out.push_str(r"[^\t\n\x0c\r ]"),
            'b' if !class => self.out.push_str(r"(?-u:\b)"),
            'A' | 'z' if !class => {
                self.out.push('\\');
                self.out.push(letter);
            }
            'Q' => self.quoted(),
            'E' => {}
            'p' | 'P' => self.property(letter)?,
            'a' | 'f' | 'n' | 'r' | 't' | 'v' | 'x' | '0'..='7' => {
                let character = self.character(letter)?;
                self.out.push_str(&code(character));
            }
            _ if letter.is_ascii() && !letter.is_ascii_alphanumeric() => self.literal(letter),
            _ => return Err(format!("\\{letter} is not supported")),
        }
        Ok(())
    }

    /// `\Q…\E`: everything stands for itself.
    fn quoted(&mut self) {
        while let Some(letter) = self.rest.next() {
            if letter == '\\' && self.rest.next_if_eq(&'E').is_some() {
                return;
            }
            self.literal(letter);
        }
    }

    /// `\pL`, `\p{Greek}`
    fn property(&mut self, letter: char) -> Result<(), String> {
        self.out.push('\\');
        self.out.push(letter);
        let first = self.rest.next().ok_or("a Unicode class has no name")?;
        self.out.push(first);
        if first == '{' {
            for letter in self.rest.by_ref() {
                self.out.push(letter);
                if letter == '}' {
                    return Ok(());
                }
            }
            return Err("the name of a Unicode class does not end".to_owned());
        }
        Ok(())
    }

    /// The character that an escape stands for.
    fn character(&mut self, letter: char) -> Result<char, String> {
        let bad = || format!("\\{letter} is not supported");
        let code = match letter {
            'a' => 0x07,
            'f' => 0x0c,
            'n' => 0x0a,
            'r' => 0x0d,
            't' => 0x09,
            'v' => 0x0b,
            'x' => return self.hexadecimal().ok_or_else(bad),
            '0'..='7' => {
                let mut digits = letter.to_string();
                while digits.len() < 3 {
                    let Some(digit) = self.rest.next_if(|next| next.is_digit(8)) else { break };
                    digits.push(digit);
                }
                // One digit alone refers back to a group, which RE2 does not know.
                if digits.len() < 2 && letter != '0' {
                    return Err(bad());
                }
                u32::from_str_radix(&digits, 8).map_err(|_| bad())?
            }
            _ if letter.is_ascii() && !letter.is_ascii_alphanumeric() => return Ok(letter),
            _ => return Err(bad()),
        };
        char::from_u32(code).ok_or_else(bad)
    }

    fn hexadecimal(&mut self) -> Option<char> {
        let mut digits = String::new();
        if self.rest.next_if_eq(&'{').is_some() {
            while let Some(digit) = self.rest.next_if(char::is_ascii_hexdigit) {
                digits.push(digit);
            }
            self.rest.next_if_eq(&'}')?;
        } else {
            while digits.len() < 2 {
                digits.push(self.rest.next_if(char::is_ascii_hexdigit)?);
            }
        }
        u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32)
    }

    /// What follows an opening bracket: flags, a name, or nothing. Tells whether the bracket is
    /// closed already, as that of `(?i)` is.
    fn group(&mut self) -> Result<bool, String> {
        if self.rest.next_if_eq(&'?').is_none() {
            return Ok(false);
        }
        self.out.push('?');
        if let Some(named) = self.rest.next_if(|next| matches!(next, 'P' | '<')) {
            self.out.push(named);
            return Ok(false);
        }
        for letter in self.rest.by_ref() {
            self.out.push(letter);
            match letter {
                ':' => return Ok(false),
                ')' => return Ok(true),
                'i' | 'm' | 's' | 'U' | '-' => {}
                _ => return Err(format!("the flag {letter:?} is not supported")),
            }
        }
        Err("a bracket is not closed".to_owned())
    }

    /// `{n}`, `{n,}`, `{n,m}`; any other bracket stands for itself.
    fn repetition(&mut self) -> Result<bool, String> {
        let ahead: String = self.rest.clone().take_while(|letter| *letter != '}').collect();
        let closed = self.rest.clone().nth(ahead.chars().count()) == Some('}');
        let (least, most) = ahead.split_once(',').unwrap_or((&ahead, &ahead));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !closed || least.is_empty() || !digits(least) || !digits(most) {
            self.literal('{');
            return Ok(false);
        }
        let within = |text: &str| text.parse::<u32>().is_ok_and(|count| count <= REPEAT_MAX);
        if !within(least) || !(most.is_empty() || within(most)) {
            return Err(format!("nothing is repeated more than {REPEAT_MAX} times"));
        }
        self.out.push('{');
        self.out.push_str(&ahead);
        self.out.push('}');
        for _ in 0..=ahead.chars().count() {
            self.rest.next();
        }
        Ok(true)
    }

    /// A class, up to its closing bracket. Operators between sets do not exist in RE2.
    fn class(&mut self) -> Result<(), String> {
        self.out.push('[');
        if self.rest.next_if_eq(&'^').is_some() {
            self.out.push('^');
        }
        let mut first = true;
        loop {
            let letter = self.rest.next().ok_or("a class is not closed")?;
            match letter {
                ']' if !first => {
                    self.out.push(']');
                    return Ok(());
                }
                '[' if self.rest.peek() == Some(&':') => self.named_class()?,
                '\\' if self.rest.peek().is_some_and(|next| "dDsSwWpP".contains(*next)) => {
                    self.escape(true)?;
                }
                _ => self.range(letter)?,
            }
            first = false;
        }
    }

    /// `[:alpha:]`, or an opening bracket that stands for itself.
    fn named_class(&mut self) -> Result<(), String> {
        let name: String = self.rest.clone().take_while(|letter| *letter != ']').collect();
        if name.len() < 3 || !name.ends_with(':') {
            return self.range('[');
        }
        self.out.push('[');
        self.out.push_str(&name);
        self.out.push(']');
        for _ in 0..=name.chars().count() {
            self.rest.next();
        }
        Ok(())
    }

    /// One character of a class, or a range that starts with it.
    fn range(&mut self, letter: char) -> Result<(), String> {
        let from = self.class_character(letter)?;
        self.out.push_str(&code(from));
        let mut ahead = self.rest.clone();
        if ahead.next() != Some('-') || ahead.next().is_none_or(|next| next == ']') {
            return Ok(());
        }
        self.rest.next();
        let next = self.rest.next().ok_or("a class is not closed")?;
        let to = self.class_character(next)?;
        self.out.push('-');
        self.out.push_str(&code(to));
        Ok(())
    }

    fn class_character(&mut self, letter: char) -> Result<char, String> {
        if letter != '\\' {
            return Ok(letter);
        }
        let escaped = self.rest.next().ok_or("a backslash stands at the end")?;
        self.character(escaped)
    }
}

/// A character by its number, which needs no escape anywhere.
fn code(letter: char) -> String {
    if letter.is_ascii_alphanumeric() {
        return letter.to_string();
    }
    format!("\\x{{{:x}}}", u32::from(letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_re2_means() {
        for (pattern, text, expected) in [
            ("a.c", "a\nc", true),
            ("b", "abc", false),
            ("a|b", "b", true),
            ("a|b", "ab", false),
            (r"\d+", "42", true),
            (r"\d", "٣", false),
            (r"\w+", "é", false),
            (r"\W", "é", true),
            (r"[\d_]+", "1_2", true),
            (r"[^\d]", "x", true),
            (r"[\D]", "x", true),
            (r"\Qa.b\E+", "a.bbb", true),
            (r"\Qa.b\E", "axb", false),
            ("[[]", "[", true),
            ("[]a]", "]", true),
            ("[^]a]", "b", true),
            ("[a&&b]", "&", true),
            ("[a~~b]", "~", true),
            ("[a-]", "-", true),
            ("[[:alpha:]]+", "abc", true),
            (r"[\x41-\x43]", "B", true),
            (r"\<a\>", "<a>", true),
            (r"\101", "A", true),
            ("a{2}", "aa", true),
            ("a{,2}", "a{,2}", true),
            ("{a}", "{a}", true),
            ("(?i:PRO).*", "production", true),
            ("((?i)PRO).*", "production", true),
            (".*?(?i:PRO).*", "production", true),
            ("(?P<x>a)", "a", true),
            (r"\bfoo\b.*", "foo bar", true),
            ("", "", true),
            ("", "a", false),
            (r"\pL+", "é", true),
            ("a#b c", "a#b c", true),
        ] {
            let regex = compile(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
            assert_eq!(regex.is_match(text), expected, "{pattern} on {text:?}");
        }
    }

    #[test]
    fn what_cannot_be_rewritten_is_refused() {
        for pattern in [
            r"\C",
            r"\B",
            r"\1",
            "(a",
            "a)",
            "a)(b",
            "[a",
            "a**",
            "a{1001}",
            "(?x:a)",
            "(?=a)",
            r"\u0041",
            "*",
            "a\\",
            r"\p{Nobody}",
            "(((a{100}){100}){100})",
        ] {
            assert!(compile(pattern).is_err(), "{pattern}");
        }
    }
}
