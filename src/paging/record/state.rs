//! The durable state: everything that survives a restart, and questions about it.
//!
//! Holds nothing that a record did not put there.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use watchbell_metrics::rule::RuleName;

use crate::alert::{Alert, AlertKey};
use crate::duty::Override;
use crate::id::{AlertId, DeliveryId, IncidentId, ScheduleId, SilenceId};
use crate::incident::Incident;
use crate::outbox::Intent;
use crate::silence::Silence;
use crate::time::Timestamp;

/// Downtimes that are remembered, the newest.
pub(super) const DOWNTIMES_KEPT: usize = 16;
/// Overrides made at run time that are kept for a schedule, the newest.
pub(super) const OVERRIDES_KEPT: usize = 1_000;

/// The durable state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// The last record in it.
    pub seq: u64,
    /// Numbers given so far.
    pub(crate) counts: Counts,
    /// Alerts that are not at rest.
    pub(crate) alerts: BTreeMap<AlertId, Alert>,
    /// Incidents that are open or kept.
    pub(crate) incidents: BTreeMap<IncidentId, Incident>,
    /// Those that are open.
    pub(crate) open: BTreeSet<IncidentId>,
    /// The newest incident of a key.
    pub(crate) by_key: BTreeMap<String, IncidentId>,
    /// Deliveries without a result.
    pub(crate) intents: BTreeMap<DeliveryId, Intent>,
    /// Silences.
    pub(crate) silences: BTreeMap<SilenceId, Silence>,
    /// Overrides made at run time.
    pub(crate) overrides: BTreeMap<ScheduleId, Vec<Override>>,
    /// The newest downtimes, oldest first.
    pub(crate) downtimes: Vec<(Timestamp, Timestamp)>,
    #[serde(skip)]
    index: BTreeMap<RuleName, BTreeMap<AlertKey, AlertId>>,
}

/// Numbers given so far; the next one is one higher.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) alerts: u64,
    pub(crate) incidents: u64,
    pub(crate) deliveries: u64,
    pub(crate) silences: u64,
}

impl State {
    /// Returns an alert by who it is.
    #[must_use]
    pub(crate) fn alert_of(&self, key: &AlertKey) -> Option<AlertId> {
        self.index.get(&key.rule)?.get(key).copied()
    }

    /// Returns the alerts of a rule.
    pub(crate) fn alerts_of(&self, rule: &RuleName) -> impl Iterator<Item = &Alert> {
        let ids = self.index.get(rule).into_iter().flat_map(BTreeMap::values);
        ids.filter_map(|id| self.alerts.get(id))
    }

    /// Tells whether the process was down at an instant.
    #[must_use]
    pub(crate) fn was_down(&self, at: Timestamp) -> bool {
        self.downtimes.iter().any(|(from, to)| *from <= at && at < *to)
    }

    /// Returns the deliveries of an incident.
    pub(crate) fn intents_of(&self, incident: IncidentId) -> impl Iterator<Item = &Intent> {
        let ids = self.incidents.get(&incident).into_iter().flat_map(|found| &found.pending);
        ids.filter_map(|id| self.intents.get(id))
    }

    /// Builds what is not stored.
    pub(crate) fn reindex(&mut self) {
        self.index.clear();
        for alert in self.alerts.values() {
            let own = self.index.entry(alert.key.rule.clone()).or_default();
            own.insert(alert.key.clone(), alert.id);
        }
    }

    pub(super) fn insert_alert(&mut self, alert: Alert) {
        let own = self.index.entry(alert.key.rule.clone()).or_default();
        own.insert(alert.key.clone(), alert.id);
        self.alerts.insert(alert.id, alert);
    }

    pub(super) fn remove_alert(&mut self, id: AlertId) {
        let Some(alert) = self.alerts.remove(&id) else { return };
        if let Some(own) = self.index.get_mut(&alert.key.rule) {
            own.remove(&alert.key);
            if own.is_empty() {
                self.index.remove(&alert.key.rule);
            }
        }
    }
}
