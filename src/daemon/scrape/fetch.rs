//! Fetching one body over HTTP, within every limit of its table.
//!
//! Time, raw size, decoded size, redirects and the memory of all bodies together are bounded.
//! Credentials go to the configured scheme, host and port only. Parses nothing.

use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;
use watchbell_config::value::{Scrape, Tls};
use watchbell_metrics::exposition::Format;

use crate::scrape::failure::Failure;
use crate::scrape::lookup::Lookup;
use crate::scrape::tls::{self, HttpClient};
use crate::secrets;

/// How many redirects are followed.
const REDIRECTS_MAX: usize = 3;
/// What all bodies in flight may take together.
const MEMORY_MAX: usize = 512 * 1024 * 1024;
/// Memory is counted in pieces of this size.
const PIECE: usize = 4096;
/// `Content-Length` is a claim: more than this is not reserved in advance.
const RESERVE_MAX: u64 = 1024 * 1024;
/// OpenMetrics first, as Prometheus asks without protobuf.
const ACCEPT: &str = "application/openmetrics-text;version=1.0.0;q=0.5,\
     application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.1";
const AGENT: &str = concat!("watchbell/", env!("CARGO_PKG_VERSION"));

/// The memory that bodies of one process may take; a clone is the same account.
#[derive(Clone, Debug)]
pub(super) struct Memory(Arc<Semaphore>);

/// What the tables of one process share, across reloads: open connections and memory.
#[derive(Clone)]
pub struct Common {
    client: HttpClient,
    lookup: Lookup,
    memory: Memory,
}

/// A whole body.
#[derive(Debug)]
pub struct Body {
    /// Decoded.
    pub bytes: Vec<u8>,
    /// As its content type says.
    pub format: Format,
    /// Given back when the body is dropped.
    _held: Option<Held>,
}

/// Fetches the targets of one table.
#[derive(Clone)]
pub struct Fetcher {
    client: HttpClient,
    /// For other hosts: without the table's roots and certificate.
    stranger: HttpClient,
    authorization: Option<HeaderValue>,
    limits: Limits,
    memory: Memory,
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    timeout: Duration,
    body_max: u64,
    gzip: bool,
}

/// A share of the account.
#[derive(Debug)]
struct Held {
    memory: Memory,
    permit: Option<OwnedSemaphorePermit>,
    bytes: usize,
}

impl Body {
    /// Wraps what was made in this process.
    #[must_use]
    pub fn new(bytes: Vec<u8>, format: Format) -> Self {
        Self { bytes, format, _held: None }
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MEMORY_MAX / PIECE)))
    }
}

impl Default for Common {
    fn default() -> Self {
        let lookup = Lookup::default();
        Self { client: tls::plain_client(lookup.clone()), lookup, memory: Memory::default() }
    }
}

impl std::fmt::Debug for Common {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Common").field("memory", &self.memory).finish_non_exhaustive()
    }
}

impl Fetcher {
    /// Resolves the table's secrets and reads its TLS files.
    ///
    /// # Errors
    /// One of them cannot be had; names it.
    pub fn new(table: &Scrape, common: &Common) -> Result<Self, Failure> {
        let stranger = common.client.clone();
        let client = if table.tls == Tls::default() {
            stranger.clone()
        } else {
            tls::client(&table.tls, common.lookup.clone()).map_err(Failure::Setup)?
        };
        let memory = common.memory.clone();
        let limits = Limits { timeout: table.timeout, body_max: table.max_body, gzip: table.gzip };
        Ok(Self { client, stranger, authorization: authorization(table)?, limits, memory })
    }

    /// Fetches one URL.
    ///
    /// # Errors
    /// Anything but a whole body with status 200, in the table's limits.
    pub async fn fetch(&self, url: &Url) -> Result<Body, Failure> {
        match tokio::time::timeout(self.limits.timeout, self.fetch_unhurried(url)).await {
            Ok(fetched) => fetched,
            Err(_) => Err(Failure::TimedOut(self.limits.timeout)),
        }
    }

    async fn fetch_unhurried(&self, url: &Url) -> Result<Body, Failure> {
        let answer = self.follow(url).await?;
        let format = format(answer.headers())?;
        let is_gzip = is_gzip(answer.headers())?;
        let mut held = Held { memory: self.memory.clone(), permit: None, bytes: 0 };
        let raw = read(answer, self.limits.body_max, &mut held).await?;
        let (bytes, held) = if is_gzip {
            let limit = self.limits.body_max;
            tokio::task::spawn_blocking(move || {
                inflate(&raw, limit, &mut held).map(|bytes| (bytes, held))
            })
            .await
            .map_err(|_| Failure::Panicked)??
        } else {
            (raw, held)
        };
        if looks_like_html(&bytes) {
            return Err(web_page());
        }
        Ok(Body { bytes, format, _held: Some(held) })
    }

