//! What operators and functions do with labels: matching, grouping, replacing, joining.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use regex::Regex;

use crate::label::{self, Labels, METRIC_NAME, MatchOp, Matcher};
use crate::promql::limit::Meter;
use crate::promql::outcome::{Element, EvalError};

/// The longest label value that a function may build, in bytes.
const VALUE_MAX: usize = 16 * 1024;

/// What Prometheus says when two results are one series.
pub(crate) const SAME_LABELS: &str = "vector cannot contain metrics with the same labelset";

/// Which labels decide whether two series belong together.
#[derive(Clone, Debug)]
pub(crate) struct Signature {
    names: Vec<String>,
    /// Only the names count; otherwise all others do, the metric name never.
    only: bool,
}

impl Signature {
    pub(crate) fn new(names: &[String], only: bool) -> Self {
        let mut names = names.to_vec();
        names.sort_unstable();
        names.dedup();
        Self { names, only }
    }

    fn counts(&self, name: &str) -> bool {
        let named = self.names.binary_search_by(|one| one.as_str().cmp(name)).is_ok();
        if self.only { named } else { !named && name != METRIC_NAME }
    }

    fn pairs<'a>(&'a self, labels: &'a Labels) -> impl Iterator<Item = (&'a str, &'a str)> {
        labels.iter().filter(|(name, _)| self.counts(name))
    }

    pub(crate) fn hash(&self, labels: &Labels) -> u64 {
        let mut hasher = FixedState::default().build_hasher();
        for (name, value) in self.pairs(labels) {
            hasher.write(name.as_bytes());
            hasher.write_u8(0xff);
            hasher.write(value.as_bytes());
            hasher.write_u8(0xff);
        }
        hasher.finish()
    }

    pub(crate) fn same(&self, left: &Labels, right: &Labels) -> bool {
        self.pairs(left).eq(self.pairs(right))
    }

    /// The labels that count.
    pub(crate) fn of(&self, labels: &Labels) -> Labels {
        Labels::from_pairs(self.pairs(labels))
    }
}

/// Positions by signature, or by all labels where there is none.
#[derive(Debug, Default)]
pub(crate) struct Groups(HashTable<(u64, usize)>);

impl Groups {
    /// Finds the position under which `same` holds.
    pub(crate) fn find(&self, hash: u64, same: impl Fn(usize) -> bool) -> Option<usize> {
        self.0.find(hash, |entry| entry.0 == hash && same(entry.1)).map(|entry| entry.1)
    }

    pub(crate) fn insert(&mut self, hash: u64, position: usize) {
        self.0.insert_unique(hash, (hash, position), |entry| entry.0);
    }
}

/// Hashes a whole label set.
pub(crate) fn hash(labels: &Labels) -> u64 {
    FixedState::default().hash_one(labels)
}

/// Refuses a vector in which two elements have the same labels.
pub(crate) fn check_unique(vector: &[Element]) -> Result<(), EvalError> {
    let mut seen = Groups::default();
    for (position, element) in vector.iter().enumerate() {
        let hash = hash(&element.labels);
        let same = |at: usize| vector.get(at).is_some_and(|one| one.labels == element.labels);
        if seen.find(hash, same).is_some() {
            return Err(EvalError::new(SAME_LABELS.to_owned()));
        }
        seen.insert(hash, position);
    }
    Ok(())
}

/// Labels that say what a series is: they go when a result is something else.
const METADATA: [&str; 3] = [METRIC_NAME, "__type__", "__unit__"];

/// Tells whether a label goes together with the metric's name.
pub(crate) fn is_metadata(name: &str) -> bool {
    METADATA.contains(&name)
}

/// Takes the name off where a function asked for it, and with it the type and the unit.
pub(crate) fn final_labels(labels: &Labels, drop_name: bool) -> Labels {
    if drop_name && METADATA.iter().any(|name| labels.get(name).is_some()) {
        return labels.without(&METADATA);
    }
    labels.clone()
}

/// What `label_replace` does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Replacing<'a> {
    pub(crate) target: &'a str,
    pub(crate) replacement: &'a str,
    pub(crate) source: &'a str,
    pub(crate) regex: &'a Regex,
}

/// `label_replace`: where the source label matches, the target gets the expanded replacement.
pub(crate) fn replace(
    vector: &mut [Element],
    by: &Replacing<'_>,
    meter: &mut Meter<'_>,
) -> Result<(), EvalError> {
    if by.target.is_empty() {
        let message = "invalid destination label name in label_replace(): \"\"";
        return Err(EvalError::new(message.to_owned()));
    }
    for element in vector.iter_mut() {
        let value = element.labels.get(by.source).unwrap_or_default();
        let Some(found) = by.regex.captures(value) else { continue };
        let expanded = label::expand(&found, by.replacement, VALUE_MAX);
        let expanded = expanded.ok_or_else(|| too_long("label_replace"))?;
        set(element, by.target, &expanded, meter)?;
    }
    check_unique(vector)
}

/// `label_join`: the target gets the values of the sources with a separator between them.
pub(crate) fn join(
    vector: &mut [Element],
    target: &str,
    separator: &str,
    sources: &[String],
    meter: &mut Meter<'_>,
) -> Result<(), EvalError> {
    if target.is_empty() {
        let message = "invalid destination label name in label_join(): \"\"";
        return Err(EvalError::new(message.to_owned()));
    }
    for element in vector.iter_mut() {
        let mut joined = String::new();
        for (index, name) in sources.iter().enumerate() {
            if index > 0 {
                joined.push_str(separator);
            }
            joined.push_str(element.labels.get(name).unwrap_or_default());
            if VALUE_MAX < joined.len() {
                return Err(too_long("label_join"));
            }
        }
        set(element, target, &joined, meter)?;
    }
    check_unique(vector)
}

fn too_long(whose: &str) -> EvalError {
    EvalError::new(format!("{whose} would make a label value longer than {VALUE_MAX} bytes"))
}

fn set(
    element: &mut Element,
    name: &str,
    value: &str,
    meter: &mut Meter<'_>,
) -> Result<(), EvalError> {
    element.labels = element.labels.with(name, value);
    if name == METRIC_NAME {
        element.drop_name = false;
    }
    meter.work(1)?;
    meter.make_labels(&element.labels)
}

/// The labels of `absent()`: those that the first equality matcher of a name fixes, unless the
/// name is matched once more after it.
pub(crate) fn absent(matchers: &[Matcher]) -> Labels {
    let own = || matchers.iter().filter(|matcher| matcher.name() != METRIC_NAME);
    let fixed = own().enumerate().filter(|(index, matcher)| {
        let again = own().skip(index + 1).any(|other| other.name() == matcher.name());
        let fixed = own()
            .take(*index)
            .any(|other| other.name() == matcher.name() && other.op() == MatchOp::Equal);
        matcher.op() == MatchOp::Equal && !again && !fixed
    });
    Labels::from_pairs(fixed.map(|(_, matcher)| (matcher.name(), matcher.value())))
}
