//! Parameters: of the query string and of a form, read as Prometheus reads them.

use std::time::Duration;

use axum::Form;
use axum::extract::{FromRequest, Query, Request};
use axum::http::{Method, header};
use watchbell_metrics::label::Matcher;
use watchbell_metrics::promql::{self, Expr, ParseError};
use watchbell_metrics::sample::{LOOKBACK_MS, Millis, TimeRange};
use watchbell_paging::time::Timestamp;
use watchbell_sim::scenario::parse_duration;

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
            Fault::parameter(name, format!("cannot parse {text:?} to a valid timestamp"))
        })
    }

    /// Reads an instant that must be given.
    pub(super) fn due_time(&self, name: &str) -> Result<Millis, Fault> {
        self.time(name)?.ok_or_else(|| {
            Fault::parameter(name, format!("cannot parse {:?} to a valid timestamp", ""))
        })
    }

    /// Reads a length of time: seconds with a fraction, or `5m`.
    pub(super) fn length(&self, name: &str) -> Result<Option<Millis>, Fault> {
        let Some(text) = self.get(name) else { return Ok(None) };
        length(text).map(Some).ok_or_else(|| {
            Fault::parameter(name, format!("cannot parse {text:?} to a valid duration"))
        })
    }

    /// Reads the time limit of a query.
    pub(super) fn time_limit(&self) -> Result<Duration, Fault> {
        let Some(limit) = self.length("timeout")? else { return Ok(Duration::MAX) };
        Ok(Duration::from_millis(u64::try_from(limit).unwrap_or(0)))
    }

    /// Reads `limit`; zero and absence are no limit.
    pub(super) fn limit(&self) -> Result<usize, Fault> {
        let Some(text) = self.get("limit") else { return Ok(usize::MAX) };
        match text.parse::<usize>() {
            Ok(0) => Ok(usize::MAX),
            Ok(limit) => Ok(limit),
            Err(_) => Err(Fault::parameter("limit", "limit must be non-negative")),
        }
    }

    /// Reads `lookback_delta`.
    pub(super) fn lookback(&self) -> Result<Millis, Fault> {
        match self.length("lookback_delta")? {
            Some(length) if length <= 0 => {
                Err(Fault::parameter("lookback_delta", "it must be positive"))
            }
            given => Ok(given.unwrap_or(LOOKBACK_MS)),
        }
    }

    /// Reads the expression.
    pub(super) fn expression(&self) -> Result<Expr, Fault> {
        let text = self.get("query").unwrap_or_default();
        promql::parse(text).map_err(|error| Fault::parameter("query", placed(text, &error)))
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
        if to < from {
            return Err(Fault::parameter("end", "end timestamp must not be before start time"));
        }
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

fn length(text: &str) -> Option<Millis> {
    if let Ok(seconds) = text.parse::<f64>() {
        return millis(seconds);
    }
    let length = i64::try_from(parse_duration(text)?.as_millis()).ok()?;
    (length <= FAR).then_some(length)
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
            ("-5", Some(-5000)),
            ("5 minutes", None),
            ("99999999999999999w", None),
        ] {
            assert_eq!(length(text), expected, "{text}");
        }
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
