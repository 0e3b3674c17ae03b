//! Evaluation of rules: one job at a time and in order, its rules on several threads.
//!
//! Jobs wait in a bounded queue; one that finds it full is dropped and counted as missed, because
//! the next round asks the same again. A rule that panics is a fault of that rule alone. Between
//! jobs the states of alerts are written as the engine published them.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::mpsc;
use watchbell_metrics::promql::{Limits, Options, Stop};
use watchbell_metrics::rule::order::Turn;
use watchbell_metrics::rule::record::{Recorded, Recorder};
use watchbell_metrics::rule::tally::Tally;
use watchbell_metrics::rule::{Rule, RuleReadings, evaluate};
use watchbell_metrics::sample::Millis;
use watchbell_metrics::series;
use watchbell_paging::engine::{FailingRecording, Input};

use crate::clock::Clock;
use crate::evaluations::{Evaluation, EvaluationBoard, RuleId};
use crate::scrape::course::Course;
use crate::scrape::states::States;
use crate::telemetry::Metrics;

/// Jobs that may wait.
pub(super) const JOBS_MAX: usize = 64;
/// Fewer rules than this for each thread are not worth a thread.
const RULES_PER_THREAD_MIN: usize = 8;
/// How long one rule may take: a second is much, so this is a rule that would never end.
pub(super) const RULE_TIME_MAX: Duration = Duration::from_secs(10);
/// How the bound is named where a rule meets it.
const RULE_TIME_NAME: &str = "the time that a rule may take";
/// The most samples that one rule may read.
const RULE_SAMPLES_MAX: usize = 25_000_000;
/// What is said of a rule that made the evaluation panic.
const PANICKED: &str = "the evaluation panicked; a fault of Watchbell itself";

/// Rules to evaluate at one time.
#[derive(Debug)]
pub(super) struct Job {
    /// The rules of the configuration.
    pub(super) course: Arc<Course>,
    /// Those that alert, with their readers.
    pub(super) rules: Vec<(usize, Arc<Rule>)>,
    /// The places of the recording rules that are due.
    pub(super) recordings: Vec<usize>,
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
    pub(super) board: EvaluationBoard,
    /// How long one rule may take.
    pub(super) patience: Duration,
    /// Jobs come one at a time, so nobody waits for it.
    pub(super) recorder: Arc<Mutex<Recorder>>,
}

/// The pilot is gone: the daemon is stopping.
struct Gone;

impl Evaluator {
    /// Works until the queue or the pilot is gone.
    pub(super) async fn run(self, mut jobs: mpsc::Receiver<Job>, mut states: States) {
        // Which recording rules failed in an earlier process is not known here.
        let mut is_all_well = false;
        loop {
            let job = tokio::select! {
                biased;
                () = states.changed() => {
                    self.write_states(&mut states).await;
                    continue;
                }
                job = jobs.recv() => job,
            };
            let Some(job) = job else { return };
            let done = async {
                self.evaluate(&job, &mut states).await?;
                self.tell_recordings(&job.course, &mut is_all_well).await
            };
            if done.await.is_err() {
                tracing::debug!("the pilot is gone; readings are dropped");
                return;
            }
            let passed = self.clock.elapsed().saturating_sub(job.complete);
            self.metrics.decision_seconds.observe(passed.as_secs_f64());
            let without = i64::try_from(self.board.without_series()).unwrap_or(i64::MAX);
            self.metrics.rules_without_series.set(without);
        }
    }

    /// Goes through the stages of a job.
    async fn evaluate(&self, job: &Job, states: &mut States) -> Result<(), Gone> {
        let due = self.recorder.lock().take_due(&job.course.recordings, &job.recordings, job.at);
        let turn_of = |place: &usize| job.course.turn_of_recording(*place);
        let turns: Vec<Turn> =
            job.rules.iter().map(|(reader, _)| job.course.turn(*reader)).collect();
        let all = due.iter().map(turn_of).chain(turns.iter().copied());
        let stages: BTreeSet<usize> = all.map(|turn| turn.stage).chain([0]).collect();
        for stage in stages {
            let recordings: Vec<usize> =
                due.iter().copied().filter(|place| turn_of(place).stage == stage).collect();
            let rules = job.rules.iter().zip(&turns).filter(|(_, turn)| turn.stage == stage);
            let asks = recordings.iter().map(turn_of).chain(rules.clone().map(|(_, turn)| *turn));
            if asks.into_iter().any(|turn| turn.reads_states) {
                states.settle().await;
                self.write_states(states).await;
            }
            let rules = rules.map(|(rule, _)| rule.clone()).collect();
            self.record_all(&job.course, recordings, job.at).await;
            let readings = self.read_all(&job.course, rules, job.at).await;
            if !readings.is_empty() {
                states.expect(&readings);
                self.inputs.send(Input::Readings(readings)).await.map_err(|_| Gone)?;
            }
        }
        Ok(())
    }

    async fn write_states(&self, states: &mut States) {
        let Some(stated) = states.stated() else { return };
        let this = self.clone();
        let write = move || {
            let series = stated.series.iter().map(|(labels, (value, at))| (labels, *value, *at));
            this.recorder.lock().tell_states(series, stated.at)
        };
        match tokio::task::spawn_blocking(write).await {
            Ok(None) => {}
            Ok(Some(failure)) => {
                tracing::warn!(why = failure.why, "states of alerts could not be written");
            }
            Err(error) => tracing::error!(%error, "states of alerts could not be written"),
        }
    }

