//! Simulated people: they notice the pages that reach them and answer sooner or later.
//!
//! Some are quick, some are slow, some sleep. They know only what arrived; they see nothing of
//! the engine. Chance comes from the seed.

use std::collections::BTreeMap;
use std::time::Duration;

use watchbell_paging::id::{IncidentId, PersonId};
use watchbell_paging::outbox::{Purpose, Reason};
use watchbell_paging::time::Timestamp;

use crate::provider::{Arrived, Providers};
use crate::random::Random;

/// How a person is with pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Temper {
    /// Answers within a minute or so.
    Quick,
    /// Answers within minutes.
    Slow,
    /// Does not hear most pages.
    Asleep,
}

impl Temper {
    /// Returns the word for people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Slow => "slow",
            Self::Asleep => "asleep",
        }
    }
}

/// What a person does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Takes it.
    Ack,
    /// Ends it, if nothing fires any more.
    Resolve,
    /// Takes it and wants to be reminded after so long.
    Snooze(Duration),
}

/// Something that a person is going to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intention {
    /// Who.
    pub person: PersonId,
    /// To which incident.
    pub incident: IncidentId,
    /// What.
    pub verb: Verb,
}

/// All people.
#[derive(Debug)]
pub struct People {
    random: Random,
    tempers: BTreeMap<PersonId, Temper>,
    read: usize,
    plans: BTreeMap<(Timestamp, u64), Intention>,
    plan_count: u64,
}

impl People {
    /// Brings people into the world.
    #[must_use]
    pub fn new(tempers: BTreeMap<PersonId, Temper>, random: Random) -> Self {
        Self { random, tempers, read: 0, plans: BTreeMap::new(), plan_count: 0 }
    }

    /// Lets people notice what arrived since the last call.
    pub fn notice(&mut self, providers: &Providers) {
        let new: Vec<Arrived> =
            providers.arrived.iter().skip(self.read).filter(|one| calls(one)).cloned().collect();
        self.read = providers.arrived.len();
        for arrived in new {
            let person = match &arrived.delivery.purpose {
                Purpose::Page { person } | Purpose::Thread { person: Some(person) } => person,
                Purpose::Post | Purpose::Edit | Purpose::Thread { person: None } => continue,
            };
            let incident = arrived.delivery.message.incident.id;
            if self.plans.values().any(|plan| plan.person == *person && plan.incident == incident) {
                continue;
            }
            let Some(delay) = self.delay(person) else { continue };
            let verb = match self.random.below(10) {
                0 => Verb::Snooze(Duration::from_secs(300 + self.random.below(1500))),
                _ => Verb::Ack,
            };
            self.plan(arrived.at.plus(delay), person.clone(), incident, verb);
            if self.random.one_in(3) {
                let later = delay + Duration::from_secs(60 + self.random.below(1200));
                self.plan(arrived.at.plus(later), person.clone(), incident, Verb::Resolve);
            }
        }
    }

    /// Returns when somebody does something next.
    #[must_use]
    pub fn next(&self) -> Option<Timestamp> {
        self.plans.keys().next().map(|(at, _)| *at)
    }

    /// Takes what is done by `now`.
    pub fn take_due(&mut self, now: Timestamp) -> Vec<Intention> {
        let mut due = Vec::new();
        while let Some(entry) = self.plans.first_entry().filter(|entry| entry.key().0 <= now) {
            due.push(entry.remove());
        }
        due
    }

    /// Somebody found the daemon down and tries again later.
    pub fn try_again(&mut self, intention: Intention, now: Timestamp) {
        let at = now.plus(Duration::from_secs(20));
        self.plan(at, intention.person, intention.incident, intention.verb);
    }

    /// Moves every plan with the wall clock.
    pub fn step_clock(&mut self, by_ms: i64) {
        self.plans = std::mem::take(&mut self.plans)
            .into_iter()
            .map(|((at, count), plan)| ((Timestamp(at.0.saturating_add(by_ms)), count), plan))
            .collect();
    }

    fn plan(&mut self, at: Timestamp, person: PersonId, incident: IncidentId, verb: Verb) {
        self.plan_count += 1;
        self.plans.insert((at, self.plan_count), Intention { person, incident, verb });
    }

    fn delay(&mut self, person: &PersonId) -> Option<Duration> {
        let temper = self.tempers.get(person).copied().unwrap_or(Temper::Quick);
        let seconds = match temper {
            Temper::Quick => 5 + self.random.below(85),
            Temper::Slow => 60 + self.random.below(900),
            Temper::Asleep if self.random.one_in(4) => 600 + self.random.below(1800),
            Temper::Asleep => return None,
        };
        Some(Duration::from_millis(seconds * 1000 + self.random.below(1000)))
    }
}

/// Tells whether a message asks for an answer.
fn calls(arrived: &Arrived) -> bool {
    match arrived.delivery.message.reason {
        Reason::Acked | Reason::Resolved | Reason::FlappingEnded | Reason::Digest => false,
        Reason::New
        | Reason::Rise
        | Reason::Joined
        | Reason::Repeat { .. }
        | Reason::Escalated { .. }
        | Reason::Handed
        | Reason::Fallback
        | Reason::Reopened
        | Reason::AckExpired
        | Reason::Breached
        | Reason::Reminder
        | Reason::FlappingStarted
        | Reason::NoData => true,
    }
}
