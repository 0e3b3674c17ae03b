//! Runs seeds: the engine lives through a drawn plan while the audit watches every turn.
//!
//! A failing seed is made as short as it still fails and written as a scenario. The same seed
//! always gives the same run.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use watchbell_config::load::{Files, load_text};
use watchbell_config::value::Config;
use watchbell_metrics::promql::notation;
use watchbell_paging::command::{Actor, Command, Surface};
use watchbell_paging::level::Severity;
use watchbell_paging::time::Timestamp;
use watchbell_paging::view::IncidentView;

use crate::audit::Audit;
use crate::collector::{Collector, Pace, RuleSet};
use crate::people::{Intention, People, Verb};
use crate::plan::{AFTER, Happening, Plan, START, STEP};
use crate::random::Random;
use crate::run::Stage;
use crate::run::script::deed;
use crate::scenario::{Action, write_duration};
use crate::target::{FakeSeries, FakeTarget};
use crate::world::{Sabotage, World};

/// How seeds are timed.
const PACE: Pace = Pace::Rounds;
/// Moments after which a run is surely going in circles.
const MOMENTS_MAX: usize = 2_000_000;

/// What a seed lived through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SeedReport {
    /// The seed.
    pub seed: u64,
    /// Incidents that opened.
    pub incidents: usize,
    /// Of these, critical ones.
    pub critical: usize,
    /// Pages that arrived.
    pub arrived: usize,
    /// Answers by people.
    pub answers: usize,
    /// Records in the journal.
    pub records: usize,
}

/// A seed that broke a promise.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("seed {seed}: {broken}\n{script}")]
pub struct SeedFailure {
    /// The seed.
    pub seed: u64,
    /// Which promise, when, and what was found.
    pub broken: String,
    /// The shortest step list that shows it, as a scenario.
    pub script: String,
    /// Everything that happened in it.
    pub transcript: Vec<String>,
}

/// Runs a seed for `length` of virtual time.
///
/// # Errors
/// A promise was broken; the failure holds a scenario that shows it.
pub fn run_seed(seed: u64, length: Duration) -> Result<SeedReport, SeedFailure> {
    let plan = Plan::draw(seed, length);
    run_plan(&plan, None).map_err(|failure| shrink(&plan, failure))
}

/// Runs a plan as it is; `sabotage` makes the world lie, to show that the audit notices.
///
/// # Errors
/// A promise was broken.
pub fn run_plan(plan: &Plan, sabotage: Option<Sabotage>) -> Result<SeedReport, SeedFailure> {
    let mut life = Life { plan, answers: Vec::new() };
    life.run(sabotage)
}

struct Life<'a> {
    plan: &'a Plan,
    answers: Vec<Happening>,
}

