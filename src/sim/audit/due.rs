//! What is due: pages that a critical incident asks for, and the steps of its escalation.
//!
//! A model of one incident's loud life: from the moment it is critical, open, unanswered and not
//! muted. Trouble outside (a provider, the disk, the daemon itself) pushes what is due, because
//! then nobody can promise an instant.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use watchbell_paging::id::IncidentId;
use watchbell_paging::level::Severity;
use watchbell_paging::outbox::Reason;
use watchbell_paging::settings::Settings;
use watchbell_paging::time::Timestamp;
use watchbell_paging::view::{IncidentState, IncidentView, View};

/// A page of a critical incident is taken by a provider within this time.
const FIRST_PAGE_MAX: Duration = Duration::from_secs(15);
/// The same after trouble ended: retries are up to 30 s apart, and a provider may have asked for more.
const AFTER_TROUBLE_MAX: Duration = Duration::from_secs(90);
/// A step of an escalation is intended within this time.
const STEP_MAX: Duration = Duration::from_secs(15);

/// A picture is at most this late.
const PICTURE_LATE: Duration = Duration::from_secs(1);

/// The loud life of one incident.
#[derive(Clone, Debug)]
struct Loud {
    since: Timestamp,
    /// Reached already when it was seen for the first time.
    reached: bool,
    steps: BTreeSet<u32>,
    /// Whether it was loud from its very beginning, so that steps can be counted.
    whole: bool,
}

/// The model.
#[derive(Debug, Default)]
pub(super) struct Dues {
    loud: BTreeMap<IncidentId, Loud>,
    arrivals: BTreeMap<IncidentId, Timestamp>,
    trouble: bool,
    down: bool,
    calm_since: Option<Timestamp>,
}

impl Dues {
    pub(super) fn set_trouble(&mut self, now: Timestamp, trouble: bool) {
        self.trouble = trouble;
        self.calm_since = Some(now);
    }

    pub(super) fn set_down(&mut self, now: Timestamp, down: bool) {
        self.down = down;
        self.calm_since = Some(now);
    }

    pub(super) fn forget(&mut self) {
        self.loud.clear();
        self.arrivals.clear();
    }

    pub(super) fn forget_steps(&mut self) {
        for loud in self.loud.values_mut() {
            loud.whole = false;
        }
    }

    pub(super) fn clock_stepped(&mut self, by_ms: i64) {
        let step = |at: &mut Timestamp| at.0 = at.0.saturating_add(by_ms);
        self.loud.values_mut().for_each(|loud| step(&mut loud.since));
        self.arrivals.values_mut().for_each(step);
        self.calm_since.iter_mut().for_each(step);
    }

    pub(super) fn page_arrived(&mut self, at: Timestamp, incident: IncidentId) {
        self.arrivals.insert(incident, at);
    }

    pub(super) fn page_intended(&mut self, incident: IncidentId, reason: &Reason) {
        if let (Reason::Escalated { step }, Some(loud)) = (reason, self.loud.get_mut(&incident)) {
            loud.steps.insert(*step);
        }
    }

    /// Follows the picture and returns the first promise that is broken.
    pub(super) fn check(
        &mut self,
        now: Timestamp,
        view: &View,
        settings: &Settings,
    ) -> Option<(&'static str, String)> {
        let mut quiet: BTreeSet<IncidentId> = self.loud.keys().copied().collect();
        for incident in view.incidents.iter().filter(|incident| is_loud(incident)) {
            quiet.remove(&incident.id);
            let reached = incident.notified_at.is_some() && !incident.paged.is_empty();
            let loud = self.loud.entry(incident.id).or_insert_with(|| Loud {
                since: now,
                // Seen for the first time with people reached already: the turn did it all.
                reached: reached && incident.fired_at.plus(STEP_MAX) < now,
                steps: BTreeSet::new(),
                whole: now.since(incident.fired_at) < Duration::from_secs(1),
            });
            loud.reached |= reached && loud.whole;
        }
        for id in quiet {
            self.loud.remove(&id);
        }
        if self.down || self.trouble {
            return None;
        }
        view.incidents.iter().find_map(|incident| self.overdue(now, incident, settings))
    }

    fn overdue(
        &self,
        now: Timestamp,
        incident: &IncidentView,
        settings: &Settings,
    ) -> Option<(&'static str, String)> {
        let loud = self.loud.get(&incident.id)?;
        let calm = self.calm_since.map(|at| at.plus(AFTER_TROUBLE_MAX));
        let late = |due: Timestamp| calm.map_or(due, |calm| due.max(calm)) < now;
        // The picture may show a moment later what a turn has done at once.
        let arrival = self.arrivals.get(&incident.id);
        let arrived = arrival.is_some_and(|at| loud.since <= at.plus(PICTURE_LATE));
        if !loud.reached && !arrived && late(loud.since.plus(FIRST_PAGE_MAX)) {
            let found = format!("incident {} is loud since {}", incident.id, loud.since);
            return Some(("a critical that holds is delivered in time", found));
        }
        let route = settings.routes.iter().find(|route| route.name == incident.route)?;
        if !loud.whole {
            return None;
        }
        (1..).zip(&route.escalate).find_map(|(number, step)| {
            let overdue = late(incident.fired_at.plus(step.at).plus(STEP_MAX));
            (overdue && !loud.steps.contains(&number)).then(|| {
                let found = format!("incident {}: step {number} did not run", incident.id);
                ("escalation goes on until somebody answers", found)
            })
        })
    }
}

/// Tells whether an incident must make itself heard.
fn is_loud(incident: &IncidentView) -> bool {
    incident.severity == Severity::Critical
        && incident.state == IncidentState::Triggered
        && incident.acked_at.is_none()
        && incident.suppressed_by.is_empty()
}
