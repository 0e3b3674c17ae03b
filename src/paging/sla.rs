//! The response promise: deadlines, outcomes, the cause of a breach, and the honest report.
//!
//! Works on instants that others recorded; never on averages alone.

mod report;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::report::{
    PageFact, PersonRow, Quantile, Report, ReportFact, ReportInput, ReportRow, iso_week, report,
    week_range,
};
use crate::calendar::Calendar;
use crate::level::Severity;
use crate::time::Timestamp;

/// How long an answer may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// Elapsed time from `fired`.
    Within(Duration),
    /// The close of the first business day after the local date of `fired`.
    NextBusinessDay,
}

/// The promises of a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promises {
    /// For critical; default 5 minutes.
    pub critical: Promise,
    /// For warning; default 15 minutes.
    pub warning: Promise,
    /// For info; default the next business day.
    pub info: Promise,
}

impl Default for Promises {
    fn default() -> Self {
        Self {
            critical: Promise::Within(Duration::from_secs(300)),
            warning: Promise::Within(Duration::from_secs(900)),
            info: Promise::NextBusinessDay,
        }
    }
}

impl Promises {
    /// Returns the promise of a severity.
    #[must_use]
    pub fn of(&self, severity: Severity) -> Promise {
        match severity {
            Severity::Info => self.info,
            Severity::Warning => self.warning,
            Severity::Critical => self.critical,
        }
    }
}

/// Returns the instant by which a person must have answered; none where the calendar has no
/// business day within 366 days.
#[must_use]
pub fn deadline(
    severity: Severity,
    fired: Timestamp,
    promises: &Promises,
    calendar: &Calendar,
) -> Option<Timestamp> {
    match promises.of(severity) {
        Promise::Within(length) => Some(fired.plus(length)),
        Promise::NextBusinessDay => calendar.close_of_next_business_day(fired),
    }
}

/// What became of a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The rule vanished, or it was a mistake.
    Cancelled,
    /// Notifications were muted for its whole life.
    Suppressed,
    /// Ended unanswered before the deadline: outside the denominator.
    SelfResolved,
    /// Answered by a person at or before the deadline.
    Met,
    /// Not decided yet; may be past its deadline.
    Running,
    /// Answered by a person after the deadline.
    Late,
    /// Never answered, and ended after the deadline.
    Missed,
}

impl Outcome {
    /// Returns the word of the public JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Suppressed => "suppressed",
            Self::SelfResolved => "self_resolved",
            Self::Met => "met",
            Self::Running => "running",
            Self::Late => "late",
            Self::Missed => "missed",
        }
    }
}

/// One response clock of an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// When it began: `fired`, or the rise that opened it.
    pub opened: Timestamp,
    /// When the promise ends.
    pub deadline: Option<Timestamp>,
    /// When a person answered.
    pub answered: Option<Timestamp>,
    /// When the promise was broken.
    pub breached: Option<Timestamp>,
}

impl Clock {
    /// Starts a clock.
    #[must_use]
    pub fn start(opened: Timestamp, deadline: Option<Timestamp>) -> Self {
        Self { opened, deadline, answered: None, breached: None }
    }

    /// Returns what became of it, given when its incident ended.
    #[must_use]
    pub fn outcome(&self, ended: Option<Timestamp>) -> Outcome {
        let in_time = |at: Timestamp| self.deadline.is_none_or(|deadline| at <= deadline);
        match (self.answered, ended) {
            (Some(answered), _) if in_time(answered) => Outcome::Met,
            (Some(_), _) => Outcome::Late,
            (None, Some(ended)) if in_time(ended) => Outcome::SelfResolved,
            (None, Some(_)) => Outcome::Missed,
            (None, None) => Outcome::Running,
        }
    }
}

/// Why a promise was broken; the first that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BreachCause {
    /// The daemon was down when the deadline passed.
    DaemonDown,
    /// Nobody was on call.
    NoOneOnCall,
    /// No provider took a message before 60 % of the budget.
    DeliveryFailed,
    /// The first message took more than 20 % of the budget.
    SystemLate,
    /// People had the message in time.
    Responder,
}

impl BreachCause {
    /// Returns the word of the public JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DaemonDown => "daemon_down",
            Self::NoOneOnCall => "no_one_on_call",
            Self::DeliveryFailed => "delivery_failed",
            Self::SystemLate => "system_late",
            Self::Responder => "responder",
        }
    }
}

/// The facts by which a cause is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreachFacts {
    /// When the clock began.
    pub opened: Timestamp,
    /// When the promise ended.
    pub deadline: Timestamp,
    /// When the route planned its first delivery.
    pub planned: Timestamp,
    /// When the first provider took the first message.
    pub notified: Option<Timestamp>,
    /// Nobody could be found on call.
    pub no_one_on_call: bool,
    /// The daemon was down when the deadline passed.
    pub daemon_down: bool,
}

/// Finds the cause of a breach.
#[must_use]
pub fn cause(facts: &BreachFacts) -> BreachCause {
    let budget = facts.deadline.since(facts.opened);
    let delay = facts.notified.map(|notified| notified.since(facts.planned));
    if facts.daemon_down {
        return BreachCause::DaemonDown;
    }
    if facts.no_one_on_call {
        return BreachCause::NoOneOnCall;
    }
    match delay {
        None => BreachCause::DeliveryFailed,
        Some(delay) if budget * 3 < delay * 5 => BreachCause::DeliveryFailed,
        Some(delay) if budget < delay * 5 => BreachCause::SystemLate,
        Some(_) => BreachCause::Responder,
    }
}

#[cfg(test)]
mod tests;
