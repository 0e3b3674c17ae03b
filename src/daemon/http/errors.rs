//! Faults of a request: a status, a stable word and a sentence, as JSON.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use watchbell_paging::command::Refusal;

use crate::desk::Closed;

/// Why a request was not answered as asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The status of the answer.
    pub(crate) status: StatusCode,
    /// A stable word for programs.
    pub(crate) code: &'static str,
    /// What was wrong, of what.
    pub(crate) text: String,
    /// The alerts that stand in the way.
    pub(crate) alerts: Vec<String>,
}

impl Fault {
    pub(crate) fn new(status: StatusCode, code: &'static str, text: impl Into<String>) -> Self {
        Self { status, code, text: text.into(), alerts: Vec::new() }
    }

    /// The request makes no sense.
    pub(crate) fn bad(code: &'static str, text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, text)
    }

    pub(crate) fn missing(code: &'static str, text: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, text)
    }

    /// Something of ours that should not have happened.
    pub(crate) fn ours(text: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", text)
    }

    /// The daemon is stopping.
    pub(crate) fn stopping() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", Closed.to_string())
    }
}

impl From<Closed> for Fault {
    fn from(_: Closed) -> Self {
        Self::stopping()
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        let text = refusal.to_string();
        match refusal {
            Refusal::UnknownIncident(_) => Self::missing("unknown-incident", text),
            Refusal::UnknownSilence(_) => Self::missing("unknown-silence", text),
            Refusal::UnknownSchedule(_) => Self::missing("unknown-schedule", text),
            Refusal::AlreadyResolved(_) => {
                Self::new(StatusCode::CONFLICT, "already-resolved", text)
            }
            Refusal::StillFiring { alerts, .. } => {
                Self { alerts, ..Self::new(StatusCode::CONFLICT, "still-firing", text) }
            }
            Refusal::Invalid(_) => Self::bad("invalid", text),
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut body = json!({ "error": self.text, "code": self.code });
        if !self.alerts.is_empty() {
            body["alerts"] = Value::from(self.alerts);
        }
        (self.status, Json(body)).into_response()
    }
}

/// A query string, whose faults are ours to word.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        let Query(value) = Query::try_from_uri(&parts.uri)
            .map_err(|error| Fault::bad("bad-query", error.body_text()))?;
        Ok(Self(value))
    }
}

/// A whole body, whose faults are ours to word.
#[derive(Clone, Debug)]
pub(crate) struct Raw(pub(crate) Bytes);

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = Fault;

    async fn from_request(request: Request, state: &S) -> Result<Self, Fault> {
        let body = Bytes::from_request(request, state).await.map_err(|error| {
            let code = if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
                "too-large"
            } else {
                "bad-body"
            };
            Fault::new(error.status(), code, error.body_text())
        })?;
        Ok(Self(body))
    }
}

/// Nothing lives at this path.
pub(crate) async fn unknown_path(uri: Uri) -> Fault {
    Fault::missing("unknown-path", format!("there is nothing at {}", uri.path()))
}

/// The path is known, the method is not.
pub(crate) async fn wrong_method(request: Request) -> Fault {
    let text = format!("{} does not take {}", request.uri().path(), request.method());
    Fault::new(StatusCode::METHOD_NOT_ALLOWED, "wrong-method", text)
}
