//! A fake of Slack's Web API on loopback: it answers like Slack, writes every call down, and
//! fails on request. Its socket mode sends what a test tells it to.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use futures_util::{SinkExt as _, StreamExt as _};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, watch};
use tokio_tungstenite::tungstenite::Message as Frame;

/// A call as it arrived, whether it was answered or not.
#[derive(Clone, Debug)]
pub struct Call {
    /// `chat.postMessage`
    pub method: String,
    /// The JSON, or the fields of a form.
    pub body: Value,
    /// The bearer token.
    pub bearer: Option<String>,
    /// When.
    pub at: Instant,
}

/// A way to fail.
#[derive(Clone, Debug)]
pub enum Fault {
    /// An HTTP status without a body.
    Status(u16),
    /// 429 with `Retry-After`, in seconds.
    RateLimited(u64),
    /// No answer, ever.
    Hang,
    /// The usual answer, but not before `release`.
    Held,
    /// `ok: false` with this error.
    Refused(&'static str),
    /// 200 with this body.
    Odd(&'static str),
    /// As always, but only after so long.
    Late(Duration),
}

/// A running fake.
#[derive(Clone)]
pub struct Slack {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    seen: watch::Receiver<Vec<Call>>,
}

struct Shared {
    calls: watch::Sender<Vec<Call>>,
    /// Frames for the oldest open socket.
    frames: broadcast::Sender<String>,
    sockets: SocketAddr,
    faults: Mutex<Faults>,
    released: watch::Sender<bool>,
}

#[derive(Default)]
struct Faults {
    next: VecDeque<(String, Fault)>,
    always: Vec<(String, Fault)>,
}

impl Slack {
    /// Starts it on a free port.
    pub async fn start() -> Self {
        let (calls, seen) = watch::channel(Vec::new());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sockets = listener.local_addr().unwrap();
        let frames = broadcast::Sender::new(16);
        let shared = Arc::new(Shared {
            calls,
            frames,
            sockets,
            faults: Mutex::default(),
            released: watch::Sender::new(false),
        });
        super::spawn(accept(listener, Arc::clone(&shared)));
        let router =
            Router::new().route("/api/{method}", any(answer)).with_state(Arc::clone(&shared));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        super::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, shared, seen }
    }

    /// Returns what stands in `api_url`.
    pub fn api_url(&self) -> String {
        format!("http://{}/api", self.address)
    }

    /// Fails the next call of a method (`*`: of any) that no earlier request has failed.
    pub fn fail_next(&self, method: &str, fault: Fault) {
        self.shared.faults.lock().next.push_back((method.to_owned(), fault));
    }

    /// Fails every call of a method (`*`: of any) from now on.
    pub fn fail_always(&self, method: &str, fault: Fault) {
        self.shared.faults.lock().always.push((method.to_owned(), fault));
    }

    /// Works again.
    pub fn heal(&self) {
        *self.shared.faults.lock() = Faults::default();
    }

    /// Lets every call that is held be answered.
    pub fn release(&self) {
        self.shared.released.send_replace(true);
    }

    /// Sends a frame to every open socket; what comes back is a call of the method `socket`.
    pub fn send_frame(&self, frame: &Value) {
        self.shared.frames.send(frame.to_string()).unwrap();
    }

    /// Returns every call so far.
    pub fn calls(&self) -> Vec<Call> {
        self.seen.borrow().clone()
    }

    /// Waits until the calls fulfil a condition, and returns them.
    pub async fn wait_for(
        &self,
        condition: impl Fn(&[Call]) -> bool,
        deadline: Duration,
    ) -> Vec<Call> {
        let mut seen = self.seen.clone();
        let found = tokio::time::timeout(deadline, seen.wait_for(|calls| condition(calls))).await;
        match found {
            Ok(calls) => calls.unwrap().clone(),
            Err(_) => panic!("not within {deadline:?}; the calls were {:#?}", self.calls()),
        }
    }

    /// Waits for so many calls of a method, and returns those.
    pub async fn wait_for_count(&self, method: &str, count: usize) -> Vec<Call> {
        let of = |calls: &[Call]| -> Vec<Call> {
            calls.iter().filter(|call| call.method == method).cloned().collect()
        };
        of(&self.wait_for(|calls| count <= of(calls).len(), super::DEADLINE).await)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        super::spawn(socket(stream, Arc::clone(&shared)));
    }
}

async fn socket(stream: TcpStream, shared: Arc<Shared>) {
    let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
    let mut frames = shared.frames.subscribe();
    let hello = json!({
        "type": "hello",
        "num_connections": 1,
        "connection_info": {"app_id": "A1"},
        "debug_info": {"host": "fake"},
    });
    socket.send(Frame::text(hello.to_string())).await.unwrap();
    shared.write("socket.open", Value::Null, None);
    loop {
        tokio::select! {
            Ok(frame) = frames.recv() => socket.send(Frame::text(frame)).await.unwrap(),
            heard = socket.next() => match heard {
                Some(Ok(Frame::Text(text))) => {
                    let body = serde_json::from_str(&text).unwrap_or(Value::Null);
                    shared.write("socket", body, None);
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => break,
            },
        }
    }
    shared.write("socket.close", Value::Null, None);
}

impl Shared {
    fn write(&self, method: &str, body: Value, bearer: Option<String>) {
        let call = Call { method: method.to_owned(), body, bearer, at: now() };
        self.calls.send_modify(|calls| calls.push(call));
    }
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    Path(method): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let body = parse(&headers, &body);
    let bearer = headers
        .get("authorization")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .map(str::to_owned);
    let call = Call { method: method.clone(), body: body.clone(), bearer, at: now() };
    let fault = shared.faults.lock().take(&method);
    let mut number = 0;
    shared.calls.send_modify(|calls| {
        calls.push(call.clone());
        number = calls.len();
    });
    match fault {
        Some(Fault::Status(status)) => StatusCode::from_u16(status).unwrap().into_response(),
        Some(Fault::RateLimited(seconds)) => (
            StatusCode::TOO_MANY_REQUESTS,
            [("retry-after", seconds.to_string())],
            axum::Json(json!({"ok": false, "error": "ratelimited"})),
        )
            .into_response(),
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Held) => {
            shared.released.subscribe().wait_for(|released| *released).await.unwrap();
            axum::Json(as_slack(&shared, &call, number)).into_response()
        }
        Some(Fault::Refused(error)) => {
            axum::Json(json!({"ok": false, "error": error})).into_response()
        }
        Some(Fault::Odd(text)) => ([("content-type", "application/json")], text).into_response(),
        Some(Fault::Late(lateness)) => {
            // A peer that works on its answer; nothing ends this before its time.
            let working = tokio::time::timeout(lateness, std::future::pending::<()>()).await;
            assert!(working.is_err(), "a wait without an end has ended");
            axum::Json(as_slack(&shared, &call, number)).into_response()
        }
        None => axum::Json(as_slack(&shared, &call, number)).into_response(),
    }
}

impl Faults {
    fn take(&mut self, method: &str) -> Option<Fault> {
        let fits = |name: &str| name == "*" || name == method;
        if let Some(index) = self.next.iter().position(|(name, _)| fits(name)) {
            return self.next.remove(index).map(|(_, fault)| fault);
        }
        self.always.iter().find(|(name, _)| fits(name)).map(|(_, fault)| fault.clone())
    }
}

/// A channel keeps its id: the same name gives the same one.
fn as_slack(shared: &Shared, call: &Call, number: usize) -> Value {
    if call.method == "respond" {
        return json!({"ok": true});
    }
    if call.bearer.is_none() {
        return json!({"ok": false, "error": "not_authed"});
    }
    let text = |key: &str| call.body[key].as_str().unwrap_or_default().to_owned();
    match call.method.as_str() {
        "chat.postMessage" => {
            let written = text("channel");
            if written.is_empty() {
                return json!({"ok": false, "error": "channel_not_found"});
            }
            let ts = format!("1764064800.{number:06}");
            json!({
                "ok": true,
                "channel": channel_id(&written),
                "ts": ts,
                "message": {"type": "message", "text": text("text"), "ts": ts, "user": "U0BOT"},
            })
        }
        "chat.update" => {
            let is_known = text("channel").starts_with(['C', 'D']) && !text("ts").is_empty();
            if !is_known {
                return json!({"ok": false, "error": "message_not_found"});
            }
            json!({"ok": true, "channel": text("channel"), "ts": text("ts"), "text": text("text")})
        }
        "auth.test" => json!({"ok": true, "url": "https://test.slack.com/", "user_id": "U0BOT"}),
        "apps.connections.open" => {
            json!({"ok": true, "url": format!("ws://{}/link", shared.sockets)})
        }
        _ => json!({"ok": false, "error": "unknown_method"}),
    }
}

fn channel_id(written: &str) -> String {
    let letters: String =
        written.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_uppercase();
    match written.chars().next() {
        Some('U') => format!("D{letters}"),
        Some('C' | 'D' | 'G') => written.to_owned(),
        Some(_) | None => format!("C{letters}"),
    }
}

fn parse(headers: &HeaderMap, body: &[u8]) -> Value {
    let kind = headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or("");
    if kind.starts_with("application/json") {
        return serde_json::from_slice(body).unwrap_or(Value::Null);
    }
    Value::String(String::from_utf8_lossy(body).into_owned())
}

#[allow(clippy::disallowed_methods, reason = "a real peer reads a real clock")]
fn now() -> Instant {
    Instant::now()
}
