//! The virtual world: one clock, the engine, its journal, and everything around it.
//!
//! Runs the very engine of the daemon through the very `turn`. Nothing here decides; a fault is
//! something that the world does to the engine, never the other way round. After every turn the
//! audit, where there is one, looks at what left the engine.

mod outside;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use watchbell_paging::command::{Answer, Command};
use watchbell_paging::engine::{Engine, Input, Reason};
use watchbell_paging::id::{CommandId, DeliveryId};
use watchbell_paging::outbox::Outcome;
use watchbell_paging::record::Record;
use watchbell_paging::settings::Settings;
use watchbell_paging::time::Timestamp;
use watchbell_paging::turn::turn;
use watchbell_paging::view::View;

use self::outside::Outside;
pub use self::outside::{Amid, Line, Sabotage};
use crate::audit::Audit;
use crate::collector::{Collector, RuleSet};
use crate::provider::Providers;

/// Turns at one instant after which the world is surely going in circles.
const TURNS_AT_ONE_INSTANT_MAX: usize = 10_000;
/// How often the daemon writes that it lives.
const ALIVE: Duration = Duration::from_secs(5);

/// What an engine refused or could not do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorldError {
    /// The journal does not give an engine.
    #[error("the journal cannot be restored: {0}")]
    Restore(String),
    /// The engine keeps waking up at one instant.
    #[error("the engine does not come to rest at {0}")]
    Restless(String),
    /// The audit found a broken promise.
    #[error("{0}")]
    Broken(String),
}

/// A delivery attempt under way.
#[derive(Clone, Debug)]
struct UnderWay {
    delivery: DeliveryId,
    outcome: Outcome,
}

/// The time between a crash and the next start.
#[derive(Clone, Copy, Debug)]
struct Down {
    since: Timestamp,
    until: Timestamp,
}

