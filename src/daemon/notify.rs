//! Carries deliveries to their channels and says what became of each.
//!
//! Decides nothing: whom, when and how often is the engine's. Every delivery that comes in gives
//! one outcome back, whatever happens to its attempt; each attempt has its own time limit.

mod queue;
mod wire;
mod format;
mod slack;
mod socket;
mod email;
mod webhook;
mod terminal;
mod channels;

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use tracing::{debug, info, warn};
use watchbell_config::value::Config;
use watchbell_paging::engine::Input;
use watchbell_paging::outbox::{Address, Delivery, Outcome, Purpose};
use watchbell_paging::route::ChannelKind;

use crate::clock::Clock;
use crate::desk::{Closed, Desk};
use crate::links::Links;
use crate::secrets::SecretError;
use crate::supervise::{Kind, Supervisor};
use crate::telemetry::Metrics;

use channels::Channels;
use queue::{Next, Queue};
use socket::Ear;

pub(crate) use format::is_direction;
pub use slack::action::{Action, SlackAction, parse_action, verify_signature};

/// What in-flight attempts get after the stop, within the ten seconds of the whole process.
const STOP_GRACE: Duration = Duration::from_secs(4);
/// How long the engine may take to hear the last outcomes.
const TELL_GRACE: Duration = Duration::from_secs(1);
/// Without anything else to wait for.
const LONG: Duration = Duration::from_secs(3600);

/// Time limits of one attempt, connecting included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Slack and webhooks; default 10 s.
    pub chat: Duration,
    /// Mail; default 30 s.
    pub mail: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { chat: Duration::from_secs(10), mail: Duration::from_secs(30) }
    }
}

/// Why the channels of a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// A secret is not there.
    #[error("{table}: {source}")]
    Secret {
        /// The table of the configuration.
        table: String,
        /// What is wrong with it.
        source: SecretError,
    },
    /// A value that only shows its fault when it is used.
    #[error("{table}: {why}")]
    Invalid {
        /// The table of the configuration.
        table: String,
        /// What is wrong, and what to write.
        why: String,
    },
}

/// Carries deliveries; a clone is a handle to the same one.
#[derive(Clone, Debug)]
pub struct Notifier {
    channels: Arc<ArcSwap<Channels>>,
    reloads: Arc<watch::Sender<()>>,
    /// Whether the newest attempt of each kind arrived.
    reached: Arc<Mutex<BTreeMap<ChannelKind, bool>>>,
    limits: Limits,
    metrics: Arc<Metrics>,
    clock: Arc<Clock>,
}

impl Notifier {
    /// Prepares every channel of the configuration; connects to nothing.
    ///
    /// # Errors
    /// A secret is missing, or a value cannot be used.
    pub fn new(config: &Config, links: Links, metrics: Arc<Metrics>) -> Result<Self, NotifyError> {
        let channels = Channels::new(config, links)?;
        Ok(Self {
            channels: Arc::new(ArcSwap::from_pointee(channels)),
            reloads: Arc::new(watch::Sender::new(())),
            reached: Arc::default(),
            limits: Limits::default(),
            metrics,
            clock: Arc::new(Clock::start()),
        })
    }

    /// Returns the notifier with the clock of the whole process. Its steps belong to the one who
    /// feeds the engine and are never taken here; a clock of its own would not hear of them.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Returns the notifier with other time limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Uses another configuration from the next attempt on; what is in flight ends as it began.
    ///
    /// # Errors
    /// As [`Notifier::new`]; then nothing has changed.
    pub fn reconfigure(&self, config: &Config, links: Links) -> Result<(), NotifyError> {
        self.channels.store(Arc::new(Channels::new(config, links)?));
        // What failed before may be gone or mended; only what is tried from now on tells.
        self.reached.lock().clear();
        self.reloads.send_replace(());
        Ok(())
    }

    /// Tells whether the newest attempt over every kind of channel that was used has failed, so
    /// that nobody can be reached.
    #[must_use]
    pub fn is_cut_off(&self) -> bool {
        let reached = self.reached.lock();
        !reached.is_empty() && reached.values().all(|reached| !reached)
    }

    /// Tries every channel without paging anyone: its name, and what is wrong with it.
    pub async fn probe(&self) -> Vec<(String, Result<(), String>)> {
        let channels = self.channels.load_full();
        Box::pin(channels.probe(self.limits)).await
    }

    /// Tells whether a request was signed by Slack within the last five minutes; never without a
    /// signing secret. `timestamp` and `signature` are the headers `X-Slack-Request-Timestamp` and
    /// `X-Slack-Signature`.
    #[must_use]
    pub fn is_from_slack(&self, timestamp: &str, body: &[u8], signature: &str) -> bool {
        self.channels.load().signing().is_some_and(|secret| {
            verify_signature(secret.reveal(), timestamp, body, signature, self.clock.now())
        })
    }

