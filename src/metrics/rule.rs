//! Rules: what is asked of the series, the bounds of the answer, and what one evaluation says.
//!
//! The policy half (bounds, holds, hysteresis) is data that the paging crate decides by; nothing
//! here keeps state between evaluations.

mod evaluate;
pub mod group;
mod lower;
pub mod state_series;
pub mod tally;
pub mod record;
pub mod order;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::evaluate::{evaluate, sightings};
use self::group::Imported;
pub use self::lower::{LowerError, Part, lower};
use crate::label::{Labels, Matchers};
use crate::promql::Expr;
use crate::sample::Millis;
use crate::template::Template;
use crate::units;

/// What tells rules of one name apart, in front of words that are never shown.
const VARIANT: char = '\u{1f}';

/// The label that names an alert's level; it is never part of an identity.
const SEVERITY: &str = "severity";

/// The name of a rule, unique in a configuration. What is shown of it is the alert's `alertname`;
/// alerts of Prometheus's files may share that, and are told apart by words that are not shown.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RuleName(Arc<str>);

impl RuleName {
    /// Wraps a name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(Arc::from(name))
    }

    /// Names one of several rules that are shown under the same name.
    #[must_use]
    pub fn variant(name: &str, words: &str) -> Self {
        Self(format!("{name}{VARIANT}{words}").into())
    }

    /// Returns the name as it is shown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.split(VARIANT).next().unwrap_or_default()
    }
}

impl fmt::Display for RuleName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// How bad a reading is; the order is the order of badness.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Every bound is kept.
    #[default]
    Ok,
    /// The target is missed.
    Info,
    /// The warn bound holds.
    Warning,
    /// The critical bound holds.
    Critical,
}

impl Level {
    /// Returns the word used in labels, JSON and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The comparison of a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Comparison {
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `<`
    Below,
    /// `<=`
    AtMost,
}

impl Comparison {
    /// Returns the operator as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Above => ">",
            Self::AtLeast => ">=",
            Self::Below => "<",
            Self::AtMost => "<=",
        }
    }
}

/// A comparison with a number, in the base unit of the rule's value (ratio 0..1, seconds, bytes).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bound {
    /// How the value is compared.
    pub comparison: Comparison,
    /// What it is compared with.
    pub value: f64,
}

impl Bound {
    /// Tells whether `value` fulfils the comparison exactly as written; NaN never does.
    #[must_use]
    pub fn holds(self, value: f64) -> bool {
        match self.comparison {
            Comparison::Above => value > self.value,
            Comparison::AtLeast => value >= self.value,
            Comparison::Below => value < self.value,
            Comparison::AtMost => value <= self.value,
        }
    }
}

/// The three bounds of a rule. `target` says what is good, the other two what is bad.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bounds {
    /// The good side; a value that misses it is info.
    pub target: Option<Bound>,
    /// Warning where it holds.
    pub warn: Option<Bound>,
    /// Critical where it holds.
    pub critical: Option<Bound>,
}

impl Bounds {
    /// Returns the highest level whose bound holds for `value`. NaN is ok at every level.
    #[must_use]
    pub fn level(&self, value: f64) -> Level {
        if value.is_nan() {
            return Level::Ok;
        }
        if self.critical.is_some_and(|bound| bound.holds(value)) {
            return Level::Critical;
        }
        if self.warn.is_some_and(|bound| bound.holds(value)) {
            return Level::Warning;
        }
        if self.target.is_some_and(|bound| !bound.holds(value)) {
            return Level::Info;
        }
        Level::Ok
    }
}

/// The value at which each level ends, where the configuration names one (`warn_clear`, ...).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Clears {
    /// Ends info.
    pub target: Option<Bound>,
    /// Ends warning: the bound describes the good side.
    pub warn: Option<Bound>,
    /// Ends critical: the bound describes the good side.
    pub critical: Option<Bound>,
}

/// How long a bound must hold before its level is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holds {
    /// For info.
    pub info: Duration,
    /// For warning.
    pub warning: Duration,
    /// For critical.
    pub critical: Duration,
}

