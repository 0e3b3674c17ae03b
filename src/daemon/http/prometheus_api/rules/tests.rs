//! Groups of rule files and ours, as clients of Prometheus read them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::{Value, json};
use watchbell_config::load::{Files, RuleFileOptions, load_prometheus_rules};
use watchbell_metrics::label::Labels;
use watchbell_metrics::rule::{Level, RuleName};
use watchbell_paging::time::Timestamp;
use watchbell_paging::view::{RuleAlertView, RuleView, View};

use crate::evaluations::{Evaluation, EvaluationBoard, RuleId};
use crate::http::fixture::{House, config, get_request};
use crate::live::Live;

const FILE: &str = "\
groups:
- name: web
  interval: 1m
  limit: 5
  labels: { team: ops }
  rules:
  - record: job:up:sum
    expr: sum by(job)(up)
  - alert: Down
    expr: job:up:sum == 0
    for: 5m
    keep_firing_for: 10m
    labels: { severity: page, where: '{{ $labels.job }}' }
    annotations: { description: '{{ $labels.job }} is down' }
  - record: plain
    expr: vector(1)
- name: disks
  rules:
  - alert: Full
    expr: disk_used > 0.9
";

#[tokio::test]
async fn a_group_of_a_file_is_shown_as_prometheus_does() {
    let groups = ask("").await["groups"].clone();
    let names: Vec<&str> = list(&groups).iter().filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(names, ["watchbell", "disks", "web"]);
    let mut web = groups[2].clone();
    let rules = web.as_object_mut().unwrap().remove("rules").unwrap();
    assert_eq!(
        web,
        json!({
            "name": "web", "file": "/rules/web.yml", "interval": 60, "limit": 5,
            "evaluationTime": 0.75, "lastEvaluation": "1970-01-01T00:01:05.000Z",
        })
    );
    assert_eq!(
        rules[0],
        json!({
            "type": "recording", "name": "job:up:sum", "query": "sum by (job) (up)",
            "labels": { "team": "ops" }, "health": "ok", "evaluationTime": 0.25,
            "lastEvaluation": "1970-01-01T00:01:00.000Z",
        })
    );
    let alert = json!({
        "labels": { "alertname": "Down", "job": "api", "severity": "page", "team": "ops" },
        "annotations": { "description": "api is down" }, "state": "firing", "value": "0e+00",
        "activeAt": "1970-01-01T00:00:10.000Z", "keepFiringSince": "1970-01-01T00:00:55.000Z",
    });
    assert_eq!(
        rules[1],
        json!({
            "type": "alerting", "name": "Down", "query": "job:up:sum == 0", "duration": 300,
            "keepFiringFor": 600, "state": "firing", "health": "err",
            "labels": { "team": "ops", "severity": "page", "where": "{{ $labels.job }}" },
            "annotations": { "description": "{{ $labels.job }} is down" },
            "lastError": "many-to-many", "evaluationTime": 0.5,
            "lastEvaluation": "1970-01-01T00:01:05.000Z", "alerts": [alert],
        })
    );
    assert_eq!(
        rules[2],
        json!({
            "type": "recording", "name": "plain", "query": "vector(1)",
            "labels": { "team": "ops" }, "health": "unknown",
            "evaluationTime": 0, "lastEvaluation": "0001-01-01T00:00:00Z",
        })
    );
    let alerts = house().send(get_request("/api/v1/alerts")).await.json();
    assert_eq!(alerts["data"]["alerts"], json!([alert]));
}

#[tokio::test]
async fn rules_are_chosen_by_kind_name_group_file_and_labels() {
    let all = ["disks/Full", "web/job:up:sum", "web/Down", "web/plain"];
    let cases: [(&str, &[&str]); 9] = [
        ("file[]=/rules/web.yml", &all),
        ("file[]=/rules/web.yml&type=ALERT", &["disks/Full", "web/Down"]),
        ("type=record", &["web/job:up:sum", "web/plain"]),
        ("rule_name[]=Down&rule_name[]=plain", &["web/Down", "web/plain"]),
        ("rule_group[]=disks&rule_group[]=none", &["disks/Full"]),
        ("match[]={severity=\"page\"}", &["web/Down"]),
        ("match[]={severity=\"page\"}&match[]={team=\"ops\",severity=\"\"}", &all[1..]),
        ("match[]={team=\"dev\"}", &[]),
        ("file[]=/rules/none.yml", &[]),
    ];
    for (query, expected) in cases {
        let query = query.replace('{', "%7B").replace('}', "%7D").replace('"', "%22");
        let groups = ask(&query).await["groups"].clone();
        assert_eq!(rule_names(&groups), expected, "{query}");
    }
}

