//! Fake providers of chat, mail and webhooks: they take, refuse, hang or throttle as told.
//!
//! They remember what arrived, which is what a person would have seen.

use std::collections::BTreeMap;
use std::time::Duration;

use watchbell_paging::outbox::{Address, Anchor, Delivery, Outcome};
use watchbell_paging::route::ChannelKind;
use watchbell_paging::time::Timestamp;

/// How long a hanging call lasts before its own time limit ends it, for chat and webhooks.
const HANG_CHAT: Duration = Duration::from_secs(10);
/// The same for mail.
const HANG_MAIL: Duration = Duration::from_secs(30);

/// How a provider behaves from now on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Behaviour {
    /// Takes everything at once.
    #[default]
    Works,
    /// Refuses the connection.
    Down,
    /// Takes the connection and never answers.
    Hangs,
    /// Answers 429 with this `Retry-After`.
    Throttles(Duration),
    /// Answers 500.
    Errors,
    /// Refuses for good: it will never work.
    Refuses,
}

impl Behaviour {
    /// Reads the words of `fail`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(seconds) = text.strip_prefix("429:") {
            return seconds
                .parse()
                .ok()
                .map(|seconds| Self::Throttles(Duration::from_secs(seconds)));
        }
        match text {
            "none" => Some(Self::Works),
            "down" => Some(Self::Down),
            "hang" => Some(Self::Hangs),
            "429" => Some(Self::Throttles(Duration::from_secs(1))),
            "500" => Some(Self::Errors),
            "refuse" => Some(Self::Refuses),
            _ => None,
        }
    }
}

/// One message that arrived.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// When.
    pub at: Timestamp,
    /// What.
    pub delivery: Delivery,
}

/// All providers together.
#[derive(Clone, Debug, Default)]
pub struct Providers {
    behaviours: BTreeMap<String, Behaviour>,
    /// What arrived, in order.
    pub arrived: Vec<Arrived>,
    messages: u64,
    latency: Duration,
}

impl Providers {
    /// Changes a provider: `slack`, `mail` or `webhook:NAME`. False for an unknown name.
    pub fn set(&mut self, channel: &str, behaviour: Behaviour) -> bool {
        let known =
            matches!(channel, "slack" | "mail" | "email") || channel.starts_with("webhook:");
        if known {
            let name = if channel == "email" { "mail" } else { channel };
            self.behaviours.insert(name.to_owned(), behaviour);
        }
        known
    }

    /// Makes every attempt that works last so long; the message arrives at its beginning.
    pub fn set_latency(&mut self, latency: Duration) {
        self.latency = latency;
    }

    /// Tells how a channel behaves now.
    #[must_use]
    pub fn behaviour(&self, address: &Address) -> Behaviour {
        let name = match address {
            Address::Slack(_) => "slack".to_owned(),
            Address::Email(_) => "mail".to_owned(),
            Address::Webhook(name) => format!("webhook:{name}"),
            Address::Terminal => return Behaviour::Works,
        };
        self.behaviours.get(&name).copied().unwrap_or_default()
    }

    /// Tells whether both chat and mail take messages now.
    #[must_use]
    pub fn all_work(&self) -> bool {
        self.behaviours.values().all(|behaviour| *behaviour == Behaviour::Works)
    }

    /// Attempts a delivery; gives how long the attempt lasts and what comes of it.
    pub fn attempt(&mut self, delivery: Delivery, now: Timestamp) -> (Duration, Outcome) {
        let retry = |after, why: &str| Outcome::Retry { after, why: why.to_owned() };
        match self.behaviour(&delivery.address) {
            Behaviour::Works => (self.latency, self.take(delivery, now)),
            Behaviour::Down => (Duration::ZERO, retry(None, "connection refused")),
            Behaviour::Hangs => {
                let limit = match delivery.address.kind() {
                    ChannelKind::Email => HANG_MAIL,
                    ChannelKind::Slack | ChannelKind::Webhook | ChannelKind::Terminal => HANG_CHAT,
                };
                (limit, retry(None, "no answer in time"))
            }
            Behaviour::Throttles(after) => {
                (Duration::ZERO, retry(Some(after), "429 too many requests"))
            }
            Behaviour::Errors => (Duration::ZERO, retry(None, "500 internal error")),
            Behaviour::Refuses => {
                (Duration::ZERO, Outcome::Failed { why: "recipient unknown".to_owned() })
            }
        }
    }

    fn take(&mut self, delivery: Delivery, now: Timestamp) -> Outcome {
        self.messages += 1;
        let anchor = match (&delivery.address, &delivery.anchor) {
            (_, Some(anchor)) => Some(anchor.clone()),
            (Address::Slack(conversation), None) => Some(Anchor::Slack {
                channel: format!("C{conversation}"),
                ts: format!("{}.{:06}", now.0 / 1000, self.messages),
            }),
            (Address::Email(_), None) => {
                Some(Anchor::Email { message_id: format!("<{}@sim>", delivery.id) })
            }
            (Address::Webhook(_) | Address::Terminal, None) => None,
        };
        self.arrived.push(Arrived { at: now, delivery });
        Outcome::Accepted { anchor }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_fail_are_read() {
        for (text, expected) in [
            ("none", Some(Behaviour::Works)),
            ("down", Some(Behaviour::Down)),
            ("hang", Some(Behaviour::Hangs)),
            ("429:20", Some(Behaviour::Throttles(Duration::from_secs(20)))),
            ("500", Some(Behaviour::Errors)),
            ("refuse", Some(Behaviour::Refuses)),
            ("429:x", None),
            ("perhaps", None),
        ] {
            assert_eq!(Behaviour::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn only_channels_that_exist_can_be_broken() {
        let mut providers = Providers::default();
        assert!(providers.set("email", Behaviour::Down));
        assert!(!providers.set("pigeon", Behaviour::Down));
        assert_eq!(providers.behaviour(&Address::Email("a@b".to_owned())), Behaviour::Down);
        assert_eq!(providers.behaviour(&Address::Slack("U1".to_owned())), Behaviour::Works);
    }
}
