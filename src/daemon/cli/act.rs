//! `ack`, `resolve`, `snooze`: acting on an incident.

use clap::Args;
use serde_json::{Value, json};

use crate::cli::incidents::{say, text, when};
use crate::cli::out::{Exit, Failure};
use crate::cli::{ActorArgs, Context};

#[derive(Debug, Args)]
pub(crate) struct AckArgs {
    /// The incident's number
    id: String,
    /// A note for the timeline
    note: Option<String>,
    #[command(flatten)]
    actor: ActorArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ResolveArgs {
    /// The incident's number
    id: String,
    /// A note for the timeline
    note: Option<String>,
    /// Resolve although alerts still fire: mutes them until they clear
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    actor: ActorArgs,
}

#[derive(Debug, Args)]
pub(crate) struct SnoozeArgs {
    /// The incident's number
    id: String,
    /// For how long: 30m, 1h, 2h30m
    #[arg(value_name = "DUR")]
    duration: String,
    /// A note for the timeline
    note: Option<String>,
    #[command(flatten)]
    actor: ActorArgs,
}

pub(crate) fn ack(context: &Context, args: &AckArgs) -> Result<Exit, Failure> {
    let body = json!({ "by": args.actor.name(), "note": args.note });
    act(context, &args.id, "ack", &body)
}

pub(crate) fn resolve(context: &Context, args: &ResolveArgs) -> Result<Exit, Failure> {
    let body = json!({ "by": args.actor.name(), "note": args.note, "force": args.force });
    act(context, &args.id, "resolve", &body)
}

pub(crate) fn snooze(context: &Context, args: &SnoozeArgs) -> Result<Exit, Failure> {
    let body = json!({ "by": args.actor.name(), "note": args.note, "for": args.duration });
    act(context, &args.id, "snooze", &body)
}

fn act(context: &Context, id: &str, verb: &str, body: &Value) -> Result<Exit, Failure> {
    let id = super::incidents::number(id)?;
    let incident = context.post(&format!("/api/watchbell/v1/incidents/{id}/{verb}"), body)?;
    if context.out.json {
        context.out.value(&incident)?;
        return Ok(Exit::Ok);
    }
    if let Some(already) = incident.get("already").filter(|already| !already.is_null()) {
        let by = say(already, "by");
        context.out.warn(&format!("{by} was first, at {}", when(already, "at")));
    }
    context.out.line(format!(
        "#{} {} ({}, promise {})",
        text(&incident, "id"),
        say(&incident, "title"),
        say(&incident, "state"),
        say(&incident, "sla"),
    ));
    Ok(Exit::Ok)
}
