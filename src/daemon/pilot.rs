//! The pilot: the one thread that owns the engine, and the loop that feeds it.
//!
//! Waits, takes what came as one batch, lets `turn` record and act, and says that it lives. It
//! decides nothing; the watchdog of the process is fed from here because this loop must not stop.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tracing::{error, info, warn};
use watchbell_paging::command::Answer;
use watchbell_paging::engine::{Effect, Engine, Input};
use watchbell_paging::id::CommandId;
use watchbell_paging::outbox::Delivery;
use watchbell_paging::record::Record;
use watchbell_paging::time::Timestamp;
use watchbell_paging::turn::{AppendError, Ports, turn};
use watchbell_paging::view::{IncidentState, View};

use crate::clock::Clock;
use crate::desk::{Picture, Request};
use crate::store::Store;
use crate::telemetry::Metrics;

/// How long the loop waits at the most; the watchdog and the sign of life need a turn.
const IDLE: Duration = Duration::from_secs(1);
/// How often the sign of life is written.
const ALIVE_EVERY: Duration = Duration::from_secs(5);
/// Inputs of one batch.
const BATCH_MAX: usize = 256;
/// Records after which the state is saved whole, so that a start reads fewer.
const SNAPSHOT_EVERY: usize = 5_000;

/// What the pilot is built from.
#[derive(Debug)]
pub struct Pilot {
    /// The deciding part, already restored.
    pub engine: Engine,
    /// The last sign of life of the process before this one.
    pub down_since: Option<Timestamp>,
    /// Where records go.
    pub store: Store,
    /// The clock of the whole process.
    pub clock: Arc<Clock>,
    /// Own metrics.
    pub metrics: Arc<Metrics>,
    /// The newest picture, for readers.
    pub picture: Picture,
    /// Requests of people and programs.
    pub requests: mpsc::Receiver<Request>,
    /// Readings, outcomes, configurations.
    pub inputs: mpsc::Receiver<Input>,
    /// Where deliveries go.
    pub outbox: mpsc::UnboundedSender<Delivery>,
}

/// How the deciding loop is, told after every turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// When the turn ended.
    pub at: Timestamp,
    /// By how much the oldest timer is late.
    pub late: Duration,
    /// Whether the journal could be written.
    pub journal_works: bool,
}

/// What woke the loop.
enum Event {
    Request(Request),
    Input(Input),
    Timer,
    Stop,
}

impl Pilot {
    /// Runs until `stop` resolves or the senders are gone; `alive` is called after every turn.
    pub async fn run(mut self, mut stop: oneshot::Receiver<()>, alive: impl Fn(Pulse)) {
        let mut desk = Counter::default();
        let mut journal = Journal { works: true, unsaved: 0, alive_at: Timestamp(0) };
        let mut batch = vec![Input::Started { down_since: self.down_since }];
        loop {
            self.turn(std::mem::take(&mut batch), &mut desk, &mut journal);
            self.keep(&mut journal);
            alive(self.pulse(&journal));
            match self.wait(&mut stop).await {
                Event::Stop => break,
                Event::Timer => {}
                Event::Input(input) => batch.push(input),
                Event::Request(request) => batch.push(desk.admit(request)),
            }
            self.collect(&mut batch, &mut desk);
        }
        // What was handed in before the stop is recorded and answered; nothing more comes in.
        self.inputs.close();
        self.requests.close();
        loop {
            self.collect(&mut batch, &mut desk);
            self.turn(std::mem::take(&mut batch), &mut desk, &mut journal);
            alive(self.pulse(&journal));
            if self.inputs.is_empty() && self.requests.is_empty() {
                break;
            }
        }
        self.save_snapshot(&mut journal);
        self.write_alive(&mut journal);
        info!("the engine has stopped");
    }

    async fn wait(&mut self, stop: &mut oneshot::Receiver<()>) -> Event {
        let now = self.clock.now();
        let wait = self.engine.next_wakeup().map_or(IDLE, |(at, _)| at.since(now).min(IDLE));
        tokio::select! {
            biased;
            _ = stop => Event::Stop,
            request = self.requests.recv() => request.map_or(Event::Stop, Event::Request),
            input = self.inputs.recv() => input.map_or(Event::Stop, Event::Input),
            () = tokio::time::sleep(wait) => Event::Timer,
        }
    }

    /// Takes what else has come, so that it shares the sync.
    fn collect(&mut self, batch: &mut Vec<Input>, desk: &mut Counter) {
        while batch.len() < BATCH_MAX {
            if let Ok(input) = self.inputs.try_recv() {
                batch.push(input);
            } else if let Ok(request) = self.requests.try_recv() {
                batch.push(desk.admit(request));
            } else {
                break;
            }
        }
        if let Some(by_ms) = self.clock.take_step() {
            warn!(by_ms, "the wall clock stepped");
            batch.insert(0, Input::ClockStepped { by_ms });
        }
        batch.push(Input::Tick);
    }

