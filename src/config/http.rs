//! `[http]`: where the daemon listens, how links begin, and who may act.

use std::net::{Ipv4Addr, SocketAddr};

use watchbell_paging::id::PersonId;

use crate::code::Code;
use crate::findings::Findings;
use crate::raw::{Entry, Node};
use crate::shape::{Shape, Word, key, with};
use crate::value::Http;
use crate::walk::{self, Fields};

pub(crate) static SHAPE: Shape = Shape {
    doc: "The HTTP server: user interface, API, metrics.",
    keys: &[
        with(
            "listen",
            Word::Text,
            "127.0.0.1:9911",
            "IP:PORT. Beyond loopback, `auth` is mandatory.",
        ),
        key("url", Word::Text, "The start of links inside pages. Default: http://<listen>."),
        key(
            "auth",
            Word::Table(&AUTH),
            "Who may act. Without it nobody is asked, and only loopback is served.",
        ),
    ],
};

static AUTH: Shape = Shape {
    doc: "Who may act.",
    keys: &[key(
        "tokens",
        Word::Map(&Word::Secret),
        "Tokens by person or program: { ana = \"cred:ana_token\" }. Bearer for programs, the \
         login for people.",
    )],
};

/// Reads the table.
pub(crate) fn check(entry: Option<&Entry>, out: &mut Findings<'_>) -> Http {
    let mut http = Http::default();
    let fields = entry.and_then(|one| Fields::open(&one.node, &one.key.place, &SHAPE, out));
    let Some(fields) = fields else { return http };
    if let Some(listen) = fields.node("listen").and_then(|node| address(node, out)) {
        http = Http::on(listen);
    }
    if let Some(url) = fields.node("url").and_then(|node| walk::url(node, out)) {
        url.trim_end_matches('/').clone_into(&mut http.url);
    }
    let auth = fields.entry("auth");
    if let Some(auth) = auth.and_then(|one| Fields::open(&one.node, &one.key.place, &AUTH, out)) {
        let tokens = auth.node("tokens").and_then(|node| walk::table(node, out));
        for token in tokens.unwrap_or_default() {
            let secret = walk::secret(&token.node, out);
            http.tokens
                .extend(secret.map(|found| (PersonId::from(token.key.text.as_str()), found)));
        }
    }
    if let Some(node) = fields.node("listen").filter(|_| !http.listen.ip().is_loopback())
        && http.tokens.is_empty()
    {
        let message = format!(
            "{} is reachable from other machines, and nobody is asked who they are",
            http.listen
        );
        out.error(Code::OpenListen, &node.place, message).help(
            "listen on 127.0.0.1 behind a proxy, or set auth = { tokens = { ana = \
             \"cred:ana_token\" } }",
        );
    }
    http
}

fn address(node: &Node, out: &mut Findings<'_>) -> Option<SocketAddr> {
    let text = walk::text(node, out)?;
    let local = text.strip_prefix("localhost:").and_then(|port| port.parse().ok());
    let found = local
        .map(|port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        .or_else(|| text.parse().ok());
    if found.is_none() {
        out.error(Code::BadAddress, &node.place, format!("{text:?} is no IP:PORT"))
            .help("write \"127.0.0.1:9911\", or \"[::1]:9911\"");
    }
    found
}
