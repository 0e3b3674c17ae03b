//! Files of rule tests, as `promtool test rules` takes them: what they put in and what they expect.
//!
//! Format and defaults are those of
//! <https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/>. Beyond it:
//! `partial: true` on an expectation, where only the given labels and annotations count, and
//! `exp_pending`, the alerts that wait for their `for`. A test with a fault is marked and its
//! fault reported; the other tests of the file can be run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use watchbell_metrics::label::{ALERT_NAME, Labels};
use watchbell_metrics::promql::notation::{Point, parse_labels, parse_values};
use watchbell_metrics::rule::group::External;
use watchbell_metrics::sample::Millis;

use crate::code::Code;
use crate::diagnostic::{Place, SourceFile};
use crate::findings::Findings;
use crate::prometheus_rules::RuleFileOptions;
use crate::prometheus_rules::fields::{Fields, Reader};
use crate::prometheus_rules::yaml::{self, Entry, Kind, Node, inside};

const FILE_FIELDS: [&str; 5] =
    ["rule_files", "evaluation_interval", "group_eval_order", "tests", "fuzzy_compare"];
const TEST_FIELDS: [&str; 8] = [
    "name",
    "interval",
    "start_timestamp",
    "input_series",
    "alert_rule_test",
    "promql_expr_test",
    "external_labels",
    "external_url",
];
const ALERT_FIELDS: [&str; 5] = ["eval_time", "alertname", "exp_alerts", "exp_pending", "partial"];
const EXPECTED_FIELDS: [&str; 3] = ["exp_labels", "exp_annotations", "partial"];
const EXPR_FIELDS: [&str; 4] = ["expr", "eval_time", "exp_samples", "partial"];
const SAMPLE_FIELDS: [&str; 3] = ["labels", "value", "histogram"];
/// The interval where the file names none.
const MINUTE: Duration = Duration::from_secs(60);
/// What native histograms begin with.
const NATIVE: &str = "{{";

/// A file of rule tests.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleTests {
    /// How often the rules are evaluated; default 1 m.
    pub evaluation_interval: Duration,
    /// Groups in the order in which they are evaluated; others come with the first.
    pub group_order: Vec<String>,
    /// Values may differ by the last bit.
    pub fuzzy: bool,
    /// The tests.
    pub tests: Vec<RuleTest>,
}

/// One entry of `tests`: series, and what the rules make of them.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleTest {
    /// The name, if it has one.
    pub name: Option<String>,
    /// Where it begins.
    pub place: Place,
    /// The whole of it.
    pub extent: Place,
    /// Something in it cannot be read; that was reported.
    pub faulty: bool,
    /// The spacing of samples; default: the evaluation interval.
    pub interval: Duration,
    /// The instant of time zero, UTC milliseconds.
    pub start: Millis,
    /// What is put in.
    pub series: Vec<InputSeries>,
    /// What templates may speak of.
    pub external: Arc<External>,
    /// Expected alerts.
    pub alerts: Vec<AlertCase>,
    /// Expected values of expressions.
    pub exprs: Vec<ExprCase>,
}

/// A series that is put in.
#[derive(Clone, Debug, PartialEq)]
pub struct InputSeries {
    /// Its labels, the metric name included.
    pub labels: Labels,
    /// Its points; `None` where they are native histograms.
    pub points: Option<Vec<Point>>,
}

/// What alerts of one name there are at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertCase {
    /// Where it stands.
    pub place: Place,
    /// When, counted from the start.
    pub at: Duration,
    /// The name of the alerts.
    pub alert: String,
    /// Those that fire, all of them.
    pub firing: Vec<ExpectedAlert>,
    /// Those that are pending, all of them; `None`: not asked for.
    pub pending: Option<Vec<ExpectedAlert>>,
}

/// One expected alert.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectedAlert {
    /// Its labels, `alertname` included.
    pub labels: Labels,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// Labels and annotations that are not named may have any value.
    pub partial: bool,
}

/// What an expression gives at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct ExprCase {
    /// Where it stands.
    pub place: Place,
    /// The expression, as written.
    pub expr: String,
    /// When, counted from the start.
    pub at: Duration,
    /// Expected samples, all of them; `None` where they are native histograms.
    pub samples: Option<Vec<ExpectedSample>>,
    /// Labels that are not named may have any value.
    pub partial: bool,
}

