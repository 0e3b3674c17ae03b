//! Clicks that Slack posts to us. Whether one is genuine, and what it asks, others tell.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;

use crate::http::errors::{Fault, Raw};
use crate::http::{ClickFault, Context};

/// Slack shows an error where an answer takes longer than 3 s.
const ANSWER_TIME: Duration = Duration::from_millis(2500);

pub(super) fn routes(context: &Arc<Context>) -> Router {
    Router::new().route("/slack/actions", post(action)).with_state(Arc::clone(context))
}

async fn action(
    State(context): State<Arc<Context>>,
    headers: HeaderMap,
    Raw(body): Raw,
) -> Result<StatusCode, Fault> {
    let taken = tokio::time::timeout(ANSWER_TIME, (context.slack_clicks)(headers, body)).await;
    match taken {
        Ok(Ok(())) => Ok(StatusCode::OK),
        Ok(Err(ClickFault::Forged)) => Err(Fault::new(
            StatusCode::UNAUTHORIZED,
            "bad-signature",
            "the signature is not Slack's; check [slack] signing_secret",
        )),
        Ok(Err(ClickFault::Closed)) => Err(Fault::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "stopping",
            "the daemon is stopping; try again in a moment",
        )),
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

    use super::*;
    use crate::http::fixture::{House, request, with_headers};

    fn click(house: &House, signature: &str) -> Request<Body> {
        house.tokens(&[("ben", "shibboleth")]);
        let headers = [("x-slack-signature", signature)];
        with_headers(request("POST", "/slack/actions", "click"), &headers)
    }

    fn house() -> House {
        House::with(|context| {
            context.slack_clicks = Arc::new(|headers, body| {
                assert_eq!(&body[..], b"click");
                let signature = headers.get("x-slack-signature").map(|one| one.as_bytes().to_vec());
                Box::pin(async move {
                    match signature.as_deref() {
                        Some(b"good") => Ok(()),
                        Some(b"stop") => Err(ClickFault::Closed),
                        Some(_) | None => Err(ClickFault::Forged),
                    }
                })
            });
        })
    }

    #[tokio::test]
    async fn slack_needs_no_token_and_hears_what_became_of_its_call() {
        for (signature, status, code) in [
            ("good", StatusCode::OK, None),
            ("bad", StatusCode::UNAUTHORIZED, Some("bad-signature")),
            ("stop", StatusCode::SERVICE_UNAVAILABLE, Some("stopping")),
        ] {
            let house = house();
            let answer = house.send(click(&house, signature)).await;
            assert_eq!(answer.status, status, "{signature}");
            if let Some(code) = code {
                assert_eq!(answer.json()["code"], code, "{signature}");
            }
        }
    }
}
