//! Record first, act second: the single copy, used by the daemon and by the simulator.

use crate::engine::{Effect, Engine, Input, Output};
use crate::level::Severity;
use crate::outbox::Purpose;
use crate::record::Record;
use crate::time::Timestamp;

/// Records that could not be made durable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the journal cannot be written: {0}")]
pub struct AppendError(String);

impl AppendError {
    /// Says why.
    #[must_use]
    pub fn new(why: &str) -> Self {
        Self(why.to_owned())
    }
}

/// What a turn needs of the world.
pub trait Ports {
    /// Makes records durable, all of them or none.
    ///
    /// # Errors
    /// They are not durable.
    fn append(&mut self, records: &[Record]) -> Result<(), AppendError>;

    /// Carries out one effect; its records are durable (or the journal has failed, and the page
    /// goes out all the same).
    fn perform(&mut self, effect: Effect);
}

/// Feeds inputs, makes their records durable in one append, then performs the effects.
///
/// # Errors
/// The records are not durable; the effects were performed all the same, because a page that is
/// due matters more than its record. The records are kept and appended first by the next turn.
pub fn turn<P: Ports>(
    engine: &mut Engine,
    inputs: impl Iterator<Item = Input>,
    now: Timestamp,
    ports: &mut P,
) -> Result<(), AppendError> {
    let mut out = Output::default();
    for input in inputs {
        engine.handle(input, now, &mut out);
    }
    let records = engine.take_records(now, &mut out);
    let mut written = if records.is_empty() { Ok(()) } else { ports.append(&records) };
    let more = match &written {
        Ok(()) => engine.appended(&records, now),
        Err(error) => engine.not_appended(records, &error.0, now),
    };
    // The journal works again: what that leads to is durable before it is done.
    if written.is_ok() && !more.records.is_empty() {
        written = ports.append(&more.records);
        if let Err(error) = &written {
            let again = engine.not_appended(more.records, &error.0, now);
            out.effects.extend(again.effects);
        }
    }
    out.effects.extend(more.effects);
    // A critical page of any input goes ahead of what the inputs before it led to.
    let (first, rest): (Vec<Effect>, Vec<Effect>) =
        out.effects.into_iter().partition(is_critical_page);
    for effect in first.into_iter().chain(rest) {
        ports.perform(effect);
    }
    written
}

fn is_critical_page(effect: &Effect) -> bool {
    let Effect::Send(delivery) = effect else { return false };
    let loud = match &delivery.purpose {
        Purpose::Page { .. } => true,
        Purpose::Thread { person } => person.is_some(),
        Purpose::Post | Purpose::Edit => false,
    };
    loud && delivery.severity == Severity::Critical
}
