//! Who mutes an incident: silences, needed rules, its own critical, a forced resolve, a calendar.
//!
//! Muting stops notifications and nothing else. When it ends, people are told then.

use std::collections::BTreeSet;

use watchbell_metrics::rule::Level;

use crate::alert::{Alert, AlertKey, Origin};
use crate::engine::chain::route_of;
use crate::engine::work::Work;
use crate::escalation;
use crate::id::IncidentId;
use crate::incident::Incident;
use crate::level::Severity;
use crate::outbox::Reason;
use crate::record::Fact;
use crate::record::State;
use crate::settings::Settings;
use crate::time::Timestamp;
use crate::view::IncidentState;

impl Work<'_> {
    /// Looks anew at who mutes the incidents for which that may have changed.
    pub(super) fn review(&mut self) {
        let touched = std::mem::take(&mut self.touched);
        let all = std::mem::take(&mut self.review_all);
        let open: Vec<IncidentId> = if all {
            self.state.open.iter().copied().collect()
        } else {
            touched.into_iter().filter(|id| self.state.open.contains(id)).collect()
        };
        for id in open {
            self.review_one(id);
        }
    }

    pub(super) fn review_one(&mut self, id: IncidentId) {
        let Some(incident) = self.state.incidents.get(&id) else { return };
        let by = muted_by(incident, self.state, self.settings, self.now);
        if by == incident.muted_by {
            return;
        }
        let ends = by.is_empty();
        let (chain, post_due) = if ends {
            self.afterwards(incident)
        } else {
            (incident.chain.clone(), incident.post_due)
        };
        let begins = !incident.is_muted();
        self.emit(Fact::Muted { incident: id, by, chain, post_due });
        if begins {
            self.drop_waiting(id, "notifications are muted", |_| true);
        }
    }

    /// What happens when the muting of an incident ends.
    fn afterwards(&self, incident: &Incident) -> (Option<escalation::Chain>, Option<Timestamp>) {
        let Some(route) = route_of(incident, self.settings) else { return (None, None) };
        let triggered = incident.state == IncidentState::Triggered;
        let never_told = incident.notified.is_none();
        let post_due = (never_told && !route.post.is_empty()).then_some(self.now);
        let chain = match (&incident.chain, incident.muted_since) {
            (chain, _) if !triggered => chain.clone(),
            // A chain that began while it was mute has waited since then only.
            (Some(chain), Some(since)) if !never_told => {
                Some(chain.shifted(self.now.since(since.max(chain.origin))))
            }
            (Some(_) | None, _) => escalation::start(route, incident.peak, self.now, Reason::New),
        };
        (chain, post_due.or(incident.post_due))
    }
}

/// Returns why notifications of an incident are muted, sorted; nothing where people are told.
fn muted_by(
    incident: &Incident,
    state: &State,
    settings: &Settings,
    now: Timestamp,
) -> Vec<String> {
    let members = incident.alerts.iter().filter(|(_, member)| member.level != Level::Ok);
    let mut firing = members.filter_map(|(id, _)| state.alerts.get(id)).peekable();
    if firing.peek().is_none() {
        // Between two flaps nothing fires, and nothing changes.
        return incident.muted_by.clone();
    }
    let mut reasons: BTreeSet<String> = BTreeSet::new();
    for alert in firing {
        let own = alert_muted_by(alert, state, settings, now);
        if own.is_empty() {
            // One alert that may speak speaks for all.
            reasons.clear();
            break;
        }
        reasons.extend(own);
    }
    if reasons.is_empty() && incident.severity < Severity::Critical {
        let route = route_of(incident, settings);
        for name in route.iter().flat_map(|route| &route.mute) {
            if settings.calendars.get(name).is_some_and(|calendar| calendar.is_working(now)) {
                reasons.insert(format!("calendar {name}"));
            }
        }
    }
    reasons.into_iter().collect()
}

/// Returns why notifications of an alert are muted.
pub(super) fn alert_muted_by(
    alert: &Alert,
    state: &State,
    settings: &Settings,
    now: Timestamp,
) -> Vec<String> {
    let mut reasons = Vec::new();
    if alert.muted {
        reasons.push("resolved by hand until it clears".to_owned());
    }
    let labels = alert.routed_labels();
    for silence in state.silences.values().filter(|silence| silence.mutes(&labels, now)) {
        reasons.push(format!("silence {} by {}: {}", silence.id, silence.by, silence.reason));
    }
    let needs = settings.rules.get(&alert.key.rule).map_or(&[][..], |rule| &rule.needs);
    for need in needs.iter().filter(|need| **need != alert.key.rule) {
        if state.alerts_of(need).any(|other| Level::Warning <= other.levels.level) {
            reasons.push(format!("needs {need}, which fires"));
        }
    }
    let twin = |origin| AlertKey { origin, ..alert.key.clone() };
    let twins = [Origin::Rule, Origin::Posted(Severity::Critical)].map(twin);
    let mut twins = twins.iter().filter_map(|key| state.alerts.get(&state.alert_of(key)?));
    if alert.levels.level < Level::Critical
        && twins.any(|twin| twin.levels.level == Level::Critical)
    {
        reasons.push("its own critical fires".to_owned());
    }
    reasons
}
