//! The outgoing heartbeat: a request every half minute, so that somebody else notices our death.
//!
//! Withheld while the caller says that we are not well. A failed one is logged and followed by the
//! next; nothing is queued.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::Full;
use tracing::{info, warn};
use url::Url;

use crate::scrape::lookup::Lookup;
use crate::scrape::tls::{self, HttpClient};
use crate::secrets::Secret;

/// How often.
const EVERY: Duration = Duration::from_secs(30);
/// The time limit of one.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Sends heartbeats to one address.
#[derive(Clone)]
pub struct Heartbeat {
    client: HttpClient,
    url: Url,
}

/// What came of one beat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Beat {
    /// Taken by the other side.
    Sent,
    /// We are not well, so silence is the message.
    Withheld,
    /// Not taken, and why.
    Failed(String),
}

impl Heartbeat {
    /// Prepares for the address behind `[deadman] ping`.
    ///
    /// # Errors
    /// The text is no HTTP address; it is not repeated, because it is a secret.
    pub fn new(ping: &Secret) -> Result<Self, String> {
        let url = Url::parse(ping.reveal()).ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let url = url.ok_or("`deadman.ping` is no http:// or https:// address")?;
        Ok(Self { client: tls::plain_client(Lookup::default()), url })
    }

    /// Beats until `stop` resolves, at once and then every half minute, while `healthy` says so.
    pub async fn run(
        self,
        healthy: impl Fn() -> bool + Send + Sync,
        stop: impl Future<Output = ()> + Send,
    ) {
        let mut tick = tokio::time::interval(EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut last = Beat::Sent;
        tokio::pin!(stop);
        loop {
            tokio::select! {
                biased;
                () = &mut stop => return,
                _ = tick.tick() => {}
            }
            let beat = tokio::select! {
                () = &mut stop => return,
                beat = self.beat(healthy()) => beat,
            };
            tell(&last, &beat);
            last = beat;
        }
    }

    /// Beats once.
    pub async fn beat(&self, is_healthy: bool) -> Beat {
        if !is_healthy {
            return Beat::Withheld;
        }
        match tokio::time::timeout(TIMEOUT, self.send()).await {
            Ok(Ok(())) => Beat::Sent,
            Ok(Err(why)) => Beat::Failed(why),
            Err(_) => Beat::Failed("timed out after 10s".to_owned()),
        }
    }

    /// GET is what ping addresses of such services take.
    async fn send(&self) -> Result<(), String> {
        let request = Request::builder()
            .method(Method::GET)
            .uri(self.url.as_str())
            .header(header::USER_AGENT, concat!("watchbell/", env!("CARGO_PKG_VERSION")))
            .body(Full::<Bytes>::default())
            .map_err(|_| "the address cannot be asked".to_owned())?;
        let answer = self.client.request(request).await;
        let answer =
            answer.map_err(|error| crate::scrape::Failure::of_client(&error).to_string())?;
        let status = answer.status();
        if status.is_success() { Ok(()) } else { Err(format!("HTTP {status}")) }
    }
}

impl std::fmt::Debug for Heartbeat {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Heartbeat(***)")
    }
}

/// Only changes are worth a line.
fn tell(last: &Beat, beat: &Beat) {
    match (last, beat) {
        (Beat::Failed(_) | Beat::Withheld, Beat::Sent) => info!("the heartbeat goes out again"),
        (Beat::Sent | Beat::Failed(_), Beat::Withheld) => {
            warn!("the heartbeat is withheld because the daemon is not well");
        }
        (Beat::Sent | Beat::Withheld, Beat::Failed(why)) => warn!(why, "the heartbeat failed"),
        (Beat::Sent, Beat::Sent)
        | (Beat::Withheld, Beat::Withheld)
        | (Beat::Failed(_), Beat::Failed(_)) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::http::StatusCode;
    use axum::routing::get;

    use super::*;

    #[tokio::test]
    async fn beats_are_sent_when_healthy_and_withheld_when_not() {
        let (url, count) = server().await;
        let heartbeat = Heartbeat::new(&Secret::new(&format!("{url}/ping?key=s3cret"))).unwrap();
        assert_eq!(heartbeat.beat(true).await, Beat::Sent);
        assert_eq!(heartbeat.beat(false).await, Beat::Withheld);
        assert_eq!(count.load(Ordering::Relaxed), 1);
        assert_eq!(format!("{heartbeat:?}"), "Heartbeat(***)");
    }

    #[tokio::test]
    async fn what_goes_wrong_is_worded_without_the_address() {
        let (url, _) = server().await;
        let missing = Heartbeat::new(&Secret::new(&format!("{url}/missing"))).unwrap();
        assert_eq!(missing.beat(true).await, Beat::Failed("HTTP 404 Not Found".to_owned()));
        for bad in ["", "not an address", "ftp://s3cret/"] {
            let why = Heartbeat::new(&Secret::new(bad)).unwrap_err();
            assert!(why.contains("deadman.ping") && !why.contains("s3cret"), "{why}");
        }
    }

    #[tokio::test]
    async fn the_first_beat_goes_out_at_once() {
        let (url, count) = server().await;
        let heartbeat = Heartbeat::new(&Secret::new(&format!("{url}/ping"))).unwrap();
        let seen = Arc::clone(&count);
        let stop = async move {
            while seen.load(Ordering::Relaxed) == 0 {
                tokio::task::yield_now().await;
            }
        };
        let limit = Duration::from_secs(10);
        tokio::time::timeout(limit, heartbeat.run(|| true, stop)).await.expect("it beats");
    }

    #[allow(clippy::disallowed_methods, reason = "the server ends with the test's runtime")]
    async fn server() -> (String, Arc<AtomicUsize>) {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let ping = get(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            async { StatusCode::NO_CONTENT }
        });
        let router = Router::new().route("/ping", ping);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (format!("http://{address}"), count)
    }
}
