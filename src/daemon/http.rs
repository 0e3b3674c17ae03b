//! The HTTP server: probes, Prometheus's query API, our own API, the pages, links from mails.
//!
//! Decides nothing: it reads the published picture and hands commands to the desk, which answers
//! after they are durable. Listeners are bound by the caller. Everything from outside is bounded:
//! connections, bodies, the time of a request, queries at once.

mod errors;
mod auth;
mod act;
mod ops;
mod watchbell_api;
mod prometheus_api;
mod pages;
mod ack;
mod feed;
mod slack;
mod server;
#[cfg(test)]
mod fixture;

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::HeaderMap;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use watchbell_metrics::series::Store;
use watchbell_paging::id::PersonId;
use watchbell_paging::time::Timestamp;

pub use self::server::{serve, serve_unix};
use crate::clock::Clock;
use crate::control::Controls;
use crate::desk::Desk;
use crate::evaluations::EvaluationBoard;
use crate::links::Links;
use crate::live::LiveBoard;
use crate::secrets::Secret;
use crate::supervise::Supervisor;
use crate::targets::TargetBoard;
use crate::telemetry::Metrics;

/// The longest body of a request.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// The resolved tokens of `[http] auth`, swapped whole by a reload; empty = nobody is asked.
pub type Tokens = Arc<ArcSwap<BTreeMap<PersonId, Secret>>>;

/// Why a call of Slack was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClickFault {
    /// Slack did not sign it, or not lately.
    Forged,
    /// The daemon is stopping.
    Closed,
}

/// Takes one call of Slack, its headers and its raw body; resolves once a click is durable.
pub type SlackClicks = Arc<
    dyn Fn(HeaderMap, Bytes) -> Pin<Box<dyn Future<Output = Result<(), ClickFault>> + Send>>
        + Send
        + Sync,
>;

/// Everything that requests are answered from.
pub struct Context {
    /// Commands go in here; the picture hangs here.
    pub desk: Desk,
    /// What is known of each target.
    pub targets: TargetBoard,
    /// The configuration in force.
    pub live: LiveBoard,
    /// What queries read.
    pub series: Store,
    /// What rules did last.
    pub evaluations: EvaluationBoard,
    /// Own metrics.
    pub metrics: Arc<Metrics>,
    /// Requests to the daemon itself.
    pub controls: Controls,
    /// Signs and reads links of mails.
    pub links: Links,
    /// The clock of the process.
    pub clock: Arc<Clock>,
    /// Whether the journal is replayed and the first scrape round began.
    pub ready: Arc<AtomicBool>,
    /// Who may act.
    pub tokens: Tokens,
    /// Slack's HTTP interactivity.
    pub slack_clicks: SlackClicks,
    /// Starts one task for each connection.
    pub supervisor: Supervisor,
}

impl Context {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Context").field("ready", &self.ready).finish_non_exhaustive()
    }
}

/// Returns every route with its guards, for one kind of listener.
fn router(context: &Arc<Context>, peer: auth::Peer) -> Router {
    // Alertmanager's API v2 joins here as `.nest("/api/v2", alertmanager_api::routes(context))`.
    Router::new()
        .merge(ops::routes(context))
        .nest("/api/v1", prometheus_api::routes(context))
        .nest("/api/watchbell/v1", watchbell_api::routes(context))
        .merge(pages::routes(context))
        .merge(ack::routes(context))
        .merge(feed::routes(context))
        .merge(slack::routes(context))
        .fallback(unknown_path)
        .method_not_allowed_fallback(errors::wrong_method)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(Arc::clone(context), auth::guard))
        .layer(axum::Extension(peer))
        .layer(middleware::from_fn(pages::protect))
        .layer(middleware::from_fn(server::bound_time))
        .layer(tower_http::catch_panic::CatchPanicLayer::custom(server::after_panic))
}

async fn unknown_path(request: Request) -> Response {
    let fault = errors::unknown_path(request.uri().clone()).await;
    if pages::is_browser(request.headers()) && !request.uri().path().starts_with("/api") {
        return pages::PageFault(fault).into_response();
    }
    fault.into_response()
}
