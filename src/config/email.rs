//! `[email]`: the SMTP server.

use std::net::IpAddr;

use crate::code::Code;
use crate::findings::Findings;
use crate::raw::{Entry, Node};
use crate::shape::{Shape, Word, key};
use crate::value::{Email, MailTls};
use crate::walk::{self, Fields};

pub(crate) static SHAPE: Shape = Shape {
    doc: "Mail, sent over SMTP.",
    keys: &[
        key(
            "smtp",
            Word::Text,
            "smtp://HOST:PORT (default port 587, STARTTLS) or smtps://HOST:PORT (default port \
             465, TLS from the first byte).",
        ),
        key(
            "tls",
            Word::OneOf(&["required", "opportunistic", "none"]),
            "For smtp://. Default: \"opportunistic\" on loopback, \"required\" elsewhere.",
        ),
        key("user", Word::Text, "Who we are."),
        key("password", Word::Secret, "The password of `user`."),
        key("from", Word::Text, "The From header: Watchbell <watchbell@example.org>."),
    ],
};

const TLS_WORDS: [(&str, MailTls); 3] = [
    ("required", MailTls::Required),
    ("opportunistic", MailTls::Opportunistic),
    ("none", MailTls::None),
];

/// Reads the table.
pub(crate) fn check(entry: Option<&Entry>, out: &mut Findings<'_>) -> Option<Email> {
    let entry = entry?;
    let fields = Fields::open(&entry.node, &entry.key.place, &SHAPE, out)?;
    let smtp = fields.required("smtp", "smtp = \"smtp://mail.example.org:587\"", out);
    let server = smtp.and_then(|node| server(node, out));
    let wanted = fields.node("tls").and_then(|node| walk::one_of(node, &TLS_WORDS, out));
    let user = fields.text("user", out).map(str::to_owned);
    let password = fields.secret("password", out);
    if fields.node("user").is_some() != fields.node("password").is_some() {
        out.error(Code::MissingKey, fields.place, "`user` and `password` belong together");
    }
    let from = fields.required("from", "from = \"Watchbell <watchbell@example.org>\"", out);
    let from = from.and_then(|node| mailbox(node, out));
    let (host, port, implicit) = server?;
    let tls = match (implicit, wanted) {
        (true, None) => MailTls::Implicit,
        (true, Some(_)) => {
            if let Some(node) = fields.node("tls") {
                out.error(Code::BadValue, &node.place, "smtps:// is TLS from the first byte")
                    .help("leave `tls` out, or write smtp://");
            }
            MailTls::Implicit
        }
        (false, Some(wanted)) => wanted,
        (false, None) if is_loopback(&host) => MailTls::Opportunistic,
        (false, None) => MailTls::Required,
    };
    Some(Email { host, port, tls, user, password, from: from? })
}

fn server(node: &Node, out: &mut Findings<'_>) -> Option<(String, u16, bool)> {
    let text = walk::text(node, out)?;
    let found = split(text);
    if found.is_none() {
        out.error(Code::BadUrl, &node.place, "this is no address of a mail server")
            .help("write \"smtp://mail.example.org:587\" or \"smtps://mail.example.org\"");
    }
    found
}

fn split(text: &str) -> Option<(String, u16, bool)> {
    let (scheme, rest) = text.split_once("://")?;
    let (implicit, default) = match scheme {
        "smtp" => (false, 587),
        "smtps" => (true, 465),
        _ => return None,
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = match rest.strip_prefix('[') {
        Some(inner) => {
            let (host, after) = inner.split_once(']')?;
            (host, if after.is_empty() { None } else { Some(after.strip_prefix(':')?) })
        }
        None => rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map_or(Some(default), |port| port.parse().ok().filter(|port| *port != 0))?;
    let odd = |letter: char| letter.is_whitespace() || matches!(letter, '@' | '/' | '?' | '#');
    (!host.is_empty() && !host.contains(odd)).then(|| (host.to_owned(), port, implicit))
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn mailbox(node: &Node, out: &mut Findings<'_>) -> Option<String> {
    let text = walk::text(node, out)?;
    let address = match text.split_once('<') {
        Some((_, rest)) => rest.strip_suffix('>').unwrap_or_default(),
        None => text,
    };
    check_address(address, node, out).then(|| text.to_owned())
}

/// Checks an e-mail address as far as a machine can.
pub(crate) fn check_address(address: &str, node: &Node, out: &mut Findings<'_>) -> bool {
    let is_good = is_address(address);
    if !is_good {
        out.error(Code::BadAddress, &node.place, format!("{address:?} is no e-mail address"))
            .help("write \"ana@example.org\"");
    }
    is_good
}

/// Tells whether a text looks like an e-mail address.
pub(crate) fn is_address(text: &str) -> bool {
    let odd =
        |letter: char| letter.is_whitespace() || letter.is_control() || "<>,;".contains(letter);
    text.rsplit_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty())
        && !text.contains(odd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_split() {
        for (text, expected) in [
            ("smtp://mail.example.org", Some(("mail.example.org", 587, false))),
            ("smtp://127.0.0.1:25", Some(("127.0.0.1", 25, false))),
            ("smtps://mail.example.org/", Some(("mail.example.org", 465, true))),
            ("smtp://[::1]:2525", Some(("::1", 2525, false))),
            ("smtp://user:word@mail", None),
            ("smtp://mail:0", None),
            ("smtp://mail:port", None),
            ("http://mail", None),
            ("mail.example.org", None),
            ("smtp://", None),
        ] {
            let expected = expected.map(|(host, port, tls)| (host.to_owned(), port, tls));
            assert_eq!(split(text), expected, "{text}");
        }
        assert!(is_loopback("::1") && is_loopback("localhost") && !is_loopback("10.0.0.1"));
    }
}
