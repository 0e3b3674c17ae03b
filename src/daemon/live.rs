//! The configuration in force, as readers see it; `reload` swaps it whole.

use std::sync::Arc;

use arc_swap::ArcSwap;
use watchbell_config::value::Config;
use watchbell_paging::time::Timestamp;

/// What is in force, and how the last reload went.
#[derive(Clone, Debug)]
pub struct Live {
    /// The configuration in force.
    pub config: Arc<Config>,
    /// When the last reload was tried (the start counts as one).
    pub loaded_at: Timestamp,
    /// Why the newest configuration was refused, if it was.
    pub refused: Option<String>,
    /// When the process started.
    pub started_at: Timestamp,
}

/// The board it hangs on.
pub type LiveBoard = Arc<ArcSwap<Live>>;
