//! Our own API: what the commands and scripts ask. Shapes are those of the published picture.
//!
//! Errors are `{ "error", "code" }` with a fitting status; nothing is answered before it is
//! durable.

mod incidents;
mod duty;
mod rules;
mod silences;
mod status;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::routing::{delete, get, post};
use serde::de::DeserializeOwned;

use crate::http::Context;
use crate::http::errors::{self, Fault};

pub(super) use self::duty::{Stretch, build_report};
pub(super) use self::incidents::select as select_incidents;
pub(super) use self::rules::{Row as RuleRow, in_words as bounds_in_words, rows as rule_rows};

pub(super) fn routes(context: &Arc<Context>) -> Router {
    Router::new()
        .route("/incidents", get(incidents::list))
        .route("/incidents/{id}", get(incidents::one))
        .route("/incidents/{id}/{verb}", post(incidents::act))
        .route("/why/{id}", get(incidents::one))
        .route("/oncall", get(duty::now))
        .route("/oncall/feeds", get(duty::feeds))
        .route("/overrides", get(duty::changes).post(duty::change))
        .route("/report", get(duty::report))
        .route("/silences", get(silences::list).post(silences::add))
        .route("/silences/{id}", delete(silences::end))
        .route("/targets", get(status::targets))
        .route("/rules", get(rules::list))
        .route("/status", get(status::status))
        .route("/drill", post(status::drill))
        .fallback(errors::unknown_path)
        .with_state(Arc::clone(context))
}

/// Reads a JSON body; an empty one counts as `{}`.
fn json<T: DeserializeOwned>(body: &Bytes) -> Result<T, Fault> {
    let body: &[u8] = if body.trim_ascii().is_empty() { b"{}" } else { body };
    serde_json::from_slice(body)
        .map_err(|error| Fault::bad("bad-json", format!("the body is not what is due: {error}")))
}
