//! The fold: what a record makes of the state. Total: a record about something unknown changes
//! nothing, so that an old journal can always be read.

use std::collections::{BTreeMap, BTreeSet};

use watchbell_metrics::rule::Level;

use crate::alert::{Alert, Event};
use crate::escalation::Chain;
use crate::id::{AlertId, IncidentId};
use crate::incident::{Ended, Incident, Line, MEMBERS_KEPT, Member, RESOLVED_KEPT, Tally};
use crate::outbox::Status;
use crate::record::incident::{answer, signed, spoken};
use crate::record::state::{DOWNTIMES_KEPT, OVERRIDES_KEPT};
use crate::record::{AlertFact, Fact, Opened, Record, Resolved, State};
use crate::silence::{ENDED_SHOWN_MS, SILENCES_MAX};
use crate::sla::Clock;
use crate::time::{Timestamp, format_duration};
use crate::view::IncidentState;

impl State {
    /// Takes one record in.
    pub fn apply(&mut self, record: &Record) {
        let at = record.at;
        match &record.fact {
            Fact::Started { down_since } => self.started(*down_since, at),
            Fact::ClockStepped { by_ms } => self.clock_stepped(*by_ms, at),
            Fact::JournalResumed { .. } => {}
            Fact::Checkpoint(state) => {
                *self = (**state).clone();
                self.reindex();
            }
            Fact::Alert(fact) => self.alert_moved(fact, at),
            Fact::Forgot { alerts } => alerts.iter().for_each(|id| self.remove_alert(*id)),
            Fact::Opened(opened) => self.opened(opened, at),
            Fact::Resolved(resolved) => self.resolved(resolved, at),
            Fact::Reopened { incident, alert, chain } => {
                self.reopened(*incident, *alert, chain.as_ref(), at);
            }
            Fact::Joined { incident, alert, tell_at } => {
                self.joined(*incident, *alert, *tell_at, at);
            }
            Fact::Intended(_)
            | Fact::Attempted { .. }
            | Fact::Retried { .. }
            | Fact::Delivered { .. }
            | Fact::Failed { .. }
            | Fact::Dropped { .. } => self.apply_delivery(record),
            Fact::Silenced { .. } | Fact::Unsilenced { .. } | Fact::Overridden { .. } => {
                self.apply_plan(record);
            }
            fact => {
                self.spilled(fact);
                let incident = fact.incident().and_then(|id| self.incidents.get_mut(&id));
                if let Some(incident) = incident {
                    incident.apply(fact, at);
                }
            }
        }
        self.seq = record.seq;
    }

    fn started(&mut self, down_since: Option<Timestamp>, at: Timestamp) {
        for intent in self.intents.values_mut() {
            if intent.status == Status::InFlight {
                intent.may_be_repeat = true;
                intent.attempt += 1;
                if let Some(incident) = self.incidents.get_mut(&intent.incident) {
                    incident.repeat = true;
                }
            }
        }
        let Some(since) = down_since else { return };
        let down = at.since(since);
        for alert in self.alerts.values_mut() {
            alert.levels.shift(down);
            alert.ends_at = alert.ends_at.map(|ends| ends.plus(down));
        }
        self.downtimes.push((since, at));
        let surplus = self.downtimes.len().saturating_sub(DOWNTIMES_KEPT);
        self.downtimes.drain(..surplus);
    }

    fn clock_stepped(&mut self, by_ms: i64, at: Timestamp) {
        let moved = |at: &mut Timestamp| at.0 = at.0.saturating_add(by_ms);
        for alert in self.alerts.values_mut() {
            alert.levels.step_clock(by_ms);
            alert.ends_at.iter_mut().for_each(moved);
            moved(&mut alert.touched);
        }
        for id in &self.open {
            if let Some(incident) = self.incidents.get_mut(id) {
                incident.step_clock(by_ms);
            }
        }
        for intent in self.intents.values_mut() {
            moved(&mut intent.at);
            if let Status::Waiting(until) = &mut intent.status {
                moved(until);
            }
        }
        // A silence in force lasts as long as was asked; one that waits is meant by the calendar.
        let before = Timestamp(at.0.saturating_sub(by_ms));
        for silence in self.silences.values_mut().filter(|silence| silence.is_active(before)) {
            moved(&mut silence.from);
            moved(&mut silence.until);
        }
    }

