//! Rules as people ask for them: level, bounds in words, what they last said.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Serialize, Serializer};
use watchbell_config::value::Config;
use watchbell_metrics::promql::Expr;
use watchbell_metrics::rule::group::{Group, GroupRule};
use watchbell_metrics::rule::record::Recording;
use watchbell_metrics::rule::{Bound, Level, RuleKind, RuleName, RulePolicy};
use watchbell_paging::time::{Timestamp, format_duration};
use watchbell_paging::view::{RuleAlertView, RuleView, View};

use crate::evaluations::{Evaluation, EvaluationBoard, History, RuleId};
use crate::http::Context;

/// One rule with what it last said.
#[derive(Clone, Debug, Serialize)]
pub(in crate::http) struct Row {
    pub(in crate::http) name: String,
    /// `alerting` or `recording`.
    #[serde(rename = "type")]
    pub(in crate::http) kind: &'static str,
    /// The group of a Prometheus file, and the file.
    pub(in crate::http) group: Option<String>,
    pub(in crate::http) file: Option<String>,
    pub(in crate::http) level: Level,
    /// `ok`, `pending`, `firing`, `no_series`, `no_data`, `error`, or `unknown` before the first
    /// evaluation.
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
    /// Its selectors, where not one of them finds a series.
    pub(in crate::http) without_series: Vec<String>,
    /// The newest evaluations, the newest first.
    pub(in crate::http) evaluations: Vec<Evaluated>,
}

/// One evaluation.
#[derive(Clone, Debug, Serialize)]
pub(in crate::http) struct Evaluated {
    /// The time that was evaluated.
    #[serde(serialize_with = "rfc3339")]
    pub(in crate::http) at: Timestamp,
    pub(in crate::http) duration_seconds: f64,
    /// Samples that were read.
    pub(in crate::http) samples: usize,
    /// Series that it gave.
    pub(in crate::http) series: usize,
    pub(in crate::http) error: Option<String>,
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
    Json(rows(&live.config, &context.desk.view(), &context.evaluations))
}

/// Joins the configured rules with the picture, in the order of the files; rules of the picture
/// that no file has (drills) follow while they have alerts, then the recording rules.
pub(in crate::http) fn rows(config: &Config, view: &View, board: &EvaluationBoard) -> Vec<Row> {
    let mut seen: HashMap<&RuleName, &RuleView> =
        view.rules.iter().map(|rule| (&rule.rule, rule)).collect();
    let history = |name: &RuleName| board.of(&RuleId::Alert(name.clone()));
    let mut rows: Vec<Row> = Vec::with_capacity(config.rules.len());
    for rule in &config.rules {
        let policy = &rule.policy;
        let group = rule.imported.as_ref().map(|imported| &*imported.group);
        rows.push(row(policy, group, seen.remove(&policy.name), &history(&policy.name)));
    }
    let is_extra = |rule: &&RuleView| seen.contains_key(&rule.rule);
    for rule in view.rules.iter().filter(is_extra).filter(|rule| !rule.alerts.is_empty()) {
        let own = config.settings.rules.get(&rule.rule).cloned();
        let policy = own.unwrap_or_else(|| Arc::new(RulePolicy::new(rule.rule.as_str())));
        rows.push(row(&policy, None, Some(rule), &history(&rule.rule)));
    }
    for group in &config.groups {
        for (index, rule) in group.rules.iter().enumerate() {
            if let GroupRule::Recording { record, expr, .. } = rule {
                let id = RuleId::Recording(Recording::id_at(group, index));
                rows.push(recording(group, record, expr, &board.of(&id)));
            }
        }
    }
    rows
}

fn row(
    policy: &RulePolicy,
    group: Option<&Group>,
    view: Option<&RuleView>,
    history: &History,
) -> Row {
    let alerts = view.map(|view| view.alerts.clone()).unwrap_or_default();
    let worst = alerts.iter().max_by_key(|alert| (alert.state == "firing", alert.level));
    Row {
        name: policy.name.as_str().to_owned(),
        kind: "alerting",
        group: group.map(|group| group.name.clone()),
        file: group.map(|group| group.file.clone()),
        level: view.map(|view| view.level).unwrap_or_default(),
        state: state(policy, view, history),
        bounds: worded(policy),
        query: policy.query.clone(),
        window: (!policy.window.is_zero()).then(|| format_duration(policy.window)),
        runbook: policy.runbook.clone(),
        owner: policy.owner.clone(),
        value: worst.map(|alert| policy.unit.format(alert.value)),
        readings: view.map_or(0, |view| view.readings),
        evaluated_at: view.and_then(|view| view.evaluated_at).map(Timestamp::to_rfc3339),
        error: view.and_then(|view| view.error.clone()),
        errors_in_row: view.map_or(0, |view| view.errors_in_row),
        without_series: history.unmatched.clone(),
        evaluations: evaluated(history),
        alerts,
    }
}

