//! How an evaluation behaves and what bounds it: samples, elements, label text, and the caller's
//! patience.
//!
//! Knows no clock: whoever wants a deadline gives a question that is asked now and then.

use std::fmt;

use crate::label::Labels;
use crate::promql::outcome::EvalError;
use crate::sample::{LOOKBACK_MS, Millis};

/// What one sample takes, in bytes; label text is counted in the same unit.
const SAMPLE_BYTES: usize = 16;
/// What one label takes beside its text, in bytes.
const LABEL_BYTES: usize = 48;
/// So many samples looked at are as much work as one element of a vector.
const SAMPLES_PER_ELEMENT: usize = 16;
/// After so many elements the caller is asked whether to go on.
const ASK_EVERY: usize = 4_096;

/// Bounds of one evaluation; meeting one is an error that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most samples that may be read and kept; the text of labels that are made counts too,
    /// 16 bytes as one sample.
    pub samples_max: usize,
    /// The most steps of a range query.
    pub steps_max: usize,
    /// The most elements of vectors that may be computed, those of inner vectors included; 16
    /// samples that a function looks at count as one.
    pub elements_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { samples_max: 50_000_000, steps_max: 11_000, elements_max: 500_000_000 }
    }
}

/// A question that is asked every few thousand elements: must the evaluation end?
#[derive(Clone, Copy)]
pub struct Stop<'a> {
    due: &'a (dyn Fn() -> bool + Sync),
    limit: &'a str,
}

impl<'a> Stop<'a> {
    /// Builds the question. `limit` is what the error names, such as `query timeout = 2m`.
    #[must_use]
    pub fn new(due: &'a (dyn Fn() -> bool + Sync), limit: &'a str) -> Self {
        Self { due, limit }
    }
}

impl fmt::Debug for Stop<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Stop").field(&self.limit).finish()
    }
}

/// How an evaluation behaves.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// The look-back of instant selectors, milliseconds.
    pub lookback: Millis,
    /// The default step of subqueries, milliseconds.
    pub subquery_step: Millis,
    /// Counters that appeared in a known target count from zero (`SeriesView::zero_at`): our own
    /// rules; Prometheus's meaning where false.
    pub counters_from_zero: bool,
    /// Bounds.
    pub limits: Limits,
    /// Ends the evaluation early; never where absent.
    pub stop: Option<Stop<'a>>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            lookback: LOOKBACK_MS,
            subquery_step: 60_000,
            counters_from_zero: false,
            limits: Limits::default(),
            stop: None,
        }
    }
}

/// Counts what one evaluation takes.
#[derive(Debug)]
pub(crate) struct Meter<'e> {
    limits: Limits,
    stop: Option<Stop<'e>>,
    samples: usize,
    /// Label text of the evaluated time, in units of a sample.
    text: usize,
    elements: usize,
    looked_at: usize,
    next_question: usize,
}

impl<'e> Meter<'e> {
    pub(crate) fn new(options: &Options<'e>) -> Self {
        Self {
            limits: options.limits,
            stop: options.stop,
            samples: 0,
            text: 0,
            elements: 0,
            looked_at: 0,
            next_question: 0,
        }
    }

    /// Counts samples that are kept.
    pub(crate) fn keep(&mut self, samples: usize) -> Result<(), EvalError> {
        self.samples = self.samples.saturating_add(samples);
        self.check_samples()?;
        self.work(1 + samples / SAMPLES_PER_ELEMENT)
    }

    /// Counts a label set that is kept with its samples.
    pub(crate) fn keep_labels(&mut self, labels: &Labels) -> Result<(), EvalError> {
        self.keep(bytes(labels) / SAMPLE_BYTES)
    }

    /// Counts label text that was made and lives until the next evaluated time at most.
    pub(crate) fn make(&mut self, bytes: usize) -> Result<(), EvalError> {
        self.text = self.text.saturating_add(bytes / SAMPLE_BYTES);
        self.check_samples()
    }

    /// As `make`, a whole label set.
    pub(crate) fn make_labels(&mut self, labels: &Labels) -> Result<(), EvalError> {
        self.make(bytes(labels))
    }

    /// Forgets the text of the time before.
    pub(crate) fn next_time(&mut self) {
        self.text = 0;
    }

    /// Counts elements that are computed, and asks the caller now and then.
    pub(crate) fn work(&mut self, elements: usize) -> Result<(), EvalError> {
        self.elements = self.elements.saturating_add(elements);
        let most = self.limits.elements_max;
        if most < self.elements {
            return Err(EvalError::new(format!(
                "the query computes more elements than elements_max = {most}; narrow its \
                 selectors, ranges or steps"
            )));
        }
        if self.elements < self.next_question {
            return Ok(());
        }
        self.next_question = self.elements.saturating_add(ASK_EVERY);
        match self.stop {
            Some(stop) if (stop.due)() => Err(EvalError::new(format!(
                "the query was stopped after {} elements by {}",
                self.elements, stop.limit
            ))),
            Some(_) | None => Ok(()),
        }
    }

    /// Counts samples that a function looks at.
    pub(crate) fn look_at(&mut self, samples: usize) -> Result<(), EvalError> {
        self.looked_at = self.looked_at.saturating_add(samples);
        let elements = self.looked_at / SAMPLES_PER_ELEMENT;
        self.looked_at %= SAMPLES_PER_ELEMENT;
        self.work(elements)
    }

    fn check_samples(&self) -> Result<(), EvalError> {
        let most = self.limits.samples_max;
        if self.samples.saturating_add(self.text) <= most {
            return Ok(());
        }
        Err(EvalError::new(format!(
            "the query needs more samples than samples_max = {most}; narrow its selectors, ranges \
             or steps"
        )))
    }
}

fn bytes(labels: &Labels) -> usize {
    labels.iter().map(|(name, value)| LABEL_BYTES + name.len() + value.len()).sum()
}
