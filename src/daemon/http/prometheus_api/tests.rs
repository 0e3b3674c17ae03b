//! Shapes and words of Prometheus's API.

use watchbell_metrics::exposition::Format;
use watchbell_metrics::label::Labels;
use watchbell_metrics::series::{Limits, Retention};

use super::*;
use crate::http::fixture::{House, form, get_request, request};

#[tokio::test]
async fn faults_are_worded_as_prometheus_words_them() {
    let house = House::new();
    for (path, text) in [
        ("query?query=sum(", "invalid parameter \"query\": 1:"),
        ("query", "invalid parameter \"query\": 1:1: parse error: "),
        (
            "query?query=1&time=x",
            "invalid parameter \"time\": invalid time value for 'time': cannot parse \"x\"",
        ),
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
        ("query?query=1&limit=x", "invalid parameter \"limit\": strconv.Atoi: parsing \"x\""),
        ("query?query=1&lookback_delta=x", "error parsing lookback delta duration: cannot parse"),
        ("query_exemplars?query=up&start=9&end=0", "end timestamp must not be before start"),
        ("query_exemplars?query=sum(", "1:5: parse error: "),
        ("metadata?limit=x", "limit must be a number"),
        ("label/%FF/values", "Invalid URL"),
        ("metadata?limit_per_metric=x", "limit_per_metric must be a number"),
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
    assert_eq!(one[0]["rules"][0]["alerts"], json!(null));
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

/// Three scrapes of one target, 15 s apart, the last one just now; gives its time.
fn scrape(house: &House) -> i64 {
    let now = house.context.now().as_millis();
    let labels = Labels::from_pairs([("job", "api"), ("instance", "api1:8000")]);
    let limits = Limits { series_max: 100, labels_max: 10, label_length_max: 100 };
    let mut target = house.context.series.open(&labels, limits);
    for (age, value) in [(30_000, 1), (15_000, 4), (0, 10)] {
        let body = format!(
            "# HELP http_requests_total Requests.\n# TYPE http_requests_total counter\n\
             http_requests_total{{code=\"200\"}} {value}00\n\
             http_requests_total{{code=\"500\"}} {value}\n\
             temperature NaN\n"
        );
        target.append(body.as_bytes(), Format::Text, now - age, 0.01);
    }
    now
}

fn furnished() -> (House, i64) {
    let house = House::with(|context| {
        context.series = Store::new(Retention { raw: 900_000, ..Retention::default() });
    });
    let now = scrape(&house);
    (house, now)
}

async fn ask(house: &House, path: &str) -> Value {
    let path = path.replace('[', "%5B").replace(']', "%5D").replace('{', "%7B");
    let path = path.replace('}', "%7D").replace('"', "%22").replace(' ', "%20");
    let answer = house.send(get_request(&format!("/api/v1/{path}"))).await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
    let body = answer.json();
    assert_eq!(body["status"], "success");
    body
}

#[tokio::test]
async fn an_instant_query_gives_a_vector_with_the_time_asked_for() {
    let (house, now) = furnished();
    let body = ask(
        &house,
        &format!("query?query=http_requests_total{{code=\"500\"}}&time={}.123", now / 1000 + 1),
    )
    .await;
    assert_eq!(body["data"]["resultType"], "vector");
    let result = &body["data"]["result"];
    assert_eq!(result.as_array().unwrap().len(), 1);
    assert_eq!(result[0]["metric"]["__name__"], "http_requests_total");
    assert_eq!(result[0]["metric"]["job"], "api");
    assert_eq!(result[0]["value"], json!([(now / 1000 + 1) as f64 + 0.123, "10"]));
    let nan = ask(&house, "query?query=temperature").await;
    assert_eq!(nan["data"]["result"][0]["value"][1], "NaN");
}

#[tokio::test]
async fn a_form_is_answered_with_every_type_of_value() {
    let (house, _) = furnished();
    for (query, kind) in [
        ("1%2B1", "scalar"),
        ("%22text%22", "string"),
        ("sum+by+(job)+(http_requests_total)", "vector"),
        ("http_requests_total%5B1m%5D", "matrix"),
    ] {
        let answer = house.send(form("/api/v1/query", &format!("query={query}"))).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        assert_eq!(answer.json()["data"]["resultType"], kind);
    }
}

#[tokio::test]
async fn a_range_query_gives_a_matrix_on_its_grid() {
    let (house, now) = furnished();
    let (start, end) = (now - 30_000, now);
    let seconds = |ms: i64| format!("{}.{:03}", ms / 1000, ms % 1000);
    let path = format!(
        "query_range?query=http_requests_total{{code=\"500\"}}&start={}&end={}&step=15",
        seconds(start),
        seconds(end)
    );
    let body = ask(&house, &path).await;
    assert_eq!(body["data"]["resultType"], "matrix");
    let values = body["data"]["result"][0]["values"].as_array().unwrap();
    let texts: Vec<&str> = values.iter().map(|pair| pair[1].as_str().unwrap()).collect();
    assert_eq!(texts, ["1", "4", "10"]);
    assert!(body.get("warnings").is_none(), "{body}");
}

#[tokio::test]
async fn a_fault_of_the_data_is_an_execution_error() {
    let (house, _) = furnished();
    let path = "/api/v1/query?query=http_requests_total%2Bon(job)http_requests_total";
    let answer = house.send(get_request(path)).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.text);
    assert_eq!(answer.json()["errorType"], "execution");
}

#[tokio::test]
async fn series_labels_and_values_are_found() {
    let (house, _) = furnished();
    let series = ask(&house, "series?match[]=http_requests_total&match[]=temperature").await;
    assert_eq!(series["data"].as_array().unwrap().len(), 3);
    assert_eq!(series["data"][0]["job"], "api");
    let some = ask(&house, "series?match[]=http_requests_total&limit=1").await;
    assert_eq!(some["data"].as_array().unwrap().len(), 1);
    assert_eq!(some["warnings"], json!([TRUNCATED]));
    let labels = ask(&house, "labels?match[]=http_requests_total").await;
    assert_eq!(labels["data"], json!(["__name__", "code", "instance", "job"]));
    let codes = ask(&house, "label/code/values").await;
    assert_eq!(codes["data"], json!(["200", "500"]));
    let names = ask(&house, "label/__name__/values?match[]={code=\"500\"}").await;
    assert_eq!(names["data"], json!(["http_requests_total"]));
    assert_eq!(ask(&house, "label/nothing/values").await["data"], json!([]));
    let long_ago = ask(&house, "labels?start=0&end=1").await;
    assert_eq!(long_ago["data"], json!([]));
}

#[tokio::test]
async fn whoever_asks_for_stats_learns_what_the_query_read() {
    let (house, now) = furnished();
    let at = now / 1000 + 1;
    for (query, sample_count) in [
        ("1", 0),
        ("http_requests_total", 2),
        ("http_requests_total[1m]", 6),
        ("rate(http_requests_total[20s])", 4),
    ] {
        let body = ask(&house, &format!("query?query={query}&time={at}&stats=all")).await;
        let stats = &body["data"]["stats"];
        assert_eq!(stats["samples"]["totalQueryableSamples"], sample_count, "{query}");
        let timings = &stats["timings"];
        assert!(timings["evalTotalTime"].as_f64() <= timings["execTotalTime"].as_f64());
    }
    let without = ask(&house, "query?query=1").await;
    assert!(without["data"].get("stats").is_none(), "{without}");
}

#[tokio::test]
async fn exemplars_are_none_and_only_selectors_have_any() {
    let (house, _) = furnished();
    let some = ask(&house, "query_exemplars?query=http_requests_total&start=0&end=1").await;
    assert_eq!(some["data"], json!([]));
    let none = house.send(get_request("/api/v1/query_exemplars?query=1")).await;
    assert_eq!((none.status, none.text.as_str()), (StatusCode::NO_CONTENT, ""));
}

#[tokio::test]
async fn metadata_is_limited_in_families_and_in_each() {
    let (house, _) = furnished();
    assert_eq!(ask(&house, "metadata?limit=0").await["data"], json!({}));
    let all = ask(&house, "metadata?limit=-1&limit_per_metric=0").await;
    assert!(all["data"].get("http_requests_total").is_some(), "{all}");
}

#[tokio::test]
async fn metadata_gives_types_and_helps() {
    let (house, _) = furnished();
    let body = ask(&house, "metadata?metric=http_requests_total").await;
    let family = &body["data"]["http_requests_total"][0];
    assert_eq!(family["type"], "counter");
    assert_eq!(family["help"], "Requests.");
    assert_eq!(ask(&house, "metadata?metric=nothing").await["data"], json!({}));
}

#[tokio::test]
async fn an_expression_is_formatted() {
    let (house, _) = furnished();
    let body = ask(&house, "format_query?query=sum(up)by(job)").await;
    assert_eq!(body["data"], "sum by (job) (up)");
}

#[tokio::test]
async fn a_query_of_what_is_not_kept_says_so() {
    let (house, _) = furnished();
    let body = ask(&house, "query?query=rate(temperature[1h])").await;
    let warning = body["warnings"][0].as_str().unwrap();
    assert!(warning.contains("no rule reads temperature"), "{warning}");
    assert!(warning.contains("kept for 15m only"), "{warning}");
    let read = ask(&house, "query?query=rate(http_requests_total[1h])").await;
    assert!(read.get("warnings").is_none(), "a rule reads it: {read}");
    let pinned =
        format!("query?query=rate(temperature[1m]@{})", house.context.now().as_millis() / 1000);
    assert!(ask(&house, &pinned).await.get("warnings").is_none(), "the pin lies near");
    let older = ask(&house, "query?query=rate(http_requests_total[60d])").await;
    assert!(older["warnings"][0].as_str().unwrap().contains("kept for 35d only"), "{older}");
}

#[tokio::test]
async fn a_query_without_a_place_in_time_is_a_timeout() {
    let house = House::new();
    let time = Duration::from_millis(1);
    let deadline = Deadline::after(&house.context.clock, time);
    let answer = Places::of(0).run(&house.context.series, deadline, |_, _| ()).await.unwrap_err();
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.kind, "timeout");
    assert_eq!(answer.text, "query timed out in query queue");
}

