//! Clicks that Slack posts over HTTP: verified, written down, and answered as those of the socket.

use std::sync::Arc;

use axum::body::Bytes;
use axum::http::HeaderMap;
use tracing::debug;

use crate::desk::Desk;
use crate::http::{ClickFault, SlackClicks};
use crate::notify::{Notifier, parse_action};
use crate::supervise::Supervisor;

/// Returns what takes Slack's calls.
pub(super) fn taker(notifier: Notifier, desk: Desk, supervisor: Supervisor) -> SlackClicks {
    Arc::new(move |headers, body| {
        let (notifier, desk, supervisor) = (notifier.clone(), desk.clone(), supervisor.clone());
        Box::pin(async move { take(&notifier, &desk, &supervisor, &headers, &body).await })
    })
}

async fn take(
    notifier: &Notifier,
    desk: &Desk,
    supervisor: &Supervisor,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<(), ClickFault> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let stamp = header("x-slack-request-timestamp").unwrap_or_default();
    let signature = header("x-slack-signature").unwrap_or_default();
    if !notifier.is_from_slack(stamp, body, signature) {
        return Err(ClickFault::Forged);
    }
    let Some(action) = payload(body).and_then(|payload| parse_action(&payload)) else {
        // Links count as buttons, too; Slack wants to hear that it arrived.
        debug!("slack told of something that is no click on one of our buttons");
        return Ok(());
    };
    notifier.take_click(desk, supervisor, action).await.map_err(|_| ClickFault::Closed)
}

/// The form field `payload`.
fn payload(body: &[u8]) -> Option<String> {
    let mut fields = url::form_urlencoded::parse(body);
    fields.find(|(name, _)| name == "payload").map(|(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_is_a_field_of_a_form() {
        assert_eq!(payload(b"a=1&payload=%7B%22a%22%3A+1%7D").as_deref(), Some("{\"a\": 1}"));
        assert_eq!(payload(b"nothing"), None);
    }
}
