//! One input at work: what is decided becomes facts, and everything due follows before it ends.
//!
//! `emit` is the only door to the state while the engine lives: it folds the fact in, keeps it as
//! a record, and notes whose timers and pictures have to be made anew.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::command::{Answer, Refusal};
use crate::engine::journal::ALERT;
use crate::engine::live::{Live, needed};
use crate::engine::timers::Key;
use crate::engine::{Effect, Output};
use crate::id::{AlertId, CommandId, DeliveryId, IncidentId, SilenceId};
use crate::record::{Fact, Record, State};
use crate::settings::Settings;
use crate::time::Timestamp;

/// Rounds after which one input has surely led to everything that it can lead to.
const ROUNDS_MAX: usize = 64;

/// The context of one input.
pub(super) struct Work<'a> {
    pub(super) settings: &'a mut Arc<Settings>,
    pub(super) state: &'a mut State,
    pub(super) live: &'a mut Live,
    pub(super) now: Timestamp,
    pub(super) out: &'a mut Output,
    /// Incidents that changed since they were last reviewed.
    pub(super) touched: BTreeSet<IncidentId>,
    /// Incidents that changed at all.
    pub(super) changed: BTreeSet<IncidentId>,
    /// Every open incident has to be reviewed: something that mutes has changed.
    pub(super) review_all: bool,
    pub(super) sends: Vec<DeliveryId>,
    pub(super) replies: Vec<(CommandId, Reply)>,
    /// What clears now clears because its rule vanished.
    pub(super) cancelling: bool,
    /// Readers would see something new.
    pub(super) stale: bool,
}

/// An answer that may still need the picture of an incident.
pub(super) enum Reply {
    Incident(IncidentId),
    Already { incident: IncidentId, first: String, at: Timestamp },
    Silence(SilenceId),
    Done,
    Refused(Refusal),
}

impl<'a> Work<'a> {
    pub(super) fn new(
        settings: &'a mut Arc<Settings>,
        state: &'a mut State,
        live: &'a mut Live,
        now: Timestamp,
        out: &'a mut Output,
    ) -> Self {
        Self {
            settings,
            state,
            live,
            now,
            out,
            touched: BTreeSet::new(),
            changed: BTreeSet::new(),
            review_all: false,
            sends: Vec::new(),
            replies: Vec::new(),
            cancelling: false,
            stale: false,
        }
    }

    /// Makes a fact true.
    pub(super) fn emit(&mut self, fact: Fact) {
        let delivery = fact.delivery();
        let intent = delivery.and_then(|id| self.state.intents.get(&id));
        let incident = fact.incident().or_else(|| intent.map(|intent| intent.incident));
        let alert = match &fact {
            Fact::Alert(moved) => Some(moved.alert),
            Fact::Joined { alert, .. } | Fact::Reopened { alert, .. } => Some(*alert),
            Fact::Opened(opened) => Some(opened.alert),
            Fact::Forgot { .. } => None,
            _ => None,
        };
        let record = Record { seq: self.state.seq + 1, at: self.now, fact };
        self.state.apply(&record);
        let of_alert = alert.and_then(|id| self.state.alerts.get(&id)?.incident);
        for id in incident.into_iter().chain(of_alert) {
            self.touch(id);
        }
        if let Some(id) = delivery {
            self.arm(Key::Intent(id));
        }
        if let Some(id) = alert {
            self.arm(Key::Alert(id));
        }
        match &record.fact {
            Fact::Forgot { alerts } => alerts.iter().for_each(|id| self.forgot(*id)),
            Fact::Silenced { silence, .. } => self.arm(Key::Silence(silence.id.clone())),
            Fact::Unsilenced { id, .. } => self.arm(Key::Silence(id.clone())),
            _ => {}
        }
        self.stale = true;
        self.out.records.push(record);
    }

    /// Notes that an incident has changed.
    pub(super) fn touch(&mut self, id: IncidentId) {
        self.touched.insert(id);
        self.changed.insert(id);
        self.live.views.remove(&id);
        self.arm(Key::Incident(id));
    }

    pub(super) fn arm(&mut self, key: Key) {
        self.live.timers.arm(key, self.state, self.settings, self.now);
    }

    fn forgot(&mut self, id: AlertId) {
        self.live.shown.remove(&id);
        self.arm(Key::Alert(id));
    }

    pub(super) fn started(&mut self, down_since: Option<Timestamp>) {
        self.emit(Fact::Started { down_since });
        self.send_lost();
        self.changed.extend(self.state.open.iter().copied());
        self.rearm();
        self.drop_vanished_rules();
        self.calm_down(ALERT, &[]);
    }

    pub(super) fn clock_stepped(&mut self, by_ms: i64) {
        self.emit(Fact::ClockStepped { by_ms });
        let moved = |at: &mut Timestamp| at.0 = at.0.saturating_add(by_ms);
        self.live.frozen.values_mut().for_each(moved);
        self.live.published = None;
        self.live.unwritten.step_clock(by_ms);
        for rule in self.live.rules.values_mut() {
            rule.known.values_mut().flatten().for_each(moved);
        }
        self.rearm();
    }

    pub(super) fn configured(&mut self, settings: Arc<Settings>) {
        *self.settings = settings;
        self.live.needed = needed(self.settings);
        let rules = &self.settings.rules;
        self.live.rules.retain(|name, _| rules.contains_key(name));
        self.drop_vanished_rules();
        self.rearm();
    }

    /// Makes every timer and picture anew.
    fn rearm(&mut self) {
        self.live.timers.arm_all(self.state, self.settings, self.now);
        self.live.views.clear();
        self.review_all = true;
        self.stale = true;
    }

    /// Lets everything follow that is due, then hands the effects out.
    pub(super) fn finish(mut self) {
        for _ in 0..ROUNDS_MAX {
            let before = self.state.seq;
            self.review();
            self.run_due();
            if self.state.seq == before && self.touched.is_empty() && !self.review_all {
                break;
            }
        }
        self.edit_what_is_stale();
        self.flush();
    }

    /// Orders the effects: sends by urgency, then the picture, then the answers that need it.
    fn flush(&mut self) {
        let mut sends: Vec<_> = std::mem::take(&mut self.sends)
            .into_iter()
            .filter_map(|id| self.delivery(id))
            .collect();
        sends.sort_by_key(|(urgency, _)| *urgency);
        let sends = sends.into_iter().map(|(_, delivery)| Effect::Send(delivery));
        self.out.effects.extend(sends);
        let replies = std::mem::take(&mut self.replies);
        self.publish(!replies.is_empty());
        for (id, reply) in replies {
            let answer = self.answer(reply);
            self.out.effects.push(Effect::Reply(id, answer));
        }
    }

    fn answer(&mut self, reply: Reply) -> Answer {
        match reply {
            Reply::Incident(id) => match self.picture_of(id) {
                Some(view) => Answer::Incident(view),
                None => Answer::Refused(Refusal::UnknownIncident(id)),
            },
            Reply::Already { incident, first, at } => match self.picture_of(incident) {
                Some(view) => Answer::Already { incident: view, first, at },
                None => Answer::Refused(Refusal::UnknownIncident(incident)),
            },
            Reply::Silence(id) => Answer::Silence(id),
            Reply::Done => Answer::Done,
            Reply::Refused(refusal) => Answer::Refused(refusal),
        }
    }
}
