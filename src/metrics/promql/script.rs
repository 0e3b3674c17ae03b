//! Runs promqltest scripts, the format of Prometheus's own PromQL tests.
//!
//! One `eval` command is one case. A passing instant case is run again, pinned with `@` at other
//! times and as the middle of a range query, as Prometheus's runner does. Cases that touch native
//! histograms or use experimental syntax are skipped, and nothing else is. Reads no file.

pub(crate) mod command;
mod compare;
mod experimental;
mod memory;
mod pin;

use crate::label::{Labels, METRIC_NAME};
use crate::promql::script::command::{Case, Command, Expected, Load, When};
pub(crate) use crate::promql::script::memory::Memory;
use crate::promql::{
    EvalError, Evaluated, Expr, MatrixSeries, Options, Value, VectorSample, eval_instant,
    eval_range, parse,
};
use crate::sample::Millis;

/// Around an instant case: the range query from a minute before to a minute after.
const MINUTE: Millis = 60_000;
/// Where else a pinned case is evaluated, as differences to its own time.
const OTHER_TIMES: [Millis; 5] = [-3_600_000, -MINUTE, 17 * MINUTE, 3_600_000, 86_400_000];

/// What a script showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Cases that passed.
    pub passed: usize,
    /// Cases that failed, and lines that could not be read.
    pub failed: Vec<Failure>,
    /// Cases that need native histograms or experimental syntax.
    pub skipped: usize,
}

/// One case that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The line of the command, from 1.
    pub line: usize,
    /// What differs.
    pub message: String,
}

/// Runs a script.
#[must_use]
pub fn run(text: &str) -> Report {
    let mut report = Report::default();
    let mut state = State::default();
    for (line, command) in command::parse(text) {
        let outcome = match command {
            Err(message) => Err(message),
            Ok(Command::Clear) => {
                state = State::default();
                continue;
            }
            Ok(Command::Load(load)) => match state.load(&load) {
                Ok(()) => continue,
                Err(message) => Err(message),
            },
            Ok(Command::Eval(case)) => state.eval(&case),
        };
        match outcome {
            Ok(Outcome::Passed) => report.passed += 1,
            Ok(Outcome::Skipped) => report.skipped += 1,
            Err(message) => report.failed.push(Failure { line, message }),
        }
    }
    report
}

enum Outcome {
    Passed,
    Skipped,
}

/// What was loaded since the last `clear`.
#[derive(Debug, Default)]
struct State {
    floats: Memory,
    /// Labels of the series that hold native histograms, which are not read.
    native: Vec<Labels>,
}

impl State {
    fn load(&mut self, load: &Load) -> Result<(), String> {
        self.native.extend(load.native.iter().cloned());
        self.floats.load(load.step, &load.series)
    }

    fn eval(&self, case: &Case) -> Result<Outcome, String> {
        if case.native || experimental::is_used(&case.expression) {
            return Ok(Outcome::Skipped);
        }
        let expr = match parse(&case.expression) {
            Ok(expr) => expr,
            Err(_) if self.names_native(&case.expression) => return Ok(Outcome::Skipped),
            Err(error) => return failed(case, &error.message),
        };
        let touches = expr.selectors().iter().any(|selector| {
            self.native
                .iter()
                .any(|labels| selector.matchers.iter().all(|matcher| matcher.matches(labels)))
        });
        if touches {
            return Ok(Outcome::Skipped);
        }
        match case.when {
            When::Instant(at) => self.instant(case, &expr, at),
            When::Range { from, to, step } => {
                match eval_range(&expr, &self.floats, from..=to, step, &Options::default()) {
                    Ok(evaluated) => {
                        accept(case, &evaluated)?;
                        Ok(Outcome::Passed)
                    }
                    Err(error) => failed(case, &error.message),
                }
            }
        }
    }

    /// Tells whether a text that is no expression speaks of a native histogram.
    fn names_native(&self, text: &str) -> bool {
        let mut words = text.split(|letter: char| !(letter.is_alphanumeric() || letter == '_'));
        words.any(|word| self.native.iter().any(|labels| labels.get(METRIC_NAME) == Some(word)))
    }

    fn instant(&self, case: &Case, expr: &Expr, at: Millis) -> Result<Outcome, String> {
        match self.at(expr, at) {
            Ok(evaluated) => accept(case, &evaluated)?,
            Err(error) => return failed(case, &error.message),
        }
        for other in OTHER_TIMES {
            let Some(pinned) = pin::pinned(expr, at) else { break };
            let evaluated = self.at(&pinned, at + other).map_err(|error| error.message);
            evaluated.and_then(|evaluated| compare::value(case, &evaluated.value)).map_err(
                |message| format!("pinned with @ and evaluated {other} ms away: {message}"),
            )?;
        }
        if pin::moves_with_the_range(expr) || !compare::can_be_a_range(case) {
            return Ok(Outcome::Passed);
        }
        self.middle(expr, at)
            .and_then(|value| compare::value(case, &value))
            .map_err(|message| format!("as the middle of a range query: {message}"))?;
        Ok(Outcome::Passed)
    }

    fn at(&self, expr: &Expr, at: Millis) -> Result<Evaluated, EvalError> {
        eval_instant(expr, &self.floats, at, &Options::default())
    }

    /// The instant value at `at`, taken out of a range query.
    fn middle(&self, expr: &Expr, at: Millis) -> Result<Value, String> {
        let range = at - MINUTE..=at + MINUTE;
        let evaluated = eval_range(expr, &self.floats, range, MINUTE, &Options::default())
            .map_err(|error| error.message)?;
        let Value::Matrix(series) = evaluated.value else {
            return Err("no matrix came".to_owned());
        };
        let pick = |one: MatrixSeries| {
            let sample = one.samples.into_iter().find(|sample| sample.at == at)?;
            Some(VectorSample { labels: one.labels, value: sample.value })
        };
        let vector: Vec<VectorSample> = series.into_iter().filter_map(pick).collect();
        Ok(match (expr.value_type(), vector.as_slice()) {
            (crate::promql::ValueType::Scalar, [only]) => Value::Scalar(only.value),
            (_, _) => Value::Vector(vector),
        })
    }
}

/// Judges an error.
fn failed(case: &Case, message: &str) -> Result<Outcome, String> {
    match &case.expected.fail {
        Some(wanted) if wanted.matches(message) => Ok(Outcome::Passed),
        Some(wanted) => Err(format!("failed with {message:?}, not with {wanted}")),
        None => Err(message.to_owned()),
    }
}

/// Judges a result and its notes.
fn accept(case: &Case, evaluated: &Evaluated) -> Result<(), String> {
    let Expected { fail, warn, info, no_warn, no_info, .. } = &case.expected;
    if fail.is_some() {
        return Err("should have failed".to_owned());
    }
    compare::notes("warning", &evaluated.warnings, warn, *no_warn)?;
    compare::notes("info", &evaluated.infos, info, *no_info)?;
    compare::value(case, &evaluated.value)
}
