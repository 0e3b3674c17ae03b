//! Pages for people: rendered here, whole without scripts, readable on a phone at night.
//!
//! Every text from outside is escaped by the templates. A page acts on nothing when it is looked
//! at; forms post to the same paths as the API's verbs and lead back.

mod parts;
mod home;
mod incidents;
mod incident;
mod oncall;
mod rules;
mod targets;
mod report;
mod login;

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use maud::{DOCTYPE, Markup, html};

pub(super) use self::parts::{Notice, Scene, Tab};
use crate::http::Context;
use crate::http::errors::Fault;

pub(super) use self::incident::{headline, summary};

/// Nothing but our own style; no scripts, no frames, forms only to us.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
const STYLE: &str = include_str!("pages/style.css");

/// A fault that a person reads.
#[derive(Clone, Debug)]
pub(crate) struct PageFault(pub(crate) Fault);

impl From<Fault> for PageFault {
    fn from(fault: Fault) -> Self {
        Self(fault)
    }
}

impl IntoResponse for PageFault {
    fn into_response(self) -> Response {
        let Self(fault) = self;
        (fault.status, fault_page(&fault)).into_response()
    }
}

pub(super) fn routes(context: &Arc<Context>) -> Router {
    Router::new()
        .route("/", get(home::page))
        .route("/incidents", get(incidents::page))
        .route("/incidents/{id}", get(incident::page))
        .route("/incidents/{id}/{verb}", post(incident::act))
        .route("/oncall", get(oncall::page))
        .route("/rules", get(rules::page))
        .route("/targets", get(targets::page))
        .route("/report", get(report::page))
        .route("/login", get(login::page).post(login::enter))
        .route("/logout", post(login::leave))
        .route("/style.css", get(style))
        .with_state(Arc::clone(context))
}

/// Puts the policy on every answer that is a page.
pub(super) async fn protect(request: axum::extract::Request, next: middleware::Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let kind = headers.get(header::CONTENT_TYPE);
    if kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html")) {
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        // Links in pages lead to runbooks; a signed link must not be told to them.
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

async fn style() -> impl IntoResponse {
    let headers =
        [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "max-age=300")];
    (headers, STYLE)
}

/// Tells whether a person's browser asks.
pub(super) fn is_browser(headers: &HeaderMap) -> bool {
    headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"))
}

/// A page that says what went wrong, for where nothing else can be shown.
pub(super) fn fault_page(fault: &Fault) -> Markup {
    let title = match fault.status {
        StatusCode::NOT_FOUND => "Not found",
        StatusCode::FORBIDDEN => "Refused",
        StatusCode::CONFLICT => "Not done",
        StatusCode::SERVICE_UNAVAILABLE => "Not now",
        _ => "That did not work",
    };
    plain(
        title,
        &html! {
            h1 { (title) }
            p { (fault.text) }
            p { a href="/" { "Open incidents" } }
        },
    )
}

/// A page without navigation.
pub(super) fn plain(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            (parts::head(title, None, false))
            body { main.narrow { (body) } }
        }
    }
}

#[cfg(test)]
mod tests;
