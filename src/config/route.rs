//! `[[route]]`: which alerts, whom they page, what happens when nobody answers.

use std::collections::BTreeMap;

use watchbell_metrics::label::Matchers;
use watchbell_paging::id::{PersonId, ScheduleId};
use watchbell_paging::level::Severity;
use watchbell_paging::route::{Pageable, PostTarget, Route, Step};
use watchbell_paging::sla::{Promise, Promises};

use crate::code::Code;
use crate::diagnostic::Place;
use crate::email::is_address;
use crate::findings::Findings;
use crate::known::Known;
use crate::moment;
use crate::raw::{Kind, Node};
use crate::scrape::is_label_name;
use crate::shape::{Shape, Word, key, with};
use crate::walk::{self, Fields};

pub(crate) static SHAPE: Shape = Shape {
    doc: "Routes are tried in order; the first that matches wins, the last has no `match`.",
    keys: &[
        key("name", Word::Text, "Its name, part of every incident's key."),
        key("match", Word::Matchers, "Which alerts. Absent: all; only the last route may."),
        key("page", Word::List(&Word::Text), "People and schedules that are paged."),
        key(
            "post",
            Word::List(&Word::Text),
            "Slack channels, e-mail addresses, hooks: \"#prod-ops\", \"ops@example.org\", \
             \"webhook:pagerduty\".",
        ),
        key(
            "escalate",
            Word::List(&Word::Table(&STEP)),
            "Later steps, counted from firing. Default for critical: the next in turn at 2m, the \
             fallback at 4m.",
        ),
        key(
            "fallback",
            Word::List(&Word::Text),
            "Who is paged when nobody above is on call; mandatory where critical alerts can come.",
        ),
        with(
            "group_by",
            Word::List(&Word::Text),
            "[\"alertname\", \"service\"]",
            "Labels that an incident's alerts share.",
        ),
        with(
            "group_wait",
            Word::Duration,
            "0s",
            "How long a new incident below critical waits for more alerts.",
        ),
        with(
            "group_interval",
            Word::Duration,
            "5m",
            "How long between notices of alerts that joined.",
        ),
        key(
            "repeat",
            Word::Duration,
            "How long after the last step the chain starts again. Default for critical: 5m.",
        ),
        key(
            "mute",
            Word::List(&Word::Text),
            "Names of [calendars.*]; during their hours notifications of this route are muted.",
        ),
        key(
            "digest",
            Word::Text,
            "Info only: collected, and posted once a day at this local time, \"09:00\".",
        ),
        key(
            "ack_timeout",
            Word::Duration,
            "When an acknowledgement expires while the alert still fires. Default: 30m for \
             critical, 2h for warning.",
        ),
    ],
};

static STEP: Shape = Shape {
    doc: "A step of an escalation.",
    keys: &[
        key("at", Word::Duration, "When, counted from firing."),
        key("page", Word::List(&Word::Text), "People and schedules."),
    ],
};

const SEVERITIES: [Severity; 3] = [Severity::Critical, Severity::Warning, Severity::Info];

/// Reads all routes.
pub(crate) fn check(
    nodes: &[Node],
    known: &Known<'_>,
    promises: &Promises,
    out: &mut Findings<'_>,
) -> Vec<Route> {
    let mut routes = Vec::new();
    let mut names: BTreeMap<String, &Place> = BTreeMap::new();
    let mut taken: Vec<Severity> = Vec::new();
    let mut everything: Option<&Place> = None;
    for (index, node) in nodes.iter().enumerate() {
        let faults = out.errors();
        let Some(fields) = Fields::open(node, &node.place, &SHAPE, out) else { continue };
        let is_last = index + 1 == nodes.len();
        if let Some(first) = everything {
            out.error(Code::UnreachableRoute, &node.place, "no alert ever comes to this route")
                .also(first, "this route has no `match` and takes everything");
        }
        let Some(route) = route(&fields, is_last, known, out) else { continue };
        if let Some(first) = names.insert(route.name.to_string(), fields.place) {
            let place = fields.node("name").map_or(fields.place, |node| &node.place);
            out.error(
                Code::DuplicateName,
                place,
                format!("the route {:?} is defined twice", route.name.as_str()),
            )
            .also(first, "first defined here");
        }
        let seen = severities(&route.matchers, &taken);
        if everything.is_none() {
            check_promises(&fields, &route, &seen, promises, out);
        }
        if fields.node("match").is_none() {
            everything = everything.or(Some(fields.place));
        } else if route.matchers.0.iter().all(|matcher| matcher.name() == "severity") {
            taken.extend(seen);
        }
        // A route of which a part is missing would page the wrong people.
        if faults == out.errors() {
            routes.push(route);
        }
    }
    routes
}

