//! `sla deadline`: the promise as an instant.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use watchbell_paging::level::Severity;
use watchbell_paging::sla::deadline;
use watchbell_paging::time::Timestamp;

use crate::cli::Context;
use crate::cli::out::{Exit, Failure};
use crate::clock::Clock;

#[derive(Debug, Args)]
pub(crate) struct SlaArgs {
    #[command(subcommand)]
    command: SlaCommand,
}

#[derive(Debug, Subcommand)]
enum SlaCommand {
    /// By when a person must have answered
    Deadline(DeadlineArgs),
}

#[derive(Debug, Args)]
struct DeadlineArgs {
    /// The severity
    #[arg(value_enum)]
    severity: SeverityWord,
    /// When it fired [default: now]
    #[arg(long, value_name = "T")]
    at: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SeverityWord {
    Critical,
    Warning,
    Info,
}

pub(crate) fn run(context: &Context, args: &SlaArgs) -> Result<Exit, Failure> {
    let SlaCommand::Deadline(args) = &args.command;
    let severity = match args.severity {
        SeverityWord::Critical => Severity::Critical,
        SeverityWord::Warning => Severity::Warning,
        SeverityWord::Info => Severity::Info,
    };
    let fired = instant_or_now(args.at.as_deref())?;
    let checked = context.load_tables(&["sla", "calendar", "daemon"])?;
    let settings = &checked.config.settings;
    let Some(at) = deadline(severity, fired, &settings.promises, &settings.calendar) else {
        return Err(Failure::problem(
            "the calendar has no business day within 366 days of that instant",
        ));
    };
    if context.out.json {
        context.out.value(&json!({ "deadline": plain(at) }))?;
    } else {
        context.out.line(plain(at));
    }
    Ok(Exit::Ok)
}

/// Reads an instant, or takes now.
pub(crate) fn instant_or_now(text: Option<&str>) -> Result<Timestamp, Failure> {
    match text {
        Some(text) => {
            Timestamp::parse_rfc3339(text).map_err(|error| Failure::usage(error.to_string()))
        }
        None => Ok(Clock::start().now()),
    }
}

/// RFC 3339 in UTC; a fraction only where there is one.
pub(crate) fn plain(at: Timestamp) -> String {
    if at.as_millis().rem_euclid(1000) == 0 { at.to_rfc3339_seconds() } else { at.to_rfc3339() }
}
