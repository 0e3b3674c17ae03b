//! Which targets and which rules are due: evaluation on arrival, without a second clock.
//!
//! A table's targets are scraped in rounds. A round ends when every target answered or failed, or
//! soon after its last start; the rules that read its targets are then evaluated at once. A rule
//! that also reads another table whose round is under way waits for it, for a moment. A rule that
//! no sample has triggered for its interval is evaluated on its interval, at the time that it is.
//! Nothing here knows how a scrape is made; a target is never due again before it answered.
//! The time of evaluations never goes back.

mod table;

use std::collections::{BTreeMap, BTreeSet};

use self::table::TableRounds;
use crate::sample::Millis;

/// How long a rule waits for another table that it reads.
const COALESCE_MS: Millis = 50;
/// The longest a round waits behind its last start, as is a tenth of its interval.
const GRACE_MAX_MS: Millis = 500;

/// A table of targets that are scraped together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name; the offset within the interval is hashed from it.
    pub name: String,
    /// Milliseconds.
    pub interval: Millis,
    /// How many targets it has.
    pub targets: usize,
}

/// What is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// Scrape this target now; its samples get the time `at`.
    Scrape {
        /// Index of the table.
        table: usize,
        /// Index of the target within the table.
        target: usize,
        /// When the scrape was due, milliseconds: the time of its samples.
        at: Millis,
    },
    /// Evaluate these rules at this time.
    Evaluate {
        /// Indexes of rules, ascending.
        rules: Vec<usize>,
        /// The newest sample's time; the present where only the interval triggers.
        at: Millis,
    },
}

/// The state of all rounds.
#[derive(Debug)]
pub struct Rounds {
    tables: Vec<TableRounds>,
    /// Each rule's interval.
    intervals: Vec<Millis>,
    /// When each rule is evaluated if no sample triggers it.
    timers: BTreeSet<(Millis, usize)>,
    timer_of: Vec<Millis>,
    /// Rules that samples triggered, with the time until which they may wait.
    triggered: BTreeMap<usize, Millis>,
    newest: Millis,
    evaluated_at: Millis,
    /// Evaluations by interval that were skipped.
    missed: u64,
}

impl Rounds {
    /// Starts at `now`. `rules` holds each rule's interval for when no sample triggers it.
    #[must_use]
    pub fn new(tables: Vec<Table>, rules: Vec<Millis>, now: Millis) -> Self {
        let intervals: Vec<Millis> = rules.into_iter().map(|interval| interval.max(1)).collect();
        let timer_of: Vec<Millis> = intervals.iter().map(|interval| now + interval).collect();
        let timers = timer_of.iter().enumerate().map(|(rule, due)| (*due, rule)).collect();
        Self {
            tables: tables.iter().map(|table| TableRounds::new(table, now)).collect(),
            intervals,
            timers,
            timer_of,
            triggered: BTreeMap::new(),
            newest: Millis::MIN,
            evaluated_at: Millis::MIN,
            missed: 0,
        }
    }

    /// Returns when something is due next.
    #[must_use]
    pub fn next_due(&self) -> Millis {
        let tables = self.tables.iter().filter_map(TableRounds::next_due);
        let triggered = self.triggered.values().copied();
        let timer = self.timers.first().map(|(due, _)| *due);
        tables.chain(triggered).chain(timer).min().unwrap_or(Millis::MAX)
    }

    /// Takes everything that is due at `now`: scrapes in order of their times, then rules.
    pub fn take_due(&mut self, now: Millis) -> Vec<Due> {
        let mut scrapes = Vec::new();
        for index in 0..self.tables.len() {
            let Some(table) = self.tables.get_mut(index) else { continue };
            let ended = table.end_overdue(now);
            table.begin_due(now);
            scrapes
                .extend(table.take_starts(now).into_iter().map(|(at, target)| (at, index, target)));
            if let Some(readers) = ended {
                self.trigger(index, readers, now);
            }
        }
        scrapes.sort_unstable();
        let mut due: Vec<Due> = scrapes
            .into_iter()
            .map(|(at, table, target)| Due::Scrape { table, target, at })
            .collect();
        due.extend(self.take_rules(now));
        due
    }

    /// A target answered or failed; `readers` are the rules that read its series, `newest` is the
    /// time of its newest sample. A late answer counts in the next round.
    pub fn answered(
        &mut self,
        table: usize,
        target: usize,
        now: Millis,
        newest: Millis,
        readers: &[usize],
    ) {
        // A target's own clock may run ahead; rules are never evaluated in the future.
        self.newest = self.newest.max(newest.min(now));
        let Some(rounds) = self.tables.get_mut(table) else { return };
        if let Some(readers) = rounds.answered(target, readers) {
            self.trigger(table, readers, now);
        }
    }

    /// Returns how many rounds and evaluations were skipped because the daemon was late.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.tables.iter().map(TableRounds::missed).sum::<u64>() + self.missed
    }

    /// Notes that the samples of a table's round are in.
    fn trigger(&mut self, table: usize, readers: BTreeSet<usize>, now: Millis) {
        for rule in readers.into_iter().filter(|rule| *rule < self.intervals.len()) {
            let others = self.tables.iter().enumerate().filter(|(index, _)| *index != table);
            let mut awaited =
                others.filter(|(_, other)| other.will_trigger(rule, now + COALESCE_MS));
            let due = if awaited.next().is_some() { now + COALESCE_MS } else { now };
            let waits_until = self.triggered.entry(rule).or_insert(due);
            *waits_until = due.min(*waits_until);
        }
    }

    fn take_rules(&mut self, now: Millis) -> Option<Due> {
        let mut rules: BTreeSet<usize> =
            self.triggered.iter().filter(|(_, due)| **due <= now).map(|(rule, _)| *rule).collect();
        for rule in &rules {
            self.triggered.remove(rule);
            let interval = self.interval(*rule);
            // The next samples may come a little later than these.
            self.set_timer(*rule, now + interval + grace(interval) + COALESCE_MS);
        }
        let mut at = self.newest;
        while let Some((due, rule)) = self.timers.first().copied().filter(|(due, _)| *due <= now) {
            let interval = self.interval(rule);
            self.missed += u64::try_from((now - due) / interval).unwrap_or_default();
            self.set_timer(rule, now + interval - (now - due) % interval);
            rules.insert(rule);
            at = now;
        }
        if rules.is_empty() {
            return None;
        }
        self.evaluated_at = self.evaluated_at.max(at);
        Some(Due::Evaluate { rules: rules.into_iter().collect(), at: self.evaluated_at })
    }

    fn interval(&self, rule: usize) -> Millis {
        self.intervals.get(rule).copied().unwrap_or(Millis::MAX / 4)
    }

    fn set_timer(&mut self, rule: usize, due: Millis) {
        if let Some(timer) = self.timer_of.get_mut(rule) {
            self.timers.remove(&(*timer, rule));
            *timer = due;
            self.timers.insert((due, rule));
        }
    }
}

/// How long after its last start a round of this interval ends at the latest.
fn grace(interval: Millis) -> Millis {
    (interval / 10).min(GRACE_MAX_MS)
}

#[cfg(test)]
mod tests;
