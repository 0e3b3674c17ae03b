//! Labels and the matchers that choose by them.
//!
//! A label set is immutable, sorted by name, free of empty values and cheap to clone.

mod pattern;
mod quoted;
mod replacement;

use std::fmt;
use std::sync::Arc;

use compact_str::CompactString;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(crate) use self::pattern::{compile, compile_sized};
pub(crate) use self::quoted::{Quoted, is_plain_name};
pub(crate) use self::replacement::expand;

/// The label that holds a series' metric name.
pub const METRIC_NAME: &str = "__name__";
/// The label that holds an alert's name.
pub const ALERT_NAME: &str = "alertname";

/// An immutable label set, sorted by name, without empty values; a clone is a reference count.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(Arc<[(CompactString, CompactString)]>);

impl Labels {
    /// Returns the empty set.
    #[must_use]
    pub fn empty() -> Self {
        Self(Arc::from([]))
    }

    /// Builds a set from pairs in any order; a later pair replaces an earlier one of the same
    /// name, and an empty value removes the name.
    pub fn from_pairs<N, V>(pairs: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: Into<CompactString>,
        V: Into<CompactString>,
    {
        let mut sorted: Vec<(CompactString, CompactString)> =
            pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        sorted.sort_by(|left, right| left.0.cmp(&right.0));
        let mut unique: Vec<(CompactString, CompactString)> = Vec::with_capacity(sorted.len());
        for pair in sorted {
            match unique.last_mut() {
                Some(last) if last.0 == pair.0 => *last = pair,
                Some(_) | None => unique.push(pair),
            }
        }
        unique.retain(|(_, value)| !value.is_empty());
        Self(unique.into())
    }

    /// Returns the value of `name`, if the set has it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let index = self.0.binary_search_by(|pair| pair.0.as_str().cmp(name)).ok()?;
        self.0.get(index).map(|pair| pair.1.as_str())
    }

    /// Iterates over names and values in order of names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Returns the number of labels.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Tells whether the set has no labels.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the set with `name` set to `value`; an empty value removes it.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        Self::from_pairs(self.iter().chain([(name, value)]))
    }

    /// Returns the set without the given names.
    #[must_use]
    pub fn without(&self, names: &[&str]) -> Self {
        Self(self.0.iter().filter(|pair| !names.contains(&pair.0.as_str())).cloned().collect())
    }

    /// Returns the set reduced to the given names.
    #[must_use]
    pub fn keep(&self, names: &[&str]) -> Self {
        Self(self.0.iter().filter(|pair| names.contains(&pair.0.as_str())).cloned().collect())
    }

    /// Returns Alertmanager's fingerprint: FNV-1a 64 over each name, 0xff, value, 0xff.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        let mut feed = |bytes: &[u8]| {
            for byte in bytes.iter().chain(&[0xff]) {
                hash ^= u64::from(*byte);
                hash = hash.wrapping_mul(0x0100_0000_01b3);
            }
        };
        for (name, value) in self.iter() {
            feed(name.as_bytes());
            feed(value.as_bytes());
        }
        hash
    }
}

impl Default for Labels {
    fn default() -> Self {
        Self::empty()
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// Writes the set as PromQL would: `name{a="b",c="d"}`.
impl fmt::Display for Labels {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let metric = self.get(METRIC_NAME);
        formatter.write_str(metric.unwrap_or_default())?;
        let mut rest = self.iter().filter(|(name, _)| *name != METRIC_NAME).peekable();
        if rest.peek().is_none() && metric.is_some() {
            return Ok(());
        }
        formatter.write_str("{")?;
        for (position, (name, value)) in rest.enumerate() {
            let comma = if position == 0 { "" } else { ", " };
            write!(formatter, "{comma}{name}={value:?}")?;
        }
        formatter.write_str("}")
    }
}

impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let map = std::collections::BTreeMap::<String, String>::deserialize(deserializer)?;
        Ok(Self::from_pairs(map))
    }
}

/// How a matcher compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`, fully anchored
    Regex,
    /// `!~`, fully anchored
    NotRegex,
}

