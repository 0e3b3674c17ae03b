//! From levels to incidents: opening, joining, rising, ending, coming back.
//!
//! The key of an incident is fixed by its first route; severity is no part of it.

use std::time::Duration;

use jiff::ToSpan;
use watchbell_metrics::label::{ALERT_NAME, Labels};
use watchbell_metrics::rule::Level;

use crate::alert::{Alert, Event};
use crate::command::Actor;
use crate::engine::work::Work;
use crate::escalation;
use crate::id::{AlertId, IncidentId};
use crate::incident::Incident;
use crate::level::Severity;
use crate::outbox::Reason;
use crate::record::{Fact, Opened, Resolved, Rose};
use crate::route::Route;
use crate::settings::Settings;
use crate::sla;
use crate::time::{Timestamp, instant};
use crate::view::IncidentState;

/// How long after its end an incident comes back as the same one.
pub(super) const REOPEN_WITHIN: Duration = Duration::from_secs(600);
/// How long before its deadline an info is recalled.
const REMIND_BEFORE: Duration = Duration::from_secs(2 * 3600);

impl Work<'_> {
    /// Lets the incidents follow a change of an alert's level.
    pub(super) fn follow(&mut self, id: AlertId) {
        let Some(alert) = self.state.alerts.get(&id) else { return };
        let own = alert.incident.filter(|id| self.state.open.contains(id));
        match (alert.severity(), own) {
            (None, _) => self.end_if_clear(id),
            (Some(severity), Some(incident)) => self.rise_if_worse(incident, id, severity),
            (Some(_), None) if alert.muted => {}
            (Some(severity), None) => self.enter(id, severity),
        }
    }

    /// Ends the incident of an alert, if all its alerts have cleared.
    pub(super) fn end_if_clear(&mut self, alert: AlertId) {
        let incident = self.state.alerts.get(&alert).and_then(|alert| alert.incident);
        let incident = incident.and_then(|id| self.state.incidents.get(&id));
        let Some(incident) = incident.filter(|one| one.is_open() && one.is_clear()) else { return };
        self.end(incident.id, None, None);
    }

    /// Ends an incident; alerts that still fire are muted until they clear.
    pub(super) fn end(&mut self, id: IncidentId, by: Option<Actor>, note: Option<String>) {
        let Some(incident) = self.state.incidents.get(&id) else { return };
        let forced = incident.firing().is_some();
        let cancelled = self.cancelling && by.is_none();
        self.emit(Fact::Resolved(Box::new(Resolved { incident: id, by, note, forced, cancelled })));
        self.drop_waiting(id, "the incident is resolved", |_| true);
        self.tell_all(id, &Reason::Resolved);
        self.calm_exhausted(id);
    }

    fn rise_if_worse(&mut self, id: IncidentId, alert: AlertId, severity: Severity) {
        let (Some(incident), Some(alert)) =
            (self.state.incidents.get(&id), self.state.alerts.get(&alert))
        else {
            return;
        };
        if severity <= incident.peak {
            return;
        }
        let route = choose(self.settings, &alert.routed_labels());
        let Some(route) = route.cloned() else { return };
        let told = !route.post.is_empty() || incident.talks.iter().any(|talk| talk.told);
        let answered = incident.clocks.last().is_some_and(|clock| clock.answered.is_some());
        let promises = &self.settings.promises;
        let deadline = sla::deadline(severity, self.now, promises, &self.settings.calendar);
        let rose = Rose {
            incident: id,
            severity,
            route: route.name.clone(),
            title: title(alert, &self.shown_of(alert.id).summary),
            deadline,
            second_clock: answered,
            chain: escalation::start(&route, severity, self.now, Reason::Rise),
            post_due: told.then_some(self.now),
        };
        self.emit(Fact::Rose(Box::new(rose)));
    }

    /// Finds the incident of an alert that fires: an open one, one that ended lately, a new one.
    fn enter(&mut self, id: AlertId, severity: Severity) {
        let Some(alert) = self.state.alerts.get(&id) else { return };
        let Some(route) = choose(self.settings, &alert.routed_labels()).cloned() else { return };
        let key = key_of(&route, &alert.key.labels);
        let by_key = self.state.by_key.get(&key).copied();
        if let Some(open) = by_key.filter(|id| self.state.open.contains(id)) {
            self.join(open, id, &route);
            self.rise_if_worse(open, id, severity);
            return;
        }
        let lately = |id: &IncidentId| {
            self.state.incidents.get(id).is_some_and(|one| {
                let ended = one.ended.as_ref().filter(|ended| !ended.cancelled);
                // An end that lies ahead was before the clock stepped back: how long ago, who knows.
                ended.is_some_and(|ended| {
                    ended.at <= self.now && self.now.since(ended.at) <= REOPEN_WITHIN
                })
            })
        };
        // The alert's own incident counts even where another route was its first one.
        let back = alert.incident.into_iter().chain(by_key).find(lately);
        // Another one may be open for its key by now; there is only one at a time.
        let key_of_back = back.and_then(|id| self.state.incidents.get(&id)).map(|one| &one.key);
        let twin = key_of_back.and_then(|key| self.state.by_key.get(key)).copied();
        if let Some(open) = twin.filter(|id| self.state.open.contains(id)) {
            self.join(open, id, &route);
            self.rise_if_worse(open, id, severity);
            return;
        }
        match back {
            Some(incident) => self.reopen(incident, id, severity),
            None => self.open(id, severity, &route, key),
        }
    }

    fn open(&mut self, id: AlertId, severity: Severity, route: &Route, key: String) {
        let Some(alert) = self.state.alerts.get(&id) else { return };
        let promises = &self.settings.promises;
        let deadline = sla::deadline(severity, self.now, promises, &self.settings.calendar);
        let owner = self.settings.rules.get(&alert.key.rule).and_then(|rule| rule.owner.clone());
        let label = |name: &str| alert.key.labels.get(name).map(str::to_owned);
        let remind_due = deadline.filter(|_| severity == Severity::Info);
        let remind_due = remind_due.map(|at| at.minus(REMIND_BEFORE));
        let opened = Opened {
            incident: IncidentId(self.state.counts.incidents + 1),
            key,
            alert: id,
            route: route.name.clone(),
            severity,
            title: title(alert, &self.shown_of(id).summary),
            internal: alert.is_internal(),
            service: label("service"),
            team: label("team").or(owner),
            deadline,
            chain: escalation::start(route, severity, self.now, Reason::New),
            post_due: first_post(route, severity, self.now, self.settings),
            remind_due: remind_due.filter(|at| self.now < *at),
        };
        self.emit(Fact::Opened(Box::new(opened)));
    }

    fn join(&mut self, incident: IncidentId, alert: AlertId, route: &Route) {
        let Some(found) = self.state.incidents.get(&incident) else { return };
        // Posts that have not gone out yet name it anyway.
        let told = found.post_due.is_none();
        let last = found.join_told.unwrap_or(found.fired);
        let tell_at = told.then(|| last.plus(route.group_interval).max(self.now));
        self.emit(Fact::Joined { incident, alert, tell_at });
    }

    fn reopen(&mut self, id: IncidentId, alert: AlertId, severity: Severity) {
        let Some(incident) = self.state.incidents.get(&id) else { return };
        let route = crate::engine::chain::route_of(incident, self.settings);
        let ended = incident.ended.clone();
        let chain = match (ended, &incident.chain) {
            (Some(ended), _) if ended.was == IncidentState::Acked && ended.by.is_none() => None,
            // Unanswered: the chain goes on where it stood when the incident ended.
            (Some(ended), Some(chain)) => Some(chain.shifted(self.now.since(ended.at))),
            (_, _) => route.and_then(|route| {
                escalation::start_at_once(route, incident.peak, self.now, Reason::Reopened)
            }),
        };
        self.emit(Fact::Reopened { incident: id, alert, chain });
        self.rise_if_worse(id, alert, severity);
        self.review();
        self.tell_reopened(id);
    }

    /// Tells what happened to an alert besides its level.
    pub(super) fn tell_events(&mut self, alert: AlertId, events: &[Event]) {
        let incident = self.state.alerts.get(&alert).and_then(|alert| alert.incident);
        let Some(id) = incident.filter(|id| self.state.open.contains(id)) else { return };
        for event in events {
            let reason = match event {
                Event::FlappingStarted => Reason::FlappingStarted,
                Event::FlappingEnded => Reason::FlappingEnded,
                Event::NoData => Reason::NoData,
                Event::Changed { .. } | Event::Pending(_) | Event::DataBack => continue,
            };
            self.tell_all(id, &reason);
        }
    }
}

