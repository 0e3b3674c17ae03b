//! What is true only while the process runs: newest values, evaluation results, pictures, timers.
//!
//! Nothing here is durable, and nothing here decides anything that a restart may not forget.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use watchbell_metrics::label::Labels;
use watchbell_metrics::rule::RuleName;

use crate::alert::Shown;
use crate::engine::journal::Unwritten;
use crate::engine::timers::Timers;
use crate::id::{AlertId, IncidentId};
use crate::outbox::Address;
use crate::settings::Settings;
use crate::time::Timestamp;
use crate::view::IncidentView;

/// Label sets of a rule that are remembered so that their absence can be noticed.
pub(super) const KNOWN_MAX: usize = 10_000;

/// The volatile half.
#[derive(Debug)]
pub(super) struct Live {
    /// The newest value and texts of alerts that are not at rest.
    pub(super) shown: BTreeMap<AlertId, Shown>,
    /// The newest evaluation of each rule.
    pub(super) rules: BTreeMap<RuleName, Evaluated>,
    /// Rules whose firing mutes others.
    pub(super) needed: BTreeSet<RuleName>,
    /// Addresses whose provider asked to be left alone until then.
    pub(super) frozen: BTreeMap<Address, Timestamp>,
    /// Pictures of incidents that have not changed since.
    pub(super) views: BTreeMap<IncidentId, Arc<IncidentView>>,
    /// When the picture was published last.
    pub(super) published: Option<Timestamp>,
    /// When it is due to be published.
    pub(super) publish_due: Option<Timestamp>,
    /// All timers.
    pub(super) timers: Timers,
    /// Records that the journal did not take.
    pub(super) unwritten: Unwritten,
}

/// The newest evaluation of a rule.
#[derive(Clone, Debug, Default)]
pub(super) struct Evaluated {
    pub(super) at: Option<Timestamp>,
    pub(super) readings: usize,
    pub(super) error: Option<String>,
    pub(super) errors_in_row: u32,
    /// The last evaluation of this process succeeded.
    pub(super) works: bool,
    /// Label sets that were seen good, and since when they are missing; only of rules for which
    /// missing data is a level.
    pub(super) known: BTreeMap<Labels, Option<Timestamp>>,
}

impl Live {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            shown: BTreeMap::new(),
            rules: BTreeMap::new(),
            needed: needed(settings),
            frozen: BTreeMap::new(),
            views: BTreeMap::new(),
            published: None,
            publish_due: None,
            timers: Timers::default(),
            unwritten: Unwritten::default(),
        }
    }

    pub(super) fn journal_retry(&self) -> Option<Timestamp> {
        self.unwritten.retry_due()
    }
}

/// Returns the rules whose firing mutes others.
pub(super) fn needed(settings: &Settings) -> BTreeSet<RuleName> {
    settings.rules.values().flat_map(|policy| policy.needs.iter().cloned()).collect()
}
