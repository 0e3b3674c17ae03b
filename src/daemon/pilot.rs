//! The pilot: the one thread that owns the engine, and the loop that feeds it.
//!
//! Waits, takes what came as one batch, lets `turn` record and act, and says that it lives. It
//! decides nothing; the watchdog of the process is fed from here because this loop must not stop.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot};
use watchbell_paging::command::Answer;
use watchbell_paging::engine::{Effect, Engine, Input};
use watchbell_paging::id::CommandId;
use watchbell_paging::outbox::Delivery;
use watchbell_paging::record::Record;
use watchbell_paging::turn::{AppendError, Ports, turn};
use watchbell_paging::view::View;

use crate::clock::Clock;
use crate::desk::Request;
use crate::store::Store;
use crate::telemetry::Metrics;

/// How long the loop waits at the most; the watchdog and the alive record need a turn.
const IDLE: Duration = Duration::from_secs(1);
/// Inputs of one batch.
const BATCH_MAX: usize = 256;

/// What the pilot is built from.
#[derive(Debug)]
pub struct Pilot {
    /// The deciding part, already restored.
    pub engine: Engine,
    /// Where records go.
    pub store: Store,
    /// The clock of the whole process.
    pub clock: Arc<Clock>,
    /// Own metrics.
    pub metrics: Arc<Metrics>,
    /// The newest picture, for readers.
    pub view: Arc<ArcSwap<View>>,
    /// Requests of people and programs.
    pub requests: mpsc::Receiver<Request>,
    /// Readings, outcomes, configurations.
    pub inputs: mpsc::Receiver<Input>,
    /// Where deliveries go.
    pub outbox: mpsc::UnboundedSender<Delivery>,
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
    ///
    /// # Errors
    /// The journal failed so that nothing can be promised any more.
    pub async fn run(
        mut self,
        mut stop: oneshot::Receiver<()>,
        alive: impl Fn(&Engine),
    ) -> Result<(), AppendError> {
        let mut desk = Counter::default();
        let mut first = vec![Input::Tick];
        loop {
            self.turn(std::mem::take(&mut first), &mut desk)?;
            alive(&self.engine);
            match self.wait(&mut stop).await {
                Event::Stop => break,
                Event::Timer => first.push(Input::Tick),
                Event::Input(input) => first.push(input),
                Event::Request(request) => first.push(desk.admit(request)),
            }
            self.collect(&mut first, &mut desk);
        }
        self.turn(vec![Input::Tick], &mut desk)
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
            batch.push(Input::ClockStepped { by_ms });
        }
        batch.push(Input::Tick);
    }

    fn turn(&mut self, inputs: Vec<Input>, desk: &mut Counter) -> Result<(), AppendError> {
        let now = self.clock.now();
        let mut world = World {
            store: &mut self.store,
            metrics: &self.metrics,
            clock: &self.clock,
            view: &self.view,
            outbox: &self.outbox,
            desk,
        };
        let done = turn(&mut self.engine, inputs.into_iter(), now, &mut world);
        world.desk.answer_posts();
        done
    }
}
