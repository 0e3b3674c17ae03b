//! `check --diff OLD`: who is on call differently in the coming days than by another version.
//!
//! Compares configurations only: changes made at run time belong to neither.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};
use watchbell_config::coverage::AHEAD;
use watchbell_config::diagnostic::render;
use watchbell_config::load::{Checked, load_with};
use watchbell_paging::duty::{Difference, differences};
use watchbell_paging::id::{PersonId, ScheduleId};
use watchbell_paging::time::{Timestamp, Zone};

use crate::cli::Context;
use crate::cli::check::CheckArgs;
use crate::cli::files::Disk;
use crate::cli::out::Failure;
use crate::cli::sla::plain;

/// Tables that say who is on call.
const TABLES: [&str; 3] = ["schedule", "person", "daemon"];

/// The configuration that is compared with.
#[derive(Debug)]
pub(super) struct Old(Checked);

/// What a comparison found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) changes: Vec<Change>,
    pub(super) warnings: Vec<String>,
}

/// A stretch in which a schedule has other people.
#[derive(Debug)]
pub(super) struct Change {
    schedule: ScheduleId,
    zone: Zone,
    difference: Difference,
}

impl Old {
    /// Loads the old version; faults in what says who is on call would make up differences.
    pub(super) fn load(context: &Context, args: &CheckArgs, path: &Path) -> Result<Self, Failure> {
        if 1 < args.files.len() {
            return Err(Failure::usage("--diff compares one configuration with an older one"));
        }
        std::fs::metadata(path)
            .map_err(|error| Failure::usage(format!("reading {}: {error}", path.display())))?;
        let checked = load_with(path, &Disk, args.rule_files());
        let errors = checked.errors_in(&TABLES);
        if errors.is_empty() {
            return Ok(Self(checked));
        }
        context
            .out
            .note(render(&errors, &checked.sources, context.out.colour_of_stderr()).trim_end());
        let path = path.display();
        Err(Failure::usage(format!("{path} does not say who is on call: it has errors")))
    }

    /// Compares a version with the old one over the days from `now`.
    pub(super) fn compare(&self, context: &Context, new: &Checked, now: Timestamp) -> Found {
        if !new.errors_in(&TABLES).is_empty() {
            context.out.warn("nothing is compared, because the schedules have errors");
            return Found::default();
        }
        let (old, new) = (&self.0.config.settings.schedules, &new.config.settings.schedules);
        let names: BTreeSet<&ScheduleId> = old.keys().chain(new.keys()).collect();
        let mut found = Found::default();
        for name in names {
            let (before, after) = (old.get(name), new.get(name));
            let Some(shown) = after.or(before) else { continue };
            for difference in differences(before, after, now, now.plus(AHEAD)) {
                if difference.from == now {
                    found.warnings.push(at_once(name, &difference));
                }
                let zone = shown.zone.clone();
                found.changes.push(Change { schedule: name.clone(), zone, difference });
            }
        }
        found
    }
}

impl Change {
    pub(super) fn as_json(&self) -> Value {
        let Difference { from, to, before, after } = &self.difference;
        json!({
            "schedule": self.schedule,
            "from": plain(*from),
            "to": plain(*to),
            "before": before,
            "after": after,
        })
    }
}

/// Prints the changes, in the zone of each schedule.
pub(super) fn show(context: &Context, changes: &[Change]) {
    if changes.is_empty() {
        context.out.line("the same people are on call in the next 30 days");
        return;
    }
    let local =
        |at: Timestamp, zone: &Zone| at.to_local(zone).strftime("%a %Y-%m-%d %H:%M").to_string();
    let rows = changes.iter().map(|change| {
        let Difference { from, to, before, after } = &change.difference;
        vec![
            change.schedule.to_string(),
            local(*from, &change.zone),
            local(*to, &change.zone),
            change.zone.name().to_owned(),
            people(before.as_deref()),
            people(after.as_deref()),
        ]
    });
    context.out.table(&["schedule", "from", "to", "zone", "before", "after"], rows.collect());
}

fn at_once(schedule: &ScheduleId, difference: &Difference) -> String {
    let (before, after) =
        (people(difference.before.as_deref()), people(difference.after.as_deref()));
    format!("{schedule}: this edit changes who is on call at once: {before} -> {after}")
}

fn people(people: Option<&[PersonId]>) -> String {
    match people {
        None => "(no schedule)".to_owned(),
        Some([]) => "nobody".to_owned(),
        Some(people) => people.iter().map(PersonId::as_str).collect::<Vec<_>>().join(", "),
    }
}
