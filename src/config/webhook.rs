//! `[webhook.*]`: HTTP calls to other programs.

use std::collections::BTreeMap;

use crate::code::Code;
use crate::findings::Findings;
use crate::raw::{Entry, Node};
use crate::shape::{Shape, Word, key};
use crate::value::{SecretOr, SecretRef, Webhook};
use crate::walk::{self, Fields};

const TEXT_OR_SECRET: Word = Word::Either(&[Word::Text, Word::Secret]);

pub(crate) static SHAPE: Shape = Shape {
    doc: "An HTTP call to another program; routes post to \"webhook:NAME\".",
    keys: &[
        key("url", TEXT_OR_SECRET, "Where it is posted to; may be a secret."),
        key("body", Word::Text, "A template of the body. Absent: Alertmanager's version-4 body."),
        key("headers", Word::Map(&TEXT_OR_SECRET), "Further headers."),
        key(
            "secrets",
            Word::Map(&Word::Secret),
            "Secrets that the body sees as {{ secret.NAME }}.",
        ),
        key("bearer", Word::Secret, "A bearer token."),
    ],
};

/// Headers whose value is a secret.
const SECRET_HEADERS: [&str; 4] = ["authorization", "x-api-key", "api-key", "x-auth-token"];

/// Reads one table.
pub(crate) fn check(entry: &Entry, out: &mut Findings<'_>) -> Option<Webhook> {
    let fields = Fields::open(&entry.node, &entry.key.place, &SHAPE, out)?;
    let url = fields.required("url", "url = \"https://events.example.org/v2/enqueue\"", out);
    let url = url.and_then(|node| address(node, out));
    let headers = fields.node("headers").map(|node| headers(node, out)).unwrap_or_default();
    let secrets = fields.node("secrets").and_then(|node| walk::table(node, out));
    let mut found = BTreeMap::new();
    for secret in secrets.unwrap_or_default() {
        let value = walk::secret(&secret.node, out);
        found.extend(value.map(|value| (secret.key.text.clone(), value)));
    }
    let body = fields.text("body", out).map(str::to_owned);
    let bearer = fields.secret("bearer", out);
    Some(Webhook { url: url?, body, headers, secrets: found, bearer })
}

fn is_reference(text: &str) -> bool {
    ["cred:", "env:", "file:"].iter().any(|scheme| text.starts_with(scheme))
}

/// Takes an address, or the secret that holds one.
pub(crate) fn address(node: &Node, out: &mut Findings<'_>) -> Option<SecretOr<String>> {
    let text = walk::text(node, out)?;
    if is_reference(text) {
        return walk::secret(node, out).map(SecretOr::Secret);
    }
    walk::url(node, out).map(SecretOr::Plain)
}

/// Takes an address that is itself a secret; written out it is a warning.
pub(crate) fn secret_address(node: &Node, out: &mut Findings<'_>) -> Option<SecretRef> {
    let secret = walk::secret(node, out)?;
    if matches!(secret, SecretRef::Literal(_)) {
        walk::url(node, out)?;
    }
    Some(secret)
}

fn headers(node: &Node, out: &mut Findings<'_>) -> BTreeMap<String, SecretOr<String>> {
    let mut headers = BTreeMap::new();
    for entry in walk::table(node, out).unwrap_or_default() {
        let name = entry.key.text.as_str();
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_token) {
            out.error(Code::BadValue, &entry.key.place, format!("{name:?} cannot be a header"));
            continue;
        }
        let Some(text) = walk::text(&entry.node, out) else { continue };
        let is_secret = SECRET_HEADERS.contains(&name.to_ascii_lowercase().as_str());
        let value = if is_reference(text) || is_secret {
            walk::secret(&entry.node, out).map(SecretOr::Secret)
        } else {
            Some(SecretOr::Plain(text.to_owned()))
        };
        headers.extend(value.map(|value| (name.to_owned(), value)));
    }
    headers
}
