//! The fold of deliveries: intents, results, conversations and who was reached.

use crate::incident::{Incident, Line, Talk};
use crate::outbox::{Anchor, Intent, Purpose, Status};
use crate::record::{Fact, Record, State};
use crate::time::Timestamp;

impl State {
    pub(super) fn apply_delivery(&mut self, record: &Record) {
        let at = record.at;
        match &record.fact {
            Fact::Intended(intent) => self.intended(intent, at),
            Fact::Attempted { delivery } => {
                let Some(intent) = self.intents.get_mut(delivery) else { return };
                intent.attempt += 1;
                intent.status = Status::InFlight;
                if let Some(incident) = self.incidents.get(&intent.incident) {
                    intent.face = incident.face;
                }
            }
            Fact::Retried { delivery, why, until } => {
                let Some(intent) = self.intents.get_mut(delivery) else { return };
                intent.status = Status::Waiting(*until);
                let first = intent.attempt == 1;
                if let Some(incident) = self.incidents.get_mut(&intent.incident).filter(|_| first) {
                    incident.write(failed(intent, &format!("{why}; it is tried again"), at));
                }
            }
            Fact::Delivered { delivery, anchor } => {
                let Some(intent) = self.intents.remove(delivery) else { return };
                if let Some(incident) = self.incidents.get_mut(&intent.incident) {
                    incident.pending.remove(delivery);
                    delivered(incident, &intent, anchor.as_ref(), at);
                }
            }
            Fact::Failed { delivery, why } => {
                let Some(intent) = self.intents.remove(delivery) else { return };
                if let Some(incident) = self.incidents.get_mut(&intent.incident) {
                    incident.pending.remove(delivery);
                    end_edit(incident, &intent);
                    incident.write(failed(&intent, why, at));
                }
            }
            Fact::Dropped { delivery, why } => {
                let Some(intent) = self.intents.remove(delivery) else { return };
                if let Some(incident) = self.incidents.get_mut(&intent.incident) {
                    incident.pending.remove(delivery);
                    end_edit(incident, &intent);
                    incident.write(failed(&intent, &format!("given up: {why}"), at));
                }
            }
            _ => {}
        }
    }

    fn intended(&mut self, intent: &Intent, at: Timestamp) {
        self.counts.deliveries = self.counts.deliveries.max(intent.id.0);
        let Some(incident) = self.incidents.get_mut(&intent.incident) else { return };
        incident.pending.insert(intent.id);
        let mut intent = intent.clone();
        intent.face = incident.face;
        let person = match &intent.purpose {
            Purpose::Page { person } => Some(person.clone()),
            Purpose::Thread { person } => person.clone(),
            Purpose::Post | Purpose::Edit => None,
        };
        if incident.talk(&intent.address).is_none() {
            incident.talks.push(Talk {
                address: intent.address.clone(),
                person: person.clone(),
                post: None,
                anchor: None,
                told: false,
                shown: 0,
                editing: false,
            });
        }
        let talk = incident.talks.iter_mut().find(|talk| talk.address == intent.address);
        if let Some(talk) = talk {
            talk.editing |= intent.purpose == Purpose::Edit;
            if intent.purpose == Purpose::Post {
                talk.post = Some(intent.address.as_written());
            }
        }
        let channel = intent.address.kind().as_str();
        match (&intent.purpose, person) {
            (Purpose::Post, _) => {
                let text = format!("a post to {} is sent", intent.address.as_written());
                incident.write(Line::new(at, "post_intended", text).over(channel));
            }
            (_, Some(person)) if intent.is_page() => {
                let text = format!("a page to {person} by {channel} is sent: {}", intent.why);
                let line = Line::new(at, "page_intended", text);
                incident.write(line.by(person.as_str()).over(channel));
            }
            (Purpose::Page { .. } | Purpose::Edit | Purpose::Thread { .. }, _) => {}
        }
        self.intents.insert(intent.id, intent);
    }
}

fn delivered(incident: &mut Incident, intent: &Intent, anchor: Option<&Anchor>, at: Timestamp) {
    let first_post = intent.purpose == Purpose::Post;
    if let Some(talk) = incident.talks.iter_mut().find(|talk| talk.address == intent.address) {
        talk.told = true;
        match intent.purpose {
            Purpose::Edit => {
                talk.editing = false;
                talk.shown = intent.face;
            }
            Purpose::Page { .. } | Purpose::Post if talk.anchor.is_none() => {
                talk.anchor = anchor.cloned();
                talk.shown = intent.face;
            }
            Purpose::Page { .. } | Purpose::Post | Purpose::Thread { .. } => {}
        }
    }
    let channel = intent.address.kind().as_str();
    let act = intent.act.and_then(|number| incident.acts.iter_mut().find(|a| a.number == number));
    if let Some(act) = act {
        let person = act.person.clone();
        if act.delivered.is_none() {
            act.delivered = Some(at);
            *incident.pages.entry(person.clone()).or_default() += 1;
        }
        if !incident.paged.contains(&person) {
            incident.paged.push(person.clone());
        }
        let line = Line::new(at, "delivered", format!("{person} was reached by {channel}"));
        incident.write(line.by(person.as_str()).over(channel));
    } else if first_post {
        let target = intent.address.as_written();
        let line = Line::new(at, "delivered", format!("{target} has the message"));
        incident.write(line.by(&target).over(channel));
        if !incident.posted.contains(&target) {
            incident.posted.push(target);
        }
    }
    if intent.is_page() || first_post {
        incident.notified.get_or_insert(at);
    }
}

/// What was not shown is not shown later either: the next change tries anew.
fn end_edit(incident: &mut Incident, intent: &Intent) {
    if intent.purpose != Purpose::Edit {
        return;
    }
    if let Some(talk) = incident.talks.iter_mut().find(|talk| talk.address == intent.address) {
        talk.editing = false;
        talk.shown = talk.shown.max(intent.face);
    }
}

fn failed(intent: &Intent, why: &str, at: Timestamp) -> Line {
    let target = intent.address.as_written();
    let what = match &intent.purpose {
        Purpose::Page { .. } => "the page",
        Purpose::Thread { .. } if intent.is_page() => "the page",
        Purpose::Post => "the post",
        Purpose::Edit => "the update",
        Purpose::Thread { .. } => "the notice",
    };
    let text = format!("{what} to {target} failed: {why}");
    Line::new(at, "delivery_failed", text).by(&target).over(intent.address.kind().as_str())
}
