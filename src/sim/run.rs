//! Runs scenarios: each `[[test]]` is a world of its own, led through its steps and looked at.
//!
//! Everything that is due at an instant has happened when it is looked at. Opens no file but
//! through `Files`; resolves no secret.

pub(crate) mod script;
mod setup;
mod perform;
mod judge;
mod render;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use watchbell_config::load::Files;
use watchbell_config::value::Config;
use watchbell_paging::id::IncidentId;
use watchbell_paging::time::{Timestamp, format_duration};
use watchbell_paging::view::IncidentView;

pub use self::render::{render, summary};
use self::script::{Case, Moment};
use crate::audit::Audit;
use crate::collector::{Collector, Pace, RuleSet};
use crate::scenario;
use crate::target::FakeTarget;
use crate::world::{World, WorldError};

/// How scenarios are run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunOptions {
    /// Only cases whose name contains this.
    pub filter: Option<String>,
    /// Check the engine's own promises after every turn, too.
    pub audit: bool,
}

/// What became of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileReport {
    /// Why the file could not be run at all, with its 1-based line.
    pub error: Option<(usize, String)>,
    /// Every case that was run.
    pub cases: Vec<CaseReport>,
}

/// What became of one `[[test]]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaseReport {
    /// The claim.
    pub name: String,
    /// Where it stands, 1-based.
    pub line: usize,
    /// Whether every expectation held.
    pub passed: bool,
    /// What did not hold.
    pub failures: Vec<Failure>,
    /// The timelines of the incidents that failing expectations looked at.
    pub timeline: Vec<String>,
    /// Everything that happened.
    pub transcript: Vec<String>,
}

/// One expectation that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Where its step stands, 1-based.
    pub line: usize,
    /// What should have been.
    pub expected: String,
    /// What was.
    pub got: String,
}

/// Runs every case of a scenario file; `path` anchors what it refers to.
#[must_use]
pub fn run_file(path: &Path, text: &str, files: &dyn Files, options: &RunOptions) -> FileReport {
    match prepare(path, text, files) {
        Err(error) => FileReport { error: Some(error), cases: Vec::new() },
        Ok((config, cases)) => {
            let wanted = |case: &&Case| {
                options.filter.as_ref().is_none_or(|filter| case.name.contains(filter.as_str()))
            };
            let run = |case: &Case| run_case(case, &config, path, files, options);
            FileReport { error: None, cases: cases.iter().filter(wanted).map(run).collect() }
        }
    }
}

/// One case under way.
pub(crate) struct Stage<'a> {
    pub(crate) world: World,
    start: Timestamp,
    path: &'a Path,
    files: &'a dyn Files,
    failures: Vec<Failure>,
    looked_at: BTreeMap<IncidentId, Arc<IncidentView>>,
}

type Prepared = (Arc<Config>, Vec<Case>);

fn prepare(path: &Path, text: &str, files: &dyn Files) -> Result<Prepared, (usize, String)> {
    let file = scenario::parse(text).map_err(|error| (error.line, error.message))?;
    let cases = script::compile(&file, text)?;
    let config = setup::configuration(&file, path, text, files)?;
    Ok((Arc::new(config), cases))
}

fn run_case(
    case: &Case,
    config: &Arc<Config>,
    path: &Path,
    files: &dyn Files,
    options: &RunOptions,
) -> CaseReport {
    let report = CaseReport { name: case.name.clone(), line: case.line, ..CaseReport::default() };
    let mut world = match World::new(Arc::clone(&config.settings), case.start) {
        Ok(world) => world,
        Err(error) => {
            let expected = "an engine".to_owned();
            let failure = Failure { line: case.line, expected, got: error.to_string() };
            return CaseReport { failures: vec![failure], ..report };
        }
    };
    if options.audit {
        world.watch(Audit::new(Arc::clone(&config.settings)));
    }
    // Without a series the case is about people alone, and no rule has anything to say.
    if !case.series.is_empty() {
        let targets = FakeTarget::group(&case.series);
        let grid = (case.start, case.step);
        let interval = config.daemon.interval;
        let rules = RuleSet::of(config);
        world.collect(Collector::new(targets, rules, grid, interval, Pace::Steps));
    }
    let mut stage = Stage::new(world, path, files);
    for moment in &case.moments {
        if let Err(error) = stage.pass(moment) {
            stage.fail(moment.line, "the engine keeps its promises", &error.to_string());
            break;
        }
    }
    stage.close(report)
}

impl<'a> Stage<'a> {
    pub(crate) fn new(world: World, path: &'a Path, files: &'a dyn Files) -> Self {
        let start = world.now();
        let (failures, looked_at) = (Vec::new(), BTreeMap::new());
        Self { world, start, path, files, failures, looked_at }
    }

    fn pass(&mut self, moment: &Moment) -> Result<(), WorldError> {
        self.world.advance(self.at(moment.at))?;
        if let Some(deed) = &moment.deed {
            self.perform(deed, moment.line)?;
        }
        match &moment.expectation {
            Some(expectation) => self.judge(expectation, moment),
            None => Ok(()),
        }
    }

    /// Returns the wall clock's instant of a time counted from the start.
    pub(crate) fn at(&self, passed: Duration) -> Timestamp {
        let at = self.start.plus(passed);
        Timestamp(at.0.saturating_add(self.world.stepped_ms()))
    }

    fn fail(&mut self, line: usize, expected: &str, got: &str) {
        let (expected, got) = (expected.to_owned(), got.to_owned());
        self.failures.push(Failure { line, expected, got });
    }

    fn close(self, report: CaseReport) -> CaseReport {
        let start = self.start;
        let transcript = self
            .world
            .transcript()
            .iter()
            .map(|line| {
                format!("{} +{} {}", line.at, format_duration(line.at.since(start)), line.text)
            })
            .collect();
        let timeline =
            self.looked_at.values().flat_map(|incident| render::timeline(incident)).collect();
        CaseReport {
            passed: self.failures.is_empty(),
            failures: self.failures,
            timeline,
            transcript,
            ..report
        }
    }
}

#[cfg(test)]
mod tests;
