//! Numbers, strings and characters as Go writes them.

use crate::template::go::ast::Literal;

/// Finds the closing quote of a string that starts with one; only raw strings span lines.
pub(super) fn closing(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (index, letter) in text.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quote != '`' => escaped = true,
            '\n' if quote != '`' => return None,
            _ if letter == quote => return Some(index),
            _ => {}
        }
    }
    None
}

/// Reads the inside of a string in double quotes; `None` where an escape is wrong.
pub(super) fn unquote(inner: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(inner.len());
    let mut letters = inner.chars();
    while let Some(letter) = letters.next() {
        let mut buffer = [0; 4];
        if letter != '\\' {
            bytes.extend_from_slice(letter.encode_utf8(&mut buffer).as_bytes());
            continue;
        }
        let escape = letters.next()?;
        match escape {
            'x' => bytes.push(u8::try_from(digits(&mut letters, 2, 16)?).ok()?),
            '0'..='7' => {
                let high = escape.to_digit(8)? * 64;
                bytes.push(u8::try_from(high + digits(&mut letters, 2, 8)?).ok()?);
            }
            '\'' => return None,
            _ => {
                let letter = escaped(escape, &mut letters)?;
                bytes.extend_from_slice(letter.encode_utf8(&mut buffer).as_bytes());
            }
        }
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Reads the inside of a character constant, which is a number in Go.
pub(super) fn character(inner: &str) -> Option<i64> {
    let mut letters = inner.chars();
    let first = letters.next()?;
    let code = if first == '\\' {
        let escape = letters.next()?;
        match escape {
            'x' => digits(&mut letters, 2, 16)?,
            '0'..='7' => escape.to_digit(8)? * 64 + digits(&mut letters, 2, 8)?,
            '"' => return None,
            _ => u32::from(escaped(escape, &mut letters)?),
        }
    } else {
        u32::from(first)
    };
    letters.next().is_none().then_some(i64::from(code))
}

fn escaped(escape: char, letters: &mut std::str::Chars<'_>) -> Option<char> {
    Some(match escape {
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        '\\' | '"' | '\'' => escape,
        'u' => char::from_u32(digits(letters, 4, 16)?)?,
        'U' => char::from_u32(digits(letters, 8, 16)?)?,
        _ => return None,
    })
}

fn digits(letters: &mut std::str::Chars<'_>, count: usize, radix: u32) -> Option<u32> {
    let mut code = 0_u32;
    for _ in 0..count {
        code = code.checked_mul(radix)?.checked_add(letters.next()?.to_digit(radix)?)?;
    }
    Some(code)
}

/// Reads a number: an integer in base 2, 8, 10 or 16, or a floating-point number.
pub(super) fn number(written: &str) -> Option<Literal> {
    let negative = written.starts_with('-');
    let bare = written.strip_prefix(['+', '-']).unwrap_or(written);
    let lower = bare.to_ascii_lowercase();
    let underscores = bare.starts_with('_') || bare.ends_with('_') || bare.contains("__");
    if underscores || !bare.starts_with(|letter: char| letter.is_ascii_digit() || letter == '.') {
        return None;
    }
    let plain = lower.replace('_', "");
    let (digits, radix) = if let Some(digits) = plain.strip_prefix("0x") {
        (digits, 16)
    } else if let Some(digits) = plain.strip_prefix("0b") {
        (digits, 2)
    } else if let Some(digits) = plain.strip_prefix("0o") {
        (digits, 8)
    } else if plain.contains(['.', 'e']) {
        let value: f64 = plain.parse().ok().filter(|value: &f64| value.is_finite())?;
        return Some(Literal::Float(if negative { -value } else { value }));
    } else if plain.len() > 1 && plain.starts_with('0') {
        (plain.as_str(), 8)
    } else {
        (plain.as_str(), 10)
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let value = i128::from(u64::from_str_radix(digits, radix).ok()?);
    i64::try_from(if negative { -value } else { value }).ok().map(Literal::Int)
}
