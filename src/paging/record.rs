//! Records: the facts of which all state is a fold.
//!
//! A fact says what was decided, with everything that the decision needed from the configuration,
//! so that the fold needs none: `State::apply` is the only place that changes durable state.

mod apply;
mod delivery;
mod state;

use serde::{Deserialize, Serialize};

pub use self::state::State;
use crate::alert::{AlertKey, Event, Levels, Shown};
use crate::command::Actor;
use crate::duty::Override;
use crate::escalation::Chain;
use crate::id::{AlertId, DeliveryId, IncidentId, PersonId, RouteName, ScheduleId, SilenceId};
use crate::level::Severity;
use crate::outbox::{Anchor, Intent, Reason};
use crate::route::ChannelKind;
use crate::silence::Silence;
use crate::sla::BreachCause;
use crate::time::Timestamp;

/// One fact. Written, synced, and only then acted upon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Counted from 1 without gaps.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// What.
    pub fact: Fact,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// The process started.
    Started { down_since: Option<Timestamp> },
    /// The wall clock stepped against the engine's own.
    ClockStepped { by_ms: i64 },
    /// The journal can be written again; records `from..=to` were kept in memory until now.
    JournalResumed { from: u64, to: u64, since: Timestamp },
    /// The state as a whole, in place of more unwritten records than memory should hold.
    Checkpoint(Box<State>),
    /// An alert's state machine moved.
    Alert(Box<AlertFact>),
    /// Alerts at rest that need not be remembered any longer.
    Forgot { alerts: Vec<AlertId> },
    /// An incident began.
    Opened(Box<Opened>),
    /// An alert joined an incident.
    Joined { incident: IncidentId, alert: AlertId, tell_at: Option<Timestamp> },
    /// The joined alerts are told.
    JoinedTold { incident: IncidentId },
    /// An incident got worse than it ever was.
    Rose(Box<Rose>),
    /// Its first posts go out.
    Posting { incident: IncidentId },
    /// A stage of the chain ran.
    Stepped(Box<Stepped>),
    /// People are paged.
    Paged { incident: IncidentId, reason: Reason, pages: Vec<PagePlan> },
    /// A person's later channel is used, or the next one because another fails.
    ChannelAdded {
        incident: IncidentId,
        act: u32,
        channel: ChannelKind,
        instead_of: Option<DeliveryId>,
    },
    /// The chain ended without an answer.
    Exhausted { incident: IncidentId, round: u32 },
    /// Who mutes it has changed; nobody means that people may be told.
    Muted {
        incident: IncidentId,
        by: Vec<String>,
        chain: Option<Chain>,
        post_due: Option<Timestamp>,
    },
    /// A person answered.
    Acked {
        incident: IncidentId,
        by: Actor,
        note: Option<String>,
        snoozed_until: Option<Timestamp>,
        ends: Option<Timestamp>,
    },
    /// A program acted, or a person after another one: written down, changes nothing.
    ActedInVain { incident: IncidentId, by: Actor, what: String, note: Option<String> },
    /// The answer ran out while alerts still fire.
    AckExpired { incident: IncidentId, chain: Option<Chain> },
    /// Somebody asked for the next step.
    Handed { incident: IncidentId, by: Actor },
    /// Somebody hands it to somebody.
    Assigned { incident: IncidentId, by: Actor, to: PersonId },
    /// Somebody wrote something.
    Noted { incident: IncidentId, by: Actor, note: String },
    /// It ended.
    Resolved(Box<Resolved>),
    /// It came back.
    Reopened { incident: IncidentId, alert: AlertId, chain: Option<Chain> },
    /// A promise was broken.
    Breached { incident: IncidentId, clock: usize, at: Timestamp, cause: BreachCause },
    /// The reminder before the deadline was given.
    Reminded { incident: IncidentId },
    /// A message is going to be sent.
    Intended(Box<Intent>),
    /// It is attempted once more.
    Attempted { delivery: DeliveryId },
    /// An attempt failed for now.
    Retried { delivery: DeliveryId, why: String, until: Timestamp },
    /// A provider took it.
    Delivered { delivery: DeliveryId, anchor: Option<Anchor> },
    /// It will never arrive.
    Failed { delivery: DeliveryId, why: String },
    /// It is no longer needed.
    Dropped { delivery: DeliveryId, why: String },
    /// A silence was made.
    Silenced { silence: Silence, by: Actor },
    /// A silence was ended.
    Unsilenced { id: SilenceId, by: Actor },
    /// Who is on call was changed.
    Overridden { schedule: ScheduleId, change: Override, by: Actor },
}

