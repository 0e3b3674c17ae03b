//! Prometheus rule files, read as they are and as strictly as `promtool check rules` reads them.
//!
//! Fields, defaults and limits are those of
//! <https://prometheus.io/docs/prometheus/latest/configuration/recording_rules/>; names may be any
//! UTF-8, as since Prometheus 3. What is stricter: a second document, which Prometheus drops, and
//! an expression that gives no vector are errors. A faulty rule is left out, the others stay.

pub(crate) mod fields;
mod lint;
mod rule;
pub(crate) mod yaml;

use std::collections::BTreeMap;
use std::sync::Arc;

use watchbell_metrics::rule::group::{External, Group, GroupRule};

use self::fields::{Fields, Reader};
use self::yaml::Node;
use crate::code::Code;
use crate::diagnostic::{Place, SourceFile};
use crate::findings::Findings;

const GROUP_FIELDS: [&str; 6] = ["name", "interval", "query_offset", "limit", "labels", "rules"];

/// How rule files are read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Manner {
    /// What templates may speak of.
    pub(crate) external: Arc<External>,
    /// What is asked for.
    pub(crate) options: RuleFileOptions,
}

/// What is asked for where Prometheus rule files are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleFileOptions {
    /// A field that nobody knows is a warning.
    pub ignore_unknown_fields: bool,
    /// Documents after the first are a warning, as they are nothing to Prometheus.
    pub ignore_further_documents: bool,
    /// What is looked for beside errors.
    pub lints: Lints,
}

/// What is looked for beside errors; all of it are warnings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lints {
    /// Nothing.
    None,
    /// Rules that are there twice.
    #[default]
    Duplicates,
    /// Also alerts without severity or summary, templates that ask for labels that are not there,
    /// and counters that are read as gauges.
    All,
}

/// Reads one file, `file` being its place among the sources.
pub(crate) fn read(
    file: usize,
    source: &SourceFile,
    manner: &Manner,
    out: &mut Findings<'_>,
) -> Vec<Group> {
    let Some(root) = yaml::read(file, &source.text, manner.options.ignore_further_documents, out)
    else {
        return Vec::new();
    };
    let mut reader = Reader { source, out, options: manner.options };
    let Some(top) = top(&root, &mut reader) else { return Vec::new() };
    let mut groups = Vec::new();
    let mut names = BTreeMap::new();
    let mut rules = Rules::new();
    for node in top.node("groups").map(|node| reader.list(node)).unwrap_or_default() {
        let group = group(node, &mut names, &mut rules, &mut reader);
        groups.extend(group.map(|group| Group { external: Arc::clone(&manner.external), ..group }));
    }
    groups
}

/// The first place of every rule, by its name and labels.
type Rules<'a> = BTreeMap<(String, Vec<(String, String)>), &'a Place>;

fn top<'a>(root: &'a Node, reader: &mut Reader<'_, '_>) -> Option<Fields<'a>> {
    let entries = reader.map(root)?;
    let has = |name: &str| entries.iter().any(|entry| entry.key.text == name);
    let help = if has("spec") && has("kind") {
        Some("this is an object of Kubernetes: the groups stand in its `spec`")
    } else if has("tests") {
        Some("this file tests rules: `watchbell test` runs it")
    } else {
        None
    };
    Some(reader.fields(root, entries, "a rule file", &["groups"], help))
}

fn group<'a>(
    node: &'a Node,
    names: &mut BTreeMap<String, &'a Place>,
    rules: &mut Rules<'a>,
    reader: &mut Reader<'_, '_>,
) -> Option<Group> {
    let entries = reader.map(node)?;
    let fields = reader.fields(node, entries, "a group", &GROUP_FIELDS, None);
    let name = group_name(&fields, names, reader);
    let interval = fields.node("interval").and_then(|node| reader.duration(node));
    let query_offset = fields.node("query_offset").and_then(|node| reader.duration(node));
    let limit = fields.node("limit").and_then(|node| reader.count(node));
    let labels = fields.node("labels").map(|node| reader.labels(node)).unwrap_or_default();
    let labels = reader.templates(&labels);
    let items = fields.node("rules").map(|node| reader.list(node)).unwrap_or_default();
    let mut found = Vec::with_capacity(items.len());
    for node in items {
        let rule = rule::read(node, &labels, reader);
        match reader.options.lints {
            Lints::None => {}
            Lints::Duplicates | Lints::All => note_duplicate(rule.as_ref(), node, rules, reader),
        }
        found.extend(rule);
    }
    Some(Group {
        name: name?,
        file: reader.source.path.display().to_string(),
        // Zero is Prometheus's word for its own default.
        interval: interval.filter(|interval| !interval.is_zero()),
        limit: limit.unwrap_or_default(),
        query_offset: query_offset.unwrap_or_default(),
        labels,
        external: Arc::default(),
        rules: found,
    })
}

fn group_name<'a>(
    fields: &Fields<'a>,
    names: &mut BTreeMap<String, &'a Place>,
    reader: &mut Reader<'_, '_>,
) -> Option<String> {
    let Some(node) = fields.node("name") else {
        reader.missing(fields.place, "the group has no \"name\"", "write `name: web`");
        return None;
    };
    let name = reader.filled(node)?;
    if let Some(first) = names.get(name) {
        let message = format!("the group {name:?} is defined twice in this file");
        reader
            .out
            .error(Code::DuplicateName, &node.place, message)
            .also(first, "first defined here")
            .help("rename one of them, or make them one group");
    }
    names.entry(name.to_owned()).or_insert(&node.place);
    Some(name.to_owned())
}

/// Warns of a rule that is there already, with the same name and labels.
fn note_duplicate<'a>(
    rule: Option<&GroupRule>,
    node: &'a Node,
    rules: &mut Rules<'a>,
    reader: &mut Reader<'_, '_>,
) {
    let Some(rule) = rule else { return };
    let owned = |(name, text): (&str, &str)| (name.to_owned(), text.to_owned());
    let mut labels: Vec<(String, String)> = rule.label_texts().into_iter().map(owned).collect();
    labels.sort();
    let place = fields::name_place(node);
    let Some(first) = rules.get(&(rule.name().to_owned(), labels.clone())) else {
        rules.insert((rule.name().to_owned(), labels), place);
        return;
    };
    let message = format!("the rule {:?} is there twice with the same labels", rule.name());
    reader
        .out
        .warning(Code::DuplicateRule, place, message)
        .also(first, "first written here")
        .help("remove one of them, or give them different labels");
}

#[cfg(test)]
mod tests;
