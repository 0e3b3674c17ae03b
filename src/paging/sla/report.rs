//! The report: attainment and percentiles of a stretch of time, by severity, service, team, person.
//!
//! Built from facts as they were recorded; nothing is computed again from today's configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::civil::{Date, ISOWeekDate, Weekday};
use serde::{Serialize, Serializer};

use crate::id::PersonId;
use crate::level::Severity;
use crate::sla::{BreachCause, Outcome};
use crate::time::{Timestamp, Zone, instant};

/// A page that reached a person, or did not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageFact {
    /// Whom.
    pub person: PersonId,
    /// When it was intended.
    pub at: Timestamp,
    /// When the first provider took it.
    pub delivered: Option<Timestamp>,
}

/// What the report needs of one incident.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportFact {
    /// Its worst severity.
    pub severity: Severity,
    /// The label `service`.
    pub service: Option<String>,
    /// The label `team`, or the rule's owner.
    pub team: Option<String>,
    /// When the run beyond the bound began.
    pub first_bad: Option<Timestamp>,
    /// When it fired.
    pub fired: Timestamp,
    /// When the first provider took the first message.
    pub notified: Option<Timestamp>,
    /// When a person answered.
    pub acked: Option<Timestamp>,
    /// Who.
    pub acked_by: Option<PersonId>,
    /// When it ended.
    pub resolved: Option<Timestamp>,
    /// What became of the promise.
    pub outcome: Outcome,
    /// Why it was broken.
    pub cause: Option<BreachCause>,
    /// Every page.
    pub pages: Vec<PageFact>,
    /// A marked exercise is never counted.
    pub drill: bool,
}

/// What a report is made of.
#[derive(Clone, Debug)]
pub struct ReportInput<'a> {
    /// Incidents; those that fired outside the range are left out.
    pub facts: &'a [ReportFact],
    /// Inclusive.
    pub from: Timestamp,
    /// Exclusive.
    pub to: Timestamp,
    /// The zone of people without one, and of weeks.
    pub zone: &'a Zone,
    /// People's own zones, for night pages.
    pub zones: &'a BTreeMap<PersonId, Zone>,
    /// How many shifts each person had in the range.
    pub shifts: &'a BTreeMap<PersonId, u32>,
}

/// A percentile: a number of milliseconds, or a lower bound where a missed answer lies at or below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantile {
    /// Exactly.
    Exact(Duration),
    /// More than this.
    Above(Duration),
}

/// One row: a group of incidents.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReportRow {
    /// `all`, `severity`, `service` or `team`.
    pub group: &'static str,
    /// Which one; empty for `all`.
    pub name: String,
    /// Incidents that fired.
    pub incidents: usize,
    /// Answered in time.
    pub met: usize,
    /// Answered too late.
    pub late: usize,
    /// Never answered.
    pub missed: usize,
    /// Ended by themselves in time.
    pub self_resolved: usize,
    /// Muted.
    pub suppressed: usize,
    /// Withdrawn.
    pub cancelled: usize,
    /// Undecided.
    pub running: usize,
    /// met / (met + late + missed).
    pub attainment: Option<f64>,
    /// Time to answer.
    #[serde(flatten, serialize_with = "answers")]
    pub tta: Option<Percentiles>,
    /// Time to detect: fired − first_bad.
    #[serde(serialize_with = "spread")]
    pub ttd: Option<Percentiles>,
    /// Time to notify: notified − fired.
    #[serde(serialize_with = "spread")]
    pub ttn: Option<Percentiles>,
    /// Time to resolve: resolved − first_bad.
    #[serde(serialize_with = "spread")]
    pub ttr: Option<Percentiles>,
    /// Breaches by cause.
    pub causes: BTreeMap<&'static str, usize>,
    /// Acts of paging.
    pub pages: usize,
}

/// Three percentiles by nearest rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Percentiles {
    /// The median.
    pub p50: Quantile,
    /// 90 %.
    pub p90: Quantile,
    /// 95 %.
    pub p95: Quantile,
}

/// One person's row.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PersonRow {
    /// Who.
    pub person: String,
    /// Answered in time.
    pub met: usize,
    /// Answered too late, or not at all.
    pub late: usize,
    /// Somebody else answered.
    pub covered: usize,
    /// The page never reached them, or the breach was not theirs.
    pub not_charged: usize,
    /// Pages that reached them.
    pub pages: usize,
    /// Of these, between 22:00 and 07:00 of their own zone.
    pub night_pages: usize,
    /// Shifts in the range.
    pub shifts: u32,
    /// Pages for each shift.
    pub pages_per_shift: Option<f64>,
}

/// The report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Inclusive.
    #[serde(serialize_with = "rfc3339")]
    pub from: Timestamp,
    /// Exclusive.
    #[serde(serialize_with = "rfc3339")]
    pub to: Timestamp,
    /// `2026-W47`, where the range is one ISO week.
    pub week: Option<String>,
    /// Drills, which are in no row.
    pub drills: usize,
    /// `all` first, then by severity, service and team.
    pub rows: Vec<ReportRow>,
    /// People who were paged or answered.
    pub persons: Vec<PersonRow>,
}

