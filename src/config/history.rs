//! `[history]`: how long samples are kept.

use crate::findings::Findings;
use crate::raw::{Entry, Kind};
use crate::shape::{Shape, Word, key, with};
use crate::value::History;
use crate::walk::{self, Fields};

pub(crate) static SHAPE: Shape = Shape {
    doc: "How long samples are kept.",
    keys: &[
        with(
            "raw",
            Word::Duration,
            "15m",
            "Ranges of series that no rule reads; \"0s\" keeps only their last sample.",
        ),
        with("read", Word::Duration, "35d", "What rules read."),
        key(
            "keep",
            Word::Either(&[Word::Duration, Word::List(&Word::Matchers)]),
            "Matchers of further series that are kept as if a rule read them; or a length of \
             time, which is `read`.",
        ),
    ],
};

/// Reads the table.
pub(crate) fn check(entry: Option<&Entry>, out: &mut Findings<'_>) -> History {
    let mut history = History::default();
    let fields = entry.and_then(|one| Fields::open(&one.node, &one.key.place, &SHAPE, out));
    let Some(fields) = fields else { return history };
    history.raw = fields.duration("raw", out).unwrap_or(history.raw);
    history.keep = fields.period("read", out).unwrap_or(history.keep);
    match fields.node("keep") {
        Some(node) if matches!(node.kind, Kind::Array(_)) => {
            let items = walk::array(node, out).unwrap_or_default();
            history.matchers = items.iter().filter_map(|item| walk::matchers(item, out)).collect();
        }
        Some(_) => history.keep = fields.period("keep", out).unwrap_or(history.keep),
        None => {}
    }
    history
}
