//! Lowering: the one function that turns a typed rule into PromQL.
//!
//! Works on text, so that what runs is exactly what `explain` prints. Decides nothing: bounds and
//! holds are the policy's.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::label::{Quoted, is_plain_name};
use crate::promql::{self, Expr};
use crate::rule::{OverTime, Rule, RuleSource, RuleSpec};
use crate::template::Template;

const SHORT_WINDOW: Duration = Duration::from_secs(5 * 60);
const LONG_WINDOW: Duration = Duration::from_secs(6 * 3600);
/// The default identity of rules that sum: the scrape's job, and the service where it has one.
const DEFAULT_BY: &str = "job, service";
/// Longer windows are mistakes.
const WINDOW_MAX: Duration = Duration::from_secs(366 * 86_400);

/// Which text of a rule was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// `ratio.bad`
    Bad,
    /// `ratio.total`
    Total,
    /// The selector of every other typed source.
    Of,
    /// `expr`
    Expr,
    /// `summary`
    Summary,
    /// The label at this position.
    Label(usize),
}

/// Why a rule cannot be lowered, in the coordinates of the text that was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct LowerError {
    /// Which text.
    pub part: Part,
    /// Where in it, in bytes.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

/// Lowers a rule to PromQL and checks every text in it.
///
/// # Errors
/// Gives every fault of the rule, each with its part and place.
pub fn lower(spec: RuleSpec) -> Result<Rule, Vec<LowerError>> {
    let mut errors = Vec::new();
    let window = spec.window.unwrap_or_else(|| default_window(&spec.source));
    let by = grouping(&spec, &mut errors);
    check_window(&spec.source, window, &mut errors);
    let text = write(&spec.source, window, by.as_deref(), &mut errors);
    let summary = take(template(spec.summary.as_deref(), Part::Summary), &mut errors).flatten();
    let mut labels = Vec::with_capacity(spec.labels.len());
    for (index, (name, value)) in spec.labels.iter().enumerate() {
        let parsed = take(template(Some(value), Part::Label(index)), &mut errors).flatten();
        labels.extend(parsed.map(|parsed| (name.clone(), parsed)));
    }
    let Some(text) = text.filter(|_| errors.is_empty()) else { return Err(errors) };
    let value = whole(&text.value)?;
    let evidence = match &text.evidence {
        Some((bad, total)) => Some((whole(bad)?, whole(total)?)),
        None => None,
    };
    let mut policy = spec.policy.clone();
    policy.query = text.value;
    policy.window =
        if matches!(spec.source, RuleSource::Expr(_)) { Duration::ZERO } else { window };
    Ok(Rule { policy: Arc::new(policy), value, evidence, labels, summary, spec, imported: None })
}

fn default_window(source: &RuleSource) -> Duration {
    match source {
        RuleSource::Growth { .. } | RuleSource::Forecast { .. } => LONG_WINDOW,
        RuleSource::Ratio { .. }
        | RuleSource::Quantile { .. }
        | RuleSource::Rate(_)
        | RuleSource::OverTime { .. }
        | RuleSource::Expr(_) => SHORT_WINDOW,
    }
}

struct Lowered {
    value: String,
    /// The bad and all events behind a ratio.
    evidence: Option<(String, String)>,
}

/// The text that names what a rule asks, where a fault belongs to the rule as a whole.
fn main_part(source: &RuleSource) -> (Part, &str) {
    match source {
        RuleSource::Ratio { total, .. } => (Part::Total, total),
        RuleSource::Quantile { of, .. }
        | RuleSource::Rate(of)
        | RuleSource::OverTime { of, .. }
        | RuleSource::Growth { of }
        | RuleSource::Forecast { of, .. } => (Part::Of, of),
        RuleSource::Expr(text) => (Part::Expr, text),
    }
}

fn whole_fault(source: &RuleSource, message: &str, help: &str) -> LowerError {
    let (part, text) = main_part(source);
    let (message, help) = (message.to_owned(), Some(help.to_owned()));
    LowerError { part, span: 0..text.len(), message, help }
}

/// The labels of `by`, as PromQL writes them.
fn grouping(spec: &RuleSpec, errors: &mut Vec<LowerError>) -> Option<String> {
    let by = spec.by.as_ref()?;
    if by.iter().any(String::is_empty) {
        errors.push(whole_fault(&spec.source, "`by` holds an empty label name", "leave it out"));
    }
    Some(names(by))
}

fn names(labels: &[String]) -> String {
    let quoted = labels
        .iter()
        .map(|label| if is_plain_name(label) { label.clone() } else { Quoted(label).to_string() });
    quoted.collect::<Vec<String>>().join(", ")
}

fn check_window(source: &RuleSource, window: Duration, errors: &mut Vec<LowerError>) {
    if matches!(source, RuleSource::Expr(_)) {
        return;
    }
    if window.as_millis() == 0 {
        errors.push(whole_fault(source, "the window must last", "write a window such as 5m"));
    }
    if WINDOW_MAX < window {
        errors.push(whole_fault(source, "the window is longer than a year", "shorten it"));
    }
}

