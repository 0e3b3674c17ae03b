//! What the rounds of one configuration evaluate, in which order, and what each rule reads.

use std::collections::BTreeMap;
use std::sync::Arc;

use watchbell_config::value::Config;
use watchbell_metrics::label::{METRIC_NAME, MatchOp, Matcher, Matchers};
use watchbell_metrics::rule::order::{Order, Turn};
use watchbell_metrics::rule::record::{Recording, reads, recordings};
use watchbell_metrics::rule::{Rule, RuleName, state_series};
use watchbell_metrics::sample::{LOOKBACK_MS, Millis, Source as _, TimeRange};
use watchbell_metrics::series::{Read, Store};

/// The rules of a configuration.
#[derive(Debug, Default)]
pub(super) struct Course {
    /// The recording rules; as readers they follow the others.
    pub(super) recordings: Arc<[Recording]>,
    order: Order,
    /// By reader: what it reads, that behind recorded series included.
    reads: Vec<Vec<Read>>,
    /// How many rules stand before the recording rules.
    rules: usize,
}

impl Course {
    pub(super) fn new(config: &Config) -> Self {
        let recordings = recordings(&config.groups);
        let rules = config.rules.len();
        let mut by_reader = vec![Vec::new(); rules + recordings.len()];
        for read in reads(&config.rules, &recordings) {
            if let Some(own) = by_reader.get_mut(read.reader) {
                own.push(read);
            }
        }
        let order = Order::new(&config.rules, &config.groups, &recordings);
        Self { recordings, order, reads: by_reader, rules }
    }

    /// Returns the first reader that is not one of the configuration.
    pub(super) fn end(&self) -> usize {
        self.rules + self.recordings.len()
    }

    /// Returns the place among the recording rules, if the reader is one.
    pub(super) fn recording_of(&self, reader: usize) -> Option<usize> {
        reader.checked_sub(self.rules).filter(|place| *place < self.recordings.len())
    }

    /// Returns the turn of a rule that alerts; one that is only watched has the first.
    pub(super) fn turn(&self, reader: usize) -> Turn {
        self.order.rules.get(reader).copied().unwrap_or_default()
    }

    pub(super) fn turn_of_recording(&self, place: usize) -> Turn {
        self.order.recordings.get(place).copied().unwrap_or_default()
    }

    pub(super) fn reader_of(&self, place: usize) -> usize {
        self.rules + place
    }

    /// Returns the selectors of a reader if not one of them finds a series, those behind recorded
    /// series included: then no target sends what the rule is about. Whether an alert has a state
    /// says nothing of the kind.
    pub(super) fn unmatched(&self, reader: usize, store: &Store, at: Millis) -> Vec<String> {
        let reads = self.reads.get(reader).map(Vec::as_slice).unwrap_or_default();
        let finds = |read: &Read| {
            let from = at.saturating_sub(read.reach.max(LOOKBACK_MS));
            state_series::reads_states(&read.matchers)
                || !store.select(&read.matchers, TimeRange { from, to: at }).is_empty()
        };
        if reads.iter().any(finds) {
            return Vec::new();
        }
        let mut words: Vec<String> = Vec::with_capacity(reads.len());
        for word in reads.iter().map(|read| selector(&read.matchers)) {
            if !words.contains(&word) {
                words.push(word);
            }
        }
        words
    }
}

/// Returns rules by their names.
pub(super) fn by_name<'a>(
    rules: impl Iterator<Item = &'a Arc<Rule>>,
) -> BTreeMap<RuleName, Arc<Rule>> {
    rules.map(|rule| (rule.policy.name.clone(), Arc::clone(rule))).collect()
}

/// Words a selector as it is mostly written.
fn selector(matchers: &[Matcher]) -> String {
    let is_name = |one: &Matcher| one.name() == METRIC_NAME && one.op() == MatchOp::Equal;
    let name = matchers.iter().find(|one| is_name(one)).map(Matcher::value).unwrap_or_default();
    let rest: Vec<Matcher> = matchers.iter().filter(|one| !is_name(one)).cloned().collect();
    if rest.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", Matchers(rest)) }
}