    async fn read_all(
        &self,
        course: &Arc<Course>,
        rules: Vec<(usize, Arc<Rule>)>,
        at: Millis,
    ) -> Vec<RuleReadings> {
        let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let share = rules.len().div_ceil(threads).max(RULES_PER_THREAD_MIN);
        let workers: Vec<_> = rules
            .chunks(share)
            .map(|rules| {
                let (this, course, rules) = (self.clone(), Arc::clone(course), rules.to_vec());
                tokio::task::spawn_blocking(move || {
                    let read = |(reader, rule): &(usize, Arc<Rule>)| {
                        this.read_one(&course, *reader, rule, at)
                    };
                    rules.iter().map(read).collect::<Vec<_>>()
                })
            })
            .collect();
        let mut readings = Vec::with_capacity(rules.len());
        for worker in workers {
            match worker.await {
                Ok(part) => readings.extend(part),
                Err(error) => tracing::error!(%error, "an evaluation was lost"),
            }
        }
        readings
    }

    async fn record_all(&self, course: &Arc<Course>, places: Vec<usize>, at: Millis) {
        if places.is_empty() {
            // Only series of rules that are gone may have to end.
            self.write(at);
            return;
        }
        let (this, course) = (self.clone(), Arc::clone(course));
        let record = move || {
            for place in places {
                this.record_one(&course, place, at);
            }
            this.write(at);
        };
        if let Err(error) = tokio::task::spawn_blocking(record).await {
            tracing::error!(%error, "the recording rules could not be evaluated");
        }
    }

    fn write(&self, at: Millis) {
        if let Some(failure) = self.recorder.lock().write(at) {
            let why = failure.why;
            tracing::warn!(why, "the series of recording rules could not be written whole");
        }
    }

    fn record_one(&self, course: &Course, place: usize, at: Millis) {
        let Some(recording) = course.recordings.get(place) else { return };
        let began = self.clock.elapsed();
        let is_over = || self.patience < self.clock.elapsed().saturating_sub(began);
        let record = || self.recorder.lock().record(place, at, &options(&is_over));
        let outcome = catch_unwind(AssertUnwindSafe(record));
        let outcome = outcome.unwrap_or_else(|_| Err(PANICKED.to_owned()));
        if let Err(why) = &outcome {
            let (record, group) = (&recording.record, &recording.group);
            tracing::warn!(record, group, why, "a recording rule could not be evaluated");
        }
        let Recorded { series, read } = outcome.as_ref().copied().unwrap_or_default();
        let evaluation = Evaluation {
            at_ms: at,
            duration_seconds: self.passed(began),
            samples: read.samples,
            series,
            error: outcome.err(),
        };
        let rule = RuleId::Recording(recording.id().to_owned());
        self.note(course, (course.reader_of(place), rule), evaluation, read.series);
    }

    fn read_one(&self, course: &Course, reader: usize, rule: &Rule, at: Millis) -> RuleReadings {
        let began = self.clock.elapsed();
        let tally = Tally::new(&self.series);
        // Nothing is shared but the store, whose locks do not poison.
        let is_over = || self.patience < self.clock.elapsed().saturating_sub(began);
        let read = || evaluate(rule, &tally, at, &options(&is_over));
        let readings = catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| RuleReadings {
            rule: rule.policy.name.clone(),
            at,
            outcome: Err(PANICKED.to_owned()),
        });
        if let Err(why) = &readings.outcome {
            tracing::warn!(rule = %rule.policy.name, why, "a rule could not be evaluated");
        }
        let evaluation = Evaluation {
            at_ms: at,
            duration_seconds: self.passed(began),
            samples: tally.read().samples,
            series: readings.outcome.as_ref().map_or(0, Vec::len),
            error: readings.outcome.as_ref().err().cloned(),
        };
        let id = RuleId::Alert(rule.policy.name.clone());
        self.note(course, (reader, id), evaluation, tally.read().series);
        readings
    }

    /// Counts an evaluation and puts it on the board.
    fn note(
        &self,
        course: &Course,
        (reader, rule): (usize, RuleId),
        evaluation: Evaluation,
        series_read: usize,
    ) {
        self.metrics.rule_evaluations.inc();
        self.metrics.rule_evaluation_seconds.observe(evaluation.duration_seconds);
        self.metrics.rule_evaluation_failures.inc_by(u64::from(evaluation.error.is_some()));
        let is_silent = evaluation.error.is_none() && evaluation.series == 0 && series_read == 0;
        let unmatched = is_silent.then(|| course.unmatched(reader, &self.series, evaluation.at_ms));
        self.board.put(rule, evaluation, unmatched.unwrap_or_default());
    }

    fn passed(&self, began: Duration) -> f64 {
        self.clock.elapsed().saturating_sub(began).as_secs_f64()
    }

    /// Tells the engine which recording rules fail, as long as one does and once more.
    async fn tell_recordings(&self, course: &Course, is_all_well: &mut bool) -> Result<(), Gone> {
        let failing = course.recordings.iter().filter_map(|recording| {
            let history = self.board.newest_of(&RuleId::Recording(recording.id().to_owned()));
            Some(FailingRecording {
                record: recording.record.clone(),
                group: recording.group.clone(),
                error: history.newest()?.error.clone()?,
                errors_in_row: history.errors_in_row,
            })
        });
        let failing: Vec<FailingRecording> = failing.collect();
        if std::mem::replace(is_all_well, failing.is_empty()) && failing.is_empty() {
            return Ok(());
        }
        self.inputs.send(Input::Recordings(failing)).await.map_err(|_| Gone)
    }
}

/// Bounds one rule in time and samples.
fn options<'a>(is_over: &'a (dyn Fn() -> bool + Sync)) -> Options<'a> {
    let limits = Limits { samples_max: RULE_SAMPLES_MAX, ..Limits::default() };
    Options { limits, stop: Some(Stop::new(is_over, RULE_TIME_NAME)), ..Options::default() }
}
