//! The functions that a template may call, by name, with what their parameters take.

use std::collections::BTreeMap;
use std::fmt;

use regex::Regex;

use crate::template::go::value::{Kind, Value};
use crate::template::go::{GoScope, builtin, host, pattern, prometheus};

/// The steps that a rendering may take: nodes, calls, rows of queries.
const STEPS_MAX: u64 = 50_000;

/// What functions know besides their arguments.
pub(super) struct Context<'a> {
    pub(super) scope: &'a GoScope<'a>,
    /// Patterns that were compiled before.
    pub(super) patterns: BTreeMap<String, Regex>,
    steps: u64,
}

/// A function.
pub(super) struct Function {
    pub(super) name: &'static str,
    pub(super) kinds: &'static [Kind],
    /// What any number of further arguments take.
    pub(super) more: Option<Kind>,
    pub(super) run: Run,
}

#[derive(Clone, Copy)]
pub(super) enum Run {
    /// Takes arguments until one is true.
    Or,
    /// Takes arguments until one is false.
    And,
    Plain(fn(&[Value]) -> Result<Value, String>),
    Scoped(fn(&mut Context<'_>, &[Value]) -> Result<Value, String>),
}

impl fmt::Debug for Function {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name)
    }
}

impl Function {
    pub(super) const fn plain(
        name: &'static str,
        kinds: &'static [Kind],
        run: fn(&[Value]) -> Result<Value, String>,
    ) -> Self {
        Self { name, kinds, more: None, run: Run::Plain(run) }
    }

    pub(super) const fn scoped(
        name: &'static str,
        kinds: &'static [Kind],
        run: fn(&mut Context<'_>, &[Value]) -> Result<Value, String>,
    ) -> Self {
        Self { name, kinds, more: None, run: Run::Scoped(run) }
    }

    /// The same with any number of further arguments of any kind.
    pub(super) const fn with_more(self) -> Self {
        Self { more: Some(Kind::Any), ..self }
    }

    /// The kind of the parameter at a place.
    pub(super) fn kind(&self, index: usize) -> Kind {
        self.kinds.get(index).copied().or(self.more).unwrap_or(Kind::Any)
    }

    /// Refuses a number of arguments that does not fit.
    ///
    /// # Errors
    /// Says how many it takes, in Go's words.
    pub(super) fn check_count(&self, count: usize) -> Result<(), String> {
        let (name, want) = (self.name, self.kinds.len());
        if count == want || (self.more.is_some() && want <= count) {
            return Ok(());
        }
        let least = if self.more.is_some() { "at least " } else { "" };
        Err(format!("wrong number of args for {name}: want {least}{want} got {count}"))
    }
}

impl<'a> Context<'a> {
    pub(super) fn new(scope: &'a GoScope<'a>) -> Self {
        Self { scope, patterns: BTreeMap::new(), steps: 0 }
    }

    /// Counts work.
    ///
    /// # Errors
    /// Refuses more work than a rendering may do.
    pub(super) fn charge(&mut self, steps: usize) -> Result<(), String> {
        self.steps = self.steps.saturating_add(u64::try_from(steps).unwrap_or(u64::MAX));
        if self.steps <= STEPS_MAX {
            return Ok(());
        }
        Err(format!("the template takes more than {STEPS_MAX} steps"))
    }
}

fn all() -> impl Iterator<Item = &'static Function> {
    [builtin::FUNCTIONS, prometheus::FUNCTIONS, host::FUNCTIONS, pattern::FUNCTIONS]
        .into_iter()
        .flatten()
}

/// Finds a function.
pub(super) fn find(name: &str) -> Option<&'static Function> {
    all().find(|function| function.name == name)
}

/// Says what may have been meant by a name that does not exist.
pub(super) fn help(name: &str) -> String {
    let lower = name.to_lowercase();
    let near = all()
        .map(|function| (common_length(&function.name.to_lowercase(), &lower), function))
        .filter(|(length, _)| 4 <= *length || (*length == lower.len() && 3 <= *length))
        .max_by_key(|(length, function)| (*length, usize::MAX - function.name.len()))
        .map(|(_, function)| function);
    match near {
        Some(function) => format!("did you mean {}?", function.name),
        None => format!("write a label as $labels.{name}, a text in quotes"),
    }
}

/// How many letters two names start with in common.
fn common_length(left: &str, right: &str) -> usize {
    left.chars().zip(right.chars()).take_while(|(left, right)| left == right).count()
}

/// The argument at a place as text; its kind was checked before.
pub(super) fn text_at(arguments: &[Value], index: usize) -> &str {
    arguments.get(index).and_then(Value::as_text).unwrap_or_default()
}
