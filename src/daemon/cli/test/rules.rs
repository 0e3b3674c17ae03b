//! Rule tests of Prometheus: one entry of `tests` is one case.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};
use watchbell_config::diagnostic::{Diagnostic, Place, Severity, line_column, render};
use watchbell_config::load::{CheckedTests, Lints, RuleFileOptions, load_rule_tests};
use watchbell_sim::rule_test::{self, Coverage, Failure, RuleCoverage, TestReport};

use crate::cli::files::Disk;
use crate::cli::out::one_line;
use crate::cli::test::TestArgs;
use crate::cli::test::suite::{Case, Suite};

/// Runs a file.
pub(super) fn run(path: &Path, args: &TestArgs) -> (Suite, Coverage) {
    let options = RuleFileOptions {
        ignore_unknown_fields: args.ignore_unknown_fields,
        // What a team's tests say of its rules is not for us to overrule; `check` refuses them.
        ignore_further_documents: true,
        lints: Lints::None,
    };
    let checked = load_rule_tests(path, &Disk, options);
    let mut suite = Suite::new(path);
    let (errors, warnings): (Vec<Diagnostic>, Vec<Diagnostic>) =
        checked.diagnostics.iter().cloned().partition(|one| one.severity == Severity::Error);
    // What else can be said of the rules is `check`'s.
    let of_tests: Vec<Diagnostic> =
        warnings.into_iter().filter(|one| one.place.file == 0).collect();
    suite.notes = render(&of_tests, &checked.sources, false);
    suite.text = render(&errors, &checked.sources, false);
    let mut coverage = Coverage::default();
    if checked.is_refused() {
        let (line, _) =
            errors.first().map_or((1, 1), |one| line_column(&one.place, &checked.sources));
        suite.add(Case::failed("the file", line, &suite.text.clone()));
        return (suite, coverage);
    }
    for report in rule_test::run(&checked, &|name| args.wants(name), &mut coverage) {
        add(&mut suite, &checked, &report);
    }
    (suite, coverage)
}

fn add(suite: &mut Suite, checked: &CheckedTests, report: &TestReport) {
    let mut words = String::new();
    for failure in &report.failures {
        write_failure(&mut words, checked, report, failure);
    }
    let (line, _) = line_column(&report.place, &checked.sources);
    suite.text.push_str(&words);
    suite.counts.skipped += report.skipped;
    if 0 < report.skipped {
        let place = where_of(&report.place, checked);
        let (name, count) = (one_line(&report.name), report.skipped);
        let _written = writeln!(
            suite.notes,
            "{place}: {name}: {count} expectations of native histograms are skipped"
        );
    }
    let skipped = 0 < report.skipped && report.looked_at == 0;
    suite.add(Case { skipped, ..Case::new(&report.name, line, words.trim_end()) });
}

fn write_failure(
    into: &mut String,
    checked: &CheckedTests,
    report: &TestReport,
    failure: &Failure,
) {
    let place = where_of(&failure.place, checked);
    let (name, what) = (one_line(&report.name), one_line(&failure.what));
    let _written = writeln!(into, "{place}: {name}: {what}");
    for line in failure.sides.lines() {
        let _written = writeln!(into, "    {}", one_line(line));
    }
}

fn where_of(place: &Place, checked: &CheckedTests) -> String {
    let (line, column) = line_column(place, &checked.sources);
    let path = checked.sources.get(place.file).map(|source| source.path.display().to_string());
    format!("{}:{line}:{column}", path.unwrap_or_default())
}

/// Words the coverage, and the rules that are not covered.
pub(super) fn coverage_text(coverage: &Coverage, least: Option<f64>) -> String {
    let mut text = String::new();
    for rule in coverage.rules().filter(|rule| !rule.is_covered) {
        let RuleCoverage { file, group, name, .. } = rule;
        let kind = kind(rule);
        let _written = writeln!(text, "not covered: {file}: {group}: {kind} {name}");
    }
    let all = coverage.rules().count();
    let covered = coverage.rules().filter(|rule| rule.is_covered).count();
    let share = coverage.share() * 100.0;
    let bound = match least {
        Some(least) if coverage.share() < least => format!(", below {:.1}%", least * 100.0),
        Some(_) | None => String::new(),
    };
    let _written = writeln!(text, "coverage: {covered} of {all} rules ({share:.1}%){bound}");
    text
}

pub(super) fn coverage_json(coverage: &Coverage) -> Value {
    let rules: Vec<Value> = coverage
        .rules()
        .map(|rule| {
            json!({
                "file": rule.file,
                "group": rule.group,
                "name": rule.name,
                "type": kind(rule),
                "covered": rule.is_covered,
            })
        })
        .collect();
    json!({ "share": coverage.share(), "rules": rules })
}

fn kind(rule: &RuleCoverage) -> &'static str {
    if rule.is_recording { "recording" } else { "alert" }
}
