//! An incident: alerts under one key, who answered, who was told, and how the promise stands.
//!
//! Holds the state and the questions about it; what changes it is a record, what follows from it
//! is the engine's. Severity is no part of its identity. Everything that grows has a bound.

mod timeline;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use watchbell_metrics::rule::Level;

pub use self::timeline::{Line, TIMELINE_MAX};
use crate::alert::{AlertKey, Shown};
use crate::escalation::Chain;
use crate::id::{AlertId, DeliveryId, IncidentId, PersonId, RouteName};
use crate::level::Severity;
use crate::outbox::{Address, Anchor};
use crate::route::ChannelKind;
use crate::sla::{BreachCause, Clock, Outcome};
use crate::time::Timestamp;
use crate::view::IncidentState;

/// Acts of paging that are kept of one incident; older ones stay in the counts.
pub const ACTS_MAX: usize = 500;
/// Alerts that are kept of a resolved incident.
pub const MEMBERS_KEPT: usize = 50;
/// Resolved incidents that are kept, the newest.
pub const RESOLVED_KEPT: usize = 10_000;
/// Response clocks of one incident; a later rise moves the last one.
pub const CLOCKS_MAX: usize = 16;

/// An incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Its number.
    pub id: IncidentId,
    /// The first route's name and the group labels.
    pub key: String,
    /// The route that it takes now.
    pub route: RouteName,
    /// Where it stands.
    pub state: IncidentState,
    /// The worst level of its alerts now; after the end, the worst it had.
    pub severity: Severity,
    /// The worst level it had.
    pub peak: Severity,
    /// One line for people.
    pub title: String,
    /// A marked exercise.
    pub drill: bool,
    /// The daemon speaks of itself: its own escalation raises no further alert.
    pub internal: bool,
    /// The label `service` of its first alert.
    pub service: Option<String>,
    /// The label `team` of its first alert, or the rule's owner.
    pub team: Option<String>,
    /// Its alerts, those that left included.
    pub alerts: BTreeMap<AlertId, Member>,
    /// How many of them are at info, warning and critical, and how many flap.
    pub tally: Tally,
    /// Start of the run beyond the bound of the first level that fired.
    pub first_bad: Option<Timestamp>,
    /// When it fired.
    pub fired: Timestamp,
    /// When the route planned its first delivery.
    pub planned: Option<Timestamp>,
    /// When the first provider took the first message.
    pub notified: Option<Timestamp>,
    /// Response clocks, oldest first; never empty.
    pub clocks: Vec<Clock>,
    /// Who answered which of them, by index.
    pub answered_by: BTreeMap<usize, String>,
    /// Why the first broken promise was broken.
    pub cause: Option<BreachCause>,
    /// The newest answer of a person.
    pub answer: Option<Answered>,
    /// When the answer runs out while alerts still fire.
    pub answer_ends: Option<Timestamp>,
    /// Until when it is snoozed.
    pub snoozed_until: Option<Timestamp>,
    /// How it ended.
    pub ended: Option<Ended>,
    /// Why notifications are muted now.
    pub muted_by: Vec<String>,
    /// Since when.
    pub muted_since: Option<Timestamp>,
    /// It was muted from its first instant on without a break.
    pub suppressed: bool,
    /// The chain of pages, while somebody may have to be paged.
    pub chain: Option<Chain>,
    /// When the first posts are due, until they are intended.
    pub post_due: Option<Timestamp>,
    /// When the joined alerts are told, if any wait.
    pub join_due: Option<Timestamp>,
    /// When joined alerts were told last.
    pub join_told: Option<Timestamp>,
    /// When the reminder is due, until it was given.
    pub remind_due: Option<Timestamp>,
    /// Acts of paging, oldest first.
    pub acts: Vec<Act>,
    /// How many there were.
    pub act_count: u32,
    /// Its deliveries without a result.
    pub pending: BTreeSet<DeliveryId>,
    /// Conversations with people and `post` targets.
    pub talks: Vec<Talk>,
    /// People who were reached, in order of first reach.
    pub paged: Vec<PersonId>,
    /// Acts of paging that reached a person.
    pub pages: BTreeMap<PersonId, u32>,
    /// `post` targets that took a message.
    pub posted: Vec<String>,
    /// Some delivery was marked as a possible repeat.
    pub repeat: bool,
    /// Nobody could be found on call above the fallback.
    pub no_one_on_call: bool,
    /// The chain has ended without an answer.
    pub exhausted: bool,
    /// Counts changes that a message shows.
    pub face: u32,
    /// What happened.
    pub timeline: Vec<Line>,
}

