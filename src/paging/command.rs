//! What people and programs ask of the engine, and what it answers.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use watchbell_metrics::label::{Labels, Matchers};
use watchbell_metrics::rule::{Level, RuleName};

use crate::duty::Override;
use crate::id::{IncidentId, PersonId, ScheduleId, SilenceId};
use crate::time::Timestamp;
use crate::view::IncidentView;

/// From where somebody acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Surface {
    /// A button in Slack.
    Slack,
    /// The signed link of a mail.
    Mail,
    /// The command line.
    Cli,
    /// The HTTP API.
    Api,
    /// The web pages.
    Ui,
    /// A scenario.
    Scenario,
}

impl Surface {
    /// Returns the word used in JSON and timelines.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Slack => "slack",
            Self::Mail => "mail",
            Self::Cli => "cli",
            Self::Api => "api",
            Self::Ui => "ui",
            Self::Scenario => "scenario",
        }
    }
}

/// Who acts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// A person's id, or any other name.
    pub name: String,
    /// A program's action is written down but answers no promise.
    pub program: bool,
    /// From where.
    pub surface: Surface,
}

/// What is asked.
#[derive(Clone, Debug)]
pub enum Command {
    /// Take responsibility.
    Ack { incident: IncidentId, by: Actor, note: Option<String> },
    /// End it; refused while alerts fire, unless forced.
    Resolve { incident: IncidentId, by: Actor, note: Option<String>, force: bool },
    /// Answer it and be reminded at `until` if it still fires.
    Snooze { incident: IncidentId, by: Actor, until: Timestamp, note: Option<String> },
    /// Run the next step now.
    Escalate { incident: IncidentId, by: Actor },
    /// Hand it to a person, who is paged.
    Assign { incident: IncidentId, by: Actor, to: PersonId },
    /// Write something into the timeline.
    Note { incident: IncidentId, by: Actor, note: String },
    /// Mute notifications of matching alerts.
    Silence { matchers: Matchers, from: Timestamp, until: Timestamp, reason: String, by: Actor },
    /// End a silence now.
    Unsilence { id: SilenceId, by: Actor },
    /// Change who is on call for a while.
    Override { schedule: ScheduleId, change: Override, by: Actor },
    /// Put an alert at a level, past all holds and without metrics (drills, scenarios).
    SetLevel { rule: RuleName, labels: Labels, level: Level, summary: Option<String>, drill: bool },
}

/// Why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such incident.
    #[error("there is no incident {0}")]
    UnknownIncident(IncidentId),
    /// No such silence.
    #[error("there is no silence {0}")]
    UnknownSilence(SilenceId),
    /// No such schedule.
    #[error("there is no schedule {0}")]
    UnknownSchedule(ScheduleId),
    /// It is over already.
    #[error("incident {0} is resolved already")]
    AlreadyResolved(IncidentId),
    /// Alerts still fire.
    #[error("incident {incident} still has firing alerts: {}; force mutes them until they clear", alerts.join(", "))]
    StillFiring { incident: IncidentId, alerts: Vec<String> },
    /// Nonsense in the request.
    #[error("{0}")]
    Invalid(String),
}

/// What the engine answers, after the change is durable.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Done; the incident as it is now.
    Incident(Arc<IncidentView>),
    /// Somebody was first; nothing changed but the log.
    Already { incident: Arc<IncidentView>, first: String, at: Timestamp },
    /// A silence was made or ended.
    Silence(SilenceId),
    /// Done, with nothing to show.
    Done,
    /// Not done.
    Refused(Refusal),
}
