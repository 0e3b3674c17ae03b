//! Own metrics and the log.
//!
//! Names are part of the public contract; nothing here decides.

use std::io::IsTerminal;

use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder,
};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, fmt};

/// From a tenth of a millisecond to half a minute.
const SECONDS: [f64; 14] =
    [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// Every instrument of the daemon.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// `watchbell_samples_ingested_total`
    pub samples_ingested: IntCounter,
    /// `watchbell_series{kind}`
    pub series: IntGaugeVec,
    /// `watchbell_rule_evaluations_total`
    pub rule_evaluations: IntCounter,
    /// `watchbell_rule_evaluations_missed_total`
    pub rule_evaluations_missed: IntCounter,
    /// `watchbell_rule_evaluation_failures_total`
    pub rule_evaluation_failures: IntCounter,
    /// `watchbell_rule_evaluation_seconds`
    pub rule_evaluation_seconds: Histogram,
    /// `watchbell_rules_without_series`
    pub rules_without_series: IntGauge,
    /// `watchbell_decision_seconds`: samples complete → decided.
    pub decision_seconds: Histogram,
    /// `watchbell_incidents{state}`
    pub incidents: IntGaugeVec,
    /// `watchbell_deliveries_total{channel,outcome}`
    pub deliveries: IntCounterVec,
    /// `watchbell_delivery_seconds{channel}`
    pub delivery_seconds: HistogramVec,
    /// `watchbell_journal_sync_seconds`
    pub journal_sync_seconds: Histogram,
    /// `watchbell_journal_records_total`
    pub journal_records: IntCounter,
    /// `watchbell_config_last_reload_successful`
    pub reload_successful: IntGauge,
    /// `watchbell_scrapes_total{outcome}`
    pub scrapes: IntCounterVec,
    /// `watchbell_sample_blocks_dropped_total`
    pub sample_blocks_dropped: IntCounter,
}

impl Metrics {
    /// Registers every instrument.
    ///
    /// # Errors
    /// Two have one name; a fault of this file.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let build = Build { registry: &registry };
        let metrics = Self {
            samples_ingested: build
                .counter("watchbell_samples_ingested_total", "Samples taken from targets.")?,
            series: build.gauges(
                "watchbell_series",
                "Series kept, by who reads them.",
                &["kind"],
            )?,
            rule_evaluations: build
                .counter("watchbell_rule_evaluations_total", "Evaluations of rules.")?,
            rule_evaluations_missed: build.counter(
                "watchbell_rule_evaluations_missed_total",
                "Evaluations and scrapes that were skipped because the daemon was late.",
            )?,
            rule_evaluation_failures: build.counter(
                "watchbell_rule_evaluation_failures_total",
                "Evaluations of rules that ended in an error.",
            )?,
            rule_evaluation_seconds: build
                .histogram("watchbell_rule_evaluation_seconds", "Time for one rule.")?,
            rules_without_series: build.gauge(
                "watchbell_rules_without_series",
                "Rules whose selectors find no series at all.",
            )?,
            decision_seconds: build.histogram(
                "watchbell_decision_seconds",
                "From the samples of a round being complete to the decision.",
            )?,
            incidents: build.gauges("watchbell_incidents", "Incidents, by state.", &["state"])?,
            deliveries: build.counters(
                "watchbell_deliveries_total",
                "Attempts to deliver, by channel and outcome.",
                &["channel", "outcome"],
            )?,
            delivery_seconds: build.histograms(
                "watchbell_delivery_seconds",
                "Time of one attempt to deliver.",
                &["channel"],
            )?,
            journal_sync_seconds: build
                .histogram("watchbell_journal_sync_seconds", "Time to make records durable.")?,
            journal_records: build
                .counter("watchbell_journal_records_total", "Records written to the journal.")?,
            reload_successful: build.gauge(
                "watchbell_config_last_reload_successful",
                "Whether the newest configuration is in force.",
            )?,
            scrapes: build.counters(
                "watchbell_scrapes_total",
                "Scrapes, by outcome.",
                &["outcome"],
            )?,
            sample_blocks_dropped: build.counter(
                "watchbell_sample_blocks_dropped_total",
                "Seconds of samples that the disk did not take.",
            )?,
            registry,
        };
        metrics.reload_successful.set(1);
        for kind in ["read", "unread"] {
            metrics.series.with_label_values(&[kind]).set(0);
        }
        for state in ["triggered", "acked"] {
            metrics.incidents.with_label_values(&[state]).set(0);
        }
        Ok(metrics)
    }

    /// Writes everything in Prometheus's text format.
    #[must_use]
    pub fn render(&self) -> String {
        let mut body = Vec::new();
        // Writing to memory fails for a broken family only; what was written so far is kept.
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut body) {
            tracing::warn!(%error, "own metrics could not be written whole");
        }
        String::from_utf8_lossy(&body).into_owned()
    }
}

