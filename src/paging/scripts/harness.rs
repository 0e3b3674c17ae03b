//! The small world of the scripts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use watchbell_metrics::label::{Labels, MatchOp, Matcher, Matchers};
use watchbell_metrics::rule::{
    Bound, Comparison, Evidence, Level, Reading, RuleName, RulePolicy, RuleReadings,
};

use crate::calendar::{Calendar, WorkWeek};
use crate::command::{Actor, Answer, Command, Surface};
use crate::duty::{Every, Handoff, Layer, LayerSpec, Schedule};
use crate::engine::{Effect, Engine, Input, PostedAlert};
use crate::id::{CommandId, DeliveryId, IncidentId, PersonId, ScheduleId, SilenceId};
use crate::outbox::{Address, Anchor, Delivery, Outcome, Purpose, Reason};
use crate::record::Record;
use crate::route::{ChannelKind, Pageable, Person, PostTarget, Route, Step};
use crate::settings::Settings;
use crate::sla::Promises;
use crate::time::{Timestamp, Zone};
use crate::turn::{AppendError, Ports, turn};
use crate::view::{IncidentView, View};

/// Monday 10:00 UTC, 11:00 in Berlin.
pub(super) const START: &str = "2026-11-23T10:00:00Z";

/// How a channel behaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Mood {
    #[default]
    Works,
    Down,
    Refuses,
    Hangs,
    Throttles(Duration),
}

/// The world: time, journal, providers, answers.
pub(super) struct World {
    pub(super) engine: Engine,
    pub(super) settings: Arc<Settings>,
    pub(super) now: Timestamp,
    pub(super) start: Timestamp,
    pub(super) outside: Outside,
    commands: u64,
}

#[derive(Default)]
pub(super) struct Outside {
    pub(super) journal: Vec<Record>,
    pub(super) appends: usize,
    pub(super) sent: Vec<(Timestamp, Delivery)>,
    pub(super) arrived: Vec<(Timestamp, Delivery)>,
    pub(super) order: Vec<&'static str>,
    pub(super) moods: BTreeMap<ChannelKind, Mood>,
    pub(super) disk_full: bool,
    pub(super) view: Arc<View>,
    pub(super) published: Vec<Timestamp>,
    answers: BTreeMap<CommandId, Answer>,
    results: Vec<(DeliveryId, Outcome)>,
    now: Timestamp,
}

impl World {
    pub(super) fn new(settings: Settings) -> Self {
        Self::starting(settings, START)
    }

    pub(super) fn starting(settings: Settings, start: &str) -> Self {
        let settings = Arc::new(settings);
        let now = Timestamp::parse_rfc3339(start).unwrap();
        let engine = Engine::restore(Arc::clone(&settings), None, [].into_iter()).unwrap();
        let outside = Outside::default();
        let mut world = Self { engine, settings, now, start: now, outside, commands: 0 };
        world.feed(Input::Started { down_since: None });
        world
    }

    /// Lets time pass up to an instant counted from the start.
    pub(super) fn at(&mut self, t: &str) -> &mut Self {
        let until = self.start.plus(length(t));
        assert!(self.now <= until, "{t} is past");
        self.settle();
        while let Some((next, _)) = self.engine.next_wakeup().filter(|(at, _)| *at <= until) {
            self.now = next.max(self.now);
            self.settle();
        }
        self.now = until;
        self.settle();
        self
    }

    pub(super) fn feed(&mut self, input: Input) {
        self.turn(vec![input]);
        self.settle();
    }

    pub(super) fn turn(&mut self, inputs: Vec<Input>) {
        self.outside.now = self.now;
        let done = turn(&mut self.engine, inputs.into_iter(), self.now, &mut self.outside);
        assert!(done.is_ok() || self.outside.disk_full);
    }

    fn settle(&mut self) {
        for _ in 0..2_000 {
            let results = std::mem::take(&mut self.outside.results);
            if !results.is_empty() {
                let inputs = results.into_iter().map(|(id, what)| Input::Delivered(id, what));
                self.turn(inputs.collect());
            } else if self.engine.next_wakeup().is_some_and(|(at, _)| at <= self.now) {
                self.turn(vec![Input::Tick]);
            } else {
                return;
            }
        }
        panic!("the engine does not come to rest: {:?}", self.engine.next_wakeup());
    }

    pub(super) fn ask(&mut self, command: Command) -> Answer {
        self.commands += 1;
        let id = CommandId(self.commands);
        self.feed(Input::Command(id, command));
        self.outside.answers.remove(&id).expect("every command is answered in its turn")
    }

