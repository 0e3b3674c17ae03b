//! From the merged tree to the checked configuration: calls the check of every table, in the order
//! in which they refer to each other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use watchbell_metrics::label::Labels;
use watchbell_metrics::rule::group::{External, Group};
use watchbell_metrics::rule::{Rule, RuleName};
use watchbell_paging::calendar::Calendar;
use watchbell_paging::id::{PersonId, ScheduleId};
use watchbell_paging::route::{ChannelKind, Person};
use watchbell_paging::settings::Settings;
use watchbell_paging::time::Zone;

use crate::code::Code;
use crate::diagnostic::{Diagnostic, SourceFile};
use crate::findings::Findings;
use crate::known::Known;
use crate::prometheus_rules::Manner;
use crate::raw::{Entry, Kind};
use crate::root::{Root, SHAPE, SLO};
use crate::shape::Word;
use crate::value::{Config, Email, Slack, Webhook};
use crate::walk::{self, Fields};
use crate::{
    calendar, collect, daemon, deadman, email, history, http, person, prometheus_rules, route,
    rule, schedule, scrape, sla, slack, webhook,
};

/// What is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// A whole configuration.
    Whole,
    /// A file of rules, which may need rules of other files.
    RulesOnly,
}

/// Checks everything and builds what can be built.
pub(crate) fn check(
    root: &Root,
    sources: &[SourceFile],
    scope: Scope,
) -> (Config, Vec<Diagnostic>) {
    let mut out = Findings::new(sources);
    check_kinds(root, &mut out);
    let known = known(root, scope);
    out.enter("daemon");
    let (daemon, zone) = daemon::check(root.entry("daemon"), &mut out);
    out.enter("http");
    let http = http::check(root.entry("http"), &mut out);
    out.enter("collect");
    let collect = collect::check(root.entry("collect"), &mut out);
    out.enter("history");
    let history = history::check(root.entry("history"), &mut out);
    out.enter("deadman");
    let deadman = deadman::check(root.entry("deadman"), &mut out);
    let scrapes = named(root, "scrape", &mut out, |entry, out| {
        scrape::check(entry, out).map(|scrape| (entry.key.text.clone(), Arc::new(scrape)))
    });
    let channels = channels(root, &mut out);
    let external = Arc::new(External {
        labels: Labels::from_pairs(daemon.external_labels.iter()),
        url: http.url.clone(),
    });
    let manner = Manner { external, options: root.rule_files };
    let groups = groups(root, sources, &manner, &mut out);
    let mut rules = rules(root, &known, &mut out);
    let mut names = rules.iter().map(|rule| rule.policy.name.clone()).collect();
    rules.extend(groups.iter().flat_map(|group| group.alerts(&mut names)).map(Arc::new));
    let settings = settings(root, zone, &known, &channels, &rules, &mut out);
    let config = Config {
        settings: Arc::new(settings),
        rules,
        groups,
        daemon,
        http,
        collect,
        scrapes: scrapes.into_iter().collect(),
        history,
        slack: channels.slack,
        email: channels.email,
        webhooks: channels.webhooks,
        deadman,
        files: sources.iter().map(|source| source.path.clone()).collect(),
    };
    (config, out.take())
}

/// What can be sent over.
struct Channels {
    slack: Option<Slack>,
    email: Option<Email>,
    webhooks: BTreeMap<String, Webhook>,
}

fn channels(root: &Root, out: &mut Findings<'_>) -> Channels {
    out.enter("slack");
    let slack = slack::check(root.entry("slack"), out);
    out.enter("email");
    let email = email::check(root.entry("email"), out);
    let webhooks = named(root, "webhook", out, |entry, out| {
        webhook::check(entry, out).map(|webhook| (entry.key.text.clone(), webhook))
    });
    Channels { slack, email, webhooks: webhooks.into_iter().collect() }
}

