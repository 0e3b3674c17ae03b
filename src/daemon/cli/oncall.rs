//! `oncall`: who is on call, the timeline of a schedule, its calendar, a change for a while.

mod calendar;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use watchbell_paging::duty::{Schedule, timeline, who};
use watchbell_paging::id::ScheduleId;
use watchbell_paging::settings::Settings;
use watchbell_paging::time::{Timestamp, instant};

use crate::cli::client::encode;
use crate::cli::incidents::{items, say, when};
use crate::cli::out::{Exit, Failure};
use crate::cli::sla::{instant_or_now, plain};
use crate::cli::{ActorArgs, Context};

#[derive(Debug, Args)]
pub(crate) struct OncallArgs {
    #[command(subcommand)]
    command: Option<OncallCommand>,
    /// At this instant instead of now
    #[arg(long, value_name = "T")]
    at: Option<String>,
}

#[derive(Debug, Subcommand)]
enum OncallCommand {
    /// The final timeline of a schedule, from the configuration
    Timeline(TimelineArgs),
    /// The shifts of a schedule as an iCalendar feed
    Ics(calendar::IcsArgs),
    /// Put someone in, or take someone out, for a while
    Override(OverrideArgs),
}

#[derive(Debug, Args)]
struct TimelineArgs {
    /// The schedule's name
    schedule: String,
    /// An instant, or a date in the schedule's zone
    #[arg(long, value_name = "T")]
    from: String,
    /// Likewise; exclusive
    #[arg(long, value_name = "T")]
    to: String,
}

#[derive(Debug, Args)]
struct OverrideArgs {
    /// The schedule's name
    schedule: String,
    /// Who is put in; with --remove as a replacement
    #[arg(long, value_name = "PERSON")]
    add: Option<String>,
    /// Who is taken out
    #[arg(long, value_name = "PERSON")]
    remove: Option<String>,
    /// From when [default: now]
    #[arg(long, value_name = "T")]
    from: Option<String>,
    /// Until when
    #[arg(long, value_name = "T")]
    to: String,
    /// Why
    #[arg(long)]
    why: Option<String>,
    #[command(flatten)]
    actor: ActorArgs,
}

pub(crate) fn run(context: &Context, args: &OncallArgs) -> Result<Exit, Failure> {
    match &args.command {
        None => now(context, args.at.as_deref()),
        Some(OncallCommand::Timeline(args)) => show_timeline(context, args),
        Some(OncallCommand::Ics(args)) => calendar::run(context, args),
        Some(OncallCommand::Override(args)) => change(context, args),
    }
}

fn now(context: &Context, at: Option<&str>) -> Result<Exit, Failure> {
    let instant = instant_or_now(at)?;
    let query = at.map_or_else(String::new, |at| format!("?at={}", encode(at)));
    let answer = match context.get(&format!("/api/watchbell/v1/oncall{query}")) {
        Ok(answer) => answer,
        // Without the daemon the configuration still knows, save for changes made at run time.
        Err(failure) if failure.exit == Exit::Unreachable => {
            let Ok(computed) = compute(context, instant) else { return Err(failure) };
            context.out.warn("the daemon cannot be reached: changes made at run time are missing");
            computed
        }
        Err(failure) => return Err(failure),
    };
    if context.out.json {
        context.out.value(&answer)?;
        return Ok(Exit::Ok);
    }
    if items(&answer).is_empty() {
        context.out.line("no schedules: routes page people by name ([schedule.*] makes a rota)");
        return Ok(Exit::Ok);
    }
    let rows = items(&answer).iter().map(|one| {
        let people = items(one.get("people").unwrap_or(&Value::Null));
        let names: Vec<&str> = people.iter().filter_map(Value::as_str).collect();
        let names = if names.is_empty() { "nobody".to_owned() } else { names.join(", ") };
        vec![say(one, "schedule"), names, when(one, "until")]
    });
    context.out.table(&["schedule", "on call", "until"], rows.collect());
    Ok(Exit::Ok)
}

