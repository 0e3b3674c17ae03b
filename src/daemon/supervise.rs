//! Tasks: every one has a kind, and the kind says what happens when it ends.

use std::future::Future;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::{error, warn};

/// The first wait before a restart; it doubles up to the last.
const RESTART_WAIT: Duration = Duration::from_millis(200);
const RESTART_WAIT_MAX: Duration = Duration::from_secs(30);

/// What a task is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Scrapes targets and evaluates rules.
    Scraper,
    /// Collects metrics of this host and process.
    Collector,
    /// Carries deliveries to their channels.
    Sender,
    /// One delivery, one scrape, one connection: ends by itself.
    Errand,
    /// Answers HTTP.
    Server,
    /// Listens to Slack's socket.
    Socket,
    /// Writes the journal of samples.
    Samples,
    /// Sends the heartbeat.
    Heartbeat,
    /// Reads signals, the terminal, requests to the daemon itself.
    Control,
}

/// What happens when a task of a kind ends or panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// The process stops: without it nothing can be promised.
    Stop,
    /// It is only written to the log.
    Log,
}

impl Kind {
    fn ending(self) -> Ending {
        match self {
            Self::Scraper | Self::Sender | Self::Server | Self::Samples | Self::Control => {
                Ending::Stop
            }
            Self::Collector | Self::Errand | Self::Socket | Self::Heartbeat => Ending::Log,
        }
    }
}

/// Starts tasks and hears of their end.
#[derive(Clone, Debug)]
pub struct Supervisor {
    ended: mpsc::UnboundedSender<Kind>,
}

impl Supervisor {
    /// Returns a supervisor and the end at which essential tasks that ended show up.
    #[must_use]
    pub fn new() -> (Self, mpsc::UnboundedReceiver<Kind>) {
        let (ended, heard) = mpsc::unbounded_channel();
        (Self { ended }, heard)
    }

    /// Starts a task.
    pub fn spawn<F>(&self, kind: Kind, task: F) -> JoinHandle<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let ended = self.ended.clone();
        let inner = start(task);
        start(async move {
            let panicked = inner.await.is_err_and(|error| error.is_panic());
            match (kind.ending(), panicked) {
                (Ending::Stop, true) => error!(?kind, "an essential task panicked"),
                (Ending::Log, true) => error!(?kind, "a task panicked"),
                (Ending::Stop | Ending::Log, false) => {}
            }
            if kind.ending() == Ending::Stop && ended.send(kind).is_err() {
                tracing::debug!(?kind, "ended while the process is stopping");
            }
        })
    }

    /// Starts a task that is started again, ever more slowly, whenever it ends.
    pub fn spawn_again<M, F>(&self, kind: Kind, mut make: M) -> JoinHandle<()>
    where
        M: FnMut() -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        start(async move {
            let mut wait = RESTART_WAIT;
            loop {
                let panicked = start(make()).await.is_err();
                warn!(?kind, panicked, wait_ms = wait.as_millis(), "a task ended; starting again");
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(RESTART_WAIT_MAX);
            }
        })
    }
}

#[allow(clippy::disallowed_methods, reason = "this file is the door to spawning")]
fn start<F>(task: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(task)
}
