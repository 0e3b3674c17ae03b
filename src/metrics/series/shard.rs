//! The series of one target, with the index by which they are found.
//!
//! A series sits in a slot for its whole life; a slot is used again after its series was dropped.
//! Whoever remembers slots (the scraper) is told by `epoch` that what it remembers is void.

use std::collections::{BTreeSet, HashMap};
use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::HashTable;
use parking_lot::RwLock;

use crate::label::{Labels, Matcher};
use crate::sample::{LOOKBACK_MS, Millis, Sample, SeriesView, TimeRange, stale_marker};
use crate::segment::{Encoder, SeriesPart, Traits};
use crate::series::family::Families;
use crate::series::history::{History, NEVER};
use crate::series::key::{self, Key};
use crate::series::plan::{Class, Plan, index_of, wanted_name};

/// A series that did not end but gets no samples is dropped after a day: its target is gone.
const ORPHAN_MS: Millis = 86_400_000;

/// One target's series.
#[derive(Debug)]
pub(super) struct Shard {
    /// The labels that every series of the target has.
    pub(super) labels: Labels,
    pub(super) state: RwLock<State>,
}

/// A question that is put to every shard.
#[derive(Clone, Copy, Debug)]
pub(super) struct Query<'a> {
    pub(super) matchers: &'a [Matcher],
    pub(super) range: TimeRange,
    /// The plan's selector of exactly these matchers.
    pub(super) selector: Option<u32>,
    pub(super) plan: &'a Arc<Plan>,
}

/// One series.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: Key,
    /// The whole label set, for series that are read; others build theirs when asked.
    labels: Option<Labels>,
    pub(super) history: History,
    /// When a counter is known to have been zero, or [`NEVER`].
    zero_at: Millis,
    is_read: bool,
    /// The scraper remembers the slot.
    pub(super) is_listed: bool,
    /// Its newest sample came with a time of its own.
    pub(super) has_own_times: bool,
}

/// What the lock of a shard guards.
#[derive(Debug)]
pub(super) struct State {
    labels: Labels,
    plan: Arc<Plan>,
    entries: Vec<Option<Entry>>,
    free: Vec<u32>,
    hasher: foldhash::fast::RandomState,
    by_key: HashTable<u32>,
    by_name: HashMap<Box<str>, Vec<u32>>,
    /// Slots by selector of the plan.
    members: HashMap<u32, Vec<u32>>,
    readers: Arc<[usize]>,
    /// Slots with samples that the journal does not have.
    unwritten: Vec<u32>,
    read_count: usize,
    pub(super) families: Families,
    pub(super) owner: u64,
    pub(super) epoch: u64,
}

impl Shard {
    pub(super) fn new(labels: Labels, plan: Arc<Plan>) -> Self {
        let state = State {
            labels: labels.clone(),
            plan,
            entries: Vec::new(),
            free: Vec::new(),
            hasher: foldhash::fast::RandomState::default(),
            by_key: HashTable::new(),
            by_name: HashMap::new(),
            members: HashMap::new(),
            readers: Arc::from([]),
            unwritten: Vec::new(),
            read_count: 0,
            families: Families::default(),
            owner: 0,
            epoch: 0,
        };
        Self { labels, state: RwLock::new(state) }
    }

    /// Tells whether the target's own labels already refuse a matcher.
    pub(super) fn refuses(&self, matchers: &[Matcher]) -> bool {
        let is_refused =
            |one: &Matcher| self.labels.get(one.name()).is_some_and(|value| !one.is_match(value));
        matchers.iter().any(is_refused)
    }
}

impl Default for Shard {
    fn default() -> Self {
        Self::new(Labels::empty(), Arc::default())
    }
}

impl Entry {
    /// Notes when a counter is known to have been zero.
    pub(super) fn set_zero_at(&mut self, at: Millis) {
        self.zero_at = at;
    }

    fn zero_at(&self) -> Option<Millis> {
        Some(self.zero_at).filter(|at| *at != NEVER)
    }

    /// Tells whether the series got its last sample: it ended, or it has times of its own, which
    /// get no marker, and the target does not give it any more.
    fn is_over(&self) -> bool {
        self.history.is_stale() || self.has_own_times && !self.is_listed
    }
}

impl State {
    pub(super) fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    pub(super) fn read_count(&self) -> usize {
        self.read_count
    }

    pub(super) fn readers(&self) -> Arc<[usize]> {
        Arc::clone(&self.readers)
    }

    pub(super) fn entry(&self, slot: u32) -> Option<&Entry> {
        self.entries.get(index_of(slot))?.as_ref()
    }

