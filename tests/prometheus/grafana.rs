//! The requests that Grafana's Prometheus data source makes, in its form, answered byte for byte
//! as Prometheus answers them.

use crate::side::{Answer, Side};
use crate::verdict::differ;
use crate::world::World;

/// A request as Grafana sends it: method, path with query string, form.
struct Request(&'static str, &'static str, &'static str);

/// Those whose whole answer is known to the byte.
const REQUESTS: &[Request] = &[
    // "Save & test": the health check, then what kind of server it is.
    Request("POST", "/api/v1/query", "query=1%2B1&time=4"),
    Request("GET", "/api/v1/query?query=1%2B1&time=4", ""),
    // A panel over a range, and an instant one.
    Request(
        "POST",
        "/api/v1/query_range",
        "end=$end&query=sum+by+%28code%29+%28shop_requests_total%29&start=$began&step=15",
    ),
    Request(
        "GET",
        "/api/v1/query_range?end=$end&query=shop_temperature_celsius&start=$began&step=0.5",
        "",
    ),
    Request("POST", "/api/v1/query", "query=shop_untold&time=$end&timeout=60s"),
    Request("POST", "/api/v1/query", "query=shop_missing&time=$end"),
    Request("POST", "/api/v1/query", "query=shop_untold%5B1m%5D&time=$end"),
    // Exemplars are asked for beside every graph.
    Request(
        "POST",
        "/api/v1/query_exemplars",
        "end=$end&query=shop_latency_seconds_bucket&start=$began",
    ),
    // The metric browser and the query builder.
    Request("GET", "/api/v1/label/__name__/values?end=$now&limit=40000&start=$began", ""),
    Request("POST", "/api/v1/labels", "end=$now&limit=40000&start=$began"),
    Request(
        "POST",
        "/api/v1/labels",
        "end=$end&limit=40000&match%5B%5D=shop_requests_total&start=$began",
    ),
    Request(
        "GET",
        "/api/v1/label/code/values?end=$end&limit=40000\
         &match%5B%5D=%7B__name__%3D%22shop_requests_total%22%7D&start=$began",
        "",
    ),
    Request("POST", "/api/v1/series", "end=$end&limit=40000&match%5B%5D=shop_untold&start=$began"),
    // Variables: label_values(metric, label), query_result(...).
    Request("GET", "/api/v1/label/pod/values?match%5B%5D=shop_info&start=$began&end=$end", ""),
    Request("GET", "/api/v1/query?query=topk%281%2Cshop_requests_total%29&time=$end", ""),
    // What a wrong query is answered with.
    Request("POST", "/api/v1/query_range", "end=$end&query=1&start=$began&step=0"),
];

/// Those of which the form is what counts, with a key that Grafana reads.
const FORMS: &[(&str, &str)] = &[
    ("/api/v1/status/buildinfo", "/data/version"),
    ("/api/v1/rules", "/data/groups"),
    ("/api/v1/rules?type=alert", "/data/groups"),
    ("/api/v1/alerts", "/data/alerts"),
    ("/api/v1/metadata", "/data/shop_requests_total/0/type"),
    ("/api/v1/metadata?limit=40000", "/data/shop_requests_total/0/help"),
];

/// Compares all; returns what differs.
pub(crate) async fn compare(world: &World) -> Vec<String> {
    let mut faults = Vec::new();
    for Request(method, path, form) in REQUESTS {
        let place = |text: &str| {
            text.replace("$began", &world.instant(0))
                .replace("$end", &world.instant(880))
                .replace("$now", &world.now())
        };
        let (path, form) = (place(path), place(form));
        let ask = async |side: &Side| -> Answer {
            if *method == "GET" { side.get(&path).await } else { side.post(&path, &form).await }
        };
        let (ours, theirs) = (ask(&world.ours).await, ask(&world.theirs).await);
        if (ours.status, &ours.text) != (theirs.status, &theirs.text) {
            let words = differ("the text", &ours.text, &theirs.text);
            faults.push(format!("Grafana's {method} {path} {form}: {words}"));
        }
    }
    for (path, pointer) in FORMS {
        for side in [&world.ours, &world.theirs] {
            let answer = side.get(path).await;
            if answer.status != 200 || answer.json.pointer(pointer).is_none() {
                faults.push(format!("Grafana's GET {path} at {}: {}", side.url, answer.text));
            }
        }
    }
    // With this key it would take us for another product.
    let build = world.ours.get("/api/v1/status/buildinfo").await.json;
    if build["data"].get("features").is_some() {
        faults.push(format!("buildinfo has features: {build}"));
    }
    faults
}
