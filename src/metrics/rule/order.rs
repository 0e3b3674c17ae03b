//! The order of evaluation in one round: stages, one after the other.
//!
//! Within a stage the recording rules come first, in order, then all alerts at once; the states of
//! the alerts are written when the stage is over. One stage is the rule. A further one is begun
//! inside a group where Prometheus's order shows: a recording rule after an alert that reads it
//! must not be seen by that alert in the same round, and who asks for the state of an alert before
//! it must see that of this round. Groups do not wait for each other, as in Prometheus. Rules of
//! ours see everything that was recorded, and those that ask for states come last.

use std::collections::HashMap;
use std::sync::Arc;

use crate::promql::Expr;
use crate::rule::group::{Group, GroupRule};
use crate::rule::record::{Recording, is_read};
use crate::rule::{Rule, state_series};

/// When one rule is evaluated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// The stage.
    pub stage: usize,
    /// It asks for states of alerts, so those that are decided must be written before.
    pub reads_states: bool,
}

/// The turns of all rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// By the index of the rule.
    pub rules: Vec<Turn>,
    /// By the place of the recording rule.
    pub recordings: Vec<Turn>,
}

impl Order {
    /// Orders rules and the recording rules of groups; `recordings` are those of the groups.
    #[must_use]
    pub fn new(rules: &[Arc<Rule>], groups: &[Arc<Group>], recordings: &[Recording]) -> Self {
        let turn = |expr: &Expr| Turn { stage: 0, reads_states: state_series::is_read_by(expr) };
        let mut order = Self {
            rules: rules.iter().map(|rule| turn(&rule.value)).collect(),
            recordings: recordings.iter().map(|recording| turn(&recording.expr)).collect(),
        };
        let mut imported: HashMap<*const Group, Vec<usize>> = HashMap::new();
        for (index, rule) in rules.iter().enumerate() {
            if let Some(own) = &rule.imported {
                imported.entry(Arc::as_ptr(&own.group)).or_default().push(index);
            }
        }
        let mut places = 0..recordings.len();
        for group in groups {
            let mut alerts = imported.remove(&Arc::as_ptr(group)).unwrap_or_default().into_iter();
            for (rule, stage) in group.rules.iter().zip(stages(group)) {
                let turn = match rule {
                    GroupRule::Recording { .. } => {
                        places.next().and_then(|place| order.recordings.get_mut(place))
                    }
                    GroupRule::Alert { .. } => {
                        alerts.next().and_then(|index| order.rules.get_mut(index))
                    }
                };
                if let Some(turn) = turn {
                    turn.stage = stage;
                }
            }
        }
        order.place_own(rules, recordings);
        order
    }

    /// Returns how many stages there are.
    #[must_use]
    pub fn stages(&self) -> usize {
        let all = self.rules.iter().chain(&self.recordings);
        all.map(|turn| turn.stage + 1).max().unwrap_or(1)
    }

    /// Gives rules of ours their stages, after those of all groups are known.
    fn place_own(&mut self, rules: &[Arc<Rule>], recordings: &[Recording]) {
        let last = self.stages();
        for (turn, rule) in self.rules.iter_mut().zip(rules) {
            if rule.imported.is_some() {
                continue;
            }
            let selectors = rule.value.selectors();
            let reads = |one: &Recording| {
                selectors.iter().any(|selector| is_read(&selector.matchers, &one.record))
            };
            let read = recordings.iter().zip(&self.recordings).filter(|(one, _)| reads(one));
            let after = read.map(|(_, turn)| turn.stage).max().unwrap_or(0);
            turn.stage = if turn.reads_states { last } else { after };
        }
    }
}

/// Returns the stage of each rule of a group; stages never go back.
fn stages(group: &Group) -> Vec<usize> {
    let mut stage = 0;
    // Alerts of the current stage.
    let mut alerts: Vec<(&str, &Expr)> = Vec::new();
    let mut stages = Vec::with_capacity(group.rules.len());
    for rule in &group.rules {
        let selectors = rule.expr().selectors();
        let asks = |alert: &str| {
            selectors.iter().any(|one| state_series::reads_state_of(&one.matchers, alert))
        };
        let is_later = alerts.iter().any(|(alert, expr)| match rule {
            GroupRule::Alert { .. } => asks(alert),
            GroupRule::Recording { record, .. } => asks(alert) || reads(expr, record),
        });
        if is_later {
            stage += 1;
            alerts.clear();
        }
        if let GroupRule::Alert { alert, expr, .. } = rule {
            alerts.push((alert, expr));
        }
        stages.push(stage);
    }
    stages
}

