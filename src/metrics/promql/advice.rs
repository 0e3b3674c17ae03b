//! What can be said of an expression without data: which labels its result can have, and counters
//! that are read as if they were gauges.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::label::{METRIC_NAME, MatchOp, Matcher};
use crate::promql::ValueType;
use crate::promql::ast::{
    Aggregate, AggregateOp, Binary, Cardinality, Node, NodeKind, Op, Selector,
};
use crate::promql::function::{Body, Function, Special};

/// The ending of counters by the naming rules of Prometheus.
const COUNTER: &str = "_total";

/// The labels that a result can have.
enum Kept {
    Any,
    Only(BTreeSet<String>),
}

impl Kept {
    fn none() -> Self {
        Self::Only(BTreeSet::new())
    }

    fn and(self, more: impl IntoIterator<Item = String>) -> Self {
        match self {
            Self::Any => Self::Any,
            Self::Only(mut labels) => {
                labels.extend(more);
                Self::Only(labels)
            }
        }
    }

    fn but(self, fewer: &[String]) -> Self {
        match self {
            Self::Any => Self::Any,
            Self::Only(mut labels) => {
                labels.retain(|label| !fewer.contains(label));
                Self::Only(labels)
            }
        }
    }

    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Only(labels), Self::Only(more)) => Self::Only(labels).and(more),
            (Self::Any, _) | (_, Self::Any) => Self::Any,
        }
    }
}

/// Returns the labels that the result can have; `None` where that depends on the data.
pub(crate) fn kept_labels(node: &Node) -> Option<BTreeSet<String>> {
    match kept(node) {
        Kept::Any => None,
        Kept::Only(labels) => Some(labels),
    }
}

fn kept(node: &Node) -> Kept {
    match &node.kind {
        NodeKind::Number(_) | NodeKind::Text(_) => Kept::none(),
        NodeKind::Selector(_) | NodeKind::Range(_, _) => Kept::Any,
        NodeKind::Subquery(subquery) => kept(&subquery.inner),
        NodeKind::Negate(inner) | NodeKind::Paren(inner) => kept(inner),
        NodeKind::Binary(binary) => kept_of_binary(binary),
        NodeKind::Aggregate(aggregate) => kept_of_aggregate(aggregate),
        NodeKind::Call(function, arguments) => kept_of_call(function, arguments),
    }
}

fn kept_of_binary(binary: &Binary) -> Kept {
    let Binary { op, left, right, matching, .. } = binary;
    match (op, is_scalar(left), is_scalar(right)) {
        (Op::And | Op::Unless, _, _) | (_, _, true) => return kept(left),
        (Op::Or, _, _) => return kept(left).or(kept(right)),
        (_, true, _) => return kept(right),
        (_, false, false) => {}
    }
    let include = matching.include.iter().cloned();
    match matching.cardinality {
        Cardinality::ManyToOne => kept(left).and(include),
        Cardinality::OneToMany => kept(right).and(include),
        Cardinality::OneToOne | Cardinality::ManyToMany if matching.on => {
            Kept::Only(matching.labels.iter().cloned().collect())
        }
        Cardinality::OneToOne | Cardinality::ManyToMany => {
            let same = match (kept(left), kept(right)) {
                (Kept::Only(labels), _) | (Kept::Any, Kept::Only(labels)) => Kept::Only(labels),
                (Kept::Any, Kept::Any) => Kept::Any,
            };
            same.but(&matching.labels)
        }
    }
}

fn kept_of_aggregate(aggregate: &Aggregate) -> Kept {
    let Aggregate { op, inner, parameter, without, labels, .. } = aggregate;
    match op {
        AggregateOp::Topk
        | AggregateOp::Bottomk
        | AggregateOp::LimitK
        | AggregateOp::LimitRatio => {
            return kept(inner);
        }
        AggregateOp::Sum
        | AggregateOp::Avg
        | AggregateOp::Min
        | AggregateOp::Max
        | AggregateOp::Count
        | AggregateOp::Group
        | AggregateOp::Stddev
        | AggregateOp::Stdvar
        | AggregateOp::CountValues
        | AggregateOp::Quantile => {}
    }
    let grouped =
        if *without { kept(inner).but(labels) } else { Kept::none().and(labels.iter().cloned()) };
    // That of `count_values` names the label of the counted values.
    grouped.and(parameter.iter().filter_map(text_of))
}

