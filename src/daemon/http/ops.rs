//! What machines that run us ask: own metrics, health, readiness, reload. Prometheus's paths.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::sync::oneshot;

use crate::control::Control;
use crate::http::Context;
use crate::http::errors::Fault;

/// The media type of the text exposition format.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";
/// How long a reload may take; reading and checking is a matter of milliseconds.
const RELOAD_TIME: Duration = Duration::from_secs(20);

pub(super) fn routes(context: &Arc<Context>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/-/healthy", get(healthy))
        .route("/-/ready", get(ready))
        .route("/-/reload", post(reload).put(reload))
        .with_state(Arc::clone(context))
}

async fn metrics(State(context): State<Arc<Context>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, EXPOSITION)], context.metrics.render())
}

async fn healthy() -> &'static str {
    "Watchbell is healthy.\n"
}

async fn ready(State(context): State<Arc<Context>>) -> (StatusCode, &'static str) {
    if context.ready.load(Ordering::Relaxed) {
        (StatusCode::OK, "Watchbell is ready.\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "Watchbell is starting: the journal is being read.\n")
    }
}

async fn reload(State(context): State<Arc<Context>>) -> Result<Response, Fault> {
    let (answer, answered) = oneshot::channel();
    let asked = async {
        context.controls.send(Control::Reload(answer)).await.ok()?;
        answered.await.ok()
    };
    let done = tokio::time::timeout(RELOAD_TIME, asked).await.map_err(|_| {
        Fault::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "timeout",
            "the configuration is not read yet; ask /api/watchbell/v1/status in a moment",
        )
    })?;
    match done.ok_or_else(Fault::stopping)? {
        Ok(()) => Ok((StatusCode::OK, "the configuration is in force\n").into_response()),
        Err(findings) => Ok((StatusCode::BAD_REQUEST, findings).into_response()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::fixture::{House, get_request, request};

    #[tokio::test]
    async fn own_metrics_are_in_text_format() {
        let house = House::new();
        let answer = house.send(get_request("/metrics")).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.header("content-type"), EXPOSITION);
        assert!(answer.text.contains("watchbell_samples_ingested_total 0"), "{}", answer.text);
    }

    #[tokio::test]
    async fn readiness_is_503_until_the_journal_is_read() {
        let house = House::new();
        house.context.ready.store(false, Ordering::Relaxed);
        assert_eq!(house.send(get_request("/-/healthy")).await.status, StatusCode::OK);
        let early = house.send(get_request("/-/ready")).await;
        assert_eq!(early.status, StatusCode::SERVICE_UNAVAILABLE);
        house.context.ready.store(true, Ordering::Relaxed);
        assert_eq!(house.send(get_request("/-/ready")).await.status, StatusCode::OK);
    }

    #[tokio::test]
    async fn a_refused_reload_gives_the_findings_as_text() {
        let house = House::new();
        assert_eq!(house.send(request("POST", "/-/reload", "")).await.status, StatusCode::OK);
        assert_eq!(house.send(request("PUT", "/-/reload", "")).await.status, StatusCode::OK);
        house.refuse_reload("watchbell.toml:3:1: unknown key");
        let answer = house.send(request("POST", "/-/reload", "")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert_eq!(answer.text, "watchbell.toml:3:1: unknown key");
        let answer = house.send(get_request("/-/reload")).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(answer.json()["code"], "wrong-method");
    }
}
