//! Values as JSON text, written as Prometheus writes them: numbers inside strings, times as
//! seconds with at most three decimals. Long ranges are written straight into one text.

use std::fmt::Write as _;

use serde_json::Value as Json;
use watchbell_metrics::label::Labels;
use watchbell_metrics::promql::{Evaluated, Value};
use watchbell_metrics::sample::Millis;

use crate::http::prometheus_api::{Reply, TRUNCATED};

/// The most decimal places of a number that lies halfway between two texts of 17 digits.
const TIE_PLACES_MAX: usize = 24;

/// Writes the answer to a query; of the series beyond `limit` only a warning is left.
pub(super) fn reply(
    mut evaluated: Evaluated,
    at: Millis,
    limit: usize,
    stats: Option<&Json>,
) -> Reply {
    let truncated = match &mut evaluated.value {
        Value::Vector(all) => cut(all, limit),
        Value::Matrix(all) => cut(all, limit),
        Value::Scalar(_) | Value::String(_) => false,
    };
    if truncated {
        evaluated.warnings.push(TRUNCATED.to_owned());
    }
    let mut out = String::from("{\"status\":\"success\",\"data\":{\"resultType\":");
    value(&evaluated.value, at, &mut out);
    if let Some(stats) = stats {
        push(&mut out, format_args!(",\"stats\":{stats}"));
    }
    out.push('}');
    for (name, lines) in [("warnings", evaluated.warnings), ("infos", evaluated.infos)] {
        if !lines.is_empty() {
            push(&mut out, format_args!(",\"{name}\":{}", Json::from(lines)));
        }
    }
    out.push('}');
    Reply(out)
}

fn cut<T>(all: &mut Vec<T>, limit: usize) -> bool {
    let truncated = limit < all.len();
    all.truncate(limit);
    truncated
}

fn value(value: &Value, at: Millis, out: &mut String) {
    match value {
        Value::Scalar(number) => {
            out.push_str("\"scalar\",\"result\":[");
            time(at, out);
            push(out, format_args!(",\"{}\"]", Plain(*number)));
        }
        Value::String(text) => {
            out.push_str("\"string\",\"result\":[");
            time(at, out);
            push(out, format_args!(",{}]", Json::from(text.as_str())));
        }
        Value::Vector(samples) => {
            out.push_str("\"vector\",\"result\":[");
            for (index, sample) in samples.iter().enumerate() {
                metric(index, &sample.labels, out);
                out.push_str("\"value\":");
                point(at, sample.value, out);
                out.push('}');
            }
            out.push(']');
        }
        Value::Matrix(series) => {
            out.push_str("\"matrix\",\"result\":[");
            for (index, one) in series.iter().enumerate() {
                metric(index, &one.labels, out);
                out.push_str("\"values\":[");
                for (index, sample) in one.samples.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    point(sample.at, sample.value, out);
                }
                out.push_str("]}");
            }
            out.push(']');
        }
    }
}

fn metric(index: usize, labels: &Labels, out: &mut String) {
    out.push_str(if index == 0 { "{\"metric\":{" } else { ",{\"metric\":{" });
    for (index, (name, value)) in labels.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        push(out, format_args!("{comma}{}:{}", Json::from(name), Json::from(value)));
    }
    out.push_str("},");
}

fn point(at: Millis, value: f64, out: &mut String) {
    out.push('[');
    time(at, out);
    push(out, format_args!(",\"{}\"]", Number(value)));
}

fn time(at: Millis, out: &mut String) {
    let sign = if at < 0 { "-" } else { "" };
    let (seconds, ms) = (at.unsigned_abs() / 1000, at.unsigned_abs() % 1000);
    push(out, format_args!("{sign}{seconds}"));
    if ms != 0 {
        push(out, format_args!(".{ms:03}"));
    }
}

fn push(out: &mut String, words: std::fmt::Arguments<'_>) {
    out.write_fmt(words).expect("writing to memory cannot fail");
}

/// A number as Go's `strconv` writes it with format `f` where it is short, else `e`.
pub(super) struct Number(pub(super) f64);

impl std::fmt::Display for Number {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let size = self.0.abs();
        if size == 0.0 || (1e-6..1e21).contains(&size) || !size.is_finite() {
            return Plain(self.0).fmt(formatter);
        }
        formatter.write_str(&exponent(self.0))
    }
}

/// A number as Go's `strconv` writes it with format `f`, however long that is: how Prometheus
/// writes the one number of a scalar.
struct Plain(f64);

impl std::fmt::Display for Plain {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_nan() {
            return formatter.write_str("NaN");
        }
        if self.0.is_infinite() {
            return formatter.write_str(if self.0 > 0.0 { "+Inf" } else { "-Inf" });
        }
        match to_even(self.0) {
            Some(text) => formatter.write_str(&text),
            None => write!(formatter, "{}", self.0),
        }
    }
}

