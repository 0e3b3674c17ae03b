//! The plan of a seed: a plausible configuration, targets with faults, people, and everything
//! that goes wrong outside, drawn before anything runs.
//!
//! Only draws and writes; running it is `seed`'s duty. Every fault that begins also ends, and the
//! last stretch is calm, so that whatever is due must have happened by the end.

mod setting;

use std::collections::BTreeMap;
use std::time::Duration;

use watchbell_paging::id::PersonId;

use crate::people::Temper;
use crate::random::Random;
use crate::scenario::{Action, write_action, write_duration};

pub use self::setting::{AFTER, JOBS, START, STEP};

/// The calm at the end.
const CALM: Duration = Duration::from_secs(15 * 60);

/// One thing that happens from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    /// When, counted from the start.
    pub at: Duration,
    /// What, in the words of a scenario.
    pub action: Action,
}

/// Everything about a run but the engine.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it was drawn from.
    pub seed: u64,
    /// How long it runs.
    pub length: Duration,
    /// The configuration, as TOML.
    pub config: String,
    /// The one that a reload may put in its place.
    pub after: String,
    /// Series by selector, in the expanding notation.
    pub series: Vec<(String, String)>,
    /// How long a delivery takes.
    pub latency: Duration,
    /// How each person is with pages.
    pub tempers: BTreeMap<PersonId, Temper>,
    /// What goes wrong, in order of time.
    pub happenings: Vec<Happening>,
}

impl Plan {
    /// Draws a plan.
    #[must_use]
    pub fn draw(seed: u64, length: Duration) -> Self {
        let mut random = Random::new(seed);
        let people = setting::people(&mut random);
        let config = setting::config(&mut random, &people);
        // The same draw with one rule less; nothing else changes.
        let after = setting::without_a_rule(&config);
        let steps = length.as_secs().div_ceil(STEP.as_secs()) + 1;
        let series = setting::series(&mut random, steps);
        let latency = Duration::from_millis(random.below(400));
        let happenings = happenings(&mut random, length.saturating_sub(CALM), &people);
        let tempers = people.into_keys().map(|id| (id, temper(&mut random))).collect();
        Self { seed, length, config, after, series, latency, tempers, happenings }
    }

    /// Writes the plan and what people did as a scenario.
    #[must_use]
    pub fn write(&self, answers: &[Happening]) -> String {
        let mut text = format!("# seed {}\n", self.seed);
        for line in self.config.lines() {
            let header = line.replace("[[", "[[config.");
            let header = if header == line { line.replacen('[', "[config.", 1) } else { header };
            text.push_str(if line.starts_with('[') { &header } else { line });
            text.push('\n');
        }
        text.push_str(&format!("\n[[test]]\nname = \"seed {}\"\n", self.seed));
        text.push_str(&format!("start = \"{START}\"\n"));
        text.push_str("steps = [\n");
        let mut all: Vec<&Happening> = self.happenings.iter().chain(answers).collect();
        all.sort_by_key(|happening| happening.at);
        for happening in all {
            let (t, action) = (write_duration(happening.at), write_action(&happening.action));
            text.push_str(&format!("  {{ t = \"{t}\", do = {action} }},\n"));
        }
        text.push_str("]\n[test.series]\n");
        for (selector, values) in &self.series {
            text.push_str(&format!("'{selector}' = \"{values}\"\n"));
        }
        text
    }
}

fn temper(random: &mut Random) -> Temper {
    match random.below(4) {
        0 | 1 => Temper::Quick,
        2 => Temper::Slow,
        _ => Temper::Asleep,
    }
}

