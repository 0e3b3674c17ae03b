//! `route`: which route an alert takes, and who is paged when.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use serde_json::json;
use watchbell_metrics::label::{ALERT_NAME, Labels};
use watchbell_paging::escalation::{self, Target};
use watchbell_paging::id::PersonId;
use watchbell_paging::level::Severity;
use watchbell_paging::route::{PostTarget, Route};
use watchbell_paging::settings::Settings;
use watchbell_paging::time::{Timestamp, format_duration};

use crate::cli::Context;
use crate::cli::out::{Exit, Failure};
use crate::cli::sla::instant_or_now;

#[derive(Debug, Args)]
pub(crate) struct RouteArgs {
    /// Labels of an alert: alertname=error_rate severity=critical service=api
    #[arg(required = true, value_name = "NAME=VALUE")]
    labels: Vec<String>,
    /// Who would be paged at this instant instead of now
    #[arg(long, value_name = "T")]
    at: Option<String>,
}

pub(crate) fn run(context: &Context, args: &RouteArgs) -> Result<Exit, Failure> {
    let labels = read(&args.labels)?;
    let at = instant_or_now(args.at.as_deref())?;
    let checked = context.load_tables(&["route", "schedule", "person"])?;
    let settings = &checked.config.settings;
    let found = settings.routes.iter().find(|route| route.matchers.matches(&labels));
    let Some(route) = found else {
        return Err(Failure::problem("no route matches; the last route should match everything"));
    };
    let steps = steps(route, settings, severity(&labels), at);
    let posts: Vec<String> = route.post.iter().map(post).collect();
    if context.out.json {
        let steps: Vec<_> = steps
            .iter()
            .map(|(after, people)| json!({ "at": format_duration(*after), "page": people }))
            .collect();
        context.out.value(&json!({ "route": route.name, "post": posts, "steps": steps }))?;
        return Ok(Exit::Ok);
    }
    context.out.line(format!("route {}", route.name));
    if !posts.is_empty() {
        context.out.line(format!("  posts to {}", posts.join(", ")));
    }
    for (after, people) in steps {
        let names: Vec<&str> = people.iter().map(PersonId::as_str).collect();
        let names = if names.is_empty() { "nobody" } else { &names.join(", ") };
        context.out.line(format!("  after {} pages {names}", format_duration(after)));
    }
    Ok(Exit::Ok)
}

fn read(words: &[String]) -> Result<Labels, Failure> {
    let mut pairs = Vec::with_capacity(words.len());
    for word in words {
        match word.split_once('=') {
            Some((name, value)) => {
                pairs.push((name.to_owned(), value.trim_matches('"').to_owned()))
            }
            None if words.len() == 1 => pairs.push((ALERT_NAME.to_owned(), word.clone())),
            None => {
                return Err(Failure::usage(format!("{word:?} is no label; write name=value")));
            }
        }
    }
    Ok(Labels::from_pairs(pairs))
}

type Planned = (Duration, Vec<PersonId>);

/// The chain as the engine runs it if nobody answers. An empty step is passed at once, so the
/// one after it takes its place.
fn steps(route: &Route, settings: &Settings, severity: Severity, at: Timestamp) -> Vec<Planned> {
    let mut steps: Vec<Planned> = Vec::new();
    let mut passed: Option<Duration> = None;
    for stage in escalation::stages(route, severity) {
        let after = passed.unwrap_or(stage.at).min(stage.at);
        let people = escalation::people(&stage.page, settings, &BTreeMap::new(), at.plus(after));
        if people.is_empty() {
            passed = Some(after);
        } else {
            passed = None;
            steps.push((after, people));
        }
    }
    if steps.is_empty() && severity != Severity::Info {
        let fallback: Vec<Target<'_>> = route.fallback.iter().map(Target::Pageable).collect();
        let people = escalation::people(&fallback, settings, &BTreeMap::new(), at);
        steps.extend((!people.is_empty()).then_some((Duration::ZERO, people)));
    }
    steps
}

/// As Prometheus's own rules word it: `page` is critical, and what is not known is a warning.
fn severity(labels: &Labels) -> Severity {
    match labels.get("severity") {
        Some("critical" | "page") => Severity::Critical,
        Some("info") => Severity::Info,
        Some(_) | None => Severity::Warning,
    }
}

fn post(target: &PostTarget) -> String {
    match target {
        PostTarget::Slack(name) | PostTarget::Email(name) => name.clone(),
        PostTarget::Webhook(name) => format!("webhook:{name}"),
    }
}
