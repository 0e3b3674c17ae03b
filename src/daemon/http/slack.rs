//! Clicks that Slack posts to us. Whether one is genuine, and what it asks, others tell.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use tracing::info;
use watchbell_paging::command::{Actor, Command, Surface};

use crate::http::act::act;
use crate::http::errors::{Fault, Raw};
use crate::http::{Context, SlackVerb};

/// Slack shows an error where an answer takes longer than 3 s.
const ANSWER_TIME: Duration = Duration::from_millis(2500);

pub(super) fn routes(context: &Arc<Context>) -> Router {
    Router::new().route("/slack/actions", post(action)).with_state(Arc::clone(context))
}

async fn action(
    State(context): State<Arc<Context>>,
    headers: HeaderMap,
    Raw(body): Raw,
) -> Result<Response, Fault> {
    let reader = context
        .slack_action
        .as_ref()
        .ok_or_else(|| Fault::missing("no-slack", "[slack] signing_secret is not configured"))?;
    let clicked = reader(&headers, &body)
        .map_err(|why| Fault::new(StatusCode::UNAUTHORIZED, "bad-signature", why))?;
    let incident = clicked.incident;
    let by = Actor { name: clicked.user, program: false, surface: Surface::Slack };
    let command = match clicked.action {
        SlackVerb::Ack => Command::Ack { incident, by, note: None },
        SlackVerb::Resolve => Command::Resolve { incident, by, note: None, force: false },
        SlackVerb::Snooze(until) => Command::Snooze { incident, by, until, note: None },
    };
    let done = tokio::time::timeout(ANSWER_TIME, act(&context, incident, command));
    match done.await {
        Ok(Ok(_)) => Ok(StatusCode::OK.into_response()),
        // The engine understood and refused; the click itself was received well.
        Ok(Err(fault)) if fault.status.is_client_error() => {
            info!(%incident, why = fault.text, "a click was refused");
            Ok((StatusCode::OK, fault.text).into_response())
        }
        Ok(Err(fault)) => Err(fault),
        Err(_) => Err(Fault::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "timeout",
            "it is not known yet whether this was written down",
        )),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::Request;
    use watchbell_paging::id::IncidentId;

    use super::*;
    use crate::http::SlackAction;
    use crate::http::fixture::{House, request, with_headers};

    fn house() -> House {
        House::with(|context| {
            context.slack_action = Some(Arc::new(|headers, body| {
                if headers.get("x-slack-signature").is_none_or(|one| one != "good") {
                    return Err("the signature is not Slack's".to_owned());
                }
                let action = if body == b"resolve" { SlackVerb::Resolve } else { SlackVerb::Ack };
                Ok(SlackAction { user: "ana".to_owned(), action, incident: IncidentId(3) })
            }));
        })
    }

    fn click(body: &str, signature: &str) -> Request<Body> {
        let headers = [("x-slack-signature", signature)];
        with_headers(request("POST", "/slack/actions", body), &headers)
    }

    #[tokio::test]
    async fn a_genuine_click_is_durable_before_it_is_answered() {
        let house = house();
        house.tokens(&[("ben", "shibboleth")]);
        assert_eq!(house.send(click("ack", "good")).await.status, StatusCode::OK);
        let asked = house.asked();
        assert!(asked[0].starts_with("Ack") && asked[0].contains("surface: Slack"), "{}", asked[0]);
    }

    #[tokio::test]
    async fn a_forged_click_does_nothing() {
        let house = house();
        let answer = house.send(click("ack", "bad")).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert_eq!(answer.json()["code"], "bad-signature");
        assert!(house.asked().is_empty());
        let absent = House::new().send(click("ack", "good")).await;
        assert_eq!(absent.status, StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn a_refused_click_is_still_answered_well() {
        let answer = house().send(click("resolve", "good")).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert!(answer.text.contains("still has firing alerts"), "{}", answer.text);
    }
}
