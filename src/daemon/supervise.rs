//! Tasks: every one has a kind, and the kind says what happens when it ends.

use std::future::Future;
use std::{io, thread};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::error;

/// What a task is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The thread that owns the engine.
    Engine,
    /// Scrapes targets and evaluates rules.
    Scraper,
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
            Self::Engine | Self::Scraper | Self::Sender | Self::Server | Self::Samples => {
                Ending::Stop
            }
            Self::Errand | Self::Socket | Self::Heartbeat => Ending::Log,
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

    /// Starts a thread of its own; its end counts as a task's does.
    ///
    /// # Errors
    /// The system has no thread for it.
    pub fn spawn_thread(
        &self,
        kind: Kind,
        name: &str,
        work: impl FnOnce() + Send + 'static,
    ) -> io::Result<thread::JoinHandle<()>> {
        let end = End { kind, ended: self.ended.clone() };
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            let _told_when_dropped = end;
            work();
        })
    }
}

/// Tells of the end of a thread, whichever way it ends.
struct End {
    kind: Kind,
    ended: mpsc::UnboundedSender<Kind>,
}

impl Drop for End {
    fn drop(&mut self) {
        let kind = self.kind;
        if thread::panicking() {
            error!(?kind, "a thread panicked");
        }
        if kind.ending() == Ending::Stop && self.ended.send(kind).is_err() {
            tracing::debug!(?kind, "ended while the process is stopping");
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_essential_task_that_ends_or_panics_is_told_of_and_an_errand_is_not() {
        let (supervisor, mut ended) = Supervisor::new();
        supervisor.spawn(Kind::Errand, async {}).await.unwrap();
        supervisor.spawn(Kind::Errand, async { panic!("on purpose") }).await.unwrap();
        supervisor.spawn(Kind::Scraper, async {}).await.unwrap();
        supervisor.spawn(Kind::Sender, async { panic!("on purpose") }).await.unwrap();
        assert_eq!(ended.try_recv(), Ok(Kind::Scraper));
        assert_eq!(ended.try_recv(), Ok(Kind::Sender));
        assert!(ended.try_recv().is_err());
    }

    #[tokio::test]
    async fn a_thread_that_panics_is_told_of() {
        let (supervisor, mut ended) = Supervisor::new();
        let thread = supervisor.spawn_thread(Kind::Engine, "engine", || panic!("on purpose"));
        assert!(thread.unwrap().join().is_err());
        assert_eq!(ended.recv().await, Some(Kind::Engine));
    }
}
