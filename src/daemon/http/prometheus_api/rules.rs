//! `rules` and `alerts`: groups of Prometheus's files as Prometheus shows them, and one more.
//!
//! Our own rules stand in a group of their own, each once although it may have several bounds: its
//! query is the lowered expression, the bounds are an annotation, and the level is each alert's
//! `severity`.

mod describe;
mod select;

use axum::extract::State;
use serde_json::{Value, json};

use self::describe::Shelf;
use self::select::{Asked, Page};
use crate::http::prometheus_api::params::Params;
use crate::http::prometheus_api::{Api, Fault, Reply};

pub(super) async fn rules(State(api): State<Api>, params: Params) -> Result<Reply, Fault> {
    let asked = Asked::read(&params)?;
    let mut page = Page::read(&params)?;
    let live = api.context.live.load();
    let view = api.context.desk.view();
    let shelf = Shelf::new(&live.config, &view, &api.context.evaluations);
    let mut groups = Vec::new();
    for group in shelf.groups() {
        if !page.begins_with(&group) || !asked.wants_group(&group) {
            continue;
        }
        let rules: Vec<Value> = group
            .rules
            .iter()
            .filter(|rule| asked.wants(rule))
            .map(|rule| shelf.rule(rule, asked.with_alerts))
            .collect();
        if rules.is_empty() {
            continue;
        }
        if page.is_full(groups.len(), &group) {
            break;
        }
        groups.push(shelf.group(&group, rules));
    }
    let mut data = json!({ "groups": groups });
    if let Some(token) = page.next()? {
        data["groupNextToken"] = token.into();
    }
    Ok(Reply::of(&data))
}

pub(super) async fn alerts(State(api): State<Api>) -> Reply {
    let live = api.context.live.load();
    let view = api.context.desk.view();
    let shelf = Shelf::new(&live.config, &view, &api.context.evaluations);
    let alerts = view.rules.iter().flat_map(|rule| shelf.alerts_of(rule));
    Reply::of(&json!({ "alerts": alerts.collect::<Vec<Value>>() }))
}

#[cfg(test)]
mod tests;
