//! `report`: how the promise was kept in a week.

use clap::Args;
use serde_json::Value;

use crate::cli::Context;
use crate::cli::client::encode;
use crate::cli::incidents::{items, say, text, when};
use crate::cli::out::{Exit, Failure};

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// An ISO week: 2026-W47 [default: this one]
    #[arg(long, value_name = "WEEK")]
    week: Option<String>,
}

pub(crate) fn run(context: &Context, args: &ReportArgs) -> Result<Exit, Failure> {
    let query = args.week.as_ref().map_or_else(String::new, |w| format!("?week={}", encode(w)));
    let report = context.get(&format!("/api/watchbell/v1/report{query}"))?;
    if context.out.json {
        context.out.value(&report)?;
        return Ok(Exit::Ok);
    }
    context.out.line(format!("{} to {}", when(&report, "from"), when(&report, "to")));
    let rows = items(report.get("rows").unwrap_or(&Value::Null)).iter().map(|row| {
        let counts =
            ["incidents", "met", "late", "missed", "self_resolved", "suppressed", "running"];
        let mut cells = vec![format!("{} {}", text(row, "group"), text(row, "name"))];
        cells.extend(counts.iter().map(|name| say(row, name)));
        cells.push(attainment(row));
        cells.extend(["p50", "p90", "p95"].iter().map(|name| seconds(row, name)));
        cells
    });
    let head = [
        "group",
        "fired",
        "in time",
        "late",
        "missed",
        "by itself",
        "muted",
        "open",
        "kept",
        "p50",
        "p90",
        "p95",
    ];
    context.out.table(&head, rows.collect());
    let persons = items(report.get("persons").unwrap_or(&Value::Null));
    if !persons.is_empty() {
        context.out.line("");
        let rows = persons.iter().map(|row| {
            let keys = [
                "person",
                "met",
                "late",
                "covered",
                "not_charged",
                "pages",
                "night_pages",
                "shifts",
            ];
            keys.iter().map(|key| say(row, key)).collect()
        });
        let head =
            ["person", "in time", "late", "covered", "not charged", "pages", "at night", "shifts"];
        context.out.table(&head, rows.collect());
    }
    if let Some(drills) = report.get("drills").and_then(Value::as_u64).filter(|drills| *drills > 0)
    {
        context.out.line(match drills {
            1 => "1 drill is not counted".to_owned(),
            _ => format!("{drills} drills are not counted"),
        });
    }
    Ok(Exit::Ok)
}

fn attainment(row: &Value) -> String {
    row.get("attainment")
        .and_then(Value::as_f64)
        .map_or_else(|| "-".to_owned(), watchbell_metrics::units::percent)
}

fn seconds(row: &Value, name: &str) -> String {
    let text = text(row, name);
    if text.is_empty() { "-".to_owned() } else { format!("{text}s") }
}
