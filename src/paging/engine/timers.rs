//! Timers: when each thing of the state wants attention next. Derived from the state, never stored.
//!
//! A key is armed anew whenever what it stands for changes, so the earliest entry is exact.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use watchbell_metrics::rule::Level;

use crate::alert::{Alert, FLAP_WINDOW};
use crate::engine::Reason;
use crate::engine::chain::{next_channel, route_of};
use crate::engine::work::Work;
use crate::id::{AlertId, DeliveryId, IncidentId, SilenceId};
use crate::incident::Incident;
use crate::level::Severity;
use crate::outbox::{Intent, QUIET_TRIED_FOR, Status};
use crate::record::{Fact, State};
use crate::settings::Settings;
use crate::time::Timestamp;
use crate::view::IncidentState;

/// What has a timer, in the order of one instant: what mutes or ends goes ahead of what pages, and
/// a page ahead of a retry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Silence(SilenceId),
    Alert(AlertId),
    Incident(IncidentId),
    Intent(DeliveryId),
}

/// All timers.
#[derive(Debug, Default)]
pub(super) struct Timers {
    due: BTreeMap<Key, (Timestamp, Reason)>,
    queue: BTreeSet<(Timestamp, Key)>,
}

impl Timers {
    pub(super) fn next(&self) -> Option<(Timestamp, Reason)> {
        self.queue.first().and_then(|(_, key)| self.due.get(key)).copied()
    }

    pub(super) fn arm(&mut self, key: Key, state: &State, settings: &Settings, now: Timestamp) {
        let due = due_of(&key, state, settings, now);
        if let Some((at, _)) = self.due.remove(&key) {
            self.queue.remove(&(at, key.clone()));
        }
        if let Some((at, reason)) = due {
            self.queue.insert((at, key.clone()));
            self.due.insert(key, (at, reason));
        }
    }

    pub(super) fn arm_all(&mut self, state: &State, settings: &Settings, now: Timestamp) {
        *self = Self::default();
        let incidents = state.open.iter().copied().map(Key::Incident);
        let intents = state.intents.keys().copied().map(Key::Intent);
        let alerts = state.alerts.keys().copied().map(Key::Alert);
        let silences = state.silences.keys().cloned().map(Key::Silence);
        for key in incidents.chain(intents).chain(alerts).chain(silences) {
            self.arm(key, state, settings, now);
        }
    }

    fn take_due(&mut self, now: Timestamp) -> Vec<Key> {
        let mut keys = Vec::new();
        while self.queue.first().is_some_and(|(at, _)| *at <= now) {
            let Some((_, key)) = self.queue.pop_first() else { break };
            self.due.remove(&key);
            keys.push(key);
        }
        keys.sort();
        keys
    }
}

impl Work<'_> {
    /// Does everything that is due.
    pub(super) fn run_due(&mut self) {
        let mut forgotten = Vec::new();
        let due = self.live.timers.take_due(self.now);
        let first_told = due.partition_point(|key| *key < Key::Incident(IncidentId(0)));
        for (index, key) in due.into_iter().enumerate() {
            if index == first_told {
                self.review();
            }
            match &key {
                Key::Silence(_) => self.review_all = true,
                Key::Alert(id) => forgotten.extend(self.advance_alert(*id)),
                Key::Incident(id) => self.advance(*id),
                Key::Intent(id) => self.advance_delivery(*id),
            }
            self.arm(key);
        }
        if !forgotten.is_empty() {
            self.emit(Fact::Forgot { alerts: forgotten });
        }
    }
}

fn due_of(
    key: &Key,
    state: &State,
    settings: &Settings,
    now: Timestamp,
) -> Option<(Timestamp, Reason)> {
    let reason = |reason| move |at| (at, reason);
    match key {
        Key::Incident(id) => {
            let incident = state.incidents.get(id)?;
            due_of_incident(incident, settings, now)
        }
        Key::Intent(id) => {
            let intent = state.intents.get(id)?;
            let incident = state.incidents.get(&intent.incident)?;
            due_of_intent(intent, incident, settings).map(reason(Reason::Delivery))
        }
        Key::Alert(id) => due_of_alert(state.alerts.get(id)?),
        Key::Silence(id) => state.silences.get(id)?.next_change(now).map(reason(Reason::Expiry)),
    }
}

fn due_of_incident(
    incident: &Incident,
    settings: &Settings,
    now: Timestamp,
) -> Option<(Timestamp, Reason)> {
    if !incident.is_open() {
        return None;
    }
    let mut all: Vec<(Timestamp, Reason)> = Vec::new();
    let mut add = |at: Option<Timestamp>, reason| all.extend(at.map(|at| (at, reason)));
    add(incident.answer_ends, Reason::Expiry);
    if !incident.is_muted() {
        add(breaks_at(incident), Reason::Promise);
        add(incident.remind_due, Reason::Promise);
        add(incident.post_due, Reason::Group);
        add(incident.join_due, Reason::Group);
        if incident.state == IncidentState::Triggered {
            add(incident.chain.as_ref().and_then(|chain| chain.due), Reason::Escalation);
            let later = incident.acts.iter().flat_map(|act| &act.later);
            add(later.map(|(_, due)| *due).min(), Reason::Escalation);
        }
    }
    if incident.severity < Severity::Critical {
        let route = route_of(incident, settings);
        let calendars = route.iter().flat_map(|route| &route.mute);
        let calendars = calendars.filter_map(|name| settings.calendars.get(name));
        add(calendars.filter_map(|one| one.next_change(now)).min(), Reason::Expiry);
    }
    all.into_iter().min_by_key(|(at, _)| *at)
}

/// The first instant at which a promise is broken: an answer at the deadline keeps it.
pub(super) fn breaks_at(incident: &Incident) -> Option<Timestamp> {
    incident.next_breach().map(|(_, deadline)| deadline.plus(Duration::from_millis(1)))
}

fn due_of_intent(intent: &Intent, incident: &Incident, settings: &Settings) -> Option<Timestamp> {
    let act = intent.act.and_then(|number| incident.act(number));
    let unreached = act.filter(|act| act.delivered.is_none());
    let spill = unreached
        .filter(|act| next_channel(act, settings).is_some())
        .and_then(|_| intent.spill_due());
    let stale = match intent.status {
        Status::Waiting(_) if intent.is_quiet() => Some(intent.at.plus(QUIET_TRIED_FOR)),
        Status::Waiting(_) | Status::InFlight => None,
    };
    [intent.retry_due(), spill, stale].into_iter().flatten().min()
}

fn due_of_alert(alert: &Alert) -> Option<(Timestamp, Reason)> {
    let levels = &alert.levels;
    let rests = levels.level == Level::Ok && levels.pending().is_none() && !levels.flapping;
    let forgotten = rests.then(|| (alert.touched.plus(FLAP_WINDOW), Reason::Expiry));
    let ends = alert.ends_at.filter(|_| levels.level != Level::Ok);
    let ends = ends.map(|at| (at, Reason::Expiry));
    let steady = levels.flapping_ends().map(|at| (at, Reason::Level));
    [forgotten, ends, steady].into_iter().flatten().min_by_key(|(at, _)| *at)
}
