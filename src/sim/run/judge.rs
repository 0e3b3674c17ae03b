//! Looks at the world and compares it with what a step expects, key by key.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use regex::Regex;
use watchbell_metrics::label::{ALERT_NAME, Labels};
use watchbell_metrics::rule::Level;
use watchbell_paging::duty;
use watchbell_paging::id::ScheduleId;
use watchbell_paging::ledger;
use watchbell_paging::time::{Timestamp, format_duration};
use watchbell_paging::view::{AlertView, IncidentState, IncidentView, View};

use super::render::timeline;
use super::script::{Moment, When};
use super::{Failure, Stage};
use crate::scenario::Expectation;
use crate::world::WorldError;

/// What is said of something that is not there.
const NONE: &str = "none";

/// Returns the newest incident of a rule that has an alert with these labels.
pub(super) fn newest<'a>(
    view: &'a View,
    rule: &'a str,
    labels: &'a Labels,
) -> Option<&'a Arc<IncidentView>> {
    of_rule(view, rule, labels).max_by_key(|incident| incident.id)
}

fn of_rule<'a>(
    view: &'a View,
    rule: &'a str,
    labels: &'a Labels,
) -> impl Iterator<Item = &'a Arc<IncidentView>> {
    view.incidents
        .iter()
        .filter(move |one| one.alerts.iter().any(|alert| is_of(alert, rule, labels)))
}

fn is_of(alert: &AlertView, rule: &str, labels: &Labels) -> bool {
    alert.labels.get(ALERT_NAME) == Some(rule)
        && labels.iter().all(|(name, value)| alert.labels.get(name) == Some(value))
}

impl Stage<'_> {
    /// Compares every key that is given.
    pub(super) fn judge(
        &mut self,
        expected: &Expectation,
        moment: &Moment,
    ) -> Result<(), WorldError> {
        let view = self.world.look()?;
        let labels = Labels::from_pairs(expected.labels.clone().unwrap_or_default());
        let chosen = match &expected.rule {
            Some(rule) => newest(&view, rule, &labels),
            None => view.incidents.iter().max_by_key(|incident| incident.id),
        };
        let mut checks = Checks { line: moment.line, failures: Vec::new() };
        checks.whole(&view, expected, &labels);
        checks.incident(chosen, expected, &labels);
        checks.told(&view, chosen.filter(|_| expected.rule.is_some()), expected);
        checks.lines(chosen, expected);
        if let Some(text) = &expected.deadline {
            self.deadline(&mut checks, chosen, text);
        }
        if let Some(oncall) = &expected.oncall {
            self.oncall(&mut checks, &view, oncall);
        }
        if let Some(report) = &expected.report {
            self.report(&mut checks, &view, report);
        }
        if let (false, Some(incident)) = (checks.failures.is_empty(), chosen) {
            self.looked_at.insert(incident.id, Arc::clone(incident));
        }
        self.failures.extend(checks.failures);
        Ok(())
    }

    fn deadline(&self, checks: &mut Checks, chosen: Option<&Arc<IncidentView>>, text: &str) {
        let Some(when) = When::parse(text) else {
            checks.fail("deadline = a duration or an instant".to_owned(), format!("{text:?}"));
            return;
        };
        let got = chosen.and_then(|incident| incident.deadline);
        let fired = chosen.map(|incident| incident.fired_at).unwrap_or_default();
        let expected = match when {
            When::After(length) => fired.plus(length),
            When::Instant(at) => at,
        };
        if got != Some(expected) {
            let after = |at: Timestamp| {
                let length = if fired <= at { at.since(fired) } else { Duration::ZERO };
                format!("{at} ({} after it fired)", format_duration(length))
            };
            checks.fail(format!("deadline = {text:?}"), got.map_or_else(|| NONE.to_owned(), after));
        }
    }

    fn oncall(&self, checks: &mut Checks, view: &View, oncall: &BTreeMap<String, Vec<String>>) {
        for (name, people) in oncall {
            let id = ScheduleId::from(name.as_str());
            let Some(schedule) = self.world.settings().schedules.get(&id) else {
                checks.fail(format!("a schedule {name:?}"), NONE.to_owned());
                continue;
            };
            let extra = view.overrides.get(&id).map(Vec::as_slice).unwrap_or_default();
            let who = duty::who(schedule, extra, self.world.now());
            let got: Vec<String> = who.iter().map(ToString::to_string).collect();
            checks.same(&format!("oncall {name}"), people, &got);
        }
    }

    fn report(&self, checks: &mut Checks, view: &View, keys: &BTreeMap<String, toml::Value>) {
        // The range is half-open; what fired at this very instant belongs to the test so far.
        let to = Timestamp(self.world.now().0.saturating_add(1));
        let report = ledger::report_of(view, self.world.settings(), self.start, to);
        let json = serde_json::to_value(&report).unwrap_or_default();
        let rows = json.get("rows").and_then(serde_json::Value::as_array);
        let all = rows.and_then(|rows| rows.first());
        let named = |key: &str| {
            rows?.iter().find(|row| row.get("name").and_then(|name| name.as_str()) == Some(key))
        };
        for (key, expected) in keys {
            let found = all.and_then(|row| row.get(key)).or_else(|| json.get(key));
            let found = found.or_else(|| named(key)).unwrap_or(&serde_json::Value::Null);
            compare(checks, &format!("report {key}"), expected, found);
        }
    }
}

struct Checks {
    line: usize,
    failures: Vec<Failure>,
}

impl Checks {
    fn fail(&mut self, expected: String, got: String) {
        self.failures.push(Failure { line: self.line, expected, got });
    }

