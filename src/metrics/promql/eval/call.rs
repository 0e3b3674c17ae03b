//! Calls of functions at one time.

use std::ops::Range;

use crate::label::{self, Labels, METRIC_NAME};
use crate::promql::ast::{AggregateOp, Node, NodeKind};
use crate::promql::brief::{self, Brief};
use crate::promql::calendar::Civil;
use crate::promql::eval::Evaluator;
use crate::promql::function::{Body, Function, Special};
use crate::promql::histogram::{self, Bucket};
use crate::promql::labels::{self, Groups, Signature};
use crate::promql::order::{nan_last, nan_last_descending, natural, quantile};
use crate::promql::outcome::{Element, EvalError, Out};
use crate::promql::trend;
use crate::promql::window::{Window, seconds};
use crate::sample::Millis;

/// The label of a classic histogram's bounds.
const BUCKET_LABEL: &str = "le";

/// What answers a function where a window is known by its summary only.
fn answered(function: &Function) -> impl Fn(&Brief<'_>) -> Option<f64> {
    let answer = brief::answer(function);
    move |brief| (answer?.run)(brief)
}

impl Evaluator<'_> {
    pub(crate) fn call(
        &mut self,
        node: &Node,
        function: &Function,
        arguments: &[Node],
        at: Millis,
    ) -> Result<Out, EvalError> {
        match function.body {
            Body::Math(run) => {
                let vector = self.vector(&arguments[0], at)?;
                Ok(mapped(vector, run))
            }
            Body::Calendar(run) => {
                let vector = match arguments.first() {
                    Some(argument) => self.vector(argument, at)?,
                    None => constant(seconds(at)),
                };
                Ok(mapped(vector, |value| {
                    Civil::from_seconds(value).map_or(f64::NAN, |civil| whole(run(civil)))
                }))
            }
            Body::Window(run) | Body::Counter(run) => {
                self.windows(&arguments[0], at, true, run, &answered(function))
            }
            Body::Pick(run) => self.windows(&arguments[0], at, false, run, &answered(function)),
            Body::Special(special) => self.special(node, special, arguments, at),
        }
    }

    /// Applies a function to the window of every series.
    fn windows(
        &mut self,
        argument: &Node,
        at: Millis,
        drop_name: bool,
        run: impl Fn(&Window<'_>) -> Option<f64>,
        answer: &dyn Fn(&Brief<'_>) -> Option<f64>,
    ) -> Result<Out, EvalError> {
        let (leaf, meter) = self.leaf_at(argument, at)?;
        let mut elements = Vec::new();
        for (labels, brief) in leaf.briefs() {
            let Some(value) = answer(&brief) else { continue };
            elements.push(Element { labels: labels.clone(), value, drop_name });
        }
        let brief_count = elements.len();
        for (labels, dropped, window) in leaf.windows() {
            meter.look_at(window.samples.len())?;
            let Some(value) = run(&window) else { continue };
            let drop_name = drop_name || dropped;
            elements.push(Element { labels: labels.clone(), value, drop_name });
        }
        if 0 < brief_count && brief_count < elements.len() {
            elements.sort_by(|one, other| one.labels.cmp(&other.labels));
        }
        Ok(Out::Vector(elements))
    }

    fn special(
        &mut self,
        node: &Node,
        special: Special,
        arguments: &[Node],
        at: Millis,
    ) -> Result<Out, EvalError> {
        match special {
            Special::Pi => Ok(Out::Scalar(std::f64::consts::PI)),
            Special::Time => Ok(Out::Scalar(seconds(at))),
            Special::Start => Ok(Out::Scalar(seconds(self.whole.start))),
            Special::End => Ok(Out::Scalar(seconds(self.whole.end))),
            Special::Range => {
                Ok(Out::Scalar(seconds(self.whole.end.saturating_sub(self.whole.start))))
            }
            Special::Step => {
                let step = if self.is_range { self.whole.step } else { 0 };
                Ok(Out::Scalar(seconds(step)))
            }
            Special::MinOf => self.both(arguments, at, least),
            Special::MaxOf => self.both(arguments, at, most),
            Special::Vector => Ok(Out::Vector(constant(self.number(&arguments[0], at)?))),
            Special::Scalar => {
                let vector = self.vector(&arguments[0], at)?;
                let value =
                    if let [element] = vector.as_slice() { element.value } else { f64::NAN };
                Ok(Out::Scalar(value))
            }
            Special::Timestamp => self.timestamp(&arguments[0], at),
            Special::Absent | Special::AbsentOverTime => self.absent(&arguments[0], at),
            Special::Clamp | Special::ClampMax | Special::ClampMin | Special::Round => {
                self.bounded(special, arguments, at)
            }
            Special::Smoothing => self.smoothed(arguments, at),
            Special::PredictLinear => {
                let ahead = self.number(&arguments[1], at)?;
                let predict = |window: &Window<'_>| trend::predict(window, at, ahead);
                self.windows(&arguments[0], at, true, predict, &|brief| {
                    let (slope, value) = brief.summary.line(at)?;
                    Some(slope * ahead + value)
                })
            }
            Special::QuantileOverTime => {
                let q = self.number(&arguments[0], at)?;
                self.notes.quantile(&arguments[0].span, q);
                let run = |window: &Window<'_>| {
                    Some(quantile(q, &mut window.values().collect::<Vec<f64>>()))
                };
                self.windows(&arguments[1], at, true, run, &|_| None)
            }
            Special::LabelJoin | Special::LabelReplace => self.relabel(special, arguments, at),
            Special::Sort | Special::SortDesc | Special::SortByLabel | Special::SortByLabelDesc => {
                self.sorted(node, special, arguments, at)
            }
            Special::HistogramQuantile => {
                let q = self.number(&arguments[0], at)?;
                self.notes.quantile(&arguments[0].span, q);
                self.histogram(&arguments[1], at, |buckets| histogram::quantile(q, buckets))
            }
            Special::HistogramFraction => {
                let lower = self.number(&arguments[0], at)?;
                let upper = self.number(&arguments[1], at)?;
                self.histogram(&arguments[2], at, |buckets| {
                    (histogram::fraction(lower, upper, buckets), false)
                })
            }
        }
    }

    /// Evaluates an argument that is a number.
    fn number(&mut self, node: &Node, at: Millis) -> Result<f64, EvalError> {
        match self.eval(node, at)? {
            Out::Scalar(number) => Ok(number),
            Out::Vector(_) | Out::Text(_) => Err(EvalError::new("a number is due here".to_owned())),
        }
    }

    /// Evaluates an argument that is a string.
    fn text(&mut self, node: &Node, at: Millis) -> Result<String, EvalError> {
        match self.eval(node, at)? {
            Out::Text(text) => Ok(text),
            Out::Vector(_) | Out::Scalar(_) => {
                Err(EvalError::new("a string is due here".to_owned()))
            }
        }
    }

    fn both(
        &mut self,
        arguments: &[Node],
        at: Millis,
        pick: fn(f64, f64) -> f64,
    ) -> Result<Out, EvalError> {
        let left = self.number(&arguments[0], at)?;
        let right = self.number(&arguments[1], at)?;
        Ok(Out::Scalar(pick(left, right)))
    }

    /// The time of each sample; of anything but a selector, the evaluated time.
    fn timestamp(&mut self, argument: &Node, at: Millis) -> Result<Out, EvalError> {
        if !matches!(argument.bare().kind, NodeKind::Selector(_)) {
            let vector = self.vector(argument, at)?;
            return Ok(mapped(vector, |_| seconds(at)));
        }
        let elements = self.leaf_at(argument, at)?.0.newest().map(|(labels, sample)| Element {
            labels: labels.clone(),
            value: seconds(sample.at),
            drop_name: true,
        });
        Ok(Out::Vector(elements.collect()))
    }

    /// One element where the argument has none.
    fn absent(&mut self, argument: &Node, at: Millis) -> Result<Out, EvalError> {
        let (present, labels) = match &argument.bare().kind {
            NodeKind::Selector(selector) => {
                let present = self.leaf_at(argument, at)?.0.newest().next().is_some();
                (present, labels::absent(&selector.matchers))
            }
            NodeKind::Range(selector, _) => {
                let present = self.leaf_at(argument, at)?.0.windows().next().is_some();
                (present, labels::absent(&selector.matchers))
            }
            NodeKind::Subquery(_) => {
                (self.leaf_at(argument, at)?.0.windows().next().is_some(), Labels::empty())
            }
            NodeKind::Number(_)
            | NodeKind::Text(_)
            | NodeKind::Negate(_)
            | NodeKind::Paren(_)
            | NodeKind::Binary(_)
            | NodeKind::Aggregate(_)
            | NodeKind::Call(_, _) => (!self.vector(argument, at)?.is_empty(), Labels::empty()),
        };
        let absent = Element { labels, value: 1.0, drop_name: false };
        Ok(Out::Vector(if present { Vec::new() } else { vec![absent] }))
    }

    fn bounded(
        &mut self,
        special: Special,
        arguments: &[Node],
        at: Millis,
    ) -> Result<Out, EvalError> {
        let vector = self.vector(&arguments[0], at)?;
        let mut limits = [f64::NAN; 2];
        for (limit, argument) in limits.iter_mut().zip(arguments.iter().skip(1)) {
            *limit = self.number(argument, at)?;
        }
        let [first, second] = limits;
        match special {
            Special::Clamp if second < first => Ok(Out::Vector(Vec::new())),
            Special::Clamp => Ok(mapped(vector, |value| most(first, least(second, value)))),
            Special::ClampMax => Ok(mapped(vector, |value| least(first, value))),
            Special::ClampMin => Ok(mapped(vector, |value| most(first, value))),
            _ => {
                // The inverse keeps 0.1 and its like exact.
                let inverse = if arguments.len() < 2 { 1.0 } else { 1.0 / first };
                Ok(mapped(vector, |value| (value * inverse + 0.5).floor() / inverse))
            }
        }
    }

    fn smoothed(&mut self, arguments: &[Node], at: Millis) -> Result<Out, EvalError> {
        let smoothing = self.number(&arguments[1], at)?;
        let trend_factor = self.number(&arguments[2], at)?;
        for (name, factor) in [("smoothing", smoothing), ("trend", trend_factor)] {
            if !(0.0 < factor && factor < 1.0) {
                let message =
                    format!("invalid {name} factor. Expected: 0 < {name} < 1, got: {factor}");
                return Err(EvalError::new(message));
            }
        }
        let run = |window: &Window<'_>| trend::smoothed(window, smoothing, trend_factor);
        self.windows(&arguments[0], at, true, run, &|_| None)
    }

    fn relabel(
        &mut self,
        special: Special,
        arguments: &[Node],
        at: Millis,
    ) -> Result<Out, EvalError> {
        let mut vector = self.vector(&arguments[0], at)?;
        let texts: Vec<String> = arguments
            .iter()
            .skip(1)
            .map(|argument| self.text(argument, at))
            .collect::<Result<_, _>>()?;
        match (special, texts.as_slice()) {
            (Special::LabelReplace, [target, replacement, source, pattern]) => {
                let known = self.patterns.iter().position(|(known, _)| known == pattern);
                let position = known.unwrap_or(self.patterns.len());
                if known.is_none() {
                    let regex = label::compile(pattern).map_err(|reason| {
                        EvalError::new(format!(
                            "invalid regular expression in label_replace(): {pattern}: {reason}"
                        ))
                    })?;
                    self.patterns.push((pattern.clone(), regex));
                }
                let regex = &self.patterns[position].1;
                let by = labels::Replacing { target, replacement, source, regex };
                labels::replace(&mut vector, &by, &mut self.meter)?;
            }
            (_, [target, separator, sources @ ..]) => {
                labels::join(&mut vector, target, separator, sources, &mut self.meter)?;
            }
            (_, _) => return Err(EvalError::new("labels need names".to_owned())),
        }
        Ok(Out::Vector(vector))
    }

    fn sorted(
        &mut self,
        node: &Node,
        special: Special,
        arguments: &[Node],
        at: Millis,
    ) -> Result<Out, EvalError> {
        let mut vector = self.vector(&arguments[0], at)?;
        if self.is_range {
            let message = "sort is ineffective for range queries since results are always ordered \
                           by labels";
            self.notes.warn(&node.span, message);
        }
        if special == Special::Sort {
            vector.sort_by(|one, other| nan_last(one.value, other.value));
            return Ok(Out::Vector(vector));
        }
        if special == Special::SortDesc {
            vector.sort_by(|one, other| nan_last_descending(one.value, other.value));
            return Ok(Out::Vector(vector));
        }
        let names: Vec<String> = arguments
            .iter()
            .skip(1)
            .map(|argument| self.text(argument, at))
            .collect::<Result<_, _>>()?;
        let value = |labels: &Labels, name: &str| labels.get(name).unwrap_or_default().to_owned();
        vector.sort_by(|one, other| {
            let by_name = names
                .iter()
                .map(|name| natural(&value(&one.labels, name), &value(&other.labels, name)));
            let order = by_name.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then);
            order.then_with(|| one.labels.cmp(&other.labels))
        });
        if special == Special::SortByLabelDesc {
            vector.reverse();
        }
        Ok(Out::Vector(vector))
    }

    /// Applies a function to the buckets of every classic histogram.
    fn histogram(
        &mut self,
        argument: &Node,
        at: Millis,
        run: impl Fn(&mut Vec<Bucket>) -> (f64, bool),
    ) -> Result<Out, EvalError> {
        let vector = self.vector(argument, at)?;
        let signature = HistogramKey::new();
        let mut found: Vec<(Labels, bool, Vec<Bucket>)> = Vec::new();
        let mut index = Groups::default();
        for element in &vector {
            let Some(bound) = self.bound(&element.labels, &argument.span) else { continue };
            let hash = signature.hash(&element.labels);
            let known = index.find(hash, |at| signature.same(&found[at].0, &element.labels));
            let bucket = Bucket { bound, count: element.value };
            if let Some(at) = known {
                found[at].2.push(bucket);
            } else {
                index.insert(hash, found.len());
                let labels = element.labels.without(&[BUCKET_LABEL]);
                found.push((labels, element.drop_name, vec![bucket]));
            }
        }
        let mut result = Vec::with_capacity(found.len());
        for (labels, _, mut buckets) in found {
            let (value, lifted) = run(&mut buckets);
            if lifted {
                let name = labels.get(METRIC_NAME).unwrap_or_default();
                let message = format!(
                    "input to histogram_quantile needed to be fixed for monotonicity (see \
                     https://prometheus.io/docs/prometheus/latest/querying/functions/\
                     #histogram_quantile) for metric name {name:?}"
                );
                self.notes.info(&argument.span, &message);
            }
            result.push(Element { labels, value, drop_name: true });
        }
        Ok(Out::Vector(result))
    }

    fn bound(&mut self, labels: &Labels, span: &Range<usize>) -> Option<f64> {
        let written = labels.get(BUCKET_LABEL).unwrap_or_default();
        let bound = written.parse().ok();
        if bound.is_none() {
            let name = labels.get(METRIC_NAME).unwrap_or_default();
            let message = format!(
                "bucket label \"le\" is missing or has a malformed value of {written:?} for metric \
                 name {name:?}"
            );
            self.notes.warn(span, &message);
        }
        bound
    }

    /// Notes parameters of aggregations that make little sense.
    pub(crate) fn note_parameter(&mut self, op: AggregateOp, number: f64, span: &Range<usize>) {
        if op == AggregateOp::Quantile {
            self.notes.quantile(span, number);
        }
        if op == AggregateOp::LimitRatio && number.abs() > 1.0 {
            let capped = number.signum();
            let message = format!(
                "ratio value should be between -1 and 1, got {number}, capping to {capped}"
            );
            self.notes.warn(span, &message);
        }
    }
}

