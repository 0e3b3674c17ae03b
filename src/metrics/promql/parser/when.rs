//! When a selector reads: `offset`, `@`, and the durations in brackets.

use std::ops::Range;

use crate::promql::ParseError;
use crate::promql::ast::{Node, NodeKind, Pin};
use crate::promql::lexer::Kind;
use crate::promql::parser::Parser;
use crate::sample::Millis;

/// Longer durations are mistakes: a hundred years.
const DURATION_MAX_MS: Millis = 3_153_600_000_000;
/// Later times than this, in seconds, are mistakes; milliseconds are exact below it.
const PIN_MAX_SECONDS: f64 = 1e11;

impl Parser {
    pub(super) fn pin(&mut self) -> Result<Pin, ParseError> {
        let negative = self.take_sign("-");
        let signed = negative || self.take_sign("+");
        let place = self.span();
        match self.take() {
            Kind::Number(number) if number.abs() < PIN_MAX_SECONDS => {
                let ms = rounded_millis(number);
                Ok(Pin::At(if negative { -ms } else { ms }))
            }
            Kind::Duration(ms) => Ok(Pin::At(if negative { -ms } else { ms })),
            Kind::Word(word) if !signed && is_range_end(&word) => {
                self.expect_sign("(")?;
                self.expect_sign(")")?;
                Ok(if word.eq_ignore_ascii_case("start") { Pin::Start } else { Pin::End })
            }
            Kind::Number(_) | Kind::Word(_) | Kind::Text(_) | Kind::Sign(_) | Kind::End => {
                Err(ParseError::new(place, "@ needs a time: seconds, start() or end()".to_owned()))
            }
        }
    }

    /// A duration after any number of signs.
    pub(super) fn signed_duration(&mut self) -> Result<Millis, ParseError> {
        let mut negative = false;
        while self.is_sign("-") || self.is_sign("+") {
            negative ^= self.is_sign("-");
            self.at += 1;
        }
        let ms = self.duration()?;
        Ok(if negative { -ms } else { ms })
    }

    fn duration(&mut self) -> Result<Millis, ParseError> {
        let place = self.span();
        let ms = match self.peek() {
            Kind::Duration(ms) => *ms,
            Kind::Number(number) if number.abs() < 9e12 => rounded_millis(*number),
            Kind::Number(_) => DURATION_MAX_MS + 1,
            Kind::Word(_) | Kind::Text(_) | Kind::Sign(_) | Kind::End => {
                return Err(self.unexpected("a duration such as 5m"));
            }
        };
        self.at += 1;
        if ms > DURATION_MAX_MS {
            return Err(ParseError::new(place, "the duration is out of range".to_owned())
                .help("the longest is 100y"));
        }
        Ok(ms)
    }
}

pub(super) fn set_offset(
    node: &mut Node,
    ms: Millis,
    place: &Range<usize>,
) -> Result<(), ParseError> {
    let slot = match &mut node.kind {
        NodeKind::Selector(selector) | NodeKind::Range(selector, _) => &mut selector.offset,
        NodeKind::Subquery(subquery) => &mut subquery.offset,
        _ => return Err(misplaced("offset", place)),
    };
    if *slot != 0 {
        return Err(ParseError::new(place.clone(), "offset stands here twice".to_owned()));
    }
    *slot = ms;
    Ok(())
}

pub(super) fn set_pin(node: &mut Node, pin: Pin, place: &Range<usize>) -> Result<(), ParseError> {
    let slot = match &mut node.kind {
        NodeKind::Selector(selector) | NodeKind::Range(selector, _) => &mut selector.pin,
        NodeKind::Subquery(subquery) => &mut subquery.pin,
        _ => return Err(misplaced("@", place)),
    };
    if slot.is_some() {
        return Err(ParseError::new(place.clone(), "@ stands here twice".to_owned()));
    }
    *slot = Some(pin);
    Ok(())
}

fn misplaced(word: &str, place: &Range<usize>) -> ParseError {
    ParseError::new(
        place.clone(),
        format!("{word} must follow a selector, a range selector or a subquery"),
    )
    .help(format!("move it behind the metric: (metric {word} …)"))
}

#[allow(clippy::cast_possible_truncation, reason = "callers bound the number")]
fn rounded_millis(seconds: f64) -> Millis {
    (seconds * 1000.0).round() as Millis
}

fn is_range_end(word: &str) -> bool {
    word.eq_ignore_ascii_case("start") || word.eq_ignore_ascii_case("end")
}
