//! A target that replays recorded bodies: each client that scrapes it gets them one after the
//! other, each once, and then the last one for ever, which holds nothing new. So all clients end
//! with the very same samples however often they ask.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use axum::routing::get;
use parking_lot::Mutex;
use tokio::net::TcpListener;

/// A running target; it ends with the test.
pub struct Replay {
    /// Where it listens.
    pub address: SocketAddr,
}

struct Shared {
    bodies: Vec<String>,
    /// How many bodies each client has got, by the name in its `User-Agent`.
    given: Mutex<BTreeMap<String, usize>>,
}

impl Replay {
    /// Starts it on a free loopback port.
    pub async fn start(bodies: Vec<String>) -> Self {
        let shared = Arc::new(Shared { bodies, given: Mutex::default() });
        let router = Router::new().route("/metrics", get(show)).with_state(shared);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        super::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address }
    }
}

/// A series with its labels as the exposition writes them, and its value.
pub type Sampled = (String, f64);

/// Writes samples as they were at a time, UTC milliseconds.
pub fn write(samples: &[Sampled], at: i64, body: &mut String) {
    use std::fmt::Write as _;
    for (series, value) in samples {
        let value = if value.is_infinite() {
            if *value < 0.0 { "-Inf".to_owned() } else { "+Inf".to_owned() }
        } else {
            value.to_string()
        };
        writeln!(body, "{series} {value} {at}").unwrap();
    }
}

/// Reads the samples of a body without times, and its comments.
pub fn read(body: &str) -> (Vec<Sampled>, Vec<String>) {
    let comments = body.lines().filter(|line| line.starts_with('#')).map(str::to_owned);
    let samples = body.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let (series, value) = line.rsplit_once(' ')?;
        Some((series.to_owned(), value.parse().ok()?))
    });
    (samples.collect(), comments.collect())
}

async fn show(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> impl IntoResponse {
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    let client = agent.and_then(|agent| agent.split('/').next()).unwrap_or_default();
    let mut given = shared.given.lock();
    let count = given.entry(client.to_owned()).or_default();
    let body =
        shared.bodies.get(*count).or_else(|| shared.bodies.last()).cloned().unwrap_or_default();
    *count += 1;
    ([("content-type", "text/plain; version=0.0.4")], body)
}