/// One expected sample.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectedSample {
    /// Its labels, the metric name included.
    pub labels: Labels,
    /// Its value.
    pub value: f64,
}

/// The `rule_files` of a file, each with its place.
pub(crate) type Patterns = Vec<(String, Place)>;

/// Reads a file, `file` being its place among the sources; `None` where it is not YAML or holds
/// no tests.
pub(crate) fn read(
    file: usize,
    source: &SourceFile,
    out: &mut Findings<'_>,
) -> Option<(RuleTests, Patterns)> {
    let root = yaml::read(file, &source.text, false, out)?;
    let mut reader = Reader { source, out, options: RuleFileOptions::default() };
    let entries = reader.map(&root)?;
    let is_rules = entries.iter().any(|entry| entry.key.text == "groups");
    let help = is_rules.then_some("this file holds rules: `watchbell check` reads it");
    let top = reader.fields(&root, entries, "a file of rule tests", &FILE_FIELDS, help);
    let patterns = texts(top.node("rule_files"), &mut reader);
    let interval = length(&top, "evaluation_interval", &mut reader);
    let evaluation_interval = interval.filter(|length| !length.is_zero()).unwrap_or(MINUTE);
    let order = texts(top.node("group_eval_order"), &mut reader);
    refuse_repeats(&order, &mut reader);
    let fuzzy = flag(&top, "fuzzy_compare", &mut reader);
    let items = top.node("tests").map(|node| reader.list(node)).unwrap_or_default();
    let tests = items.iter().map(|node| test(node, evaluation_interval, &mut reader)).collect();
    let group_order = order.into_iter().map(|(name, _)| name).collect();
    Some((RuleTests { evaluation_interval, group_order, fuzzy, tests }, patterns))
}

fn refuse_repeats(order: &[(String, Place)], reader: &mut Reader<'_, '_>) {
    for (index, (name, place)) in order.iter().enumerate() {
        let Some((_, first)) = order.iter().take(index).find(|(one, _)| one == name) else {
            continue;
        };
        let message = format!("the group {name:?} is there twice in the order of evaluation");
        reader.out.error(Code::DuplicateName, place, message).also(first, "first named here");
    }
}

fn test(node: &Node, evaluation_interval: Duration, reader: &mut Reader<'_, '_>) -> RuleTest {
    let faults = reader.out.errors();
    let fields = fields_of(node, "a test", &TEST_FIELDS, reader);
    let interval = length(&fields, "interval", reader);
    let name = fields.node("name").and_then(|node| reader.text(node));
    let labels = fields.node("external_labels").map(|node| labels(node, reader));
    let url = fields.node("external_url").and_then(|node| reader.text(node));
    let external = External {
        labels: Labels::from_pairs(labels.unwrap_or_default()),
        url: url.unwrap_or_default().to_owned(),
    };
    let start = fields.node("start_timestamp").and_then(|node| instant(node, reader));
    let all = |name: &str, reader: &mut Reader<'_, '_>| {
        fields.node(name).map(|node| reader.list(node)).unwrap_or_default()
    };
    let (series, alerts, exprs) = (
        all("input_series", reader).iter().filter_map(|node| input(node, reader)).collect(),
        all("alert_rule_test", reader).iter().filter_map(|node| alert(node, reader)).collect(),
        all("promql_expr_test", reader).iter().filter_map(|node| expr(node, reader)).collect(),
    );
    RuleTest {
        name: name.filter(|name| !name.is_empty()).map(str::to_owned),
        place: fields.place.clone(),
        extent: node.place.clone(),
        interval: interval.filter(|length| !length.is_zero()).unwrap_or(evaluation_interval),
        start: start.unwrap_or_default(),
        series,
        external: Arc::new(external),
        alerts,
        exprs,
        faulty: faults < reader.out.errors(),
    }
}

