//! Groups of Prometheus rules, as their files say them.
//!
//! Values here are checked: expressions are read, names are usable. What an alert of a group means
//! to paging is said by the `Rule` that it becomes; groups keep what only they know (order, limit,
//! recording rules). Meaning and defaults:
//! <https://prometheus.io/docs/prometheus/latest/configuration/recording_rules/>.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::label::{ALERT_NAME, Labels, METRIC_NAME};
use crate::promql::Expr;
use crate::rule::{
    Holds, Level, Reading, Rule, RuleKind, RuleName, RulePolicy, RuleSource, RuleSpec, SEVERITY,
};
use crate::sample::Millis;
use crate::template::go::{GoScope, GoTemplate, Query};

/// A group: rules that are evaluated one after the other, at the same time.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Unique in its file.
    pub name: String,
    /// The file, as it is shown to people.
    pub file: String,
    /// How often it is evaluated; `None`: as often as the daemon evaluates.
    pub interval: Option<Duration>,
    /// The most series or alerts that one of its rules may give; zero: any number.
    pub limit: usize,
    /// Evaluates that far in the past.
    pub query_offset: Duration,
    /// Put on everything that its rules give, under the rules' own labels; recording rules take
    /// them as they are written.
    pub labels: Vec<(String, GoTemplate)>,
    /// What templates may speak of beside the series.
    pub external: Arc<External>,
    /// In the order of evaluation.
    pub rules: Vec<GroupRule>,
}

/// What a whole server is called, to templates.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct External {
    /// `$externalLabels`
    pub labels: Labels,
    /// `$externalURL`
    pub url: String,
}

/// A rule of a group.
#[derive(Clone, Debug, PartialEq)]
pub enum GroupRule {
    /// Writes its values as a series of their own.
    Recording {
        /// The metric name of the series.
        record: String,
        /// What is computed.
        expr: Expr,
        /// Put on every series, as written.
        labels: Vec<(String, String)>,
    },
    /// Fires for every series that its expression gives.
    Alert {
        /// The alert's name.
        alert: String,
        /// What must give a series.
        expr: Expr,
        /// `for`: how long it must do so before the alert fires.
        holds_for: Duration,
        /// How long the alert goes on after the series is gone.
        keep_firing_for: Duration,
        /// Put on every alert.
        labels: Vec<(String, GoTemplate)>,
        /// What messages say.
        annotations: Vec<(String, GoTemplate)>,
    },
}

/// What an alert of a group has beside what every rule has.
#[derive(Clone, Debug)]
pub struct Imported {
    /// Its group.
    pub group: Arc<Group>,
    /// Put on every alert, those of the group included.
    pub labels: Vec<(String, GoTemplate)>,
    /// What messages say.
    pub annotations: Vec<(String, GoTemplate)>,
}

/// An alert as its rule gives it at one time, in Prometheus's terms.
#[derive(Clone, Debug, PartialEq)]
pub struct Sighting {
    /// Who it is: the labels of the series under those of the rule, `alertname` and `severity`
    /// included.
    pub labels: Labels,
    /// What the expression gave.
    pub value: f64,
    /// The rendered annotations.
    pub annotations: Vec<(String, String)>,
}

/// The annotations that can be the one sentence of an alert, the best first.
const SUMMARIES: [&str; 4] = ["summary", "description", "message", "title"];
/// The annotations that link to what is to be done.
const RUNBOOKS: [&str; 2] = ["runbook_url", "runbook"];

impl Group {
    /// Returns its alerts as rules. Names that are in `taken` are not given again, and those that
    /// are given are put there.
    #[must_use]
    pub fn alerts(self: &Arc<Self>, taken: &mut BTreeSet<RuleName>) -> Vec<Rule> {
        let mut rules = Vec::new();
        for rule in &self.rules {
            let GroupRule::Alert { alert, expr, holds_for, keep_firing_for, labels, annotations } =
                rule
            else {
                continue;
            };
            let labels = self.labels_over(labels);
            let imported =
                Imported { group: Arc::clone(self), labels, annotations: annotations.clone() };
            let level = imported.level();
            let mut policy = RulePolicy {
                name: imported.name(alert, taken),
                kind: RuleKind::Prometheus(level),
                hysteresis: 0.0,
                holds: if imported.has_own_severities() {
                    Holds { info: *holds_for, warning: *holds_for, critical: *holds_for }
                } else {
                    holds(level, *holds_for)
                },
                clear_for: Duration::ZERO,
                keep_firing_for: *keep_firing_for,
                query: expr.to_string(),
                ..RulePolicy::new(alert)
            };
            policy.runbook = imported.first_of(&RUNBOOKS).filter(|link| !link.contains("{{"));
            taken.insert(policy.name.clone());
            rules.push(imported.into_rule(policy, expr));
        }
        rules
    }

    /// Lays a rule's labels over those of the group.
    fn labels_over(&self, own: &[(String, GoTemplate)]) -> Vec<(String, GoTemplate)> {
        let is_own = |name: &str| own.iter().any(|(one, _)| one == name);
        let under = self.labels.iter().filter(|(name, _)| !is_own(name));
        under.chain(own).cloned().collect()
    }
}

