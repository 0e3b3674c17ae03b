//! Every other endpoint: the same bodies where the data are the same, else the same keys and types.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::side::{Answer, Side};
use crate::verdict::differ;
use crate::world::World;

/// How two answers are compared.
#[derive(Clone, Copy, Debug)]
enum As {
    /// The same values under `data`, lists in any order, and the same faults, word for word.
    Same,
    /// All of ours is among theirs.
    Part,
    /// As many under `data`, and the same warnings: which ones Prometheus takes is not defined.
    Count,
    /// The same status and the same kind of fault.
    Fault,
    /// Every key of theirs is one of ours, and its value has the same type.
    Shape,
    /// Not the same, for this reason.
    Other(&'static str),
}

/// A request: the first version that knows it as it is asked here, how it is compared, its path.
struct Request(u64, As, &'static str);

const REQUESTS: &[Request] = &[
    Request(2, As::Same, "/series?match[]=shop_info"),
    Request(2, As::Same, "/series?match[]=shop_info&match[]=shop_memory_bytes{container=\"web\"}"),
    Request(
        2,
        As::Same,
        "/series?match[]={__name__=~\"shop_.%2B\",pod!=\"\"}&start=$began&end=$end",
    ),
    Request(2, As::Same, "/series?match[]=shop_missing"),
    Request(2, As::Same, "/series?match[]=shop_names"),
    Request(2, As::Same, "/labels"),
    Request(2, As::Same, "/labels?start=$began&end=$now"),
    // Prometheus looks at whole blocks of two hours, we at the samples themselves.
    Request(2, As::Part, "/labels?start=$began&end=$end"),
    Request(2, As::Part, "/label/__name__/values?start=$began&end=$end"),
    Request(2, As::Same, "/labels?match[]=shop_info&match[]=shop_call_seconds"),
    Request(2, As::Same, "/labels?match[]=shop_missing"),
    Request(2, As::Same, "/label/job/values"),
    Request(2, As::Same, "/label/__name__/values"),
    Request(2, As::Same, "/label/__name__/values?match[]={job=\"service\"}"),
    Request(2, As::Same, "/label/__name__/values?match[]={job=\"live\"}"),
    Request(2, As::Same, "/label/pod/values?match[]=shop_info&start=$began&end=$end"),
    Request(2, As::Same, "/label/le/values?match[]=shop_latency_seconds_bucket"),
    Request(2, As::Same, "/label/nothing/values"),
    Request(2, As::Same, "/label/city/values"),
    Request(3, As::Same, "/label/U__city/values"),
    Request(3, As::Same, "/label/odd%20name/values"),
    Request(3, As::Count, "/label/job/values?limit=2"),
    Request(3, As::Count, "/labels?limit=3"),
    Request(3, As::Same, "/labels?limit=0"),
    Request(2, As::Same, "/labels?start=9&end=0"),
    Request(2, As::Same, "/metadata?metric=shop_requests_total"),
    Request(2, As::Same, "/metadata?metric=shop_temperature_celsius"),
    Request(2, As::Same, "/metadata?metric=shop_latency_seconds"),
    Request(2, As::Same, "/metadata?metric=shop_call_seconds"),
    Request(2, As::Same, "/metadata?metric=shop_odd"),
    Request(2, As::Same, "/metadata?metric=shop_untold"),
    Request(2, As::Same, "/metadata?metric=nothing"),
    Request(2, As::Same, "/metadata?metric=go_info&limit_per_metric=1"),
    Request(2, As::Same, "/metadata?limit=0"),
    Request(2, As::Same, "/metadata"),
    Request(2, As::Same, "/query_exemplars?query=shop_requests_total&start=$began&end=$end"),
    Request(2, As::Same, "/query_exemplars?query=1"),
    Request(2, As::Same, "/format_query?query=sum(rate(up[5m]))by(job)"),
    Request(2, As::Same, "/format_query?query=a%2Bon(b)group_left(c)d%20offset%205m"),
    Request(2, As::Same, "/format_query?query=topk(5,%20a%3Ebool%201)%20or%20b"),
    Request(2, As::Same, "/query?query=shop_info&time=$end"),
    Request(3, As::Same, "/query?query=sort(shop_temperature_celsius)&time=$end&limit=2"),
    Request(3, As::Same, "/query_range?query=shop_info&start=$began&end=$end&step=60&limit=1"),
    Request(3, As::Same, "/query?query=shop_info&time=$end&lookback_delta=1s"),
    Request(2, As::Same, "/query?query=shop_info&time=$end&lookback_delta=0"),
    Request(2, As::Same, "/query?query=shop_info&time=$end&timeout=10s"),
    Request(2, As::Same, "/query?query=time()&time=2026-01-02T03:04:05.678Z"),
    Request(2, As::Same, "/query?query=time()&time=2026-01-02T03:04:05%2B02:00"),
    Request(2, As::Same, "/query?query=time()&time=1.5e9"),
    Request(
        2,
        As::Same,
        "/query_range?query=time()&start=2026-01-02T03:04:05Z&end=1767323100&step=1m",
    ),
    Request(2, As::Same, "/query_range?query=time()&start=0&end=1&step=0.25"),
    Request(3, As::Same, "/query?query=1&time=x"),
    Request(2, As::Fault, "/query?query=1&time=x"),
    Request(2, As::Same, "/query?query=1&timeout=x"),
    Request(3, As::Same, "/query?query=1&lookback_delta=x"),
    Request(3, As::Same, "/query?query=1&limit=-1"),
    Request(3, As::Same, "/query?query=1&limit=x"),
    Request(2, As::Same, "/query_range?query=1"),
    Request(2, As::Same, "/query_range?query=1&start=x"),
    Request(2, As::Same, "/query_range?query=1&start=0"),
    Request(2, As::Same, "/query_range?query=1&start=0&end=1"),
    Request(2, As::Same, "/query_range?query=1&start=0&end=1&step=x"),
    Request(2, As::Same, "/query_range?query=1&start=0&end=1&step=0"),
    Request(2, As::Same, "/query_range?query=1&start=0&end=1&step=-1"),
    Request(2, As::Same, "/query_range?query=1&start=2&end=1&step=1"),
    Request(2, As::Same, "/query_range?query=1&start=0&end=11001&step=1"),
    Request(2, As::Fault, "/query_range?query=up[5m]&start=0&end=1&step=1"),
    Request(2, As::Fault, "/query?query=shop_info*on(pod)shop_memory_bytes&time=$end"),
    Request(2, As::Fault, "/query?query=sum("),
    Request(2, As::Fault, "/query"),
    Request(2, As::Same, "/series"),
    Request(2, As::Fault, "/series?match[]={}"),
    Request(2, As::Fault, "/series?match[]={a=~\".*\"}"),
    Request(2, As::Fault, "/series?match[]=sum(up)"),
    Request(2, As::Fault, "/series?match[]=up%20offset%205m"),
    Request(2, As::Fault, "/labels?match[]={"),
    Request(2, As::Fault, "/label/job/values?match[]=up[5m]"),
    Request(3, As::Same, "/labels?start=x"),
    Request(2, As::Fault, "/labels?start=x"),
    Request(3, As::Same, "/series?match[]=up&end=x"),
    Request(2, As::Fault, "/series?match[]=up&end=x"),
    Request(3, As::Same, "/series?match[]=up&limit=x"),
    Request(2, As::Same, "/metadata?limit=x"),
    Request(2, As::Same, "/query_exemplars?query=up&start=9&end=0"),
    Request(2, As::Fault, "/query_exemplars?query=sum("),
    Request(2, As::Fault, "/format_query?query=sum("),
    Request(2, As::Fault, "/label/%FF/values"),
    Request(2, As::Shape, "/status/buildinfo"),
    Request(3, As::Shape, "/targets"),
    Request(2, As::Shape, "/targets?state=active"),
    Request(3, As::Shape, "/targets?state=dropped"),
    Request(3, As::Same, "/targets?state=other"),
    Request(2, As::Shape, "/query?query=shop_info&stats=true"),
    Request(2, As::Same, "/format_query?query=up{a=\"b\",c!~\"d\"}"),
    Request(
        2,
        As::Other("a long expression stays on one line"),
        "/format_query?query=sum by(a_rather_long_label)(rate(a_rather_long_metric_name_total[5m]))\
         / sum by(a_rather_long_label)(rate(another_long_metric_name_total[5m]))",
    ),
    Request(3, As::Other("experimental"), "/parse_query?query=up"),
    Request(2, As::Other(OWN_PAGES), "/status/runtimeinfo"),
    Request(2, As::Other(OWN_PAGES), "/status/flags"),
    Request(2, As::Other(OWN_PAGES), "/status/config"),
    Request(2, As::Other(OWN_PAGES), "/status/tsdb"),
    Request(2, As::Other(OWN_PAGES), "/status/walreplay"),
    Request(2, As::Other(OWN_PAGES), "/targets/metadata"),
    Request(2, As::Other(OWN_PAGES), "/alertmanagers"),
    Request(2, As::Shape, "/rules"),
    Request(2, As::Shape, "/alerts"),
];

const OWN_PAGES: &str = "Prometheus's own pages ask for it, data sources do not";

/// Compares all; returns what differs.
pub(crate) async fn compare(world: &World) -> Vec<String> {
    let mut faults = Vec::new();
    let mut count = 0;
    for Request(version, how, path) in REQUESTS {
        if world.version < *version {
            continue;
        }
        count += 1;
        let path = world_path(world, path);
        let (ours, theirs) = (world.ours.get(&path).await, world.theirs.get(&path).await);
        if let Err(words) = compare_answers(*how, &ours, &theirs) {
            faults.push(format!("{path}: {words}"));
        }
    }
    for path in
        ["/query", "/query_range", "/series", "/labels", "/query_exemplars", "/format_query"]
    {
        count += 1;
        if let Err(words) = compare_form(world, path).await {
            faults.push(format!("POST {path}: {words}"));
        }
    }
    for path in ["/label/job/values", "/metadata", "/targets", "/rules", "/status/buildinfo"] {
        count += 1;
        let path = format!("/api/v1{path}");
        let (ours, theirs) =
            (&world.ours.post(&path, "").await, &world.theirs.post(&path, "").await);
        if (ours.status, theirs.status) != (405, 405) {
            faults.push(format!("POST {path}: {} and {}", ours.status, theirs.status));
        }
    }
    if let Err(words) = compare_targets(&world.ours, &world.theirs).await {
        faults.push(words);
    }
    let is_listed = |Request(version, how, _): &&Request| {
        *version <= world.version && matches!(how, As::Other(_))
    };
    let (version, wrong) = (world.version, faults.len());
    let listed = REQUESTS.iter().filter(is_listed).count();
    eprintln!(
        "Prometheus {version}: {count} requests to endpoints; {listed} are answered otherwise for \
         a listed reason, {wrong} without one"
    );
    faults
}

fn world_path(world: &World, path: &str) -> String {
    let mut path = path.to_owned();
    for (mark, text) in [
        ("$began", world.instant(0).as_str()),
        ("$end", world.instant(880).as_str()),
        ("$now", world.now().as_str()),
        ("[", "%5B"),
        ("]", "%5D"),
        ("{", "%7B"),
        ("}", "%7D"),
        ("\"", "%22"),
        (" ", "%20"),
    ] {
        path = path.replace(mark, text);
    }
    format!("/api/v1{path}")
}

fn compare_answers(how: As, ours: &Answer, theirs: &Answer) -> Result<(), String> {
    if let As::Other(reason) = how {
        let is_same = ours.status == theirs.status && ours.json == theirs.json;
        return if is_same { Err(format!("no longer differs: {reason}")) } else { Ok(()) };
    }
    if ours.status != theirs.status {
        return Err(differ("status", &ours.text, &theirs.text));
    }
    if ours.content_type != theirs.content_type {
        return Err(differ("content type", &ours.content_type, &theirs.content_type));
    }
    match how {
        As::Same => {
            let (ours, theirs) = (ordered(&ours.json), ordered(&theirs.json));
            if ours == theirs {
                return Ok(());
            }
            Err(differ("body", &ours.to_string(), &theirs.to_string()))
        }
        As::Part => {
            let list = |answer: &Answer| answer.json["data"].as_array().cloned();
            let (our_list, their_list) = (list(ours), list(theirs).unwrap_or_default());
            let is_part =
                |all: Vec<Value>| !all.is_empty() && all.iter().all(|one| their_list.contains(one));
            if our_list.is_some_and(is_part) {
                return Ok(());
            }
            Err(differ("a part", &ours.text, &theirs.text))
        }
        As::Count => {
            let count = |answer: &Answer| answer.json["data"].as_array().map(Vec::len);
            let warnings = |answer: &Answer| answer.json["warnings"].clone();
            if (count(ours), warnings(ours)) == (count(theirs), warnings(theirs)) {
                return Ok(());
            }
            Err(differ("count", &ours.text, &theirs.text))
        }
        As::Fault => {
            let kind = |answer: &Answer| {
                let keys: Option<Vec<String>> =
                    answer.json.as_object().map(|body| body.keys().cloned().collect());
                (answer.json["status"].clone(), answer.json["errorType"].clone(), keys)
            };
            if kind(ours) == kind(theirs) && ours.json["status"] == "error" {
                return Ok(());
            }
            Err(differ("kind of fault", &ours.text, &theirs.text))
        }
        As::Shape => shape(&ours.json, &theirs.json, "")
            .map_err(|words| differ(&words, &ours.text, &theirs.text)),
        As::Other(_) => Ok(()),
    }
}

/// Lists of whole objects and of names have no order.
fn ordered(value: &Value) -> Value {
    match value {
        Value::Array(all) => {
            let mut all: Vec<Value> = all.iter().map(ordered).collect();
            if all.iter().any(Value::is_object) {
                all.sort_by_key(Value::to_string);
            }
            Value::Array(all)
        }
        Value::Object(all) => {
            Value::Object(all.iter().map(|(key, value)| (key.clone(), ordered(value))).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// Tells that all of theirs is there in ours, type by type; says where it is not.
fn shape(ours: &Value, theirs: &Value, place: &str) -> Result<(), String> {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            for (key, their_value) in theirs {
                let place = format!("{place}.{key}");
                match ours.get(key) {
                    Some(our_value) => shape(our_value, their_value, &place)?,
                    None => return Err(format!("{place} is missing: what is there")),
                }
            }
            Ok(())
        }
        (Value::Array(ours), Value::Array(theirs)) => match (ours.first(), theirs.first()) {
            (Some(ours), Some(theirs)) => shape(ours, theirs, &format!("{place}[0]")),
            _ => Ok(()),
        },
        (Value::String(_), Value::String(_))
        | (Value::Number(_), Value::Number(_))
        | (Value::Bool(_), Value::Bool(_))
        | (Value::Null, Value::Null) => Ok(()),
        _ => Err(format!("the type of {place}")),
    }
}

/// Compares a form with what the same parameters say in the query string.
async fn compare_form(world: &World, path: &str) -> Result<(), String> {
    let form = "query=shop_info&match%5B%5D=shop_info&step=30&time=$end&start=$began&end=$end"
        .replace("$began", &world.instant(0))
        .replace("$end", &world.instant(880));
    let path = format!("/api/v1{path}");
    let ours = world.ours.post(&path, &form).await;
    compare_answers(As::Same, &ours, &world.theirs.post(&path, &form).await)?;
    let asked = world.ours.get(&format!("{path}?{form}")).await;
    compare_answers(As::Same, &ours, &asked)
}

/// Compares what both say of each target, except of times.
async fn compare_targets(ours: &Side, theirs: &Side) -> Result<(), String> {
    let path = "/api/v1/targets?state=active";
    let (ours, theirs) = (ours.get(path).await.json, theirs.get(path).await.json);
    let (ours, theirs) = (targets(&ours), targets(&theirs));
    if ours == theirs {
        return Ok(());
    }
    Err(differ("targets", &format!("{ours:?}"), &format!("{theirs:?}")))
}

fn targets(answer: &Value) -> BTreeMap<String, Vec<Value>> {
    let all = answer["data"]["activeTargets"].as_array().cloned().unwrap_or_default();
    let facts = |target: &Value| {
        let keys = ["labels", "scrapePool", "scrapeUrl", "health", "lastError"];
        let mut facts: Vec<Value> = keys.iter().map(|key| target[key].clone()).collect();
        facts.push(target["discoveredLabels"].clone());
        facts
    };
    let name = |target: &Value| target["scrapeUrl"].to_string() + &target["scrapePool"].to_string();
    all.iter().map(|target| (name(target), facts(target))).collect()
}
