//! The audit: promises that hold after every turn, whatever the world does to the engine.
//!
//! Watches only what leaves the engine (records by number, deliveries, answers, the published
//! picture) and keeps its own small model of what people were told. It never corrects anything;
//! the first broken promise is kept and named.

mod due;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use watchbell_metrics::rule::Level;
use watchbell_paging::command::{Answer, Command};
use watchbell_paging::id::{DeliveryId, IncidentId};
use watchbell_paging::level::Severity;
use watchbell_paging::outbox::{Address, Delivery, Outcome, Purpose, Reason};
use watchbell_paging::record::{Record, Snapshot};
use watchbell_paging::settings::Settings;
use watchbell_paging::time::Timestamp;
use watchbell_paging::view::{IncidentState, IncidentView, View};

use self::due::Dues;
use crate::provider::{Arrived, Providers};

/// The shortest time after which an ack expires: that of critical incidents.
const ACK_LASTS_MIN: Duration = Duration::from_secs(30 * 60);
/// An incident whose alert flaps stays open while the alert is ok at a moment, so long at most.
const FLAP_WINDOW: Duration = Duration::from_secs(30 * 60);
/// A picture may be this old.
const PICTURE_AGE_MAX: Duration = Duration::from_secs(1);

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// When it was noticed.
    pub at: Timestamp,
    /// Which promise, as a claim.
    pub promise: &'static str,
    /// What happened instead.
    pub found: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}: {}", self.at, self.promise, self.found)
    }
}

/// What an answered incident may not do.
#[derive(Clone, Copy, Debug)]
struct Answered {
    at: Timestamp,
    until: Timestamp,
    durable: bool,
}

/// What is known of one delivery.
#[derive(Clone, Debug)]
struct Known {
    address: Address,
    purpose: Purpose,
    incident: IncidentId,
    arrivals: u32,
    settled: bool,
}

/// What was last seen of one incident.
#[derive(Clone, Copy, Debug)]
struct Last {
    deadline: Option<Timestamp>,
    answered: bool,
    state: IncidentState,
    /// How often it came back, by its timeline: a picture may have been skipped.
    reopened: usize,
}

/// The watcher.
#[derive(Debug)]
pub struct Audit {
    settings: Arc<Settings>,
    deliveries: BTreeMap<DeliveryId, Known>,
    answered: BTreeMap<IncidentId, Answered>,
    last: BTreeMap<IncidentId, Last>,
    /// When each incident was last seen with a firing alert.
    firing: BTreeMap<IncidentId, Timestamp>,
    dues: Dues,
    pages: usize,
    violation: Option<Violation>,
}

impl Audit {
    /// Starts watching an engine with an empty journal.
    #[must_use]
    pub fn new(settings: Arc<Settings>) -> Self {
        Self {
            settings,
            deliveries: BTreeMap::new(),
            answered: BTreeMap::new(),
            last: BTreeMap::new(),
            firing: BTreeMap::new(),
            dues: Dues::default(),
            pages: 0,
            violation: None,
        }
    }

    /// Returns the first broken promise.
    #[must_use]
    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// Returns how many pages were intended.
    #[must_use]
    pub fn pages(&self) -> usize {
        self.pages
    }

    /// Another configuration is in force.
    pub fn configured(&mut self, settings: Arc<Settings>) {
        self.settings = settings;
        self.dues.forget_steps();
    }

    /// Providers or the disk changed.
    pub fn world_changed(&mut self, now: Timestamp, providers: &Providers, disk_full: bool) {
        self.dues.set_trouble(now, !providers.all_work() || disk_full);
    }

    /// Records reached the journal.
    pub fn appended(&mut self, journal: &[Record]) {
        for (expected, record) in (1..).zip(journal) {
            if record.seq != expected {
                let found = format!("record {} stands where {expected} is due", record.seq);
                self.broken(record.at, "the journal has no gaps", found);
                break;
            }
        }
    }

