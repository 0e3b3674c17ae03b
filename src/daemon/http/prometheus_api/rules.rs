//! `rules` and `alerts`: our rules in Prometheus's shape.
//!
//! All rules stand in one group, each once although it may have several bounds: its query is the
//! lowered expression, the bounds are an annotation, and the level is each alert's `severity`.

use std::collections::BTreeMap;

use axum::extract::State;
use serde_json::{Value, json};
use watchbell_metrics::rule::{Holds, Rule, RulePolicy};
use watchbell_paging::time::Timestamp;
use watchbell_paging::view::{RuleAlertView, RuleView, View};

use crate::http::prometheus_api::params::Params;
use crate::http::prometheus_api::write::exponent;
use crate::http::prometheus_api::{Api, Fault, Reply};
use crate::http::watchbell_api::bounds_in_words;

/// The name of the only group.
const GROUP: &str = "watchbell";
/// Go's zero time: never evaluated.
const NEVER: &str = "0001-01-01T00:00:00Z";

pub(super) async fn rules(State(api): State<Api>, params: Params) -> Result<Reply, Fault> {
    let kind = params.get("type").unwrap_or_default();
    if !matches!(kind, "" | "alert" | "record") {
        return Err(Fault::parameter("type", format!("not supported value {kind:?}")));
    }
    let live = api.context.live.load();
    let view = api.context.desk.view();
    let file = live.config.files.first().map(|file| file.display().to_string());
    let file = file.unwrap_or_default();
    let wanted = |name: &str, value: &str| {
        let mut all = params.all(name).peekable();
        all.peek().is_none() || all.any(|one| one == value)
    };
    let group_wanted = kind != "record" && wanted("rule_group[]", GROUP) && wanted("file[]", &file);
    let with_alerts = params.get("exclude_alerts") != Some("true");
    let rules: Vec<Value> = live
        .config
        .rules
        .iter()
        .filter(|rule| group_wanted && wanted("rule_name[]", rule.policy.name.as_str()))
        .map(|rule| describe(rule, view_of(&view, &rule.policy), with_alerts))
        .collect();
    let newest = view.rules.iter().filter_map(|rule| rule.evaluated_at).max();
    let group = json!({
        "name": GROUP,
        "file": file,
        "rules": rules,
        "interval": live.config.daemon.interval.as_secs_f64(),
        "limit": 0,
        "evaluationTime": 0.0,
        "lastEvaluation": when(newest),
    });
    let groups = if rules_in(&group) { vec![group] } else { Vec::new() };
    Ok(Reply::of(&json!({ "groups": groups })))
}

pub(super) async fn alerts(State(api): State<Api>) -> Reply {
    let view = api.context.desk.view();
    let alerts: Vec<Value> = view.rules.iter().flat_map(|rule| &rule.alerts).map(alert).collect();
    Reply::of(&json!({ "alerts": alerts }))
}

fn rules_in(group: &Value) -> bool {
    group["rules"].as_array().is_some_and(|rules| !rules.is_empty())
}

fn view_of<'a>(view: &'a View, policy: &RulePolicy) -> Option<&'a RuleView> {
    view.rules.iter().find(|rule| rule.rule == policy.name)
}

fn describe(rule: &Rule, view: Option<&RuleView>, with_alerts: bool) -> Value {
    let policy = &rule.policy;
    let alerts = view.map_or(&[][..], |view| view.alerts.as_slice());
    let labels: BTreeMap<&str, &str> =
        rule.spec.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut annotations = BTreeMap::new();
    annotations.extend(rule.spec.summary.as_deref().map(|text| ("summary", text.to_owned())));
    annotations.extend(policy.runbook.clone().map(|link| ("runbook_url", link)));
    let bounds = bounds_in_words(policy);
    if !bounds.is_empty() {
        annotations.insert("bounds", bounds);
    }
    let mut described = json!({
        "type": "alerting",
        "name": policy.name.as_str(),
        "query": policy.query,
        "duration": longest(&policy.holds),
        "keepFiringFor": policy.keep_firing_for.as_secs_f64(),
        "labels": labels,
        "annotations": annotations,
        "state": state(alerts),
        "health": health(view),
        "lastError": view.and_then(|view| view.error.as_deref()).unwrap_or_default(),
        "evaluationTime": 0.0,
        "lastEvaluation": when(view.and_then(|view| view.evaluated_at)),
    });
    if with_alerts {
        described["alerts"] = alerts.iter().map(alert).collect();
    }
    described
}

fn alert(alert: &RuleAlertView) -> Value {
    let mut annotations: BTreeMap<&str, &str> =
        alert.annotations.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    annotations.extend(alert.summary.as_deref().map(|summary| ("summary", summary)));
    json!({
        "labels": alert.labels.with("severity", alert.level.as_str()),
        "annotations": annotations,
        "state": alert.state,
        "activeAt": alert.active_at.to_rfc3339(),
        "value": exponent(alert.value),
    })
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

fn health(view: Option<&RuleView>) -> &'static str {
    match view {
        Some(view) if view.error.is_some() => "err",
        Some(view) if view.evaluated_at.is_some() => "ok",
        Some(_) | None => "unknown",
    }
}

/// Prometheus has one `for`; the longest of ours is the one that surely has passed.
fn longest(holds: &Holds) -> f64 {
    holds.info.max(holds.warning).max(holds.critical).as_secs_f64()
}

fn when(at: Option<Timestamp>) -> String {
    at.map_or_else(|| NEVER.to_owned(), Timestamp::to_rfc3339)
}
