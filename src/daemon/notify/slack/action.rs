//! Clicks on Slack's buttons: their JSON, and the proof that it comes from Slack.
//!
//! Pure. Carries nothing out. Source: <https://docs.slack.dev/reference/interaction-payloads>,
//! <https://docs.slack.dev/authentication/verifying-requests-from-slack>.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use watchbell_paging::command::{Actor, Answer, Command, Surface};
use watchbell_paging::id::IncidentId;
use watchbell_paging::settings::Settings;
use watchbell_paging::time::{Timestamp, format_duration};

/// `action_id` of the buttons.
pub(super) const ACK: &str = "watchbell_ack";
pub(super) const RESOLVE: &str = "watchbell_resolve";
pub(super) const SNOOZE: &str = "watchbell_snooze";

/// What the third button asks for.
const SNOOZE_FOR: Duration = Duration::from_secs(3600);
/// Older requests are refused, for they may be a recording.
const AGE_MAX: Duration = Duration::from_secs(300);

/// Which button.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Acknowledge.
    Ack,
    /// Resolve.
    Resolve,
    /// Snooze for an hour.
    Snooze,
}

/// A click.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlackAction {
    /// Slack's id of who clicked.
    pub user: String,
    /// The name that Slack gives them, if it does.
    pub user_name: Option<String>,
    /// Which button.
    pub action: Action,
    /// On which incident.
    pub incident: IncidentId,
    /// The channel of the message.
    pub channel: Option<String>,
    /// The message.
    pub ts: Option<String>,
    /// Where an answer that only the clicker sees may be posted.
    pub response_url: Option<String>,
}

impl SlackAction {
    /// Returns who clicked: the person of the configuration with that member id, else the name
    /// that Slack gave.
    #[must_use]
    pub fn actor(&self, settings: &Settings) -> Actor {
        let known = settings.people.values().find(|one| one.slack.as_deref() == Some(&self.user));
        let name = match known {
            Some(person) => person.id.to_string(),
            None => self.user_name.clone().unwrap_or_else(|| self.user.clone()),
        };
        Actor { name, program: false, surface: Surface::Slack }
    }

    /// Returns what the click asks of the engine.
    #[must_use]
    pub fn command(&self, settings: &Settings, now: Timestamp) -> Command {
        let (incident, by) = (self.incident, self.actor(settings));
        match self.action {
            Action::Ack => Command::Ack { incident, by, note: None },
            Action::Resolve => Command::Resolve { incident, by, note: None, force: false },
            Action::Snooze => {
                Command::Snooze { incident, by, until: now.plus(SNOOZE_FOR), note: None }
            }
        }
    }
}

/// Returns what the clicker has to know; nothing where the message's own edit shows it.
pub(in crate::notify) fn words(
    answer: &Answer,
    settings: &Settings,
    now: Timestamp,
) -> Option<String> {
    match answer {
        Answer::Incident(_) | Answer::Silence(_) | Answer::Done => None,
        Answer::Already { incident, first, at } => {
            let person = settings.people.get(&first.as_str().into());
            let name = person.map_or(first, |person| &person.name);
            let ago = format_duration(now.since(*at));
            Some(format!("{name} was first with #{}, {ago} ago.", incident.id))
        }
        Answer::Refused(refusal) => Some(format!("Not done: {refusal}.")),
    }
}

/// Reads the `payload` of an interaction; `None` where it is no click on one of our buttons.
#[must_use]
pub fn parse_action(payload: &str) -> Option<SlackAction> {
    let payload: Value = serde_json::from_str(payload).ok()?;
    if payload.get("type")?.as_str()? != "block_actions" {
        return None;
    }
    let text = |pointer: &str| payload.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let clicked = payload.get("actions")?.as_array()?.first()?;
    let action = match clicked.get("action_id")?.as_str()? {
        ACK => Action::Ack,
        RESOLVE => Action::Resolve,
        SNOOZE => Action::Snooze,
        _ => return None,
    };
    Some(SlackAction {
        user: text("/user/id")?,
        user_name: text("/user/username").or_else(|| text("/user/name")),
        action,
        incident: IncidentId::parse(clicked.get("value")?.as_str()?)?,
        channel: text("/channel/id").or_else(|| text("/container/channel_id")),
        ts: text("/message/ts").or_else(|| text("/container/message_ts")),
        response_url: text("/response_url"),
    })
}

/// Tells whether a request was signed by Slack within the last five minutes: `timestamp` and
/// `signature` are the headers `X-Slack-Request-Timestamp` and `X-Slack-Signature`, `body` is the
/// request's raw body.
#[must_use]
pub fn verify_signature(
    signing_secret: &str,
    timestamp: &str,
    body: &[u8],
    signature: &str,
    now: Timestamp,
) -> bool {
    let Ok(seconds) = timestamp.parse::<i64>() else {
        return false;
    };
    let at = Timestamp(seconds.saturating_mul(1000));
    if AGE_MAX < at.since(now).max(now.since(at)) || signing_secret.is_empty() {
        return false;
    }
    let Some(given) = signature.strip_prefix("v0=").and_then(bytes_of_hex) else {
        return false;
    };
    let mut mac = Hmac::<Sha256>::new_from_slice(signing_secret.as_bytes())
        .expect("HMAC takes a key of any length");
    for part in [b"v0:".as_slice(), timestamp.as_bytes(), b":", body] {
        mac.update(part);
    }
    mac.verify_slice(&given).is_ok()
}