fn kept_of_call(function: &Function, arguments: &[Node]) -> Kept {
    if function.returns == ValueType::Scalar {
        return Kept::none();
    }
    let first = || arguments.first().map_or_else(Kept::none, kept);
    match &function.body {
        Body::Special(Special::Absent | Special::AbsentOverTime) => {
            arguments.first().map_or_else(Kept::none, kept_of_absent)
        }
        Body::Special(Special::LabelReplace | Special::LabelJoin) => {
            first().and(arguments.get(1).and_then(text_of))
        }
        Body::Special(Special::HistogramQuantile) => arguments.get(1).map_or_else(Kept::none, kept),
        Body::Math(_)
        | Body::Calendar(_)
        | Body::Window(_)
        | Body::Counter(_)
        | Body::Pick(_)
        | Body::Special(_) => {
            arguments.iter().filter(|one| !is_scalar(one)).map(kept).fold(Kept::none(), Kept::or)
        }
    }
}

/// `absent` takes its labels from the matchers of equality.
fn kept_of_absent(argument: &Node) -> Kept {
    match &argument.bare().kind {
        NodeKind::Selector(Selector { matchers, .. })
        | NodeKind::Range(Selector { matchers, .. }, _) => {
            let is_kept = |matcher: &&Matcher| {
                matcher.op() == MatchOp::Equal && matcher.name() != METRIC_NAME
            };
            let equal = matchers.iter().filter(is_kept);
            Kept::none().and(equal.map(|matcher| matcher.name().to_owned()))
        }
        NodeKind::Number(_)
        | NodeKind::Text(_)
        | NodeKind::Subquery(_)
        | NodeKind::Negate(_)
        | NodeKind::Paren(_)
        | NodeKind::Binary(_)
        | NodeKind::Aggregate(_)
        | NodeKind::Call(_, _) => Kept::none(),
    }
}

fn text_of(node: &Node) -> Option<String> {
    match &node.bare().kind {
        NodeKind::Text(text) => Some(text.clone()),
        NodeKind::Number(_)
        | NodeKind::Selector(_)
        | NodeKind::Range(_, _)
        | NodeKind::Subquery(_)
        | NodeKind::Negate(_)
        | NodeKind::Paren(_)
        | NodeKind::Binary(_)
        | NodeKind::Aggregate(_)
        | NodeKind::Call(_, _) => None,
    }
}

fn is_scalar(node: &Node) -> bool {
    match &node.kind {
        NodeKind::Number(_) | NodeKind::Text(_) => true,
        NodeKind::Selector(_)
        | NodeKind::Range(_, _)
        | NodeKind::Subquery(_)
        | NodeKind::Aggregate(_) => false,
        NodeKind::Negate(inner) | NodeKind::Paren(inner) => is_scalar(inner),
        NodeKind::Binary(binary) => is_scalar(&binary.left) && is_scalar(&binary.right),
        NodeKind::Call(function, _) => function.returns == ValueType::Scalar,
    }
}

/// Returns the counters whose height is used although it says only how long they have counted.
pub(crate) fn bare_counters(node: &Node) -> Vec<(String, Range<usize>)> {
    let mut found = Vec::new();
    walk(node, &mut found);
    found
}