/// An alert's state machine moved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertFact {
    /// Which alert.
    pub alert: AlertId,
    /// Who it is; given when it is new.
    pub key: Option<AlertKey>,
    /// What happened; nothing where only a timer began or ended.
    pub events: Vec<Event>,
    /// The machine's new state.
    pub levels: Levels,
    /// What is shown of it.
    pub shown: Shown,
    /// Its level was set by hand.
    pub by_hand: bool,
    /// A marked exercise.
    pub drill: bool,
    /// When it ends unless it is posted again.
    pub ends_at: Option<Timestamp>,
    /// Why, where the reading is not the reason.
    pub why: Option<String>,
}

/// An incident began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Opened {
    /// Its number.
    pub incident: IncidentId,
    /// Its key.
    pub key: String,
    /// The alert that opened it.
    pub alert: AlertId,
    /// The route.
    pub route: RouteName,
    /// How bad.
    pub severity: Severity,
    /// One line for people.
    pub title: String,
    /// The daemon speaks of itself.
    pub internal: bool,
    /// Labels for the report.
    pub service: Option<String>,
    /// The same.
    pub team: Option<String>,
    /// When the promise ends.
    pub deadline: Option<Timestamp>,
    /// The chain of pages.
    pub chain: Option<Chain>,
    /// When the first posts go out.
    pub post_due: Option<Timestamp>,
    /// When the reminder is due.
    pub remind_due: Option<Timestamp>,
}

/// An incident got worse than it ever was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rose {
    /// Which.
    pub incident: IncidentId,
    /// How bad.
    pub severity: Severity,
    /// The route, chosen anew.
    pub route: RouteName,
    /// One line for people.
    pub title: String,
    /// When the promise for this severity ends.
    pub deadline: Option<Timestamp>,
    /// A person answered before: a further response clock opens.
    pub second_clock: bool,
    /// The chain, begun again.
    pub chain: Option<Chain>,
    /// When posts go out, where the new route has further targets.
    pub post_due: Option<Timestamp>,
}

/// A stage of the chain ran.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stepped {
    /// Whose chain.
    pub incident: IncidentId,
    /// Which stage, from 0.
    pub stage: usize,
    /// Which round, from 0.
    pub round: u32,
    /// Whom it pages.
    pub people: Vec<PersonId>,
    /// Stages before it that had nobody and were passed at once.
    pub passed: Vec<usize>,
    /// The fallback stands in.
    pub fallback: bool,
    /// Nobody could be found on call above it.
    pub no_one_on_call: bool,
    /// The chain afterwards.
    pub chain: Chain,
}

/// How one person is paged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PagePlan {
    /// Whom.
    pub person: PersonId,
    /// Over which channels at once.
    pub channels: Vec<ChannelKind>,
    /// Over which later, unless somebody answers.
    pub later: Vec<(ChannelKind, Timestamp)>,
}

/// An incident ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resolved {
    /// Which.
    pub incident: IncidentId,
    /// Who ended it; none where its alerts cleared.
    pub by: Option<Actor>,
    /// What they said.
    pub note: Option<String>,
    /// Its firing alerts are muted until they clear.
    pub forced: bool,
    /// Its rule vanished.
    pub cancelled: bool,
}

/// All state at one record.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Snapshot {
    /// The last record that is in it.
    pub seq: u64,
    /// The state after that record.
    #[serde(default)]
    pub state: Box<State>,
}