/// Returns the first route that takes these labels; the last one takes what none does.
pub(super) fn choose<'a>(settings: &'a Settings, labels: &Labels) -> Option<&'a Route> {
    let found = settings.routes.iter().find(|route| route.matchers.matches(labels));
    found.or_else(|| settings.routes.last())
}

/// Returns the key of an incident: the route's name and the group labels; missing ones are empty.
pub(super) fn key_of(route: &Route, labels: &Labels) -> String {
    let group: Vec<String> = route
        .group_by
        .iter()
        .map(|name| format!("{name}={:?}", labels.get(name).unwrap_or_default()))
        .collect();
    format!("{}{{{}}}", route.name, group.join(","))
}

/// Returns one line for people.
fn title(alert: &Alert, summary: &Option<String>) -> String {
    if let Some(summary) = summary {
        return summary.clone();
    }
    let rest = alert.key.labels.without(&[ALERT_NAME, "source"]);
    let level = alert.levels.level;
    let level = if level == Level::Ok { String::new() } else { format!(" is {level}") };
    if rest.is_empty() {
        format!("{}{level}", alert.key.rule)
    } else {
        format!("{}{rest}{level}", alert.key.rule)
    }
}

/// Returns when the first posts of a new incident go out.
fn first_post(
    route: &Route,
    severity: Severity,
    now: Timestamp,
    settings: &Settings,
) -> Option<Timestamp> {
    if route.post.is_empty() {
        return None;
    }
    match (severity, route.digest) {
        (Severity::Critical, _) => Some(now),
        (Severity::Info, Some(clock)) => Some(next_clock(clock, now, settings)),
        (Severity::Info | Severity::Warning, _) => Some(now.plus(route.group_wait)),
    }
}

/// Returns the next instant at which clocks in the zone of the settings show `clock`.
fn next_clock(clock: jiff::civil::Time, now: Timestamp, settings: &Settings) -> Timestamp {
    let today = now.to_local(&settings.zone).date();
    let days = [today, today.saturating_add(1.day()), today.saturating_add(2.days())];
    let found = days.map(|date| instant(date.to_datetime(clock), &settings.zone));
    found.into_iter().find(|at| now < *at).unwrap_or(now)
}

/// Tells whether an incident may be told of at all: it has ended, or nothing mutes it.
pub(super) fn may_be_told(incident: &Incident) -> bool {
    !incident.is_open() || !incident.is_muted()
}
