//! A Go template after reading: nodes with their place in the text.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::template::go::function::Function;

/// A place in the text, in bytes.
pub(super) type Span = Range<usize>;

/// A whole text: what it renders, and the templates that it defines.
#[derive(Debug, Default)]
pub(super) struct Program {
    pub(super) main: Vec<Node>,
    pub(super) templates: BTreeMap<String, Vec<Node>>,
}

#[derive(Debug)]
pub(super) enum Node {
    /// Text that stands for itself.
    Text(Span),
    /// `{{ pipeline }}`
    Action(Pipeline),
    If(Branch),
    With(Branch),
    Range(Branch),
    /// `{{ template "name" pipeline }}`; the place is that of the name.
    Template {
        name: String,
        at: usize,
        span: Span,
        pipeline: Option<Pipeline>,
    },
    Break,
    Continue,
}

#[derive(Debug)]
pub(super) struct Branch {
    pub(super) pipeline: Pipeline,
    pub(super) body: Vec<Node>,
    pub(super) otherwise: Vec<Node>,
}

/// `$a, $b := first | second`
#[derive(Debug)]
pub(super) struct Pipeline {
    pub(super) span: Span,
    /// The variables, with their dollar sign.
    pub(super) names: Vec<String>,
    /// `=` instead of `:=`.
    pub(super) assigns: bool,
    /// At least one.
    pub(super) commands: Vec<Command>,
}

/// A function, method or value with its arguments.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) span: Span,
    pub(super) first: Operand,
    pub(super) arguments: Vec<Operand>,
}

#[derive(Debug)]
pub(super) struct Operand {
    pub(super) span: Span,
    pub(super) kind: OperandKind,
}

#[derive(Debug)]
pub(super) enum OperandKind {
    Literal(Literal),
    /// `.`
    Dot,
    /// `.Labels.job`, at least one name.
    Field(Vec<String>),
    /// `$labels.job`; names may be none.
    Variable(String, Vec<String>),
    Function(&'static Function),
    /// `(pipeline).Field`; names may be none.
    Paren(Box<Pipeline>, Vec<String>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Arc<str>),
}