fn happenings(
    random: &mut Random,
    until: Duration,
    people: &BTreeMap<PersonId, String>,
) -> Vec<Happening> {
    let mut all = Vec::new();
    let names: Vec<String> = people.keys().map(ToString::to_string).collect();
    for _ in 0..6 + random.below(10) {
        let at = Duration::from_millis(60_000 + random.below(millis(until)));
        let lasts = Duration::from_millis(5000 + random.below(600_000));
        let mut happen = |at: Duration, action: Action| {
            if at <= until {
                all.push(Happening { at, action });
            }
        };
        // What ends does so by `until`, whatever was drawn.
        let end = (at + lasts).min(until);
        match random.below(12) {
            0..=2 => {
                let channel = word(random, &["slack", "mail"]);
                let fail = word(random, &["down", "hang", "429:7", "429:40", "500", "refuse"]);
                happen(at, outage(&channel, &fail));
                happen(end, outage(&channel, "none"));
            }
            3 | 4 => {
                let amid = match random.below(4) {
                    0 => None,
                    1 => Some("append".to_owned()),
                    2 => Some("send".to_owned()),
                    _ => Some("answer".to_owned()),
                };
                let crash = Some(write_duration(lasts.min(until.saturating_sub(at))));
                happen(at, Action { crash, amid, ..Action::default() });
            }
            5 => {
                happen(at, disk("full"));
                happen(end, disk("free"));
            }
            6 => {
                let sign = word(random, &["+", "-"]);
                let clock = format!("{sign}{}s", 2 + random.below(3600));
                happen(at, Action { clock: Some(clock), ..Action::default() });
            }
            7 => {
                happen(at, reload(AFTER));
                happen(end, reload("before.toml"));
            }
            8 => {
                let silence =
                    word(random, &["severity=\"critical\"", "job=\"api\"", "alertname=\"Manual\""]);
                let r#for = Some(write_duration(lasts));
                happen(at, Action { silence: Some(silence), r#for, ..Action::default() });
            }
            9 => {
                let job = word(random, &JOBS);
                happen(at, target(&job, true));
                happen(end, target(&job, false));
            }
            10 => {
                let level = word(random, &["critical", "critical", "warning", "info"]);
                happen(at, set(&level));
                happen(end, set("ok"));
            }
            _ => {
                let add = Some(word(random, &names));
                let (schedule, to) = (Some("first".to_owned()), Some(write_duration(end)));
                let from = Some(write_duration(at));
                happen(at, Action { r#override: schedule, add, from, to, ..Action::default() });
            }
        }
    }
    all.sort_by_key(|happening| happening.at);
    all
}

fn outage(channel: &str, fail: &str) -> Action {
    let (channel, fail) = (Some(channel.to_owned()), Some(fail.to_owned()));
    Action { channel, fail, ..Action::default() }
}

fn disk(word: &str) -> Action {
    Action { disk: Some(word.to_owned()), ..Action::default() }
}

fn reload(file: &str) -> Action {
    Action { reload: Some(file.to_owned()), ..Action::default() }
}

fn target(job: &str, down: bool) -> Action {
    Action { target: Some(job.to_owned()), down: Some(down), ..Action::default() }
}

fn set(level: &str) -> Action {
    let (set, level) = (Some("Manual".to_owned()), Some(level.to_owned()));
    Action { set, level, ..Action::default() }
}

fn word<T: AsRef<str>>(random: &mut Random, words: &[T]) -> String {
    random.pick(words).map(|word| word.as_ref().to_owned()).unwrap_or_default()
}

fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario;

    #[test]
    fn a_seed_gives_the_same_plan_every_time_and_another_one_another() {
        let length = Duration::from_secs(7200);
        let text = |seed| Plan::draw(seed, length).write(&[]);
        assert_eq!(text(7), text(7));
        assert_ne!(text(7), text(8));
    }

    #[test]
    fn a_plan_is_a_scenario() {
        for seed in 0..20 {
            let text = Plan::draw(seed, Duration::from_secs(7200)).write(&[]);
            let file = scenario::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
            assert_eq!(file.test.len(), 1);
            assert!(file.config.unwrap().contains_key("route"));
        }
    }

    #[test]
    fn the_end_is_calm() {
        for seed in 0..20 {
            let plan = Plan::draw(seed, Duration::from_secs(7200));
            let last = plan.happenings.iter().map(|one| one.at).max().unwrap();
            assert!(last + CALM <= plan.length, "seed {seed}");
        }
    }
}
