//! Both on the same targets: three recorded ones, whose samples carry their own times, and a live
//! node exporter.
//!
//! What is recorded is a made-up shop, a real node exporter and a real service with traffic. Both
//! store the very same samples of them, so every number can be compared; of the live target only
//! what does not move.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::shop;
use crate::side::{Side, encode};
use crate::support::daemon::{Daemon, Folder, try_wait_for};
use crate::support::node_exporter::NodeExporter;
use crate::support::prometheus::Prometheus;
use crate::support::replay::{self, Replay, Sampled};
use crate::support::service::Service;

/// How many times each recorded target was looked at.
pub(crate) const TICKS: u32 = 60;
/// The time between two of them, seconds.
pub(crate) const TICK: i64 = 15;
/// How many bodies the recorded ones are sent in.
const BODIES: u32 = 3;
/// How long before the start the recording began, seconds.
const AGE: i64 = 25 * 60;
/// A recorded sample lies this far behind a whole tick, milliseconds; no query asks there.
const PHASE_MS: i64 = 4_300;
/// Both have a body of a recorded target at once, however busy the machine is.
const INTERVAL: &str = "2s";

/// Both, and what they watch.
pub(crate) struct World {
    pub(crate) ours: Side,
    pub(crate) theirs: Side,
    /// The major version of the real one.
    pub(crate) version: u64,
    /// When the recording began, whole seconds: a multiple of a tick.
    pub(crate) began: i64,
    pub(crate) daemon: Daemon,
    _folder: Folder,
    _prometheus: Prometheus,
    _exporter: NodeExporter,
}

impl World {
    /// Starts both and waits until both know everything; none where a real one is absent.
    pub(crate) async fn start() -> Option<Self> {
        let exporter = NodeExporter::start()?;
        let began = (wall() - AGE) / TICK * TICK;
        let recorded = [
            ("shop", record_shop(began)),
            ("node", record_node(&exporter, began)),
            ("service", record_service(began).await),
        ];
        let mut targets = Vec::new();
        let mut wanted = 0;
        for (job, recording) in recorded {
            wanted += recording.sample_count;
            targets.push((job, Replay::start(recording.bodies).await.address.to_string()));
        }
        let live = exporter.address.to_string();
        let folder = Folder::new("peers");
        let prometheus = Prometheus::start(&folder, &their_config(&targets, &live))?;
        let daemon = Daemon::start(&folder, &our_config(&targets, &live)).await;
        let (ours, theirs) = (Side::new(&daemon.url), Side::new(&prometheus.url));
        for (side, name) in [(&ours, "we"), (&theirs, "Prometheus")] {
            let known = knows(side, wanted).await;
            let logs = || format!("{}\n{}", daemon.log(), prometheus.log());
            assert!(known, "{name} did not take {wanted} samples in time\n{}", logs());
        }
        let version = major(&theirs.get("/api/v1/status/buildinfo").await.json);
        let (_prometheus, _exporter, _folder) = (prometheus, exporter, folder);
        Some(Self { ours, theirs, version, began, daemon, _prometheus, _exporter, _folder })
    }

    /// Returns the time that it is, whole seconds.
    pub(crate) fn now(&self) -> String {
        wall().to_string()
    }

    /// Returns an instant some seconds after the recording began, between two samples.
    pub(crate) fn instant(&self, seconds: i64) -> String {
        format!("{}.1", self.began + seconds)
    }
}

#[allow(clippy::disallowed_methods, reason = "samples must be of today to be taken")]
fn wall() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

struct Recording {
    bodies: Vec<String>,
    sample_count: usize,
}

fn record_shop(began: i64) -> Recording {
    record(began, shop::COMMENTS, (0..TICKS).map(shop::samples).collect())
}

/// Looks at the exporter again and again; series that come and go are left out.
fn record_node(exporter: &NodeExporter, began: i64) -> Recording {
    let looks: Vec<_> = (0..TICKS).map(|_| replay::read(&exporter.scrape())).collect();
    let comments = looks[0].1.join("\n") + "\n";
    let names = |samples: &[Sampled]| -> BTreeSet<String> {
        samples.iter().map(|(series, _)| series.clone()).collect()
    };
    let mut constant = names(&looks[0].0);
    for (samples, _) in &looks {
        constant = &constant & &names(samples);
    }
    let ticks = looks.iter().map(|(samples, _)| {
        samples.iter().filter(|(series, _)| constant.contains(series)).cloned().collect()
    });
    record(began, &comments, ticks.collect())
}

