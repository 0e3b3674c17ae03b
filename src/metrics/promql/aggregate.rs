//! Aggregations: elements of one group folded into one, or a choice of them.

use crate::label::Labels;
use crate::promql::ast::{Aggregate, AggregateOp};
use crate::promql::labels::{Groups, Signature, hash};
use crate::promql::limit::Meter;
use crate::promql::notes::go_float;
use crate::promql::order::{count, nan_last, nan_last_descending, quantile};
use crate::promql::outcome::{Element, EvalError};
use crate::promql::xxhash;
use crate::sum::{Mean, PlainVariance, Sum};

/// Parameters of this size and above are no counts.
const COUNT_MAX: f64 = 9_223_372_036_854_775_807.0;

/// The parameter in front of the vector.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Parameter<'a> {
    None,
    Number(f64),
    Label(&'a str),
}

/// Aggregates a vector.
pub(crate) fn apply(
    aggregate: &Aggregate,
    vector: Vec<Element>,
    parameter: Parameter<'_>,
    meter: &mut Meter<'_>,
) -> Result<Vec<Element>, EvalError> {
    let signature = Signature::new(&aggregate.labels, !aggregate.without);
    let number = match parameter {
        Parameter::Number(number) => number,
        Parameter::None | Parameter::Label(_) => f64::NAN,
    };
    match aggregate.op {
        AggregateOp::Sum
        | AggregateOp::Avg
        | AggregateOp::Min
        | AggregateOp::Max
        | AggregateOp::Count
        | AggregateOp::Group
        | AggregateOp::Stddev
        | AggregateOp::Stdvar
        | AggregateOp::Quantile => {
            let folded = fold(aggregate.op, &vector, &signature, number);
            folded.iter().try_for_each(|element| meter.make_labels(&element.labels))?;
            Ok(folded)
        }
        AggregateOp::Topk => {
            let order =
                |one: &Element, other: &Element| nan_last_descending(one.value, other.value);
            let limit = limit(number, &vector)?;
            Ok(choose(vector, &signature, limit, order))
        }
        AggregateOp::Bottomk => {
            let order = |one: &Element, other: &Element| nan_last(one.value, other.value);
            let limit = limit(number, &vector)?;
            Ok(choose(vector, &signature, limit, order))
        }
        AggregateOp::LimitK => {
            let order = |_: &Element, _: &Element| std::cmp::Ordering::Equal;
            let limit = limit(number, &vector)?;
            Ok(choose(vector, &signature, limit, order))
        }
        AggregateOp::LimitRatio => sample(vector, number),
        AggregateOp::CountValues => {
            let label = if let Parameter::Label(label) = parameter { label } else { "" };
            count_values(&vector, aggregate, label, meter)
        }
    }
}

/// The elements of each group, by position, in the order in which groups appear.
fn grouped(vector: &[Element], signature: &Signature) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut index = Groups::default();
    for (position, element) in vector.iter().enumerate() {
        let hash = signature.hash(&element.labels);
        let same = |at: usize| {
            let first = groups.get(at).and_then(|group| group.first());
            first.is_some_and(|first| signature.same(&vector[*first].labels, &element.labels))
        };
        let found = index.find(hash, same);
        let group = found.unwrap_or(groups.len());
        if found.is_none() {
            index.insert(hash, group);
            groups.push(Vec::new());
        }
        groups[group].push(position);
    }
    groups
}

fn fold(op: AggregateOp, vector: &[Element], signature: &Signature, number: f64) -> Vec<Element> {
    let groups = grouped(vector, signature);
    let results = groups.iter().filter_map(|group| {
        let first = &vector[*group.first()?];
        let value = folded(op, group.iter().map(|at| vector[*at].value), number);
        // A name goes if any member's does.
        let drop_name = group.iter().any(|at| vector[*at].drop_name);
        Some(Element { labels: signature.of(&first.labels), value, drop_name })
    });
    results.collect()
}

