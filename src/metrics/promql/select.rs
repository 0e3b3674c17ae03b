//! What selectors and subqueries read: resolved once for an evaluation, then a window that moves.
//!
//! Samples of all series of one selector lie in one block; each series keeps two cursors into it.

use crate::label::Labels;
use crate::promql::brief::Brief;
use crate::promql::window::Window;
use crate::sample::{Millis, Sample, Summary, is_stale};

/// The times of an evaluation: `start`, `start + step`, … up to `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    pub(crate) start: Millis,
    pub(crate) end: Millis,
    /// Above zero.
    pub(crate) step: Millis,
}

impl Grid {
    pub(crate) fn instant(at: Millis) -> Self {
        Self { start: at, end: at, step: 1 }
    }

    /// How many times it has.
    pub(crate) fn count(self) -> u64 {
        if self.end < self.start {
            return 0;
        }
        self.end.abs_diff(self.start) / self.step.unsigned_abs().max(1) + 1
    }

    pub(crate) fn times(self) -> impl Iterator<Item = Millis> {
        let next = move |at: &Millis| at.checked_add(self.step).filter(|at| *at <= self.end);
        std::iter::successors(Some(self.start).filter(|start| *start <= self.end), next)
    }
}

/// One series of a leaf.
#[derive(Debug)]
struct Series {
    labels: Labels,
    drop_name: bool,
    /// Where its samples lie in the block.
    begin: usize,
    end: usize,
    /// The window: `left..right`.
    left: usize,
    right: usize,
}

/// A resolved selector or subquery.
#[derive(Debug)]
pub(crate) struct Leaf {
    series: Vec<Series>,
    /// Series whose only window is known by its summary.
    briefs: Vec<(Labels, Summary)>,
    samples: Vec<Sample>,
    /// The look-back or the range.
    pub(crate) reach: Millis,
    /// `offset`
    pub(crate) offset: Millis,
    /// `@`
    pub(crate) pin: Option<Millis>,
    /// Exclusive start and inclusive end of the window.
    from: Millis,
    to: Millis,
}

impl Leaf {
    pub(crate) fn new(reach: Millis, offset: Millis, pin: Option<Millis>) -> Self {
        let series = Vec::new();
        let samples = Vec::new();
        let (briefs, from, to) = (Vec::new(), Millis::MIN, Millis::MIN);
        Self { series, briefs, samples, reach, offset, pin, from, to }
    }

    /// Adds a series whose samples `fill` appends in time order; one without any is left out.
    /// Returns how many samples it has.
    pub(crate) fn add(
        &mut self,
        labels: &Labels,
        drop_name: bool,
        fill: impl FnOnce(&mut Vec<Sample>),
    ) -> usize {
        let begin = self.samples.len();
        fill(&mut self.samples);
        let end = self.samples.len();
        if begin < end {
            let labels = labels.clone();
            self.series.push(Series { labels, drop_name, begin, end, left: begin, right: begin });
        }
        end - begin
    }

    /// Adds a series of which only a summary is needed; there must be one window for all times.
    pub(crate) fn add_brief(&mut self, labels: &Labels, summary: Summary) {
        self.briefs.push((labels.clone(), summary));
    }

    /// The windows that are known by their summaries.
    pub(crate) fn briefs(&self) -> impl Iterator<Item = (&Labels, Brief<'_>)> {
        let (from, to) = (self.from, self.to);
        self.briefs.iter().map(move |(labels, summary)| (labels, Brief { summary, from, to }))
    }

    /// The times at which the windows of a grid end.
    pub(crate) fn anchors(&self, grid: Grid) -> (Millis, Millis) {
        let anchor = |at: Millis| self.pin.unwrap_or(at).saturating_sub(self.offset);
        (anchor(grid.start), anchor(grid.end))
    }

    /// Moves the window to where it lies when `at` is evaluated.
    pub(crate) fn move_to(&mut self, at: Millis) {
        let to = self.pin.unwrap_or(at).saturating_sub(self.offset);
        let from = to.saturating_sub(self.reach);
        let back = to < self.to;
        let samples = &self.samples;
        for series in &mut self.series {
            if back {
                series.left = series.begin;
                series.right = series.begin;
            }
            let ends = |at: usize, time: Millis| samples.get(at).is_some_and(|s| s.at <= time);
            while series.right < series.end && ends(series.right, to) {
                series.right += 1;
            }
            while series.left < series.right && ends(series.left, from) {
                series.left += 1;
            }
        }
        self.from = from;
        self.to = to;
    }

    /// The windows that hold samples.
    pub(crate) fn windows(&self) -> impl Iterator<Item = (&Labels, bool, Window<'_>)> {
        self.series.iter().filter_map(|series| {
            let samples = self.samples.get(series.left..series.right)?;
            let window = Window { samples, from: self.from, to: self.to };
            (!samples.is_empty()).then_some((&series.labels, series.drop_name, window))
        })
    }

    /// The newest sample of each series, unless the series has ended.
    pub(crate) fn newest(&self) -> impl Iterator<Item = (&Labels, Sample)> {
        self.windows().filter_map(|(labels, _, window)| {
            let last = *window.samples.last()?;
            (!is_stale(last.value)).then_some((labels, last))
        })
    }

    /// How many series it has, those without samples in the window included.
    pub(crate) fn series_count(&self) -> usize {
        self.series.len() + self.briefs.len()
    }

    /// The labels of its series.
    pub(crate) fn labels(&self) -> impl Iterator<Item = &Labels> {
        let known = self.briefs.iter().map(|(labels, _)| labels);
        self.series.iter().map(|series| &series.labels).chain(known)
    }
}