fn bytes_of_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|one| one.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let digits = digits?;
    let pairs = digits.chunks_exact(2);
    pairs.remainder().is_empty().then(|| pairs.map(|pair| pair[0] * 16 + pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = b"test-body";
    const SECRET: &str = "fa2c05deeef5a4077494e89f54394de0";
    const SIGNATURE: &str = "v0=baa91ef62d346e56607bbdd278a8acd570b91226854f15a382f43d33be42f666";

    fn click(action: &str, value: &str) -> String {
        serde_json::json!({
            "type": "block_actions",
            "user": {"id": "U01", "username": "ana", "team_id": "T1"},
            "container": {"type": "message", "message_ts": "1.2", "channel_id": "C9"},
            "channel": {"id": "C9", "name": "prod-ops"},
            "message": {"ts": "1.2", "text": "..."},
            "response_url": "https://hooks.slack.com/actions/T1/2/3",
            "actions": [{"type": "button", "action_id": action, "value": value, "block_id": "b"}],
        })
        .to_string()
    }

    #[test]
    fn a_click_says_who_did_what_to_which_incident() {
        let action = parse_action(&click(SNOOZE, "42")).unwrap();
        assert_eq!(
            action,
            SlackAction {
                user: "U01".to_owned(),
                user_name: Some("ana".to_owned()),
                action: Action::Snooze,
                incident: IncidentId(42),
                channel: Some("C9".to_owned()),
                ts: Some("1.2".to_owned()),
                response_url: Some("https://hooks.slack.com/actions/T1/2/3".to_owned()),
            }
        );
        assert_eq!(parse_action(&click(ACK, "1")).unwrap().action, Action::Ack);
        assert_eq!(parse_action(&click(RESOLVE, "1")).unwrap().action, Action::Resolve);
    }

    #[test]
    fn a_click_becomes_the_command_of_the_person_with_that_member_id() {
        let settings = crate::notify::sample::configuration().settings;
        let now = Timestamp(1_000);
        let mut action = parse_action(&click(SNOOZE, "42")).unwrap();
        let Command::Snooze { incident, by, until, .. } = action.command(&settings, now) else {
            panic!("not a snooze")
        };
        assert_eq!((incident, until), (IncidentId(42), Timestamp(3_601_000)));
        assert_eq!((by.name.as_str(), by.program, by.surface), ("ana", false, Surface::Slack));
        action.user = "U77".to_owned();
        action.user_name = Some("stranger".to_owned());
        assert_eq!(action.actor(&settings).name, "stranger");
        action.action = Action::Resolve;
        assert!(matches!(action.command(&settings, now), Command::Resolve { force: false, .. }));
    }

    #[test]
    fn whoever_came_second_hears_who_was_first() {
        let settings = crate::notify::sample::configuration().settings;
        let incident = std::sync::Arc::new(crate::notify::sample::acked());
        let already = Answer::Already {
            incident: std::sync::Arc::clone(&incident),
            first: "ana".to_owned(),
            at: Timestamp(0),
        };
        let now = Timestamp(90_000);
        let words_of = |answer: &Answer| words(answer, &settings, now);
        assert_eq!(words_of(&already).unwrap(), "Ana was first with #42, 1m 30s ago.");
        assert_eq!(words_of(&Answer::Incident(incident)), None);
        let refusal = watchbell_paging::command::Refusal::UnknownIncident(IncidentId(7));
        let refused = words_of(&Answer::Refused(refusal)).unwrap();
        assert_eq!(refused, "Not done: there is no incident 7.");
    }

    #[test]
    fn anything_else_is_no_click() {
        for payload in
            ["", "[]", "{}", r#"{"type":"view_submission"}"#, r#"{"type":"block_actions"}"#]
        {
            assert_eq!(parse_action(payload), None, "{payload}");
        }
        assert_eq!(parse_action(&click("somebody_elses", "42")), None);
        assert_eq!(parse_action(&click(ACK, "forty-two")), None);
    }

    #[test]
    fn a_signature_is_good_for_five_minutes_to_the_byte() {
        let at = |seconds: i64| Timestamp(seconds * 1000);
        let good = |now| verify_signature(SECRET, "1531420618", BODY, SIGNATURE, now);
        assert!(good(at(1_531_420_618)));
        assert!(good(at(1_531_420_918)));
        assert!(good(at(1_531_420_318)));
        assert!(!good(at(1_531_420_919)));
        assert!(!good(at(1_531_420_317)));
    }

    #[test]
    fn a_signature_of_anything_else_is_refused() {
        let now = Timestamp(1_531_420_618_000);
        let check = |secret, timestamp, body: &[u8], signature| {
            verify_signature(secret, timestamp, body, signature, now)
        };
        assert!(!check("other", "1531420618", BODY, SIGNATURE));
        assert!(!check("", "1531420618", BODY, SIGNATURE));
        assert!(!check(SECRET, "1531420619", BODY, SIGNATURE));
        assert!(!check(SECRET, "soon", BODY, SIGNATURE));
        assert!(!check(SECRET, "1531420618", b"test-bodY", SIGNATURE));
        for signature in ["", "v0=", "v0=zz", "v0=abc", "v1=00"] {
            assert!(!check(SECRET, "1531420618", BODY, signature), "{signature}");
        }
    }
}