fn route(
    fields: &Fields<'_>,
    is_last: bool,
    known: &Known<'_>,
    out: &mut Findings<'_>,
) -> Option<Route> {
    let name = fields.required("name", "name = \"critical\"", out);
    let name = name.and_then(|node| walk::text(node, out));
    let matchers = match fields.entry("match") {
        None => Some(Matchers::default()),
        Some(entry) => {
            if is_last {
                out.error(Code::LastRouteMatch, &entry.key.place, "the last route has a `match`")
                    .label("what no route matches would go nowhere")
                    .help("remove it, or add a last route without `match`");
            }
            walk::matchers(&entry.node, out)
        }
    };
    let mut route = Route::new(name.unwrap_or_default());
    route.page = pageables(fields, "page", known, out);
    route.fallback = pageables(fields, "fallback", known, out);
    let posts = fields.texts("post", out);
    route.post = posts.iter().filter_map(|(text, node)| target(text, node, known, out)).collect();
    route.escalate = escalation(fields, known, out);
    grouping(fields, &mut route, out);
    route.repeat = fields.period("repeat", out);
    route.ack_timeout = fields.period("ack_timeout", out);
    route.digest = fields.node("digest").and_then(|node| moment::clock(node, out));
    for (name, node) in fields.texts("mute", out) {
        if known.calendars.contains(name) {
            route.mute.push(name.to_owned());
        } else {
            let message = format!("there is no calendar {name:?}");
            let names = known.calendars.iter().copied();
            walk::unknown_name(Code::UnknownCalendar, node, message, names, out);
        }
    }
    route.matchers = matchers?;
    name.map(|_| route)
}

fn grouping(fields: &Fields<'_>, route: &mut Route, out: &mut Findings<'_>) {
    if let Some(node) = fields.node("group_by") {
        let names = walk::texts(node, out);
        for (name, node) in names.iter().filter(|(name, _)| !is_label_name(name)) {
            out.error(Code::BadLabel, &node.place, format!("{name:?} cannot be a label's name"));
        }
        route.group_by = names.iter().map(|(name, _)| (*name).to_owned()).collect();
    }
    route.group_wait = fields.duration("group_wait", out).unwrap_or(route.group_wait);
    route.group_interval = fields.period("group_interval", out).unwrap_or(route.group_interval);
}

fn escalation(fields: &Fields<'_>, known: &Known<'_>, out: &mut Findings<'_>) -> Vec<Step> {
    let nodes = fields.node("escalate").and_then(|node| walk::array(node, out));
    let mut steps: Vec<Step> = Vec::new();
    for node in nodes.unwrap_or_default() {
        let Some(step) = Fields::open(node, &node.place, &STEP, out) else { continue };
        let at = step.required("at", "at = \"2m\"", out);
        step.required("page", "page = [\"backend\"]", out);
        let page = pageables(&step, "page", known, out);
        let Some(time) = at.and_then(|node| walk::duration(node, out)) else { continue };
        if steps.last().is_some_and(|last| time < last.at) {
            let place = at.map_or(&node.place, |node| &node.place);
            out.error(Code::BadValue, place, "the step comes before the one above it")
                .help("write the steps in order of time");
        }
        steps.push(Step { at: time, page });
    }
    steps
}

fn pageables(
    fields: &Fields<'_>,
    name: &str,
    known: &Known<'_>,
    out: &mut Findings<'_>,
) -> Vec<Pageable> {
    let texts = fields.texts(name, out);
    texts.into_iter().filter_map(|(text, node)| pageable(text, node, known, out)).collect()
}

