//! What tells a series from the others of its target: its labels without those of the target.
//!
//! One compact text: names and values in order of names, each ended by a byte that no UTF-8 text
//! holds. Most series are never read, so they keep this instead of a label set.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::exposition::RawLabels;
use crate::label::{Labels, METRIC_NAME, Matcher};

/// Ends each name and each value; no UTF-8 text contains it.
const END: u8 = 0xff;
/// Put before a scraped label whose name the target's own labels have.
const EXPORTED: &str = "exported_";

/// The labels of a series that its target's labels do not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key(Box<[u8]>);

impl Key {
    /// Wraps what [`write`] wrote.
    pub(super) fn new(bytes: &[u8]) -> Self {
        Self(Box::from(bytes))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        pairs(&self.0)
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let mut texts = self.0.split(|byte| *byte == END);
        while let (Some(found), Some(value)) = (texts.next(), texts.next()) {
            if found == name.as_bytes() {
                return std::str::from_utf8(value).ok();
            }
        }
        None
    }

    /// Returns the metric name.
    pub(super) fn name(&self) -> &str {
        self.get(METRIC_NAME).unwrap_or_default()
    }

    /// Tells whether the series passes; the target's labels count as its own.
    pub(super) fn passes(&self, target: &Labels, matcher: &Matcher) -> bool {
        let own = || self.get(matcher.name()).unwrap_or_default();
        matcher.is_match(target.get(matcher.name()).unwrap_or_else(own))
    }

    /// Builds the whole label set.
    pub(super) fn labels(&self, target: &Labels) -> Labels {
        Labels::from_pairs(self.pairs().chain(target.iter()))
    }
}

/// Reads names and values of a written key.
pub(super) fn pairs(bytes: &[u8]) -> impl Iterator<Item = (&str, &str)> {
    let mut texts =
        bytes.split(|byte| *byte == END).map(|text| std::str::from_utf8(text).unwrap_or_default());
    std::iter::from_fn(move || {
        let name = texts.next().filter(|name| !name.is_empty())?;
        Some((name, texts.next()?))
    })
}

/// Writes the key of scraped labels, as Prometheus merges them with those of the target when it
/// does not honour labels: the target's win, the scraped one moves to `exported_<name>`. Empty
/// values vanish.
///
/// # Errors
/// A sentence that names a label that is given twice.
pub(super) fn write(
    labels: &mut RawLabels<'_>,
    target: &Labels,
    into: &mut Vec<u8>,
) -> Result<(), String> {
    sort(labels)?;
    labels.retain(|(_, value)| !value.is_empty());
    if labels.iter().any(|(name, _)| target.get(name).is_some()) {
        for index in 0..labels.len() {
            let mut name = labels[index].0.clone();
            while target.get(&name).is_some() || is_other(labels, index, &name) {
                name = Cow::Owned(format!("{EXPORTED}{name}"));
            }
            labels[index].0 = name;
        }
        sort(labels)?;
    }
    into.clear();
    for text in labels.iter().flat_map(|(name, value)| [name, value]) {
        into.extend_from_slice(text.as_bytes());
        into.push(END);
    }
    Ok(())
}

fn is_other(labels: &[(Cow<'_, str>, Cow<'_, str>)], own_index: usize, name: &str) -> bool {
    labels.iter().enumerate().any(|(index, pair)| index != own_index && pair.0 == name)
}

fn sort(labels: &mut [(Cow<'_, str>, Cow<'_, str>)]) -> Result<(), String> {
    labels.sort_by(|left, right| left.0.cmp(&right.0));
    let is_twice = |pair: &&[(Cow<'_, str>, Cow<'_, str>)]| {
        pair.first().map(|one| &one.0).cmp(&pair.last().map(|one| &one.0)) == Ordering::Equal
    };
    match labels.windows(2).find(is_twice).and_then(|pair| pair.first()) {
        None => Ok(()),
        Some((name, _)) => Err(format!("the label {name:?} is given twice")),
    }
}
