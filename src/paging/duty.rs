//! Who is on call: one function answers it for paging, timelines, forecasts, feeds and history.
//!
//! A shift is `[hand-off, next hand-off)`, so gaps and overlaps between turns cannot exist. Turns
//! are counted in local calendar periods from the anchor, never in seconds. Overrides win over
//! layers; the highest priority that covers an instant wins over lower ones, equal priorities are
//! on call together. Knows no route: the fallback of an empty answer is the route's.

mod difference;
mod feed;
mod layer;

use std::collections::BTreeSet;

use jiff::ToSpan;
use serde::{Deserialize, Serialize};

pub use self::difference::{Difference, differences};
pub use self::feed::{Feed, Shift, shifts};
pub use self::layer::{Every, Handoff, InvalidLayer, Layer, LayerSpec};
use crate::id::{PersonId, ScheduleId};
use crate::time::{Timestamp, Zone};

/// How far ahead the end of a shift is looked for, in days.
const SHIFT_DAYS_MAX: i64 = 400;

/// A schedule: layers of rotations, changed by overrides and absences.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// Its name.
    pub id: ScheduleId,
    /// The zone of everything in it that has none of its own.
    pub zone: Zone,
    /// Its rotations.
    pub layers: Vec<Layer>,
    /// Changes from the configuration.
    pub overrides: Vec<Override>,
    /// Absences: the next in turn takes over.
    pub away: Vec<Away>,
}

/// A change of who is on call for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// Who is put in; with `remove` the replacement, which counts only while `remove` is on call.
    pub add: Option<PersonId>,
    /// Who is taken out.
    pub remove: Option<PersonId>,
    /// From when, inclusive.
    pub from: Timestamp,
    /// Until when, exclusive.
    pub to: Timestamp,
    /// Why.
    pub why: Option<String>,
    /// Who made it.
    pub by: Option<String>,
}

/// An absence of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Away {
    /// Who.
    pub person: PersonId,
    /// From when, inclusive.
    pub from: Timestamp,
    /// Until when, exclusive.
    pub to: Timestamp,
}

/// A stretch of time in which the same people are on call; nobody is a gap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Segment {
    /// Inclusive.
    pub from: Timestamp,
    /// Exclusive.
    pub to: Timestamp,
    /// Who, in order of layers.
    pub people: Vec<PersonId>,
}

impl Schedule {
    /// Returns everybody who takes turns or is put in by the configuration, in that order.
    #[must_use]
    pub fn people(&self) -> Vec<&PersonId> {
        let turns = self.layers.iter().flat_map(|layer| &layer.spec().people);
        let added = self.overrides.iter().filter_map(|change| change.add.as_ref());
        let mut seen = BTreeSet::new();
        turns.chain(added).filter(|person| seen.insert(*person)).collect()
    }
}

/// Returns who is on call at an instant; `extra` are overrides made at run time.
#[must_use]
pub fn who(schedule: &Schedule, extra: &[Override], at: Timestamp) -> Vec<PersonId> {
    let mut people: Vec<PersonId> = Vec::new();
    let mut best = i32::MIN;
    for layer in &schedule.layers {
        let priority = layer.spec().priority;
        if priority < best {
            continue;
        }
        let Some(person) = holder(schedule, layer, at) else { continue };
        if best < priority {
            best = priority;
            people.clear();
        }
        if !people.contains(person) {
            people.push(person.clone());
        }
    }
    for change in schedule.overrides.iter().chain(extra) {
        if change.from <= at && at < change.to {
            apply(change, &mut people);
        }
    }
    people
}

/// Returns the final timeline of `[from, to)`: covering it, equal neighbours merged.
#[must_use]
pub fn timeline(
    schedule: &Schedule,
    extra: &[Override],
    from: Timestamp,
    to: Timestamp,
) -> Vec<Segment> {
    let mut segments: Vec<Segment> = Vec::new();
    let cuts = cuts(schedule, extra, from, to);
    let mut ends = cuts.iter().skip(1).chain([&to]);
    for start in &cuts {
        let Some(end) = ends.next() else { break };
        let people = who(schedule, extra, *start);
        match segments.last_mut() {
            Some(last) if last.people == people => last.to = *end,
            Some(_) | None => segments.push(Segment { from: *start, to: *end, people }),
        }
    }
    segments
}

