//! `targets`: what is scraped, in Prometheus's shape.

use axum::extract::State;
use axum::http::Uri;
use serde_json::{Value, json};
use watchbell_metrics::label::Labels;
use watchbell_metrics::units;
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
    Ok(Reply::of(&json!({
        "activeTargets": active.map(describe).collect::<Vec<Value>>(),
        "droppedTargets": [],
        "droppedTargetCounts": {},
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
        "scrapeInterval": units::duration(target.interval_seconds),
        "scrapeTimeout": units::duration(target.timeout_seconds),
    })
}

/// What Prometheus knows before relabelling.
fn discovered(target: &TargetStatus) -> Labels {
    let uri = target.url.parse::<Uri>().ok();
    let uri = uri.as_ref();
    let part = |part: Option<&str>| part.unwrap_or_default().to_owned();
    Labels::from_pairs([
        ("job", part(target.labels.get("job"))),
        ("__address__", part(uri.and_then(Uri::authority).map(|host| host.as_str()))),
        ("__scheme__", part(uri.and_then(Uri::scheme_str))),
        ("__metrics_path__", part(uri.map(Uri::path))),
    ])
}