fn reads(expr: &Expr, record: &str) -> bool {
    expr.selectors().iter().any(|selector| is_read(&selector.matchers, record))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::*;
    use crate::promql::parse;
    use crate::rule::record::recordings;
    use crate::rule::{RulePolicy, RuleSource, RuleSpec, lower};

    #[test]
    fn a_stage_is_begun_only_where_the_order_of_a_group_shows() {
        type Rules = &'static [(&'static str, &'static str)];
        // Alerts are written with a capital.
        let cases: [(&str, Rules, &[usize]); 7] = [
            ("recordings before alerts", &[("r", "x"), ("A", "r > 1"), ("B", "x > 1")], &[0, 0, 0]),
            ("a recording that no alert before it reads", &[("A", "x"), ("r", "y")], &[0, 0]),
            ("a recording after its reader", &[("A", "r > 1"), ("r", "x")], &[0, 1]),
            (
                "what follows that goes on from there",
                &[("A", "r > 1"), ("r", "x"), ("B", "r > 1"), ("s", "x")],
                &[0, 1, 1, 1],
            ),
            (
                "who asks for a state before it",
                &[("A", "x"), ("B", "ALERTS{alertname='A'}"), ("r", "count(ALERTS)")],
                &[0, 1, 2],
            ),
            (
                "who asks for a state behind it",
                &[("r", "ALERTS{alertname='A'}"), ("A", "x")],
                &[0, 0],
            ),
            ("who asks for its own state", &[("A", "ALERTS{alertname='A'} or x")], &[0]),
        ];
        for (name, rules, expected) in cases {
            assert_eq!(stages(&group(rules)), expected, "{name}");
        }
    }

    #[test]
    fn rules_of_ours_follow_what_they_read() {
        let group = Arc::new(group(&[("A", "r > 1"), ("r", "x"), ("s", "y")]));
        let known = recordings(&[Arc::clone(&group)]);
        let mut rules = vec![
            own("plain", "x"),
            own("recorded", "r * 2"),
            own("early", "s * 2 and on () x"),
            own("states", "count(ALERTS)"),
        ];
        rules.extend(group.alerts(&mut BTreeSet::new()).into_iter().map(Arc::new));
        let order = Order::new(&rules, &[group], &known);
        let stages = |turns: &[Turn]| turns.iter().map(|turn| turn.stage).collect::<Vec<_>>();
        assert_eq!(stages(&order.recordings), [1, 1]);
        assert_eq!(stages(&order.rules), [0, 1, 1, 2, 0]);
        let asking: Vec<bool> = order.rules.iter().map(|turn| turn.reads_states).collect();
        assert_eq!(asking, [false, false, false, true, false]);
        assert_eq!(order.stages(), 3);
    }

    fn own(name: &str, expr: &str) -> Arc<Rule> {
        let spec = RuleSpec {
            policy: RulePolicy::new(name),
            source: RuleSource::Expr(expr.to_owned()),
            window: None,
            by: None,
            labels: Vec::new(),
            summary: None,
            interval: None,
        };
        Arc::new(lower(spec).unwrap())
    }

    fn group(rules: &[(&str, &str)]) -> Group {
        let rule = |(name, expr): &(&str, &str)| {
            let expr = parse(expr).unwrap();
            if name.starts_with(char::is_uppercase) {
                GroupRule::Alert {
                    alert: (*name).to_owned(),
                    expr,
                    holds_for: Duration::ZERO,
                    keep_firing_for: Duration::ZERO,
                    labels: Vec::new(),
                    annotations: Vec::new(),
                }
            } else {
                GroupRule::Recording { record: (*name).to_owned(), expr, labels: Vec::new() }
            }
        };
        Group {
            external: Arc::default(),
            name: "web".to_owned(),
            file: "rules.yml".to_owned(),
            interval: None,
            limit: 0,
            query_offset: Duration::ZERO,
            labels: Vec::new(),
            rules: rules.iter().map(rule).collect(),
        }
    }
}
