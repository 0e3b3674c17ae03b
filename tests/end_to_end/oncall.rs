//! Who is on call, as the commands say it: calendars, and what an edit changes.

use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::support::daemon::{Daemon, Folder, free_port, one_gauge, watchbell};
use crate::support::service::Service;
use crate::support::slack::Slack;

const PEOPLE: &str = "[daemon]\nzone = \"UTC\"\n\n[http]\nurl = \"https://ops.example.org\"\n\n\
    [person.ana]\nname = \"Ana Ruiz\"\nemail = \"ana@example.org\"\n\n[person.ben]\n\
    email = \"ben@example.org\"\n\n[email]\nsmtp = \"smtp://127.0.0.1:2525\"\nfrom = \"w@example.org\"\n\n\
    [[route]]\nname = \"all\"\npage = [\"devops\"]\nfallback = [\"ana\"]\n\n";

#[test]
fn a_calendar_feed_needs_no_daemon() {
    let folder = Folder::new("ics");
    let config = folder.write("a.toml", &rota("ana", "ben"));
    let feed = run(&config, &["oncall", "ics", "devops", "--weeks", "4"]);
    assert_eq!(feed.status.code(), Some(0), "{}", errors(&feed));
    assert!(errors(&feed).contains("changes made at run time are missing"), "{}", errors(&feed));
    let calendar = text(&feed);
    assert!(calendar.starts_with("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n"), "{calendar}");
    assert!(calendar.ends_with("END:VCALENDAR\r\n"), "{calendar}");
    let events = calendar.matches("BEGIN:VEVENT").count();
    assert!((28..=30).contains(&events), "{events} days: {calendar}");
    assert!(calendar.contains("SUMMARY:Ana Ruiz on call: devops\r\n"), "{calendar}");
    assert!(calendar.contains("-ben-devops@ops.example.org\r\n"), "{calendar}");

    let bens = text(&run(&config, &["oncall", "ics", "devops", "--person", "ben"]));
    assert!(bens.contains("SUMMARY:ben on call"), "{bens}");
    assert!(!bens.contains("Ana Ruiz on call"), "{bens}");

    let shifts = run(&config, &["oncall", "ics", "devops", "--weeks", "1", "--json"]);
    let shifts: Value = serde_json::from_slice(&shifts.stdout).unwrap();
    for pair in shifts.as_array().unwrap().windows(2) {
        assert_eq!(pair[0]["to"], pair[1]["from"]);
        assert_ne!(pair[0]["person"], pair[1]["person"]);
    }
}

#[test]
fn a_calendar_of_nobody_or_nothing_is_refused() {
    let folder = Folder::new("ics-refused");
    let config = folder.write("a.toml", &rota("ana", "ben"));
    for (words, expected) in [
        (&["oncall", "ics", "x"][..], "there is no schedule \"x\"; there are: devops"),
        (&["oncall", "ics", "devops", "--person", "x"], "there is no person \"x\""),
        (&["oncall", "ics", "devops", "--weeks", "0"], "--weeks"),
        (&["oncall", "ics", "devops", "--weeks", "1000000"], "--weeks"),
    ] {
        let output = run(&config, words);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {}", errors(&output));
        assert!(errors(&output).contains(expected), "{words:?}: {}", errors(&output));
        assert_eq!(text(&output), "", "{words:?}");
    }
    let unreachable = run(&config, &["oncall", "ics", "devops", "--url"]);
    assert_eq!(unreachable.status.code(), Some(4), "{}", errors(&unreachable));
}