    /// Follows redirects to the final answer, which has status 200.
    async fn follow(&self, url: &Url) -> Result<Response<Incoming>, Failure> {
        let mut at = url.clone();
        for _ in 0..=REDIRECTS_MAX {
            let is_home = at.origin() == url.origin();
            let request = self.request(&at, url, is_home)?;
            let client = if is_home { &self.client } else { &self.stranger };
            let answer =
                client.request(request).await.map_err(|error| Failure::of_client(&error))?;
            match answer.status() {
                StatusCode::OK => return Ok(answer),
                StatusCode::MOVED_PERMANENTLY
                | StatusCode::FOUND
                | StatusCode::SEE_OTHER
                | StatusCode::TEMPORARY_REDIRECT
                | StatusCode::PERMANENT_REDIRECT => at = next(&at, answer.headers())?,
                status => return Err(Failure::Status(status)),
            }
        }
        Err(Failure::Redirect(format!("more than {REDIRECTS_MAX} redirects")))
    }

    fn request(
        &self,
        at: &Url,
        home: &Url,
        is_home: bool,
    ) -> Result<Request<Full<Bytes>>, Failure> {
        let mut bare = at.clone();
        // They fail for URLs that cannot have a user, which have none to remove.
        let (Ok(()) | Err(())) = bare.set_username("");
        let (Ok(()) | Err(())) = bare.set_password(None);
        bare.set_fragment(None);
        let encoding = if self.limits.gzip { "gzip" } else { "identity" };
        let mut request = Request::builder()
            .method(Method::GET)
            .uri(bare.as_str())
            .header(header::ACCEPT, ACCEPT)
            .header(header::ACCEPT_ENCODING, encoding)
            .header(header::USER_AGENT, AGENT)
            .header(
                "X-Prometheus-Scrape-Timeout-Seconds",
                self.limits.timeout.as_secs_f64().to_string(),
            );
        if is_home && let Some(value) = self.authorization.clone().or_else(|| userinfo(home)) {
            request = request.header(header::AUTHORIZATION, value);
        }
        request
            .body(Full::default())
            .map_err(|error| Failure::Setup(format!("the URL cannot be asked: {error}")))
    }
}

impl std::fmt::Debug for Fetcher {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Fetcher").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Held {
    /// Accounts for memory up to `bytes` in all.
    fn grow(&mut self, bytes: usize) -> Result<(), Failure> {
        let more = bytes.div_ceil(PIECE).saturating_sub(self.bytes.div_ceil(PIECE));
        self.bytes = self.bytes.max(bytes);
        if more == 0 {
            return Ok(());
        }
        let more = u32::try_from(more).map_err(|_| Failure::Memory)?;
        let taken =
            Arc::clone(&self.memory.0).try_acquire_many_owned(more).map_err(|_| Failure::Memory)?;
        match &mut self.permit {
            Some(permit) => permit.merge(taken),
            None => self.permit = Some(taken),
        }
        Ok(())
    }
}

fn authorization(table: &Scrape) -> Result<Option<HeaderValue>, Failure> {
    let resolve =
        |reference| secrets::resolve(reference).map_err(|error| Failure::Setup(error.to_string()));
    if let Some(reference) = &table.bearer {
        let token = resolve(reference)?;
        return hidden(&format!("Bearer {}", token.reveal())).map(Some);
    }
    if let Some((user, reference)) = &table.basic {
        return basic(user, resolve(reference)?.reveal()).map(Some);
    }
    Ok(None)
}

/// A user inside the URL is sent as basic authentication and shown nowhere.
fn userinfo(url: &Url) -> Option<HeaderValue> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    basic(&decode_percent(url.username()), &decode_percent(url.password().unwrap_or_default())).ok()
}

fn basic(user: &str, password: &str) -> Result<HeaderValue, Failure> {
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    hidden(&format!("Basic {pair}"))
}

fn hidden(text: &str) -> Result<HeaderValue, Failure> {
    let mut value = HeaderValue::from_str(text).map_err(|_| {
        Failure::Setup("the credential holds characters that no header may have".to_owned())
    })?;
    value.set_sensitive(true);
    Ok(value)
}

