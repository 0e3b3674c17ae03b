//! `[collect]`: what the daemon measures without a target.

use crate::findings::Findings;
use crate::raw::Entry;
use crate::shape::{Shape, Word, with};
use crate::value::Collect;
use crate::walk::Fields;

pub(crate) static SHAPE: Shape = Shape {
    doc: "What the daemon measures by itself.",
    keys: &[
        with(
            "host",
            Word::Flag,
            "false",
            "Metrics of this host under node_exporter's names (job \"host\").",
        ),
        with("own", Word::Flag, "true", "The daemon's own metrics (job \"watchbell\")."),
        with("interval", Word::Duration, "15s", "How often."),
    ],
};

/// Reads the table.
pub(crate) fn check(entry: Option<&Entry>, out: &mut Findings<'_>) -> Collect {
    let default = Collect::default();
    let fields = entry.and_then(|one| Fields::open(&one.node, &one.key.place, &SHAPE, out));
    let Some(fields) = fields else { return default };
    Collect {
        host: fields.flag("host", out).unwrap_or(default.host),
        own: fields.flag("own", out).unwrap_or(default.own),
        interval: fields.pace("interval", out).unwrap_or(default.interval),
    }
}
