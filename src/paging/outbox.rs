//! Deliveries: what is sent to whom, why, and what became of it; when it is tried again.
//!
//! Sends nothing. An intent keeps its number through all attempts, so a repeat can be recognised.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::{DeliveryId, IncidentId, PersonId};
use crate::level::Severity;
use crate::route::ChannelKind;
use crate::time::Timestamp;
use crate::view::IncidentView;

/// The first wait after a temporary failure; it doubles up to the longest.
const RETRY_FIRST: Duration = Duration::from_millis(500);
const RETRY_LONGEST: Duration = Duration::from_secs(30);
/// The longest wait that a provider may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);
/// After so long without success, the next channel of the person is tried too.
const SPILL_CRITICAL: Duration = Duration::from_secs(10);
const SPILL: Duration = Duration::from_secs(30);
/// How long edits and lines in threads are tried; they only show what is known elsewhere.
pub const QUIET_TRIED_FOR: Duration = Duration::from_secs(3600);

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

    /// Returns it as a `post` target is written: `#ops`, `ops@example.org`, `webhook:pager`.
    #[must_use]
    pub fn as_written(&self) -> String {
        match self {
            Self::Slack(to) | Self::Email(to) => to.clone(),
            Self::Webhook(name) => format!("webhook:{name}"),
            Self::Terminal => "terminal".to_owned(),
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

/// Where an intent stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// An attempt is under way, or was when the process died.
    InFlight,
    /// The next attempt is due then.
    Waiting(Timestamp),
}

/// A delivery without a result: what the journal knows of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Its identity; a repeat has the same.
    pub id: DeliveryId,
    /// Whose.
    pub incident: IncidentId,
    /// Where it goes.
    pub address: Address,
    /// What kind of message.
    pub purpose: Purpose,
    /// The incident's severity when it was intended.
    pub severity: Severity,
    /// Why it is told.
    pub reason: Reason,
    /// The same in a sentence.
    pub why: String,
    /// The act of paging that it belongs to.
    pub act: Option<u32>,
    /// When it was intended.
    pub at: Timestamp,
    /// Attempts so far, this one included.
    pub attempt: u32,
    /// Where it stands.
    pub status: Status,
    /// An earlier attempt may have arrived although its result is not known.
    pub may_be_repeat: bool,
    /// The person's next channel was asked to help.
    pub spilled: bool,
    /// What the newest attempt shows of the incident.
    pub face: u32,
}

impl Intent {
    /// Tells whether it makes a sound for a person.
    #[must_use]
    pub fn is_page(&self) -> bool {
        self.act.is_some()
    }

    /// Returns when the person's next channel is tried too.
    #[must_use]
    pub fn spill_due(&self) -> Option<Timestamp> {
        let patience = match self.severity {
            Severity::Critical => SPILL_CRITICAL,
            Severity::Warning | Severity::Info => SPILL,
        };
        (self.is_page() && !self.spilled).then(|| self.at.plus(patience))
    }

    /// Returns when the next attempt is due.
    #[must_use]
    pub fn retry_due(&self) -> Option<Timestamp> {
        match self.status {
            Status::InFlight => None,
            Status::Waiting(until) => Some(until),
        }
    }

    /// Tells whether it only shows what is known elsewhere; such a one is given up after a while.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        match self.purpose {
            Purpose::Page { .. } | Purpose::Post => false,
            Purpose::Edit | Purpose::Thread { .. } => !self.is_page(),
        }
    }

    /// Tells whether it is no longer worth trying because of its age.
    #[must_use]
    pub fn is_stale(&self, now: Timestamp) -> bool {
        self.is_quiet() && self.at.plus(QUIET_TRIED_FOR) <= now
    }
}

/// Returns how long to wait after failed attempt number `attempt`: 0.5 s doubling to 30 s, each
/// between four fifths and the whole of it by a hash of the delivery, never less than asked for.
#[must_use]
pub fn wait_after(id: DeliveryId, attempt: u32, asked: Option<Duration>) -> Duration {
    let doublings = attempt.saturating_sub(1).min(16);
    let whole = RETRY_FIRST.saturating_mul(1 << doublings).min(RETRY_LONGEST);
    // A multiplicative hash (Knuth) spreads deliveries that failed together.
    let hash = (id.0 ^ (u64::from(attempt) << 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54;
    let jittered = whole - whole / 5 * u32::try_from(hash).unwrap_or(0) / 1024;
    jittered.max(asked.unwrap_or_default().min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_from_half_a_second_to_half_a_minute_with_jitter() {
        for (attempt, most) in [(1, 500), (2, 1000), (3, 2000), (7, 30_000), (40, 30_000)] {
            for id in 1..50 {
                let wait = wait_after(DeliveryId(id), attempt, None).as_millis();
                assert!(most * 4 / 5 <= wait && wait <= most, "attempt {attempt}: {wait} ms");
            }
        }
        let waits: std::collections::BTreeSet<_> =
            (1..50).map(|id| wait_after(DeliveryId(id), 3, None)).collect();
        assert!(20 < waits.len(), "deliveries that failed together come back apart");
    }

    #[test]
    fn what_the_provider_asks_for_is_obeyed() {
        let asked = Some(Duration::from_secs(20));
        assert_eq!(wait_after(DeliveryId(1), 1, asked), Duration::from_secs(20));
        let absurd = Some(Duration::from_secs(1_000_000));
        assert_eq!(wait_after(DeliveryId(1), 1, absurd), RETRY_AFTER_MAX);
    }
}
