//! Scraping and evaluating: the loop that starts what is due and hears what came of it.
//!
//! Owns the rounds and the plan. Fetching, parsing and evaluating run elsewhere, so the loop never
//! waits for a target. It decides nothing: readings go to the pilot as they are.

mod course;
mod states;
mod evaluate;
mod failure;
pub(crate) mod lookup;
mod fetch;
mod plan;
pub(crate) mod tls;
mod visit;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot, watch};
use watchbell_config::value::Config;
use watchbell_metrics::label::{MatchOp, Matcher};
use watchbell_metrics::round::{Due, Rounds};
use watchbell_metrics::rule::Rule;
use watchbell_metrics::rule::record::{Recorder, Recording, reads, recordings};
use watchbell_metrics::sample::{Millis, Source as _, TimeRange};
use watchbell_metrics::series::{self, Read, Retention};
use watchbell_paging::engine::Input;
use watchbell_paging::time::Timestamp;

use self::course::Course;
use self::evaluate::{Evaluator, JOBS_MAX, Job, RULE_TIME_MAX};
pub use self::failure::Failure;
pub use self::fetch::{Body, Common, Fetcher};
pub use self::plan::faults;
use self::plan::{Plan, millis};
use self::states::{Known, States};
use self::visit::{Answer, Visitor, unknown};
use crate::clock::Clock;
use crate::collect::Collector;
use crate::desk::Picture;
use crate::evaluations::{EvaluationBoard, RuleId};
use crate::supervise::{Kind, Supervisor};
use crate::targets::{TargetBoard, TargetStatus};
use crate::telemetry::Metrics;

/// Finished scrapes that may wait for the loop.
const ANSWERS_MAX: usize = 1024;
/// Orders that may wait for the loop.
const ORDERS_MAX: usize = 8;
/// Rules that may be watched beside the configured ones.
const WATCHES_MAX: usize = 16;
/// The loop looks at the clock at least this often, in case it was set.
const IDLE: Duration = Duration::from_secs(1);
/// The clock may lag by this before the rounds are begun anew.
const STEP_BACK_MAX: Millis = 1000;
/// Samples may be ahead of the clock by this; a clock that was set back by less is waited for.
const FUTURE_MAX: Millis = 60_000;
/// How often old samples are dropped and the gauges of series are set.
const HOUSE: Duration = Duration::from_secs(5);

/// What a scraper is built from.
#[derive(Debug)]
pub struct Parts {
    /// The configuration in force.
    pub config: Arc<Config>,
    /// Where samples go.
    pub series: series::Store,
    /// The clock of the whole process.
    pub clock: Arc<Clock>,
    /// Own metrics.
    pub metrics: Arc<Metrics>,
    /// Where each target's line is written.
    pub board: TargetBoard,
    /// Starts scrapes.
    pub supervisor: Supervisor,
    /// The pilot's ear.
    pub inputs: mpsc::Sender<Input>,
    /// Where the pilot shows what it decided.
    pub picture: Picture,
    /// Where the evaluations of rules are written.
    pub evaluations: EvaluationBoard,
}

/// The loop.
#[derive(Debug)]
pub struct Scraper {
    parts: Parts,
    common: Common,
    collector: Arc<Collector>,
    plan: Arc<Plan>,
    rounds: Rounds,
    /// The rules of the configuration.
    course: Arc<Course>,
    /// Every rule that is evaluated.
    known: Known,
    watches: Vec<Watch>,
    /// Counts plans and rounds; an answer of an older one has older indexes.
    generation: u64,
    missed: u64,
    latest: Millis,
    orders: mpsc::Receiver<Order>,
    handle: ScrapeHandle,
    began: watch::Sender<bool>,
}

/// What can be asked of the loop; a clone asks the same one.
#[derive(Clone, Debug)]
pub struct ScrapeHandle(mpsc::Sender<Order>);

/// The loop is gone: the daemon is stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the scraper has stopped")]
pub struct Stopped;

#[derive(Debug)]
enum Order {
    Configure(Arc<Config>, oneshot::Sender<()>),
    Watch(Watch, oneshot::Sender<()>),
}

/// A rule that is evaluated for a while beside the configured ones.
#[derive(Clone, Debug)]
struct Watch {
    rule: Arc<Rule>,
    interval: Duration,
    until: Timestamp,
}

enum Event {
    Timer,
    Answer(Answer),
    Order(Order),
}

/// Where the loop's work goes.
struct Outlets {
    visitor: Visitor,
    jobs: mpsc::Sender<Job>,
}

