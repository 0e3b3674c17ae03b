//! Speaking to the daemon: over its unix socket, or over HTTP where `$WATCHBELL_URL` says so.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::net::UnixStream;
use watchbell_config::load::load;

use crate::cli::Context;
use crate::cli::files::Disk;
use crate::cli::out::Failure;

/// The socket of the installed service.
const SERVICE_SOCKET: &str = "/run/watchbell/watchbell.sock";
/// How long an answer may take.
const ANSWER_TIME: Duration = Duration::from_secs(30);
/// The longest answer.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Where a daemon may be.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Door {
    Socket(PathBuf),
    Url(String),
}

/// An answer of the daemon.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
}

impl Context {
    /// Asks the daemon and gives its answer where it is a good one.
    pub(crate) fn get(&self, path: &str) -> Result<Value, Failure> {
        expect_ok(self.ask(Method::GET, path, None)?)
    }

    /// Asks the daemon to do something.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        expect_ok(self.ask(Method::POST, path, Some(body))?)
    }

    /// Asks the daemon whatever comes of it.
    pub(crate) fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answered, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::problem(format!("starting the client: {error}")))?;
        let text = body.map(Value::to_string).unwrap_or_default();
        let mut tried = Vec::new();
        for door in self.doors() {
            let asked = ask(&door, method.clone(), path, &text);
            match runtime.block_on(async { tokio::time::timeout(ANSWER_TIME, asked).await }) {
                Ok(Ok(answered)) => return Ok(answered),
                Ok(Err(why)) => tried.push(format!("{door}: {why}")),
                Err(_) => return Err(Failure::unreachable(format!("{door}: no answer in 30 s"))),
            }
        }
        Err(Failure::unreachable(format!(
            "the daemon cannot be reached\n  {}\nstart it with `watchbell run` or `watchbell try`, \
             or set WATCHBELL_URL",
            tried.join("\n  ")
        )))
    }

    /// In the order in which they are tried.
    fn doors(&self) -> Vec<Door> {
        if let Ok(url) = std::env::var("WATCHBELL_URL")
            && !url.is_empty()
        {
            return vec![Door::Url(url.trim_end_matches('/').to_owned())];
        }
        let mut doors = Vec::new();
        if self.config.is_none() {
            doors.push(Door::Socket(PathBuf::from(SERVICE_SOCKET)));
        }
        let path = self.config_path();
        if path.exists() {
            let config = load(&path, &Disk).config;
            let state = config.daemon.state.unwrap_or_else(|| PathBuf::from("watchbell-state"));
            doors.push(Door::Socket(state.join("watchbell.sock")));
            doors.push(Door::Url(format!("http://{}", config.http.listen)));
        } else {
            doors.push(Door::Socket(PathBuf::from("watchbell-state/watchbell.sock")));
            doors.push(Door::Url("http://127.0.0.1:9911".to_owned()));
        }
        doors
    }
}

impl std::fmt::Display for Door {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Socket(path) => write!(formatter, "{}", path.display()),
            Self::Url(url) => formatter.write_str(url),
        }
    }
}

/// Writes text so that it may stand in a query or a path.
pub(crate) fn encode(text: &str) -> String {
    // A plus means a space in a query alone, so spaces get the form that holds everywhere.
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

fn expect_ok(answered: Answered) -> Result<Value, Failure> {
    if answered.status.is_success() {
        return Ok(answered.body);
    }
    let words = answered.body.get("error").and_then(Value::as_str);
    let words = words.map_or_else(|| answered.body.to_string(), str::to_owned);
    let code = answered.body.get("code").and_then(Value::as_str);
    Err(match (answered.status, code) {
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => {
            Failure::problem(format!("{words}; set WATCHBELL_TOKEN to your token"))
        }
        (StatusCode::BAD_REQUEST, _) => Failure::usage(words),
        (_, Some("still-firing")) => Failure::problem(format!("{words}: add --force")),
        _ => Failure::problem(words),
    })
}

async fn ask(door: &Door, method: Method, path: &str, body: &str) -> Result<Answered, String> {
    match door {
        Door::Socket(socket) => ask_socket(socket, method, path, body).await,
        Door::Url(url) => ask_url(url, method, path, body).await,
    }
}

async fn ask_socket(
    socket: &Path,
    method: Method,
    path: &str,
    body: &str,
) -> Result<Answered, String> {
    let stream = UnixStream::connect(socket).await.map_err(words)?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(words)?;
    let request = request(method, path, "watchbell", body)?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(words)?;
        read(response).await
    };
    tokio::pin!(exchange);
    tokio::select! {
        answered = &mut exchange => answered,
        ended = connection => {
            ended.map_err(words)?;
            exchange.await
        }
    }
}

async fn ask_url(url: &str, method: Method, path: &str, body: &str) -> Result<Answered, String> {
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_native_roots()
        .map_err(words)?
        .https_or_http()
        .enable_http1()
        .build();
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
    let whole = format!("{url}{path}");
    let uri: http::Uri = whole.parse().map_err(|error| format!("{whole:?}: {error}"))?;
    let host = uri.authority().map(|part| part.as_str().to_owned()).unwrap_or_default();
    let response = client.request(request(method, &whole, &host, body)?).await;
    read(response.map_err(|error| chain(&error))?).await
}

fn request(
    method: Method,
    uri: &str,
    host: &str,
    body: &str,
) -> Result<Request<Full<Bytes>>, String> {
    let mut builder = Request::builder()
        .method(method)
        .uri(uri)
        .header("host", host)
        .header("accept", "application/json")
        .header("content-type", "application/json");
    if let Ok(token) = std::env::var("WATCHBELL_TOKEN") {
        builder = builder.header("authorization", format!("Bearer {token}"));
    }
    builder.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).map_err(words)
}

async fn read(response: http::Response<hyper::body::Incoming>) -> Result<Answered, String> {
    let status = response.status();
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX);
    let bytes = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
    let body = serde_json::from_slice(&bytes)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
    Ok(Answered { status, body })
}

fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// The innermost reason is the one that helps: `connection refused`.
fn chain(error: &dyn std::error::Error) -> String {
    let mut last = error.to_string();
    let mut inner = error.source();
    while let Some(next) = inner {
        last = next.to_string();
        inner = next.source();
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_encoded_for_a_query() {
        assert_eq!(encode("up{a=\"b c\"}"), "up%7Ba%3D%22b%20c%22%7D");
        assert_eq!(encode("2026-W47"), "2026-W47");
    }
}
