//! The chain of an incident: which stages a route has, whom a stage pages, what comes after it.
//!
//! Pure functions over a small state; nothing here sends. Stage 0 is the first page. Times count
//! from the chain's origin: `fired`, a rise, or the instant at which people can be told at last.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::duty;
use crate::duty::Override;
use crate::id::{PersonId, ScheduleId};
use crate::level::Severity;
use crate::outbox::Reason;
use crate::route::{Pageable, Route};
use crate::settings::Settings;
use crate::time::Timestamp;

/// When a warning pages its first people.
pub const WARNING_PAGES_AT: Duration = Duration::from_secs(600);
/// How long after its last stage a critical chain starts again, where the route says nothing.
pub const REPEAT: Duration = Duration::from_secs(300);
/// Stages of a critical chain without `escalate`: the next in turn, then the fallback.
const NEXT_AT: Duration = Duration::from_secs(120);
const FALLBACK_AT: Duration = Duration::from_secs(240);

/// Where a chain stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// Instant zero of this round.
    pub origin: Timestamp,
    /// How often the chain was begun again, from 0.
    pub round: u32,
    /// The stage that runs next; the number of stages when all have run.
    pub next: usize,
    /// When the next thing happens; none when nothing is left.
    pub due: Option<Timestamp>,
    /// Why its first stage pages.
    pub reason: Reason,
}

/// Whom a stage pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// A person or whoever is on call.
    Pageable(&'a Pageable),
    /// The person who follows on a schedule.
    NextOf(&'a ScheduleId),
}

/// One stage of a route for a severity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage<'a> {
    /// When, counted from the origin.
    pub at: Duration,
    /// Whom.
    pub page: Vec<Target<'a>>,
    /// It is the fallback of the route.
    pub fallback: bool,
}

/// Returns the stages of a route; an info has none, and a warning on a route that pages nobody.
#[must_use]
pub fn stages(route: &Route, severity: Severity) -> Vec<Stage<'_>> {
    let first = match severity {
        Severity::Info => return Vec::new(),
        Severity::Warning => WARNING_PAGES_AT,
        Severity::Critical => Duration::ZERO,
    };
    let silent = route.page.is_empty() && route.escalate.is_empty() && route.fallback.is_empty();
    if silent && severity != Severity::Critical {
        return Vec::new();
    }
    let mut stages = vec![Stage { at: first, page: targets(&route.page), fallback: false }];
    for step in &route.escalate {
        // The first page of a warning comes late; no later step may come before it.
        let at = if first < step.at || first.is_zero() { step.at } else { first + step.at };
        stages.push(Stage { at, page: targets(&step.page), fallback: false });
    }
    if route.escalate.is_empty() && severity == Severity::Critical {
        let next = route.page.iter().filter_map(|one| match one {
            Pageable::Schedule(schedule) => Some(Target::NextOf(schedule)),
            Pageable::Person(_) => None,
        });
        stages.push(Stage { at: NEXT_AT, page: next.collect(), fallback: false });
        stages.push(Stage { at: FALLBACK_AT, page: targets(&route.fallback), fallback: true });
    }
    stages.sort_by_key(|stage| stage.at);
    stages
}

