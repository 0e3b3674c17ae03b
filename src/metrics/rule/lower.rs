//! Lowering: the one function that turns a typed rule into PromQL.
//!
//! Works on text, so that what runs is exactly what `explain` prints.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::promql::{self, Expr};
use crate::rule::{OverTime, Rule, RuleSource, RuleSpec};
use crate::template::Template;

const SHORT_WINDOW: Duration = Duration::from_secs(5 * 60);
const LONG_WINDOW: Duration = Duration::from_secs(6 * 3600);
/// The default identity of rules that sum: the scrape's job, and the service where it has one.
const DEFAULT_BY: [&str; 2] = ["job", "service"];

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
    check_selectors(&spec.source, &mut errors);
    let summary = take(template(spec.summary.as_deref(), Part::Summary), &mut errors).flatten();
    let mut labels = Vec::with_capacity(spec.labels.len());
    for (index, (name, value)) in spec.labels.iter().enumerate() {
        let parsed = take(template(Some(value), Part::Label(index)), &mut errors).flatten();
        labels.extend(parsed.map(|parsed| (name.clone(), parsed)));
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let window = spec.window.unwrap_or_else(|| default_window(&spec.source));
    let text = write(&spec.source, window, spec.by.as_deref());
    let value = whole(&text.value).map_err(|error| vec![error])?;
    let bad = text.bad.as_deref().map(whole).transpose().map_err(|error| vec![error])?;
    let total = text.total.as_deref().map(whole).transpose().map_err(|error| vec![error])?;
    let mut policy = spec.policy.clone();
    policy.query = text.value;
    policy.window =
        if matches!(spec.source, RuleSource::Expr(_)) { Duration::ZERO } else { window };
    Ok(Rule { policy: Arc::new(policy), value, evidence: bad.zip(total), labels, summary, spec })
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
    bad: Option<String>,
    total: Option<String>,
}

fn write(source: &RuleSource, window: Duration, by: Option<&[String]>) -> Lowered {
    let w = promql_duration(window);
    let sum = format!("sum by ({})", by.map_or_else(|| DEFAULT_BY.join(", "), |by| by.join(", ")));
    let plain = |value: String| Lowered { value, bad: None, total: None };
    match source {
        RuleSource::Ratio { bad, total } => {
            let all = format!("{sum} (increase({total}[{w}]))");
            let bad = format!("({sum} (increase({bad}[{w}])) or 0 * {all})");
            Lowered { value: format!("{bad} / ({all} > 0)"), bad: Some(bad), total: Some(all) }
        }
        RuleSource::Quantile { q, of } => {
            let mut labels =
                by.map_or_else(|| DEFAULT_BY.map(str::to_owned).to_vec(), <[_]>::to_vec);
            labels.push("le".to_owned());
            let buckets = with_suffix(of, "_bucket");
            let by = labels.join(", ");
            plain(format!("histogram_quantile({q}, sum by ({by}) (rate({buckets}[{w}])))"))
        }
        RuleSource::Rate(of) => plain(format!("{sum} (rate({of}[{w}]))")),
        RuleSource::OverTime { function, of } => {
            let (aggregate, name) = match function {
                OverTime::Mean => ("avg", "avg_over_time"),
                OverTime::Max => ("max", "max_over_time"),
                OverTime::Min => ("min", "min_over_time"),
                OverTime::Sum => ("sum", "sum_over_time"),
            };
            plain(aggregated(aggregate, by, format!("{name}({of}[{w}])")))
        }
        RuleSource::Growth { of } => {
            plain(aggregated("max", by, format!("growth_per_hour({of}[{w}])")))
        }
        RuleSource::Forecast { of, reach } => {
            let slope = format!("deriv({of}[{w}])");
            let left = format!("(({reach} - predict_linear({of}[{w}], 0)) / {slope} >= 0)");
            // A trend that moves away, or stands, never arrives: a reading that is surely good.
            plain(aggregated("min", by, format!("({left} or (0 * {slope} + Inf))")))
        }
        RuleSource::Expr(text) => plain(text.clone()),
    }
}

fn aggregated(aggregate: &str, by: Option<&[String]>, inner: String) -> String {
    match by {
        Some(by) => format!("{aggregate} by ({}) ({inner})", by.join(", ")),
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

fn with_suffix(selector: &str, suffix: &str) -> String {
    let name: String = selector
        .trim_start()
        .chars()
        .take_while(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '_' | ':'))
        .collect();
    let rest = selector.trim_start().strip_prefix(name.as_str()).unwrap_or_default();
    format!("{name}{suffix}{rest}")
}

fn check_selectors(source: &RuleSource, errors: &mut Vec<LowerError>) {
    match source {
        RuleSource::Ratio { bad, total } => {
            errors.extend(selector(bad, Part::Bad).err());
            errors.extend(selector(total, Part::Total).err());
        }
        RuleSource::Quantile { of, .. } => {
            errors.extend(selector(of, Part::Of).err());
            if of.trim_start().starts_with('{') {
                errors.push(LowerError {
                    part: Part::Of,
                    span: 0..of.len(),
                    message: "a quantile needs the histogram's name".to_owned(),
                    help: Some(
                        "write it before the braces: http_request_duration_seconds{…}".to_owned(),
                    ),
                });
            }
        }
        RuleSource::Rate(of)
        | RuleSource::OverTime { of, .. }
        | RuleSource::Growth { of }
        | RuleSource::Forecast { of, .. } => errors.extend(selector(of, Part::Of).err()),
        RuleSource::Expr(text) => errors.extend(expression(text).err()),
    }
}

fn selector(text: &str, part: Part) -> Result<(), LowerError> {
    let expr = promql::parse(text).map_err(|error| parse_fault(part, error))?;
    if expr.is_plain_selector() {
        return Ok(());
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

fn whole(text: &str) -> Result<Expr, LowerError> {
    promql::parse(text).map_err(|error| parse_fault(Part::Expr, error))
}

fn parse_fault(part: Part, error: promql::ParseError) -> LowerError {
    LowerError { part, span: error.span, message: error.message, help: error.help }
}

fn take<T>(result: Result<T, LowerError>, errors: &mut Vec<LowerError>) -> Option<T> {
    result.map_err(|error| errors.push(error)).ok()
}
