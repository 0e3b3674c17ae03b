//! Scenarios: `*.test.toml`, tests of rules, routes and rotas in virtual time.
//!
//! Reads the format of the scenario reference into values; running them is `run`'s duty. Every
//! fault carries its line. Unknown keys are faults.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use toml::Spanned;

/// A whole scenario file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScenarioFile {
    /// A configuration, relative to the file.
    pub base: Option<String>,
    /// Inline configuration; its text is read again by the configuration crate, with places.
    pub config: Option<toml::Table>,
    /// The cases.
    #[serde(default)]
    pub test: Vec<Test>,
}

/// One case.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Test {
    /// The claim.
    pub name: Spanned<String>,
    /// The instant of `t = "0s"`.
    pub start: Option<Spanned<String>>,
    /// Spacing of samples, scrapes and evaluations; default 15 s.
    pub step: Option<Spanned<String>>,
    /// Series in the expanding notation, by selector.
    #[serde(default)]
    pub series: BTreeMap<String, Spanned<String>>,
    /// What happens and what must hold, in order.
    #[serde(default)]
    pub steps: Vec<Spanned<Step>>,
}

/// One moment.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Counted from `start`.
    pub t: Spanned<String>,
    /// What happens.
    pub r#do: Option<Action>,
    /// What must hold.
    pub expect: Option<Expectation>,
}

/// The keys of `do`; exactly one verb among them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    pub set: Option<String>,
    pub level: Option<String>,
    pub labels: Option<BTreeMap<String, String>>,
    pub ack: Option<String>,
    pub resolve: Option<String>,
    pub escalate: Option<String>,
    pub snooze: Option<String>,
    pub note: Option<String>,
    pub by: Option<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub bot: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    pub force: bool,
    pub silence: Option<String>,
    pub unsilence: Option<String>,
    pub r#for: Option<String>,
    pub r#override: Option<String>,
    pub add: Option<String>,
    pub remove: Option<String>,
    pub from: Option<String>,
    pub to: Option<String>,
    pub channel: Option<String>,
    pub fail: Option<String>,
    pub target: Option<String>,
    pub down: Option<bool>,
    pub crash: Option<String>,
    /// With `crash`: in the middle of the next turn that intends a delivery (`append`, `send` or
    /// `answer`), not at once.
    pub amid: Option<String>,
    /// `full` or `free`.
    pub disk: Option<String>,
    pub reload: Option<String>,
    pub clock: Option<String>,
}

/// The keys of `expect`; all given ones must hold.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    pub open: Option<usize>,
    pub rule: Option<String>,
    pub labels: Option<BTreeMap<String, String>>,
    pub incidents: Option<usize>,
    pub level: Option<String>,
    pub state: Option<String>,
    pub severity: Option<String>,
    pub sla: Option<String>,
    pub cause: Option<String>,
    pub acked_by: Option<String>,
    pub breached: Option<bool>,
    pub repeat: Option<bool>,
    pub deadline: Option<String>,
    pub paged: Option<Vec<String>>,
    pub pages: Option<BTreeMap<String, u32>>,
    pub posted: Option<Vec<String>>,
    pub timeline: Option<Vec<String>>,
    pub oncall: Option<BTreeMap<String, Vec<String>>>,
    pub report: Option<BTreeMap<String, toml::Value>>,
}

/// A scenario file that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}: {message}")]
pub struct ScenarioError {
    /// 1-based.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

/// Reads a scenario file.
///
/// # Errors
/// Broken TOML and unknown keys, with the line.
pub fn parse(text: &str) -> Result<ScenarioFile, ScenarioError> {
    toml::from_str(text).map_err(|error| ScenarioError {
        line: error.span().map_or(1, |span| line_of(text, span.start)),
        message: error.message().to_owned(),
    })
}

/// Writes a duration so that `parse_duration` reads it back: `1h2m3s`, `250ms`, `0s`.
#[must_use]
pub fn write_duration(length: Duration) -> String {
    let mut rest = length.as_millis();
    let mut text = String::new();
    for (unit, ms) in [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)] {
        if ms <= rest {
            text.push_str(&format!("{}{unit}", rest / ms));
            rest %= ms;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// Writes an action as it stands in a step: `{ ack = "Db", by = "ana" }`.
#[must_use]
pub fn write_action(action: &Action) -> String {
    toml::Value::try_from(action).map_or_else(|error| format!("# {error}"), |one| inline(&one))
}

/// Returns the 1-based line of a byte.
#[must_use]
pub fn line_of(text: &str, byte: usize) -> usize {
    text.bytes().take(byte).filter(|byte| *byte == b'\n').count() + 1
}

/// Reads a duration as scenarios write it: `90s`, `1m30s`, `250ms`, `1h`, `2d`, `1w`, `0s`.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, tail) = rest.split_at_checked(digits)?;
        let letters = tail.len() - tail.trim_start_matches(|c: char| c.is_ascii_lowercase()).len();
        let (unit, tail) = tail.split_at_checked(letters)?;
        let ms: u64 = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 604_800_000,
            _ => return None,
        };
        let count: u64 = number.parse().ok()?;
        total = total.checked_add(Duration::from_millis(count.checked_mul(ms)?))?;
        rest = tail.trim_start();
    }
    Some(total)
}

fn inline(value: &toml::Value) -> String {
    match value {
        toml::Value::Table(table) => {
            let pair = |(key, value): (&String, &toml::Value)| {
                let bare = key.chars().all(|one| one.is_ascii_alphanumeric() || one == '_');
                let key = if bare { key.clone() } else { format!("{key:?}") };
                format!("{key} = {}", inline(value))
            };
            format!("{{ {} }}", table.iter().map(pair).collect::<Vec<_>>().join(", "))
        }
        toml::Value::String(_)
        | toml::Value::Integer(_)
        | toml::Value::Float(_)
        | toml::Value::Boolean(_)
        | toml::Value::Datetime(_)
        | toml::Value::Array(_) => value.to_string(),
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde asks for")]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_they_are_read() {
        for text in ["0s", "250ms", "1m30s", "2h5s", "1h1m1s1ms"] {
            assert_eq!(write_duration(parse_duration(text).unwrap()), text);
        }
    }

    #[test]
    fn actions_are_written_as_they_are_read() {
        let text = "{ force = true, labels = { a = \"b\" }, resolve = \"Db\" }";
        let step = format!("[[test]]\nname = \"a\"\nsteps = [{{ t = \"0s\", do = {text} }}]\n");
        let file = parse(&step).unwrap();
        let action = file.test[0].steps[0].get_ref().r#do.clone().unwrap();
        let written = step.replace(text, &write_action(&action));
        assert_eq!(parse(&written).unwrap().test[0].steps[0].get_ref().r#do, Some(action));
    }

    #[test]
    fn durations_are_read_in_all_units() {
        for (text, ms) in [
            ("0s", Some(0)),
            ("250ms", Some(250)),
            ("1m30s", Some(90_000)),
            ("4m1s", Some(241_000)),
            ("1h", Some(3_600_000)),
            ("2d", Some(172_800_000)),
            ("5", None),
            ("", None),
            ("5x", None),
        ] {
            assert_eq!(parse_duration(text), ms.map(Duration::from_millis), "{text:?}");
        }
    }

    #[test]
    fn an_unknown_key_is_a_fault_with_its_line() {
        let text =
            "[[test]]\nname = \"x\"\nsteps = [\n { t = \"0s\", expect = { opne = 1 } },\n]\n";
        let error = parse(text).unwrap_err();
        assert_eq!(error.line, 4);
        assert!(error.message.contains("opne"), "{error}");
    }
}
