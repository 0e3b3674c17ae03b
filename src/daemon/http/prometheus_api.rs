//! Prometheus's HTTP API, as Grafana and promtool speak it, over our series and rules.
//!
//! Shapes, words and statuses are those of Prometheus 3 (docs/querying/api.md). Queries run on
//! their own threads, a few at once and for a bounded time; they never stop scrapes or the engine.

mod params;
mod write;
mod place;
mod reading;
mod kept;
mod query;
mod series;
mod rules;
mod targets;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};
use watchbell_metrics::series::Store;

use crate::http::Context;
use crate::http::prometheus_api::place::{Deadline, Places, TIME_MAX};

/// The version whose API this is: clients choose by it which features they use.
const API_VERSION: &str = "3.5.0";
/// What Prometheus says of a `limit=` that was met.
const TRUNCATED: &str = "results truncated due to limit";

/// The context, and the places for work on the series.
#[derive(Clone)]
struct Api {
    context: Arc<Context>,
    queries: Places,
    look_ups: Places,
}

/// Why a request was not answered, in Prometheus's words.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fault {
    status: StatusCode,
    kind: &'static str,
    text: String,
}

/// A whole answer as JSON text.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Reply(String);

pub(super) fn routes(context: &Arc<Context>) -> Router {
    let (queries, look_ups) = (Places::new(), Places::new());
    Router::new()
        .route("/query", get(query::instant).post(query::instant))
        .route("/query_range", get(query::range).post(query::range))
        .route("/query_exemplars", get(query::exemplars).post(query::exemplars))
        .route("/format_query", get(query::format).post(query::format))
        .route("/series", get(series::series).post(series::series))
        .route("/labels", get(series::labels).post(series::labels))
        .route("/label/{name}/values", get(series::values))
        .route("/metadata", get(series::metadata))
        .route("/rules", get(rules::rules))
        .route("/alerts", get(rules::alerts))
        .route("/targets", get(targets::targets))
        .route("/status/buildinfo", get(build_info))
        .fallback(unknown_path)
        .with_state(Api { context: Arc::clone(context), queries, look_ups })
}

impl Api {
    /// Evaluates something once there is a place.
    async fn query<T: Send + 'static>(
        &self,
        time: Duration,
        work: impl FnOnce(&Store, &Deadline) -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let deadline = Deadline::after(&self.context.clock, time);
        self.queries.run(&self.context.series, deadline, work).await
    }

    /// Looks something up once there is a place.
    async fn look_up<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store, &Deadline) -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let deadline = Deadline::after(&self.context.clock, TIME_MAX);
        self.look_ups.run(&self.context.series, deadline, work).await
    }
}

impl Fault {
    fn new(status: StatusCode, kind: &'static str, text: impl Into<String>) -> Self {
        Self { status, kind, text: text.into() }
    }

    fn bad_data(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_data", text)
    }

    fn parameter(name: &str, text: impl std::fmt::Display) -> Self {
        Self::bad_data(format!("invalid parameter {name:?}: {text}"))
    }

    fn execution(text: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "execution", text)
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let (kind, text) = (Value::from(self.kind), Value::from(self.text));
        let body = format!("{{\"status\":\"error\",\"errorType\":{kind},\"error\":{text}}}");
        (self.status, Reply(body)).into_response()
    }
}

impl Reply {
    /// A success without warnings.
    fn of(data: &Value) -> Self {
        Self(format!("{{\"status\":\"success\",\"data\":{data}}}"))
    }

    /// The same, where some of it may have been left out.
    fn of_some(data: &Value, truncated: bool) -> Self {
        if !truncated {
            return Self::of(data);
        }
        let warnings = json!([TRUNCATED]);
        Self(format!("{{\"status\":\"success\",\"data\":{data},\"warnings\":{warnings}}}"))
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "application/json")], self.0).into_response()
    }
}

async fn build_info() -> Reply {
    Reply::of(&json!({
        "version": API_VERSION,
        "revision": "",
        "branch": "",
        "buildUser": "",
        "buildDate": "",
        "goVersion": "",
        "application": "watchbell",
        "applicationVersion": env!("CARGO_PKG_VERSION"),
    }))
}

async fn unknown_path(uri: Uri) -> Response {
    let body = json!({
        "status": "error",
        "errorType": "not_found",
        "error": format!("there is nothing at {}", uri.path()),
        "code": "unknown-path",
    });
    (StatusCode::NOT_FOUND, axum::Json(body)).into_response()
}

#[cfg(test)]
mod tests;
