//! What a node gives at one time, or why it gives nothing.

use crate::label::Labels;

/// Why an evaluation gave nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EvalError {
    /// In a sentence; Prometheus's words where it has the same fault.
    pub message: String,
}

impl EvalError {
    pub(crate) fn new(message: String) -> Self {
        Self { message }
    }
}

/// One element of a vector while it is computed.
#[derive(Clone, Debug)]
pub(crate) struct Element {
    pub(crate) labels: Labels,
    pub(crate) value: f64,
    /// The name goes when the evaluation ends.
    pub(crate) drop_name: bool,
}

/// What a node gives at one time.
#[derive(Debug)]
pub(crate) enum Out {
    Scalar(f64),
    Text(String),
    Vector(Vec<Element>),
}
