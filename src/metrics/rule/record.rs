//! Recording rules: their values become series of their own, which later rules read.

mod recorder;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

pub use self::recorder::{Failure, Recorded, Recorder};
use crate::label::{Labels, METRIC_NAME, Matcher};
use crate::promql::{self, Expr, Options, Value};
use crate::rule::group::{Group, GroupRule};
use crate::rule::{Rule, state_series};
use crate::sample::{Millis, Source};
use crate::series::Read;

/// A recording rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// Its file, group and place there: the same after a reload that left the group as it was.
    id: String,
    /// The name of its group.
    pub group: String,
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
/// of the one are a reason to evaluate the other, at the same time; who asks for the states of
/// alerts reads what those alerts read.
#[must_use]
pub fn reads(rules: &[Arc<Rule>], recordings: &[Recording]) -> Vec<Read> {
    let own = rules.iter().map(|rule| exprs_of(rule)).collect::<Vec<_>>();
    let recorded = recordings.iter().map(|recording| vec![recording.expr.clone()]);
    let mut reads = Vec::new();
    for (reader, exprs) in own.iter().cloned().chain(recorded).enumerate() {
        // By place among rules and recording rules, as readers are.
        let mut seen = BTreeSet::from([reader]);
        let mut open = exprs;
        while let Some(expr) = open.pop() {
            for selector in expr.selectors() {
                for (index, recording) in recordings.iter().enumerate() {
                    let place = rules.len() + index;
                    if is_read(&selector.matchers, &recording.record) && seen.insert(place) {
                        open.push(recording.expr.clone());
                    }
                }
                if state_series::reads_states(&selector.matchers) {
                    for (index, rule) in rules.iter().enumerate() {
                        let name = rule.policy.name.as_str();
                        if state_series::reads_state_of(&selector.matchers, name)
                            && seen.insert(index)
                        {
                            open.extend(own.get(index).into_iter().flatten().cloned());
                        }
                    }
                }
                reads.push(Read { reader, matchers: selector.matchers, reach: selector.reach });
            }
        }
    }
    reads
}

fn exprs_of(rule: &Rule) -> Vec<Expr> {
    let evidence = rule.evidence.iter().flat_map(|(bad, total)| [bad, total]);
    std::iter::once(&rule.value).chain(evidence).cloned().collect()
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
            id: Self::id_at(group, index),
            group: group.name.clone(),
            record: record.clone(),
            expr: expr.clone(),
            labels: under.chain(labels.iter().cloned()).collect(),
            interval: group.interval,
            limit: group.limit,
            offset: Millis::try_from(group.query_offset.as_millis()).unwrap_or(Millis::MAX),
        })
    }

    /// Returns what tells it from every other recording rule.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the id of the recording rule at a place of a group.
    #[must_use]
    pub fn id_at(group: &Group, index: usize) -> String {
        format!("{}\n{}\n{index}", group.file, group.name)
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

    /// Evaluates; gives exposition lines and how many they are.
    fn lines(
        &self,
        source: &dyn Source,
        at: Millis,
        options: &Options,
    ) -> Result<(String, usize), String> {
        let found = self.evaluate(source, at, options)?;
        let mut lines = String::new();
        for (labels, value) in &found {
            write_line(&mut lines, &self.record, labels, *value, self.stamp(at));
        }
        Ok((lines, found.len()))
    }

    fn labels_of(&self, found: &Labels) -> Labels {
        let own = self.labels.iter().map(|(name, text)| (name.as_str(), text.as_str()));
        Labels::from_pairs(found.iter().chain(own)).without(&[METRIC_NAME])
    }
}

/// Tells whether a selector may read the series of a name.
pub(super) fn is_read(matchers: &[Matcher], name: &str) -> bool {
    matchers.iter().filter(|one| one.name() == METRIC_NAME).all(|one| one.is_match(name))
}

/// Writes one line of exposition text.
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
