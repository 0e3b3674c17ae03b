//! What waits to be sent, and what may start now. Pure: the time is a value.
//!
//! Does not send. Invariants: within a conversation (an incident and an address) an edit never
//! starts while anything else of it runs, and messages start one after the other; an urgent page
//! waits for no limit and no edit; a channel that asked for silence is left alone until then.

use std::collections::BTreeMap;
use std::time::Duration;

use watchbell_paging::id::{DeliveryId, IncidentId};
use watchbell_paging::level::Severity;
use watchbell_paging::outbox::{Address, Anchor, Delivery, Outcome, Purpose, Reason};

/// Attempts that run at the same time; urgent pages may go beyond.
const RUNNING_MAX: usize = 64;
/// Attempts that run at the same time, urgent pages included.
const RUNNING_URGENT_MAX: usize = 512;
/// Slack's limit for one channel: a message a second, with short bursts.
const GATE_PER_SECOND: f64 = 1.0;
const GATE_BURST: f64 = 4.0;
/// Gates that are remembered; idle ones beyond are forgotten.
const GATES_MAX: usize = 1024;

/// What the queue says about one delivery.
#[derive(Debug)]
pub(super) enum Next {
    /// Attempt it now.
    Start(Delivery),
    /// Its channel asked to be left alone for so long.
    Refuse(Delivery, Duration),
}

/// An incident told at an address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Conversation(IncidentId, Address);

/// Slack limits each method in each channel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct GateKey {
    channel: String,
    is_edit: bool,
}

#[derive(Clone, Copy, Debug)]
struct Gate {
    tokens: f64,
    filled_at: Duration,
    paused_until: Duration,
}

#[derive(Clone, Copy, Debug, Default)]
struct Running {
    messages: usize,
    edits: usize,
}

/// The order of what waits: smaller goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// A critical page, or the first word of a critical incident.
    Urgent,
    /// Any other page.
    Page,
    /// A post or a line in a thread.
    Notice,
    /// An edit.
    Edit,
}

/// Deliveries that wait and the counts of those that run. Each waiting one is an intent in the
/// journal, so the engine bounds their number and none may be dropped here.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: BTreeMap<(Rank, u64), Delivery>,
    sequence: u64,
    running: BTreeMap<Conversation, Running>,
    running_count: usize,
    gates: BTreeMap<GateKey, Gate>,
}

impl Queue {
    /// Takes a delivery in. An edit replaces an older one that still waits; that one's outcome
    /// is returned, for the newer one shows all that it would have shown.
    pub(super) fn push(&mut self, delivery: Delivery) -> Option<(DeliveryId, Outcome)> {
        let superseded = self.take_older_edit(&delivery);
        self.sequence += 1;
        self.waiting.insert((rank(&delivery), self.sequence), delivery);
        superseded
    }

    /// Returns the next delivery that is due at `now`, if any; the caller reports its end.
    pub(super) fn take(&mut self, now: Duration) -> Option<Next> {
        if self.running_count >= RUNNING_URGENT_MAX {
            return None;
        }
        let (key, pause) = self.waiting.iter().find_map(|(key, delivery)| {
            let due = self.due_at(key.0, delivery, now)?;
            (due <= now).then(|| (*key, self.pause(delivery, now)))
        })?;
        let delivery = self.waiting.remove(&key)?;
        if let Some(pause) = pause {
            return Some(Next::Refuse(delivery, pause));
        }
        self.spend(&delivery, now);
        self.running_count += 1;
        let running = self.running.entry(conversation(&delivery)).or_default();
        *running.count(&delivery) += 1;
        Some(Next::Start(delivery))
    }

    /// Returns when `take` may answer again without anything else happening.
    pub(super) fn next_at(&self, now: Duration) -> Option<Duration> {
        self.waiting.iter().filter_map(|(key, one)| self.due_at(key.0, one, now)).min()
    }

    /// Notes that an attempt ended.
    pub(super) fn finished(&mut self, delivery: &Delivery) {
        self.running_count = self.running_count.saturating_sub(1);
        let key = conversation(delivery);
        if let Some(running) = self.running.get_mut(&key) {
            let count = running.count(delivery);
            *count = count.saturating_sub(1);
            if running.messages + running.edits == 0 {
                self.running.remove(&key);
            }
        }
    }

    /// Leaves the channel of a delivery alone until `until`.
    pub(super) fn pause_until(&mut self, delivery: &Delivery, until: Duration, now: Duration) {
        if let Some(key) = gate_key(delivery) {
            let gate = self.gate(key, now);
            gate.paused_until = gate.paused_until.max(until);
        }
    }

    /// Returns how many attempts run.
    pub(super) fn running_count(&self) -> usize {
        self.running_count
    }

