//! Waves of breaches, each breach its own incident that pages one person by Slack, and a count of
//! what arrived while the daemon was killed again and again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::Value;
use watchbell::clock::Clock;
use watchbell::store::Reader;
use watchbell_paging::record::Fact;
use watchbell_paging::time::Timestamp;

use super::daemon::{Daemon, Folder, try_wait_for};
use super::gauges::Gauges;
use super::slack::{Call, Slack};

/// What was on its way at a kill may be noticed by the fake this much later.
const NOTICED_WITHIN: Duration = Duration::from_millis(250);

/// The peers of a daemon that is killed.
pub struct Burst {
    /// The target.
    pub gauges: Gauges,
    /// Where pages arrive.
    pub slack: Slack,
    /// Breaches of a wave.
    pub breaches: usize,
    /// People who are paged, in turn.
    pub people: usize,
}

/// The lives of a daemon that ended with a kill, and the beginning of the one that goes on.
pub struct Lives {
    ended: Vec<Life>,
    began: Instant,
}

struct Life {
    began: Instant,
    ended: Instant,
    /// The end as the journal counts time.
    killed: Timestamp,
}

/// A page as it arrived.
#[derive(Clone, Debug)]
pub struct Page {
    /// The same in a repeat.
    pub delivery: String,
    /// The incident.
    pub incident: String,
    /// Whether it says that it may be a repeat.
    pub is_marked: bool,
    at: Instant,
}

/// What arrived more than once.
#[derive(Clone, Debug, Default)]
pub struct Repeats {
    /// Arrivals after the first of the same delivery.
    pub arrived: usize,
    /// Those of them that do not say that they may be a repeat.
    pub unmarked: usize,
}

impl Burst {
    /// Starts the peers.
    pub async fn start(breaches: usize, people: usize) -> Self {
        let (gauges, slack) = (Gauges::start().await, Slack::start().await);
        Self { gauges, slack, breaches, people }
    }

    /// Starts a daemon that watches the target. No escalation and no repetition comes into the
    /// count: a page after the first of an incident is a repeat of the same delivery.
    pub async fn daemon(&self, folder: &Folder) -> Daemon {
        Daemon::start(folder, &self.configuration()).await
    }

    /// Turns all breaches of a wave bad at once.
    pub fn begin(&self, wave: usize) {
        self.gauges.set(self.labels(wave), 1.0);
    }

    /// Turns them good again.
    pub fn end(&self, wave: usize) {
        self.gauges.set(self.labels(wave), 0.0);
    }

    /// Waits until every breach of a wave is an incident of which somebody was told, and returns
    /// those that are lost: never an incident, or one whose page never arrived.
    pub async fn lost(&self, wave: usize, daemon: &Daemon) -> Vec<usize> {
        let wave = wave.to_string();
        let told = try_wait_for(async || {
            let found = incidents(daemon, &wave).await;
            let is_told = |one: &Value| !one["notified_at"].is_null();
            (found.len() == self.breaches && found.values().all(is_told)).then_some(found)
        })
        .await;
        let found = match told {
            Some(found) => found,
            None => incidents(daemon, &wave).await,
        };
        let arrived: BTreeSet<String> = self.pages().into_iter().map(|one| one.incident).collect();
        let is_lost = |breach: &usize| {
            let id = found.get(&breach.to_string()).and_then(|one| one["id"].as_str());
            id.is_none_or(|id| !arrived.contains(id))
        };
        (0..self.breaches).filter(is_lost).collect()
    }

    /// Returns every page that arrived, in order.
    pub fn pages(&self) -> Vec<Page> {
        pages(&self.slack.calls())
    }

    /// Waits until more than so many pages have arrived, and returns how many have.
    pub async fn more_pages_than(&self, count: usize) -> usize {
        let is_more = |calls: &[Call]| count < pages(calls).len();
        pages(&self.slack.wait_for(is_more, super::daemon::DEADLINE).await).len()
    }

    fn labels(&self, wave: usize) -> impl Iterator<Item = String> {
        let people = self.people;
        (0..self.breaches).map(move |breach| {
            format!("wave=\"{wave}\",breach=\"{breach}\",person=\"p{}\"", breach % people)
        })
    }