/// Returns the shorter text where the whole one lies halfway between two short ones that both
/// mean the number: Go takes the even one.
fn to_even(value: f64) -> Option<String> {
    // Of a longer fraction the short texts have fewer digits than one less.
    let places = fraction_bits(value).filter(|places| *places <= TIE_PLACES_MAX)?;
    let short = value.to_string();
    let (_, digits) = short.split_once('.')?;
    if digits.len() + 1 != places {
        return None;
    }
    let mut below = format!("{value:.places$}");
    below.pop();
    let is_even = below.ends_with(['0', '2', '4', '6', '8']);
    (is_even && below.parse() == Ok(value)).then_some(below)
}

/// Returns how many binary, and so decimal, places the fraction of a number has.
fn fraction_bits(value: f64) -> Option<usize> {
    const MANTISSA_BITS: u32 = 52;
    let bits = value.to_bits();
    let exponent = i32::try_from((bits >> MANTISSA_BITS) & 0x7ff).ok()? - 1023;
    let mantissa = (bits & ((1 << MANTISSA_BITS) - 1)) | (1 << MANTISSA_BITS);
    let places = i32::try_from(MANTISSA_BITS - mantissa.trailing_zeros()).ok()? - exponent;
    usize::try_from(places).ok()
}

/// Go's format `e`: `1e+00`, `4.2e-02`.
pub(super) fn exponent(value: f64) -> String {
    if !value.is_finite() {
        return Number(value).to_string();
    }
    let text = format!("{value:e}");
    let Some((digits, power)) = text.split_once('e') else { return text };
    let (sign, power) = match power.strip_prefix('-') {
        Some(power) => ('-', power),
        None => ('+', power),
    };
    format!("{digits}e{sign}{power:0>2}")
}

#[cfg(test)]
mod tests {
    use watchbell_metrics::promql::{MatrixSeries, VectorSample};
    use watchbell_metrics::sample::Sample;

    use super::*;

    #[test]
    fn numbers_are_written_as_go_writes_them() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (0.1, "0.1"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.5e-7, "1.5e-07"),
            (0.000_001, "0.000001"),
            (1e100, "1e+100"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (0.5, "0.5"),
            (1.000_000_059_604_644_8, "1.0000000596046448"),
            // Halfway between two texts of 16 digits: the even one.
            (-0.790_107_727_050_781_3, "-0.7901077270507812"),
            (0.790_107_727_050_781_3, "0.7901077270507812"),
        ] {
            assert_eq!(Number(value).to_string(), expected);
        }
        assert_eq!(exponent(1.0), "1e+00");
        assert_eq!(exponent(0.042), "4.2e-02");
        assert_eq!(exponent(f64::INFINITY), "+Inf");
    }

    #[test]
    fn every_type_of_value_has_prometheus_shape() {
        let labels = Labels::from_pairs([("__name__", "up"), ("a", "\"<\n")]);
        let sample = |at, value| Sample { at, value };
        for (value, expected) in [
            (Value::Scalar(1.5), r#""scalar","result":[1700000000.123,"1.5"]"#),
            (Value::Scalar(1e21), r#""scalar","result":[1700000000.123,"1000000000000000000000"]"#),
            (Value::String("a\"b".to_owned()), r#""string","result":[1700000000.123,"a\"b"]"#),
            (Value::Vector(Vec::new()), r#""vector","result":[]"#),
            (
                Value::Vector(vec![VectorSample { labels, value: f64::NAN }]),
                r#""vector","result":[{"metric":{"__name__":"up","a":"\"<\n"},"value":[1700000000.123,"NaN"]}]"#,
            ),
            (
                Value::Matrix(vec![MatrixSeries {
                    labels: Labels::empty(),
                    samples: vec![sample(1000, 1.0), sample(-1_020, 2.0)],
                }]),
                r#""matrix","result":[{"metric":{},"values":[[1,"1"],[-1.020,"2"]]}]"#,
            ),
        ] {
            let evaluated = Evaluated { value, warnings: Vec::new(), infos: Vec::new() };
            let Reply(text) = reply(evaluated, 1_700_000_000_123, usize::MAX, None);
            let whole =
                format!("{{\"status\":\"success\",\"data\":{{\"resultType\":{expected}}}}}");
            assert_eq!(text, whole);
        }
    }

    #[test]
    fn a_limit_that_was_met_is_a_warning() {
        let one = |name: &str| VectorSample {
            labels: Labels::from_pairs([("__name__", name)]),
            value: 1.0,
        };
        let evaluated = Evaluated {
            value: Value::Vector(vec![one("a"), one("b")]),
            warnings: Vec::new(),
            infos: vec!["look here".to_owned()],
        };
        let Reply(text) = reply(evaluated, 0, 1, None);
        let parsed: Json = serde_json::from_str(&text).unwrap();
        assert_eq!(parsed["data"]["result"].as_array().unwrap().len(), 1);
        assert_eq!(parsed["warnings"][0], "results truncated due to limit");
        assert_eq!(parsed["infos"][0], "look here");
    }
}
