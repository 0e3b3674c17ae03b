//! Scraping real servers on loopback: what they may do to us, and what we say of it.

#![allow(clippy::unwrap_used, reason = "a test fails where it meets a fault")]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use bytes::Bytes;
use futures_util::StreamExt as _;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use url::Url;
use watchbell::scrape::{Common, Failure, Fetcher};
use watchbell_config::value::{Scrape, SecretRef, Tls};
use watchbell_metrics::exposition::Format;

const MIB: u64 = 1024 * 1024;

#[tokio::test]
async fn a_body_is_fetched_over_one_connection_that_stays_open() {
    let server = Server::start().await;
    let fetcher = server.fetcher(table());
    for _ in 0..3 {
        let body = fetcher.fetch(&server.url("/good")).await.unwrap();
        assert_eq!(body.bytes, b"up_time 1\n");
        assert_eq!(body.format, Format::Text);
    }
    assert_eq!(server.connections(), 1);
    let headers = server.last_headers();
    assert!(headers[header::USER_AGENT].to_str().unwrap().starts_with("watchbell/"));
    assert!(headers[header::ACCEPT].to_str().unwrap().starts_with("application/openmetrics-text"));
    assert_eq!(headers["x-prometheus-scrape-timeout-seconds"], "5");
    assert_eq!(headers[header::ACCEPT_ENCODING], "identity");
}

#[tokio::test]
async fn content_types_choose_the_format_and_web_pages_are_refused() {
    let server = Server::start().await;
    let fetcher = server.fetcher(table());
    let of = async |path: &str| fetcher.fetch(&server.url(path)).await.map(|body| body.format);
    assert_eq!(of("/openmetrics").await, Ok(Format::OpenMetrics));
    assert_eq!(of("/odd-type").await, Ok(Format::Text));
    for path in ["/html", "/html-as-text"] {
        let why = of(path).await.unwrap_err().to_string();
        assert!(why.contains("a web page, not with metrics"), "{path}: {why}");
    }
}

#[tokio::test]
async fn bytes_that_are_no_utf8_reach_the_parser_as_they_are() {
    let server = Server::start().await;
    let body = server.fetcher(table()).fetch(&server.url("/latin1")).await.unwrap();
    assert_eq!(body.bytes, b"a{b=\"\xe4\"} 1\ngood 2\n");
}

#[tokio::test]
async fn gzip_is_asked_for_where_configured() {
    let server = Server::start().await;
    let fetcher = server.fetcher(Scrape { gzip: true, ..table() });
    let body = fetcher.fetch(&server.url("/gzip")).await.unwrap();
    assert_eq!(body.bytes, b"zipped 1\n");
    assert_eq!(server.last_headers()[header::ACCEPT_ENCODING], "gzip");
    let why = fetcher.fetch(&server.url("/bad-gzip")).await.unwrap_err().to_string();
    assert!(why.starts_with("the gzip body is damaged"), "{why}");
    let why = fetcher.fetch(&server.url("/brotli")).await.unwrap_err().to_string();
    assert!(why.contains("\"br\""), "{why}");
}

#[tokio::test]
async fn a_gzip_bomb_is_cut_at_the_decoded_limit() {
    let server = Server::start().await;
    let fetcher = server.fetcher(Scrape { gzip: true, max_body: MIB, ..table() });
    let failure = fetcher.fetch(&server.url("/bomb")).await.unwrap_err();
    assert_eq!(failure.to_string(), "body larger than 1MiB");
}

