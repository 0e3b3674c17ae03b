//! Scenario files are run as users run them.

use std::path::{Path, PathBuf};

use super::*;

#[test]
fn every_conformance_scenario_passes() {
    let folder = root().join("../shared/conformance/scenarios");
    if !folder.exists() {
        assert!(std::env::var_os("CI").is_none(), "the conformance data is absent");
        println!("the conformance data is absent");
        return;
    }
    pass(&folder, 1);
}

#[test]
fn every_stock_rule_passes_its_scenarios() {
    pass(&root().join("rules"), 8);
}

#[test]
fn our_own_scenarios_pass() {
    pass(&root().join("tests/scenarios"), 8);
}

#[test]
fn a_failed_expectation_is_told_with_line_and_timeline() {
    let text = r##"
[config.slack]
token = "env:NONE"
[config.person.ana]
slack = "U1"
[[config.route]]
name = "all"
page = ["ana"]
fallback = ["ana"]
[[test]]
name = "wrong on purpose"
steps = [
  { t = "0s", do = { set = "Db", level = "critical" } },
  { t = "1s", expect = { rule = "Db", state = "acked", paged = [], pages = { ana = 2 } } },
]
"##;
    let report = run(text);
    let case = &report.cases[0];
    assert!(!case.passed);
    let told: Vec<(usize, &str, &str)> = case
        .failures
        .iter()
        .map(|one| (one.line, one.expected.as_str(), one.got.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (14, "state = \"acked\"", "\"triggered\""),
            (14, "paged = []", "[\"ana\"]"),
            (14, "pages of ana = 2", "1"),
        ]
    );
    let words = render(Path::new("x.test.toml"), &report, false);
    assert!(words.starts_with(
        "x.test.toml:14: wrong on purpose: expected state = \"acked\", got \"triggered\"\n"
    ));
    assert!(words.contains(" fired: "), "the timeline is shown:\n{words}");
    assert_eq!(summary(&[report]), "0 passed, 1 failed");
}

#[test]
fn faults_of_the_file_are_told_with_their_line() {
    for (line, claim, text) in [
        (3, "no such key", "[[test]]\nname = \"a\"\nstart = 5\n"),
        (3, "a step without a verb", "[[test]]\nname = \"a\"\nsteps = [{ t = \"1s\", do = {} }]\n"),
        (
            3,
            "two verbs",
            "[[test]]\nname = \"a\"\nsteps = [{ t = \"1s\", do = { ack = \"A\", crash = \"1s\" } }]\n",
        ),
        (
            3,
            "no duration",
            "[[test]]\nname = \"a\"\nsteps = [{ t = \"soon\", expect = { open = 0 } }]\n",
        ),
        (
            5,
            "time that goes back",
            "[[test]]\nname = \"a\"\nsteps = [\n { t = \"9s\", expect = { open = 0 } },\n { t = \"1s\", expect = { open = 0 } },\n]\n",
        ),
        (3, "a series that is none", "[[test]]\nname = \"a\"\nseries = { 'x{' = \"1\" }\n"),
        (2, "a configuration with a fault", "[[config.route]]\nname = 5\n[[test]]\nname = \"a\"\n"),
    ] {
        let report = run(text);
        let error = report.error.as_ref().unwrap_or_else(|| panic!("{claim}: accepted"));
        assert_eq!(error.0, line, "{claim}: {error:?}");
        assert_eq!(summary(&[report]), "0 passed, 1 failed");
    }
}

#[test]
fn only_the_cases_that_are_asked_for_run() {
    let text = "[[test]]\nname = \"one\"\n[[test]]\nname = \"two\"\n";
    let options = RunOptions { filter: Some("tw".to_owned()), audit: true };
    let report = run_file(Path::new("x.test.toml"), text, &Disk, &options);
    assert_eq!(report.cases.len(), 1);
    assert_eq!(report.cases[0].name, "two");
    assert_eq!(summary(&[report]), "1 passed, 0 failed");
}

fn run(text: &str) -> FileReport {
    run_file(Path::new("x.test.toml"), text, &Disk, &RunOptions::default())
}

/// Runs every scenario under a folder; the output is what a user would see.
fn pass(folder: &Path, files_min: usize) {
    let options = RunOptions {
        filter: std::env::var_os("ONLY").and_then(|only| only.into_string().ok()),
        audit: true,
    };
    let paths: Vec<PathBuf> = Disk
        .matching(folder, "*.toml")
        .unwrap()
        .into_iter()
        .filter(|path| path.to_string_lossy().ends_with(".test.toml"))
        .collect();
    assert!(files_min <= paths.len(), "scenarios are missing in {}", folder.display());
    let verbose = std::env::var_os("VERBOSE").is_some();
    let mut words = String::new();
    let mut reports = Vec::new();
    for path in &paths {
        let text = Disk.read(path).unwrap();
        let report = run_file(path, &text, &Disk, &options);
        words.push_str(&render(path, &report, verbose));
        reports.push(report);
    }
    println!("{words}{}", summary(&reports));
    let passed = reports
        .iter()
        .all(|report| report.error.is_none() && report.cases.iter().all(|case| case.passed));
    assert!(passed, "{words}{}", summary(&reports));
}

fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The real files, for tests only.
#[derive(Debug)]
struct Disk;

#[allow(clippy::disallowed_methods, reason = "tests read the scenarios of the repository")]
impl Files for Disk {
    fn read(&self, path: &Path) -> Result<String, String> {
        std::fs::read_to_string(path).map_err(|error| error.to_string())
    }

    fn matching(&self, folder: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
        let (below, ending) = pattern.rsplit_once('*').unwrap_or(("", pattern));
        let folder = folder.join(below);
        let Ok(entries) = std::fs::read_dir(&folder) else { return Ok(Vec::new()) };
        let mut found: Vec<PathBuf> = entries
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .filter(|path| path.to_string_lossy().ends_with(ending))
            .collect();
        found.sort();
        Ok(found)
    }
}
