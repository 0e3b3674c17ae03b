//! Every kind of hostile target at once, beside a good one whose rule must page all the same.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::support::daemon::{DEADLINE, Daemon, Folder, try_wait_for, wait_for};
use crate::support::slack::Slack;

/// What the daemon may take while bodies of a gigabyte arrive, in KiB. It holds at most the raw
/// and the decoded form of the three large ones, 16 MiB each, and what their buffers have spare.
const MEMORY_MAX_KIB: u64 = 192 * 1024;
/// A server sends this much at a time.
const PIECE: usize = 64 * 1024;
const GIGABYTE: usize = 1024 * 1024 * 1024;

/// A kind of target: its path, what its table says beside the address, its health, its reason.
struct Kind(&'static str, &'static str, &'static str, &'static str);

const KINDS: [Kind; 19] = [
    Kind("gigabyte", "", "down", "body larger than 16MiB"),
    Kind("claim", "", "down", "body larger than 16MiB"),
    Kind("bomb", "gzip = true", "down", "body larger than 16MiB"),
    Kind("torn", "gzip = true", "down", "the gzip body is damaged"),
    Kind("slow", "timeout = \"300ms\"", "down", "timed out after 300ms"),
    Kind("missing", "", "down", "HTTP 404 Not Found"),
    Kind("html", "", "down", "a web page, not with metrics"),
    Kind("protobuf", "", "down", "protobuf, which was not asked for"),
    Kind("json", "", "down", "no line of the body is a sample; line 1:"),
    Kind("empty", "", "down", "the body is empty"),
    Kind("storm", "max_series = 500", "down", "at most 500 are allowed (max_series)"),
    Kind("labels", "max_labels = 10", "down", "at most 10 are allowed"),
    Kind("long", "max_label_length = 100", "down", "at most 100 are allowed"),
    Kind("loop", "", "down", "more than 3 redirects"),
    Kind("twice", "", "up", "line 2: the series was already given in this body"),
    Kind("latin1", "", "up", "line 2: byte 6 is not valid UTF-8"),
    Kind("torn_line", "", "up", "line 2: the quote before"),
    Kind("future", "", "up", "line 2: the sample's own time is more than 10 minutes in the future"),
    Kind("past", "", "up", "line 2: the sample's own time is older than the newest"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_targets_have_a_reason_each_and_hold_up_no_page() {
    let (slack, stranger) = (Slack::start().await, Server::start(String::new()).await);
    let server = Server::start(stranger.url("elsewhere")).await;
    let folder = Folder::new("hostile");
    let daemon = Daemon::start(&folder, &configuration(&server, &slack)).await;
    for Kind(name, _, health, reason) in &KINDS {
        let found = try_wait_for(async || {
            let target = target(&daemon, name).await?;
            let words = format!("{} {}", target["last_error"], target["faults"]);
            (target["health"] == *health && words.contains(reason)).then_some(())
        });
        if found.await.is_none() {
            let last = target(&daemon, name).await;
            panic!("{name}: not {health} because of {reason:?}: {last:#?}\n{}", daemon.log());
        }
    }
    // The good lines of half-good bodies are taken, odd numbers are numbers.
    for query in ["twice_good", "latin1_good", "torn_line_good", "future_good", "past_good"] {
        assert_eq!(value(&daemon, query).await, "1", "{query}");
    }
    assert_eq!(value(&daemon, "twice").await, "1", "the first one wins");
    assert_eq!(value(&daemon, "odd{of=\"nan\"}").await, "NaN");
    assert_eq!(value(&daemon, "odd{of=\"inf\"}").await, "+Inf");
    // Another host was asked, without the credentials of the first.
    assert_eq!(value(&daemon, "up{job=\"away\"}").await, "1");
    assert_eq!(server.shared.headers.lock()[header::AUTHORIZATION], "Bearer xoxb-test");
    assert!(!stranger.shared.headers.lock().contains_key(header::AUTHORIZATION));

    server.shared.trouble.store(5, Ordering::Relaxed);
    let is_page = |call: &crate::support::slack::Call| call.method == "chat.postMessage";
    let calls = slack.wait_for(|calls| calls.iter().any(is_page), DEADLINE).await;
    let page = calls.iter().find(|call| is_page(call)).unwrap().body.to_string();
    assert!(page.contains("&lt;!channel&gt;") && !page.contains("<!channel>"), "{page}");
    // The picture may come 50 ms after the page.
    let some = |open: &[Value]| (!open.is_empty()).then_some(open.len());
    let open = daemon.incidents("the good target's incident", "open", some).await;
    assert_eq!(open, 1, "only the good target's");

    let targets = daemon.get("/targets").await;
    assert_eq!(targets.status, 200);
    assert!(targets.text.contains("body larger than 16MiB"), "people see it too");
    let peak = peak_kib(&daemon);
    assert!(peak < MEMORY_MAX_KIB, "the daemon took {peak} KiB");
}

fn configuration(server: &Server, slack: &Slack) -> String {
    let mut config = format!(
        r#"
[rule.trouble]
expr = "trouble"
critical = "> 1"
summary = "{{{{ labels.note }}}}"
[rule.odd]
expr = 'odd{{of="nan"}}'
critical = "> 1"
[person.ana]
slack = "U01"
[[route]]
name = "all"
page = ["ana"]
fallback = ["ana"]
[slack]
token = "env:TEST_SLACK_TOKEN"
api_url = "{}"
"#,
        slack.api_url()
    );
    let others = [
        ("good", ""),
        ("numbers", ""),
        // The fake Slack takes any token, so this one serves as a secret here.
        ("away", "bearer = \"env:TEST_SLACK_TOKEN\""),
    ];
    for (name, keys) in KINDS.iter().map(|kind| (kind.0, kind.1)).chain(others) {
        let url = server.url(name);
        config
            .push_str(&format!("[scrape.{name}]\nurl = [\"{url}\"]\ninterval = \"1s\"\n{keys}\n"));
    }
    config
}

async fn target(daemon: &Daemon, name: &str) -> Option<Value> {
    let targets = daemon.get("/api/watchbell/v1/targets").await.json();
    targets.as_array()?.iter().find(|one| one["labels"]["job"] == name).cloned()
}

/// Waits until a query gives something, and gives its value as written.
async fn value(daemon: &Daemon, query: &str) -> String {
    let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
    wait_for(query, async || {
        let answer = daemon.get(&format!("/api/v1/query?query={encoded}")).await.json();
        answer["data"]["result"][0]["value"][1].as_str().map(str::to_owned)
    })
    .await
}

/// Returns the most memory that the daemon has had, as the kernel counts it.
fn peak_kib(daemon: &Daemon) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// One server with every kind of answer.
struct Server {
    address: std::net::SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    /// Where a redirect leads that leaves this host.
    away: String,
    bomb: Bytes,
    trouble: AtomicU32,
    past_count: AtomicU32,
    /// Of the last request for `away` or `elsewhere`.
    headers: Mutex<HeaderMap>,
}

impl Server {
    async fn start(away: String) -> Self {
        let shared = Arc::new(Shared {
            away,
            bomb: bomb(),
            trouble: AtomicU32::new(0),
            past_count: AtomicU32::new(0),
            headers: Mutex::default(),
        });
        let router = Router::new().route("/{name}", get(answer)).with_state(Arc::clone(&shared));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        crate::support::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, shared }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    let typed = |kind: &'static str, body: &'static str| {
        ([(header::CONTENT_TYPE, kind)], body).into_response()
    };
    let coded = |body: Bytes| ([(header::CONTENT_ENCODING, "gzip")], body).into_response();
    let to = |place: String| (StatusCode::FOUND, [(header::LOCATION, place)]).into_response();
    match name.as_str() {
        "good" => {
            let trouble = shared.trouble.load(Ordering::Relaxed);
            format!("trouble{{note=\"<!channel> <script>\\r\\nBcc: x\"}} {trouble}\n")
                .into_response()
        }
        "away" => {
            *shared.headers.lock() = headers;
            to(shared.away.clone())
        }
        "elsewhere" => {
            *shared.headers.lock() = headers;
            "moved_good 1\n".into_response()
        }
        "loop" => to("/loop".to_owned()),
        "gigabyte" => gigabyte(),
        "claim" => {
            let body = gigabyte().into_body();
            ([(header::CONTENT_LENGTH, GIGABYTE)], body).into_response()
        }
        "slow" => drip(),
        "bomb" => coded(shared.bomb.clone()),
        "torn" => coded(shared.bomb.slice(..1000)),
        "html" => typed("text/html", "<html></html>"),
        "protobuf" => typed("application/vnd.google.protobuf", "\u{1}\u{2}"),
        "json" => typed("application/json", "{\"status\": \"up\"}\n"),
        "empty" => "".into_response(),
        "storm" => {
            (0..5_000).map(|id| format!("s{{id=\"{id}\"}} 1\n")).collect::<String>().into_response()
        }
        "labels" => {
            let labels: String = (0..100).map(|id| format!("l{id}=\"x\",")).collect();
            format!("labels{{{labels}}} 1\n").into_response()
        }
        "long" => format!("long{{x=\"{}\"}} 1\n", "x".repeat(100_000)).into_response(),
        "twice" => {
            "twice{a=\"1\",b=\"2\"} 1\ntwice{b=\"2\",a=\"1\"} 2\ntwice_good 1\n".into_response()
        }
        "latin1" => b"latin1_good 1\na{b=\"\xe4\"} 1\n".to_vec().into_response(),
        "torn_line" => "torn_line_good 1\na{b=\"c".into_response(),
        "future" => "future_good 1\nfuture 1 4102444800000\n".into_response(),
        "past" => {
            let at = 2_000 - shared.past_count.fetch_add(1, Ordering::Relaxed).min(1_000);
            format!("past_good 1\npast 1 {at}\n").into_response()
        }
        "numbers" => {
            "odd{of=\"nan\"} NaN\nodd{of=\"inf\"} +Inf\nodd{of=\"minus\"} -Inf\n".into_response()
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

/// A gigabyte of blank lines.
fn gigabyte() -> Response {
    let piece = Bytes::from(vec![b'\n'; PIECE]);
    let pieces = (0..GIGABYTE / PIECE).map(move |_| Ok::<_, std::io::Error>(piece.clone()));
    Body::from_stream(futures_util::stream::iter(pieces)).into_response()
}

/// One byte at a time, for ever.
fn drip() -> Response {
    let tick = tokio::time::interval(Duration::from_millis(50));
    let bytes = futures_util::stream::unfold(tick, async |mut tick| {
        tick.tick().await;
        Some((Ok::<_, std::io::Error>(Bytes::from_static(b"#")), tick))
    });
    Body::from_stream(bytes).into_response()
}

/// A gigabyte of blank lines, in a megabyte of members.
fn bomb() -> Bytes {
    const MEMBER: usize = 16 * 1024 * 1024;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(&vec![b'\n'; MEMBER]).unwrap();
    Bytes::from(encoder.finish().unwrap().repeat(GIGABYTE / MEMBER))
}