    pub(super) fn set(&mut self, rule: &str, level: Level) {
        self.set_with(rule, &[], level);
    }

    pub(super) fn set_with(&mut self, rule: &str, labels: &[(&str, &str)], level: Level) {
        self.ask(Command::SetLevel {
            rule: RuleName::new(rule),
            labels: Labels::from_pairs(labels.iter().copied()),
            level,
            summary: None,
            drill: false,
        });
    }

    /// One evaluation of a rule: values by the label `job`.
    pub(super) fn read(&mut self, rule: &str, values: &[(&str, f64)]) {
        let readings = values.iter().map(|(job, value)| reading(rule, job, *value, None)).collect();
        self.evaluated(rule, Ok(readings));
    }

    pub(super) fn evaluated(&mut self, rule: &str, outcome: Result<Vec<Reading>, String>) {
        let at = self.now.as_millis();
        let rule = RuleName::new(rule);
        self.feed(Input::Readings(vec![RuleReadings { rule, at, outcome }]));
    }

    pub(super) fn ack(&mut self, rule: &str, by: &str) -> Answer {
        let incident = self.id(rule);
        self.ask(Command::Ack { incident, by: person(by), note: None })
    }

    pub(super) fn resolve(&mut self, rule: &str, by: &str, force: bool) -> Answer {
        let incident = self.id(rule);
        self.ask(Command::Resolve { incident, by: person(by), note: None, force })
    }

    pub(super) fn silence(&mut self, label: &str, value: &str, length_text: &str) -> Answer {
        let matcher = Matcher::new(label, MatchOp::Equal, value).unwrap();
        self.ask(Command::Silence {
            matchers: Matchers(vec![matcher]),
            from: self.now,
            until: self.now.plus(length(length_text)),
            reason: "works".to_owned(),
            by: person("ana"),
        })
    }

    pub(super) fn mood(&mut self, channel: ChannelKind, mood: Mood) {
        self.outside.moods.insert(channel, mood);
    }

    /// Kills the process and starts it again later.
    pub(super) fn crash(&mut self, down: &str) {
        let since = self.now;
        self.outside.results.clear();
        self.now = self.now.plus(length(down));
        let journal = self.outside.journal.iter().cloned();
        self.engine = Engine::restore(Arc::clone(&self.settings), None, journal).unwrap();
        self.feed(Input::Started { down_since: Some(since) });
    }

    pub(super) fn configure(&mut self, settings: Settings) {
        self.settings = Arc::new(settings);
        self.feed(Input::Configured(Arc::clone(&self.settings)));
    }

    /// The picture of now.
    pub(super) fn view(&mut self) -> Arc<View> {
        // Any answer is preceded by the newest picture, and this one changes nothing.
        self.ask(Command::Unsilence { id: SilenceId::from("none"), by: person("ana") });
        Arc::clone(&self.outside.view)
    }

    /// The newest incident of a rule.
    pub(super) fn incident(&mut self, rule: &str) -> Arc<IncidentView> {
        self.incidents(rule).into_iter().next().unwrap_or_else(|| panic!("no incident of {rule}"))
    }

    /// The incidents of a rule, newest first.
    pub(super) fn incidents(&mut self, rule: &str) -> Vec<Arc<IncidentView>> {
        let of = |incident: &&Arc<IncidentView>| {
            incident.alerts.iter().any(|alert| alert.labels.get("alertname") == Some(rule))
        };
        self.view().incidents.iter().filter(of).cloned().collect()
    }

    pub(super) fn id(&mut self, rule: &str) -> IncidentId {
        self.incident(rule).id
    }

    pub(super) fn paged(&mut self, rule: &str) -> Vec<String> {
        self.incident(rule).paged.iter().map(ToString::to_string).collect()
    }

    pub(super) fn pages(&mut self, rule: &str, who: &str) -> u32 {
        self.incident(rule).pages.get(&PersonId::from(who)).copied().unwrap_or(0)
    }

    pub(super) fn kinds(&mut self, rule: &str) -> Vec<String> {
        self.incident(rule).timeline.iter().map(|line| line.kind.clone()).collect()
    }

    /// What arrived at an address, as words: purpose and reason.
    pub(super) fn arrived(&self, to: &str) -> Vec<String> {
        let here = self.outside.arrived.iter().filter(|(_, one)| one.address.as_written() == to);
        here.map(|(_, one)| format!("{} {}", purpose(&one.purpose), word(&one.message.reason)))
            .collect()
    }
}

