//! One scrape of one target: get the body, append it, write the target's line on the board.
//!
//! Whatever happens, the series hear of it (`up`), the board says why, and the loop gets an answer.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::FutureExt as _;
use tokio::sync::mpsc;
use watchbell_metrics::exposition::Format;
use watchbell_metrics::sample::Millis;
use watchbell_metrics::series::Appended;

use crate::clock::Clock;
use crate::collect::Collector;
use crate::scrape::failure::Failure;
use crate::scrape::fetch::Body;
use crate::scrape::plan::{Origin, Slot, State};
use crate::targets::{TargetBoard, TargetStatus};
use crate::telemetry::Metrics;

/// A body of this size is parsed on a thread of its own.
const INLINE_MAX: usize = 64 * 1024;

/// What the loop hears of a finished scrape.
#[derive(Debug)]
pub(super) struct Answer {
    /// Which target, by its state's id.
    pub(super) id: u64,
    /// The plan under which it was started.
    pub(super) generation: u64,
    /// The time of its samples.
    pub(super) at: Millis,
    /// Rules that read it.
    pub(super) readers: Vec<usize>,
}

/// What a visit works with.
#[derive(Clone, Debug)]
pub(super) struct Visitor {
    pub(super) clock: Arc<Clock>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) board: TargetBoard,
    pub(super) collector: Arc<Collector>,
    pub(super) answers: mpsc::Sender<Answer>,
}

/// What came of it.
struct Visited {
    appended: Appended,
    failure: Option<String>,
    readers: Vec<usize>,
}

/// Takes the busy mark away whichever way a visit ends; one that stays would be the last.
struct Busy(Arc<State>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.is_busy.store(false, Ordering::Release);
    }
}

impl Visitor {
    /// Scrapes a target whose busy mark is set, and takes the mark away.
    pub(super) async fn visit(self, slot: Arc<Slot>, at: Millis, generation: u64) {
        let free_when_dropped = Busy(Arc::clone(&slot.state));
        let began = self.clock.elapsed();
        let body = AssertUnwindSafe(self.body(&slot)).catch_unwind().await;
        let body = body.unwrap_or(Err(Failure::Panicked));
        let seconds = self.clock.elapsed().saturating_sub(began).as_secs_f64();
        let visited = append(Arc::clone(&slot), body, at, seconds).await;
        self.tell(&slot, &visited, at, seconds);
        drop(free_when_dropped);
        let answer = Answer { id: slot.state.id, generation, at, readers: visited.readers };
        if self.answers.send(answer).await.is_err() {
            tracing::debug!("a scrape ended after the loop");
        }
    }

    async fn body(&self, slot: &Slot) -> Result<Body, Failure> {
        match &slot.origin {
            Origin::Http { url, fetcher } => match &**fetcher {
                Ok(fetcher) => fetcher.fetch(url).await,
                Err(setup) => Err(setup.clone()),
            },
            Origin::Own => {
                let metrics = Arc::clone(&self.metrics);
                self.inside(slot, move || Ok(crate::collect::own_text(&metrics))).await
            }
            Origin::Host => {
                let (collector, now) = (Arc::clone(&self.collector), self.clock.now());
                self.inside(slot, move || collector.host_text(now)).await
            }
        }
    }

    /// Collects in the process, on a thread that may be held up by a dead mount.
    async fn inside(
        &self,
        slot: &Slot,
        collect: impl FnOnce() -> Result<String, String> + Send + 'static,
    ) -> Result<Body, Failure> {
        let worker = tokio::task::spawn_blocking(collect);
        match tokio::time::timeout(slot.timeout, worker).await {
            Ok(Ok(text)) => text
                .map(|text| Body::new(text.into_bytes(), Format::Text))
                .map_err(Failure::Content),
            Ok(Err(_)) => Err(Failure::Panicked),
            Err(_) => Err(Failure::TimedOut(slot.timeout)),
        }
    }

    fn tell(&self, slot: &Slot, visited: &Visited, at: Millis, seconds: f64) {
        let appended = &visited.appended;
        let outcome = if visited.failure.is_some() { "failed" } else { "ok" };
        self.metrics.scrapes.with_label_values(&[outcome]).inc();
        self.metrics.samples_ingested.inc_by(u64::try_from(appended.samples).unwrap_or(0));
        if slot.state.series.lock().is_none() {
            // It left the board while it was scraped.
            return;
        }
        let half_good = (0 < appended.fault_count)
            .then(|| format!("{} lines could not be read", appended.fault_count));
        self.board.put(TargetStatus {
            health: if visited.failure.is_some() { "down" } else { "up" },
            last_error: visited.failure.clone().or(half_good),
            faults: appended
                .faults
                .iter()
                .map(|fault| format!("line {}: {}", fault.line, fault.message))
                .collect(),
            last_scrape_ms: Some(at),
            duration_seconds: seconds,
            samples: appended.samples,
            series: appended.series,
            ..unknown(slot)
        });
    }
}

/// Returns the line of a target that was not scraped yet.
pub(super) fn unknown(slot: &Slot) -> TargetStatus {
    TargetStatus {
        table: slot.key.table.clone(),
        url: slot.key.url.clone(),
        labels: slot.key.labels.clone(),
        health: "unknown",
        last_error: None,
        faults: Vec::new(),
        last_scrape_ms: None,
        duration_seconds: 0.0,
        samples: 0,
        series: 0,
        interval_seconds: slot.interval.as_secs_f64(),
        timeout_seconds: slot.timeout.as_secs_f64(),
    }
}

async fn append(slot: Arc<Slot>, body: Result<Body, Failure>, at: Millis, seconds: f64) -> Visited {
    let is_large = body.as_ref().is_ok_and(|body| INLINE_MAX < body.bytes.len());
    let append = move || append_now(&slot, &body, at, seconds);
    let appended = if is_large {
        tokio::task::spawn_blocking(append).await.ok()
    } else {
        std::panic::catch_unwind(AssertUnwindSafe(append)).ok()
    };
    appended.unwrap_or_else(|| Visited {
        appended: Appended::default(),
        failure: Some(Failure::Panicked.to_string()),
        readers: Vec::new(),
    })
}

fn append_now(slot: &Slot, body: &Result<Body, Failure>, at: Millis, seconds: f64) -> Visited {
    let mut series = slot.state.series.lock();
    let Some(series) = series.as_mut() else {
        return Visited { appended: Appended::default(), failure: None, readers: Vec::new() };
    };
    let (appended, failure) = match body {
        Ok(body) => {
            let appended = series.append(&body.bytes, body.format, at, seconds);
            let failure = appended.failed.clone();
            (appended, failure)
        }
        Err(failure) => (series.fail(at, seconds), Some(failure.to_string())),
    };
    Visited { appended, failure, readers: series.readers() }
}
