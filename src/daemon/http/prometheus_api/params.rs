//! Parameters: of the query string and of a form, read as Prometheus reads them.

use std::num::IntErrorKind;
use std::time::Duration;

use axum::Form;
use axum::extract::{FromRequest, Query, Request};
use axum::http::{Method, header};
use watchbell_metrics::label::Matcher;
use watchbell_metrics::promql::{self, Expr, ParseError};
use watchbell_metrics::sample::{LOOKBACK_MS, Millis, TimeRange};
use watchbell_paging::time::Timestamp;

use crate::http::prometheus_api::Fault;

/// Instants beyond this many milliseconds from 1970 are no instants of ours; sums of them with
/// any window cannot overflow.
const FAR: Millis = 1 << 53;
/// What Prometheus's clients send for "since ever" and "for ever".
const SINCE_EVER: &str = "-292273086-05-16T16:47:06Z";
const FOR_EVER: &str = "292277025-08-18T07:12:54.999999999Z";

/// Names and values, those of the body first, as Go merges them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Params(Vec<(String, String)>);

impl<S: Send + Sync> FromRequest<S> for Params {
    type Rejection = Fault;

    async fn from_request(request: Request, state: &S) -> Result<Self, Fault> {
        let Query(query) = Query::<Vec<(String, String)>>::try_from_uri(request.uri())
            .map_err(|error| Fault::bad_data(error.body_text()))?;
        let form = request
            .headers()
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
        if request.method() != Method::POST || !form {
            return Ok(Self(query));
        }
        let Form(mut all) = Form::<Vec<(String, String)>>::from_request(request, state)
            .await
            .map_err(|error| Fault::bad_data(error.body_text()))?;
        all.extend(query);
        Ok(Self(all))
    }
}

impl Params {
    /// Returns the first value of a name; an empty one counts as absent.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let first = self.0.iter().find(|(key, _)| key == name);
        first.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Reads an instant: unix seconds with a fraction, or RFC 3339.
    pub(super) fn time(&self, name: &str) -> Result<Option<Millis>, Fault> {
        let Some(text) = self.get(name) else { return Ok(None) };
        time(text).map(Some).ok_or_else(|| {
            let words = format!(
                "invalid time value for '{name}': cannot parse {text:?} to a valid timestamp"
            );
            Fault::parameter(name, words)
        })
    }

    /// Reads an instant that must be given.
    pub(super) fn due_time(&self, name: &str) -> Result<Millis, Fault> {
        let text = self.get(name).unwrap_or_default();
        time(text).ok_or_else(|| {
            Fault::parameter(name, format!("cannot parse {text:?} to a valid timestamp"))
        })
    }

    /// Reads a length of time that must be given: seconds with a fraction, or `5m`.
    pub(super) fn due_length(&self, name: &str) -> Result<Millis, Fault> {
        let text = self.get(name).unwrap_or_default();
        length(text).map_err(|words| Fault::parameter(name, words))
    }

    /// Reads the time limit of a query.
    pub(super) fn time_limit(&self) -> Result<Duration, Fault> {
        if self.get("timeout").is_none() {
            return Ok(Duration::MAX);
        }
        let limit = self.due_length("timeout")?;
        Ok(Duration::from_millis(u64::try_from(limit).unwrap_or(0)))
    }

    /// Reads `limit`; zero and absence are no limit.
    pub(super) fn limit(&self) -> Result<usize, Fault> {
        let Some(text) = self.get("limit") else { return Ok(usize::MAX) };
        let limit = integer(text).map_err(|words| Fault::parameter("limit", words))?;
        match usize::try_from(limit) {
            Ok(0) => Ok(usize::MAX),
            Ok(limit) => Ok(limit),
            Err(_) => Err(Fault::parameter("limit", "limit must be non-negative")),
        }
    }

    /// Reads a bound on what metadata shows; none where it is absent.
    pub(super) fn metadata_limit(&self, name: &str) -> Result<Option<i64>, Fault> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let limit = integer(text).map_err(|_| Fault::bad_data(format!("{name} must be a number")));
        limit.map(Some)
    }

    /// Reads `lookback_delta`; what is not above zero means the default.
    pub(super) fn lookback(&self) -> Result<Millis, Fault> {
        let Some(text) = self.get("lookback_delta") else { return Ok(LOOKBACK_MS) };
        let length = length(text).map_err(|words| {
            Fault::bad_data(format!("error parsing lookback delta duration: {words}"))
        })?;
        Ok(if length <= 0 { LOOKBACK_MS } else { length })
    }

    /// Reads the expression.
    pub(super) fn expression(&self) -> Result<Expr, Fault> {
        self.parsed().map_err(|words| Fault::parameter("query", words))
    }

    /// Reads the expression; what is wrong with it is worded with its place.
    pub(super) fn parsed(&self) -> Result<Expr, String> {
        let text = self.get("query").unwrap_or_default();
        promql::parse(text).map_err(|error| placed(text, &error))
    }

    /// Reads every `match[]`.
    pub(super) fn selectors(&self) -> Result<Vec<Vec<Matcher>>, Fault> {
        let mut selectors = Vec::new();
        for text in self.all("match[]") {
            let expr = promql::parse(text)
                .map_err(|error| Fault::parameter("match[]", placed(text, &error)))?;
            if !expr.is_plain_selector() {
                return Err(Fault::parameter("match[]", format!("{text:?} is no selector")));
            }
            selectors.extend(expr.selectors().into_iter().map(|selector| selector.matchers));
        }
        Ok(selectors)
    }

    /// Reads `start` and `end`, both inclusive; absent they are as far as they can be.
    pub(super) fn range(&self) -> Result<TimeRange, Fault> {
        let from = self.time("start")?.unwrap_or(-FAR);
        let to = self.time("end")?.unwrap_or(FAR);
        Ok(TimeRange { from: from.saturating_sub(1), to })
    }
}

