//! `test`: scenarios and PromQL scripts on a virtual clock.

use std::path::{Path, PathBuf};

use clap::Args;
use watchbell_metrics::promql::script;
use watchbell_sim::run::{RunOptions, render, run_file};

use crate::cli::Context;
use crate::cli::files::{Disk, is_match};
use crate::cli::out::{Exit, Failure};

#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// Scenarios (*.test.toml) or PromQL scripts (*.test) [default: beside the configuration]
    files: Vec<PathBuf>,
    /// Print the transcript of every case
    #[arg(long)]
    verbose: bool,
}

#[derive(Default)]
struct Counts {
    passed: usize,
    failed: usize,
    skipped: usize,
}

pub(crate) fn run(context: &Context, args: &TestArgs) -> Result<Exit, Failure> {
    let files = if args.files.is_empty() { beside(context)? } else { args.files.clone() };
    if files.is_empty() {
        return Err(Failure::usage("no *.test.toml stands beside the configuration; name files"));
    }
    let mut counts = Counts::default();
    for path in &files {
        test_file(context, path, args.verbose, &mut counts)?;
    }
    let skipped = match counts.skipped {
        0 => String::new(),
        skipped => format!(", {skipped} skipped"),
    };
    context.out.line(format!("{} passed, {} failed{skipped}", counts.passed, counts.failed));
    Ok(if counts.failed == 0 { Exit::Ok } else { Exit::Problem })
}

fn test_file(
    context: &Context,
    path: &Path,
    verbose: bool,
    counts: &mut Counts,
) -> Result<(), Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("reading {}: {error}", path.display())))?;
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    if name.ends_with(".toml") {
        let report = run_file(path, &text, &Disk, &RunOptions::default());
        let passed = report.cases.iter().filter(|case| case.passed).count();
        counts.passed += passed;
        counts.failed += report.cases.len() - passed + usize::from(report.error.is_some());
        context.out.text(&render(path, &report, verbose));
        return Ok(());
    }
    if name.ends_with(".test") {
        let report = script::run(&text);
        for failure in &report.failed {
            context.out.line(format!("{}:{}: {}", path.display(), failure.line, failure.message));
        }
        counts.passed += report.passed;
        counts.failed += report.failed.len();
        counts.skipped += report.skipped;
        return Ok(());
    }
    if name.ends_with(".yml") || name.ends_with(".yaml") {
        return Err(Failure::usage(format!(
            "{}: Prometheus rule tests cannot be run yet",
            path.display()
        )));
    }
    Err(Failure::usage(format!(
        "{}: neither a scenario (*.test.toml) nor a PromQL script (*.test)",
        path.display()
    )))
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
        let entries = std::fs::read_dir(shown)
            .map_err(|error| Failure::usage(format!("listing {}: {error}", shown.display())))?;
        let mut files: Vec<PathBuf> = entries
            .filter_map(Result::ok)
            .filter(|entry| is_match("*.test.toml", &entry.file_name().to_string_lossy()))
            .map(|entry| folder.join(entry.file_name()))
            .collect();
        files.sort();
        found.extend(files);
    }
    Ok(found)
}