/// Returns when the people who are on call at `at` change next, looking 400 days ahead.
#[must_use]
pub fn shift_end(schedule: &Schedule, extra: &[Override], at: Timestamp) -> Option<Timestamp> {
    let now = who(schedule, extra, at);
    let mut from = at;
    // Most shifts end within days, so the horizon grows as it is needed.
    for days in [8, 40, SHIFT_DAYS_MAX] {
        let to = Timestamp(at.0.saturating_add(days * 86_400_000));
        let ends = cuts(schedule, extra, from, to);
        if let Some(end) = ends.into_iter().skip(1).find(|cut| who(schedule, extra, *cut) != now) {
            return Some(end);
        }
        from = to;
    }
    None
}

/// Returns who would follow on a schedule: the next in turn of the layer that is on call, who is
/// neither away nor among `except`.
#[must_use]
pub fn next_of(schedule: &Schedule, at: Timestamp, except: &[PersonId]) -> Option<PersonId> {
    let covering = schedule.layers.iter().filter(|layer| holder(schedule, layer, at).is_some());
    let best = covering.max_by_key(|layer| layer.spec().priority)?;
    let turn = best.turn(at, &schedule.zone)?;
    in_turn(schedule, best, turn, at).find(|person| !except.contains(person)).cloned()
}

fn holder<'a>(schedule: &Schedule, layer: &'a Layer, at: Timestamp) -> Option<&'a PersonId> {
    let turn = layer.turn(at, &schedule.zone)?;
    in_turn(schedule, layer, turn, at).next()
}

/// The people of a layer from a turn onwards, once around, without those who are away.
fn in_turn<'a>(
    schedule: &Schedule,
    layer: &'a Layer,
    turn: i64,
    at: Timestamp,
) -> impl Iterator<Item = &'a PersonId> {
    let people = &layer.spec().people;
    let count = people.len();
    let first = usize::try_from(turn.rem_euclid(i64::try_from(count).unwrap_or(1))).unwrap_or(0);
    people.iter().cycle().skip(first).take(count).filter(move |person| {
        let gone = |away: &Away| away.person == **person && away.from <= at && at < away.to;
        !schedule.away.iter().any(gone)
    })
}

fn apply(change: &Override, people: &mut Vec<PersonId>) {
    let position = change.remove.as_ref().map(|gone| people.iter().position(|one| one == gone));
    match (position, &change.add) {
        (Some(Some(position)), Some(person)) => {
            people.remove(position);
            if !people.contains(person) {
                people.insert(position.min(people.len()), person.clone());
            }
        }
        (Some(Some(position)), None) => {
            people.remove(position);
        }
        (None, Some(person)) if !people.contains(person) => people.push(person.clone()),
        (Some(None) | None, Some(_) | None) => {}
    }
}

/// Every instant in `[from, to)` at which the answer may change, `from` first.
fn cuts(schedule: &Schedule, extra: &[Override], from: Timestamp, to: Timestamp) -> Vec<Timestamp> {
    let mut cuts = BTreeSet::from([from]);
    for layer in &schedule.layers {
        let zone = layer.zone(&schedule.zone);
        let last = to.to_local(zone).date().saturating_add(2.days());
        let mut date = from.to_local(zone).date().saturating_sub(2.days());
        while date <= last {
            cuts.extend(layer.cuts_of(date, &schedule.zone));
            let Ok(next) = date.tomorrow() else { break };
            date = next;
        }
    }
    for change in schedule.overrides.iter().chain(extra) {
        cuts.extend([change.from, change.to]);
    }
    for away in &schedule.away {
        cuts.extend([away.from, away.to]);
    }
    cuts.into_iter().filter(|cut| from <= *cut && *cut < to).collect()
}

#[cfg(test)]
mod tests;
