//! Pins an expression to one time, so that it gives the same at every other.

use crate::promql::Expr;
use crate::promql::ast::{Node, NodeKind, Pin};
use crate::promql::function::{Body, Special};
use crate::sample::Millis;

/// Puts `@ at` on every selector and outermost subquery that has none; `None` where the value
/// depends on the evaluated time in another way.
pub(crate) fn pinned(expr: &Expr, at: Millis) -> Option<Expr> {
    if any(&expr.node, &|node| reads_the_time(node) || has_moving_pin(node)) {
        return None;
    }
    let mut pinned = expr.clone();
    set(&mut pinned.node, at);
    Some(pinned)
}

/// Tells whether the value depends on where the range of the query starts and ends.
pub(crate) fn moves_with_the_range(expr: &Expr) -> bool {
    any(&expr.node, &|node| {
        let function = matches!(
            &node.kind,
            NodeKind::Call(function, _) if matches!(
                function.body,
                Body::Special(Special::Start | Special::End | Special::Range | Special::Step)
            )
        );
        function || has_moving_pin(node)
    })
}

fn any(node: &Node, holds: &impl Fn(&Node) -> bool) -> bool {
    holds(node) || node.children().into_iter().any(|child| any(child, holds))
}

fn reads_the_time(node: &Node) -> bool {
    let NodeKind::Call(function, _) = &node.kind else { return false };
    matches!(
        function.body,
        Body::Calendar(_)
            | Body::Special(
                Special::PredictLinear
                    | Special::Time
                    | Special::Timestamp
                    | Special::Start
                    | Special::End
                    | Special::Range
                    | Special::Step
            )
    )
}

fn has_moving_pin(node: &Node) -> bool {
    let pin = match &node.kind {
        NodeKind::Selector(selector) | NodeKind::Range(selector, _) => selector.pin,
        NodeKind::Subquery(subquery) => subquery.pin,
        NodeKind::Number(_)
        | NodeKind::Text(_)
        | NodeKind::Negate(_)
        | NodeKind::Paren(_)
        | NodeKind::Binary(_)
        | NodeKind::Aggregate(_)
        | NodeKind::Call(_, _) => None,
    };
    matches!(pin, Some(Pin::Start | Pin::End))
}

fn set(node: &mut Node, at: Millis) {
    match &mut node.kind {
        NodeKind::Number(_) | NodeKind::Text(_) => {}
        NodeKind::Selector(selector) | NodeKind::Range(selector, _) => {
            selector.pin.get_or_insert(Pin::At(at));
        }
        NodeKind::Subquery(subquery) => {
            subquery.pin.get_or_insert(Pin::At(at));
        }
        NodeKind::Negate(inner) | NodeKind::Paren(inner) => set(inner, at),
        NodeKind::Binary(binary) => {
            set(&mut binary.left, at);
            set(&mut binary.right, at);
        }
        NodeKind::Aggregate(aggregate) => {
            set(&mut aggregate.inner, at);
            if let Some(parameter) = &mut aggregate.parameter {
                set(parameter, at);
            }
        }
        NodeKind::Call(_, arguments) => {
            for argument in arguments {
                set(argument, at);
            }
        }
    }
}
