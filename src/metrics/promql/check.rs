//! Types: every operand and argument is what its place needs.

use crate::promql::ast::{Aggregate, AggregateOp, Binary, Cardinality, Node, NodeKind};
use crate::promql::function::Function;
use crate::promql::parser::unsigned;
use crate::promql::{ParseError, ValueType};

/// Checks a tree and returns the type of its value.
pub(super) fn check(node: &Node) -> Result<ValueType, ParseError> {
    match &node.kind {
        NodeKind::Number(_) => Ok(ValueType::Scalar),
        NodeKind::Text(_) => Ok(ValueType::String),
        NodeKind::Selector(_) => Ok(ValueType::Vector),
        NodeKind::Range(_, _) => Ok(ValueType::Matrix),
        NodeKind::Subquery(subquery) => {
            expect(&subquery.inner, ValueType::Vector, "a subquery")?;
            Ok(ValueType::Matrix)
        }
        NodeKind::Paren(inner) => check(inner),
        NodeKind::Negate(inner) => {
            let found = check(inner)?;
            match found {
                ValueType::Scalar | ValueType::Vector => Ok(found),
                ValueType::Matrix | ValueType::String => {
                    Err(ParseError::new(node.span.clone(), unsigned(&found.to_string())))
                }
            }
        }
        NodeKind::Binary(binary) => check_binary(node, binary),
        NodeKind::Aggregate(aggregate) => check_aggregate(aggregate),
        NodeKind::Call(function, arguments) => check_call(node, function, arguments),
    }
}

fn check_binary(node: &Node, binary: &Binary) -> Result<ValueType, ParseError> {
    let left = operand(&binary.left)?;
    let right = operand(&binary.right)?;
    let scalars = left == ValueType::Scalar && right == ValueType::Scalar;
    let vectors = left == ValueType::Vector && right == ValueType::Vector;
    let refuse = |message: &str| Err(ParseError::new(node.span.clone(), message.to_owned()));
    if binary.op.is_comparison() && scalars && !binary.returns_bool {
        return refuse("comparisons between numbers must use `bool`");
    }
    if binary.op.is_set() && !vectors {
        return refuse(&format!("{:?} works between two vectors only", binary.op.as_str()));
    }
    if !binary.matching.labels.is_empty() && !vectors {
        return refuse("on and ignoring work between two vectors only");
    }
    if binary.op.is_set() && binary.matching.cardinality != Cardinality::ManyToMany {
        return refuse("grouping does not go with set operators");
    }
    Ok(if scalars { ValueType::Scalar } else { ValueType::Vector })
}

fn operand(node: &Node) -> Result<ValueType, ParseError> {
    let found = check(node)?;
    match found {
        ValueType::Scalar | ValueType::Vector => Ok(found),
        ValueType::Matrix | ValueType::String => {
            let message = format!("an operator needs a number or an instant vector, not a {found}");
            Err(ParseError::new(node.span.clone(), message))
        }
    }
}

fn check_aggregate(aggregate: &Aggregate) -> Result<ValueType, ParseError> {
    expect(&aggregate.inner, ValueType::Vector, aggregate.op.as_str())?;
    if let Some(parameter) = &aggregate.parameter {
        let wanted = if aggregate.op == AggregateOp::CountValues {
            ValueType::String
        } else {
            ValueType::Scalar
        };
        expect(parameter, wanted, aggregate.op.as_str())?;
    }
    Ok(ValueType::Vector)
}

fn check_call(
    node: &Node,
    function: &Function,
    arguments: &[Node],
) -> Result<ValueType, ParseError> {
    let most = function.arguments.len();
    let least = if function.variadic { most - 1 } else { most - function.optional };
    let too_many = !function.variadic && most < arguments.len();
    if arguments.len() < least || too_many {
        let wanted = match (function.variadic, least == most) {
            (true, _) => format!("at least {least}"),
            (false, true) => format!("{most}"),
            (false, false) => format!("{least} or {most}"),
        };
        let message =
            format!("{} takes {wanted} arguments, not {}", function.name, arguments.len());
        return Err(ParseError::new(node.span.clone(), message));
    }
    for (index, argument) in arguments.iter().enumerate() {
        if let Some(wanted) = function.arguments.get(index).or_else(|| function.arguments.last()) {
            expect(argument, *wanted, function.name)?;
        }
    }
    Ok(function.returns)
}

fn expect(node: &Node, wanted: ValueType, whose: &str) -> Result<(), ParseError> {
    let found = check(node)?;
    if found == wanted {
        return Ok(());
    }
    let error = ParseError::new(
        node.span.clone(),
        format!("{whose} needs a {wanted} here, this is a {found}"),
    );
    Err(match (wanted, found) {
        (ValueType::Matrix, ValueType::Vector) => error.help("add a range such as [5m]"),
        (ValueType::Vector, ValueType::Matrix) => {
            error.help("wrap it in a function such as rate(…)")
        }
        _ => error,
    })
}
