//! The series that rules write: one target of the store, in which nobody else writes.
//!
//! Every append says all of them, those of rules that were not evaluated with the time that they
//! had: so they go on, and a series that its rule does not give any more ends at once, as in
//! Prometheus. The states of alerts stand beside what recording rules give.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::exposition::Format;
use crate::label::{Labels, METRIC_NAME};
use crate::promql::Options;
use crate::rule::record::{Recording, is_read, write_line};
use crate::rule::tally::{Read, Tally};
use crate::sample::Millis;
use crate::series::{Appended, Limits, Store, Target};

/// The most series of all rules together, and bounds of one that no rule file comes near.
const LIMITS: Limits = Limits { series_max: 500_000, labels_max: 256, label_length_max: 65_536 };

/// Why a recording rule wrote nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The metric name.
    pub record: String,
    /// What happened.
    pub why: String,
}

/// What one evaluation of a recording rule did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// How many series it gave.
    pub series: usize,
    /// What it read.
    pub read: Read,
}

/// Evaluates recording rules and writes what they give, and the states of alerts as it is told.
#[derive(Debug)]
pub struct Recorder {
    store: Store,
    target: Target,
    /// None before they are known for the first time.
    known: Option<Arc<[Recording]>>,
    /// By the place of the rule among the known ones.
    places: Vec<Place>,
    /// Rules that were evaluated and are not written yet.
    unwritten: Vec<usize>,
    /// The known rules are others than those of the last append.
    is_changed: bool,
    states: States,
}

/// One recording rule.
#[derive(Clone, Debug, Default)]
struct Place {
    tried_at: Option<Millis>,
    given_at: Option<Millis>,
    /// What it gave last: exposition lines with their own times.
    lines: String,
}

/// The states of alerts as exposition lines.
#[derive(Clone, Debug, PartialEq, Eq)]
enum States {
    /// They are in the store from before the start and go on once they are told.
    Awaited,
    Told(String),
}

impl Recorder {
    /// Starts without rules and alerts; series that the store has go on once their rules are
    /// known.
    #[must_use]
    pub fn new(store: &Store) -> Self {
        Self {
            store: store.clone(),
            target: store.open_own(&Labels::empty(), LIMITS),
            known: None,
            places: Vec::new(),
            unwritten: Vec::new(),
            is_changed: false,
            states: States::Told(String::new()),
        }
    }

    /// The same, where the states of alerts will be told: none ends before.
    #[must_use]
    pub fn awaiting_states(self) -> Self {
        Self { states: States::Awaited, ..self }
    }

    /// Evaluates those of the known rules that are due, one after the other, and those that were
    /// never evaluated. A rule sees what the rules before it gave; one that fails writes nothing.
    pub fn evaluate(
        &mut self,
        known: &Arc<[Recording]>,
        due: &[usize],
        at: Millis,
        options: &Options,
    ) -> Vec<Failure> {
        let mut failures = Vec::new();
        for index in self.take_due(known, due, at) {
            let Some(record) = known.get(index).map(|one| one.record.clone()) else { continue };
            let recorded = self.record(index, at, options);
            failures.extend(recorded.err().map(|why| Failure { record, why }));
        }
        failures.extend(self.write(at));
        failures
    }

    /// Takes the known rules and returns the places of those to evaluate at `at`, in order.
    pub fn take_due(&mut self, known: &Arc<[Recording]>, due: &[usize], at: Millis) -> Vec<usize> {
        if !self.known.as_ref().is_some_and(|now| Arc::ptr_eq(now, known)) {
            self.know(known);
        }
        (0..known.len()).filter(|index| self.is_due(*index, due, at)).collect()
    }

    /// Evaluates the rule at a place; what it gives is written before somebody here reads it.
    ///
    /// # Errors
    /// Why it gave nothing; what it gave before stays.
    pub fn record(
        &mut self,
        index: usize,
        at: Millis,
        options: &Options,
    ) -> Result<Recorded, String> {
        let known = self.known.clone().unwrap_or_default();
        let Some(recording) = known.get(index) else { return Ok(Recorded::default()) };
        let reads_unwritten = recording.expr.selectors().iter().any(|selector| {
            let mut names = self.unwritten.iter().filter_map(|one| known.get(*one));
            names.any(|one| is_read(&selector.matchers, &one.record))
        });
        if reads_unwritten && let Some(fault) = self.append(at) {
            return Err(fault.why);
        }
        let tally = Tally::new(&self.store);
        let outcome = recording.lines(&tally, at, options);
        let read = tally.read();
        let Some(place) = self.places.get_mut(index) else { return Ok(Recorded::default()) };
        place.tried_at = Some(at);
        let (lines, series) = outcome?;
        place.given_at = Some(at);
        place.lines = lines;
        self.unwritten.push(index);
        Ok(Recorded { series, read })
    }

