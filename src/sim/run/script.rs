//! From the words of a scenario to values: every word is checked before anything runs.

use std::collections::BTreeMap;
use std::time::Duration;

use toml::Spanned;
use watchbell_metrics::label::{Labels, METRIC_NAME, Matchers};
use watchbell_metrics::promql::{notation, parse_matchers};
use watchbell_metrics::rule::{Level, RuleName};
use watchbell_paging::command::{Actor, Surface};
use watchbell_paging::id::{PersonId, ScheduleId};
use watchbell_paging::time::Timestamp;

use crate::provider::Behaviour;
use crate::scenario::{Action, Expectation, ScenarioFile, Step, Test, line_of, parse_duration};
use crate::target::FakeSeries;
use crate::world::Amid;

/// The instant of `t = "0s"` where a case names none: a Monday morning.
const START: &str = "2026-11-23T09:00:00Z";
/// The step where a case names none.
const STEP: Duration = Duration::from_secs(15);
/// How long a silence or a snooze lasts that does not say.
const LASTS: Duration = Duration::from_secs(3600);

/// One case, ready to run.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) start: Timestamp,
    pub(super) step: Duration,
    pub(super) series: Vec<FakeSeries>,
    pub(super) moments: Vec<Moment>,
}

/// One step, in order of time.
#[derive(Clone, Debug)]
pub(super) struct Moment {
    pub(super) at: Duration,
    pub(super) line: usize,
    pub(super) deed: Option<Deed>,
    pub(super) expectation: Option<Expectation>,
}

/// What a step does.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    Set { rule: RuleName, labels: Labels, level: Level },
    Act { rule: String, labels: Labels, verb: Verb, by: Actor, note: Option<String> },
    Silence { matchers: Matchers, lasts: Duration, by: Actor },
    Unsilence { matchers: Matchers },
    Override(Substitution),
    Channel { name: String, behaviour: Behaviour },
    Target { job: String, down: bool },
    Crash { down: Duration, amid: Option<Amid> },
    Reload { file: String },
    Clock { by_ms: i64 },
    Disk { full: bool },
}

/// What is done to the newest incident of a rule.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Verb {
    Ack,
    Resolve { force: bool },
    Escalate,
    Snooze(Duration),
}

/// A change of who is on call.
#[derive(Clone, Debug)]
pub(crate) struct Substitution {
    pub(super) schedule: ScheduleId,
    pub(super) add: Option<PersonId>,
    pub(super) remove: Option<PersonId>,
    pub(super) from: Option<When>,
    pub(super) to: Option<When>,
}

/// A time counted from the start, or an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    After(Duration),
    Instant(Timestamp),
}

impl When {
    /// Reads `5m` or `2026-11-23T10:00:00Z`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        parse_duration(text)
            .map(Self::After)
            .or_else(|| Timestamp::parse_rfc3339(text).ok().map(Self::Instant))
    }
}

type Fault = (usize, String);

/// Checks every case of a file.
///
/// # Errors
/// The first fault, with its line.
pub(super) fn compile(file: &ScenarioFile, text: &str) -> Result<Vec<Case>, Fault> {
    file.test.iter().map(|test| case(test, text)).collect()
}

fn case(test: &Test, text: &str) -> Result<Case, Fault> {
    let line = line_of(text, test.name.span().start);
    let start = match &test.start {
        Some(start) => Timestamp::parse_rfc3339(start.get_ref())
            .map_err(|error| (line_of(text, start.span().start), error.to_string()))?,
        None => Timestamp::parse_rfc3339(START).map_err(|error| (line, error.to_string()))?,
    };
    let step = match &test.step {
        Some(step) => length(step.get_ref())
            .and_then(|length| {
                let some = Some(length).filter(|length| !length.is_zero());
                some.ok_or_else(|| "a step must last".to_owned())
            })
            .map_err(|message| (line_of(text, step.span().start), message))?,
        None => STEP,
    };
    let moments = moments(&test.steps, text)?;
    let series = series(&test.series, text)?;
    Ok(Case { name: test.name.get_ref().clone(), line, start, step, series, moments })
}