fn input(node: &Node, reader: &mut Reader<'_, '_>) -> Option<InputSeries> {
    const FIELDS: [&str; 2] = ["series", "values"];
    let fields = fields_of(node, "an input series", &FIELDS, reader);
    let named = require(&fields, "series", "write `series: 'up{job=\"api\"}'`", reader)?;
    let labels = series_labels(named, reader)?;
    let node = fields.node("values")?;
    let text = reader.text(node)?;
    if text.contains(NATIVE) {
        return Some(InputSeries { labels, points: None });
    }
    match parse_values(text) {
        Ok(points) => Some(InputSeries { labels, points: Some(points) }),
        Err(error) => {
            let place = inside(node, error.span, &reader.source.text);
            reader.out.error(Code::BadValue, &place, error.message).help = error.help;
            None
        }
    }
}

fn alert(node: &Node, reader: &mut Reader<'_, '_>) -> Option<AlertCase> {
    let fields = fields_of(node, "an alert test", &ALERT_FIELDS, reader);
    let at = length(&fields, "eval_time", reader);
    let partial = flag(&fields, "partial", reader);
    let name = require(&fields, "alertname", "write `alertname: InstanceDown`", reader)?;
    let name = reader.filled(name)?;
    let all = |list: &str, reader: &mut Reader<'_, '_>| {
        let node = fields.entry(list).map(|entry| &entry.node)?;
        let items = reader.list(node);
        Some(items.iter().map(|node| expected(node, name, partial, reader)).collect::<Vec<_>>())
    };
    Some(AlertCase {
        place: fields.place.clone(),
        at: at.unwrap_or_default(),
        alert: name.to_owned(),
        firing: all("exp_alerts", reader).unwrap_or_default(),
        pending: all("exp_pending", reader),
    })
}

fn expected(node: &Node, alert: &str, partial: bool, reader: &mut Reader<'_, '_>) -> ExpectedAlert {
    let fields = fields_of(node, "an expected alert", &EXPECTED_FIELDS, reader);
    let own = fields.node("exp_labels").map(|node| labels(node, reader)).unwrap_or_default();
    let annotations = fields.node("exp_annotations").map(|node| labels(node, reader));
    let named = own.into_iter().chain([(ALERT_NAME.to_owned(), alert.to_owned())]);
    ExpectedAlert {
        labels: Labels::from_pairs(named),
        annotations: annotations.unwrap_or_default().into_iter().collect(),
        partial: flag(&fields, "partial", reader) || partial,
    }
}

fn expr(node: &Node, reader: &mut Reader<'_, '_>) -> Option<ExprCase> {
    let fields = fields_of(node, "an expression test", &EXPR_FIELDS, reader);
    let at = length(&fields, "eval_time", reader);
    let partial = flag(&fields, "partial", reader);
    let written = require(&fields, "expr", "write `expr: up == 0`", reader)?;
    // It is checked as a rule's is.
    let text = reader.filled(written)?;
    let items = fields.node("exp_samples").map(|node| reader.list(node)).unwrap_or_default();
    let mut samples = Some(Vec::with_capacity(items.len()));
    for item in items {
        match (sample(item, reader), &mut samples) {
            (Some(sample), Some(samples)) => samples.push(sample),
            (Some(_), None) => {}
            (None, _) => samples = None,
        }
    }
    // A native histogram is not read, so the words of such a case may not be ours.
    if samples.is_some() {
        reader.expr(written)?;
    }
    Some(ExprCase {
        place: fields.place.clone(),
        expr: text.to_owned(),
        at: at.unwrap_or_default(),
        samples,
        partial,
    })
}

/// Reads a sample; `None` where it is a native histogram.
fn sample(node: &Node, reader: &mut Reader<'_, '_>) -> Option<ExpectedSample> {
    let fields = fields_of(node, "an expected sample", &SAMPLE_FIELDS, reader);
    let labels = fields.node("labels").and_then(|node| series_labels(node, reader));
    let histogram = fields.node("histogram").and_then(|node| reader.text(node));
    if histogram.is_some_and(|text| !text.is_empty()) {
        return None;
    }
    let value = fields.node("value").map(|node| (node, reader.text(node).unwrap_or_default()));
    let value = value.map_or(Some(0.0), |(node, text)| {
        let number = number(text);
        if number.is_none() {
            let message = format!("a number is due here, not {text:?}");
            reader.out.error(Code::WrongType, &node.place, message);
        }
        number
    });
    let labels = labels.unwrap_or_else(Labels::empty);
    Some(ExpectedSample { labels, value: value.unwrap_or_default() })
}

