//! The setting of a plan: people, routes, rules, and targets whose numbers go wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use watchbell_paging::id::PersonId;

use crate::random::Random;

/// When every seed begins: a Monday morning, so that shifts change within some runs.
pub const START: &str = "2026-11-23T07:30:00Z";
/// The spacing of scrapes.
pub const STEP: Duration = Duration::from_secs(15);
/// The jobs that are watched.
pub const JOBS: [&str; 2] = ["api", "db"];
/// The file that a reload puts in force.
pub const AFTER: &str = "after.toml";
/// The rule that a reload may take away; the last table of a configuration.
const VANISHING: &str = "[rule.queue]";

const NAMES: [&str; 5] = ["ana", "ben", "cho", "dan", "eve"];

pub(super) fn people(random: &mut Random) -> BTreeMap<PersonId, String> {
    let count = usize::try_from(3 + random.below(3)).unwrap_or(3);
    NAMES
        .iter()
        .take(count)
        .enumerate()
        .map(|(number, name)| {
            let text =
                format!("[person.{name}]\nslack = \"U{number}\"\nemail = \"{name}@example.org\"\n");
            (PersonId::from(*name), text)
        })
        .collect()
}

pub(super) fn config(random: &mut Random, people: &BTreeMap<PersonId, String>) -> String {
    let names: Vec<String> = people.keys().map(|id| format!("\"{id}\"")).collect();
    let mut text: String = people.values().map(String::as_str).collect();
    text.push_str("[slack]\ntoken = \"env:NONE\"\n[email]\nsmtp = \"smtp://127.0.0.1:25\"\n");
    text.push_str("from = \"watchbell@example.org\"\n");
    for (name, handoff) in [("first", "09:00"), ("second", "08:00")] {
        let every = ["1d", "1w", "4h"];
        let every = random.pick(&every).copied().unwrap_or("1d");
        let handoff = if every == "1w" { format!("mon {handoff}") } else { handoff.to_owned() };
        let turn = rotated(random, &names).join(", ");
        text.push_str(&format!(
            "[schedule.{name}]\npeople = [{turn}]\nevery = \"{every}\"\nhandoff = \"{handoff}\"\n\
             start = \"2026-01-05\"\nzone = \"UTC\"\n"
        ));
    }
    let fallback = names.last().cloned().unwrap_or_default();
    let steps = match random.below(3) {
        0 => String::new(),
        1 => "escalate = [{ at = \"2m\", page = [\"second\"] }]\n".to_owned(),
        _ => format!(
            "escalate = [{{ at = \"90s\", page = [\"second\"] }}, \
             {{ at = \"4m\", page = [{fallback}] }}]\n"
        ),
    };
    text.push_str(&format!(
        "[[route]]\nname = \"critical\"\nmatch = 'severity=\"critical\"'\npage = [\"first\"]\n\
         post = [\"#ops\"]\n{steps}fallback = [{fallback}]\n\
         [[route]]\nname = \"warning\"\nmatch = 'severity=\"warning\"'\npage = [\"first\"]\n\
         post = [\"#ops\"]\n[[route]]\nname = \"rest\"\npost = [\"#ops\"]\n"
    ));
    text.push_str(&rules(random));
    text
}

/// Returns the configuration without its last rule.
pub(super) fn without_a_rule(config: &str) -> String {
    config.split(VANISHING).next().unwrap_or_default().to_owned()
}

fn rules(random: &mut Random) -> String {
    let holds = ["0s", "30s", "1m"];
    let clears = ["0s", "30s", "2m"];
    let timing = |random: &mut Random| {
        let hold = random.pick(&holds).copied().unwrap_or("0s");
        let clear = random.pick(&clears).copied().unwrap_or("0s");
        format!("for = \"{hold}\"\nclear_for = \"{clear}\"\n")
    };
    let mut text = format!(
        "[rule.error_rate]\nratio = {{ bad = 'http_requests_total{{code=\"500\"}}', \
         total = 'http_requests_total' }}\ntarget = \"< 0.5%\"\nwarn = \"> 2%\"\n\
         critical = \"> 5%\"\n{}",
        timing(random)
    );
    text.push_str(&format!(
        "[rule.memory]\nmax = 'memory_ratio'\nwindow = \"1m\"\nunit = \"%\"\nwarn = \"> 80%\"\n\
         critical = \"> 90%\"\n{}",
        timing(random)
    ));
    text.push_str(&format!(
        "[rule.target_down]\nexpr = '1 - up'\ncritical = \"> 0\"\n{}",
        timing(random)
    ));
    text.push_str(&format!(
        "{VANISHING}\nexpr = 'queue_depth'\nwarn = \"> 50\"\ncritical = \"> 100\"\n{}",
        timing(random)
    ));
    text
}

pub(super) fn series(random: &mut Random, steps: u64) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for instance in ["a1", "a2"] {
        let labels = format!("job=\"{}\",instance=\"{instance}\"", JOBS[0]);
        let good = format!("http_requests_total{{{labels},code=\"200\"}}");
        all.push((good, format!("0+100x{steps}")));
        let bad = format!("http_requests_total{{{labels},code=\"500\"}}");
        all.push((bad, counter(random, steps, &[0, 0, 1, 4, 10])));
        let memory = format!("memory_ratio{{{labels}}}");
        all.push((memory, gauge(random, steps, &["0.5", "0.6", "0.85", "0.95", "0.6+0.002", "_"])));
    }
    let labels = format!("job=\"{}\",instance=\"d1\"", JOBS[1]);
    let queue = format!("queue_depth{{{labels}}}");
    all.push((queue, gauge(random, steps, &["3", "10", "60", "150", "40+2", "_"])));
    all
}

/// A counter whose slope changes every few minutes.
fn counter(random: &mut Random, steps: u64, slopes: &[u64]) -> String {
    let mut parts = Vec::new();
    let (mut done, mut value) = (0, 0);
    while done < steps {
        let count = (1 + random.below(40)).min(steps - done);
        let slope = random.pick(slopes).copied().unwrap_or(0);
        parts.push(format!("{}+{slope}x{}", value + slope, count - 1));
        value += slope * count;
        done += count;
    }
    parts.join(" ")
}

/// A gauge that stands, climbs or is missing for a few minutes at a time, sometimes for moments.
fn gauge(random: &mut Random, steps: u64, shapes: &[&str]) -> String {
    let mut parts = Vec::new();
    let mut done = 0;
    while done < steps {
        let most = if random.one_in(4) { 4 } else { 50 };
        let count = (1 + random.below(most)).min(steps - done);
        let shape = random.pick(shapes).copied().unwrap_or("0");
        // `_xN` is N places, `axN` and `a+bxN` are N + 1.
        let places = if shape == "_" { count } else { count - 1 };
        parts.push(format!("{shape}x{places}"));
        done += count;
    }
    parts.join(" ")
}

fn rotated(random: &mut Random, names: &[String]) -> Vec<String> {
    let by = usize::try_from(random.below(names.len() as u64)).unwrap_or(0);
    names.iter().cycle().skip(by).take(names.len()).cloned().collect()
}
