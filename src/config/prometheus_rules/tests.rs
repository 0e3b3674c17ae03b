//! Rule files of others, good and bad; the golden texts of faults.

#![allow(clippy::disallowed_methods, reason = "tests read files")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use watchbell_metrics::rule::group::GroupRule;
use watchbell_metrics::rule::{Level, RuleKind};

use crate::diagnostic::{line_column, render};
use crate::document::Files;
use crate::load::{Checked, Lints, RuleFileOptions, load_prometheus_rules, load_text};

/// One text under any name.
struct One(String);

impl Files for One {
    fn read(&self, _: &Path) -> Result<String, String> {
        Ok(self.0.clone())
    }

    fn matching(&self, folder: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
        Ok(vec![folder.join(pattern)])
    }
}

fn text(name: &str, text: &str) -> Checked {
    let lints = if name.starts_with("lint") { Lints::All } else { Lints::Duplicates };
    let options = RuleFileOptions { lints, ..RuleFileOptions::default() };
    load_prometheus_rules(Path::new(name), &One(text.to_owned()), options)
}

fn shown(checked: &Checked) -> String {
    render(&checked.diagnostics, &checked.sources, false)
}

/// The conformance data; absent on a machine without it, but not in CI.
fn conformance(folder: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance");
    if path.exists() {
        return Some(path.join(folder));
    }
    assert!(std::env::var_os("CI").is_none(), "the conformance data is absent");
    println!("the conformance data is absent");
    None
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        if entry.path().is_dir() {
            found.extend(files_below(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

#[test]
fn the_rules_of_many_services_load_as_they_are() {
    let Some(folder) = conformance("awesome-alerts") else { return };
    let files = files_below(&folder);
    assert_eq!(files.len(), 112);
    let mut rules = 0;
    for path in files {
        let checked = text(&path.display().to_string(), &fs::read_to_string(&path).unwrap());
        assert!(!checked.has_errors(), "{}", shown(&checked));
        let in_file: usize = checked.config.groups.iter().map(|group| group.rules.len()).sum();
        rules += in_file;
    }
    assert!(700 < rules, "{rules}");
}

#[test]
fn the_rules_of_kubernetes_load_as_they_are() {
    let Some(folder) = conformance("kubernetes-mixin") else { return };
    for (name, expected) in [("prometheus_alerts.yaml", 65), ("prometheus_rules.yaml", 71)] {
        let checked = text(name, &fs::read_to_string(folder.join(name)).unwrap());
        assert!(!checked.has_errors(), "{}", shown(&checked));
        let rules: usize = checked.config.groups.iter().map(|group| group.rules.len()).sum();
        assert_eq!(rules, expected, "{name}");
    }
}

/// What promtool says of each of its own files, in our words.
#[test]
fn what_promtool_refuses_is_refused_at_its_place() {
    let Some(folder) = conformance("promtool") else { return };
    for (name, expected) in [
        ("rules.yml", &[][..]),
        ("at-modifier.yml", &[]),
        ("negative-offset.yml", &[]),
        ("rules_run.yml", &["1:1 unknown-key", "4:1 unknown-key", "7:1 unknown-key"]),
        // The matching has a fault that only data shows.
        ("bad-rules-error.yml", &[]),
        ("bad-rules-syntax.yml", &["7:22 bad-promql"]),
        ("bad-promql.yml", &["1:1 unknown-key"]),
        ("rules-bad.yml", &["12:33 bad-template"]),
        ("rules_extrafields.yml", &["7:5 unknown-key", "21:5 unknown-key"]),
        ("prometheus-rules.lint.yml", &["11:12 duplicate-rule"]),
        ("rules_duplicates.yml", &["18:17 duplicate-rule", "23:17 duplicate-rule"]),
    ] {
        let checked = text(name, &fs::read_to_string(folder.join(name)).unwrap());
        let found: Vec<String> = checked
            .diagnostics
            .iter()
            .map(|one| {
                let (line, column) = line_column(&one.place, &checked.sources);
                format!("{line}:{column} {}", one.code)
            })
            .collect();
        assert_eq!(found, expected, "{name}\n{}", shown(&checked));
    }
}

#[test]
fn a_file_of_many_thousand_rules_loads_fast() {
    let Some(folder) = conformance("promtool") else { return };
    let whole = fs::read_to_string(folder.join("rules_large.yml")).unwrap();
    let start = Instant::now();
    let checked = text("rules_large.yml", &whole);
    assert_eq!(checked.config.groups[0].rules.len(), 10_002);
    let codes: Vec<&str> = checked.diagnostics.iter().map(|one| one.code).collect();
    assert_eq!(codes, ["duplicate-rule", "duplicate-rule"]);
    assert_eq!(shown(&checked).matches("warning[").count(), 2);
    // A second or two; a search for duplicates in squares would take minutes.
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
}

#[test]
fn faults_are_worded_as_the_golden_files_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("prometheus_rules/tests");
    let mut wrong = Vec::new();
    let files = files_below(&folder);
    for path in files.iter().filter(|path| path.extension().is_some_and(|one| one == "yml")) {
        let name = path.file_name().unwrap().to_string_lossy();
        let got = shown(&text(&name, &fs::read_to_string(path).unwrap()));
        let golden = path.with_extension("txt");
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&golden, &got).unwrap();
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        if expected != got {
            wrong.push(format!("{name}: expected\n{expected}\ngot\n{got}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_block_ends_with_a_line_end_only_where_the_file_has_one() {
    let file = "groups:\n- name: one\n  rules:\n  - alert: A\n    expr: up\n    annotations:\n      \
                a: |\n        first\n      b: >\n        last\n        line";
    let sources = |file: &str| -> Vec<String> {
        let checked = text("a.yml", file);
        let GroupRule::Alert { annotations, .. } = &checked.config.groups[0].rules[0] else {
            panic!("an alert");
        };
        annotations.iter().map(|(_, text)| text.source().to_owned()).collect()
    };
    assert_eq!(sources(file), ["first\n", "last line"]);
    assert_eq!(sources(&format!("{file}\n")), ["first\n", "last line\n"]);
}

#[test]
fn unknown_fields_are_warnings_and_duplicates_nothing_where_that_is_asked_for() {
    let file = "groups:\n- name: one\n  owner: web\n  rules:\n  - {record: a, expr: b}\n  \
                - {record: a, expr: c, team: web}\n";
    let read = |ignore_unknown_fields, lints| {
        let options =
            RuleFileOptions { ignore_unknown_fields, lints, ..RuleFileOptions::default() };
        load_prometheus_rules(Path::new("a.yml"), &One(file.to_owned()), options)
    };
    let codes = |checked: &Checked| -> Vec<&'static str> {
        checked.diagnostics.iter().map(|one| one.code).collect()
    };
    let strict = read(false, Lints::None);
    assert!(strict.has_errors());
    assert_eq!(codes(&strict), ["unknown-key", "unknown-key"]);
    let lenient = read(true, Lints::Duplicates);
    assert!(!lenient.has_errors());
    assert_eq!(codes(&lenient), ["unknown-key", "duplicate-rule", "unknown-key"]);
    assert_eq!(lenient.config.groups[0].rules.len(), 2);
}

#[test]
fn the_main_file_names_rule_files_whose_alerts_become_rules() {
    let main = r#"
prometheus_rules = ["a.yml", "b.yml"]
[daemon]
external_labels = { cluster = "eu" }
[http]
url = "https://ops.example.org"
[rule.Down]
expr = "vector(1)"
warn = "> 0"
[person.ana]
terminal = true
[[route]]
name = "all"
page = ["ana"]
fallback = ["ana"]
"#;
    let file = "groups:\n- name: one\n  interval: 1m\n  rules:\n  - alert: Down\n    \
                expr: up == 0\n    for: 5m\n    labels: {severity: page}\n";
    let checked = load_text(Path::new("etc/main.toml"), main, &One(file.to_owned()));
    assert_eq!(shown(&checked), "");
    let config = &checked.config;
    let names: Vec<&str> = config.rules.iter().map(|rule| rule.policy.name.as_str()).collect();
    assert_eq!(names, ["Down"; 3]);
    assert_eq!(config.settings.rules.len(), 3);
    let kinds: Vec<RuleKind> = config.rules.iter().map(|rule| rule.policy.kind).collect();
    let imported = RuleKind::Prometheus(Level::Critical);
    assert_eq!(kinds, [RuleKind::Own, imported, imported]);
    assert_eq!(config.rules[1].policy.holds.critical, Duration::from_secs(300));
    assert_eq!(config.rules[1].spec.interval, Some(Duration::from_secs(60)));
    let files: Vec<String> = config.groups.iter().map(|group| group.file.clone()).collect();
    assert_eq!(files, ["etc/a.yml", "etc/b.yml"]);
    let external = &config.groups[1].external;
    assert_eq!(external.labels.get("cluster"), Some("eu"));
    assert_eq!(external.url, "https://ops.example.org");
}

#[test]
fn a_fault_in_a_named_file_is_a_fault_of_the_configuration() {
    let main = "prometheus_rules = ['a.yml']";
    let file = "groups:\n- name: one\n  rules:\n  - alert: Down\n    expr: up =\n  - alert: Up\n    \
                expr: up\n";
    let checked = load_text(Path::new("main.toml"), main, &One(file.to_owned()));
    let shown = shown(&checked);
    assert!(shown.starts_with("a.yml:5:"), "{shown}");
    assert_eq!(checked.errors_in(&["rule"]).len(), 1);
    assert_eq!(checked.config.rules.len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_damaged_file_makes_reading_panic(
        cut in 0_usize..1_200,
        length in 0_usize..40,
        put in r#"[ -~\n\t|>&*!é]{0,12}"#,
    ) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("prometheus_rules/tests");
        for name in ["values.yml", "promql.yml", "templates.yml"] {
            let whole = fs::read_to_string(folder.join(name)).unwrap();
            let head: String = whole.chars().take(cut).collect();
            let tail: String = whole.chars().skip(cut + length).collect();
            let checked = text(name, &format!("{head}{put}{tail}"));
            prop_assert_eq!(shown(&checked).is_empty(), checked.diagnostics.is_empty());
        }
    }
}
