//! Groups, rules and alerts in Prometheus's words.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::{Value, json};
use watchbell_config::value::Config;
use watchbell_metrics::label::Labels;
use watchbell_metrics::rule::group::{Group, GroupRule, Imported};
use watchbell_metrics::rule::record::Recording;
use watchbell_metrics::rule::{Holds, Rule, RuleName, RulePolicy, state_series};
use watchbell_paging::time::Timestamp;
use watchbell_paging::view::{RuleAlertView, RuleView, View};

use crate::evaluations::{EvaluationBoard, History, RuleId};
use crate::http::prometheus_api::write::exponent;
use crate::http::watchbell_api::bounds_in_words;

/// The name of the group of our own rules.
const OWN_GROUP: &str = "watchbell";
/// Go's zero time: never evaluated.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// What rules and alerts are described from.
pub(super) struct Shelf<'a> {
    config: &'a Config,
    views: HashMap<&'a RuleName, &'a RuleView>,
    rules: HashMap<&'a RuleName, &'a Arc<Rule>>,
    board: &'a EvaluationBoard,
}

/// A group and its rules in order.
pub(super) struct Listed<'a> {
    pub(super) name: &'a str,
    pub(super) file: String,
    interval: f64,
    limit: usize,
    pub(super) rules: Vec<Entry<'a>>,
}

/// One rule of a group.
pub(super) enum Entry<'a> {
    Alert(&'a Rule),
    Recording(&'a Group, usize, &'a GroupRule),
}

impl Entry<'_> {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Alert(rule) => rule.policy.name.as_str(),
            Self::Recording(_, _, rule) => rule.name(),
        }
    }

    /// Returns the labels as they are written, those of the group included.
    pub(super) fn labels(&self) -> Labels {
        match self {
            Self::Alert(Rule { imported: Some(imported), .. }) => {
                let labels = imported.labels.iter();
                Labels::from_pairs(labels.map(|(name, text)| (name.as_str(), text.source())))
            }
            Self::Alert(rule) => Labels::from_pairs(rule.spec.labels.iter().cloned()),
            Self::Recording(group, _, rule) => {
                let under = group.labels.iter().map(|(name, text)| (name.as_str(), text.source()));
                Labels::from_pairs(under.chain(rule.label_texts()))
            }
        }
    }

    fn id(&self) -> RuleId {
        match self {
            Self::Alert(rule) => RuleId::Alert(rule.policy.name.clone()),
            Self::Recording(group, index, _) => RuleId::Recording(Recording::id_at(group, *index)),
        }
    }
}

impl<'a> Shelf<'a> {
    pub(super) fn new(config: &'a Config, view: &'a View, board: &'a EvaluationBoard) -> Self {
        Self {
            config,
            views: view.rules.iter().map(|rule| (&rule.rule, rule)).collect(),
            rules: config.rules.iter().map(|rule| (&rule.policy.name, rule)).collect(),
            board,
        }
    }

    /// Returns every group: that of our own rules, then those of the files by file and name.
    pub(super) fn groups(&self) -> Vec<Listed<'a>> {
        let mut alerts: HashMap<*const Group, Vec<&'a Rule>> = HashMap::new();
        let mut own = Vec::new();
        for rule in &self.config.rules {
            match &rule.imported {
                Some(imported) => {
                    alerts.entry(Arc::as_ptr(&imported.group)).or_default().push(rule);
                }
                None => own.push(Entry::Alert(rule)),
            }
        }
        let default = self.config.daemon.interval;
        let listed = |group: &'a Arc<Group>| {
            let mut alerts = alerts.remove(&Arc::as_ptr(group)).unwrap_or_default().into_iter();
            let entry = |(index, rule): (usize, &'a GroupRule)| match rule {
                GroupRule::Alert { .. } => alerts.next().map(Entry::Alert),
                GroupRule::Recording { .. } => Some(Entry::Recording(group, index, rule)),
            };
            Listed {
                name: &group.name,
                file: group.file.clone(),
                interval: group.interval.unwrap_or(default).as_secs_f64(),
                limit: group.limit,
                rules: group.rules.iter().enumerate().filter_map(entry).collect(),
            }
        };
        let mut groups: Vec<Listed<'a>> = self.config.groups.iter().map(listed).collect();
        groups.sort_by(|left, right| (&left.file, left.name).cmp(&(&right.file, right.name)));
        let file = self.config.files.first().map(|file| file.display().to_string());
        let own = Listed {
            name: OWN_GROUP,
            file: file.unwrap_or_default(),
            interval: default.as_secs_f64(),
            limit: 0,
            rules: own,
        };
        groups.insert(0, own);
        groups
    }

    /// Describes a group; its evaluation took as long as those of its rules together.
    pub(super) fn group(&self, group: &Listed<'_>, rules: Vec<Value>) -> Value {
        let histories: Vec<History> =
            group.rules.iter().map(|rule| self.board.newest_of(&rule.id())).collect();
        let newest = histories.iter().filter_map(History::newest);
        let last = newest.clone().map(|one| one.at_ms).max();
        json!({
            "name": group.name,
            "file": group.file,
            "rules": rules,
            "interval": number(group.interval),
            "limit": group.limit,
            "evaluationTime": number(newest.map(|one| one.duration_seconds).sum::<f64>()),
            "lastEvaluation": when(last),
        })
    }

    pub(super) fn rule(&self, entry: &Entry<'_>, with_alerts: bool) -> Value {
        let history = self.board.newest_of(&entry.id());
        let mut described = match entry {
            Entry::Alert(rule) => self.alerting(rule, &entry.labels(), with_alerts),
            Entry::Recording(_, _, rule) => {
                let mut described = json!({
                    "type": "recording",
                    "name": rule.name(),
                    "query": rule.expr().to_string(),
                });
                let labels = entry.labels();
                if !labels.is_empty() {
                    described["labels"] = json!(labels);
                }
                described
            }
        };
        let error = match entry {
            Entry::Alert(rule) => self.view_of(rule).and_then(|view| view.error.clone()),
            Entry::Recording(..) => None,
        };
        let newest = history.newest();
        let error = error.or_else(|| newest.and_then(|one| one.error.clone()));
        described["health"] = json!(match (&error, newest) {
            (Some(_), _) => "err",
            (None, Some(_)) => "ok",
            (None, None) => "unknown",
        });
        if let Some(error) = error {
            described["lastError"] = error.into();
        }
        described["evaluationTime"] = number(newest.map_or(0.0, |one| one.duration_seconds));
        described["lastEvaluation"] = when(newest.map(|one| one.at_ms)).into();
        described
    }

    pub(super) fn alerts_of(&self, view: &RuleView) -> Vec<Value> {
        let rule = self.rules.get(&view.rule).map(|rule| &***rule);
        view.alerts.iter().map(|one| alert(rule, one)).collect()
    }

    fn alerting(&self, rule: &Rule, labels: &Labels, with_alerts: bool) -> Value {
        let policy = &rule.policy;
        let view = self.view_of(rule);
        let alerts = view.map_or(&[][..], |view| view.alerts.as_slice());
        json!({
            "type": "alerting",
            "name": policy.name.as_str(),
            "query": policy.query,
            "duration": number(longest(&policy.holds)),
            "keepFiringFor": number(policy.keep_firing_for.as_secs_f64()),
            "labels": labels,
            "annotations": annotations(rule),
            "state": state(alerts),
            "alerts": with_alerts.then(|| view.map_or_else(Vec::new, |view| self.alerts_of(view))),
        })
    }

    fn view_of(&self, rule: &Rule) -> Option<&'a RuleView> {
        self.views.get(&rule.policy.name).copied()
    }
}

