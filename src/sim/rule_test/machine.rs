//! The rules of one test under way: groups in order, the alerts' states, the series they write.
//!
//! An alert's state is that of the paging engine (`alert::step`), so a test shows what will page.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use watchbell_metrics::label::{ALERT_NAME, Labels, METRIC_NAME};
use watchbell_metrics::promql::Options;
use watchbell_metrics::rule::group::{Group, GroupRule, Imported, Sighting};
use watchbell_metrics::rule::record::Recording;
use watchbell_metrics::rule::state_series::{self, AlertState};
use watchbell_metrics::rule::{Level, Rule, sightings};
use watchbell_metrics::sample::{Millis, stale_marker};
use watchbell_paging::alert::{Levels, Sight, step};
use watchbell_paging::time::Timestamp;

use crate::rule_test::storage::Storage;

/// The label that says how bad an alert is.
const SEVERITY: &str = "severity";

/// The rules of one test.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) storage: Storage,
    groups: Vec<Running>,
    options: Options<'static>,
}

#[derive(Debug)]
struct Running {
    group: Arc<Group>,
    rules: Vec<RunningRule>,
}

#[derive(Debug)]
struct RunningRule {
    kind: RuleKind,
    /// The series that its last evaluation wrote.
    written: BTreeSet<Labels>,
    /// It gave something at some time.
    gave: bool,
}

#[derive(Debug)]
enum RuleKind {
    Recording(Box<Recording>),
    Alert { rule: Box<Rule>, active: BTreeMap<Labels, Active> },
}

/// An alert that is pending or fires.
#[derive(Clone, Debug)]
pub(super) struct Active {
    levels: Levels,
    pub(super) annotations: BTreeMap<String, String>,
    since: Millis,
}

impl Active {
    fn new(at: Millis) -> Self {
        Self { levels: Levels::default(), annotations: BTreeMap::new(), since: at }
    }

    /// Returns how it stands; none when it has ended.
    pub(super) fn state(&self) -> Option<AlertState> {
        if self.levels.level != Level::Ok {
            return Some(AlertState::Firing);
        }
        self.levels.pending().map(|_| AlertState::Pending)
    }
}

/// Where a rule stands: its group and its place there.
pub(super) type RulePlace = (usize, usize);

impl Machine {
    /// Starts without samples; `groups` in the order of evaluation.
    pub(super) fn new(groups: &[Arc<Group>], options: Options<'static>) -> Self {
        let groups = groups.iter().map(Running::new).collect();
        Self { storage: Storage::default(), groups, options }
    }