    /// Hands a click in and waits until it is durable. Returns what the clicker has to know
    /// beyond the edit of the message, for [`Notifier::respond`].
    ///
    /// # Errors
    /// The daemon is stopping.
    pub async fn click(&self, desk: &Desk, action: &SlackAction) -> Result<Option<String>, Closed> {
        let settings = Arc::clone(self.channels.load().settings());
        let now = self.clock.now();
        let answer = desk.ask(action.command(&settings, now)).await?;
        Ok(slack::action::words(&answer, &settings, now))
    }

    /// Takes a click: durable when this returns; what the message's edit does not show is then
    /// told to the clicker alone.
    ///
    /// # Errors
    /// The daemon is stopping.
    pub async fn take_click(
        &self,
        desk: &Desk,
        supervisor: &Supervisor,
        action: SlackAction,
    ) -> Result<(), Closed> {
        if let Some(words) = self.click(desk, &action).await? {
            let notifier = self.clone();
            supervisor.spawn(Kind::Errand, async move {
                if let Err(error) = notifier.respond(&action, &words).await {
                    debug!(error, "the clicker was not answered");
                }
            });
        }
        Ok(())
    }

    /// Tells the clicker alone something.
    ///
    /// # Errors
    /// It did not arrive.
    pub async fn respond(&self, action: &SlackAction, words: &str) -> Result<(), String> {
        let channels = self.channels.load_full();
        let sending = channels.respond(action.response_url.as_deref(), words);
        let sent = tokio::time::timeout(self.limits.chat, Box::pin(sending)).await;
        sent.map_err(|_| "slack gave no answer".to_owned())?
    }

    /// Listens to Slack's socket, where one is configured, until `stop` resolves; a reload with
    /// another app token opens another.
    pub async fn listen<S>(self, desk: Desk, supervisor: Supervisor, stop: S)
    where
        S: Future<Output = ()> + Send,
    {
        tokio::pin!(stop);
        let mut reloads = self.reloads.subscribe();
        loop {
            let opening = self.channels.load().socket().cloned();
            let changed = async {
                while reloads.changed().await.is_ok() {
                    let channels = self.channels.load();
                    let is_same = match (&opening, channels.socket()) {
                        (Some(old), Some(new)) => old.is_same(new),
                        (None, None) => true,
                        (Some(_), None) | (None, Some(_)) => false,
                    };
                    if !is_same {
                        break;
                    }
                }
            };
            let is_stop = match &opening {
                Some(opening) => {
                    let mut is_stop = false;
                    let ear = Ear::new(self.clone(), desk.clone(), supervisor.clone());
                    let until = async {
                        tokio::select! {
                            () = &mut stop => is_stop = true,
                            () = changed => {}
                        }
                    };
                    Box::pin(opening.listen(ear, until)).await;
                    is_stop
                }
                None => tokio::select! {
                    () = &mut stop => true,
                    () = changed => false,
                },
            };
            if is_stop {
                return;
            }
        }
    }

    /// Carries deliveries until `stop` resolves or their source ends. Outcomes go to `inputs`;
    /// a full queue there holds nothing up.
    pub async fn run<S>(
        self,
        mut deliveries: mpsc::UnboundedReceiver<Delivery>,
        inputs: mpsc::Sender<Input>,
        supervisor: Supervisor,
        stop: S,
    ) where
        S: Future<Output = ()> + Send,
    {
        let (ended, mut ends) = mpsc::unbounded_channel();
        let mut sender = Sender {
            notifier: self,
            supervisor,
            queue: Queue::default(),
            ended,
            reports: VecDeque::new(),
        };
        tokio::pin!(stop);
        loop {
            let wait = sender.start_due();
            let event = tokio::select! {
                () = &mut stop => Event::Stop,
                Some(end) = ends.recv() => Event::Ended(end),
                room = inputs.reserve(), if !sender.reports.is_empty() => match room {
                    Ok(room) => {
                        if let Some(report) = sender.reports.pop_front() {
                            room.send(report);
                        }
                        Event::Told
                    }
                    Err(_) => Event::Stop,
                },
                delivery = deliveries.recv() => delivery.map_or(Event::Stop, Event::Delivery),
                () = tokio::time::sleep(wait) => Event::Told,
            };
            match event {
                Event::Stop => break,
                Event::Told => {}
                Event::Delivery(delivery) => sender.take_in(delivery),
                Event::Ended(end) => sender.handle_end(end),
            }
        }
        sender.finish(&mut ends, &inputs).await;
    }
}

/// What can happen to the sender.
enum Event {
    Stop,
    Told,
    Delivery(Delivery),
    Ended(End),
}

/// The end of one attempt.
struct End {
    delivery: Delivery,
    outcome: Outcome,
    took: Duration,
}

/// The state of a running notifier.
struct Sender {
    notifier: Notifier,
    supervisor: Supervisor,
    queue: Queue,
    ended: mpsc::UnboundedSender<End>,
    /// Outcomes that the engine has no room for yet; as many as deliveries at most.
    reports: VecDeque<Input>,
}

impl Sender {
    fn take_in(&mut self, delivery: Delivery) {
        if let Some((id, outcome)) = self.queue.push(delivery) {
            self.reports.push_back(Input::Delivered(id, outcome));
        }
    }