impl Imported {
    /// Reads a series that the expression gave, as Prometheus does: templates see the labels of
    /// the series, the alert's labels replace them.
    #[must_use]
    pub fn sighting(
        &self,
        alert: &str,
        found: &Labels,
        value: f64,
        at: Millis,
        query: &Query<'_>,
    ) -> Sighting {
        let scope = GoScope {
            labels: found,
            value,
            external_labels: &self.group.external.labels,
            external_url: &self.group.external.url,
            query,
            now_ms: at,
        };
        let render = |(name, template): &(String, GoTemplate)| {
            (name.clone(), template.expand(alert, &scope))
        };
        let series = found.iter().map(|(name, text)| (name.to_owned(), text.to_owned()));
        let whole = series
            .chain(self.labels.iter().map(render))
            .filter(|(name, _)| name != METRIC_NAME)
            .chain([(ALERT_NAME.to_owned(), alert.to_owned())]);
        let labels = Labels::from_pairs(whole);
        Sighting { labels, value, annotations: self.annotations.iter().map(render).collect() }
    }

    /// The level that its `severity` stands for; where each series has its own, that of none.
    fn level(&self) -> Level {
        severity_level(self.severity())
    }

    /// Returns its `severity` as written.
    fn severity(&self) -> Option<&str> {
        self.labels.iter().find(|(name, _)| name == SEVERITY).map(|(_, text)| text.source())
    }

    /// Tells whether each series says its own severity, because the label is a template.
    #[must_use]
    pub fn has_own_severities(&self) -> bool {
        self.severity().is_some_and(|text| text.contains("{{"))
    }

    /// Names the rule by what tells an alert from others to Prometheus: its group and its labels.
    fn name(&self, alert: &str, taken: &BTreeSet<RuleName>) -> RuleName {
        let mut labels: Vec<String> =
            self.labels.iter().map(|(name, text)| format!("{name}={:?}", text.source())).collect();
        labels.sort();
        let words = format!("{}{{{}}}", self.group.name, labels.join(","));
        let plain = RuleName::variant(alert, &words);
        if !taken.contains(&plain) {
            return plain;
        }
        let numbered =
            (2_u32..).map(|number| RuleName::variant(alert, &format!("{words}#{number}")));
        numbered.into_iter().find(|name| !taken.contains(name)).unwrap_or(plain)
    }

    fn first_of(&self, names: &[&str]) -> Option<String> {
        let text = |name: &&str| self.annotations.iter().find(|(one, _)| one == name);
        names.iter().find_map(text).map(|(_, template)| template.source().to_owned())
    }

    fn into_rule(self, policy: RulePolicy, expr: &Expr) -> Rule {
        let texts = |templates: &[(String, GoTemplate)]| -> Vec<(String, String)> {
            let text = |(name, template): &(String, GoTemplate)| {
                (name.clone(), template.source().to_owned())
            };
            templates.iter().map(text).collect()
        };
        let spec = RuleSpec {
            policy: policy.clone(),
            source: RuleSource::Expr(policy.query.clone()),
            window: None,
            by: None,
            labels: texts(&self.labels),
            summary: self.first_of(&SUMMARIES),
            interval: self.group.interval,
        };
        Rule {
            policy: Arc::new(policy),
            value: expr.clone(),
            evidence: None,
            labels: Vec::new(),
            summary: None,
            spec,
            imported: Some(self),
        }
    }
}

/// Returns the level that a `severity` stands for.
pub(super) fn severity_level(severity: Option<&str>) -> Level {
    match severity {
        Some("critical" | "page") => Level::Critical,
        Some("info") => Level::Info,
        Some(_) | None => Level::Warning,
    }
}

fn holds(level: Level, holds_for: Duration) -> Holds {
    let mut holds = Holds::default();
    match level {
        Level::Ok => {}
        Level::Info => holds.info = holds_for,
        Level::Warning => holds.warning = holds_for,
        Level::Critical => holds.critical = holds_for,
    }
    holds
}

impl Sighting {
    /// Returns what paging is told: the severity is the rule's level, and no part of an identity.
    #[must_use]
    pub fn into_reading(self) -> Reading {
        let Self { labels, value, mut annotations } = self;
        let summary = SUMMARIES.iter().find_map(|name| {
            annotations.iter().find(|(one, _)| one == name).map(|(_, text)| text.clone())
        });
        // A reading has its summary beside the others.
        annotations.retain(|(name, _)| name != SUMMARIES[0]);
        let labels = labels.without(&[SEVERITY]);
        Reading { labels, value, evidence: None, level: None, summary, annotations }
    }
}

impl GroupRule {
    /// Returns the name of the series or of the alert.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Recording { record, .. } => record,
            Self::Alert { alert, .. } => alert,
        }
    }

    /// Returns the expression.
    #[must_use]
    pub fn expr(&self) -> &Expr {
        match self {
            Self::Recording { expr, .. } | Self::Alert { expr, .. } => expr,
        }
    }

    /// Returns the labels as they are written.
    #[must_use]
    pub fn label_texts(&self) -> Vec<(&str, &str)> {
        match self {
            Self::Recording { labels, .. } => {
                labels.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect()
            }
            Self::Alert { labels, .. } => {
                labels.iter().map(|(name, text)| (name.as_str(), text.source())).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests;
