//! `query`: one PromQL expression, now or at an instant.

use clap::Args;
use serde_json::Value;
use watchbell_metrics::promql;
use watchbell_paging::time::Timestamp;

use crate::cli::Context;
use crate::cli::client::encode;
use crate::cli::incidents::items;
use crate::cli::out::{Exit, Failure, one_line};

#[derive(Debug, Args)]
pub(crate) struct QueryArgs {
    /// The expression: 'rate(http_requests_total[5m])'
    expr: String,
    /// At this instant instead of now: 2026-11-23T10:00:00Z
    #[arg(long, value_name = "T")]
    at: Option<String>,
}

pub(crate) fn run(context: &Context, args: &QueryArgs) -> Result<Exit, Failure> {
    if let Err(error) = promql::parse(&args.expr) {
        return Err(Failure::usage(frame(&args.expr, &error)));
    }
    let mut path = format!("/api/v1/query?query={}", encode(&args.expr));
    if let Some(at) = &args.at {
        let at = Timestamp::parse_rfc3339(at).map_err(|error| Failure::usage(error.to_string()))?;
        path.push_str(&format!("&time={}", encode(&at.to_rfc3339())));
    }
    let answer = context.get(&path)?;
    let data = answer.get("data").unwrap_or(&Value::Null);
    if context.out.json {
        context.out.value(data)?;
        return Ok(Exit::Ok);
    }
    for warning in items(answer.get("warnings").unwrap_or(&Value::Null)) {
        context.out.warn(warning.as_str().unwrap_or_default());
    }
    print(context, data);
    Ok(Exit::Ok)
}

fn print(context: &Context, data: &Value) {
    let result = data.get("result").unwrap_or(&Value::Null);
    let value = |pair: &Value| {
        pair.get(1).and_then(Value::as_str).map_or_else(|| pair.to_string(), one_line)
    };
    match data.get("resultType").and_then(Value::as_str) {
        Some("vector") => {
            if items(result).is_empty() {
                context.out.note("no series matches");
            }
            for series in items(result) {
                let sample = series.get("value").map(value).unwrap_or_default();
                context.out.line(format!("{} {sample}", metric(series)));
            }
        }
        Some("matrix") => {
            for series in items(result) {
                for pair in items(series.get("values").unwrap_or(&Value::Null)) {
                    let at = pair.get(0).map(Value::to_string).unwrap_or_default();
                    context.out.line(format!("{} {} @{at}", metric(series), value(pair)));
                }
            }
        }
        Some(_) | None => context.out.line(value(result)),
    }
}

fn metric(series: &Value) -> String {
    let Some(labels) = series.get("metric").and_then(Value::as_object) else {
        return "{}".to_owned();
    };
    let pairs = labels.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)));
    one_line(&watchbell_metrics::label::Labels::from_pairs(pairs).to_string())
}

/// The text with a caret under the fault.
fn frame(text: &str, error: &promql::ParseError) -> String {
    let before = text.get(..error.span.start).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = text.get(line_start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let column = before.get(line_start..).unwrap_or_default().chars().count();
    let length = text.get(error.span.clone()).map_or(1, |part| part.chars().count()).max(1);
    let carets = "^".repeat(length.min(line.chars().count().saturating_sub(column).max(1)));
    let help = error.help.as_ref().map_or_else(String::new, |help| format!("\n  help: {help}"));
    format!("{error}\n  {line}\n  {}{carets}{help}", " ".repeat(column))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_shown_under_its_place() {
        let error = promql::ParseError {
            span: 4..7,
            message: "no such function".to_owned(),
            help: Some("did you mean \"sum\"?".to_owned()),
        };
        let shown = frame("1 + smu(x)", &error);
        assert_eq!(
            shown,
            "no such function\n  1 + smu(x)\n      ^^^\n  help: did you mean \"sum\"?"
        );
    }
}
