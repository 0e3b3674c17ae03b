//! Slack's Web API, through slack-morphism: a page is one `chat.postMessage`, an edit one
//! `chat.update`, and nothing else is ever called to deliver.
//!
//! The bodies are our own (`message`), because the crate's answers demand more fields than we
//! need: an odd answer must not turn a delivered page into a failed one.
//! Source: Slack's method pages, <https://docs.slack.dev/reference/methods/chat.postMessage>.

pub(super) mod action;
mod message;

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use serde::Deserialize;
use serde_json::{Value, json};
use slack_morphism::errors::SlackClientError;
use slack_morphism::hyper_tokio::SlackClientHyperConnector;
use slack_morphism::prelude::{SlackApiToken, SlackApiTokenValue, SlackClient};
use watchbell_paging::outbox::{Anchor, Delivery, Outcome, Purpose};

use super::format::Notice;
use super::wire::{self, Connector, Wire};
use crate::secrets::Secret;

pub(super) type Client = SlackClient<SlackClientHyperConnector<Connector>>;

/// Where Slack takes answers to clicks.
const HOOKS: &str = "https://hooks.slack.com/";
const RESPONSE_MAX: usize = 1000;

/// Delivers to Slack.
#[derive(Debug)]
pub(super) struct Slack {
    client: Client,
    token: SlackApiToken,
    api_url: String,
    has_buttons: bool,
}

/// The parts of an answer that matter.
#[derive(Debug, Default, Deserialize)]
struct Answer {
    ok: Option<bool>,
    channel: Option<String>,
    ts: Option<String>,
}

impl Slack {
    pub(super) fn new(
        connector: Connector,
        api_url: &str,
        token: &Secret,
        has_buttons: bool,
    ) -> Self {
        Self {
            client: client(connector, api_url),
            token: api_token(token),
            api_url: api_url.to_owned(),
            has_buttons,
        }
    }

    /// Attempts one delivery to a channel or member, as written.
    pub(super) async fn deliver(&self, to: &str, delivery: &Delivery, notice: &Notice) -> Outcome {
        let words = message::Words { delivery, notice, has_buttons: self.has_buttons };
        let (method, body) = match (&delivery.purpose, &delivery.anchor) {
            (Purpose::Edit, Some(Anchor::Slack { channel, ts })) => {
                ("chat.update", words.edit(channel, ts))
            }
            (Purpose::Edit, Some(Anchor::Email { .. }) | None) => {
                let why = "there is no message to edit: its place in Slack is not known";
                return Outcome::Failed { why: why.to_owned() };
            }
            (Purpose::Thread { .. }, Some(Anchor::Slack { channel, ts })) => {
                ("chat.postMessage", words.thread(channel, ts))
            }
            // Without its thread a line still has to be heard.
            (Purpose::Thread { .. }, Some(Anchor::Email { .. }) | None)
            | (Purpose::Page { .. } | Purpose::Post, _) => ("chat.postMessage", words.post(to)),
        };
        match self.call(method, &body).await {
            Err(error) if is_about_form(&error) => {
                tracing::warn!(code = code(&error), "slack refused the form; sending plain text");
                outcome(self.call(method, &message::plain(body)).await, to, delivery)
            }
            answer => outcome(answer, to, delivery),
        }
    }

    /// Asks whether the token is good.
    ///
    /// # Errors
    /// It is not, or Slack is out of reach.
    pub(super) async fn probe(&self) -> Result<(), String> {
        match self.call("auth.test", &json!({})).await {
            Ok(_) => Ok(()),
            Err(error) => match refused(&error, "") {
                Outcome::Failed { why } | Outcome::Retry { why, .. } => Err(why),
                Outcome::Accepted { .. } => Ok(()),
            },
        }
    }

    /// Answers a click, seen by the clicker alone. The address comes with the click, so only
    /// Slack's own is followed.
    ///
    /// # Errors
    /// It did not arrive.
    pub(super) async fn respond(&self, wire: &Wire, url: &str, words: &str) -> Result<(), String> {
        let own = format!("{}/", self.api_url.trim_end_matches('/'));
        if ![HOOKS, own.as_str()].iter().any(|start| url.starts_with(start)) {
            return Err(format!("{} is not an address of Slack", wire::quote(url)));
        }
        let body = json!({
            "response_type": "ephemeral",
            "replace_original": false,
            "text": message::escape(words, RESPONSE_MAX),
        });
        let request = http::Request::post(url)
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body.to_string())))
            .map_err(|error| error.to_string())?;
        let said = wire.send(request).await?;
        if said.status.is_success() { Ok(()) } else { Err(said.status.to_string()) }
    }

    async fn call(&self, method: &str, body: &Value) -> Result<Answer, SlackClientError> {
        let session = self.client.open_session(&self.token);
        // Boxed: the crate's futures are large.
        Box::pin(session.http_session_api.http_post(method, body, None)).await
    }
}

pub(super) fn client(connector: Connector, api_url: &str) -> Client {
    SlackClient::new(
        SlackClientHyperConnector::with_connector(connector).with_slack_api_url(api_url),
    )
}

pub(super) fn api_token(token: &Secret) -> SlackApiToken {
    SlackApiToken::new(SlackApiTokenValue(token.reveal().to_owned()))
}

