//! `oncall ics`: the shifts of a schedule for a calendar.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};
use watchbell_paging::duty::{Feed, Override, Schedule, shifts};
use watchbell_paging::id::PersonId;
use watchbell_paging::settings::Settings;
use watchbell_paging::time::Timestamp;

use crate::cli::Context;
use crate::cli::incidents::items;
use crate::cli::oncall::find;
use crate::cli::out::{Exit, Failure};
use crate::cli::sla::{instant_or_now, plain};
use crate::links::host_of;

const WEEK: Duration = Duration::from_secs(7 * 86_400);

#[derive(Debug, Args)]
pub(super) struct IcsArgs {
    /// The schedule's name
    schedule: String,
    /// Only this person's shifts
    #[arg(long, value_name = "PERSON")]
    person: Option<String>,
    /// How far ahead
    #[arg(
        long, value_name = "N", default_value = "8",
        value_parser = clap::value_parser!(u32).range(1..=104)
    )]
    weeks: u32,
    /// Print the secret address under which the daemon publishes it instead
    #[arg(long)]
    url: bool,
}

pub(super) fn run(context: &Context, args: &IcsArgs) -> Result<Exit, Failure> {
    if args.url {
        return show_url(context, args);
    }
    let checked = context.load_tables(&["schedule", "person", "daemon"])?;
    let settings = &checked.config.settings;
    let schedule = find(settings, &args.schedule)?;
    let person = args.person.as_deref().map(|name| known(settings, name)).transpose()?;
    let extra = changes(context, schedule)?;
    let now = instant_or_now(None)?;
    let to = now.plus(WEEK * args.weeks);
    if context.out.json {
        let is_asked = |one: &PersonId| person.is_none_or(|person| person == one);
        let shifts = shifts(schedule, &extra, now, to).into_iter();
        let rows = shifts.filter(|shift| is_asked(&shift.person)).map(
            |one| json!({ "from": plain(one.from), "to": plain(one.to), "person": one.person }),
        );
        context.out.value(&rows.collect::<Vec<Value>>())?;
        return Ok(Exit::Ok);
    }
    let people: &BTreeMap<_, _> = &settings.people;
    let host = host_of(&checked.config.http.url);
    let feed = Feed { schedule, extra: &extra, people, person, host: &host };
    context.out.text(&feed.write(now, to, now));
    Ok(Exit::Ok)
}

fn known<'a>(settings: &'a Settings, name: &str) -> Result<&'a PersonId, Failure> {
    let found = settings.people.get_key_value(&PersonId::from(name)).map(|(id, _)| id);
    found.ok_or_else(|| {
        let names: Vec<&str> = settings.people.keys().map(PersonId::as_str).collect();
        Failure::usage(format!("there is no person {name:?}; there are: {}", names.join(", ")))
    })
}

/// The changes that the daemon knows; without it the configuration alone is shown.
fn changes(context: &Context, schedule: &Schedule) -> Result<Vec<Override>, Failure> {
    let answer = match context.get("/api/watchbell/v1/overrides") {
        Ok(answer) => answer,
        Err(failure) if failure.exit == Exit::Unreachable => {
            context.out.warn("the daemon cannot be reached: changes made at run time are missing");
            return Ok(Vec::new());
        }
        Err(failure) => return Err(failure),
    };
    let text = |row: &Value, key: &str| row.get(key).and_then(Value::as_str).map(str::to_owned);
    let of_schedule =
        |row: &&Value| row.get("schedule").and_then(Value::as_str) == Some(schedule.id.as_str());
    let change = |row: &Value| {
        let person = |key| text(row, key).map(|name| PersonId::from(name.as_str()));
        let at = |key| Timestamp::parse_rfc3339(&text(row, key).unwrap_or_default()).ok();
        let (why, by) = (text(row, "why"), text(row, "by"));
        let (add, remove) = (person("add"), person("remove"));
        Some(Override { add, remove, from: at("from")?, to: at("to")?, why, by })
    };
    let rows = items(&answer).iter().filter(of_schedule);
    rows.map(change)
        .collect::<Option<Vec<Override>>>()
        .ok_or_else(|| Failure::problem("the daemon's answer about changes cannot be read"))
}

fn show_url(context: &Context, args: &IcsArgs) -> Result<Exit, Failure> {
    let answer = context.get("/api/watchbell/v1/oncall/feeds")?;
    let text = |row: &Value, key: &str| row.get(key).and_then(Value::as_str).map(str::to_owned);
    let row = items(&answer).iter().find(|row| {
        text(row, "schedule").as_deref() == Some(&args.schedule)
            && text(row, "person") == args.person
    });
    let url = row.and_then(|row| text(row, "url")).ok_or_else(|| {
        let of = args.person.as_ref().map_or_else(String::new, |person| format!(" for {person}"));
        Failure::problem(format!("the daemon has no schedule {:?}{of}", args.schedule))
    })?;
    if context.out.json {
        context.out.value(&json!({ "url": url }))?;
    } else {
        context.out.line(url);
    }
    Ok(Exit::Ok)
}
