//! Where queries run: on threads of their own, a few at once, each for a bounded time.
//!
//! A query whose time is up, or whose client has gone, learns it from its [`Deadline`] and ends
//! by itself; it keeps its place until then. Looking up names has places of its own, so that it
//! does not wait behind slow queries.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::http::StatusCode;
use tokio::sync::Semaphore;
use watchbell_metrics::series::Store;

use crate::clock::Clock;
use crate::http::prometheus_api::Fault;

/// Queries at once, and look-ups at once; further ones wait.
const PLACES: usize = 4;
/// The longest a query may take, the wait included; `timeout=` can only shorten it.
pub(super) const TIME_MAX: Duration = Duration::from_secs(30);

/// The places of one kind.
#[derive(Clone, Debug)]
pub(super) struct Places(Arc<Semaphore>);

/// When a piece of work must end.
#[derive(Clone, Debug)]
pub(super) struct Deadline {
    clock: Arc<Clock>,
    /// On the clock that elapses.
    end: Duration,
    is_left: Arc<AtomicBool>,
}

/// Nobody waits any more once this is dropped.
struct Waiting(Arc<AtomicBool>);

impl Places {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(PLACES)))
    }

    /// Runs work on a thread of its own once there is a place.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        store: &Store,
        deadline: Deadline,
        work: impl FnOnce(&Store, &Deadline) -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let waiting = Waiting(Arc::clone(&deadline.is_left));
        let place = Arc::clone(&self.0).acquire_owned();
        let Ok(place) = tokio::time::timeout(deadline.rest(), place).await else {
            return Err(timed_out("query queue"));
        };
        let (store, rest) = (store.clone(), deadline.rest());
        // The place is kept until the work ends, even where nobody waits for it any more. Work
        // that learned that its time is up may have done a part only.
        let work = tokio::task::spawn_blocking(move || {
            let done = work(&store, &deadline);
            drop(place);
            (!deadline.rest().is_zero()).then_some(done)
        });
        let done = tokio::time::timeout(rest, work).await;
        drop(waiting);
        match done {
            Ok(Ok(Some(done))) => Ok(done),
            Ok(Ok(None)) | Err(_) => Err(timed_out("expression evaluation")),
            Ok(Err(error)) => {
                tracing::error!(%error, "a query could not be answered");
                Err(Fault::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "internal",
                    "a fault of the daemon; its log says more",
                ))
            }
        }
    }

    #[cfg(test)]
    pub(super) fn of(count: usize) -> Self {
        Self(Arc::new(Semaphore::new(count)))
    }

    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        self.0.available_permits()
    }
}

impl Deadline {
    /// Starts now; no work may take longer than [`TIME_MAX`].
    pub(super) fn after(clock: &Arc<Clock>, time: Duration) -> Self {
        let end = clock.elapsed().saturating_add(time.min(TIME_MAX));
        Self { clock: Arc::clone(clock), end, is_left: Arc::default() }
    }

    /// Tells whether the work is for nothing by now.
    pub(super) fn is_over(&self) -> bool {
        self.is_left.load(Ordering::Relaxed) || self.end <= self.clock.elapsed()
    }

    fn rest(&self) -> Duration {
        self.end.saturating_sub(self.clock.elapsed())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn timed_out(place: &str) -> Fault {
    let text = format!("query timed out in {place}");
    Fault::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", text)
}
