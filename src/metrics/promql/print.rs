//! Canonical PromQL: one way to write a tree, which parses back to the same tree.

use std::fmt::{self, Formatter, Write};

use crate::label::{METRIC_NAME, Matcher, Quoted, is_plain_name};
use crate::promql::ast::{
    Aggregate, AggregateOp, Binary, Cardinality, Node, NodeKind, Pin, Selector, Subquery,
};
use crate::sample::Millis;

/// Words that mean something else than a metric where an expression starts.
const KEYWORDS: [&str; 15] = [
    "and",
    "atan2",
    "bool",
    "by",
    "group_left",
    "group_right",
    "ignoring",
    "inf",
    "nan",
    "offset",
    "on",
    "or",
    "unless",
    "without",
    "start",
];

/// Writes a tree. Brackets are nodes, so none have to be added.
pub(crate) fn write(out: &mut Formatter<'_>, node: &Node) -> fmt::Result {
    match &node.kind {
        NodeKind::Number(number) => write_number(out, *number),
        NodeKind::Text(text) => write!(out, "{}", Quoted(text)),
        NodeKind::Selector(selector) => {
            write_selector(out, selector)?;
            write_when(out, selector.offset, selector.pin)
        }
        NodeKind::Range(selector, range) => {
            write_selector(out, selector)?;
            out.write_char('[')?;
            write_duration(out, *range)?;
            out.write_char(']')?;
            write_when(out, selector.offset, selector.pin)
        }
        NodeKind::Subquery(subquery) => write_subquery(out, subquery),
        NodeKind::Negate(inner) => {
            out.write_char('-')?;
            write(out, inner)
        }
        NodeKind::Paren(inner) => {
            out.write_char('(')?;
            write(out, inner)?;
            out.write_char(')')
        }
        NodeKind::Binary(binary) => write_binary(out, binary),
        NodeKind::Aggregate(aggregate) => write_aggregate(out, aggregate),
        NodeKind::Call(function, arguments) => {
            write!(out, "{}(", function.name)?;
            for (position, argument) in arguments.iter().enumerate() {
                out.write_str(if position == 0 { "" } else { ", " })?;
                write(out, argument)?;
            }
            out.write_char(')')
        }
    }
}

fn write_number(out: &mut Formatter<'_>, number: f64) -> fmt::Result {
    if number.is_nan() {
        return out.write_str("NaN");
    }
    if number.is_infinite() {
        return out.write_str(if number > 0.0 { "Inf" } else { "-Inf" });
    }
    if number != 0.0 && !(1e-6..1e21).contains(&number.abs()) {
        return write!(out, "{number:e}");
    }
    write!(out, "{number}")
}

fn write_selector(out: &mut Formatter<'_>, selector: &Selector) -> fmt::Result {
    // With further conditions on the name, it stands in the braces with them.
    let conditions = selector.matchers.iter().filter(|one| one.name() == METRIC_NAME).count();
    let plain = selector.name.as_deref().filter(|name| conditions <= 1 && is_bare_metric(name));
    out.write_str(plain.unwrap_or_default())?;
    // The matcher of a name that is written stands first.
    let mut rest: &[Matcher] = &selector.matchers;
    if selector.name.is_some() {
        rest = rest.split_first().map_or(rest, |(_, rest)| rest);
    }
    if plain.is_some() && rest.is_empty() {
        return Ok(());
    }
    out.write_char('{')?;
    let quoted = selector.name.as_deref().filter(|_| plain.is_none());
    if let Some(name) = quoted {
        write!(out, "{}", Quoted(name))?;
    }
    for (position, matcher) in rest.iter().enumerate() {
        let comma = if position == 0 && quoted.is_none() { "" } else { "," };
        write!(out, "{comma}{matcher}")?;
    }
    out.write_char('}')
}