impl Ports for Outside {
    fn append(&mut self, records: &[Record]) -> Result<(), AppendError> {
        if self.disk_full {
            return Err(AppendError::new("no space left on device"));
        }
        assert!(!records.is_empty(), "an empty append is a wasted sync");
        self.appends += 1;
        self.journal.extend_from_slice(records);
        Ok(())
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Send(delivery) => {
                self.order.push("send");
                self.sent.push((self.now, delivery.clone()));
                let kind = delivery.address.kind();
                let retry = |after, why: &str| Outcome::Retry { after, why: why.to_owned() };
                let outcome = match self.moods.get(&kind).cloned().unwrap_or_default() {
                    Mood::Works => {
                        let anchor = anchor(&delivery);
                        self.arrived.push((self.now, delivery.clone()));
                        Outcome::Accepted { anchor }
                    }
                    Mood::Down => retry(None, "connection refused"),
                    Mood::Refuses => Outcome::Failed { why: "no such address".to_owned() },
                    Mood::Hangs => return,
                    Mood::Throttles(after) => retry(Some(after), "429"),
                };
                self.results.push((delivery.id, outcome));
            }
            Effect::Reply(id, answer) => {
                self.order.push("reply");
                self.answers.insert(id, answer);
            }
            Effect::Publish(view) => {
                self.order.push("publish");
                self.published.push(self.now);
                self.view = view;
            }
        }
    }
}

fn anchor(delivery: &Delivery) -> Option<Anchor> {
    match &delivery.address {
        Address::Slack(channel) => {
            Some(Anchor::Slack { channel: format!("C{channel}"), ts: delivery.id.to_string() })
        }
        Address::Email(_) => Some(Anchor::Email { message_id: format!("<{}@x>", delivery.id) }),
        Address::Webhook(_) | Address::Terminal => None,
    }
}

fn purpose(purpose: &Purpose) -> &'static str {
    match purpose {
        Purpose::Page { .. } => "page",
        Purpose::Post => "post",
        Purpose::Edit => "edit",
        Purpose::Thread { person: Some(_) } => "mention",
        Purpose::Thread { person: None } => "thread",
    }
}

fn word(reason: &Reason) -> String {
    let text = format!("{reason:?}");
    text.split([' ', '{']).next().unwrap_or_default().to_owned()
}

pub(super) fn length(text: &str) -> Duration {
    let mut total = 0;
    let mut number = 0;
    for letter in text.chars() {
        match letter.to_digit(10) {
            Some(digit) => number = number * 10 + u64::from(digit),
            None => {
                let unit = match letter {
                    's' => 1,
                    'm' => 60,
                    'h' => 3600,
                    'd' => 86_400,
                    other => panic!("unit {other}"),
                };
                total += std::mem::take(&mut number) * unit;
            }
        }
    }
    Duration::from_secs(total)
}

pub(super) fn person(name: &str) -> Actor {
    Actor { name: name.to_owned(), program: false, surface: Surface::Scenario }
}

pub(super) fn program(name: &str) -> Actor {
    Actor { program: true, ..person(name) }
}

pub(super) fn reading(rule: &str, job: &str, value: f64, evidence: Option<Evidence>) -> Reading {
    Reading {
        level: None,
        labels: Labels::from_pairs([("alertname", rule), ("job", job)]),
        value,
        evidence,
        summary: None,
        annotations: Vec::new(),
    }
}

pub(super) fn posted(severity: &str, starts: Timestamp, ends: Timestamp) -> PostedAlert {
    PostedAlert {
        labels: Labels::from_pairs([("alertname", "Posted"), ("severity", severity)]),
        annotations: vec![("summary".to_owned(), "posted by another".to_owned())],
        starts_at: starts,
        ends_at: ends,
    }
}