/// Returns what the rules of a configuration read; the reader is the rule's index, recording rules
/// follow the others.
#[must_use]
pub fn retention_of(config: &Config) -> Retention {
    Retention {
        reads: reads(&config.rules, &recordings(&config.groups)),
        raw: millis(config.history.raw),
        keep: millis(config.history.keep),
        matchers: config.history.matchers.clone(),
    }
}

impl ScrapeHandle {
    /// Puts another configuration in force; returns when it is. Tables and targets that stay keep
    /// their series and connections.
    ///
    /// # Errors
    /// The loop has stopped.
    pub async fn reconfigure(&self, config: Arc<Config>) -> Result<(), Stopped> {
        let (done, heard) = oneshot::channel();
        self.0.send(Order::Configure(config, done)).await.map_err(|_| Stopped)?;
        heard.await.map_err(|_| Stopped)
    }

    /// Evaluates a further rule every `interval` until `until`. Meanwhile what is collected in the
    /// process (host, own) is collected that often too, or the rule would see nothing new.
    ///
    /// # Errors
    /// The loop has stopped.
    pub async fn watch(
        &self,
        rule: Arc<Rule>,
        interval: Duration,
        until: Timestamp,
    ) -> Result<(), Stopped> {
        let (done, heard) = oneshot::channel();
        let watch = Watch { rule, interval, until };
        self.0.send(Order::Watch(watch, done)).await.map_err(|_| Stopped)?;
        heard.await.map_err(|_| Stopped)
    }
}

