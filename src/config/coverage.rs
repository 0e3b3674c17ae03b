//! Hours of the coming days in which a page would find nobody on call, or nobody whom a channel
//! reaches.

use std::collections::BTreeSet;
use std::iter;
use std::time::Duration;

use watchbell_paging::duty::{Away, Schedule, Segment, timeline};
use watchbell_paging::id::{PersonId, ScheduleId};
use watchbell_paging::route::{ChannelKind, Pageable};
use watchbell_paging::settings::Settings;
use watchbell_paging::time::{Timestamp, Zone, format_duration};

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Place, Severity};
use crate::load::Checked;
use crate::raw::{self, Entry, Kind};

/// How far ahead gaps are looked for.
pub const AHEAD: Duration = Duration::from_secs(30 * 86_400);
/// How many gaps a finding lists.
const GAPS_SHOWN_MAX: usize = 3;
/// How many people a finding proposes.
const NAMES_SHOWN_MAX: usize = 5;

/// Returns a warning for every step of a route that finds nobody, or nobody whom a channel reaches,
/// at some time of the 30 days from `now`, and for every schedule of its own that no route pages;
/// and an error for every calendar without a business day in the year from `now`.
#[must_use]
pub fn coverage(checked: &Checked, now: Timestamp) -> Vec<Diagnostic> {
    let settings = &checked.config.settings;
    // A faulty table of a channel is told by itself, not by everybody whom it reaches.
    let are_channels_sure = checked.errors_in(&["slack", "email", "person"]).is_empty();
    let mut found = workless(checked, now);
    for group in groups(settings) {
        let schedules: Vec<&Schedule> =
            group.iter().filter_map(|id| settings.schedules.get(*id)).collect();
        let Some(first) = schedules.first() else { continue };
        let Some(place) = place_of(checked, &["schedule", first.id.as_str()]) else { continue };
        let names: Vec<&str> = group.iter().map(|id| id.as_str()).collect();
        let names = names.join(" and ");
        let gaps = stretches(&schedules, now, &|_| false);
        if !gaps.is_empty() {
            let length = total(&gaps);
            let message = format!("nobody is on call for {length} of the next 30 days on {names}");
            let mut finding = warning(Code::UncoveredHours, &place, message);
            finding.label(list(&gaps, &first.zone));
            if let Some(words) = stand_ins(&schedules, settings, &gaps) {
                finding.help(words);
            }
            found.push(finding);
        }
        let mut silent = stretches(&schedules, now, &|person| !is_reachable(person, settings));
        silent.retain(|one| !gaps.iter().any(|gap| gap.from <= one.from && one.from < gap.to));
        let silent = merged(silent);
        if are_channels_sure && !silent.is_empty() {
            let length = total(&silent);
            let message = format!(
                "no channel reaches who is on call for {length} of the next 30 days on {names}"
            );
            let mut finding = warning(Code::UnreachablePerson, &place, message);
            finding.label(list(&silent, &first.zone));
            found.push(finding);
        }
    }
    found.sort_by_key(|one| (one.place.file, one.place.span.start));
    found
}

fn warning(code: Code, place: &Place, message: String) -> Diagnostic {
    Diagnostic::new(code.as_str(), Severity::Warning, "schedule", place.clone(), message)
}

/// Schedules that are paged together; a step that pages a person always finds somebody.
fn groups(settings: &Settings) -> BTreeSet<Vec<&ScheduleId>> {
    let mut groups = BTreeSet::new();
    let mut paged: BTreeSet<&ScheduleId> = BTreeSet::new();
    for route in &settings.routes {
        let later = route.escalate.iter().map(|step| &step.page);
        for page in iter::once(&route.page).chain(later) {
            let mut group = Vec::new();
            let mut has_person = false;
            for one in page {
                match one {
                    Pageable::Person(_) => has_person = true,
                    Pageable::Schedule(id) => group.push(id),
                }
            }
            paged.extend(&group);
            if !has_person && !group.is_empty() {
                groups.insert(group);
            }
        }
    }
    let idle = settings.schedules.keys().filter(|id| !paged.contains(id));
    groups.extend(idle.map(|id| vec![id]));
    groups
}

/// The stretches in which the schedules have nobody, or only people who do not count.
fn stretches(
    schedules: &[&Schedule],
    now: Timestamp,
    counts_not: &dyn Fn(&PersonId) -> bool,
) -> Vec<Segment> {
    let whole = Segment { from: now, to: now.plus(AHEAD), people: Vec::new() };
    schedules.iter().fold(vec![whole], |gaps, schedule| {
        let inside = gaps.iter().flat_map(|gap| timeline(schedule, &[], gap.from, gap.to));
        inside.filter(|segment| segment.people.iter().all(counts_not)).collect()
    })
}

