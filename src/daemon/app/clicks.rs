//! Clicks in Slack: from a signed request to an action of a person whom the configuration knows.

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use watchbell_config::value::Config;

use crate::clock::Clock;
use crate::http::{SlackAction, SlackReader, SlackVerb};
use crate::live::LiveBoard;
use crate::notify::{Action, Notifier, parse_action};

/// What the button says.
const SNOOZE: Duration = Duration::from_secs(3600);

/// Returns what verifies and reads Slack's calls.
pub(super) fn reader(notifier: Notifier, clock: Arc<Clock>, live: LiveBoard) -> SlackReader {
    Arc::new(move |headers: &HeaderMap, body: &[u8]| {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let stamp = header("x-slack-request-timestamp").unwrap_or_default();
        let signature = header("x-slack-signature").unwrap_or_default();
        if !notifier.is_from_slack(stamp, body, signature) {
            return Err("the signature is not Slack's; check [slack] signing_secret".to_owned());
        }
        let payload = payload(body).ok_or_else(|| "the body holds no payload".to_owned())?;
        let click = parse_action(&payload)
            .ok_or_else(|| "the payload is no click on one of our buttons".to_owned())?;
        Ok(SlackAction {
            user: person(&live.load().config, &click.user).unwrap_or(click.user),
            action: match click.action {
                Action::Ack => SlackVerb::Ack,
                Action::Resolve => SlackVerb::Resolve,
                Action::Snooze => SlackVerb::Snooze(clock.now().plus(SNOOZE)),
            },
            incident: click.incident,
        })
    })
}

/// The person with a Slack member id.
fn person(config: &Config, member: &str) -> Option<String> {
    let people = config.settings.people.values();
    people
        .into_iter()
        .find(|person| person.slack.as_deref() == Some(member))
        .map(|person| person.id.to_string())
}

/// The form field `payload`.
fn payload(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let field = text.split('&').find_map(|part| part.strip_prefix("payload="))?;
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                let digits = std::str::from_utf8(&digits).ok()?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_is_a_field_of_a_form() {
        assert_eq!(payload(b"a=1&payload=%7B%22a%22%3A+1%7D").as_deref(), Some("{\"a\": 1}"));
        for bad in [&b"payload=%7"[..], b"payload=%zz", b"nothing", b"payload=%ff"] {
            assert_eq!(payload(bad), None);
        }
    }
}
