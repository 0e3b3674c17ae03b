//! Rules as people ask for them: level, bounds in words, what they last said.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use watchbell_config::value::Config;
use watchbell_metrics::rule::{Bound, Level, RuleName, RulePolicy};
use watchbell_paging::time::format_duration;
use watchbell_paging::view::{RuleAlertView, RuleView, View};

use crate::http::Context;

/// One rule with what it last said.
#[derive(Clone, Debug, Serialize)]
pub(in crate::http) struct Row {
    pub(in crate::http) name: String,
    pub(in crate::http) level: Level,
    /// `ok`, `pending`, `firing`, `no_data`, `error`, or `unknown` before the first evaluation.
    pub(in crate::http) state: &'static str,
    pub(in crate::http) bounds: Worded,
    pub(in crate::http) query: String,
    pub(in crate::http) window: Option<String>,
    pub(in crate::http) runbook: Option<String>,
    pub(in crate::http) owner: Option<String>,
    /// Alerts above ok, pending ones included.
    pub(in crate::http) alerts: Vec<RuleAlertView>,
    /// The worst value of those, as people read it.
    pub(in crate::http) value: Option<String>,
    /// How many label sets the last evaluation gave.
    pub(in crate::http) readings: usize,
    pub(in crate::http) evaluated_at: Option<String>,
    pub(in crate::http) error: Option<String>,
    pub(in crate::http) errors_in_row: u32,
}

/// Bounds as they are written in a configuration.
#[derive(Clone, Debug, Default, Serialize)]
pub(in crate::http) struct Worded {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) warn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) critical: Option<String>,
}

pub(super) async fn list(State(context): State<Arc<Context>>) -> Json<Vec<Row>> {
    let live = context.live.load();
    Json(rows(&live.config, &context.desk.view()))
}

/// Joins the configured rules with the picture, in the order of the files; rules of the picture
/// that no file has (drills) follow while they have alerts.
pub(in crate::http) fn rows(config: &Config, view: &View) -> Vec<Row> {
    let mut seen: HashMap<&RuleName, &RuleView> =
        view.rules.iter().map(|rule| (&rule.rule, rule)).collect();
    let mut rows: Vec<Row> = Vec::with_capacity(config.rules.len());
    for rule in &config.rules {
        let policy = &rule.policy;
        rows.push(row(policy, seen.remove(&policy.name)));
    }
    let is_extra = |rule: &&RuleView| seen.contains_key(&rule.rule);
    for rule in view.rules.iter().filter(is_extra).filter(|rule| !rule.alerts.is_empty()) {
        let own = config.settings.rules.get(&rule.rule).cloned();
        let policy = own.unwrap_or_else(|| Arc::new(RulePolicy::new(rule.rule.as_str())));
        rows.push(row(&policy, Some(rule)));
    }
    rows
}

fn row(policy: &RulePolicy, view: Option<&RuleView>) -> Row {
    let alerts = view.map(|view| view.alerts.clone()).unwrap_or_default();
    let worst = alerts.iter().max_by_key(|alert| (alert.state == "firing", alert.level));
    Row {
        name: policy.name.as_str().to_owned(),
        level: view.map(|view| view.level).unwrap_or_default(),
        state: state(view),
        bounds: worded(policy),
        query: policy.query.clone(),
        window: (!policy.window.is_zero()).then(|| format_duration(policy.window)),
        runbook: policy.runbook.clone(),
        owner: policy.owner.clone(),
        value: worst.map(|alert| policy.unit.format(alert.value)),
        readings: view.map_or(0, |view| view.readings),
        evaluated_at: view.and_then(|view| view.evaluated_at).map(|at| at.to_rfc3339()),
        error: view.and_then(|view| view.error.clone()),
        errors_in_row: view.map_or(0, |view| view.errors_in_row),
        alerts,
    }
}

fn state(view: Option<&RuleView>) -> &'static str {
    let Some(view) = view.filter(|view| view.evaluated_at.is_some() || !view.alerts.is_empty())
    else {
        return "unknown";
    };
    if view.alerts.iter().any(|alert| alert.state == "firing") {
        "firing"
    } else if view.error.is_some() {
        "error"
    } else if !view.alerts.is_empty() {
        "pending"
    } else if view.readings == 0 {
        "no_data"
    } else {
        "ok"
    }
}

fn worded(policy: &RulePolicy) -> Worded {
    let word = |bound: Option<Bound>| {
        let bound = bound?;
        Some(format!("{} {}", bound.comparison.as_str(), policy.unit.format(bound.value)))
    };
    let bounds = &policy.bounds;
    Worded { target: word(bounds.target), warn: word(bounds.warn), critical: word(bounds.critical) }
}

/// Words all bounds in one line: `target < 0.1%, warn > 0.5%, critical > 1%`.
pub(in crate::http) fn in_words(policy: &RulePolicy) -> String {
    let words = worded(policy);
    let named = [("target", words.target), ("warn", words.warn), ("critical", words.critical)];
    let parts = named.into_iter().filter_map(|(name, bound)| Some(format!("{name} {}", bound?)));
    parts.collect::<Vec<String>>().join(", ")
}

#[cfg(test)]
mod tests {
    use watchbell_metrics::label::Labels;
    use watchbell_paging::time::Timestamp;

    use super::*;
    use crate::http::fixture::{House, config, get_request};

    #[tokio::test]
    async fn rules_have_their_bounds_in_words_and_what_they_last_said() {
        let house = House::new();
        let rules = house.send(get_request("/api/watchbell/v1/rules")).await.json();
        let rule = rules.as_array().unwrap().iter().find(|rule| rule["name"] == "error_rate");
        let rule = rule.unwrap();
        assert_eq!(rule["level"], "critical");
        assert_eq!(rule["state"], "firing");
        assert_eq!(rule["bounds"]["warn"], "> 0.5%");
        assert_eq!(rule["bounds"]["critical"], "> 1%");
        assert_eq!(rule["value"], "4.2%");
        assert_eq!(rule["window"], "5m");
        assert!(rule["query"].as_str().unwrap().contains("increase"));
    }

    #[test]
    fn drills_are_shown_with_their_bounds_and_only_while_they_fire() {
        let mut config = config();
        config.rules.clear();
        crate::drill::add_rules(Arc::make_mut(&mut config.settings));
        let quiet = RuleView {
            rule: RuleName::new(crate::drill::CPU_RULE),
            level: Level::Ok,
            alerts: Vec::new(),
            evaluated_at: None,
            readings: 0,
            error: None,
            errors_in_row: 0,
        };
        let mut firing = quiet.clone();
        firing.alerts.push(RuleAlertView {
            labels: Labels::default(),
            state: "firing",
            level: Level::Critical,
            active_at: Timestamp::from_millis(0),
            first_bad_at: Timestamp::from_millis(0),
            good_since: None,
            value: 1.0,
            summary: None,
            annotations: std::collections::BTreeMap::new(),
        });
        let shown = |rule: RuleView| {
            let view = View { rules: vec![rule], ..View::default() };
            rows(&config, &view)
        };
        assert!(shown(quiet).is_empty());
        let row = shown(firing).pop().unwrap();
        assert_eq!(row.bounds.critical.as_deref(), Some("> 85%"));
        assert_eq!(row.value.as_deref(), Some("100%"));
    }
}