/// People ana, ben and cho, the schedules and routes of the response scenarios.
pub(super) fn settings() -> Settings {
    let people = ["ana", "ben", "cho"].into_iter().enumerate().map(|(index, name)| {
        let person = Person {
            id: PersonId::from(name),
            name: name.to_owned(),
            email: Some(format!("{name}@example.org")),
            slack: Some(format!("U{}", index + 1)),
            terminal: false,
            zone: None,
            notify: Vec::new(),
        };
        (person.id.clone(), person)
    });
    let schedules = [
        rota("primary", &["ana"], Every::Weeks(1), "mon 09:00", "2026-01-05"),
        rota("secondary", &["ben"], Every::Weeks(1), "mon 09:00", "2026-01-05"),
        rota("daily", &["ana", "ben"], Every::Days(1), "09:00", "2026-11-22"),
        rota("future", &["ana"], Every::Weeks(1), "mon 09:00", "2030-01-07"),
    ];
    let mut routes = vec![
        route("nobody", Some(("alertname", "Orphan")), &["future"], &[], &["cho"]),
        route(
            "handover",
            Some(("alertname", "Handover")),
            &["daily"],
            &[("2m", "daily")],
            &["cho"],
        ),
        route(
            "skip",
            Some(("alertname", "Skip")),
            &["primary"],
            &[("2m", "future"), ("4m", "secondary")],
            &["cho"],
        ),
        route(
            "critical",
            Some(("severity", "critical")),
            &["primary"],
            &[("2m", "secondary"), ("4m", "cho")],
            &["cho"],
        ),
        route("warning", Some(("severity", "warning")), &["primary"], &[], &[]),
        route("rest", None, &[], &[], &[]),
    ];
    for route in routes.iter_mut().skip(3) {
        route.post = vec![PostTarget::Slack("#ops".to_owned())];
    }
    Settings {
        zone: Zone::utc(),
        calendar: calendar("mon-fri 09:00-17:00"),
        calendars: BTreeMap::from([("nights".to_owned(), calendar("mon-sun 20:00-24:00"))]),
        promises: Promises::default(),
        people: people.collect(),
        schedules: schedules.into_iter().map(|one| (one.id.clone(), one)).collect(),
        routes,
        rules: [cpu()].into_iter().map(|rule| (rule.name.clone(), Arc::new(rule))).collect(),
        channels: BTreeSet::from([ChannelKind::Slack, ChannelKind::Email]),
    }
}

/// The rule of the worked example: bounds 60/70/80, clears 50/60/70, no holds.
pub(super) fn cpu() -> RulePolicy {
    let bound = |comparison, value| Some(Bound { comparison, value });
    let mut policy = RulePolicy::new("cpu");
    policy.bounds.target = bound(Comparison::AtMost, 60.0);
    policy.bounds.warn = bound(Comparison::Above, 70.0);
    policy.bounds.critical = bound(Comparison::Above, 80.0);
    policy.clears.target = bound(Comparison::Below, 50.0);
    policy.clears.warn = bound(Comparison::Below, 60.0);
    policy.clears.critical = bound(Comparison::Below, 70.0);
    policy.clear_for = Duration::ZERO;
    policy
}

pub(super) fn with_rule(change: impl FnOnce(&mut RulePolicy)) -> Settings {
    let mut settings = settings();
    let mut policy = cpu();
    change(&mut policy);
    settings.rules.insert(policy.name.clone(), Arc::new(policy));
    settings
}

pub(super) fn with_route(name: &str, change: impl FnOnce(&mut Route)) -> Settings {
    let mut settings = settings();
    let route = settings.routes.iter_mut().find(|route| route.name.as_str() == name).unwrap();
    change(route);
    settings
}

pub(super) fn calendar(work: &str) -> Calendar {
    let zone = Zone::find("Europe/Berlin").unwrap();
    Calendar { zone, work: WorkWeek::parse(work).unwrap(), off: Vec::new() }
}

fn route(
    name: &str,
    matcher: Option<(&str, &str)>,
    page: &[&str],
    escalate: &[(&str, &str)],
    fallback: &[&str],
) -> Route {
    let mut route = Route::new(name);
    let matcher = matcher.map(|(label, value)| Matcher::new(label, MatchOp::Equal, value).unwrap());
    route.matchers = Matchers(matcher.into_iter().collect());
    route.page = page.iter().map(|who| pageable(who)).collect();
    route.escalate = escalate
        .iter()
        .map(|(at, who)| Step { at: length(at), page: vec![pageable(who)] })
        .collect();
    route.fallback = fallback.iter().map(|who| pageable(who)).collect();
    route
}

pub(super) fn pageable(name: &str) -> Pageable {
    match name {
        "ana" | "ben" | "cho" => Pageable::Person(PersonId::from(name)),
        schedule => Pageable::Schedule(ScheduleId::from(schedule)),
    }
}

fn rota(name: &str, people: &[&str], every: Every, handoff: &str, start: &str) -> Schedule {
    let layer = Layer::new(LayerSpec {
        people: people.iter().map(|one| PersonId::from(*one)).collect(),
        every,
        handoff: Handoff::parse(handoff).unwrap(),
        start: start.parse().unwrap(),
        days: None,
        hours: None,
        priority: 0,
        zone: None,
    });
    Schedule {
        id: ScheduleId::from(name),
        zone: Zone::utc(),
        layers: vec![layer.unwrap()],
        overrides: Vec::new(),
        away: Vec::new(),
    }
}
