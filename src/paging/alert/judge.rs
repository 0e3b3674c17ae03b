//! What a value means against the bounds of a rule: the level, and which levels it would clear.
//!
//! No state and no time.

use watchbell_metrics::label::Labels;
use watchbell_metrics::rule::{Bound, Comparison, Evidence, Level, RuleKind, RulePolicy, Unit};

use crate::alert::TIERS;

/// What one value means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The highest level whose bound holds as written.
    pub raw: Level,
    /// By tier: the value is on the good side of the bound, moved by the hysteresis.
    pub clear: [bool; 3],
    /// By tier: the rule has this level.
    pub has: [bool; 3],
}

impl Judgement {
    /// A series that an imported rule no longer returns.
    pub(super) fn absent(level: Level) -> Self {
        Self { raw: Level::Ok, clear: [true; 3], has: TIERS.map(|tier| tier == level) }
    }

    /// Missing data that counts as a level.
    pub(super) fn of_absence(policy: &RulePolicy, raw: Level) -> Self {
        let mut has = tiers_of(policy);
        for (has, tier) in has.iter_mut().zip(TIERS) {
            *has |= tier == raw;
        }
        Self { raw, clear: TIERS.map(|tier| raw < tier), has }
    }
}

/// Judges a value; too little evidence is a good reading at every level.
#[must_use]
pub fn judge(policy: &RulePolicy, value: f64, evidence: Option<Evidence>) -> Judgement {
    let has = tiers_of(policy);
    if let RuleKind::Prometheus(level) = policy.kind {
        // A series whose severity fell clears what it was.
        return Judgement { raw: level, clear: TIERS.map(|tier| level < tier), has };
    }
    let enough = evidence
        .is_none_or(|events| policy.min_bad <= events.bad && policy.min_count <= events.total);
    if !enough {
        return Judgement { raw: Level::Ok, clear: [true; 3], has };
    }
    let bounds = &policy.bounds;
    let target = bounds.target.is_none_or(|bound| {
        let eased = policy.clears.target.unwrap_or_else(|| tightened(bound, policy));
        eased.holds(value)
    });
    let moved = |bound: Option<Bound>, clear: Option<Bound>| match (clear, bound) {
        (Some(clear), _) => clear.holds(value),
        (None, Some(bound)) => !eased(bound, policy.hysteresis).holds(value),
        (None, None) => true,
    };
    let clear = [
        target,
        moved(bounds.warn, policy.clears.warn),
        moved(bounds.critical, policy.clears.critical),
    ];
    Judgement { raw: bounds.level(value), clear, has }
}

/// Returns the policy as it is for one label set; none where it is switched off.
#[must_use]
pub fn with_override(policy: &RulePolicy, labels: &Labels) -> Option<RulePolicy> {
    let mut own = policy.clone();
    let Some(change) = policy.overrides.iter().find(|change| change.matchers.matches(labels))
    else {
        return Some(own);
    };
    if !change.enabled {
        return None;
    }
    own.bounds.warn = change.warn.or(own.bounds.warn);
    own.bounds.critical = change.critical.or(own.bounds.critical);
    // A clearing bound of the rule belongs to the bound that it was written for.
    if change.warn.is_some() {
        own.clears.warn = None;
    }
    if change.critical.is_some() {
        own.clears.critical = None;
    }
    Some(own)
}

/// Returns the bound that a level stands for.
#[must_use]
pub fn bound_of(policy: &RulePolicy, level: Level) -> Option<Bound> {
    match level {
        Level::Ok => None,
        Level::Info => policy.bounds.target.map(|bound| Bound {
            comparison: match bound.comparison {
                Comparison::Above => Comparison::AtMost,
                Comparison::AtLeast => Comparison::Below,
                Comparison::Below => Comparison::AtLeast,
                Comparison::AtMost => Comparison::Above,
            },
            ..bound
        }),
        Level::Warning => policy.bounds.warn,
        Level::Critical => policy.bounds.critical,
    }
}

fn tiers_of(policy: &RulePolicy) -> [bool; 3] {
    match policy.kind {
        RuleKind::Prometheus(level) => TIERS.map(|tier| tier == level),
        RuleKind::Own => [
            policy.bounds.target.is_some(),
            policy.bounds.warn.is_some(),
            policy.bounds.critical.is_some(),
        ],
    }
}

/// A bad side's bound, moved towards the good side.
fn eased(bound: Bound, share: f64) -> Bound {
    let by = bound.value.abs() * share;
    let value = match bound.comparison {
        Comparison::Above | Comparison::AtLeast => bound.value - by,
        Comparison::Below | Comparison::AtMost => bound.value + by,
    };
    Bound { value, ..bound }
}

/// A good side's bound, moved further into the good side.
fn tightened(bound: Bound, policy: &RulePolicy) -> Bound {
    let by = bound.value.abs() * policy.hysteresis;
    let value = match bound.comparison {
        Comparison::Above | Comparison::AtLeast => {
            let moved = bound.value + by;
            // No share exceeds 1: there the distance to the perfect value is what is moved by.
            if policy.unit == Unit::Ratio && bound.value <= 1.0 && 1.0 <= moved {
                bound.value + (1.0 - bound.value) * policy.hysteresis
            } else {
                moved
            }
        }
        Comparison::Below | Comparison::AtMost => bound.value - by,
    };
    Bound { value, ..bound }
}