    /// Writes what was evaluated since the last time.
    pub fn write(&mut self, at: Millis) -> Option<Failure> {
        if self.unwritten.is_empty() && !self.is_changed {
            return None;
        }
        self.append(at)
    }

    /// Takes the states of all alerts, as `state_series` words them with the time of each, and
    /// writes them; those that are not among them end at `at`.
    pub fn tell_states<'a>(
        &mut self,
        series: impl IntoIterator<Item = (&'a Labels, f64, Millis)>,
        at: Millis,
    ) -> Option<Failure> {
        let mut lines = String::new();
        for (labels, value, at) in series {
            let name = labels.get(METRIC_NAME).unwrap_or_default();
            write_line(&mut lines, name, &labels.without(&[METRIC_NAME]), value, at);
        }
        let states = States::Told(lines);
        if states == self.states {
            return None;
        }
        self.states = states;
        self.append(at)
    }

    /// Takes other rules; what those gave that stay is kept.
    fn know(&mut self, known: &Arc<[Recording]>) {
        let old = self.known.replace(Arc::clone(known)).unwrap_or_default();
        let new: BTreeMap<&str, usize> =
            known.iter().enumerate().map(|(index, one)| (one.id(), index)).collect();
        let places = std::mem::replace(&mut self.places, vec![Place::default(); known.len()]);
        for (before, place) in old.iter().zip(places) {
            let stays = |index: &usize| known.get(*index) == Some(before);
            let index = new.get(before.id()).copied().filter(stays);
            if let Some(now) = index.and_then(|index| self.places.get_mut(index)) {
                *now = place;
            }
        }
        self.unwritten.clear();
        self.is_changed = true;
    }

    /// A group's interval is kept although samples may come more often.
    fn is_due(&self, index: usize, due: &[usize], at: Millis) -> bool {
        let Some(recording) = self.known.as_ref().and_then(|known| known.get(index)) else {
            return false;
        };
        let tried_at = self.places.get(index).and_then(|place| place.tried_at);
        let Some(tried_at) = tried_at else { return true };
        let interval = recording.interval.unwrap_or_default().as_millis();
        let passed = u128::try_from(at.saturating_sub(tried_at)).unwrap_or_default();
        // Rounds do not end at the same moment of each interval.
        due.contains(&index) && interval <= passed.saturating_add(interval / 10)
    }

    /// Says all series. After a start those of rules that were not evaluated yet are in the store
    /// only, and must not end by it.
    fn append(&mut self, at: Millis) -> Option<Failure> {
        let is_whole = self.known.is_some()
            && self.places.iter().all(|place| place.tried_at.is_some())
            && self.states != States::Awaited;
        let body = self.to_string();
        self.unwritten.clear();
        if !is_whole {
            // An empty body would count as a failed scrape, which ends everything.
            let is_some = !body.is_empty();
            let append = || self.target.append_part(body.as_bytes(), Format::Text, at);
            return is_some.then(append).as_ref().and_then(fault_of);
        }
        self.is_changed = false;
        if body.is_empty() {
            self.target.fail(at, 0.0);
            return None;
        }
        fault_of(&self.target.append(body.as_bytes(), Format::Text, at, 0.0))
    }
}

/// Writes everything that rules give now as exposition text.
impl fmt::Display for Recorder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for place in &self.places {
            formatter.write_str(&place.lines)?;
        }
        match &self.states {
            States::Awaited => Ok(()),
            States::Told(lines) => formatter.write_str(lines),
        }
    }
}

fn fault_of(appended: &Appended) -> Option<Failure> {
    let fault = appended.faults.first().map(|fault| fault.message.clone());
    let why = appended.failed.clone().or(fault)?;
    Some(Failure { record: "the series of all rules".to_owned(), why })
}
