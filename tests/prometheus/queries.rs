//! Many queries, each at several instants and over a range; every difference has its reason here.

use crate::side::{Side, encode};
use crate::verdict::{self, Strictness};
use crate::world::World;

const QUERIES: &str = include_str!("queries.promql");
/// When they are asked, seconds after the recording began; no sample lies on an edge of a window.
const INSTANTS: [i64; 3] = [250, 605, 890];
/// Start, end and step of the range.
const RANGE: (i64, i64, i64) = (120, 880, 37);

/// Which Prometheus answers otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum In {
    /// Only version 2.
    Two,
    /// Only version 3.
    Three,
    /// Every version.
    All,
}

/// Queries whose answers differ, and why.
const DIFFERENCES: &[Difference] = &[
    Difference(In::Two, r#"shop_names{lines=~"one.two"}"#, "a dot did not match a line break"),
    Difference(
        In::Two,
        "shop_temperature_celsius atan2 shop_temperature_celsius",
        "atan2 kept the name of the metric",
    ),
    Difference(In::Two, r#"label_replace(shop_info, "bad-name", "x", "pod", ".*")"#, UTF8),
    Difference(In::Two, r#"count_values("bad-name", shop_info)"#, UTF8),
    Difference(In::Two, r#"{"shop_untold"}"#, UTF8),
    Difference(In::Two, r#"{"shop_info","zone"="south"}"#, UTF8),
    Difference(In::Two, "shop_requests_total offset 5", LENGTHS),
    Difference(In::Two, "rate(shop_requests_total[60])", LENGTHS),
    Difference(In::Two, "1h + 1", LENGTHS),
    Difference(In::Two, "time() - 5m", LENGTHS),
    Difference(
        In::Two,
        r#"label_replace(rate(shop_requests_total[5m]), "was", "$1", "__name__", "(.*)")"#,
        LATE_NAMES,
    ),
    Difference(
        In::Two,
        "holt_winters(shop_temperature_celsius[5m], 0.5, 0.5)",
        "version 3 calls it double_exponential_smoothing",
    ),
    Difference(
        In::Two,
        "double_exponential_smoothing(shop_temperature_celsius[5m], 0.5, 0.5)",
        NEW_FUNCTION,
    ),
    Difference(In::Two, r#"sort_by_label(shop_info, "version")"#, NEW_FUNCTION),
    Difference(In::Two, r#"sort_by_label_desc(shop_info, "version")"#, NEW_FUNCTION),
    Difference(In::Two, "mad_over_time(shop_temperature_celsius[5m])", NEW_FUNCTION),
    Difference(In::Two, "ts_of_max_over_time(shop_temperature_celsius[5m])", NEW_FUNCTION),
    Difference(In::Two, "limitk(1, shop_info)", NEW_FUNCTION),
    Difference(In::Two, "limit_ratio(1, shop_info)", NEW_FUNCTION),
    Difference(In::Two, "limit_ratio(0.5, shop_requests_total)", NEW_FUNCTION),
    Difference(In::Two, "limit_ratio(-0.3, shop_requests_total)", NEW_FUNCTION),
    Difference(In::Three, "sort(shop_temperature_celsius)", SORT_WARNING),
    Difference(In::Three, "sort_desc(shop_temperature_celsius)", SORT_WARNING),
    Difference(In::Three, "sort_desc(sum by (path) (shop_requests_total))", SORT_WARNING),
    Difference(In::Three, "sort(shop_requests_total)", SORT_WARNING),
    Difference(In::Three, r#"sort_by_label(shop_info, "version")"#, SORT_WARNING),
    Difference(In::Three, r#"sort_by_label_desc(shop_info, "version")"#, SORT_WARNING),
    Difference(In::Three, "info(shop_memory_bytes)", "the experimental function info is left out"),
    Difference(
        In::All,
        r#"label_replace(shop_info, "new", "x", "pod", "(")"#,
        "a pattern is checked when the query is read: bad_data, not execution",
    ),
    Difference(
        In::All,
        "histogram_count(shop_temperature_celsius)",
        "functions of native histograms are refused",
    ),
    Difference(In::All, "growth_per_hour(shop_temperature_celsius[10m])", "a function of our own"),
];

const UTF8: &str = "version 2 has no names with other characters";
const LENGTHS: &str = "version 2 does not take lengths of time and numbers for each other";
const LATE_NAMES: &str = "names of metrics are dropped at the very end";
const NEW_FUNCTION: &str = "a function that came after version 2.42";
const SORT_WARNING: &str = "that sorting a range has no effect is told only by versions after 3.5";

/// Where, what, why.
struct Difference(In, &'static str, &'static str);

/// Compares all answers; returns what differs without a listed reason, or no longer differs.
pub(crate) async fn compare(world: &World) -> Vec<String> {
    let mut faults = Vec::new();
    let (mut count, mut equal) = (0, 0);
    for query in queries(world) {
        count += 1;
        let listed = DIFFERENCES.iter().find(|Difference(place, text, _)| {
            *text == query.written
                && match place {
                    In::Two => world.version == 2,
                    In::Three => world.version == 3,
                    In::All => true,
                }
        });
        let verdict = compare_query(world, &query.text).await;
        match (verdict, listed) {
            (Ok(()), None) => equal += 1,
            (Err(_), Some(_)) => {}
            (Err(words), None) => faults.push(format!("{}: {words}", query.written)),
            (Ok(()), Some(Difference(_, _, reason))) => {
                faults.push(format!("{}: no longer differs: {reason}", query.written));
            }
        }
    }
    eprintln!(
        "Prometheus {}: {equal} of {count} queries have equal answers at {} instants and over a \
         range; {} differ for a listed reason",
        world.version,
        INSTANTS.len(),
        count - equal - faults.len()
    );
    assert!(150 <= equal + faults.len(), "only {count} queries");
    let is_asked = |text| queries(world).any(|query| query.written == text);
    let stale = DIFFERENCES.iter().filter(|Difference(_, text, _)| !is_asked(*text));
    faults.extend(stale.map(|Difference(_, text, _)| format!("{text}: listed, but not asked")));
    faults
}

struct Query {
    /// As it stands in the file.
    written: &'static str,
    /// As it is sent.
    text: String,
}

/// Reads the file: one query in a line.
fn queries(world: &World) -> impl Iterator<Item = Query> {
    let at = world.instant(INSTANTS[1]);
    let lines = QUERIES.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(move |line| Query { written: line, text: line.replace("$at", &at) })
}

async fn compare_query(world: &World, text: &str) -> Result<(), String> {
    let notes = 3 <= world.version;
    for (index, seconds) in INSTANTS.into_iter().enumerate() {
        let at = world.instant(seconds);
        let parameters = encode(&[("query", text), ("time", &at)]);
        // Forms and query strings in turn.
        let ask = async |side: &Side| match index % 2 {
            0 => side.get(&format!("/api/v1/query?{parameters}")).await,
            _ => side.post("/api/v1/query", &parameters).await,
        };
        let (ours, theirs) = (ask(&world.ours).await, ask(&world.theirs).await);
        let strictness = Strictness { order: text.starts_with("sort"), notes };
        verdict::compare(&ours, &theirs, strictness)
            .map_err(|words| format!("at {seconds} s {words}"))?;
    }
    let (start, end, step) = RANGE;
    let (start, end) = (world.instant(start), world.instant(end));
    let parameters =
        encode(&[("query", text), ("start", &start), ("end", &end), ("step", &step.to_string())]);
    let path = format!("/api/v1/query_range?{parameters}");
    let (ours, theirs) = (world.ours.get(&path).await, world.theirs.get(&path).await);
    verdict::compare(&ours, &theirs, Strictness { order: true, notes })
        .map_err(|words| format!("over the range {words}"))
}