/// The annotations as they are written; those of our own rules say what the rule says elsewhere.
fn annotations(rule: &Rule) -> BTreeMap<&str, String> {
    if let Some(imported) = &rule.imported {
        let written = imported.annotations.iter();
        return written.map(|(name, text)| (name.as_str(), text.source().to_owned())).collect();
    }
    let mut annotations = BTreeMap::new();
    annotations.extend(rule.spec.summary.as_deref().map(|text| ("summary", text.to_owned())));
    annotations.extend(runbook(&rule.policy));
    let bounds = bounds_in_words(&rule.policy);
    if !bounds.is_empty() {
        annotations.insert("bounds", bounds);
    }
    annotations
}

fn runbook(policy: &RulePolicy) -> Option<(&'static str, String)> {
    policy.runbook.clone().map(|link| ("runbook_url", link))
}

/// Describes one alert; `rule` is none for one that the configuration lacks, such as a drill.
fn alert(rule: Option<&Rule>, alert: &RuleAlertView) -> Value {
    let imported = rule.and_then(|rule| rule.imported.as_ref());
    let severity = match rule {
        Some(rule) => state_series::severity_text(rule, alert.level),
        None => Some(alert.level.as_str().into()),
    };
    let mut annotations: BTreeMap<&str, &str> =
        alert.annotations.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    if has_summary(imported) {
        annotations.extend(alert.summary.as_deref().map(|summary| ("summary", summary)));
    }
    let mut described = json!({
        "labels": alert.labels.with("severity", severity.as_deref().unwrap_or_default()),
        "annotations": annotations,
        "state": alert.state,
        "activeAt": alert.first_bad_at.to_rfc3339(),
        "value": exponent(alert.value),
    });
    if let Some(since) = alert.good_since.filter(|_| imported.is_some()) {
        described["keepFiringSince"] = since.to_rfc3339().into();
    }
    described
}

/// A Prometheus alert without a summary has another annotation in its place, which is there twice.
fn has_summary(imported: Option<&Imported>) -> bool {
    imported.is_none_or(|one| one.annotations.iter().any(|(name, _)| name == "summary"))
}

fn state(alerts: &[RuleAlertView]) -> &'static str {
    if alerts.iter().any(|alert| alert.state == "firing") {
        "firing"
    } else if alerts.is_empty() {
        "inactive"
    } else {
        "pending"
    }
}

/// Prometheus has one `for`; the longest of ours is the one that surely has passed.
fn longest(holds: &Holds) -> f64 {
    holds.info.max(holds.warning).max(holds.critical).as_secs_f64()
}

/// Writes a number as Go does: a whole one without a fraction.
#[allow(clippy::cast_possible_truncation, reason = "checked to be whole and small")]
fn number(value: f64) -> Value {
    let is_whole = value.fract() == 0.0 && value.abs() < f64::from(u32::MAX);
    if is_whole { json!(value as i64) } else { json!(value) }
}

fn when(at_ms: Option<i64>) -> String {
    at_ms.map_or_else(|| NEVER.to_owned(), |at| Timestamp(at).to_rfc3339())
}
