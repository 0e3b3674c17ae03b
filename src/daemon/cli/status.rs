//! `status`, `rules`, `targets`: what a person asks first.

use serde_json::Value;

use crate::cli::Context;
use crate::cli::incidents::{items, say, text, when};
use crate::cli::out::{Exit, Failure, one_line};

pub(crate) fn status(context: &Context) -> Result<Exit, Failure> {
    let status = context.get("/api/watchbell/v1/status")?;
    if context.out.json {
        context.out.value(&status)?;
        return Ok(Exit::Ok);
    }
    for (name, words) in answers(&status) {
        context.out.line(format!("{name:10} {words}"));
    }
    let refused = status.get("refused").is_some_and(|refused| !refused.is_null());
    Ok(if refused { Exit::Problem } else { Exit::Ok })
}

/// What a person asks first, in that order: what is open, what is wrong, what is watched, since
/// when.
fn answers(status: &Value) -> Vec<(&'static str, String)> {
    let number = |path: &str| status.pointer(path).and_then(Value::as_u64).unwrap_or(0);
    let waiting = number("/incidents/triggered");
    let open = waiting + number("/incidents/acked");
    let incidents = match (open, waiting) {
        (0, _) => "none open".to_owned(),
        (_, 0) => format!("{open} open, somebody has each of them"),
        (_, 1) => format!("{open} open, 1 waits for an answer"),
        (_, _) => format!("{open} open, {waiting} wait for an answer"),
    };
    let (up, down, unknown) =
        (number("/targets/up"), number("/targets/down"), number("/targets/unknown"));
    let rules = number("/rules");
    let mut answers = vec![("incidents", incidents)];
    answers.extend(wrong(status).into_iter().map(|words| ("wrong", words)));
    answers.push((
        "watches",
        format!(
            "{} with {}; {} series, {} of them read by rules",
            count(up + down + unknown, "target"),
            count(rules, "rule"),
            number("/series/read") + number("/series/unread"),
            number("/series/read"),
        ),
    ));
    answers.push((
        "pages",
        format!(
            "{} in {}",
            count(number("/people"), "person"),
            count(number("/schedules"), "schedule")
        ),
    ));
    answers.push((
        "runs",
        format!(
            "for {}, since {}, version {}",
            say(status, "uptime"),
            when(status, "started_at"),
            say(status, "version")
        ),
    ));
    let files: Vec<&str> = items(status.get("config").unwrap_or(&Value::Null))
        .iter()
        .filter_map(Value::as_str)
        .collect();
    answers.push((
        "config",
        format!("{}, loaded {}", one_line(&files.join(", ")), when(status, "loaded_at")),
    ));
    answers
}

/// What keeps the daemon from watching or from telling; empty when nothing does.
fn wrong(status: &Value) -> Vec<String> {
    let number = |path: &str| status.pointer(path).and_then(Value::as_u64).unwrap_or(0);
    let mut wrong = Vec::new();
    if status.get("ready") == Some(&Value::Bool(false)) {
        wrong.push("the daemon is not ready yet".to_owned());
    }
    let refused = text(status, "refused");
    if !refused.is_empty() {
        wrong.push(format!(
            "the newest configuration was refused, see `watchbell check`: {refused}"
        ));
    }
    for (path, noun, words) in [
        ("/targets/down", "target", "down, see `watchbell targets`"),
        ("/targets/unknown", "target", "not scraped yet"),
        ("/rules_failing", "rule", "failing, see `watchbell rules`"),
    ] {
        match number(path) {
            0 => {}
            1 => wrong.push(format!("1 {noun} is {words}")),
            many => wrong.push(format!("{many} {noun}s are {words}")),
        }
    }
    match number("/deliveries_in_flight") {
        0 => {}
        1 => wrong.push("1 message is still on its way".to_owned()),
        many => wrong.push(format!("{many} messages are still on their way")),
    }
    wrong
}

fn count(number: u64, noun: &str) -> String {
    match (number, noun) {
        (1, _) => format!("1 {noun}"),
        (_, "person") => format!("{number} people"),
        (_, _) => format!("{number} {noun}s"),
    }
}

pub(crate) fn rules(context: &Context) -> Result<Exit, Failure> {
    let rules = context.get("/api/watchbell/v1/rules")?;
    if context.out.json {
        context.out.value(&rules)?;
        return Ok(Exit::Ok);
    }
    let rows = items(&rules).iter().map(|rule| {
        let state = text(rule, "state").replace('_', " ");
        let is_recording = text(rule, "type") == "recording";
        vec![
            if is_recording { "recording".to_owned() } else { say(rule, "level") },
            say(rule, "name"),
            if state == "ok" { String::new() } else { state },
            text(rule, "value"),
            bounds(rule),
            wrong_with(rule),
        ]
    });
    let head = ["level", "rule", "state", "value", "bounds", "wrong"];
    context.out.table(&head, rows.collect());
    Ok(Exit::Ok)
}

