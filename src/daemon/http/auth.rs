//! Who asks, and whether a browser was led here by a foreign page.
//!
//! With tokens: a bearer for programs, a signed session cookie for browsers; who acts is who is
//! authenticated. Without tokens (loopback only) and over the unix socket the request names who
//! acts. A session is signed with the token itself, so changing the token ends it, and nothing is
//! kept in memory. A token whose name is no `[person.*]` belongs to a program.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use maud::{DOCTYPE, Markup, html};
use sha2::{Digest, Sha256};
use watchbell_paging::command::{Actor, Surface};
use watchbell_paging::id::PersonId;
use watchbell_paging::time::Timestamp;

use crate::http::Context;
use crate::http::errors::Fault;
use crate::secrets::Secret;

/// The cookie that holds a session.
const SESSION: &str = "watchbell_session";
/// How long a session lasts; a phone at night should not ask for a token.
pub(super) const SESSION_TIME: Duration = Duration::from_secs(30 * 86_400);
/// Separates signatures of sessions from any other use of a token as a key.
const SESSION_DOMAIN: &[u8] = b"watchbell session 1\n";
/// The longest name of somebody who acts, in bytes.
const NAME_BYTES_MAX: usize = 100;

/// Where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// TCP.
    Network,
    /// The unix socket: trusted, its file permissions are the guard.
    Socket,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Visitor {
    /// The authenticated name; absent where nobody is asked.
    pub(crate) name: Option<PersonId>,
    /// The name is no person's.
    program: bool,
    surface: Surface,
}

impl Visitor {
    /// Returns who acts: who is authenticated, else whom the request names.
    pub(crate) fn actor(&self, by: Option<&str>, program: bool) -> Result<Actor, Fault> {
        let by = by.map(str::trim).filter(|by| !by.is_empty());
        let name = match (&self.name, by) {
            (Some(name), _) => name.to_string(),
            (None, Some(by)) if by.len() <= NAME_BYTES_MAX => by.to_owned(),
            (None, Some(_)) => return Err(Fault::bad("bad-by", "`by` is longer than 100 bytes")),
            (None, None) => {
                return Err(Fault::bad("missing-by", "say who acts: {\"by\": \"ana\"}"));
            }
        };
        Ok(Actor { name, program: self.program || program, surface: self.surface })
    }

    /// Returns the same visitor on another surface.
    pub(crate) fn on(self, surface: Surface) -> Self {
        Self { surface, ..self }
    }
}

/// Lets a request through with its `Visitor`, or answers it.
pub(super) async fn guard(
    State(context): State<Arc<Context>>,
    mut request: Request,
    next: Next,
) -> Response {
    let peer = request.extensions().get::<Peer>().copied().unwrap_or(Peer::Network);
    match admit(&context, peer, &request) {
        Ok(visitor) => {
            request.extensions_mut().insert(visitor);
            next.run(request).await
        }
        Err(response) => *response,
    }
}

fn admit(context: &Context, peer: Peer, request: &Request) -> Result<Visitor, Box<Response>> {
    if peer == Peer::Socket {
        return Ok(Visitor { name: None, program: false, surface: Surface::Cli });
    }
    let headers = request.headers();
    let refuse = |fault: Fault| Box::new(fault.into_response());
    let tokens = context.tokens.load();
    let bearer = bearer(headers);
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    // A foreign page can make a browser send cookies and forms, but no bearer.
    if changes && bearer.is_none() {
        same_site(headers, &context.live.load().config.http.url).map_err(refuse)?;
    }
    if tokens.is_empty() {
        return Ok(Visitor { name: None, program: false, surface: Surface::Api });
    }
    let named = |name: PersonId| {
        let program = !context.live.load().config.settings.people.contains_key(&name);
        Visitor { name: Some(name), program, surface: Surface::Api }
    };
    if let Some(bearer) = bearer {
        return owner(&tokens, bearer).map(named).ok_or_else(|| refuse(unauthenticated()));
    }
    if let Some(name) = session(headers, &tokens, context.now()) {
        return Ok(named(name));
    }
    if is_public(request.uri().path()) {
        return Ok(Visitor { name: None, program: false, surface: Surface::Api });
    }
    Err(if wants_page(request) {
        Box::new(ask_to_log_in(request))
    } else {
        refuse(unauthenticated())
    })
}

fn unauthenticated() -> Fault {
    Fault::new(
        StatusCode::UNAUTHORIZED,
        "unauthenticated",
        "a token of [http] auth is needed: Authorization: Bearer TOKEN",
    )
}

/// These carry their own proof, or have nothing to protect.
fn is_public(path: &str) -> bool {
    matches!(path, "/-/healthy" | "/-/ready" | "/login" | "/style.css" | "/slack/actions")
        || path.starts_with("/ack/")
        || path.starts_with("/feeds/")
}

fn wants_page(request: &Request) -> bool {
    let path = request.uri().path();
    let accepts = |headers: &HeaderMap| text(headers, header::ACCEPT)?.find("text/html");
    let machine = path.starts_with("/api/") || path.starts_with("/-/") || path == "/metrics";
    !machine && accepts(request.headers()).is_some()
}

