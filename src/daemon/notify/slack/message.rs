//! The JSON of Slack messages: text first, for the lock screen; then blocks; then metadata by
//! which a repeat is recognised.
//!
//! Untrusted text is escaped (`&<>`) so that no mention, link or channel comes out of it, is kept
//! within Slack's lengths, and is never parsed (`parse`, `link_names`, `verbatim`).
//! Source: <https://docs.slack.dev/reference/block-kit/blocks>.

use serde_json::{Value, json};
use watchbell_paging::outbox::Delivery;

use super::action::{ACK, RESOLVE, SNOOZE};
use crate::notify::format::{AlertLine, Notice};

/// The type of our metadata.
pub(super) const EVENT_TYPE: &str = "watchbell_delivery";

/// Slack's lengths, in characters.
const HEADER_MAX: usize = 150;
const SECTION_MAX: usize = 3000;
const FIELD_MAX: usize = 2000;
const FIELDS_MAX: usize = 10;
/// Slack cuts longer texts at 40,000; a phone shows far less.
const TEXT_MAX: usize = 3000;

/// What a body is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words<'a> {
    pub(super) delivery: &'a Delivery,
    pub(super) notice: &'a Notice,
    pub(super) has_buttons: bool,
}

impl Words<'_> {
    /// A message of its own.
    pub(super) fn post(&self, channel: &str) -> Value {
        let mut text = self.notice.first_line();
        if let Some(mention) = &self.notice.mention {
            text = format!("{}: {text}", mention.name);
        }
        let mut body = self.body(&escape(&text, TEXT_MAX), Some(self.blocks()));
        body["channel"] = json!(channel);
        body["unfurl_links"] = json!(false);
        body["unfurl_media"] = json!(false);
        body
    }

    /// The message at `ts`, as it reads now.
    pub(super) fn edit(&self, channel: &str, ts: &str) -> Value {
        let text = escape(&self.notice.first_line(), TEXT_MAX);
        let mut body = self.body(&text, Some(self.blocks()));
        body["channel"] = json!(channel);
        body["ts"] = json!(ts);
        body
    }

    /// A line below the message at `ts`.
    pub(super) fn thread(&self, channel: &str, ts: &str) -> Value {
        let notice = self.notice;
        let repeat = if notice.may_be_repeat { " (may be a repeat)" } else { "" };
        let line = format!("{}{repeat}", notice.why);
        let text = match &notice.mention {
            Some(mention) => {
                let who = match &mention.slack {
                    Some(id) => format!("<@{id}>"),
                    None => escape(&mention.name, FIELD_MAX),
                };
                let rest = format!("{}{}: {}. {line}", notice.mark, notice.status, notice.title);
                format!("{who} {} {}", escape(&rest, TEXT_MAX), escape(&notice.todo, TEXT_MAX))
            }
            None => escape(&line, TEXT_MAX),
        };
        let mut body = self.body(&text, None);
        body["channel"] = json!(channel);
        body["thread_ts"] = json!(ts);
        body["unfurl_links"] = json!(false);
        body
    }

    fn body(&self, text: &str, blocks: Option<Vec<Value>>) -> Value {
        let mut body = json!({
            "text": text,
            "parse": "none",
            "link_names": false,
            "metadata": {
                "event_type": EVENT_TYPE,
                "event_payload": {
                    "delivery": self.delivery.id.to_string(),
                    "incident": self.notice.incident.to_string(),
                },
            },
        });
        if let Some(blocks) = blocks {
            body["blocks"] = Value::Array(blocks);
        }
        body
    }

    fn blocks(&self) -> Vec<Value> {
        let notice = self.notice;
        let headline = escape(&notice.headline(), HEADER_MAX);
        let mut blocks =
            vec![json!({"type": "header", "text": {"type": "plain_text", "text": headline}})];
        blocks.push(section(&format!(
            "*{}*\nWhy now: {}",
            escape(&notice.todo, FIELD_MAX),
            escape(&notice.why, FIELD_MAX / 2)
        )));
        blocks.extend(notice.alerts.iter().map(|alert| section(&alert_words(alert))));
        if 0 < notice.more {
            blocks.push(context(&format!("and {} more alerts", notice.more)));
        }
        let fields: Vec<Value> = notice
            .facts
            .iter()
            .take(FIELDS_MAX)
            .map(|(name, value)| mrkdwn(&format!("*{name}*\n{}", escape(value, FIELD_MAX / 2))))
            .collect();
        if !fields.is_empty() {
            blocks.push(json!({"type": "section", "fields": fields}));
        }
        blocks.push(section(&self.links()));
        if notice.may_be_repeat {
            blocks.push(context("This may be a repeat: an earlier attempt was not answered."));
        }
        if self.has_buttons && notice.is_open() {
            blocks.push(self.buttons());
        }
        blocks
    }

    fn links(&self) -> String {
        let page = format!("<{}|Incident #{}>", url(&self.notice.page), self.notice.incident);
        match &self.notice.runbook {
            Some(runbook) => format!("<{}|Runbook> · {page}", url(runbook)),
            None => page,
        }
    }

    fn buttons(&self) -> Value {
        let value = self.notice.incident.to_string();
        let button = |words: &str, action: &str| {
            json!({
                "type": "button",
                "text": {"type": "plain_text", "text": words},
                "action_id": action,
                "value": value,
            })
        };
        let mut acknowledge = button("Acknowledge", ACK);
        acknowledge["style"] = json!("primary");
        json!({
            "type": "actions",
            "block_id": "watchbell",
            "elements": [acknowledge, button("Resolve", RESOLVE), button("Snooze 1h", SNOOZE)],
        })
    }
}

/// Takes everything away that Slack may dislike; the text stays.
pub(super) fn plain(mut body: Value) -> Value {
    if let Some(fields) = body.as_object_mut() {
        fields.remove("blocks");
        fields.remove("metadata");
    }
    body
}

/// Escapes text from outside for Slack, to at most `length_max` characters of the result; names
/// that call a whole channel lose their sound.
pub(super) fn escape(text: &str, length_max: usize) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut length = 0;
    for letter in text.chars() {
        let (word, word_length) = match letter {
            '&' => ("&amp;", 5),
            '<' => ("&lt;", 4),
            '>' => ("&gt;", 4),
            // A word joiner that does not show: `@here` is a word then, not a call.
            '@' => ("@\u{2060}", 2),
            _ => ("", 1),
        };
        length += word_length;
        if length_max <= length {
            escaped.push('…');
            break;
        }
        if word.is_empty() {
            escaped.push(letter);
        } else {
            escaped.push_str(word);
        }
    }
    escaped
}

fn alert_words(alert: &AlertLine) -> String {
    let value = format!("*{}*", escape(&alert.value, SECTION_MAX / 4));
    let lines =
        [escape(&alert.what, SECTION_MAX / 4), value, escape(&alert.labels, SECTION_MAX / 4)];
    lines.into_iter().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

fn url(text: &str) -> String {
    text.replace('&', "&amp;").replace(['<', '>', '|'], "")
}

fn section(text: &str) -> Value {
    json!({"type": "section", "text": mrkdwn(text)})
}

fn context(text: &str) -> Value {
    json!({"type": "context", "elements": [mrkdwn(text)]})
}

fn mrkdwn(text: &str) -> Value {
    json!({"type": "mrkdwn", "text": text, "verbatim": true})
}