pub(crate) fn targets(context: &Context) -> Result<Exit, Failure> {
    let targets = context.get("/api/watchbell/v1/targets")?;
    if context.out.json {
        context.out.value(&targets)?;
        return Ok(Exit::Ok);
    }
    let labels = |target: &Value, name: &str| {
        target.get("labels").map_or_else(String::new, |labels| text(labels, name))
    };
    let rows = items(&targets).iter().map(|target| {
        vec![
            say(target, "health"),
            labels(target, "job"),
            labels(target, "instance"),
            say(target, "samples"),
            say(target, "url"),
            text(target, "last_error"),
        ]
    });
    context.out.table(&["health", "job", "instance", "samples", "url", "error"], rows.collect());
    let down = items(&targets).iter().any(|target| text(target, "health") == "down");
    Ok(if down { Exit::Problem } else { Exit::Ok })
}

/// What keeps a rule from saying anything: its error, or series that nobody sends.
fn wrong_with(rule: &Value) -> String {
    let error = text(rule, "error");
    let lost = items(rule.get("without_series").unwrap_or(&Value::Null));
    if !error.is_empty() || lost.is_empty() {
        return error;
    }
    let mut lost = lost.iter().filter_map(Value::as_str);
    let first = one_line(lost.next().unwrap_or_default());
    match lost.count() {
        0 => format!("no target sends {first}"),
        // One is enough to look for; the page of rules has all.
        more => format!("no target sends {first} and {more} more"),
    }
}

fn bounds(rule: &Value) -> String {
    match rule.get("bounds") {
        Some(bounds @ Value::Object(_)) => {
            let words = ["target", "warn", "critical"].iter().filter_map(|name| {
                bounds.get(name)?.as_str().map(|bound| format!("{name} {bound}"))
            });
            words.collect::<Vec<_>>().join(", ")
        }
        Some(Value::String(text)) => text.clone(),
        Some(_) | None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bounds_stand_in_the_order_of_badness() {
        let rule = json!({ "bounds": { "critical": "> 2", "target": "< 1", "warn": "> 1.5" } });
        assert_eq!(bounds(&rule), "target < 1, warn > 1.5, critical > 2");
        assert_eq!(bounds(&json!({ "bounds": { "warn": "> 1" } })), "warn > 1");
        assert_eq!(bounds(&json!({ "bounds": {} })), "");
    }

    #[test]
    fn a_rule_says_why_it_cannot_fire() {
        for (rule, expected) in [
            (json!({ "error": "no match", "without_series": ["a"] }), "no match"),
            (
                json!({ "error": null, "without_series": ["a", "b{c=\"d\"}"] }),
                "no target sends a and 1 more",
            ),
            (json!({ "error": null, "without_series": [] }), ""),
            (json!({}), ""),
        ] {
            assert_eq!(wrong_with(&rule), expected);
        }
    }

    #[test]
    fn the_status_says_first_what_is_open_then_what_is_wrong() {
        let status = json!({
            "version": "1.2.3", "ready": true, "refused": "a.toml:1:1: error",
            "started_at": "2026-11-25T04:53:52.820Z", "loaded_at": "2026-11-25T05:00:00.000Z",
            "uptime": "52s", "config": ["a.toml"], "rules": 13, "rules_failing": 1, "people": 1,
            "schedules": 2, "targets": { "up": 2, "down": 2, "unknown": 0 },
            "incidents": { "triggered": 1, "acked": 2 }, "deliveries_in_flight": 0,
            "series": { "read": 4, "unread": 6, "samples": 99 },
        });
        let lines: Vec<String> =
            answers(&status).iter().map(|(name, words)| format!("{name}: {words}")).collect();
        assert_eq!(
            lines,
            [
                "incidents: 3 open, 1 waits for an answer",
                "wrong: the newest configuration was refused, see `watchbell check`: \
                 a.toml:1:1: error",
                "wrong: 2 targets are down, see `watchbell targets`",
                "wrong: 1 rule is failing, see `watchbell rules`",
                "watches: 4 targets with 13 rules; 10 series, 4 of them read by rules",
                "pages: 1 person in 2 schedules",
                "runs: for 52s, since 2026-11-25 04:53:52 UTC, version 1.2.3",
                "config: a.toml, loaded 2026-11-25 05:00:00 UTC",
            ]
        );
    }

    #[test]
    fn a_status_without_faults_has_no_word_of_them() {
        let status = json!({ "ready": true, "incidents": { "triggered": 0, "acked": 0 } });
        assert_eq!(answers(&status)[0], ("incidents", "none open".to_owned()));
        assert!(wrong(&status).is_empty());
    }
}
