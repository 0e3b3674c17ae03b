//! What one evaluation of a range function costs over windows of any length.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use watchbell_metrics::exposition::Format;
use watchbell_metrics::label::{Labels, MatchOp, Matcher};
use watchbell_metrics::promql::{Options, eval_instant, parse};
use watchbell_metrics::sample::Millis;
use watchbell_metrics::series::{Limits, Read, Retention, Store};

/// A sample every 15 s.
const STEP: Millis = 15_000;
const MONTH: Millis = 31 * 86_400_000;
const FUNCTIONS: [&str; 4] = ["rate", "avg_over_time", "max_over_time", "deriv"];
const WINDOWS: [&str; 4] = ["5m", "1h", "24h", "30d"];

fn windows(criterion: &mut Criterion) {
    let store = store();
    for function in FUNCTIONS {
        let mut group = criterion.benchmark_group(function);
        for window in WINDOWS {
            let expr = parse(&format!("{function}(x[{window}])")).expect("a good expression");
            let mut at = MONTH - 7;
            group.bench_function(BenchmarkId::from_parameter(window), |bencher| {
                bencher.iter(|| {
                    // The window moves, as it does for a rule.
                    at = if at < MONTH - STEP { MONTH - 7 } else { at - 1 };
                    black_box(eval_instant(&expr, &store, at, &Options::default()))
                });
            });
        }
        group.finish();
    }
}

/// One counter over a month.
fn store() -> Store {
    let everything = Matcher::new("__name__", MatchOp::Equal, "x").expect("a good matcher");
    let read = Read { reader: 0, matchers: vec![everything], reach: MONTH };
    let store = Store::new(Retention { reads: vec![read], ..Retention::default() });
    let limits = Limits { series_max: 10, labels_max: 10, label_length_max: 100 };
    let mut target = store.open(&Labels::from_pairs([("job", "api")]), limits);
    let (mut at, mut value) = (0, 0_u64);
    while at < MONTH {
        at += STEP;
        // Uneven steps, and a reset every few hours.
        value = if value % 9_973 == 0 { 1 } else { value + 1 + value % 7 };
        let body = format!("x {value}\n");
        target.append(body.as_bytes(), Format::Text, at, 0.0);
    }
    store
}

criterion_group!(benches, windows);
criterion_main!(benches);
