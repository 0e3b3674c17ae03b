//! The fold of what happens to one incident: pages, answers, rises, breaches, mutes.

use crate::command::Actor;
use crate::escalation::Chain;
use crate::incident::{ACTS_MAX, Act, Answered, CLOCKS_MAX, Incident, Line};
use crate::level::Severity;
use crate::outbox::Reason;
use crate::record::{Fact, PagePlan, Rose, Stepped};
use crate::sla::Clock;
use crate::time::Timestamp;
use crate::view::IncidentState;

impl Incident {
    pub(super) fn apply(&mut self, fact: &Fact, at: Timestamp) {
        apply_to_incident(self, fact, at);
    }
}

fn apply_to_incident(incident: &mut Incident, fact: &Fact, at: Timestamp) {
    match fact {
        Fact::JoinedTold { .. } => {
            incident.join_due = None;
            incident.join_told = Some(at);
        }
        Fact::Rose(rose) => rise(incident, rose, at),
        Fact::Posting { .. } => {
            incident.post_due = None;
            incident.planned.get_or_insert(at);
            incident.join_told.get_or_insert(at);
        }
        Fact::Stepped(stepped) => step(incident, stepped, at),
        Fact::Paged { reason, pages, .. } => page(incident, reason, pages, at),
        Fact::ChannelAdded { act, channel, .. } => {
            let act = incident.acts.iter_mut().find(|one| one.number == *act);
            if let Some(act) = act {
                act.used.push(*channel);
                act.later.retain(|(kind, _)| kind != channel);
            }
        }
        Fact::Exhausted { round, .. } => {
            incident.exhausted = true;
            if let Some(chain) = &mut incident.chain {
                chain.due = None;
            }
            let text = format!("everybody was paged, nobody answered (round {})", round + 1);
            incident.write(Line::new(at, "exhausted", text));
        }
        Fact::Muted { by, chain, post_due, .. } => mute(incident, by, chain, *post_due, at),
        Fact::Reminded { .. } => {
            incident.remind_due = None;
            incident.write(Line::new(at, "reminded", "the deadline is near"));
        }
        Fact::Breached { clock, at: broken, cause, .. } => {
            if let Some(clock) = incident.clocks.get_mut(*clock) {
                clock.breached = Some(*broken);
            }
            incident.cause.get_or_insert(*cause);
            incident.face += 1;
            let text = format!("nobody answered by {}: {}", broken, cause.as_str());
            incident.write(Line::new(at, "breached", text));
        }
        _ => apply_action(incident, fact, at),
    }
}

/// What people do.
fn apply_action(incident: &mut Incident, fact: &Fact, at: Timestamp) {
    match fact {
        Fact::Acked { by, note, snoozed_until, ends, .. } => {
            answer(incident, &by.name, at);
            incident.state = IncidentState::Acked;
            incident.snoozed_until = *snoozed_until;
            incident.answer_ends = *ends;
            if let Some(chain) = &mut incident.chain {
                chain.due = None;
            }
            incident.acts.iter_mut().for_each(|act| act.later.clear());
            incident.face += 1;
            let (kind, text) = match snoozed_until {
                Some(until) => ("snoozed", format!("snoozed by {} until {until}", by.name)),
                None => ("acked", format!("acknowledged by {}", by.name)),
            };
            incident.write(signed(Line::new(at, kind, spoken(&text, note.as_deref())), Some(by)));
        }
        Fact::ActedInVain { by, what, note, .. } => {
            let who = if by.program { "the program " } else { "" };
            let text = format!("{who}{} asked to {what}; that changed nothing", by.name);
            let line = Line::new(at, "acted_in_vain", spoken(&text, note.as_deref()));
            incident.write(signed(line, Some(by)));
        }
        Fact::AckExpired { chain, .. } => {
            let text = match incident.snoozed_until {
                Some(_) => "the snooze is over and it still fires",
                None => "the acknowledgement ran out and it still fires",
            };
            incident.state = IncidentState::Triggered;
            incident.answer_ends = None;
            incident.snoozed_until = None;
            incident.chain.clone_from(chain);
            incident.exhausted = false;
            incident.face += 1;
            incident.write(Line::new(at, "ack_expired", text));
        }
        Fact::Handed { by, .. } => {
            let text = format!("{} asked for the next step", by.name);
            incident.write(signed(Line::new(at, "handed", text), Some(by)));
        }
        Fact::Assigned { by, to, .. } => {
            let text = format!("{} handed it to {to}", by.name);
            incident.write(signed(Line::new(at, "assigned", text), Some(by)));
        }
        Fact::Noted { by, note, .. } => {
            incident.write(signed(Line::new(at, "note", note.clone()), Some(by)));
        }
        _ => {}
    }
}