/// Sends a real service some requests in each tick.
async fn record_service(began: i64) -> Recording {
    let service = Service::start().await;
    let side = Side::new(&format!("http://{}", service.address));
    let mut comments = String::new();
    let mut ticks = Vec::new();
    for tick in 0..TICKS {
        for code in ["200", "200", "404", "500"].iter().take(1 + usize::try_from(tick % 4).unwrap())
        {
            side.get(&format!("/answer/{code}")).await;
        }
        service.instruments.gauge.set(f64::from(tick).sin());
        let (samples, told) = replay::read(&side.get("/metrics").await.text);
        comments = told.join("\n") + "\n";
        ticks.push(samples);
    }
    record(began, &comments, ticks)
}

/// Writes the ticks into a few bodies, and the last tick once more as the one that stays.
fn record(began: i64, comments: &str, ticks: Vec<Vec<Sampled>>) -> Recording {
    let sample_count = ticks.iter().map(Vec::len).sum();
    let mut bodies = vec![comments.to_owned(); usize::try_from(BODIES + 1).unwrap()];
    let per_body = ticks.len().div_ceil(usize::try_from(BODIES).unwrap());
    for (tick, samples) in ticks.iter().enumerate() {
        let at = (began + i64::try_from(tick).unwrap() * TICK) * 1000 + PHASE_MS;
        replay::write(samples, at, &mut bodies[tick / per_body]);
        if tick + 1 == ticks.len() {
            replay::write(samples, at, bodies.last_mut().unwrap());
        }
    }
    Recording { bodies, sample_count }
}

fn our_config(targets: &[(&str, String)], live: &str) -> String {
    use std::fmt::Write as _;
    let mut config = "[history]\nraw = \"2h\"\n[collect]\nown = false\n".to_owned();
    for (job, address) in targets {
        write!(
            config,
            "[scrape.{job}]\nurl = [\"http://{address}/metrics\"]\ninterval = \"{INTERVAL}\"\n"
        )
        .unwrap();
    }
    write!(
        config,
        "[scrape.live]\nurl = [\"http://{live}/metrics\"]\ninterval = \"1s\"\n\
         labels = {{ team = \"infra\" }}\n"
    )
    .unwrap();
    config
}

fn their_config(targets: &[(&str, String)], live: &str) -> String {
    use std::fmt::Write as _;
    let mut config = "scrape_configs:\n".to_owned();
    for (job, address) in targets {
        write!(
            config,
            "- job_name: {job}\n  scrape_interval: {INTERVAL}\n  scrape_timeout: {INTERVAL}\n  \
             static_configs:\n  - targets: [\"{address}\"]\n"
        )
        .unwrap();
    }
    write!(
        config,
        "- job_name: live\n  scrape_interval: 1s\n  scrape_timeout: 1s\n  static_configs:\n  \
         - targets: [\"{live}\"]\n    labels: {{ team: infra }}\n"
    )
    .unwrap();
    config
}

/// Waits until one has every recorded sample and a few of the live target.
async fn knows(side: &Side, wanted: usize) -> bool {
    let recorded = r#"{job=~"shop|node|service",__name__!~"up|scrape_.+"}[1h]"#;
    let known = try_wait_for(async || {
        let live = count(side, r#"up{job="live"}[1h]"#).await?;
        let taken = count(side, recorded).await?;
        (taken == wanted && 3 <= live).then_some(())
    });
    known.await.is_some()
}

async fn count(side: &Side, query: &str) -> Option<usize> {
    let path = format!("/api/v1/query?{}", encode(&[("query", query)]));
    let answer = side.try_ask("GET", &path, "").await.ok()?;
    let series = answer.json["data"]["result"].as_array()?;
    let count = |one: &Value| one["values"].as_array().map(Vec::len);
    Some(series.iter().filter_map(count).sum())
}

fn major(build_info: &Value) -> u64 {
    let version = build_info["data"]["version"].as_str().unwrap_or_default();
    let first = version.split('.').next().unwrap_or_default();
    first.parse().unwrap_or_else(|error| panic!("{error} in {build_info}"))
}
