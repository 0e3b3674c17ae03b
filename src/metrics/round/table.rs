//! The rounds of one table: starts, answers, ends.

use std::collections::BTreeSet;

use crate::round::{Table, grace};
use crate::sample::Millis;

/// The first round has started within this time, or within an interval where that is shorter.
const FIRST_SPAN_MS: Millis = 1000;
/// A target that never answers is due again after this many intervals.
const GIVE_UP_INTERVALS: Millis = 2;

/// One table's state.
#[derive(Debug)]
pub(super) struct TableRounds {
    interval: Millis,
    /// Where within its interval a round begins.
    offset: Millis,
    /// When the next round begins.
    next_base: Millis,
    /// The time over which the next round's starts are spread.
    next_spread: Millis,
    /// For each target, when the scrape was handed out that has no answer yet.
    asked_at: Vec<Option<Millis>>,
    round: Option<Round>,
    /// Rules for which samples came after the last round ended.
    late: BTreeSet<usize>,
    /// Rules that the last round that had any triggered.
    readers: BTreeSet<usize>,
    missed: u64,
}

/// A round that has begun and not ended.
#[derive(Debug)]
struct Round {
    base: Millis,
    spread: Millis,
    /// The first target that is not handed out yet.
    next_index: usize,
    /// Targets that are handed out or will be as soon as their former scrape is answered.
    awaited: BTreeSet<usize>,
    /// Those of them whose former scrape is answered meanwhile.
    freed: BTreeSet<usize>,
    last_start: Millis,
    readers: BTreeSet<usize>,
}

impl TableRounds {
    pub(super) fn new(table: &Table, now: Millis) -> Self {
        let interval = table.interval.max(1);
        let hash = hash(&table.name);
        let span = interval.min(FIRST_SPAN_MS);
        Self {
            interval,
            offset: remainder(hash, interval),
            next_base: now + remainder(hash, span / 2),
            next_spread: (interval / 10).min(span / 2),
            asked_at: vec![None; table.targets],
            round: None,
            late: BTreeSet::new(),
            readers: BTreeSet::new(),
            missed: 0,
        }
    }

    /// Returns how many rounds were skipped or cut short because the caller was late.
    pub(super) fn missed(&self) -> u64 {
        self.missed
    }

    pub(super) fn next_due(&self) -> Option<Millis> {
        if self.asked_at.is_empty() {
            return None;
        }
        let Some(round) = &self.round else { return Some(self.next_base) };
        if !round.freed.is_empty() {
            return Some(round.last_start);
        }
        let next = if round.next_index < self.asked_at.len() {
            self.start_of(round, round.next_index)
        } else {
            self.deadline(round)
        };
        Some(next.min(self.next_base))
    }

    /// Ends the round whose time is over; returns the rules that it triggers.
    pub(super) fn end_overdue(&mut self, now: Millis) -> Option<BTreeSet<usize>> {
        let round = self.round.as_ref()?;
        let has_start = round.next_index < self.asked_at.len();
        // Starts that are handed out late are still waited for, but never into the next round.
        let end = if has_start { self.next_base } else { self.deadline(round).min(self.next_base) };
        if now < end { None } else { self.end() }
    }

    /// Begins the newest round that is due.
    pub(super) fn begin_due(&mut self, now: Millis) {
        if self.asked_at.is_empty() {
            return;
        }
        while self.next_base <= now {
            let skipped = (now - self.next_base) / self.interval;
            self.begin(self.next_base + skipped * self.interval);
            self.missed += u64::try_from(skipped).unwrap_or_default();
        }
    }

    /// Hands out the targets whose start has come, with their times.
    pub(super) fn take_starts(&mut self, now: Millis) -> Vec<(Millis, usize)> {
        let Some(mut round) = self.round.take() else { return Vec::new() };
        let mut starts = Vec::new();
        for index in std::mem::take(&mut round.freed) {
            starts.push((self.start_of(&round, index), index));
        }
        while round.next_index < self.asked_at.len() {
            let index = round.next_index;
            let at = self.start_of(&round, index);
            if now < at {
                break;
            }
            round.next_index += 1;
            round.awaited.insert(index);
            let give_up = GIVE_UP_INTERVALS * self.interval;
            let asked_at = self.asked_at.get(index).copied().flatten();
            if asked_at.is_none_or(|asked_at| asked_at + give_up <= now) {
                starts.push((at, index));
            }
        }
        for (_, index) in &starts {
            round.last_start = now;
            if let Some(asked_at) = self.asked_at.get_mut(*index) {
                *asked_at = Some(now);
            }
        }
        self.round = Some(round);
        starts
    }

    /// Notes an answer; returns the rules to trigger if it was the last of the round.
    pub(super) fn answered(&mut self, index: usize, readers: &[usize]) -> Option<BTreeSet<usize>> {
        let asked_at = self.asked_at.get_mut(index)?.take();
        let Some(round) = &mut self.round else {
            self.late.extend(readers);
            return None;
        };
        round.readers.extend(readers);
        if asked_at.is_some_and(|asked_at| asked_at < round.base) {
            // The answer to an earlier round: this round's scrape may go out now.
            if round.awaited.contains(&index) {
                round.freed.insert(index);
            }
            return None;
        }
        round.awaited.remove(&index);
        let is_over = round.awaited.is_empty() && round.next_index == self.asked_at.len();
        if is_over { self.end() } else { None }
    }

    /// Tells whether a round that is open, or begins within `soon`, is likely to trigger a rule.
    pub(super) fn will_trigger(&self, rule: usize, soon: Millis) -> bool {
        (self.round.is_some() || self.next_base <= soon) && self.readers.contains(&rule)
    }

    fn begin(&mut self, base: Millis) {
        if let Some(unstarted) = self.round.take() {
            self.late.extend(unstarted.readers);
            self.missed += 1;
        }
        self.round = Some(Round {
            base,
            spread: self.next_spread,
            next_index: 0,
            awaited: BTreeSet::new(),
            freed: BTreeSet::new(),
            last_start: base,
            readers: std::mem::take(&mut self.late),
        });
        // At least half an interval lies between the first round and the second.
        let earliest = base + self.interval / 2 + 1;
        self.next_base = earliest + (self.offset - earliest).rem_euclid(self.interval);
        self.next_spread = self.interval / 10;
    }

    fn end(&mut self) -> Option<BTreeSet<usize>> {
        let round = self.round.take()?;
        self.missed += u64::from(round.next_index < self.asked_at.len());
        if !round.readers.is_empty() {
            self.readers.clone_from(&round.readers);
        }
        Some(round.readers)
    }

    fn start_of(&self, round: &Round, index: usize) -> Millis {
        let count = Millis::try_from(self.asked_at.len()).unwrap_or(Millis::MAX).max(1);
        round.base + Millis::try_from(index).unwrap_or_default() * round.spread / count
    }

    fn deadline(&self, round: &Round) -> Millis {
        let last = self.start_of(round, self.asked_at.len().saturating_sub(1));
        round.last_start.max(last) + grace(self.interval)
    }
}

/// FNV-1a 64: the same on every machine and in every version.
fn hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn remainder(hash: u64, of: Millis) -> Millis {
    let of = u64::try_from(of).unwrap_or_default().max(1);
    Millis::try_from(hash % of).unwrap_or_default()
}
