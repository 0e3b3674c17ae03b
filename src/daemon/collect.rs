//! Metrics of this host and of this process, as exposition text under the names that
//! node_exporter and the Prometheus client libraries use.
//!
//! A file of `/proc` that is not there (containers, old kernels) leaves its metrics out; nothing
//! here is an error but a collection that hangs.

mod device;
mod filesystem;
mod kernel;
mod process;
mod text;

use std::sync::atomic::{AtomicBool, Ordering};

use watchbell_paging::time::Timestamp;

use self::text::Text;
use crate::telemetry::Metrics;

/// Collects this host's metrics, one collection at a time.
#[derive(Debug, Default)]
pub struct Collector {
    is_busy: AtomicBool,
}

impl Collector {
    /// Collects. May be held up by a mount that does not answer, so not for an async worker.
    ///
    /// # Errors
    /// The collection before this one still hangs.
    pub fn host_text(&self, now: Timestamp) -> Result<String, String> {
        if self.is_busy.swap(true, Ordering::AcqRel) {
            return Err("the collection before still waits; a mount may not answer".to_owned());
        }
        let _free_when_dropped = Busy(&self.is_busy);
        Ok(host_text(now))
    }
}

/// Takes the mark away whichever way a collection ends; one that stays would be the last.
struct Busy<'a>(&'a AtomicBool);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Returns the metrics of this host under node_exporter's names.
#[must_use]
pub fn host_text(now: Timestamp) -> String {
    let mut text = Text::default();
    kernel::write(&mut text, now);
    device::write(&mut text);
    filesystem::write(&mut text);
    text.finish()
}

/// Returns the metrics of this process: its instruments and `process_*`.
#[must_use]
pub fn own_text(metrics: &Metrics) -> String {
    let mut text = Text::default();
    process::write(&mut text);
    format!("{}{}", metrics.render(), text.finish())
}

/// Returns the host's name, the `instance` of what is collected here.
#[must_use]
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests;
