//! The series that a scrape writes about itself, as Prometheus names them.

use crate::label::METRIC_NAME;

/// 1 where the scrape was good.
const NAMES: [&str; 5] = [
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
];

/// How a scrape went.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Report {
    pub(super) is_up: bool,
    pub(super) seconds: f64,
    pub(super) sample_count: usize,
    pub(super) added_count: usize,
}

impl Report {
    /// Returns the key of each series with its value.
    pub(super) fn series(self) -> impl Iterator<Item = (Vec<u8>, f64)> {
        let samples = self.sample_count as f64;
        let values = [
            f64::from(u8::from(self.is_up)),
            self.seconds,
            samples,
            samples,
            self.added_count as f64,
        ];
        NAMES.into_iter().map(key_of).zip(values)
    }
}

/// Returns the keys of all series.
pub(super) fn keys() -> impl Iterator<Item = Vec<u8>> {
    NAMES.into_iter().map(key_of)
}

/// Tells whether a written key is that of a scrape's own series.
pub(super) fn is_own(key: &[u8]) -> bool {
    NAMES.into_iter().any(|name| {
        key.strip_prefix(METRIC_NAME.as_bytes())
            .and_then(|rest| rest.strip_prefix(&[0xff]))
            .and_then(|rest| rest.strip_prefix(name.as_bytes()))
            == Some(&[0xff])
    })
}

fn key_of(name: &str) -> Vec<u8> {
    [METRIC_NAME.as_bytes(), &[0xff], name.as_bytes(), &[0xff]].concat()
}