    /// A delivery is about to be attempted.
    pub fn attempted(&mut self, now: Timestamp, delivery: &Delivery) {
        let incident = delivery.message.incident.id;
        match self.deliveries.get(&delivery.id).cloned() {
            None => {
                self.intended(now, delivery);
                let known = Known {
                    address: delivery.address.clone(),
                    purpose: delivery.purpose.clone(),
                    incident,
                    arrivals: 0,
                    settled: false,
                };
                self.deliveries.insert(delivery.id, known);
            }
            Some(known) => self.repeated(now, delivery, &known),
        }
    }

    /// A provider took a message.
    pub fn arrived(&mut self, arrived: &Arrived) {
        let delivery = &arrived.delivery;
        if let Some(known) = self.deliveries.get_mut(&delivery.id) {
            known.arrivals += 1;
        }
        if is_page(delivery) {
            self.dues.page_arrived(arrived.at, delivery.message.incident.id);
        }
    }

    /// The engine is told that an attempt ended.
    pub fn delivered(&mut self, id: DeliveryId, outcome: &Outcome) {
        let settled = match outcome {
            Outcome::Accepted { .. } | Outcome::Failed { .. } => true,
            Outcome::Retry { .. } => false,
        };
        if let Some(known) = self.deliveries.get_mut(&id) {
            known.settled |= settled;
        }
    }

    /// A command was answered.
    pub fn answered(&mut self, now: Timestamp, command: &Command, answer: &Answer, lost: bool) {
        let Answer::Incident(incident) = answer else { return };
        let until = match command {
            Command::Ack { .. } => now.plus(self.ack_lasts(incident)),
            Command::Snooze { until, .. } => *until,
            Command::Resolve { .. } => Timestamp(i64::MAX),
            Command::Escalate { .. } | Command::Assign { .. } | Command::Note { .. } => return,
            Command::Silence { .. } | Command::Unsilence { .. } => return,
            Command::Override { .. } | Command::SetLevel { .. } => return,
        };
        if incident.acked_at.is_some() || incident.state == IncidentState::Resolved {
            self.answered.insert(incident.id, Answered { at: now, until, durable: !lost });
        }
    }

    /// The process was killed; `whole` tells whether the journal holds all that it did. If not,
    /// numbers are given again, and what is known by number is worth nothing.
    pub fn crashed(&mut self, now: Timestamp, whole: bool) {
        self.dues.set_down(now, true);
        if !whole {
            self.deliveries.clear();
            self.answered.clear();
            self.last.clear();
            self.firing.clear();
            self.dues.forget();
        }
    }

    /// The journal was read back at a crash.
    pub fn restored(&mut self, now: Timestamp, live: &Snapshot, restored: &Snapshot) {
        let text = |snapshot: &Snapshot| serde_json::to_value(snapshot).unwrap_or_default();
        let (live, restored) = (text(live), text(restored));
        if let Some(path) = difference("", &live, &restored) {
            self.broken(now, "the journal gives the engine that was", path);
        }
    }

    /// The process started again and has published a picture.
    pub fn restarted(&mut self, now: Timestamp, view: &View) {
        self.dues.set_down(now, false);
        for (id, answered) in self.answered.clone() {
            let Some(incident) = view.incidents.iter().find(|incident| incident.id == id) else {
                continue;
            };
            let kept = incident.acked_at.is_some() || incident.state == IncidentState::Resolved;
            if answered.durable && !kept {
                let found = format!("incident {id}, answered at {}, is open again", answered.at);
                self.broken(now, "answers survive a crash", found);
            }
        }
    }

    /// The wall clock stepped; every instant of the model moves with it.
    pub fn clock_stepped(&mut self, by_ms: i64) {
        let step = |at: Timestamp| Timestamp(at.0.saturating_add(by_ms));
        for answered in self.answered.values_mut() {
            answered.at = step(answered.at);
            answered.until = step(answered.until);
        }
        for at in self.firing.values_mut() {
            *at = step(*at);
        }
        for last in self.last.values_mut() {
            last.deadline = last.deadline.map(step);
        }
        self.dues.clock_stepped(by_ms);
    }