fn compute(context: &Context, at: Timestamp) -> Result<Value, Failure> {
    let checked = context.load_tables(&["schedule", "person"])?;
    let rows = checked.config.settings.schedules.values().map(|schedule| {
        let until = watchbell_paging::duty::shift_end(schedule, &[], at).map(plain);
        json!({ "schedule": schedule.id, "people": who(schedule, &[], at), "until": until })
    });
    Ok(Value::Array(rows.collect()))
}

fn show_timeline(context: &Context, args: &TimelineArgs) -> Result<Exit, Failure> {
    let checked = context.load_tables(&["schedule", "person", "daemon"])?;
    let schedule = find(&checked.config.settings, &args.schedule)?;
    let (from, to) = (boundary(&args.from, schedule)?, boundary(&args.to, schedule)?);
    if to <= from {
        return Err(Failure::usage("--to is not after --from"));
    }
    let segments = timeline(schedule, &[], from, to);
    if context.out.json {
        let segments: Vec<Value> = segments
            .iter()
            .map(
                |one| json!({ "from": plain(one.from), "to": plain(one.to), "people": one.people }),
            )
            .collect();
        context.out.value(&segments)?;
        return Ok(Exit::Ok);
    }
    let rows = segments.iter().map(|one| {
        let names: Vec<&str> = one.people.iter().map(|person| person.as_str()).collect();
        let names = if names.is_empty() { "nobody".to_owned() } else { names.join(", ") };
        vec![plain(one.from), plain(one.to), names]
    });
    context.out.table(&["from", "to", "on call"], rows.collect());
    Ok(Exit::Ok)
}

fn find<'a>(settings: &'a Settings, name: &str) -> Result<&'a Schedule, Failure> {
    let schedules = &settings.schedules;
    schedules.get(&ScheduleId::from(name)).ok_or_else(|| {
        let names: Vec<&str> = schedules.keys().map(ScheduleId::as_str).collect();
        let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        Failure::usage(format!("there is no schedule {name:?}; there are: {known}"))
    })
}

fn change(context: &Context, args: &OverrideArgs) -> Result<Exit, Failure> {
    if args.add.is_none() && args.remove.is_none() {
        return Err(Failure::usage("say whom: --add, --remove, or both"));
    }
    let body = json!({
        "schedule": args.schedule,
        "add": args.add,
        "remove": args.remove,
        "from": plain(instant_or_now(args.from.as_deref())?),
        "to": plain(instant_or_now(Some(&args.to))?),
        "why": args.why,
        "by": args.actor.name(),
    });
    let answer = context.post("/api/watchbell/v1/overrides", &body)?;
    if context.out.json {
        context.out.value(&answer)?;
        return Ok(Exit::Ok);
    }
    let change = match (&args.add, &args.remove) {
        (Some(add), Some(remove)) => format!("{add} for {remove}"),
        (Some(add), None) => format!("{add} joins"),
        (None, Some(remove)) => format!("{remove} is off"),
        (None, None) => String::new(),
    };
    let (from, to) = (when(&body, "from"), when(&body, "to"));
    context.out.line(format!("{}: {change} from {from} to {to}", args.schedule));
    Ok(Exit::Ok)
}

/// An instant, or a local date or date-time in the schedule's zone.
fn boundary(text: &str, schedule: &Schedule) -> Result<Timestamp, Failure> {
    if let Ok(at) = Timestamp::parse_rfc3339(text) {
        return Ok(at);
    }
    let local = text
        .parse::<jiff::civil::DateTime>()
        .or_else(|_| text.parse::<jiff::civil::Date>().map(|date| date.at(0, 0, 0, 0)));
    local.map(|local| instant(local, &schedule.zone)).map_err(|_| {
        Failure::usage(format!("{text:?} is no time; write 2026-11-23T10:00:00Z or 2026-11-23"))
    })
}
