//! The terminal of `watchbell try`: a page as text, coloured where the terminal shows colours.

use std::io::Write as _;

use watchbell_paging::level::Severity;
use watchbell_paging::outbox::Outcome;
use watchbell_paging::view::IncidentState;

use super::format::Notice;

const RED: &str = "\u{1b}[1;31m";
const YELLOW: &str = "\u{1b}[1;33m";
const BLUE: &str = "\u{1b}[1;34m";
const GREEN: &str = "\u{1b}[1;32m";
const BOLD: &str = "\u{1b}[1m";
const PLAIN: &str = "\u{1b}[0m";

/// Prints a notice.
pub(super) async fn deliver(notice: &Notice) -> Outcome {
    let text = render(notice);
    // A stopped terminal blocks whoever writes to it, so that is not one of the runtime's workers.
    let printing = tokio::task::spawn_blocking(move || {
        let mut out = anstream::stdout().lock();
        out.write_all(text.as_bytes()).and_then(|()| out.flush())
    });
    match printing.await {
        Ok(Ok(())) => Outcome::Accepted { anchor: None },
        Ok(Err(error)) => {
            Outcome::Failed { why: format!("the terminal cannot be written to: {error}") }
        }
        Err(error) => Outcome::Retry { after: None, why: format!("printing broke off: {error}") },
    }
}

/// Writes a notice with colours; whoever prints removes them where they do not show.
fn render(notice: &Notice) -> String {
    let colour = match (notice.state, notice.severity) {
        (IncidentState::Resolved, _) => GREEN,
        (IncidentState::Triggered | IncidentState::Acked, Severity::Critical) => RED,
        (IncidentState::Triggered | IncidentState::Acked, Severity::Warning) => YELLOW,
        (IncidentState::Triggered | IncidentState::Acked, Severity::Info) => BLUE,
    };
    let repeat = if notice.may_be_repeat { " (may be a repeat)" } else { "" };
    let mut lines = vec![
        String::new(),
        format!("{colour}{}{PLAIN}{repeat}", notice.headline()),
        format!("  {BOLD}{}{PLAIN} {}", notice.todo, notice.why),
    ];
    for alert in &notice.alerts {
        if !alert.what.is_empty() {
            lines.push(format!("  {}", alert.what));
        }
        lines.push(format!("  {BOLD}{}{PLAIN}  {}", alert.value, alert.labels));
    }
    if 0 < notice.more {
        lines.push(format!("  and {} more alerts", notice.more));
    }
    let width = notice.facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, value) in &notice.facts {
        lines.push(format!("  {name:<width$}  {value}"));
    }
    if let Some(runbook) = &notice.runbook {
        lines.push(format!("  Runbook: {runbook}"));
    }
    lines.push(format!("  {}", notice.page));
    if notice.state == IncidentState::Triggered {
        lines.push(format!("  watchbell ack {}", notice.incident));
    }
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
mod tests;
