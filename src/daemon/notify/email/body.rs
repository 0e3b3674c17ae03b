//! The two bodies of a mail: text, and HTML that reads on a phone of 360 px.
//!
//! Styles are inline because mail programs drop style sheets; maud escapes all text.

use maud::{DOCTYPE, Markup, html};
use watchbell_paging::level::Severity;
use watchbell_paging::view::IncidentState;

use crate::notify::format::Notice;

const PAGE: &str = "margin:0;padding:0;background:#f4f4f5;color:#18181b;\
    font:16px/1.45 -apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;\
    -webkit-text-size-adjust:100%";
const CARD: &str = "max-width:560px;margin:0 auto;padding:16px;background:#ffffff";
const TODO: &str = "margin:12px 0;font-size:18px;font-weight:bold";
const BUTTON: &str = "display:block;margin:16px 0;padding:14px 16px;border-radius:6px;\
    background:#1d4ed8;color:#ffffff;font-weight:bold;text-align:center;text-decoration:none";
const ALERT: &str = "margin:12px 0;padding:8px 12px;border-left:4px solid #d4d4d8";
const SMALL: &str = "font-size:13px;color:#52525b;word-break:break-word";
const NAME: &str = "padding:4px 12px 4px 0;vertical-align:top;color:#52525b;white-space:nowrap";
const VALUE: &str = "padding:4px 0;vertical-align:top;word-break:break-word";
const LINK: &str = "color:#1d4ed8";

/// What a body is made of.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    pub(super) notice: &'a Notice,
    /// The signed link, while it can be acknowledged.
    pub(super) acknowledge: Option<&'a str>,
}

impl Parts<'_> {
    pub(super) fn text(&self) -> String {
        let notice = self.notice;
        let mut lines = vec![notice.first_line(), String::new()];
        if let Some(link) = self.acknowledge {
            lines.push(format!("Acknowledge: {link}"));
        }
        if let Some(runbook) = &notice.runbook {
            lines.push(format!("Runbook: {runbook}"));
        }
        lines.push(format!("Incident: {}", notice.page));
        lines.push(String::new());
        lines.push(format!("Why now: {}", notice.why));
        lines.push(String::new());
        for alert in &notice.alerts {
            let words = [&alert.what, &alert.value, &alert.labels];
            for (index, line) in words.into_iter().filter(|line| !line.is_empty()).enumerate() {
                let lead = if index == 0 { "*" } else { " " };
                lines.push(format!("{lead} {line}"));
            }
        }
        if 0 < notice.more {
            lines.push(format!("  and {} more alerts", notice.more));
        }
        lines.push(String::new());
        for (name, value) in &notice.facts {
            lines.push(format!("{name}: {value}"));
        }
        if notice.may_be_repeat {
            lines.push(String::new());
            lines.push("An earlier attempt was not answered, so this may be a repeat.".to_owned());
        }
        if self.acknowledge.is_some() {
            lines.push(String::new());
            lines.push(
                "Whoever opens the first link can acknowledge; do not forward it.".to_owned(),
            );
        }
        lines.push(String::new());
        lines.join("\n")
    }

    pub(super) fn html(&self) -> String {
        let notice = self.notice;
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width,initial-scale=1";
                    meta name="color-scheme" content="light";
                    title { (notice.headline()) }
                }
                body style=(PAGE) {
                    div style=(CARD) {
                        (self.head())
                        @for alert in &notice.alerts {
                            div style=(ALERT) {
                                @if !alert.what.is_empty() { div { (alert.what) } }
                                div style="font-weight:bold" { (alert.value) }
                                div style=(SMALL) { (alert.labels) }
                            }
                        }
                        @if 0 < notice.more {
                            p style=(SMALL) { "and " (notice.more) " more alerts" }
                        }
                        table role="presentation" style="border-collapse:collapse;width:100%" {
                            @for (name, value) in &notice.facts {
                                tr { td style=(NAME) { (name) } td style=(VALUE) { (value) } }
                            }
                        }
                        (self.foot())
                    }
                }
            }
        }
        .into_string()
    }

    fn head(&self) -> Markup {
        let notice = self.notice;
        let banner = format!(
            "margin:0;padding:12px 16px;border-radius:6px;color:#18181b;\
             background:{};border-left:6px solid {}",
            tint(notice).0,
            tint(notice).1
        );
        html! {
            div style=(banner) {
                div style="font-weight:bold" {
                    (notice.mark) (notice.status)
                    @if notice.may_be_repeat { " (may be a repeat)" }
                }
                div style="font-size:20px;word-break:break-word" { (notice.title) }
            }
            p style=(TODO) { (notice.todo) }
            p style="margin:12px 0" { "Why now: " (notice.why) }
            @if let Some(link) = self.acknowledge {
                a href=(link) style=(BUTTON) { "Acknowledge" }
            }
        }
    }

    fn foot(&self) -> Markup {
        let notice = self.notice;
        html! {
            p style="margin:16px 0" {
                @if let Some(runbook) = &notice.runbook {
                    a href=(runbook) style=(LINK) { "Runbook" } " · "
                }
                a href=(notice.page) style=(LINK) { "Incident #" (notice.incident) }
            }
            @if notice.may_be_repeat {
                p style=(SMALL) { "An earlier attempt was not answered, so this may be a repeat." }
            }
            @if self.acknowledge.is_some() {
                p style=(SMALL) {
                    "Whoever opens the button's link can acknowledge; do not forward it."
                }
            }
        }
    }
}

/// Background and edge; the text is dark on both.
fn tint(notice: &Notice) -> (&'static str, &'static str) {
    match (notice.state, notice.severity) {
        (IncidentState::Resolved, _) => ("#dcfce7", "#15803d"),
        (IncidentState::Triggered | IncidentState::Acked, Severity::Critical) => {
            ("#fee2e2", "#b91c1c")
        }
        (IncidentState::Triggered | IncidentState::Acked, Severity::Warning) => {
            ("#fef3c7", "#b45309")
        }
        (IncidentState::Triggered | IncidentState::Acked, Severity::Info) => ("#dbeafe", "#1d4ed8"),
    }
}
