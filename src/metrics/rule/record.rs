//! Recording rules: their values become series of their own, which later rules read.
//!
//! All recorded series stand in one shard, and every append says all of them: those of rules that
//! were not due are said again with the time that they had, so they go on, and a series that its
//! rule does not give any more ends at once, as in Prometheus.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use crate::exposition::Format;
use crate::label::{Labels, METRIC_NAME, Matcher};
use crate::promql::{self, Expr, Options, Value};
use crate::rule::Rule;
use crate::rule::group::{Group, GroupRule};
use crate::sample::{Millis, Source};
use crate::series::{Appended, Limits, Read, Store, Target};

/// The most series of all recording rules together.
const LIMITS: Limits = Limits { series_max: 500_000, labels_max: 64, label_length_max: 4_096 };

/// A recording rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// Its file, group and place there: the same after a reload that left the group as it was.
    id: String,
    /// The metric name of the series.
    pub record: String,
    /// What is computed.
    pub expr: Expr,
    /// Put on every series.
    labels: Vec<(String, String)>,
    /// How often, where the group says so.
    pub interval: Option<Duration>,
    limit: usize,
    offset: Millis,
}

/// Why a recording rule wrote nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The metric name.
    pub record: String,
    /// What happened.
    pub why: String,
}

/// Evaluates recording rules and writes what they give.
#[derive(Debug)]
pub struct Recorder {
    store: Store,
    target: Target,
    known: Arc<[Recording]>,
    /// What each rule gave last, by its place among the known ones.
    given: BTreeMap<usize, Given>,
}

#[derive(Debug)]
struct Given {
    at: Millis,
    /// Exposition lines with their own times.
    lines: String,
}

/// Returns the recording rules of groups, in their order.
#[must_use]
pub fn recordings(groups: &[Arc<Group>]) -> Arc<[Recording]> {
    let of_group = |group: &Arc<Group>| {
        let rules = group.rules.iter().enumerate();
        rules.filter_map(|(index, _)| Recording::of(group, index)).collect::<Vec<_>>()
    };
    groups.iter().flat_map(of_group).collect()
}

/// Returns what rules and recording rules read; the readers of the latter follow those of the
/// former. Who reads a recorded series also reads what that is computed from, so that new samples
/// of the one are a reason to evaluate the other, at the same time.
#[must_use]
pub fn reads(rules: &[Arc<Rule>], recordings: &[Recording]) -> Vec<Read> {
    let of_rule = |rule: &Rule| {
        let evidence = rule.evidence.iter().flat_map(|(bad, total)| [bad, total]);
        let exprs: Vec<Expr> = std::iter::once(&rule.value).chain(evidence).cloned().collect();
        exprs
    };
    let of_rules = rules.iter().map(|rule| of_rule(rule));
    let of_recordings = recordings.iter().map(|recording| vec![recording.expr.clone()]);
    let mut reads = Vec::new();
    for (reader, exprs) in of_rules.chain(of_recordings).enumerate() {
        let mut seen = BTreeSet::new();
        let mut open = exprs;
        while let Some(expr) = open.pop() {
            for selector in expr.selectors() {
                for (index, recording) in recordings.iter().enumerate() {
                    if is_read(&selector.matchers, &recording.record) && seen.insert(index) {
                        open.push(recording.expr.clone());
                    }
                }
                reads.push(Read { reader, matchers: selector.matchers, reach: selector.reach });
            }
        }
    }
    reads
}

impl Recording {
    /// Takes the rule at a place of a group; `None` where that is no recording rule.
    #[must_use]
    pub fn of(group: &Group, index: usize) -> Option<Self> {
        let rule = group.rules.get(index)?;
        let GroupRule::Recording { record, expr, labels } = rule else { return None };
        let under =
            group.labels.iter().map(|(name, text)| (name.clone(), text.source().to_owned()));
        Some(Self {
            id: format!("{}\n{}\n{index}", group.file, group.name),
            record: record.clone(),
            expr: expr.clone(),
            labels: under.chain(labels.iter().cloned()).collect(),
            interval: group.interval,
            limit: group.limit,
            offset: Millis::try_from(group.query_offset.as_millis()).unwrap_or(Millis::MAX),
        })
    }

    /// Evaluates; gives what its series are to have at `stamp(at)`, without their name.
    ///
    /// # Errors
    /// The expression cannot be evaluated, gives more than the group's limit, or gives two results
    /// that are one series.
    pub fn evaluate(
        &self,
        source: &dyn Source,
        at: Millis,
        options: &Options,
    ) -> Result<Vec<(Labels, f64)>, String> {
        let evaluated = promql::eval_instant(&self.expr, source, self.stamp(at), options);
        let found = match evaluated.map_err(|error| error.to_string())?.value {
            Value::Scalar(value) => vec![(Labels::empty(), value)],
            Value::Vector(samples) => {
                samples.into_iter().map(|sample| (sample.labels, sample.value)).collect()
            }
            Value::String(_) | Value::Matrix(_) => {
                return Err("the expression gives no vector".to_owned());
            }
        };
        if 0 < self.limit && self.limit < found.len() {
            return Err(format!("exceeded limit of {} with {} series", self.limit, found.len()));
        }
        let found: Vec<(Labels, f64)> =
            found.into_iter().map(|(labels, value)| (self.labels_of(&labels), value)).collect();
        let mut given = BTreeSet::new();
        if found.iter().all(|(labels, _)| given.insert(labels)) {
            return Ok(found);
        }
        Err("two results have the same labels".to_owned())
    }