fn decode_percent(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = match (first, after) {
            (b'%', [high, low, ..]) => std::str::from_utf8(&[*high, *low])
                .ok()
                .and_then(|hex| u8::from_str_radix(hex, 16).ok()),
            _ => None,
        };
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn next(at: &Url, headers: &HeaderMap) -> Result<Url, Failure> {
    let refuse = |why: &str| Failure::Redirect(why.to_owned());
    let location = headers.get(header::LOCATION).ok_or_else(|| refuse("a redirect to nowhere"))?;
    let location = location.to_str().map_err(|_| refuse("a redirect to an unreadable address"))?;
    let next = at.join(location).map_err(|_| refuse("a redirect to an unreadable address"))?;
    match next.scheme() {
        "http" | "https" => Ok(next),
        _ => Err(refuse("a redirect to an address that is not HTTP")),
    }
}

fn format(headers: &HeaderMap) -> Result<Format, Failure> {
    let text = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media = text.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    match media.to_ascii_lowercase().as_str() {
        "application/openmetrics-text" => Ok(Format::OpenMetrics),
        "text/html" | "application/xhtml+xml" => Err(web_page()),
        "application/vnd.google.protobuf" => {
            Err(Failure::Content("answered with protobuf, which was not asked for".to_owned()))
        }
        _ => Ok(Format::Text),
    }
}

fn is_gzip(headers: &HeaderMap) -> Result<bool, Failure> {
    let Some(value) = headers.get(header::CONTENT_ENCODING) else { return Ok(false) };
    let value = String::from_utf8_lossy(value.as_bytes()).trim().to_ascii_lowercase();
    match value.as_str() {
        "" | "identity" => Ok(false),
        "gzip" | "x-gzip" => Ok(true),
        _ => Err(Failure::Content(format!("answered in the encoding {value:?}, not as asked"))),
    }
}

async fn read(answer: Response<Incoming>, limit: u64, held: &mut Held) -> Result<Vec<u8>, Failure> {
    let mut body = answer.into_body();
    let claimed = hyper::body::Body::size_hint(&body).lower();
    if limit < claimed {
        return Err(Failure::TooLarge(limit));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(claimed.min(RESERVE_MAX)).unwrap_or(0));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Failure::of_body(&error))?;
        let Ok(data) = frame.into_data() else { continue };
        let total = bytes.len().saturating_add(data.len());
        if limit < u64::try_from(total).unwrap_or(u64::MAX) {
            return Err(Failure::TooLarge(limit));
        }
        held.grow(total)?;
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

fn inflate(raw: &[u8], limit: u64, held: &mut Held) -> Result<Vec<u8>, Failure> {
    let mut decoder = MultiGzDecoder::new(raw).take(limit.saturating_add(1));
    let mut bytes = Vec::new();
    let mut piece = vec![0; 64 * 1024];
    loop {
        let count = match decoder.read(&mut piece) {
            Ok(0) => return Ok(bytes),
            Ok(count) => count,
            Err(error) => return Err(Failure::Damaged(error.to_string())),
        };
        bytes.extend_from_slice(piece.get(..count).unwrap_or_default());
        if limit < u64::try_from(bytes.len()).unwrap_or(u64::MAX) {
            return Err(Failure::TooLarge(limit));
        }
        held.grow(raw.len().saturating_add(bytes.len()))?;
    }
}

fn looks_like_html(body: &[u8]) -> bool {
    let start: Vec<u8> = body
        .iter()
        .copied()
        .skip_while(u8::is_ascii_whitespace)
        .take(14)
        .map(|byte| byte.to_ascii_lowercase())
        .collect();
    start.starts_with(b"<!doctype html") || start.starts_with(b"<html")
}

fn web_page() -> Failure {
    Failure::Content("answered with a web page, not with metrics; is the path right?".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_inside_the_url_becomes_basic_authentication() {
        let url = Url::parse("http://ana:p%40ss%zz@host/metrics").unwrap();
        let value = userinfo(&url).unwrap();
        let expected = base64::engine::general_purpose::STANDARD.encode("ana:p@ss%zz");
        assert_eq!(value.to_str().unwrap(), format!("Basic {expected}"));
        assert!(value.is_sensitive());
        assert!(userinfo(&Url::parse("http://host/").unwrap()).is_none());
    }

    #[test]
    fn content_types_choose_the_format() {
        let of = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, text.parse().unwrap());
            format(&headers)
        };
        let openmetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        assert_eq!(of(openmetrics), Ok(Format::OpenMetrics));
        assert_eq!(of("text/plain; version=0.0.4"), Ok(Format::Text));
        assert_eq!(of("image/png"), Ok(Format::Text));
        assert!(of("Text/HTML; charset=utf-8").is_err());
    }

    #[test]
    fn redirects_leave_http_never() {
        let at = Url::parse("http://a:1/metrics").unwrap();
        let to = |location: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::LOCATION, location.parse().unwrap());
            next(&at, &headers)
        };
        assert_eq!(to("/other").unwrap().as_str(), "http://a:1/other");
        assert_eq!(to("//b/x").unwrap().as_str(), "http://b/x");
        assert!(to("file:///etc/passwd").is_err());
        assert!(next(&at, &HeaderMap::new()).is_err());
    }

    #[test]
    fn memory_is_given_back() {
        let memory = Memory(Arc::new(Semaphore::new(2)));
        let mut held = Held { memory: memory.clone(), permit: None, bytes: 0 };
        held.grow(100).unwrap();
        held.grow(PIECE + 1).unwrap();
        assert_eq!(held.grow(2 * PIECE + 1), Err(Failure::Memory));
        drop(held);
        assert_eq!(memory.0.available_permits(), 2);
    }
}