/// An alert of an incident, as it was when it last changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// Who it is.
    pub key: AlertKey,
    /// Its level.
    pub level: Level,
    /// Since when.
    pub since: Timestamp,
    /// Its value and texts.
    pub shown: Shown,
    /// Since when its data is missing.
    pub no_data_since: Option<Timestamp>,
    /// Level changes follow each other too fast.
    pub flapping: bool,
}

/// Counts over the alerts of an incident, so that nobody has to look at each of thousands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// At info.
    pub info: u32,
    /// At warning.
    pub warning: u32,
    /// At critical.
    pub critical: u32,
    /// Changing too often.
    pub flapping: u32,
}

/// Somebody's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
}

/// The end of an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// When.
    pub at: Timestamp,
    /// Who ended it; none where its alerts cleared.
    pub by: Option<String>,
    /// Its rule vanished.
    pub cancelled: bool,
    /// Where it stood before.
    pub was: IncidentState,
}

/// One act of paging one person, over however many channels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    /// Counted from 1 within the incident.
    pub number: u32,
    /// Whom.
    pub person: PersonId,
    /// When it was intended.
    pub at: Timestamp,
    /// Why, to word what a later channel says.
    pub reason: crate::outbox::Reason,
    /// When the first provider took it.
    pub delivered: Option<Timestamp>,
    /// Channels in use or used up.
    pub used: Vec<ChannelKind>,
    /// Channels that the person wants later.
    pub later: Vec<(ChannelKind, Timestamp)>,
}

/// A conversation: one address and what stands there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Talk {
    /// Where.
    pub address: Address,
    /// Whose it is, if a person's.
    pub person: Option<PersonId>,
    /// The `post` target as written, if it is one.
    pub post: Option<String>,
    /// Where the first message stands.
    pub anchor: Option<Anchor>,
    /// A provider took a message.
    pub told: bool,
    /// The face that the message at the anchor shows.
    pub shown: u32,
    /// An edit is on its way.
    pub editing: bool,
}

