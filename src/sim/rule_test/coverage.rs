//! Which rules the tests show at work.
//!
//! An alert is covered by a test that asks for it and saw it pending or firing: a test that only
//! shows its silence would pass with a misspelt metric too. A recording rule is covered when it
//! gave a series and an expectation, or a covered rule, reads it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use watchbell_config::rule_test::RuleTest;
use watchbell_metrics::label::{Labels, METRIC_NAME};
use watchbell_metrics::promql::{self, Expr};
use watchbell_metrics::rule::group::{Group, GroupRule};

use crate::rule_test::machine::{Machine, RulePlace, asked_labels, is_alert};

/// The rules of all tests, and what was shown of them.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    rules: BTreeMap<(String, String, usize), RuleCoverage>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleCoverage {
    /// Its file, as it is shown to people.
    pub file: String,
    /// Its group.
    pub group: String,
    /// The name of the alert or of the series, with the labels that the rule puts on it.
    pub name: String,
    /// Whether it is a recording rule.
    pub is_recording: bool,
    /// Whether a test showed it at work.
    pub is_covered: bool,
}

impl Coverage {
    /// Returns every rule, by file and group, in order.
    pub fn rules(&self) -> impl Iterator<Item = &RuleCoverage> {
        self.rules.values()
    }

    /// Returns the share of rules that are covered, 0 to 1; 1 where there is none.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "there are far fewer rules than 2^53")]
    pub fn share(&self) -> f64 {
        if self.rules.is_empty() {
            return 1.0;
        }
        let covered = self.rules().filter(|rule| rule.is_covered).count();
        covered as f64 / self.rules.len() as f64
    }

    /// Takes what another file showed; a rule that one of them covers is covered.
    pub fn merge(&mut self, other: Self) {
        for (key, rule) in other.rules {
            let covered = rule.is_covered;
            self.rules.entry(key).or_insert(rule).is_covered |= covered;
        }
    }

    pub(super) fn know(&mut self, groups: &[Arc<Group>]) {
        for group in groups {
            for (index, rule) in group.rules.iter().enumerate() {
                self.rules.entry(key(group, index)).or_insert_with(|| RuleCoverage {
                    file: group.file.clone(),
                    group: group.name.clone(),
                    name: shown(rule),
                    is_recording: matches!(rule, GroupRule::Recording { .. }),
                    is_covered: false,
                });
            }
        }
    }

    /// Takes what one test showed.
    pub(super) fn note(&mut self, groups: &[Arc<Group>], machine: &Machine, test: &RuleTest) {
        let gave: BTreeSet<RulePlace> = machine.gave().collect();
        let exprs: Vec<Expr> =
            test.exprs.iter().filter_map(|case| promql::parse(&case.expr).ok()).collect();
        let rule_at = |place: &RulePlace| {
            let group = groups.get(place.0)?;
            Some((group, group.rules.get(place.1)?))
        };
        let asked = |rule: &GroupRule| match rule {
            GroupRule::Alert { alert, .. } => {
                let named = test.alerts.iter().any(|case| is_alert(rule, &case.alert));
                named || exprs.iter().any(|expr| reads(expr, &asked_labels(alert)))
            }
            GroupRule::Recording { record, .. } => {
                exprs.iter().any(|expr| reads(expr, &Labels::from_pairs([(METRIC_NAME, record)])))
            }
        };
        let mut open: Vec<RulePlace> = gave
            .iter()
            .filter(|place| rule_at(place).is_some_and(|(_, rule)| asked(rule)))
            .copied()
            .collect();
        let mut covered: BTreeSet<RulePlace> = open.iter().copied().collect();
        while let Some(place) = open.pop() {
            let Some((group, rule)) = rule_at(&place) else { continue };
            if let Some(known) = self.rules.get_mut(&key(group, place.1)) {
                known.is_covered = true;
            }
            let feeds = |feeder: &&RulePlace| match rule_at(feeder) {
                Some((_, GroupRule::Recording { record, .. })) => {
                    reads(rule.expr(), &Labels::from_pairs([(METRIC_NAME, record)]))
                }
                Some((_, GroupRule::Alert { .. })) | None => false,
            };
            let fed: Vec<RulePlace> = gave
                .iter()
                .filter(feeds)
                .filter(|place| !covered.contains(place))
                .copied()
                .collect();
            covered.extend(fed.iter().copied());
            open.extend(fed);
        }
    }
}

/// Tells whether an expression may read series of which some labels are known.
fn reads(expr: &Expr, known: &Labels) -> bool {
    expr.selectors().iter().any(|selector| {
        let of_known = selector.matchers.iter().filter(|one| known.get(one.name()).is_some());
        let mut of_known = of_known.peekable();
        of_known.peek().is_some() && of_known.all(|matcher| matcher.matches(known))
    })
}

fn shown(rule: &GroupRule) -> String {
    let name = rule.name();
    let labels: Vec<String> =
        rule.label_texts().into_iter().map(|(label, text)| format!("{label}={text:?}")).collect();
    if labels.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", labels.join(", ")) }
}

fn key(group: &Group, index: usize) -> (String, String, usize) {
    (group.file.clone(), group.name.clone(), index)
}
