//! The values of a Go template and what Go says of them: their type, their truth, their fields.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::label::Labels;
use crate::template::go::time::Moment;

/// How deep maps of `args` hold each other.
const MAP_DEPTH_MAX: usize = 20;

#[derive(Clone, Debug)]
pub(super) enum Value {
    /// No value: `nil`, and the missing key of a map of anything.
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Arc<str>),
    Labels(Labels),
    /// What `args` makes.
    Map(Arc<Map>),
    Sample(Arc<Sample>),
    Samples(Arc<[Arc<Sample>]>),
    /// The dot of a rule's text.
    Root(Arc<Root>),
    Moment(Moment),
    /// A duration in nanoseconds.
    Span(i64),
}

/// Names and values, of a bounded depth.
#[derive(Debug)]
pub(super) struct Map {
    pub(super) entries: BTreeMap<String, Value>,
    depth: usize,
}

/// One row of a query's answer.
#[derive(Debug)]
pub(super) struct Sample {
    pub(super) labels: Labels,
    pub(super) value: f64,
}

/// What the dot of a rule's text holds.
#[derive(Debug)]
pub(super) struct Root {
    pub(super) labels: Labels,
    pub(super) external_labels: Labels,
    pub(super) external_url: Arc<str>,
    pub(super) value: f64,
}

/// What a function's parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Any,
    Text,
    Sample,
    Samples,
}

impl Kind {
    /// Tells whether a value may stand for such a parameter.
    pub(super) fn takes(self, value: &Value) -> bool {
        match self {
            Self::Any => true,
            Self::Text => matches!(value, Value::Text(_)),
            Self::Sample => matches!(value, Value::Sample(_)),
            Self::Samples => matches!(value, Value::Samples(_)),
        }
    }

    /// Go's name of it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Any => "interface {}",
            Self::Text => "string",
            Self::Sample => "*template.sample",
            Self::Samples => "template.queryResult",
        }
    }
}

impl Map {
    /// Names the values `arg0`, `arg1` and so on.
    ///
    /// # Errors
    /// Refuses maps that hold each other too deeply.
    pub(super) fn of_arguments(values: &[Value]) -> Result<Self, String> {
        let depth = values.iter().map(Value::depth).max().unwrap_or(0) + 1;
        if MAP_DEPTH_MAX < depth {
            return Err(format!("the arguments nest deeper than {MAP_DEPTH_MAX} levels"));
        }
        let entries = values
            .iter()
            .enumerate()
            .map(|(index, value)| (format!("arg{index}"), value.clone()))
            .collect();
        Ok(Self { entries, depth })
    }
}

impl Value {
    pub(super) fn text(text: impl AsRef<str>) -> Self {
        Self::Text(Arc::from(text.as_ref()))
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    fn depth(&self) -> usize {
        if let Self::Map(map) = self { map.depth } else { 0 }
    }

    /// Go's name of the type.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Nil => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float64",
            Self::Text(_) => "string",
            Self::Labels(_) => "map[string]string",
            Self::Map(_) => "map[string]interface {}",
            Self::Sample(_) => "*template.sample",
            Self::Samples(_) => "template.queryResult",
            Self::Root(_) => {
                "struct { Labels map[string]string; ExternalLabels map[string]string; \
                 ExternalURL string; Value float64 }"
            }
            Self::Moment(_) => "*time.Time",
            Self::Span(_) => "*time.Duration",
        }
    }

    /// What `if` makes of it.
    pub(super) fn truth(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(value) => *value,
            Self::Int(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::Labels(labels) => !labels.is_empty(),
            Self::Map(map) => !map.entries.is_empty(),
            Self::Samples(samples) => !samples.is_empty(),
            Self::Sample(_) | Self::Root(_) | Self::Moment(_) | Self::Span(_) => true,
        }
    }

    /// Reads a field, a key of a map, or calls a method.
    ///
    /// # Errors
    /// Says why not, in Go's words.
    pub(super) fn field(&self, name: &str, arguments: &[Self]) -> Result<Self, String> {
        match self {
            Self::Moment(moment) => return moment.method(name, arguments),
            Self::Span(span) => return crate::template::go::span::method(*span, name, arguments),
            _ => {}
        }
        let found = match (self, name) {
            (Self::Labels(labels), _) => Self::text(labels.get(name).unwrap_or_default()),
            (Self::Map(map), _) => map.entries.get(name).cloned().unwrap_or(Self::Nil),
            (Self::Sample(sample), "Labels") => Self::Labels(sample.labels.clone()),
            (Self::Sample(sample), "Value") => Self::Float(sample.value),
            (Self::Root(root), "Labels") => Self::Labels(root.labels.clone()),
            (Self::Root(root), "ExternalLabels") => Self::Labels(root.external_labels.clone()),
            (Self::Root(root), "ExternalURL") => Self::Text(Arc::clone(&root.external_url)),
            (Self::Root(root), "Value") => Self::Float(root.value),
            (Self::Nil, _) => {
                return Err(format!("nil pointer evaluating interface {{}}.{name}"));
            }
            _ => {
                return Err(format!("can't evaluate field {name} in type {}", self.type_name()));
            }
        };
        if arguments.is_empty() {
            return Ok(found);
        }
        Err(format!("{name} is not a method but has arguments"))
    }

    /// Reads a number as Prometheus's functions do.
    ///
    /// # Errors
    /// Refuses what is no number.
    pub(super) fn to_float(&self) -> Result<f64, String> {
        match self {
            Self::Float(value) => Ok(*value),
            #[allow(clippy::cast_precision_loss, reason = "Go converts so")]
            Self::Int(value) => Ok(*value as f64),
            #[allow(clippy::cast_precision_loss, reason = "Go converts so")]
            Self::Span(span) => Ok(*span as f64 / 1e9),
            Self::Text(text) => parse_float(text)
                .ok_or_else(|| format!("strconv.ParseFloat: parsing {text:?}: invalid syntax")),
            _ => Err(format!("can't convert {} to float", self.type_name())),
        }
    }
}

/// `strconv.ParseFloat`: decimal numbers, infinities and NaN in any case.
fn parse_float(text: &str) -> Option<f64> {
    // Both languages agree on the rest of the syntax but for underscores and base 16.
    text.parse().ok()
}
