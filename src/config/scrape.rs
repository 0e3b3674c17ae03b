//! `[scrape.*]`: targets, how often they are asked, and the limits of what they may answer.

use std::collections::BTreeMap;

use crate::code::Code;
use crate::findings::Findings;
use crate::raw::{Entry, Key, Kind, Node};
use crate::shape::{Shape, Word, key, with};
use crate::value::{Scrape, SecretRef, Tls};
use crate::walk::{self, Fields};

pub(crate) static SHAPE: Shape = Shape {
    doc: "Targets that are scraped; the table's name is their job.",
    keys: &[
        key(
            "url",
            Word::Either(&[Word::Text, Word::List(&Word::Text)]),
            "One address or several, each a target of its own.",
        ),
        with("interval", Word::Duration, "15s", "How often."),
        key(
            "timeout",
            Word::Duration,
            "How long a scrape may take. Default: 10s, or the interval where that is shorter.",
        ),
        key(
            "labels",
            Word::Map(&Word::Text),
            "Put on every series; may also set job and instance.",
        ),
        key("bearer", Word::Secret, "A bearer token."),
        key("basic", Word::Table(&BASIC), "User and password."),
        key("tls", Word::Table(&TLS), "TLS beyond the system's roots."),
        with("gzip", Word::Flag, "false", "Ask for a compressed answer."),
        with("max_body", Word::Size, "16MiB", "The largest answer, decoded."),
        with("max_series", Word::Integer, "50000", "The most series of a target."),
        with("max_labels", Word::Integer, "64", "The most labels of a series."),
        with("max_label_length", Word::Integer, "4096", "The longest value of a label, in bytes."),
    ],
};

static BASIC: Shape = Shape {
    doc: "Basic authentication.",
    keys: &[
        key("user", Word::Text, "The user's name."),
        key("password", Word::Secret, "The password."),
    ],
};

static TLS: Shape = Shape {
    doc: "TLS beyond the system's roots.",
    keys: &[
        key("ca", Word::Text, "A PEM file of further roots."),
        key("cert", Word::Text, "A PEM file with the client's certificate."),
        key("key", Word::Secret, "Its key."),
    ],
};

/// The most targets of one table.
const TARGETS_MAX: usize = 10_000;

/// Reads one table; without a usable target there is none.
pub(crate) fn check(entry: &Entry, out: &mut Findings<'_>) -> Option<Scrape> {
    let fields = Fields::open(&entry.node, &entry.key.place, &SHAPE, out)?;
    let mut scrape = Scrape::new(&entry.key.text);
    let node = fields.required("url", "url = [\"http://app1:8000/metrics\"]", out);
    let texts = node.map(|node| walk::texts(node, out)).unwrap_or_default();
    scrape.urls = texts.iter().filter_map(|(_, node)| walk::url(node, out)).collect();
    if let Some(node) = node.filter(|_| texts.is_empty() || TARGETS_MAX < texts.len()) {
        let message = format!("a table has between 1 and {TARGETS_MAX} targets");
        out.error(Code::BadValue, &node.place, message);
        scrape.urls.clear();
    }
    scrape.interval = fields.pace("interval", out).unwrap_or(scrape.interval);
    scrape.timeout = Scrape::TIMEOUT.min(scrape.interval);
    if let Some(timeout) = fields.period("timeout", out) {
        scrape.timeout = timeout;
        if let Some(node) = fields.node("timeout").filter(|_| scrape.interval < timeout) {
            out.error(Code::BadValue, &node.place, "the timeout is longer than the interval")
                .help("a scrape must end before the next begins");
        }
    }
    scrape.labels = fields.node("labels").map(|node| labels(node, out)).unwrap_or_default();
    scrape.bearer = fields.secret("bearer", out);
    scrape.basic = basic(&fields, out);
    scrape.tls = tls(&fields, out);
    limits(&mut scrape, &fields, out);
    (!scrape.urls.is_empty()).then_some(scrape)
}

fn limits(scrape: &mut Scrape, fields: &Fields<'_>, out: &mut Findings<'_>) {
    scrape.gzip = fields.flag("gzip", out).unwrap_or(scrape.gzip);
    let body = fields.node("max_body").and_then(|node| walk::size(node, out));
    scrape.max_body = body.unwrap_or(scrape.max_body);
    scrape.max_series =
        fields.count("max_series", 1..=10_000_000, out).unwrap_or(scrape.max_series);
    scrape.max_labels = fields.count("max_labels", 1..=1_000, out).unwrap_or(scrape.max_labels);
    scrape.max_label_length =
        fields.count("max_label_length", 1..=1_048_576, out).unwrap_or(scrape.max_label_length);
}

fn basic(fields: &Fields<'_>, out: &mut Findings<'_>) -> Option<(String, SecretRef)> {
    let entry = fields.entry("basic")?;
    if let Some(bearer) = fields.entry("bearer") {
        out.error(Code::BadValue, &entry.key.place, "a target is asked with `bearer` or `basic`")
            .also(&bearer.key.place, "the other one is here");
    }
    let basic = Fields::open(&entry.node, &entry.key.place, &BASIC, out)?;
    let user = basic.required("user", "user = \"metrics\"", out);
    let password = basic.required("password", "password = \"cred:metrics\"", out);
    Some((walk::text(user?, out)?.to_owned(), walk::secret(password?, out)?))
}

fn tls(fields: &Fields<'_>, out: &mut Findings<'_>) -> Tls {
    let entry = fields.entry("tls");
    let opened = entry.and_then(|one| Fields::open(&one.node, &one.key.place, &TLS, out));
    let Some(tls) = opened else { return Tls::default() };
    let found =
        Tls { ca: tls.path("ca", out), cert: tls.path("cert", out), key: tls.secret("key", out) };
    if tls.node("cert").is_some() != tls.node("key").is_some() {
        out.error(Code::MissingKey, tls.place, "`cert` and `key` belong together");
    }
    found
}

/// Takes labels that are put on series.
pub(crate) fn labels(node: &Node, out: &mut Findings<'_>) -> BTreeMap<String, String> {
    for entry in walk::table(node, out).unwrap_or_default() {
        label_name(&entry.key, out);
    }
    if matches!(node.kind, Kind::Table(_)) {
        return walk::text_map(node, out);
    }
    BTreeMap::new()
}

/// Checks the name of a label.
pub(crate) fn label_name(key: &Key, out: &mut Findings<'_>) -> bool {
    let name = key.text.as_str();
    let is_good = is_label_name(name);
    if !is_good {
        out.error(Code::BadLabel, &key.place, format!("{name:?} cannot be a label's name"))
            .help("letters, digits and underscores, not beginning with a digit or two underscores");
    }
    is_good
}

/// Tells whether a label may have this name.
pub(crate) fn is_label_name(name: &str) -> bool {
    let starts = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    starts
        && !name.starts_with("__")
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