fn recording(group: &Group, record: &str, expr: &Expr, history: &History) -> Row {
    let newest = history.newest();
    let error = newest.and_then(|newest| newest.error.clone());
    let state = match newest {
        None => "unknown",
        Some(_) if error.is_some() => "error",
        Some(_) if history.is_without_series() => "no_series",
        Some(_) => "ok",
    };
    Row {
        name: record.to_owned(),
        kind: "recording",
        group: Some(group.name.clone()),
        file: Some(group.file.clone()),
        level: Level::Ok,
        state,
        bounds: Worded::default(),
        query: expr.to_string(),
        window: None,
        runbook: None,
        owner: None,
        alerts: Vec::new(),
        value: None,
        readings: newest.map_or(0, |newest| newest.series),
        evaluated_at: newest.map(|newest| Timestamp(newest.at_ms).to_rfc3339()),
        error,
        errors_in_row: history.errors_in_row,
        without_series: history.unmatched.clone(),
        evaluations: evaluated(history),
    }
}

fn evaluated(history: &History) -> Vec<Evaluated> {
    let evaluated = |one: &Evaluation| Evaluated {
        at: Timestamp(one.at_ms),
        duration_seconds: one.duration_seconds,
        samples: one.samples,
        series: one.series,
        error: one.error.clone(),
    };
    history.evaluations.iter().map(evaluated).collect()
}

fn state(policy: &RulePolicy, view: Option<&RuleView>, history: &History) -> &'static str {
    let Some(view) = view.filter(|view| view.evaluated_at.is_some() || !view.alerts.is_empty())
    else {
        return "unknown";
    };
    if view.alerts.iter().any(|alert| alert.state == "firing") {
        return "firing";
    }
    if view.error.is_some() {
        return "error";
    }
    if !view.alerts.is_empty() {
        return "pending";
    }
    match policy.kind {
        _ if history.is_without_series() => "no_series",
        RuleKind::Own if view.readings == 0 => "no_data",
        // A rule of Prometheus that gives nothing is one whose condition does not hold.
        RuleKind::Own | RuleKind::Prometheus(_) => "ok",
    }
}

fn rfc3339<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&at.to_rfc3339())
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
    use serde_json::json;
    use watchbell_metrics::label::Labels;

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
        assert_eq!((&rule["type"], &rule["group"]), (&json!("alerting"), &json!(null)));
        let evaluations = rule["evaluations"].as_array().unwrap();
        assert_eq!(evaluations.len(), 2);
        assert_eq!(evaluations[0]["series"], 2);
        assert_eq!(evaluations[0]["samples"], 80);
        assert_eq!(evaluations[0]["duration_seconds"], 0.0025);
        assert_eq!(evaluations[1]["error"], "many-to-many matching");
    }

    #[test]
    fn a_rule_without_series_is_told_from_one_that_is_quiet() {
        let quiet = |readings| RuleView {
            rule: RuleName::new("r"),
            level: Level::Ok,
            alerts: Vec::new(),
            evaluated_at: Some(Timestamp(0)),
            readings,
            error: None,
            errors_in_row: 0,
        };
        let own = RulePolicy::new("r");
        let kind = RuleKind::Prometheus(Level::Warning);
        let imported = RulePolicy { kind, ..RulePolicy::new("r") };
        let found = History::default();
        let lost = History { unmatched: vec!["x".to_owned()], ..History::default() };
        for (policy, readings, history, expected) in [
            (&own, 1, &found, "ok"),
            (&own, 0, &found, "no_data"),
            (&own, 0, &lost, "no_series"),
            (&imported, 0, &found, "ok"),
            (&imported, 0, &lost, "no_series"),
        ] {
            assert_eq!(state(policy, Some(&quiet(readings)), history), expected);
        }
        assert_eq!(state(&own, None, &lost), "unknown");
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
            rows(&config, &view, &EvaluationBoard::default())
        };
        assert!(shown(quiet).is_empty());
        let row = shown(firing).pop().unwrap();
        assert_eq!(row.bounds.critical.as_deref(), Some("> 85%"));
        assert_eq!(row.value.as_deref(), Some("100%"));
    }
}