#[tokio::test]
async fn an_endless_body_is_cut_at_the_limit() {
    let server = Server::start().await;
    let fetcher = server.fetcher(Scrape { max_body: 2 * MIB, ..table() });
    let failure = fetcher.fetch(&server.url("/gigabyte")).await.unwrap_err();
    assert_eq!(failure, Failure::TooLarge(2 * MIB));
    let sent = server.sent();
    assert!(sent < 64 * 1024 * 1024, "{sent} bytes were taken from the server");
    let claiming = answer_raw(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n").await;
    let failure = fetcher.fetch(&url(claiming, "/")).await.unwrap_err();
    assert_eq!(failure, Failure::TooLarge(2 * MIB));
}

#[tokio::test]
async fn a_target_that_drips_meets_the_limit_of_the_whole_scrape() {
    let dripping = drip().await;
    let timeout = Duration::from_millis(200);
    let fetcher = Fetcher::new(&Scrape { timeout, ..table() }, &Common::default()).unwrap();
    let failure = fetcher.fetch(&url(dripping, "/metrics")).await.unwrap_err();
    assert_eq!(failure.to_string(), "timed out after 200ms");
}

#[tokio::test]
async fn statuses_and_dead_ports_are_worded() {
    let server = Server::start().await;
    let fetcher = server.fetcher(table());
    let why = async |url: Url| fetcher.fetch(&url).await.unwrap_err().to_string();
    assert_eq!(why(server.url("/missing")).await, "HTTP 404 Not Found");
    assert_eq!(why(server.url("/no-content")).await, "HTTP 204 No Content");
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert_eq!(why(url(free, "/")).await, "connection refused");
    let cut = answer_raw(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nup 1\n").await;
    assert_eq!(why(url(cut, "/")).await, "the connection ended before the body was whole");
    let silent = answer_raw(b"").await;
    assert_eq!(why(url(silent, "/")).await, "the connection was closed by the target");
    let other = answer_raw(b"220 mail.example.org ESMTP\r\n").await;
    let worded = why(url(other, "/")).await;
    assert!(worded.starts_with("the answer is not HTTP"), "{worded}");
    let nowhere = Url::parse("http://no-such-host.invalid/metrics").unwrap();
    let worded = why(nowhere).await;
    assert!(worded.contains("lookup") || worded.contains("resolve"), "{worded}");
}

#[tokio::test]
async fn redirects_are_followed_three_times_at_most() {
    let server = Server::start().await;
    let fetcher = server.fetcher(table());
    let body = fetcher.fetch(&server.url("/redirect/3")).await.unwrap();
    assert_eq!(body.bytes, b"up_time 1\n");
    let why = fetcher.fetch(&server.url("/redirect/4")).await.unwrap_err().to_string();
    assert_eq!(why, "more than 3 redirects");
}

#[tokio::test]
async fn credentials_are_sent_home_and_nowhere_else() {
    let (home, stranger) = (Server::start().await, Server::start().await);
    *home.shared.away.lock() = stranger.url("/good").to_string();
    let secret = SecretRef::Literal("s3cret".to_owned());
    let bearer = home.fetcher(Scrape { bearer: Some(secret.clone()), ..table() });
    bearer.fetch(&home.url("/redirect/1")).await.unwrap();
    assert_eq!(home.last_headers()[header::AUTHORIZATION], "Bearer s3cret", "same host");
    bearer.fetch(&home.url("/away")).await.unwrap();
    assert_eq!(home.last_headers()[header::AUTHORIZATION], "Bearer s3cret");
    assert!(!stranger.last_headers().contains_key(header::AUTHORIZATION), "another port");
    let basic = home.fetcher(Scrape { basic: Some(("ana".to_owned(), secret)), ..table() });
    basic.fetch(&home.url("/good")).await.unwrap();
    assert_eq!(home.last_headers()[header::AUTHORIZATION], "Basic YW5hOnMzY3JldA==");
    let mut with_user = home.url("/away");
    with_user.set_username("ana").unwrap();
    with_user.set_password(Some("s3cret")).unwrap();
    home.fetcher(table()).fetch(&with_user).await.unwrap();
    assert_eq!(home.last_headers()[header::AUTHORIZATION], "Basic YW5hOnMzY3JldA==");
    assert!(!stranger.last_headers().contains_key(header::AUTHORIZATION));
}

#[tokio::test]
async fn tls_needs_a_known_root_and_shows_our_certificate_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let identity = Identity::write(folder.path());
    let address = tls_server(&identity).await;
    let url = Url::parse(&format!("https://localhost:{}/metrics", address.port())).unwrap();
    let fetch = async |tls: Tls| {
        let fetcher = Fetcher::new(&Scrape { tls, ..table() }, &Common::default()).unwrap();
        fetcher.fetch(&url).await.map(|body| body.bytes)
    };
    let why = fetch(Tls::default()).await.unwrap_err().to_string();
    assert!(why.starts_with("TLS: invalid peer certificate"), "{why}");
    let ca = Some(identity.ca.clone());
    let why = fetch(Tls { ca: ca.clone(), ..Tls::default() }).await.unwrap_err().to_string();
    assert!(why.contains("ertificate") || why.contains("closed"), "no client certificate: {why}");
    let whole = Tls {
        ca,
        cert: Some(identity.cert.clone()),
        key: Some(SecretRef::File(identity.key.clone())),
    };
    assert_eq!(fetch(whole).await.unwrap(), b"tls 1\n");
}

#[test]
fn a_secret_that_is_missing_is_named_and_not_shown() {
    let missing = SecretRef::Environment("WATCHBELL_TEST_NO_SUCH".to_owned());
    let table = Scrape { bearer: Some(missing), ..table() };
    let why = Fetcher::new(&table, &Common::default()).unwrap_err().to_string();
    assert!(why.contains("env:WATCHBELL_TEST_NO_SUCH"), "{why}");
}

fn table() -> Scrape {
    Scrape {
        name: "api".to_owned(),
        urls: Vec::new(),
        interval: Duration::from_secs(15),
        timeout: Duration::from_secs(5),
        labels: BTreeMap::new(),
        bearer: None,
        basic: None,
        tls: Tls::default(),
        gzip: false,
        max_body: 16 * MIB,
        max_series: 50_000,
        max_labels: 64,
        max_label_length: 4096,
    }
}

fn url(address: SocketAddr, path: &str) -> Url {
    Url::parse(&format!("http://{address}{path}")).unwrap()
}

/// A server with every kind of answer.
struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    connections: AtomicUsize,
    sent: AtomicUsize,
    headers: Mutex<HeaderMap>,
    away: Mutex<String>,
}

