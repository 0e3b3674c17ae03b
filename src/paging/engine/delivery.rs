//! Deliveries under way: outcomes, retries, standing in, giving up, and what a channel is handed.

use std::sync::Arc;

use crate::engine::chain::{chain_due, has_stage_left, next_channel, next_people};
use crate::engine::timers::{Key, breaks_at};
use crate::engine::work::Work;
use crate::id::{DeliveryId, IncidentId, PersonId};
use crate::incident::Incident;
use crate::level::Severity;
use crate::outbox::{
    Anchor, Delivery, Intent, Message, Next, Outcome, Purpose, Reason, Status, wait_after,
};
use crate::record::Fact;
use crate::view::IncidentState;

/// The order of sends within a turn: a new critical page goes ahead of everything, edits come last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Urgency {
    CriticalPage,
    Page,
    Post,
    Notice,
    Edit,
}

impl Work<'_> {
    /// Takes the result of an attempt in.
    pub(super) fn attempted(&mut self, id: DeliveryId, outcome: Outcome) {
        let Some(intent) = self.state.intents.get(&id).cloned() else { return };
        match outcome {
            Outcome::Accepted { anchor } => self.accepted(&intent, anchor),
            Outcome::Retry { after, why } => {
                if let Some(reason) = self.not_wanted(&intent) {
                    self.emit(Fact::Dropped { delivery: id, why: reason.to_owned() });
                    return;
                }
                let until = self.now.plus(wait_after(id, intent.attempt, after));
                if after.is_some() {
                    self.live.frozen.retain(|_, until| self.now < *until);
                    self.live.frozen.insert(intent.address.clone(), until);
                }
                self.emit(Fact::Retried { delivery: id, why, until });
            }
            Outcome::Failed { why } => self.failed(&intent, why),
        }
    }

    fn accepted(&mut self, intent: &Intent, anchor: Option<Anchor>) {
        self.emit(Fact::Delivered { delivery: intent.id, anchor });
        self.arm_pending(intent.incident);
        let Some(incident) = self.state.incidents.get(&intent.incident) else { return };
        let loud = intent.is_page() || intent.purpose == Purpose::Post;
        if loud && !incident.is_open() {
            self.tell_late(intent.incident, &intent.address, &Reason::Resolved);
        }
    }

    fn failed(&mut self, intent: &Intent, why: String) {
        self.emit(Fact::Failed { delivery: intent.id, why });
        let Some(act) = intent.act.filter(|_| self.not_wanted(intent).is_none()) else { return };
        if self.stand_in(intent, act) {
            return;
        }
        let Some(incident) = self.state.incidents.get(&intent.incident) else { return };
        let hope = incident.acts.iter().any(|act| act.delivered.is_some() || !act.later.is_empty())
            || self.state.intents_of(intent.incident).any(Intent::is_page);
        // Nobody has been reached and nothing is on its way: waiting would help nobody.
        if !hope && chain_due(incident).is_some() && has_stage_left(incident, self.settings) {
            self.run_chain(intent.incident, None);
        }
    }

    /// Tries the next channel of the person; false where none is left or none is needed.
    fn stand_in(&mut self, intent: &Intent, act: u32) -> bool {
        let Some(incident) = self.state.incidents.get(&intent.incident) else { return false };
        let unreached = incident.act(act).filter(|act| act.delivered.is_none());
        let next = unreached.and_then(|act| next_channel(act, self.settings));
        let Some(channel) = next else { return false };
        let instead_of = Some(intent.id);
        self.emit(Fact::ChannelAdded { incident: intent.incident, act, channel, instead_of });
        self.intend_page(intent.incident, act, channel);
        self.arm_pending(intent.incident);
        true
    }

    /// Does what is due of a delivery.
    pub(super) fn advance_delivery(&mut self, id: DeliveryId) {
        let Some(intent) = self.state.intents.get(&id).cloned() else { return };
        if let Some(act) = intent.act {
            if intent.spill_due().is_some_and(|due| due <= self.now)
                && self.not_wanted(&intent).is_none()
            {
                self.stand_in(&intent, act);
            }
        }
        let Status::Waiting(until) = intent.status else { return };
        if let Some(reason) = self.not_wanted(&intent) {
            self.emit(Fact::Dropped { delivery: id, why: reason.to_owned() });
        } else if until <= self.now {
            self.emit(Fact::Attempted { delivery: id });
            self.sends.push(id);
        }
    }

    /// Tells why a delivery need not be tried any longer.
    fn not_wanted(&self, intent: &Intent) -> Option<&'static str> {
        let Some(incident) = self.state.incidents.get(&intent.incident) else {
            return Some("its incident is forgotten");
        };
        let over = !incident.is_open();
        if intent.is_stale(self.now) {
            return Some("it was tried for an hour");
        }
        match intent.purpose {
            Purpose::Post if over => Some("the incident is resolved"),
            Purpose::Page { .. } | Purpose::Thread { .. } if intent.is_page() => {
                match incident.state {
                    IncidentState::Triggered => None,
                    IncidentState::Acked => Some("somebody has answered"),
                    IncidentState::Resolved => Some("the incident is resolved"),
                }
            }
            Purpose::Page { .. } | Purpose::Thread { .. } | Purpose::Post | Purpose::Edit => None,
        }
    }

    /// Drops the loud deliveries of an incident that wait for another attempt.
    pub(super) fn drop_waiting(
        &mut self,
        id: IncidentId,
        why: &str,
        which: impl Fn(&Intent) -> bool,
    ) {
        let loud = |intent: &&Intent| {
            let waits = matches!(intent.status, Status::Waiting(_));
            waits && !intent.is_quiet() && which(intent)
        };
        let waiting: Vec<DeliveryId> =
            self.state.intents_of(id).filter(loud).map(|intent| intent.id).collect();
        for delivery in waiting {
            self.emit(Fact::Dropped { delivery, why: why.to_owned() });
        }
    }

    fn arm_pending(&mut self, id: IncidentId) {
        let pending = self.state.incidents.get(&id).map(|incident| incident.pending.clone());
        for delivery in pending.into_iter().flatten() {
            self.arm(Key::Intent(delivery));
        }
    }

    /// Builds what a channel is handed, from the newest state.
    pub(super) fn delivery(&mut self, id: DeliveryId) -> Option<(Urgency, Delivery)> {
        let intent = self.state.intents.get(&id)?.clone();
        let view = self.picture_of(intent.incident)?;
        let incident = self.state.incidents.get(&intent.incident)?;
        let anchor = match intent.purpose {
            // A second first message stands by itself.
            Purpose::Page { .. } | Purpose::Post => None,
            Purpose::Edit | Purpose::Thread { .. } => {
                incident.talk(&intent.address).and_then(|talk| talk.anchor.clone())
            }
        };
        let urgency = match &intent.purpose {
            _ if intent.is_page() && intent.severity == Severity::Critical => Urgency::CriticalPage,
            _ if intent.is_page() => Urgency::Page,
            Purpose::Post => Urgency::Post,
            Purpose::Page { .. } | Purpose::Thread { .. } => Urgency::Notice,
            Purpose::Edit => Urgency::Edit,
        };
        let message = Message {
            incident: Arc::clone(&view),
            reason: intent.reason.clone(),
            why: intent.why.clone(),
            paged: self.paged_names(incident),
            next: self.next_of(incident),
        };
        let delivery = Delivery {
            id,
            address: intent.address,
            purpose: intent.purpose,
            severity: intent.severity,
            attempt: intent.attempt,
            may_be_repeat: intent.may_be_repeat,
            anchor,
            message,
        };
        Some((urgency, delivery))
    }

    fn paged_names(&self, incident: &Incident) -> Vec<String> {
        let mut people: Vec<&PersonId> = Vec::new();
        for act in &incident.acts {
            if !people.contains(&&act.person) {
                people.push(&act.person);
            }
        }
        people.into_iter().map(|person| self.name_of(person)).collect()
    }

    /// Says what happens next if nobody answers.
    fn next_of(&self, incident: &Incident) -> Option<Next> {
        if !incident.is_open() {
            return None;
        }
        if let Some(at) = incident.answer_ends {
            return Some(Next { at, what: "it is open again if it still fires".to_owned() });
        }
        let stage = chain_due(incident).map(|at| {
            let names: Vec<String> = next_people(incident, self.settings, self.state)
                .iter()
                .map(|person| self.name_of(person))
                .collect();
            let what = match names.as_slice() {
                [] => "the fallback is paged".to_owned(),
                [one] => format!("{one} is paged"),
                more => format!("{} are paged", more.join(" and ")),
            };
            Next { at, what }
        });
        let broken = breaks_at(incident)
            .and_then(|_| incident.next_breach())
            .map(|(_, at)| Next { at, what: "the promise is broken".to_owned() });
        stage.into_iter().chain(broken).min_by_key(|next| next.at)
    }
}
