//! Paging along the chain: whose turn it is now, over which channels, and what if nobody is there.
//!
//! An empty stage is passed at once, nobody at all means the fallback, and a page is never dropped.

use std::time::Duration;

use crate::engine::incidents::choose;
use crate::engine::telling::person_address;
use crate::engine::timers::breaks_at;
use crate::engine::work::Work;
use crate::escalation::{self, Chain, Stage, Target, after, again, people, stages};
use crate::id::{IncidentId, PersonId};
use crate::incident::{Act, Incident};
use crate::level::Severity;
use crate::outbox::Reason;
use crate::record::{Fact, PagePlan, Stepped};
use crate::route::{ChannelKind, Person, Route};
use crate::settings::Settings;
use crate::sla::{self, BreachFacts};
use crate::time::Timestamp;
use crate::view::IncidentState;

/// Channels of a person without a choice of their own, and the order in which they stand in.
const CHANNELS: [ChannelKind; 3] = [ChannelKind::Slack, ChannelKind::Email, ChannelKind::Terminal];
/// Stages that one instant may run: a chain whose stages are all due runs them all.
const STAGES_AT_ONCE_MAX: usize = 100;

/// Whom a stage pages in the end.
struct Turn {
    stage: usize,
    people: Vec<PersonId>,
    unreachable: Vec<PersonId>,
    passed: Vec<usize>,
    fallback: bool,
}

