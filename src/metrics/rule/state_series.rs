//! `ALERTS` and `ALERTS_FOR_STATE`: the states of alerts as series, in Prometheus's form.
//!
//! Says what the series of one alert are called and what they hold. Who is pending or firing, and
//! when the series are written, is decided elsewhere.

use std::borrow::Cow;

use crate::label::{Labels, METRIC_NAME, MatchOp, Matcher};
use crate::promql::Expr;
use crate::rule::{Level, Rule, SEVERITY};
use crate::sample::Millis;

/// 1 for every alert that is pending or firing; `alertstate` says which.
pub const ALERTS: &str = "ALERTS";
/// Since when each of those alerts is active, in whole seconds since 1970.
pub const ALERTS_FOR_STATE: &str = "ALERTS_FOR_STATE";
/// The label of `ALERTS` that holds the state.
pub const ALERT_STATE: &str = "alertstate";

/// How far an alert is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlertState {
    /// Its expression gives it; `for` has not passed.
    Pending,
    /// It counts.
    Firing,
}

impl AlertState {
    /// Returns the word used in labels and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Firing => "firing",
        }
    }
}

/// Returns the two series of an alert with their values. `labels` are its identity, `alertname`
/// included; `severity` is the text of that label, where the alert has one; `active_at` is the
/// time since which the expression has given it without a break.
#[must_use]
pub fn series(
    labels: &Labels,
    severity: Option<&str>,
    state: AlertState,
    active_at: Millis,
) -> [(Labels, f64); 2] {
    let labels = labels.with(SEVERITY, severity.unwrap_or_default());
    // Seconds of a date are far below what a float holds exactly.
    #[allow(clippy::cast_precision_loss, reason = "see above")]
    let since = active_at.div_euclid(1000) as f64;
    let alerts = labels.with(METRIC_NAME, ALERTS).with(ALERT_STATE, state.as_str());
    [(alerts, 1.0), (labels.with(METRIC_NAME, ALERTS_FOR_STATE), since)]
}

/// Returns the text of the label `severity` of a rule's alert at a level: the word of the level
/// for rules of ours; for those of Prometheus what the file says, which may be nothing. A text
/// that each series makes anew is not part of an identity and is shown as the level.
#[must_use]
pub fn severity_text(rule: &Rule, level: Level) -> Option<Cow<'static, str>> {
    let Some(imported) = &rule.imported else { return Some(Cow::Borrowed(level.as_str())) };
    let (_, template) = imported.labels.iter().find(|(name, _)| name == SEVERITY)?;
    let text = template.source();
    if text.contains("{{") {
        return Some(Cow::Borrowed(level.as_str()));
    }
    Some(text).filter(|text| !text.is_empty()).map(|text| Cow::Owned(text.to_owned()))
}

/// Tells whether an expression asks by name for the state of some alert.
#[must_use]
pub fn is_read_by(expr: &Expr) -> bool {
    expr.selectors().iter().any(|selector| reads_states(&selector.matchers))
}

/// Tells whether a selector asks by name for the states of alerts.
#[must_use]
pub fn reads_states(matchers: &[Matcher]) -> bool {
    [ALERTS, ALERTS_FOR_STATE].iter().any(|name| is_named(matchers, METRIC_NAME, name))
}

/// Tells whether a selector asks by name for the states of the alerts of this name.
#[must_use]
pub fn reads_state_of(matchers: &[Matcher], alert: &str) -> bool {
    let of_alert = matchers.iter().filter(|one| one.name() == crate::label::ALERT_NAME);
    reads_states(matchers) && of_alert.into_iter().all(|one| one.is_match(alert))
}

/// A selector without any word on the name asks for everything and for nothing in particular.
fn is_named(matchers: &[Matcher], label: &str, text: &str) -> bool {
    let positive = |one: &&Matcher| match one.op() {
        MatchOp::Equal | MatchOp::Regex => true,
        MatchOp::NotEqual | MatchOp::NotRegex => false,
    };
    let mut of_label = matchers.iter().filter(|one| one.name() == label).peekable();
    of_label.clone().any(|one| positive(&one))
        && of_label.peek().is_some()
        && of_label.all(|one| one.is_match(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promql::parse;

    #[test]
    fn the_series_have_prometheuss_names_labels_and_values() {
        use AlertState::{Firing, Pending};
        let alert = [("alertname", "Slow"), ("job", "api"), ("severity", "never")];
        // An alert on `ALERTS` has a label of the same name.
        let on_alerts = [("alertname", "Slow"), ("alertstate", "firing")];
        let cases = [
            (
                &alert[..],
                Some("page"),
                Firing,
                1_700_000_000_999,
                r#"ALERTS{alertname="Slow", alertstate="firing", job="api", severity="page"} 1"#,
                r#"ALERTS_FOR_STATE{alertname="Slow", job="api", severity="page"} 1700000000"#,
            ),
            (
                &alert[..],
                None,
                Pending,
                0,
                r#"ALERTS{alertname="Slow", alertstate="pending", job="api"} 1"#,
                r#"ALERTS_FOR_STATE{alertname="Slow", job="api"} 0"#,
            ),
            (
                &on_alerts[..],
                None,
                Pending,
                1_000,
                r#"ALERTS{alertname="Slow", alertstate="pending"} 1"#,
                r#"ALERTS_FOR_STATE{alertname="Slow", alertstate="firing"} 1"#,
            ),
        ];
        for (alert, severity, state, active_at, first, second) in cases {
            let labels = Labels::from_pairs(alert.iter().copied());
            let shown = series(&labels, severity, state, active_at)
                .map(|(labels, value)| format!("{labels} {value}"));
            assert_eq!(shown, [first, second]);
        }
    }

    #[test]
    fn who_asks_for_states_must_name_them() {
        let cases = [
            ("ALERTS", true),
            ("sum(ALERTS{alertname='A'}) > 0", true),
            ("time() - ALERTS_FOR_STATE", true),
            ("{__name__=~'ALERTS.*'}", true),
            ("{__name__=~'ALERTS.*', __name__!='ALERTS', __name__!='ALERTS_FOR_STATE'}", false),
            ("{job='a'}", false),
            ("{__name__!='up', job='a'}", false),
            ("up", false),
        ];
        for (text, expected) in cases {
            assert_eq!(is_read_by(&parse(text).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn a_matcher_on_the_alerts_name_says_whose_state_is_read() {
        let cases = [
            ("ALERTS", "A", true),
            ("ALERTS{alertname='A'}", "A", true),
            ("ALERTS{alertname='A'}", "B", false),
            ("ALERTS{alertname!='A', alertstate='firing'}", "B", true),
            ("ALERTS_FOR_STATE{alertname=~'A|B'}", "B", true),
            ("up{alertname='A'}", "A", false),
        ];
        for (text, alert, expected) in cases {
            let selectors = parse(text).unwrap().selectors();
            let reads = selectors.iter().any(|one| reads_state_of(&one.matchers, alert));
            assert_eq!(reads, expected, "{text} of {alert}");
        }
    }
}