/// Writes a rule as PromQL, from selectors that were read and are written anew: a comment or a
/// line break in one cannot spoil what stands around it.
fn write(
    source: &RuleSource,
    window: Duration,
    by: Option<&str>,
    errors: &mut Vec<LowerError>,
) -> Option<Lowered> {
    let w = promql_duration(window);
    let sum = format!("sum by ({})", by.unwrap_or(DEFAULT_BY));
    let plain = |value: String| Some(Lowered { value, evidence: None });
    match source {
        RuleSource::Ratio { bad, total } => {
            let bad = take(selector(bad, Part::Bad), errors);
            let total = take(selector(total, Part::Total), errors);
            let (bad, total) = bad.zip(total)?;
            let all = format!("{sum} (increase({total}[{w}]))");
            let bad = format!("({sum} (increase({bad}[{w}])) or 0 * {all})");
            let value = format!("{bad} / ({all} > 0)");
            Some(Lowered { value, evidence: Some((bad, all)) })
        }
        RuleSource::Quantile { q, of } => {
            let of = take(selector(of, Part::Of), errors)?;
            let Some(buckets) = of.with_suffix("_bucket") else {
                let help = "write it before the braces: http_request_duration_seconds{…}";
                errors.push(whole_fault(source, "a quantile needs the histogram's name", help));
                return None;
            };
            let by = match by.unwrap_or(DEFAULT_BY) {
                "" => "le".to_owned(),
                by => format!("{by}, le"),
            };
            plain(format!("histogram_quantile({q}, sum by ({by}) (rate({buckets}[{w}])))"))
        }
        RuleSource::Rate(of) => {
            let of = take(selector(of, Part::Of), errors)?;
            plain(format!("{sum} (rate({of}[{w}]))"))
        }
        RuleSource::OverTime { function, of } => {
            let of = take(selector(of, Part::Of), errors)?;
            let (aggregate, name) = match function {
                OverTime::Mean => ("avg", "avg_over_time"),
                OverTime::Max => ("max", "max_over_time"),
                OverTime::Min => ("min", "min_over_time"),
                OverTime::Sum => ("sum", "sum_over_time"),
            };
            plain(aggregated(aggregate, by, format!("{name}({of}[{w}])")))
        }
        RuleSource::Growth { of } => {
            let of = take(selector(of, Part::Of), errors)?;
            plain(aggregated("max", by, format!("growth_per_hour({of}[{w}])")))
        }
        RuleSource::Forecast { of, reach } => {
            let of = take(selector(of, Part::Of), errors)?;
            plain(aggregated("min", by, forecast(&of.to_string(), &w, *reach)))
        }
        RuleSource::Expr(text) => {
            take(expression(text), errors)?;
            plain(text.clone())
        }
    }
}

/// Seconds until the trend is there; 0 where it stands there already. A trend that moves away, or
/// stands elsewhere, never arrives: a reading that is surely good.
fn forecast(of: &str, w: &str, reach: f64) -> String {
    let now = format!("predict_linear({of}[{w}], 0)");
    let slope = format!("deriv({of}[{w}])");
    format!("((({reach} - {now}) / {slope} >= 0) or 0 * ({now} == {reach}) or (0 * {slope} + Inf))")
}

fn aggregated(aggregate: &str, by: Option<&str>, inner: String) -> String {
    match by {
        Some(by) => format!("{aggregate} by ({by}) ({inner})"),
        None => inner,
    }
}

/// Writes the duration in one unit of PromQL: `5m`, `90s`, `1500ms`.
fn promql_duration(window: Duration) -> String {
    let ms = window.as_millis();
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)] {
        if ms != 0 && ms.is_multiple_of(size) {
            return format!("{}{unit}", ms / size);
        }
    }
    format!("{ms}ms")
}

fn selector(text: &str, part: Part) -> Result<Expr, LowerError> {
    let expr = promql::parse(text).map_err(|error| parse_fault(part, error))?;
    if expr.is_plain_selector() {
        return Ok(expr);
    }
    Err(LowerError {
        part,
        span: 0..text.len(),
        message: "a selector is due here, not an expression".to_owned(),
        help: Some(
            "write a metric with its labels, such as http_requests_total{code=~\"5..\"}; \
             for anything else use `expr`"
                .to_owned(),
        ),
    })
}

fn expression(text: &str) -> Result<(), LowerError> {
    let expr = promql::parse(text).map_err(|error| parse_fault(Part::Expr, error))?;
    match expr.value_type() {
        promql::ValueType::Vector | promql::ValueType::Scalar => Ok(()),
        promql::ValueType::Matrix | promql::ValueType::String => Err(LowerError {
            part: Part::Expr,
            span: 0..text.len(),
            message: format!("a rule needs a vector or a number, this is a {}", expr.value_type()),
            help: Some("wrap a range in a function such as rate(...)".to_owned()),
        }),
    }
}

fn template(text: Option<&str>, part: Part) -> Result<Option<Template>, LowerError> {
    text.map(Template::parse).transpose().map_err(|error| LowerError {
        part,
        span: error.span,
        message: error.message,
        help: error.help,
    })
}

/// Reads what was written here; only an expression that is close to a bound of its own can fail.
fn whole(text: &str) -> Result<Expr, Vec<LowerError>> {
    promql::parse(text).map_err(|error| vec![parse_fault(Part::Expr, error)])
}

fn parse_fault(part: Part, error: promql::ParseError) -> LowerError {
    LowerError { part, span: error.span, message: error.message, help: error.help }
}

fn take<T>(result: Result<T, LowerError>, errors: &mut Vec<LowerError>) -> Option<T> {
    result.map_err(|error| errors.push(error)).ok()
}
