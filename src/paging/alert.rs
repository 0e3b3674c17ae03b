//! The level machine of one alert: readings in, a level out, by bounds, holds and clearing.
//!
//! Knows no incident and no notification. Times are those of the readings, so a level changes at
//! an evaluation and at no other time. A state at rest equals the default.

mod judge;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use watchbell_metrics::label::Labels;
use watchbell_metrics::rule::{Evidence, Level, NoData, RuleKind, RuleName, RulePolicy};

pub use self::judge::{Judgement, bound_of, judge, with_override};
use crate::id::{AlertId, IncidentId};
use crate::level::Severity;
use crate::time::Timestamp;

/// More level changes than this within the window are flapping.
pub const FLAPS_MAX: usize = 5;
/// The window of flapping.
pub const FLAP_WINDOW: Duration = Duration::from_secs(30 * 60);
/// How many level changes are remembered.
const CHANGES_KEPT: usize = 16;
/// The levels that can be taken, in order of badness; the index is a tier.
pub(crate) const TIERS: [Level; 3] = [Level::Info, Level::Warning, Level::Critical];

/// An unbroken run of readings on one side of a level's bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Whether the bound holds.
    pub bad: bool,
    /// Its start for the hold: moved later by time that does not count.
    pub since: Timestamp,
    /// Its start as it was.
    pub began: Timestamp,
}

/// The state of the level machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Levels {
    /// The level that counts.
    pub level: Level,
    /// Since when.
    pub since: Timestamp,
    /// By tier (info, warning, critical): the run of readings.
    pub runs: [Option<Run>; 3],
    /// By tier: since when the value is on the good side, moved by the hysteresis.
    pub clear: [Option<Timestamp>; 3],
    /// The start of the run beyond the bound of the first level that fired.
    pub first_bad: Option<Timestamp>,
    /// Since when no data came.
    pub no_data_since: Option<Timestamp>,
    /// The missing data was told of.
    pub no_data_told: bool,
    /// The newest level changes, oldest first.
    pub changes: Vec<Timestamp>,
    /// Level changes follow each other too fast to tell each.
    pub flapping: bool,
}

/// What one evaluation shows of one alert.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sight {
    /// A value, and the events behind it.
    Value(f64, Option<Evidence>),
    /// The rule was evaluated and this label set was not among the results.
    Missing,
    /// The rule does not apply to this label set (any more).
    Off,
}

/// What a step of the machine led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The level changed.
    Changed {
        /// Before.
        from: Level,
        /// Now.
        to: Level,
    },
    /// A bound began to hold, its level waits for the hold.
    Pending(Level),
    /// Level changes follow each other too fast.
    FlappingStarted,
    /// The level has been steady for long enough.
    FlappingEnded,
    /// Data has been missing for so long that it is told.
    NoData,
    /// Data came back.
    DataBack,
}

/// Who an alert is; its level is no part of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AlertKey {
    /// The rule, or the name under which another program posted it.
    pub rule: RuleName,
    /// Identity labels with `alertname`, without `severity`.
    pub labels: Labels,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where an alert comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// A rule, or a level set by hand.
    Rule,
    /// Another program, which posts each severity as an alert of its own.
    Posted(Severity),
    /// The daemon itself.
    Internal,
}

/// What is shown of an alert.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Shown {
    /// The value; none where it is no finite number or there is none.
    pub value: Option<f64>,
    /// The rendered summary.
    pub summary: Option<String>,
    /// Rendered annotations.
    pub annotations: BTreeMap<String, String>,
}

/// An alert that is not at rest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Its number in the journal.
    pub id: AlertId,
    /// Who it is.
    pub key: AlertKey,
    /// Its level machine.
    pub levels: Levels,
    /// What was shown of it when it last changed.
    pub shown: Shown,
    /// A marked exercise.
    pub drill: bool,
    /// Its level was set by hand and no reading came since.
    pub by_hand: bool,
    /// Notifications are muted until it clears, because somebody forced a resolve.
    pub muted: bool,
    /// When it ends unless it is posted again.
    pub ends_at: Option<Timestamp>,
    /// The newest incident that it joined.
    pub incident: Option<IncidentId>,
    /// When it last changed.
    pub touched: Timestamp,
}

impl Alert {
    /// Returns its severity; none while it is ok.
    #[must_use]
    pub fn severity(&self) -> Option<Severity> {
        Severity::of(self.levels.level)
    }

