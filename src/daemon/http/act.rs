//! Acting on incidents: what a request asks, as a command, and what came of it.
//!
//! One reading for the API, the pages, mail links and Slack, so that every surface behaves alike.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use serde::Deserialize;
use watchbell_paging::command::{Actor, Answer, Command};
use watchbell_paging::id::IncidentId;
use watchbell_paging::time::Timestamp;
use watchbell_paging::view::IncidentView;
use watchbell_sim::scenario::parse_duration;

use crate::http::Context;
use crate::http::errors::Fault;

/// How long the engine may take to make a command durable.
const DURABLE_TIME: Duration = Duration::from_secs(10);
/// The longest note, in bytes.
const NOTE_BYTES_MAX: usize = 4 * 1024;

/// What is done to an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Ack,
    Resolve,
    Snooze,
    Escalate,
    Note,
}

/// The details, from JSON or a form.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Details {
    /// Who, where nobody is authenticated.
    pub(crate) by: Option<String>,
    /// Words for the timeline.
    pub(crate) note: Option<String>,
    /// A length of time: `1h`.
    #[serde(rename = "for")]
    pub(crate) length: Option<String>,
    /// An instant.
    pub(crate) until: Option<String>,
    /// Resolve although alerts fire.
    pub(crate) force: bool,
    /// A program acts.
    pub(crate) program: bool,
}

/// What came of an action.
#[derive(Clone, Debug)]
pub(crate) struct Done {
    /// The incident as it is now.
    pub(crate) incident: Arc<IncidentView>,
    /// Who was first, where somebody was.
    pub(crate) already: Option<(String, Timestamp)>,
}

impl Verb {
    /// Reads the last part of a path.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "ack" => Self::Ack,
            "resolve" => Self::Resolve,
            "snooze" => Self::Snooze,
            "escalate" => Self::Escalate,
            "note" => Self::Note,
            _ => return None,
        })
    }

    /// Builds the command.
    pub(crate) fn command(
        self,
        incident: IncidentId,
        by: Actor,
        details: &Details,
        now: Timestamp,
    ) -> Result<Command, Fault> {
        let note = details.note.as_deref().map(str::trim).filter(|note| !note.is_empty());
        if note.is_some_and(|note| NOTE_BYTES_MAX < note.len()) {
            return Err(Fault::bad("note-too-long", "the note is longer than 4 KiB"));
        }
        let note = note.map(str::to_owned);
        Ok(match self {
            Self::Ack => Command::Ack { incident, by, note },
            Self::Resolve => Command::Resolve { incident, by, note, force: details.force },
            Self::Snooze => {
                Command::Snooze { incident, by, until: details.end(now, "snooze")?, note }
            }
            Self::Escalate => Command::Escalate { incident, by },
            Self::Note => {
                let note = note.ok_or_else(|| {
                    Fault::bad("missing-note", "a note needs words: {\"note\": \"...\"}")
                })?;
                Command::Note { incident, by, note }
            }
        })
    }
}

impl Details {
    /// Returns the end that `for` or `until` names, which must lie ahead.
    pub(crate) fn end(&self, now: Timestamp, what: &str) -> Result<Timestamp, Fault> {
        let end = match (self.length.as_deref(), self.until.as_deref()) {
            (Some(text), None) => now.plus(length(text)?),
            (None, Some(text)) => Timestamp::parse_rfc3339(text)
                .map_err(|error| Fault::bad("bad-time", format!("until: {error}")))?,
            (Some(_), Some(_)) => {
                return Err(Fault::bad("bad-time", "give `for` or `until`, not both"));
            }
            (None, None) => {
                let text = format!("a {what} needs an end: {{\"for\": \"1h\"}} or \"until\"");
                return Err(Fault::bad("missing-end", text));
            }
        };
        if end <= now {
            return Err(Fault::bad("bad-time", format!("the end of the {what} is not ahead")));
        }
        Ok(end)
    }
}

/// Reads a length of time such as `30m` or `2h30m`.
pub(crate) fn length(text: &str) -> Result<Duration, Fault> {
    parse_duration(text).ok_or_else(|| {
        Fault::bad("bad-time", format!("{text:?} is no length of time; write 30m, 1h or 2h30m"))
    })
}

/// Reads an incident's id as people type it.
pub(crate) fn incident_id(text: &str) -> Result<IncidentId, Fault> {
    IncidentId::parse(text)
        .ok_or_else(|| Fault::missing("unknown-incident", format!("there is no incident {text:?}")))
}

/// Finds an incident in the picture.
pub(crate) fn find(context: &Context, id: IncidentId) -> Result<Arc<IncidentView>, Fault> {
    context
        .desk
        .view()
        .incidents
        .iter()
        .find(|incident| incident.id == id)
        .cloned()
        .ok_or_else(|| Fault::missing("unknown-incident", format!("there is no incident {id}")))
}

/// Hands a command in and waits until it is durable.
pub(crate) async fn ask(context: &Context, command: Command) -> Result<Answer, Fault> {
    let asked = tokio::time::timeout(DURABLE_TIME, context.desk.ask(command));
    let answer = asked.await.map_err(|_| {
        Fault::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "timeout",
            "it is not known yet whether this was written down; look before you repeat it",
        )
    })??;
    match answer {
        Answer::Refused(refusal) => Err(refusal.into()),
        Answer::Incident(_) | Answer::Already { .. } | Answer::Silence(_) | Answer::Done => {
            Ok(answer)
        }
    }
}

/// Does something to an incident.
pub(crate) async fn act(context: &Context, id: IncidentId, cmd: Command) -> Result<Done, Fault> {
    match ask(context, cmd).await? {
        Answer::Incident(incident) => Ok(Done { incident, already: None }),
        Answer::Already { incident, first, at } => {
            Ok(Done { incident, already: Some((first, at)) })
        }
        Answer::Done => Ok(Done { incident: find(context, id)?, already: None }),
        Answer::Silence(_) | Answer::Refused(_) => {
            Err(Fault::ours("the engine answered something else"))
        }
    }
}
