//! What people type, and what they get: answers on standard output, words on standard error.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::daemon::{Folder, free_port, wait_for, watchbell};

/// `try` must say where it is within this.
const GREETING_WITHIN: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newcomer_drills_is_paged_and_acknowledges() {
    let mut trial = Trial::start();
    assert!(trial.greeted_after <= GREETING_WITHIN, "{:?}", trial.greeted_after);
    let url = trial.url.clone();
    let run = |words: &[&str]| ask(&url, words);

    let status = run(&["status"]);
    assert_eq!(status.status.code(), Some(0), "{}", text(&status));
    let drill = run(&["drill", "cpu"]);
    assert_eq!(drill.status.code(), Some(0), "{}", text(&drill));
    assert!(text(&drill).starts_with("drill_cpu-"), "{}", text(&drill));
    let began = now();

    // It may pass the lower bounds on its way up.
    let incident = wait_for("the drill's critical incident", async || {
        let open: Value = serde_json::from_slice(&run(&["incidents", "--json"]).stdout).ok()?;
        let is_it = |one: &&Value| one["drill"] == true && one["severity"] == "critical";
        open.as_array()?.iter().find(is_it).cloned()
    })
    .await;
    assert!(began.elapsed() < Duration::from_secs(30), "fired after {:?}", began.elapsed());
    let id = incident["id"].as_str().unwrap().to_owned();
    trial.wait_for_line("the page in the terminal", |line| line.contains("DRILL")).await;

    let acked = run(&["ack", &id, "looking", "--as", "you"]);
    assert_eq!(acked.status.code(), Some(0), "{}", text(&acked));
    let again = run(&["ack", &id, "--as", "somebody"]);
    assert!(errors(&again).contains("you was first"), "{}", errors(&again));
    let shown: Value = serde_json::from_slice(&run(&["incident", &id, "--json"]).stdout).unwrap();
    assert_eq!(shown["sla"], "met");
    let kinds: Vec<&str> = shown["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|line| line["kind"].as_str())
        .collect();
    for kind in ["first_bad", "fired", "delivered", "acked"] {
        assert!(kinds.contains(&kind), "no {kind} among {kinds:?}");
    }
    let why = run(&["why", &id]);
    assert!(text(&why).contains("+"), "seconds after the first bad sample: {}", text(&why));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ports_that_are_taken_are_passed_over() {
    let (first, second) = (Trial::start(), Trial::start());
    assert_ne!(first.url, second.url);
}

#[test]
fn the_shipped_configuration_and_every_rule_file_are_clean() {
    let mut files = vec![root().join("config/watchbell.toml")];
    let rules = std::fs::read_dir(root().join("rules")).unwrap();
    files.extend(rules.map(|entry| entry.unwrap().path()).filter(|path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.ends_with(".toml") && !name.ends_with(".test.toml")
    }));
    assert!(8 < files.len());
    let output = watchbell().arg("check").arg("--deny-warnings").args(files).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
}

#[test]
fn every_fault_has_its_place_a_caret_and_a_repair() {
    let folder = Folder::new("check");
    let path = folder.write(
        "bad.toml",
        "[scrape.api]\nurl = [\"http://a:1/metrics\"]\nintervall = \"15s\"\n\n[rule.x]\n\
         expr = \"rate(foo[5m)\"\nwarn = \"> 1\"\n",
    );
    let output = watchbell().arg("check").arg(&path).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let words = errors(&output);
    let shown = path.display().to_string();
    assert!(words.contains(&format!("{shown}:3:1")), "{words}");
    assert!(words.contains("did you mean \"interval\"?"), "{words}");
    // The fault inside the PromQL is named in the file's own coordinates.
    assert!(words.contains(&format!("{shown}:6:")), "{words}");
    assert!(words.contains('^'), "{words}");
}

#[test]
fn instants_and_timelines_are_computed_without_a_daemon() {
    let config = root().join("config/watchbell.toml");
    let run =
        |words: &[&str]| watchbell().args(words).arg("--config").arg(&config).output().unwrap();
    let deadline = run(&["sla", "deadline", "critical", "--at", "2026-03-29T00:58:00Z"]);
    assert_eq!(text(&deadline), "2026-03-29T01:03:00Z\n", "{}", errors(&deadline));
    let timeline = run(&[
        "oncall",
        "timeline",
        "devops",
        "--from",
        "2026-11-23T00:00:00Z",
        "--to",
        "2026-12-07T00:00:00Z",
        "--json",
    ]);
    let segments: Value = serde_json::from_slice(&timeline.stdout).unwrap();
    let segments = segments.as_array().unwrap();
    assert_eq!(segments.first().unwrap()["from"], "2026-11-23T00:00:00Z");
    assert_eq!(segments.last().unwrap()["to"], "2026-12-07T00:00:00Z");
    for pair in segments.windows(2) {
        assert_eq!(pair[0]["to"], pair[1]["from"]);
        assert_ne!(pair[0]["people"], pair[1]["people"]);
    }
    let route = run(&["route", "alertname=error_rate", "severity=critical"]);
    assert_eq!(route.status.code(), Some(0), "{}", errors(&route));
    assert!(text(&route).contains("critical"), "{}", text(&route));
    let explain = run(&["explain", "error_rate"]);
    assert!(text(&explain).contains("increase(http_requests_total"), "{}", text(&explain));
}

#[test]
fn exit_codes_say_what_kind_of_fault_it_was() {
    let nowhere = format!("http://127.0.0.1:{}", free_port());
    let unreachable = ask(&nowhere, &["status"]);
    assert_eq!(unreachable.status.code(), Some(4), "{}", errors(&unreachable));
    assert!(errors(&unreachable).contains("watchbell run"), "{}", errors(&unreachable));
    assert!(unreachable.stdout.is_empty(), "the answer's place stays empty");
    assert_eq!(ask(&nowhere, &["no-such-command"]).status.code(), Some(2));
    assert_eq!(ask(&nowhere, &["query", "rate(foo"]).status.code(), Some(2));
    let missing = watchbell().args(["check", "/nowhere/watchbell.toml"]).output().unwrap();
    assert_eq!(missing.status.code(), Some(2), "{}", errors(&missing));
}

#[test]
fn other_programs_get_schema_completions_and_manual() {
    let schema = watchbell().arg("schema").output().unwrap();
    let schema: Value = serde_json::from_slice(&schema.stdout).unwrap();
    assert!(schema["properties"]["scrape"].is_object(), "{schema:#}");
    for shell in ["bash", "zsh", "fish"] {
        let script = watchbell().args(["completions", shell]).output().unwrap();
        assert!(text(&script).contains("watchbell"), "{shell}");
    }
    let page = watchbell().arg("man").output().unwrap();
    assert!(text(&page).starts_with(".ie") || text(&page).contains(".TH watchbell"));
    let help = watchbell().arg("--help").output().unwrap();
    assert!(text(&help).contains("Watch this host at once"), "{}", text(&help));
}

#[test]
fn scenarios_and_scripts_run_from_the_command_line() {
    let folder = Folder::new("scenario");
    let good = folder.write(
        "good.test.toml",
        "[[config.route]]\nname = \"all\"\npage = [\"ana\"]\nfallback = [\"ana\"]\n\
         [config.person.ana]\nslack = \"U1\"\n[config.slack]\ntoken = \"env:NONE\"\n\
         [[test]]\nname = \"one page\"\nstart = \"2026-11-23T10:00:00Z\"\nsteps = [\n\
         { t = \"0s\", do = { set = \"Db\", level = \"critical\" } },\n\
         { t = \"1s\", expect = { rule = \"Db\", paged = [\"ana\"] } },\n]\n",
    );
    let output = watchbell().arg("test").arg(&good).output().unwrap();
    assert_eq!(text(&output).lines().last(), Some("1 passed, 0 failed"), "{}", text(&output));
    let bad = std::fs::read_to_string(&good).unwrap().replace("paged = [\"ana\"]", "open = 7");
    let bad = folder.write("bad.test.toml", &bad);
    let output = watchbell().arg("test").arg(&bad).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("bad.test.toml:"), "{}", text(&output));
    assert_eq!(text(&output).lines().last(), Some("0 passed, 1 failed"));
    let script =
        folder.write("sum.test", "load 1m\n  a 1 2\n  b 3\n\neval instant at 1m a\n  a 2\n");
    let output = watchbell().arg("test").arg(&script).output().unwrap();
    assert_eq!(text(&output).lines().last(), Some("1 passed, 0 failed"), "{}", text(&output));
}