    fn configuration(&self) -> String {
        let mut text = format!(
            r#"
[scrape.api]
url = ["{}"]
interval = "1s"
[rule.gauge]
expr = "gauge"
critical = "> 0.5"
clear_for = "0s"
[slack]
token = "env:TEST_SLACK_TOKEN"
api_url = "{}"
[person.boss]
slack = "UBOSS"
"#,
            self.gauges.metrics_url(),
            self.slack.api_url()
        );
        for person in 0..self.people {
            writeln!(text, "[person.p{person}]\nslack = \"UP{person}\"").unwrap();
        }
        for person in 0..self.people {
            text.push_str(&route(
                &format!("p{person}"),
                &format!("match = 'person=\"p{person}\"'"),
            ));
        }
        text.push_str(&route("boss", ""));
        text
    }
}

impl Page {
    fn of(call: &Call) -> Option<Self> {
        let body = &call.body;
        let is_page = call.method == "chat.postMessage" && body["thread_ts"].is_null();
        let payload = &body["metadata"]["event_payload"];
        is_page.then(|| Self {
            delivery: payload["delivery"].as_str().unwrap_or_default().to_owned(),
            incident: payload["incident"].as_str().unwrap_or_default().to_owned(),
            is_marked: body["text"].as_str().is_some_and(|text| text.contains("may be a repeat")),
            at: call.at,
        })
    }
}

fn pages(calls: &[Call]) -> Vec<Page> {
    calls.iter().filter_map(Page::of).collect()
}

/// Counts what arrived more than once; of each, one arrival may be without the mark: the first one
/// that was sent, whichever was noticed first.
pub fn repeats(pages: &[Page]) -> Repeats {
    let mut seen = BTreeSet::new();
    let mut unmarked = BTreeSet::new();
    let mut found = Repeats::default();
    for page in pages {
        found.arrived += usize::from(!seen.insert(&page.delivery));
        found.unmarked += usize::from(!page.is_marked && !unmarked.insert(&page.delivery));
    }
    found
}

impl Lives {
    /// Begins the first life; the daemon is started afterwards.
    pub fn begin() -> Self {
        Self { ended: Vec::new(), began: now() }
    }

    /// Kills the daemon and starts the next one on the same state, without waiting for it.
    pub fn next(&mut self, daemon: &mut Daemon) {
        daemon.kill();
        let (ended, killed) = (now(), Clock::start().now());
        self.ended.push(Life { began: self.began, ended, killed });
        self.began = ended;
        *daemon = Daemon::launch(&daemon.folder.clone(), daemon.port());
    }

    /// Returns for each kill how many pages were under way: they had arrived in that life, and the
    /// journal did not know it.
    pub fn under_way(&self, pages: &[Page], folder: &Folder) -> Vec<usize> {
        let database = folder.path().join("state/watchbell.db");
        let mut delivered = BTreeMap::new();
        for record in Reader::open(&database).unwrap().records(0, usize::MAX).unwrap() {
            if let Fact::Delivered { delivery, .. } = record.fact {
                delivered.insert(delivery.to_string(), record.at);
            }
        }
        let open_at_end = |life: &Life| {
            let open: BTreeSet<&str> = pages
                .iter()
                .filter(|page| life.began <= page.at && page.at < life.ended + NOTICED_WITHIN)
                .map(|page| page.delivery.as_str())
                .filter(|id| delivered.get(*id).is_none_or(|at| life.killed < *at))
                .collect();
            open.len()
        };
        self.ended.iter().map(open_at_end).collect()
    }
}

#[allow(clippy::disallowed_methods, reason = "a real peer reads a real clock")]
fn now() -> Instant {
    Instant::now()
}

fn route(person: &str, matching: &str) -> String {
    format!(
        r#"
[[route]]
name = "{person}"
{matching}
page = ["{person}"]
group_by = ["alertname", "wave", "breach"]
escalate = [{{ at = "1h", page = ["boss"] }}]
repeat = "1h"
fallback = ["boss"]
"#
    )
}

/// The open incidents of a wave, by their breach.
async fn incidents(daemon: &Daemon, wave: &str) -> BTreeMap<String, Value> {
    let all = daemon.get("/api/watchbell/v1/incidents?state=open").await.json();
    let mut found = BTreeMap::new();
    for incident in all.as_array().unwrap() {
        let labels = &incident["alerts"][0]["labels"];
        if labels["wave"] == wave
            && let Some(breach) = labels["breach"].as_str()
        {
            found.insert(breach.to_owned(), incident.clone());
        }
    }
    found
}
