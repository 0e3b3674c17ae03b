//! The simulator: a virtual world that drives the deciding code through faults and scenarios.
//!
//! Pure: a seed or a scenario is its only input.

pub mod random;
pub mod provider;
pub mod scenario;
pub mod target;
pub mod collector;
pub mod audit;
pub mod world;
pub mod people;
pub mod run;
pub mod plan;
pub mod seed;
pub mod rule_test;
