//! Syntax that Prometheus calls experimental and that is refused here, told by its tokens.

use crate::promql::function;
use crate::promql::lexer::{self, Kind, Token};

/// Words after which an operand starts, so that what follows them modifies nothing.
const JOINTS: [&str; 13] = [
    "and",
    "atan2",
    "bool",
    "by",
    "group_left",
    "group_right",
    "ignoring",
    "offset",
    "on",
    "or",
    "start",
    "unless",
    "without",
];
/// Functions of durations.
const DURATIONS: [&str; 6] = ["step", "range", "min", "max", "min_of", "max_of"];

/// Tells whether an expression uses experimental syntax or functions that are refused.
pub(crate) fn is_used(text: &str) -> bool {
    let Ok(tokens) = lexer::tokens(text) else { return false };
    let mut depth = 0;
    (0..tokens.len()).any(|index| {
        let found = at(&tokens, index, 0 < depth);
        if let Some(Kind::Sign(sign)) = kind(&tokens, index) {
            depth += i32::from(*sign == "[") - i32::from(*sign == "]");
        }
        found
    })
}

fn kind(tokens: &[Token], index: usize) -> Option<&Kind> {
    tokens.get(index).map(|token| &token.kind)
}

fn is_sign(tokens: &[Token], index: usize, signs: &[&str]) -> bool {
    matches!(kind(tokens, index), Some(Kind::Sign(sign)) if signs.contains(sign))
}

fn at(tokens: &[Token], index: usize, in_brackets: bool) -> bool {
    let opens = is_sign(tokens, index + 1, &["("]);
    match kind(tokens, index) {
        Some(Kind::Word(word)) => {
            let lower = word.to_ascii_lowercase();
            match lower.as_str() {
                "anchored" | "smoothed" => ends_operand(tokens, index),
                "fill" | "fill_left" | "fill_right" => opens,
                "offset" => computes(tokens, index + 1),
                _ if in_brackets && opens => DURATIONS.contains(&lower.as_str()),
                _ => opens && function::is_refused(word),
            }
        }
        Some(Kind::Sign("<" | ">")) => is_sign(tokens, index + 1, &["/"]),
        Some(Kind::Sign("+" | "-" | "*" | "/" | "%" | "^" | "(")) => in_brackets,
        Some(Kind::Sign(_) | Kind::Number(_) | Kind::Duration(_) | Kind::Text(_) | Kind::End)
        | None => false,
    }
}

/// Tells whether the token before ends something that can be modified.
fn ends_operand(tokens: &[Token], index: usize) -> bool {
    let before = index.checked_sub(1).and_then(|before| kind(tokens, before));
    match before {
        Some(Kind::Word(word)) => !JOINTS.contains(&word.to_ascii_lowercase().as_str()),
        Some(Kind::Sign("]" | "}" | ")") | Kind::Number(_) | Kind::Duration(_)) => {
            !closes_list(tokens, index)
        }
        Some(Kind::Sign(_) | Kind::Text(_) | Kind::End) | None => false,
    }
}

/// Tells whether a list of labels such as `on (a)` ends before a token: an operand follows it.
fn closes_list(tokens: &[Token], index: usize) -> bool {
    let Some(opening) = tokens
        .get(..index)
        .and_then(|before| before.iter().rposition(|token| token.kind == Kind::Sign("(")))
    else {
        return false;
    };
    let word = opening.checked_sub(1).and_then(|before| kind(tokens, before));
    let joins = ["on", "ignoring", "group_left", "group_right"];
    is_sign(tokens, index.saturating_sub(1), &[")"])
        && matches!(word, Some(Kind::Word(word)) if joins.contains(&word.to_ascii_lowercase().as_str()))
}

/// Tells whether an offset is computed: bracketed, or by a function of durations.
fn computes(tokens: &[Token], index: usize) -> bool {
    let index = index + usize::from(is_sign(tokens, index, &["+", "-"]));
    let opens = is_sign(tokens, index + 1, &["("]);
    match kind(tokens, index) {
        Some(Kind::Sign("(")) => true,
        Some(Kind::Word(word)) => opens && DURATIONS.contains(&word.to_ascii_lowercase().as_str()),
        Some(Kind::Sign(_) | Kind::Number(_) | Kind::Duration(_) | Kind::Text(_) | Kind::End)
        | None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn experimental_syntax_is_told_from_names_that_look_like_it() {
        for (text, expected) in [
            ("rate(up[5m] anchored)", true),
            ("up smoothed", true),
            ("up{a='b'} smoothed", true),
            ("up offset 5m anchored", true),
            ("sum(anchored)", false),
            ("up and anchored", false),
            ("up + on(a) smoothed", false),
            ("up + on(a) group_left(b) smoothed{a='b'}", false),
            ("anchored + smoothed", false),
            ("a + fill(0) b", true),
            ("a + fill_left(1) fill_right(2) b", true),
            ("fill + other", false),
            ("other + fill_left{a='b'}", false),
            ("up[5m*2]", true),
            ("up[-5m+35m]", true),
            ("up[(5m)]", true),
            ("up[STep()]", true),
            ("up[1h:step()]", true),
            ("up[max(5m, range())]", true),
            ("up[1h:5m]", false),
            ("up offset (5m)", true),
            ("up offset -(5m)", true),
            ("up offset -step()*2", true),
            ("up offset -5m * 2", false),
            ("step() + range() + start() + end()", false),
            ("a </ b", true),
            ("a >/ 0.5", true),
            ("a < b / c", false),
            ("info(up, {a='b'})", true),
            ("integral(up[5m])", true),
            ("histogram_quantiles(up, 'q', 0.5)", true),
            ("info", false),
        ] {
            assert_eq!(is_used(text), expected, "{text}");
        }
    }
}