fn pageable(
    text: &str,
    node: &Node,
    known: &Known<'_>,
    out: &mut Findings<'_>,
) -> Option<Pageable> {
    if known.schedules.contains(text) {
        return Some(Pageable::Schedule(ScheduleId::from(text)));
    }
    if known.people.contains(text) {
        return Some(Pageable::Person(PersonId::from(text)));
    }
    let message = format!("there is no person and no schedule {text:?}");
    let names = known.schedules.iter().chain(&known.people).copied();
    walk::unknown_name(Code::UnknownName, node, message, names, out);
    None
}

/// Takes `#channel`, a Slack id, an address, or `webhook:name`.
fn target(
    text: &str,
    node: &Node,
    known: &Known<'_>,
    out: &mut Findings<'_>,
) -> Option<PostTarget> {
    if let Some(name) = text.strip_prefix("webhook:") {
        if known.webhooks.contains(name) {
            return Some(PostTarget::Webhook(name.to_owned()));
        }
        let message = format!("there is no webhook {name:?}");
        let names: Vec<String> =
            known.webhooks.iter().map(|name| format!("webhook:{name}")).collect();
        let names = names.iter().map(String::as_str);
        walk::unknown_name(Code::UnknownWebhook, node, message, names, out);
        return None;
    }
    let (found, is_configured, table) = if is_channel(text) {
        (PostTarget::Slack(text.to_owned()), known.slack, "[slack]")
    } else if is_address(text) {
        (PostTarget::Email(text.to_owned()), known.email, "[email]")
    } else {
        out.error(Code::BadAddress, &node.place, format!("{text:?} is nothing to post to"))
            .help("write \"#prod-ops\", \"ops@example.org\" or \"webhook:pagerduty\"");
        return None;
    };
    if !is_configured {
        out.error(
            Code::NoChannel,
            &node.place,
            format!("{text:?} needs {table}, which is missing"),
        )
        .help(format!("add {table}, or post elsewhere"));
        return None;
    }
    Some(found)
}

/// `#name`, or an id such as `C024BE91L`.
fn is_channel(text: &str) -> bool {
    let is_id = text.starts_with(['C', 'G', 'D'])
        && 9 <= text.len()
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    is_id || text.strip_prefix('#').is_some_and(|name| !name.is_empty() && !name.contains(' '))
}

/// The severities that can come to a route whose predecessors took some of them whole.
fn severities(matchers: &Matchers, taken: &[Severity]) -> Vec<Severity> {
    let comes = |severity: &Severity| {
        let mut own = matchers.0.iter().filter(|matcher| matcher.name() == "severity");
        !taken.contains(severity) && own.all(|matcher| matcher.is_match(severity.as_str()))
    };
    SEVERITIES.into_iter().filter(comes).collect()
}

fn check_promises(
    fields: &Fields<'_>,
    route: &Route,
    seen: &[Severity],
    promises: &Promises,
    out: &mut Findings<'_>,
) {
    let has_fallback = fields.node("fallback").is_some_and(|node| !is_empty(node));
    if seen.contains(&Severity::Critical) && !has_fallback {
        out.error(
            Code::MissingFallback,
            fields.place,
            "a critical alert can take this route, and it has no fallback",
        )
        .help("add fallback = [\"ana\"]: who is paged when nobody is on call");
    }
    let Some(strictest) = seen.first() else { return };
    let Promise::Within(promise) = promises.of(*strictest) else { return };
    let Some(Kind::Array(nodes)) = fields.node("escalate").map(|node| &node.kind) else { return };
    for (step, node) in route.escalate.iter().zip(nodes) {
        if step.at < promise {
            continue;
        }
        let words = watchbell_paging::time::format_duration;
        let message = format!(
            "the step at {} comes after the promise for {strictest} ({}) is broken",
            words(step.at),
            words(promise)
        );
        out.warning(Code::LateEscalation, &node.place, message)
            .help("escalate earlier, or promise less in [sla]");
    }
}

fn is_empty(node: &Node) -> bool {
    matches!(&node.kind, Kind::Array(items) if items.is_empty())
}
