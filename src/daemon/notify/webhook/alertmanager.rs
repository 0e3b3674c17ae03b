//! Alertmanager's version-4 webhook body, so that receivers written for it work unchanged.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use watchbell_metrics::label::{ALERT_NAME, Labels};
use watchbell_metrics::rule::Level;
use watchbell_paging::view::{AlertView, IncidentState, IncidentView};

use super::Context;

/// Alerts in one body; the others are counted in `truncatedAlerts`.
const ALERTS_MAX: usize = 500;
/// What Go's zero time looks like: an alert that has not ended.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// Returns the body.
pub(super) fn body(receiver: &str, context: &Context<'_>) -> Value {
    let incident = &*context.delivery.message.incident;
    let mut alerts: Vec<Alert> =
        incident.alerts.iter().take(ALERTS_MAX).map(|one| Alert::new(incident, one)).collect();
    if alerts.is_empty() {
        alerts.push(Alert::of_incident(incident));
    }
    let labels: Vec<_> = alerts.iter().map(|alert| &alert.labels).collect();
    let annotations: Vec<_> = alerts.iter().map(|alert| &alert.annotations).collect();
    let common_labels = common(&labels);
    let group_labels: BTreeMap<_, _> = common_labels
        .iter()
        .filter(|(name, _)| context.group_by.contains(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let is_over = incident.state == IncidentState::Resolved;
    json!({
        "version": "4",
        "groupKey": incident.key,
        "truncatedAlerts": incident.alerts.len().saturating_sub(ALERTS_MAX),
        "status": if is_over { "resolved" } else { "firing" },
        "receiver": receiver,
        "groupLabels": group_labels,
        "commonLabels": common_labels,
        "commonAnnotations": common(&annotations),
        "externalURL": context.url,
        "alerts": alerts.iter().map(|alert| alert.json(&context.notice.page)).collect::<Vec<_>>(),
    })
}

struct Alert {
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    starts_at: String,
    ends_at: Option<String>,
    fingerprint: u64,
}

impl Alert {
    fn new(incident: &IncidentView, alert: &AlertView) -> Self {
        let is_over = incident.state == IncidentState::Resolved || alert.level == Level::Ok;
        let severity = if alert.level == Level::Ok {
            incident.severity.as_str()
        } else {
            alert.level.as_str()
        };
        let mut annotations = alert.annotations.clone();
        if let Some(summary) = &alert.summary {
            annotations.entry("summary".to_owned()).or_insert_with(|| summary.clone());
        }
        if let Some(runbook) = &incident.runbook {
            annotations.entry("runbook_url".to_owned()).or_insert_with(|| runbook.clone());
        }
        annotations.entry("value".to_owned()).or_insert_with(|| alert.value_text.clone());
        let begun =
            if is_over { incident.first_bad_at.unwrap_or(incident.fired_at) } else { alert.since };
        let ended = incident.resolved_at.unwrap_or(alert.since);
        Self {
            labels: map(&alert.labels.with("severity", severity)),
            annotations,
            starts_at: begun.to_rfc3339(),
            ends_at: is_over.then(|| ended.to_rfc3339()),
            fingerprint: alert.labels.fingerprint(),
        }
    }

    /// An incident whose alerts have left still has something to say.
    fn of_incident(incident: &IncidentView) -> Self {
        let labels = Labels::from_pairs([
            (ALERT_NAME, incident.title.as_str()),
            ("severity", incident.severity.as_str()),
        ]);
        let is_over = incident.state == IncidentState::Resolved;
        let ended = incident.resolved_at.unwrap_or(incident.fired_at);
        Self {
            fingerprint: labels.fingerprint(),
            labels: map(&labels),
            annotations: BTreeMap::from([("summary".to_owned(), incident.title.clone())]),
            starts_at: incident.fired_at.to_rfc3339(),
            ends_at: is_over.then(|| ended.to_rfc3339()),
        }
    }

    fn json(&self, page: &str) -> Value {
        json!({
            "status": if self.ends_at.is_some() { "resolved" } else { "firing" },
            "labels": self.labels,
            "annotations": self.annotations,
            "startsAt": self.starts_at,
            "endsAt": self.ends_at.as_deref().unwrap_or(NEVER),
            "generatorURL": page,
            "fingerprint": format!("{:016x}", self.fingerprint),
        })
    }
}

fn map(labels: &Labels) -> BTreeMap<String, String> {
    labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Returns the pairs that all maps have.
fn common(maps: &[&BTreeMap<String, String>]) -> BTreeMap<String, String> {
    let Some((first, rest)) = maps.split_first() else {
        return BTreeMap::new();
    };
    first
        .iter()
        .filter(|(name, value)| rest.iter().all(|other| other.get(*name) == Some(value)))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}
