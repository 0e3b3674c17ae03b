//! Files of history: read line by line, taken in windows, replayed twice beside scraped series.

#![no_main]

use libfuzzer_sys::fuzz_target;
use watchbell_metrics::exposition::{Format, Lines};
use watchbell_metrics::sample::{Sample, Source, TimeRange};
use watchbell_metrics::segment::merge;
use watchbell_metrics::series::backfill::{Bounds, Loader};
use watchbell_metrics::series::{Retention, Store};

const ALWAYS: TimeRange = TimeRange { from: i64::MIN, to: i64::MAX };
const BOUNDS: Bounds = Bounds { oldest: -1_000_000_000_000_000, newest: i64::MAX };

fuzz_target!(|text: &[u8]| {
    for format in [Format::Text, Format::OpenMetrics] {
        check(text, format);
    }
});

fn check(text: &[u8], format: Format) {
    let store = Store::new(Retention { raw: i64::MAX / 4, ..Retention::default() });
    let mut loader = Loader::new(format, BOUNDS);
    let mut blocks = Vec::new();
    for line in Lines::new(text) {
        let read = loader.read_line(line);
        if read.is_err() || 3 < loader.waiting() {
            blocks.extend(loader.take_windows().into_iter().map(|window| window.block));
        }
    }
    drop(loader.finish());
    blocks.extend(loader.take_windows().into_iter().map(|window| window.block));
    let whole = merge(blocks.iter().map(Vec::as_slice), true).expect("its own blocks are good");
    let taken = store.replay_loaded(&whole).expect("what was merged is good");
    assert_eq!(u64::try_from(taken).ok(), Some(loader.counts().samples));
    assert_eq!(store.replay_loaded(&whole).expect("it was taken before"), 0);
    let views = store.select(&[], ALWAYS);
    assert!(views.len() <= loader.counts().series);
    for view in views {
        let mut samples: Vec<Sample> = Vec::new();
        view.samples(ALWAYS, &mut samples);
        assert!(samples.is_sorted_by(|one, next| one.at < next.at));
    }
}
