//! Why a scrape failed, in the words that the targets page shows.

use std::fmt;
use std::io;
use std::time::Duration;

use watchbell_metrics::units;
use watchbell_paging::time::format_duration;

/// Why there is no body to parse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The table's secrets or TLS files cannot be used.
    Setup(String),
    /// No connection, or it broke.
    Connection(String),
    /// The whole scrape took longer than the table allows.
    TimedOut(Duration),
    /// Any status but 200.
    Status(http::StatusCode),
    /// The raw or the decoded body passes the table's limit, in bytes.
    TooLarge(u64),
    /// Bodies of all running scrapes together would take too much memory.
    Memory,
    /// A redirect that cannot be followed.
    Redirect(String),
    /// A body in a form that is not read.
    Content(String),
    /// The body cannot be decompressed.
    Damaged(String),
    /// A fault of this program.
    Panicked,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setup(why) => formatter.write_str(why),
            Self::Connection(why) => formatter.write_str(why),
            Self::TimedOut(limit) => {
                write!(formatter, "timed out after {}", format_duration(*limit))
            }
            Self::Status(status) => write!(formatter, "HTTP {status}"),
            Self::TooLarge(limit) => write!(formatter, "body larger than {}", size(*limit)),
            Self::Memory => formatter.write_str(
                "too many large bodies at the same time; lower max_body or spread the targets",
            ),
            Self::Redirect(why) => formatter.write_str(why),
            Self::Content(why) => formatter.write_str(why),
            Self::Damaged(why) => write!(formatter, "the gzip body is damaged: {why}"),
            Self::Panicked => formatter.write_str("a fault of Watchbell itself; see its log"),
        }
    }
}

impl Failure {
    /// Words a fault of the client.
    #[must_use]
    pub fn of_client(error: &hyper_util::client::legacy::Error) -> Self {
        Self::Connection(word(innermost(error)))
    }

    /// Words a fault while the body was read.
    #[must_use]
    pub fn of_body(error: &hyper::Error) -> Self {
        let innermost = innermost(error);
        let is_cut = innermost
            .downcast_ref::<io::Error>()
            .is_some_and(|io| io.kind() == io::ErrorKind::UnexpectedEof);
        if is_cut || error.is_incomplete_message() {
            return Self::Connection("the connection ended before the body was whole".to_owned());
        }
        Self::Connection(word(innermost))
    }
}

/// The innermost cause says most; below an end of file there is nothing for people.
fn innermost<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> &'a (dyn std::error::Error + 'static) {
    let mut innermost = error;
    while let Some(source) = inner(innermost) {
        innermost = source;
    }
    innermost
}

/// An I/O error hides its cause from `source` when it wraps it.
fn inner<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> Option<&'a (dyn std::error::Error + 'static)> {
    if let Some(io) = error.downcast_ref::<io::Error>() {
        if io.kind() == io::ErrorKind::UnexpectedEof {
            return None;
        }
        if let Some(wrapped) = io.get_ref() {
            return Some(wrapped);
        }
    }
    error.source()
}

fn word(error: &(dyn std::error::Error + 'static)) -> String {
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return format!("TLS: {tls}");
    }
    if let Some(io) = error.downcast_ref::<io::Error>() {
        return match io.kind() {
            io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof => "the connection was closed by the target".to_owned(),
            io::ErrorKind::HostUnreachable => "no route to the host".to_owned(),
            io::ErrorKind::NetworkUnreachable => "the network is unreachable".to_owned(),
            io::ErrorKind::TimedOut => "the connection timed out".to_owned(),
            _ => io.to_string(),
        };
    }
    if let Some(http) = error.downcast_ref::<hyper::Error>() {
        if http.is_incomplete_message() {
            return "the connection was closed by the target".to_owned();
        }
        if http.is_parse() {
            return format!("the answer is not HTTP: {http}");
        }
    }
    error.to_string()
}

fn size(bytes: u64) -> String {
    #[allow(clippy::cast_precision_loss, reason = "a size for people")]
    units::bytes(bytes as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_short_sentences() {
        let cases = [
            (Failure::TimedOut(Duration::from_secs(10)), "timed out after 10s"),
            (Failure::Status(http::StatusCode::NOT_FOUND), "HTTP 404 Not Found"),
            (Failure::TooLarge(16 * 1024 * 1024), "body larger than 16MiB"),
        ];
        for (failure, expected) in cases {
            assert_eq!(failure.to_string(), expected);
        }
    }

    #[test]
    fn the_innermost_cause_of_an_io_error_is_worded() {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let wrapped = io::Error::other(refused);
        let innermost = inner(&wrapped).expect("it wraps one");
        assert_eq!(word(innermost), "connection refused");
    }
}
