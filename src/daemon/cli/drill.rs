//! `drill`: an end-to-end test of the paging path, marked as one.

use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::Context;
use crate::cli::incidents::{items, say, text, when};
use crate::cli::out::{Exit, Failure};
use crate::clock::Clock;

/// How long `--wait` follows a drill.
const WAIT_MAX: Duration = Duration::from_secs(600);
const LOOK_EVERY: Duration = Duration::from_millis(500);

#[derive(Debug, Args)]
pub(crate) struct DrillArgs {
    /// `cpu` burns one core until the real CPU rule fires; `page` sends one marked page
    #[arg(default_value = "page", value_parser = ["cpu", "page"])]
    name: String,
    /// Follow it until somebody acknowledges
    #[arg(long)]
    wait: bool,
}

pub(crate) fn run(context: &Context, args: &DrillArgs) -> Result<Exit, Failure> {
    let started = context.post("/api/watchbell/v1/drill", &json!({ "name": args.name }))?;
    if !args.wait {
        if context.out.json {
            context.out.value(&started)?;
        } else {
            context.out.line(say(&started, "id"));
            context.out.note(&say(&started, "text"));
        }
        return Ok(Exit::Ok);
    }
    context.out.note(&say(&started, "text"));
    follow(context, &text(&started, "rule"), &text(&started, "incident"))
}

/// Prints new lines of the drill's timeline until it is acknowledged or over.
fn follow(context: &Context, rule: &str, incident: &str) -> Result<Exit, Failure> {
    let clock = Clock::start();
    let mut seen = 0;
    while clock.elapsed() < WAIT_MAX {
        if let Some(found) = find(context, rule, incident)? {
            let lines = items(found.get("timeline").unwrap_or(&Value::Null));
            for line in lines.iter().skip(seen) {
                context.out.line(format!("{}  {}", when(line, "at"), say(line, "text")));
            }
            seen = seen.max(lines.len());
            if matches!(text(&found, "state").as_str(), "acked" | "resolved") {
                let kept = text(&found, "sla") == "met";
                context.out.line(format!("promise {}", say(&found, "sla")));
                return Ok(if kept { Exit::Ok } else { Exit::Problem });
            }
        }
        pause();
    }
    Err(Failure::problem("nobody acknowledged within 10 minutes"))
}

fn find(context: &Context, rule: &str, incident: &str) -> Result<Option<Value>, Failure> {
    if !incident.is_empty() {
        return context.get(&format!("/api/watchbell/v1/incidents/{incident}")).map(Some);
    }
    let all = context.get("/api/watchbell/v1/incidents?state=all")?;
    let fires = |one: &&Value| {
        one.get("drill") == Some(&Value::Bool(true))
            && items(one.get("alerts").unwrap_or(&Value::Null)).iter().any(|alert| {
                alert.get("labels").is_some_and(|labels| text(labels, "alertname") == rule)
            })
    };
    Ok(items(&all).iter().find(fires).cloned())
}

#[allow(clippy::disallowed_methods, reason = "a person watches; nothing else runs in this process")]
fn pause() {
    std::thread::sleep(LOOK_EVERY);
}