/// Neighbours as one, whoever is on call in them.
fn merged(stretches: Vec<Segment>) -> Vec<Segment> {
    let mut merged: Vec<Segment> = Vec::new();
    for one in stretches {
        match merged.last_mut().filter(|last| last.to == one.from) {
            Some(last) => last.to = one.to,
            None => merged.push(one),
        }
    }
    merged
}

fn total(stretches: &[Segment]) -> String {
    format_duration(stretches.iter().map(|one| one.to.since(one.from)).sum())
}

fn is_reachable(person: &PersonId, settings: &Settings) -> bool {
    let Some(person) = settings.people.get(person) else { return false };
    settings.channels.iter().any(|channel| match channel {
        ChannelKind::Slack => person.slack.is_some(),
        ChannelKind::Email => person.email.is_some(),
        ChannelKind::Webhook => false,
        ChannelKind::Terminal => person.terminal,
    })
}

/// Who could be put in for people whose absence makes the first gap of its kind.
fn stand_ins(schedules: &[&Schedule], settings: &Settings, gaps: &[Segment]) -> Option<String> {
    let absences = || schedules.iter().flat_map(|schedule| &schedule.away);
    let gap = gaps.iter().find(|gap| absences().any(|away| meets(away, gap)))?;
    let is_there = |person: &&PersonId| {
        is_reachable(person, settings)
            && !absences().any(|away| away.person == **person && meets(away, gap))
    };
    let names: Vec<&str> = settings
        .people
        .keys()
        .filter(is_there)
        .take(NAMES_SHOWN_MAX)
        .map(PersonId::as_str)
        .collect();
    let words = match names.as_slice() {
        [] => "nobody else could: everyone is away or has no channel".to_owned(),
        names => format!("write an override; not away: {}", names.join(", ")),
    };
    Some(words)
}

fn meets(away: &Away, gap: &Segment) -> bool {
    away.from < gap.to && gap.from < away.to
}

fn list(gaps: &[Segment], zone: &Zone) -> String {
    let local = |at: Timestamp| at.to_local(zone).strftime("%a %d %b %H:%M").to_string();
    let shown: Vec<String> = gaps
        .iter()
        .take(GAPS_SHOWN_MAX)
        .map(|gap| format!("{} to {}", local(gap.from), local(gap.to)))
        .collect();
    let rest = gaps.len().saturating_sub(GAPS_SHOWN_MAX);
    let more = if rest == 0 { String::new() } else { format!(", and {rest} more") };
    format!("{}{more}", shown.join(", "))
}

/// Calendars by which a deadline at the close of the next business day would never come.
fn workless(checked: &Checked, now: Timestamp) -> Vec<Diagnostic> {
    let settings = &checked.config.settings;
    let named = settings.calendars.iter().map(|(name, one)| (vec!["calendars", name], one));
    let all = iter::once((vec!["calendar"], &settings.calendar)).chain(named);
    let workless = all.filter(|(_, one)| one.close_of_next_business_day(now).is_none());
    workless
        .filter_map(|(path, _)| {
            let place = place_of(checked, &path)?;
            let message = "there is no business day within the next 366 days".to_owned();
            let (code, severity) = (Code::BadCalendar.as_str(), Severity::Error);
            let table = path.first().copied().unwrap_or_default();
            let mut finding = Diagnostic::new(code, severity, table, place, message);
            finding.label("what is due at its close never is");
            Some(finding)
        })
        .collect()
}

/// Finds where a table is defined; a later file wins, as it does where it is laid over.
fn place_of(checked: &Checked, path: &[&str]) -> Option<Place> {
    let files = checked.sources.iter().enumerate().rev();
    files.into_iter().find_map(|(file, source)| {
        let (entries, _) = raw::parse(file, &source.text);
        let inner = child(&entries, "config").map_or(entries.as_slice(), children);
        let (last, tables) = path.split_last()?;
        let inner =
            tables.iter().try_fold(inner, |inner, name| Some(children(child(inner, name)?)));
        child(inner?, last).map(|entry| entry.key.place.clone())
    })
}

fn child<'a>(entries: &'a [Entry], name: &str) -> Option<&'a Entry> {
    entries.iter().find(|entry| entry.key.text == name)
}

fn children(entry: &Entry) -> &[Entry] {
    if let Kind::Table(entries) = &entry.node.kind { entries } else { &[] }
}

#[cfg(test)]
mod tests;