    /// Returns its labels with `severity`, as routes and silences see them.
    #[must_use]
    pub fn routed_labels(&self) -> Labels {
        self.key.labels.with("severity", self.levels.level.as_str())
    }

    /// Tells whether the daemon speaks of itself.
    #[must_use]
    pub fn is_internal(&self) -> bool {
        self.key.origin == Origin::Internal || self.key.labels.get("source") == Some("watchbell")
    }
}

impl Levels {
    /// Returns the level that is taken when its hold ends, if one is pending.
    #[must_use]
    pub fn pending(&self) -> Option<(Level, Timestamp)> {
        let tiers = TIERS.into_iter().zip(self.runs).rev();
        tiers
            .filter_map(|(level, run)| Some((level, run.filter(|run| run.bad)?.began)))
            .find(|(level, _)| self.level < *level)
    }

    /// Returns since when the value is good enough to clear the level, if it is.
    #[must_use]
    pub fn good_since(&self) -> Option<Timestamp> {
        let tier = TIERS.iter().position(|level| *level == self.level)?;
        self.clear[tier]
    }

    /// Returns when the flapping ends if nothing changes any more.
    #[must_use]
    pub fn flapping_ends(&self) -> Option<Timestamp> {
        let index = self.changes.len().checked_sub(FLAPS_MAX + 1)?;
        self.changes.get(index).filter(|_| self.flapping).map(|at| at.plus(FLAP_WINDOW))
    }

    /// Ends the flapping, if its time has come.
    #[must_use]
    pub fn settled(&self, now: Timestamp) -> Option<Self> {
        self.flapping_ends().filter(|ends| *ends <= now)?;
        let mut next = Self { flapping: false, ..self.clone() };
        next.changes.retain(|change| now < change.plus(FLAP_WINDOW));
        Some(next)
    }

    /// Takes a level past all holds.
    #[must_use]
    pub fn forced(&self, level: Level, first_bad: Timestamp, now: Timestamp) -> (Self, Vec<Event>) {
        let mut next = Self {
            level: self.level,
            since: self.since,
            first_bad: self.first_bad,
            changes: self.changes.clone(),
            flapping: self.flapping,
            ..Self::default()
        };
        let mut events = Vec::new();
        next.take(level, Some(first_bad), now, &mut events);
        (next, events)
    }

    /// Moves all running timers, because time passed that does not count.
    pub fn shift(&mut self, by: Duration) {
        for run in self.runs.iter_mut().flatten() {
            run.since = run.since.plus(by);
        }
        for clear in self.clear.iter_mut().flatten() {
            *clear = clear.plus(by);
        }
        self.no_data_since = self.no_data_since.map(|since| since.plus(by));
    }

    /// Moves every instant, because the clock stepped.
    pub fn step_clock(&mut self, by_ms: i64) {
        let moved = |at: &mut Timestamp| at.0 = at.0.saturating_add(by_ms);
        for run in self.runs.iter_mut().flatten() {
            moved(&mut run.since);
            moved(&mut run.began);
        }
        self.clear.iter_mut().flatten().for_each(moved);
        self.first_bad.iter_mut().for_each(moved);
        self.no_data_since.iter_mut().for_each(moved);
        self.changes.iter_mut().for_each(moved);
        moved(&mut self.since);
    }

    fn take(&mut self, to: Level, bad: Option<Timestamp>, at: Timestamp, events: &mut Vec<Event>) {
        let from = self.level;
        if from == to {
            return;
        }
        if from == Level::Ok {
            self.first_bad = bad.or(Some(at));
        }
        if to == Level::Ok {
            self.first_bad = None;
            self.no_data_told = false;
        }
        self.level = to;
        self.since = at;
        self.changes.retain(|change| at < change.plus(FLAP_WINDOW));
        self.changes.push(at);
        let surplus = self.changes.len().saturating_sub(CHANGES_KEPT);
        self.changes.drain(..surplus);
        events.push(Event::Changed { from, to });
        if FLAPS_MAX < self.changes.len() && !self.flapping {
            self.flapping = true;
            events.push(Event::FlappingStarted);
        }
    }