/// What the absence of data means for an alert.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NoData {
    /// The level stays as it is.
    #[default]
    Keep,
    /// Counts as good.
    Ok,
    /// Counts as a warning.
    Warn,
    /// Counts as critical.
    Critical,
}

/// The unit of a rule's value, for people; it never changes a value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    /// A bare number.
    #[default]
    None,
    /// A ratio 0..1, shown as per cent.
    Ratio,
    /// A relative change per hour, shown as `%/h`.
    RatioPerHour,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// Events per second.
    PerSecond,
    /// A word of the user's own.
    Other(String),
}

impl Unit {
    /// Words a value in this unit: `1.23%`, `450ms`, `2GiB`, `12/s`.
    #[must_use]
    pub fn format(&self, value: f64) -> String {
        match self {
            Self::None => units::number(value),
            Self::Ratio => units::percent(value),
            Self::RatioPerHour => format!("{}/h", units::percent(value)),
            Self::Seconds => units::duration(value),
            Self::Bytes => units::bytes(value),
            Self::PerSecond => format!("{}/s", units::number(value)),
            Self::Other(word) => format!("{} {word}", units::number(value)),
        }
    }
}

/// Bounds for some of a rule's label sets only; the first that matches is used.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyOverride {
    /// Which alerts it is for.
    pub matchers: Matchers,
    /// Replaces `warn` where given.
    pub warn: Option<Bound>,
    /// Replaces `critical` where given.
    pub critical: Option<Bound>,
    /// `false` switches the rule off for these alerts.
    pub enabled: bool,
}

/// Whose meaning a rule has over time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RuleKind {
    /// A `[rule.*]` table of ours.
    #[default]
    Own,
    /// An alert of a Prometheus rule file: every returned series is at the given level.
    Prometheus(Level),
}

/// Everything about a rule that decides over time; the paging crate reads it.
#[derive(Clone, Debug, PartialEq)]
pub struct RulePolicy {
    /// The rule's name.
    pub name: RuleName,
    /// Ours, or Prometheus's meaning.
    pub kind: RuleKind,
    /// target / warn / critical.
    pub bounds: Bounds,
    /// Explicit clearing bounds.
    pub clears: Clears,
    /// Share of a bound by which a value must be better before the level clears; default 0.05.
    pub hysteresis: f64,
    /// `for`, by level; default 0.
    pub holds: Holds,
    /// How long the good side must last; default 2 m.
    pub clear_for: Duration,
    /// Ratio rules: bad events needed in the window before a breach counts; default 3.
    pub min_bad: f64,
    /// Events needed in the window before a breach counts; default 0.
    pub min_count: f64,
    /// What missing data means.
    pub no_data: NoData,
    /// When missing data is told; default 5 m.
    pub no_data_after: Duration,
    /// Prometheus's `keep_firing_for`.
    pub keep_firing_for: Duration,
    /// Rules whose firing mutes the notifications of this one.
    pub needs: Vec<RuleName>,
    /// Bounds for some label sets.
    pub overrides: Vec<PolicyOverride>,
    /// The unit of values, for people.
    pub unit: Unit,
    /// The window, for people; zero for `expr`.
    pub window: Duration,
    /// A link for the person who is paged.
    pub runbook: Option<String>,
    /// Who owns the rule.
    pub owner: Option<String>,
    /// The lowered PromQL, for people.
    pub query: String,
    /// Its incidents are exercises: marked in every message, left out of the report.
    pub drill: bool,
}

impl RulePolicy {
    /// Returns the bounds for an alert's labels: the first override that matches replaces what it
    /// names.
    #[must_use]
    pub fn bounds_for(&self, labels: &Labels) -> Bounds {
        let mut bounds = self.bounds;
        if let Some(own) = self.overrides.iter().find(|one| one.matchers.matches(labels)) {
            bounds.warn = own.warn.or(bounds.warn);
            bounds.critical = own.critical.or(bounds.critical);
        }
        bounds
    }

