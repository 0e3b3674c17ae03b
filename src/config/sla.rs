//! `[sla]`: the response promises.

use watchbell_paging::sla::{Promise, Promises};

use crate::findings::Findings;
use crate::raw::{Entry, Kind};
use crate::shape::{Shape, Word, with};
use crate::walk::Fields;

const WORDS: Word = Word::Either(&[Word::Duration, Word::OneOf(&[NEXT_BUSINESS_DAY])]);
const NEXT_BUSINESS_DAY: &str = "next business day";

pub(crate) static SHAPE: Shape = Shape {
    doc: "Response promises by severity: a length of time from firing, or \"next business day\".",
    keys: &[
        with("critical", WORDS, "5m", "For critical."),
        with("warning", WORDS, "15m", "For warning."),
        with("info", WORDS, NEXT_BUSINESS_DAY, "For info."),
    ],
};

/// Reads the table.
pub(crate) fn check(entry: Option<&Entry>, out: &mut Findings<'_>) -> Promises {
    let default = Promises::default();
    let fields = entry.and_then(|one| Fields::open(&one.node, &one.key.place, &SHAPE, out));
    let Some(fields) = fields else { return default };
    let mut promise = |name: &str| -> Option<Promise> {
        let node = fields.node(name)?;
        if matches!(&node.kind, Kind::Text(text) if text == NEXT_BUSINESS_DAY) {
            return Some(Promise::NextBusinessDay);
        }
        fields.period(name, out).map(Promise::Within)
    };
    Promises {
        critical: promise("critical").unwrap_or(default.critical),
        warning: promise("warning").unwrap_or(default.warning),
        info: promise("info").unwrap_or(default.info),
    }
}