fn series(
    series: &BTreeMap<String, Spanned<String>>,
    text: &str,
) -> Result<Vec<FakeSeries>, Fault> {
    let mut found = Vec::new();
    for (selector, values) in series {
        let line = line_of(text, values.span().start);
        let fault = |message: String| (line, format!("series {selector}: {message}"));
        let labels = notation::parse_labels(selector).map_err(|error| fault(error.message))?;
        if labels.get(METRIC_NAME).is_none() {
            return Err(fault("a series needs a metric name".to_owned()));
        }
        let points =
            notation::parse_values(values.get_ref()).map_err(|error| fault(error.message))?;
        found.push(FakeSeries { labels, points });
    }
    Ok(found)
}

fn moments(steps: &[Spanned<Step>], text: &str) -> Result<Vec<Moment>, Fault> {
    let mut moments: Vec<Moment> = Vec::with_capacity(steps.len());
    for step in steps {
        let line = line_of(text, step.span().start);
        let one = step.get_ref();
        let at = length(one.t.get_ref()).map_err(|message| (line, message))?;
        if moments.last().is_some_and(|before| at < before.at) {
            let message = format!("t = {:?} comes before the step above it", one.t.get_ref());
            return Err((line, message));
        }
        let deed = one.r#do.as_ref().map(deed).transpose().map_err(|message| (line, message))?;
        if deed.is_none() && one.expect.is_none() {
            return Err((line, "a step needs `do` or `expect`".to_owned()));
        }
        moments.push(Moment { at, line, deed, expectation: one.expect.clone() });
    }
    Ok(moments)
}

