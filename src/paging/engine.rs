//! The engine: the only place where the small machines are put together.
//!
//! `handle` decides and emits facts; the fold of the facts is the state, so that replaying the
//! journal gives the same state. What is not durable (newest values, pictures) is apart in `live`.

mod live;
mod work;
mod timers;
mod alerts;
mod incidents;
mod mutes;
mod chain;
mod telling;
mod delivery;
mod orders;
mod words;
mod picture;
mod journal;

use std::sync::Arc;

use watchbell_metrics::label::Labels;
use watchbell_metrics::rule::RuleReadings;

use self::live::Live;
use self::work::Work;
use crate::command::{Answer, Command};
use crate::id::{CommandId, DeliveryId};
use crate::outbox::{Delivery, Outcome};
use crate::record::{Fact, Record, Snapshot, State};
use crate::settings::Settings;
use crate::time::Timestamp;
use crate::view::View;

/// An alert posted by another program over Alertmanager's API.
#[derive(Clone, Debug, PartialEq)]
pub struct PostedAlert {
    /// Its labels, `alertname` and `severity` as given.
    pub labels: Labels,
    /// Its annotations.
    pub annotations: Vec<(String, String)>,
    /// When it began.
    pub starts_at: Timestamp,
    /// When it ends unless it is posted again.
    pub ends_at: Timestamp,
}

/// A recording rule that could not be evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailingRecording {
    /// The metric name of its series.
    pub record: String,
    /// The name of its group.
    pub group: String,
    /// What happened the last time.
    pub error: String,
    /// How often in a row.
    pub errors_in_row: u32,
}

/// Everything that can happen to the engine.
#[derive(Debug)]
pub enum Input {
    /// The process started; `down_since` is the last sign of life in the journal, if it has one.
    Started { down_since: Option<Timestamp> },
    /// Rules were evaluated.
    Readings(Vec<RuleReadings>),
    /// Recording rules were evaluated; these failed, all others work.
    Recordings(Vec<FailingRecording>),
    /// Another program posted alerts.
    External(Vec<PostedAlert>),
    /// Somebody asks for something.
    Command(CommandId, Command),
    /// An attempt to deliver ended.
    Delivered(DeliveryId, Outcome),
    /// The configuration is now this one.
    Configured(Arc<Settings>),
    /// Time passed.
    Tick,
    /// The wall clock stepped by so much against the engine's own.
    ClockStepped { by_ms: i64 },
}

/// What the shell has to do, after the records of the same turn are durable.
#[derive(Debug)]
pub enum Effect {
    /// Attempt this delivery and hand the outcome back.
    Send(Delivery),
    /// Answer a command.
    Reply(CommandId, Answer),
    /// Show this to readers.
    Publish(Arc<View>),
}

/// What one input led to.
#[derive(Debug, Default)]
pub struct Output {
    /// Facts, to be appended to the journal and synced first.
    pub records: Vec<Record>,
    /// What is done afterwards.
    pub effects: Vec<Effect>,
}

/// Why the engine wants to be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A level's hold or clearing ends.
    Level,
    /// A step of an escalation.
    Escalation,
    /// A retry of a delivery.
    Delivery,
    /// A promise ends, or its reminder is due.
    Promise,
    /// An ack, a snooze, a silence or a closed incident expires.
    Expiry,
    /// A collected notice is due.
    Group,
    /// A picture waits to be published.
    Publish,
    /// Records wait for a journal that failed.
    Journal,
}

/// A journal that gives no engine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {seq} of the journal does not fit: {why}")]
pub struct RestoreError {
    /// Which one.
    pub seq: u64,
    /// What is wrong.
    pub why: String,
}

/// All alert and incident state, owned by one thread.
#[derive(Debug)]
pub struct Engine {
    settings: Arc<Settings>,
    state: State,
    live: Live,
}

impl Engine {
    /// Builds the engine from a snapshot and the records after it.
    ///
    /// # Errors
    /// The journal is not one that this engine wrote: a number is missing.
    pub fn restore(
        settings: Arc<Settings>,
        snapshot: Option<Snapshot>,
        tail: impl Iterator<Item = Record>,
    ) -> Result<Self, RestoreError> {
        let mut state = snapshot.map_or_else(State::default, |snapshot| *snapshot.state);
        state.reindex();
        let mut last = Timestamp(0);
        let known = state.seq;
        for record in tail.skip_while(|record| record.seq <= known) {
            let follows = record.seq == state.seq + 1;
            if !follows && !matches!(record.fact, Fact::Checkpoint(_)) {
                let why = format!("the record before it has the number {}", state.seq);
                return Err(RestoreError { seq: record.seq, why });
            }
            state.apply(&record);
            last = record.at;
        }
        let mut live = Live::new(&settings);
        live.timers.arm_all(&state, &settings, last);
        Ok(Self { settings, state, live })
    }

    /// Takes one input; the caller drains the output before the next one.
    pub fn handle(&mut self, input: Input, now: Timestamp, out: &mut Output) {
        let mut work = self.work(now, out);
        match input {
            Input::Started { down_since } => work.started(down_since),
            Input::Readings(all) => all.into_iter().for_each(|one| work.evaluated(one)),
            Input::Recordings(failing) => work.recorded(failing),
            Input::External(posted) => work.posted(posted),
            Input::Command(id, command) => work.ordered(id, command),
            Input::Delivered(delivery, outcome) => work.attempted(delivery, outcome),
            Input::Configured(settings) => work.configured(settings),
            Input::Tick => {}
            Input::ClockStepped { by_ms } => work.clock_stepped(by_ms),
        }
        work.finish();
    }

    /// Returns when and why it wants the next `Tick` at the latest.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<(Timestamp, Reason)> {
        let publish = self.live.publish_due.map(|at| (at, Reason::Publish));
        let journal = self.live.journal_retry().map(|at| (at, Reason::Journal));
        let timer = self.live.timers.next();
        [timer, journal, publish].into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    /// Returns the whole state, so that the records up to it need not be read again.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { seq: self.state.seq, state: Box::new(self.state.clone()) }
    }

    /// Returns the configuration in force.
    #[must_use]
    pub fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    fn work<'a>(&'a mut self, now: Timestamp, out: &'a mut Output) -> Work<'a> {
        Work::new(&mut self.settings, &mut self.state, &mut self.live, now, out)
    }
}
