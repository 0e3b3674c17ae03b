//! `incidents`, `incident`, `why`: what happened, for the person who was woken.

use clap::{Args, ValueEnum};
use serde_json::Value;
use watchbell_paging::id::IncidentId;
use watchbell_paging::time::{Timestamp, format_duration};

use crate::cli::Context;
use crate::cli::out::{Exit, Failure, one_line};

/// The most characters of a title in a list.
const TITLE_MAX: usize = 100;

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Which ones
    #[arg(long, value_enum, default_value = "open")]
    state: State,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum State {
    Open,
    Triggered,
    Acked,
    Resolved,
    All,
}

#[derive(Debug, Args)]
pub(crate) struct IncidentArgs {
    /// The incident's number: 42, #42 or INC-42
    id: String,
}

pub(crate) fn list(context: &Context, args: &ListArgs) -> Result<Exit, Failure> {
    let word = args.state.to_possible_value().map_or_else(String::new, |v| v.get_name().to_owned());
    let incidents = context.get(&format!("/api/watchbell/v1/incidents?state={word}"))?;
    if context.out.json {
        context.out.value(&incidents)?;
        return Ok(Exit::Ok);
    }
    let rows: Vec<Vec<String>> = items(&incidents)
        .iter()
        .map(|one| {
            vec![
                format!("#{}", text(one, "id")),
                say(one, "severity"),
                say(one, "state"),
                when(one, "fired_at"),
                say(one, "acked_by"),
                promise(one),
                short(&say(one, "title")),
            ]
        })
        .collect();
    if rows.is_empty() {
        context.out.line(if word == "open" { "no open incidents" } else { "no incidents" });
        return Ok(Exit::Ok);
    }
    let head = ["id", "severity", "state", "fired", "who", "promise", "title"];
    context.out.table(&head, rows);
    Ok(Exit::Ok)
}

pub(crate) fn show(context: &Context, args: &IncidentArgs) -> Result<Exit, Failure> {
    let incident = fetch(context, &args.id)?;
    if context.out.json {
        context.out.value(&incident)?;
        return Ok(Exit::Ok);
    }
    heading(context, &incident);
    for alert in items(incident.get("alerts").unwrap_or(&Value::Null)) {
        let summary = alert.get("summary").and_then(Value::as_str).unwrap_or_default();
        context.out.line(format!(
            "  {} {} since {} {}",
            say(alert, "level"),
            say(alert, "value_text"),
            when(alert, "since"),
            one_line(summary),
        ));
    }
    timeline(context, &incident);
    Ok(Exit::Ok)
}

pub(crate) fn why(context: &Context, args: &IncidentArgs) -> Result<Exit, Failure> {
    let incident = fetch(context, &args.id)?;
    if context.out.json {
        context.out.value(incident.get("timeline").unwrap_or(&Value::Null))?;
        return Ok(Exit::Ok);
    }
    heading(context, &incident);
    timeline(context, &incident);
    Ok(Exit::Ok)
}

/// Reads an incident's number as people type it.
pub(crate) fn number(id: &str) -> Result<IncidentId, Failure> {
    IncidentId::parse(id)
        .ok_or_else(|| Failure::usage(format!("{id:?} is no incident; write 42, #42 or INC-42")))
}

/// Returns a field as people read it; an absent one is a dash.
pub(crate) fn say(value: &Value, key: &str) -> String {
    let text = text(value, key);
    if text.is_empty() { "-".to_owned() } else { text }
}

/// Returns a field as text; an absent one is empty.
pub(crate) fn text(value: &Value, key: &str) -> String {
    match value.get(key) {
        Some(Value::String(text)) => one_line(text),
        Some(Value::Null) | None => String::new(),
        Some(other) => one_line(&other.to_string()),
    }
}

/// Returns an instant to the second; an absent one is a dash. `--json` has the milliseconds.
pub(crate) fn when(value: &Value, key: &str) -> String {
    let Some(at) = instant(value, key) else { return say(value, key) };
    at.to_rfc3339_seconds().replace('T', " ").replace('Z', " UTC")
}

/// Words how the promise stands: while it runs, until when.
fn promise(incident: &Value) -> String {
    let word = say(incident, "sla").replace('_', " ");
    match word.as_str() {
        "running" if incident.get("breached_at").is_some_and(|at| !at.is_null()) => {
            "broken".to_owned()
        }
        "running" if instant(incident, "deadline").is_some() => {
            format!("until {}", when(incident, "deadline"))
        }
        _ => word,
    }
}

/// Cuts a title so that a list stays a list.
fn short(title: &str) -> String {
    if title.chars().count() <= TITLE_MAX {
        return title.to_owned();
    }
    title.chars().take(TITLE_MAX - 1).chain(['…']).collect()
}

/// Returns the elements of an array; nothing of anything else.
pub(crate) fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn fetch(context: &Context, id: &str) -> Result<Value, Failure> {
    context.get(&format!("/api/watchbell/v1/incidents/{}", number(id)?))
}

fn heading(context: &Context, incident: &Value) {
    let drill = if incident.get("drill") == Some(&Value::Bool(true)) { " (drill)" } else { "" };
    context.out.line(format!("#{} {}{drill}", text(incident, "id"), say(incident, "title")));
    let mut facts = vec![format!("{}, {}", say(incident, "severity"), say(incident, "state"))];
    facts.push(format!("promise {}", promise(incident)));
    if let Some(cause) = incident.get("breach_cause").and_then(Value::as_str) {
        facts.push(format!("broken by {cause}"));
    }
    if let Some(who) = incident.get("acked_by").and_then(Value::as_str) {
        let over = text(incident, "state") == "resolved";
        facts.push(format!("{} {}", one_line(who), if over { "answered" } else { "has it" }));
    }
    facts.push(format!("route {}", say(incident, "route")));
    context.out.line(format!("  {}", facts.join("; ")));
}

/// Each line with its seconds after the first bad sample (or the first line).
fn timeline(context: &Context, incident: &Value) {
    let lines = items(incident.get("timeline").unwrap_or(&Value::Null));
    let zero = instant(incident, "first_bad_at").or_else(|| instant(lines.first()?, "at"));
    for line in lines {
        let after = match (instant(line, "at"), zero) {
            (Some(at), Some(zero)) if zero <= at => format!("+{}", format_duration(at.since(zero))),
            (Some(at), Some(zero)) => format!("-{}", format_duration(zero.since(at))),
            (Some(_), None) | (None, Some(_) | None) => String::new(),
        };
        context.out.line(format!("  {} {after:>9}  {}", when(line, "at"), say(line, "text")));
    }
}

fn instant(value: &Value, key: &str) -> Option<Timestamp> {
    Timestamp::parse_rfc3339(value.get(key)?.as_str()?).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_running_promise_says_until_when_and_a_passed_one_that_it_is_broken() {
        let mut incident = json!({ "sla": "running", "deadline": "2026-11-25T04:58:58.160Z" });
        assert_eq!(promise(&incident), "until 2026-11-25 04:58:58 UTC");
        incident["breached_at"] = json!("2026-11-25T04:58:58.160Z");
        assert_eq!(promise(&incident), "broken");
        assert_eq!(promise(&json!({ "sla": "self_resolved" })), "self resolved");
        assert_eq!(promise(&json!({ "sla": "running" })), "running");
    }

    #[test]
    fn a_long_title_is_cut_between_letters() {
        assert_eq!(short("ü: 5 wait"), "ü: 5 wait");
        assert_eq!(short(&"ü".repeat(300)), format!("{}…", "ü".repeat(TITLE_MAX - 1)));
    }
}