    fn turn(&mut self, inputs: Vec<Input>, desk: &mut Counter, journal: &mut Journal) {
        let now = self.clock.now();
        let mut world = World {
            store: &mut self.store,
            metrics: &self.metrics,
            clock: &self.clock,
            picture: &self.picture,
            outbox: &self.outbox,
            desk,
            written: 0,
        };
        let done = turn(&mut self.engine, inputs.into_iter(), now, &mut world);
        journal.unsaved += world.written;
        match done {
            Ok(()) => {
                if !journal.works {
                    info!("the journal can be written again");
                }
                journal.works = true;
                // Posted alerts are answered once they are durable; until then the sender waits.
                desk.answer_posts();
            }
            Err(error) => {
                if journal.works {
                    error!(%error, "pages go on from memory until the journal can be written");
                }
                journal.works = false;
            }
        }
    }

    /// Writes the sign of life and, now and then, the whole state.
    fn keep(&mut self, journal: &mut Journal) {
        let now = self.clock.now();
        if ALIVE_EVERY <= now.since(journal.alive_at) || now < journal.alive_at {
            self.write_alive(journal);
        }
        if SNAPSHOT_EVERY <= journal.unsaved {
            self.save_snapshot(journal);
        }
    }

    fn write_alive(&mut self, journal: &mut Journal) {
        journal.alive_at = self.clock.now();
        if let Err(error) = self.store.write_alive(journal.alive_at) {
            warn!(%error, "the sign of life could not be written");
        }
    }

    fn save_snapshot(&mut self, journal: &mut Journal) {
        if !journal.works {
            return;
        }
        journal.unsaved = 0;
        if let Err(error) = self.store.save_snapshot(&self.engine.snapshot()) {
            warn!(%error, "the state could not be saved; the next start reads more records");
        }
    }

    fn pulse(&self, journal: &Journal) -> Pulse {
        let at = self.clock.now();
        let late = self.engine.next_wakeup().map_or(Duration::ZERO, |(due, _)| at.since(due));
        Pulse { at, late, journal_works: journal.works }
    }
}

/// How the journal is.
struct Journal {
    works: bool,
    unsaved: usize,
    alive_at: Timestamp,
}

/// Numbers commands and remembers who waits for which answer.
#[derive(Debug, Default)]
struct Counter {
    last: u64,
    waiting: BTreeMap<CommandId, oneshot::Sender<Answer>>,
    posts: Vec<oneshot::Sender<()>>,
}

impl Counter {
    fn admit(&mut self, request: Request) -> Input {
        match request {
            Request::Command(command, answer) => {
                self.last += 1;
                let id = CommandId(self.last);
                self.waiting.insert(id, answer);
                Input::Command(id, command)
            }
            Request::Alerts(alerts, answer) => {
                // Whoever gave up is forgotten, or a long failure of the journal would pile them up.
                self.posts.retain(|waiting| !waiting.is_closed());
                self.posts.push(answer);
                Input::External(alerts)
            }
        }
    }

    fn answer(&mut self, id: CommandId, answer: Answer) {
        if let Some(waiting) = self.waiting.remove(&id)
            && waiting.send(answer).is_err()
        {
            // Whoever asked has gone; the change is in the journal all the same.
            tracing::debug!(%id, "nobody waits for the answer any more");
        }
    }

    fn answer_posts(&mut self) {
        for waiting in self.posts.drain(..) {
            if waiting.send(()).is_err() {
                tracing::debug!("the sender of alerts has gone");
            }
        }
    }
}

/// The world as one turn sees it.
struct World<'a> {
    store: &'a mut Store,
    metrics: &'a Metrics,
    clock: &'a Clock,
    picture: &'a Picture,
    outbox: &'a mpsc::UnboundedSender<Delivery>,
    desk: &'a mut Counter,
    written: usize,
}

impl Ports for World<'_> {
    fn append(&mut self, records: &[Record]) -> Result<(), AppendError> {
        let began = self.clock.elapsed();
        self.store.append(records)?;
        let lasted = self.clock.elapsed().saturating_sub(began);
        self.metrics.journal_sync_seconds.observe(lasted.as_secs_f64());
        self.metrics.journal_records.inc_by(records.len() as u64);
        self.written += records.len();
        Ok(())
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Send(delivery) => {
                let id = delivery.id;
                if self.outbox.send(delivery).is_err() {
                    // The intent is in the journal: the next start sends it.
                    warn!(%id, "the senders have stopped; the delivery waits for the next start");
                }
            }
            Effect::Reply(id, answer) => self.desk.answer(id, answer),
            Effect::Publish(view) => {
                self.count_incidents(&view);
                self.picture.publish(view);
            }
        }
    }
}

impl World<'_> {
    fn count_incidents(&self, view: &View) {
        for (state, word) in
            [(IncidentState::Triggered, "triggered"), (IncidentState::Acked, "acked")]
        {
            let count = view.incidents.iter().filter(|one| one.state == state).count();
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.metrics.incidents.with_label_values(&[word]).set(count);
        }
    }
}