impl MatchOp {
    /// Returns the operator as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Regex => "=~",
            Self::NotRegex => "!~",
        }
    }
}

/// One condition on one label; a missing label counts as the empty value.
#[derive(Clone, Debug)]
pub struct Matcher {
    name: CompactString,
    op: MatchOp,
    value: CompactString,
    regex: Option<regex::Regex>,
    /// How much memory the compiled pattern may take, in bytes.
    pattern_size: usize,
}

/// A matcher whose pattern is not a regular expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the pattern {pattern:?} of label {name} is not a regular expression: {reason}")]
pub struct MatcherError {
    /// The label's name.
    pub name: String,
    /// The pattern as written.
    pub pattern: String,
    /// Why it was refused.
    pub reason: String,
}

impl Matcher {
    /// Builds a matcher; the pattern of a regex matcher is compiled here, fully anchored.
    ///
    /// # Errors
    /// Refuses a pattern that does not compile.
    pub fn new(name: &str, op: MatchOp, value: &str) -> Result<Self, MatcherError> {
        let (regex, pattern_size) = match op {
            MatchOp::Equal | MatchOp::NotEqual => (None, 0),
            MatchOp::Regex | MatchOp::NotRegex => {
                let refuse = |reason| MatcherError {
                    name: name.to_owned(),
                    pattern: value.to_owned(),
                    reason,
                };
                let (regex, size) = compile_sized(value).map_err(refuse)?;
                (Some(regex), size)
            }
        };
        Ok(Self { name: name.into(), op, value: value.into(), regex, pattern_size })
    }

    /// Returns how much memory the compiled pattern may take, in bytes; 0 where there is none.
    pub(crate) fn pattern_size(&self) -> usize {
        self.pattern_size
    }

    /// Returns the label's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the operator.
    #[must_use]
    pub fn op(&self) -> MatchOp {
        self.op
    }

    /// Returns the value or the pattern.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Tells whether a label of this value passes; pass `""` where the label is missing.
    #[must_use]
    pub fn is_match(&self, value: &str) -> bool {
        let found = self.regex.as_ref().is_some_and(|regex| regex.is_match(value));
        match self.op {
            MatchOp::Equal => self.value == value,
            MatchOp::NotEqual => self.value != value,
            MatchOp::Regex => found,
            MatchOp::NotRegex => !found,
        }
    }

    /// Tells whether a label set passes.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.is_match(labels.get(&self.name).unwrap_or_default())
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.op == other.op && self.value == other.value
    }
}

impl Eq for Matcher {}

impl fmt::Display for Matcher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_plain_name(&self.name) {
            formatter.write_str(&self.name)?;
        } else {
            write!(formatter, "{}", Quoted(&self.name))?;
        }
        write!(formatter, "{}{}", self.op.as_str(), Quoted(&self.value))
    }
}

/// Matchers that must all hold; written, stored and read as `a="b",c=~"d.*"`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matchers(pub Vec<Matcher>);

impl Matchers {
    /// Tells whether every matcher passes; no matchers pass everything.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.0.iter().all(|matcher| matcher.matches(labels))
    }
}

impl fmt::Display for Matchers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, matcher) in self.0.iter().enumerate() {
            let comma = if position == 0 { "" } else { "," };
            write!(formatter, "{comma}{matcher}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprint_is_alertmanagers() {
        let labels = Labels::from_pairs([("alertname", "ok1")]);
        assert_eq!(format!("{:016x}", labels.fingerprint()), "d7252752c04bd3c5");
    }

    #[test]
    fn later_pairs_win_and_empty_values_vanish() {
        let labels = Labels::from_pairs([("b", "1"), ("a", "2"), ("b", "3"), ("c", "")]);
        assert_eq!(labels.to_string(), r#"{a="2", b="3"}"#);
    }

    #[test]
    fn a_missing_label_matches_as_empty() {
        let matcher = Matcher::new("code", MatchOp::NotEqual, "500").unwrap();
        assert!(matcher.matches(&Labels::empty()));
    }
}