/// Builds the report.
#[must_use]
pub fn report(input: &ReportInput<'_>) -> Report {
    let inside = |fact: &&ReportFact| input.from <= fact.fired && fact.fired < input.to;
    let (drills, facts): (Vec<&ReportFact>, Vec<&ReportFact>) =
        input.facts.iter().filter(inside).partition(|fact| fact.drill);
    let mut rows = vec![row("all", "", &facts)];
    for severity in [Severity::Critical, Severity::Warning, Severity::Info] {
        let own: Vec<&ReportFact> =
            facts.iter().filter(|fact| fact.severity == severity).copied().collect();
        if !own.is_empty() {
            rows.push(row("severity", severity.as_str(), &own));
        }
    }
    rows.extend(rows_by("service", &facts, |fact| fact.service.as_deref()));
    rows.extend(rows_by("team", &facts, |fact| fact.team.as_deref()));
    Report {
        from: input.from,
        to: input.to,
        week: iso_week(input.from, input.zone)
            .filter(|week| week_range(week, input.zone) == Some((input.from, input.to))),
        drills: drills.len(),
        rows,
        persons: persons(input, &facts),
    }
}

/// Returns the ISO week of an instant in a zone: `2026-W47`.
#[must_use]
pub fn iso_week(at: Timestamp, zone: &Zone) -> Option<String> {
    let week = at.to_local(zone).date().iso_week_date();
    Some(format!("{:04}-W{:02}", week.year(), week.week()))
}

/// Returns the instants of an ISO week written as `2026-W47`, in a zone.
#[must_use]
pub fn week_range(text: &str, zone: &Zone) -> Option<(Timestamp, Timestamp)> {
    let (year, week) = text.split_once("-W")?;
    let monday =
        ISOWeekDate::new(year.parse().ok()?, week.parse().ok()?, Weekday::Monday).ok()?.date();
    let midnight = |date: Date| instant(date.at(0, 0, 0, 0), zone);
    let next = monday.checked_add(jiff::Span::new().weeks(1)).ok()?;
    Some((midnight(monday), midnight(next)))
}

fn rows_by<'a>(
    group: &'static str,
    facts: &[&'a ReportFact],
    name: impl Fn(&'a ReportFact) -> Option<&'a str>,
) -> Vec<ReportRow> {
    let names: BTreeSet<&str> = facts.iter().filter_map(|fact| name(fact)).collect();
    let own = |wanted: &str| -> Vec<&'a ReportFact> {
        facts.iter().filter(|fact| name(fact) == Some(wanted)).copied().collect()
    };
    names.into_iter().map(|wanted| row(group, wanted, &own(wanted))).collect()
}

fn row(group: &'static str, name: &str, facts: &[&ReportFact]) -> ReportRow {
    let count = |outcome| facts.iter().filter(|fact| fact.outcome == outcome).count();
    let (met, late, missed) = (count(Outcome::Met), count(Outcome::Late), count(Outcome::Missed));
    let mut causes = BTreeMap::new();
    for cause in facts.iter().filter_map(|fact| fact.cause) {
        *causes.entry(cause.as_str()).or_insert(0) += 1;
    }
    let spread = |length: fn(&ReportFact) -> Option<Duration>| {
        percentiles(facts.iter().filter_map(|fact| length(fact)).map(Quantile::Exact).collect())
    };
    ReportRow {
        group,
        name: name.to_owned(),
        incidents: facts.len(),
        met,
        late,
        missed,
        self_resolved: count(Outcome::SelfResolved),
        suppressed: count(Outcome::Suppressed),
        cancelled: count(Outcome::Cancelled),
        running: count(Outcome::Running),
        attainment: share(met, met + late + missed),
        tta: percentiles(facts.iter().filter_map(|fact| answer(fact)).collect()),
        ttd: spread(|fact| fact.first_bad.map(|bad| fact.fired.since(bad))),
        ttn: spread(|fact| fact.notified.map(|notified| notified.since(fact.fired))),
        ttr: spread(|fact| Some(fact.resolved?.since(fact.first_bad?))),
        causes,
        pages: facts.iter().map(|fact| fact.pages.len()).sum(),
    }
}

/// The time to an answer, of incidents that count.
fn answer(fact: &ReportFact) -> Option<Quantile> {
    match fact.outcome {
        Outcome::Met | Outcome::Late => Some(Quantile::Exact(fact.acked?.since(fact.fired))),
        Outcome::Missed => Some(Quantile::Above(fact.resolved?.since(fact.fired))),
        Outcome::Cancelled | Outcome::Suppressed | Outcome::SelfResolved | Outcome::Running => None,
    }
}

