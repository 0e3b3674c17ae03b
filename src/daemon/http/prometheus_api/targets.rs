//! `targets`: what is scraped, in Prometheus's shape.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::Uri;
use serde_json::{Value, json};
use watchbell_metrics::label::Labels;
use watchbell_paging::time::Timestamp;

use crate::http::prometheus_api::params::Params;
use crate::http::prometheus_api::{Api, Fault, Reply};
use crate::targets::TargetStatus;

/// Go's zero time: not scraped yet.
const NEVER: &str = "0001-01-01T00:00:00Z";

pub(super) async fn targets(State(api): State<Api>, params: Params) -> Result<Reply, Fault> {
    let state = params.get("state").unwrap_or("any").to_ascii_lowercase();
    let pool = params.get("scrapePool");
    let all = api.context.targets.all();
    let active = all.iter().filter(|target| {
        matches!(state.as_str(), "active" | "any") && pool.is_none_or(|pool| target.table == pool)
    });
    // Nothing is dropped before it is scraped, so the counts are zeros.
    let counts: Option<BTreeMap<&str, u64>> = matches!(state.as_str(), "dropped" | "any")
        .then(|| all.iter().map(|target| (target.table.as_str(), 0)).collect());
    Ok(Reply::of(&json!({
        "activeTargets": active.map(describe).collect::<Vec<Value>>(),
        "droppedTargets": [],
        "droppedTargetCounts": counts,
    })))
}

fn describe(target: &TargetStatus) -> Value {
    let last = target.last_scrape_ms.map(|ms| Timestamp::from_millis(ms).to_rfc3339());
    json!({
        "discoveredLabels": discovered(target),
        "labels": target.labels,
        "scrapePool": target.table,
        "scrapeUrl": target.url,
        "globalUrl": target.url,
        "lastError": target.last_error.as_deref().unwrap_or_default(),
        "lastScrape": last.as_deref().unwrap_or(NEVER),
        "lastScrapeDuration": target.duration_seconds,
        "health": target.health,
        "scrapeInterval": duration(target.interval_seconds),
        "scrapeTimeout": duration(target.timeout_seconds),
    })
}

/// What Prometheus knows before relabelling.
fn discovered(target: &TargetStatus) -> Labels {
    let uri = target.url.parse::<Uri>().ok();
    let uri = uri.as_ref();
    let part = |part: Option<&str>| part.unwrap_or_default().to_owned();
    let own = [
        ("__address__", part(uri.and_then(Uri::authority).map(|host| host.as_str()))),
        ("__scheme__", part(uri.and_then(Uri::scheme_str))),
        ("__metrics_path__", part(uri.map(Uri::path))),
        ("__scrape_interval__", duration(target.interval_seconds)),
        ("__scrape_timeout__", duration(target.timeout_seconds)),
    ];
    let given = target.labels.iter().filter(|(name, _)| *name != "instance");
    Labels::from_pairs(given.map(|(name, value)| (name, value.to_owned())).chain(own))
}

/// Writes a length of time as Prometheus does: `1m30s`, in milliseconds at the finest; weeks and
/// years only where they are whole.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast of this kind ends at the bounds"
)]
fn duration(seconds: f64) -> String {
    const UNITS: [(&str, u64, bool); 7] = [
        ("y", 365 * 86_400_000, true),
        ("w", 7 * 86_400_000, true),
        ("d", 86_400_000, false),
        ("h", 3_600_000, false),
        ("m", 60_000, false),
        ("s", 1000, false),
        ("ms", 1, false),
    ];
    let mut rest = (seconds * 1000.0).round() as u64;
    let mut text = String::new();
    for (unit, size, is_whole_only) in UNITS {
        if size <= rest && (!is_whole_only || rest.is_multiple_of(size)) {
            text.push_str(&format!("{}{unit}", rest / size));
            rest %= size;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn lengths_of_time_are_written_as_prometheus_writes_them() {
        for (seconds, expected) in [
            (0.0, "0s"),
            (0.25, "250ms"),
            (1.0, "1s"),
            (90.0, "1m30s"),
            (3600.0, "1h"),
            (604_800.0, "1w"),
            (691_200.0, "8d"),
            (f64::NAN, "0s"),
        ] {
            assert_eq!(duration(seconds), expected);
        }
    }
}
