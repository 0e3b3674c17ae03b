//! From readings, posts and orders to the levels of alerts.
//!
//! A reading that leaves a level machine as it was writes no record; its value is shown all the
//! same. What a change of level means for incidents is decided next door.

use std::sync::Arc;

use watchbell_metrics::label::{ALERT_NAME, Labels};
use watchbell_metrics::rule::{
    Level, NoData, Reading, RuleKind, RuleName, RulePolicy, RuleReadings,
};

use crate::alert::{AlertKey, Event, Levels, Origin, Shown, Sight, judge, step, with_override};
use crate::engine::live::KNOWN_MAX;
use crate::engine::work::Work;
use crate::engine::{FailingRecording, PostedAlert};
use crate::id::AlertId;
use crate::level::Severity;
use crate::record::{AlertFact, Fact};
use crate::time::Timestamp;

/// Alerts that are not at rest at one time; further ones are refused and reported as an error.
pub(super) const ALERTS_MAX: usize = 100_000;
/// Evaluation errors in a row after which the daemon speaks up.
const ERRORS_TOLD: u32 = 3;
const RULE_ERRORS: &str = "WatchbellRuleErrors";

/// What is known of an alert besides its levels.
#[derive(Clone, Debug, Default)]
struct Aside {
    by_hand: bool,
    drill: bool,
    ends_at: Option<Timestamp>,
    why: Option<String>,
}

