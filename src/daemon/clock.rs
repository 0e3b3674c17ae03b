//! The one place that reads a clock.
//!
//! `now` is the wall time at the start plus what has elapsed on the monotonic clock since, so it
//! never jumps. A difference to the wall of more than a second is handed out once as a step, and
//! `now` follows it from then on.

#![allow(clippy::disallowed_methods, reason = "this file is the door to the clocks")]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use watchbell_paging::time::Timestamp;

/// Differences up to this are left alone.
const STEP_MS_MIN: i64 = 1000;

/// A clock that elapses.
#[derive(Debug)]
pub struct Clock {
    began: Instant,
    base_ms: Mutex<i64>,
}

impl Clock {
    /// Reads the wall once.
    #[must_use]
    pub fn start() -> Self {
        Self { began: Instant::now(), base_ms: Mutex::new(wall_ms()) }
    }

    /// Returns the engine's now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp(self.base_ms.lock().saturating_add(self.elapsed_ms()))
    }

    /// Returns by how much the wall stepped against `now` since the last call, if by more than a
    /// second; `now` has moved when this returns.
    pub fn take_step(&self) -> Option<i64> {
        let wall = wall_ms();
        let mut base = self.base_ms.lock();
        let step = wall.saturating_sub(base.saturating_add(self.elapsed_ms()));
        if step.abs() <= STEP_MS_MIN {
            return None;
        }
        *base = base.saturating_add(step);
        Some(step)
    }

    /// Makes the clock show another time than the wall, as after a step of the wall.
    #[cfg(test)]
    pub(crate) fn shift(&self, by_ms: i64) {
        *self.base_ms.lock() += by_ms;
    }

    /// Returns the time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    fn elapsed_ms(&self) -> i64 {
        i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}

fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_agrees_with_the_wall_has_not_stepped() {
        let clock = Clock::start();
        assert_eq!(clock.take_step(), None);
        assert!(clock.now() <= clock.now());
    }

    #[test]
    fn a_step_is_handed_out_once() {
        let clock = Clock::start();
        clock.shift(-3_600_000);
        let step = clock.take_step().expect("an hour is a step");
        assert!((3_599_000..=3_601_000).contains(&step));
        assert_eq!(clock.take_step(), None);
    }
}
