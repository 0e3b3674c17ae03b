//! Groups of Prometheus rules, as their files say them.
//!
//! Values here are checked: expressions are read, names are usable. What an alert of a group means
//! to paging is said by the `Rule` that it becomes; groups keep what only they know (order, limit,
//! recording rules). Meaning and defaults:
//! <https://prometheus.io/docs/prometheus/latest/configuration/recording_rules/>.

use std::time::Duration;

use crate::promql::Expr;
use crate::template::go::GoTemplate;

/// A group: rules that are evaluated one after the other, at the same time.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Unique in its file.
    pub name: String,
    /// The file, as it is shown to people.
    pub file: String,
    /// How often it is evaluated; `None`: as often as the daemon evaluates.
    pub interval: Option<Duration>,
    /// The most series or alerts that one of its rules may give; zero: any number.
    pub limit: usize,
    /// Evaluates that far in the past.
    pub query_offset: Duration,
    /// Put on everything that its rules give, under the rules' own labels; recording rules take
    /// them as they are written.
    pub labels: Vec<(String, GoTemplate)>,
    /// In the order of evaluation.
    pub rules: Vec<GroupRule>,
}

/// A rule of a group.
#[derive(Clone, Debug, PartialEq)]
pub enum GroupRule {
    /// Writes its values as a series of their own.
    Recording {
        /// The metric name of the series.
        record: String,
        /// What is computed.
        expr: Expr,
        /// Put on every series, as written.
        labels: Vec<(String, String)>,
    },
    /// Fires for every series that its expression gives.
    Alert {
        /// The alert's name.
        alert: String,
        /// What must give a series.
        expr: Expr,
        /// `for`: how long it must do so before the alert fires.
        holds_for: Duration,
        /// How long the alert goes on after the series is gone.
        keep_firing_for: Duration,
        /// Put on every alert.
        labels: Vec<(String, GoTemplate)>,
        /// What messages say.
        annotations: Vec<(String, GoTemplate)>,
    },
}

impl GroupRule {
    /// Returns the name of the series or of the alert.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Recording { record, .. } => record,
            Self::Alert { alert, .. } => alert,
        }
    }

    /// Returns the expression.
    #[must_use]
    pub fn expr(&self) -> &Expr {
        match self {
            Self::Recording { expr, .. } | Self::Alert { expr, .. } => expr,
        }
    }

    /// Returns the labels as they are written.
    #[must_use]
    pub fn label_texts(&self) -> Vec<(&str, &str)> {
        match self {
            Self::Recording { labels, .. } => {
                labels.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect()
            }
            Self::Alert { labels, .. } => {
                labels.iter().map(|(name, text)| (name.as_str(), text.source())).collect()
            }
        }
    }
}
