//! The fold: what a record makes of the state. Total: a record about something unknown changes
//! nothing, so that an old journal can always be read.

use crate::alert::{Alert, Event};
use crate::command::Actor;
use crate::escalation::Chain;
use crate::id::{AlertId, IncidentId};
use crate::incident::{
    ACTS_MAX, Act, Answered, CLOCKS_MAX, Ended, Incident, Line, MEMBERS_KEPT, Member, RESOLVED_KEPT,
};
use crate::level::Severity;
use crate::outbox::{Reason, Status};
use crate::record::state::{DOWNTIMES_KEPT, OVERRIDES_KEPT};
use crate::record::{AlertFact, Fact, Opened, PagePlan, Record, Resolved, Rose, State, Stepped};
use crate::silence::{ENDED_SHOWN_MS, SILENCES_MAX};
use crate::sla::Clock;
use crate::time::{Timestamp, format_duration};
use crate::view::IncidentState;
use watchbell_metrics::rule::Level;

impl State {
    /// Takes one record in.
    pub fn apply(&mut self, record: &Record) {
        let at = record.at;
        match &record.fact {
            Fact::Started { down_since } => self.started(*down_since, at),
            Fact::ClockStepped { by_ms } => self.clock_stepped(*by_ms, at),
            Fact::JournalResumed { .. } => {}
            Fact::Checkpoint(state) => {
                *self = (**state).clone();
                self.reindex();
            }
            Fact::Alert(fact) => self.alert_moved(fact, at),
            Fact::Forgot { alerts } => alerts.iter().for_each(|id| self.remove_alert(*id)),
            Fact::Opened(opened) => self.opened(opened, at),
            Fact::Resolved(resolved) => self.resolved(resolved, at),
            Fact::Reopened { incident, alert, chain } => {
                self.reopened(*incident, *alert, chain.as_ref(), at);
            }
            Fact::Joined { incident, alert, tell_at } => {
                self.joined(*incident, *alert, *tell_at, at);
            }
            Fact::Intended(_)
            | Fact::Attempted { .. }
            | Fact::Retried { .. }
            | Fact::Delivered { .. }
            | Fact::Failed { .. }
            | Fact::Dropped { .. } => self.apply_delivery(record),
            Fact::Silenced { .. } | Fact::Unsilenced { .. } | Fact::Overridden { .. } => {
                self.apply_plan(record);
            }
            fact => {
                self.spilled(fact);
                let incident = fact.incident().and_then(|id| self.incidents.get_mut(&id));
                if let Some(incident) = incident {
                    apply_to_incident(incident, fact, at);
                }
            }
        }
        self.seq = record.seq;
    }

    fn started(&mut self, down_since: Option<Timestamp>, at: Timestamp) {
        for intent in self.intents.values_mut() {
            if intent.status == Status::InFlight {
                intent.may_be_repeat = true;
                intent.attempt += 1;
                if let Some(incident) = self.incidents.get_mut(&intent.incident) {
                    incident.repeat = true;
                }
            }
        }
        let Some(since) = down_since else { return };
        let down = at.since(since);
        for alert in self.alerts.values_mut() {
            alert.levels.shift(down);
            alert.ends_at = alert.ends_at.map(|ends| ends.plus(down));
        }
        self.downtimes.push((since, at));
        let surplus = self.downtimes.len().saturating_sub(DOWNTIMES_KEPT);
        self.downtimes.drain(..surplus);
    }

    fn clock_stepped(&mut self, by_ms: i64, at: Timestamp) {
        let moved = |at: &mut Timestamp| at.0 = at.0.saturating_add(by_ms);
        for alert in self.alerts.values_mut() {
            alert.levels.step_clock(by_ms);
            alert.ends_at.iter_mut().for_each(moved);
            moved(&mut alert.touched);
        }
        for id in &self.open {
            if let Some(incident) = self.incidents.get_mut(id) {
                incident.step_clock(by_ms);
            }
        }
        for intent in self.intents.values_mut() {
            moved(&mut intent.at);
            if let Status::Waiting(until) = &mut intent.status {
                moved(until);
            }
        }
        // A silence in force lasts as long as was asked; one that waits is meant by the calendar.
        let before = Timestamp(at.0.saturating_sub(by_ms));
        for silence in self.silences.values_mut().filter(|silence| silence.is_active(before)) {
            moved(&mut silence.from);
            moved(&mut silence.until);
        }
    }

    fn alert_moved(&mut self, fact: &AlertFact, at: Timestamp) {
        if let Some(key) = &fact.key {
            self.counts.alerts = self.counts.alerts.max(fact.alert.0);
            self.insert_alert(Alert {
                id: fact.alert,
                key: key.clone(),
                levels: fact.levels.clone(),
                shown: fact.shown.clone(),
                drill: fact.drill,
                by_hand: fact.by_hand,
                muted: false,
                ends_at: fact.ends_at,
                incident: None,
                touched: at,
            });
        }
        let Some(alert) = self.alerts.get_mut(&fact.alert) else { return };
        alert.levels = fact.levels.clone();
        alert.shown = fact.shown.clone();
        alert.by_hand = fact.by_hand;
        alert.drill = fact.drill;
        alert.ends_at = fact.ends_at;
        alert.muted &= fact.levels.level != Level::Ok;
        alert.touched = at;
        let incident = alert.incident.and_then(|id| self.incidents.get_mut(&id));
        let Some(incident) = incident.filter(|incident| incident.is_open()) else { return };
        incident.alerts.insert(alert.id, member(alert));
        for event in &fact.events {
            incident.write(event_line(alert, *event, fact.why.as_deref(), at));
            incident.face += 1;
        }
        incident.severity = incident.firing().unwrap_or(incident.peak);
    }

