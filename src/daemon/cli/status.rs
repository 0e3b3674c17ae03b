//! `status`, `rules`, `targets`: what a person asks first.

use serde_json::Value;

use crate::cli::Context;
use crate::cli::incidents::{items, say, text};
use crate::cli::out::{Exit, Failure};

pub(crate) fn status(context: &Context) -> Result<Exit, Failure> {
    let status = context.get("/api/watchbell/v1/status")?;
    if context.out.json {
        context.out.value(&status)?;
        return Ok(Exit::Ok);
    }
    let Some(fields) = status.as_object() else {
        return Err(Failure::problem("the daemon's answer is no object"));
    };
    let rows: Vec<(String, String)> = fields
        .iter()
        .flat_map(|(name, value)| match value {
            Value::Object(inner) => inner
                .iter()
                .map(|(part, _)| (format!("{name} {part}"), say(value, part)))
                .collect::<Vec<_>>(),
            Value::Array(inner) => {
                let words: Vec<String> = inner
                    .iter()
                    .map(|one| one.as_str().map_or_else(|| one.to_string(), str::to_owned))
                    .collect();
                vec![(name.clone(), words.join(", "))]
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                vec![(name.clone(), say(&status, name))]
            }
        })
        .collect();
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, value) in rows {
        context.out.line(format!("{:width$}  {value}", name.replace('_', " ")));
    }
    let refused = status.get("refused").is_some_and(|refused| !refused.is_null());
    Ok(if refused { Exit::Problem } else { Exit::Ok })
}

pub(crate) fn rules(context: &Context) -> Result<Exit, Failure> {
    let rules = context.get("/api/watchbell/v1/rules")?;
    if context.out.json {
        context.out.value(&rules)?;
        return Ok(Exit::Ok);
    }
    let rows = items(&rules)
        .iter()
        .map(|rule| vec![say(rule, "level"), say(rule, "name"), bounds(rule), text(rule, "error")]);
    context.out.table(&["level", "rule", "bounds", "error"], rows.collect());
    Ok(Exit::Ok)
}

pub(crate) fn targets(context: &Context) -> Result<Exit, Failure> {
    let targets = context.get("/api/watchbell/v1/targets")?;
    if context.out.json {
        context.out.value(&targets)?;
        return Ok(Exit::Ok);
    }
    let labels = |target: &Value, name: &str| {
        target.get("labels").map_or_else(String::new, |labels| text(labels, name))
    };
    let rows = items(&targets).iter().map(|target| {
        vec![
            say(target, "health"),
            labels(target, "job"),
            labels(target, "instance"),
            say(target, "samples"),
            say(target, "url"),
            text(target, "last_error"),
        ]
    });
    context.out.table(&["health", "job", "instance", "samples", "url", "error"], rows.collect());
    let down = items(&targets).iter().any(|target| text(target, "health") == "down");
    Ok(if down { Exit::Problem } else { Exit::Ok })
}

fn bounds(rule: &Value) -> String {
    match rule.get("bounds") {
        Some(bounds @ Value::Object(_)) => {
            let words = ["target", "warn", "critical"].iter().filter_map(|name| {
                bounds.get(name)?.as_str().map(|bound| format!("{name} {bound}"))
            });
            words.collect::<Vec<_>>().join(", ")
        }
        Some(Value::String(text)) => text.clone(),
        Some(_) | None => String::new(),
    }
}