    fn alert_moved(&mut self, fact: &AlertFact, at: Timestamp) {
        if let Some(key) = &fact.key {
            self.counts.alerts = self.counts.alerts.max(fact.alert.0);
            self.insert_alert(Alert {
                id: fact.alert,
                key: key.clone(),
                levels: fact.levels.clone(),
                shown: fact.shown.clone(),
                drill: fact.drill,
                by_hand: fact.by_hand,
                muted: false,
                ends_at: fact.ends_at,
                incident: None,
                touched: at,
            });
        }
        let Some(alert) = self.alerts.get_mut(&fact.alert) else { return };
        alert.levels = fact.levels.clone();
        alert.shown = fact.shown.clone();
        alert.by_hand = fact.by_hand;
        alert.drill = fact.drill;
        alert.ends_at = fact.ends_at;
        alert.muted &= fact.levels.level != Level::Ok;
        alert.touched = at;
        let incident = alert.incident.and_then(|id| self.incidents.get_mut(&id));
        let Some(incident) = incident.filter(|incident| incident.is_open()) else { return };
        incident.put(alert.id, member(alert));
        for event in &fact.events {
            incident.write(event_line(alert, *event, fact.why.as_deref(), at));
            incident.face += 1;
        }
        incident.severity = incident.firing().unwrap_or(incident.peak);
    }

    fn opened(&mut self, opened: &Opened, at: Timestamp) {
        self.counts.incidents = self.counts.incidents.max(opened.incident.0);
        let Some(alert) = self.alerts.get_mut(&opened.alert) else { return };
        alert.incident = Some(opened.incident);
        let mut incident = Incident {
            id: opened.incident,
            key: opened.key.clone(),
            route: opened.route.clone(),
            state: IncidentState::Triggered,
            severity: opened.severity,
            peak: opened.severity,
            title: opened.title.clone(),
            drill: alert.drill,
            internal: opened.internal,
            service: opened.service.clone(),
            team: opened.team.clone(),
            alerts: BTreeMap::new(),
            tally: Tally::default(),
            first_bad: alert.levels.first_bad,
            fired: at,
            planned: None,
            notified: None,
            clocks: vec![Clock::start(at, opened.deadline)],
            answered_by: BTreeMap::new(),
            cause: None,
            answer: None,
            answer_ends: None,
            snoozed_until: None,
            ended: None,
            muted_by: Vec::new(),
            muted_since: None,
            suppressed: false,
            chain: opened.chain.clone(),
            post_due: opened.post_due,
            join_due: None,
            join_told: None,
            remind_due: opened.remind_due,
            acts: Vec::new(),
            act_count: 0,
            pending: BTreeSet::new(),
            talks: Vec::new(),
            paged: Vec::new(),
            pages: BTreeMap::new(),
            posted: Vec::new(),
            repeat: false,
            no_one_on_call: false,
            exhausted: false,
            face: 1,
            timeline: Vec::new(),
        };
        incident.put(alert.id, member(alert));
        if let Some(first_bad) = incident.first_bad {
            incident.write(Line::new(
                first_bad,
                "first_bad",
                format!("{} went bad", incident.title),
            ));
        }
        let text = format!("{} fired by route {}: {}", opened.severity, opened.route, opened.title);
        incident.write(Line::new(at, "fired", text));
        self.by_key.insert(opened.key.clone(), opened.incident);
        self.open.insert(opened.incident);
        self.incidents.insert(opened.incident, incident);
    }

    fn joined(
        &mut self,
        id: IncidentId,
        alert: AlertId,
        tell_at: Option<Timestamp>,
        at: Timestamp,
    ) {
        let Some(alert) = self.alerts.get_mut(&alert) else { return };
        let Some(incident) = self.incidents.get_mut(&id) else { return };
        alert.incident = Some(id);
        incident.put(alert.id, member(alert));
        incident.drill &= alert.drill;
        incident.severity = incident.firing().unwrap_or(incident.peak);
        incident.join_due = incident.join_due.or(tell_at);
        incident.face += 1;
        let text = format!("{} joined at {}", alert.key.labels, alert.levels.level);
        incident.write(Line::new(at, "joined", text));
    }

    fn resolved(&mut self, resolved: &Resolved, at: Timestamp) {
        let Some(incident) = self.incidents.get_mut(&resolved.incident) else { return };
        if resolved.forced {
            let firing = incident.alerts.iter().filter(|(_, member)| member.level != Level::Ok);
            for (id, _) in firing {
                if let Some(alert) = self.alerts.get_mut(id) {
                    alert.muted = true;
                }
            }
        }
        let by = resolved.by.as_ref();
        if let Some(by) = by.filter(|by| !by.program) {
            answer(incident, &by.name, at);
        }
        let who = by.map(|by| by.name.clone());
        let was = incident.state;
        incident.ended = Some(Ended { at, by: who, cancelled: resolved.cancelled, was });
        incident.state = IncidentState::Resolved;
        incident.severity = incident.peak;
        incident.chain = incident.chain.take().filter(|_| was == IncidentState::Triggered);
        incident.snoozed_until = None;
        incident.join_due = None;
        incident.acts.iter_mut().for_each(|act| act.later.clear());
        incident.face += 1;
        let text = match (by, resolved.cancelled) {
            (Some(by), _) => spoken(&format!("resolved by {}", by.name), resolved.note.as_deref()),
            (None, true) => "ended: its rule was removed".to_owned(),
            (None, false) => "all alerts have cleared".to_owned(),
        };
        incident.write(signed(Line::new(at, "resolved", text), by));
        if MEMBERS_KEPT < incident.alerts.len() {
            let kept = std::mem::take(&mut incident.alerts).into_iter().take(MEMBERS_KEPT);
            incident.tally = Tally::default();
            kept.for_each(|(id, member)| incident.put(id, member));
        }
        self.open.remove(&resolved.incident);
        self.prune();
    }

