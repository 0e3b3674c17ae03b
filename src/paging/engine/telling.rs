//! Telling people without a sound, and posting: first posts, notices, edits, reminders.
//!
//! Whoever was told hears of the end. What makes a sound for a person is the chain's business.

use std::time::Duration;

use crate::engine::chain::route_of;
use crate::engine::incidents::may_be_told;
use crate::engine::work::Work;
use crate::id::{DeliveryId, IncidentId, PersonId};
use crate::incident::{Incident, Talk};
use crate::level::Severity;
use crate::outbox::{Address, Anchor, Intent, Purpose, Reason, Status};
use crate::record::Fact;
use crate::route::{ChannelKind, Person, PostTarget};
use crate::view::IncidentState;

/// A person who was paged less than this long ago is not paged again because it came back.
const REOPEN_PAGE_AFTER: Duration = Duration::from_secs(300);

impl Work<'_> {
    /// Sends the first posts; targets that have the incident already hear of the rise in a thread.
    pub(super) fn post_first(&mut self, id: IncidentId) {
        let Some(incident) = self.state.incidents.get(&id) else { return };
        if incident.post_due.is_none_or(|due| self.now < due) {
            return;
        }
        let route = route_of(incident, self.settings);
        let targets: Vec<Address> =
            route.iter().flat_map(|route| &route.post).map(post_address).collect();
        let digest = route.is_some_and(|route| route.digest.is_some());
        let has =
            |address: &Address| incident.talk(address).is_some_and(|talk| talk.post.is_some());
        let (again, new): (Vec<Address>, Vec<Address>) = targets.into_iter().partition(has);
        let reason = match (incident.severity, incident.clocks.len()) {
            (Severity::Info, _) if digest => Reason::Digest,
            _ if incident.timeline.iter().any(|line| line.kind == "rise") => Reason::Rise,
            _ => Reason::New,
        };
        let told: Vec<Address> = incident
            .talks
            .iter()
            .filter(|talk| talk.told && (again.contains(&talk.address) || talk.post.is_some()))
            .map(|talk| talk.address.clone())
            .collect();
        self.emit(Fact::Posting { incident: id });
        for address in new {
            self.intend(id, address, Purpose::Post, &reason, None);
        }
        for address in told {
            self.intend(id, address, Purpose::Thread { person: None }, &reason, None);
        }
    }

    /// Tells everybody who was told before.
    pub(super) fn tell_all(&mut self, id: IncidentId, reason: &Reason) {
        self.tell(id, reason, |_| true);
    }

    /// Tells the `post` targets.
    pub(super) fn tell_posts(&mut self, id: IncidentId, reason: &Reason) {
        self.tell(id, reason, |talk| talk.post.is_some());
    }

    /// Tells the one conversation whose first message arrived after the end.
    pub(super) fn tell_late(&mut self, id: IncidentId, address: &Address, reason: &Reason) {
        self.tell(id, reason, |talk| talk.address == *address);
    }

    fn tell(&mut self, id: IncidentId, reason: &Reason, whom: impl Fn(&Talk) -> bool) {
        let Some(incident) = self.state.incidents.get(&id).filter(|one| may_be_told(one)) else {
            return;
        };
        let told = incident.talks.iter().filter(|talk| talk.told && whom(talk));
        for address in told.map(|talk| talk.address.clone()).collect::<Vec<_>>() {
            self.intend(id, address, Purpose::Thread { person: None }, reason, None);
        }
    }

    /// Tells that an incident came back; whoever was paged long ago is paged again.
    pub(super) fn tell_reopened(&mut self, id: IncidentId) {
        let Some(incident) = self.state.incidents.get(&id).filter(|one| may_be_told(one)) else {
            return;
        };
        let long_ago = |person: &&PersonId| {
            let last = incident.last_page(person);
            last.is_none_or(|last| REOPEN_PAGE_AFTER <= self.now.since(last))
        };
        let quiet = incident.is_flapping() || incident.peak == Severity::Info;
        let again: Vec<PersonId> =
            incident.paged.iter().filter(long_ago).filter(|_| !quiet).cloned().collect();
        self.tell(id, &Reason::Reopened, |talk| {
            talk.person.as_ref().is_none_or(|person| !again.contains(person))
        });
        self.page(id, &again, &Reason::Reopened);
    }

    pub(super) fn tell_joined(&mut self, id: IncidentId) {
        let due = self.state.incidents.get(&id).and_then(|incident| incident.join_due);
        if due.is_some_and(|due| due <= self.now) {
            self.emit(Fact::JoinedTold { incident: id });
            self.tell_posts(id, &Reason::Joined);
        }
    }

    pub(super) fn remind(&mut self, id: IncidentId) {
        let Some(incident) = self.state.incidents.get(&id) else { return };
        if incident.remind_due.is_none_or(|due| self.now < due) {
            return;
        }
        let answered = incident.deadline().is_none() || !incident.wants_answer();
        self.emit(Fact::Reminded { incident: id });
        if !answered {
            self.tell_posts(id, &Reason::Reminder);
        }
    }

    /// Edits every message that shows an older state; at most one edit at a time for each.
    pub(super) fn edit_what_is_stale(&mut self) {
        for id in std::mem::take(&mut self.changed) {
            let Some(incident) = self.state.incidents.get(&id) else { continue };
            let stale = |talk: &&Talk| {
                let editable = matches!(talk.anchor, Some(Anchor::Slack { .. }));
                editable && !talk.editing && talk.shown < incident.face
            };
            let stale = incident.talks.iter().filter(stale).map(|talk| talk.address.clone());
            let reason = reason_of_state(incident);
            for address in stale.collect::<Vec<_>>() {
                self.intend(id, address, Purpose::Edit, &reason, None);
            }
        }
    }

    /// Intends a page over one channel; where a conversation exists, it goes into its thread.
    pub(super) fn intend_page(&mut self, id: IncidentId, act: u32, channel: ChannelKind) {
        let Some(found) = self.state.incidents.get(&id).and_then(|one| one.act(act)) else {
            return;
        };
        let (person, reason) = (found.person.clone(), found.reason.clone());
        let address = self.settings.people.get(&person).and_then(|p| person_address(p, channel));
        let Some(address) = address else { return };
        // An older page that still waits there would only arrive beside this one.
        self.drop_waiting(id, "a newer page takes its place", |intent| {
            intent.is_page() && intent.address == address
        });
        let talk = self.state.incidents.get(&id).and_then(|one| one.talk(&address));
        let purpose = match talk.and_then(|talk| talk.anchor.as_ref()) {
            Some(_) => Purpose::Thread { person: Some(person) },
            None => Purpose::Page { person },
        };
        self.intend(id, address, purpose, &reason, Some(act));
    }

    /// Writes an intent down; it is attempted at the end of the turn.
    pub(super) fn intend(
        &mut self,
        id: IncidentId,
        address: Address,
        purpose: Purpose,
        reason: &Reason,
        act: Option<u32>,
    ) {
        let Some(incident) = self.state.incidents.get(&id) else { return };
        let delivery = DeliveryId(self.state.counts.deliveries + 1);
        let frozen = self.live.frozen.get(&address).copied().filter(|until| self.now < *until);
        let status = frozen.map_or(Status::InFlight, Status::Waiting);
        let intent = Intent {
            id: delivery,
            incident: id,
            address,
            purpose,
            severity: incident.severity,
            why: self.why(incident, reason),
            reason: reason.clone(),
            act,
            at: self.now,
            attempt: u32::from(frozen.is_none()),
            status,
            may_be_repeat: false,
            spilled: false,
            face: incident.face,
        };
        self.emit(Fact::Intended(Box::new(intent)));
        if frozen.is_none() {
            self.sends.push(delivery);
        }
    }
}

/// Returns where a person is reached over a kind of channel.
pub(super) fn person_address(person: &Person, kind: ChannelKind) -> Option<Address> {
    match kind {
        ChannelKind::Slack => person.slack.clone().map(Address::Slack),
        ChannelKind::Email => person.email.clone().map(Address::Email),
        ChannelKind::Webhook => None,
        ChannelKind::Terminal => person.terminal.then_some(Address::Terminal),
    }
}

fn post_address(target: &PostTarget) -> Address {
    match target {
        PostTarget::Slack(channel) => Address::Slack(channel.clone()),
        PostTarget::Email(address) => Address::Email(address.clone()),
        PostTarget::Webhook(name) => Address::Webhook(name.clone()),
    }
}

/// What an edit that shows the state of now says why.
fn reason_of_state(incident: &Incident) -> Reason {
    if !incident.is_open() {
        return Reason::Resolved;
    }
    match incident.state {
        IncidentState::Acked => Reason::Acked,
        IncidentState::Triggered if incident.breached().is_some() => Reason::Breached,
        IncidentState::Triggered | IncidentState::Resolved => Reason::New,
    }
}
