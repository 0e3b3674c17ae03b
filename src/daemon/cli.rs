//! The command line: what people type, one file per command.
//!
//! Standard output holds the answer and nothing else; warnings and errors go to standard error.

mod act;
mod backfill;
mod check;
mod client;
mod configured;
mod drill;
mod explain;
mod files;
mod incidents;
mod keys;
mod oncall;
mod out;
mod query;
mod report;
mod route;
mod run;
mod shell;
mod silence;
mod sla;
mod status;
mod stock;
mod test;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use self::out::{Exit, Failure, Out};

/// From a metric to an acknowledged page, in one binary.
///
/// Scrapes service and host metrics, evaluates target / warn / critical rules, pages who is on
/// call, escalates, and keeps the response promise. Try it: `watchbell try`.
#[derive(Debug, Parser)]
#[command(name = "watchbell", version, propagate_version = true, max_term_width = 100)]
pub(crate) struct Cli {
    /// The configuration's main file [default: /etc/watchbell/watchbell.toml]
    #[arg(long, global = true, env = "WATCHBELL_CONFIG", value_name = "PATH")]
    config: Option<PathBuf>,
    /// Print the answer as JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Watch this host at once: no configuration, no root
    Try,
    /// Run the daemon
    Run,
    /// Test the paging path end to end with a marked incident
    Drill(drill::DrillArgs),
    /// Find every fault of the configuration at once
    Check(check::CheckArgs),
    /// Show the PromQL and bounds of a rule, or the long text of a finding's code
    Explain(explain::ExplainArgs),
    /// Print the JSON schema of the configuration
    Schema,
    /// Run tests in virtual time: scenarios, Prometheus rule tests, PromQL scripts
    Test(test::TestArgs),
    /// How the daemon is, and what it watches
    Status,
    /// Rules with their levels and values
    Rules,
    /// Targets with their health
    Targets,
    /// Incidents, newest first
    Incidents(incidents::ListArgs),
    /// One incident with its timeline
    Incident(incidents::IncidentArgs),
    /// The decision trail of an incident, from sample to page
    Why(incidents::IncidentArgs),
    /// Acknowledge an incident: you have it
    Ack(act::AckArgs),
    /// Resolve an incident
    Resolve(act::ResolveArgs),
    /// Acknowledge an incident and be reminded later
    Snooze(act::SnoozeArgs),
    /// Mute notifications of matching alerts for a while
    Silence(silence::SilenceArgs),
    /// Silences in force
    Silences,
    /// End a silence now
    Unsilence(silence::UnsilenceArgs),
    /// Who is on call
    Oncall(oncall::OncallArgs),
    /// The response promise
    Sla(sla::SlaArgs),
    /// How the promise was kept
    Report(report::ReportArgs),
    /// Which route an alert takes, and who is paged when
    Route(route::RouteArgs),
    /// Evaluate one PromQL expression
    Query(query::QueryArgs),
    /// Load history from text with times, while the daemon is stopped
    Backfill(backfill::BackfillArgs),
    /// Print shell completions
    Completions(shell::CompletionsArgs),
    /// Print the manual page
    Man,
}

/// What every command is given.
#[derive(Debug)]
pub(crate) struct Context {
    config: Option<PathBuf>,
    out: Out,
}

/// Who acts, for commands that change something.
#[derive(Debug, Args)]
pub(crate) struct ActorArgs {
    /// Who acts [default: $USER]
    #[arg(long = "as", value_name = "PERSON", env = "WATCHBELL_PERSON")]
    person: Option<String>,
}

impl ActorArgs {
    fn name(&self) -> String {
        let user = || std::env::var("USER").ok().filter(|user| !user.is_empty());
        self.person.clone().or_else(user).unwrap_or_else(|| "someone".to_owned())
    }
}

/// Reads the words, runs the command, gives the exit code: 0 ok, 1 a problem was found, 2 usage
/// or configuration, 3 wait, 4 the daemon cannot be reached.
#[must_use]
pub fn main(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(words) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way too. Nothing can be said if the terminal is gone.
            let printed = error.print();
            let code = if printed.is_ok() { error.exit_code() } else { 2 };
            return ExitCode::from(u8::try_from(code).unwrap_or(2));
        }
    };
    let context = Context { config: cli.config, out: Out::new(cli.json) };
    match dispatch(&context, &cli.command) {
        Ok(exit) => exit.code(),
        Err(failure) => {
            context.out.error(&failure.message);
            failure.exit.code()
        }
    }
}

fn dispatch(context: &Context, command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::Try => run::run_try(context),
        Command::Run => run::run(context),
        Command::Drill(args) => drill::run(context, args),
        Command::Check(args) => check::run(context, args),
        Command::Explain(args) => explain::run(context, args),
        Command::Schema => shell::schema(context),
        Command::Test(args) => test::run(context, args),
        Command::Status => status::status(context),
        Command::Rules => status::rules(context),
        Command::Targets => status::targets(context),
        Command::Incidents(args) => incidents::list(context, args),
        Command::Incident(args) => incidents::show(context, args),
        Command::Why(args) => incidents::why(context, args),
        Command::Ack(args) => act::ack(context, args),
        Command::Resolve(args) => act::resolve(context, args),
        Command::Snooze(args) => act::snooze(context, args),
        Command::Silence(args) => silence::add(context, args),
        Command::Silences => silence::list(context),
        Command::Unsilence(args) => silence::end(context, args),
        Command::Oncall(args) => oncall::run(context, args),
        Command::Sla(args) => sla::run(context, args),
        Command::Report(args) => report::run(context, args),
        Command::Route(args) => route::run(context, args),
        Command::Query(args) => query::run(context, args),
        Command::Backfill(args) => backfill::run(context, args),
        Command::Completions(args) => Ok(shell::completions(context, args)),
        Command::Man => shell::man(context),
    }
}
