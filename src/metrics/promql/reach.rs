//! What an expression reads: its selectors and how far back each of them looks.

use crate::promql::SelectorInfo;
use crate::promql::ast::{Node, NodeKind, Pin, Selector};
use crate::sample::{LOOKBACK_MS, Millis};

/// How far a selector that is pinned to a time may look back: a year and a day.
const PINNED_REACH: Millis = 366 * 86_400_000;

/// Returns what the selectors below a node read.
pub(crate) fn selectors(node: &Node) -> Vec<SelectorInfo> {
    let mut found = Vec::new();
    walk(node, 0, &mut found);
    found
}

/// `outer` is how far back enclosing subqueries reach.
fn walk(node: &Node, outer: Millis, found: &mut Vec<SelectorInfo>) {
    match &node.kind {
        NodeKind::Selector(selector) => found.push(info(selector, LOOKBACK_MS, outer)),
        NodeKind::Range(selector, range) => found.push(info(selector, *range, outer)),
        NodeKind::Subquery(subquery) => {
            let own = reach(subquery.range, subquery.offset, subquery.pin);
            walk(&subquery.inner, outer.saturating_add(own), found);
        }
        NodeKind::Number(_)
        | NodeKind::Text(_)
        | NodeKind::Negate(_)
        | NodeKind::Paren(_)
        | NodeKind::Binary(_)
        | NodeKind::Aggregate(_)
        | NodeKind::Call(_, _) => {
            for child in node.children() {
                walk(child, outer, found);
            }
        }
    }
}

fn info(selector: &Selector, range: Millis, outer: Millis) -> SelectorInfo {
    let reach = reach(range, selector.offset, selector.pin).saturating_add(outer).max(0);
    SelectorInfo { matchers: selector.matchers.clone(), reach }
}

/// The start and the end of a rule's evaluation are its time, so those pins reach no further.
fn reach(range: Millis, offset: Millis, pin: Option<Pin>) -> Millis {
    let pinned = match pin {
        Some(Pin::At(_)) => PINNED_REACH,
        Some(Pin::Start | Pin::End) | None => 0,
    };
    range.saturating_add(offset).saturating_add(pinned)
}
