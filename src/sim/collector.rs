//! The collector: scrapes fake targets into the real store and evaluates the rules on it,
//! recording rules included.
//!
//! Two paces. By steps, every target answers at exactly `start + n * step` and every rule is
//! evaluated there: what a scenario promises its reader. By rounds, the daemon's own timing
//! decides what is due: what seeds run. Decides nothing about alerts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use watchbell_config::value::Config;
use watchbell_metrics::exposition::Format;
use watchbell_metrics::promql::Options;
use watchbell_metrics::round::{Due, Rounds, Table};
use watchbell_metrics::rule::order::Order;
use watchbell_metrics::rule::record::{Recorder, Recording, reads, recordings};
use watchbell_metrics::rule::{Rule, RuleReadings, evaluate};
use watchbell_metrics::sample::Millis;
use watchbell_metrics::series::{Limits, Retention, Store, Target};
use watchbell_paging::time::Timestamp;

use crate::target::FakeTarget;

/// What a fake target may send: the defaults of a scrape table.
const LIMITS: Limits = Limits { series_max: 50_000, labels_max: 64, label_length_max: 4096 };
/// How long a scrape of a fake target takes, seconds.
const SCRAPE_SECONDS: f64 = 0.01;
/// Rounds of scraping and evaluating at one instant after which time must pass.
const ROUNDS_AT_ONE_INSTANT_MAX: usize = 1000;

/// When targets are scraped and rules evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// All at once, at exactly every step.
    Steps,
    /// As the daemon does: hashed offsets, evaluation on arrival.
    Rounds,
}

/// The rules of a configuration, with their order.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    rules: Vec<Arc<Rule>>,
    recordings: Arc<[Recording]>,
    order: Order,
}

impl RuleSet {
    /// Takes the rules of a configuration, recording rules included.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let recordings = recordings(&config.groups);
        let order = Order::new(&config.rules, &config.groups, &recordings);
        Self { rules: config.rules.clone(), recordings, order }
    }

    /// Returns what all of them read, so that the store keeps it.
    fn retention(&self) -> Retention {
        let reads = reads(&self.rules, &self.recordings);
        Retention { reads, raw: 900_000, keep: 0, matchers: Vec::new() }
    }

    /// Returns the indexes of all; those of recording rules follow the others.
    fn indexes(&self) -> std::ops::Range<usize> {
        0..self.rules.len() + self.recordings.len()
    }
}

/// Store, targets and rules together.
#[derive(Debug)]
pub struct Collector {
    origin: Timestamp,
    step: Duration,
    interval: Duration,
    rules: RuleSet,
    targets: Vec<Watched>,
    store: Store,
    recorder: Recorder,
    blocks: Vec<Vec<u8>>,
    timing: Timing,
}

#[derive(Debug)]
struct Watched {
    fake: FakeTarget,
    shard: Target,
}

#[derive(Debug)]
enum Timing {
    Steps { next: u32 },
    Rounds { rounds: Rounds, places: Vec<Vec<usize>> },
}

impl Collector {
    /// Starts with an empty store; step 0 of every series is at `origin`, `interval` is the
    /// daemon's own for rules that no sample triggers.
    #[must_use]
    pub fn new(
        targets: Vec<FakeTarget>,
        rules: RuleSet,
        (origin, step): (Timestamp, Duration),
        interval: Duration,
        pace: Pace,
    ) -> Self {
        let store = Store::new(rules.retention());
        let step = step.max(Duration::from_millis(1));
        let targets: Vec<Watched> = targets
            .into_iter()
            .map(|fake| Watched { shard: store.open(&fake.labels, LIMITS), fake })
            .collect();
        let timing = Timing::Steps { next: 0 };
        let recorder = Recorder::new(&store);
        let blocks = Vec::new();
        let mut collector =
            Self { origin, step, interval, rules, targets, store, recorder, blocks, timing };
        if pace == Pace::Rounds {
            collector.timing = collector.rounds(origin);
        }
        collector
    }

    /// Returns when something is due next.
    #[must_use]
    pub fn next_due(&self) -> Timestamp {
        match &self.timing {
            Timing::Steps { next } => self.origin.plus(self.step.saturating_mul(*next)),
            Timing::Rounds { rounds, .. } => Timestamp(rounds.next_due()),
        }
    }

    /// Does what is due by `now` and gives the readings.
    pub fn run_due(&mut self, now: Timestamp) -> Vec<RuleReadings> {
        let mut readings = Vec::new();
        for _ in 0..ROUNDS_AT_ONE_INSTANT_MAX {
            if now < self.next_due() {
                break;
            }
            let dues = self.take_due(now);
            for due in dues {
                self.carry_out(due, now, &mut readings);
            }
        }
        let block = self.store.take_block();
        if !block.is_empty() {
            self.blocks.push(block);
        }
        readings
    }

    /// Makes scrapes of a job fail, or work again; false where no target has that job.
    pub fn set_down(&mut self, job: &str, down: bool) -> bool {
        let mut found = false;
        for target in &mut self.targets {
            if target.fake.labels.get("job").unwrap_or_default() == job {
                target.fake.down = down;
                found = true;
            }
        }
        found
    }

    /// Starts again at `now` after a crash, with what the journal of samples holds.
    ///
    /// # Errors
    /// A block of the journal is refused.
    pub fn restart(&mut self, now: Timestamp) -> Result<(), String> {
        self.store = Store::new(self.rules.retention());
        for block in &self.blocks {
            self.store.replay(block).map_err(|error| error.to_string())?;
        }
        for target in &mut self.targets {
            target.shard = self.store.open(&target.fake.labels, LIMITS);
        }
        self.recorder = Recorder::new(&self.store);
        self.resume(now);
        Ok(())
    }

