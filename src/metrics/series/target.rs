//! The handle by which one target's scrapes are appended.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::exposition::Format;
use crate::sample::{Millis, Sample};
use crate::series::history::NEVER;
use crate::series::report::{self, Report};
use crate::series::scan::{Faults, Scanner};
use crate::series::shard::{Entry, Shard, State};
use crate::series::{Appended, Limits, Shared};

/// Known series of a target, ended ones included, are at most this many times its limit.
const KNOWN_PER_LIMIT: usize = 4;
/// A scan is repeated when the shard changed under it, which only expiry and a second handle do.
const SCANS_MAX: usize = 3;

/// One target's shard, for the one who scrapes it.
pub struct Target {
    shared: Arc<Shared>,
    shard: Arc<Shard>,
    limits: Limits,
    /// Tells this handle from others of the same target.
    id: u64,
    /// The state of the shard that the scanner's memory belongs to.
    epoch: u64,
    scanner: Scanner,
    /// Series that the last good scrape had, or that had not ended when the handle was opened.
    live: Vec<u32>,
    /// When the last scrape was, if it was good.
    previous: Option<Millis>,
    /// Writes about each scrape.
    is_reporting: bool,
    /// Series with times of their own end when they are missing, as others do.
    ends_own_times: bool,
    /// The body under way is a part: what it does not say has not ended.
    is_part: bool,
    /// Parts were appended since the last whole body.
    had_part: bool,
}

impl Target {
    pub(super) fn new(shared: Arc<Shared>, shard: Arc<Shard>, limits: Limits) -> Self {
        let id = shared.opened.fetch_add(1, Ordering::Relaxed) + 1;
        Self {
            shared,
            shard,
            limits,
            id,
            epoch: 0,
            scanner: Scanner::default(),
            live: Vec::new(),
            previous: None,
            is_reporting: true,
            ends_own_times: false,
            is_part: false,
            had_part: false,
        }
    }

    pub(super) fn without_report(self) -> Self {
        Self { is_reporting: false, ..self }
    }

    pub(super) fn ending_own_times(self) -> Self {
        Self { ends_own_times: true, ..self }
    }

    /// Parses a body and appends it, with `up` = 1 and the scrape metrics; series that are
    /// missing from it become stale, unless their samples have times of their own: such a target
    /// lags behind, and what it still brings would be older than the marker. A body that passes
    /// a limit counts as failed: `up` = 0.
    pub fn append(&mut self, body: &[u8], format: Format, at: Millis, seconds: f64) -> Appended {
        for _ in 0..SCANS_MAX {
            self.take_over();
            let scanned = self.scanner.scan(&self.shard, body, format, at, self.limits);
            if let Err(reason) = scanned.and_then(|()| self.check_usable(body)) {
                let faults = std::mem::take(&mut self.scanner.faults);
                return self.record_failure(Some(reason), faults, at, seconds);
            }
            if let Some(appended) = self.commit(at, seconds) {
                return appended;
            }
        }
        let reason = "the target's series were changed by somebody else at the same time";
        self.record_failure(Some(reason.to_owned()), Faults::default(), at, seconds)
    }

    /// Appends a part of what the next whole body will say; nothing ends by it.
    pub fn append_part(&mut self, body: &[u8], format: Format, at: Millis) -> Appended {
        self.is_part = true;
        let appended = self.append(body, format, at, 0.0);
        self.is_part = false;
        self.had_part = true;
        appended
    }

    /// Records a failed scrape: `up` = 0, every series stale, as far as missing ones become it.
    pub fn fail(&mut self, at: Millis, seconds: f64) -> Appended {
        self.record_failure(None, Faults::default(), at, seconds)
    }

    /// Ends every series of a target that is no longer configured, `up` included.
    pub fn close(&mut self, at: Millis) {
        let shard = Arc::clone(&self.shard);
        let mut state = shard.state.write();
        let ending = state.slots().filter(|(_, entry)| self.ends(entry));
        let slots: Vec<u32> = ending.map(|(slot, _)| slot).collect();
        for slot in slots {
            state.end(slot, at);
        }
        self.live.clear();
        self.previous = None;
    }

    /// Returns who reads series of this target, ascending and unique.
    #[must_use]
    pub fn readers(&self) -> Vec<usize> {
        self.shard.state.read().readers().to_vec()
    }

    /// Forgets what is remembered of the shard if somebody else changed it.
    fn take_over(&mut self) {
        let is_mine = |state: &State| state.owner == self.id && state.epoch == self.epoch;
        if is_mine(&self.shard.state.read()) {
            return;
        }
        let mut state = self.shard.state.write();
        let was_mine = state.owner == self.id;
        state.owner = self.id;
        self.epoch = state.epoch;
        self.scanner.forget();
        if !was_mine {
            self.previous = None;
        }
        self.live = list_live(&mut state);
    }

    fn check_usable(&self, body: &[u8]) -> Result<(), String> {
        let faults = &self.scanner.faults;
        if !self.scanner.samples.is_empty() {
            return Ok(());
        }
        match faults.kept.first() {
            Some(first) => Err(format!(
                "no line of the body is a sample; line {}: {}",
                first.line, first.message
            )),
            None if body.trim_ascii().is_empty() => Err("the body is empty".to_owned()),
            None => Ok(()),
        }
    }