fn rise(incident: &mut Incident, rose: &Rose, at: Timestamp) {
    incident.peak = incident.peak.max(rose.severity);
    incident.severity = rose.severity;
    incident.route = rose.route.clone();
    incident.title.clone_from(&rose.title);
    if rose.second_clock && incident.clocks.len() < CLOCKS_MAX {
        incident.clocks.push(Clock::start(at, rose.deadline));
    } else if let Some(clock) = incident.clocks.last_mut() {
        // No deadline is later than any instant.
        let both = clock.deadline.into_iter().chain(rose.deadline);
        clock.deadline = both.min();
    }
    incident.state = IncidentState::Triggered;
    incident.answer_ends = None;
    incident.snoozed_until = None;
    incident.chain.clone_from(&rose.chain);
    incident.post_due = rose.post_due;
    if Severity::Info < rose.severity {
        incident.remind_due = None;
    }
    incident.exhausted = false;
    incident.face += 1;
    let text = format!("rose to {}, route {}: {}", rose.severity, rose.route, rose.title);
    incident.write(Line::new(at, "rise", text));
}

fn step(incident: &mut Incident, stepped: &Stepped, at: Timestamp) {
    incident.chain = Some(stepped.chain.clone());
    incident.no_one_on_call |= stepped.no_one_on_call;
    for passed in &stepped.passed {
        let text = format!("step {passed} has nobody on call and is passed at once");
        incident.write(Line::new(at, "step_empty", text));
    }
    let names: Vec<&str> = stepped.people.iter().map(crate::id::PersonId::as_str).collect();
    let whom = if names.is_empty() { "nobody".to_owned() } else { names.join(", ") };
    let text = match (stepped.fallback, stepped.round) {
        (true, _) if stepped.no_one_on_call => {
            format!("nobody is on call, the fallback is paged: {whom}")
        }
        (true, 0) => format!("the fallback is paged: {whom}"),
        (_, 0) => format!("step {} pages {whom}", stepped.stage),
        (_, round) => format!("round {}, step {} pages {whom}", round + 1, stepped.stage),
    };
    incident.write(Line::new(at, "escalated", text));
}

fn page(incident: &mut Incident, reason: &Reason, pages: &[PagePlan], at: Timestamp) {
    for plan in pages {
        if plan.channels.is_empty() && plan.later.is_empty() {
            let text = format!("{} has no address on a configured channel", plan.person);
            incident.write(Line::new(at, "unreachable", text).by(plan.person.as_str()));
            continue;
        }
        incident.act_count += 1;
        incident.acts.push(Act {
            number: incident.act_count,
            person: plan.person.clone(),
            at,
            reason: reason.clone(),
            delivered: None,
            used: plan.channels.clone(),
            later: plan.later.clone(),
        });
    }
    let surplus = incident.acts.len().saturating_sub(ACTS_MAX);
    incident.acts.drain(..surplus);
    if !pages.is_empty() {
        incident.planned.get_or_insert(at);
    }
}

fn mute(
    incident: &mut Incident,
    by: &[String],
    chain: &Option<Chain>,
    post_due: Option<Timestamp>,
    at: Timestamp,
) {
    let text = if by.is_empty() {
        "people are told again".to_owned()
    } else {
        format!("nobody is told: {}", by.join(", "))
    };
    let kind = if by.is_empty() { "unsilenced" } else { "silenced" };
    incident.write(Line::new(at, kind, text));
    incident.muted_since = if by.is_empty() { None } else { incident.muted_since.or(Some(at)) };
    incident.suppressed = !by.is_empty() && (incident.suppressed || at == incident.fired);
    incident.muted_by = by.to_vec();
    incident.chain.clone_from(chain);
    incident.post_due = post_due;
    incident.face += 1;
}

/// A person's answer stops every clock that runs.
pub(super) fn answer(incident: &mut Incident, by: &str, at: Timestamp) {
    for (index, clock) in incident.clocks.iter_mut().enumerate() {
        if clock.answered.is_none() {
            clock.answered = Some(at);
            incident.answered_by.insert(index, by.to_owned());
        }
    }
    incident.answer = Some(Answered { at, by: by.to_owned() });
}

pub(super) fn spoken(text: &str, note: Option<&str>) -> String {
    note.map_or_else(|| text.to_owned(), |note| format!("{text}: {note}"))
}

pub(super) fn signed(line: Line, by: Option<&Actor>) -> Line {
    match by {
        Some(by) => line.by(&by.name).over(by.surface.as_str()),
        None => line,
    }
}