#[test]
fn an_edit_shows_whom_it_puts_on_call() {
    let folder = Folder::new("diff");
    let old = folder.write("old.toml", &rota("ana", "ben"));
    let turned = folder.write("turned.toml", &rota("ben", "ana"));
    let check = |new: &Path, words: &[&str]| {
        let mut command = watchbell();
        command.arg("check").arg(new).arg("--diff").arg(&old).args(words);
        command.output().unwrap()
    };
    let same = check(&old, &[]);
    assert_eq!(same.status.code(), Some(0), "{}", errors(&same));
    assert!(text(&same).starts_with("the same people are on call in the next 30 days\n"));

    let changed = check(&turned, &[]);
    assert_eq!(changed.status.code(), Some(0), "{}", errors(&changed));
    let shown = text(&changed);
    assert!(shown.starts_with("SCHEDULE"), "{shown}");
    assert!(shown.lines().filter(|line| line.starts_with("devops")).count() >= 30, "{shown}");
    assert!(errors(&changed).contains("changes who is on call at once"), "{}", errors(&changed));
    assert_eq!(check(&turned, &["--deny-warnings"]).status.code(), Some(1));

    let json: Value = serde_json::from_slice(&check(&turned, &["--json"]).stdout).unwrap();
    assert_eq!(json["findings"][0]["severity"], "warning", "{json}");
    let first = &json["on_call"][0];
    assert_eq!(first["schedule"], "devops");
    assert_ne!(first["before"], first["after"]);
    assert_eq!(json["on_call"][1]["from"], first["to"]);
}

#[test]
fn an_old_version_that_cannot_be_read_is_not_compared_with() {
    let folder = Folder::new("diff-refused");
    let new = folder.write("new.toml", &rota("ana", "ben"));
    let bad = folder.write("bad.toml", &rota("ana", "nobody"));
    for (old, expected) in [
        (bad.as_path(), "does not say who is on call"),
        (Path::new("/nowhere/old.toml"), "reading /nowhere/old.toml"),
    ] {
        let output = watchbell().arg("check").arg(&new).arg("--diff").arg(old).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", errors(&output));
        assert!(errors(&output).contains(expected), "{}", errors(&output));
    }
    let broken = watchbell().arg("check").arg(&bad).arg("--diff").arg(&new).output().unwrap();
    assert_eq!(broken.status.code(), Some(2));
    assert!(errors(&broken).contains("nothing is compared"), "{}", errors(&broken));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_calendar_sees_what_was_changed_at_run_time() {
    let (service, slack) = (Service::start().await, Slack::start().await);
    let folder = Folder::new("feed");
    let rota = "[person.ben]\nslack = \"U2\"\n[schedule.devops]\npeople = [\"ana\"]\n\
                start = \"2024-01-01\"\n";
    let config = format!("{}\n{rota}", one_gauge(&service, &slack, "0s"));
    let daemon = Daemon::start(&folder, &config).await;
    let main = folder.path().join("watchbell.toml");
    let ask = |words: &[&str]| {
        let mut command = watchbell();
        command.args(words).arg("--config").arg(&main).env("WATCHBELL_URL", &daemon.url);
        command.output().unwrap()
    };
    let bens = ["oncall", "ics", "devops", "--person", "ben"];
    assert!(!text(&ask(&bens)).contains("BEGIN:VEVENT"));
    let to = "2099-01-01T00:00:00Z";
    let words = ["oncall", "override", "devops", "--add", "ben", "--to", to, "--as", "ana"];
    let change = ask(&words);
    assert_eq!(change.status.code(), Some(0), "{}", errors(&change));

    let written = ask(&bens);
    assert_eq!(errors(&written), "");
    let url = text(&ask(&["oncall", "ics", "devops", "--url"]));
    let url = url.trim_end();
    let path = url.strip_prefix(&daemon.url).unwrap_or_else(|| panic!("{url}"));
    let served = daemon.get(path).await;
    assert_eq!(served.status, 200, "{}", served.text);
    for calendar in [text(&written), served.text] {
        assert_eq!(calendar.matches("SUMMARY:ben on call: devops").count(), 1, "{calendar}");
    }
    let none = ask(&["oncall", "ics", "devops", "--person", "x", "--url"]);
    assert_eq!(none.status.code(), Some(1), "{}", errors(&none));
}

fn rota(first: &str, second: &str) -> String {
    format!(
        "{PEOPLE}[schedule.devops]\npeople = [\"{first}\", \"{second}\"]\nevery = \"1d\"\n\
         handoff = \"09:00\"\nstart = \"2024-01-01\"\n"
    )
}

/// Runs a command that finds no daemon.
fn run(config: &Path, words: &[&str]) -> Output {
    let nowhere = format!("http://127.0.0.1:{}", free_port());
    let mut command = watchbell();
    command.args(words).arg("--config").arg(config).env("WATCHBELL_URL", nowhere);
    command.output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn errors(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
