//! The virtual world: one clock, the engine, its journal, and everything around it.
//!
//! Runs the very engine of the daemon through the very `turn`. Nothing here decides; a fault is
//! something that the world does to the engine, never the other way round.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use watchbell_paging::command::{Answer, Command};
use watchbell_paging::engine::{Effect, Engine, Input};
use watchbell_paging::id::{CommandId, DeliveryId};
use watchbell_paging::outbox::{Delivery, Outcome};
use watchbell_paging::record::Record;
use watchbell_paging::settings::Settings;
use watchbell_paging::time::Timestamp;
use watchbell_paging::turn::{AppendError, Ports, turn};
use watchbell_paging::view::View;

use crate::provider::Providers;

/// Turns at one instant after which the world is surely going in circles.
const TURNS_AT_ONE_INSTANT_MAX: usize = 10_000;

/// What an engine refused or could not do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorldError {
    /// The journal does not give an engine.
    #[error("the journal cannot be restored: {0}")]
    Restore(String),
    /// The engine keeps waking up at one instant.
    #[error("the engine does not come to rest at {0}")]
    Restless(String),
}

/// A delivery attempt under way.
#[derive(Clone, Debug)]
struct UnderWay {
    delivery: DeliveryId,
    outcome: Outcome,
}

/// The world.
#[derive(Debug)]
pub struct World {
    now: Timestamp,
    engine: Engine,
    settings: Arc<Settings>,
    ends: BTreeMap<(Timestamp, u64), UnderWay>,
    ends_count: u64,
    outside: Outside,
    commands: u64,
}

/// What the engine's effects reach.
#[derive(Debug, Default)]
struct Outside {
    journal: Vec<Record>,
    sends: Vec<Delivery>,
    answers: BTreeMap<CommandId, Answer>,
    view: Arc<View>,
    disk_full: bool,
    providers: Providers,
}

impl World {
    /// Starts an engine with an empty journal.
    ///
    /// # Errors
    /// The engine cannot be built.
    pub fn new(settings: Arc<Settings>, start: Timestamp) -> Result<Self, WorldError> {
        let engine = restore(&settings, &[])?;
        let mut world = Self {
            now: start,
            engine,
            settings,
            ends: BTreeMap::new(),
            ends_count: 0,
            outside: Outside::default(),
            commands: 0,
        };
        world.feed(vec![Input::Started { down_since: None }])?;
        Ok(world)
    }

    /// Returns the instant of now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Returns the newest published picture.
    #[must_use]
    pub fn view(&self) -> &View {
        &self.outside.view
    }

    /// Returns the engine, to look at.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Returns the providers.
    #[must_use]
    pub fn providers(&self) -> &Providers {
        &self.outside.providers
    }

    /// Returns the providers, to break and mend them.
    pub fn providers_mut(&mut self) -> &mut Providers {
        &mut self.outside.providers
    }

    /// Returns the journal.
    #[must_use]
    pub fn journal(&self) -> &[Record] {
        &self.outside.journal
    }

    /// Returns the configuration in force.
    #[must_use]
    pub fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    /// Makes appends fail, or work again.
    pub fn set_disk_full(&mut self, full: bool) {
        self.outside.disk_full = full;
    }

    /// Lets time pass up to `until`; everything that is due by then has happened.
    ///
    /// # Errors
    /// The engine does not come to rest.
    pub fn advance(&mut self, until: Timestamp) -> Result<(), WorldError> {
        self.settle()?;
        while let Some(next) = self.next_event().filter(|next| *next <= until) {
            self.now = next.max(self.now);
            self.settle()?;
        }
        self.now = until.max(self.now);
        self.settle()
    }

    /// Hands inputs in and lets everything that follows at once happen.
    ///
    /// # Errors
    /// The engine does not come to rest.
    pub fn feed(&mut self, inputs: Vec<Input>) -> Result<(), WorldError> {
        self.turn(inputs);
        self.settle()
    }

    /// Asks as a person would and gives the answer.
    ///
    /// # Errors
    /// The engine does not come to rest.
    pub fn ask(&mut self, command: Command) -> Result<Option<Answer>, WorldError> {
        self.commands += 1;
        let id = CommandId(self.commands);
        self.feed(vec![Input::Command(id, command)])?;
        Ok(self.outside.answers.remove(&id))
    }

