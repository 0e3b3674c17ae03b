//! Configuration: TOML text to checked values, all faults at once, each with its place and repair.
//!
//! Pure: texts come in, values and diagnostics go out; whoever calls reads the files. A file
//! becomes a tree in which every value knows its place (`raw`), the tree of all files is merged
//! (`document`), and one module per configured thing turns its part into checked values.

pub mod value;
mod code;
pub mod diagnostic;
mod raw;
mod quantity;
mod findings;
mod shape;
mod walk;
mod known;
mod moment;
mod http;
mod collect;
mod history;
mod calendar;
mod sla;
mod scrape;
mod daemon;
mod rule;
mod slack;
mod email;
mod webhook;
mod deadman;
mod person;
mod schedule;
mod route;
mod prometheus_rules;
pub mod rule_test;
mod root;
mod document;
mod check;
mod mask;
pub mod load;
pub mod coverage;
pub mod schema;

#[cfg(test)]
mod tests;
