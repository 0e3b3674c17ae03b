//! The HTTP client of all channels: TLS by rustls with the system's roots, plain HTTP where asked.
//!
//! Knows nothing of deliveries. Retries nothing; the caller sets the time limit.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tracing::warn;
use watchbell_paging::outbox::Outcome;

use crate::scrape::lookup::Lookup;

/// How hyper reaches a server.
pub(super) type Connector = HttpsConnector<HttpConnector<Lookup>>;

/// Within the limit of one attempt, so that a second address of the same name still has a chance.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Idle connections are kept for the next page of the same storm.
const IDLE_MAX: Duration = Duration::from_secs(60);
/// What is read of an answer.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// What is quoted of an answer.
const QUOTE_CHARS_MAX: usize = 160;

/// Posts and gets.
#[derive(Clone, Debug)]
pub(super) struct Wire {
    client: Client<Connector, Full<Bytes>>,
}

/// What a server said.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) status: StatusCode,
    /// `Retry-After` in seconds (RFC 9110, section 10.2.3); its other form, a date, is left to
    /// the sender's own back-off.
    pub(super) retry_after: Option<Duration>,
    pub(super) body: String,
}

impl Wire {
    pub(super) fn new(connector: Connector) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_MAX)
            .build(connector);
        Self { client }
    }

    /// Sends one request.
    ///
    /// # Errors
    /// No answer came; the text says why.
    pub(super) async fn send(&self, request: Request<Full<Bytes>>) -> Result<Said, String> {
        let answer = self.client.request(request).await.map_err(|error| chain(&error))?;
        let status = answer.status();
        let retry_after = retry_after(&answer);
        // What was done is told by the status alone; a body that breaks off changes nothing.
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX)
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes)
            .unwrap_or_default();
        Ok(Said { status, retry_after, body: String::from_utf8_lossy(&body).into_owned() })
    }
}

/// Returns a connector for `https` and `http`, whose lookups of names hold up no other one's.
pub(super) fn connector() -> Connector {
    let mut plain = HttpConnector::new_with_resolver(Lookup::default());
    plain.enforce_http(false);
    plain.set_nodelay(true);
    plain.set_connect_timeout(Some(CONNECT_MAX));
    let builder = HttpsConnectorBuilder::new();
    let builder = match builder.with_provider_and_native_roots(provider()) {
        Ok(builder) => builder,
        Err(error) => {
            warn!(%error, "no trusted certificates on this system; only plain HTTP will work");
            HttpsConnectorBuilder::new().with_tls_config(without_roots())
        }
    };
    builder.https_or_http().enable_http1().wrap_connector(plain)
}

/// Says what an HTTP status means for a delivery; `who` names the receiver.
pub(super) fn judge(who: &str, said: &Said) -> Outcome {
    let Said { status, retry_after, body } = said;
    if status.is_success() {
        return Outcome::Accepted { anchor: None };
    }
    let quote = quote(body);
    let words = if quote.is_empty() { String::new() } else { format!(": {quote}") };
    let may_pass = status.is_server_error()
        || [StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY]
            .contains(status);
    let why = format!("{who} answered {status}{words}");
    if may_pass { Outcome::Retry { after: *retry_after, why } } else { Outcome::Failed { why } }
}

/// Returns the first words of an answer, on one line.
pub(super) fn quote(text: &str) -> String {
    let words: Vec<&str> = text.split(char::is_whitespace).filter(|one| !one.is_empty()).collect();
    let line: String = words.join(" ").chars().filter(|one| !one.is_control()).collect();
    let mut short: String = line.chars().take(QUOTE_CHARS_MAX).collect();
    if short.len() < line.len() {
        short.push('…');
    }
    short
}

/// Returns an error with its causes: `client error (Connect): connection refused`.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_words = cause.to_string();
        if !words.contains(&cause_words) {
            words.push_str(": ");
            words.push_str(&cause_words);
        }
        next = cause.source();
    }
    words
}

fn retry_after<B>(answer: &Response<B>) -> Option<Duration> {
    let text = answer.headers().get(http::header::RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

fn provider() -> rustls::crypto::CryptoProvider {
    rustls::crypto::ring::default_provider()
}

fn without_roots() -> rustls::ClientConfig {
    rustls::ClientConfig::builder_with_provider(std::sync::Arc::new(provider()))
        .with_safe_default_protocol_versions()
        .expect("ring speaks the default versions of TLS")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_decides_whether_it_may_work_later() {
        let said = |status: u16, body: &str| Said {
            status: StatusCode::from_u16(status).unwrap(),
            retry_after: Some(Duration::from_secs(7)),
            body: body.to_owned(),
        };
        for status in [200, 202, 204] {
            let outcome = judge("webhook x", &said(status, ""));
            assert_eq!(outcome, Outcome::Accepted { anchor: None }, "{status}");
        }
        for status in [408, 429, 500, 503] {
            let outcome = judge("webhook x", &said(status, "later\n please"));
            let Outcome::Retry { after, why } = outcome else { panic!("{status}: {outcome:?}") };
            assert_eq!(after, Some(Duration::from_secs(7)));
            assert!(why.ends_with(": later please"), "{why}");
        }
        for status in [301, 400, 401, 404, 410] {
            let outcome = judge("webhook x", &said(status, "no such key"));
            let Outcome::Failed { why } = outcome else { panic!("{status}: {outcome:?}") };
            assert!(why.starts_with(&format!("webhook x answered {status}")), "{why}");
        }
    }

    #[test]
    fn quotes_are_short_and_on_one_line() {
        assert_eq!(quote(" a\r\n\tb\u{7} "), "a b");
        assert_eq!(quote(&"x".repeat(500)).chars().count(), QUOTE_CHARS_MAX + 1);
    }
}
