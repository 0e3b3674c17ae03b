//! The simulator: a virtual world that drives the deciding code through faults and scenarios.
//!
//! Pure: a seed or a scenario is its only input.

pub mod random;
pub mod provider;
pub mod scenario;
pub mod world;
