//! The ledger: the report of a stretch of time, read off the published picture.

use crate::settings::Settings;
use crate::sla::Report;
use crate::time::Timestamp;
use crate::view::View;

/// Builds the report of `[from, to)` from a picture and the settings in force (zones, shifts).
#[must_use]
pub fn report_of(view: &View, settings: &Settings, from: Timestamp, to: Timestamp) -> Report {
    let _ = (view, settings, from, to);
    todo!()
}
