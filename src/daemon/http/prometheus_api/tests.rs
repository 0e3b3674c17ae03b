//! Shapes and words of Prometheus's API.

use super::*;
use crate::http::fixture::{House, form, get_request, request};

#[tokio::test]
async fn faults_are_worded_as_prometheus_words_them() {
    let house = House::new();
    for (path, text) in [
        ("query?query=sum(", "invalid parameter \"query\": 1:"),
        ("query", "invalid parameter \"query\": 1:1: parse error: "),
        ("query?query=1&time=x", "invalid parameter \"time\": cannot parse \"x\""),
        ("query?query=1&timeout=x", "invalid parameter \"timeout\": cannot parse \"x\""),
        ("query?query=1&limit=-1", "invalid parameter \"limit\": limit must be non-negative"),
        ("query_range?query=1", "invalid parameter \"start\": cannot parse \"\""),
        ("query_range?query=1&start=0", "invalid parameter \"end\": cannot parse \"\""),
        ("query_range?query=1&start=9&end=0&step=1", "end timestamp must not be before start"),
        ("query_range?query=1&start=0&end=9", "invalid parameter \"step\": cannot parse \"\""),
        ("query_range?query=1&start=0&end=9&step=0", "zero or negative query resolution step"),
        ("query_range?query=1&start=0&end=9&step=-1", "zero or negative query resolution step"),
        (
            "query_range?query=1&start=0&end=11001&step=1",
            "exceeded maximum resolution of 11,000 points per timeseries. \
             Try decreasing the query resolution (?step=XX)",
        ),
        (
            "query_range?query=up[5m]&start=0&end=9&step=1",
            "invalid expression type \"range vector\" for range query",
        ),
        ("series", "no match[] parameter provided"),
        ("series?match[]=up%2Bup", "invalid parameter \"match[]\""),
        ("series?match[]=up{", "invalid parameter \"match[]\": 1:"),
        ("labels?start=9&end=0", "end timestamp must not be before start time"),
        ("rules?type=x", "not supported value \"x\""),
    ] {
        let path = path.replace('[', "%5B").replace(']', "%5D").replace('{', "%7B");
        let answer = house.send(get_request(&format!("/api/v1/{path}"))).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}: {}", answer.text);
        let body = answer.json();
        assert_eq!(body["status"], "error", "{path}");
        assert_eq!(body["errorType"], "bad_data", "{path}");
        assert!(body["error"].as_str().unwrap().contains(text), "{path}: {}", body["error"]);
    }
}

#[tokio::test]
async fn a_form_is_read_like_a_query_string() {
    let house = House::new();
    let answer = house.send(form("/api/v1/query", "query=sum%28")).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.json()["error"].as_str().unwrap().contains("parse error"), "{}", answer.text);
    let answer = house.send(form("/api/v1/series", "start=0")).await;
    assert_eq!(answer.json()["error"], "no match[] parameter provided");
}

#[tokio::test]
async fn rules_stand_in_one_group_with_their_alerts() {
    let house = House::new();
    let body = house.send(get_request("/api/v1/rules?type=alert")).await.json();
    assert_eq!(body["status"], "success");
    let group = &body["data"]["groups"][0];
    assert_eq!(group["file"], "/etc/watchbell/watchbell.toml");
    assert_eq!(group["interval"], 15.0);
    let rule = &group["rules"][0];
    assert_eq!(rule["type"], "alerting");
    assert_eq!(rule["name"], "error_rate");
    assert_eq!(rule["state"], "firing");
    assert_eq!(rule["health"], "ok");
    assert_eq!(rule["duration"], 60.0);
    assert_eq!(rule["labels"]["team"], "payments");
    assert_eq!(rule["annotations"]["bounds"], "target < 0.1%, warn > 0.5%, critical > 1%");
    assert_eq!(rule["alerts"][0]["state"], "firing");
    assert_eq!(rule["alerts"][0]["labels"]["severity"], "critical");
    assert_eq!(rule["alerts"][0]["value"], "4.2e-02");
    assert_eq!(group["rules"][1]["state"], "inactive");
    assert_eq!(group["rules"][1]["alerts"], json!([]));
}

#[tokio::test]
async fn rules_are_filtered() {
    let house = House::new();
    let groups = async |query: &str| {
        let path = format!("/api/v1/rules?{query}");
        house.send(get_request(&path)).await.json()["data"]["groups"].clone()
    };
    assert_eq!(groups("type=record").await, json!([]));
    assert_eq!(groups("rule_group[]=other").await, json!([]));
    let one = groups("rule_name[]=checkout_errors&exclude_alerts=true").await;
    assert_eq!(one[0]["rules"].as_array().unwrap().len(), 1);
    assert!(one[0]["rules"][0].get("alerts").is_none());
}

#[tokio::test]
async fn alerts_are_those_above_ok() {
    let house = House::new();
    let body = house.send(get_request("/api/v1/alerts")).await.json();
    let alerts = body["data"]["alerts"].as_array().unwrap();
    assert_eq!(alerts.len(), 1);
    assert_eq!(alerts[0]["labels"]["alertname"], "error_rate");
    assert_eq!(alerts[0]["annotations"]["summary"], "api: 4.2% of requests fail");
}

#[tokio::test]
async fn targets_have_prometheus_shape() {
    let house = House::new();
    let body = house.send(get_request("/api/v1/targets?state=active")).await.json();
    let target = &body["data"]["activeTargets"][0];
    assert_eq!(target["scrapePool"], "api");
    assert_eq!(target["scrapeUrl"], "http://api1:8000/metrics");
    assert_eq!(target["health"], "down");
    assert_eq!(target["lastError"], "connection refused");
    assert_eq!(target["lastScrapeDuration"], 0.0125);
    assert_eq!(target["scrapeInterval"], "15s");
    assert_eq!(target["discoveredLabels"]["__address__"], "api1:8000");
    assert_eq!(body["data"]["droppedTargets"], json!([]));
    let dropped = house.send(get_request("/api/v1/targets?state=dropped")).await.json();
    assert_eq!(dropped["data"]["activeTargets"], json!([]));
}

#[tokio::test]
async fn clients_learn_which_api_this_is() {
    let house = House::new();
    let body = house.send(get_request("/api/v1/status/buildinfo")).await.json();
    assert_eq!(body["data"]["version"], API_VERSION);
    let unknown = house.send(request("GET", "/api/v1/status/tsdb", "")).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert_eq!(unknown.json()["errorType"], "not_found");
}