    /// Starts what is due and returns how long nothing else will be.
    fn start_due(&mut self) -> Duration {
        let now = self.notifier.clock.elapsed();
        while let Some(next) = self.queue.take(now) {
            match next {
                Next::Start(delivery) => self.start(delivery),
                Next::Refuse(delivery, left) => self.report(
                    &delivery,
                    Outcome::Retry {
                        after: Some(left),
                        why: format!("slack asked us to wait {} s more", left.as_secs() + 1),
                    },
                ),
            }
        }
        self.queue.next_at(now).map_or(LONG, |at| at.saturating_sub(now))
    }

    fn start(&self, delivery: Delivery) {
        let channels = self.notifier.channels.load_full();
        let limits = self.notifier.limits;
        let clock = Arc::clone(&self.notifier.clock);
        let promise = Promise {
            delivery: Some(delivery.clone()),
            outcome: None,
            began: clock.elapsed(),
            clock: Arc::clone(&clock),
            ended: self.ended.clone(),
        };
        self.supervisor.spawn(Kind::Errand, async move {
            let attempt = channels.attempt(&delivery, clock.now(), limits);
            promise.keep(Box::pin(attempt).await);
        });
    }

    fn handle_end(&mut self, end: End) {
        self.queue.finished(&end.delivery);
        if let (Address::Slack(_), Outcome::Retry { after: Some(after), .. }) =
            (&end.delivery.address, &end.outcome)
        {
            let now = self.notifier.clock.elapsed();
            self.queue.pause_until(&end.delivery, now.saturating_add(*after), now);
        }
        let channel = end.delivery.address.kind().as_str();
        self.notifier
            .metrics
            .delivery_seconds
            .with_label_values(&[channel])
            .observe(end.took.as_secs_f64());
        let is_reached = matches!(end.outcome, Outcome::Accepted { .. });
        // An edit may fail because its message was deleted; that says nothing about the channel.
        if is_reached || end.delivery.purpose != Purpose::Edit {
            self.notifier.reached.lock().insert(end.delivery.address.kind(), is_reached);
        }
        self.report(&end.delivery, end.outcome);
    }

    fn report(&mut self, delivery: &Delivery, outcome: Outcome) {
        let channel = delivery.address.kind().as_str();
        let (id, incident, attempt) =
            (delivery.id.0, delivery.message.incident.id.0, delivery.attempt);
        let word = match &outcome {
            Outcome::Accepted { .. } => {
                info!(delivery = id, incident, channel, attempt, "delivered");
                "accepted"
            }
            Outcome::Retry { why, .. } => {
                warn!(delivery = id, incident, channel, attempt, why, "not delivered yet");
                "retry"
            }
            Outcome::Failed { why } => {
                warn!(delivery = id, incident, channel, attempt, why, "cannot be delivered");
                "failed"
            }
        };
        self.notifier.metrics.deliveries.with_label_values(&[channel, word]).inc();
        self.reports.push_back(Input::Delivered(delivery.id, outcome));
    }

    /// Gives attempts in flight a little time, then reports everything that there is room for.
    async fn finish(
        mut self,
        ends: &mut mpsc::UnboundedReceiver<End>,
        inputs: &mpsc::Sender<Input>,
    ) {
        for delivery in self.queue.drain() {
            self.report(&delivery, stopping());
        }
        let deadline = tokio::time::sleep(STOP_GRACE);
        tokio::pin!(deadline);
        while 0 < self.queue.running_count() {
            tokio::select! {
                Some(end) = ends.recv() => self.handle_end(end),
                () = &mut deadline => break,
            }
        }
        let tell = async {
            for report in self.reports.drain(..) {
                if inputs.send(report).await.is_err() {
                    break;
                }
            }
        };
        if tokio::time::timeout(TELL_GRACE, tell).await.is_err() {
            // Such an intent has no result in the journal, so the next start sends it again.
            debug!("the engine took no more outcomes");
        }
    }
}

fn stopping() -> Outcome {
    Outcome::Retry { after: None, why: "the daemon stopped before the attempt".to_owned() }
}

/// Reports an attempt when it is dropped: at its end, when it panics, when it is cancelled.
struct Promise {
    delivery: Option<Delivery>,
    outcome: Option<Outcome>,
    began: Duration,
    clock: Arc<Clock>,
    ended: mpsc::UnboundedSender<End>,
}

impl Promise {
    fn keep(mut self, outcome: Outcome) {
        self.outcome = Some(outcome);
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        let Some(delivery) = self.delivery.take() else {
            return;
        };
        let outcome = self.outcome.take().unwrap_or_else(|| Outcome::Retry {
            after: None,
            why: "the attempt broke off; it may have arrived".to_owned(),
        });
        let took = self.clock.elapsed().saturating_sub(self.began);
        if self.ended.send(End { delivery, outcome, took }).is_err() {
            debug!("an attempt ended after the sender");
        }
    }
}

#[cfg(test)]
#[path = "../../tests/support/delivery.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "the same samples serve the tests of the whole program"
)]
mod sample;

#[cfg(test)]
mod tests;
