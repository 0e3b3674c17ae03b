//! Words reports for people: a line for each failed expectation, then the incident's timeline.

use std::fmt::Write as _;
use std::path::Path;

use watchbell_paging::view::IncidentView;

use super::FileReport;

/// Words a report; `verbose` adds every case and its transcript. The last line is `summary`'s.
#[must_use]
pub fn render(path: &Path, report: &FileReport, verbose: bool) -> String {
    let path = path.display();
    let mut text = String::new();
    // Writing to a string cannot fail.
    if let Some((line, message)) = &report.error {
        let _written = writeln!(text, "{path}:{line}: {message}");
    }
    for case in &report.cases {
        if verbose {
            let word = if case.passed { "ok" } else { "FAILED" };
            let _written = writeln!(text, "{path}:{}: {word}: {}", case.line, case.name);
            for line in &case.transcript {
                let _written = writeln!(text, "    {line}");
            }
        }
        for failure in &case.failures {
            let (line, name) = (failure.line, &case.name);
            let (expected, got) = (&failure.expected, &failure.got);
            let _written = writeln!(text, "{path}:{line}: {name}: expected {expected}, got {got}");
        }
        if !case.failures.is_empty() {
            for line in &case.timeline {
                let _written = writeln!(text, "    {line}");
            }
        }
    }
    text
}

/// Words the last line, `N passed, N failed`, over all files; a file that cannot be run has
/// failed once.
#[must_use]
pub fn summary(reports: &[FileReport]) -> String {
    let cases = || reports.iter().flat_map(|report| &report.cases);
    let passed = cases().filter(|case| case.passed).count();
    let errors = reports.iter().filter(|report| report.error.is_some()).count();
    let failed = cases().count() - passed + errors;
    format!("{passed} passed, {failed} failed")
}

/// Words an incident's timeline, a line for each entry.
pub(super) fn timeline(incident: &IncidentView) -> Vec<String> {
    incident
        .timeline
        .iter()
        .map(|entry| {
            let who = entry.who.as_ref().map_or_else(String::new, |who| format!(" [{who}]"));
            let channel = entry.channel.as_ref();
            let channel = channel.map_or_else(String::new, |channel| format!(" via {channel}"));
            format!("{} {}: {}{who}{channel}", entry.at, entry.kind, entry.text)
        })
        .collect()
}
