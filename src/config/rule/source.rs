//! The question of a rule: exactly one of ten keys.

use watchbell_metrics::rule::{OverTime, RuleSource};

use crate::code::Code;
use crate::findings::Findings;
use crate::quantity;
use crate::raw::{Entry, Kind, Node};
use crate::shape::{Shape, Word, key};
use crate::walk::{self, Fields};

pub(crate) static RATIO: Shape = Shape {
    doc: "Share of events that are bad.",
    keys: &[
        key("bad", Word::Promql, "Counter of the bad events."),
        key("total", Word::Promql, "Counter of all events."),
    ],
};

pub(super) static QUANTILE: Shape = Shape {
    doc: "Quantile of a classic histogram.",
    keys: &[
        key("q", Word::Number, "0…1, such as 0.95."),
        key("of", Word::Promql, "The histogram, without _bucket."),
    ],
};

pub(super) static GROWTH: Shape =
    Shape { doc: "Relative growth per hour.", keys: &[key("of", Word::Promql, "The gauge.")] };

pub(super) static FORECAST: Shape = Shape {
    doc: "Time until a value is reached.",
    keys: &[
        key("of", Word::Promql, "The gauge."),
        key("reach", Word::Quantity, "The value, such as \"0\", \"100GiB\" or \"95%\"."),
    ],
};

const SOURCES: [&str; 10] =
    ["ratio", "quantile", "rate", "mean", "max", "min", "sum", "growth", "forecast", "expr"];

/// A question and where its texts stand.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) source: RuleSource,
    /// The selector or expression; of a ratio, `bad`.
    pub(super) first: &'a Node,
    /// Of a ratio, `total`.
    pub(super) second: Option<&'a Node>,
}

/// Reads the one source of a rule.
pub(super) fn read<'a>(fields: &Fields<'a>, out: &mut Findings<'_>) -> Option<Asked<'a>> {
    let mut given: Vec<&Entry> = SOURCES.iter().filter_map(|name| fields.entry(name)).collect();
    given.sort_by_key(|entry| entry.key.place.span.start);
    let (first, second) = (given.first(), given.get(1));
    let Some(entry) = first else {
        out.error(Code::NoSource, fields.place, "the rule asks nothing")
            .label("no source")
            .help(format!("give one of: {}", SOURCES.join(", ")));
        return None;
    };
    if let Some(second) = second {
        let (one, two) = (&entry.key, &second.key);
        let message = format!("the rule asks two things: {:?} and {:?}", one.text, two.text);
        out.error(Code::TwoSources, &two.place, message)
            .also(&one.place, "the other one is here")
            .help("make each its own rule");
        return None;
    }
    match entry.key.text.as_str() {
        "ratio" => ratio(entry, out),
        "quantile" => quantile(entry, out),
        "rate" => plain(&entry.node, RuleSource::Rate, out),
        "mean" => over_time(&entry.node, OverTime::Mean, out),
        "max" => over_time(&entry.node, OverTime::Max, out),
        "min" => over_time(&entry.node, OverTime::Min, out),
        "sum" => over_time(&entry.node, OverTime::Sum, out),
        "growth" => growth(entry, out),
        "forecast" => forecast(entry, out),
        _ => plain(&entry.node, RuleSource::Expr, out),
    }
}

fn plain<'a>(
    node: &'a Node,
    make: impl Fn(String) -> RuleSource,
    out: &mut Findings<'_>,
) -> Option<Asked<'a>> {
    let text = walk::text(node, out)?;
    Some(Asked { source: make(text.to_owned()), first: node, second: None })
}

fn over_time<'a>(node: &'a Node, function: OverTime, out: &mut Findings<'_>) -> Option<Asked<'a>> {
    plain(node, |of| RuleSource::OverTime { function, of }, out)
}

fn ratio<'a>(entry: &'a Entry, out: &mut Findings<'_>) -> Option<Asked<'a>> {
    let fields = Fields::open(&entry.node, &entry.key.place, &RATIO, out)?;
    let bad = fields.required("bad", "bad = 'http_requests_total{code=~\"5..\"}'", out);
    let total = fields.required("total", "total = 'http_requests_total'", out);
    let bad_text = bad.and_then(|node| walk::text(node, out));
    let total_text = total.and_then(|node| walk::text(node, out));
    let source = RuleSource::Ratio { bad: bad_text?.to_owned(), total: total_text?.to_owned() };
    Some(Asked { source, first: bad?, second: total })
}

fn quantile<'a>(entry: &'a Entry, out: &mut Findings<'_>) -> Option<Asked<'a>> {
    let fields = Fields::open(&entry.node, &entry.key.place, &QUANTILE, out)?;
    let q = fields.required("q", "q = 0.95", out).and_then(|node| {
        let number = walk::number(node, out)?;
        let is_good = (0.0..=1.0).contains(&number);
        if !is_good {
            out.error(
                Code::BadValue,
                &node.place,
                format!("a quantile lies between 0 and 1, not at {number}"),
            )
            .help("the 95th percentile is q = 0.95");
        }
        is_good.then_some(number)
    });
    let of = fields.required("of", "of = 'http_request_duration_seconds'", out)?;
    let text = walk::text(of, out)?;
    Some(Asked {
        source: RuleSource::Quantile { q: q?, of: text.to_owned() },
        first: of,
        second: None,
    })
}

fn growth<'a>(entry: &'a Entry, out: &mut Findings<'_>) -> Option<Asked<'a>> {
    let fields = Fields::open(&entry.node, &entry.key.place, &GROWTH, out)?;
    let of = fields.required("of", "of = 'process_resident_memory_bytes'", out)?;
    plain(of, |of| RuleSource::Growth { of }, out)
}

fn forecast<'a>(entry: &'a Entry, out: &mut Findings<'_>) -> Option<Asked<'a>> {
    let fields = Fields::open(&entry.node, &entry.key.place, &FORECAST, out)?;
    let reach = fields.required("reach", "reach = \"0\"", out).and_then(|node| reach(node, out));
    let of = fields.required("of", "of = 'node_filesystem_avail_bytes'", out)?;
    let text = walk::text(of, out)?.to_owned();
    Some(Asked {
        source: RuleSource::Forecast { of: text, reach: reach? },
        first: of,
        second: None,
    })
}

fn reach(node: &Node, out: &mut Findings<'_>) -> Option<f64> {
    if matches!(node.kind, Kind::Integer(_) | Kind::Float(_)) {
        return walk::number(node, out);
    }
    match quantity::quantity(walk::text(node, out)?, None) {
        Ok(quantity) => Some(quantity.value),
        Err(fault) => {
            out.fault(node, fault);
            None
        }
    }
}
