//! Rules of a Prometheus file in the running daemon: states as series, faults, restarts.

use serde_json::{Value, json};

use crate::support::daemon::{Daemon, Folder, free_port, wait_for};
use crate::support::gauges::Gauges;
use crate::support::slack::Slack;

const RULES: &str = r#"
groups:
- name: web
  rules:
  - record: recorded
    expr: sum by (job) (gauge{kind="level"})
  - alert: High
    expr: recorded > 10
    for: 1s
    labels: { severity: page }
    annotations: { summary: 'it is {{ $value }}' }
  - alert: Watcher
    expr: ALERTS{alertname="High", alertstate="firing"}
  - alert: Missing
    expr: nobody_sends_this > 1
- name: broken
  rules:
  - record: twice
    expr: gauge{kind="pair"} * on () gauge{kind="pair"}
  - alert: Twice
    expr: gauge{kind="pair"} * on () gauge{kind="pair"} > 0
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alerts_are_series_that_other_rules_read_and_that_outlive_a_restart() {
    let house = House::start("states").await;
    let mut daemon = house.daemon().await;
    house.gauges.set(["kind=\"level\"".to_owned()], 50.0);
    let firing = r#"ALERTS{alertname="High",alertstate="firing",severity="page"}"#;
    let since = until(&daemon, firing).await;
    assert_eq!(since[0]["metric"]["job"], "api");
    until(&daemon, "ALERTS{alertname='Watcher',alertstate='firing'}").await;
    until(&daemon, "ALERTS{alertname='own',severity='critical'}").await;
    let pending = "count_over_time(ALERTS{alertname='High',alertstate='pending'}[5m])";
    until(&daemon, pending).await;
    let active = "ALERTS_FOR_STATE{alertname='High'}";
    let before = until(&daemon, active).await;
    let value = |result: &[Value]| result[0]["value"][1].clone();
    let shown = daemon.get("/api/v1/alerts").await.json();
    let high = shown["data"]["alerts"].as_array().unwrap().iter().find(|alert| {
        alert["labels"]["alertname"] == "High" && alert["labels"]["severity"] == "page"
    });
    assert_eq!(high.unwrap()["annotations"], json!({ "summary": "it is 50" }));

    daemon.kill();
    daemon = Daemon::start_again(&daemon.folder, daemon.port()).await;
    let samples = "count_over_time(ALERTS{alertname='High',alertstate='firing'}[1h])";
    let counted = value(&until(&daemon, samples).await);
    wait_for("further samples", async || {
        (value(&until(&daemon, samples).await) != counted).then_some(())
    })
    .await;
    let after = until(&daemon, active).await;
    assert_eq!((after.len(), value(&after)), (1, value(&before)), "the same series and time");
    assert_eq!(until(&daemon, "count(ALERTS{alertname='High'})").await[0]["value"][1], "1");

    house.gauges.set(["kind=\"level\"".to_owned()], 1.0);
    wait_for("the end of all states", async || {
        let left = query(&daemon, "ALERTS{alertname=~'High|Watcher'}").await;
        left.is_empty().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_that_fails_harms_itself_only_and_is_told_of() {
    let house = House::start("faults").await;
    house.gauges.set(["kind=\"pair\",i=\"1\"", "kind=\"pair\",i=\"2\""].map(str::to_owned), 1.0);
    let daemon = house.daemon().await;
    let told = daemon
        .incidents("both are told of", "open", |all| {
            let own = |one: &&Value| one["title"].as_str().unwrap().contains("cannot be evaluated");
            let alerts = all.iter().filter(own).flat_map(|one| one["alerts"].as_array().unwrap());
            let labels: Vec<Value> = alerts.map(|alert| alert["labels"].clone()).collect();
            (labels.len() == 2).then_some(labels)
        })
        .await;
    assert!(told.iter().any(|labels| labels["rule"] == "Twice"), "{told:?}");
    assert!(told.iter().any(|labels| labels["record"] == "twice"), "{told:?}");
    until(&daemon, "recorded").await;

    let named = |rules: &Value, name: &str| {
        let mut all = rules.as_array().unwrap().iter();
        all.find(|rule| rule["name"] == name).unwrap().clone()
    };
    let rules = wait_for("every rule was evaluated", async || {
        let rules = daemon.get("/api/watchbell/v1/rules").await.json();
        (named(&rules, "Missing")["state"] != "unknown").then_some(rules)
    })
    .await;
    let rule = |name: &str| named(&rules, name);
    assert_eq!(rule("twice")["state"], "error");
    assert!(3 <= rule("twice")["errors_in_row"].as_u64().unwrap());
    assert_eq!(rule("Twice")["evaluations"][0]["series"], 0);
    assert_eq!(rule("recorded")["state"], "ok");
    assert!(0 < rule("recorded")["evaluations"][0]["samples"].as_u64().unwrap());
    assert_eq!(rule("Missing")["state"], "no_series");
    assert_eq!(rule("Missing")["without_series"], json!(["nobody_sends_this"]));
    assert_eq!(rule("High")["state"], "ok");
    let metrics = daemon.get("/metrics").await.text;
    assert!(metrics.contains("watchbell_rules_without_series 1"), "{metrics}");

    // One of the two goes, and the rules work.
    let mended = RULES.replace("kind=\"pair\"", "kind=\"pair\",i=\"1\"");
    house.folder.write("rules.yml", &mended);
    let reloaded = daemon.post("/-/reload", &json!({})).await;
    assert_eq!(reloaded.status, 200, "{}", reloaded.text);
    daemon
        .incidents("nothing is left", "open", |all| {
            let own = |one: &Value| one["title"].as_str().unwrap().contains("cannot be evaluated");
            (!all.iter().any(own)).then_some(())
        })
        .await;
    until(&daemon, "twice").await;
}

/// A target, a Slack and the rule file.
struct House {
    gauges: Gauges,
    slack: Slack,
    folder: Folder,
}

impl House {
    async fn start(name: &str) -> Self {
        let (gauges, slack) = (Gauges::start().await, Slack::start().await);
        let folder = Folder::new(name);
        folder.write("rules.yml", RULES);
        gauges.set(["kind=\"level\"".to_owned()], 1.0);
        Self { gauges, slack, folder }
    }

    async fn daemon(&self) -> Daemon {
        let port = free_port();
        let text = format!(
            r#"
prometheus_rules = ["rules.yml"]
[http]
listen = "127.0.0.1:{port}"
[daemon]
state = {state:?}
interval = "1s"
[scrape.api]
url = ["{target}"]
interval = "500ms"
[rule.own]
expr = "gauge{{kind=\"level\"}}"
critical = "> 10"
[person.ana]
slack = "U01"
[[route]]
name = "all"
page = ["ana"]
fallback = ["ana"]
[slack]
token = "env:TEST_SLACK_TOKEN"
api_url = "{slack}"
"#,
            state = self.folder.path().join("state"),
            target = self.gauges.metrics_url(),
            slack = self.slack.api_url()
        );
        self.folder.write("watchbell.toml", &text);
        Daemon::start_again(self.folder.path(), port).await
    }
}

/// Waits until a query gives something, and gives it.
async fn until(daemon: &Daemon, expr: &str) -> Vec<Value> {
    wait_for(expr, async || Some(query(daemon, expr).await).filter(|found| !found.is_empty())).await
}

async fn query(daemon: &Daemon, expr: &str) -> Vec<Value> {
    let expr: String = url::form_urlencoded::byte_serialize(expr.as_bytes()).collect();
    let answer = daemon.get(&format!("/api/v1/query?query={expr}")).await.json();
    answer["data"]["result"].as_array().unwrap_or_else(|| panic!("{answer}")).clone()
}