    /// A turn ended with this picture published.
    pub fn turned(&mut self, now: Timestamp, view: &View) {
        let fresh = view.at.is_some_and(|at| now.since(at) <= PICTURE_AGE_MAX);
        let mut keys = BTreeSet::new();
        for incident in &view.incidents {
            self.deadline_holds(now, incident);
            self.see_firing(view.at.unwrap_or(now), incident);
            if incident.state != IncidentState::Resolved && !keys.insert(&incident.key) {
                let found = format!("two for {}", incident.key);
                self.broken(now, "one incident is open for a key", found);
            }
            if fresh {
                self.breach_is_noted(now, incident);
            }
        }
        let found = self.dues.check(now, view, &self.settings);
        if let Some((promise, found)) = found {
            self.broken(now, promise, found);
        }
    }

    fn intended(&mut self, now: Timestamp, delivery: &Delivery) {
        if !is_page(delivery) {
            return;
        }
        self.pages += 1;
        let incident = &delivery.message.incident;
        let late = delivery.may_be_repeat || 1 < delivery.attempt;
        self.dues.page_intended(incident.id, &delivery.message.reason);
        self.see_firing(now, incident);
        let fired = self.firing.get(&incident.id);
        let lately = fired.is_some_and(|at| now.since(*at) <= FLAP_WINDOW);
        // A page that was due at the very instant of the end had its reason.
        let ended = incident.resolved_at.filter(|_| incident.state == IncidentState::Resolved);
        let over = ended.is_some_and(|at| at < now);
        if !late && (over || !lately) {
            let found = format!("delivery {} of incident {}", delivery.id, incident.id);
            self.broken(now, "no page without a firing alert", found);
        }
        let Some(answered) = self.answered.get(&incident.id).copied() else { return };
        let allowed = match delivery.message.reason {
            Reason::Rise | Reason::Reopened | Reason::Handed | Reason::Joined => true,
            Reason::AckExpired => answered.until <= now.plus(PICTURE_AGE_MAX),
            Reason::New
            | Reason::Repeat { .. }
            | Reason::Escalated { .. }
            | Reason::Fallback
            | Reason::Acked
            | Reason::Resolved
            | Reason::Breached
            | Reason::Reminder
            | Reason::Digest
            | Reason::FlappingStarted
            | Reason::FlappingEnded
            | Reason::NoData => late || answered.until <= now,
        };
        if allowed {
            self.answered.remove(&incident.id);
            return;
        }
        let found = format!(
            "incident {} was answered at {}, delivery {} ({:?}) pages all the same",
            incident.id, answered.at, delivery.id, delivery.message.reason
        );
        self.broken(now, "nothing pages after an answer", found);
    }

    fn repeated(&mut self, now: Timestamp, delivery: &Delivery, known: &Known) {
        let same = known.address == delivery.address
            && known.purpose == delivery.purpose
            && known.incident == delivery.message.incident.id;
        let found = format!("delivery {} to {:?}", delivery.id, delivery.address);
        if !same {
            self.broken(now, "a delivery keeps its identity", found);
        } else if known.settled {
            self.broken(now, "what was settled is not sent again", found);
        } else if 0 < known.arrivals && !delivery.may_be_repeat {
            self.broken(now, "a possible repeat says so", found);
        }
    }

    fn see_firing(&mut self, now: Timestamp, incident: &IncidentView) {
        if incident.alerts.iter().any(|alert| Level::Ok < alert.level) {
            self.firing.insert(incident.id, now);
        }
    }