/// Buckets belong together when everything but `le` is equal, the name included.
struct HistogramKey(Signature);

impl HistogramKey {
    fn new() -> Self {
        Self(Signature::new(&[BUCKET_LABEL.to_owned()], false))
    }

    fn hash(&self, labels: &Labels) -> u64 {
        self.0.hash(labels)
    }

    fn same(&self, left: &Labels, right: &Labels) -> bool {
        self.0.same(left, right) && left.get(METRIC_NAME) == right.get(METRIC_NAME)
    }
}

fn mapped(mut vector: Vec<Element>, run: impl Fn(f64) -> f64) -> Out {
    for element in &mut vector {
        element.value = run(element.value);
        element.drop_name = true;
    }
    Out::Vector(vector)
}

fn constant(value: f64) -> Vec<Element> {
    vec![Element { labels: Labels::empty(), value, drop_name: false }]
}

/// The smaller one: minus infinity before all, then not-a-number where either is.
fn least(left: f64, right: f64) -> f64 {
    let lowest = left == f64::NEG_INFINITY || right == f64::NEG_INFINITY;
    match (lowest, left.is_nan() || right.is_nan()) {
        (true, _) => f64::NEG_INFINITY,
        (false, true) => f64::NAN,
        (false, false) => left.min(right),
    }
}

/// The greater one: infinity before all, then not-a-number where either is.
fn most(left: f64, right: f64) -> f64 {
    -least(-left, -right)
}

#[allow(clippy::cast_precision_loss, reason = "parts of dates are small")]
fn whole(value: i64) -> f64 {
    value as f64
}
