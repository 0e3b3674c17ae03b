//! `test`: scenarios, rule tests of Prometheus and PromQL scripts, all on a virtual clock.
//!
//! Files are run side by side and shown in their order. Nothing outside is touched.

mod junit;
mod rules;
mod suite;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use clap::Args;
use regex::Regex;
use serde_json::json;
use watchbell_metrics::promql::script;
use watchbell_sim::rule_test::Coverage;
use watchbell_sim::run::{RunOptions, render, run_file};

use self::suite::{Case, Counts, Suite};
use crate::cli::Context;
use crate::cli::files::{Disk, is_match};
use crate::cli::out::{Exit, Failure};

#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// Scenarios (*.test.toml), Prometheus rule tests (*.yml, *.yaml), PromQL scripts (*.test), or
    /// folders of such [default: the scenarios beside the configuration]
    files: Vec<PathBuf>,
    /// Only tests whose name matches; given several times, one of them must
    #[arg(long, value_name = "REGEX")]
    run: Vec<Regex>,
    /// Print the transcript of every scenario
    #[arg(long)]
    verbose: bool,
    /// Write the results as JUnit XML
    #[arg(long, value_name = "PATH")]
    junit: Option<PathBuf>,
    /// Say which rules of the rule files no rule test shows at work
    #[arg(long)]
    coverage: bool,
    /// Fail below this share of covered rules, such as 80%
    #[arg(long, value_name = "SHARE", value_parser = share)]
    min_coverage: Option<f64>,
    /// Unknown fields of Prometheus rule files are warnings
    #[arg(long)]
    ignore_unknown_fields: bool,
}

impl TestArgs {
    fn wants(&self, name: &str) -> bool {
        self.run.is_empty() || self.run.iter().any(|regex| regex.is_match(name))
    }
}

pub(crate) fn run(context: &Context, args: &TestArgs) -> Result<Exit, Failure> {
    let files = if args.files.is_empty() { beside(context)? } else { unfolded(&args.files)? };
    if files.is_empty() {
        let where_to = if args.files.is_empty() { "beside the configuration" } else { "there" };
        return Err(Failure::usage(format!("no file of tests stands {where_to}; name files")));
    }
    let (mut suites, mut coverage) = (Vec::new(), Coverage::default());
    for tested in all(&files, args) {
        let (suite, shown) = tested?;
        coverage.merge(shown);
        suites.push(suite);
    }
    if let Some(path) = &args.junit {
        std::fs::write(path, junit::xml(&suites))
            .map_err(|error| Failure::problem(format!("writing {}: {error}", path.display())))?;
    }
    let counts = suites.iter().map(|suite| suite.counts).sum::<Counts>();
    let is_covered = args.min_coverage.is_none_or(|least| least <= coverage.share());
    if context.out.json {
        context.out.value(&json!({
            "passed": counts.passed,
            "failed": counts.failed,
            "skipped": counts.skipped,
            "files": suites,
            "coverage": (args.coverage || args.min_coverage.is_some())
                .then(|| rules::coverage_json(&coverage)),
        }))?;
    } else {
        show(context, args, &suites, &coverage);
        context.out.line(counts.to_string());
    }
    Ok(if counts.failed == 0 && is_covered { Exit::Ok } else { Exit::Problem })
}

fn show(context: &Context, args: &TestArgs, suites: &[Suite], coverage: &Coverage) {
    for suite in suites {
        if !suite.notes.is_empty() {
            context.out.note(suite.notes.trim_end());
        }
        context.out.text(&suite.text);
    }
    if args.coverage || args.min_coverage.is_some() {
        context.out.text(&rules::coverage_text(coverage, args.min_coverage));
    }
}

