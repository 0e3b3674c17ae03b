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
/// What most patterns fit into, in bytes.
const SIZE_SMALL: usize = 64 << 10;
/// The most memory that the search for one pattern keeps, in bytes.
const CACHE_MAX: usize = 1 << 20;
/// The deepest nesting of groups.
const NEST_MAX: u32 = 100;
/// RE2's bound of `{n,m}`.
const REPEAT_MAX: u32 = 1000;

/// The classes of POSIX.
const NAMED: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
    "space", "upper", "word", "xdigit",
];

/// Compiles a pattern of PromQL.
///
/// # Errors
/// Says why the pattern is refused.
pub(crate) fn compile(pattern: &str) -> Result<Regex, String> {
    compile_sized(pattern).map(|(regex, _)| regex)
}

/// Compiles a pattern of PromQL and tells how much memory it may take, in bytes.
///
/// # Errors
/// Says why the pattern is refused.
pub(crate) fn compile_sized(pattern: &str) -> Result<(Regex, usize), String> {
    let translated = translate(pattern)?;
    let anchored = format!("^(?s:{translated})$");
    let build = |size: usize| {
        RegexBuilder::new(&anchored)
            .size_limit(size)
            .dfa_size_limit(CACHE_MAX)
            .nest_limit(NEST_MAX)
            .build()
    };
    // What fits the small size is counted small.
    match build(SIZE_SMALL) {
        Err(regex::Error::CompiledTooBig(_)) => {
            build(SIZE_MAX).map(|regex| (regex, SIZE_MAX)).map_err(|error| reason(&error))
        }
        Err(error) => Err(reason(&error)),
        Ok(regex) => Ok((regex, SIZE_SMALL)),
    }
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
    let mut nest = Nest::default();
    // Whether the last thing was a repetition, which must not be repeated again.
    let mut repeated = false;
    while let Some(letter) = reader.rest.next() {
        let mut repeats = false;
        match letter {
            '(' => {
                reader.out.push('(');
                if !reader.group()? {
                    nest.open();
                }
            }
            ')' => {
                nest.close()?;
                reader.out.push(')');
            }
            '*' | '+' | '?' => {
                reader.out.push(letter);
                repeats = true;
            }
            '{' => {
                let times = reader.repetition()?;
                repeats = times.is_some();
                nest.repeat_last(times)?;
            }
            _ => {
                nest.atom();
                reader.atom(letter)?;
            }
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
    if !nest.outer.is_empty() {
        return Err("a bracket is not closed".to_owned());
    }
    Ok(reader.out)
}

/// How often the parts of a pattern are repeated, all repetitions around them multiplied: RE2
/// bounds the product.
#[derive(Debug, Default)]
struct Nest {
    /// The most among the parts of each open group but the innermost.
    outer: Vec<u32>,
    /// The most among the parts of the innermost group.
    most: u32,
    /// Of the part that a repetition would repeat.
    last: u32,
}

impl Nest {
    fn open(&mut self) {
        self.outer.push(self.most);
        self.most = 0;
    }

    fn close(&mut self) -> Result<(), String> {
        let outer = self.outer.pop().ok_or("a closing bracket has no opening one")?;
        self.last = self.most.max(1);
        self.most = outer.max(self.last);
        Ok(())
    }

    fn atom(&mut self) {
        self.last = 1;
        self.most = self.most.max(1);
    }

    /// Repeats the last part; what is repeated zero times counts no more.
    fn repeat_last(&mut self, times: Option<u32>) -> Result<(), String> {
        let Some(times) = times.filter(|times| 0 < *times) else { return Ok(()) };
        self.last = self.last.max(1).saturating_mul(times);
        if REPEAT_MAX < self.last {
            return Err(format!("nothing is repeated more than {REPEAT_MAX} times"));
        }
        self.most = self.most.max(self.last);
        Ok(())
    }
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    out: String,
}

impl Reader<'_> {
    /// One thing that is no group and no repetition.
    fn atom(&mut self, letter: char) -> Result<(), String> {
        match letter {
            '\\' => self.escape(false),
            '[' => self.class(),
            '}' | ']' => {
                self.literal(letter);
                Ok(())
            }
            _ => {
                self.out.push(letter);
                Ok(())
            }
        }
    }

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

    /// `\pL`, `\p{Greek}`, `\p{^Greek}`
    fn property(&mut self, letter: char) -> Result<(), String> {
        let first = self.rest.next().ok_or("a Unicode class has no name")?;
        let mut name = first.to_string();
        if first == '{' {
            name.clear();
            loop {
                match self.rest.next().ok_or("the name of a Unicode class does not end")? {
                    '}' => break,
                    letter => name.push(letter),
                }
            }
        }
        let (name, inverted) = match name.strip_prefix('^') {
            Some(name) => (name, true),
            None => (name.as_str(), false),
        };
        let prefix = if name == "Any" || is_category(name) {
            ""
        } else if is_script(name) {
            "sc="
        } else {
            return Err(format!("{name:?} is no Unicode class"));
        };
        let letter = if inverted == (letter == 'p') { 'P' } else { 'p' };
        self.out.push('\\');
        self.out.push(letter);
        self.out.push('{');
        self.out.push_str(prefix);
        self.out.push_str(name);
        self.out.push('}');
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
        if self.rest.next_if_eq(&'P').is_some() {
            let opening = self.rest.next();
            return if opening == Some('<') { self.name() } else { Err(no_group(opening)) };
        }
        if self.rest.next_if_eq(&'<').is_some() {
            return self.name();
        }
        self.flags()
    }

    /// `(?P<name>` or `(?<name>`, after its opening.
    fn name(&mut self) -> Result<bool, String> {
        let mut name = String::new();
        while let Some(letter) = self.rest.next_if(|next| *next != '>') {
            name.push(letter);
        }
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if self.rest.next().is_none() || name.is_empty() || !plain {
            return Err(format!("{name:?} is no name of a group"));
        }
        self.out.push_str("?P<");
        self.out.push_str(&name);
        self.out.push('>');
        Ok(false)
    }

    /// `(?i)`, `(?i-s:`: each flag is written once.
    fn flags(&mut self) -> Result<bool, String> {
        let (mut on, mut off) = (String::new(), String::new());
        let mut negated = false;
        loop {
            let letter = self.rest.next().ok_or("a bracket is not closed")?;
            match letter {
                ':' | ')' => {
                    if negated && off.is_empty() {
                        return Err("a flag is missing after the minus".to_owned());
                    }
                    self.out.push('?');
                    self.out.push_str(&on);
                    if !off.is_empty() {
                        self.out.push('-');
                        self.out.push_str(&off);
                    }
                    // A group of no flags and no content stands for nothing.
                    if letter == ')' && on.is_empty() && off.is_empty() {
                        self.out.push(':');
                    }
                    self.out.push(letter);
                    return Ok(letter == ')');
                }
                '-' if !negated => negated = true,
                'i' | 'm' | 's' | 'U' => {
                    // What stands later holds.
                    on.retain(|flag| flag != letter);
                    off.retain(|flag| flag != letter);
                    if negated { off.push(letter) } else { on.push(letter) }
                }
                _ => return Err(no_group(Some(letter))),
            }
        }
    }

    /// `{n}`, `{n,}`, `{n,m}`; any other bracket stands for itself.
    /// Tells how often at most, or at least where there is no most.
    fn repetition(&mut self) -> Result<Option<u32>, String> {
        let ahead: String = self.rest.clone().take_while(|letter| *letter != '}').collect();
        let closed = self.rest.clone().nth(ahead.chars().count()) == Some('}');
        let (least, most) = ahead.split_once(',').unwrap_or((&ahead, &ahead));
        // A number with a leading zero is none.
        let digits = |text: &str| {
            text.bytes().all(|byte| byte.is_ascii_digit())
                && (text == "0" || !text.starts_with('0'))
        };
        if !closed || least.is_empty() || !digits(least) || !digits(most) {
            self.literal('{');
            return Ok(None);
        }
        let within = |text: &str| text.parse::<u32>().ok().filter(|count| *count <= REPEAT_MAX);
        let bound =
            if most.is_empty() { within(least) } else { within(least).and_then(|_| within(most)) };
        let Some(times) = bound else {
            return Err(format!("nothing is repeated more than {REPEAT_MAX} times"));
        };
        self.out.push('{');
        self.out.push_str(&ahead);
        self.out.push('}');
        for _ in 0..=ahead.chars().count() {
            self.rest.next();
        }
        Ok(Some(times))
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
        let Some(class) = name.strip_prefix(':').and_then(|rest| rest.strip_suffix(':')) else {
            return self.range('[');
        };
        if !NAMED.contains(&class.strip_prefix('^').unwrap_or(class)) {
            return Err(format!("[:{class}:] is no class"));
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

/// `L`, `Lu`: RE2 knows no other spelling of a category.
fn is_category(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|first| "CLMNPSZ".contains(first))
        && letters.next().is_none_or(|second| second.is_ascii_lowercase())
        && letters.next().is_none()
}

/// `Greek`, `Old_Italic`: scripts are spelt with capitals.
fn is_script(name: &str) -> bool {
    name.split('_').all(|word| {
        let rest = word.strip_prefix(|first: char| first.is_ascii_uppercase());
        rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_lowercase()))
    })
}

fn no_group(letter: Option<char>) -> String {
    match letter {
        Some(letter) => format!("the flag {letter:?} is not supported"),
        None => "a bracket is not closed".to_owned(),
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
mod tests;