/// The world.
#[derive(Debug)]
pub struct World {
    now: Timestamp,
    stepped_ms: i64,
    started: Timestamp,
    engine: Engine,
    settings: Arc<Settings>,
    down: Option<Down>,
    crash_amid: Option<Duration>,
    ends: BTreeMap<(Timestamp, u64), UnderWay>,
    ends_count: u64,
    outside: Outside,
    collector: Option<Collector>,
    commands: u64,
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
            stepped_ms: 0,
            started: start,
            engine,
            settings,
            down: None,
            crash_amid: None,
            ends: BTreeMap::new(),
            ends_count: 0,
            outside: Outside::default(),
            collector: None,
            commands: 0,
        };
        world.feed(vec![Input::Started { down_since: None }])?;
        Ok(world)
    }

    /// Puts targets and rules into the world.
    pub fn collect(&mut self, collector: Collector) {
        self.collector = Some(collector);
    }

    /// Checks every turn from here on.
    pub fn watch(&mut self, audit: Audit) {
        self.outside.audit = Some(audit);
    }

    /// Makes the world lie to the engine, to show that the audit notices.
    pub fn sabotage(&mut self, sabotage: Sabotage) {
        self.outside.sabotage = Some(sabotage);
    }

    /// Returns the instant of now, by the wall clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Returns by how much the wall clock was stepped in all.
    #[must_use]
    pub fn stepped_ms(&self) -> i64 {
        self.stepped_ms
    }

    /// Tells whether the daemon is down.
    #[must_use]
    pub fn is_down(&self) -> bool {
        self.down.is_some()
    }

    /// Returns the newest published picture.
    #[must_use]
    pub fn view(&self) -> &Arc<View> {
        &self.outside.view
    }

    /// Returns the picture of now: what waits to be published is published.
    ///
    /// # Errors
    /// The engine does not come to rest.
    pub fn look(&mut self) -> Result<Arc<View>, WorldError> {
        // If a picture is what the engine waits for, nothing else is due before it.
        if let (None, Some((at, Reason::Publish))) = (self.down, self.engine.next_wakeup()) {
            self.turn(vec![Input::Tick], at.max(self.now));
        }
        self.check()?;
        Ok(Arc::clone(&self.outside.view))
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

    /// Returns the targets, to break and mend them.
    pub fn collector_mut(&mut self) -> Option<&mut Collector> {
        self.collector.as_mut()
    }

    /// Returns the journal.
    #[must_use]
    pub fn journal(&self) -> &[Record] {
        &self.outside.journal
    }

    /// Returns everything that happened, in order.
    #[must_use]
    pub fn transcript(&self) -> &[Line] {
        &self.outside.transcript
    }

    /// Returns the configuration in force.
    #[must_use]
    pub fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    /// Adds a line to the transcript.
    pub fn note(&mut self, text: impl Into<String>) {
        self.outside.note(self.now, text);
    }

    /// Makes appends fail, or work again.
    pub fn set_disk_full(&mut self, full: bool) {
        self.outside.disk_full = full;
        self.note(if full { "the disk is full" } else { "the disk has space" });
        self.trouble();
    }

    /// Tells the audit that something outside changed for the worse or the better.
    pub fn trouble(&mut self) {
        let now = self.now;
        let providers = &self.outside.providers;
        if let Some(audit) = &mut self.outside.audit {
            audit.world_changed(now, providers, self.outside.disk_full);
        }
    }

    /// Lets time pass up to `until`; everything that is due by then has happened.
    ///
    /// # Errors
    /// The engine does not come to rest, or the audit found something.
    pub fn advance(&mut self, until: Timestamp) -> Result<(), WorldError> {
        while let Some(next) = self.next_event().filter(|next| *next <= until) {
            self.now = next.max(self.now);
            self.settle()?;
        }
        self.now = until.max(self.now);
        self.settle()
    }

    /// Hands inputs in and lets everything that follows at once happen. Lost while down.
    ///
    /// # Errors
    /// The engine does not come to rest, or the audit found something.
    pub fn feed(&mut self, inputs: Vec<Input>) -> Result<(), WorldError> {
        if self.down.is_none() {
            self.turn(inputs, self.now);
        }
        self.settle()
    }

    /// Asks as a person would and gives the answer; none while the daemon is down.
    ///
    /// # Errors
    /// The engine does not come to rest, or the audit found something.
    pub fn ask(&mut self, command: Command) -> Result<Option<Answer>, WorldError> {
        self.commands += 1;
        let id = CommandId(self.commands);
        self.outside.asked.insert(id, command.clone());
        self.feed(vec![Input::Command(id, command)])?;
        self.outside.asked.remove(&id);
        Ok(self.outside.answers.remove(&id))
    }

    /// Kills the engine now, or in the middle of the next turn that sends something, and starts
    /// it again `down` later. Attempts under way are forgotten; what is in the journal is all
    /// that is left.
    ///
    /// # Errors
    /// The journal does not give the engine that was.
    pub fn crash(&mut self, down: Duration, amid: Option<Amid>) -> Result<(), WorldError> {
        if self.down.is_some() {
            return Ok(());
        }
        self.outside.cut = amid;
        if amid.is_some() {
            self.crash_amid = Some(down);
            return Ok(());
        }
        self.die(down)
    }

    /// Puts another configuration in force.
    ///
    /// # Errors
    /// The engine does not come to rest, or the audit found something.
    pub fn configure(&mut self, settings: Arc<Settings>, rules: RuleSet) -> Result<(), WorldError> {
        self.settings = Arc::clone(&settings);
        if let Some(collector) = &mut self.collector {
            collector.configure(rules, self.now);
        }
        self.note("another configuration is in force");
        if let Some(audit) = &mut self.outside.audit {
            audit.configured(Arc::clone(&settings));
        }
        self.feed(vec![Input::Configured(settings)])
    }

    /// Steps the wall clock.
    ///
    /// # Errors
    /// The engine does not come to rest, or the audit found something.
    pub fn step_clock(&mut self, by_ms: i64) -> Result<(), WorldError> {
        let step = |at: Timestamp| Timestamp(at.0.saturating_add(by_ms));
        let ends = std::mem::take(&mut self.ends);
        self.ends = ends.into_iter().map(|((at, number), end)| ((step(at), number), end)).collect();
        self.now = step(self.now);
        self.started = step(self.started);
        self.stepped_ms = self.stepped_ms.saturating_add(by_ms);
        if let Some(down) = &mut self.down {
            down.until = step(down.until);
        }
        if let Some(collector) = &mut self.collector {
            collector.step_clock(by_ms, self.now);
        }
        // Nobody notices a step while the daemon is down: its instants stay what they were.
        if self.down.is_none() {
            self.outside.step_clock(by_ms);
        }
        self.note(format!("the wall clock stepped by {by_ms} ms"));
        self.feed(vec![Input::ClockStepped { by_ms }])
    }

    /// Returns when something happens next by itself.
    #[must_use]
    pub fn next_event(&self) -> Option<Timestamp> {
        if let Some(down) = self.down {
            return Some(down.until);
        }
        let end = self.ends.keys().next().map(|(at, _)| *at);
        let wakeup = self.engine.next_wakeup().map(|(at, _)| at);
        let scrape = self.collector.as_ref().map(Collector::next_due);
        end.into_iter().chain(wakeup).chain(scrape).min()
    }

    /// Runs turns until nothing is due at this instant.
    fn settle(&mut self) -> Result<(), WorldError> {
        if let Some(down) = self.down {
            if self.now < down.until {
                return Ok(());
            }
            self.restart(down)?;
        }
        for _ in 0..TURNS_AT_ONE_INSTANT_MAX {
            self.start_sends();
            if let Some(down) = self.crash_amid.take_if(|_| self.outside.died) {
                return self.die(down);
            }
            self.check()?;
            let inputs = self.due_inputs();
            if inputs.is_empty() {
                return Ok(());
            }
            self.turn(inputs, self.now);
        }
        Err(WorldError::Restless(self.now.to_rfc3339()))
    }

    fn due_inputs(&mut self) -> Vec<Input> {
        let mut inputs = self.take_ended();
        let now = self.now;
        if let Some(collector) = self.collector.as_mut().filter(|one| one.next_due() <= now) {
            let readings = collector.run_due(now);
            if !readings.is_empty() {
                inputs.push(Input::Readings(readings));
            }
        }
        if inputs.is_empty() && self.engine.next_wakeup().is_some_and(|(at, _)| at <= now) {
            inputs.push(Input::Tick);
        }
        inputs
    }

    fn start_sends(&mut self) {
        for delivery in std::mem::take(&mut self.outside.sends) {
            let id = delivery.id;
            let (lasts, outcome) = self.outside.attempt(delivery, self.now);
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
            if let Some(audit) = &mut self.outside.audit {
                audit.delivered(end.delivery, &end.outcome);
            }
            inputs.push(Input::Delivered(end.delivery, end.outcome));
        }
        inputs
    }

    fn turn(&mut self, inputs: Vec<Input>, now: Timestamp) {
        self.outside.now = now;
        // A full disk is part of the world: the engine hears of it and goes on from memory.
        let done = turn(&mut self.engine, inputs.into_iter(), now, &mut self.outside);
        debug_assert!(done.is_ok() || self.outside.disk_full, "appends fail only when told to");
        self.outside.turned();
    }

    fn check(&self) -> Result<(), WorldError> {
        match self.outside.audit.as_ref().and_then(Audit::violation) {
            Some(violation) => Err(WorldError::Broken(violation.to_string())),
            None => Ok(()),
        }
    }

    fn die(&mut self, down: Duration) -> Result<(), WorldError> {
        let alive = self.started.plus(whole(self.now.since(self.started), ALIVE));
        let since = self.outside.appended_at.map_or(alive, |at| at.max(alive)).min(self.now);
        self.down = Some(Down { since, until: self.now.plus(down) });
        self.note(format!("killed, for {} s", down.as_secs()));
        self.ends.clear();
        let whole = self.outside.is_whole();
        if whole && !self.outside.died {
            self.compare()?;
        }
        self.outside.forget();
        if let Some(audit) = &mut self.outside.audit {
            audit.crashed(self.now, whole);
        }
        Ok(())
    }

    /// The journal must give the engine that was.
    fn compare(&mut self) -> Result<(), WorldError> {
        let Some(audit) = &mut self.outside.audit else { return Ok(()) };
        let restored = restore(&self.settings, &self.outside.journal)?;
        audit.restored(self.now, &self.engine.snapshot(), &restored.snapshot());
        self.check()
    }

    fn restart(&mut self, down: Down) -> Result<(), WorldError> {
        self.down = None;
        self.started = self.now;
        self.outside.lie_about_the_journal();
        self.engine = restore(&self.settings, &self.outside.journal)?;
        if let Some(collector) = &mut self.collector {
            collector.restart(self.now).map_err(WorldError::Restore)?;
        }
        self.note("started again");
        self.turn(vec![Input::Started { down_since: Some(down.since) }], self.now);
        if let Some(audit) = &mut self.outside.audit {
            audit.restarted(self.now, &self.outside.view);
        }
        self.check()
    }
}

fn whole(length: Duration, unit: Duration) -> Duration {
    let units = length.as_millis() / unit.as_millis().max(1);
    unit.saturating_mul(u32::try_from(units).unwrap_or(u32::MAX))
}

fn restore(settings: &Arc<Settings>, journal: &[Record]) -> Result<Engine, WorldError> {
    Engine::restore(Arc::clone(settings), None, journal.iter().cloned())
        .map_err(|error| WorldError::Restore(error.to_string()))
}