fn folded(op: AggregateOp, values: impl ExactSizeIterator<Item = f64>, number: f64) -> f64 {
    match op {
        AggregateOp::Sum => {
            let mut sum = Sum::default();
            values.for_each(|value| sum.add(value));
            sum.value()
        }
        AggregateOp::Avg => {
            let mut mean = Mean::default();
            values.for_each(|value| mean.add(value));
            mean.value()
        }
        AggregateOp::Stddev | AggregateOp::Stdvar => {
            let mut variance = PlainVariance::default();
            values.for_each(|value| variance.add(value));
            let value = variance.value();
            if op == AggregateOp::Stddev { value.sqrt() } else { value }
        }
        // Not-a-number is the answer only where there is nothing else.
        AggregateOp::Min => values.fold(f64::NAN, f64::min),
        AggregateOp::Max => values.fold(f64::NAN, f64::max),
        AggregateOp::Count => count(values.len()),
        AggregateOp::Group => 1.0,
        AggregateOp::Quantile => quantile(number, &mut values.collect::<Vec<f64>>()),
        AggregateOp::Topk
        | AggregateOp::Bottomk
        | AggregateOp::CountValues
        | AggregateOp::LimitK
        | AggregateOp::LimitRatio => f64::NAN,
    }
}

/// How many elements are asked for.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the conversion saturates at both ends"
)]
fn limit(number: f64, vector: &[Element]) -> Result<usize, EvalError> {
    if number.is_nan() {
        return Err(EvalError::new("Parameter value is NaN".to_owned()));
    }
    if COUNT_MAX <= number && !vector.is_empty() {
        let message = format!("Scalar value {} overflows int64", go_float(number));
        return Err(EvalError::new(message));
    }
    Ok(number as usize)
}

/// The first elements of each group in an order; equal ones stay as they come.
fn choose(
    vector: Vec<Element>,
    signature: &Signature,
    limit: usize,
    order: impl Fn(&Element, &Element) -> std::cmp::Ordering,
) -> Vec<Element> {
    let mut chosen = Vec::new();
    for mut group in grouped(&vector, signature) {
        group.sort_by(|one, other| order(&vector[*one], &vector[*other]));
        chosen.extend(group.into_iter().take(limit).map(|at| vector[at].clone()));
    }
    chosen
}

/// `limit_ratio`: a share of the series, chosen by their hashes, so that the choice stays and a
/// negative ratio gives the complement.
fn sample(mut vector: Vec<Element>, ratio: f64) -> Result<Vec<Element>, EvalError> {
    if ratio.is_nan() {
        return Err(EvalError::new("Ratio value is NaN".to_owned()));
    }
    let ratio = ratio.clamp(-1.0, 1.0);
    vector.retain(|element| {
        let offset = unit(xxhash::of_labels(&element.labels));
        if ratio < 0.0 { 1.0 + ratio <= offset } else { offset < ratio }
    });
    Ok(vector)
}

/// A hash as a number in 0..=1.
#[allow(clippy::cast_precision_loss, reason = "the nearest number will do")]
fn unit(hash: u64) -> f64 {
    hash as f64 / u64::MAX as f64
}

/// Counts equal values. The value becomes a label first and is grouped like the others then, so
/// that `without` may take it off again.
fn count_values(
    vector: &[Element],
    aggregate: &Aggregate,
    label: &str,
    meter: &mut Meter<'_>,
) -> Result<Vec<Element>, EvalError> {
    if label.is_empty() {
        return Err(EvalError::new("invalid label name \"\"".to_owned()));
    }
    let mut names = aggregate.labels.clone();
    if !aggregate.without {
        names.push(label.to_owned());
    }
    let signature = Signature::new(&names, !aggregate.without);
    let mut counts: Vec<Element> = Vec::new();
    let mut index = Groups::default();
    for element in vector {
        let labels: Labels = signature.of(&element.labels.with(label, &go_float(element.value)));
        let hash = hash(&labels);
        if let Some(at) = index.find(hash, |at| counts[at].labels == labels) {
            counts[at].value += 1.0;
        } else {
            meter.make_labels(&labels)?;
            index.insert(hash, counts.len());
            counts.push(Element { labels, value: 1.0, drop_name: false });
        }
    }
    Ok(counts)
}