    /// Returns the time of its samples: its group may look into the past.
    #[must_use]
    pub fn stamp(&self, at: Millis) -> Millis {
        at.saturating_sub(self.offset)
    }

    /// Evaluates; gives exposition lines.
    fn lines(&self, store: &Store, at: Millis, options: &Options) -> Result<String, String> {
        let mut lines = String::new();
        for (labels, value) in self.evaluate(store, at, options)? {
            write_line(&mut lines, &self.record, &labels, value, self.stamp(at));
        }
        Ok(lines)
    }

    fn labels_of(&self, found: &Labels) -> Labels {
        let own = self.labels.iter().map(|(name, text)| (name.as_str(), text.as_str()));
        Labels::from_pairs(found.iter().chain(own)).without(&[METRIC_NAME])
    }
}

impl Recorder {
    /// Starts without rules; series that the store has go on once their rules are known.
    #[must_use]
    pub fn new(store: &Store) -> Self {
        Self {
            store: store.clone(),
            target: store.open_own(&Labels::empty(), LIMITS),
            known: Arc::from([]),
            given: BTreeMap::new(),
        }
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
        let is_new = !Arc::ptr_eq(&self.known, known);
        if is_new {
            self.know(known);
        }
        let mut failures = Vec::new();
        let (mut unwritten, mut evaluated): (Vec<usize>, bool) = (Vec::new(), false);
        for (index, recording) in known.iter().enumerate() {
            if !self.is_due(index, recording, due, at) {
                continue;
            }
            let reads_unwritten = recording.expr.selectors().iter().any(|selector| {
                let mut names = unwritten.iter().filter_map(|one| known.get(*one));
                names.any(|one| is_read(&selector.matchers, &one.record))
            });
            if reads_unwritten {
                failures.extend(self.write_between(at));
                unwritten.clear();
            }
            match recording.lines(&self.store, at, options) {
                Ok(lines) => {
                    self.given.insert(index, Given { at, lines });
                    unwritten.push(index);
                    evaluated = true;
                }
                Err(why) => failures.push(Failure { record: recording.record.clone(), why }),
            }
        }
        if is_new || evaluated {
            failures.extend(self.write(at));
        }
        failures
    }

    /// Takes other rules; what those gave that stay is kept.
    fn know(&mut self, known: &Arc<[Recording]>) {
        let old = std::mem::replace(&mut self.known, Arc::clone(known));
        let places: BTreeMap<&str, usize> =
            known.iter().enumerate().map(|(index, one)| (one.id.as_str(), index)).collect();
        for (index, given) in std::mem::take(&mut self.given) {
            let Some(before) = old.get(index) else { continue };
            let now = places.get(before.id.as_str()).copied();
            if let Some(now) = now.filter(|now| known.get(*now) == Some(before)) {
                self.given.insert(now, given);
            }
        }
    }

    /// A group's interval is kept although samples may come more often.
    fn is_due(&self, index: usize, recording: &Recording, due: &[usize], at: Millis) -> bool {
        let Some(given) = self.given.get(&index) else { return true };
        let interval = recording.interval.unwrap_or_default().as_millis();
        let passed = u128::try_from(at.saturating_sub(given.at)).unwrap_or_default();
        // Rounds do not end at the same moment of each interval.
        due.contains(&index) && interval <= passed.saturating_add(interval / 10)
    }

    fn write(&mut self, at: Millis) -> Option<Failure> {
        let body = self.body();
        if body.is_empty() {
            self.target.fail(at, 0.0);
            return None;
        }
        fault_of(&self.target.append(body.as_bytes(), Format::Text, at, 0.0))
    }

    /// Writes for the rules that follow. After a start the series of rules that were not evaluated
    /// yet are in the store only, and must not end by it.
    fn write_between(&mut self, at: Millis) -> Option<Failure> {
        if self.given.len() == self.known.len() {
            return self.write(at);
        }
        let body = self.body();
        if body.is_empty() {
            return None;
        }
        fault_of(&self.target.append_part(body.as_bytes(), Format::Text, at))
    }

    fn body(&self) -> String {
        self.given.values().map(|given| given.lines.as_str()).collect()
    }
}

fn fault_of(appended: &Appended) -> Option<Failure> {
    let fault = appended.faults.first().map(|fault| fault.message.clone());
    let why = appended.failed.clone().or(fault)?;
    Some(Failure { record: "the series of all recording rules".to_owned(), why })
}

/// Tells whether a selector may read the series of a name.
fn is_read(matchers: &[Matcher], name: &str) -> bool {
    matchers.iter().filter(|one| one.name() == METRIC_NAME).all(|one| one.is_match(name))
}

fn write_line(into: &mut String, record: &str, labels: &Labels, value: f64, at: Millis) {
    into.push('{');
    write_quoted(into, record);
    for (name, text) in labels.iter() {
        into.push(',');
        write_quoted(into, name);
        into.push('=');
        write_quoted(into, text);
    }
    // The shortest text that is read as the same number; infinities are `inf` and `-inf`.
    let (Ok(()) | Err(_)) = writeln!(into, "}} {value:?} {at}");
}

/// Writes a text in quotes with the escapes of the exposition format.
fn write_quoted(into: &mut String, text: &str) {
    into.push('"');
    for letter in text.chars() {
        match letter {
            '"' => into.push_str("\\\""),
            '\\' => into.push_str("\\\\"),
            '\n' => into.push_str("\\n"),
            _ => into.push(letter),
        }
    }
    into.push('"');
}

#[cfg(test)]
mod tests;
