//! What the tests of the whole program share: real and fake peers, and samples of what is sent.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "this is test code throughout")]

pub mod burst;
pub mod daemon;
pub mod delivery;
pub mod gauges;
pub mod mail;
pub mod node_exporter;
pub mod prometheus;
pub mod replay;
pub mod service;
pub mod slack;

use std::future::Future;
use std::time::Duration;

use axum::Router;
use axum::routing::{MethodRouter, get};
use tokio::sync::watch;

/// How long a test waits for what must happen.
pub const DEADLINE: Duration = Duration::from_secs(20);
/// How often a condition outside the process is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Starts a task that ends with the test.
#[allow(clippy::disallowed_methods, reason = "a test has no supervisor")]
pub fn spawn<F>(task: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(task)
}

/// Returns what was started; where the program is absent this says so, which is a failure in `CI`.
pub fn present<T>(program: &str, started: std::io::Result<T>) -> Option<T> {
    match started {
        Ok(started) => Some(started),
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "{program}: {error}");
            eprintln!("{program} is absent: {error}");
            None
        }
    }
}

/// Answers GETs of a path with a text for as long as the test runs; returns the URL.
pub async fn serve(path: &str, body: String) -> String {
    start(path, get(move || std::future::ready(body.clone()))).await
}

/// Answers GETs of a path; returns the URL and how often it was asked.
pub async fn count(path: &str) -> (String, watch::Receiver<usize>) {
    let (counter, counted) = watch::channel(0);
    let counting = get(move || {
        counter.send_modify(|count| *count += 1);
        std::future::ready("")
    });
    (start(path, counting).await, counted)
}

async fn start(path: &str, method: MethodRouter) -> String {
    let router = Router::new().route(path, method);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    spawn(async move { axum::serve(listener, router).await.unwrap() });
    format!("http://{address}{path}")
}

/// Waits for `look` to find something, and fails with `what` after the deadline.
pub async fn eventually<T>(
    what: &str,
    deadline: Duration,
    mut look: impl FnMut() -> Option<T>,
) -> T {
    let looking = async {
        let mut ticks = tokio::time::interval(LOOK);
        loop {
            if let Some(found) = look() {
                return found;
            }
            ticks.tick().await;
        }
    };
    let found = tokio::time::timeout(deadline, looking).await;
    found.unwrap_or_else(|_| panic!("not within {deadline:?}: {what}"))
}
