//! What readers see: an immutable picture of the engine's state, published whole.
//!
//! Field names are those of the public JSON (`interface.md` section 4).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};
use watchbell_metrics::label::Labels;
use watchbell_metrics::rule::{Level, RuleName};

use crate::id::{IncidentId, PersonId, RouteName, ScheduleId, SilenceId};
use crate::level::Severity;
use crate::sla::{BreachCause, Outcome, ReportFact};
use crate::time::Timestamp;

/// Where an incident stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IncidentState {
    /// Nobody has answered, or the answer ran out.
    Triggered,
    /// Somebody has it.
    Acked,
    /// It is over.
    Resolved,
}

/// One alert of an incident.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AlertView {
    /// Identity labels with `alertname`; `severity` is added from the level.
    pub labels: Labels,
    /// The newest value.
    #[serde(serialize_with = "number")]
    pub value: f64,
    /// The value as people read it, with its unit.
    pub value_text: String,
    /// The level now.
    pub level: Level,
    /// Since when it is at this level.
    #[serde(serialize_with = "rfc3339")]
    pub since: Timestamp,
    /// The bound that holds, as people read it: `> 1%`.
    pub bound: Option<String>,
    /// The rendered summary.
    pub summary: Option<String>,
    /// Rendered annotations.
    pub annotations: BTreeMap<String, String>,
    /// Why its notifications are muted: a silence, `needs`, its own critical, a forced resolve.
    pub muted_by: Vec<String>,
    /// Since when its data is missing.
    #[serde(serialize_with = "rfc3339_option")]
    pub no_data_since: Option<Timestamp>,
}

/// One line of an incident's timeline.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TimelineEntry {
    /// When.
    #[serde(serialize_with = "rfc3339")]
    pub at: Timestamp,
    /// A stable word: `first_bad`, `fired`, `page_intended`, `delivered`, `acked`, ...
    pub kind: String,
    /// A sentence.
    pub text: String,
    /// Who acted or was reached.
    pub who: Option<String>,
    /// Over which channel or surface.
    pub channel: Option<String>,
}

/// One incident.
#[derive(Clone, Debug, Serialize)]
pub struct IncidentView {
    /// Its number, as text in JSON.
    #[serde(serialize_with = "text")]
    pub id: IncidentId,
    /// The group key: the first route's name and the group labels.
    pub key: String,
    /// Where it stands.
    pub state: IncidentState,
    /// The worst level it stands at now; after the end, the worst it had.
    pub severity: Severity,
    /// The route it takes now.
    pub route: RouteName,
    /// One line for people.
    pub title: String,
    /// The rule's runbook.
    pub runbook: Option<String>,
    /// Its alerts.
    pub alerts: Vec<AlertView>,
    /// Start of the unbroken run beyond the bound of the first level that fired.
    #[serde(serialize_with = "rfc3339_option")]
    pub first_bad_at: Option<Timestamp>,
    /// When it fired.
    #[serde(serialize_with = "rfc3339")]
    pub fired_at: Timestamp,
    /// When the first provider took the first message.
    #[serde(serialize_with = "rfc3339_option")]
    pub notified_at: Option<Timestamp>,
    /// When the promise ends.
    #[serde(serialize_with = "rfc3339_option")]
    pub deadline: Option<Timestamp>,
    /// When a person answered.
    #[serde(serialize_with = "rfc3339_option")]
    pub acked_at: Option<Timestamp>,
    /// Who.
    pub acked_by: Option<String>,
    /// Until when it is snoozed.
    #[serde(serialize_with = "rfc3339_option")]
    pub snoozed_until: Option<Timestamp>,
    /// When it ended.
    #[serde(serialize_with = "rfc3339_option")]
    pub resolved_at: Option<Timestamp>,
    /// The promise: the worst of its clocks.
    pub sla: Outcome,
    /// Why it was broken.
    pub breach_cause: Option<BreachCause>,
    /// When it was broken.
    #[serde(serialize_with = "rfc3339_option")]
    pub breached_at: Option<Timestamp>,
    /// A marked exercise.
    pub drill: bool,
    /// Why notifications are muted now.
    pub suppressed_by: Vec<String>,
    /// What happened, oldest first.
    pub timeline: Vec<TimelineEntry>,
    /// People who were paged and reached, in order of first reach.
    pub paged: Vec<PersonId>,
    /// Acts of paging a person that reached them.
    pub pages: BTreeMap<PersonId, u32>,
    /// `post` targets that took a message, as written.
    pub posted: Vec<String>,
    /// Some delivery was marked as a possible repeat.
    pub repeat: bool,
    /// What the report needs of it.
    #[serde(skip)]
    pub fact: ReportFact,
}

