//! What people and programs ask for: carried out once, the same from every surface.
//!
//! The first answer wins; a later one is written down and told who was first.

use std::time::Duration;

use watchbell_metrics::label::{ALERT_NAME, Labels, Matchers};
use watchbell_metrics::rule::RuleName;

use crate::alert::{AlertKey, Origin};
use crate::command::{Actor, Command, Refusal};
use crate::duty::Override;
use crate::engine::chain::route_of;
use crate::engine::work::{Reply, Work};
use crate::id::{CommandId, IncidentId, PersonId, ScheduleId};
use crate::incident::Incident;
use crate::level::Severity;
use crate::outbox::Reason;
use crate::record::Fact;
use crate::silence::{SILENCES_MAX, Silence, id_of};
use crate::time::Timestamp;
use crate::view::IncidentState;

/// How long an answer lasts while alerts still fire, where the route says nothing.
const ACK_CRITICAL: Duration = Duration::from_secs(30 * 60);
const ACK_WARNING: Duration = Duration::from_secs(2 * 3600);
/// The longest note, in characters.
const NOTE_MAX: usize = 4_000;
/// The longest snooze and silence.
const FAR: Duration = Duration::from_secs(366 * 86_400);

impl Work<'_> {
    /// Carries a command out and remembers the reply.
    pub(super) fn ordered(&mut self, id: CommandId, command: Command) {
        let reply = self.carry_out(command).unwrap_or_else(Reply::Refused);
        self.replies.push((id, reply));
    }

    fn carry_out(&mut self, command: Command) -> Result<Reply, Refusal> {
        match command {
            Command::Ack { incident, by, note } => self.ack(incident, by, note, None),
            Command::Snooze { incident, by, until, note } => {
                if until <= self.now || self.now.plus(FAR) < until {
                    return Err(invalid("a snooze ends after now and within a year"));
                }
                self.ack(incident, by, note, Some(until))
            }
            Command::Resolve { incident, by, note, force } => {
                self.resolve(incident, by, note, force)
            }
            Command::Escalate { incident, by } => self.escalate(incident, by),
            Command::Assign { incident, by, to } => self.assign(incident, by, to),
            Command::Note { incident, by, note } => {
                self.find(incident)?;
                let note = short(note);
                self.emit(Fact::Noted { incident, by, note });
                Ok(Reply::Incident(incident))
            }
            Command::Silence { matchers, from, until, reason, by } => {
                self.silence(matchers, from, until, reason, by)
            }
            Command::Unsilence { id, by } => {
                let found = self.state.silences.get(&id);
                let found = found.ok_or_else(|| Refusal::UnknownSilence(id.clone()))?;
                if self.now < found.until {
                    self.emit(Fact::Unsilenced { id: id.clone(), by });
                    self.review_all = true;
                }
                Ok(Reply::Silence(id))
            }
            Command::Override { schedule, change, by } => self.put_in(schedule, change, by),
            Command::SetLevel { rule, labels, level, summary, drill } => {
                let key = set_key(rule, &labels);
                let alert = self.set_level(key, level, summary.map(short), drill);
                let alert = alert.and_then(|id| self.state.alerts.get(&id));
                Ok(alert.and_then(|alert| alert.incident).map_or(Reply::Done, Reply::Incident))
            }
        }
    }

    fn find(&self, id: IncidentId) -> Result<&Incident, Refusal> {
        self.state.incidents.get(&id).ok_or(Refusal::UnknownIncident(id))
    }

    fn ack(
        &mut self,
        id: IncidentId,
        by: Actor,
        note: Option<String>,
        until: Option<Timestamp>,
    ) -> Result<Reply, Refusal> {
        let incident = self.find(id)?;
        let what = if until.is_some() { "snooze" } else { "acknowledge" };
        if !incident.is_open() {
            return Err(Refusal::AlreadyResolved(id));
        }
        let note = note.map(short);
        let in_vain =
            |by| Fact::ActedInVain { incident: id, by, what: what.to_owned(), note: note.clone() };
        if by.program {
            self.emit(in_vain(by));
            return Ok(Reply::Incident(id));
        }
        let first = incident.answer.clone().filter(|_| {
            incident.state == IncidentState::Acked
                && (until.is_none() || until == incident.snoozed_until)
        });
        if let Some(first) = first {
            self.emit(in_vain(by));
            return Ok(Reply::Already { incident: id, first: first.by, at: first.at });
        }
        let ends = until.or_else(|| self.answer_ends(incident));
        self.emit(Fact::Acked { incident: id, by, note, snoozed_until: until, ends });
        self.drop_waiting(id, "somebody has answered", |intent| intent.is_page());
        self.tell_all(id, &Reason::Acked);
        self.calm_exhausted(id);
        Ok(Reply::Incident(id))
    }

    /// Returns when an answer given now runs out.
    fn answer_ends(&self, incident: &Incident) -> Option<Timestamp> {
        let own = route_of(incident, self.settings).and_then(|route| route.ack_timeout);
        let usual = match incident.severity {
            Severity::Critical => Some(ACK_CRITICAL),
            Severity::Warning => Some(ACK_WARNING),
            Severity::Info => None,
        };
        own.or(usual).map(|length| self.now.plus(length))
    }

    fn resolve(
        &mut self,
        id: IncidentId,
        by: Actor,
        note: Option<String>,
        force: bool,
    ) -> Result<Reply, Refusal> {
        let incident = self.find(id)?;
        if let Some(ended) = &incident.ended {
            let Some(first) = ended.by.clone() else {
                return Err(Refusal::AlreadyResolved(id));
            };
            let at = ended.at;
            let what = "resolve".to_owned();
            self.emit(Fact::ActedInVain { incident: id, by, what, note: note.map(short) });
            return Ok(Reply::Already { incident: id, first, at });
        }
        let alerts = incident.firing_names();
        if !alerts.is_empty() && !force {
            return Err(Refusal::StillFiring { incident: id, alerts });
        }
        self.end(id, Some(by), note.map(short));
        Ok(Reply::Incident(id))
    }

    fn escalate(&mut self, id: IncidentId, by: Actor) -> Result<Reply, Refusal> {
        if !self.find(id)?.is_open() {
            return Err(Refusal::AlreadyResolved(id));
        }
        self.emit(Fact::Handed { incident: id, by });
        self.run_chain(id, Some(Reason::Handed));
        Ok(Reply::Incident(id))
    }

    fn assign(&mut self, id: IncidentId, by: Actor, to: PersonId) -> Result<Reply, Refusal> {
        if !self.find(id)?.is_open() {
            return Err(Refusal::AlreadyResolved(id));
        }
        if by.name == to.as_str() {
            return self.ack(id, by, None, None);
        }
        if !self.settings.people.contains_key(&to) {
            return Err(invalid(&format!("there is no person {to}")));
        }
        self.emit(Fact::Assigned { incident: id, by, to: to.clone() });
        self.page(id, &[to], &Reason::Handed);
        Ok(Reply::Incident(id))
    }

    fn silence(
        &mut self,
        matchers: Matchers,
        from: Timestamp,
        until: Timestamp,
        reason: String,
        by: Actor,
    ) -> Result<Reply, Refusal> {
        if until <= from || until <= self.now {
            return Err(invalid("a silence ends after its start and after now"));
        }
        if matchers.0.iter().all(|matcher| matcher.is_match("")) {
            return Err(invalid("at least one matcher must not match the empty value"));
        }
        let waiting = self.state.silences.values().filter(|one| self.now < one.until).count();
        if SILENCES_MAX <= waiting {
            return Err(invalid(&format!("there are {SILENCES_MAX} silences already; end some")));
        }
        let id = id_of(self.state.counts.silences + 1);
        let reason = short(reason);
        let silence =
            Silence { id: id.clone(), matchers, from, until, reason, by: by.name.clone() };
        self.emit(Fact::Silenced { silence, by });
        self.review_all = true;
        Ok(Reply::Silence(id))
    }

    fn put_in(
        &mut self,
        schedule: ScheduleId,
        change: Override,
        by: Actor,
    ) -> Result<Reply, Refusal> {
        if !self.settings.schedules.contains_key(&schedule) {
            return Err(Refusal::UnknownSchedule(schedule));
        }
        if change.to <= change.from {
            return Err(invalid("an override ends after its start"));
        }
        if change.add.is_none() && change.remove.is_none() {
            return Err(invalid("an override adds somebody, removes somebody, or both"));
        }
        let people = &self.settings.people;
        if let Some(unknown) = change.add.as_ref().filter(|one| !people.contains_key(one)) {
            return Err(invalid(&format!("there is no person {unknown}")));
        }
        let by_name = change.by.clone().or_else(|| Some(by.name.clone()));
        let change = Override { by: by_name, ..change };
        self.emit(Fact::Overridden { schedule, change, by });
        Ok(Reply::Done)
    }
}

fn set_key(rule: RuleName, labels: &Labels) -> AlertKey {
    let labels = labels.without(&["severity"]).with(ALERT_NAME, rule.as_str());
    let internal = labels.get("source") == Some("watchbell");
    let origin = if internal { Origin::Internal } else { Origin::Rule };
    AlertKey { rule, labels, origin }
}

fn invalid(why: &str) -> Refusal {
    Refusal::Invalid(why.to_owned())
}

fn short(text: String) -> String {
    if text.chars().count() <= NOTE_MAX { text } else { text.chars().take(NOTE_MAX).collect() }
}
