//! `[deadman]`: the outgoing heartbeat.

use crate::findings::Findings;
use crate::raw::Entry;
use crate::shape::{Shape, Word, key};
use crate::value::SecretRef;
use crate::walk::Fields;
use crate::webhook::secret_address;

pub(crate) static SHAPE: Shape = Shape {
    doc: "The outgoing heartbeat: when it stops, a service elsewhere tells that Watchbell is dead.",
    keys: &[key(
        "ping",
        Word::Secret,
        "The address that is called every 30 s, withheld when the daemon is late.",
    )],
};

/// Reads the table.
pub(crate) fn check(entry: Option<&Entry>, out: &mut Findings<'_>) -> Option<SecretRef> {
    let entry = entry?;
    let fields = Fields::open(&entry.node, &entry.key.place, &SHAPE, out)?;
    secret_address(fields.required("ping", "ping = \"cred:deadman_url\"", out)?, out)
}
