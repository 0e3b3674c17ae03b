//! Evaluation of rules: one job at a time and in order, its rules on several threads.
//!
//! Jobs wait in a bounded queue; one that finds it full is dropped and counted as missed, because
//! the next round asks the same again. A rule that panics is a fault of that rule alone.

use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::mpsc;
use watchbell_metrics::promql::Options;
use watchbell_metrics::rule::record::{Failure, Recorder, Recording};
use watchbell_metrics::rule::{Rule, RuleReadings, evaluate};
use watchbell_metrics::sample::Millis;
use watchbell_metrics::series;
use watchbell_paging::engine::Input;

use crate::clock::Clock;
use crate::telemetry::Metrics;

/// Jobs that may wait.
pub(super) const JOBS_MAX: usize = 64;
/// Fewer rules than this for each thread are not worth a thread.
const RULES_PER_THREAD_MIN: usize = 8;

/// Rules to evaluate at one time.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) rules: Vec<Arc<Rule>>,
    /// All recording rules, and the places of those that are due; they come before the rules.
    pub(super) recordings: (Arc<[Recording]>, Vec<usize>),
    pub(super) at: Millis,
    /// When the samples were complete, on the clock of the process.
    pub(super) complete: Duration,
}

/// What evaluation works with; a clone works with the same.
#[derive(Clone, Debug)]
pub(super) struct Evaluator {
    pub(super) series: series::Store,
    pub(super) clock: Arc<Clock>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) inputs: mpsc::Sender<Input>,
    /// Jobs come one at a time, so nobody waits for it.
    pub(super) recorder: Arc<Mutex<Recorder>>,
}

impl Evaluator {
    /// Works until the queue or the pilot is gone.
    pub(super) async fn run(self, mut jobs: mpsc::Receiver<Job>) {
        while let Some(job) = jobs.recv().await {
            let complete = job.complete;
            let readings = self.evaluate(job).await;
            if self.inputs.send(Input::Readings(readings)).await.is_err() {
                tracing::debug!("the pilot is gone; readings are dropped");
                return;
            }
            let passed = self.clock.elapsed().saturating_sub(complete);
            self.metrics.decision_seconds.observe(passed.as_secs_f64());
        }
    }

    async fn evaluate(&self, job: Job) -> Vec<RuleReadings> {
        self.record_all(job.recordings, job.at).await;
        let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let share = job.rules.len().div_ceil(threads).max(RULES_PER_THREAD_MIN);
        let workers: Vec<_> = job
            .rules
            .chunks(share)
            .map(|rules| {
                let (this, rules, at) = (self.clone(), rules.to_vec(), job.at);
                tokio::task::spawn_blocking(move || {
                    rules.iter().map(|rule| this.evaluate_one(rule, at)).collect::<Vec<_>>()
                })
            })
            .collect();
        let mut readings = Vec::with_capacity(job.rules.len());
        for worker in workers {
            match worker.await {
                Ok(part) => readings.extend(part),
                Err(error) => tracing::error!(%error, "an evaluation was lost"),
            }
        }
        readings
    }

    async fn record_all(&self, (known, due): (Arc<[Recording]>, Vec<usize>), at: Millis) {
        if known.is_empty() {
            // Only series of rules that are gone may have to end.
            self.record(&known, &due, at);
            return;
        }
        let this = self.clone();
        let recorded = tokio::task::spawn_blocking(move || this.record(&known, &due, at));
        if let Err(error) = recorded.await {
            tracing::error!(%error, "the recording rules could not be evaluated");
        }
    }

    fn record(&self, known: &Arc<[Recording]>, due: &[usize], at: Millis) {
        let failures = self.recorder.lock().evaluate(known, due, at, &Options::default());
        self.metrics.rule_evaluations.inc_by(u64::try_from(due.len()).unwrap_or_default());
        for failure in failures {
            self.metrics.rule_evaluation_failures.inc();
            let Failure { record, why } = failure;
            tracing::warn!(record, why, "a recording rule could not be evaluated");
        }
    }

    fn evaluate_one(&self, rule: &Rule, at: Millis) -> RuleReadings {
        let began = self.clock.elapsed();
        let options = Options { counters_from_zero: true, ..Options::default() };
        // Nothing is shared but the store, whose locks do not poison.
        let caught = catch_unwind(AssertUnwindSafe(|| evaluate(rule, &self.series, at, &options)));
        let readings = caught.unwrap_or_else(|_| RuleReadings {
            rule: rule.policy.name.clone(),
            at,
            outcome: Err("the evaluation panicked; a fault of Watchbell itself".to_owned()),
        });
        let passed = self.clock.elapsed().saturating_sub(began);
        self.metrics.rule_evaluations.inc();
        self.metrics.rule_evaluation_seconds.observe(passed.as_secs_f64());
        if let Err(why) = &readings.outcome {
            self.metrics.rule_evaluation_failures.inc();
            tracing::warn!(rule = %rule.policy.name, why, "a rule could not be evaluated");
        }
        readings
    }
}