#[tokio::test]
async fn a_query_that_panics_is_a_fault_of_ours_and_gives_its_place_back() {
    let house = House::new();
    let places = Places::of(1);
    let deadline = Deadline::after(&house.context.clock, TIME_MAX);
    let answer =
        places.run(&house.context.series, deadline, |_, _| panic!("an index was wrong")).await;
    let fault: Fault = answer.map(|(): ()| ()).unwrap_err();
    assert_eq!(fault.kind, "internal");
    assert_eq!(places.free(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn work_whose_time_is_up_learns_it_and_gives_its_place_back() {
    let house = House::new();
    let places = Places::of(1);
    let deadline = Deadline::after(&house.context.clock, Duration::from_millis(1));
    let until_over = |_: &Store, deadline: &Deadline| {
        while !deadline.is_over() {
            std::thread::yield_now();
        }
    };
    let answer = places.run(&house.context.series, deadline, until_over).await;
    assert_eq!(answer.unwrap_err().text, "query timed out in expression evaluation");
    let next = Deadline::after(&house.context.clock, TIME_MAX);
    assert_eq!(places.run(&house.context.series, next, |_, _| 1).await, Ok(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn work_for_a_client_that_has_gone_learns_it() {
    let house = House::new();
    let places = Places::of(1);
    let deadline = Deadline::after(&house.context.clock, TIME_MAX);
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let until_over = |_: &Store, deadline: &Deadline| {
        begun.send(()).unwrap();
        while !deadline.is_over() {
            std::thread::yield_now();
        }
    };
    tokio::select! {
        _ = places.run(&house.context.series, deadline, until_over) => {
            panic!("nobody told it to end")
        }
        begun = has_begun => begun.unwrap(),
    }
    let next = Deadline::after(&house.context.clock, TIME_MAX);
    assert_eq!(places.run(&house.context.series, next, |_, _| 1).await, Ok(1));
}