/// Who reads the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogTo {
    /// The journal where systemd reads it, else standard error; `$RUST_LOG` filters.
    Service,
    /// Someone who tries the program: only what they must know.
    Newcomer,
}

/// Starts the log; a second call changes nothing.
pub fn log_to(reader: LogTo) {
    let default = match reader {
        LogTo::Service => "info",
        LogTo::Newcomer => "error",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let registry = tracing_subscriber::registry().with(filter).with(filter_fn(may_be_told));
    let in_journal = reader == LogTo::Service && std::env::var_os("JOURNAL_STREAM").is_some();
    let started = match tracing_journald::layer() {
        Ok(journal) if in_journal => registry.with(journal).try_init(),
        Ok(_) | Err(_) => {
            let colour = std::io::stderr().is_terminal();
            let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(colour);
            registry.with(lines.with_target(false)).try_init()
        }
    };
    if started.is_err() {
        tracing::debug!("the log was started before");
    }
}

/// slack-morphism writes the address of a socket that it cannot open, and whoever has that address
/// hears our clicks. What matters of it is told by the module that uses it.
fn may_be_told(metadata: &tracing::Metadata<'_>) -> bool {
    metadata.target().split("::").next() != Some("slack_morphism")
}

struct Build<'a> {
    registry: &'a Registry,
}

impl Build<'_> {
    fn add<C: prometheus::core::Collector + Clone + 'static>(
        &self,
        one: C,
    ) -> Result<C, prometheus::Error> {
        self.registry.register(Box::new(one.clone()))?;
        Ok(one)
    }

    fn counter(&self, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
        self.add(IntCounter::new(name, help)?)
    }

    fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        self.add(IntGauge::new(name, help)?)
    }

    fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntCounterVec, prometheus::Error> {
        self.add(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    fn gauges(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntGaugeVec, prometheus::Error> {
        self.add(IntGaugeVec::new(Opts::new(name, help), labels)?)
    }

    fn histogram(&self, name: &str, help: &str) -> Result<Histogram, prometheus::Error> {
        self.add(Histogram::with_opts(HistogramOpts::new(name, help).buckets(SECONDS.to_vec()))?)
    }

    fn histograms(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<HistogramVec, prometheus::Error> {
        let options = HistogramOpts::new(name, help).buckets(SECONDS.to_vec());
        self.add(HistogramVec::new(options, labels)?)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::sync::Arc;

    use super::*;

    #[test]
    fn addresses_of_slacks_sockets_are_not_written_down() {
        let written = tempfile::NamedTempFile::new().unwrap();
        let writer = Arc::new(File::create(written.path()).unwrap());
        let lines = fmt::layer().with_writer(writer);
        let log = tracing_subscriber::registry().with(filter_fn(may_be_told)).with(lines);
        tracing::subscriber::with_default(log, || {
            tracing::error!(target: "slack_morphism::socket", "wss://example.org/?ticket=s3cret");
            tracing::error!(target: "slack_morphism", "s3cret");
            tracing::error!("ours");
        });
        let text = std::fs::read_to_string(written.path()).unwrap();
        assert!(text.contains("ours") && !text.contains("s3cret"), "{text}");
    }

    #[test]
    fn names_of_the_contract_are_there_from_the_start() {
        let metrics = Metrics::new().unwrap();
        metrics.deliveries.with_label_values(&["slack", "accepted"]).inc();
        metrics.delivery_seconds.with_label_values(&["slack"]).observe(0.2);
        let text = metrics.render();
        for name in [
            "watchbell_samples_ingested_total 0",
            "watchbell_series{kind=\"read\"} 0",
            "watchbell_rule_evaluations_total 0",
            "watchbell_rule_evaluations_missed_total 0",
            "watchbell_rule_evaluation_seconds_bucket",
            "watchbell_rules_without_series 0",
            "watchbell_decision_seconds_bucket",
            "watchbell_incidents{state=\"triggered\"} 0",
            "watchbell_deliveries_total{channel=\"slack\",outcome=\"accepted\"} 1",
            "watchbell_delivery_seconds_bucket{channel=\"slack\"",
            "watchbell_journal_sync_seconds_count 0",
            "watchbell_config_last_reload_successful 1",
        ] {
            assert!(text.contains(name), "{name} is missing in\n{text}");
        }
    }
}
