//! Whole files: the golden texts of faults, the example, the stock rules, and texts of any kind.
//!
//! Every `tests/*.toml` has a `.txt` beside it with the findings that it must give; `UPDATE=1`
//! rewrites them, and the difference is reviewed like code.

#![allow(clippy::disallowed_methods, reason = "tests read the files that ship")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use watchbell_paging::route::{ChannelKind, Pageable, PostTarget};
use watchbell_paging::time::Timestamp;

use crate::coverage::coverage;
use crate::diagnostic::{codes, explain, render};
use crate::load::{Checked, Files, load, load_over, load_rules, load_text};
use crate::schema::schema;

/// The files of a folder, under names relative to it.
struct Folder(PathBuf);

impl Files for Folder {
    fn read(&self, path: &Path) -> Result<String, String> {
        fs::read_to_string(self.0.join(path)).map_err(|error| error.to_string())
    }

    fn matching(&self, folder: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
        let pattern = folder.join(pattern);
        let (parent, name) = (pattern.parent().unwrap(), pattern.file_name().unwrap());
        let name = name.to_string_lossy().into_owned();
        let (start, end) = name.split_once('*').unwrap_or((&name, ""));
        let entries = fs::read_dir(self.0.join(parent)).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let matches = |found: &String| match name.contains('*') {
            true => found.starts_with(start) && found.ends_with(end),
            false => *found == name,
        };
        let mut found: Vec<PathBuf> = names.filter(matches).map(|one| parent.join(one)).collect();
        found.sort();
        Ok(found)
    }
}

struct Nothing;

impl Files for Nothing {
    fn read(&self, _: &Path) -> Result<String, String> {
        Err("there are no files".to_owned())
    }

    fn matching(&self, _: &Path, _: &str) -> Result<Vec<PathBuf>, String> {
        Ok(Vec::new())
    }
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn example() -> Checked {
    load(Path::new("config/watchbell.toml"), &Folder(workspace()))
}

fn text(text: &str) -> Checked {
    load_text(Path::new("watchbell.toml"), text, &Nothing)
}

fn shown(checked: &Checked) -> String {
    render(&checked.diagnostics, &checked.sources, false)
}

#[test]
fn the_example_is_clean() {
    let checked = example();
    assert_eq!(shown(&checked), "");
    let settings = &checked.config.settings;
    assert_eq!(settings.people.len(), 3);
    assert_eq!(settings.schedules.len(), 3);
    let routes: Vec<&str> = settings.routes.iter().map(|route| route.name.as_str()).collect();
    assert_eq!(routes, ["critical", "warning", "rest"]);
    assert!(settings.channels.contains(&ChannelKind::Slack));
    assert!(35 < checked.config.rules.len());
    assert_eq!(checked.config.scrapes["api"].urls.len(), 2);
    let now = Timestamp::parse_rfc3339("2026-11-23T10:00:00Z").unwrap();
    assert_eq!(coverage(&checked, now), []);
}

#[test]
fn every_stock_rule_file_is_clean_by_itself() {
    let mut count = 0;
    for entry in fs::read_dir(workspace().join("rules")).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.ends_with(".test.toml") && name.ends_with(".toml") {
            let checked = load_rules(&Path::new("rules").join(&name), &Folder(workspace()));
            assert_eq!(shown(&checked), "", "{name}");
            assert!(!checked.config.rules.is_empty(), "{name}");
            count += 1;
        }
    }
    assert_eq!(count, 8);
}

#[test]
fn a_table_is_laid_over_a_base_by_names() {
    let inline = r##"
base = "../config/watchbell.toml"
[config.sla]
critical = "1m"
[config.calendar]
zone = "UTC"
[config.person.ana]
slack = "U99"
[config.person.dan]
slack = "U04"
[config.rule.cpu]
expr = "vector(1)"
warn = "> 0"
[[config.route]]
name = "all"
page = ["devops"]
post = ["#ops"]
fallback = ["dan"]
[[test]]
name = "x"
"##;
    let path = Path::new("rules/x.test.toml");
    let base = Path::new("config/watchbell.toml");
    let checked = load_over(Some(base), inline, path, &Folder(workspace()));
    assert_eq!(shown(&checked), "");
    let settings = &checked.config.settings;
    assert_eq!(settings.routes.len(), 1);
    assert_eq!(settings.routes[0].post, [PostTarget::Slack("#ops".to_owned())]);
    assert_eq!(settings.routes[0].fallback, [Pageable::Person("dan".into())]);
    assert_eq!(settings.people.len(), 4);
    let ana = &settings.people[&"ana".into()];
    assert_eq!((ana.slack.as_deref(), ana.email.as_deref()), (Some("U99"), None));
    assert_eq!(settings.calendar.zone.name(), "UTC");
    assert_eq!(settings.calendar.off.len(), 3);
    let cpu: Vec<_> =
        checked.config.rules.iter().filter(|rule| rule.policy.name.as_str() == "cpu").collect();
    assert_eq!(cpu.len(), 1);
    assert_eq!(cpu[0].policy.query, "vector(1)");
}

#[test]
fn an_inline_configuration_needs_no_base_and_no_config_table() {
    let inline = "[person.ana]\nterminal = true\n[[route]]\nname = 'all'\nfallback = ['ana']\n";
    let checked = load_over(None, inline, Path::new("x"), &Nothing);
    assert_eq!(shown(&checked), "");
    assert_eq!(checked.config.settings.routes.len(), 1);
    assert!(checked.config.settings.channels.contains(&ChannelKind::Terminal));
}

#[test]
fn the_scenarios_of_the_response_promise_load() {
    let folder = workspace().join("../shared/conformance/scenarios");
    let Ok(entries) = fs::read_dir(&folder) else {
        assert!(std::env::var_os("CI").is_none(), "the conformance data is absent");
        println!("the conformance data is absent");
        return;
    };
    for entry in entries.flatten() {
        let inline = fs::read_to_string(entry.path()).unwrap();
        let checked = load_over(None, &inline, Path::new("x.test.toml"), &Nothing);
        assert_eq!(shown(&checked), "", "{}", entry.path().display());
        assert!(!checked.config.settings.routes.is_empty());
    }
}

#[test]
fn everything_has_a_default() {
    let checked = text("");
    assert_eq!(shown(&checked), "");
    assert_eq!(checked.config.http.url, "http://127.0.0.1:9911");
    assert_eq!(checked.config.settings.zone.name(), "UTC");
    assert!(checked.config.rules.is_empty() && checked.config.settings.routes.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_loading_panic(text in ".{0,200}") {
        let checked = load_text(Path::new("x"), &text, &Nothing);
        let _ = render(&checked.diagnostics, &checked.sources, true);
    }

    #[test]
    fn no_damaged_configuration_makes_loading_panic(
        cut in 0_usize..6_000,
        length in 0_usize..40,
        put in ".{0,12}",
    ) {
        let whole = fs::read_to_string(workspace().join("config/watchbell.toml")).unwrap();
        let head: String = whole.chars().take(cut).collect();
        let tail: String = whole.chars().skip(cut + length).collect();
        let text = format!("{head}{put}{tail}");
        let checked = load_text(Path::new("config/watchbell.toml"), &text, &Folder(workspace()));
        let _ = render(&checked.diagnostics, &checked.sources, false);
    }
}