impl Life<'_> {
    fn run(&mut self, sabotage: Option<Sabotage>) -> Result<SeedReport, SeedFailure> {
        let plan = self.plan;
        let files = PlanFiles(plan);
        let config = load_text(Path::new("before.toml"), &plan.config, &files);
        if config.has_errors() {
            let words = config.diagnostics.iter().map(|one| one.message.clone());
            return Err(self.failure(&words.collect::<Vec<_>>().join("; "), &[]));
        }
        let world = self.world(&config.config, sabotage)?;
        let path = PathBuf::from("before.toml");
        let mut stage = Stage::new(world, &path, &files);
        let random = Random::new(plan.seed ^ 0x5eed);
        let mut people = People::new(plan.tempers.clone(), random);
        match self.live(&mut stage, &mut people) {
            Ok(()) => Ok(self.report(&stage.world)),
            Err(words) => {
                let world = &stage.world;
                let text = |line: &crate::world::Line| format!("{} {}", line.at, line.text);
                let lines: Vec<String> = world.transcript().iter().map(text).collect();
                Err(self.failure(&words, &lines))
            }
        }
    }

    fn world(&self, config: &Config, sabotage: Option<Sabotage>) -> Result<World, SeedFailure> {
        let plan = self.plan;
        let start = Timestamp::parse_rfc3339(START).unwrap_or_default();
        let mut series = Vec::new();
        for (selector, values) in &plan.series {
            let read = notation::parse_labels(selector)
                .and_then(|labels| Ok((labels, notation::parse_values(values)?)));
            let (labels, points) =
                read.map_err(|error| self.failure(&format!("{selector}: {error}"), &[]))?;
            series.push(FakeSeries { labels, points });
        }
        let mut world = World::new(Arc::clone(&config.settings), start)
            .map_err(|error| self.failure(&error.to_string(), &[]))?;
        world.watch(Audit::new(Arc::clone(&config.settings)));
        world.providers_mut().set_latency(plan.latency);
        if let Some(sabotage) = sabotage {
            world.sabotage(sabotage);
        }
        let targets = FakeTarget::group(&series);
        let (rules, interval) = (RuleSet::of(config), config.daemon.interval);
        world.collect(Collector::new(targets, rules, (start, STEP), interval, PACE));
        Ok(world)
    }

    /// Lets time pass from event to event, so that people notice what arrives at once.
    fn live(&mut self, stage: &mut Stage<'_>, people: &mut People) -> Result<(), String> {
        let plan = self.plan;
        let mut happenings = plan.happenings.iter().peekable();
        for _ in 0..MOMENTS_MAX {
            let end = stage.at(plan.length);
            let happening = happenings.peek().map(|happening| stage.at(happening.at));
            let event = stage.world.next_event();
            let next = [happening, people.next(), event, Some(end)].into_iter().flatten().min();
            stage.world.advance(next.unwrap_or(end)).map_err(|error| error.to_string())?;
            people.notice(stage.world.providers());
            let now = stage.world.now();
            if happening.is_some_and(|at| at <= now)
                && let Some(happening) = happenings.next()
            {
                let before = stage.world.stepped_ms();
                let deed = deed(&happening.action)?;
                stage.perform(&deed, 0).map_err(|error| error.to_string())?;
                people.step_clock(stage.world.stepped_ms() - before);
            }
            for intention in people.take_due(stage.world.now()) {
                self.answer(stage, people, intention)?;
            }
            if end <= now {
                return Ok(());
            }
        }
        Err("the run does not come to its end".to_owned())
    }

    fn answer(
        &mut self,
        stage: &mut Stage<'_>,
        people: &mut People,
        intention: Intention,
    ) -> Result<(), String> {
        let now = stage.world.now();
        if stage.world.is_down() {
            people.try_again(intention, now);
            return Ok(());
        }
        let incident = intention.incident;
        let name = intention.person.to_string();
        let by = Actor { name: name.clone(), program: false, surface: Surface::Slack };
        let (command, verb) = match intention.verb {
            Verb::Ack => (Command::Ack { incident, by, note: None }, "ack"),
            Verb::Resolve => {
                (Command::Resolve { incident, by, note: None, force: false }, "resolve")
            }
            Verb::Snooze(lasts) => {
                let until = now.plus(lasts);
                (Command::Snooze { incident, by, until, note: None }, "snooze")
            }
        };
        let found = stage.world.view().incidents.iter().find(|one| one.id == incident);
        let rule = found.and_then(|one| rule_of(one)).unwrap_or_default();
        let passed = now.since(stage.at(Duration::ZERO));
        self.answers.push(Happening { at: passed, action: written(verb, rule, name, &intention) });
        stage.world.note(format!("{} answers incident {incident}: {verb}", intention.person));
        stage.world.ask(command).map_err(|error| error.to_string())?;
        Ok(())
    }

    fn report(&self, world: &World) -> SeedReport {
        let incidents = &world.view().incidents;
        SeedReport {
            seed: self.plan.seed,
            incidents: incidents.len(),
            critical: incidents.iter().filter(|one| one.severity == Severity::Critical).count(),
            arrived: world.providers().arrived.len(),
            answers: self.answers.len(),
            records: world.journal().len(),
        }
    }

    fn failure(&self, broken: &str, transcript: &[String]) -> SeedFailure {
        SeedFailure {
            seed: self.plan.seed,
            broken: broken.to_owned(),
            script: self.plan.write(&self.answers),
            transcript: transcript.to_vec(),
        }
    }
}

/// Leaves out one happening after the other, as long as the same promise is broken.
fn shrink(plan: &Plan, mut failure: SeedFailure) -> SeedFailure {
    let mut plan = plan.clone();
    let promise = promise_of(&failure.broken);
    let mut index = plan.happenings.len();
    while 0 < index {
        index -= 1;
        let mut shorter = plan.clone();
        shorter.happenings.remove(index);
        if let Err(other) = run_plan(&shorter, None)
            && promise_of(&other.broken) == promise
        {
            plan = shorter;
            failure = other;
        }
    }
    failure
}

