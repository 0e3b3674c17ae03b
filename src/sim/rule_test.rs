//! Runs rule tests of Prometheus: series go in step by step, the rules are evaluated on them, and
//! alerts and expressions are compared with what the file expects.
//!
//! When what is evaluated and compared is as in `promtool test rules` of Prometheus 3: samples up
//! to the evaluated time are there and none after it; the alerts of a time are those of the last
//! evaluation before it; a rule that fails ends its test.

mod storage;
mod machine;
mod compare;
mod coverage;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use watchbell_config::diagnostic::Place;
use watchbell_config::load::CheckedTests;
use watchbell_config::rule_test::{AlertCase, ExpectedAlert, ExprCase, RuleTest, RuleTests};
use watchbell_metrics::label::Labels;
use watchbell_metrics::promql::notation::Point;
use watchbell_metrics::promql::{self, Options, Value};
use watchbell_metrics::rule::group::Group;
use watchbell_metrics::rule::state_series::AlertState;
use watchbell_metrics::sample::{Millis, stale_marker};

use self::compare::GotAlert;
pub use self::coverage::{Coverage, RuleCoverage};
use self::machine::Machine;
use crate::scenario::write_duration;

/// The most evaluations of one test.
const EVALUATIONS_MAX: u64 = 1_000_000;

/// What became of one test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestReport {
    /// Its name; `unnamed#2` for the third where it has none.
    pub name: String,
    /// Where it begins.
    pub place: Place,
    /// What did not hold.
    pub failures: Vec<Failure>,
    /// Expectations about native histograms, which were not looked at.
    pub skipped: usize,
    /// Expectations that were looked at.
    pub looked_at: usize,
}

/// What did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Where the expectation stands, or the test.
    pub place: Place,
    /// What it is about, in one line.
    pub what: String,
    /// Both sides, in lines of their own; empty where there is nothing to compare.
    pub sides: String,
}

/// Runs the tests whose names are wanted, and notes what they show of the rules. A test with a
/// fault of its own fails; what that is stands among the findings.
#[must_use]
pub fn run(
    checked: &CheckedTests,
    wanted: &dyn Fn(&str) -> bool,
    coverage: &mut Coverage,
) -> Vec<TestReport> {
    let Some(tests) = &checked.tests else { return Vec::new() };
    let mut groups = checked.groups.clone();
    // Groups that the order does not name come with the first, as they stand.
    groups.sort_by_key(|group| {
        tests.group_order.iter().position(|name| *name == group.name).unwrap_or_default()
    });
    coverage.know(&groups);
    let mut reports = Vec::new();
    for (index, test) in tests.tests.iter().enumerate() {
        if wanted(test.name.as_deref().unwrap_or_default()) {
            let name = test.name.clone().unwrap_or_else(|| format!("unnamed#{index}"));
            reports.push(Stage::new(name, test, tests, &groups).run(coverage));
        }
    }
    reports
}

/// One test under way.
struct Stage<'a> {
    test: &'a RuleTest,
    tests: &'a RuleTests,
    groups: Vec<Arc<Group>>,
    machine: Machine,
    /// What is still to be put in, by series.
    input: Vec<Input>,
    report: TestReport,
}

/// A series that is being put in.
#[derive(Debug)]
struct Input {
    labels: Labels,
    samples: Vec<(Millis, f64)>,
    /// How many are in.
    done: usize,
}

impl<'a> Stage<'a> {
    fn new(name: String, test: &'a RuleTest, tests: &'a RuleTests, groups: &[Arc<Group>]) -> Self {
        let with_external = |group: &Arc<Group>| {
            Arc::new(Group { external: Arc::clone(&test.external), ..Group::clone(group) })
        };
        let groups: Vec<Arc<Group>> = groups.iter().map(with_external).collect();
        let interval = millis(tests.evaluation_interval);
        let options = Options { subquery_step: interval.max(1), ..Options::default() };
        let (place, failures) = (test.place.clone(), Vec::new());
        Self {
            test,
            tests,
            machine: Machine::new(&groups, options),
            groups,
            input: input(test),
            report: TestReport { name, place, failures, skipped: 0, looked_at: 0 },
        }
    }

    fn run(mut self, coverage: &mut Coverage) -> TestReport {
        if self.test.faulty {
            self.fail(&self.test.place, "the test cannot be read", String::new());
            return self.report;
        }
        if self.evaluate_all() {
            for case in &self.test.exprs {
                self.look_at_expr(case);
            }
        }
        coverage.note(&self.groups, &self.machine, self.test);
        self.report
    }