    fn deadline_holds(&mut self, now: Timestamp, incident: &IncidentView) {
        let new = Last {
            deadline: incident.deadline,
            answered: incident.acked_at.is_some(),
            state: incident.state,
            reopened: incident.timeline.iter().filter(|one| one.kind == "reopened").count(),
        };
        let Some(old) = self.last.insert(incident.id, new) else { return };
        let reopened = old.state == IncidentState::Resolved || old.reopened < new.reopened;
        if reopened && incident.state != IncidentState::Resolved {
            self.answered.remove(&incident.id);
        }
        let moved = match (old.deadline, new.deadline) {
            (Some(old), Some(new)) => old < new,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if moved && !reopened && !old.answered {
            let text =
                |at: Option<Timestamp>| at.map_or_else(|| "none".to_owned(), Timestamp::to_rfc3339);
            let found = format!(
                "incident {}: from {} to {}",
                incident.id,
                text(old.deadline),
                text(new.deadline)
            );
            self.broken(now, "a deadline never moves later", found);
        }
    }

    fn breach_is_noted(&mut self, now: Timestamp, incident: &IncidentView) {
        let past = incident.deadline.is_some_and(|at| at.plus(PICTURE_AGE_MAX * 2) < now);
        let open = incident.state == IncidentState::Triggered && incident.acked_at.is_none();
        let muted = !incident.suppressed_by.is_empty();
        if past && open && !muted && incident.breached_at.is_none() {
            let found = format!("incident {} is past its deadline", incident.id);
            self.broken(now, "a broken promise is written down", found);
        }
    }

    fn ack_lasts(&self, incident: &IncidentView) -> Duration {
        let route = self.settings.routes.iter().find(|route| route.name == incident.route);
        let usual = match incident.severity {
            Severity::Critical => ACK_LASTS_MIN,
            Severity::Warning => ACK_LASTS_MIN * 4,
            Severity::Info => Duration::MAX,
        };
        route.and_then(|route| route.ack_timeout).unwrap_or(usual)
    }

    fn broken(&mut self, at: Timestamp, promise: &'static str, found: String) {
        self.violation.get_or_insert(Violation { at, promise, found });
    }
}

/// Tells whether a delivery makes a sound because something is wrong.
fn is_page(delivery: &Delivery) -> bool {
    let sounds = match &delivery.purpose {
        Purpose::Page { .. } | Purpose::Thread { person: Some(_) } => true,
        Purpose::Post | Purpose::Edit | Purpose::Thread { person: None } => false,
    };
    let wrong = match delivery.message.reason {
        Reason::New
        | Reason::Rise
        | Reason::Joined
        | Reason::Repeat { .. }
        | Reason::Escalated { .. }
        | Reason::Handed
        | Reason::Fallback
        | Reason::Reopened
        | Reason::AckExpired => true,
        Reason::Acked
        | Reason::Resolved
        | Reason::Breached
        | Reason::Reminder
        | Reason::Digest
        | Reason::FlappingStarted
        | Reason::FlappingEnded
        | Reason::NoData => false,
    };
    sounds && wrong
}

/// Returns the first place where two values differ, with both.
fn difference(path: &str, left: &serde_json::Value, right: &serde_json::Value) -> Option<String> {
    use serde_json::Value::{Array, Object};
    match (left, right) {
        (Object(left), Object(right)) => {
            let keys: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
            keys.into_iter().find_map(|key| {
                let null = serde_json::Value::Null;
                let (left, right) = (left.get(key), right.get(key));
                let path = format!("{path}/{key}");
                difference(&path, left.unwrap_or(&null), right.unwrap_or(&null))
            })
        }
        (Array(left), Array(right)) if left.len() == right.len() => {
            left.iter().zip(right).enumerate().find_map(|(index, (left, right))| {
                difference(&format!("{path}/{index}"), left, right)
            })
        }
        (left, right) if left == right => None,
        (left, right) => Some(format!("{path}: {left} in the engine, {right} from the journal")),
    }
}
