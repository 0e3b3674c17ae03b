//! Replacements of matched text, `$1`, `${1}` and `$name`, as Go's regular expressions read them.
//!
//! A name is the longest run of letters, digits and underscores, so `$1x` asks for the group `1x`.
//! A group that does not exist is empty; a dollar sign that starts no name stands for itself.

use regex::Captures;

/// Fills the groups into a replacement; `None` where the result is longer than `bytes_max`.
pub(crate) fn expand(
    captures: &Captures<'_>,
    replacement: &str,
    bytes_max: usize,
) -> Option<String> {
    let mut out = String::new();
    let mut rest = replacement;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        if let Some(tail) = after.strip_prefix('$') {
            out.push('$');
            rest = tail;
        } else if let Some((name, tail)) = group(after) {
            out.push_str(text(captures, name));
            rest = tail;
        } else {
            out.push('$');
            rest = after;
        }
        if bytes_max < out.len() {
            return None;
        }
    }
    out.push_str(rest);
    (out.len() <= bytes_max).then_some(out)
}

/// The name after a dollar sign, and what follows it.
fn group(text: &str) -> Option<(&str, &str)> {
    if let Some(inner) = text.strip_prefix('{') {
        let (name, tail) = inner.split_at_checked(name_length(inner))?;
        let tail = tail.strip_prefix('}')?;
        return (!name.is_empty()).then_some((name, tail));
    }
    let (name, tail) = text.split_at_checked(name_length(text))?;
    (!name.is_empty()).then_some((name, tail))
}

fn name_length(text: &str) -> usize {
    let ends = |letter: char| !(letter.is_alphanumeric() || letter == '_');
    text.find(ends).unwrap_or(text.len())
}

fn text<'a>(captures: &Captures<'a>, name: &str) -> &'a str {
    let digits = name.bytes().all(|byte| byte.is_ascii_digit());
    // A number with a leading zero is a name, as in Go.
    let found = if digits && (name == "0" || !name.starts_with('0')) {
        name.parse().ok().and_then(|index| captures.get(index))
    } else {
        captures.name(name)
    };
    found.map_or("", |found| found.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_and_names_are_read_as_go_reads_them() {
        let regex = crate::label::compile("(?P<first>a)(b)?(c)").unwrap();
        let captures = regex.captures("ac").unwrap();
        for (replacement, expected) in [
            ("$1-$3", "a-c"),
            ("${1}x", "ax"),
            ("$1x", ""),
            ("$first${first}", "aa"),
            ("$2|$9|$nobody", "||"),
            ("$$1", "$1"),
            ("$", "$"),
            ("${", "${"),
            ("${1", "${1"),
            ("${}", "${}"),
            ("${a-b}", "${a-b}"),
            ("$-1", "$-1"),
            ("$0", "ac"),
            ("$01", ""),
            ("$1é", ""),
            ("$é!", "!"),
            ("${1}é", "aé"),
            ("$99999999999999999999", ""),
        ] {
            let found = expand(&captures, replacement, 100);
            assert_eq!(found.as_deref(), Some(expected), "{replacement}");
        }
        assert_eq!(expand(&captures, "$0$0", 3), None);
    }
}