/// Checks the words of one action.
///
/// # Errors
/// What is wrong with them.
pub(crate) fn deed(action: &Action) -> Result<Deed, String> {
    let verbs = verbs(action);
    let [verb] = verbs.as_slice() else {
        let given = if verbs.is_empty() { "none".to_owned() } else { verbs.join(", ") };
        return Err(format!("`do` needs exactly one verb (set, ack, crash, ...), it has {given}"));
    };
    match *verb {
        "set" => set(action),
        "ack" => act(action, action.ack.as_deref(), Verb::Ack),
        "resolve" => act(action, action.resolve.as_deref(), Verb::Resolve { force: action.force }),
        "escalate" => act(action, action.escalate.as_deref(), Verb::Escalate),
        "snooze" => {
            let lasts = optional(action.r#for.as_deref())?.unwrap_or(LASTS);
            act(action, action.snooze.as_deref(), Verb::Snooze(lasts))
        }
        "silence" => Ok(Deed::Silence {
            matchers: matchers(action.silence.as_deref())?,
            lasts: optional(action.r#for.as_deref())?.unwrap_or(LASTS),
            by: actor(action),
        }),
        "unsilence" => Ok(Deed::Unsilence { matchers: matchers(action.unsilence.as_deref())? }),
        "override" => substitution(action),
        "channel" => channel(action),
        "target" => Ok(Deed::Target {
            job: action.target.clone().unwrap_or_default(),
            down: action.down.unwrap_or(true),
        }),
        "crash" => crash(action),
        "reload" => Ok(Deed::Reload { file: action.reload.clone().unwrap_or_default() }),
        "clock" => clock(action.clock.as_deref().unwrap_or_default()),
        "disk" => match action.disk.as_deref() {
            Some("full") => Ok(Deed::Disk { full: true }),
            Some("free") => Ok(Deed::Disk { full: false }),
            Some(_) | None => Err("disk is `full` or `free`".to_owned()),
        },
        other => Err(format!("no such verb: {other}")),
    }
}

fn verbs(action: &Action) -> Vec<&'static str> {
    let given = [
        ("set", action.set.is_some()),
        ("ack", action.ack.is_some()),
        ("resolve", action.resolve.is_some()),
        ("escalate", action.escalate.is_some()),
        ("snooze", action.snooze.is_some()),
        ("silence", action.silence.is_some()),
        ("unsilence", action.unsilence.is_some()),
        ("override", action.r#override.is_some()),
        ("channel", action.channel.is_some()),
        ("target", action.target.is_some()),
        ("crash", action.crash.is_some()),
        ("reload", action.reload.is_some()),
        ("clock", action.clock.is_some()),
        ("disk", action.disk.is_some()),
    ];
    given.iter().filter(|(_, given)| *given).map(|(verb, _)| *verb).collect()
}

fn set(action: &Action) -> Result<Deed, String> {
    let word = action.level.as_deref().unwrap_or_default();
    let level = level(word).ok_or_else(|| {
        format!("level {word:?} is none of \"ok\", \"info\", \"warning\", \"critical\"")
    })?;
    let rule = RuleName::new(action.set.as_deref().unwrap_or_default());
    Ok(Deed::Set { rule, labels: labels(action), level })
}

fn act(action: &Action, rule: Option<&str>, verb: Verb) -> Result<Deed, String> {
    let rule = rule.filter(|rule| !rule.is_empty()).ok_or("the verb needs a rule's name")?;
    Ok(Deed::Act {
        rule: rule.to_owned(),
        labels: labels(action),
        verb,
        by: actor(action),
        note: action.note.clone(),
    })
}

fn substitution(action: &Action) -> Result<Deed, String> {
    let when = |text: &Option<String>| match text.as_deref() {
        Some(text) => When::parse(text)
            .map(Some)
            .ok_or_else(|| format!("{text:?} is neither a duration nor an instant")),
        None => Ok(None),
    };
    if action.add.is_none() && action.remove.is_none() {
        return Err("an override needs `add`, `remove`, or both".to_owned());
    }
    Ok(Deed::Override(Substitution {
        schedule: ScheduleId::from(action.r#override.as_deref().unwrap_or_default()),
        add: action.add.as_deref().map(PersonId::from),
        remove: action.remove.as_deref().map(PersonId::from),
        from: when(&action.from)?,
        to: when(&action.to)?,
    }))
}

fn channel(action: &Action) -> Result<Deed, String> {
    let fail = action.fail.as_deref().unwrap_or_default();
    let behaviour = Behaviour::parse(fail).ok_or_else(|| {
        format!(
            "fail {fail:?} is none of \"none\", \"down\", \"hang\", \"429:20\", \"500\", \"refuse\""
        )
    })?;
    Ok(Deed::Channel { name: action.channel.clone().unwrap_or_default(), behaviour })
}

fn crash(action: &Action) -> Result<Deed, String> {
    let down = length(action.crash.as_deref().unwrap_or_default())?;
    let amid = match action.amid.as_deref() {
        Some(text) => Some(
            Amid::parse(text)
                .ok_or_else(|| format!("amid {text:?} is none of append, send, answer"))?,
        ),
        None => None,
    };
    Ok(Deed::Crash { down, amid })
}

fn clock(text: &str) -> Result<Deed, String> {
    let (sign, rest) = match (text.strip_prefix('+'), text.strip_prefix('-')) {
        (Some(rest), _) => (1, rest),
        (None, Some(rest)) => (-1, rest),
        (None, None) => return Err(format!("clock {text:?} needs a sign: \"+1h\" or \"-30s\"")),
    };
    let by = i64::try_from(length(rest)?.as_millis()).unwrap_or(i64::MAX);
    Ok(Deed::Clock { by_ms: sign * by })
}

fn actor(action: &Action) -> Actor {
    Actor {
        name: action.by.clone().unwrap_or_else(|| "somebody".to_owned()),
        program: action.bot,
        surface: Surface::Scenario,
    }
}

fn labels(action: &Action) -> Labels {
    Labels::from_pairs(action.labels.clone().unwrap_or_default())
}

fn matchers(text: Option<&str>) -> Result<Matchers, String> {
    parse_matchers(text.unwrap_or_default()).map_err(|error| error.message)
}

fn level(word: &str) -> Option<Level> {
    [Level::Ok, Level::Info, Level::Warning, Level::Critical]
        .into_iter()
        .find(|level| level.as_str() == word)
}

fn optional(text: Option<&str>) -> Result<Option<Duration>, String> {
    text.map(length).transpose()
}

fn length(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| format!("{text:?} is no duration; write 90s or 1m30s"))
}
