//! Blanks secrets in the texts of files, so that nothing that quotes a file can print one.
//!
//! The length stays the same in bytes, so every place stays what it is. Does not find secrets: the
//! checks did, and report them.

use std::ops::Range;

use crate::code::Code;
use crate::diagnostic::{Diagnostic, SourceFile};

/// Keys whose value is a secret, for lines that could not be read.
const SECRET_KEYS: [&str; 8] =
    ["token", "app_token", "signing_secret", "password", "bearer", "key", "ping", "Authorization"];

/// Blanks what findings say is a secret.
pub(crate) fn mask(sources: &mut [SourceFile], findings: &[Diagnostic]) {
    for finding in findings {
        let Some(source) = sources.get_mut(finding.place.file) else { continue };
        let span = finding.place.span.clone();
        let words = source.text.get(span.clone()).unwrap_or_default();
        let has_user = finding.code == Code::BadUrl.as_str() && words.contains('@');
        if has_user || finding.code == Code::LiteralSecret.as_str() {
            let quote = usize::from(words.starts_with(['"', '\'']));
            blank(&mut source.text, span.start + quote..span.end.saturating_sub(quote));
        } else if finding.code == Code::Syntax.as_str() {
            mask_line(&mut source.text, span.start);
        }
    }
}

/// Blanks the value on a line that should have held a secret.
fn mask_line(text: &mut String, at: usize) {
    let start = text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
    let line = text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let Some((key, value)) = line.split_once('=') else { return };
    let is_reference = ["cred:", "env:", "file:"].iter().any(|scheme| value.contains(scheme));
    if SECRET_KEYS.contains(&key.trim()) && !is_reference {
        let (from, to) = (start + key.len() + 1, start + line.len());
        blank(text, from..to);
    }
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
            (Code::Syntax, "password = 'abc\nx = 1", 15..15, "password =*****\nx = 1"),
            (Code::Syntax, "zone = 'abc", 11..11, "zone = 'abc"),
            (Code::Syntax, "token = 'cred:a", 15..15, "token = 'cred:a"),
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
