//! `silence`, `silences`, `unsilence`: muting notifications for a while.

use clap::Args;
use http::Method;
use serde_json::json;

use crate::cli::incidents::{items, say, text, when};
use crate::cli::out::{Exit, Failure};
use crate::cli::{ActorArgs, Context};

#[derive(Debug, Args)]
pub(crate) struct SilenceArgs {
    /// For how long: 30m, 2h
    #[arg(value_name = "DUR")]
    duration: String,
    /// Which alerts: 'alertname="disk_space",instance=~"db.*"'
    matchers: String,
    /// Why, for those who wonder later
    reason: String,
    #[command(flatten)]
    actor: ActorArgs,
}

#[derive(Debug, Args)]
pub(crate) struct UnsilenceArgs {
    /// The silence's id, from `watchbell silences`
    id: String,
    #[command(flatten)]
    actor: ActorArgs,
}

pub(crate) fn add(context: &Context, args: &SilenceArgs) -> Result<Exit, Failure> {
    let body = json!({
        "for": args.duration,
        "matchers": args.matchers,
        "reason": args.reason,
        "by": args.actor.name(),
    });
    let silence = context.post("/api/watchbell/v1/silences", &body)?;
    if context.out.json {
        context.out.value(&silence)?;
    } else {
        context.out.line(say(&silence, "id"));
    }
    Ok(Exit::Ok)
}

pub(crate) fn list(context: &Context) -> Result<Exit, Failure> {
    let silences = context.get("/api/watchbell/v1/silences")?;
    if context.out.json {
        context.out.value(&silences)?;
        return Ok(Exit::Ok);
    }
    let rows: Vec<Vec<String>> = items(&silences)
        .iter()
        .map(|one| {
            let mut row = ["id", "until", "by", "matchers", "reason"].map(|key| say(one, key));
            row[1] = when(one, "until");
            row.to_vec()
        })
        .collect();
    if rows.is_empty() {
        context.out.line("no silences");
        return Ok(Exit::Ok);
    }
    context.out.table(&["id", "until", "by", "matchers", "reason"], rows);
    Ok(Exit::Ok)
}

pub(crate) fn end(context: &Context, args: &UnsilenceArgs) -> Result<Exit, Failure> {
    let path = format!(
        "/api/watchbell/v1/silences/{}?by={}",
        super::client::encode(&args.id),
        super::client::encode(&args.actor.name())
    );
    let answered = context.ask(Method::DELETE, &path, None)?;
    if !answered.status.is_success() {
        return Err(Failure::problem(text(&answered.body, "error")));
    }
    Ok(Exit::Ok)
}