/// Reads a number as YAML and as Prometheus write it.
fn number(text: &str) -> Option<f64> {
    let bare = text.trim_start_matches(['+', '-']);
    let size = match bare.trim_start_matches('.').to_ascii_lowercase().as_str() {
        "inf" => f64::INFINITY,
        "nan" => f64::NAN,
        _ => match bare.strip_prefix("0x") {
            #[allow(clippy::cast_precision_loss, reason = "a float is what is due")]
            Some(digits) => u64::from_str_radix(digits, 16).ok()? as f64,
            None => bare.replace('_', "").parse::<f64>().ok()?,
        },
    };
    match text.len() - bare.len() {
        0 => Some(size),
        1 if text.starts_with('-') => Some(-size),
        1 => Some(size),
        _ => None,
    }
}

/// Reads an instant: seconds since 1970, or RFC 3339.
fn instant(node: &Node, reader: &mut Reader<'_, '_>) -> Option<Millis> {
    /// The last second of the year 9999.
    const SECONDS_MAX: f64 = 253_402_300_799.0;
    let text = reader.text(node)?;
    let seconds = text.parse::<f64>().ok().filter(|seconds| seconds.abs() <= SECONDS_MAX);
    #[allow(clippy::cast_possible_truncation, reason = "its size was looked at")]
    let found = match seconds {
        Some(seconds) => Some((seconds * 1000.0).round() as Millis),
        None => text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond),
    };
    if found.is_none() {
        let message = format!("{text:?} is no instant");
        reader
            .out
            .error(Code::BadDate, &node.place, message)
            .help("write seconds since 1970, or RFC 3339: 2026-11-25T09:00:00Z");
    }
    found
}

fn series_labels(node: &Node, reader: &mut Reader<'_, '_>) -> Option<Labels> {
    let text = reader.text(node)?.trim();
    if text.is_empty() {
        return Some(Labels::empty());
    }
    match parse_labels(text) {
        Ok(labels) => Some(labels),
        Err(error) => {
            let place = inside(node, error.span, &reader.source.text);
            reader.out.error(Code::BadPromql, &place, error.message).help = error.help;
            None
        }
    }
}

fn labels(node: &Node, reader: &mut Reader<'_, '_>) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for Entry { key, node } in reader.map(node).unwrap_or_default() {
        let text = reader.text(node).unwrap_or_default();
        pairs.push((key.text.clone(), text.to_owned()));
    }
    pairs
}

fn texts(node: Option<&Node>, reader: &mut Reader<'_, '_>) -> Patterns {
    let items = node.map(|node| reader.list(node)).unwrap_or_default();
    let mut texts = Vec::with_capacity(items.len());
    for item in items {
        texts.extend(reader.filled(item).map(|text| (text.to_owned(), item.place.clone())));
    }
    texts
}

fn length(fields: &Fields<'_>, name: &str, reader: &mut Reader<'_, '_>) -> Option<Duration> {
    fields.node(name).and_then(|node| reader.duration(node))
}

fn flag(fields: &Fields<'_>, name: &str, reader: &mut Reader<'_, '_>) -> bool {
    let Some(node) = fields.node(name) else { return false };
    match reader.text(node) {
        Some("true" | "True" | "TRUE" | "yes" | "on") => true,
        Some("false" | "False" | "FALSE" | "no" | "off") | None => false,
        Some(_) => {
            reader.out.error(Code::WrongType, &node.place, "true or false is due here");
            false
        }
    }
}

fn require<'a>(
    fields: &Fields<'a>,
    name: &str,
    help: &str,
    reader: &mut Reader<'_, '_>,
) -> Option<&'a Node> {
    let node = fields.node(name);
    if node.is_none() {
        reader.missing(fields.place, &format!("there is no {name:?}"), help);
    }
    node
}

/// Takes a map; nothing at all is a map without entries.
fn fields_of<'a>(
    node: &'a Node,
    what: &str,
    known: &[&'static str],
    reader: &mut Reader<'_, '_>,
) -> Fields<'a> {
    let entries = match &node.kind {
        Kind::Null => &[],
        Kind::Text(_) | Kind::List(_) | Kind::Map(_) => reader.map(node).unwrap_or_default(),
    };
    reader.fields(node, entries, what, known, None)
}

#[cfg(test)]
mod tests;
