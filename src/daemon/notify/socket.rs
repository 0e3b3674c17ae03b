//! Slack's socket mode: clicks on buttons come over a web socket that we open, so that no door of
//! ours has to face the internet.
//!
//! slack-morphism opens, pings and reopens the sockets; the frames are read here, because its
//! models refuse a click whose message holds anything they do not know. An envelope is answered
//! after its click is durable and within Slack's three seconds, or not at all: then Slack shows
//! the clicker that something went wrong.
//! Source: <https://docs.slack.dev/apis/events-api/using-socket-mode>.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use serde_json::{Value, json};
use slack_morphism::clients_manager::{
    SlackSocketModeClientsManager, SlackSocketModeClientsManagerFactory as _,
};
use slack_morphism::listener::SlackClientEventsListenerEnvironment;
use slack_morphism::prelude::{
    SlackApiToken, SlackClientSocketModeConfig, SlackSocketModeClientListener,
    SlackSocketModeWssClientId,
};
use tracing::{debug, info, warn};

use super::slack::{self, action::parse_action};
use super::wire::Connector;
use super::{Notifier, SlackAction};
use crate::desk::Desk;
use crate::secrets::Secret;
use crate::supervise::Supervisor;

/// Slack gives a click three seconds; the answer has to travel, too.
const CLICK_MAX: Duration = Duration::from_millis(2500);
/// Between two attempts to open a socket.
const REOPEN_SECONDS: u64 = 5;
/// How often is looked whether a socket is open.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// What a socket is opened with.
#[derive(Clone, Debug)]
pub(super) struct Opening {
    connector: Connector,
    api_url: String,
    token: Secret,
}

type Manager = dyn SlackSocketModeClientsManager + Send + Sync;
type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl Opening {
    pub(super) fn new(connector: Connector, api_url: &str, token: Secret) -> Self {
        Self { connector, api_url: api_url.to_owned(), token }
    }

    /// Tells whether an open socket would be opened the same way again.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.api_url == other.api_url && self.token == other.token
    }

    /// Listens until `until` resolves.
    pub(super) async fn listen(&self, ear: Ear, until: impl Future<Output = ()>) {
        let client = Arc::new(slack::client(self.connector.clone(), &self.api_url));
        let connector = Arc::clone(&client.http_api.connector);
        let environment = Arc::new(SlackClientEventsListenerEnvironment::new(client));
        let manager = connector.new_clients_manager(environment);
        if ear.manager.set(Arc::downgrade(&manager)).is_err() {
            debug!("an ear hears one socket only");
            return until.await;
        }
        let is_open = Arc::clone(&ear.is_open);
        let token: SlackApiToken = slack::api_token(&self.token);
        let settings = SlackClientSocketModeConfig::new()
            .with_reconnect_timeout_in_seconds(REOPEN_SECONDS)
            .with_initial_backoff_in_seconds(REOPEN_SECONDS);
        if let Err(error) = manager.register_new_token(&settings, token, Arc::new(ear)).await {
            warn!(%error, "slack's socket cannot be opened");
            return until.await;
        }
        manager.start().await;
        tokio::select! {
            () = until => {}
            () = tell_when_deaf(&is_open) => {}
        }
        manager.shutdown().await;
    }
}

/// Hears frames and hands clicks in.
pub(super) struct Ear {
    notifier: Notifier,
    desk: Desk,
    supervisor: Supervisor,
    manager: OnceLock<Weak<Manager>>,
    /// Slack has said hello over a socket that has not ended.
    is_open: Arc<AtomicBool>,
}

impl Ear {
    pub(super) fn new(notifier: Notifier, desk: Desk, supervisor: Supervisor) -> Self {
        Self { notifier, desk, supervisor, manager: OnceLock::new(), is_open: Arc::default() }
    }

    /// Returns the answer to one frame.
    async fn hear(&self, id: &SlackSocketModeWssClientId, frame: &str) -> Option<String> {
        let frame: Value = serde_json::from_str(frame).ok()?;
        match frame.get("type").and_then(Value::as_str) {
            Some("hello") => {
                self.is_open.store(true, Ordering::Relaxed);
                info!(connection = id.initial_index, "hearing clicks over slack's socket");
                None
            }
            Some("disconnect") => {
                self.reopen(id).await;
                None
            }
            Some("interactive") => {
                let payload = frame.get("payload")?.to_string();
                if let Some(action) = parse_action(&payload) {
                    self.hand_in(action).await?;
                }
                acknowledge(&frame)
            }
            // Whatever else an app may be subscribed to: heard, so that Slack does not repeat it.
            Some(_) | None => acknowledge(&frame),
        }
    }

    async fn hand_in(&self, action: SlackAction) -> Option<()> {
        let incident = action.incident;
        let taking = self.notifier.take_click(&self.desk, &self.supervisor, action);
        match tokio::time::timeout(CLICK_MAX, taking).await {
            Ok(Ok(())) => Some(()),
            Ok(Err(error)) => {
                warn!(%error, %incident, "a click was not taken");
                None
            }
            Err(_) => {
                warn!(%incident, "a click was not durable in time");
                None
            }
        }
    }

    async fn reopen(&self, id: &SlackSocketModeWssClientId) {
        self.is_open.store(false, Ordering::Relaxed);
        if let Some(manager) = self.manager.get().and_then(Weak::upgrade) {
            manager.restart_client(id).await;
        }
    }
}

impl SlackSocketModeClientListener for Ear {
    fn on_message<'a, 'b, 'f>(
        &'a self,
        id: &'b SlackSocketModeWssClientId,
        frame: String,
    ) -> Boxed<'f, Option<String>>
    where
        'a: 'f,
        'b: 'f,
        Self: 'f,
    {
        Box::pin(async move { self.hear(id, &frame).await })
    }

    fn on_error<'a, 'f>(
        &'a self,
        error: Box<dyn std::error::Error + Send + Sync + 'static>,
    ) -> Boxed<'f, ()>
    where
        'a: 'f,
        Self: 'f,
    {
        warn!(%error, "slack's socket has a fault");
        Box::pin(std::future::ready(()))
    }

    fn on_disconnect<'a, 'b, 'f>(&'a self, id: &'b SlackSocketModeWssClientId) -> Boxed<'f, ()>
    where
        'a: 'f,
        'b: 'f,
        Self: 'f,
    {
        Box::pin(self.reopen(id))
    }
}

/// Says once for each time that no socket could be opened for a while: the crate tries for ever,
/// and its own words are not for the log.
async fn tell_when_deaf(is_open: &AtomicBool) {
    let mut tick = tokio::time::interval(LOOK_EVERY);
    tick.tick().await;
    let mut deaf_looks = 0_u32;
    loop {
        tick.tick().await;
        deaf_looks = if is_open.load(Ordering::Relaxed) { 0 } else { deaf_looks.saturating_add(1) };
        if deaf_looks == 2 {
            warn!(
                "no socket to slack is open, so clicks are not heard; check [slack] app_token and \
                 the network"
            );
        }
    }
}

fn acknowledge(frame: &Value) -> Option<String> {
    let envelope = frame.get("envelope_id")?.as_str()?;
    Some(json!({ "envelope_id": envelope }).to_string())
}
