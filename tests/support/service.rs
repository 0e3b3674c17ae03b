//! A small real web service, instrumented with the `prometheus` crate, that fails on request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Router, response::IntoResponse};
use prometheus::{
    Encoder, Gauge, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry, TextEncoder,
};
use tokio::sync::watch;

/// Its instruments.
pub struct Instruments {
    registry: Registry,
    requests: IntCounterVec,
    seconds: HistogramVec,
    /// A gauge that tests set.
    pub gauge: Gauge,
}

/// A running service; it ends when it is dropped.
pub struct Service {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it counts.
    pub instruments: Arc<Instruments>,
    /// Opens the gates of requests that dawdle.
    pub gate: watch::Sender<bool>,
}

#[derive(Clone)]
struct Shared {
    instruments: Arc<Instruments>,
    gate: watch::Receiver<bool>,
}

impl Service {
    /// Starts the service on a free loopback port.
    pub async fn start() -> Self {
        let instruments = Arc::new(Instruments::new());
        let (gate, gate_seen) = watch::channel(false);
        let shared = Shared { instruments: Arc::clone(&instruments), gate: gate_seen };
        let router = Router::new()
            .route("/metrics", get(metrics))
            .route("/answer/{code}", get(answer))
            .route("/dawdle", get(dawdle))
            .with_state(shared);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        super::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, instruments, gate }
    }

    /// Returns the URL of its metrics.
    pub fn metrics_url(&self) -> String {
        format!("http://{}/metrics", self.address)
    }
}

impl Instruments {
    fn new() -> Self {
        let registry = Registry::new();
        let requests =
            IntCounterVec::new(Opts::new("http_requests_total", "Requests."), &["code"]).unwrap();
        let seconds = HistogramVec::new(
            HistogramOpts::new("http_request_duration_seconds", "Response times."),
            &["code"],
        )
        .unwrap();
        let gauge = Gauge::new("test_gauge", "Whatever a test sets.").unwrap();
        registry.register(Box::new(requests.clone())).unwrap();
        registry.register(Box::new(seconds.clone())).unwrap();
        registry.register(Box::new(gauge.clone())).unwrap();
        Self { registry, requests, seconds, gauge }
    }

    fn count(&self, code: &str, began: Instant) {
        self.requests.with_label_values(&[code]).inc();
        self.seconds.with_label_values(&[code]).observe(began.elapsed().as_secs_f64());
    }
}

async fn metrics(State(shared): State<Shared>) -> impl IntoResponse {
    let mut body = Vec::new();
    TextEncoder::new().encode(&shared.instruments.registry.gather(), &mut body).unwrap();
    ([("content-type", "text/plain; version=0.0.4")], body)
}

async fn answer(State(shared): State<Shared>, Path(code): Path<u16>) -> StatusCode {
    let began = now();
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::IM_A_TEAPOT);
    shared.instruments.count(status.as_str(), began);
    status
}

async fn dawdle(State(shared): State<Shared>) -> StatusCode {
    let began = now();
    let mut gate = shared.gate.clone();
    let opened = gate.wait_for(|open| *open).await.is_ok();
    let status = if opened { StatusCode::OK } else { StatusCode::GONE };
    shared.instruments.count(status.as_str(), began);
    status
}

#[allow(clippy::disallowed_methods, reason = "a real service reads a real clock")]
fn now() -> Instant {
    Instant::now()
}
