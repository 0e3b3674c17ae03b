//! `check`: every fault of a configuration at once.

mod difference;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use serde_json::json;
use watchbell_config::coverage::coverage;
use watchbell_config::diagnostic::{Severity, line_column};
use watchbell_config::load::{
    Checked, Lints, RuleFileOptions, is_rule_file, load_prometheus_rules, load_rules, load_with,
};

use crate::cli::Context;
use crate::cli::files::Disk;
use crate::cli::out::{Exit, Failure};
use crate::clock::Clock;
use crate::links::Links;
use crate::notify::Notifier;
use crate::telemetry::Metrics;

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Main files or rule files [default: the configuration]
    files: Vec<PathBuf>,
    /// Also try secrets and every channel, without paging anybody
    #[arg(long)]
    online: bool,
    /// Also print who is on call differently in the next 30 days than by this configuration
    #[arg(long, value_name = "OLD")]
    diff: Option<PathBuf>,
    /// Warnings make the exit code 1
    #[arg(long, alias = "lint-fatal")]
    deny_warnings: bool,
    /// What to look for in Prometheus rule files beside errors
    #[arg(long, value_enum, default_value = "duplicate-rules")]
    lint: Lint,
    /// Unknown fields of Prometheus rule files are warnings
    #[arg(long)]
    ignore_unknown_fields: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Lint {
    /// Nothing
    None,
    /// Rules that are there twice
    DuplicateRules,
    /// Also alerts without severity or summary, templates of labels that are not there, counters
    /// read as gauges
    All,
}

impl CheckArgs {
    fn rule_files(&self) -> RuleFileOptions {
        let lints = match self.lint {
            Lint::None => Lints::None,
            Lint::DuplicateRules => Lints::Duplicates,
            Lint::All => Lints::All,
        };
        RuleFileOptions {
            ignore_unknown_fields: self.ignore_unknown_fields,
            lints,
            ..RuleFileOptions::default()
        }
    }
}

pub(crate) fn run(context: &Context, args: &CheckArgs) -> Result<Exit, Failure> {
    let paths =
        if args.files.is_empty() { vec![context.config_path()] } else { args.files.clone() };
    let old =
        args.diff.as_deref().map(|old| difference::Old::load(context, args, old)).transpose()?;
    let (mut files, mut errors, mut warnings) = (0, 0, 0);
    let (mut findings, mut changes) = (Vec::new(), Vec::new());
    for path in &paths {
        let mut checked = check_file(path, args.rule_files())?;
        let is_main = !checked.config.settings.routes.is_empty();
        if is_main {
            let now = Clock::start().now();
            let gaps = coverage(&checked, now);
            checked.diagnostics.extend(gaps);
        }
        // With what it includes.
        files += checked.config.files.len().max(1);
        let found = context.show_findings(&checked);
        errors += found.0;
        warnings += found.1;
        findings.extend(checked.diagnostics.iter().map(|one| as_json(one, &checked)));
        if let Some(old) = &old {
            let found = old.compare(context, &checked, Clock::start().now());
            for warning in found.warnings {
                warnings += 1;
                context.out.note(&format!("{}: warning: {warning}", path.display()));
                findings.push(json!({ "severity": "warning", "message": warning }));
            }
            changes.extend(found.changes);
        }
        if args.online && !checked.has_errors() {
            for fault in online(&checked) {
                errors += 1;
                context.out.note(&format!("{}: error: {fault}", path.display()));
                findings.push(json!({ "severity": "error", "message": fault }));
            }
        }
    }
    match (context.out.json, &old) {
        (true, Some(_)) => {
            let changes: Vec<_> = changes.iter().map(difference::Change::as_json).collect();
            context.out.value(&json!({ "findings": findings, "on_call": changes }))?;
        }
        (true, None) => context.out.value(&findings)?,
        (false, old) => {
            if old.is_some() {
                difference::show(context, &changes);
            }
            context.out.line(summary(files, errors, warnings));
        }
    }
    Ok(match (errors, warnings) {
        (0, 0) => Exit::Ok,
        (0, _) if args.deny_warnings => Exit::Problem,
        (0, _) => Exit::Ok,
        (_, _) => Exit::Usage,
    })
}

fn check_file(path: &Path, options: RuleFileOptions) -> Result<Checked, Failure> {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    if name.ends_with(".yml") || name.ends_with(".yaml") {
        return Ok(load_prometheus_rules(path, &Disk, options));
    }
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("reading {}: {error}", path.display())))?;
    if is_rule_file(&text) {
        Ok(load_rules(path, &Disk))
    } else {
        Ok(load_with(path, &Disk, options))
    }
}

fn as_json(one: &watchbell_config::diagnostic::Diagnostic, checked: &Checked) -> serde_json::Value {
    let (line, column) = line_column(&one.place, &checked.sources);
    let path = checked.sources.get(one.place.file).map(|source| source.path.display().to_string());
    json!({
        "code": one.code,
        "severity": match one.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        },
        "path": path,
        "line": line,
        "column": column,
        "message": one.message,
        "help": one.help,
    })
}

fn summary(files: usize, errors: usize, warnings: usize) -> String {
    let files = if files == 1 { "1 file".to_owned() } else { format!("{files} files") };
    let plural = |count: usize, word: &str| {
        if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
    };
    if errors + warnings == 0 {
        return format!("{files} checked, nothing to complain about");
    }
    format!("{files} checked: {}, {}", plural(errors, "error"), plural(warnings, "warning"))
}

/// Tries what only a running daemon needs: secrets, and each channel without paging anybody.
fn online(checked: &Checked) -> Vec<String> {
    let mut faults = crate::scrape::faults(&checked.config);
    let links = Links::new([0; 32], &checked.config.http.url);
    let notifier = match Metrics::new() {
        Ok(metrics) => Notifier::new(&checked.config, links, Arc::new(metrics)),
        Err(error) => {
            faults.push(error.to_string());
            return faults;
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match (notifier, runtime) {
        (Ok(notifier), Ok(runtime)) => {
            let probed = runtime.block_on(notifier.probe());
            faults.extend(probed.into_iter().filter_map(|(channel, result)| {
                result.err().map(|why| format!("{channel}: {why}"))
            }));
        }
        (Err(error), _) => faults.push(error.to_string()),
        (_, Err(error)) => faults.push(format!("starting the runtime: {error}")),
    }
    faults
}
