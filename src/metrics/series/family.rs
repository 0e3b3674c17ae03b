//! What a target says about its metrics: type and help of each family.

use std::collections::HashMap;

use crate::exposition::MetricType;

/// Families that are remembered of one target.
const FAMILIES_MAX: usize = 10_000;
/// Bytes of a help text that are remembered.
const HELP_LENGTH_MAX: usize = 1024;
/// What a series' name may have behind that of its family, by the family's type.
const ENDINGS: [(&str, &[MetricType]); 8] = [
    ("_total", &[MetricType::Counter]),
    ("_bucket", &[MetricType::Histogram, MetricType::GaugeHistogram]),
    ("_count", &[MetricType::Histogram, MetricType::Summary]),
    ("_sum", &[MetricType::Histogram, MetricType::Summary]),
    ("_created", &[MetricType::Counter, MetricType::Histogram, MetricType::Summary]),
    ("_gcount", &[MetricType::GaugeHistogram]),
    ("_gsum", &[MetricType::GaugeHistogram]),
    ("_info", &[MetricType::Info]),
];

/// A `# HELP` or `# TYPE` line that was read.
#[derive(Clone, Debug)]
pub(super) enum Remark {
    Help(String),
    Type(MetricType),
}

/// What is known of one family.
#[derive(Clone, Debug, Default)]
pub(super) struct Family {
    pub(super) kind: MetricType,
    pub(super) help: String,
}

/// All families of a target.
#[derive(Debug, Default)]
pub(super) struct Families(HashMap<String, Family>);

impl Families {
    /// Remembers a remark; the last one of a family stands.
    pub(super) fn remember(&mut self, name: String, remark: Remark) {
        if FAMILIES_MAX <= self.0.len() && !self.0.contains_key(&name) {
            return;
        }
        let family = self.0.entry(name).or_default();
        match remark {
            Remark::Help(text) => family.help = shorten(text),
            Remark::Type(kind) => family.kind = kind,
        }
    }

    /// Returns the type of the family that a series of this name belongs to.
    pub(super) fn kind_of(&self, series_name: &str) -> MetricType {
        if let Some(family) = self.0.get(series_name) {
            return family.kind;
        }
        let parent = |(ending, kinds): &(&str, &[MetricType])| {
            let family = self.0.get(series_name.strip_suffix(ending)?)?;
            kinds.contains(&family.kind).then_some(family.kind)
        };
        ENDINGS.iter().find_map(parent).unwrap_or_default()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Family)> {
        self.0.iter().map(|(name, family)| (name.as_str(), family))
    }
}

fn shorten(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(HELP_LENGTH_MAX));
    text
}
