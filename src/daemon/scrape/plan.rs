//! The tables and targets of a configuration, and what of them survives a reload.
//!
//! A target is the same as before if its table, URL, labels and limits are; then its series, its
//! busy mark and its place in the store stay. Starts nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use parking_lot::Mutex;
use url::Url;
use watchbell_config::value::{Config, Scrape};
use watchbell_metrics::label::Labels;
use watchbell_metrics::round::Table as RoundTable;
use watchbell_metrics::sample::Millis;
use watchbell_metrics::series::{self, Limits};

use crate::scrape::failure::Failure;
use crate::scrape::fetch::{Common, Fetcher};

/// What the process itself may say; far above what it does.
const OWN_LIMITS: Limits = Limits { series_max: 100_000, labels_max: 64, label_length_max: 4096 };
/// The time limit of what is collected in the process.
const OWN_TIMEOUT: Duration = Duration::from_secs(10);

/// Where a body comes from.
#[derive(Clone, Debug)]
pub(super) enum Origin {
    /// From a target.
    Http { url: Box<Url>, fetcher: Arc<Result<Fetcher, Failure>> },
    /// From the host's `/proc`.
    Host,
    /// From the daemon's own instruments.
    Own,
}

/// One target.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) key: Key,
    pub(super) origin: Origin,
    pub(super) interval: Duration,
    pub(super) timeout: Duration,
    pub(super) state: Arc<State>,
}

/// What makes a target the same one after a reload.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Key {
    pub(super) table: String,
    /// Without credentials; empty for what is collected in the process.
    pub(super) url: String,
    pub(super) labels: Labels,
    pub(super) limits: Limits,
}

/// What a target keeps across reloads.
#[derive(Debug)]
pub(super) struct State {
    /// Counted over the whole life of the process.
    pub(super) id: u64,
    /// Its series; `None` once it is no longer configured.
    pub(super) series: Mutex<Option<series::Target>>,
    /// A scrape is running.
    pub(super) is_busy: AtomicBool,
}

/// Targets that are scraped together.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) interval: Duration,
    pub(super) slots: Vec<Arc<Slot>>,
}

/// Every table.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) tables: Vec<Table>,
    /// Targets that are never scraped, and why.
    pub(super) refused: Vec<(Arc<Slot>, String)>,
    places: BTreeMap<u64, (usize, usize)>,
    states: u64,
}

/// A table before its targets are joined to their states.
struct Draft {
    name: String,
    interval: Duration,
    timeout: Duration,
    targets: Vec<(Key, Origin)>,
}

impl Plan {
    /// Builds the plan of a configuration. Targets that vanished are closed at `now`. Reads
    /// secrets and files and may wait for a running parse: not for an async worker.
    pub(super) fn replace(
        &self,
        config: &Config,
        store: &series::Store,
        common: &Common,
        now: Millis,
    ) -> Self {
        let drafts = drafts(config, common);
        let wanted: BTreeMap<(&str, &str), &Key> = drafts
            .iter()
            .flat_map(|draft| draft.targets.iter().map(|(key, _)| (key.place(), key)))
            .collect();
        let mut kept: BTreeMap<(String, String), Arc<State>> = BTreeMap::new();
        for slot in self.slots() {
            if wanted.get(&slot.key.place()).is_some_and(|key| **key == slot.key) {
                let (table, url) = slot.key.place();
                kept.insert((table.to_owned(), url.to_owned()), Arc::clone(&slot.state));
            } else {
                // Closed before anything is opened: its labels may be used again.
                slot.state.close(now);
            }
        }
        let mut plan = Self { states: self.states, ..Self::default() };
        let mut labels_seen = BTreeSet::new();
        for draft in drafts {
            let mut slots = Vec::with_capacity(draft.targets.len());
            for (key, origin) in draft.targets {
                let is_first = labels_seen.insert(key.labels.clone());
                let state = match kept.remove(&(key.table.clone(), key.url.clone())) {
                    Some(state) => state,
                    None => plan.state(is_first.then(|| store.open(&key.labels, key.limits))),
                };
                let why = format!(
                    "another target has the same labels {}; give it a `labels = {{ instance }}`",
                    key.labels
                );
                let (interval, timeout) = (draft.interval, draft.timeout);
                let slot = Arc::new(Slot { key, origin, interval, timeout, state });
                if is_first {
                    slots.push(slot);
                } else {
                    plan.refused.push((slot, why));
                }
            }
            plan.tables.push(Table { name: draft.name, interval: draft.interval, slots });
        }
        for (table, content) in plan.tables.iter().enumerate() {
            for (target, slot) in content.slots.iter().enumerate() {
                plan.places.insert(slot.state.id, (table, target));
            }
        }
        plan
    }

    /// Returns where a target now stands, by its state's id.
    pub(super) fn place(&self, id: u64) -> Option<(usize, usize)> {
        self.places.get(&id).copied()
    }

    /// Returns the target at a place.
    pub(super) fn slot(&self, table: usize, target: usize) -> Option<&Arc<Slot>> {
        self.tables.get(table)?.slots.get(target)
    }