    /// Returns everything that waits, in order.
    pub(super) fn drain(&mut self) -> Vec<Delivery> {
        std::mem::take(&mut self.waiting).into_values().collect()
    }

    fn take_older_edit(&mut self, newer: &Delivery) -> Option<(DeliveryId, Outcome)> {
        if newer.purpose != Purpose::Edit {
            return None;
        }
        let key = self.waiting.iter().find_map(|(key, older)| {
            let same = older.purpose == Purpose::Edit
                && conversation(older) == conversation(newer)
                && older.anchor == newer.anchor
                && older.id != newer.id;
            same.then_some(*key)
        })?;
        let older = self.waiting.remove(&key)?;
        Some((older.id, Outcome::Accepted { anchor: older.anchor }))
    }

    /// `None`: only the end of something else can make it due.
    fn due_at(&self, rank: Rank, delivery: &Delivery, now: Duration) -> Option<Duration> {
        let running = self.running.get(&conversation(delivery)).copied().unwrap_or_default();
        let blocked = running.messages > 0
            || (delivery.purpose == Purpose::Edit && running.edits > 0)
            || (rank != Rank::Urgent && self.running_count >= RUNNING_MAX);
        if blocked {
            return None;
        }
        let gate = gate_key(delivery).and_then(|key| self.gates.get(&key));
        let wait = gate.map_or(Duration::ZERO, |gate| gate.wait(now));
        let is_free = rank == Rank::Urgent || self.pause(delivery, now).is_some();
        Some(if is_free { now } else { now.saturating_add(wait) })
    }

    fn pause(&self, delivery: &Delivery, now: Duration) -> Option<Duration> {
        let gate = self.gates.get(&gate_key(delivery)?)?;
        let left = gate.paused_until.saturating_sub(now);
        (!left.is_zero()).then_some(left)
    }

    fn spend(&mut self, delivery: &Delivery, now: Duration) {
        if let Some(key) = gate_key(delivery) {
            let gate = self.gate(key, now);
            gate.tokens = gate.tokens_at(now) - 1.0;
            gate.filled_at = now;
        }
    }

    fn gate(&mut self, key: GateKey, now: Duration) -> &mut Gate {
        if self.gates.len() >= GATES_MAX {
            self.gates.retain(|_, gate| !gate.is_idle(now));
        }
        self.gates.entry(key).or_insert(Gate {
            tokens: GATE_BURST,
            filled_at: now,
            paused_until: Duration::ZERO,
        })
    }
}

impl Running {
    fn count(&mut self, delivery: &Delivery) -> &mut usize {
        if delivery.purpose == Purpose::Edit { &mut self.edits } else { &mut self.messages }
    }
}

impl Gate {
    fn tokens_at(&self, now: Duration) -> f64 {
        let elapsed = now.saturating_sub(self.filled_at).as_secs_f64();
        (self.tokens + elapsed * GATE_PER_SECOND).min(GATE_BURST)
    }

    fn wait(&self, now: Duration) -> Duration {
        Duration::from_secs_f64(((1.0 - self.tokens_at(now)) / GATE_PER_SECOND).max(0.0))
    }

    fn is_idle(&self, now: Duration) -> bool {
        self.paused_until <= now && GATE_BURST <= self.tokens_at(now)
    }
}

fn conversation(delivery: &Delivery) -> Conversation {
    Conversation(delivery.message.incident.id, delivery.address.clone())
}

fn gate_key(delivery: &Delivery) -> Option<GateKey> {
    let Address::Slack(written) = &delivery.address else {
        return None;
    };
    let is_edit = delivery.purpose == Purpose::Edit;
    let channel = match &delivery.anchor {
        Some(Anchor::Slack { channel, .. }) if is_edit => channel,
        Some(Anchor::Slack { .. } | Anchor::Email { .. }) | None => written,
    };
    Some(GateKey { channel: channel.clone(), is_edit })
}

fn rank(delivery: &Delivery) -> Rank {
    let critical = delivery.severity == Severity::Critical;
    match &delivery.purpose {
        Purpose::Page { .. } if critical => Rank::Urgent,
        Purpose::Page { .. } => Rank::Page,
        Purpose::Post if critical && is_first_word(&delivery.message.reason) => Rank::Urgent,
        Purpose::Thread { person: Some(_) } if critical => Rank::Page,
        Purpose::Post | Purpose::Thread { .. } => Rank::Notice,
        Purpose::Edit => Rank::Edit,
    }
}

fn is_first_word(reason: &Reason) -> bool {
    matches!(reason, Reason::New | Reason::Rise | Reason::Reopened | Reason::Fallback)
}

#[cfg(test)]
mod tests;