impl Scraper {
    /// Prepares the loop: resolves secrets, opens the shards of all targets, fills the board.
    /// A table whose secrets are missing is there all the same, and down.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let (sender, orders) = mpsc::channel(ORDERS_MAX);
        let now = parts.clock.now().as_millis();
        let mut scraper = Self {
            common: Common::default(),
            collector: Arc::default(),
            plan: Arc::default(),
            rounds: Rounds::new(Vec::new(), Vec::new(), now),
            course: Arc::new(Course::new(&parts.config)),
            known: Known::default(),
            watches: Vec::new(),
            generation: 0,
            missed: 0,
            latest: now,
            orders,
            handle: ScrapeHandle(sender),
            began: watch::Sender::new(false),
            parts,
        };
        scraper.know();
        let plan = scraper.plan.replace(
            &scraper.parts.config,
            &scraper.parts.series,
            &scraper.common,
            now,
        );
        scraper.adopt(plan);
        scraper
    }

    /// Returns what turns true when the first round has begun, or there is nothing to scrape.
    #[must_use]
    pub fn began(&self) -> watch::Receiver<bool> {
        self.began.subscribe()
    }

    /// Returns a handle for orders.
    #[must_use]
    pub fn handle(&self) -> ScrapeHandle {
        self.handle.clone()
    }

    /// Runs until `stop` resolves; scrapes that run then are given up with the runtime.
    pub async fn run(mut self, stop: impl Future<Output = ()> + Send) {
        let (jobs, waiting) = mpsc::channel(JOBS_MAX);
        let (answers, mut answered) = mpsc::channel(ANSWERS_MAX);
        let evaluator = Evaluator {
            series: self.parts.series.clone(),
            clock: Arc::clone(&self.parts.clock),
            metrics: Arc::clone(&self.parts.metrics),
            inputs: self.parts.inputs.clone(),
            board: self.parts.evaluations.clone(),
            patience: RULE_TIME_MAX,
            recorder: Arc::new(Mutex::new(Recorder::new(&self.parts.series).awaiting_states())),
        };
        let states = States::new(
            self.parts.picture.clone(),
            Arc::clone(&self.known),
            self.parts.clock.now().as_millis(),
        );
        let visitor = Visitor {
            clock: Arc::clone(&self.parts.clock),
            metrics: Arc::clone(&self.parts.metrics),
            board: self.parts.board.clone(),
            collector: Arc::clone(&self.collector),
            answers,
        };
        let house = keep_house(
            self.parts.series.clone(),
            Arc::clone(&self.parts.clock),
            Arc::clone(&self.parts.metrics),
        );
        let outlets = Outlets { visitor, jobs };
        let main = async {
            loop {
                self.start_due(&outlets);
                match self.wait(&mut answered).await {
                    Event::Timer => {}
                    Event::Answer(answer) => self.hear(answer),
                    Event::Order(order) => self.obey(order).await,
                }
            }
        };
        tokio::select! {
            () = stop => {}
            () = main => {}
            () = evaluator.run(waiting, states) => {}
            () = house => {}
        }
    }

    async fn wait(&mut self, answered: &mut mpsc::Receiver<Answer>) -> Event {
        let now = self.parts.clock.now().as_millis();
        let ahead = self.rounds.next_due().saturating_sub(now).max(1);
        let wait = Duration::from_millis(u64::try_from(ahead).unwrap_or(1)).min(IDLE);
        tokio::select! {
            biased;
            Some(answer) = answered.recv() => Event::Answer(answer),
            Some(order) = self.orders.recv() => Event::Order(order),
            () = tokio::time::sleep(wait) => Event::Timer,
        }
    }

    fn start_due(&mut self, outlets: &Outlets) {
        let now = self.parts.clock.now();
        let ended = self.watches.extract_if(.., |watch| watch.until <= now).count();
        if 0 < ended {
            self.know();
        }
        // Set back, the clock would leave the rounds waiting for a time that was.
        if 0 < ended || now.as_millis() < self.latest.saturating_sub(STEP_BACK_MAX) {
            self.begin_rounds(now.as_millis());
        }
        self.latest = now.as_millis();
        if self.parts.board.all().is_empty() {
            self.began.send_replace(true);
        }
        for due in self.rounds.take_due(now.as_millis()) {
            match due {
                Due::Scrape { table, target, at } => {
                    self.start(table, target, at, outlets);
                    self.began.send_replace(true);
                }
                Due::Evaluate { rules, at } => self.ask(&rules, at, outlets),
            }
        }
        let missed = self.rounds.missed();
        self.parts.metrics.rule_evaluations_missed.inc_by(missed.saturating_sub(self.missed));
        self.missed = missed;
    }

    fn start(&self, table: usize, target: usize, at: Millis, outlets: &Outlets) {
        let Some(slot) = self.plan.slot(table, target) else { return };
        if slot.state.is_busy.swap(true, Ordering::AcqRel) {
            // The scrape before is still being parsed; it counts late, this one not at all.
            self.parts.metrics.rule_evaluations_missed.inc();
            return;
        }
        let visit = outlets.visitor.clone().visit(Arc::clone(slot), at, self.generation);
        self.parts.supervisor.spawn(Kind::Errand, visit);
    }

    fn ask(&self, rules: &[usize], at: Millis, outlets: &Outlets) {
        let course = &self.course;
        let due: Vec<usize> =
            rules.iter().filter_map(|reader| course.recording_of(*reader)).collect();
        let rules: Vec<(usize, Arc<Rule>)> =
            rules.iter().filter_map(|reader| Some((*reader, self.rule(*reader)?))).collect();
        let count = u64::try_from(rules.len() + due.len()).unwrap_or(0);
        if count == 0 {
            return;
        }
        let complete = self.parts.clock.elapsed();
        let job = Job { course: Arc::clone(course), rules, recordings: due, at, complete };
        if outlets.jobs.try_send(job).is_err() {
            self.parts.metrics.rule_evaluations_missed.inc_by(count);
            tracing::warn!(rules = count, "evaluations are late; a round was skipped");
        }
    }

    fn hear(&mut self, answer: Answer) {
        let Some((table, target)) = self.plan.place(answer.id) else { return };
        let readers = if answer.generation == self.generation {
            answer.readers
        } else {
            let slot = self.plan.slot(table, target);
            let series = slot.map(|slot| slot.state.series.lock());
            series
                .and_then(|series| series.as_ref().map(series::Target::readers))
                .unwrap_or_default()
        };
        let now = self.parts.clock.now().as_millis();
        self.rounds.answered(table, target, now, answer.at, &readers);
    }

    async fn obey(&mut self, order: Order) {
        let done = match order {
            Order::Configure(config, done) => {
                self.course = Arc::new(Course::new(&config));
                self.parts.config = config;
                self.know();
                self.replace_plan().await;
                done
            }
            Order::Watch(watch, done) => {
                if WATCHES_MAX <= self.watches.len() {
                    self.watches.remove(0);
                }
                self.watches.push(watch);
                self.know();
                self.begin_rounds(self.parts.clock.now().as_millis());
                done
            }
        };
        if done.send(()).is_err() {
            tracing::debug!("nobody waits for the order any more");
        }
    }

    async fn replace_plan(&mut self) {
        let old = Arc::clone(&self.plan);
        let config = Arc::clone(&self.parts.config);
        let (series, common) = (self.parts.series.clone(), self.common.clone());
        let now = self.parts.clock.now().as_millis();
        let build = move || old.replace(&config, &series, &common, now);
        match tokio::task::spawn_blocking(build).await {
            Ok(plan) => self.adopt(plan),
            Err(error) => {
                tracing::error!(%error, "the new targets could not be prepared; the old ones stay");
                self.begin_rounds(now);
            }
        }
    }

    /// Makes a plan the current one.
    fn adopt(&mut self, plan: Plan) {
        let board = &self.parts.board;
        let slots = || plan.slots().chain(plan.refused.iter().map(|(slot, _)| slot));
        let wanted: BTreeMap<_, _> = slots().map(|slot| (slot.key.place(), slot)).collect();
        board.retain(|status| {
            let slot = wanted.get(&(status.table.as_str(), status.url.as_str()));
            slot.is_some_and(|slot| slot.key.labels == status.labels)
        });
        let known = board.all();
        let known: BTreeSet<_> =
            known.iter().map(|status| (status.table.as_str(), status.url.as_str())).collect();
        for slot in plan.slots().filter(|slot| !known.contains(&slot.key.place())) {
            board.put(unknown(slot));
        }
        for (slot, why) in &plan.refused {
            board.put(TargetStatus {
                health: "down",
                last_error: Some(why.clone()),
                ..unknown(slot)
            });
        }
        self.plan = Arc::new(plan);
        self.begin_rounds(self.parts.clock.now().as_millis());
    }

    fn begin_rounds(&mut self, now: Millis) {
        let at_most = self.watches.iter().map(|watch| watch.interval).min();
        let default = self.parts.config.daemon.interval;
        let recordings = self.course.recordings.iter().map(|one| one.interval);
        let configured = self.parts.config.rules.iter().map(|rule| rule.spec.interval);
        let configured = configured.chain(recordings);
        let watched = self.watches.iter().map(|watch| Some(watch.interval));
        let rules =
            configured.chain(watched).map(|interval| millis(interval.unwrap_or(default))).collect();
        self.rounds = Rounds::new(self.plan.round_tables(at_most), rules, now);
        self.missed = 0;
        self.generation += 1;
    }

    fn rule(&self, index: usize) -> Option<Arc<Rule>> {
        let configured = &self.parts.config.rules;
        let watched = || self.watches.get(index.checked_sub(self.course.end())?);
        configured.get(index).or_else(|| Some(&watched()?.rule)).map(Arc::clone)
    }

    /// Lets the store, the board and the states follow the rules that are evaluated now.
    fn know(&self) {
        self.parts.series.configure(self.retention());
        let watched = self.watches.iter().map(|watch| &watch.rule);
        let known = course::by_name(self.parts.config.rules.iter().chain(watched));
        let recordings: BTreeSet<&str> = self.course.recordings.iter().map(Recording::id).collect();
        self.parts.evaluations.retain(|rule| match rule {
            RuleId::Alert(name) => known.contains_key(name),
            RuleId::Recording(id) => recordings.contains(id.as_str()),
        });
        self.known.store(Arc::new(known));
    }

    fn retention(&self) -> Retention {
        let mut retention = retention_of(&self.parts.config);
        let first = self.course.end();
        let watched: Vec<Arc<Rule>> =
            self.watches.iter().map(|watch| Arc::clone(&watch.rule)).collect();
        let of_watches = reads(&watched, &[]).into_iter();
        retention.reads.extend(of_watches.map(|read| Read { reader: first + read.reader, ..read }));
        retention
    }
}

