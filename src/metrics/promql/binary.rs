//! Operators between numbers and vectors, and the matching of two vectors.

use crate::label::Labels;
use crate::promql::ast::{Binary, Cardinality, Matching, Op};
use crate::promql::labels::{Groups, Signature, hash, is_metadata};
use crate::promql::limit::Meter;
use crate::promql::math;
use crate::promql::outcome::{Element, EvalError, Out};

/// Applies an operator to two evaluated operands.
pub(crate) fn apply(
    binary: &Binary,
    left: Out,
    right: Out,
    meter: &mut Meter<'_>,
) -> Result<Out, EvalError> {
    match (left, right) {
        (Out::Scalar(left), Out::Scalar(right)) => Ok(Out::Scalar(numbers(binary.op, left, right))),
        (Out::Vector(vector), Out::Scalar(number)) => {
            Ok(Out::Vector(with_number(binary, vector, number, false)))
        }
        (Out::Scalar(number), Out::Vector(vector)) => {
            Ok(Out::Vector(with_number(binary, vector, number, true)))
        }
        (Out::Vector(left), Out::Vector(right)) => {
            vectors(binary, left, right, meter).map(Out::Vector)
        }
        (Out::Text(_), _) | (_, Out::Text(_)) => {
            Err(EvalError::new("an operator does not work on strings".to_owned()))
        }
    }
}

fn vectors(
    binary: &Binary,
    left: Vec<Element>,
    right: Vec<Element>,
    meter: &mut Meter<'_>,
) -> Result<Vec<Element>, EvalError> {
    let signature = Signature::new(&binary.matching.labels, binary.matching.on);
    match binary.op {
        Op::And => Ok(filter(left, &right, &signature, true)),
        Op::Unless => Ok(filter(left, &right, &signature, false)),
        Op::Or => {
            let more = filter(right, &left, &signature, false);
            Ok(left.into_iter().chain(more).collect())
        }
        Op::Add
        | Op::Sub
        | Op::Mul
        | Op::Div
        | Op::Mod
        | Op::Pow
        | Op::Atan2
        | Op::Equal
        | Op::NotEqual
        | Op::Less
        | Op::LessEqual
        | Op::Greater
        | Op::GreaterEqual => matched(binary, left, right, &signature, meter),
    }
}

/// The value of an operator between two numbers; a comparison gives 1 or 0.
fn numbers(op: Op, left: f64, right: f64) -> f64 {
    let truth = |holds: bool| if holds { 1.0 } else { 0.0 };
    match op {
        Op::Add => left + right,
        Op::Sub => left - right,
        Op::Mul => left * right,
        Op::Div => left / right,
        Op::Mod => left % right,
        Op::Pow => math::pow(left, right),
        Op::Atan2 => left.atan2(right),
        Op::Equal => truth(left == right),
        Op::NotEqual => truth(left != right),
        Op::Less => truth(left < right),
        Op::LessEqual => truth(left <= right),
        Op::Greater => truth(left > right),
        Op::GreaterEqual => truth(left >= right),
        Op::And | Op::Or | Op::Unless => f64::NAN,
    }
}

fn with_number(
    binary: &Binary,
    mut vector: Vec<Element>,
    number: f64,
    number_left: bool,
) -> Vec<Element> {
    let filters = binary.op.is_comparison() && !binary.returns_bool;
    vector.retain_mut(|element| {
        let value = element.value;
        let (left, right) = if number_left { (number, value) } else { (value, number) };
        let result = numbers(binary.op, left, right);
        if filters {
            return result != 0.0;
        }
        element.value = result;
        element.drop_name = true;
        true
    });
    vector
}

/// Keeps the elements that have (or have not) a partner of the same signature.
fn filter(
    vector: Vec<Element>,
    partners: &[Element],
    signature: &Signature,
    wanted: bool,
) -> Vec<Element> {
    let index = by_signature(partners, signature);
    vector
        .into_iter()
        .filter(|element| find(&index, partners, signature, &element.labels).is_some() == wanted)
        .collect()
}

fn by_signature(vector: &[Element], signature: &Signature) -> Groups {
    let mut index = Groups::default();
    for (position, element) in vector.iter().enumerate() {
        index.insert(signature.hash(&element.labels), position);
    }
    index
}

