//! Which targets and which rules are due: evaluation on arrival, without a second clock.

use crate::sample::Millis;

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
        /// The newest sample's time.
        at: Millis,
    },
}

/// The state of all rounds.
#[derive(Debug)]
pub struct Rounds(());

impl Rounds {
    /// Starts at `now`. `rules` holds each rule's interval for when no sample triggers it.
    #[must_use]
    pub fn new(tables: Vec<Table>, rules: Vec<Millis>, now: Millis) -> Self {
        let _ = (tables, rules, now);
        todo!()
    }

    /// Returns when something is due next.
    #[must_use]
    pub fn next_due(&self) -> Millis {
        todo!()
    }

    /// Takes everything that is due at `now`, in order.
    pub fn take_due(&mut self, now: Millis) -> Vec<Due> {
        let _ = now;
        todo!()
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
        let _ = (table, target, now, newest, readers);
        todo!()
    }

    /// Returns how many evaluations and scrapes were skipped because the daemon was late.
    #[must_use]
    pub fn missed(&self) -> u64 {
        todo!()
    }
}