fn rules(root: &Root, known: &Known<'_>, out: &mut Findings<'_>) -> Vec<Arc<Rule>> {
    for entry in root.named("slo") {
        out.enter("slo");
        Fields::open(&entry.node, &entry.key.place, &SLO, out);
        out.error(Code::Unsupported, &entry.key.place, "slo is not supported yet")
            .help("write a [rule.*] with `ratio` and a `target`");
    }
    let rules = named(root, "rule", out, |entry, out| rule::check(entry, known, out));
    out.enter("rule");
    check_circles(root, &rules, out);
    rules.into_iter().map(Arc::new).collect()
}

/// Reads the Prometheus rule files.
pub(crate) fn groups(
    root: &Root,
    sources: &[SourceFile],
    manner: &Manner,
    out: &mut Findings<'_>,
) -> Vec<Arc<Group>> {
    out.enter("rule");
    let mut groups = Vec::new();
    for file in &root.prometheus {
        let Some(source) = sources.get(*file) else { continue };
        let read = prometheus_rules::read(*file, source, manner, out);
        groups.extend(read.into_iter().map(Arc::new));
    }
    groups
}

/// Reports a circle of rules that need each other.
fn check_circles(root: &Root, rules: &[Rule], out: &mut Findings<'_>) {
    let mut open: BTreeMap<&RuleName, &[RuleName]> =
        rules.iter().map(|rule| (&rule.policy.name, rule.policy.needs.as_slice())).collect();
    // What needs nothing that is left is in no circle.
    loop {
        let before = open.len();
        let left: BTreeSet<&RuleName> = open.keys().copied().collect();
        open.retain(|_, needs| needs.iter().any(|need| left.contains(need)));
        if open.len() == before {
            break;
        }
    }
    let Some((first, _)) = open.first_key_value() else { return };
    let mut path: Vec<&RuleName> = vec![first];
    let circle = loop {
        let last = path.last().and_then(|name| open.get(name));
        let Some(next) = last.and_then(|needs| needs.iter().find(|need| open.contains_key(need)))
        else {
            return;
        };
        match path.iter().position(|name| *name == next) {
            Some(start) => break path.split_off(start),
            None => path.push(next),
        }
    };
    let names: Vec<&str> = circle.iter().map(|name| name.as_str()).collect();
    let entry = root.named("rule").iter().find(|one| names.contains(&one.key.text.as_str()));
    if let Some(entry) = entry {
        let message = format!("rules need each other in a circle: {}", names.join(", "));
        out.error(Code::Cycle, &entry.key.place, message).help("remove one `needs`");
    }
}

fn settings(
    root: &Root,
    zone: Zone,
    known: &Known<'_>,
    channels: &Channels,
    rules: &[Arc<Rule>],
    out: &mut Findings<'_>,
) -> Settings {
    out.enter("calendar");
    let calendar = calendar::check(root.entry("calendar"), &zone, out);
    let calendars = named(root, "calendars", out, |entry, out| {
        Some((entry.key.text.clone(), calendar::check(Some(entry), &zone, out)))
    });
    out.enter("sla");
    let promises = sla::check(root.entry("sla"), out);
    let people = named(root, "person", out, |entry, out| {
        person::check(entry, known, out).map(|person| (person.id.clone(), person))
    });
    let schedules = named(root, "schedule", out, |entry, out| {
        schedule::check(entry, &zone, known, out).map(|one| (one.id.clone(), one))
    });
    out.enter("route");
    let routes = route::check(root.items("route"), known, &promises, out);
    let people: BTreeMap<PersonId, Person> = people.into_iter().collect();
    let calendars: BTreeMap<String, Calendar> = calendars.into_iter().collect();
    check_ambiguous(root, out);
    let mut settings = Settings {
        channels: kinds(channels, &people),
        zone,
        calendar,
        calendars,
        promises,
        people,
        schedules: schedules.into_iter().collect(),
        routes,
        rules: rules.iter().map(|rule| (rule.policy.name.clone(), rule.policy.clone())).collect(),
    };
    drop_dangling(&mut settings);
    settings
}

