//! One evaluation of one rule: series in, readings out; no state between evaluations.
//!
//! What is not a number is no data, and so is a ratio without events: both give no reading.

use std::collections::{BTreeMap, BTreeSet};

use crate::label::{ALERT_NAME, Labels, METRIC_NAME};
use crate::promql::{self, Expr, Options, Value};
use crate::rule::group::{Imported, Sighting, severity_level};
use crate::rule::{Evidence, Reading, Rule, RuleKind, RuleReadings, SEVERITY};
use crate::sample::{Millis, Source};
use crate::template::Subject;

/// Evaluates a rule at one time. A fault is data: it never panics and never loses the others.
#[must_use]
pub fn evaluate(rule: &Rule, source: &dyn Source, at: Millis, options: &Options) -> RuleReadings {
    // A counter that appears counts from zero in our own rules; imported ones keep their meaning.
    let counters_from_zero = rule.policy.kind == RuleKind::Own;
    let options = Options { counters_from_zero, ..*options };
    let outcome = match &rule.imported {
        Some(imported) => imported_readings(rule, imported, source, at, &options),
        None => readings(rule, source, at, &options),
    };
    RuleReadings { rule: rule.policy.name.clone(), at, outcome }
}

fn readings(
    rule: &Rule,
    source: &dyn Source,
    at: Millis,
    options: &Options,
) -> Result<Vec<Reading>, String> {
    let values = vector(&rule.value, source, at, options)?;
    let evidence = match &rule.evidence {
        Some((bad, total)) => {
            let total = by_labels(vector(total, source, at, options)?);
            by_labels(vector(bad, source, at, options)?)
                .into_iter()
                .map(|(labels, bad)| {
                    let total = total.get(&labels).copied().unwrap_or_default();
                    (labels, Evidence { bad, total })
                })
                .collect()
        }
        None => BTreeMap::new(),
    };
    let mut readings: Vec<Reading> = Vec::with_capacity(values.len());
    for (labels, value) in values {
        // A quantile without traffic is not a number: that is no data, not a good reading.
        if value.is_nan() {
            continue;
        }
        let evidence = evidence.get(&labels).copied();
        readings.push(reading(rule, &labels, value, evidence));
    }
    unique(readings)
}

/// Every series is a reading, whatever its value.
fn imported_readings(
    rule: &Rule,
    imported: &Imported,
    source: &dyn Source,
    at: Millis,
    options: &Options,
) -> Result<Vec<Reading>, String> {
    let sightings = sightings(rule, imported, source, at, options)?;
    let is_own = imported.has_own_severities();
    let reading = |sighting: Sighting| {
        let level = is_own.then(|| severity_level(sighting.labels.get(SEVERITY)));
        Reading { level, ..sighting.into_reading() }
    };
    unique(sightings.into_iter().map(reading).collect())
}

/// Evaluates an alert of a Prometheus file at one time; gives one sighting for each series.
///
/// # Errors
/// The expression cannot be evaluated, gives more than the group's limit, or gives two series that
/// are one alert.
pub fn sightings(
    rule: &Rule,
    imported: &Imported,
    source: &dyn Source,
    at: Millis,
    options: &Options,
) -> Result<Vec<Sighting>, String> {
    let group = &imported.group;
    let offset = Millis::try_from(group.query_offset.as_millis()).unwrap_or(Millis::MAX);
    let values = vector(&rule.value, source, at.saturating_sub(offset), options)?;
    if 0 < group.limit && group.limit < values.len() {
        let (limit, count) = (group.limit, values.len());
        return Err(format!("exceeded limit of {limit} with {count} alerts"));
    }
    // The offset is the rule's; what its templates ask is of now.
    let query = |text: &str| {
        let expr = promql::parse(text).map_err(|error| error.to_string())?;
        vector(&expr, source, at, options)
    };
    let name = rule.policy.name.as_str();
    let mut seen = BTreeSet::new();
    let mut sightings = Vec::with_capacity(values.len());
    for (found, value) in values {
        let sighting = imported.sighting(name, &found, value, at, &query);
        if !seen.insert(sighting.labels.clone()) {
            return Err(format!(
                "two results have the same labels {} after the alert's labels were applied",
                sighting.labels
            ));
        }
        sightings.push(sighting);
    }
    Ok(sightings)
}

fn unique(mut readings: Vec<Reading>) -> Result<Vec<Reading>, String> {
    readings.sort_by(|left, right| left.labels.cmp(&right.labels));
    if let Some(pair) = readings.windows(2).find(|pair| pair[0].labels == pair[1].labels) {
        return Err(format!(
            "two results have the same labels {}; aggregate them with `by`",
            pair[0].labels
        ));
    }
    Ok(readings)
}

fn reading(rule: &Rule, found: &Labels, value: f64, evidence: Option<Evidence>) -> Reading {
    let name = rule.policy.name.as_str();
    let plain = found.without(&[METRIC_NAME]);
    let level = match rule.policy.kind {
        RuleKind::Own => rule.policy.bounds_for(&plain).level(value),
        RuleKind::Prometheus(level) => level,
    };
    let subject = Subject { labels: &plain, value, rule: name, level: level.as_str() };
    let own = rule.labels.iter().map(|(name, template)| (name.clone(), template.render(&subject)));
    let labels = Labels::from_pairs(
        plain
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .chain(own)
            .filter(|(name, _)| name != SEVERITY)
            .chain([(ALERT_NAME.to_owned(), name.to_owned())]),
    );
    // Which readings are told of is the paging crate's business (hysteresis, recovery), so each
    // has its summary.
    let summary = rule.summary.as_ref().map(|template| {
        let subject = Subject { labels: &labels, ..subject };
        template.render(&subject)
    });
    Reading { labels, value, evidence, level: None, summary, annotations: Vec::new() }
}

fn vector(
    expr: &Expr,
    source: &dyn Source,
    at: Millis,
    options: &Options,
) -> Result<Vec<(Labels, f64)>, String> {
    let evaluated =
        promql::eval_instant(expr, source, at, options).map_err(|error| error.to_string())?;
    match evaluated.value {
        Value::Scalar(value) => Ok(vec![(Labels::empty(), value)]),
        Value::Vector(samples) => {
            Ok(samples.into_iter().map(|sample| (sample.labels, sample.value)).collect())
        }
        Value::String(_) | Value::Matrix(_) => Err("the expression gives no vector".to_owned()),
    }
}

fn by_labels(samples: Vec<(Labels, f64)>) -> BTreeMap<Labels, f64> {
    samples.into_iter().collect()
}