    /// Appends what was scanned; `None` if the shard is not what the scan saw.
    fn commit(&mut self, at: Millis, seconds: f64) -> Option<Appended> {
        let shard = Arc::clone(&self.shard);
        let mut state = shard.state.write();
        if state.owner != self.id || state.epoch != self.epoch {
            return None;
        }
        for (name, remark) in self.scanner.remarks.drain(..) {
            state.families.remember(name, remark);
        }
        let births = self.give_birth(&mut state);
        let mut appended = self.append_samples(&mut state, at);
        appended.added = births.len();
        self.note_zeros(&mut state, &births);
        let is_changed = !self.scanner.is_unchanged || self.previous.is_none() || self.had_part;
        if is_changed && !self.is_part {
            self.end_missing(&mut state, at);
            self.had_part = false;
        }
        appended.series = self.live.len();
        self.previous = Some(at);
        let (sample_count, added_count) = (self.scanner.samples.len(), births.len());
        self.scanner.release();
        let report = Report { is_up: true, seconds, sample_count, added_count };
        self.write_report(&mut state, at, report);
        self.shared.ingested.fetch_add(count(appended.samples), Ordering::Relaxed);
        if self.is_reporting {
            self.shared.dropped.fetch_add(count(appended.dropped), Ordering::Relaxed);
        }
        Some(appended)
    }

    /// Gives slots to new series.
    fn give_birth(&mut self, state: &mut State) -> Vec<u32> {
        let births = self.scanner.births();
        let known_max = self.limits.series_max.max(1).saturating_mul(KNOWN_PER_LIMIT);
        let evicted = state.make_room(births.len(), known_max, |slot| self.scanner.saw(slot));
        self.shared.evicted.fetch_add(count(evicted), Ordering::Relaxed);
        state.reserve(births.len());
        let slots: Vec<u32> = births.map(|key| state.insert(key.clone())).collect();
        self.scanner.settle(&slots);
        slots
    }

    fn append_samples(&mut self, state: &mut State, at: Millis) -> Appended {
        let mut appended = Appended::default();
        for scanned in &self.scanner.samples {
            let Some(entry) = state.entry_mut(scanned.slot) else { continue };
            entry.is_listed = true;
            let last = entry.history.last();
            let has_own = scanned.own_at != NEVER;
            entry.has_own_times = has_own;
            let sample_at = if has_own { scanned.own_at } else { at };
            if last.at < sample_at {
                state.append(scanned.slot, Sample { at: sample_at, value: scanned.value });
                appended.samples += 1;
            } else if has_own && sample_at < last.at && !entry.history.is_stale() {
                let line = usize::try_from(scanned.line).unwrap_or(usize::MAX);
                let message = "the sample's own time is older than the newest of its series";
                self.scanner.faults.add_late(line, message);
            } else {
                appended.dropped += 1;
            }
        }
        let faults = std::mem::take(&mut self.scanner.faults);
        appended.fault_count = faults.count;
        appended.faults = faults.kept;
        appended
    }

    /// A counter that a known target did not have a scrape ago was zero then.
    fn note_zeros(&self, state: &mut State, births: &[u32]) {
        let Some(previous) = self.previous else { return };
        for slot in births {
            let Some(entry) = state.entry(*slot) else { continue };
            let name = entry.key.name();
            let is_counter = state.families.kind_of(name).counts(name);
            if is_counter
                && let Some(entry) = state.entry_mut(*slot)
                && previous < entry.history.first_at()
            {
                entry.set_zero_at(previous);
            }
        }
    }

    /// Ends the series that the body does not have any more.
    fn end_missing(&mut self, state: &mut State, at: Millis) {
        for slot in std::mem::take(&mut self.live) {
            if self.scanner.saw(slot) {
                continue;
            }
            let Some(entry) = state.entry_mut(slot) else { continue };
            entry.is_listed = false;
            if self.ends(entry) {
                state.end(slot, at);
            }
        }
        self.live = self.scanner.seen();
    }

    /// Tells whether a series that is missing ends at once.
    fn ends(&self, entry: &Entry) -> bool {
        self.ends_own_times || !entry.has_own_times
    }

    fn record_failure(
        &mut self,
        failed: Option<String>,
        faults: Faults,
        at: Millis,
        seconds: f64,
    ) -> Appended {
        self.take_over();
        let shard = Arc::clone(&self.shard);
        let mut state = shard.state.write();
        let live = std::mem::take(&mut self.live);
        let is_ending = |slot: &u32| state.entry(*slot).is_none_or(|entry| self.ends(entry));
        let (ending, staying): (Vec<u32>, Vec<u32>) = live.into_iter().partition(is_ending);
        for slot in ending {
            state.end(slot, at);
        }
        self.live = staying;
        self.previous = None;
        self.write_report(&mut state, at, Report { seconds, ..Report::default() });
        let fault_count = faults.count;
        Appended { failed, faults: faults.kept, fault_count, ..Appended::default() }
    }

    fn write_report(&self, state: &mut State, at: Millis, report: Report) {
        for (key, value) in report.series().filter(|_| self.is_reporting) {
            let slot = state.find_or_insert(&key);
            if state.entry(slot).is_some_and(|entry| entry.history.last().at < at) {
                state.append(slot, Sample { at, value });
                self.shared.ingested.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Target");
        shown.field("labels", &self.shard.labels).field("limits", &self.limits);
        shown.finish_non_exhaustive()
    }
}

/// Lists the series that have not ended, without those that scrapes write about themselves.
fn list_live(state: &mut State) -> Vec<u32> {
    let own: Vec<u32> = report::keys().filter_map(|key| state.find(&key)).collect();
    let live: Vec<u32> = state
        .slots()
        .filter(|(slot, entry)| !entry.history.is_stale() && !own.contains(slot))
        .map(|(slot, _)| slot)
        .collect();
    for slot in &live {
        if let Some(entry) = state.entry_mut(*slot) {
            entry.is_listed = true;
        }
    }
    live
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