    fn same<T: Debug + PartialEq + ?Sized>(&mut self, key: &str, expected: &T, got: &T) {
        if expected != got {
            self.fail(format!("{key} = {expected:?}"), format!("{got:?}"));
        }
    }

    fn word(&mut self, key: &str, expected: Option<&String>, got: &str) {
        if let Some(expected) = expected {
            self.same(key, expected.as_str(), got);
        }
    }

    fn whole(&mut self, view: &View, expected: &Expectation, labels: &Labels) {
        if let Some(open) = expected.open {
            let is_open = |one: &&Arc<IncidentView>| one.state != IncidentState::Resolved;
            self.same("open", &open, &view.incidents.iter().filter(is_open).count());
        }
        if let Some(count) = expected.incidents {
            let got = match &expected.rule {
                Some(rule) => of_rule(view, rule, labels).count(),
                None => view.incidents.len(),
            };
            self.same("incidents", &count, &got);
        }
    }

    fn incident(
        &mut self,
        chosen: Option<&Arc<IncidentView>>,
        expected: &Expectation,
        labels: &Labels,
    ) {
        let level = chosen.map_or(Level::Ok, |incident| {
            let rule = expected.rule.as_deref();
            let of = |alert: &&AlertView| rule.is_none_or(|rule| is_of(alert, rule, labels));
            let worst = incident.alerts.iter().filter(of).map(|alert| alert.level).max();
            let open = incident.state != IncidentState::Resolved;
            worst.filter(|_| open).unwrap_or_default()
        });
        self.word("level", expected.level.as_ref(), level.as_str());
        let state = chosen.map_or(NONE, |incident| match incident.state {
            IncidentState::Triggered => "triggered",
            IncidentState::Acked => "acked",
            IncidentState::Resolved => "resolved",
        });
        self.word("state", expected.state.as_ref(), state);
        let severity = chosen.map_or(NONE, |incident| incident.severity.as_str());
        self.word("severity", expected.severity.as_ref(), severity);
        let sla = chosen.map_or(NONE, |incident| incident.sla.as_str());
        self.word("sla", expected.sla.as_ref(), sla);
        let cause = chosen.and_then(|incident| incident.breach_cause);
        self.word("cause", expected.cause.as_ref(), cause.map_or(NONE, |cause| cause.as_str()));
        let by = chosen.and_then(|incident| incident.acked_by.as_deref()).unwrap_or(NONE);
        self.word("acked_by", expected.acked_by.as_ref(), by);
        if let Some(breached) = expected.breached {
            let got = chosen.is_some_and(|incident| incident.breached_at.is_some());
            self.same("breached", &breached, &got);
        }
        if let Some(repeat) = expected.repeat {
            self.same("repeat", &repeat, &chosen.is_some_and(|incident| incident.repeat));
        }
    }

    /// Without a rule, everything that was told in the test so far counts.
    fn told(&mut self, view: &View, chosen: Option<&Arc<IncidentView>>, expected: &Expectation) {
        let mut incidents: Vec<&Arc<IncidentView>> = match (chosen, &expected.rule) {
            (Some(incident), _) => vec![incident],
            (None, Some(_)) => Vec::new(),
            (None, None) => view.incidents.iter().collect(),
        };
        incidents.sort_by_key(|incident| incident.id);
        let mut paged: Vec<String> = Vec::new();
        let mut posted: Vec<String> = Vec::new();
        let mut pages: BTreeMap<String, u32> = BTreeMap::new();
        for incident in incidents {
            add_new(&mut paged, incident.paged.iter().map(ToString::to_string));
            add_new(&mut posted, incident.posted.iter().cloned());
            for (person, count) in &incident.pages {
                *pages.entry(person.to_string()).or_default() += count;
            }
        }
        if let Some(people) = &expected.paged {
            self.same("paged", people, &paged);
        }
        if let Some(targets) = &expected.posted {
            self.same("posted", targets, &posted);
        }
        for (person, count) in expected.pages.iter().flatten() {
            let got = pages.get(person).copied().unwrap_or_default();
            self.same(&format!("pages of {person}"), count, &got);
        }
    }

    fn lines(&mut self, chosen: Option<&Arc<IncidentView>>, expected: &Expectation) {
        let lines = chosen.map(|incident| timeline(incident)).unwrap_or_default();
        for pattern in expected.timeline.iter().flatten() {
            match Regex::new(pattern) {
                Ok(regex) if lines.iter().any(|line| regex.is_match(line)) => {}
                Ok(_) => {
                    self.fail(
                        format!("a line of the timeline matches {pattern:?}"),
                        NONE.to_owned(),
                    );
                }
                Err(error) => self.fail("a regular expression".to_owned(), error.to_string()),
            }
        }
    }
}

fn add_new(all: &mut Vec<String>, more: impl Iterator<Item = String>) {
    for one in more {
        if !all.contains(&one) {
            all.push(one);
        }
    }
}

/// Compares a number, a word or the given keys of a table.
fn compare(checks: &mut Checks, key: &str, expected: &toml::Value, got: &serde_json::Value) {
    if let toml::Value::Table(table) = expected {
        for (name, expected) in table {
            let got = got.get(name).unwrap_or(&serde_json::Value::Null);
            compare(checks, &format!("{key}.{name}"), expected, got);
        }
        return;
    }
    let number = expected.as_float().or_else(|| {
        let whole = expected.as_integer()?;
        whole.to_string().parse().ok()
    });
    let same = match number {
        Some(number) => got.as_f64().is_some_and(|got| (got - number).abs() < 1e-9),
        None => serde_json::to_value(expected).is_ok_and(|expected| expected == *got),
    };
    if !same {
        checks.fail(format!("{key} = {expected}"), got.to_string());
    }
}
