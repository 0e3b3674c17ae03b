//! The parsed expression: every node knows where it stands in the text.

use std::ops::Range;

use crate::label::Matcher;
use crate::promql::function::Function;
use crate::sample::Millis;

/// A node and its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// What it is.
    pub(crate) kind: NodeKind,
    /// Where it stands, in bytes.
    pub(crate) span: Range<usize>,
    /// How many nodes lie on the longest way down, itself included.
    pub(crate) height: usize,
}

impl Node {
    pub(crate) fn new(kind: NodeKind, span: Range<usize>) -> Self {
        let mut node = Self { kind, span, height: 1 };
        node.height += node.children().iter().map(|child| child.height).max().unwrap_or_default();
        node
    }

    /// Returns the nodes directly below, in the order of the text where that matters.
    pub(crate) fn children(&self) -> Vec<&Self> {
        match &self.kind {
            NodeKind::Number(_)
            | NodeKind::Text(_)
            | NodeKind::Selector(_)
            | NodeKind::Range(_, _) => Vec::new(),
            NodeKind::Subquery(subquery) => vec![&subquery.inner],
            NodeKind::Negate(inner) | NodeKind::Paren(inner) => vec![inner],
            NodeKind::Binary(binary) => vec![&binary.left, &binary.right],
            NodeKind::Aggregate(aggregate) => {
                aggregate.parameter.iter().chain([&aggregate.inner]).collect()
            }
            NodeKind::Call(_, arguments) => arguments.iter().collect(),
        }
    }

    /// Returns the node without the brackets around it.
    pub(crate) fn bare(&self) -> &Self {
        let mut node = self;
        while let NodeKind::Paren(inner) = &node.kind {
            node = inner;
        }
        node
    }
}

/// Places do not count, and a number that is none equals itself.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        match (&self.kind, &other.kind) {
            (NodeKind::Number(left), NodeKind::Number(right)) => {
                left.to_bits() == right.to_bits() || (left.is_nan() && right.is_nan())
            }
            (left, right) => left == right,
        }
    }
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum NodeKind {
    /// A number.
    Number(f64),
    /// A string.
    Text(String),
    /// An instant selector.
    Selector(Selector),
    /// A range selector.
    Range(Selector, Millis),
    /// `expr[range:step]`
    Subquery(Box<Subquery>),
    /// `-expr`
    Negate(Box<Node>),
    /// `(expr)`
    Paren(Box<Node>),
    /// `left op right`
    Binary(Box<Binary>),
    /// `sum by (a) (expr)`
    Aggregate(Box<Aggregate>),
    /// `function(args)`
    Call(&'static Function, Vec<Node>),
}

/// The instant that a selector is pinned to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pin {
    /// `@ 123.456`, milliseconds.
    At(Millis),
    /// `@ start()`
    Start,
    /// `@ end()`
    End,
}

/// A selector of series.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Selector {
    /// Which of the expression's selectors and subqueries, from 0: the key of what was resolved.
    pub(crate) index: usize,
    /// The metric name, where it is written before the braces.
    pub(crate) name: Option<String>,
    /// All matchers, that of the name included.
    pub(crate) matchers: Vec<Matcher>,
    /// `offset`, positive towards the past.
    pub(crate) offset: Millis,
    /// `@`
    pub(crate) pin: Option<Pin>,
}

/// A subquery.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Subquery {
    /// As `Selector::index`, counted together.
    pub(crate) index: usize,
    /// What is evaluated.
    pub(crate) inner: Node,
    /// The range.
    pub(crate) range: Millis,
    /// The step; the default where absent.
    pub(crate) step: Option<Millis>,
    /// `offset`
    pub(crate) offset: Millis,
    /// `@`
    pub(crate) pin: Option<Pin>,
}

/// A binary operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Atan2,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    And,
    Or,
    Unless,
}

impl Op {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Mod => "%",
            Self::Pow => "^",
            Self::Atan2 => "atan2",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
            Self::And => "and",
            Self::Or => "or",
            Self::Unless => "unless",
        }
    }

    pub(crate) fn is_comparison(self) -> bool {
        matches!(
            self,
            Self::Equal
                | Self::NotEqual
                | Self::Less
                | Self::LessEqual
                | Self::Greater
                | Self::GreaterEqual
        )
    }

    pub(crate) fn is_set(self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Unless)
    }

    /// Higher binds tighter.
    pub(crate) fn precedence(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And | Self::Unless => 2,
            Self::Equal
            | Self::NotEqual
            | Self::Less
            | Self::LessEqual
            | Self::Greater
            | Self::GreaterEqual => 3,
            Self::Add | Self::Sub => 4,
            Self::Mul | Self::Div | Self::Mod | Self::Atan2 => 5,
            Self::Pow => 6,
        }
    }
}

/// Which side may have several series for one match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cardinality {
    OneToOne,
    ManyToOne,
    OneToMany,
    ManyToMany,
}

/// How series of two vectors find each other.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Matching {
    pub(crate) cardinality: Cardinality,
    /// `on` where true, `ignoring` otherwise.
    pub(crate) on: bool,
    pub(crate) labels: Vec<String>,
    /// Labels copied from the one side.
    pub(crate) include: Vec<String>,
    /// Whether anything was written.
    pub(crate) written: bool,
}

/// A binary operation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Binary {
    pub(crate) op: Op,
    pub(crate) left: Node,
    pub(crate) right: Node,
    pub(crate) returns_bool: bool,
    pub(crate) matching: Matching,
}

/// An aggregation operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AggregateOp {
    Sum,
    Avg,
    Min,
    Max,
    Count,
    Group,
    Stddev,
    Stdvar,
    Topk,
    Bottomk,
    CountValues,
    Quantile,
    LimitK,
    LimitRatio,
}

impl AggregateOp {
    pub(crate) const ALL: [(&'static str, Self); 14] = [
        ("sum", Self::Sum),
        ("avg", Self::Avg),
        ("min", Self::Min),
        ("max", Self::Max),
        ("count", Self::Count),
        ("group", Self::Group),
        ("stddev", Self::Stddev),
        ("stdvar", Self::Stdvar),
        ("topk", Self::Topk),
        ("bottomk", Self::Bottomk),
        ("count_values", Self::CountValues),
        ("quantile", Self::Quantile),
        ("limitk", Self::LimitK),
        ("limit_ratio", Self::LimitRatio),
    ];

    pub(crate) fn find(word: &str) -> Option<Self> {
        let lower = word.to_ascii_lowercase();
        Self::ALL.iter().find(|(name, _)| *name == lower).map(|(_, op)| *op)
    }

    pub(crate) fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, op)| *op == self).map_or("", |(name, _)| name)
    }

    pub(crate) fn takes_parameter(self) -> bool {
        matches!(
            self,
            Self::Topk
                | Self::Bottomk
                | Self::CountValues
                | Self::Quantile
                | Self::LimitK
                | Self::LimitRatio
        )
    }
}

/// An aggregation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Aggregate {
    pub(crate) op: AggregateOp,
    pub(crate) inner: Node,
    pub(crate) parameter: Option<Node>,
    pub(crate) without: bool,
    pub(crate) labels: Vec<String>,
    /// Whether `by` or `without` was written.
    pub(crate) grouped: bool,
}
