//! Whether a query reaches further back than samples are kept, and what to do about it.

use std::time::Duration;

use watchbell_config::value::Config;
use watchbell_metrics::label::Labels;
use watchbell_metrics::promql::Expr;
use watchbell_metrics::sample::{LOOKBACK_MS, Millis, Source as _, TimeRange};
use watchbell_metrics::series::Store;
use watchbell_metrics::units;

use crate::http::prometheus_api::reading::Selected;

/// Series of one selector that are looked at; one that is not kept is enough.
const SERIES_MAX: usize = 100;

/// Says what a query cannot see of what it asked for; none where everything is kept.
pub(super) fn missing(
    selected: &[Selected],
    store: &Store,
    config: &Config,
    now: Millis,
) -> Option<String> {
    let raw = millis(config.history.raw).max(LOOKBACK_MS);
    for selector in selected {
        let reach = now.saturating_sub(selector.from);
        if reach <= raw {
            continue;
        }
        let range = TimeRange { from: now.saturating_sub(raw), to: now };
        let found = store.select(&selector.matchers, range);
        let unread = found.iter().take(SERIES_MAX).map(|series| series.labels());
        if let Some(labels) = unread.into_iter().find(|labels| !is_read(config, labels)) {
            return Some(format!(
                "no rule reads {labels}: its samples are kept for {} only; \
                 name it in [history] keep for more",
                words(config.history.raw)
            ));
        }
        if !found.is_empty() && millis(config.history.keep) < reach {
            return Some(format!("samples are kept for {} only", words(config.history.keep)));
        }
    }
    None
}

fn is_read(config: &Config, labels: &Labels) -> bool {
    let expressions = config.rules.iter().flat_map(|rule| {
        let evidence = rule.evidence.iter().flat_map(|(bad, total)| [bad, total]);
        evidence.chain([&rule.value])
    });
    config.history.matchers.iter().any(|matchers| matchers.matches(labels))
        || expressions
            .flat_map(Expr::selectors)
            .any(|selector| selector.matchers.iter().all(|matcher| matcher.matches(labels)))
}

fn words(length: Duration) -> String {
    units::duration(length.as_secs_f64())
}

fn millis(length: Duration) -> Millis {
    Millis::try_from(length.as_millis()).unwrap_or(Millis::MAX)
}