/// Runs all files, as many at once as there are processors.
fn all(files: &[PathBuf], args: &TestArgs) -> Vec<Result<(Suite, Coverage), Failure>> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(files.len()));
    std::thread::scope(|scope| {
        for _ in 0..threads.min(files.len()) {
            scope.spawn(|| {
                while let Some((index, path)) = {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    files.get(index).map(|path| (index, path))
                } {
                    let tested = test_file(path, args);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((index, tested));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, tested)| tested).collect()
}

fn test_file(path: &Path, args: &TestArgs) -> Result<(Suite, Coverage), Failure> {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    if name.ends_with(".yml") || name.ends_with(".yaml") {
        return Ok(rules::run(path, args));
    }
    let read = || {
        std::fs::read_to_string(path)
            .map_err(|error| Failure::usage(format!("reading {}: {error}", path.display())))
    };
    if name.ends_with(".toml") {
        return Ok((scenarios(path, &read()?, args), Coverage::default()));
    }
    if name.ends_with(".test") {
        return Ok((script(path, &read()?), Coverage::default()));
    }
    Err(Failure::usage(format!(
        "{}: neither scenarios (*.test.toml) nor rule tests (*.yml, *.yaml) nor a PromQL script \
         (*.test)",
        path.display()
    )))
}

fn scenarios(path: &Path, text: &str, args: &TestArgs) -> Suite {
    let mut report = run_file(path, text, &Disk, &RunOptions::default());
    report.cases.retain(|case| args.wants(&case.name));
    let mut suite = Suite::new(path);
    suite.text = render(path, &report, args.verbose);
    if let Some((line, message)) = &report.error {
        suite.add(Case::failed("the file", *line, message));
    }
    for case in &report.cases {
        let failures = case.failures.iter().map(|failure| {
            format!("{}: expected {}, got {}", failure.line, failure.expected, failure.got)
        });
        suite.add(Case::new(&case.name, case.line, &failures.collect::<Vec<_>>().join("\n")));
    }
    suite
}

fn script(path: &Path, text: &str) -> Suite {
    let report = script::run(text);
    let mut suite = Suite::new(path);
    for failure in &report.failed {
        let line = format!("{}:{}: {}\n", path.display(), failure.line, failure.message);
        suite.text.push_str(&line);
        let name = format!("line {}", failure.line);
        suite.add(Case::failed(&name, failure.line, &failure.message));
    }
    // The runner counts what passed, and does not name it.
    suite.counts.passed += report.passed;
    suite.counts.skipped += report.skipped;
    suite
}

/// Puts the files of tests that a folder holds in the place of the folder.
fn unfolded(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            files.extend(listed(path)?.into_iter().filter(|path| holds_tests(path)));
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

/// Tells files of tests from the rules and the data that stand beside them.
fn holds_tests(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    if name.ends_with(".yml") || name.ends_with(".yaml") {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        return text.lines().any(|line| line.starts_with("tests:"));
    }
    name.ends_with(".test.toml") || name.ends_with(".test")
}

/// Lists the files of a folder, in order of their names.
fn listed(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = std::fs::read_dir(folder)
        .map_err(|error| Failure::usage(format!("listing {}: {error}", folder.display())))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| folder.join(entry.file_name()))
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    Ok(files)
}

/// Reads a share: `80%`, or `80`.
fn share(text: &str) -> Result<f64, String> {
    let number = text.trim().strip_suffix('%').unwrap_or(text).trim().parse::<f64>();
    match number {
        Ok(number) if (0.0..=100.0).contains(&number) => Ok(number / 100.0),
        Ok(_) | Err(_) => Err("write a share from 0% to 100%".to_owned()),
    }
}

/// Scenarios in the folders of the configuration's files.
fn beside(context: &Context) -> Result<Vec<PathBuf>, Failure> {
    let checked = context.load()?;
    let folders: std::collections::BTreeSet<PathBuf> = checked
        .sources
        .iter()
        .map(|source| source.path.parent().unwrap_or_else(|| Path::new("")).to_path_buf())
        .collect();
    let mut found = Vec::new();
    for folder in folders {
        let shown = if folder.as_os_str().is_empty() { Path::new(".") } else { &folder };
        let name = |path: &Path| {
            path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
        };
        let scenarios = listed(shown)?;
        let scenarios = scenarios.iter().map(|path| name(path));
        let scenarios = scenarios.filter(|name| is_match("*.test.toml", name));
        found.extend(scenarios.map(|name| folder.join(name)));
    }
    Ok(found)
}