#[tokio::test]
async fn groups_come_in_pages_whose_token_names_the_next_group() {
    let first =
        ask("group_limit=2&file[]=/rules/web.yml&file[]=/etc/watchbell/watchbell.toml").await;
    assert_eq!(list(&first["groups"]).len(), 2);
    let token = first["groupNextToken"].as_str().unwrap();
    assert_eq!(token.len(), 40);
    let second = ask(&format!("group_limit=2&group_next_token={token}")).await;
    assert_eq!(rule_names(&second["groups"])[0], "web/job:up:sum");
    assert_eq!(second.get("groupNextToken"), None);
    assert_eq!(ask("group_limit=3").await.get("groupNextToken"), None);
}

#[tokio::test]
async fn alerts_can_be_left_out() {
    let body = ask("exclude_alerts=1&rule_name[]=Down").await;
    assert_eq!(body["groups"][0]["rules"][0]["alerts"], Value::Null);
    assert_eq!(body["groups"][0]["rules"][0]["state"], "firing");
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_in_prometheuss_words() {
    for (query, words) in [
        ("exclude_alerts=perhaps", "error converting exclude_alerts: strconv.ParseBool"),
        ("group_limit=x", "group_limit needs to be a valid number"),
        ("group_limit=0", "group_limit needs to be greater than 0"),
        ("group_limit=-1", "group_limit needs to be greater than 0"),
        ("group_next_token=x", "group_limit needs to be present in order to paginate"),
        ("group_limit=1&group_next_token=x", "invalid group_next_token 'x'. were rule groups"),
        ("match[]=%7B%7D", "the selector would match every series"),
        ("type=x", "not supported value \"x\""),
    ] {
        let answer = house().send(get_request(&format!("/api/v1/rules?{query}"))).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}: {}", answer.text);
        assert!(answer.json()["error"].as_str().unwrap().contains(words), "{}", answer.text);
    }
}

async fn ask(query: &str) -> Value {
    let answer = house().send(get_request(&format!("/api/v1/rules?{query}"))).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    answer.json()["data"].clone()
}

fn list(groups: &Value) -> &[Value] {
    groups.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn rule_names(groups: &Value) -> Vec<String> {
    let rules = |group: &Value| {
        let names = list(&group["rules"]).iter().filter_map(|rule| rule["name"].as_str());
        let group = group["name"].as_str().unwrap_or_default().to_owned();
        names.map(|name| format!("{group}/{name}")).collect::<Vec<_>>()
    };
    list(groups).iter().flat_map(rules).collect()
}

/// A house with the file above; one alert fires and its rule has failed since.
fn house() -> House {
    let checked =
        load_prometheus_rules(Path::new("/rules/web.yml"), &OneFile, RuleFileOptions::default());
    let groups = checked.config.groups;
    let mut config = config();
    let alerts = groups.iter().flat_map(|group| group.alerts(&mut BTreeSet::new()));
    let alerts: Vec<_> = alerts.map(Arc::new).collect();
    let down = alerts.iter().find(|rule| rule.policy.name.as_str() == "Down").unwrap();
    let down = down.policy.name.clone();
    config.rules.extend(alerts);
    config.groups = groups;
    let evaluations = board(&down);
    let house = House::with(|context| {
        let live = Live::clone(&context.live.load());
        context.live.store(Arc::new(Live { config: Arc::new(config), ..live }));
        context.evaluations = evaluations;
    });
    house.paint(|view| *view = View { rules: vec![firing(down)], ..View::default() });
    house
}

fn board(down: &RuleName) -> EvaluationBoard {
    let board = EvaluationBoard::default();
    let recorded = RuleId::Recording("/rules/web.yml\nweb\n0".to_owned());
    let good =
        Evaluation { at_ms: 60_000, duration_seconds: 0.25, series: 1, ..Evaluation::default() };
    let error = Some("many-to-many".to_owned());
    let bad = Evaluation { at_ms: 65_000, duration_seconds: 0.5, error, ..Evaluation::default() };
    board.put(recorded, good, Vec::new());
    board.put(RuleId::Alert(down.clone()), bad, Vec::new());
    board
}

fn firing(rule: RuleName) -> RuleView {
    let labels = [("alertname", "Down"), ("job", "api"), ("team", "ops")];
    let summary = "api is down".to_owned();
    RuleView {
        rule,
        level: Level::Critical,
        alerts: vec![RuleAlertView {
            labels: Labels::from_pairs(labels),
            state: "firing",
            level: Level::Critical,
            value: 0.0,
            active_at: Timestamp(50_000),
            first_bad_at: Timestamp(10_000),
            good_since: Some(Timestamp(55_000)),
            annotations: [("description".to_owned(), summary.clone())].into(),
            summary: Some(summary),
        }],
        evaluated_at: Some(Timestamp(60_000)),
        readings: 0,
        error: Some("many-to-many".to_owned()),
        errors_in_row: 1,
    }
}

struct OneFile;

impl Files for OneFile {
    fn read(&self, _: &Path) -> Result<String, String> {
        Ok(FILE.to_owned())
    }

    fn matching(&self, _: &Path, _: &str) -> Result<Vec<PathBuf>, String> {
        Ok(Vec::new())
    }
}