    /// Follows a step of the wall clock.
    pub fn step_clock(&mut self, by_ms: i64, now: Timestamp) {
        self.origin = Timestamp(self.origin.0.saturating_add(by_ms));
        if matches!(self.timing, Timing::Rounds { .. }) {
            self.timing = self.rounds(now);
        }
    }

    /// Puts other rules in force.
    pub fn configure(&mut self, rules: RuleSet, now: Timestamp) {
        self.rules = rules;
        self.store.configure(self.rules.retention());
        if matches!(self.timing, Timing::Rounds { .. }) {
            self.timing = self.rounds(now);
        }
    }

    /// Steps that lie before `now` were missed and are not made up for.
    fn resume(&mut self, now: Timestamp) {
        let passed = now.since(self.origin).as_millis().div_ceil(self.step.as_millis());
        match &mut self.timing {
            Timing::Steps { next } => *next = u32::try_from(passed).unwrap_or(u32::MAX).max(*next),
            Timing::Rounds { .. } => self.timing = self.rounds(now),
        }
    }

    fn rounds(&self, now: Timestamp) -> Timing {
        let mut by_job: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (index, target) in self.targets.iter().enumerate() {
            by_job
                .entry(target.fake.labels.get("job").unwrap_or_default())
                .or_default()
                .push(index);
        }
        let tables = by_job
            .iter()
            .map(|(job, members)| Table {
                name: (*job).to_owned(),
                interval: millis(self.step),
                targets: members.len(),
            })
            .collect();
        let alerting = self.rules.rules.iter().map(|rule| rule.spec.interval);
        let recording = self.rules.recordings.iter().map(|recording| recording.interval);
        let own = |interval: Option<Duration>| millis(interval.unwrap_or(self.interval));
        let rules = alerting.chain(recording).map(own).collect();
        Timing::Rounds {
            rounds: Rounds::new(tables, rules, now.0),
            places: by_job.into_values().collect(),
        }
    }

    fn take_due(&mut self, now: Timestamp) -> Vec<Due> {
        match &mut self.timing {
            Timing::Steps { next } => {
                let at = self.origin.plus(self.step.saturating_mul(*next)).0;
                *next = next.saturating_add(1);
                let scrapes =
                    (0..self.targets.len()).map(|target| Due::Scrape { table: 0, target, at });
                let rules = self.rules.indexes().collect();
                scrapes.chain([Due::Evaluate { rules, at }]).collect()
            }
            Timing::Rounds { rounds, .. } => rounds.take_due(now.0),
        }
    }

    fn carry_out(&mut self, due: Due, now: Timestamp, readings: &mut Vec<RuleReadings>) {
        match due {
            Due::Scrape { table, target, at } => {
                let index = match &self.timing {
                    Timing::Steps { .. } => Some(target),
                    Timing::Rounds { places, .. } => {
                        places.get(table).and_then(|members| members.get(target)).copied()
                    }
                };
                let Some(readers) = index.and_then(|index| self.scrape(index, at)) else { return };
                if let Timing::Rounds { rounds, .. } = &mut self.timing {
                    rounds.answered(table, target, now.0, at, &readers);
                }
            }
            Due::Evaluate { rules, at } => self.evaluate(&rules, at, readings),
        }
    }

    /// Goes through the stages: first what is recorded, then who alerts.
    fn evaluate(&mut self, due: &[usize], at: Millis, readings: &mut Vec<RuleReadings>) {
        let RuleSet { rules, recordings, order } = &self.rules;
        let places: Vec<usize> =
            due.iter().filter_map(|index| index.checked_sub(rules.len())).collect();
        let places = self.recorder.take_due(recordings, &places, at);
        for stage in 0..order.stages() {
            let is_now = |place: &&usize| {
                order.recordings.get(**place).is_some_and(|turn| turn.stage == stage)
            };
            for place in places.iter().filter(is_now) {
                // A recording rule that fails writes nothing; whoever reads it shows that.
                let (Ok(_) | Err(_)) = self.recorder.record(*place, at, &Options::default());
            }
            // Nothing limits these series but a bound that no scenario comes near.
            let _failure = self.recorder.write(at);
            let is_now =
                |index: &&usize| order.rules.get(**index).is_some_and(|turn| turn.stage == stage);
            let due = due.iter().filter(is_now).filter_map(|index| rules.get(*index));
            readings.extend(due.map(|rule| evaluate(rule, &self.store, at, &Options::default())));
        }
    }

    /// Scrapes one target, unless it has ended, and gives the rules that read it.
    fn scrape(&mut self, index: usize, at: Millis) -> Option<Vec<usize>> {
        let passed = Timestamp(at).since(self.origin).as_millis() / self.step.as_millis();
        let step = usize::try_from(passed).unwrap_or(usize::MAX);
        let watched = self.targets.get_mut(index)?;
        let body = watched.fake.body(step);
        let Some(body) = body.filter(|_| !watched.fake.down) else {
            if watched.fake.down {
                watched.shard.fail(at, SCRAPE_SECONDS);
            }
            return Some(watched.shard.readers());
        };
        watched.shard.append(body.as_bytes(), Format::Text, at, SCRAPE_SECONDS);
        Some(watched.shard.readers())
    }
}

fn millis(length: Duration) -> Millis {
    i64::try_from(length.as_millis()).unwrap_or(i64::MAX)
}
