//! Strings in quotes, as PromQL reads them.

use std::fmt::{self, Write};

/// Writes a string in double quotes with the escapes that PromQL knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_char('"')?;
        for letter in self.0.chars() {
            match letter {
                '"' => out.write_str("\\\"")?,
                '\\' => out.write_str("\\\\")?,
                '\n' => out.write_str("\\n")?,
                '\r' => out.write_str("\\r")?,
                '\t' => out.write_str("\\t")?,
                _ if letter.is_control() => write!(out, "\\u{:04x}", u32::from(letter))?,
                _ => out.write_char(letter)?,
            }
        }
        out.write_char('"')
    }
}

/// Tells whether a label name stands without quotes.
pub(crate) fn is_plain_name(name: &str) -> bool {
    let first = name.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_');
    first && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
