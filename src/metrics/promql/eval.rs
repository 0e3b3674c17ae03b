//! Evaluation of a checked expression at one time or over a range of times.
//!
//! Each selector is resolved once for the whole range, then the tree is walked at every step over
//! windows that move. A subquery is evaluated over its own grid first and is then read like a
//! selector. Metric names are dropped at the very end, as Prometheus's delayed removal does.

mod call;

use std::ops::RangeInclusive;

use hashbrown::HashMap;
use regex::Regex;

use crate::label::{Labels, METRIC_NAME};
use crate::promql::ast::{Aggregate, Node, NodeKind, Pin, Selector, Subquery};
use crate::promql::brief::{self, Answer};
use crate::promql::function::{Body, Function};
use crate::promql::labels::{SAME_LABELS, check_unique, final_labels};
use crate::promql::limit::{Meter, Options};
use crate::promql::notes::Notes;

use crate::promql::outcome::{Element, EvalError, Out};
use crate::promql::select::{Grid, Leaf};
use crate::promql::{
    Evaluated, Expr, MatrixSeries, Value, ValueType, VectorSample, aggregate, binary,
};
use crate::sample::{Digest, Millis, Sample, SeriesView, Source, Summary, TimeRange, is_stale};

/// A subquery may have this many times more steps than a range query.
const SUBQUERY_STEPS: u64 = 100;

/// Evaluates at one time, UTC milliseconds.
///
/// # Errors
/// Faults of the data (two series for one match) and bounds that were met.
pub fn eval_instant(
    expr: &Expr,
    source: &dyn Source,
    at: Millis,
    options: &Options,
) -> Result<Evaluated, EvalError> {
    let grid = Grid::instant(at);
    let mut evaluator = Evaluator::new(expr, source, grid, options, false);
    evaluator.resolve(&expr.node, grid, None)?;
    let value = if expr.value_type == ValueType::Matrix {
        Value::Matrix(evaluator.matrix(&expr.node, at)?)
    } else {
        match evaluator.eval(&expr.node, at)? {
            Out::Scalar(number) => Value::Scalar(number),
            Out::Text(text) => Value::String(text),
            Out::Vector(vector) => Value::Vector(finish(vector)?),
        }
    };
    Ok(evaluator.evaluated(value))
}

/// Evaluates at `start`, `start + step`, … up to `end`; gives a matrix, ordered by labels.
///
/// # Errors
/// As `eval_instant`.
pub fn eval_range(
    expr: &Expr,
    source: &dyn Source,
    range: RangeInclusive<Millis>,
    step: Millis,
    options: &Options,
) -> Result<Evaluated, EvalError> {
    if step <= 0 {
        return Err(EvalError::new("the step of a range query must be above zero".to_owned()));
    }
    match expr.value_type {
        ValueType::Scalar | ValueType::Vector => {}
        ValueType::Matrix | ValueType::String => {
            return Err(EvalError::new(format!(
                "a range query needs a number or an instant vector, not a {}",
                expr.value_type
            )));
        }
    }
    let grid = Grid { start: *range.start(), end: *range.end(), step };
    let steps_max = options.limits.steps_max;
    if u64::try_from(steps_max).is_ok_and(|most| most < grid.count()) {
        let message =
            format!("the range has {} steps, more than steps_max = {steps_max}", grid.count());
        return Err(EvalError::new(message));
    }
    let mut evaluator = Evaluator::new(expr, source, grid, options, true);
    evaluator.resolve(&expr.node, grid, None)?;
    let series = evaluator.run(&expr.node, grid)?;
    let series = series.into_iter().map(|one| MatrixSeries {
        labels: final_labels(&one.labels, one.drop_name),
        samples: one.samples,
    });
    let merged = merge(series.collect())?;
    Ok(evaluator.evaluated(Value::Matrix(merged)))
}

/// The results of several steps for one label set.
#[derive(Debug)]
struct Run {
    labels: Labels,
    drop_name: bool,
    samples: Vec<Sample>,
}

/// One evaluation.
pub(crate) struct Evaluator<'e> {
    source: &'e dyn Source,
    pub(crate) options: &'e Options<'e>,
    /// The whole query: what `start()` and `end()` speak of.
    pub(crate) whole: Grid,
    pub(crate) is_range: bool,
    pub(crate) notes: Notes<'e>,
    /// By `Selector::index`.
    leaves: Vec<Option<Leaf>>,
    pub(crate) meter: Meter<'e>,
    pub(crate) patterns: Vec<(String, Regex)>,
}

