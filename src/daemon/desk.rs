//! The desk: where requests to the engine are handed in, and where its newest picture hangs.
//!
//! Owns nothing but the two ends; the pilot owns the engine.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, mpsc, oneshot};
use watchbell_paging::command::{Answer, Command};
use watchbell_paging::engine::PostedAlert;
use watchbell_paging::view::View;

/// What can be handed in; the answer comes after the change is durable.
#[derive(Debug)]
pub enum Request {
    /// A command and where its answer goes.
    Command(Command, oneshot::Sender<Answer>),
    /// Alerts from another program; answered once they are in the journal.
    Alerts(Vec<PostedAlert>, oneshot::Sender<()>),
}

/// The engine is gone: the daemon is stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the daemon is stopping; try again in a moment")]
pub struct Closed;

/// The wall on which the engine's newest picture hangs; a clone is the same one. One follower may
/// wait for the next.
#[derive(Clone, Debug, Default)]
pub struct Picture {
    view: Arc<ArcSwap<View>>,
    changed: Arc<Notify>,
}

impl Picture {
    /// Hangs a newer picture.
    pub fn publish(&self, view: Arc<View>) {
        self.view.store(view);
        self.changed.notify_one();
    }

    /// Returns the newest picture.
    #[must_use]
    pub fn view(&self) -> Arc<View> {
        self.view.load_full()
    }

    /// Resolves when a picture was hung since this resolved last.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Returns the place where it hangs.
    #[must_use]
    pub fn place(&self) -> Arc<ArcSwap<View>> {
        Arc::clone(&self.view)
    }
}

/// A handle that any task may clone.
#[derive(Clone, Debug)]
pub struct Desk {
    requests: mpsc::Sender<Request>,
    view: Arc<ArcSwap<View>>,
}

impl Desk {
    /// Joins the two ends.
    #[must_use]
    pub fn new(requests: mpsc::Sender<Request>, view: Arc<ArcSwap<View>>) -> Self {
        Self { requests, view }
    }

    /// Returns the newest published picture.
    #[must_use]
    pub fn view(&self) -> Arc<View> {
        self.view.load_full()
    }

    /// Hands a command in and waits until it is durable and answered. While the journal cannot be
    /// written it is answered from memory, as pages are sent: an answer stops a page at once, and
    /// what a crash then loses is asked again by the page that comes back.
    ///
    /// # Errors
    /// The daemon is stopping.
    pub async fn ask(&self, command: Command) -> Result<Answer, Closed> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(Request::Command(command, answer)).await.map_err(|_| Closed)?;
        answered.await.map_err(|_| Closed)
    }

    /// Hands alerts in without waiting until they are durable, which takes as long as a full disk
    /// is full.
    ///
    /// # Errors
    /// The daemon is stopping.
    pub async fn hand_in(&self, alerts: Vec<PostedAlert>) -> Result<(), Closed> {
        let (answer, _) = oneshot::channel();
        self.requests.send(Request::Alerts(alerts, answer)).await.map_err(|_| Closed)
    }

    /// Hands alerts in and waits until they are durable.
    ///
    /// # Errors
    /// The daemon is stopping.
    pub async fn post(&self, alerts: Vec<PostedAlert>) -> Result<(), Closed> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(Request::Alerts(alerts, answer)).await.map_err(|_| Closed)?;
        answered.await.map_err(|_| Closed)
    }
}