fn walk(node: &Node, found: &mut Vec<(String, Range<usize>)>) {
    match &node.kind {
        NodeKind::Selector(selector) => {
            let name = selector.name.as_deref().filter(|name| name.ends_with(COUNTER));
            found.extend(name.map(|name| (name.to_owned(), node.span.clone())));
        }
        // What only asks whether or when there is a sample.
        NodeKind::Aggregate(aggregate)
            if matches!(aggregate.op, AggregateOp::Count | AggregateOp::Group) => {}
        NodeKind::Call(function, _)
            if matches!(function.body, Body::Special(Special::Absent | Special::Timestamp)) => {}
        // The other side of a set operator only says which series are there.
        NodeKind::Binary(binary) if matches!(binary.op, Op::And | Op::Unless) => {
            walk(&binary.left, found);
        }
        // `x == x offset 5m`: whether it counts at all.
        NodeKind::Binary(binary) if binary.op.is_comparison() && is_with_itself(binary) => {}
        NodeKind::Number(_)
        | NodeKind::Text(_)
        | NodeKind::Range(_, _)
        | NodeKind::Subquery(_)
        | NodeKind::Negate(_)
        | NodeKind::Paren(_)
        | NodeKind::Binary(_)
        | NodeKind::Aggregate(_)
        | NodeKind::Call(_, _) => {
            for child in node.children() {
                walk(child, found);
            }
        }
    }
}

fn is_with_itself(binary: &Binary) -> bool {
    match (&binary.left.bare().kind, &binary.right.bare().kind) {
        (NodeKind::Selector(left), NodeKind::Selector(right)) => left.name == right.name,
        (_, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::promql::parse;

    #[test]
    fn the_labels_of_a_result_are_known_from_its_outermost_operators() {
        for (text, expected) in [
            ("up", None),
            ("up == 0", None),
            ("sum(up)", Some("")),
            ("sum by (job) (up) > 1", Some("job")),
            ("1 < sum by (job) (up)", Some("job")),
            ("sum without (job) (up)", None),
            ("sum without (job) (sum by (job, instance) (up))", Some("instance")),
            ("topk(3, up)", None),
            ("topk(3, sum by (job) (up))", Some("job")),
            ("count_values by (job) ('version', up)", Some("job version")),
            ("absent(up{job='a', b=~'c'})", Some("job")),
            ("absent(sum(up))", Some("")),
            ("up * on (job) up", Some("job")),
            ("up * on (job) group_left (team) up", None),
            ("sum by (job) (up) * on (job) group_left (team) up", Some("job team")),
            ("up * on (job) group_right (team) sum by (job) (up)", Some("job team")),
            ("up / ignoring (job) sum by (job, a) (up)", Some("a")),
            ("up and sum(up)", None),
            ("sum by (a) (up) or sum by (b) (up)", Some("a b")),
            ("label_replace(sum by (a) (up), 'b', '$1', 'a', '(.*)')", Some("a b")),
            ("rate(sum by (a) (up)[5m:1m])", Some("a")),
            ("histogram_quantile(0.9, sum by (le, job) (up))", Some("job le")),
            ("round(sum by (a) (up), 5)", Some("a")),
            ("vector(time())", Some("")),
            ("-sum by (a) (up)", Some("a")),
            ("sum by (a) (up) + vector(1)", Some("a")),
        ] {
            let labels = parse(text).unwrap().kept_labels();
            let labels = labels.map(|labels| labels.into_iter().collect::<Vec<_>>().join(" "));
            assert_eq!(labels.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn counters_that_are_read_as_gauges_are_found() {
        for (text, expected) in [
            ("http_requests_total > 5", "http_requests_total"),
            ("sum(a_total) / sum(rate(b_total[5m]))", "a_total"),
            ("increase(a_total[5m]) > 0", ""),
            ("count(a_total) > 0", ""),
            ("absent(a_total)", ""),
            ("up unless a_total", ""),
            ("a_total == a_total offset 1h", ""),
            ("a_total - a_total offset 1h", "a_total a_total"),
            ("node_memory_MemTotal_bytes", ""),
            ("max_over_time(a_total[5m])", ""),
        ] {
            let found = parse(text).unwrap().bare_counters();
            let names: Vec<String> = found.into_iter().map(|(name, _)| name).collect();
            assert_eq!(names.join(" "), expected, "{text}");
        }
    }
}
