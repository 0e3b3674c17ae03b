//! The engine: the only place where the small machines are put together.

use std::sync::Arc;

use watchbell_metrics::label::Labels;
use watchbell_metrics::rule::RuleReadings;

use crate::command::{Answer, Command};
use crate::id::{CommandId, DeliveryId};
use crate::outbox::{Delivery, Outcome};
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

/// Everything that can happen to the engine.
#[derive(Debug)]
pub enum Input {
    /// Rules were evaluated.
    Readings(Vec<RuleReadings>),
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