impl Work<'_> {
    /// Takes one evaluation of one rule in.
    pub(super) fn evaluated(&mut self, readings: RuleReadings) {
        self.stale = true;
        let Some(policy) = self.settings.rules.get(&readings.rule).cloned() else { return };
        let at = Timestamp(readings.at);
        let live = self.live.rules.entry(readings.rule.clone()).or_default();
        live.at = Some(at);
        match readings.outcome {
            Ok(all) => {
                live.readings = all.len();
                live.error = None;
                let failed = std::mem::take(&mut live.errors_in_row);
                // The alert of an earlier process ends with the first success of this one.
                if !std::mem::replace(&mut live.works, true) || 0 < failed {
                    self.rule_works(&readings.rule);
                }
                self.see(&policy, all, at);
            }
            Err(error) => {
                live.errors_in_row = live.errors_in_row.saturating_add(1);
                live.works = false;
                live.error = Some(error.clone());
                if ERRORS_TOLD <= live.errors_in_row {
                    self.rule_fails(&readings.rule, &error);
                }
            }
        }
    }

    fn rule_fails(&mut self, rule: &RuleName, error: &str) {
        let summary = format!("rule {rule} cannot be evaluated: {error}");
        let labels = [("rule", rule.as_str())];
        self.speak_up(RULE_ERRORS, &labels, Severity::Warning, &summary);
    }

    fn rule_works(&mut self, rule: &RuleName) {
        self.calm_down(RULE_ERRORS, &[("rule", rule.as_str())]);
    }

    /// Takes in how recording rules are: one that fails again and again is spoken of until it
    /// works, one that has failed once or twice stays as it was told.
    pub(super) fn recorded(&mut self, failing: Vec<FailingRecording>) {
        let labels_of =
            |one: &FailingRecording| [("record", one.record.clone()), ("group", one.group.clone())];
        let is_failing = |labels: &Labels| {
            let is_it = |(name, text): &(&str, String)| labels.get(name) == Some(text.as_str());
            failing.iter().any(|one| labels_of(one).iter().all(is_it))
        };
        let errors = RuleName::new(RULE_ERRORS);
        let told = self.state.alerts_of(&errors);
        let works = told.filter(|alert| {
            alert.key.origin == Origin::Internal
                && alert.key.labels.get("record").is_some()
                && !is_failing(&alert.key.labels)
        });
        for id in works.map(|alert| alert.id).collect::<Vec<_>>() {
            self.clear_alert(id, None);
        }
        for one in failing.iter().filter(|one| ERRORS_TOLD <= one.errors_in_row) {
            let FailingRecording { record, group, error, .. } = one;
            let summary = format!(
                "recording rule {record} of the group {group} cannot be evaluated: {error}"
            );
            let labels = [("record", record.as_str()), ("group", group.as_str())];
            self.speak_up(RULE_ERRORS, &labels, Severity::Warning, &summary);
        }
    }

    fn see(&mut self, policy: &Arc<RulePolicy>, readings: Vec<Reading>, at: Timestamp) {
        let mut missing: std::collections::BTreeSet<AlertId> =
            self.state.alerts_of(&policy.name).map(|alert| alert.id).collect();
        if self.live.rules.get(&policy.name).is_some_and(|live| live.error.is_none()) {
            self.notice_absence(policy, &readings, at);
        }
        for reading in readings {
            let labels = reading.labels.without(&["severity"]);
            let key = AlertKey { rule: policy.name.clone(), labels, origin: Origin::Rule };
            let own = with_override(policy, &key.labels).map(|own| with_level(own, reading.level));
            let sight = match &own {
                Some(_) => Sight::Value(reading.value, reading.evidence),
                None => Sight::Off,
            };
            let own = own.as_ref().unwrap_or(policy);
            let known = self.state.alert_of(&key);
            if let Some(id) = known {
                missing.remove(&id);
            } else if sight == Sight::Off
                || judge(own, reading.value, reading.evidence).raw == Level::Ok
            {
                continue;
            }
            let shown = Shown {
                value: Some(reading.value).filter(|value| value.is_finite()),
                summary: reading.summary,
                annotations: reading.annotations.into_iter().collect(),
            };
            self.look(own, key, &sight, shown, at);
        }
        for id in missing {
            self.look_in_vain(policy, id, at);
        }
    }

    fn look_in_vain(&mut self, policy: &RulePolicy, id: AlertId, at: Timestamp) {
        let Some(alert) = self.state.alerts.get(&id) else { return };
        if alert.key.origin != Origin::Rule {
            return;
        }
        let own = with_override(policy, &alert.key.labels);
        let sight = if own.is_some() { Sight::Missing } else { Sight::Off };
        let (key, shown) = (alert.key.clone(), self.shown_of(id));
        self.look(own.as_ref().unwrap_or(policy), key, &sight, shown, at);
    }

    /// Lets the absence of a label set that has no alert become one, where the rule says so.
    fn notice_absence(&mut self, policy: &RulePolicy, readings: &[Reading], at: Timestamp) {
        let raised = match policy.no_data {
            NoData::Keep | NoData::Ok => return,
            NoData::Warn | NoData::Critical => matches!(policy.kind, RuleKind::Own),
        };
        let Some(live) = self.live.rules.get_mut(&policy.name).filter(|_| raised) else { return };
        for since in live.known.values_mut() {
            since.get_or_insert(at);
        }
        if live.known.is_empty() && readings.is_empty() {
            let whole = Labels::from_pairs([(ALERT_NAME, policy.name.as_str())]);
            live.known.insert(whole, Some(at));
        }
        for reading in readings {
            if live.known.len() < KNOWN_MAX || live.known.contains_key(&reading.labels) {
                live.known.insert(reading.labels.clone(), None);
            }
        }
        let gone = |since: &Option<Timestamp>| {
            since.is_some_and(|since| policy.no_data_after <= at.since(since))
        };
        let gone: Vec<(Labels, Timestamp)> = live
            .known
            .iter()
            .filter(|(_, since)| gone(since))
            .filter_map(|(labels, since)| Some((labels.clone(), (*since)?)))
            .collect();
        for (labels, since) in gone {
            let key = AlertKey { rule: policy.name.clone(), labels, origin: Origin::Rule };
            if self.state.alert_of(&key).is_some() {
                continue;
            }
            let levels = Levels { no_data_since: Some(since), ..Levels::default() };
            let (levels, events) = step(&levels, &Sight::Missing, policy, at);
            let summary = Some(format!("{}: no data", policy.name));
            let shown = Shown { summary, ..Shown::default() };
            self.move_alert(key, levels, events, shown, Aside::default());
        }
    }

    /// Feeds the level machine of one alert.
    fn look(
        &mut self,
        policy: &RulePolicy,
        key: AlertKey,
        sight: &Sight,
        shown: Shown,
        at: Timestamp,
    ) {
        let known = self.state.alert_of(&key).and_then(|id| self.state.alerts.get(&id));
        // A level set by hand stays until a hand takes it away.
        if known.is_some_and(|alert| alert.by_hand && alert.levels.level != Level::Ok) {
            return;
        }
        let before = known.map(|alert| alert.levels.clone()).unwrap_or_default();
        let drill = policy.drill || known.is_some_and(|alert| alert.drill);
        if let Some(alert) = known {
            self.live.shown.insert(alert.id, shown.clone());
            if let Some(incident) = alert.incident {
                self.live.views.remove(&incident);
                self.changed.insert(incident);
            }
        }
        let (levels, events) = step(&before, sight, policy, at);
        if levels != before {
            let aside = Aside { drill, ..Aside::default() };
            self.move_alert(key, levels, events, shown, aside);
        }
    }

    /// Writes a moved level machine down and lets incidents follow.
    fn move_alert(
        &mut self,
        key: AlertKey,
        levels: Levels,
        events: Vec<Event>,
        shown: Shown,
        aside: Aside,
    ) {
        let known = self.state.alert_of(&key);
        if known.is_none() && ALERTS_MAX <= self.state.alerts.len() {
            let live = self.live.rules.entry(key.rule).or_default();
            live.error = Some(format!("more than {ALERTS_MAX} alerts: the rest is not tracked"));
            return;
        }
        let alert = known.unwrap_or(AlertId(self.state.counts.alerts + 1));
        let changed = events.iter().any(|event| matches!(event, Event::Changed { .. }));
        if changed && (self.live.needed.contains(&key.rule) || key.origin != Origin::Rule) {
            self.review_all = true;
        }
        let told = events.clone();
        self.emit(Fact::Alert(Box::new(AlertFact {
            alert,
            key: known.is_none().then_some(key),
            events,
            levels,
            shown,
            by_hand: aside.by_hand,
            drill: aside.drill,
            ends_at: aside.ends_at,
            why: aside.why,
        })));
        if changed {
            self.follow(alert);
        }
        self.tell_events(alert, &told);
    }

    /// Sets an alert's level past all holds.
    pub(super) fn set_level(
        &mut self,
        key: AlertKey,
        level: Level,
        summary: Option<String>,
        drill: bool,
    ) -> Option<AlertId> {
        let known = self.state.alert_of(&key).and_then(|id| self.state.alerts.get(&id));
        if known.is_none() && level == Level::Ok {
            return None;
        }
        let before = known.map(|alert| alert.levels.clone()).unwrap_or_default();
        let shown =
            Shown { summary, ..known.map(|alert| self.shown_of(alert.id)).unwrap_or_default() };
        let (levels, events) = before.forced(level, self.now, self.now);
        let by_hand = level != Level::Ok;
        let aside = Aside { by_hand, drill, ..Aside::default() };
        if levels != before {
            self.move_alert(key.clone(), levels, events, shown, aside);
        }
        self.state.alert_of(&key)
    }

    /// Takes alerts of another program in.
    pub(super) fn posted(&mut self, posted: Vec<PostedAlert>) {
        for alert in posted {
            self.posted_one(alert);
        }
    }

    fn posted_one(&mut self, posted: PostedAlert) {
        let severity = match posted.labels.get("severity") {
            Some("critical" | "page") => Severity::Critical,
            Some("info") => Severity::Info,
            Some(_) | None => Severity::Warning,
        };
        let labels = posted.labels.without(&["severity"]);
        let name = labels.get(ALERT_NAME).unwrap_or("alert");
        let rule = RuleName::new(name);
        let key = AlertKey { rule, labels, origin: Origin::Posted(severity) };
        let known = self.state.alert_of(&key).and_then(|id| self.state.alerts.get(&id));
        let level = if self.now < posted.ends_at { level_of(severity) } else { Level::Ok };
        if known.is_none() && level == Level::Ok {
            return;
        }
        let before = known.map(|alert| alert.levels.clone()).unwrap_or_default();
        let summary = |(name, text): &(String, String)| (name == "summary").then(|| text.clone());
        let shown = Shown {
            value: None,
            summary: posted.annotations.iter().find_map(summary),
            annotations: posted.annotations.into_iter().collect(),
        };
        let (levels, events) = before.forced(level, posted.starts_at.min(self.now), self.now);
        let aside = Aside { ends_at: Some(posted.ends_at), ..Aside::default() };
        self.move_alert(key, levels, events, shown, aside);
    }

    /// Raises an alert of the daemon about itself.
    pub(super) fn speak_up(
        &mut self,
        name: &str,
        labels: &[(&str, &str)],
        severity: Severity,
        summary: &str,
    ) {
        let key = internal_key(name, labels);
        let known = self.state.alert_of(&key).and_then(|id| self.state.alerts.get(&id));
        if known.is_some_and(|alert| alert.levels.level == level_of(severity)) {
            return;
        }
        let before = known.map(|alert| alert.levels.clone()).unwrap_or_default();
        let (levels, events) = before.forced(level_of(severity), self.now, self.now);
        let shown = Shown { summary: Some(summary.to_owned()), ..Shown::default() };
        self.move_alert(key, levels, events, shown, Aside::default());
    }

    /// Ends an alert of the daemon about itself.
    pub(super) fn calm_down(&mut self, name: &str, labels: &[(&str, &str)]) {
        if let Some(id) = self.state.alert_of(&internal_key(name, labels)) {
            self.clear_alert(id, None);
        }
    }

    /// Clears an alert at once.
    fn clear_alert(&mut self, id: AlertId, why: Option<&str>) {
        let Some(alert) = self.state.alerts.get(&id) else { return };
        let (levels, events) = alert.levels.forced(Level::Ok, self.now, self.now);
        if levels == alert.levels {
            return;
        }
        let why = why.map(str::to_owned);
        let aside = Aside { why, drill: alert.drill, ..Aside::default() };
        self.move_alert(alert.key.clone(), levels, events, self.shown_of(id), aside);
    }

    /// Clears the alerts of rules that the configuration no longer has.
    pub(super) fn drop_vanished_rules(&mut self) {
        let rules = &self.settings.rules;
        let vanished = self.state.alerts.values().filter(|alert| {
            alert.key.origin == Origin::Rule
                && !alert.by_hand
                && !rules.contains_key(&alert.key.rule)
        });
        let errors = RuleName::new(RULE_ERRORS);
        // Rules of one name are told of under that name; recording rules are no rules here.
        let is_gone = |name: &str| !rules.keys().any(|rule| rule.as_str() == name);
        let own = self
            .state
            .alerts_of(&errors)
            .filter(|alert| alert.key.labels.get("rule").is_some_and(is_gone));
        for id in vanished.chain(own).map(|alert| alert.id).collect::<Vec<_>>() {
            self.cancelling = true;
            self.clear_alert(id, Some("rule removed"));
            self.cancelling = false;
        }
    }

    /// Does what is due of an alert; gives it back if it can be forgotten.
    pub(super) fn advance_alert(&mut self, id: AlertId) -> Option<AlertId> {
        let alert = self.state.alerts.get(&id)?;
        if alert.levels.level != Level::Ok && alert.ends_at.is_some_and(|ends| ends <= self.now) {
            self.clear_alert(id, None);
            return None;
        }
        if let Some(levels) = alert.levels.settled(self.now) {
            let aside = Aside {
                by_hand: alert.by_hand,
                drill: alert.drill,
                ends_at: alert.ends_at,
                why: None,
            };
            let (key, shown) = (alert.key.clone(), self.shown_of(id));
            self.move_alert(key, levels, vec![Event::FlappingEnded], shown, aside);
            self.end_if_clear(id);
            return None;
        }
        let rests = alert.levels.level == Level::Ok && alert.levels.pending().is_none();
        rests.then_some(id)
    }

    /// Returns what is shown of an alert now.
    pub(super) fn shown_of(&self, id: AlertId) -> Shown {
        let durable = || self.state.alerts.get(&id).map(|alert| alert.shown.clone());
        self.live.shown.get(&id).cloned().or_else(durable).unwrap_or_default()
    }
}

/// Returns the key of an alert of the daemon about itself.
fn internal_key(name: &str, labels: &[(&str, &str)]) -> AlertKey {
    let own = [(ALERT_NAME, name), ("source", "watchbell")];
    AlertKey {
        rule: RuleName::new(name),
        labels: Labels::from_pairs(own.into_iter().chain(labels.iter().copied())),
        origin: Origin::Internal,
    }
}

fn level_of(severity: Severity) -> Level {
    match severity {
        Severity::Info => Level::Info,
        Severity::Warning => Level::Warning,
        Severity::Critical => Level::Critical,
    }
}

/// Lets a series speak of its own severity.
fn with_level(mut policy: RulePolicy, level: Option<Level>) -> RulePolicy {
    if let Some(level) = level {
        policy.kind = RuleKind::Prometheus(level);
    }
    policy
}
