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
use crate::load::{Checked, Files, is_rule_file, load, load_over, load_rules, load_text};
use crate::schema::schema;
use crate::shape::Word;

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
fn what_the_example_shows_in_comments_is_right_as_well() {
    let whole = fs::read_to_string(workspace().join("config/watchbell.toml")).unwrap();
    let is_word = |word: &str| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let mut count = 0;
    let lines = whole.lines().map(|line| {
        let shown = line.strip_prefix("# ").unwrap_or(line);
        let key = shown.split_once('=').map(|(key, _)| key.trim());
        let is_setting = shown.starts_with('[') || key.is_some_and(is_word);
        count += usize::from(line.starts_with("# ") && is_setting);
        format!("{}\n", if is_setting { shown } else { line })
    });
    let text: String = lines.collect();
    let checked = load_text(Path::new("config/watchbell.toml"), &text, &Folder(workspace()));
    assert_eq!(shown(&checked), "");
    assert!(20 < count, "{count}");
    assert!(checked.config.settings.calendars.contains_key("nights"));
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
        let shown = render(&checked.diagnostics, &checked.sources, true);
        prop_assert_eq!(shown.is_empty(), checked.diagnostics.is_empty());
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
        let shown = render(&checked.diagnostics, &checked.sources, false);
        prop_assert_eq!(shown.is_empty(), checked.diagnostics.is_empty());
    }
}

