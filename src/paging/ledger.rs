//! The ledger: the report of a stretch of time, read off the published picture.

use std::collections::BTreeMap;

use crate::duty;
use crate::id::PersonId;
use crate::settings::Settings;
use crate::sla::{self, Report, ReportFact, ReportInput};
use crate::time::{Timestamp, Zone};
use crate::view::View;

/// Builds the report of `[from, to)` from a picture and the settings in force (zones, shifts).
#[must_use]
pub fn report_of(view: &View, settings: &Settings, from: Timestamp, to: Timestamp) -> Report {
    let facts: Vec<ReportFact> = view.incidents.iter().map(|one| one.fact.clone()).collect();
    let zone = |(id, person): (&PersonId, &crate::route::Person)| {
        person.zone.clone().map(|zone| (id.clone(), zone))
    };
    let zones: BTreeMap<PersonId, Zone> = settings.people.iter().filter_map(zone).collect();
    sla::report(&ReportInput {
        facts: &facts,
        from,
        to,
        zone: &settings.zone,
        zones: &zones,
        shifts: &shifts(view, settings, from, to),
    })
}

/// Counts the shifts of each person that overlap `[from, to)`: stretches on call on one schedule
/// without a break.
fn shifts(
    view: &View,
    settings: &Settings,
    from: Timestamp,
    to: Timestamp,
) -> BTreeMap<PersonId, u32> {
    let mut counts: BTreeMap<PersonId, u32> = BTreeMap::new();
    for (id, schedule) in &settings.schedules {
        let extra = view.overrides.get(id).map_or(&[][..], Vec::as_slice);
        let mut before: Vec<PersonId> = Vec::new();
        for segment in duty::timeline(schedule, extra, from, to) {
            for person in segment.people.iter().filter(|person| !before.contains(person)) {
                *counts.entry(person.clone()).or_default() += 1;
            }
            before = segment.people;
        }
    }
    counts
}
