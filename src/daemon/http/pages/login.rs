//! Logging in with a token: a session cookie in exchange.

use std::sync::Arc;

use axum::Form;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use serde::Deserialize;
use tracing::{info, warn};

use crate::http::Context;
use crate::http::auth::{close_session, open_session, owner};
use crate::http::errors::{Asked, Fault};
use crate::http::pages::{Notice, PageFault, Scene, plain};

#[derive(Debug, Default, Deserialize)]
pub(super) struct To {
    to: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Entry {
    token: String,
    to: Option<String>,
}

pub(super) async fn page(Asked(query): Asked<To>) -> Markup {
    draw(&inside(query.to.as_deref()), None)
}

pub(super) async fn enter(
    State(context): State<Arc<Context>>,
    form: Result<Form<Entry>, FormRejection>,
) -> Result<Response, PageFault> {
    let Form(entry) = form.map_err(|error| Fault::bad("bad-form", error.body_text()))?;
    let to = inside(entry.to.as_deref());
    let token = entry.token.trim();
    let Some(name) = owner(&context.tokens.load(), token) else {
        warn!("somebody tried to log in with a token that is none");
        let notice = Notice::Refused("That is no token of this daemon.".to_owned());
        return Ok((StatusCode::UNAUTHORIZED, draw(&to, Some(&notice))).into_response());
    };
    info!(%name, "logged in");
    let cookie = open_session(&context, &name, token);
    let headers = [(header::LOCATION, to), (header::SET_COOKIE, cookie)];
    Ok((StatusCode::SEE_OTHER, headers).into_response())
}

pub(super) async fn leave(State(context): State<Arc<Context>>) -> Response {
    let headers =
        [(header::LOCATION, "/login".to_owned()), (header::SET_COOKIE, close_session(&context))];
    (StatusCode::SEE_OTHER, headers).into_response()
}

fn draw(to: &str, notice: Option<&Notice>) -> Markup {
    plain(
        "Log in · Watchbell",
        &html! {
            h1 { "Watchbell" }
            (Scene::notice(notice))
            form.login method="post" action="/login" {
                input type="hidden" name="to" value=(to);
                label {
                    "Your token"
                    input type="password" name="token" required autofocus
                        autocomplete="current-password";
                }
                button.primary type="submit" { "Log in" }
            }
            p.small { "The token stands in [http] auth of the configuration, next to your name." }
        },
    )
}

/// Only paths of our own are led to.
fn inside(to: Option<&str>) -> String {
    let to = to.unwrap_or("/");
    let own = to.starts_with('/') && !to.starts_with("//") && !to.contains('\\');
    let plain = to.bytes().all(|byte| byte.is_ascii_graphic());
    if own && plain { to.to_owned() } else { "/".to_owned() }
}
