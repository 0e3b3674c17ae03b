//! Deliveries: what is sent to whom, why, and what became of it.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::{DeliveryId, PersonId};
use crate::level::Severity;
use crate::route::ChannelKind;
use crate::time::Timestamp;
use crate::view::IncidentView;

/// Where one delivery goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Address {
    /// A channel name or member id, passed to Slack as it is.
    Slack(String),
    /// One mail recipient.
    Email(String),
    /// A `[webhook.*]` table by name.
    Webhook(String),
    /// The terminal of `watchbell try`.
    Terminal,
}

impl Address {
    /// Returns the kind of channel.
    #[must_use]
    pub fn kind(&self) -> ChannelKind {
        match self {
            Self::Slack(_) => ChannelKind::Slack,
            Self::Email(_) => ChannelKind::Email,
            Self::Webhook(_) => ChannelKind::Webhook,
            Self::Terminal => ChannelKind::Terminal,
        }
    }
}

/// Why something is told now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The incident opened.
    New,
    /// It became critical.
    Rise,
    /// Alerts joined.
    Joined,
    /// The chain started again because nobody answered.
    Repeat {
        /// Which round, from 1.
        round: u32,
    },
    /// A later step was reached.
    Escalated {
        /// Which step, from 1.
        step: u32,
    },
    /// A person asked for the next step.
    Handed,
    /// Nobody on call could be found above; this is the fallback.
    Fallback,
    /// It came back within ten minutes.
    Reopened,
    /// The ack or the snooze ran out while it still fires.
    AckExpired,
    /// Somebody took it.
    Acked,
    /// It is over.
    Resolved,
    /// The promise was broken.
    Breached,
    /// The deadline is near.
    Reminder,
    /// The daily collection.
    Digest,
    /// Level changes follow each other too fast to tell each.
    FlappingStarted,
    /// They stopped.
    FlappingEnded,
    /// The data behind it ended.
    NoData,
}

/// What kind of message it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Makes a sound for one person.
    Page {
        /// Whom.
        person: PersonId,
    },
    /// A message to a `post` target.
    Post,
    /// An edit of the message at the anchor, to show the state of now. No sound.
    Edit,
    /// A line in the thread of the message at the anchor; mentions the person, if given.
    Thread {
        /// Who is mentioned.
        person: Option<PersonId>,
    },
}

/// Where an earlier message stands at its provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Anchor {
    /// A Slack message: the channel id and `ts` that `chat.postMessage` answered.
    Slack {
        /// The channel id.
        channel: String,
        /// The message's timestamp.
        ts: String,
    },
    /// A mail: the Message-ID of the first one of the thread.
    Email {
        /// With its angle brackets.
        message_id: String,
    },
}

/// What happens next if nobody answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    /// When.
    pub at: Timestamp,
    /// What, as half a sentence: `ben is paged`, `the promise is broken`.
    pub what: String,
}

/// Everything a channel needs to word a message.
#[derive(Clone, Debug)]
pub struct Message {
    /// The incident as it stands now.
    pub incident: Arc<IncidentView>,
    /// Why it is told now.
    pub reason: Reason,
    /// One sentence for the reason, with names and times; may be the whole text of a thread line.
    pub why: String,
    /// Names of the people paged so far, the addressee included.
    pub paged: Vec<String>,
    /// What happens next.
    pub next: Option<Next>,
}

/// One thing to send; the intent is in the journal before anyone sees this.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Its identity; a repeat has the same.
    pub id: DeliveryId,
    /// Where it goes.
    pub address: Address,
    /// What kind of message.
    pub purpose: Purpose,
    /// How urgent: the incident's severity when it was intended.
    pub severity: Severity,
    /// Counted from 1.
    pub attempt: u32,
    /// An earlier attempt may have arrived although its result is not known.
    pub may_be_repeat: bool,
    /// The earlier message of the same incident and address.
    pub anchor: Option<Anchor>,
    /// What it says.
    pub message: Message,
}

/// What became of one attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The provider took it.
    Accepted {
        /// Where it stands, for edits and threads.
        anchor: Option<Anchor>,
    },
    /// It may work later.
    Retry {
        /// What the provider asked for (`Retry-After`).
        after: Option<Duration>,
        /// What went wrong.
        why: String,
    },
    /// It will never work.
    Failed {
        /// What went wrong.
        why: String,
    },
}
