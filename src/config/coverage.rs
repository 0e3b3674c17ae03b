//! Hours of the coming days in which a page would find nobody on call.

use std::collections::BTreeSet;
use std::iter;
use std::time::Duration;

use watchbell_paging::duty::{Schedule, Segment, timeline};
use watchbell_paging::id::ScheduleId;
use watchbell_paging::route::Pageable;
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

/// Returns a warning for every step of a route that finds nobody at some time of the 30 days from
/// `now`, and for every schedule of its own that no route pages.
#[must_use]
pub fn coverage(checked: &Checked, now: Timestamp) -> Vec<Diagnostic> {
    let settings = &checked.config.settings;
    let mut found = Vec::new();
    for group in groups(settings) {
        let schedules: Vec<&Schedule> =
            group.iter().filter_map(|id| settings.schedules.get(*id)).collect();
        let gaps = gaps(&schedules, now);
        let Some(first) = schedules.first().filter(|_| !gaps.is_empty()) else { continue };
        let Some(place) = place_of(checked, first.id.as_str()) else { continue };
        let total: Duration = gaps.iter().map(|gap| gap.to.since(gap.from)).sum();
        let names: Vec<&str> = group.iter().map(|id| id.as_str()).collect();
        let message = format!(
            "nobody is on call for {} of the next 30 days on {}",
            format_duration(total),
            names.join(" and ")
        );
        let (code, severity) = (Code::UncoveredHours.as_str(), Severity::Warning);
        let mut finding = Diagnostic::new(code, severity, "schedule", place, message);
        finding.label(list(&gaps, &first.zone));
        found.push(finding);
    }
    found.sort_by_key(|one| (one.place.file, one.place.span.start));
    found
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

/// The stretches in which none of the schedules has anyone.
fn gaps(schedules: &[&Schedule], now: Timestamp) -> Vec<Segment> {
    let whole = Segment { from: now, to: now.plus(AHEAD), people: Vec::new() };
    schedules.iter().fold(vec![whole], |gaps, schedule| {
        let inside = gaps.iter().flat_map(|gap| timeline(schedule, &[], gap.from, gap.to));
        inside.filter(|segment| segment.people.is_empty()).collect()
    })
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

/// Finds where a schedule is defined; a later file wins, as it does where it is laid over.
fn place_of(checked: &Checked, name: &str) -> Option<Place> {
    let files = checked.sources.iter().enumerate().rev();
    files.into_iter().find_map(|(file, source)| {
        let (entries, _) = raw::parse(file, &source.text);
        let inner = child(&entries, "config").map_or(entries.as_slice(), children);
        let schedules = children(child(inner, "schedule")?);
        child(schedules, name).map(|entry| entry.key.place.clone())
    })
}

fn child<'a>(entries: &'a [Entry], name: &str) -> Option<&'a Entry> {
    entries.iter().find(|entry| entry.key.text == name)
}

fn children(entry: &Entry) -> &[Entry] {
    if let Kind::Table(entries) = &entry.node.kind { entries } else { &[] }
}