fn find(
    index: &Groups,
    vector: &[Element],
    signature: &Signature,
    labels: &Labels,
) -> Option<usize> {
    let same = |at: usize| vector.get(at).is_some_and(|one| signature.same(&one.labels, labels));
    index.find(signature.hash(labels), same)
}

/// Pairs each element of the many side with the one of the other side.
fn matched(
    binary: &Binary,
    left: Vec<Element>,
    right: Vec<Element>,
    signature: &Signature,
    meter: &mut Meter<'_>,
) -> Result<Vec<Element>, EvalError> {
    if left.is_empty() || right.is_empty() {
        return Ok(Vec::new());
    }
    let swapped = binary.matching.cardinality == Cardinality::OneToMany;
    let (many, one) = if swapped { (right, left) } else { (left, right) };
    let index = one_side(&one, signature, swapped)?;
    let mut result: Vec<Element> = Vec::with_capacity(many.len());
    let mut taken = Taken { partners: vec![false; one.len()], labels: Groups::default() };
    for element in &many {
        let Some(position) = find(&index, &one, signature, &element.labels) else { continue };
        let partner = &one[position];
        let (l, r) = if swapped { (partner, element) } else { (element, partner) };
        let computed = numbers(binary.op, l.value, r.value);
        let filters = binary.op.is_comparison() && !binary.returns_bool;
        if filters && computed == 0.0 {
            continue;
        }
        let value = if filters { l.value } else { computed };
        let labels = result_labels(binary, &element.labels, &partner.labels);
        meter.make_labels(&labels)?;
        let drop_name = element.drop_name || binary.returns_bool;
        if binary.matching.cardinality == Cardinality::OneToOne {
            taken.partner(position)?;
        } else {
            taken.labels(&labels, &result)?;
        }
        result.push(Element { labels, value, drop_name });
    }
    Ok(result)
}

/// Indexes the side that may have one element for each match.
fn one_side(one: &[Element], signature: &Signature, left: bool) -> Result<Groups, EvalError> {
    let mut index = Groups::default();
    for (position, element) in one.iter().enumerate() {
        let hash = signature.hash(&element.labels);
        let same = |at: usize| signature.same(&one[at].labels, &element.labels);
        if let Some(before) = index.find(hash, same) {
            let side = if left { "left" } else { "right" };
            return Err(EvalError::new(format!(
                "found duplicate series for the match group {} on the {side} hand-side of the \
                 operation: [{}, {}];many-to-many matching not allowed: matching labels must be \
                 unique on one side",
                signature.of(&element.labels),
                element.labels,
                one[before].labels,
            )));
        }
        index.insert(hash, position);
    }
    Ok(index)
}

/// What a result already has, so that nothing is matched twice.
struct Taken {
    /// By position on the one side.
    partners: Vec<bool>,
    labels: Groups,
}

impl Taken {
    fn partner(&mut self, position: usize) -> Result<(), EvalError> {
        if std::mem::replace(&mut self.partners[position], true) {
            return Err(EvalError::new(
                "multiple matches for labels: many-to-one matching must be explicit \
                 (group_left/group_right)"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    fn labels(&mut self, labels: &Labels, result: &[Element]) -> Result<(), EvalError> {
        let hash = hash(labels);
        if self.labels.find(hash, |at| result[at].labels == *labels).is_some() {
            return Err(EvalError::new(
                "multiple matches for labels: grouping labels must ensure unique matches"
                    .to_owned(),
            ));
        }
        self.labels.insert(hash, result.len());
        Ok(())
    }
}

/// The labels of a pair: those of the many side, with what the matching keeps and includes.
fn result_labels(binary: &Binary, many: &Labels, one: &Labels) -> Labels {
    let Matching { cardinality, on, labels, include, .. } = &binary.matching;
    let one_to_one = *cardinality == Cardinality::OneToOne;
    let kept = many.iter().filter(|(name, _)| {
        let listed = labels.iter().any(|label| label == name);
        let stays = binary.op.is_comparison() || !is_metadata(name);
        stays && (!one_to_one || listed == *on)
    });
    if include.is_empty() {
        return Labels::from_pairs(kept);
    }
    // A label that the one side lacks is removed.
    let included = include.iter().map(|name| (name.as_str(), one.get(name).unwrap_or_default()));
    Labels::from_pairs(kept.chain(included))
}
