//! Words a delivery once, for all channels: what is broken, how bad, what to do.
//!
//! Knows no markup: text from outside is cleaned of control characters and shortened here, and
//! escaped by the channel that renders it.

use std::collections::BTreeMap;

use watchbell_metrics::label::Labels;
use watchbell_metrics::rule::Level;
use watchbell_paging::id::{IncidentId, PersonId};
use watchbell_paging::level::Severity;
use watchbell_paging::outbox::{Delivery, Purpose, Reason};
use watchbell_paging::route::Person;
use watchbell_paging::time::{Timestamp, Zone, format_duration};
use watchbell_paging::view::{AlertView, IncidentState, IncidentView};

use crate::links::Links;

/// Bounds of what one message carries, in characters and counts.
const TITLE_MAX: usize = 200;
const WHY_MAX: usize = 500;
const SUMMARY_MAX: usize = 300;
const LABEL_MAX: usize = 120;
const LABELS_MAX: usize = 12;
const ALERTS_MAX: usize = 10;
const PAGED_MAX: usize = 12;

/// A delivery in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    /// Which incident.
    pub(super) incident: IncidentId,
    /// How bad.
    pub(super) severity: Severity,
    /// Where it stands.
    pub(super) state: IncidentState,
    /// `[DRILL] `, or nothing.
    pub(super) mark: &'static str,
    /// How bad and where it stands: `CRITICAL`, `CRITICAL, acknowledged by Ana`, `RESOLVED`.
    pub(super) status: String,
    /// What is broken, in one line.
    pub(super) title: String,
    /// What the reader has to do.
    pub(super) todo: String,
    /// Why it is told now.
    pub(super) why: String,
    /// An earlier attempt may have arrived.
    pub(super) may_be_repeat: bool,
    /// Whom the line is for, as their name and Slack id.
    pub(super) mention: Option<Mention>,
    /// Names and values, in order.
    pub(super) facts: Vec<(&'static str, String)>,
    /// The alerts, worst first.
    pub(super) alerts: Vec<AlertLine>,
    /// How many more there are.
    pub(super) more: usize,
    /// The rule's runbook.
    pub(super) runbook: Option<String>,
    /// The incident's page.
    pub(super) page: String,
}

/// Someone a message speaks to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mention {
    /// The name.
    pub(super) name: String,
    /// The member id, where it has the form of one.
    pub(super) slack: Option<String>,
}

/// One alert in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AlertLine {
    /// The summary, or the rule's name; empty where the title says it already.
    pub(super) what: String,
    /// `1.23% (critical > 1%) since 10:00:00 UTC`
    pub(super) value: String,
    /// `service=api instance=app1:8000`
    pub(super) labels: String,
}

/// What wording needs beside the delivery.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wording<'a> {
    /// For times.
    pub(super) zone: &'a Zone,
    /// Times of another day carry their date.
    pub(super) now: Timestamp,
    /// For names.
    pub(super) people: &'a BTreeMap<PersonId, Person>,
    /// For links.
    pub(super) links: &'a Links,
}

impl Notice {
    /// What is broken and how bad; the headline of every channel.
    pub(super) fn headline(&self) -> String {
        format!("{}{}: {} (#{})", self.mark, self.status, self.title, self.incident)
    }

    /// The headline and what to do in one line: all that a lock screen shows.
    pub(super) fn first_line(&self) -> String {
        let repeat = if self.may_be_repeat { " (may be a repeat)" } else { "" };
        let title = self.title.trim_end_matches('.');
        format!("{}{}: {title}. {}{repeat} #{}", self.mark, self.status, self.todo, self.incident)
    }

    /// Tells whether somebody can still act on it.
    pub(super) fn is_open(&self) -> bool {
        self.state != IncidentState::Resolved
    }
}

