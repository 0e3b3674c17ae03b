//! Control: what people ask of the daemon itself, apart from the engine.

use tokio::sync::{mpsc, oneshot};

/// What is asked.
#[derive(Debug)]
pub enum Control {
    /// Read the configuration again; answers with the findings as text where it is refused.
    Reload(oneshot::Sender<Result<(), String>>),
    /// Start a drill (`cpu`, or any other word for the plain path); answers with its id, which is
    /// an incident's id once it has fired.
    Drill(String, oneshot::Sender<Result<DrillStarted, String>>),
}

/// A drill that has begun.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct DrillStarted {
    /// The drill's id.
    pub id: String,
    /// The rule that will fire.
    pub rule: String,
    /// The incident, where it exists already.
    pub incident: Option<String>,
    /// What happens now, in a sentence.
    pub text: String,
}

/// The sending end.
pub type Controls = mpsc::Sender<Control>;
