//! Whether two answers say the same.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::side::Answer;

/// Numbers may differ by this share, because sums are taken in another order.
const SHARE_MAX: f64 = 1e-12;
/// And by this much where terms of about one cancel each other.
const REST_MAX: f64 = 1e-14;

/// How a query's answers are compared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Strictness {
    /// The order of the series counts.
    pub(crate) order: bool,
    /// Warnings and infos count.
    pub(crate) notes: bool,
}

/// Compares the answers to a query; says what differs.
pub(crate) fn compare(
    ours: &Answer,
    theirs: &Answer,
    strictness: Strictness,
) -> Result<(), String> {
    if ours.status != theirs.status {
        return Err(differ("status", &ours.text, &theirs.text));
    }
    for key in ["status", "errorType"] {
        if ours.json[key] != theirs.json[key] {
            return Err(differ(key, &ours.text, &theirs.text));
        }
    }
    let (our_data, their_data) = (&ours.json["data"], &theirs.json["data"]);
    if our_data["resultType"] != their_data["resultType"] {
        return Err(differ("resultType", &ours.text, &theirs.text));
    }
    compare_results(&our_data["result"], &their_data["result"], strictness.order)?;
    for key in ["warnings", "infos"] {
        if strictness.notes && notes(&ours.json[key]) != notes(&theirs.json[key]) {
            let (ours, theirs) = (&ours.json[key], &theirs.json[key]);
            return Err(differ(key, &ours.to_string(), &theirs.to_string()));
        }
    }
    Ok(())
}

fn compare_results(ours: &Value, theirs: &Value, order: bool) -> Result<(), String> {
    let (Some(our_series), Some(their_series)) = (series(ours), series(theirs)) else {
        return if same(ours, theirs) {
            Ok(())
        } else {
            Err(differ("result", &ours.to_string(), &theirs.to_string()))
        };
    };
    if our_series.len() != their_series.len() {
        return Err(differ("count of series", &ours.to_string(), &theirs.to_string()));
    }
    if order {
        let labels = |all: &[(String, Value)]| -> Vec<String> {
            all.iter().map(|(labels, _)| labels.clone()).collect()
        };
        if labels(&our_series) != labels(&their_series) {
            return Err(differ("order", &ours.to_string(), &theirs.to_string()));
        }
    }
    let their_series: BTreeMap<String, Value> = their_series.into_iter().collect();
    for (labels, values) in &our_series {
        let Some(their_values) = their_series.get(labels) else {
            return Err(differ("labels", labels, &theirs.to_string()));
        };
        if let Some((ours, theirs)) = unlike(values, their_values) {
            return Err(differ(labels, &ours.to_string(), &theirs.to_string()));
        }
    }
    Ok(())
}

/// Returns labels and values of each series; none where the result has no series.
fn series(result: &Value) -> Option<Vec<(String, Value)>> {
    let pair = |one: &Value| {
        let values = one.get("value").or_else(|| one.get("values"))?.clone();
        Some((one.get("metric")?.to_string(), values))
    };
    result.as_array()?.iter().map(pair).collect()
}

/// Returns the first points that differ, or all where there are not as many.
fn unlike<'v>(ours: &'v Value, theirs: &'v Value) -> Option<(&'v Value, &'v Value)> {
    if same(ours, theirs) {
        return None;
    }
    let points =
        |values: &'v Value| values.as_array().filter(|points| points.iter().all(Value::is_array));
    let pairs = points(ours).zip(points(theirs)).filter(|(one, other)| one.len() == other.len());
    let first = pairs
        .and_then(|(one, other)| one.iter().zip(other).find(|(ours, theirs)| !same(ours, theirs)));
    first.or(Some((ours, theirs)))
}

/// Tells whether two values are the same; numbers, inside strings too, need only be very close.
fn same(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Array(ours), Value::Array(theirs)) => {
            ours.len() == theirs.len()
                && ours.iter().zip(theirs).all(|(one, other)| same(one, other))
        }
        // The very same number must have the very same text.
        (Value::String(ours), Value::String(theirs)) => {
            ours == theirs
                || match (ours.parse::<f64>(), theirs.parse::<f64>()) {
                    (Ok(ours), Ok(theirs)) => {
                        ours.to_bits() != theirs.to_bits() && is_close(ours, theirs)
                    }
                    _ => false,
                }
        }
        _ => ours == theirs,
    }
}

fn is_close(ours: f64, theirs: f64) -> bool {
    (ours - theirs).abs() <= REST_MAX.max(SHARE_MAX * ours.abs().max(theirs.abs()))
}

/// The order of notes is not defined.
fn notes(notes: &Value) -> Vec<String> {
    let lines = notes.as_array().into_iter().flatten().filter_map(Value::as_str);
    let mut lines: Vec<String> = lines.map(str::to_owned).collect();
    lines.sort();
    lines
}

/// Words a difference, both sides cut to what can be read.
pub(crate) fn differ(what: &str, ours: &str, theirs: &str) -> String {
    let cut = |text: &str| text.chars().take(600).collect::<String>();
    format!("{what} differs\n    ours:   {}\n    theirs: {}", cut(ours), cut(theirs))
}
