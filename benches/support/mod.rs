//! What the measurements share: chance, clocks, tables, and the peers of the tests.

#![allow(dead_code, unreachable_pub, reason = "each bench uses a part of it")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints and may give up")]
#![allow(clippy::disallowed_methods, reason = "a bench measures real time")]

#[path = "../../tests/support/mod.rs"]
mod peers;

pub use self::peers::*;

use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

/// The present.
pub fn now() -> Instant {
    Instant::now()
}

/// Lets time pass.
pub async fn pass(wait: Duration) {
    tokio::time::sleep(wait).await;
}

/// Runs a measurement on two threads.
pub fn run(measurement: impl Future<Output = ()>) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(measurement);
}

/// Chance that can be had again: `SEED=n` repeats what seed `n` gave.
pub struct Dice(u64);

impl Dice {
    /// Takes the seed from the environment, or another one each time, and prints it.
    pub fn new() -> Self {
        let given = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| RandomState::new().hash_one(0) >> 32);
        println!("seed {seed}");
        Self(seed)
    }

    /// Returns a time below `below`, by splitmix64.
    pub fn time(&mut self, below: Duration) -> Duration {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let below_us = u64::try_from(below.as_micros()).unwrap().max(1);
        Duration::from_micros((mixed ^ (mixed >> 31)) % below_us)
    }
}

/// Returns the value that `percent` of all values do not exceed, by nearest rank.
pub fn percentile<T: Copy + Ord>(values: &[T], percent: usize) -> T {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted[(sorted.len() * percent).div_ceil(100).max(1) - 1]
}

/// Prints a line of a table.
pub fn line(what: &str, value: impl std::fmt::Display) {
    println!("{what:<44} {value:>12}");
}

/// Prints on which machine, and how busy it was.
pub fn machine() {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: Vec<&str> = load.split_whitespace().take(2).collect();
    println!("{cores} cores, load average {}", load.join(" "));
}