impl Wording<'_> {
    /// Words a delivery.
    pub(super) fn notice(&self, delivery: &Delivery) -> Notice {
        let incident = &*delivery.message.incident;
        let mut alerts: Vec<&AlertView> = incident.alerts.iter().collect();
        alerts.sort_by_key(|alert| std::cmp::Reverse(alert.level));
        Notice {
            incident: incident.id,
            severity: incident.severity,
            state: incident.state,
            mark: if incident.drill { "[DRILL] " } else { "" },
            status: self.status(incident),
            title: clean(&incident.title, TITLE_MAX),
            todo: self.todo(incident),
            why: why(delivery),
            may_be_repeat: delivery.may_be_repeat,
            mention: self.mention(&delivery.purpose),
            facts: self.facts(delivery),
            alerts: alerts
                .iter()
                .take(ALERTS_MAX)
                .map(|one| self.alert(one, &incident.title))
                .collect(),
            more: alerts.len().saturating_sub(ALERTS_MAX),
            runbook: incident.runbook.as_deref().and_then(web_address),
            page: self.links.incident(incident.id),
        }
    }

    /// Writes a time of day; with its date where that is not today's.
    pub(super) fn clock(&self, at: Timestamp) -> String {
        let local = at.to_local(self.zone);
        let is_today = local.date() == self.now.to_local(self.zone).date();
        let form = if is_today { "%H:%M:%S" } else { "%a %-d %b %H:%M:%S" };
        format!("{} {}", local.strftime(form), self.zone.name())
    }

    /// Returns the name of a person, or of whoever acted.
    pub(super) fn name(&self, id: &str) -> String {
        let known = self.people.get(&PersonId::from(id));
        clean(known.map_or(id, |person| &person.name), LABEL_MAX)
    }

    fn status(&self, incident: &IncidentView) -> String {
        let severity = incident.severity.as_str().to_uppercase();
        match incident.state {
            IncidentState::Triggered => severity,
            IncidentState::Acked => match (&incident.acked_by, incident.snoozed_until) {
                (Some(who), Some(until)) => {
                    format!("{severity}, snoozed by {} until {}", self.name(who), self.clock(until))
                }
                (Some(who), None) => format!("{severity}, acknowledged by {}", self.name(who)),
                (None, _) => format!("{severity}, acknowledged"),
            },
            IncidentState::Resolved => format!("RESOLVED (was {})", incident.severity),
        }
    }

    fn todo(&self, incident: &IncidentView) -> String {
        match (incident.state, incident.deadline) {
            (IncidentState::Triggered, Some(deadline)) => {
                let broken = incident.breached_at.is_some() || deadline < self.now;
                let at = self.clock(deadline);
                if broken {
                    format!("Acknowledge now: the promise of {at} is broken.")
                } else {
                    format!("Acknowledge by {at}.")
                }
            }
            (IncidentState::Triggered, None) => "Acknowledge and look into it.".to_owned(),
            (IncidentState::Acked, _) => match &incident.acked_by {
                Some(who) => format!("{} has it.", self.name(who)),
                None => "Somebody has it.".to_owned(),
            },
            (IncidentState::Resolved, _) => "Nothing to do.".to_owned(),
        }
    }

    fn facts(&self, delivery: &Delivery) -> Vec<(&'static str, String)> {
        let message = &delivery.message;
        let incident = &*message.incident;
        let mut facts = Vec::new();
        if let Some(at) = incident.first_bad_at {
            facts.push(("Bad since", self.clock(at)));
        }
        facts.push(("Fired", self.clock(incident.fired_at)));
        if let Some(at) = incident.acked_at {
            let who = incident
                .acked_by
                .as_deref()
                .map_or_else(String::new, |who| format!(" by {}", self.name(who)));
            let after = format_duration(at.since(incident.fired_at));
            facts.push(("Acknowledged", format!("{}{who}, after {after}", self.clock(at))));
        }
        if let Some(at) = incident.resolved_at {
            let after =
                format_duration(at.since(incident.first_bad_at.unwrap_or(incident.fired_at)));
            facts.push(("Resolved", format!("{}, after {after}", self.clock(at))));
        }
        if !message.paged.is_empty() {
            facts.push(("Paged", names(&message.paged)));
        }
        if let Some(next) = &message.next {
            let what = clean(&next.what, WHY_MAX);
            facts.push(("Next", format!("{}: {what}", self.clock(next.at))));
        }
        if !incident.suppressed_by.is_empty() {
            facts.push(("Muted by", names(&incident.suppressed_by)));
        }
        facts
    }

    fn alert(&self, alert: &AlertView, title: &str) -> AlertLine {
        let bound = alert.bound.as_deref().map_or_else(String::new, |bound| {
            format!(" ({} {})", alert.level, clean(bound, LABEL_MAX))
        });
        let since = self.clock(alert.since);
        let state = match (alert.level, alert.no_data_since) {
            (_, Some(at)) => format!(", no data since {}", self.clock(at)),
            (Level::Ok, None) => format!(", ok since {since}"),
            (Level::Info | Level::Warning | Level::Critical, None) => format!(" since {since}"),
        };
        let rule = alert.labels.get("alertname").unwrap_or("alert");
        let what = alert.summary.as_deref().unwrap_or(rule);
        // A drill's page is put by hand: it has no value, and so no bound to be read against.
        let value = match alert.value_text.as_str() {
            "" => format!("{}{state}", alert.level),
            value => format!("{}{bound}{state}", clean(value, LABEL_MAX)),
        };
        AlertLine {
            what: if what == title { String::new() } else { clean(what, SUMMARY_MAX) },
            value,
            labels: label_words(&alert.labels),
        }
    }

    fn mention(&self, purpose: &Purpose) -> Option<Mention> {
        let id = match purpose {
            Purpose::Thread { person } => person.as_ref()?,
            Purpose::Page { .. } | Purpose::Post | Purpose::Edit => return None,
        };
        let person = self.people.get(id);
        let slack = person.and_then(|one| one.slack.clone()).filter(|id| is_member(id));
        Some(Mention { name: self.name(id.as_str()), slack })
    }
}

