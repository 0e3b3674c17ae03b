//! Which series are read, by whom, and for how long each is kept.

use std::collections::HashMap;

use crate::label::{Labels, METRIC_NAME, MatchOp, Matcher};
use crate::sample::{LOOKBACK_MS, Millis};
use crate::series::Retention;
use crate::series::key::Key;

/// Kept beyond the reach of a read, for rounds that come late.
const MARGIN_MS: Millis = LOOKBACK_MS;

/// One set of matchers and everybody who reads by it.
#[derive(Clone, Debug)]
pub(super) struct Selector {
    pub(super) matchers: Vec<Matcher>,
    pub(super) readers: Vec<usize>,
    reach: Millis,
}

/// A retention, prepared for quick answers.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    selectors: Vec<Selector>,
    /// Selectors that ask for one metric name, by it.
    by_name: HashMap<String, Vec<u32>>,
    /// All other selectors.
    nameless: Vec<u32>,
    retention: Retention,
}

/// What the plan says about one series.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Class {
    /// Selectors that the series passes.
    pub(super) selectors: Vec<u32>,
    /// Somebody reads it, or it is kept as if.
    pub(super) is_read: bool,
    /// How long its samples are kept; zero keeps the last one only.
    pub(super) keep_for: Millis,
}

impl Plan {
    pub(super) fn new(mut retention: Retention) -> Self {
        let mut plan = Self::default();
        for read in std::mem::take(&mut retention.reads) {
            let index = match plan.find(&read.matchers) {
                Some(index) => index,
                None => plan.add(read.matchers),
            };
            if let Some(selector) = plan.selectors.get_mut(index_of(index)) {
                selector.readers.push(read.reader);
                selector.reach = selector.reach.max(read.reach);
            }
        }
        plan.retention = retention;
        plan
    }

    /// Returns the selector of exactly these matchers.
    pub(super) fn find(&self, matchers: &[Matcher]) -> Option<u32> {
        let candidates = match wanted_name(matchers) {
            Some(name) => self.by_name.get(name)?,
            None => &self.nameless,
        };
        candidates
            .iter()
            .copied()
            .find(|index| self.selector(*index).is_some_and(|one| one.matchers == matchers))
    }

    pub(super) fn selector(&self, index: u32) -> Option<&Selector> {
        self.selectors.get(index_of(index))
    }

    /// Judges a series.
    pub(super) fn classify(&self, target: &Labels, key: &Key) -> Class {
        let passes = |matchers: &[Matcher]| matchers.iter().all(|one| key.passes(target, one));
        let named = self.by_name.get(key.name()).map(Vec::as_slice).unwrap_or_default();
        let mut class = Class::default();
        let mut reach = 0;
        for index in named.iter().chain(&self.nameless) {
            if let Some(selector) = self.selector(*index)
                && passes(&selector.matchers)
            {
                class.selectors.push(*index);
                reach = reach.max(selector.reach);
            }
        }
        let is_kept = self.retention.matchers.iter().any(|matchers| passes(&matchers.0));
        class.is_read = is_kept || !class.selectors.is_empty();
        class.keep_for = if class.is_read {
            self.retention.keep.max(reach.saturating_add(MARGIN_MS))
        } else {
            self.retention.raw.max(0)
        };
        class
    }

    fn add(&mut self, matchers: Vec<Matcher>) -> u32 {
        let index = u32::try_from(self.selectors.len()).unwrap_or(u32::MAX);
        match wanted_name(&matchers) {
            Some(name) => self.by_name.entry(name.to_owned()).or_default().push(index),
            None => self.nameless.push(index),
        }
        self.selectors.push(Selector { matchers, readers: Vec::new(), reach: 0 });
        index
    }
}

/// Returns the one metric name that passes, if the matchers ask for one by equality.
pub(super) fn wanted_name(matchers: &[Matcher]) -> Option<&str> {
    let is_name = |one: &&Matcher| one.op() == MatchOp::Equal && one.name() == METRIC_NAME;
    matchers.iter().find(is_name).map(Matcher::value).filter(|name| !name.is_empty())
}

pub(super) fn index_of(slot: u32) -> usize {
    usize::try_from(slot).unwrap_or(usize::MAX)
}