impl<'e> Evaluator<'e> {
    fn new(
        expr: &'e Expr,
        source: &'e dyn Source,
        whole: Grid,
        options: &'e Options<'e>,
        is_range: bool,
    ) -> Self {
        let leaves = (0..expr.leaf_count).map(|_| None).collect();
        let notes = Notes::new(&expr.text);
        let patterns = Vec::new();
        let meter = Meter::new(options);
        Self { source, options, whole, is_range, notes, leaves, meter, patterns }
    }

    fn evaluated(self, value: Value) -> Evaluated {
        let (warnings, infos) = self.notes.into_parts();
        Evaluated { value, warnings, infos }
    }

    /// Reads what the selectors and subqueries below a node need for a grid. `counter` is the
    /// counter function whose argument the node is.
    fn resolve(
        &mut self,
        node: &Node,
        grid: Grid,
        taker: Option<&'static Function>,
    ) -> Result<(), EvalError> {
        match &node.kind {
            NodeKind::Selector(selector) => self.load(selector, None, grid, None),
            NodeKind::Range(selector, range) => {
                self.load(selector, Some(*range), grid, taker)?;
                if matches!(taker.map(|function| function.name), Some("rate" | "increase")) {
                    self.hint_counter(selector.index, node);
                }
                Ok(())
            }
            NodeKind::Subquery(subquery) => self.materialise(subquery, grid),
            NodeKind::Paren(inner) => self.resolve(inner, grid, taker),
            NodeKind::Call(function, arguments) => {
                let taker = Some(*function);
                arguments.iter().try_for_each(|argument| self.resolve(argument, grid, taker))
            }
            NodeKind::Number(_)
            | NodeKind::Text(_)
            | NodeKind::Negate(_)
            | NodeKind::Binary(_)
            | NodeKind::Aggregate(_) => {
                node.children().into_iter().try_for_each(|child| self.resolve(child, grid, None))
            }
        }
    }

    fn pinned(&self, pin: Option<Pin>) -> Option<Millis> {
        pin.map(|pin| match pin {
            Pin::At(at) => at,
            Pin::Start => self.whole.start,
            Pin::End => self.whole.end,
        })
    }

    fn load(
        &mut self,
        selector: &Selector,
        range: Option<Millis>,
        grid: Grid,
        taker: Option<&'static Function>,
    ) -> Result<(), EvalError> {
        let counter = taker.is_some_and(|function| matches!(function.body, Body::Counter(_)));
        let reach = range.unwrap_or(self.options.lookback);
        let mut leaf = Leaf::new(reach, selector.offset, self.pinned(selector.pin));
        let (first, last) = leaf.anchors(grid);
        let whole = TimeRange { from: first.saturating_sub(reach), to: last };
        let newest_only = range.is_none() && first == last;
        // One window for all times can be known by its summary.
        let answer = taker.filter(|_| range.is_some() && first == last).and_then(brief::answer);
        let mut views = self.source.select(&selector.matchers, whole);
        views.sort_by(|one, other| one.labels().cmp(other.labels()));
        for view in &views {
            let zero = view.zero_at().filter(|_| counter && self.options.counters_from_zero);
            let zero = zero.filter(|at| whole.contains(*at));
            let zero = zero.map(|at| Sample { at, value: 0.0 });
            if let Some(summary) =
                answer.and_then(|answer| digest(view.as_ref(), whole, zero, answer))
            {
                leaf.add_brief(view.labels(), summary);
                self.meter.keep(1)?;
                continue;
            }
            let added = leaf.add(view.labels(), false, |samples| {
                if newest_only {
                    samples.extend(view.newest(whole));
                    return;
                }
                let begin = samples.len();
                samples.extend(zero);
                view.samples(whole, samples);
                if zero.is_some() && samples.len() == begin + 1 {
                    samples.truncate(begin);
                }
                if range.is_some() {
                    remove_stale(samples, begin);
                }
            });
            self.meter.keep(added)?;
        }
        self.leaves[selector.index] = Some(leaf);
        Ok(())
    }

    /// Prometheus's hint that a rate is taken of something that is not named like a counter.
    fn hint_counter(&mut self, index: usize, node: &Node) {
        let Some(leaf) = self.leaves.get(index).and_then(Option::as_ref) else { return };
        let named = |name: &str| {
            ["_total", "_sum", "_count", "_bucket"].iter().any(|suffix| name.ends_with(suffix))
        };
        let names = leaf.labels().filter_map(|labels| labels.get(METRIC_NAME));
        if let Some(name) = names.filter(|name| !named(name)).min() {
            let message = format!(
                "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \
                 {name:?}"
            );
            self.notes.info(&node.span, &message);
        }
    }

