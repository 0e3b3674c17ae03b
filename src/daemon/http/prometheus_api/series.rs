//! `series`, `labels`, `label/{name}/values`, `metadata`: what there is to ask for.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use serde_json::{Value, json};
use watchbell_metrics::label::{Labels, Matcher};
use watchbell_metrics::sample::{Source as _, TimeRange};
use watchbell_metrics::series::Store;

use crate::http::prometheus_api::params::Params;
use crate::http::prometheus_api::place::Deadline;
use crate::http::prometheus_api::{Api, Fault, Reply};

/// After so many series it is asked whether time is up.
const LOOK_EVERY: usize = 1000;
/// The most digits that the number of a character has in a spelled name.
const CODE_DIGITS_MAX: usize = 6;

pub(super) async fn series(State(api): State<Api>, params: Params) -> Result<Reply, Fault> {
    let (limit, range) = (params.limit()?, params.range()?);
    let selectors = params.selectors()?;
    if selectors.is_empty() {
        return Err(Fault::bad_data("no match[] parameter provided"));
    }
    api.look_up(move |store, deadline| {
        let mut found = BTreeSet::new();
        visit(store, deadline, &selectors, range, |labels| {
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
    api.look_up(move |store, deadline| {
        let mut found = BTreeSet::new();
        visit(store, deadline, &selectors, range, |labels| {
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
    name: Result<Path<String>, PathRejection>,
    params: Params,
) -> Result<Reply, Fault> {
    let Path(name) = name.map_err(|error| Fault::bad_data(error.body_text()))?;
    let name = unescape(name);
    if name.is_empty() {
        return Err(Fault::bad_data(format!("invalid label name: {name:?}")));
    }
    let (limit, range) = (params.limit()?, params.range()?);
    let selectors = params.selectors()?;
    api.look_up(move |store, deadline| {
        let mut found = BTreeSet::new();
        visit(store, deadline, &selectors, range, |labels| {
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
    // Zero families are zero families here; zero of each are all of each.
    let limit = params.metadata_limit("limit")?.and_then(|limit| usize::try_from(limit).ok());
    let each = params.metadata_limit("limit_per_metric")?;
    let each = each.and_then(|each| usize::try_from(each).ok()).filter(|each| 0 < *each);
    let (limit, each) = (limit.unwrap_or(usize::MAX), each.unwrap_or(usize::MAX));
    let wanted = params.get("metric").map(str::to_owned);
    api.look_up(move |store, _| {
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

/// Shows the labels of every series that some selector chooses; without selectors, of all. Ends
/// early where nobody waits for the answer any more.
fn visit(
    store: &Store,
    deadline: &Deadline,
    selectors: &[Vec<Matcher>],
    range: TimeRange,
    mut see: impl FnMut(&Labels),
) {
    let everything: [Vec<Matcher>; 1] = [Vec::new()];
    let selectors = if selectors.is_empty() { &everything[..] } else { selectors };
    for matchers in selectors {
        for (index, series) in store.select(matchers, range).iter().enumerate() {
            if index % LOOK_EVERY == 0 && deadline.is_over() {
                return;
            }
            see(series.labels());
        }
    }
}

fn some_of(found: BTreeSet<String>, limit: usize) -> Reply {
    let truncated = limit < found.len();
    let some: Vec<Value> = found.into_iter().take(limit).map(Value::from).collect();
    Reply::of_some(&Value::from(some), truncated)
}

/// Undoes the spelling that clients give a name with other characters than letters, digits and
/// `_`: `U__` in front, `__` for `_`, and `_2e_` for the character with that number. What is
/// spelled otherwise is taken as it stands.
fn unescape(name: String) -> String {
    let Some(spelled) = name.strip_prefix("U__") else { return name };
    let mut plain = String::with_capacity(spelled.len());
    let mut rest = spelled;
    while let Some((before, after)) = rest.split_once('_') {
        plain.push_str(before);
        let Some((code, tail)) = after.split_once('_') else { return name };
        if code.is_empty() {
            plain.push('_');
        } else {
            let number = u32::from_str_radix(code, 16).ok().and_then(char::from_u32);
            let Some(character) = number.filter(|_| code.len() <= CODE_DIGITS_MAX) else {
                return name;
            };
            plain.push(character);
        }
        rest = tail;
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelled_label_names_are_read() {
        for (spelled, plain) in [
            ("job", "job"),
            ("U__job", "job"),
            ("U__http_2e_status", "http.status"),
            ("U__a__b", "a_b"),
            ("U___1f600_", "\u{1f600}"),
            ("U__a_b", "U__a_b"),
            ("U__a_zz_", "U__a_zz_"),
            ("U___0000000041_", "U___0000000041_"),
        ] {
            assert_eq!(unescape(spelled.to_owned()), plain);
        }
    }
}