/// Sends a browser to the login page. A link in a mail or in Slack opens without the cookie,
/// because it is strict; a refresh from our own page brings it along.
fn ask_to_log_in(request: &Request) -> Response {
    let here = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let from_outside = text(request.headers(), "sec-fetch-site").is_some_and(|site| {
        request.method() == Method::GET && !matches!(site, "same-origin" | "none")
    });
    if from_outside {
        return come_again(here).into_response();
    }
    let to = if request.method() == Method::GET { here } else { "/" };
    let location = format!("/login?to={}", encode(to));
    (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
}

/// A page that opens an address of ours once more, so that it is we who lead there.
fn come_again(here: &str) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="refresh" content={ "0;url=" (here) };
                title { "Watchbell" }
            }
            body { a href=(here) { "Continue" } }
        }
    }
}

/// Writes text so that it may stand in a query.
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'/') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// Finds whose token this is; every token is compared in full, in constant time.
pub(super) fn owner(tokens: &BTreeMap<PersonId, Secret>, given: &str) -> Option<PersonId> {
    let given = Sha256::digest(given.as_bytes());
    let mut found = None;
    for (name, token) in tokens {
        let own = Sha256::digest(token.reveal().as_bytes());
        let difference = own.iter().zip(&given).fold(0, |all, (left, right)| all | (left ^ right));
        if difference == 0 && !token.reveal().is_empty() {
            found = Some(name.clone());
        }
    }
    found
}

/// Returns the `Set-Cookie` of a new session.
pub(super) fn open_session(context: &Context, name: &PersonId, token: &str) -> String {
    let until = context.now().plus(SESSION_TIME);
    let body = format!("{}\n{name}", until.as_millis());
    let signature = sign(token, &body).finalize().into_bytes();
    let value = format!("{}.{}", URL_SAFE_NO_PAD.encode(&body), URL_SAFE_NO_PAD.encode(signature));
    cookie(context, SESSION, &value, SESSION_TIME)
}

/// Returns the `Set-Cookie` that ends a session.
pub(super) fn close_session(context: &Context) -> String {
    cookie(context, SESSION, "", Duration::ZERO)
}

/// Writes a cookie that only this site gets, and no script reads.
pub(crate) fn cookie(context: &Context, name: &str, value: &str, life: Duration) -> String {
    let secure = context.live.load().config.http.url.starts_with("https://");
    let secure = if secure { "; Secure" } else { "" };
    format!("{name}={value}; Path=/; Max-Age={}; HttpOnly; SameSite=Strict{secure}", life.as_secs())
}

/// Returns a cookie's value.
pub(crate) fn cookie_of<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
}

fn session(
    headers: &HeaderMap,
    tokens: &BTreeMap<PersonId, Secret>,
    now: Timestamp,
) -> Option<PersonId> {
    let (body, signature) = cookie_of(headers, SESSION)?.split_once('.')?;
    let body = String::from_utf8(URL_SAFE_NO_PAD.decode(body).ok()?).ok()?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    let (until, name) = body.split_once('\n')?;
    let name = PersonId::from(name);
    let token = tokens.get(&name).filter(|token| !token.reveal().is_empty())?;
    sign(token.reveal(), &body).verify_slice(&signature).ok()?;
    (now < Timestamp(until.parse().ok()?)).then_some(name)
}

fn sign(token: &str, body: &str) -> Hmac<Sha256> {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(token.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(SESSION_DOMAIN);
    mac.update(body.as_bytes());
    mac
}

/// Refuses a change that a page of another site makes a browser send. Browsers say where a
/// request comes from; programs say nothing. The name that a browser used must be one of ours,
/// or else a foreign name that resolves to this machine would pass for us.
fn same_site(headers: &HeaderMap, url: &str) -> Result<(), Fault> {
    let refuse = |text: String| Err(Fault::new(StatusCode::FORBIDDEN, "cross-site", text));
    if let Some(site) = text(headers, "sec-fetch-site")
        && !matches!(site, "same-origin" | "none")
    {
        return refuse("a page of another site asked for this; nothing was done".to_owned());
    }
    let Some(origin) = text(headers, header::ORIGIN) else { return Ok(()) };
    // A proxy may have put its own name for us in place of the one that the browser used.
    if origin.eq_ignore_ascii_case(url) {
        return Ok(());
    }
    let host = text(headers, header::HOST).unwrap_or_default();
    if origin.split_once("://").map(|(_, from)| from) != Some(host) {
        return refuse(format!("a page of {origin} asked for this; nothing was done"));
    }
    if is_own_name(host, url) {
        return Ok(());
    }
    refuse(format!("{host} is no name of this daemon; set [http] url to the address people use"))
}

fn is_own_name(host: &str, url: &str) -> bool {
    let bare = |authority: &str| {
        let name = authority.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok());
        let name = name.map_or(authority, |(name, _)| name);
        name.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase()
    };
    let name = bare(host);
    let configured = url.parse::<Uri>().ok();
    let configured = configured.as_ref().and_then(Uri::authority).map(|own| bare(own.as_str()));
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse::<IpAddr>().is_ok()
        || Some(name) == configured
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = text(headers, header::AUTHORIZATION)?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn text(headers: &HeaderMap, name: impl header::AsHeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests;
