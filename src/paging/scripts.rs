//! Scripts against the engine: a small world with a clock, a journal and providers that obey.

mod harness;

mod actions;
mod delivery;
mod escalation;
mod incidents;
mod journal;
mod levels;
mod mutes;
mod replay;
mod response;