/// Words a fault with its place, 1-based, as Prometheus does.
fn placed(text: &str, error: &ParseError) -> String {
    let before = text.get(..error.span.start).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let help = error.help.as_ref().map_or_else(String::new, |help| format!("; {help}"));
    format!("{line}:{column}: parse error: {}{help}", error.message)
}

fn time(text: &str) -> Option<Millis> {
    match text {
        SINCE_EVER => return Some(-FAR),
        FOR_EVER => return Some(FAR),
        _ => {}
    }
    if let Ok(seconds) = text.parse::<f64>() {
        return millis(seconds);
    }
    Timestamp::parse_rfc3339(text).ok().map(Timestamp::as_millis)
}

fn length(text: &str) -> Result<Millis, String> {
    let far = || format!("cannot parse {text:?} to a valid duration. It overflows int64");
    if let Ok(seconds) = text.parse::<f64>() {
        return millis(seconds).ok_or_else(far);
    }
    let length = duration(text);
    length.ok_or_else(|| format!("cannot parse {text:?} to a valid duration"))
}

/// Reads `1h30m`: whole numbers with units, each unit at most once, the longest first.
fn duration(text: &str) -> Option<Millis> {
    const UNITS: [(&str, Millis); 7] = [
        ("y", 365 * 86_400_000),
        ("w", 7 * 86_400_000),
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1000),
        ("ms", 1),
    ];
    let mut units = UNITS.iter();
    let mut rest = text;
    let mut total: Millis = 0;
    while !rest.is_empty() {
        let (digits, after) = rest.split_at_checked(leading(rest, |c| c.is_ascii_digit()))?;
        let (unit, tail) = after.split_at_checked(leading(after, |c| c.is_ascii_lowercase()))?;
        let (_, size) = units.find(|(name, _)| *name == unit)?;
        total = total.checked_add(digits.parse::<Millis>().ok()?.checked_mul(*size)?)?;
        rest = tail;
    }
    (!text.is_empty() && total <= FAR).then_some(total)
}

/// Returns how many bytes the leading characters of a kind take.
fn leading(text: &str, is_kind: impl Fn(char) -> bool) -> usize {
    text.len() - text.trim_start_matches(is_kind).len()
}

/// Reads a whole number; what is none is worded as Go's `strconv.Atoi` words it.
fn integer(text: &str) -> Result<i64, String> {
    text.parse::<i64>().map_err(|error| {
        let why = match error.kind() {
            IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "value out of range",
            _ => "invalid syntax",
        };
        format!("strconv.Atoi: parsing {text:?}: {why}")
    })
}

#[allow(clippy::cast_possible_truncation, reason = "checked to lie within 2^53")]
fn millis(seconds: f64) -> Option<Millis> {
    let ms = (seconds * 1000.0).round();
    (ms.abs() <= FAR as f64).then_some(ms as Millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_seconds_or_rfc_3339() {
        for (text, expected) in [
            ("1700000000.123", Some(1_700_000_000_123)),
            ("1.7e9", Some(1_700_000_000_000)),
            ("-1", Some(-1000)),
            ("2026-11-23T10:00:00Z", Some(1_795_428_000_000)),
            ("2026-11-23T11:00:00.5+01:00", Some(1_795_428_000_500)),
            (SINCE_EVER, Some(-FAR)),
            (FOR_EVER, Some(FAR)),
            ("NaN", None),
            ("Inf", None),
            ("1e300", None),
            ("yesterday", None),
        ] {
            assert_eq!(time(text), expected, "{text}");
        }
    }

    #[test]
    fn lengths_are_seconds_or_durations() {
        for (text, expected) in [
            ("15", Some(15_000)),
            ("0.5", Some(500)),
            ("1m30s", Some(90_000)),
            ("1y2w3d4h5m6s7ms", Some(33_019_506_007)),
            ("0", Some(0)),
            ("-5", Some(-5000)),
            ("", None),
            ("m", None),
            ("5 minutes", None),
            ("30s1m", None),
            ("1m1m", None),
            ("1.5m", None),
            ("1e300", None),
            ("99999999999999999w", None),
        ] {
            assert_eq!(length(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn whole_numbers_are_refused_in_the_words_of_go() {
        assert_eq!(integer("+5"), Ok(5));
        let words = "strconv.Atoi: parsing \"x\": invalid syntax";
        assert_eq!(integer("x"), Err(words.to_owned()));
        let far = integer("99999999999999999999").unwrap_err();
        assert!(far.ends_with("value out of range"), "{far}");
    }

    #[test]
    fn a_parse_fault_names_line_and_column() {
        let text = "sum(\n  rate(up[5m)";
        let error = promql::parse(text).unwrap_err();
        let words = placed(text, &error);
        assert!(words.starts_with("2:"), "{words}");
        assert!(words.contains(": parse error: "), "{words}");
    }
}
