//! From levels to a kept promise: alerts, incidents, routes, duty, escalation, delivery, report.
//!
//! Pure and journalled: values and the time go in, records and effects come out. The `mod` lines
//! stand in the order of the data's way; a module imports only modules above it.

pub mod time;
pub mod id;
pub mod level;
pub mod alert;
pub mod silence;
pub mod route;
pub mod calendar;
pub mod duty;
pub mod sla;
pub mod view;
pub mod outbox;
pub mod settings;
pub mod command;
pub mod escalation;
pub mod incident;
pub mod record;
pub mod engine;
pub mod turn;
pub mod ledger;

#[cfg(test)]
mod scripts;
