//! People, and which of them hear of an incident: routes are tried in order, the first match wins.

use std::time::Duration;

use jiff::civil;
use watchbell_metrics::label::Matchers;

use crate::id::{PersonId, RouteName, ScheduleId};
use crate::level::Severity;
use crate::time::Zone;

/// Someone who can be paged.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// The key in the configuration.
    pub id: PersonId,
    /// The name that messages use.
    pub name: String,
    /// Where mail goes.
    pub email: Option<String>,
    /// The Slack member id (`U...`) or whatever `channel` takes.
    pub slack: Option<String>,
    /// Whether pages are shown in the terminal that runs the daemon (`watchbell try`).
    pub terminal: bool,
    /// The person's own zone, for night pages; the daemon's where absent.
    pub zone: Option<Zone>,
    /// The person's own choice of channels; empty means every channel at once.
    pub notify: Vec<Preference>,
}

/// A person's choice for one severity.
#[derive(Clone, Debug, PartialEq)]
pub struct Preference {
    /// For which severity.
    pub severity: Severity,
    /// Which channel, and how long after the step.
    pub channel: ChannelKind,
    /// How long after the step it is used.
    pub delay: Duration,
}

/// A way to reach people.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum ChannelKind {
    /// Slack's Web API.
    Slack,
    /// SMTP.
    Email,
    /// An HTTP call.
    Webhook,
    /// The terminal of `watchbell try`.
    Terminal,
}

impl ChannelKind {
    /// Returns the word used in JSON, metrics and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Slack => "slack",
            Self::Email => "email",
            Self::Webhook => "webhook",
            Self::Terminal => "terminal",
        }
    }
}

/// Whom a step pages.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pageable {
    /// This person.
    Person(PersonId),
    /// Whoever is on call by this schedule when the step runs.
    Schedule(ScheduleId),
}

/// Where a post goes: written as `#channel`, an e-mail address, or `webhook:name`.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub enum PostTarget {
    /// A Slack channel, sent as written.
    Slack(String),
    /// An address.
    Email(String),
    /// A `[webhook.*]` table.
    Webhook(String),
}

/// One step of an escalation.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// When, counted from `fired`.
    pub at: Duration,
    /// Whom it pages.
    pub page: Vec<Pageable>,
}

/// One `[[route]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Its name, part of every incident key.
    pub name: RouteName,
    /// Which alerts take it; no matchers take all.
    pub matchers: Matchers,
    /// Whom step 0 pages.
    pub page: Vec<Pageable>,
    /// What is posted to.
    pub post: Vec<PostTarget>,
    /// The later steps, by time.
    pub escalate: Vec<Step>,
    /// Who is paged when nobody above is on call.
    pub fallback: Vec<Pageable>,
    /// Labels that an incident's alerts share.
    pub group_by: Vec<String>,
    /// How long a new incident below critical waits for more alerts before it is told.
    pub group_wait: Duration,
    /// How long between notices of alerts that joined.
    pub group_interval: Duration,
    /// How long after the last step the chain starts again; `None` = default of the severity.
    pub repeat: Option<Duration>,
    /// Names of calendars during which notifications of this route are muted.
    pub mute: Vec<String>,
    /// Info only: collected and posted once a day at this local time.
    pub digest: Option<civil::Time>,
    /// When an ack expires while the alert still fires; `None` = default of the severity.
    pub ack_timeout: Option<Duration>,
}

impl Route {
    /// Returns a route with every default of the configuration.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: RouteName::from(name),
            matchers: Matchers::default(),
            page: Vec::new(),
            post: Vec::new(),
            escalate: Vec::new(),
            fallback: Vec::new(),
            group_by: vec!["alertname".to_owned(), "service".to_owned()],
            group_wait: Duration::ZERO,
            group_interval: Duration::from_secs(300),
            repeat: None,
            mute: Vec::new(),
            digest: None,
            ack_timeout: None,
        }
    }
}