impl Fact {
    /// Returns the incident that it is about; none for alerts, deliveries and plans.
    #[must_use]
    pub fn incident(&self) -> Option<IncidentId> {
        match self {
            Self::Joined { incident, .. }
            | Self::JoinedTold { incident }
            | Self::Posting { incident }
            | Self::Paged { incident, .. }
            | Self::ChannelAdded { incident, .. }
            | Self::Exhausted { incident, .. }
            | Self::Muted { incident, .. }
            | Self::Acked { incident, .. }
            | Self::ActedInVain { incident, .. }
            | Self::AckExpired { incident, .. }
            | Self::Handed { incident, .. }
            | Self::Assigned { incident, .. }
            | Self::Noted { incident, .. }
            | Self::Reopened { incident, .. }
            | Self::Breached { incident, .. }
            | Self::Reminded { incident } => Some(*incident),
            Self::Opened(opened) => Some(opened.incident),
            Self::Rose(rose) => Some(rose.incident),
            Self::Stepped(stepped) => Some(stepped.incident),
            Self::Resolved(resolved) => Some(resolved.incident),
            Self::Intended(intent) => Some(intent.incident),
            Self::Started { .. }
            | Self::ClockStepped { .. }
            | Self::JournalResumed { .. }
            | Self::Checkpoint(_)
            | Self::Alert(_)
            | Self::Forgot { .. }
            | Self::Attempted { .. }
            | Self::Retried { .. }
            | Self::Delivered { .. }
            | Self::Failed { .. }
            | Self::Dropped { .. }
            | Self::Silenced { .. }
            | Self::Unsilenced { .. }
            | Self::Overridden { .. } => None,
        }
    }

    /// Returns the delivery that it is about.
    #[must_use]
    pub fn delivery(&self) -> Option<DeliveryId> {
        match self {
            Self::Intended(intent) => Some(intent.id),
            Self::Attempted { delivery }
            | Self::Retried { delivery, .. }
            | Self::Delivered { delivery, .. }
            | Self::Failed { delivery, .. }
            | Self::Dropped { delivery, .. } => Some(*delivery),
            _ => None,
        }
    }
}

impl Record {
    /// Returns the stable word of the fact's kind, for queries over the journal.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match &self.fact {
            Fact::Started { .. } => "started",
            Fact::ClockStepped { .. } => "clock_stepped",
            Fact::JournalResumed { .. } => "journal_resumed",
            Fact::Checkpoint(_) => "checkpoint",
            Fact::Alert(_) => "alert",
            Fact::Forgot { .. } => "forgot",
            Fact::Opened(_) => "fired",
            Fact::Joined { .. } => "joined",
            Fact::JoinedTold { .. } => "joined_told",
            Fact::Rose(_) => "rise",
            Fact::Posting { .. } => "posting",
            Fact::Stepped(_) => "escalated",
            Fact::Paged { .. } => "paged",
            Fact::ChannelAdded { .. } => "channel_added",
            Fact::Exhausted { .. } => "exhausted",
            Fact::Muted { .. } => "muted",
            Fact::Acked { snoozed_until: None, .. } => "acked",
            Fact::Acked { snoozed_until: Some(_), .. } => "snoozed",
            Fact::ActedInVain { .. } => "acted_in_vain",
            Fact::AckExpired { .. } => "ack_expired",
            Fact::Handed { .. } => "handed",
            Fact::Assigned { .. } => "assigned",
            Fact::Noted { .. } => "note",
            Fact::Resolved(_) => "resolved",
            Fact::Reopened { .. } => "reopened",
            Fact::Breached { .. } => "breached",
            Fact::Reminded { .. } => "reminded",
            Fact::Intended(_) => "intended",
            Fact::Attempted { .. } => "attempted",
            Fact::Retried { .. } => "retried",
            Fact::Delivered { .. } => "delivered",
            Fact::Failed { .. } => "delivery_failed",
            Fact::Dropped { .. } => "delivery_dropped",
            Fact::Silenced { .. } => "silenced",
            Fact::Unsilenced { .. } => "unsilenced",
            Fact::Overridden { .. } => "overridden",
        }
    }
}