    /// Evaluates a subquery over its own grid, to be read like a range selector.
    fn materialise(&mut self, subquery: &Subquery, grid: Grid) -> Result<(), EvalError> {
        let mut leaf = Leaf::new(subquery.range, subquery.offset, self.pinned(subquery.pin));
        let (first, last) = leaf.anchors(grid);
        let step = subquery.step.unwrap_or(self.options.subquery_step).max(1);
        let before = first.saturating_sub(subquery.range);
        let start = before.div_euclid(step).saturating_mul(step).saturating_add(step);
        let inner = Grid { start, end: last, step };
        let steps_max = self.options.limits.steps_max;
        let most = u64::try_from(steps_max).unwrap_or(u64::MAX).saturating_mul(SUBQUERY_STEPS);
        if most < inner.count() {
            return Err(EvalError::new(format!(
                "a subquery has {} steps, more than {SUBQUERY_STEPS} times steps_max = {steps_max}",
                inner.count()
            )));
        }
        self.resolve(&subquery.inner, inner, None)?;
        for run in self.run(&subquery.inner, inner)? {
            leaf.add(&run.labels, run.drop_name, |samples| samples.extend(run.samples));
        }
        self.leaves[subquery.index] = Some(leaf);
        Ok(())
    }

    /// Evaluates a resolved node at every time of a grid.
    fn run(&mut self, node: &Node, grid: Grid) -> Result<Vec<Run>, EvalError> {
        let mut runs: Vec<Run> = Vec::new();
        let mut index: HashMap<(Labels, bool), usize, foldhash::fast::FixedState> =
            HashMap::default();
        for at in grid.times() {
            self.meter.next_time();
            let vector = match self.eval(node, at)? {
                Out::Scalar(value) => {
                    vec![Element { labels: Labels::empty(), value, drop_name: false }]
                }
                Out::Vector(vector) => vector,
                Out::Text(_) => return Err(EvalError::new("a string has no range".to_owned())),
            };
            self.meter.keep(vector.len().max(1))?;
            for Element { labels, value, drop_name } in vector {
                let known = runs.len();
                let position = *index.entry((labels, drop_name)).or_insert_with_key(|key| {
                    runs.push(Run { labels: key.0.clone(), drop_name: key.1, samples: Vec::new() });
                    known
                });
                if position == known {
                    self.meter.keep_labels(&runs[position].labels)?;
                }
                let samples = &mut runs[position].samples;
                if samples.last().is_some_and(|last| last.at == at) {
                    return Err(EvalError::new(SAME_LABELS.to_owned()));
                }
                samples.push(Sample { at, value });
            }
        }
        Ok(runs)
    }

    /// The windows of a range selector or subquery that stands alone.
    fn matrix(&mut self, node: &Node, at: Millis) -> Result<Vec<MatrixSeries>, EvalError> {
        let (leaf, _) = self.leaf_at(node, at)?;
        let series = leaf.windows().map(|(labels, drop_name, window)| MatrixSeries {
            labels: final_labels(labels, drop_name),
            samples: window.samples.to_vec(),
        });
        merge(series.collect())
    }

    /// The resolved leaf that a selector or subquery is, moved to a time, and the meter.
    pub(crate) fn leaf_at(
        &mut self,
        node: &Node,
        at: Millis,
    ) -> Result<(&Leaf, &mut Meter<'e>), EvalError> {
        let index = match &node.bare().kind {
            NodeKind::Selector(selector) | NodeKind::Range(selector, _) => Some(selector.index),
            NodeKind::Subquery(subquery) => Some(subquery.index),
            NodeKind::Number(_)
            | NodeKind::Text(_)
            | NodeKind::Negate(_)
            | NodeKind::Paren(_)
            | NodeKind::Binary(_)
            | NodeKind::Aggregate(_)
            | NodeKind::Call(_, _) => None,
        };
        let leaf = index.and_then(|index| self.leaves.get_mut(index)).and_then(Option::as_mut);
        let leaf = leaf.ok_or_else(|| EvalError::new("a range vector is due here".to_owned()))?;
        self.meter.look_at(leaf.series_count())?;
        leaf.move_to(at);
        Ok((leaf, &mut self.meter))
    }

    /// Evaluates a node at one time and counts what it gives.
    pub(crate) fn eval(&mut self, node: &Node, at: Millis) -> Result<Out, EvalError> {
        let out = self.value(node, at)?;
        match &out {
            Out::Vector(vector) => self.meter.work(1 + vector.len())?,
            Out::Scalar(_) | Out::Text(_) => self.meter.work(1)?,
        }
        Ok(out)
    }

