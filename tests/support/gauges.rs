//! A target with one gauge, whose series tests set; all that is set at once is seen at once.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::get;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// A running target.
#[derive(Clone)]
pub struct Gauges {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    /// The value of each series, by its labels as the exposition writes them.
    series: Mutex<BTreeMap<String, f64>>,
    scrapes: watch::Sender<u64>,
}

impl Gauges {
    /// Starts it on a free port, without any series.
    pub async fn start() -> Self {
        let shared = Arc::new(Shared { series: Mutex::default(), scrapes: watch::Sender::new(0) });
        let router = Router::new().route("/metrics", get(show)).with_state(Arc::clone(&shared));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        super::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, shared }
    }

    /// Returns the URL of its metrics.
    pub fn metrics_url(&self) -> String {
        format!("http://{}/metrics", self.address)
    }

    /// Sets series of `gauge`, named by their labels: `round="1"`.
    pub fn set(&self, labels: impl IntoIterator<Item = String>, value: f64) {
        let mut series = self.shared.series.lock();
        series.extend(labels.into_iter().map(|labels| (labels, value)));
    }

    /// Waits until somebody reads what is set now.
    pub async fn read(&self) {
        let mut scrapes = self.shared.scrapes.subscribe();
        let before = *scrapes.borrow_and_update();
        let read = scrapes.wait_for(|count| before < *count);
        tokio::time::timeout(super::DEADLINE, read).await.expect("a scrape").unwrap();
    }
}

async fn show(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    let mut body = "# TYPE gauge gauge\n".to_owned();
    for (labels, value) in &*shared.series.lock() {
        writeln!(body, "gauge{{{labels}}} {value}").unwrap();
    }
    shared.scrapes.send_modify(|count| *count += 1);
    ([("content-type", "text/plain; version=0.0.4")], body)
}
