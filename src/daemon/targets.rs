//! What is known of each target, for people: the scraper writes it, pages and the API read it.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;
use serde::Serialize;
use watchbell_metrics::label::Labels;

/// How the last scrape of a target went.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TargetStatus {
    /// The scrape table's name, or `host` / `watchbell` for what is collected in the process.
    pub table: String,
    /// The URL without credentials; empty for what is collected in the process.
    pub url: String,
    /// `job`, `instance` and the table's labels.
    pub labels: Labels,
    /// `up`, `down` or `unknown` (not scraped yet).
    pub health: &'static str,
    /// Why it is down, or what was wrong with a half-good body.
    pub last_error: Option<String>,
    /// The first faulty lines of a half-good body: `line 12: ...`.
    pub faults: Vec<String>,
    /// When the last scrape began, UTC milliseconds.
    pub last_scrape_ms: Option<i64>,
    /// How long it took, seconds.
    pub duration_seconds: f64,
    /// Samples in the last good body.
    pub samples: usize,
    /// Series of the target.
    pub series: usize,
    /// The table's interval, seconds.
    pub interval_seconds: f64,
    /// The table's time limit, seconds.
    pub timeout_seconds: f64,
}

/// The board that everybody reads; one entry per target, keyed by table and URL.
#[derive(Clone, Debug, Default)]
pub struct TargetBoard(Arc<RwLock<BTreeMap<(String, String), TargetStatus>>>);

impl TargetBoard {
    /// Writes one target's line.
    pub fn put(&self, status: TargetStatus) {
        self.0.write().insert((status.table.clone(), status.url.clone()), status);
    }

    /// Forgets targets that the predicate refuses, after a reload.
    pub fn retain(&self, mut keep: impl FnMut(&TargetStatus) -> bool) {
        self.0.write().retain(|_, status| keep(status));
    }

    /// Returns a copy of all lines, ordered by table and URL.
    #[must_use]
    pub fn all(&self) -> Vec<TargetStatus> {
        self.0.read().values().cloned().collect()
    }
}
