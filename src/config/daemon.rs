//! `[daemon]`: where state is kept, the default zone, the pace of idle rules.

use watchbell_paging::time::Zone;

use crate::findings::Findings;
use crate::raw::Entry;
use crate::scrape;
use crate::shape::{Shape, Word, key, with};
use crate::value::Daemon;
use crate::walk::Fields;

pub(crate) static SHAPE: Shape = Shape {
    doc: "The daemon itself.",
    keys: &[
        key(
            "state",
            Word::Text,
            "The folder of everything that is kept. Default: $STATE_DIRECTORY, else \
             ./watchbell-state.",
        ),
        with(
            "zone",
            Word::Text,
            "UTC",
            "The time zone of reports, and of calendars and schedules without one of their own.",
        ),
        with(
            "interval",
            Word::Duration,
            "15s",
            "How often rules are evaluated that no fresh sample has triggered.",
        ),
        key(
            "external_labels",
            Word::Map(&Word::Text),
            "What templates of Prometheus rule files read as $externalLabels, such as { cluster = \
             \"eu\" }.",
        ),
    ],
};

/// Reads the table; also gives its zone.
pub(crate) fn check(entry: Option<&Entry>, out: &mut Findings<'_>) -> (Daemon, Zone) {
    let mut daemon = Daemon::default();
    let fields = entry.and_then(|one| Fields::open(&one.node, &one.key.place, &SHAPE, out));
    let Some(fields) = fields else { return (daemon, Zone::utc()) };
    daemon.state = fields.path("state", out);
    daemon.interval = fields.pace("interval", out).unwrap_or(daemon.interval);
    let external = fields.node("external_labels").map(|node| scrape::labels(node, out));
    daemon.external_labels = external.unwrap_or_default();
    (daemon, fields.zone("zone", out).unwrap_or_else(Zone::utc))
}