    fn opened(&mut self, opened: &Opened, at: Timestamp) {
        self.counts.incidents = self.counts.incidents.max(opened.incident.0);
        let Some(alert) = self.alerts.get_mut(&opened.alert) else { return };
        alert.incident = Some(opened.incident);
        let mut incident = Incident {
            id: opened.incident,
            key: opened.key.clone(),
            route: opened.route.clone(),
            state: IncidentState::Triggered,
            severity: opened.severity,
            peak: opened.severity,
            title: opened.title.clone(),
            drill: alert.drill,
            internal: opened.internal,
            service: opened.service.clone(),
            team: opened.team.clone(),
            alerts: [(alert.id, member(alert))].into(),
            first_bad: alert.levels.first_bad,
            fired: at,
            planned: None,
            notified: None,
            clocks: vec![Clock::start(at, opened.deadline)],
            answered_by: std::collections::BTreeMap::new(),
            cause: None,
            answer: None,
            answer_ends: None,
            snoozed_until: None,
            ended: None,
            muted_by: Vec::new(),
            muted_since: None,
            suppressed: false,
            chain: opened.chain.clone(),
            post_due: opened.post_due,
            join_due: None,
            join_told: None,
            remind_due: opened.remind_due,
            acts: Vec::new(),
            act_count: 0,
            pending: std::collections::BTreeSet::new(),
            talks: Vec::new(),
            paged: Vec::new(),
            pages: std::collections::BTreeMap::new(),
            posted: Vec::new(),
            repeat: false,
            no_one_on_call: false,
            exhausted: false,
            face: 1,
            timeline: Vec::new(),
        };
        if let Some(first_bad) = incident.first_bad {
            incident.write(Line::new(
                first_bad,
                "first_bad",
                format!("{} went bad", incident.title),
            ));
        }
        let text = format!("{} fired by route {}: {}", opened.severity, opened.route, opened.title);
        incident.write(Line::new(at, "fired", text));
        self.by_key.insert(opened.key.clone(), opened.incident);
        self.open.insert(opened.incident);
        self.incidents.insert(opened.incident, incident);
    }

    fn joined(
        &mut self,
        id: IncidentId,
        alert: AlertId,
        tell_at: Option<Timestamp>,
        at: Timestamp,
    ) {
        let Some(alert) = self.alerts.get_mut(&alert) else { return };
        let Some(incident) = self.incidents.get_mut(&id) else { return };
        alert.incident = Some(id);
        incident.alerts.insert(alert.id, member(alert));
        incident.drill &= alert.drill;
        incident.severity = incident.firing().unwrap_or(incident.peak);
        incident.join_due = incident.join_due.or(tell_at);
        incident.face += 1;
        let text = format!("{} joined at {}", alert.key.labels, alert.levels.level);
        incident.write(Line::new(at, "joined", text));
    }

    fn resolved(&mut self, resolved: &Resolved, at: Timestamp) {
        let Some(incident) = self.incidents.get_mut(&resolved.incident) else { return };
        if resolved.forced {
            let firing = incident.alerts.iter().filter(|(_, member)| member.level != Level::Ok);
            for (id, _) in firing {
                if let Some(alert) = self.alerts.get_mut(id) {
                    alert.muted = true;
                }
            }
        }
        let by = resolved.by.as_ref();
        if let Some(by) = by.filter(|by| !by.program) {
            answer(incident, &by.name, at);
        }
        let who = by.map(|by| by.name.clone());
        let was = incident.state;
        incident.ended = Some(Ended { at, by: who, cancelled: resolved.cancelled, was });
        incident.state = IncidentState::Resolved;
        incident.severity = incident.peak;
        incident.chain = incident.chain.take().filter(|_| was == IncidentState::Triggered);
        incident.snoozed_until = None;
        incident.join_due = None;
        incident.acts.iter_mut().for_each(|act| act.later.clear());
        incident.face += 1;
        let text = match (by, resolved.cancelled) {
            (Some(by), _) => spoken(&format!("resolved by {}", by.name), resolved.note.as_deref()),
            (None, true) => "ended: its rule was removed".to_owned(),
            (None, false) => "all alerts have cleared".to_owned(),
        };
        incident.write(signed(Line::new(at, "resolved", text), by));
        if MEMBERS_KEPT < incident.alerts.len() {
            let surplus = incident.alerts.keys().nth(MEMBERS_KEPT).copied();
            drop(surplus.map(|from| incident.alerts.split_off(&from)));
        }
        self.open.remove(&resolved.incident);
        self.prune();
    }