/// Makes text from outside safe to stand on one line: no control or direction-changing
/// characters, one space between words, at most `length_max` characters.
pub(super) fn clean(text: &str, length_max: usize) -> String {
    let visible: String = text
        .chars()
        .map(|one| if one.is_control() || one.is_whitespace() { ' ' } else { one })
        .filter(|one| !is_direction(*one))
        .collect();
    let line = visible.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    if line.chars().count() <= length_max {
        return line;
    }
    let mut short: String = line.chars().take(length_max.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// Returns the reason in a few words, for subjects of nothing else.
fn reason_words(reason: &Reason) -> String {
    match reason {
        Reason::New => "new".to_owned(),
        Reason::Rise => "it became critical".to_owned(),
        Reason::Joined => "more alerts joined".to_owned(),
        Reason::Repeat { round } => format!("nobody answered; round {round}"),
        Reason::Escalated { step } => format!("nobody answered; escalated to step {step}"),
        Reason::Handed => "handed on".to_owned(),
        Reason::Fallback => "nobody is on call; you are the fallback".to_owned(),
        Reason::Reopened => "it came back".to_owned(),
        Reason::AckExpired => "the acknowledgement ran out and it still fires".to_owned(),
        Reason::Acked => "somebody took it".to_owned(),
        Reason::Resolved => "it is over".to_owned(),
        Reason::Breached => "the response promise is broken".to_owned(),
        Reason::Reminder => "its deadline is near".to_owned(),
        Reason::Digest => "daily digest".to_owned(),
        Reason::FlappingStarted => "it changes too fast to tell each change".to_owned(),
        Reason::FlappingEnded => "it stopped changing".to_owned(),
        Reason::NoData => "its data ended".to_owned(),
    }
}

fn why(delivery: &Delivery) -> String {
    let words = clean(&delivery.message.why, WHY_MAX);
    sentence(if words.is_empty() { reason_words(&delivery.message.reason) } else { words })
}

/// Gives words a capital and a full stop, so that sentences can follow each other.
fn sentence(words: String) -> String {
    let mut letters = words.chars();
    let Some(first) = letters.next() else {
        return words;
    };
    let stop = if words.ends_with(['.', '!', '?', '…']) { "" } else { "." };
    format!("{}{}{stop}", first.to_uppercase(), letters.as_str())
}

fn names(list: &[String]) -> String {
    let mut names: Vec<String> =
        list.iter().take(PAGED_MAX).map(|name| clean(name, LABEL_MAX)).collect();
    if PAGED_MAX < list.len() {
        names.push(format!("{} more", list.len() - PAGED_MAX));
    }
    names.join(", ")
}

fn label_words(labels: &Labels) -> String {
    let words: Vec<String> = labels
        .iter()
        .take(LABELS_MAX)
        .map(|(name, value)| format!("{}={}", clean(name, LABEL_MAX), clean(value, LABEL_MAX)))
        .collect();
    words.join(" ")
}

/// A runbook is shown as a link only where it is one.
fn web_address(text: &str) -> Option<String> {
    let text = text.trim();
    let is_plain = text.chars().all(|one| {
        !one.is_control() && !one.is_whitespace() && !"<>\"|`\\".contains(one) && !is_direction(one)
    });
    let is_web = text.starts_with("https://") || text.starts_with("http://");
    (is_plain && is_web && text.len() < 2000).then(|| text.to_owned())
}

fn is_member(id: &str) -> bool {
    id.starts_with(['U', 'W']) && id.chars().all(|one| one.is_ascii_alphanumeric())
}

/// Tells whether a character changes the direction of its neighbours, or is not seen at all.
pub(crate) fn is_direction(one: char) -> bool {
    matches!(one, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use watchbell_paging::outbox::Address;

    use super::*;
    use crate::notify::sample::{acked, at, hostile, incident, page, resolved};
    use crate::notify::tests::notice;

    #[test]
    fn the_first_line_says_how_bad_what_and_what_to_do() {
        let mut breached = incident();
        breached.breached_at = Some(at(360));
        let mut snoozed = acked();
        snoozed.snoozed_until = Some(at(3750));
        let mut warning = incident();
        warning.severity = Severity::Warning;
        warning.deadline = None;
        for (incident, expected) in [
            (incident(), "CRITICAL: api: 1.23% of requests fail. Acknowledge by 10:06:00 UTC. #42"),
            (
                breached,
                "CRITICAL: api: 1.23% of requests fail. \
                 Acknowledge now: the promise of 10:06:00 UTC is broken. #42",
            ),
            (warning, "WARNING: api: 1.23% of requests fail. Acknowledge and look into it. #42"),
            (
                acked(),
                "CRITICAL, acknowledged by Ana: api: 1.23% of requests fail. Ana has it. #42",
            ),
            (
                snoozed,
                "CRITICAL, snoozed by Ana until 11:02:30 UTC: api: 1.23% of requests fail. \
                 Ana has it. #42",
            ),
            (
                resolved(),
                "RESOLVED (was critical): api: 1.23% of requests fail. Nothing to do. #42",
            ),
        ] {
            let delivery = page(1, Address::Terminal, incident);
            assert_eq!(notice(&delivery, at(65)).first_line(), expected);
        }
    }

    #[test]
    fn a_promise_that_passed_unseen_is_called_broken() {
        let delivery = page(1, Address::Terminal, incident());
        assert!(notice(&delivery, at(361)).todo.contains("is broken"));
        assert!(!notice(&delivery, at(360)).todo.contains("is broken"));
    }

    #[test]
    fn a_time_of_another_day_carries_its_date() {
        let delivery = page(1, Address::Terminal, incident());
        let todo = notice(&delivery, at(0).minus(std::time::Duration::from_secs(86_400))).todo;
        assert_eq!(todo, "Acknowledge by Wed 25 Nov 10:06:00 UTC.");
    }

    #[test]
    fn text_from_outside_becomes_one_visible_line() {
        for (text, length_max, expected) in [
            ("a\r\nBcc: x", 99, "a Bcc: x"),
            (" a \t b\u{0}\u{1b}[31m ", 99, "a b [31m"),
            ("\u{202e}evil\u{200b}\u{2066}", 99, "evil"),
            ("Grüße 🔥", 99, "Grüße 🔥"),
            ("abcdef", 4, "abc…"),
        ] {
            assert_eq!(clean(text, length_max), expected, "{text:?}");
        }
    }

    #[test]
    fn the_worst_alerts_stand_first_and_the_others_are_counted() {
        let mut incident = incident();
        let mut other = incident.alerts[0].clone();
        other.level = Level::Warning;
        other.value_text = "0.6%".to_owned();
        other.summary = None;
        incident.alerts = vec![other; 15];
        incident.alerts.push(super::super::sample::incident().alerts[0].clone());
        let notice = notice(&page(1, Address::Terminal, incident), at(65));
        assert_eq!(notice.alerts.len(), ALERTS_MAX);
        assert_eq!(notice.more, 6);
        assert_eq!(notice.alerts[0].value, "1.23% (critical > 1%) since 10:01:00 UTC");
        assert_eq!(notice.alerts[0].what, "", "the title says it");
        assert_eq!(notice.alerts[1].what, "error_rate");
    }

    #[test]
    fn missing_data_is_said_beside_the_last_value() {
        let mut incident = incident();
        incident.alerts[0].no_data_since = Some(at(62));
        let notice = notice(&page(1, Address::Terminal, incident), at(65));
        assert_eq!(notice.alerts[0].value, "1.23% (critical > 1%), no data since 10:01:02 UTC");
    }

    #[test]
    fn an_alert_without_a_value_says_its_level() {
        let mut incident = incident();
        incident.alerts[0].value_text = String::new();
        let notice = notice(&page(1, Address::Terminal, incident), at(65));
        assert_eq!(notice.alerts[0].value, "critical since 10:01:00 UTC");
    }

    #[test]
    fn only_a_web_address_is_a_runbook() {
        assert_eq!(notice(&page(1, Address::Terminal, hostile()), at(65)).runbook, None);
        for (text, is_link) in [
            ("https://wiki.example.org/a?b=1&c=2#d", true),
            ("http://wiki/a", true),
            ("javascript:alert(1)", false),
            ("https://x/ y", false),
            ("https://x/|here>", false),
            ("see the wiki", false),
        ] {
            assert_eq!(web_address(text).is_some(), is_link, "{text}");
        }
    }

    #[test]
    fn an_empty_reason_still_says_why() {
        let mut delivery = page(1, Address::Terminal, incident());
        delivery.message.why = String::new();
        delivery.message.reason = Reason::Escalated { step: 2 };
        assert_eq!(notice(&delivery, at(65)).why, "Nobody answered; escalated to step 2.");
    }
}