    /// Returns a policy with every default of the configuration and no bounds.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: RuleName::new(name),
            kind: RuleKind::Own,
            bounds: Bounds::default(),
            clears: Clears::default(),
            hysteresis: 0.05,
            holds: Holds::default(),
            clear_for: Duration::from_secs(120),
            min_bad: 3.0,
            min_count: 0.0,
            no_data: NoData::Keep,
            no_data_after: Duration::from_secs(300),
            keep_firing_for: Duration::ZERO,
            needs: Vec::new(),
            overrides: Vec::new(),
            unit: Unit::None,
            window: Duration::ZERO,
            runbook: None,
            owner: None,
            query: String::new(),
            drill: false,
        }
    }
}

/// The events behind a ratio, over its window.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Bad events.
    pub bad: f64,
    /// All events.
    pub total: f64,
}

/// One value of a rule for one label set at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The alert's labels: `by` or series labels, the rule's own, `alertname`; never `severity`.
    pub labels: Labels,
    /// The value, in the base unit.
    pub value: f64,
    /// The events behind a ratio.
    pub evidence: Option<Evidence>,
    /// The level, where each series says its own: a `severity` that is a template.
    pub level: Option<Level>,
    /// The rendered summary.
    pub summary: Option<String>,
    /// Further rendered annotations, for readings above ok.
    pub annotations: Vec<(String, String)>,
}

/// What one evaluation of one rule said.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleReadings {
    /// Which rule.
    pub rule: RuleName,
    /// The time that was evaluated, UTC milliseconds.
    pub at: Millis,
    /// One reading for each label set, or why there is none.
    pub outcome: Result<Vec<Reading>, String>,
}

/// What a rule asks, as the configuration says it: exactly one of these.
#[derive(Clone, Debug, PartialEq)]
pub enum RuleSource {
    /// Share of events that are bad.
    Ratio {
        /// Selector of the bad events' counter.
        bad: String,
        /// Selector of all events' counter.
        total: String,
    },
    /// Quantile of a classic histogram.
    Quantile {
        /// 0..1
        q: f64,
        /// Selector without `_bucket`.
        of: String,
    },
    /// Events per second.
    Rate(String),
    /// A function over the window of a gauge.
    OverTime {
        /// Which one.
        function: OverTime,
        /// Selector of the gauge.
        of: String,
    },
    /// Relative growth per hour of the floor.
    Growth {
        /// Selector of the gauge.
        of: String,
    },
    /// Time until the linear trend reaches a value.
    Forecast {
        /// Selector of the gauge.
        of: String,
        /// The value.
        reach: f64,
    },
    /// Any PromQL.
    Expr(String),
}

/// The functions of `mean`, `max`, `min` and `sum`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverTime {
    /// `avg_over_time`
    Mean,
    /// `max_over_time`
    Max,
    /// `min_over_time`
    Min,
    /// `sum_over_time`
    Sum,
}

/// A rule before lowering.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleSpec {
    /// What decides over time; `query` and `window` are filled by lowering.
    pub policy: RulePolicy,
    /// What is asked.
    pub source: RuleSource,
    /// The window; `None` = the source's default (5 m, or 6 h for growth and forecast).
    pub window: Option<Duration>,
    /// The labels of an alert's identity; `None` = the source's default.
    pub by: Option<Vec<String>>,
    /// Labels put on every alert; values may be templates.
    pub labels: Vec<(String, String)>,
    /// The summary's template.
    pub summary: Option<String>,
    /// Evaluation interval where no sample triggers it; `None` = the daemon's.
    pub interval: Option<Duration>,
}

/// A rule that can be evaluated.
#[derive(Debug)]
pub struct Rule {
    /// What decides over time.
    pub policy: Arc<RulePolicy>,
    /// The lowered expression.
    pub value: Expr,
    /// The bad and all events behind a ratio.
    pub evidence: Option<(Expr, Expr)>,
    /// Labels put on every alert.
    pub labels: Vec<(String, Template)>,
    /// The summary.
    pub summary: Option<Template>,
    /// What was asked.
    pub spec: RuleSpec,
    /// What only an alert of a Prometheus file has.
    pub imported: Option<Imported>,
}

#[cfg(test)]
mod tests;