impl Server {
    async fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let router = Router::new()
            .route("/redirect/{count}", get(redirect))
            .route("/away", get(away))
            .route("/gigabyte", get(gigabyte))
            .route("/{answer}", get(answer))
            .with_state(Arc::clone(&shared));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let counter = Arc::clone(&shared);
        let listener = axum::serve::ListenerExt::tap_io(listener, move |_| {
            counter.connections.fetch_add(1, Ordering::Relaxed);
        });
        spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, shared }
    }

    fn fetcher(&self, table: Scrape) -> Fetcher {
        Fetcher::new(&table, &Common::default()).unwrap()
    }

    fn url(&self, path: &str) -> Url {
        url(self.address, path)
    }

    fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    fn sent(&self) -> usize {
        self.shared.sent.load(Ordering::Relaxed)
    }

    fn last_headers(&self) -> HeaderMap {
        self.shared.headers.lock().clone()
    }
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    request: Request,
) -> Response {
    *shared.headers.lock() = request.headers().clone();
    let typed =
        |kind: &'static str, body: Vec<u8>| ([(header::CONTENT_TYPE, kind)], body).into_response();
    let coded = |coding: &'static str, body: Vec<u8>| {
        ([(header::CONTENT_ENCODING, coding)], body).into_response()
    };
    match name.as_str() {
        "good" => typed("text/plain; version=0.0.4", b"up_time 1\n".to_vec()),
        "openmetrics" => typed("application/openmetrics-text; version=1.0.0", b"# EOF\n".to_vec()),
        "odd-type" => typed("image/png", b"up_time 1\n".to_vec()),
        "html" => typed("text/html", b"<html></html>".to_vec()),
        "html-as-text" => typed("text/plain", b"\n <!DOCTYPE HTML><html></html>".to_vec()),
        "latin1" => typed("text/plain", b"a{b=\"\xe4\"} 1\ngood 2\n".to_vec()),
        "gzip" => coded("gzip", gzip(b"zipped 1\n")),
        "bad-gzip" => coded("gzip", b"no gzip at all".to_vec()),
        "brotli" => coded("br", b"?".to_vec()),
        "bomb" => coded("gzip", gzip(&vec![b'\n'; 64 * 1024 * 1024])),
        "no-content" => StatusCode::NO_CONTENT.into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn redirect(
    State(shared): State<Arc<Shared>>,
    Path(count): Path<usize>,
    request: Request,
) -> Response {
    *shared.headers.lock() = request.headers().clone();
    let next = if count == 1 { "/good".to_owned() } else { format!("/redirect/{}", count - 1) };
    (StatusCode::FOUND, [(header::LOCATION, next)]).into_response()
}

async fn away(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    *shared.headers.lock() = request.headers().clone();
    let to = shared.away.lock().clone();
    (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, to)]).into_response()
}

