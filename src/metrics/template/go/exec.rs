//! Runs the nodes of a Go template over a scope and collects the text.
//!
//! Bounded in steps, depth and output; a fault ends the run and knows its place.

use std::sync::Arc;

use crate::template::go::GoScope;
use crate::template::go::ast::{
    Branch, Command, Literal, Node, Operand, OperandKind, Pipeline, Program, Span,
};
use crate::template::go::function::{Context, Function, Run};
use crate::template::go::print::{self, Output};
use crate::template::go::value::{Kind, Root, Value};

/// How deep nodes, brackets and templates run inside of each other.
const DEPTH_MAX: usize = 100;

/// The bytes of arguments that count as a step.
const STEP_BYTES: usize = 64;

/// Why a run ended early.
#[derive(Debug)]
pub(super) struct Fault {
    /// The node at fault.
    pub(super) span: Span,
    /// The place that Go names, in bytes.
    pub(super) at: usize,
    /// The name of the template that was running, if it is not the text itself.
    pub(super) template: Option<String>,
    pub(super) message: String,
}

/// How a list of nodes ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Continue,
}

/// Renders a program.
///
/// # Errors
/// Gives the first fault.
pub(super) fn run(text: &str, program: &Program, scope: &GoScope<'_>) -> Result<String, Fault> {
    let root = Value::Root(Arc::new(Root {
        labels: scope.labels.clone(),
        external_labels: scope.external_labels.clone(),
        external_url: Arc::from(scope.external_url),
        value: scope.value,
    }));
    let variables = vec![
        ("$", root.clone()),
        ("$labels", Value::Labels(scope.labels.clone())),
        ("$externalLabels", Value::Labels(scope.external_labels.clone())),
        ("$externalURL", Value::text(scope.external_url)),
        ("$value", Value::Float(scope.value)),
    ];
    let mut machine = Machine {
        text,
        program,
        context: Context::new(scope),
        out: Output::default(),
        variables,
        template: None,
        depth: 0,
    };
    machine.list(&program.main, &root)?;
    Ok(machine.out.text)
}

struct Machine<'a> {
    text: &'a str,
    program: &'a Program,
    context: Context<'a>,
    out: Output,
    /// The variables in sight, the innermost last.
    variables: Vec<(&'a str, Value)>,
    /// The template that runs.
    template: Option<&'a str>,
    depth: usize,
}

impl<'a> Machine<'a> {
    fn fault(&self, span: &Span, message: impl Into<String>) -> Fault {
        Fault {
            span: span.clone(),
            at: span.start,
            template: self.template.map(str::to_owned),
            message: message.into(),
        }
    }

