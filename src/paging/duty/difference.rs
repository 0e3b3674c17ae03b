//! Where two versions of a schedule put different people on call.

use super::{Schedule, Segment, timeline};
use crate::id::PersonId;
use crate::time::Timestamp;

/// A stretch in which two versions disagree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Inclusive.
    pub from: Timestamp,
    /// Exclusive.
    pub to: Timestamp,
    /// Who was on call by the old version; absent where it has no such schedule.
    pub before: Option<Vec<PersonId>>,
    /// Who is on call by the new version.
    pub after: Option<Vec<PersonId>>,
}

/// Returns the stretches of `[from, to)` in which the versions disagree, in order; equal
/// neighbours are one. Overrides made at run time are no part of a version.
#[must_use]
pub fn differences(
    before: Option<&Schedule>,
    after: Option<&Schedule>,
    from: Timestamp,
    to: Timestamp,
) -> Vec<Difference> {
    let walk = |schedule: Option<&Schedule>| {
        schedule.map(|schedule| timeline(schedule, &[], from, to)).unwrap_or_default()
    };
    let (old, new) = (walk(before), walk(after));
    let mut cuts: Vec<Timestamp> = old.iter().chain(&new).map(|one| one.from).collect();
    cuts.sort_unstable();
    cuts.dedup();
    let mut found: Vec<Difference> = Vec::new();
    let mut ends = cuts.iter().skip(1).chain([&to]);
    for start in &cuts {
        let Some(end) = ends.next() else { break };
        let (was, is) = (at(&old, *start), at(&new, *start));
        if is_same(was, is) {
            continue;
        }
        match found.last_mut().filter(|last| {
            last.to == *start && last.before.as_deref() == was && last.after.as_deref() == is
        }) {
            Some(last) => last.to = *end,
            None => found.push(Difference {
                from: *start,
                to: *end,
                before: was.map(<[PersonId]>::to_vec),
                after: is.map(<[PersonId]>::to_vec),
            }),
        }
    }
    found
}

fn at(segments: &[Segment], at: Timestamp) -> Option<&[PersonId]> {
    let index = segments.partition_point(|one| one.to <= at);
    segments.get(index).map(|one| one.people.as_slice())
}

/// The order of people on call together says nothing.
fn is_same(one: Option<&[PersonId]>, other: Option<&[PersonId]>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => {
            one.len() == other.len() && one.iter().all(|person| other.contains(person))
        }
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::duty::{Every, Handoff, Layer, LayerSpec, Override};
    use crate::id::ScheduleId;
    use crate::time::Zone;

    #[test]
    fn versions_differ_where_their_people_do() {
        let base = || version(&["ana", "ben"], "09:00");
        let with = |add: &str, from: &str, to: &str| {
            let mut schedule = base();
            schedule.overrides.push(Override {
                add: Some(PersonId::from(add)),
                remove: None,
                from: at(from),
                to: at(to),
                why: None,
                by: None,
            });
            schedule
        };
        for (claim, before, after, expected) in [
            ("nothing", Some(base()), Some(base()), ""),
            (
                "an added person",
                Some(base()),
                Some(with("cho", "24T12", "24T14")),
                "24T12 to 24T14: ana -> ana+cho",
            ),
            ("who is on call already", Some(base()), Some(with("ana", "24T12", "24T14")), ""),
            (
                "a later hand-off",
                Some(base()),
                Some(version(&["ana", "ben"], "10:00")),
                "24T09 to 24T10: ana -> ben, 25T09 to 25T10: ben -> ana",
            ),
            (
                "the other order",
                Some(base()),
                Some(version(&["ben", "ana"], "09:00")),
                "24T00 to 24T09: ben -> ana, 24T09 to 25T09: ana -> ben, 25T09 to 26T00: ben -> ana",
            ),
            (
                "a new schedule",
                None,
                Some(version(&["ana"], "09:00")),
                "24T00 to 26T00: none -> ana",
            ),
            (
                "one that is gone",
                Some(version(&["ana"], "09:00")),
                None,
                "24T00 to 26T00: ana -> none",
            ),
            ("no schedule at all", None, None, ""),
        ] {
            let found = differences(before.as_ref(), after.as_ref(), at("24T00"), at("26T00"));
            assert_eq!(shown(&found), expected, "{claim}");
        }
    }

    fn shown(found: &[Difference]) -> String {
        let people = |people: &Option<Vec<PersonId>>| {
            let names = |people: &Vec<PersonId>| {
                people.iter().map(PersonId::as_str).collect::<Vec<_>>().join("+")
            };
            people.as_ref().map_or_else(|| "none".to_owned(), names)
        };
        let hour = |at: Timestamp| at.to_local(&Zone::utc()).strftime("%dT%H").to_string();
        let words = found.iter().map(|one| {
            let (before, after) = (people(&one.before), people(&one.after));
            format!("{} to {}: {before} -> {after}", hour(one.from), hour(one.to))
        });
        words.collect::<Vec<_>>().join(", ")
    }

    fn at(hour: &str) -> Timestamp {
        Timestamp::parse_rfc3339(&format!("2026-11-{hour}:00:00Z")).unwrap()
    }

    fn version(people: &[&str], handoff: &str) -> Schedule {
        let layer = LayerSpec {
            people: people.iter().map(|name| PersonId::from(*name)).collect(),
            every: Every::Days(1),
            handoff: Handoff::parse(handoff).unwrap(),
            start: "2026-11-22".parse().unwrap(),
            days: None,
            hours: None,
            priority: 0,
            zone: None,
        };
        Schedule {
            id: ScheduleId::from("devops"),
            zone: Zone::utc(),
            layers: vec![Layer::new(layer).unwrap()],
            overrides: Vec::new(),
            away: Vec::new(),
        }
    }
}