    pub(super) fn entry_mut(&mut self, slot: u32) -> Option<&mut Entry> {
        self.entries.get_mut(index_of(slot))?.as_mut()
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = (u32, &Entry)> {
        (0_u32..).zip(&self.entries).filter_map(|(slot, entry)| Some((slot, entry.as_ref()?)))
    }

    /// Finds a series by its written key.
    pub(super) fn find(&self, key: &[u8]) -> Option<u32> {
        let is_it = |slot: &u32| self.entry(*slot).is_some_and(|entry| entry.key.as_bytes() == key);
        self.by_key.find(self.hasher.hash_one(key), is_it).copied()
    }

    pub(super) fn find_or_insert(&mut self, key: &[u8]) -> u32 {
        self.find(key).unwrap_or_else(|| self.insert(Key::new(key)))
    }

    /// Makes room for many new series without the slack of growing by doubling.
    pub(super) fn reserve(&mut self, count: usize) {
        let missing = count.saturating_sub(self.free.len());
        if self.entries.len() / 8 < missing {
            self.entries.reserve_exact(missing);
        }
    }

    /// Adds a series that `find` does not find.
    pub(super) fn insert(&mut self, key: Key) -> u32 {
        let class = self.plan.classify(&self.labels, &key);
        let slot = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            u32::try_from(self.entries.len() - 1).unwrap_or(u32::MAX)
        });
        let (hasher, entries) = (&self.hasher, &self.entries);
        let hash_of = |slot: &u32| {
            let entry = entries.get(index_of(*slot)).and_then(Option::as_ref);
            hasher.hash_one(entry.map(|entry| entry.key.as_bytes()).unwrap_or_default())
        };
        self.by_key.insert_unique(hasher.hash_one(key.as_bytes()), slot, hash_of);
        match self.by_name.get_mut(key.name()) {
            Some(slots) => slots.push(slot),
            None => drop(self.by_name.insert(Box::from(key.name()), vec![slot])),
        }
        let entry = Entry {
            labels: class.is_read.then(|| key.labels(&self.labels)),
            history: History::new(class.keep_for),
            zero_at: NEVER,
            is_read: class.is_read,
            is_listed: false,
            has_own_times: false,
            key,
        };
        self.join(slot, &class);
        if let Some(place) = self.entries.get_mut(index_of(slot)) {
            *place = Some(entry);
        }
        slot
    }

    /// Appends a sample that is newer than the last; the journal is told.
    pub(super) fn append(&mut self, slot: u32, sample: Sample) {
        let Some(entry) = self.entries.get_mut(index_of(slot)).and_then(Option::as_mut) else {
            return;
        };
        if entry.history.append(sample) {
            self.unwritten.push(slot);
        }
    }

    /// Ends a series, if it has not ended; the marker stands behind whatever is newest.
    pub(super) fn end(&mut self, slot: u32, at: Millis) {
        let Some(entry) = self.entry(slot) else { return };
        let last = entry.history.last();
        if !entry.history.is_empty() && !entry.history.is_stale() {
            let at = at.max(last.at.saturating_add(1));
            self.append(slot, Sample { at, value: stale_marker() });
        }
    }

    /// Takes a new plan; series keep what both plans keep.
    pub(super) fn configure(&mut self, plan: &Arc<Plan>) {
        self.plan = Arc::clone(plan);
        self.members.clear();
        self.read_count = 0;
        for slot in (0_u32..).take(self.entries.len()) {
            let Some(entry) = self.entries.get_mut(index_of(slot)).and_then(Option::as_mut) else {
                continue;
            };
            let class = plan.classify(&self.labels, &entry.key);
            entry.is_read = class.is_read;
            entry.labels = class.is_read.then(|| entry.key.labels(&self.labels));
            if entry.history.keep(class.keep_for) {
                self.unwritten.push(slot);
            }
            self.join(slot, &class);
        }
        self.refresh_readers();
    }

    /// Drops what is older than it must be kept.
    pub(super) fn expire(&mut self, now: Millis) {
        let mut gone = Vec::new();
        for (slot, entry) in (0_u32..).zip(&mut self.entries) {
            let Some(entry) = entry else { continue };
            entry.history.expire(now);
            let patience = if entry.history.is_stale() { LOOKBACK_MS } else { ORPHAN_MS };
            let horizon = now.saturating_sub(entry.history.keep_for().max(patience));
            if entry.history.last().at <= horizon {
                self.epoch += u64::from(entry.is_listed);
                gone.push(slot);
            }
        }
        self.remove(&gone);
    }

    /// Drops ended series, longest ended first, until `wanted` more fit under `known_max`;
    /// returns how many went. Slots that `is_wanted` names stay.
    pub(super) fn make_room(
        &mut self,
        wanted: usize,
        known_max: usize,
        is_wanted: impl Fn(u32) -> bool,
    ) -> usize {
        if self.len() + wanted <= known_max {
            return 0;
        }
        let mut ended: Vec<(Millis, u32)> = self
            .slots()
            .filter(|(slot, entry)| entry.is_over() && !is_wanted(*slot))
            .map(|(slot, entry)| (entry.history.last().at, slot))
            .collect();
        ended.sort_unstable();
        // Some slack, so that a steady stream of new series does not sort at every scrape.
        let surplus = self.len() + wanted - known_max + known_max / 8;
        ended.truncate(surplus);
        let gone: Vec<u32> = ended.into_iter().map(|(_, slot)| slot).collect();
        self.remove(&gone);
        gone.len()
    }

    /// Adds views of the series that pass and may have samples in the range.
    pub(super) fn select(&self, query: &Query<'_>, into: &mut Vec<Arc<dyn SeriesView>>) {
        let view = |entry| self.view(entry, query.range);
        let entry_of = |slot: &u32| self.entry(*slot);
        if let Some(selector) = query.selector
            && Arc::ptr_eq(query.plan, &self.plan)
        {
            let slots = self.members.get(&selector).into_iter().flatten();
            into.extend(slots.filter_map(entry_of).filter_map(view));
            return;
        }
        let passes =
            |entry: &&Entry| query.matchers.iter().all(|one| entry.key.passes(&self.labels, one));
        match wanted_name(query.matchers) {
            Some(name) => {
                let slots = self.by_name.get(name).into_iter().flatten();
                into.extend(slots.filter_map(entry_of).filter(passes).filter_map(view));
            }
            None => {
                let entries = self.slots().map(|(_, entry)| entry);
                into.extend(entries.filter(passes).filter_map(view));
            }
        }
    }

    /// Writes what the journal does not have.
    pub(super) fn take_unwritten(&mut self, encoder: &mut Encoder) {
        let mut samples = Vec::new();
        let mut is_begun = false;
        for slot in std::mem::take(&mut self.unwritten) {
            let Some(entry) = self.entries.get_mut(index_of(slot)).and_then(Option::as_mut) else {
                continue;
            };
            samples.clear();
            entry.history.take_unwritten(&mut samples);
            if samples.is_empty() {
                continue;
            }
            if !is_begun {
                encoder.target(self.labels.iter());
                is_begun = true;
            }
            let traits = Traits {
                is_raw: !entry.is_read,
                zero_at: entry.zero_at(),
                has_own_times: entry.has_own_times,
            };
            encoder.series(entry.key.pairs(), traits, &samples);
        }
    }

    /// Takes back a series from the journal; returns how many samples were new.
    pub(super) fn restore(&mut self, part: SeriesPart) -> usize {
        let mut bytes = Vec::new();
        let mut labels =
            part.labels.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        if key::write(&mut labels, &self.labels, &mut bytes).is_err() {
            return 0;
        }
        let slot = self.find_or_insert(&bytes);
        let Some(entry) = self.entry_mut(slot) else { return 0 };
        entry.zero_at = entry.zero_at().or(part.traits.zero_at).unwrap_or(NEVER);
        let newest = entry.history.last().at;
        let mut taken = 0;
        for sample in part.samples.into_iter().filter(|sample| newest < sample.at) {
            entry.history.restore(sample);
            taken += 1;
        }
        if 0 < taken {
            entry.has_own_times = part.traits.has_own_times;
        }
        taken
    }

    fn view(&self, entry: &Entry, range: TimeRange) -> Option<Arc<dyn SeriesView>> {
        let history = &entry.history;
        if history.is_empty() || history.last().at <= range.from || range.to < history.first_at() {
            return None;
        }
        let labels = entry.labels.clone().unwrap_or_else(|| entry.key.labels(&self.labels));
        Some(Arc::new(history.view(labels, entry.zero_at(), range)))
    }

    fn join(&mut self, slot: u32, class: &Class) {
        self.read_count += usize::from(class.is_read);
        let mut is_first = false;
        for selector in &class.selectors {
            let slots = self.members.entry(*selector).or_default();
            is_first |= slots.is_empty();
            slots.push(slot);
        }
        if is_first {
            self.refresh_readers();
        }
    }

    fn remove(&mut self, slots: &[u32]) {
        for slot in slots {
            let Some(entry) = self.entries.get_mut(index_of(*slot)).and_then(Option::take) else {
                continue;
            };
            let hash = self.hasher.hash_one(entry.key.as_bytes());
            if let Ok(found) = self.by_key.find_entry(hash, |other| other == slot) {
                found.remove();
            }
            self.read_count -= usize::from(entry.is_read);
            self.free.push(*slot);
        }
        if slots.is_empty() {
            return;
        }
        let entries = &self.entries;
        let is_left = |slot: &u32| entries.get(index_of(*slot)).is_some_and(Option::is_some);
        for slots in self.by_name.values_mut().chain(self.members.values_mut()) {
            slots.retain(is_left);
        }
        self.by_name.retain(|_, slots| !slots.is_empty());
        self.refresh_readers();
    }

    fn refresh_readers(&mut self) {
        let filled = self.members.iter().filter(|(_, slots)| !slots.is_empty());
        let selectors = filled.filter_map(|(index, _)| self.plan.selector(*index));
        let readers: BTreeSet<usize> =
            selectors.flat_map(|selector| selector.readers.iter().copied()).collect();
        self.readers = readers.into_iter().collect();
    }
}
