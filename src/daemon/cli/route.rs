//! `route`: which route an alert takes, and who is paged when.

use clap::Args;
use serde_json::json;
use watchbell_metrics::label::{ALERT_NAME, Labels};
use watchbell_paging::duty::{next_of, who};
use watchbell_paging::id::PersonId;
use watchbell_paging::route::{Pageable, PostTarget, Route};
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
    let steps = steps(route, settings, labels.get("severity").unwrap_or("warning"), at);
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

type Planned = (std::time::Duration, Vec<PersonId>);

/// The chain as the engine would run it if nobody answered.
fn steps(route: &Route, settings: &Settings, severity: &str, at: Timestamp) -> Vec<Planned> {
    let resolve = |page: &[Pageable], at: Timestamp| people(page, settings, at);
    let minutes = |count: u64| std::time::Duration::from_secs(count * 60);
    let first = match severity {
        "critical" => minutes(0),
        "warning" => minutes(10),
        _ => return Vec::new(),
    };
    let mut steps = vec![(first, resolve(&route.page, at.plus(first)))];
    if !route.escalate.is_empty() {
        steps.extend(
            route.escalate.iter().map(|step| (step.at, resolve(&step.page, at.plus(step.at)))),
        );
    } else if severity == "critical" {
        let second = at.plus(minutes(2));
        let next = route.page.iter().filter_map(|one| match one {
            Pageable::Person(_) => None,
            Pageable::Schedule(id) => {
                let schedule = settings.schedules.get(id)?;
                next_of(schedule, second, &who(schedule, &[], second))
            }
        });
        steps.push((minutes(2), next.collect()));
        steps.push((minutes(4), resolve(&route.fallback, at.plus(minutes(4)))));
    }
    if let Some((_, people)) = steps.first_mut().filter(|(_, people)| people.is_empty()) {
        *people = resolve(&route.fallback, at);
    }
    steps.retain(|(_, people)| !people.is_empty());
    steps
}

fn people(page: &[Pageable], settings: &Settings, at: Timestamp) -> Vec<PersonId> {
    let mut found = Vec::new();
    for one in page {
        let more = match one {
            Pageable::Person(person) => vec![person.clone()],
            Pageable::Schedule(id) => {
                settings.schedules.get(id).map_or_else(Vec::new, |schedule| who(schedule, &[], at))
            }
        };
        found.extend(more.into_iter().filter(|person| !found.contains(person)).collect::<Vec<_>>());
    }
    found
}

fn post(target: &PostTarget) -> String {
    match target {
        PostTarget::Slack(name) | PostTarget::Email(name) => name.clone(),
        PostTarget::Webhook(name) => format!("webhook:{name}"),
    }
}