    /// Evaluates from the start to the last expectation; false when a rule failed.
    fn evaluate_all(&mut self) -> bool {
        let step = millis(self.tests.evaluation_interval).max(1);
        let last = self.last();
        let mut due: BTreeMap<Millis, Vec<&'a AlertCase>> = BTreeMap::new();
        for case in &self.test.alerts {
            due.entry(millis(case.at).div_euclid(step)).or_default().push(case);
        }
        let count = last.div_euclid(step);
        if EVALUATIONS_MAX < count.unsigned_abs() {
            let what = format!(
                "the test needs {count} evaluations, more than {EVALUATIONS_MAX}; choose a longer \
                 evaluation_interval"
            );
            self.fail(&self.test.place, &what, String::new());
            return false;
        }
        for index in 0..=count {
            let passed = index.saturating_mul(step);
            let at = self.test.start.saturating_add(passed);
            self.load_until(at);
            if let Err(faults) = self.machine.evaluate(at) {
                for (rule, why) in faults {
                    let when = words(passed);
                    let what = format!("the rule {rule} failed at {when}: {why}");
                    self.fail(&self.test.place, &what, String::new());
                }
                return false;
            }
            for case in due.remove(&index).unwrap_or_default() {
                self.look_at_alerts(case);
            }
        }
        true
    }

    /// The time of the last expectation, counted from the start.
    fn last(&self) -> Millis {
        let alerts = self.test.alerts.iter().map(|case| case.at);
        let exprs = self.test.exprs.iter().map(|case| case.at);
        millis(alerts.chain(exprs).max().unwrap_or_default())
    }

    fn load_until(&mut self, at: Millis) {
        let mut faults = Vec::new();
        for input in &mut self.input {
            while let Some((when, value)) = input.samples.get(input.done).filter(|one| one.0 <= at)
            {
                input.done += 1;
                faults.extend(self.machine.storage.append(&input.labels, *when, *value).err());
            }
        }
        for why in faults {
            self.fail(&self.test.place, &why, String::new());
        }
    }

    fn look_at_alerts(&mut self, case: &AlertCase) {
        let lists: [(&str, AlertState, Option<&[ExpectedAlert]>); 2] = [
            ("firing", AlertState::Firing, Some(&case.firing)),
            ("pending", AlertState::Pending, case.pending.as_deref()),
        ];
        for (word, state, expected) in lists {
            let Some(expected) = expected else { continue };
            let got = self.machine.alerts(&case.alert, state).into_iter();
            let got = got.map(|(labels, active)| GotAlert {
                labels: labels.clone(),
                annotations: active.annotations.clone(),
            });
            self.report.looked_at += 1;
            if let Err(sides) = compare::alerts(expected, got.collect()) {
                let when = words(millis(case.at));
                let what = format!("alertname: {}, time: {when}, {word}", case.alert);
                self.fail(&case.place, &what, sides);
            }
        }
    }

    fn look_at_expr(&mut self, case: &ExprCase) {
        let Some(expected) = &case.samples else {
            self.report.skipped += 1;
            return;
        };
        self.report.looked_at += 1;
        let what = format!("expr: {:?}, time: {}", case.expr, words(millis(case.at)));
        let at = self.test.start.saturating_add(millis(case.at));
        match self.value_of(&case.expr, at) {
            Ok(got) => {
                let compared = compare::samples(expected, got, self.tests.fuzzy, case.partial);
                if let Err(sides) = compared {
                    self.fail(&case.place, &what, sides);
                }
            }
            Err(why) => self.fail(&case.place, &format!("{what}: {why}"), String::new()),
        }
    }

    fn value_of(&self, text: &str, at: Millis) -> Result<Vec<(Labels, f64)>, String> {
        let expr = promql::parse(text).map_err(|error| error.to_string())?;
        let step = millis(self.tests.evaluation_interval).max(1);
        let options = Options { subquery_step: step, ..Options::default() };
        let evaluated = promql::eval_instant(&expr, &self.machine.storage, at, &options)
            .map_err(|error| error.to_string())?;
        match evaluated.value {
            Value::Scalar(value) => Ok(vec![(Labels::empty(), value)]),
            Value::Vector(samples) => {
                Ok(samples.into_iter().map(|sample| (sample.labels, sample.value)).collect())
            }
            Value::String(_) | Value::Matrix(_) => Err("the result is no vector".to_owned()),
        }
    }

    fn fail(&mut self, place: &Place, what: &str, sides: String) {
        let failure = Failure { place: place.clone(), what: what.to_owned(), sides };
        self.report.failures.push(failure);
    }
}

/// Returns the series of a test; of those with the same labels the last one counts.
fn input(test: &RuleTest) -> Vec<Input> {
    let interval = millis(test.interval);
    let mut series: BTreeMap<Labels, Input> = BTreeMap::new();
    for one in &test.series {
        let times =
            (0..).map(|index: Millis| test.start.saturating_add(index.saturating_mul(interval)));
        let points = one.points.iter().flatten();
        let samples = times.zip(points).filter_map(|(at, point)| match point {
            Point::Value(value) => Some((at, *value)),
            Point::Stale => Some((at, stale_marker())),
            Point::Missing => None,
        });
        let input = Input { labels: one.labels.clone(), samples: samples.collect(), done: 0 };
        series.insert(one.labels.clone(), input);
    }
    series.into_values().collect()
}

fn millis(length: Duration) -> Millis {
    Millis::try_from(length.as_millis()).unwrap_or(Millis::MAX)
}

fn words(passed: Millis) -> String {
    write_duration(Duration::from_millis(passed.unsigned_abs()))
}

#[cfg(test)]
mod tests;
