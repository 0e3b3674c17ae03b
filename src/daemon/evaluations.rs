//! The newest evaluations of each rule, for people: the evaluator writes them, pages and the API
//! read them. What they mean for alerts is decided by the engine.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use parking_lot::RwLock;
use serde::Serialize;
use watchbell_metrics::rule::RuleName;

/// Evaluations that are kept of each rule.
pub const KEPT: usize = 20;
/// Bytes that are kept of an error.
const ERROR_BYTES_MAX: usize = 512;
/// Selectors that are named of a rule that finds no series.
const SELECTORS_MAX: usize = 8;

/// Which rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RuleId {
    /// One that alerts, of ours or imported.
    Alert(RuleName),
    /// A recording rule, by its id.
    Recording(String),
}

/// One evaluation of one rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Evaluation {
    /// The time that was evaluated, UTC milliseconds.
    pub at_ms: i64,
    /// How long it took.
    pub duration_seconds: f64,
    /// Samples that were read.
    pub samples: usize,
    /// Series that it gave.
    pub series: usize,
    /// Why it gave nothing.
    pub error: Option<String>,
}

/// What is remembered of one rule.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// The newest first.
    pub evaluations: VecDeque<Evaluation>,
    /// Evaluations up to the newest that ended in an error.
    pub errors_in_row: u32,
    /// Its selectors, where not one of them finds a series; empty where one does, or where the
    /// newest evaluation gave something all the same.
    pub unmatched: Vec<String>,
}

impl History {
    /// Returns the newest evaluation.
    #[must_use]
    pub fn newest(&self) -> Option<&Evaluation> {
        self.evaluations.front()
    }

    /// Tells whether the rule reads series and there is none of them.
    #[must_use]
    pub fn is_without_series(&self) -> bool {
        !self.unmatched.is_empty()
    }
}

/// The board that everybody reads; a clone is the same one.
#[derive(Clone, Debug, Default)]
pub struct EvaluationBoard(Arc<RwLock<BTreeMap<RuleId, History>>>);

impl EvaluationBoard {
    /// Adds an evaluation; `unmatched` are the rule's selectors if not one of them finds a series.
    pub fn put(&self, rule: RuleId, mut evaluation: Evaluation, mut unmatched: Vec<String>) {
        if let Some(error) = &mut evaluation.error {
            error.truncate(error.floor_char_boundary(ERROR_BYTES_MAX));
        }
        unmatched.truncate(SELECTORS_MAX);
        let mut board = self.0.write();
        let history = board.entry(rule).or_default();
        history.errors_in_row = match &evaluation.error {
            Some(_) => history.errors_in_row.saturating_add(1),
            None => 0,
        };
        if evaluation.error.is_none() {
            history.unmatched = unmatched;
        }
        history.evaluations.truncate(KEPT - 1);
        history.evaluations.push_front(evaluation);
    }

    /// Forgets rules that the predicate refuses, after a reload.
    pub fn retain(&self, mut keep: impl FnMut(&RuleId) -> bool) {
        self.0.write().retain(|rule, _| keep(rule));
    }

    /// Returns what is remembered of a rule; nothing of one that was never evaluated.
    #[must_use]
    pub fn of(&self, rule: &RuleId) -> History {
        self.0.read().get(rule).cloned().unwrap_or_default()
    }

    /// Returns what is known of the newest evaluations only, which is cheaper: all but the older
    /// ones.
    #[must_use]
    pub fn newest_of(&self, rule: &RuleId) -> History {
        let board = self.0.read();
        let Some(history) = board.get(rule) else { return History::default() };
        History {
            evaluations: history.evaluations.iter().take(1).cloned().collect(),
            errors_in_row: history.errors_in_row,
            unmatched: history.unmatched.clone(),
        }
    }

    /// Counts the rules that read series of which there is none.
    #[must_use]
    pub fn without_series(&self) -> usize {
        self.0.read().values().filter(|history| history.is_without_series()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_twenty_are_kept_with_short_errors() {
        let board = EvaluationBoard::default();
        let rule = || RuleId::Alert(RuleName::new("cpu"));
        let at = |at_ms| Evaluation { at_ms, ..Evaluation::default() };
        for at_ms in 0..30 {
            board.put(rule(), at(at_ms), Vec::new());
        }
        let error = Some("ä".repeat(1000));
        board.put(rule(), Evaluation { error, ..at(30) }, Vec::new());
        let history = board.of(&rule());
        assert_eq!(history.evaluations.len(), KEPT);
        assert_eq!(history.evaluations.back().unwrap().at_ms, 11);
        let newest = history.newest().unwrap();
        assert_eq!((newest.at_ms, newest.error.as_ref().unwrap().len()), (30, 512));
        assert_eq!(board.newest_of(&rule()).evaluations.len(), 1);
    }

    #[test]
    fn errors_count_in_a_row_and_say_nothing_of_series() {
        let board = EvaluationBoard::default();
        let rule = || RuleId::Recording("a".to_owned());
        let good = Evaluation::default();
        let bad = Evaluation { error: Some("no".to_owned()), ..Evaluation::default() };
        board.put(rule(), good.clone(), vec!["up".to_owned()]);
        board.put(rule(), bad.clone(), Vec::new());
        board.put(rule(), bad, Vec::new());
        assert_eq!((board.of(&rule()).errors_in_row, board.without_series()), (2, 1));
        board.put(rule(), good, Vec::new());
        assert_eq!((board.of(&rule()).errors_in_row, board.without_series()), (0, 0));
        board.retain(|_| false);
        assert_eq!(board.of(&rule()), History::default());
    }
}