/// A running `watchbell try` without a standard input.
struct Trial {
    child: Child,
    url: String,
    greeted_after: Duration,
    lines: tokio::sync::mpsc::UnboundedReceiver<String>,
}

impl Trial {
    fn start() -> Self {
        let began = now();
        let mut child = watchbell()
            .arg("try")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().expect("a greeting").unwrap();
        let greeted_after = began.elapsed();
        let url = first
            .split_whitespace()
            .find(|word| word.starts_with("http://127.0.0.1:"))
            .unwrap_or_else(|| panic!("no URL in {first:?}"))
            .to_owned();
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, url, greeted_after, lines: receiver }
    }

    async fn wait_for_line(&mut self, what: &str, wanted: impl Fn(&str) -> bool) {
        let looking = async {
            while let Some(line) = self.lines.recv().await {
                if wanted(&line) {
                    return true;
                }
            }
            false
        };
        let found = tokio::time::timeout(crate::support::daemon::DEADLINE, looking).await;
        assert!(found.unwrap_or(false), "{what}");
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        // Asked kindly, it removes its folder.
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap();
    }
}

fn ask(url: &str, words: &[&str]) -> Output {
    watchbell().args(words).env("WATCHBELL_URL", url).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

#[allow(
    clippy::disallowed_methods,
    reason = "how fast a person is greeted is asked of a real clock"
)]
fn now() -> Instant {
    Instant::now()
}
