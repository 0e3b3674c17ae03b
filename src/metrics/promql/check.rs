//! Types: every operand and argument is what its place needs.

use crate::promql::ast::{Aggregate, AggregateOp, Binary, Cardinality, Node, NodeKind};
use crate::promql::function::Function;
use crate::promql::parser::fault::{counted, usage, usage_of_aggregation};
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
            expect(&subquery.inner, ValueType::Vector, "a subquery", || {
                "a subquery is written (instant vector)[5m:]".to_owned()
            })?;
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
        let message = "comparisons between numbers must use `bool`".to_owned();
        let help = format!("write a {} bool b", binary.op.as_str());
        return Err(ParseError::new(node.span.clone(), message).help(help));
    }
    if binary.op.is_set() && !vectors {
        let message = format!("{:?} works between two vectors only", binary.op.as_str());
        return Err(ParseError::new(node.span.clone(), message)
            .help("make a vector of a number: vector(1)"));
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
            let message =
                format!("an operator needs a number or an instant vector, not {}", article(found));
            let error = ParseError::new(node.span.clone(), message);
            Err(match found {
                ValueType::Matrix => error.help("wrap it in a function such as rate(…)"),
                ValueType::Scalar | ValueType::Vector | ValueType::String => error,
            })
        }
    }
}

fn check_aggregate(aggregate: &Aggregate) -> Result<ValueType, ParseError> {
    let usage = || usage_of_aggregation(aggregate.op);
    expect(&aggregate.inner, ValueType::Vector, aggregate.op.as_str(), usage)?;
    if let Some(parameter) = &aggregate.parameter {
        let wanted = if aggregate.op == AggregateOp::CountValues {
            ValueType::String
        } else {
            ValueType::Scalar
        };
        expect(parameter, wanted, aggregate.op.as_str(), usage)?;
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
            (true, _) => format!("at least {}", counted(least)),
            (false, true) => counted(most),
            (false, false) => format!("{least} or {}", counted(most)),
        };
        let message = format!("{} takes {wanted}, not {}", function.name, arguments.len());
        return Err(ParseError::new(node.span.clone(), message).help(usage(function)));
    }
    for (index, argument) in arguments.iter().enumerate() {
        if let Some(wanted) = function.arguments.get(index).or_else(|| function.arguments.last()) {
            expect(argument, *wanted, function.name, || usage(function))?;
        }
    }
    Ok(function.returns)
}

/// Checks a node that must have a type; `usage` says how what it belongs to is written.
fn expect(
    node: &Node,
    wanted: ValueType,
    whose: &str,
    usage: impl Fn() -> String,
) -> Result<(), ParseError> {
    let found = check(node)?;
    if found == wanted {
        return Ok(());
    }
    let message = format!("{whose} needs {} here, this is {}", article(wanted), article(found));
    let error = ParseError::new(node.span.clone(), message);
    let plain_name = match &node.kind {
        NodeKind::Selector(selector) => {
            selector.name.as_ref().filter(|_| selector.matchers.len() == 1)
        }
        NodeKind::Number(_)
        | NodeKind::Text(_)
        | NodeKind::Range(_, _)
        | NodeKind::Subquery(_)
        | NodeKind::Negate(_)
        | NodeKind::Paren(_)
        | NodeKind::Binary(_)
        | NodeKind::Aggregate(_)
        | NodeKind::Call(_, _) => None,
    };
    Err(match (wanted, found, plain_name) {
        (ValueType::Matrix, ValueType::Vector, _) if is_selector(node) => {
            error.help("add a range such as [5m]")
        }
        (ValueType::Matrix, ValueType::Vector, _) => {
            error.help("take the range of an expression by a subquery such as (…)[5m:]")
        }
        (ValueType::Vector, ValueType::Matrix, _) => {
            error.help("wrap it in a function such as rate(…)")
        }
        (ValueType::String, ValueType::Vector, Some(name)) => {
            error.help(format!("put it in quotes: \"{name}\""))
        }
        (_, _, _) => error.help(usage()),
    })
}

fn is_selector(node: &Node) -> bool {
    matches!(node.bare().kind, NodeKind::Selector(_))
}

fn article(of: ValueType) -> &'static str {
    match of {
        ValueType::Scalar => "a number",
        ValueType::Vector => "an instant vector",
        ValueType::Matrix => "a range vector",
        ValueType::String => "a string",
    }
}