    fn advance(&mut self, seen: &Judgement, at: Timestamp, events: &mut Vec<Event>) {
        for (tier, level) in TIERS.into_iter().enumerate() {
            let bad = seen.has[tier] && level <= seen.raw;
            let changed = self.runs[tier].is_none_or(|run| run.bad != bad);
            if changed {
                self.runs[tier] = Some(Run { bad, since: at, began: at });
                if bad && self.level < level {
                    events.push(Event::Pending(level));
                }
            }
            let clearing = seen.clear[tier] && level <= self.level;
            self.clear[tier] = clearing.then(|| self.clear[tier].unwrap_or(at));
        }
    }

    /// Drops what a state at this level need not remember.
    fn tidy(&mut self) {
        for (tier, level) in TIERS.into_iter().enumerate() {
            if self.level < level {
                self.runs[tier] = self.runs[tier].filter(|run| run.bad);
                self.clear[tier] = None;
            }
        }
    }
}

/// Feeds one evaluation at time `at`.
#[must_use]
pub fn step(
    state: &Levels,
    sight: &Sight,
    policy: &RulePolicy,
    at: Timestamp,
) -> (Levels, Vec<Event>) {
    let mut next = state.clone();
    let mut events = Vec::new();
    let seen = match sight {
        Sight::Off => {
            next.take(Level::Ok, None, at, &mut events);
            next.runs = [None; 3];
            next.tidy();
            return (next, events);
        }
        Sight::Value(value, evidence) => {
            if next.no_data_since.take().is_some() && next.no_data_told {
                next.no_data_told = false;
                events.push(Event::DataBack);
            }
            judge(policy, *value, *evidence)
        }
        Sight::Missing => match missing(&mut next, policy, at, &mut events) {
            Some(seen) => seen,
            None => return (next, events),
        },
    };
    next.advance(&seen, at, &mut events);
    decide(&mut next, &seen, policy, at, &mut events);
    next.tidy();
    (next, events)
}

/// What the absence of a value means; nothing where it leaves everything as it is.
fn missing(
    next: &mut Levels,
    policy: &RulePolicy,
    at: Timestamp,
    events: &mut Vec<Event>,
) -> Option<Judgement> {
    // Prometheus's rules filter: a series that is not returned is no longer true.
    if let RuleKind::Prometheus(level) = policy.kind {
        return Some(Judgement::absent(level));
    }
    let since = *next.no_data_since.get_or_insert(at);
    if at.since(since) < policy.no_data_after {
        return None;
    }
    match policy.no_data {
        NoData::Keep => {
            if next.level == Level::Ok {
                next.runs = [None; 3];
            } else if !next.no_data_told {
                next.no_data_told = true;
                events.push(Event::NoData);
            }
            None
        }
        NoData::Ok => Some(Judgement::of_absence(policy, Level::Ok)),
        NoData::Warn => Some(Judgement::of_absence(policy, Level::Warning)),
        NoData::Critical => Some(Judgement::of_absence(policy, Level::Critical)),
    }
}

fn decide(
    next: &mut Levels,
    seen: &Judgement,
    policy: &RulePolicy,
    at: Timestamp,
    events: &mut Vec<Event>,
) {
    let holds = [policy.holds.info, policy.holds.warning, policy.holds.critical];
    let current = next.level;
    let risen = TIERS.into_iter().enumerate().rev().find_map(|(tier, level)| {
        let run = next.runs[tier].filter(|run| run.bad && current < level)?;
        (holds[tier] <= at.since(run.since)).then_some((level, run.began))
    });
    if let Some((level, began)) = risen {
        next.take(level, Some(began), at, events);
        return;
    }
    let clear_for = match policy.kind {
        RuleKind::Own => policy.clear_for,
        RuleKind::Prometheus(_) => policy.keep_firing_for,
    };
    let lasted = |since: Option<Timestamp>| since.is_some_and(|since| clear_for <= at.since(since));
    let Some(tier) = TIERS.iter().position(|level| *level == current) else { return };
    if !lasted(next.clear[tier]) {
        return;
    }
    // The hysteresis guards the level that is left; below it the bounds count as written.
    let fallen = TIERS.into_iter().enumerate().take(tier).rev().find(|(tier, _)| {
        let good = next.runs[*tier].filter(|run| !run.bad).map(|run| run.since);
        seen.has[*tier] && !lasted(good)
    });
    next.take(fallen.map_or(Level::Ok, |(_, level)| level), None, at, events);
}

#[cfg(test)]
mod tests;