/// One silence.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SilenceView {
    /// Its id.
    pub id: SilenceId,
    /// What it matches, as text.
    pub matchers: String,
    /// When it begins.
    #[serde(serialize_with = "rfc3339")]
    pub from: Timestamp,
    /// When it ends.
    #[serde(serialize_with = "rfc3339")]
    pub until: Timestamp,
    /// Why.
    pub reason: String,
    /// Who.
    pub by: String,
}

/// A rule's state now.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuleView {
    /// Its name.
    pub rule: RuleName,
    /// The worst level of its alerts.
    pub level: Level,
    /// Alerts above ok, pending ones included.
    pub alerts: Vec<RuleAlertView>,
    /// The last evaluation.
    #[serde(serialize_with = "rfc3339_option")]
    pub evaluated_at: Option<Timestamp>,
    /// How many label sets the last evaluation gave.
    pub readings: usize,
    /// The last error, if the last evaluation failed.
    pub error: Option<String>,
    /// Evaluation errors in a row.
    pub errors_in_row: u32,
}

/// One alert of a rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuleAlertView {
    /// Identity labels.
    pub labels: Labels,
    /// `pending` or `firing`.
    pub state: &'static str,
    /// The level it has, or the one it is pending for.
    pub level: Level,
    /// The newest value.
    #[serde(serialize_with = "number")]
    pub value: f64,
    /// Since when it has this state.
    #[serde(serialize_with = "rfc3339")]
    pub active_at: Timestamp,
    /// Start of the unbroken run that made it pending first.
    #[serde(serialize_with = "rfc3339")]
    pub first_bad_at: Timestamp,
    /// Since when it is good and fires on, because its level clears later.
    #[serde(serialize_with = "rfc3339_option")]
    pub good_since: Option<Timestamp>,
    /// The rendered summary.
    pub summary: Option<String>,
    /// Rendered annotations.
    pub annotations: BTreeMap<String, String>,
}

/// The whole picture.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// When it was taken.
    pub at: Option<Timestamp>,
    /// Every incident that is open or kept, newest first.
    pub incidents: Vec<Arc<IncidentView>>,
    /// Silences that have not ended, and recently ended ones.
    pub silences: Vec<SilenceView>,
    /// Rules by name.
    pub rules: Vec<RuleView>,
    /// Overrides made at run time, by schedule.
    pub overrides: BTreeMap<ScheduleId, Vec<crate::duty::Override>>,
    /// Deliveries without a result.
    pub in_flight: usize,
}

fn rfc3339<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&at.to_rfc3339())
}

#[allow(clippy::ref_option, reason = "the shape that serde asks for")]
fn rfc3339_option<S: Serializer>(at: &Option<Timestamp>, ser: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => ser.serialize_str(&at.to_rfc3339()),
        None => ser.serialize_none(),
    }
}

fn text<S: Serializer>(id: &IncidentId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

/// JSON has no NaN and no infinity: those become text, as Prometheus's API writes them.
fn number<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if value.is_finite() {
        return serializer.serialize_f64(*value);
    }
    serializer.serialize_str(match (value.is_nan(), *value > 0.0) {
        (true, _) => "NaN",
        (false, true) => "+Inf",
        (false, false) => "-Inf",
    })
}
