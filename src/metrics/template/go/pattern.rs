//! The functions that Prometheus adds for regular expressions, in RE2's syntax, not anchored.

use regex::{Captures, Regex, RegexBuilder};

use crate::label;
use crate::template::go::OUTPUT_BYTES_MAX;
use crate::template::go::function::{Context, Function, text_at};
use crate::template::go::value::Kind::Text;
use crate::template::go::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::scoped("match", &[Text, Text], |context, values| {
        let regex = compiled(context, text_at(values, 0))?;
        Ok(Value::Bool(regex.is_match(text_at(values, 1))))
    }),
    Function::scoped("reReplaceAll", &[Text, Text, Text], |context, values| {
        let regex = compiled(context, text_at(values, 0))
            .map_err(|reason| format!("regexp: Compile({:?}): {reason}", text_at(values, 0)))?;
        replace_all(&regex, text_at(values, 1), text_at(values, 2))
    }),
];

/// What a new pattern costs in steps.
const COMPILE_STEPS: usize = 1_000;

/// The most memory that a pattern may take, in bytes.
const SIZE_MAX: usize = 4 << 20;

/// What `label::compile` puts around a pattern that it has translated from RE2's syntax.
const ANCHORS: (&str, &str) = ("^(?s:", ")$");

fn compiled(context: &mut Context<'_>, pattern: &str) -> Result<Regex, String> {
    if let Some(regex) = context.patterns.get(pattern) {
        return Ok(regex.clone());
    }
    context.charge(COMPILE_STEPS)?;
    let refuse = |reason: String| format!("error parsing regexp: {reason}: `{pattern}`");
    let anchored = label::compile(pattern).map_err(refuse)?;
    // A matcher's dot takes line ends, and a matcher takes the whole text: neither holds here.
    let bare = anchored
        .as_str()
        .strip_prefix(ANCHORS.0)
        .and_then(|rest| rest.strip_suffix(ANCHORS.1))
        .ok_or_else(|| refuse("it cannot be translated".to_owned()))?;
    let regex = RegexBuilder::new(bare)
        .size_limit(SIZE_MAX)
        .build()
        .map_err(|error| refuse(error.to_string()))?;
    context.patterns.insert(pattern.to_owned(), regex.clone());
    Ok(regex)
}

/// Replaces every match; `$1` and `${name}` in the replacement stand for groups.
fn replace_all(regex: &Regex, replacement: &str, text: &str) -> Result<Value, String> {
    let mut out = String::new();
    let mut last = 0;
    let too_long = || format!("the text is longer than {OUTPUT_BYTES_MAX} bytes");
    let mut add = |captures: Option<&Captures<'_>>, until: usize, next: usize| {
        out.push_str(text.get(last..until).unwrap_or_default());
        if let Some(captures) = captures {
            let expanded = label::expand(captures, replacement, OUTPUT_BYTES_MAX);
            out.push_str(&expanded.ok_or_else(too_long)?);
        }
        last = next;
        if out.len() <= OUTPUT_BYTES_MAX { Ok(()) } else { Err(too_long()) }
    };
    for captures in regex.captures_iter(text) {
        let Some(whole) = captures.get(0) else { continue };
        add(Some(&captures), whole.start(), whole.end())?;
    }
    add(None, text.len(), text.len())?;
    Ok(Value::text(out))
}