/// Returns the people of targets at an instant, each once, in order.
#[must_use]
pub fn people(
    page: &[Target<'_>],
    settings: &Settings,
    overrides: &BTreeMap<ScheduleId, Vec<Override>>,
    at: Timestamp,
) -> Vec<PersonId> {
    let mut found: Vec<PersonId> = Vec::new();
    for target in page {
        let own = match target {
            Target::Pageable(Pageable::Person(person)) => vec![person.clone()],
            Target::Pageable(Pageable::Schedule(schedule)) => {
                on_call(schedule, settings, overrides, at)
            }
            Target::NextOf(schedule) => {
                let now = on_call(schedule, settings, overrides, at);
                let next = settings.schedules.get(*schedule);
                next.and_then(|schedule| duty::next_of(schedule, at, &now)).into_iter().collect()
            }
        };
        for person in own {
            if !found.contains(&person) {
                found.push(person);
            }
        }
    }
    found
}

/// Starts a chain; none where the route pages nobody at this severity.
#[must_use]
pub fn start(
    route: &Route,
    severity: Severity,
    origin: Timestamp,
    reason: Reason,
) -> Option<Chain> {
    let stages = stages(route, severity);
    let first = stages.first()?;
    Some(Chain { origin, round: 0, next: 0, due: Some(origin.plus(first.at)), reason })
}

/// Starts a chain whose first stage runs at once, whatever the severity.
#[must_use]
pub fn start_at_once(
    route: &Route,
    severity: Severity,
    now: Timestamp,
    reason: Reason,
) -> Option<Chain> {
    let stages = stages(route, severity);
    let first = stages.first()?;
    Some(Chain { origin: now.minus(first.at), round: 0, next: 0, due: Some(now), reason })
}

/// Returns the chain after stage `ran` ran at `now`.
#[must_use]
pub fn after(
    chain: &Chain,
    stages: &[Stage<'_>],
    ran: usize,
    now: Timestamp,
    rest: Duration,
) -> Chain {
    let next = ran + 1;
    let due = match stages.get(next) {
        Some(stage) => Some(chain.origin.plus(stage.at)),
        // A route without stages was asked by hand: nothing follows by itself.
        None => (!stages.is_empty()).then(|| now.plus(rest)),
    };
    Chain { next, due, ..chain.clone() }
}

/// Returns the chain of the next round: its first stage is due at once.
#[must_use]
pub fn again(chain: &Chain, stages: &[Stage<'_>], now: Timestamp) -> Chain {
    let first = stages.first().map_or(Duration::ZERO, |stage| stage.at);
    Chain {
        origin: now.minus(first),
        round: chain.round + 1,
        next: 0,
        due: Some(now),
        ..chain.clone()
    }
}

/// Returns how long after its last stage a chain rests.
#[must_use]
pub fn rest(route: &Route) -> Duration {
    route.repeat.unwrap_or(REPEAT).max(Duration::from_secs(1))
}

/// Tells whether the chain starts again after its end.
#[must_use]
pub fn repeats(route: &Route, severity: Severity) -> bool {
    match severity {
        Severity::Critical => true,
        Severity::Warning => route.repeat.is_some(),
        Severity::Info => false,
    }
}

impl Chain {
    /// Moves the chain, because time passed in which nobody could be told.
    #[must_use]
    pub fn shifted(&self, by: Duration) -> Self {
        Self { origin: self.origin.plus(by), due: self.due.map(|at| at.plus(by)), ..self.clone() }
    }
}

fn targets(page: &[Pageable]) -> Vec<Target<'_>> {
    page.iter().map(Target::Pageable).collect()
}

fn on_call(
    schedule: &ScheduleId,
    settings: &Settings,
    overrides: &BTreeMap<ScheduleId, Vec<Override>>,
    at: Timestamp,
) -> Vec<PersonId> {
    let extra = overrides.get(schedule).map_or(&[][..], Vec::as_slice);
    settings.schedules.get(schedule).map_or_else(Vec::new, |found| duty::who(found, extra, at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::Step;

    #[test]
    fn stages_follow_the_route_or_the_defaults() {
        let primary = Pageable::Schedule(ScheduleId::from("primary"));
        let ben = Pageable::Person(PersonId::from("ben"));
        let mut route = Route::new("all");
        route.page = vec![primary];
        route.fallback = vec![ben.clone()];
        let times = |route: &Route, severity| -> Vec<u64> {
            stages(route, severity).iter().map(|stage| stage.at.as_secs()).collect()
        };
        assert_eq!(times(&route, Severity::Critical), [0, 120, 240]);
        assert_eq!(times(&route, Severity::Warning), [600]);
        assert!(times(&route, Severity::Info).is_empty());
        let step = |seconds| Step { at: Duration::from_secs(seconds), page: vec![ben.clone()] };
        route.escalate = vec![step(120), step(720)];
        assert_eq!(times(&route, Severity::Critical), [0, 120, 720]);
        assert_eq!(times(&route, Severity::Warning), [600, 720, 720]);
    }

    #[test]
    fn a_route_that_pages_nobody_keeps_quiet_below_critical() {
        let route = Route::new("posts");
        assert_eq!(start(&route, Severity::Warning, Timestamp(0), Reason::New), None);
        assert!(start(&route, Severity::Critical, Timestamp(0), Reason::New).is_some());
    }

    #[test]
    fn after_the_last_stage_the_chain_rests_and_begins_again() {
        let route = Route::new("all");
        let all = stages(&route, Severity::Critical);
        let chain = start(&route, Severity::Critical, Timestamp(0), Reason::New).unwrap();
        let rested = after(&chain, &all, 2, Timestamp(240_000), rest(&route));
        assert_eq!(rested.due, Some(Timestamp(540_000)));
        let second = again(&rested, &all, Timestamp(540_000));
        assert_eq!((second.round, second.next, second.due), (1, 0, Some(Timestamp(540_000))));
        let next = after(&second, &all, 0, Timestamp(540_000), rest(&route));
        assert_eq!(next.due, Some(Timestamp(660_000)));
    }
}
