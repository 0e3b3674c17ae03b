//! Bodies of hostile targets: appended twice in both formats, selected, journalled, replayed.

#![no_main]

use libfuzzer_sys::fuzz_target;
use watchbell_metrics::exposition::Format;
use watchbell_metrics::label::Labels;
use watchbell_metrics::sample::{Sample, Source, TimeRange};
use watchbell_metrics::series::{Limits, Retention, Store};

const LIMITS: Limits = Limits { series_max: 1000, labels_max: 20, label_length_max: 200 };
const ALWAYS: TimeRange = TimeRange { from: i64::MIN, to: i64::MAX };

fuzz_target!(|body: &[u8]| {
    // Nothing expires, so that the copy below is exact.
    let retention = || Retention { raw: i64::MAX / 4, ..Retention::default() };
    let store = Store::new(retention());
    for (instance, format) in [("text", Format::Text), ("openmetrics", Format::OpenMetrics)] {
        let labels = Labels::from_pairs([("job", "fuzz"), ("instance", instance)]);
        let mut target = store.open(&labels, LIMITS);
        for at in [1_000_000, 1_015_000] {
            let appended = target.append(body, format, at, 0.1);
            assert!(appended.faults.len() <= appended.fault_count);
            assert!(appended.series <= LIMITS.series_max);
        }
    }
    let copy = Store::new(retention());
    copy.replay(&store.take_block()).expect("its own block is good");
    assert_eq!(dump(&copy), dump(&store));
    // The same bytes as a block of the journal: refused or taken, never a panic.
    drop(copy.replay(body));
    store.expire(i64::MAX);
});

/// Lists labels, times and bits of every series.
fn dump(store: &Store) -> Vec<String> {
    let mut lines = Vec::new();
    for view in store.select(&[], ALWAYS) {
        let mut samples: Vec<Sample> = Vec::new();
        view.samples(ALWAYS, &mut samples);
        let exact: Vec<(i64, u64)> =
            samples.iter().map(|sample| (sample.at, sample.value.to_bits())).collect();
        lines.push(format!("{} {exact:?}", view.labels()));
    }
    lines.sort();
    lines
}