fn outcome(answer: Result<Answer, SlackClientError>, to: &str, delivery: &Delivery) -> Outcome {
    match answer {
        Ok(Answer { ok: Some(true), channel, ts }) => {
            let posted = channel.zip(ts).map(|(channel, ts)| Anchor::Slack { channel, ts });
            // A thread line and an edit belong to the message that stands already.
            let anchor = match &delivery.purpose {
                Purpose::Page { .. } | Purpose::Post => posted,
                Purpose::Edit | Purpose::Thread { .. } => delivery.anchor.clone().or(posted),
            };
            Outcome::Accepted { anchor }
        }
        Ok(Answer { ok: Some(false) | None, .. }) => Outcome::Retry {
            after: None,
            why: "something that is not Slack answered; check slack.api_url and any proxy"
                .to_owned(),
        },
        Err(error) => refused(&error, to),
    }
}

fn refused(error: &SlackClientError, to: &str) -> Outcome {
    match error {
        SlackClientError::RateLimitError(limit) => Outcome::Retry {
            after: Some(limit.retry_after.unwrap_or(Duration::from_secs(1))),
            why: "slack asks to slow down".to_owned(),
        },
        SlackClientError::ApiError(refusal) => judge_code(&refusal.code, to),
        SlackClientError::HttpError(answer) => wire::judge(
            "slack",
            &wire::Said {
                status: answer.status_code,
                retry_after: None,
                body: answer.http_response_body.clone().unwrap_or_default(),
            },
        ),
        SlackClientError::ProtocolError(_) => {
            retry("slack answered something that is not its JSON")
        }
        SlackClientError::HttpProtocolError(cause) => {
            let words = cause.cause.as_ref().map_or_else(String::new, |one| wire::chain(&**one));
            retry(&format!("slack is out of reach: {words}"))
        }
        SlackClientError::EndOfStream(_)
        | SlackClientError::SystemError(_)
        | SlackClientError::SocketModeProtocolError(_) => {
            retry(&format!("slack is out of reach: {error}"))
        }
    }
}

fn retry(why: &str) -> Outcome {
    Outcome::Retry { after: None, why: why.to_owned() }
}

/// Words Slack's error codes, with what to do.
fn judge_code(code: &str, to: &str) -> Outcome {
    let advice = match code {
        "ratelimited" | "rate_limited" | "message_limit_exceeded" => {
            return Outcome::Retry {
                after: Some(Duration::from_secs(1)),
                why: "slack asks to slow down".to_owned(),
            };
        }
        "internal_error"
        | "fatal_error"
        | "service_unavailable"
        | "request_timeout"
        | "team_added_to_org"
        | "accesslimited" => {
            return retry(&format!("slack has a fault of its own ({code})"));
        }
        "channel_not_found" => format!(
            "there is no channel {to} that the bot can see; check the name, and invite the bot"
        ),
        "not_in_channel" => format!("the bot is not in {to}; invite it there"),
        "is_archived" => format!("{to} is archived; name another channel"),
        "user_not_found" | "users_not_found" | "cannot_dm_bot" | "user_disabled" => {
            format!("there is no member {to} to write to; check the person's slack id")
        }
        "messages_tab_disabled" => {
            "the app takes no direct messages; switch its Messages Tab on".to_owned()
        }
        "invalid_auth"
        | "not_authed"
        | "token_revoked"
        | "token_expired"
        | "account_inactive"
        | "not_allowed_token_type" => {
            "the bot token is not good (any more); check the secret of slack.token".to_owned()
        }
        "missing_scope" => {
            "the bot token lacks a scope; grant chat:write (and chat:write.public)".to_owned()
        }
        "restricted_action"
        | "restricted_action_read_only_channel"
        | "ekm_access_denied"
        | "team_access_not_granted" => {
            format!("a rule of the workspace keeps the bot from writing to {to}")
        }
        "message_not_found" | "cant_update_message" | "edit_window_closed" => {
            "the message cannot be edited (any more)".to_owned()
        }
        _ => format!("see the errors of chat.postMessage in Slack's reference, for {to}"),
    };
    Outcome::Failed { why: format!("slack refused ({}): {advice}", wire::quote(code)) }
}

/// Slack dislikes the blocks or the metadata, not the message.
fn is_about_form(error: &SlackClientError) -> bool {
    matches!(
        code(error),
        "invalid_blocks"
            | "invalid_blocks_format"
            | "msg_too_long"
            | "msg_blocks_too_long"
            | "invalid_metadata_format"
            | "invalid_metadata_schema"
            | "metadata_too_large"
            | "metadata_must_be_sent_from_app"
            | "invalid_arguments"
            | "invalid_array_arg"
    )
}

fn code(error: &SlackClientError) -> &str {
    match error {
        SlackClientError::ApiError(refusal) => &refusal.code,
        SlackClientError::HttpError(_)
        | SlackClientError::HttpProtocolError(_)
        | SlackClientError::EndOfStream(_)
        | SlackClientError::SystemError(_)
        | SlackClientError::ProtocolError(_)
        | SlackClientError::SocketModeProtocolError(_)
        | SlackClientError::RateLimitError(_) => "",
    }
}

#[cfg(test)]
mod tests;
