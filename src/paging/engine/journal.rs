//! What becomes of records that the journal does not take: kept in memory, written first later.
//!
//! Pages go on meanwhile, and the failure is itself paged.

use std::time::Duration;

use crate::engine::{Engine, Output};
use crate::level::Severity;
use crate::record::{Fact, Record};
use crate::time::Timestamp;

/// Records that are kept; beyond them the state as a whole takes their place.
pub(super) const UNWRITTEN_MAX: usize = 100_000;
/// How long after a failure the journal is tried again, if nothing else happens.
const TRY_AGAIN: Duration = Duration::from_secs(5);
pub(super) const ALERT: &str = "WatchbellJournalFailing";

/// Records that the journal did not take.
#[derive(Debug, Default)]
pub(super) struct Unwritten {
    records: Vec<Record>,
    failing: Option<Failing>,
}

#[derive(Clone, Copy, Debug)]
struct Failing {
    since: Timestamp,
    from: u64,
    tried: Timestamp,
}

impl Unwritten {
    pub(super) fn retry_due(&self) -> Option<Timestamp> {
        self.failing.map(|failing| failing.tried.plus(TRY_AGAIN))
    }

    pub(super) fn step_clock(&mut self, by_ms: i64) {
        if let Some(failing) = &mut self.failing {
            failing.tried.0 = failing.tried.0.saturating_add(by_ms);
        }
    }
}

impl Engine {
    /// Returns the records that have to be appended now: those of this turn after those that an
    /// earlier turn could not write, with a mark between them.
    pub(crate) fn take_records(&mut self, now: Timestamp, out: &mut Output) -> Vec<Record> {
        let kept = std::mem::take(&mut self.live.unwritten.records);
        let fresh = std::mem::take(&mut out.records);
        let (Some(failing), Some(last)) = (self.live.unwritten.failing, kept.last()) else {
            return fresh;
        };
        let to = last.seq;
        let mut all = kept;
        all.extend(fresh);
        // The mark stands at the end, so that the numbers of what happened stay as they are.
        let fact = Fact::JournalResumed { from: failing.from, to, since: failing.since };
        let mark = Record { seq: self.state.seq + 1, at: now, fact };
        all.push(mark);
        all
    }

    /// The records are durable.
    pub(crate) fn appended(&mut self, records: &[Record], now: Timestamp) -> Output {
        let mut out = Output::default();
        let Some(last) = records.last() else { return out };
        if self.live.unwritten.failing.take().is_some() && is_mark(last) {
            self.state.apply(last);
            let mut work = self.work(now, &mut out);
            work.calm_down(ALERT, &[]);
            work.finish();
        }
        out
    }

    /// The records are not durable: they are kept, and people are told.
    pub(crate) fn not_appended(
        &mut self,
        mut records: Vec<Record>,
        why: &str,
        now: Timestamp,
    ) -> Output {
        let failing = self.live.unwritten.failing;
        // The mark was not true yet.
        records.pop_if(|last| failing.is_some() && is_mark(last));
        let from = records.first().map_or(self.state.seq, |record| record.seq);
        let failing = failing.unwrap_or(Failing { since: now, from, tried: now });
        self.live.unwritten.failing = Some(Failing { tried: now, ..failing });
        let mut out = Output::default();
        let mut work = self.work(now, &mut out);
        let summary = format!("the journal cannot be written: {why}; pages go on from memory");
        work.speak_up(ALERT, &[], Severity::Critical, &summary);
        work.finish();
        records.append(&mut out.records);
        if UNWRITTEN_MAX < records.len() {
            let whole = Fact::Checkpoint(Box::new(self.state.clone()));
            records = vec![Record { seq: self.state.seq, at: now, fact: whole }];
        }
        self.live.unwritten.records = records;
        out
    }
}

fn is_mark(record: &Record) -> bool {
    matches!(record.fact, Fact::JournalResumed { .. })
}