async fn gigabyte(State(shared): State<Arc<Shared>>) -> Response {
    let chunk = Bytes::from(vec![b'\n'; 64 * 1024]);
    let chunks = futures_util::stream::iter(0..16 * 1024).map(move |_| {
        shared.sent.fetch_add(chunk.len(), Ordering::Relaxed);
        Ok::<_, std::io::Error>(chunk.clone())
    });
    Body::from_stream(chunks).into_response()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Sends a good head and then one byte at a time, for ever.
async fn drip() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        let mut tick = tokio::time::interval(Duration::from_millis(10));
        while stream.write_all(b"#").await.is_ok() {
            tick.tick().await;
        }
    });
    address
}

/// Reads a request, answers with these bytes and closes.
async fn answer_raw(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            read_request(&mut stream).await;
            stream.write_all(answer).await.unwrap();
        }
    });
    address
}

async fn read_request(stream: &mut TcpStream) {
    let mut buffer = [0; 4096];
    assert_ne!(stream.read(&mut buffer).await.unwrap(), 0);
}

/// A root, a server certificate for localhost and a client certificate, all from one root.
struct Identity {
    ca: std::path::PathBuf,
    cert: std::path::PathBuf,
    key: std::path::PathBuf,
    root: rustls::pki_types::CertificateDer<'static>,
    server: (rustls::pki_types::CertificateDer<'static>, rcgen::KeyPair),
}

impl Identity {
    fn write(folder: &std::path::Path) -> Self {
        let root_key = rcgen::KeyPair::generate().unwrap();
        let mut root = rcgen::CertificateParams::new(Vec::new()).unwrap();
        root.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let root_cert = root.self_signed(&root_key).unwrap();
        let issuer = rcgen::Issuer::new(root, root_key);
        let sign = |name: &str| {
            let key = rcgen::KeyPair::generate().unwrap();
            let params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
            (params.signed_by(&key, &issuer).unwrap(), key)
        };
        let (server, server_key) = sign("localhost");
        let (client, client_key) = sign("watchbell");
        let write = |name: &str, text: String| {
            let path = folder.join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        Self {
            ca: write("ca.pem", root_cert.pem()),
            cert: write("client.pem", client.pem()),
            key: write("client.key", client_key.serialize_pem()),
            root: root_cert.der().clone(),
            server: (server.der().clone(), server_key),
        }
    }
}

/// A server that asks for a client certificate of the same root.
async fn tls_server(identity: &Identity) -> SocketAddr {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(identity.root.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
        Arc::new(roots),
        Arc::clone(&provider),
    );
    let (cert, key) = &identity.server;
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(vec![cert.clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut buffer = [0; 4096];
            if stream.read(&mut buffer).await.is_ok_and(|count| 0 < count) {
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\ntls 1\n";
                stream.write_all(answer).await.unwrap();
                stream.shutdown().await.unwrap();
            }
        }
    });
    address
}

#[allow(clippy::disallowed_methods, reason = "servers of tests end with the test's runtime")]
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}
