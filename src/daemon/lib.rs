//! The daemon: sockets, disk, processes and people around the pure crates.
//!
//! Deciding happens elsewhere; every module here moves bytes or values and says what came of it.

pub mod clock;
pub mod supervise;
pub mod telemetry;
pub mod secrets;
pub mod desk;
pub mod targets;
pub mod evaluations;
pub mod control;
pub mod live;
pub mod links;
pub mod store;
pub mod samples;
pub mod collect;
pub mod scrape;
pub mod notify;
pub mod http;
pub mod systemd;
pub mod heartbeat;
pub mod drill;
pub mod reload;
pub mod pilot;
pub mod app;
pub mod cli;
