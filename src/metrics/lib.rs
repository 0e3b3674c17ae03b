//! From exposition text to values: parses what targets say, keeps series, evaluates PromQL.
//!
//! Pure: no clock, socket, file, thread, randomness or log. The `mod` lines stand in the order of
//! a sample's way, and a module imports only modules above it.

pub mod label;
mod sum;
pub mod sample;
pub mod units;
pub mod exposition;
pub mod chunk;
pub mod segment;
pub mod series;
pub mod round;
pub mod promql;
pub mod template;
pub mod rule;
