//! One rule of a group: an alert or a recording rule.

use watchbell_metrics::rule::group::GroupRule;
use watchbell_metrics::template::go::GoTemplate;

use super::Lints;
use super::fields::{Fields, Reader};
use super::lint;
use super::yaml::Node;
use crate::code::Code;

const RULE_FIELDS: [&str; 7] =
    ["alert", "record", "expr", "for", "keep_firing_for", "labels", "annotations"];
/// What only alerts have.
const ALERT_FIELDS: [&str; 3] = ["for", "keep_firing_for", "annotations"];

/// What a rule is.
enum Named {
    Alert(String),
    Record(String),
}

/// Reads a rule; `common` are the labels of its group.
pub(super) fn read(
    node: &Node,
    common: &[(String, GoTemplate)],
    reader: &mut Reader<'_, '_>,
) -> Option<GroupRule> {
    let faults = reader.out.errors();
    let entries = reader.map(node)?;
    let fields = reader.fields(node, entries, "a rule", &RULE_FIELDS, None);
    let named = named(&fields, reader);
    let expr = match fields.node("expr") {
        Some(node) => reader.expr(node),
        None => {
            let place = super::fields::name_place(node);
            reader.missing(place, "the rule has no \"expr\"", "write `expr: up == 0`");
            None
        }
    };
    let labels = fields.node("labels").map(|node| reader.labels(node)).unwrap_or_default();
    let annotations =
        fields.node("annotations").map(|node| reader.annotations(node)).unwrap_or_default();
    if reader.options.lints == Lints::All {
        let is_alert = matches!(named, Some(Named::Alert(_)));
        lint::look(
            &lint::Seen {
                node,
                is_alert,
                common,
                labels: &labels,
                annotations: &annotations,
                expr: expr.as_ref(),
                written: fields.node("expr"),
            },
            reader,
        );
    }
    let holds_for = fields.node("for").and_then(|node| reader.duration(node));
    let keep_firing_for = fields.node("keep_firing_for").and_then(|node| reader.duration(node));
    let rule = match named {
        Some(Named::Record(record)) => {
            refuse_alert_fields(&fields, reader);
            let owned =
                labels.iter().map(|(name, text, _)| ((*name).to_owned(), (*text).to_owned()));
            GroupRule::Recording { record, expr: expr?, labels: owned.collect() }
        }
        Some(Named::Alert(_)) | None => {
            let labels = reader.templates(&labels);
            let annotations = reader.templates(&annotations);
            let Some(Named::Alert(alert)) = named else { return None };
            GroupRule::Alert {
                alert,
                expr: expr?,
                holds_for: holds_for.unwrap_or_default(),
                keep_firing_for: keep_firing_for.unwrap_or_default(),
                labels,
                annotations,
            }
        }
    };
    (faults == reader.out.errors()).then_some(rule)
}

fn named(fields: &Fields<'_>, reader: &mut Reader<'_, '_>) -> Option<Named> {
    match (fields.entry("alert"), fields.entry("record")) {
        (Some(alert), Some(record)) => {
            let message = "a rule is an alert or a recording rule, not both";
            reader
                .out
                .error(Code::RuleShape, &record.key.place, message)
                .also(&alert.key.place, "the alert is named here")
                .help("make two rules of it");
            None
        }
        (Some(alert), None) => Some(Named::Alert(reader.filled(&alert.node)?.to_owned())),
        (None, Some(record)) => {
            let name = reader.filled(&record.node)?;
            if name.contains(['{', '}']) {
                let message = format!("{name:?} cannot be a metric's name");
                reader
                    .out
                    .error(Code::BadLabel, &record.node.place, message)
                    .help("a selector belongs into `expr`, labels of the result into `labels`");
                return None;
            }
            Some(Named::Record(name.to_owned()))
        }
        (None, None) => {
            reader
                .out
                .error(Code::RuleShape, fields.place, "the rule has no name")
                .help("write `alert: NAME` or `record: NAME`");
            None
        }
    }
}

fn refuse_alert_fields(fields: &Fields<'_>, reader: &mut Reader<'_, '_>) {
    for name in ALERT_FIELDS {
        let Some(entry) = fields.entry(name) else { continue };
        let message = format!("a recording rule has no {name:?}");
        reader
            .out
            .error(Code::RuleShape, &entry.key.place, message)
            .help("remove it, or make the rule an `alert`");
    }
}
