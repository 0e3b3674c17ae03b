//! A made-up shop whose samples are a function of time: counters that restart and appear late,
//! gauges with every kind of number, histograms whole and broken, a summary, labels to join on.

use crate::support::replay::Sampled;

/// Types and helps, written in front of the samples.
pub(crate) const COMMENTS: &str = r"# HELP shop_requests_total Requests, by what became of them.
# TYPE shop_requests_total counter
# HELP shop_restarting_total A counter that begins again.
# TYPE shop_restarting_total counter
# HELP shop_temperature_celsius How warm it is; \\ and \n are written like this.
# TYPE shop_temperature_celsius gauge
# TYPE shop_odd gauge
# HELP shop_latency_seconds Response times.
# TYPE shop_latency_seconds histogram
# TYPE shop_broken histogram
# HELP shop_call_seconds Times of calls.
# TYPE shop_call_seconds summary
# HELP shop_info What each pod is.
# TYPE shop_info gauge
# TYPE shop_untold untyped
";

/// Returns what the shop shows at a tick, which is 15 seconds long.
pub(crate) fn samples(tick: u32) -> Vec<Sampled> {
    let mut out = Vec::new();
    counters(tick, &mut out);
    gauges(tick, &mut out);
    histograms(tick, &mut out);
    pods(tick, &mut out);
    out
}

fn counters(tick: u32, out: &mut Vec<Sampled>) {
    let at = f64::from(tick);
    for (method, code, path, pace) in [
        ("GET", "200", "/", 30.0),
        ("GET", "404", "/", 0.5),
        ("GET", "500", "/", 1.25),
        ("GET", "200", "/cart", 7.0),
        ("POST", "200", "/cart", 4.0),
        ("POST", "503", "/cart", 0.1),
        ("PUT", "200", "/stock", 0.0),
    ] {
        let name = format!("shop_requests_total{{method={method:?},code={code:?},path={path:?}}}");
        out.push((name, at * pace + (at * at * pace / 100.0).floor()));
    }
    let restarting = |pod: &str| format!("shop_restarting_total{{pod={pod:?}}}");
    out.push((restarting("a"), at * 3.0));
    out.push((restarting("b"), f64::from(tick % 25) * 2.5));
    if 20 <= tick {
        out.push((restarting("c"), f64::from(tick - 20) * 0.2 + 1.0));
    }
    if tick <= 30 {
        out.push((restarting("gone"), at));
    }
}

fn gauges(tick: u32, out: &mut Vec<Sampled>) {
    let at = f64::from(tick);
    let wave = f64::from(tick * 7 % 11) - 5.0;
    for (room, value) in [
        ("hall", 20.5 + wave / 10.0),
        ("attic", -3.25 - at / 8.0),
        ("cellar", 12.0),
        ("yard", wave),
    ] {
        out.push((format!("shop_temperature_celsius{{room={room:?}}}"), value));
    }
    let flip = if tick.is_multiple_of(2) { f64::NAN } else { at };
    for (kind, value) in [
        ("nan", f64::NAN),
        ("inf", f64::INFINITY),
        ("minus_inf", f64::NEG_INFINITY),
        ("zero", 0.0),
        ("minus_zero", -0.0),
        ("tiny", 4.2e-12),
        ("huge", 1.5e300),
        ("third", at / 3.0),
        ("flip", flip),
    ] {
        out.push((format!("shop_odd{{kind={kind:?}}}"), value));
    }
    if tick % 10 == 3 {
        out.push(("shop_sparse".to_owned(), at));
    }
    out.push(("shop_untold".to_owned(), 42.0));
    out.push(("shop_date_seconds".to_owned(), 1_583_000_000.0 + at * 2_345_678.0));
    out.push((
        r#"shop_names{quoted="a \"b\"",folder="C:\\temp",lines="one\ntwo",city="Köln",empty=""}"#
            .to_owned(),
        1.0,
    ));
}

fn histograms(tick: u32, out: &mut Vec<Sampled>) {
    let at = f64::from(tick);
    for (path, shares) in
        [("/", [5.0, 11.0, 14.0, 15.0, 15.0]), ("/cart", [0.0, 1.0, 5.0, 9.0, 10.0])]
    {
        for (bound, share) in ["0.1", "0.25", "0.5", "1", "+Inf"].iter().zip(shares) {
            let name = format!("shop_latency_seconds_bucket{{path={path:?},le={bound:?}}}");
            out.push((name, (share * at).floor()));
        }
        out.push((format!("shop_latency_seconds_sum{{path={path:?}}}"), shares[4] * at * 0.22));
        out.push((format!("shop_latency_seconds_count{{path={path:?}}}"), shares[4] * at));
    }
    // One without the last bucket, one whose buckets sink, one without observations.
    for (kind, bound, value) in [
        ("open", "1", at),
        ("open", "2", at * 2.0),
        ("sinking", "1", at * 3.0),
        ("sinking", "2", at * 2.0),
        ("sinking", "+Inf", at * 4.0),
        ("empty", "1", 0.0),
        ("empty", "+Inf", 0.0),
        ("low", "-1", at),
        ("low", "0", at * 2.0),
        ("low", "+Inf", at * 3.0),
    ] {
        out.push((format!("shop_broken_bucket{{kind={kind:?},le={bound:?}}}"), value));
    }
    for (quantile, value) in [("0.5", 0.2), ("0.9", 0.4 + at / 1000.0), ("0.99", 1.5)] {
        out.push((format!("shop_call_seconds{{quantile={quantile:?}}}"), value));
    }
    out.push(("shop_call_seconds_sum".to_owned(), at * 0.3));
    out.push(("shop_call_seconds_count".to_owned(), at));
}

fn pods(tick: u32, out: &mut Vec<Sampled>) {
    let at = f64::from(tick);
    for (pod, zone, version) in
        [("a", "north", "1.2"), ("b", "north", "1.3"), ("d", "south", "1.3")]
    {
        out.push((format!("shop_info{{pod={pod:?},zone={zone:?},version={version:?}}}"), 1.0));
    }
    for (pod, container, value) in
        [("a", "web", 100.0 + at), ("a", "log", 10.0), ("b", "web", 200.0 - at), ("c", "web", 50.0)]
    {
        out.push((format!("shop_memory_bytes{{pod={pod:?},container={container:?}}}"), value));
    }
    for (pod, value) in [("a", 128.0), ("b", 170.0), ("e", 1.0)] {
        out.push((format!("shop_memory_limit_bytes{{pod={pod:?}}}"), value));
    }
}