/// Forgets every sample if some are of a time that is still to come: the clock was set back, in
/// this process or before it started. A series takes nothing older than its newest sample, so all
/// rules would read what was, until that time has come again. Without history they are "no data"
/// for a window, which resolves nothing; a window over both times would invent rates.
fn forget_the_future(series: &series::Store, now: Millis) {
    let range = TimeRange { from: now.saturating_add(FUTURE_MAX), to: Millis::MAX };
    let Ok(up) = Matcher::new("__name__", MatchOp::Equal, "up") else { return };
    let newest = series.select(&[up], range).iter().filter_map(|one| one.newest(range)).count();
    if 0 < newest {
        tracing::warn!(
            targets = newest,
            "there are samples of the future because the clock was set back; windows begin anew"
        );
        series.expire(Millis::MAX);
    }
}

/// Drops what nobody needs any more and sets the gauges, now and then, off the hot path.
async fn keep_house(series: series::Store, clock: Arc<Clock>, metrics: Arc<Metrics>) {
    let mut tick = tokio::time::interval(HOUSE);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let (series, now) = (series.clone(), clock.now().as_millis());
        let work = tokio::task::spawn_blocking(move || {
            forget_the_future(&series, now);
            series.expire(now);
            series.stats()
        });
        match work.await {
            Ok(stats) => {
                let set = |kind: &str, count: usize| {
                    let count = i64::try_from(count).unwrap_or(i64::MAX);
                    metrics.series.with_label_values(&[kind]).set(count);
                };
                set("read", stats.read);
                set("unread", stats.unread);
            }
            Err(error) => tracing::error!(%error, "dropping old samples failed"),
        }
    }
}

#[cfg(test)]
mod tests;