impl Work<'_> {
    /// Does what is due of an incident, in the order in which a reader of the timeline expects it.
    pub(super) fn advance(&mut self, id: IncidentId) {
        self.expire_answer(id);
        // A calendar may begin or end here.
        self.touched.insert(id);
        if self.state.incidents.get(&id).is_none_or(Incident::is_muted) {
            return;
        }
        self.post_first(id);
        for _ in 0..STAGES_AT_ONCE_MAX {
            let due = self.state.incidents.get(&id).and_then(chain_due);
            if due.is_none_or(|due| self.now < due) {
                break;
            }
            self.run_chain(id, None);
        }
        self.use_later_channels(id);
        self.tell_joined(id);
        self.remind(id);
        self.breach(id);
    }

    fn expire_answer(&mut self, id: IncidentId) {
        let Some(incident) = self.state.incidents.get(&id) else { return };
        if incident.answer_ends.is_none_or(|ends| self.now < ends) || !incident.is_open() {
            return;
        }
        let route = route_of(incident, self.settings);
        let chain = route.and_then(|route| {
            escalation::start_at_once(route, incident.severity, self.now, Reason::AckExpired)
        });
        let told = chain.is_none();
        self.emit(Fact::AckExpired { incident: id, chain });
        if told {
            self.tell_all(id, &Reason::AckExpired);
        }
    }

    fn breach(&mut self, id: IncidentId) {
        for _ in 0..crate::incident::CLOCKS_MAX {
            let Some(incident) = self.state.incidents.get(&id) else { return };
            let due = breaks_at(incident).is_some_and(|at| at <= self.now);
            let Some((index, deadline)) = incident.next_breach().filter(|_| due) else { return };
            let Some(clock) = incident.clocks.get(index) else { return };
            let cause = sla::cause(&BreachFacts {
                opened: clock.opened,
                deadline,
                planned: incident.planned.unwrap_or(clock.opened),
                notified: incident.notified,
                no_one_on_call: incident.no_one_on_call,
                daemon_down: self.state.was_down(deadline),
            });
            self.emit(Fact::Breached { incident: id, clock: index, at: deadline, cause });
            self.tell_all(id, &Reason::Breached);
        }
    }

    /// Runs the next stage of the chain. `handed` is the reason where it runs before its time.
    pub(super) fn run_chain(&mut self, id: IncidentId, handed: Option<Reason>) {
        let Some(incident) = self.state.incidents.get(&id) else { return };
        let settings = self.settings.clone();
        let Some(route) = route_of(incident, &settings) else { return };
        let severity = incident.peak;
        let stages = stages(route, severity);
        let begun = || escalation::start_at_once(route, severity, self.now, Reason::New);
        let mut chain = incident.chain.clone().or_else(begun).unwrap_or_else(|| bare(self.now));
        let internal = incident.internal;
        if stages.len() <= chain.next && !stages.is_empty() {
            let repeats = escalation::repeats(route, severity);
            if handed.is_none() && (!incident.exhausted || !repeats) {
                self.exhaust(id, chain.round, internal);
            }
            if !repeats && handed.is_none() {
                return;
            }
            chain = again(&chain, &stages, self.now);
        }
        let Some(turn) = self.whose_turn(id, route, &stages, &chain, severity) else { return };
        self.take_turn(id, route, &stages, &chain, turn, handed);
    }

    /// Finds the next stage that has somebody; the fallback where none has.
    fn whose_turn(
        &self,
        id: IncidentId,
        route: &Route,
        stages: &[Stage<'_>],
        chain: &Chain,
        severity: Severity,
    ) -> Option<Turn> {
        let incident = self.state.incidents.get(&id)?;
        let overrides = &self.state.overrides;
        let find = |page: &[Target<'_>]| -> (Vec<PersonId>, Vec<PersonId>) {
            let all = people(page, self.settings, overrides, self.now);
            all.into_iter().partition(|person| self.is_reachable(person, severity))
        };
        let fallback: Vec<Target<'_>> = route.fallback.iter().map(Target::Pageable).collect();
        let mut turn = Turn {
            stage: chain.next,
            people: Vec::new(),
            unreachable: Vec::new(),
            passed: Vec::new(),
            fallback: false,
        };
        for (index, stage) in stages.iter().enumerate().skip(chain.next) {
            let (found, unreachable) = find(&stage.page);
            turn.unreachable.extend(unreachable);
            turn.stage = index;
            if !found.is_empty() {
                turn.fallback = stage.fallback;
                turn.people = found;
                break;
            }
            turn.passed.push(index);
        }
        if turn.people.is_empty() {
            turn.fallback = true;
            turn.people = find(&fallback).0;
        }
        // Each further round goes to the fallback as well.
        if 0 < chain.round && chain.next == 0 {
            for person in find(&fallback).0 {
                if !turn.people.contains(&person) {
                    turn.people.push(person);
                }
            }
        }
        if turn.people.is_empty() && incident.peak == Severity::Critical {
            turn.people = self.last_resort(severity);
        }
        Some(turn)
    }

    /// Whoever else can be paged: the fallback of another route, else anybody.
    fn last_resort(&self, severity: Severity) -> Vec<PersonId> {
        let overrides = &self.state.overrides;
        let reachable = |person: &PersonId| self.is_reachable(person, severity);
        for route in &self.settings.routes {
            let page: Vec<Target<'_>> = route.fallback.iter().map(Target::Pageable).collect();
            let mut found = people(&page, self.settings, overrides, self.now);
            found.retain(reachable);
            if !found.is_empty() {
                return found;
            }
        }
        self.settings.people.keys().find(|person| reachable(person)).cloned().into_iter().collect()
    }

    fn take_turn(
        &mut self,
        id: IncidentId,
        route: &Route,
        stages: &[Stage<'_>],
        chain: &Chain,
        turn: Turn,
        handed: Option<Reason>,
    ) {
        let Some(incident) = self.state.incidents.get(&id) else { return };
        let nobody = turn.fallback && incident.act_count == 0 && chain.round == 0;
        let ran = if turn.people.is_empty() || turn.fallback && !turn.passed.is_empty() {
            stages.len().saturating_sub(1)
        } else {
            turn.stage
        };
        let reason = match (handed, chain.round) {
            (Some(handed), _) => handed,
            (None, _) if nobody => Reason::Fallback,
            (None, 0) if turn.stage == 0 => chain.reason.clone(),
            (None, 0) => Reason::Escalated { step: number(turn.stage) },
            (None, round) if turn.stage == 0 => Reason::Repeat { round },
            (None, _) => Reason::Escalated { step: number(turn.stage) },
        };
        self.emit(Fact::Stepped(Box::new(Stepped {
            incident: id,
            stage: turn.stage,
            round: chain.round,
            people: turn.people.clone(),
            passed: turn.passed,
            fallback: turn.fallback,
            no_one_on_call: nobody,
            chain: after(chain, stages, ran, self.now, escalation::rest(route)),
        })));
        let mut all = turn.people;
        all.extend(turn.unreachable);
        self.page(id, &all, &reason);
        if 0 < turn.stage || 0 < chain.round {
            self.tell_posts(id, &reason);
        }
    }

    fn exhaust(&mut self, id: IncidentId, round: u32, internal: bool) {
        self.emit(Fact::Exhausted { incident: id, round });
        if !internal {
            let number = id.to_string();
            let summary = format!("incident {id}: everybody was paged and nobody answered");
            let labels = [("incident", number.as_str())];
            let severity = Severity::Warning;
            self.speak_up("WatchbellEscalationExhausted", &labels, severity, &summary);
        }
    }

    pub(super) fn calm_exhausted(&mut self, id: IncidentId) {
        let number = id.to_string();
        self.calm_down("WatchbellEscalationExhausted", &[("incident", number.as_str())]);
    }

    /// Pages people, each over the channels that they chose.
    pub(super) fn page(&mut self, id: IncidentId, people: &[PersonId], reason: &Reason) {
        let Some(incident) = self.state.incidents.get(&id) else { return };
        let (severity, first) = (incident.peak, incident.act_count + 1);
        let plans: Vec<PagePlan> =
            people.iter().map(|person| self.plan(person, severity)).collect();
        if plans.is_empty() {
            return;
        }
        let pages = plans.clone();
        self.emit(Fact::Paged { incident: id, reason: reason.clone(), pages });
        let reached = plans.iter().filter(|plan| !plan.is_empty());
        for (plan, act) in reached.zip(first..) {
            for channel in &plan.channels {
                self.intend_page(id, act, *channel);
            }
        }
    }

    fn plan(&self, person: &PersonId, severity: Severity) -> PagePlan {
        let mut plan = PagePlan { person: person.clone(), channels: Vec::new(), later: Vec::new() };
        let Some(found) = self.settings.people.get(person) else { return plan };
        let own = found.notify.iter().filter(|choice| {
            choice.severity == severity && is_usable(found, choice.channel, self.settings)
        });
        for choice in own {
            let known = plan.channels.contains(&choice.channel);
            if choice.delay == Duration::ZERO && !known {
                plan.channels.push(choice.channel);
            } else if !known {
                plan.later.push((choice.channel, self.now.plus(choice.delay)));
            }
        }
        if plan.is_empty() {
            let usable = |kind: &ChannelKind| is_usable(found, *kind, self.settings);
            plan.channels = CHANNELS.into_iter().filter(usable).collect();
        }
        plan
    }

    fn is_reachable(&self, person: &PersonId, severity: Severity) -> bool {
        !self.plan(person, severity).is_empty()
    }

    fn use_later_channels(&mut self, id: IncidentId) {
        let Some(incident) = self.state.incidents.get(&id) else { return };
        if incident.state != IncidentState::Triggered {
            return;
        }
        let due: Vec<(u32, ChannelKind)> = incident
            .acts
            .iter()
            .flat_map(|act| act.later.iter().map(|(kind, at)| (act.number, *kind, *at)))
            .filter(|(_, _, at)| *at <= self.now)
            .map(|(act, kind, _)| (act, kind))
            .collect();
        for (act, channel) in due {
            self.emit(Fact::ChannelAdded { incident: id, act, channel, instead_of: None });
            self.intend_page(id, act, channel);
        }
    }
}

impl PagePlan {
    /// Tells whether the person cannot be reached.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.channels.is_empty() && self.later.is_empty()
    }
}

