//! Why people are told now, in one sentence with names and times.

use crate::engine::work::Work;
use crate::id::PersonId;
use crate::incident::Incident;
use crate::outbox::Reason;
use crate::time::format_duration;
use crate::view::IncidentState;

impl Work<'_> {
    /// Words the reason for a message.
    pub(super) fn why(&self, incident: &Incident, reason: &Reason) -> String {
        let open = format_duration(self.now.since(incident.fired));
        match reason {
            Reason::New => match incident.first_bad {
                Some(bad) if bad < incident.fired => {
                    let since = format_duration(incident.fired.since(bad));
                    format!("new {}, bad for {since} before it fired", incident.severity)
                }
                Some(_) | None => format!("new {}", incident.severity),
            },
            Reason::Rise => format!("it rose to {}", incident.severity),
            Reason::Joined => {
                let firing = incident.firing_names().len();
                format!("more alerts joined: {firing} fire now")
            }
            Reason::Repeat { round } => {
                format!("nobody has answered for {open}: paging round {}", round + 1)
            }
            Reason::Escalated { step } => {
                format!("nobody has answered for {open}: escalated, step {step}")
            }
            Reason::Handed => "you were asked to take over".to_owned(),
            Reason::Fallback => "nobody is on call above you: you are the fallback".to_owned(),
            Reason::Reopened => "it came back".to_owned(),
            Reason::AckExpired => match &incident.answer {
                Some(answer) => {
                    format!("the answer of {} ran out and it still fires", self.display(&answer.by))
                }
                None => "the answer ran out and it still fires".to_owned(),
            },
            Reason::Acked => self.why_acked(incident),
            Reason::Resolved => self.why_resolved(incident),
            Reason::Breached => {
                let cause = incident.cause.map_or("", |cause| cause.as_str());
                format!("the promise is broken: no answer after {open} ({cause})")
            }
            Reason::Reminder => "the deadline is near and nobody has answered".to_owned(),
            Reason::Digest => "collected for the day".to_owned(),
            Reason::FlappingStarted => {
                "its level changes so often that changes are no longer told one by one".to_owned()
            }
            Reason::FlappingEnded => "its level is steady again".to_owned(),
            Reason::NoData => "the data behind it ended; it stays as it is".to_owned(),
        }
    }

    fn why_acked(&self, incident: &Incident) -> String {
        let who = incident.answer.as_ref().map_or("somebody", |answer| answer.by.as_str());
        let who = self.display(who);
        match (incident.snoozed_until, incident.state) {
            (Some(until), _) => format!("snoozed by {who} until {}", until.to_rfc3339_seconds()),
            (None, IncidentState::Acked | IncidentState::Triggered | IncidentState::Resolved) => {
                format!("acknowledged by {who}")
            }
        }
    }

    fn why_resolved(&self, incident: &Incident) -> String {
        let Some(ended) = &incident.ended else { return "resolved".to_owned() };
        let lasted = format_duration(ended.at.since(incident.fired));
        match &ended.by {
            Some(by) => format!("resolved by {} after {lasted}", self.display(by)),
            None if ended.cancelled => format!("its rule was removed after {lasted}"),
            None => format!("all alerts have cleared after {lasted}"),
        }
    }

    /// Returns a person's name as messages write it.
    pub(super) fn name_of(&self, person: &PersonId) -> String {
        let found = self.settings.people.get(person);
        found.map_or_else(|| person.to_string(), |person| person.name.clone())
    }

    fn display(&self, name: &str) -> String {
        self.name_of(&PersonId::from(name))
    }
}