    /// Evaluates every rule once.
    ///
    /// # Errors
    /// Every rule that failed, with its name.
    pub(super) fn evaluate(&mut self, at: Millis) -> Result<(), Vec<(String, String)>> {
        let mut faults = Vec::new();
        for group in &mut self.groups {
            for rule in &mut group.rules {
                let samples = rule.evaluate(&group.group, &self.storage, at, &self.options);
                let written = samples.and_then(|samples| write(&mut self.storage, rule, samples));
                if let Err(why) = written {
                    faults.push((rule.name().to_owned(), why));
                }
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// Returns the alerts of a name that stand in a state.
    pub(super) fn alerts(&self, name: &str, state: AlertState) -> Vec<(&Labels, &Active)> {
        let rules = self.groups.iter().flat_map(|group| &group.rules);
        let of = |rule: &'_ RunningRule| match &rule.kind {
            RuleKind::Alert { rule, .. } => rule.policy.name.as_str() == name,
            RuleKind::Recording(_) => false,
        };
        let active = rules.filter(|rule| of(rule)).flat_map(RunningRule::active);
        active.filter(|(_, active)| active.state() == Some(state)).collect()
    }

    /// Returns the rules that gave something at some time.
    pub(super) fn gave(&self) -> impl Iterator<Item = RulePlace> {
        self.groups.iter().enumerate().flat_map(|(group, running)| {
            let rules = running.rules.iter().enumerate().filter(|(_, rule)| rule.gave);
            rules.map(move |(rule, _)| (group, rule))
        })
    }
}

impl Running {
    fn new(group: &Arc<Group>) -> Self {
        let mut alerts = group.alerts(&mut BTreeSet::new()).into_iter();
        let running = |(index, rule): (usize, &GroupRule)| {
            let kind = match rule {
                GroupRule::Recording { .. } => {
                    RuleKind::Recording(Box::new(Recording::of(group, index)?))
                }
                GroupRule::Alert { .. } => {
                    let rule = Box::new(alerts.next()?);
                    RuleKind::Alert { rule, active: BTreeMap::new() }
                }
            };
            Some(RunningRule { kind, written: BTreeSet::new(), gave: false })
        };
        let rules = group.rules.iter().enumerate().filter_map(running).collect();
        Self { group: Arc::clone(group), rules }
    }
}

/// Samples of a rule at one time.
struct Samples {
    at: Millis,
    values: Vec<(Labels, f64)>,
}

impl RunningRule {
    fn name(&self) -> &str {
        match &self.kind {
            RuleKind::Recording(recording) => &recording.record,
            RuleKind::Alert { rule, .. } => rule.policy.name.as_str(),
        }
    }

    fn active(&self) -> impl Iterator<Item = (&Labels, &Active)> {
        let active = match &self.kind {
            RuleKind::Alert { active, .. } => Some(active),
            RuleKind::Recording(_) => None,
        };
        active.into_iter().flatten()
    }

    fn evaluate(
        &mut self,
        group: &Group,
        storage: &Storage,
        at: Millis,
        options: &Options<'_>,
    ) -> Result<Samples, String> {
        match &mut self.kind {
            RuleKind::Recording(recording) => {
                let found = recording.evaluate(storage, at, options)?;
                let named = |(labels, value): (Labels, f64)| {
                    (labels.with(METRIC_NAME, &recording.record), value)
                };
                let values = found.into_iter().map(named).collect();
                Ok(Samples { at: recording.stamp(at), values })
            }
            RuleKind::Alert { rule, active } => {
                let Some(imported) = &rule.imported else {
                    return Err("the rule is no alert of a group".to_owned());
                };
                advance(rule, imported, active, storage, at, options)?;
                if 0 < group.limit && group.limit < active.len() {
                    let count = active.len();
                    active.clear();
                    return Err(format!("exceeded limit of {} with {count} alerts", group.limit));
                }
                let offset = Millis::try_from(group.query_offset.as_millis());
                let at = at.saturating_sub(offset.unwrap_or(Millis::MAX));
                Ok(Samples { at, values: active.iter().flat_map(series_of).collect() })
            }
        }
    }
}

/// Leads the alerts of one rule through one evaluation.
fn advance(
    rule: &Rule,
    imported: &Imported,
    active: &mut BTreeMap<Labels, Active>,
    storage: &Storage,
    at: Millis,
    options: &Options<'_>,
) -> Result<(), String> {
    let seen = sightings(rule, imported, storage, at, options)?;
    let mut seen: BTreeMap<Labels, Sighting> =
        seen.into_iter().map(|sighting| (sighting.labels.clone(), sighting)).collect();
    for labels in seen.keys() {
        if !active.contains_key(labels) {
            active.insert(labels.clone(), Active::new(at));
        }
    }
    for (labels, alert) in active.iter_mut() {
        let sight = match seen.remove(labels) {
            Some(sighting) => {
                alert.annotations = sighting.annotations.into_iter().collect();
                Sight::Value(sighting.value, None)
            }
            None => Sight::Missing,
        };
        let (levels, _) = step(&alert.levels, &sight, &rule.policy, Timestamp(at));
        alert.levels = levels;
    }
    active.retain(|_, alert| alert.state().is_some());
    Ok(())
}

/// Returns the series that tell of an alert.
fn series_of((labels, alert): (&Labels, &Active)) -> Vec<(Labels, f64)> {
    let Some(state) = alert.state() else { return Vec::new() };
    state_series::series(labels, labels.get(SEVERITY), state, alert.since).into()
}

/// Writes what a rule gave, and ends the series that it does not give any more.
fn write(storage: &mut Storage, rule: &mut RunningRule, samples: Samples) -> Result<(), String> {
    let mut fault = Ok(());
    let mut written = BTreeSet::new();
    for (labels, value) in samples.values {
        let appended = storage.append(&labels, samples.at, value);
        fault = fault.and(appended);
        written.insert(labels);
    }
    rule.gave |= !written.is_empty();
    for ended in rule.written.difference(&written) {
        // Another rule may have taken the series over; then it goes on.
        let (Ok(()) | Err(_)) = storage.append(ended, samples.at, stale_marker());
    }
    rule.written = written;
    fault
}

/// Tells whether an expectation that names an alert may be about a rule.
pub(super) fn is_alert(rule: &GroupRule, name: &str) -> bool {
    match rule {
        GroupRule::Alert { alert, .. } => alert == name,
        GroupRule::Recording { .. } => false,
    }
}

/// The labels of the series `ALERTS` by which an expression may ask for a rule's alerts.
pub(super) fn asked_labels(alert: &str) -> Labels {
    Labels::from_pairs([(METRIC_NAME, state_series::ALERTS), (ALERT_NAME, alert)])
}
