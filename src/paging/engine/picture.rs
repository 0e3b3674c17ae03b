//! The picture that readers see: built from the state and the newest values, shared where unchanged.

use std::sync::Arc;
use std::time::Duration;

use watchbell_metrics::rule::{Level, RuleName, Unit};

use crate::alert::{Alert, Origin, bound_of, with_override};
use crate::engine::Effect;
use crate::engine::mutes::alert_muted_by;
use crate::engine::work::Work;
use crate::id::{AlertId, IncidentId, PersonId};
use crate::incident::{Incident, Member};
use crate::sla::{PageFact, ReportFact};
use crate::view::{
    AlertView, IncidentView, RuleAlertView, RuleView, SilenceView, TimelineEntry, View,
};

/// Pictures are published at most this often, but always before an answer.
pub(super) const PUBLISH_EVERY: Duration = Duration::from_millis(50);
/// Alerts of one incident that are shown, firing ones first.
pub(super) const ALERTS_SHOWN: usize = 500;

impl Work<'_> {
    /// Publishes the picture if readers would see something new and it is time.
    pub(super) fn publish(&mut self, at_once: bool) {
        let due = self.live.publish_due.is_some();
        if !self.stale && !due && !at_once {
            return;
        }
        let next = self.live.published.map_or(self.now, |last| last.plus(PUBLISH_EVERY));
        if !at_once && self.now < next {
            self.live.publish_due = Some(next);
            return;
        }
        let view = self.picture();
        self.live.published = Some(self.now);
        self.live.publish_due = None;
        self.out.effects.push(Effect::Publish(Arc::new(view)));
    }

    /// Returns the picture of one incident, built anew only where something has changed.
    pub(super) fn picture_of(&mut self, id: IncidentId) -> Option<Arc<IncidentView>> {
        if let Some(view) = self.live.views.get(&id) {
            return Some(Arc::clone(view));
        }
        let incident = self.state.incidents.get(&id)?;
        let view = Arc::new(self.incident_view(incident));
        self.live.views.insert(id, Arc::clone(&view));
        Some(view)
    }

    fn picture(&mut self) -> View {
        let incidents = &self.state.incidents;
        self.live.views.retain(|id, _| incidents.contains_key(id));
        let ids: Vec<IncidentId> = incidents.keys().rev().copied().collect();
        View {
            at: Some(self.now),
            incidents: ids.into_iter().filter_map(|id| self.picture_of(id)).collect(),
            silences: self.silence_views(),
            rules: self.rule_views(),
            overrides: self.state.overrides.clone(),
            in_flight: self.state.intents.len(),
        }
    }

    fn silence_views(&self) -> Vec<SilenceView> {
        let view = |silence: &crate::silence::Silence| SilenceView {
            id: silence.id.clone(),
            matchers: silence.matchers.to_string(),
            from: silence.from,
            until: silence.until,
            reason: silence.reason.clone(),
            by: silence.by.clone(),
        };
        self.state.silences.values().map(view).collect()
    }

    fn rule_views(&self) -> Vec<RuleView> {
        let mut names: Vec<&RuleName> = self.settings.rules.keys().collect();
        let unknown = self.state.alerts.values().filter(|alert| alert.key.origin == Origin::Rule);
        names.extend(unknown.map(|alert| &alert.key.rule));
        names.sort();
        names.dedup();
        names.into_iter().map(|name| self.rule_view(name)).collect()
    }

    fn rule_view(&self, name: &RuleName) -> RuleView {
        let live = self.live.rules.get(name);
        let own = self.state.alerts_of(name).filter(|alert| alert.key.origin == Origin::Rule);
        let alerts: Vec<RuleAlertView> = own.filter_map(|alert| self.rule_alert(alert)).collect();
        let firing = alerts.iter().filter(|alert| alert.state == "firing");
        RuleView {
            rule: name.clone(),
            level: firing.map(|alert| alert.level).max().unwrap_or_default(),
            evaluated_at: live.and_then(|live| live.at),
            readings: live.map_or(0, |live| live.readings),
            error: live.and_then(|live| live.error.clone()),
            errors_in_row: live.map_or(0, |live| live.errors_in_row),
            alerts,
        }
    }

    fn rule_alert(&self, alert: &Alert) -> Option<RuleAlertView> {
        let shown = self.shown_of(alert.id);
        let levels = &alert.levels;
        let (state, level, active_at) = match (levels.level, levels.pending()) {
            (Level::Ok, None) => return None,
            (Level::Ok, Some((level, since))) => ("pending", level, since),
            (level, _) => ("firing", level, levels.since),
        };
        Some(RuleAlertView {
            labels: alert.key.labels.clone(),
            state,
            level,
            value: shown.value.unwrap_or(f64::NAN),
            active_at,
            first_bad_at: levels.first_bad.unwrap_or(active_at),
            good_since: levels.good_since(),
            summary: shown.summary,
            annotations: shown.annotations,
        })
    }

    fn incident_view(&self, incident: &Incident) -> IncidentView {
        let first = incident.alerts.values().next();
        let policy = first.and_then(|member| self.settings.rules.get(&member.key.rule));
        let annotated = first.and_then(|member| member.shown.annotations.get("runbook_url"));
        let runbook = policy.and_then(|policy| policy.runbook.clone());
        IncidentView {
            id: incident.id,
            key: incident.key.clone(),
            state: incident.state,
            severity: incident.severity,
            route: incident.route.clone(),
            title: incident.title.clone(),
            runbook: runbook.or_else(|| annotated.cloned()),
            alerts: self.alert_views(incident),
            first_bad_at: incident.first_bad,
            fired_at: incident.fired,
            notified_at: incident.notified,
            deadline: incident.deadline(),
            acked_at: incident.answer.as_ref().map(|answer| answer.at),
            acked_by: incident.answer.as_ref().map(|answer| answer.by.clone()),
            snoozed_until: incident.snoozed_until,
            resolved_at: incident.ended.as_ref().map(|ended| ended.at),
            sla: incident.outcome(),
            breach_cause: incident.cause,
            breached_at: incident.breached(),
            drill: incident.drill,
            suppressed_by: incident.muted_by.clone(),
            timeline: incident.timeline.iter().map(entry).collect(),
            paged: incident.paged.clone(),
            pages: incident.pages.clone(),
            posted: incident.posted.clone(),
            repeat: incident.repeat,
            fact: report_fact(incident),
        }
    }

    fn alert_views(&self, incident: &Incident) -> Vec<AlertView> {
        let mut members: Vec<(&AlertId, &Member)> = incident.alerts.iter().collect();
        members.sort_by_key(|(id, member)| (std::cmp::Reverse(member.level), **id));
        members.truncate(ALERTS_SHOWN);
        let open = incident.is_open();
        members.into_iter().map(|(id, member)| self.alert_view(*id, member, open)).collect()
    }

    fn alert_view(&self, id: AlertId, member: &Member, open: bool) -> AlertView {
        let policy = self.settings.rules.get(&member.key.rule);
        let own = policy.and_then(|policy| with_override(policy, &member.key.labels));
        let unit = own.as_ref().map_or(Unit::None, |policy| policy.unit.clone());
        let bound = own.as_ref().and_then(|policy| bound_of(policy, member.level));
        // An ended incident shows how it ended.
        let alert = self.state.alerts.get(&id).filter(|_| open);
        let shown = alert.map_or_else(|| member.shown.clone(), |_| self.shown_of(id));
        let muted_by = alert.filter(|_| member.level != Level::Ok).map_or_else(Vec::new, |alert| {
            alert_muted_by(alert, self.state, self.settings, self.now)
        });
        let value = shown.value.unwrap_or(f64::NAN);
        AlertView {
            labels: member.key.labels.with("severity", member.level.as_str()),
            value,
            value_text: shown.value.map_or_else(String::new, |value| unit.format(value)),
            level: member.level,
            since: member.since,
            bound: bound
                .map(|bound| format!("{} {}", bound.comparison.as_str(), unit.format(bound.value))),
            summary: shown.summary,
            annotations: shown.annotations,
            muted_by,
            no_data_since: member.no_data_since,
        }
    }
}

fn entry(line: &crate::incident::Line) -> TimelineEntry {
    TimelineEntry {
        at: line.at,
        kind: line.kind.clone(),
        text: line.text.clone(),
        who: line.who.clone(),
        channel: line.channel.clone(),
    }
}

fn report_fact(incident: &Incident) -> ReportFact {
    let worst = incident.worst_clock();
    let pages = incident.acts.iter().map(|act| PageFact {
        person: act.person.clone(),
        at: act.at,
        delivered: act.delivered,
    });
    ReportFact {
        severity: incident.peak,
        service: incident.service.clone(),
        team: incident.team.clone(),
        first_bad: incident.first_bad,
        fired: incident.fired,
        notified: incident.notified,
        acked: worst.and_then(|(_, clock)| clock.answered),
        acked_by: worst
            .and_then(|(index, _)| incident.answered_by.get(&index))
            .map(|name| PersonId::from(name.as_str())),
        resolved: incident.ended.as_ref().map(|ended| ended.at),
        outcome: incident.outcome(),
        cause: incident.cause,
        pages: pages.collect(),
        drill: incident.drill,
    }
}
