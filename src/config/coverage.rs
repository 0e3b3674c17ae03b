//! Hours of the coming days in which a schedule has nobody on call.

use std::time::Duration;

use watchbell_paging::duty::{Segment, timeline};
use watchbell_paging::time::{Timestamp, Zone, format_duration};

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Place, Severity};
use crate::load::Checked;
use crate::raw::{self, Entry, Kind};

/// How far ahead gaps are looked for.
pub const AHEAD: Duration = Duration::from_secs(30 * 86_400);
/// How many gaps a finding lists.
const GAPS_SHOWN_MAX: usize = 3;

/// Returns a warning for every schedule that has gaps in the 30 days from `now`.
#[must_use]
pub fn coverage(checked: &Checked, now: Timestamp) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (id, schedule) in &checked.config.settings.schedules {
        let segments = timeline(schedule, &[], now, now.plus(AHEAD));
        let gaps: Vec<&Segment> = segments.iter().filter(|one| one.people.is_empty()).collect();
        let Some(place) = place_of(checked, id.as_str()).filter(|_| !gaps.is_empty()) else {
            continue;
        };
        let total: Duration = gaps.iter().map(|gap| gap.to.since(gap.from)).sum();
        let message = format!(
            "nobody is on call for {} of the next 30 days on {:?}",
            format_duration(total),
            id.as_str()
        );
        let severity = Severity::Warning;
        let code = Code::UncoveredHours.as_str();
        let mut finding = Diagnostic::new(code, severity, "schedule", place, message);
        finding.label(list(&gaps, &schedule.zone));
        found.push(finding);
    }
    found.sort_by_key(|one| (one.place.file, one.place.span.start));
    found
}

fn list(gaps: &[&Segment], zone: &Zone) -> String {
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
