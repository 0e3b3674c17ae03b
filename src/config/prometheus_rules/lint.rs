//! What is surely not meant as it is written, although Prometheus takes it; looked for on demand.

use std::collections::BTreeSet;

use regex::Regex;
use watchbell_metrics::promql::Expr;
use watchbell_metrics::template::go::GoTemplate;

use super::fields::{Label, Reader, name_place};
use super::yaml::{Node, inside};
use crate::code::Code;

/// The annotations of which one tells a person what happened.
const SUMMARIES: [&str; 4] = ["summary", "description", "message", "title"];
/// The label that says how bad an alert is.
const SEVERITY: &str = "severity";

/// A rule as it stands in its file.
pub(super) struct Seen<'a> {
    pub(super) node: &'a Node,
    pub(super) is_alert: bool,
    /// The labels of its group.
    pub(super) common: &'a [(String, GoTemplate)],
    pub(super) labels: &'a [Label<'a>],
    pub(super) annotations: &'a [Label<'a>],
    pub(super) expr: Option<&'a Expr>,
    /// Where the expression stands.
    pub(super) written: Option<&'a Node>,
}

/// Looks at a rule.
pub(super) fn look(seen: &Seen<'_>, reader: &mut Reader<'_, '_>) {
    if seen.is_alert {
        look_at_words(seen, reader);
        look_at_templates(seen, reader);
    }
    let (Some(expr), Some(written)) = (seen.expr, seen.written) else { return };
    for (name, span) in expr.bare_counters() {
        let place = inside(written, span, &reader.source.text);
        let message =
            format!("{name:?} is a counter: its height says only how long it has counted");
        reader
            .out
            .warning(Code::BareCounter, &place, message)
            .help(format!("take what it grew by: rate({name}[5m]) or increase({name}[5m])"));
    }
}

fn look_at_words(seen: &Seen<'_>, reader: &mut Reader<'_, '_>) {
    let place = name_place(seen.node);
    let own = seen.labels.iter().map(|(name, _, _)| *name);
    let mut names = own.chain(seen.common.iter().map(|(name, _)| name.as_str()));
    if !names.any(|name| name == SEVERITY) {
        reader
            .out
            .warning(Code::NoSeverity, place, "the alert says no severity, and counts as a warning")
            .help("write `severity: critical`, `warning` or `info` under `labels:`");
    }
    if !seen.annotations.iter().any(|(name, _, _)| SUMMARIES.contains(name)) {
        reader
            .out
            .warning(Code::NoSummary, place, "the alert has no words for the person whom it wakes")
            .help("write a `summary:` under `annotations:`");
    }
}

/// Reports labels that a template speaks of and the expression does not keep.
fn look_at_templates(seen: &Seen<'_>, reader: &mut Reader<'_, '_>) {
    let Some(kept) = seen.expr.and_then(Expr::kept_labels) else { return };
    let Ok(asked) = Regex::new(r"\$labels\.([A-Za-z_][A-Za-z0-9_]*)") else { return };
    for (_, text, node) in seen.labels.iter().chain(seen.annotations) {
        let mut told = BTreeSet::new();
        for found in asked.captures_iter(text) {
            let Some(name) = found.get(1) else { continue };
            if kept.contains(name.as_str()) || !told.insert(name.as_str()) {
                continue;
            }
            let place = inside(node, name.range(), &reader.source.text);
            let message =
                format!("the expression keeps no label {:?}, so this is empty", name.as_str());
            let kept: Vec<&str> = kept.iter().map(String::as_str).collect();
            let help = match kept.as_slice() {
                [] => "aggregate with `by (...)` to keep labels".to_owned(),
                kept => format!("it keeps {}", kept.join(", ")),
            };
            reader.out.warning(Code::LostLabel, &place, message).help(help);
        }
    }
}