#[test]
fn faults_are_worded_as_the_golden_files_say() {
    let folder = Folder(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"));
    let mut wrong = Vec::new();
    for name in folder.matching(Path::new(""), "*.toml").unwrap() {
        let got = shown(&load(&name, &folder));
        let golden = folder.0.join(name.with_extension("txt"));
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&golden, &got).unwrap();
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        if expected != got {
            wrong.push(format!("{}: expected\n{expected}\ngot\n{got}", name.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_code_has_a_golden_text_and_an_explanation() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut golden = String::new();
    let folders = ["tests", "prometheus_rules/tests"].map(|name| folder.join(name));
    for entry in folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap()).flatten() {
        if entry.path().extension().is_some_and(|extension| extension == "txt") {
            golden += &fs::read_to_string(entry.path()).unwrap();
        }
    }
    // Found by the clock, not by the text: `coverage` has tests of its own.
    let elsewhere = ["uncovered-hours"];
    let silent: Vec<&str> = codes()
        .iter()
        .map(|(code, _)| *code)
        .filter(|code| !golden.contains(&format!("[{code}]")) && !elsewhere.contains(code))
        .collect();
    assert_eq!(silent, [""; 0]);
    assert!(codes().iter().all(|(code, text)| explain(code) == Some(text)));
    assert_eq!(explain("no-such-code"), None);
}

#[test]
fn no_finding_prints_a_secret() {
    let checked = text(
        "[slack]\ntoken = 'xoxb-hush'\n[scrape.api]\nurl = 'http://me:hush@app1'\n\
         basic = { user = 'me', password = 'hush', colour = 1 }\n\
         [email]\nsmtp = 'smtp://me:hush@mail'\nuser = 'me'\npassword = 'hush'\nfrom = 'x'\n",
    );
    assert!(6 < checked.diagnostics.len());
    for colour in [false, true] {
        let shown = render(&checked.diagnostics, &checked.sources, colour);
        assert!(!shown.contains("hush"), "{shown}");
    }
    assert!(!format!("{checked:?}").contains("xoxb-hush"));
    // Without the warnings as well.
    let errors = checked.errors_in(&["slack", "scrape", "email"]);
    assert!(!render(&errors, &checked.sources, false).contains("hush"));
}

#[test]
fn errors_concern_the_tables_that_are_asked_for() {
    let checked = text("[scheduel.x]\n[sla]\ncritical = 5\n[person.ana]\nslack = 'U1'\n");
    let codes = |tables: &[&str]| -> Vec<&'static str> {
        checked.errors_in(tables).iter().map(|one| one.code).collect()
    };
    assert_eq!(codes(&["schedule", "person"]), ["unknown-table"]);
    assert_eq!(codes(&["sla"]), ["bare-number"]);
    assert_eq!(codes(&["scrape", "person"]), [""; 0]);
    assert_eq!(text("[sla").errors_in(&[]).len(), 1);
    let missing = load(Path::new("absent.toml"), &Nothing);
    assert_eq!(missing.errors_in(&[]).len(), 1);
    let expected =
        "absent.toml:1:1: error[unreadable]: absent.toml cannot be read: there are no files\n\n";
    assert_eq!(shown(&missing), expected);
}

#[test]
fn hours_without_anyone_on_call_are_told() {
    let checked = text(
        "[person.ana]\nterminal = true\n[schedule.nights]\npeople = ['ana']\nevery = '1d'\n\
         start = '2026-01-05'\nhours = '20:00-08:00'\nzone = 'UTC'\n\
         [schedule.whole]\npeople = ['ana']\nstart = '2026-01-05'\n",
    );
    assert_eq!(shown(&checked), "");
    let now = Timestamp::parse_rfc3339("2026-11-23T10:00:00Z").unwrap();
    let found = coverage(&checked, now);
    assert_eq!(found.len(), 1);
    let line = render(&found, &checked.sources, false);
    assert!(
        line.starts_with(
            "watchbell.toml:3:11: warning[uncovered-hours]: nobody is on call for 15d"
        ),
        "{line}"
    );
    assert!(line.contains("Mon 23 Nov 10:00 to Mon 23 Nov 20:00"), "{line}");
}

#[test]
fn schedules_that_are_paged_together_cover_each_other() {
    let layer = "people = ['ana']\nevery = '1d'\nstart = '2026-01-05'\nzone = 'UTC'\n";
    let now = Timestamp::parse_rfc3339("2026-11-23T10:00:00Z").unwrap();
    for (page, expected) in [
        ("page = ['nights', 'days']", [""; 0].as_slice()),
        ("page = ['nights', 'ana']", &["on days"]),
        (
            "page = ['days', 'evenings']\nescalate = [{ at = '1m', page = ['nights'] }]",
            &["on nights", "on days and evenings"],
        ),
    ] {
        let checked = text(&format!(
            "[person.ana]\nterminal = true\n\
             [schedule.nights]\n{layer}hours = '20:00-08:00'\n\
             [schedule.days]\n{layer}hours = '08:00-20:00'\n\
             [schedule.evenings]\n{layer}hours = '00:00-24:00'\ndays = ['sat', 'sun']\n\
             [[route]]\nname = 'all'\n{page}\nfallback = ['ana']\n",
        ));
        assert_eq!(shown(&checked), "");
        let found = coverage(&checked, now);
        // The evenings of the first two cases are paged by no route.
        let paged = found.iter().filter(|one| !one.message.ends_with("on evenings"));
        let ends: Vec<&str> = paged.map(|one| one.message.as_str()).collect();
        assert_eq!(ends.len(), expected.len(), "{page}: {ends:?}");
        for (end, wanted) in ends.iter().zip(expected) {
            assert!(end.ends_with(wanted), "{page}: {ends:?}");
        }
    }
}

#[test]
fn every_key_that_ships_is_in_the_schema() {
    let schema = schema();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clean.toml");
    let mut files = vec![workspace().join("config/watchbell.toml"), golden];
    for entry in fs::read_dir(workspace().join("rules")).unwrap().flatten() {
        files.push(entry.path());
    }
    files.retain(|path| !path.to_string_lossy().ends_with(".test.toml"));
    let mut seen = BTreeSet::new();
    for path in &files {
        let table: toml::Table = fs::read_to_string(path).unwrap().parse().unwrap();
        assert_fits(&toml::Value::Table(table), &schema, &path.display().to_string(), &mut seen);
    }
    assert!(60 < seen.len(), "{seen:?}");
    assert_eq!(files.len(), 10);
}

/// Checks keys and types against the part of JSON Schema that `schema` uses.
fn assert_fits(
    value: &toml::Value,
    schema: &serde_json::Value,
    at: &str,
    seen: &mut BTreeSet<String>,
) {
    if let Some(options) = schema["anyOf"].as_array() {
        let kind = |one: &&serde_json::Value| fits_type(value, one);
        let option = options.iter().find(kind);
        assert_fits(value, option.unwrap_or_else(|| panic!("{at} fits nothing")), at, seen);
        return;
    }
    assert!(fits_type(value, schema), "{at}: {value:?} is no {}", schema["type"]);
    match value {
        toml::Value::Table(table) => {
            for (key, inner) in table {
                let own = &schema["properties"][key];
                let inner_schema =
                    if own.is_null() { &schema["additionalProperties"] } else { own };
                assert!(inner_schema.is_object(), "{at}: {key} is not in the schema");
                assert!(
                    own.is_null() || own["description"].is_string(),
                    "{at}: {key} has no words"
                );
                if !own.is_null() {
                    seen.insert(key.clone());
                }
                assert_fits(inner, inner_schema, &format!("{at}: {key}"), seen);
            }
        }
        toml::Value::Array(items) => {
            items.iter().for_each(|item| assert_fits(item, &schema["items"], at, seen));
        }
        _ => {}
    }
}

fn fits_type(value: &toml::Value, schema: &serde_json::Value) -> bool {
    if let Some(words) = schema["enum"].as_array() {
        return value.as_str().is_some_and(|text| words.iter().any(|word| word == text));
    }
    let kind = match value {
        toml::Value::String(_) | toml::Value::Datetime(_) => "string",
        toml::Value::Integer(_) if schema["type"] == "integer" => "integer",
        toml::Value::Integer(_) | toml::Value::Float(_) => "number",
        toml::Value::Boolean(_) => "boolean",
        toml::Value::Array(_) => "array",
        toml::Value::Table(_) => "object",
    };
    let types = &schema["type"];
    *types == kind || types.as_array().is_some_and(|types| types.iter().any(|one| *one == kind))
}

#[test]
fn the_defaults_that_are_described_are_the_real_ones() {
    let needed = [
        ("scrape", "url = 'http://app1/metrics'\n"),
        ("rule", "expr = 'up'\nwarn = '> 1'\n"),
        ("schedule", "people = ['ana']\nstart = '2026-01-05'\n"),
        ("slack", "token = 'env:X'\n"),
        ("route", "name = 'all'\nfallback = ['ana']\n"),
        ("person", ""),
        ("calendars", ""),
    ];
    let (mut bare, mut described) = (String::new(), String::new());
    for field in crate::root::SHAPE.keys {
        let (header, shape) = match &field.word {
            Word::Table(shape) => (format!("[{}]\n", field.name), *shape),
            Word::Map(Word::Table(shape)) if field.name == "person" => {
                ("[person.ana]\n".to_owned(), *shape)
            }
            Word::Map(Word::Table(shape)) => (format!("[{}.x]\n", field.name), *shape),
            Word::List(Word::Table(shape)) => (format!("[[{}]]\n", field.name), *shape),
            _ => continue,
        };
        if ["slo", "webhook", "email", "deadman"].contains(&field.name) {
            continue;
        }
        let needs = needed.iter().find(|(name, _)| *name == field.name).map_or("", |one| one.1);
        bare += &format!("{header}{needs}");
        described += &format!("{header}{needs}");
        for key in shape.keys.iter().filter(|key| !key.default.is_empty()) {
            // Evidence belongs to ratios.
            if ["min_bad", "min_count"].contains(&key.name) {
                continue;
            }
            let plain =
                matches!(key.word, Word::Flag | Word::Integer | Word::Number | Word::List(_));
            let value = if plain { key.default.to_owned() } else { format!("{:?}", key.default) };
            described += &format!("{} = {value}\n", key.name);
        }
    }
    let (bare, described) = (text(&bare), text(&described));
    assert!(!bare.has_errors() && !described.has_errors(), "{}", shown(&described));
    assert_eq!(format!("{:?}", bare.config), format!("{:?}", described.config));
}

#[test]
fn a_file_of_rules_is_known_by_its_tables() {
    assert!(is_rule_file("[rule.x]\n[slo.y]\n"));
    assert!(!is_rule_file("[rule.x]\n[sla]\n"));
    assert!(!is_rule_file(""));
}

/// Loads one rule and gives its unit and the number of its critical bound, or the codes.
fn unit_of(rule: &str) -> String {
    let checked = text(&format!("[rule.x]\n{rule}\n"));
    if checked.has_errors() {
        let codes: Vec<&str> = checked.diagnostics.iter().map(|one| one.code).collect();
        return codes.join(" ");
    }
    let policy = &checked.config.rules[0].policy;
    format!("{:?} {}", policy.unit, policy.bounds.critical.unwrap().value)
}

#[test]
fn a_bound_takes_the_unit_of_its_rule() {
    let quantile = "quantile = { q = 0.95, of = 'http_request_duration_seconds' }";
    let ratio = "ratio = { bad = 'a_total', total = 'b_total' }";
    for (source, bound, expected) in [
        (ratio, "> 1%", "Ratio 0.01"),
        (ratio, "> 0.01", "bare-number"),
        (ratio, "> 0", "Ratio 0"),
        (ratio, "> 1s", "unit-mismatch"),
        (quantile, "> 500ms", "Seconds 0.5"),
        (quantile, "> 2", "bare-number"),
        (quantile, "> 2%", "unit-mismatch"),
        ("quantile = { q = 0.5, of = 'cls' }", "> 0.25", "None 0.25"),
        ("rate = 'a_total'", "> 5", "PerSecond 5"),
        ("rate = 'a_total'", "> 5/s", "PerSecond 5"),
        ("max = 'process_resident_memory_bytes'", "> 2GiB", "Bytes 2147483648"),
        ("max = 'process_resident_memory_bytes'", "> 2", "bare-number"),
        ("mean = 'queue'", "> 2", "None 2"),
        ("mean = 'queue'\nunit = 'jobs'", "> 2", "Other(\"jobs\") 2"),
        ("mean = 'queue'\nunit = 'jobs'", "> 2 jobs", "Other(\"jobs\") 2"),
        ("growth = { of = 'memory' }", "> 2%/h", "RatioPerHour 0.02"),
        ("growth = { of = 'memory' }", "> 2%", "unit-mismatch"),
        ("forecast = { of = 'disk', reach = 0 }", "< 24h", "Seconds 86400"),
        ("forecast = { of = 'disk', reach = '10GiB' }", "< 24", "bare-number"),
        ("expr = 'x'\nunit = 'seconds'", "> 5m", "Seconds 300"),
        ("expr = 'x'\nunit = 'none'", "> 5%", "unit-mismatch"),
        ("expr = 'x'", "> 5%", "Ratio 0.05"),
        ("expr = 'x'", "> 5", "None 5"),
        ("ratio = { bad = 'a', total = 'b' }\nunit = 'seconds'", "> 5%", "unit-mismatch"),
    ] {
        let got = unit_of(&format!("{source}\ncritical = '{bound}'"));
        assert_eq!(got, expected, "{source} {bound}");
    }
}

#[test]
fn what_a_rule_says_reaches_its_policy() {
    let checked = text(
        "[rule.busy]\nexpr = 'x'\ntarget = '< 60%'\nwarn = '> 70%'\ncritical = '> 80%'\n\
         target_clear = '50%'\nwarn_clear = '< 60%'\ncritical_clear = '<= 70%'\n\
         for = { warn = '5m', critical = '1m' }\nhysteresis = '0%'\nclear_for = '0s'\n\
         no_data = 'critical'\nno_data_after = '1m'\nneeds = ['other']\nowner = 'team'\n\
         labels = { team = 'web' }\ninterval = '1m'\nrunbook = 'https://x'\n\
         override = [{ match = 'a=\"b\"', warn = '> 75%' }, { match = 'a=\"c\"', enabled = false }]\n\
         [rule.other]\nratio = { bad = 'a', total = 'b' }\nwarn = '> 1%'\nfor = '2m'\nmin_bad = 0\n\
         min_count = 20\nby = ['zone']\nwindow = '1h'\n",
    );
    assert_eq!(shown(&checked), "");
    let rules = &checked.config.rules;
    let busy = &rules[0].policy;
    let clears = [busy.clears.target, busy.clears.warn, busy.clears.critical];
    let clears: Vec<String> = clears
        .iter()
        .flatten()
        .map(|bound| format!("{} {}", bound.comparison.as_str(), bound.value))
        .collect();
    assert_eq!(clears, ["< 0.5", "< 0.6", "<= 0.7"]);
    let holds = [busy.holds.info, busy.holds.warning, busy.holds.critical];
    assert_eq!(holds.map(|one| one.as_secs()), [0, 300, 60]);
    assert_eq!((busy.hysteresis, busy.clear_for.as_secs()), (0.0, 0));
    assert_eq!(busy.needs[0].as_str(), "other");
    assert_eq!(busy.overrides.len(), 2);
    assert!(busy.overrides[0].enabled && !busy.overrides[1].enabled);
    assert_eq!(rules[0].labels.len(), 1);
    let other = &rules[1].policy;
    assert_eq!((other.min_bad, other.min_count), (0.0, 20.0));
    assert_eq!(other.holds.critical.as_secs(), 120);
    assert_eq!(other.window.as_secs(), 3_600);
    assert!(other.query.contains("sum by (zone) (increase(a[1h]))"), "{}", other.query);
    assert_eq!(checked.config.settings.rules.len(), 2);
}

#[test]
fn a_fallback_is_due_where_critical_alerts_can_come() {
    let critical = "match = 'severity=\"critical\"'";
    for (routes, expected) in [
        (vec![""], true),
        (vec!["fallback = ['ana']"], false),
        (vec!["match = 'severity=\"critical\"'\nfallback = ['ana']", ""], false),
        (vec![critical, ""], true),
        (vec!["match = 'severity=~\"warn.*|info\"'", "fallback = ['ana']"], false),
        (vec!["match = 'severity!=\"critical\"'", "fallback = ['ana']"], false),
        (vec!["match = 'team=\"web\"'", "fallback = ['ana']"], true),
        // Another label leaves critical alerts for the routes below.
        (vec!["match = 'severity=\"critical\",team=\"web\"'\nfallback = ['ana']", ""], true),
    ] {
        let mut whole = "[person.ana]\nterminal = true\n".to_owned();
        for (index, route) in routes.iter().enumerate() {
            whole += &format!("[[route]]\nname = 'r{index}'\n{route}\n");
        }
        let checked = text(&whole);
        let found = checked.diagnostics.iter().any(|one| one.code == "missing-fallback");
        assert_eq!(found, expected, "{routes:?}\n{}", shown(&checked));
    }
}

#[test]
fn mail_is_protected_off_loopback_by_default() {
    for (smtp, expected) in [
        ("smtp = 'smtp://mail.example.org'", "Required"),
        ("smtp = 'smtp://127.0.0.1:25'", "Opportunistic"),
        ("smtp = 'smtp://localhost:25'\ntls = 'required'", "Required"),
        ("smtp = 'smtp://mail:25'\ntls = 'none'", "None"),
        ("smtp = 'smtps://mail'", "Implicit"),
    ] {
        let checked = text(&format!("[email]\n{smtp}\nfrom = 'W <w@example.org>'\n"));
        assert_eq!(shown(&checked), "");
        assert_eq!(format!("{:?}", checked.config.email.unwrap().tls), expected, "{smtp}");
    }
}

#[test]
fn secrets_are_references() {
    let checked = text(
        "[slack]\ntoken = 'env:TOKEN'\napp_token = 'cred:app'\n[deadman]\nping = 'file:/run/ping'\n",
    );
    assert_eq!(shown(&checked), "");
    let slack = checked.config.slack.unwrap();
    let found = format!("{:?} {:?} {:?}", slack.token, slack.app_token, checked.config.deadman);
    assert_eq!(found, "env:TOKEN Some(cred:app) Some(file:/run/ping)");
}
