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
use watchbell_paging::route::ChannelKind;

/// Attempts over one kind of channel that run at the same time; urgent pages may go beyond. Kinds
/// are counted apart, so that a mail server that hangs holds no page to Slack up.
const RUNNING_MAX: usize = 32;
/// Attempts over one kind of channel that run at the same time, urgent pages included.
const RUNNING_URGENT_MAX: usize = 128;
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

/// What stands behind each other. Slack limits each method in each channel, so edits have a lane
/// of their own, named by the channel id of their message.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Lane {
    Slack(String),
    SlackEdits(String),
    Other(Address),
}

/// The place within a lane.
type Place = (Rank, u64);

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
    lanes: BTreeMap<Lane, BTreeMap<Place, Delivery>>,
    sequence: u64,
    running: BTreeMap<Conversation, Running>,
    running_counts: BTreeMap<ChannelKind, usize>,
    gates: BTreeMap<Lane, Gate>,
}

impl Queue {
    /// Takes a delivery in. An edit replaces an older one that still waits; that one's outcome
    /// is returned, for the newer one shows all that it would have shown.
    pub(super) fn push(&mut self, delivery: Delivery) -> Option<(DeliveryId, Outcome)> {
        self.sequence += 1;
        let place = (rank(&delivery), self.sequence);
        let lane = self.lanes.entry(lane(&delivery)).or_default();
        let superseded = take_older_edit(lane, &delivery);
        lane.insert(place, delivery);
        superseded
    }

    /// Returns the next delivery that is due at `now`, if any; the caller reports its end.
    pub(super) fn take(&mut self, now: Duration) -> Option<Next> {
        let (lane, place) = self
            .heads(now)
            .filter(|(_, _, due)| *due <= now)
            .min_by_key(|(_, place, _)| *place)
            .map(|(lane, place, _)| (lane.clone(), place))?;
        let waiting = self.lanes.get_mut(&lane)?;
        let delivery = waiting.remove(&place)?;
        if waiting.is_empty() {
            self.lanes.remove(&lane);
        }
        if let Some(left) = self.pause(&lane, now) {
            return Some(Next::Refuse(delivery, left));
        }
        self.spend(lane, now);
        *self.running_counts.entry(delivery.address.kind()).or_default() += 1;
        let running = self.running.entry(conversation(&delivery)).or_default();
        *running.count(&delivery) += 1;
        Some(Next::Start(delivery))
    }

    /// Returns when `take` may answer again without anything else happening.
    pub(super) fn next_at(&self, now: Duration) -> Option<Duration> {
        self.heads(now).map(|(_, _, due)| due).min()
    }

    /// Notes that an attempt ended.
    pub(super) fn finished(&mut self, delivery: &Delivery) {
        if let Some(count) = self.running_counts.get_mut(&delivery.address.kind()) {
            *count = count.saturating_sub(1);
        }
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
        if let Some(gate) = self.gate(lane(delivery), now) {
            gate.paused_until = gate.paused_until.max(until);
        }
    }

    /// Returns how many attempts run.
    pub(super) fn running_count(&self) -> usize {
        self.running_counts.values().sum()
    }

    /// Returns everything that waits.
    pub(super) fn drain(&mut self) -> Vec<Delivery> {
        std::mem::take(&mut self.lanes).into_values().flat_map(BTreeMap::into_values).collect()
    }

    /// Of each lane the first delivery that only time holds back, and when it may go.
    fn heads(&self, now: Duration) -> impl Iterator<Item = (&Lane, Place, Duration)> {
        self.lanes.iter().filter_map(move |(lane, waiting)| {
            let (place, _) = waiting.iter().find(|(place, one)| self.is_free(place.0, one))?;
            Some((lane, *place, self.due_at(lane, place.0, now)))
        })
    }

    /// Tells whether nothing that runs holds it back.
    fn is_free(&self, rank: Rank, delivery: &Delivery) -> bool {
        let most = if rank == Rank::Urgent { RUNNING_URGENT_MAX } else { RUNNING_MAX };
        let count = self.running_counts.get(&delivery.address.kind()).copied().unwrap_or_default();
        // Asked first, because it costs nothing: in a storm thousands wait for an end.
        count < most && self.is_its_turn(delivery)
    }

    /// Tells whether nothing of its own conversation holds it back.
    fn is_its_turn(&self, delivery: &Delivery) -> bool {
        let running = self.running.get(&conversation(delivery)).copied().unwrap_or_default();
        running.messages == 0 && (running.edits == 0 || delivery.purpose != Purpose::Edit)
    }

    fn due_at(&self, lane: &Lane, rank: Rank, now: Duration) -> Duration {
        let wait = self.gates.get(lane).map_or(Duration::ZERO, |gate| gate.wait(now));
        let is_now = rank == Rank::Urgent || self.pause(lane, now).is_some();
        if is_now { now } else { now.saturating_add(wait) }
    }

    fn pause(&self, lane: &Lane, now: Duration) -> Option<Duration> {
        let left = self.gates.get(lane)?.paused_until.saturating_sub(now);
        (!left.is_zero()).then_some(left)
    }

    fn spend(&mut self, lane: Lane, now: Duration) {
        if let Some(gate) = self.gate(lane, now) {
            gate.tokens = gate.tokens_at(now) - 1.0;
            gate.filled_at = now;
        }
    }

    fn gate(&mut self, lane: Lane, now: Duration) -> Option<&mut Gate> {
        match lane {
            Lane::Other(_) => return None,
            Lane::Slack(_) | Lane::SlackEdits(_) => {}
        }
        if self.gates.len() >= GATES_MAX {
            self.gates.retain(|_, gate| !gate.is_idle(now));
        }
        let full = Gate { tokens: GATE_BURST, filled_at: now, paused_until: Duration::ZERO };
        Some(self.gates.entry(lane).or_insert(full))
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

fn take_older_edit(
    lane: &mut BTreeMap<Place, Delivery>,
    newer: &Delivery,
) -> Option<(DeliveryId, Outcome)> {
    if newer.purpose != Purpose::Edit {
        return None;
    }
    let place = lane.iter().find_map(|(place, older)| {
        let is_same = older.purpose == Purpose::Edit
            && conversation(older) == conversation(newer)
            && older.anchor == newer.anchor
            && older.id != newer.id;
        is_same.then_some(*place)
    })?;
    let older = lane.remove(&place)?;
    Some((older.id, Outcome::Accepted { anchor: older.anchor }))
}

fn conversation(delivery: &Delivery) -> Conversation {
    Conversation(delivery.message.incident.id, delivery.address.clone())
}

fn lane(delivery: &Delivery) -> Lane {
    let is_edit = delivery.purpose == Purpose::Edit;
    match (&delivery.address, &delivery.anchor) {
        (Address::Slack(_), Some(Anchor::Slack { channel, .. })) if is_edit => {
            Lane::SlackEdits(channel.clone())
        }
        (Address::Slack(written), _) if is_edit => Lane::SlackEdits(written.clone()),
        (Address::Slack(written), _) => Lane::Slack(written.clone()),
        (Address::Email(_) | Address::Webhook(_) | Address::Terminal, _) => {
            Lane::Other(delivery.address.clone())
        }
    }
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