fn is_bare_metric(name: &str) -> bool {
    let mut parts = name.split(':').filter(|part| !part.is_empty());
    let digit = name.starts_with(|letter: char| letter.is_ascii_digit());
    let letters = parts.all(|part| is_plain_name(&format!("_{part}")));
    let lower = name.to_ascii_lowercase();
    let keyword = KEYWORDS.contains(&lower.as_str()) || AggregateOp::find(&lower).is_some();
    !name.is_empty() && !digit && letters && !keyword && name != METRIC_NAME
}

fn write_when(out: &mut Formatter<'_>, offset: Millis, pin: Option<Pin>) -> fmt::Result {
    match pin {
        Some(Pin::At(at)) => {
            let sign = if at < 0 { "-" } else { "" };
            let ms = at.unsigned_abs();
            write!(out, " @ {sign}{}.{:03}", ms / 1000, ms % 1000)?;
        }
        Some(Pin::Start) => out.write_str(" @ start()")?,
        Some(Pin::End) => out.write_str(" @ end()")?,
        None => {}
    }
    if offset == 0 {
        return Ok(());
    }
    out.write_str(if offset < 0 { " offset -" } else { " offset " })?;
    write_duration(out, offset.saturating_abs())
}

fn write_duration(out: &mut Formatter<'_>, ms: Millis) -> fmt::Result {
    let mut rest = ms;
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
        if rest >= size {
            write!(out, "{}{unit}", rest / size)?;
            rest %= size;
        }
    }
    if rest > 0 {
        write!(out, "{rest}ms")?;
    }
    Ok(())
}

fn write_subquery(out: &mut Formatter<'_>, subquery: &Subquery) -> fmt::Result {
    write(out, &subquery.inner)?;
    out.write_char('[')?;
    write_duration(out, subquery.range)?;
    out.write_char(':')?;
    if let Some(step) = subquery.step {
        write_duration(out, step)?;
    }
    out.write_char(']')?;
    write_when(out, subquery.offset, subquery.pin)
}

fn write_binary(out: &mut Formatter<'_>, binary: &Binary) -> fmt::Result {
    write(out, &binary.left)?;
    write!(out, " {} ", binary.op.as_str())?;
    if binary.returns_bool {
        out.write_str("bool ")?;
    }
    let matching = &binary.matching;
    if matching.written {
        out.write_str(if matching.on { "on " } else { "ignoring " })?;
        write_labels(out, &matching.labels)?;
        out.write_char(' ')?;
    }
    let side = match matching.cardinality {
        Cardinality::ManyToOne => Some("group_left "),
        Cardinality::OneToMany => Some("group_right "),
        Cardinality::OneToOne | Cardinality::ManyToMany => None,
    };
    if let Some(side) = side {
        out.write_str(side)?;
        write_labels(out, &matching.include)?;
        out.write_char(' ')?;
    }
    write(out, &binary.right)
}

fn write_aggregate(out: &mut Formatter<'_>, aggregate: &Aggregate) -> fmt::Result {
    out.write_str(aggregate.op.as_str())?;
    if aggregate.grouped {
        out.write_str(if aggregate.without { " without " } else { " by " })?;
        write_labels(out, &aggregate.labels)?;
        out.write_char(' ')?;
    }
    out.write_char('(')?;
    if let Some(parameter) = &aggregate.parameter {
        write(out, parameter)?;
        out.write_str(", ")?;
    }
    write(out, &aggregate.inner)?;
    out.write_char(')')
}

fn write_labels(out: &mut Formatter<'_>, labels: &[String]) -> fmt::Result {
    out.write_char('(')?;
    for (position, label) in labels.iter().enumerate() {
        out.write_str(if position == 0 { "" } else { ", " })?;
        // Numbers are no names where a list of them stands.
        let number = label.eq_ignore_ascii_case("inf") || label.eq_ignore_ascii_case("nan");
        if is_plain_name(label) && !number {
            out.write_str(label)?;
        } else {
            write!(out, "{}", Quoted(label))?;
        }
    }
    out.write_char(')')
}