    fn reopened(&mut self, id: IncidentId, alert: AlertId, chain: Option<&Chain>, at: Timestamp) {
        let Some(alert) = self.alerts.get_mut(&alert) else { return };
        let Some(incident) = self.incidents.get_mut(&id) else { return };
        let Some(ended) = incident.ended.take() else { return };
        let closed = at.since(ended.at);
        alert.incident = Some(id);
        incident.put(alert.id, member(alert));
        incident.severity = incident.firing().unwrap_or(incident.peak);
        for clock in incident.clocks.iter_mut().filter(|clock| clock.answered.is_none()) {
            if clock.breached.is_none() {
                clock.deadline = clock.deadline.map(|deadline| deadline.plus(closed));
            }
        }
        // A person who ended it by hand is asked again; an answer given before still counts.
        let kept = ended.by.is_none() && ended.was == IncidentState::Acked;
        incident.state = if kept { IncidentState::Acked } else { IncidentState::Triggered };
        incident.answer_ends = incident.answer_ends.filter(|_| kept).map(|ends| ends.plus(closed));
        incident.chain = chain.cloned();
        incident.face += 1;
        let text = format!("came back {} after its end", format_duration(closed));
        incident.write(Line::new(at, "reopened", text));
        self.open.insert(id);
        self.by_key.insert(incident.key.clone(), id);
    }

    /// Drops the oldest resolved incidents beyond the bound.
    fn prune(&mut self) {
        while RESOLVED_KEPT < self.incidents.len() - self.open.len() {
            let oldest = self.incidents.keys().find(|id| !self.open.contains(id)).copied();
            let Some(gone) = oldest.and_then(|id| self.incidents.remove(&id)) else { return };
            if self.by_key.get(&gone.key) == Some(&gone.id) {
                self.by_key.remove(&gone.key);
            }
        }
    }

    /// Remembers that the next channel of a person was asked to help.
    fn spilled(&mut self, fact: &Fact) {
        let Fact::ChannelAdded { instead_of: Some(delivery), .. } = fact else { return };
        if let Some(intent) = self.intents.get_mut(delivery) {
            intent.spilled = true;
        }
    }

    fn apply_plan(&mut self, record: &Record) {
        match &record.fact {
            Fact::Silenced { silence, .. } => {
                self.counts.silences += 1;
                let old = record.at.0.saturating_sub(ENDED_SHOWN_MS);
                self.silences.retain(|_, silence| old < silence.until.0);
                if self.silences.len() < SILENCES_MAX {
                    self.silences.insert(silence.id.clone(), silence.clone());
                }
            }
            Fact::Unsilenced { id, .. } => {
                if let Some(silence) = self.silences.get_mut(id) {
                    silence.until = record.at.min(silence.until);
                    silence.from = silence.from.min(silence.until);
                }
            }
            Fact::Overridden { schedule, change, .. } => {
                let own = self.overrides.entry(schedule.clone()).or_default();
                own.push(change.clone());
                let surplus = own.len().saturating_sub(OVERRIDES_KEPT);
                own.drain(..surplus);
            }
            _ => {}
        }
    }
}

fn member(alert: &Alert) -> Member {
    Member {
        key: alert.key.clone(),
        level: alert.levels.level,
        since: alert.levels.since,
        shown: alert.shown.clone(),
        no_data_since: alert.levels.no_data_since,
        flapping: alert.levels.flapping,
    }
}

fn event_line(alert: &Alert, event: Event, why: Option<&str>, at: Timestamp) -> Line {
    let who = &alert.key.labels;
    let value = alert.shown.value.map_or_else(String::new, |value| format!(", value {value}"));
    let (kind, text) = match event {
        Event::Changed { from, to: Level::Ok } => {
            ("cleared", format!("{who}: {from} to ok{value}"))
        }
        Event::Changed { from, to } => ("level", format!("{who}: {from} to {to}{value}")),
        Event::Pending(level) => ("pending", format!("{who}: {level} is pending{value}")),
        Event::FlappingStarted => ("flapping", format!("{who}: its level changes too often")),
        Event::FlappingEnded => ("flapping_ended", format!("{who}: its level is steady again")),
        Event::NoData => ("no_data", format!("{who}: no data")),
        Event::DataBack => ("data_back", format!("{who}: data is back")),
    };
    Line::new(at, kind, spoken(&text, why))
}