impl Incident {
    /// Tells whether it has not ended.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.ended.is_none()
    }

    /// Tells whether people hear nothing of it now.
    #[must_use]
    pub fn is_muted(&self) -> bool {
        !self.muted_by.is_empty()
    }

    /// Tells whether it waits for an answer.
    #[must_use]
    pub fn wants_answer(&self) -> bool {
        self.state == IncidentState::Triggered
    }

    /// Returns the promise: the worst of its clocks.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let ended = self.ended.as_ref().map(|end| end.at);
        let unanswered = self.clocks.iter().all(|clock| clock.answered.is_none());
        if let Some(end) = &self.ended {
            if unanswered && end.cancelled {
                return Outcome::Cancelled;
            }
            if unanswered && self.suppressed {
                return Outcome::Suppressed;
            }
        }
        self.worst_clock().map_or(Outcome::Running, |(_, clock)| clock.outcome(ended))
    }

    /// Returns the clock that the report speaks of: the one with the worst outcome, by its index.
    #[must_use]
    pub fn worst_clock(&self) -> Option<(usize, &Clock)> {
        let ended = self.ended.as_ref().map(|end| end.at);
        self.clocks.iter().enumerate().rev().max_by_key(|(_, clock)| clock.outcome(ended))
    }

    /// Returns the deadline of the newest clock.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        self.clocks.last().and_then(|clock| clock.deadline)
    }

    /// Returns when a promise was first broken.
    #[must_use]
    pub fn breached(&self) -> Option<Timestamp> {
        self.clocks.iter().filter_map(|clock| clock.breached).min()
    }

    /// Returns the next clock that breaks: its index and the last instant at which it is kept.
    #[must_use]
    pub fn next_breach(&self) -> Option<(usize, Timestamp)> {
        let open = |clock: &Clock| clock.answered.is_none() && clock.breached.is_none();
        let clocks = self.clocks.iter().enumerate().filter(|(_, clock)| open(clock));
        clocks
            .filter_map(|(index, clock)| Some((index, clock.deadline?)))
            .min_by_key(|(_, deadline)| *deadline)
    }

    /// Returns the worst level of its alerts now; none where all have cleared.
    #[must_use]
    pub fn firing(&self) -> Option<Severity> {
        match self.tally {
            Tally { critical: 1.., .. } => Some(Severity::Critical),
            Tally { warning: 1.., .. } => Some(Severity::Warning),
            Tally { info: 1.., .. } => Some(Severity::Info),
            Tally { info: 0, warning: 0, critical: 0, .. } => None,
        }
    }

    /// Puts an alert in, or in the place of what was known of it.
    pub(crate) fn put(&mut self, id: AlertId, member: Member) {
        self.tally.add(&member);
        if let Some(before) = self.alerts.insert(id, member) {
            self.tally.take(&before);
        }
    }

    /// Tells whether nothing keeps it open: all clear, and none only between two flaps.
    #[must_use]
    pub fn is_clear(&self) -> bool {
        self.firing().is_none() && self.tally.flapping == 0
    }

    /// Tells whether level changes of it are not told one by one.
    #[must_use]
    pub fn is_flapping(&self) -> bool {
        0 < self.tally.flapping
    }

    /// Returns the names of its firing alerts.
    #[must_use]
    pub fn firing_names(&self) -> Vec<String> {
        let firing = self.alerts.values().filter(|member| member.level != Level::Ok);
        firing.map(|member| member.key.labels.to_string()).collect()
    }

    /// Returns an act by its number.
    #[must_use]
    pub fn act(&self, number: u32) -> Option<&Act> {
        self.acts.iter().find(|act| act.number == number)
    }

    /// Returns the conversation at an address.
    #[must_use]
    pub fn talk(&self, address: &Address) -> Option<&Talk> {
        self.talks.iter().find(|talk| talk.address == *address)
    }

    /// Returns when a person was paged last.
    #[must_use]
    pub fn last_page(&self, person: &PersonId) -> Option<Timestamp> {
        self.acts.iter().rev().find(|act| act.person == *person).map(|act| act.at)
    }

    /// Moves every running instant, because the clock stepped.
    pub(crate) fn step_clock(&mut self, by_ms: i64) {
        let moved = |at: &mut Timestamp| at.0 = at.0.saturating_add(by_ms);
        let options = [
            &mut self.first_bad,
            &mut self.planned,
            &mut self.notified,
            &mut self.answer_ends,
            &mut self.snoozed_until,
            &mut self.muted_since,
            &mut self.post_due,
            &mut self.join_due,
            &mut self.join_told,
            &mut self.remind_due,
        ];
        options.into_iter().flatten().for_each(moved);
        moved(&mut self.fired);
        for clock in &mut self.clocks {
            moved(&mut clock.opened);
            let rest = [&mut clock.deadline, &mut clock.answered, &mut clock.breached];
            rest.into_iter().flatten().for_each(moved);
        }
        if let Some(answer) = &mut self.answer {
            moved(&mut answer.at);
        }
        if let Some(chain) = &mut self.chain {
            moved(&mut chain.origin);
            chain.due.iter_mut().for_each(moved);
        }
        for act in &mut self.acts {
            moved(&mut act.at);
            act.delivered.iter_mut().for_each(moved);
            act.later.iter_mut().for_each(|(_, due)| moved(due));
        }
        self.alerts.values_mut().for_each(|member| moved(&mut member.since));
    }
}

impl Tally {
    fn add(&mut self, member: &Member) {
        self.flapping += u32::from(member.flapping);
        if let Some(count) = self.count(member) {
            *count += 1;
        }
    }

    fn take(&mut self, member: &Member) {
        self.flapping -= u32::from(member.flapping);
        if let Some(count) = self.count(member) {
            *count -= 1;
        }
    }

    fn count(&mut self, member: &Member) -> Option<&mut u32> {
        match Severity::of(member.level)? {
            Severity::Info => Some(&mut self.info),
            Severity::Warning => Some(&mut self.warning),
            Severity::Critical => Some(&mut self.critical),
        }
    }
}
