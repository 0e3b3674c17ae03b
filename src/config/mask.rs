//! Blanks secrets in the texts of files, so that nothing that quotes a file can print one.
//!
//! The length stays the same in bytes, so every place stays what it is. Does not find secrets: the
//! checks did, and report them.

use std::iter;
use std::ops::Range;

use crate::code::Code;
use crate::diagnostic::{Diagnostic, SourceFile};

/// Parts of keys whose value is a secret wherever they stand, known or misspelt.
const SECRET_WORDS: [&str; 6] =
    ["token", "password", "passwd", "secret", "bearer", "authorization"];

/// Blanks what findings say is a secret, and what looks like one on the lines that they show.
pub(crate) fn mask(sources: &mut [SourceFile], findings: &[Diagnostic]) {
    for finding in findings {
        let code = finding.code;
        // A misspelt key whose right spelling sounds like a secret.
        let near = finding.label.as_deref().filter(|_| code == Code::UnknownKey.as_str());
        let is_near = near.is_some_and(|words| SECRET_WORDS.iter().any(|one| words.contains(one)));
        for place in iter::once(&finding.place).chain(finding.also.iter().map(|one| &one.0)) {
            let Some(source) = sources.get_mut(place.file) else { continue };
            mask_line(&mut source.text, place.span.start, is_near);
            let words = source.text.get(place.span.clone()).unwrap_or_default();
            let has_user = code == Code::BadUrl.as_str() && words.contains('@');
            if has_user || code == Code::LiteralSecret.as_str() {
                let quote = usize::from(words.starts_with(['"', '\'']));
                let end = place.span.end.saturating_sub(quote);
                blank(&mut source.text, place.span.start + quote..end);
            }
        }
    }
}

/// Blanks the values of keys that sound like secrets, or of all keys, on the line of a place.
fn mask_line(text: &mut String, at: usize, all: bool) {
    let start = text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
    let line = text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let signs: Vec<usize> = line.match_indices('=').map(|(at, _)| at).collect();
    let found: Vec<Range<usize>> =
        signs.into_iter().filter_map(|sign| secret_after(line, sign, all)).collect();
    for range in found {
        blank(text, start + range.start..start + range.end);
    }
}

/// Finds the literal value behind an equals sign whose key sounds like a secret.
fn secret_after(line: &str, sign: usize, all: bool) -> Option<Range<usize>> {
    let key = line.get(..sign)?.trim_end().trim_end_matches(['"', '\'']);
    let is_part = |letter: char| letter.is_alphanumeric() || "_-".contains(letter);
    let key = key.rsplit(|letter: char| !is_part(letter)).next()?.to_ascii_lowercase();
    if !all && key != "ping" && !SECRET_WORDS.iter().any(|word| key.contains(word)) {
        return None;
    }
    let rest = line.get(sign + 1..)?;
    let value = rest.trim_start();
    let quote = value.chars().next().filter(|letter| "\"'".contains(*letter));
    let inner = value.trim_start_matches(['"', '\'']);
    let from = line.len() - inner.len();
    let end = match quote {
        Some(quote) => inner.find(quote),
        None => inner.find([',', '}', '#']),
    };
    let inner = inner.get(..end.unwrap_or(inner.len()))?;
    let is_reference = ["cred:", "env:", "file:", "{"].iter().any(|start| inner.starts_with(start));
    (!is_reference && !inner.trim().is_empty()).then(|| from..from + inner.len())
}

/// Replaces every byte of a range by a star, except the ends of lines.
fn blank(text: &mut String, range: Range<usize>) {
    let Some(words) = text.get(range.clone()) else { return };
    let star = |byte: u8| if byte == b'\n' { '\n' } else { '*' };
    let stars: String = words.bytes().map(star).collect();
    text.replace_range(range, &stars);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::{Place, Severity};

    #[test]
    fn secrets_become_stars_of_the_same_length() {
        for (code, text, span, expected) in [
            (Code::LiteralSecret, "token = \"xé\"", 8..13, "token = \"***\""),
            (Code::BadUrl, "url = 'http://a:b@c'", 6..20, "url = '************'"),
            (Code::BadUrl, "url = 'ftp://c'", 6..15, "url = 'ftp://c'"),
            (Code::Syntax, "password = 'abc\nx = 1", 15..15, "password = '***\nx = 1"),
            (
                Code::Syntax,
                "x = { password = \"abc\", y = 1",
                0..1,
                "x = { password = \"***\", y = 1",
            ),
            (Code::Syntax, "token = abc # no", 0..1, "token = ****# no"),
            (Code::Syntax, "zone = 'abc", 11..11, "zone = 'abc"),
            (Code::Syntax, "token = 'cred:a", 15..15, "token = 'cred:a"),
            (Code::UnknownKey, "api_token = 'abc'", 0..9, "api_token = '***'"),
            (
                Code::UnknownKey,
                "auth = { tokens = { a = 1 } }",
                0..4,
                "auth = { tokens = { a = 1 } }",
            ),
        ] {
            let mut sources = [SourceFile { path: "x".into(), text: text.to_owned() }];
            let place = Place { file: 0, span };
            let word = code.as_str();
            let finding = Diagnostic::new(word, Severity::Error, "", place, String::new());
            mask(&mut sources, &[finding]);
            assert_eq!(sources[0].text, expected);
        }
    }
}
