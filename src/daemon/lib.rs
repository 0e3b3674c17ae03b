//! The daemon: sockets, disk, processes and people around the pure crates.
//!
//! Deciding happens elsewhere; every module here moves bytes or values and says what came of it.

pub mod desk;
pub mod targets;