/// The claim within the words of a violation: `instant: claim: what was found`.
fn promise_of(broken: &str) -> String {
    broken.split(": ").nth(1).unwrap_or(broken).to_owned()
}

fn rule_of(incident: &IncidentView) -> Option<String> {
    let alert = incident.alerts.first()?;
    alert.labels.get("alertname").map(str::to_owned)
}

fn written(verb: &str, rule: String, by: String, intention: &Intention) -> Action {
    let (rule, by) = (Some(rule), Some(by));
    match (verb, intention.verb) {
        ("resolve", _) => Action { resolve: rule, by, ..Action::default() },
        (_, Verb::Snooze(lasts)) => {
            let r#for = Some(write_duration(lasts));
            Action { snooze: rule, r#for, by, ..Action::default() }
        }
        (_, Verb::Ack | Verb::Resolve) => Action { ack: rule, by, ..Action::default() },
    }
}

/// The files of a plan: what a reload may read.
#[derive(Debug)]
struct PlanFiles<'a>(&'a Plan);

impl Files for PlanFiles<'_> {
    fn read(&self, path: &Path) -> Result<String, String> {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        match name.as_deref() {
            Some(AFTER) => Ok(self.0.after.clone()),
            Some("before.toml") => Ok(self.0.config.clone()),
            Some(_) | None => Err("no such file".to_owned()),
        }
    }

    fn matching(&self, _folder: &Path, _pattern: &str) -> Result<Vec<PathBuf>, String> {
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Duration = Duration::from_secs(7200);

    #[test]
    fn twenty_seeds_of_two_hours_keep_every_promise() {
        let mut lived = SeedReport::default();
        let mut failures = Vec::new();
        // `SEEDS=100..200` runs others than those of every day.
        let others = std::env::var_os("SEEDS").and_then(|text| text.into_string().ok());
        let (first, end) = others
            .as_deref()
            .and_then(|text| text.split_once(".."))
            .and_then(|(first, end)| Some((first.parse().ok()?, end.parse().ok()?)))
            .unwrap_or((1, 21));
        for seed in first..end {
            let report = match run_seed(seed, LENGTH) {
                Ok(report) => report,
                Err(failure) => {
                    println!("seed {seed}: {}", failure.broken);
                    failures.push(failure);
                    continue;
                }
            };
            println!("{report:?}");
            lived.critical += report.critical;
            lived.arrived += report.arrived;
            lived.answers += report.answers;
        }
        if let Some(failure) = failures.first() {
            panic!("{failure}\n{}", failure.transcript.join("\n"));
        }
        // A simulation in which nothing happens keeps every promise, too.
        assert!(100 < lived.critical && 500 < lived.arrived && 50 < lived.answers, "{lived:?}");
    }

    #[test]
    fn a_seed_gives_the_same_run_every_time() {
        let plan = Plan::draw(3, LENGTH);
        let text = |result: Result<SeedReport, SeedFailure>| format!("{result:?}");
        assert_eq!(text(run_plan(&plan, None)), text(run_plan(&plan, None)));
    }

    #[test]
    fn every_lie_of_the_world_is_noticed() {
        for (sabotage, promise) in [
            (Sabotage::DropPages, "a critical that holds is delivered in time"),
            (Sabotage::LoseTail, "answers survive a crash"),
            (Sabotage::SkipSeq, "the journal has no gaps"),
            (Sabotage::SendTwice, "a possible repeat says so"),
            (Sabotage::PageAfterAck, "nothing pages after an answer"),
            (Sabotage::PageForNothing, "no page without a firing alert"),
        ] {
            let broken: Vec<String> = (1..=12)
                .filter_map(|seed| run_plan(&Plan::draw(seed, LENGTH), Some(sabotage)).err())
                .map(|failure| promise_of(&failure.broken))
                .collect();
            assert!(
                broken.iter().any(|found| found == promise),
                "{sabotage:?} is not noticed as {promise:?}, only as {broken:?}"
            );
        }
    }
}
