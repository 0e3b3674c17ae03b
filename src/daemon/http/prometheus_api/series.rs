//! `series`, `labels`, `label/{name}/values`, `metadata`: what there is to ask for.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::{Path, State};
use serde_json::{Value, json};
use watchbell_metrics::label::{Labels, Matcher};
use watchbell_metrics::sample::{Source as _, TimeRange};
use watchbell_metrics::series::Store;

use crate::http::prometheus_api::params::Params;
use crate::http::prometheus_api::{Api, Fault, QUERY_TIME_MAX, Reply};

pub(super) async fn series(State(api): State<Api>, params: Params) -> Result<Reply, Fault> {
    let (limit, range) = (params.limit()?, params.range()?);
    let selectors = params.selectors()?;
    if selectors.is_empty() {
        return Err(Fault::bad_data("no match[] parameter provided"));
    }
    api.run(QUERY_TIME_MAX, move |store| {
        let mut found = BTreeSet::new();
        visit(store, &selectors, range, |labels| {
            found.insert(labels.clone());
        });
        let truncated = limit < found.len();
        let some: Vec<Labels> = found.into_iter().take(limit).collect();
        Reply::of_some(&json!(some), truncated)
    })
    .await
}

pub(super) async fn labels(State(api): State<Api>, params: Params) -> Result<Reply, Fault> {
    let (limit, range) = (params.limit()?, params.range()?);
    let selectors = params.selectors()?;
    api.run(QUERY_TIME_MAX, move |store| {
        let mut found = BTreeSet::new();
        visit(store, &selectors, range, |labels| {
            for (name, _) in labels.iter() {
                if !found.contains(name) {
                    found.insert(name.to_owned());
                }
            }
        });
        some_of(found, limit)
    })
    .await
}

pub(super) async fn values(
    State(api): State<Api>,
    Path(name): Path<String>,
    params: Params,
) -> Result<Reply, Fault> {
    let (limit, range) = (params.limit()?, params.range()?);
    let selectors = params.selectors()?;
    api.run(QUERY_TIME_MAX, move |store| {
        let mut found = BTreeSet::new();
        visit(store, &selectors, range, |labels| {
            if let Some(value) = labels.get(&name)
                && !found.contains(value)
            {
                found.insert(value.to_owned());
            }
        });
        some_of(found, limit)
    })
    .await
}

pub(super) async fn metadata(State(api): State<Api>, params: Params) -> Result<Reply, Fault> {
    let limit = params.limit()?;
    let each = params.get("limit_per_metric").and_then(|text| text.parse().ok());
    let each: usize = each.filter(|each| *each > 0).unwrap_or(usize::MAX);
    let wanted = params.get("metric").map(str::to_owned);
    api.run(QUERY_TIME_MAX, move |store| {
        let mut families: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for (name, kind, help) in store.metadata() {
            if wanted.as_ref().is_some_and(|wanted| *wanted != name) {
                continue;
            }
            let told = families.entry(name).or_default();
            if told.len() < each {
                told.push(json!({ "type": kind, "help": help, "unit": "" }));
            }
        }
        let some: BTreeMap<String, Vec<Value>> = families.into_iter().take(limit).collect();
        Reply::of(&json!(some))
    })
    .await
}

/// Shows the labels of every series that some selector chooses; without selectors, of all.
fn visit(
    store: &Store,
    selectors: &[Vec<Matcher>],
    range: TimeRange,
    mut see: impl FnMut(&Labels),
) {
    let everything: [Vec<Matcher>; 1] = [Vec::new()];
    let selectors = if selectors.is_empty() { &everything[..] } else { selectors };
    for matchers in selectors {
        for series in store.select(matchers, range) {
            see(series.labels());
        }
    }
}

fn some_of(found: BTreeSet<String>, limit: usize) -> Reply {
    let truncated = limit < found.len();
    let some: Vec<Value> = found.into_iter().take(limit).map(Value::from).collect();
    Reply::of_some(&Value::from(some), truncated)
}