    /// Kills the engine and starts it again `down` later. Attempts under way are forgotten;
    /// what is in the journal is all that is left.
    ///
    /// # Errors
    /// The journal cannot be restored.
    pub fn crash(&mut self, down: Duration) -> Result<(), WorldError> {
        let since = self.now;
        self.ends.clear();
        self.outside.sends.clear();
        self.now = self.now.plus(down);
        self.engine = restore(&self.settings, &self.outside.journal)?;
        self.feed(vec![Input::Started { down_since: Some(since) }])
    }

    /// Puts another configuration in force.
    ///
    /// # Errors
    /// The engine does not come to rest.
    pub fn configure(&mut self, settings: Arc<Settings>) -> Result<(), WorldError> {
        self.settings = Arc::clone(&settings);
        self.feed(vec![Input::Configured(settings)])
    }

    /// Steps the wall clock.
    ///
    /// # Errors
    /// The engine does not come to rest.
    pub fn step_clock(&mut self, by_ms: i64) -> Result<(), WorldError> {
        let ends = std::mem::take(&mut self.ends);
        self.ends = ends
            .into_iter()
            .map(|((at, number), end)| ((Timestamp(at.0.saturating_add(by_ms)), number), end))
            .collect();
        self.now = Timestamp(self.now.0.saturating_add(by_ms));
        self.feed(vec![Input::ClockStepped { by_ms }])
    }

    fn next_event(&self) -> Option<Timestamp> {
        let end = self.ends.keys().next().map(|(at, _)| *at);
        let wakeup = self.engine.next_wakeup().map(|(at, _)| at);
        end.into_iter().chain(wakeup).min()
    }

    /// Runs turns until nothing is due at this instant.
    fn settle(&mut self) -> Result<(), WorldError> {
        for _ in 0..TURNS_AT_ONE_INSTANT_MAX {
            self.start_sends();
            let mut inputs = self.take_ended();
            if inputs.is_empty() {
                if self.engine.next_wakeup().is_none_or(|(at, _)| self.now < at) {
                    return Ok(());
                }
                inputs.push(Input::Tick);
            }
            self.turn(inputs);
        }
        Err(WorldError::Restless(self.now.to_rfc3339()))
    }

    fn start_sends(&mut self) {
        for delivery in std::mem::take(&mut self.outside.sends) {
            let id = delivery.id;
            let (lasts, outcome) = self.outside.providers.attempt(delivery, self.now);
            self.ends_count += 1;
            let key = (self.now.plus(lasts), self.ends_count);
            self.ends.insert(key, UnderWay { delivery: id, outcome });
        }
    }

    fn take_ended(&mut self) -> Vec<Input> {
        let mut inputs = Vec::new();
        while let Some(entry) = self.ends.first_entry() {
            if self.now < entry.key().0 {
                break;
            }
            let end = entry.remove();
            inputs.push(Input::Delivered(end.delivery, end.outcome));
        }
        inputs
    }

    fn turn(&mut self, inputs: Vec<Input>) {
        // A full disk is part of the world: the engine hears of it and goes on from memory.
        let done = turn(&mut self.engine, inputs.into_iter(), self.now, &mut self.outside);
        debug_assert!(done.is_ok() || self.outside.disk_full, "appends fail only when told to");
    }
}

impl Ports for Outside {
    fn append(&mut self, records: &[Record]) -> Result<(), AppendError> {
        if self.disk_full {
            return Err(AppendError::new("no space left on device"));
        }
        self.journal.extend_from_slice(records);
        Ok(())
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Send(delivery) => self.sends.push(delivery),
            Effect::Reply(id, answer) => {
                self.answers.insert(id, answer);
            }
            Effect::Publish(view) => self.view = view,
        }
    }
}

fn restore(settings: &Arc<Settings>, journal: &[Record]) -> Result<Engine, WorldError> {
    Engine::restore(Arc::clone(settings), None, journal.iter().cloned())
        .map_err(|error| WorldError::Restore(error.to_string()))
}