/// Reports names that routes could not tell apart.
fn check_ambiguous(root: &Root, out: &mut Findings<'_>) {
    out.enter("schedule");
    let people: BTreeMap<&str, &Entry> =
        root.named("person").iter().map(|entry| (entry.key.text.as_str(), entry)).collect();
    for schedule in root.named("schedule") {
        let name = schedule.key.text.as_str();
        if let Some(person) = people.get(name) {
            let message = format!("{name:?} is a person and a schedule");
            out.error(Code::DuplicateName, &schedule.key.place, message)
                .also(&person.key.place, "the person is here")
                .help("routes page both by name: rename one of them");
        }
    }
}

fn kinds(channels: &Channels, people: &BTreeMap<PersonId, Person>) -> BTreeSet<ChannelKind> {
    let has_terminal = people.values().any(|person| person.terminal);
    [
        (ChannelKind::Slack, channels.slack.is_some()),
        (ChannelKind::Email, channels.email.is_some()),
        (ChannelKind::Webhook, !channels.webhooks.is_empty()),
        (ChannelKind::Terminal, has_terminal),
    ]
    .into_iter()
    .filter_map(|(kind, is_there)| is_there.then_some(kind))
    .collect()
}

/// Removes references to what was left out because of its own fault.
fn drop_dangling(settings: &mut Settings) {
    use watchbell_paging::route::Pageable;
    let people: BTreeSet<PersonId> = settings.people.keys().cloned().collect();
    let schedules: BTreeSet<ScheduleId> = settings.schedules.keys().cloned().collect();
    let is_there = |one: &Pageable| match one {
        Pageable::Person(id) => people.contains(id),
        Pageable::Schedule(id) => schedules.contains(id),
    };
    for route in &mut settings.routes {
        route.page.retain(is_there);
        route.fallback.retain(is_there);
        for step in &mut route.escalate {
            step.page.retain(is_there);
        }
    }
}

/// Reads every table of a kind that has names.
fn named<T>(
    root: &Root,
    table: &str,
    out: &mut Findings<'_>,
    mut read: impl FnMut(&Entry, &mut Findings<'_>) -> Option<T>,
) -> Vec<T> {
    out.enter(table);
    root.named(table).iter().filter_map(|entry| read(entry, out)).collect()
}

/// Reports top-level keys of the wrong kind, such as `[route]` where `[[route]]` is due.
fn check_kinds(root: &Root, out: &mut Findings<'_>) {
    for entry in &root.entries {
        let name = entry.key.text.as_str();
        out.enter(name);
        match SHAPE.field(name).map(|field| &field.word) {
            Some(Word::Map(_)) if !matches!(entry.node.kind, Kind::Table(_)) => {
                out.error(Code::WrongType, &entry.node.place, format!("{name} holds named tables"))
                    .help(format!("write [{name}.NAME]"));
            }
            Some(Word::List(Word::Table(_))) if !matches!(entry.node.kind, Kind::Array(_)) => {
                out.error(Code::WrongType, &entry.key.place, format!("{name} is a list of tables"))
                    .help(format!("write [[{name}]] with two brackets"));
            }
            Some(Word::List(Word::Text)) => {
                walk::texts(&entry.node, out);
            }
            Some(_) | None => {}
        }
    }
}

fn known(root: &Root, scope: Scope) -> Known<'_> {
    let names = |table: &str| -> BTreeSet<&str> {
        root.named(table).iter().map(|entry| entry.key.text.as_str()).collect()
    };
    Known {
        people: names("person"),
        schedules: names("schedule"),
        webhooks: names("webhook"),
        calendars: names("calendars"),
        rules: (scope == Scope::Whole).then(|| names("rule")),
        slack: root.entry("slack").is_some(),
        email: root.entry("email").is_some(),
    }
}
