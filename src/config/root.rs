//! The top level: every table that a configuration can have.

use crate::prometheus_rules::RuleFileOptions;
use crate::raw::{Entry, Kind, Node};
use crate::shape::{Shape, Word, key};
use crate::{
    calendar, collect, daemon, deadman, email, history, http, person, route, rule, schedule,
    scrape, sla, slack, webhook,
};

const OBJECTIVES: Word = Word::Map(&Word::Table(&SLO));

pub(crate) static SHAPE: Shape = Shape {
    doc: "The configuration of Watchbell.",
    keys: &[
        key(
            "include",
            Word::List(&Word::Text),
            "Rule files, relative to this file: [\"rules/*.toml\"]; never files ending in \
             .test.toml.",
        ),
        key("prometheus_rules", Word::List(&Word::Text), "Prometheus rule files, as they are."),
        key("daemon", Word::Table(&daemon::SHAPE), "The daemon itself."),
        key("http", Word::Table(&http::SHAPE), "The HTTP server."),
        key("calendar", Word::Table(&calendar::SHAPE), "What \"next business day\" means."),
        key(
            "calendars",
            Word::Map(&Word::Table(&calendar::SHAPE)),
            "Calendars by name, for `mute`.",
        ),
        key("collect", Word::Table(&collect::SHAPE), "What the daemon measures by itself."),
        key("scrape", Word::Map(&Word::Table(&scrape::SHAPE)), "Targets by job."),
        key(
            "rule",
            Word::Map(&Word::Table(&rule::SHAPE)),
            "Rules by name; usually in files of their own.",
        ),
        key("slo", OBJECTIVES, "Objectives by name."),
        key("sla", Word::Table(&sla::SHAPE), "Response promises."),
        key("person", Word::Map(&Word::Table(&person::SHAPE)), "People by name."),
        key("schedule", Word::Map(&Word::Table(&schedule::SHAPE)), "Schedules by name."),
        key(
            "route",
            Word::List(&Word::Table(&route::SHAPE)),
            "Routes in order; the first that matches wins.",
        ),
        key("slack", Word::Table(&slack::SHAPE), "Slack."),
        key("email", Word::Table(&email::SHAPE), "Mail."),
        key("webhook", Word::Map(&Word::Table(&webhook::SHAPE)), "HTTP calls by name."),
        key("history", Word::Table(&history::SHAPE), "How long samples are kept."),
        key("deadman", Word::Table(&deadman::SHAPE), "The outgoing heartbeat."),
    ],
};

pub(crate) static SLO: Shape = Shape {
    doc: "An objective; this version refuses it as not supported yet.",
    keys: &[
        key("objective", Word::Share, "The share that must be good: \"99.9%\"."),
        key("ratio", Word::Table(&rule::RATIO), "Bad and all events."),
        key("window", Word::Duration, "Over how long: \"30d\"."),
    ],
};

/// The tables that rule files may hold.
pub(crate) const RULE_TABLES: [&str; 2] = ["rule", "slo"];

/// All files of a configuration, merged.
#[derive(Clone, Debug, Default)]
pub(crate) struct Root {
    pub(crate) entries: Vec<Entry>,
    /// The Prometheus rule files, by their index among the sources.
    pub(crate) prometheus: Vec<usize>,
    /// How those are read.
    pub(crate) rule_files: RuleFileOptions,
}

impl Root {
    pub(crate) fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key.text == name)
    }

    /// Returns the tables of a kind that has names.
    pub(crate) fn named(&self, name: &str) -> &[Entry] {
        match self.entry(name).map(|entry| &entry.node.kind) {
            Some(Kind::Table(entries)) => entries,
            Some(_) | None => &[],
        }
    }

    /// Returns the elements of a list.
    pub(crate) fn items(&self, name: &str) -> &[Node] {
        match self.entry(name).map(|entry| &entry.node.kind) {
            Some(Kind::Array(items)) => items,
            Some(_) | None => &[],
        }
    }
}
