//! Everything the engine was told by the configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use watchbell_metrics::rule::{RuleName, RulePolicy};

use crate::calendar::Calendar;
use crate::duty::Schedule;
use crate::id::{PersonId, ScheduleId};
use crate::route::{ChannelKind, Person, Route};
use crate::sla::Promises;
use crate::time::Zone;

/// A checked configuration, as far as deciding needs it. References inside are valid.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The zone of reports and of everything without one.
    pub zone: Zone,
    /// What a business day is.
    pub calendar: Calendar,
    /// Named calendars for `mute`.
    pub calendars: BTreeMap<String, Calendar>,
    /// The response promises.
    pub promises: Promises,
    /// People by id.
    pub people: BTreeMap<PersonId, Person>,
    /// Schedules by id.
    pub schedules: BTreeMap<ScheduleId, Schedule>,
    /// Routes in order; the last one matches everything.
    pub routes: Vec<Route>,
    /// Rules by name.
    pub rules: BTreeMap<RuleName, Arc<RulePolicy>>,
    /// Channel kinds that are configured; a person is reachable over these only.
    pub channels: BTreeSet<ChannelKind>,
}
