//! From the engine's picture to the series of alerts' states.
//!
//! The engine decides, the picture says what it decided, and the series follow the picture: each
//! is stamped with the time of its rule's evaluation. What was restored from the journal and not
//! evaluated since is stamped with the start.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use watchbell_metrics::label::Labels;
use watchbell_metrics::rule::state_series::{self, AlertState};
use watchbell_metrics::rule::{Rule, RuleName, RuleReadings};
use watchbell_metrics::sample::Millis;
use watchbell_paging::view::{RuleView, View};

use crate::desk::Picture;

/// How long a rule that asks for states waits until the engine has decided: it publishes at most
/// every 50 ms, and a full journal must not hold up evaluation.
const DECISION_MAX: Duration = Duration::from_millis(500);

/// Every rule that is evaluated, by name; swapped whole.
pub(super) type Known = Arc<ArcSwap<BTreeMap<RuleName, Arc<Rule>>>>;

/// Follows the picture.
#[derive(Debug)]
pub(super) struct States {
    picture: Picture,
    known: Known,
    started: Millis,
    /// Readings on their way to the engine: the newest time of each rule.
    sent: BTreeMap<RuleName, Millis>,
}

/// All series of states with the time of each.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Stated {
    pub(super) series: BTreeMap<Labels, (f64, Millis)>,
    /// What is not among them ended then.
    pub(super) at: Millis,
}

impl States {
    pub(super) fn new(picture: Picture, known: Known, started: Millis) -> Self {
        Self { picture, known, started, sent: BTreeMap::new() }
    }

    /// Resolves when there is a picture that was not looked at.
    pub(super) async fn changed(&self) {
        self.picture.changed().await;
    }

    /// Notes readings that are handed to the engine.
    pub(super) fn expect(&mut self, readings: &[RuleReadings]) {
        for one in readings {
            self.sent.insert(one.rule.clone(), one.at);
        }
    }

    /// Waits until the picture shows what became of all readings, or for long enough.
    pub(super) async fn settle(&mut self) {
        let settled = async {
            while !is_settled(&self.sent, &self.picture.view()) {
                self.picture.changed().await;
            }
        };
        if tokio::time::timeout(DECISION_MAX, settled).await.is_err() {
            tracing::debug!("rules that ask for the states of alerts see older ones");
        }
        self.sent.clear();
    }

    /// Returns the states that the picture shows; nothing before there is one.
    pub(super) fn stated(&mut self) -> Option<Stated> {
        let view = self.picture.view();
        view.at?;
        if is_settled(&self.sent, &view) {
            self.sent.clear();
        }
        let known = self.known.load();
        let mut stated = Stated { at: self.started, ..Stated::default() };
        for rule in &view.rules {
            if let Some(at) = rule.evaluated_at {
                stated.at = stated.at.max(at.as_millis());
            }
            if let Some(policy) = known.get(&rule.rule) {
                self.add(&mut stated, policy, rule);
            }
        }
        Some(stated)
    }

    fn add(&self, stated: &mut Stated, rule: &Rule, view: &RuleView) {
        let offset = rule.imported.as_ref().map(|one| one.group.query_offset.as_millis());
        let offset = Millis::try_from(offset.unwrap_or(0)).unwrap_or(Millis::MAX);
        let evaluated_at = view.evaluated_at.map_or(self.started, |at| at.as_millis());
        let at = evaluated_at.saturating_sub(offset);
        for alert in &view.alerts {
            let state = match alert.state {
                "firing" => AlertState::Firing,
                _ => AlertState::Pending,
            };
            let severity = state_series::severity_text(rule, alert.level);
            let since = alert.first_bad_at.as_millis();
            for (labels, value) in
                state_series::series(&alert.labels, severity.as_deref(), state, since)
            {
                // Alerts of two groups may have one name and the same labels.
                let newest = stated.series.entry(labels).or_insert((value, at));
                if newest.1 < at {
                    *newest = (value, at);
                }
            }
        }
    }
}

/// A rule that the engine does not know (any more) gives no decision.
fn is_settled(sent: &BTreeMap<RuleName, Millis>, view: &View) -> bool {
    let seen: BTreeMap<&RuleName, Millis> = view
        .rules
        .iter()
        .map(|rule| (&rule.rule, rule.evaluated_at.map_or(Millis::MIN, |at| at.as_millis())))
        .collect();
    let is_seen = |(rule, at): (&RuleName, &Millis)| seen.get(rule).is_none_or(|seen| at <= seen);
    view.at.is_some() && sent.iter().all(is_seen)
}