    /// Returns every target that is scraped.
    pub(super) fn slots(&self) -> impl Iterator<Item = &Arc<Slot>> {
        self.tables.iter().flat_map(|table| &table.slots)
    }

    /// Returns the tables as rounds count them; what is collected in the process is collected at
    /// least every `at_most`, where given.
    pub(super) fn round_tables(&self, at_most: Option<Duration>) -> Vec<RoundTable> {
        self.tables
            .iter()
            .map(|table| {
                let is_inside = table.slots.iter().all(|slot| slot.key.url.is_empty());
                let interval = match at_most {
                    Some(most) if is_inside => table.interval.min(most),
                    Some(_) | None => table.interval,
                };
                RoundTable {
                    name: table.name.clone(),
                    interval: millis(interval),
                    targets: table.slots.len(),
                }
            })
            .collect()
    }

    fn state(&mut self, series: Option<series::Target>) -> Arc<State> {
        self.states += 1;
        Arc::new(State {
            id: self.states,
            series: Mutex::new(series),
            is_busy: AtomicBool::new(false),
        })
    }
}

impl Key {
    /// What tells it from every other target of a configuration, and its line on the board.
    pub(super) fn place(&self) -> (&str, &str) {
        (&self.table, &self.url)
    }
}

impl State {
    fn close(&self, now: Millis) {
        if let Some(mut series) = self.series.lock().take() {
            series.close(now);
        }
    }
}

/// Returns why tables of a configuration cannot be scraped: secrets and files that are not there.
/// Each is also shown on the targets page and makes `up` 0.
#[must_use]
pub fn faults(config: &Config) -> Vec<String> {
    let common = Common::default();
    config
        .scrapes
        .values()
        .filter_map(|table| {
            let fault = Fetcher::new(table, &common).err()?;
            Some(format!("scrape.{}: {fault}", table.name))
        })
        .collect()
}

fn drafts(config: &Config, common: &Common) -> Vec<Draft> {
    let mut drafts = Vec::new();
    let interval = config.collect.interval;
    for (wanted, name, origin) in [
        (config.collect.host, "host", Origin::Host),
        (config.collect.own, "watchbell", Origin::Own),
    ] {
        if wanted {
            let labels = Labels::from_pairs([
                ("job".to_owned(), name.to_owned()),
                ("instance".to_owned(), crate::collect::host_name()),
            ]);
            let key =
                Key { table: name.to_owned(), url: String::new(), labels, limits: OWN_LIMITS };
            let timeout = OWN_TIMEOUT.min(interval);
            let targets = vec![(key, origin)];
            drafts.push(Draft { name: name.to_owned(), interval, timeout, targets });
        }
    }
    drafts.extend(config.scrapes.values().map(|table| scrape_draft(table, common)));
    drafts
}

fn scrape_draft(table: &Scrape, common: &Common) -> Draft {
    let fetcher = Arc::new(Fetcher::new(table, common));
    if let Err(why) = &*fetcher {
        tracing::error!(table = table.name, %why, "a table cannot be scraped");
    }
    let mut targets: Vec<(Key, Origin)> = Vec::with_capacity(table.urls.len());
    let mut urls_seen = BTreeSet::new();
    for text in &table.urls {
        let url = match Url::parse(text) {
            Ok(url) => url,
            Err(error) => {
                tracing::error!(table = table.name, %error, "a URL cannot be read");
                continue;
            }
        };
        let key = Key {
            table: table.name.clone(),
            url: shown(&url),
            labels: labels(table, &url),
            limits: Limits {
                series_max: table.max_series,
                labels_max: table.max_labels,
                label_length_max: table.max_label_length,
            },
        };
        if urls_seen.insert(key.url.clone()) {
            let origin = Origin::Http { url: Box::new(url), fetcher: Arc::clone(&fetcher) };
            targets.push((key, origin));
        }
    }
    Draft { name: table.name.clone(), interval: table.interval, timeout: table.timeout, targets }
}

/// The default labels are the table's name and `host:port`; the table's own win.
fn labels(table: &Scrape, url: &Url) -> Labels {
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or(80);
    let defaults =
        [("job".to_owned(), table.name.clone()), ("instance".to_owned(), format!("{host}:{port}"))];
    Labels::from_pairs(
        defaults
            .into_iter()
            .chain(table.labels.iter().map(|(name, value)| (name.clone(), value.clone()))),
    )
}

/// The URL without user and password.
fn shown(url: &Url) -> String {
    let mut shown = url.clone();
    // They fail for URLs that cannot have a user, which have none to remove.
    let (Ok(()) | Err(())) = shown.set_username("");
    let (Ok(()) | Err(())) = shown.set_password(None);
    shown.into()
}

#[cfg(test)]
pub(super) fn keys(config: &Config, common: &Common) -> Vec<Key> {
    let targets = drafts(config, common).into_iter().flat_map(|draft| draft.targets);
    targets.map(|(key, _)| key).collect()
}

pub(super) fn millis(length: Duration) -> Millis {
    Millis::try_from(length.as_millis()).unwrap_or(Millis::MAX)
}