    fn reopened(&mut self, id: IncidentId, alert: AlertId, chain: Option<&Chain>, at: Timestamp) {
        let Some(alert) = self.alerts.get_mut(&alert) else { return };
        let Some(incident) = self.incidents.get_mut(&id) else { return };
        let Some(ended) = incident.ended.take() else { return };
        let closed = at.since(ended.at);
        alert.incident = Some(id);
        incident.alerts.insert(alert.id, member(alert));
        incident.severity = incident.firing().unwrap_or(incident.peak);
        for clock in incident.clocks.iter_mut().filter(|clock| clock.answered.is_none()) {
            if clock.breached.is_none() {
                clock.deadline = clock.deadline.map(|deadline| deadline.plus(closed));
            }
        }
        // A person who ended it by hand is asked again; an answer given before still counts.
        let kept = ended.by.is_none() && ended.was == IncidentState::Acked;
        incident.state = if kept { IncidentState::Acked } else { IncidentState::Triggered };
        incident.answer_ends = incident.answer_ends.filter(|_| kept).map(|ends| ends.plus(closed));
        incident.chain = chain.cloned();
        incident.face += 1;
        let text = format!("came back {} after its end", format_duration(closed));
        incident.write(Line::new(at, "reopened", text));
        self.open.insert(id);
        self.by_key.insert(incident.key.clone(), id);
    }

    /// Drops the oldest resolved incidents beyond the bound.
    fn prune(&mut self) {
        while RESOLVED_KEPT < self.incidents.len() - self.open.len() {
            let oldest = self.incidents.keys().find(|id| !self.open.contains(id)).copied();
            let Some(gone) = oldest.and_then(|id| self.incidents.remove(&id)) else { return };
            if self.by_key.get(&gone.key) == Some(&gone.id) {
                self.by_key.remove(&gone.key);
            }
        }
    }

    /// Remembers that the next channel of a person was asked to help.
    fn spilled(&mut self, fact: &Fact) {
        if let Fact::ChannelAdded { instead_of: Some(delivery), .. } = fact {
            if let Some(intent) = self.intents.get_mut(delivery) {
                intent.spilled = true;
            }
        }
    }

    fn apply_plan(&mut self, record: &Record) {
        match &record.fact {
            Fact::Silenced { silence, .. } => {
                self.counts.silences += 1;
                let old = record.at.0.saturating_sub(ENDED_SHOWN_MS);
                self.silences.retain(|_, silence| old < silence.until.0);
                if self.silences.len() < SILENCES_MAX {
                    self.silences.insert(silence.id.clone(), silence.clone());
                }
            }
            Fact::Unsilenced { id, .. } => {
                if let Some(silence) = self.silences.get_mut(id) {
                    silence.until = record.at.min(silence.until);
                    silence.from = silence.from.min(silence.until);
                }
            }
            Fact::Overridden { schedule, change, .. } => {
                let own = self.overrides.entry(schedule.clone()).or_default();
                own.push(change.clone());
                let surplus = own.len().saturating_sub(OVERRIDES_KEPT);
                own.drain(..surplus);
            }
            _ => {}
        }
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
fn answer(incident: &mut Incident, by: &str, at: Timestamp) {
    for (index, clock) in incident.clocks.iter_mut().enumerate() {
        if clock.answered.is_none() {
            clock.answered = Some(at);
            incident.answered_by.insert(index, by.to_owned());
        }
    }
    incident.answer = Some(Answered { at, by: by.to_owned() });
}

fn member(alert: &Alert) -> Member {
    Member {
        key: alert.key.clone(),
        level: alert.levels.level,
        since: alert.levels.since,
        shown: alert.shown.clone(),
        no_data_since: alert.levels.no_data_since,
        flapping: alert.levels.flapping,
    }
}

fn event_line(alert: &Alert, event: Event, why: Option<&str>, at: Timestamp) -> Line {
    let who = &alert.key.labels;
    let value = alert.shown.value.map_or_else(String::new, |value| format!(", value {value}"));
    let (kind, text) = match event {
        Event::Changed { from, to: Level::Ok } => {
            ("cleared", format!("{who}: {from} to ok{value}"))
        }
        Event::Changed { from, to } => ("level", format!("{who}: {from} to {to}{value}")),
        Event::Pending(level) => ("pending", format!("{who}: {level} is pending{value}")),
        Event::FlappingStarted => ("flapping", format!("{who}: its level changes too often")),
        Event::FlappingEnded => ("flapping_ended", format!("{who}: its level is steady again")),
        Event::NoData => ("no_data", format!("{who}: no data")),
        Event::DataBack => ("data_back", format!("{who}: data is back")),
    };
    Line::new(at, kind, spoken(&text, why))
}

fn spoken(text: &str, note: Option<&str>) -> String {
    note.map_or_else(|| text.to_owned(), |note| format!("{text}: {note}"))
}

fn signed(line: Line, by: Option<&Actor>) -> Line {
    match by {
        Some(by) => line.by(&by.name).over(by.surface.as_str()),
        None => line,
    }
}