    fn value(&mut self, node: &Node, at: Millis) -> Result<Out, EvalError> {
        match &node.kind {
            NodeKind::Number(number) => Ok(Out::Scalar(*number)),
            NodeKind::Text(text) => Ok(Out::Text(text.clone())),
            NodeKind::Paren(inner) => self.eval(inner, at),
            NodeKind::Selector(_) => {
                let elements = self.leaf_at(node, at)?.0.newest().map(|(labels, sample)| Element {
                    labels: labels.clone(),
                    value: sample.value,
                    drop_name: false,
                });
                Ok(Out::Vector(elements.collect()))
            }
            NodeKind::Range(_, _) | NodeKind::Subquery(_) => {
                Err(EvalError::new("a range vector does not stand here".to_owned()))
            }
            NodeKind::Negate(inner) => match self.eval(inner, at)? {
                Out::Scalar(number) => Ok(Out::Scalar(-number)),
                Out::Vector(mut vector) => {
                    for element in &mut vector {
                        element.value = -element.value;
                        element.drop_name = true;
                    }
                    Ok(Out::Vector(vector))
                }
                Out::Text(_) => Err(EvalError::new("a string has no sign".to_owned())),
            },
            NodeKind::Binary(binary) => {
                let left = self.eval(&binary.left, at)?;
                let right = self.eval(&binary.right, at)?;
                binary::apply(binary, left, right, &mut self.meter)
            }
            NodeKind::Aggregate(aggregate) => self.aggregate(aggregate, at),
            NodeKind::Call(function, arguments) => self.call(node, function, arguments, at),
        }
    }

    fn aggregate(&mut self, aggregate: &Aggregate, at: Millis) -> Result<Out, EvalError> {
        let evaluated = match &aggregate.parameter {
            Some(parameter) => Some((self.eval(parameter, at)?, &parameter.span)),
            None => None,
        };
        let parameter = match &evaluated {
            Some((Out::Scalar(number), span)) => {
                self.note_parameter(aggregate.op, *number, span);
                aggregate::Parameter::Number(*number)
            }
            Some((Out::Text(label), _)) => aggregate::Parameter::Label(label),
            Some((Out::Vector(_), _)) | None => aggregate::Parameter::None,
        };
        let vector = self.vector(&aggregate.inner, at)?;
        aggregate::apply(aggregate, vector, parameter, &mut self.meter).map(Out::Vector)
    }

    /// Evaluates a node that gives a vector.
    pub(crate) fn vector(&mut self, node: &Node, at: Millis) -> Result<Vec<Element>, EvalError> {
        match self.eval(node, at)? {
            Out::Vector(vector) => Ok(vector),
            Out::Scalar(_) | Out::Text(_) => {
                Err(EvalError::new("an instant vector is due here".to_owned()))
            }
        }
    }
}

/// What a window of a series comes to, if that is known without its samples and says enough.
fn digest(
    view: &dyn SeriesView,
    window: TimeRange,
    zero: Option<Sample>,
    answer: Answer,
) -> Option<Summary> {
    let Digest::Of(found) = view.digest(window) else { return None };
    let whole = zero.map_or(found, |zero| Summary::of(zero).and(&found));
    (whole.is_finite() || !answer.needs_finite).then_some(whole)
}

/// Takes the stale markers out of what was appended from `begin` on.
fn remove_stale(samples: &mut Vec<Sample>, begin: usize) {
    let mut kept = begin;
    for at in begin..samples.len() {
        if !is_stale(samples[at].value) {
            samples[kept] = samples[at];
            kept += 1;
        }
    }
    samples.truncate(kept);
}

/// Drops names and refuses two elements that have the same labels then.
fn finish(mut vector: Vec<Element>) -> Result<Vec<VectorSample>, EvalError> {
    for element in &mut vector {
        element.labels = final_labels(&element.labels, element.drop_name);
    }
    check_unique(&vector)?;
    Ok(vector
        .into_iter()
        .map(|Element { labels, value, .. }| VectorSample { labels, value })
        .collect())
}

/// Sorts series by labels and joins those of the same labels, unless they meet at one time.
fn merge(mut series: Vec<MatrixSeries>) -> Result<Vec<MatrixSeries>, EvalError> {
    series.sort_by(|one, other| one.labels.cmp(&other.labels));
    let mut merged: Vec<MatrixSeries> = Vec::with_capacity(series.len());
    for one in series {
        match merged.last_mut() {
            Some(last) if last.labels == one.labels => {
                last.samples.extend(one.samples);
                last.samples.sort_by_key(|sample| sample.at);
                if last.samples.windows(2).any(|pair| pair[0].at == pair[1].at) {
                    return Err(EvalError::new(SAME_LABELS.to_owned()));
                }
            }
            Some(_) | None => merged.push(one),
        }
    }
    Ok(merged)
}