    fn source(&self, span: &Span) -> &'a str {
        self.text.get(span.clone()).unwrap_or_default()
    }

    fn step(&mut self, span: &Span) -> Result<(), Fault> {
        self.context.charge(1).map_err(|message| self.fault(span, message))
    }

    fn deeper(&mut self, span: &Span) -> Result<(), Fault> {
        self.depth += 1;
        if self.depth <= DEPTH_MAX {
            return Ok(());
        }
        Err(self.fault(span, format!("exceeded maximum template depth ({DEPTH_MAX})")))
    }

    fn list(&mut self, nodes: &'a [Node], dot: &Value) -> Result<Flow, Fault> {
        for node in nodes {
            let flow = self.node(node, dot)?;
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn node(&mut self, node: &'a Node, dot: &Value) -> Result<Flow, Fault> {
        match node {
            Node::Text(span) => {
                self.step(span)?;
                let text = self.source(span);
                self.out.push(text);
                self.check_output(span)?;
            }
            Node::Action(pipeline) => {
                let value = self.pipeline(pipeline, dot)?;
                if pipeline.names.is_empty() {
                    print::action(&mut self.out, &value);
                    self.check_output(&pipeline.span)?;
                }
            }
            Node::If(branch) => return self.choose(branch, dot, false),
            Node::With(branch) => return self.choose(branch, dot, true),
            Node::Range(branch) => return self.range(branch, dot),
            Node::Template { name, at, span, pipeline } => {
                let value = match pipeline {
                    Some(pipeline) => self.pipeline(pipeline, dot)?,
                    None => Value::Nil,
                };
                let place = Span { start: *at, end: span.end };
                self.call_template(name, &place, value)?;
            }
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::Next)
    }

    fn check_output(&self, span: &Span) -> Result<(), Fault> {
        if !self.out.full {
            return Ok(());
        }
        let message = format!("the text is longer than {} bytes", super::OUTPUT_BYTES_MAX);
        Err(self.fault(span, message))
    }

    fn choose(&mut self, branch: &'a Branch, dot: &Value, moves: bool) -> Result<Flow, Fault> {
        self.deeper(&branch.pipeline.span)?;
        let seen = self.variables.len();
        let value = self.pipeline(&branch.pipeline, dot)?;
        let flow = match (value.truth(), moves) {
            (true, true) => self.list(&branch.body, &value)?,
            (true, false) => self.list(&branch.body, dot)?,
            (false, _) => self.list(&branch.otherwise, dot)?,
        };
        self.variables.truncate(seen);
        self.depth -= 1;
        Ok(flow)
    }

    fn range(&mut self, branch: &'a Branch, dot: &Value) -> Result<Flow, Fault> {
        let pipeline = &branch.pipeline;
        self.deeper(&pipeline.span)?;
        let seen = self.variables.len();
        let value = self.pipeline(pipeline, dot)?;
        let inside = self.variables.len();
        let mut count = 0;
        let mut flow = Flow::Next;
        while flow != Flow::Break
            && let Some((key, item)) = self.item(&value, count, &pipeline.span)?
        {
            count += 1;
            self.step(&pipeline.span)?;
            let given = match pipeline.names.len() {
                2 => vec![key, item.clone()],
                1 => vec![item.clone()],
                _ => Vec::new(),
            };
            for (name, value) in pipeline.names.iter().zip(given) {
                self.assign(name, value, &pipeline.span)?;
            }
            flow = self.list(&branch.body, &item)?;
            self.variables.truncate(inside);
        }
        let flow = if count == 0 { self.list(&branch.otherwise, dot)? } else { Flow::Next };
        self.variables.truncate(seen);
        self.depth -= 1;
        Ok(flow)
    }

    /// The key and value at a place of what a loop goes over.
    fn item(
        &self,
        value: &Value,
        index: usize,
        span: &Span,
    ) -> Result<Option<(Value, Value)>, Fault> {
        let key = i64::try_from(index).unwrap_or(i64::MAX);
        let numbered = |value: Value| (Value::Int(key), value);
        Ok(match value {
            Value::Samples(samples) => {
                samples.get(index).map(|sample| numbered(Value::Sample(Arc::clone(sample))))
            }
            Value::Labels(labels) => labels
                .iter()
                .nth(index)
                .map(|(name, value)| (Value::text(name), Value::text(value))),
            Value::Map(map) => map
                .entries
                .iter()
                .nth(index)
                .map(|(name, value)| (Value::text(name), value.clone())),
            Value::Int(count) => (key < *count).then(|| numbered(Value::Int(key))),
            Value::Nil => None,
            _ => {
                let printed = print::print(std::slice::from_ref(value)).text;
                return Err(self.fault(span, format!("range can't iterate over {printed}")));
            }
        })
    }

    fn call_template(&mut self, name: &'a str, place: &Span, dot: Value) -> Result<(), Fault> {
        let Some(nodes) = self.program.templates.get(name) else {
            return Err(self.fault(place, format!("template {name:?} not defined")));
        };
        self.deeper(place)?;
        self.step(place)?;
        let outer = std::mem::replace(&mut self.variables, vec![("$", dot.clone())]);
        let caller = self.template.replace(name);
        self.list(nodes, &dot)?;
        self.template = caller;
        self.variables = outer;
        self.depth -= 1;
        Ok(())
    }

    fn assign(&mut self, name: &str, value: Value, span: &Span) -> Result<(), Fault> {
        let found = self.variables.iter_mut().rev().find(|(known, _)| *known == name);
        match found {
            Some((_, place)) => {
                *place = value;
                Ok(())
            }
            None => Err(self.fault(span, format!("undefined variable: {name}"))),
        }
    }

    fn pipeline(&mut self, pipeline: &'a Pipeline, dot: &Value) -> Result<Value, Fault> {
        let mut piped = None;
        for command in &pipeline.commands {
            piped = Some(self.command(command, dot, piped)?);
        }
        let value = piped.unwrap_or(Value::Nil);
        for name in &pipeline.names {
            if pipeline.assigns {
                self.assign(name, value.clone(), &pipeline.span)?;
            } else {
                self.variables.push((name, value.clone()));
            }
        }
        Ok(value)
    }

    fn command(
        &mut self,
        command: &'a Command,
        dot: &Value,
        piped: Option<Value>,
    ) -> Result<Value, Fault> {
        self.step(&command.span)?;
        let first = &command.first;
        let given = command.arguments.len() + usize::from(piped.is_some());
        match &first.kind {
            OperandKind::Function(function) => {
                return self.call(function, command, dot, piped);
            }
            OperandKind::Field(names)
            | OperandKind::Variable(_, names)
            | OperandKind::Paren(_, names)
                if !names.is_empty() =>
            {
                let mut values = self.operands(&command.arguments, dot)?;
                values.extend(piped);
                let base = self.base(first, dot)?;
                return self.fields(base, names, &values, first);
            }
            OperandKind::Literal(Literal::Nil) => {
                return Err(self.fault(&first.span, "nil is not a command"));
            }
            OperandKind::Literal(_)
            | OperandKind::Dot
            | OperandKind::Field(_)
            | OperandKind::Variable(..)
            | OperandKind::Paren(..) => {}
        }
        if 0 < given {
            let message =
                format!("can't give argument to non-function {}", self.source(&first.span));
            return Err(self.fault(&first.span, message));
        }
        self.operand(first, dot)
    }

    fn operands(&mut self, operands: &'a [Operand], dot: &Value) -> Result<Vec<Value>, Fault> {
        operands.iter().map(|operand| self.operand(operand, dot)).collect()
    }

    fn operand(&mut self, operand: &'a Operand, dot: &Value) -> Result<Value, Fault> {
        self.step(&operand.span)?;
        match &operand.kind {
            OperandKind::Literal(literal) => Ok(match literal {
                Literal::Nil => Value::Nil,
                Literal::Bool(value) => Value::Bool(*value),
                Literal::Int(value) => Value::Int(*value),
                Literal::Float(value) => Value::Float(*value),
                Literal::Text(text) => Value::Text(Arc::clone(text)),
            }),
            OperandKind::Dot => Ok(dot.clone()),
            OperandKind::Function(function) => {
                self.run_function(function, &operand.span, Vec::new())
            }
            OperandKind::Field(names)
            | OperandKind::Variable(_, names)
            | OperandKind::Paren(_, names) => {
                let base = self.base(operand, dot)?;
                self.fields(base, names, &[], operand)
            }
        }
    }

    /// What the fields of an operand are read from.
    fn base(&mut self, operand: &'a Operand, dot: &Value) -> Result<Value, Fault> {
        match &operand.kind {
            OperandKind::Variable(name, _) => {
                let found = self.variables.iter().rev().find(|(known, _)| known == name);
                let Some((_, value)) = found else {
                    return Err(self.fault(&operand.span, format!("undefined variable: {name}")));
                };
                Ok(value.clone())
            }
            OperandKind::Paren(pipeline, _) => {
                self.deeper(&operand.span)?;
                let seen = self.variables.len();
                let value = self.pipeline(pipeline, dot)?;
                self.variables.truncate(seen);
                self.depth -= 1;
                Ok(value)
            }
            OperandKind::Literal(_)
            | OperandKind::Dot
            | OperandKind::Field(_)
            | OperandKind::Function(_) => Ok(dot.clone()),
        }
    }

    /// Reads a chain of fields; the arguments belong to the last one.
    fn fields(
        &self,
        mut value: Value,
        names: &[String],
        arguments: &[Value],
        operand: &Operand,
    ) -> Result<Value, Fault> {
        for (index, name) in names.iter().enumerate() {
            let last = index + 1 == names.len();
            let arguments = if last { arguments } else { &[] };
            value = value.field(name, arguments).map_err(|message| Fault {
                at: operand.span.start + chain_start(&operand.kind),
                ..self.fault(&operand.span, message)
            })?;
        }
        Ok(value)
    }

    fn call(
        &mut self,
        function: &'static Function,
        command: &'a Command,
        dot: &Value,
        piped: Option<Value>,
    ) -> Result<Value, Fault> {
        let count = command.arguments.len() + usize::from(piped.is_some());
        function.check_count(count).map_err(|message| self.fault(&command.first.span, message))?;
        if let Run::And | Run::Or = function.run {
            let stops_at = matches!(function.run, Run::Or);
            for argument in &command.arguments {
                let value = self.operand(argument, dot)?;
                let last = argument.span.end == command.span.end && piped.is_none();
                if last || value.truth() == stops_at {
                    return Ok(value);
                }
            }
            return Ok(piped.unwrap_or(Value::Nil));
        }
        let mut values = Vec::with_capacity(count);
        for argument in &command.arguments {
            let value = self.operand(argument, dot)?;
            let kind = function.kind(values.len());
            if let OperandKind::Literal(_) = argument.kind
                && !kind.takes(&value)
            {
                let (want, found) = (kind.name(), self.source(&argument.span));
                let message = format!("expected {want}; found {found}");
                return Err(self.fault(&argument.span, message));
            }
            self.check_kind(kind, &value, &argument.span)?;
            values.push(value);
        }
        if let Some(value) = piped {
            self.check_kind(function.kind(values.len()), &value, &command.span)?;
            values.push(value);
        }
        self.run_function(function, &command.span, values)
    }

    fn check_kind(&self, kind: Kind, value: &Value, span: &Span) -> Result<(), Fault> {
        if kind.takes(value) {
            return Ok(());
        }
        let (want, got) = (kind.name(), value.type_name());
        Err(self.fault(span, format!("wrong type for value; expected {want}; got {got}")))
    }

    fn run_function(
        &mut self,
        function: &'static Function,
        span: &Span,
        values: Vec<Value>,
    ) -> Result<Value, Fault> {
        function.check_count(values.len()).map_err(|message| self.fault(span, message))?;
        let bytes: usize = values.iter().map(|value| value.as_text().map_or(0, str::len)).sum();
        self.context.charge(bytes / STEP_BYTES).map_err(|message| self.fault(span, message))?;
        let result = match function.run {
            Run::Plain(run) => run(&values),
            Run::Scoped(run) => run(&mut self.context, &values),
            Run::And | Run::Or => Ok(values.into_iter().next_back().unwrap_or(Value::Nil)),
        };
        result.map_err(|message| {
            self.fault(span, format!("error calling {}: {message}", function.name))
        })
    }
}

/// Where a chain of fields starts in an operand, as Go counts it.
fn chain_start(kind: &OperandKind) -> usize {
    match kind {
        OperandKind::Variable(name, _) => name.len(),
        OperandKind::Field(names) if 1 < names.len() => {
            names.first().map_or(0, |name| 1 + name.len())
        }
        OperandKind::Literal(_)
        | OperandKind::Dot
        | OperandKind::Field(_)
        | OperandKind::Function(_)
        | OperandKind::Paren(..) => 0,
    }
}