fn percentiles(mut all: Vec<Quantile>) -> Option<Percentiles> {
    all.sort_by_key(|one| one.length());
    let missed = all.iter().position(|one| matches!(one, Quantile::Above(_)));
    let at = |share: usize| {
        // Nearest rank: the smallest value with at least this share at or below it.
        let rank = (share * all.len()).div_ceil(100).max(1) - 1;
        let value = all.get(rank)?.length();
        let bounded = missed.is_some_and(|missed| missed <= rank);
        Some(if bounded { Quantile::Above(value) } else { Quantile::Exact(value) })
    };
    Some(Percentiles { p50: at(50)?, p90: at(90)?, p95: at(95)? })
}

fn persons(input: &ReportInput<'_>, facts: &[&ReportFact]) -> Vec<PersonRow> {
    let mut rows: BTreeMap<PersonId, PersonRow> = BTreeMap::new();
    for fact in facts {
        let mut people: BTreeSet<&PersonId> = fact.pages.iter().map(|page| &page.person).collect();
        people.extend(fact.acked_by.as_ref());
        for person in people {
            let row = rows.entry(person.clone()).or_default();
            charge(row, fact, person);
            let own = fact.pages.iter().filter(|page| page.person == *person);
            for at in own.filter_map(|page| page.delivered) {
                row.pages += 1;
                row.night_pages +=
                    usize::from(is_night(at, input.zones.get(person).unwrap_or(input.zone)));
            }
        }
    }
    rows.into_iter()
        .map(|(person, row)| {
            let shifts = input.shifts.get(&person).copied().unwrap_or(0);
            let pages_per_shift = share(row.pages, usize::try_from(shifts).unwrap_or(0));
            PersonRow { person: person.to_string(), shifts, pages_per_shift, ..row }
        })
        .collect()
}

fn charge(row: &mut PersonRow, fact: &ReportFact, person: &PersonId) {
    let reached = fact.pages.iter().any(|page| page.person == *person && page.delivered.is_some());
    let own = fact.acked_by.as_ref() == Some(person);
    let theirs = matches!(fact.cause, None | Some(BreachCause::Responder));
    match fact.outcome {
        Outcome::Met if own => row.met += 1,
        Outcome::Met | Outcome::Late if !own && reached => row.covered += 1,
        Outcome::Late | Outcome::Missed if theirs && (own || reached) => row.late += 1,
        Outcome::Met | Outcome::Late | Outcome::Missed => row.not_charged += 1,
        Outcome::Cancelled | Outcome::Suppressed | Outcome::SelfResolved | Outcome::Running => {}
    }
}

fn is_night(at: Timestamp, zone: &Zone) -> bool {
    let hour = at.to_local(zone).hour();
    !(7..22).contains(&hour)
}

fn share(part: usize, whole: usize) -> Option<f64> {
    let small = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    (whole > 0).then(|| small(part) / small(whole))
}

impl Quantile {
    fn length(self) -> Duration {
        match self {
            Self::Exact(length) | Self::Above(length) => length,
        }
    }

    /// Writes seconds: `150`, `0.25`, `>420`.
    #[must_use]
    pub fn to_text(self) -> String {
        match self {
            Self::Exact(length) => format!("{}", length.as_secs_f64()),
            Self::Above(length) => format!(">{}", length.as_secs_f64()),
        }
    }

    fn seconds(self) -> Option<f64> {
        match self {
            Self::Exact(length) => Some(length.as_secs_f64()),
            Self::Above(_) => None,
        }
    }
}

#[derive(Serialize)]
struct Spread {
    p50: Option<String>,
    p90: Option<String>,
    p95: Option<String>,
    p50_s: Option<f64>,
    p90_s: Option<f64>,
    p95_s: Option<f64>,
}

impl Spread {
    #[allow(clippy::ref_option, reason = "the shape that serde hands over")]
    fn of(values: &Option<Percentiles>) -> Self {
        let text =
            |pick: fn(&Percentiles) -> Quantile| values.as_ref().map(pick).map(Quantile::to_text);
        let seconds = |pick: fn(&Percentiles) -> Quantile| values.as_ref().map(pick)?.seconds();
        Self {
            p50: text(|all| all.p50),
            p90: text(|all| all.p90),
            p95: text(|all| all.p95),
            p50_s: seconds(|all| all.p50),
            p90_s: seconds(|all| all.p90),
            p95_s: seconds(|all| all.p95),
        }
    }
}

#[allow(clippy::ref_option, reason = "the shape that serde asks for")]
fn answers<S: Serializer>(values: &Option<Percentiles>, serializer: S) -> Result<S::Ok, S::Error> {
    Spread::of(values).serialize(serializer)
}

#[allow(clippy::ref_option, reason = "the shape that serde asks for")]
fn spread<S: Serializer>(values: &Option<Percentiles>, serializer: S) -> Result<S::Ok, S::Error> {
    values.as_ref().map(|_| Spread::of(values)).serialize(serializer)
}

fn rfc3339<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&at.to_rfc3339_seconds())
}
