//! Fake targets: what a program would answer to a scrape, written as series of a test.
//!
//! Renders real exposition text, so that the real parser reads it. Keeps no state but whether the
//! target answers at all; a step has the same body whenever it is asked for.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use watchbell_metrics::label::{Labels, METRIC_NAME};
use watchbell_metrics::promql::notation::Point;

/// The labels by which a series says which target it comes from.
const TARGET_LABELS: [&str; 2] = ["job", "instance"];
/// Endings by which the names of counters are known.
const COUNTER_ENDINGS: [&str; 4] = ["_total", "_bucket", "_count", "_sum"];

/// One series as a test writes it.
#[derive(Clone, Debug, PartialEq)]
pub struct FakeSeries {
    /// Its labels, metric name, `job` and `instance` included.
    pub labels: Labels,
    /// One point for each step.
    pub points: Vec<Point>,
}

/// One simulated program under watch.
#[derive(Clone, Debug)]
pub struct FakeTarget {
    /// `job` and `instance`, as far as its series name them.
    pub labels: Labels,
    /// Whether scrapes of it fail.
    pub down: bool,
    lines: Vec<Line>,
}

/// One line of the body: `name{a="b"}` and its values.
#[derive(Clone, Debug)]
struct Line {
    metric: String,
    head: String,
    points: Vec<Point>,
}

impl FakeTarget {
    /// Groups series into targets by `job` and `instance`; those without `job` form one target
    /// without labels.
    #[must_use]
    pub fn group(series: &[FakeSeries]) -> Vec<Self> {
        let mut targets: BTreeMap<Labels, Vec<Line>> = BTreeMap::new();
        for one in series {
            let named = one.labels.get("job").is_some();
            let own = if named { one.labels.keep(&TARGET_LABELS) } else { Labels::empty() };
            let rest = if named { one.labels.without(&TARGET_LABELS) } else { one.labels.clone() };
            targets.entry(own).or_default().push(Line {
                metric: rest.get(METRIC_NAME).unwrap_or_default().to_owned(),
                head: head(&rest),
                points: one.points.clone(),
            });
        }
        targets
            .into_iter()
            .map(|(labels, mut lines)| {
                lines.sort_by(|left, right| left.metric.cmp(&right.metric));
                Self { labels, down: false, lines }
            })
            .collect()
    }

    /// Returns the body at a step; none once every series has passed its last point, because
    /// nothing was said about the target from there on.
    #[must_use]
    pub fn body(&self, step: usize) -> Option<String> {
        if self.lines.iter().all(|line| line.points.len() <= step) {
            return None;
        }
        let mut body = String::new();
        let mut metric = "";
        for line in &self.lines {
            if metric != line.metric {
                metric = &line.metric;
                let counter = COUNTER_ENDINGS.iter().any(|ending| metric.ends_with(ending));
                let kind = if counter { "counter" } else { "gauge" };
                // Writing to a string cannot fail.
                let _written = writeln!(body, "# TYPE {metric} {kind}");
            }
            match line.points.get(step) {
                Some(Point::Value(value)) => {
                    let _written = writeln!(body, "{} {}", line.head, number(*value));
                }
                Some(Point::Missing | Point::Stale) | None => {}
            }
        }
        Some(body)
    }
}

fn head(labels: &Labels) -> String {
    let mut head = labels.get(METRIC_NAME).unwrap_or_default().to_owned();
    let rest = labels.without(&[METRIC_NAME]);
    let pairs: Vec<String> =
        rest.iter().map(|(name, value)| format!("{name}=\"{}\"", escape(value))).collect();
    if !pairs.is_empty() {
        head.push('{');
        head.push_str(&pairs.join(","));
        head.push('}');
    }
    head
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn number(value: f64) -> String {
    if value.is_finite() {
        return format!("{value}");
    }
    match (value.is_nan(), value > 0.0) {
        (true, _) => "NaN".to_owned(),
        (false, true) => "+Inf".to_owned(),
        (false, false) => "-Inf".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_of_one_job_and_instance_are_one_target_with_real_text() {
        let targets = FakeTarget::group(&[
            series(&[("__name__", "up_total"), ("job", "a"), ("x", "q\"\\")], &[1.0, 2.5]),
            series(&[("__name__", "free"), ("job", "a")], &[f64::INFINITY]),
            series(&[("__name__", "lone"), ("instance", "i")], &[3.0]),
        ]);
        assert_eq!(targets.len(), 2);
        let lone = targets.iter().find(|target| target.labels.is_empty()).unwrap();
        assert_eq!(lone.body(0).unwrap(), "# TYPE lone gauge\nlone{instance=\"i\"} 3\n");
        let named = targets.iter().find(|target| !target.labels.is_empty()).unwrap();
        assert_eq!(named.labels, Labels::from_pairs([("job", "a")]));
        assert_eq!(
            named.body(0).unwrap(),
            "# TYPE free gauge\nfree +Inf\n# TYPE up_total counter\nup_total{x=\"q\\\"\\\\\"} 1\n"
        );
    }

    #[test]
    fn a_missing_point_is_absent_and_past_the_last_point_nothing_is_said() {
        let mut one = series(&[("__name__", "a"), ("job", "j")], &[1.0]);
        one.points.extend([Point::Missing, Point::Stale]);
        let target = FakeTarget::group(&[one]).remove(0);
        assert_eq!(target.body(1).unwrap(), "# TYPE a gauge\n");
        assert_eq!(target.body(2).unwrap(), "# TYPE a gauge\n");
        assert_eq!(target.body(3), None);
    }

    fn series(labels: &[(&str, &str)], values: &[f64]) -> FakeSeries {
        FakeSeries {
            labels: Labels::from_pairs(labels.iter().copied()),
            points: values.iter().map(|value| Point::Value(*value)).collect(),
        }
    }
}