/// Returns the route of an incident; where the configuration lost it, the one chosen anew.
pub(super) fn route_of<'a>(incident: &Incident, settings: &'a Settings) -> Option<&'a Route> {
    let named = settings.routes.iter().find(|route| route.name == incident.route);
    named.or_else(|| {
        let member = incident.alerts.values().next()?;
        let labels = member.key.labels.with("severity", incident.peak.as_str());
        choose(settings, &labels)
    })
}

/// Returns the channel that stands in for a person's failing ones, if one is left.
pub(super) fn next_channel(act: &Act, settings: &Settings) -> Option<ChannelKind> {
    let person = settings.people.get(&act.person)?;
    let later = act.later.iter().map(|(kind, _)| *kind);
    let usable = |kind: &ChannelKind| is_usable(person, *kind, settings);
    later.chain(CHANNELS.into_iter().filter(usable)).find(|kind| !act.used.contains(kind))
}

/// Returns when the chain of an incident goes on, while it waits for an answer.
pub(super) fn chain_due(incident: &Incident) -> Option<Timestamp> {
    let waits = incident.state == IncidentState::Triggered && !incident.is_muted();
    incident.chain.as_ref().filter(|_| waits).and_then(|chain| chain.due)
}

/// Tells whether the round has a stage that has not run.
pub(super) fn has_stage_left(incident: &Incident, settings: &Settings) -> bool {
    let stages = route_of(incident, settings).map(|route| stages(route, incident.peak).len());
    let next = incident.chain.as_ref().map(|chain| chain.next);
    next.is_some_and(|next| stages.is_some_and(|stages| next < stages))
}

/// Returns the names of people whom the next stage pages, as far as can be told now.
pub(super) fn next_people(
    incident: &Incident,
    settings: &Settings,
    state: &crate::record::State,
) -> Vec<PersonId> {
    let Some(route) = route_of(incident, settings) else { return Vec::new() };
    let stages = stages(route, incident.peak);
    let Some((chain, at)) = incident.chain.as_ref().and_then(|one| Some((one, one.due?))) else {
        return Vec::new();
    };
    let stage = stages.get(chain.next).or(stages.first());
    stage.map_or_else(Vec::new, |stage| people(&stage.page, settings, &state.overrides, at))
}

fn is_usable(person: &Person, kind: ChannelKind, settings: &Settings) -> bool {
    settings.channels.contains(&kind) && person_address(person, kind).is_some()
}

fn bare(now: Timestamp) -> Chain {
    Chain { origin: now, round: 0, next: 0, due: None, reason: Reason::New }
}

fn number(stage: usize) -> u32 {
    u32::try_from(stage).unwrap_or(u32::MAX)
}
