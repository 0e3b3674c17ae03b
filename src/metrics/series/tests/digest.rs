//! Windows by their summaries against the same windows by their samples.

use proptest::prelude::*;

use super::*;
use crate::promql::{Options, Value, eval_instant, parse};
use crate::sample::{Digest, Source, TimeRange, stale_marker};

/// Every range function that a summary can answer.
const FUNCTIONS: [&str; 17] = [
    "rate(x[W])",
    "increase(x[W])",
    "delta(x[W])",
    "sum_over_time(x[W])",
    "avg_over_time(x[W])",
    "min_over_time(x[W])",
    "max_over_time(x[W])",
    "count_over_time(x[W])",
    "present_over_time(x[W])",
    "first_over_time(x[W])",
    "last_over_time(x[W])",
    "stddev_over_time(x[W])",
    "stdvar_over_time(x[W])",
    "changes(x[W])",
    "resets(x[W])",
    "deriv(x[W])",
    "predict_linear(x[W], 3600)",
];

/// Longer than any series here.
const LONG: Millis = 86_400_000;

/// A source whose views know no summaries.
struct Plain<'a>(&'a Store);

#[derive(Debug)]
struct Samples(Arc<dyn SeriesView>);

impl Source for Plain<'_> {
    fn select(&self, matchers: &[Matcher], range: TimeRange) -> Vec<Arc<dyn SeriesView>> {
        let views = self.0.select(matchers, range).into_iter();
        views.map(|view| Arc::new(Samples(view)) as Arc<dyn SeriesView>).collect()
    }
}

impl SeriesView for Samples {
    fn labels(&self) -> &Labels {
        self.0.labels()
    }

    fn samples(&self, range: TimeRange, into: &mut Vec<Sample>) {
        self.0.samples(range, into);
    }

    fn newest(&self, range: TimeRange) -> Option<Sample> {
        self.0.newest(range)
    }
}

fn store(values: &[f64], reach: Millis) -> Store {
    let everything = Matcher::new("__name__", MatchOp::Equal, "x").unwrap();
    let read = Read { reader: 0, matchers: vec![everything], reach };
    let store = Store::new(Retention { reads: vec![read], ..Retention::default() });
    let limits = Limits { series_max: 10, labels_max: 10, label_length_max: 100 };
    let mut target = store.open(&Labels::empty(), limits);
    for (step, value) in (1..).zip(values) {
        let at: Millis = step * 15_000;
        if is_stale(*value) {
            target.fail(at, 0.0);
        } else {
            let body = format!("x {value:?}\n");
            target.append(body.as_bytes(), Format::Text, at, 0.0);
        }
    }
    store
}

fn value(expr: &str, source: &dyn Source, at: Millis) -> Option<f64> {
    let expr = parse(expr).unwrap();
    match eval_instant(&expr, source, at, &Options::default()).unwrap().value {
        Value::Vector(vector) => vector.first().map(|sample| sample.value),
        other => panic!("{other:?}"),
    }
}

fn agree(left: Option<f64>, right: Option<f64>) -> bool {
    let (Some(left), Some(right)) = (left, right) else { return left.is_none() && right.is_none() };
    let size = left.abs().max(right.abs());
    left.to_bits() == right.to_bits()
        || (left.is_nan() && right.is_nan())
        || left == right
        || (left - right).abs() <= 1e-9 * size
}

#[test]
fn what_only_a_compensated_sum_keeps_is_kept_over_the_edges_of_chunks() {
    let mut values = vec![1.0; 119];
    values.extend([1e100, 1.0, -1e100]);
    values.extend(vec![1.0; 300]);
    let store = store(&values, LONG);
    let at = 422 * 15_000;
    assert_eq!(value("sum_over_time(x[2h])", &store, at), Some(420.0));
    assert_eq!(value("avg_over_time(x[2h])", &store, at), Some(420.0 / 422.0));
}

#[test]
fn resets_at_the_edges_of_chunks_count() {
    let values: Vec<f64> = (0..600_u32).map(|step| f64::from(step % 120)).collect();
    let store = store(&values, LONG);
    let (at, plain) = (600 * 15_000, Plain(&store));
    let view = store.select(&named("x"), TimeRange { from: 0, to: at }).remove(0);
    assert!(matches!(view.digest(TimeRange { from: 0, to: at }), Digest::Of(_)));
    let short = TimeRange { from: at - 300_000, to: at };
    assert!(matches!(view.digest(short), Digest::Unknown), "it lies in one chunk");
    for text in ["resets(x[150m])", "increase(x[150m])", "changes(x[150m])"] {
        assert_eq!(value(text, &store, at), value(text, &plain, at), "{text}");
    }
    assert_eq!(value("resets(x[150m])", &store, at), Some(4.0));
}

/// A value as real series have them, and some that none should have.
fn odd() -> impl Strategy<Value = f64> {
    prop_oneof![
        400 => Just(1.0),
        200 => -5.0..5.0_f64,
        200 => 1e9..1.000_001e9_f64,
        60 => Just(0.0),
        20 => Just(1e100),
        20 => Just(-1e100),
        1 => Just(f64::NAN),
        1 => Just(f64::INFINITY),
        1 => Just(f64::NEG_INFINITY),
        8 => Just(stale_marker()),
    ]
}

fn series() -> impl Strategy<Value = Vec<f64>> {
    prop_oneof![
        proptest::collection::vec(odd(), 300..700),
        proptest::collection::vec(0.0..10.0_f64, 300..700),
        // A counter that falls back now and then.
        proptest::collection::vec(0.0..100.0_f64, 300..700).prop_map(|steps| {
            let mut total = 0.0;
            steps
                .into_iter()
                .map(|step| {
                    total = if step < 0.5 { 0.0 } else { total + step };
                    total
                })
                .collect()
        }),
        proptest::collection::vec(1e9..1.000_1e9_f64, 300..700),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_function_of_a_summary_gives_what_the_samples_give(
        values in series(),
        reach in prop_oneof![Just(LONG), 3_600_000..9_000_000_i64],
        windows in proptest::collection::vec((0..700_i64, 30..700_i64, 0..15_000_i64), 4),
    ) {
        let store = store(&values, reach);
        let plain = Plain(&store);
        // What is tiny beside the values it comes from is noise in either way.
        let huge = values.iter().any(|value| 1e50 < value.abs() && value.is_finite());
        for (end, steps, shift) in windows {
            let at = end * 15_000 + shift;
            for function in FUNCTIONS {
                let is_sum = function.starts_with("sum") || function.starts_with("avg");
                let of_moments = ["std", "deriv", "predict"].iter().any(|one| function.starts_with(one));
                if huge && (of_moments || is_sum) {
                    continue;
                }
                let text = function.replace('W', &format!("{}s", steps * 15));
                let (ours, theirs) = (value(&text, &store, at), value(&text, &plain, at));
                let noise = values.iter().copied().filter(|one| one.is_finite()).fold(0.0, |most: f64, one| most.max(one.abs()));
                let is_noise = of_moments && match (ours, theirs) {
                    (Some(ours), Some(theirs)) => (ours - theirs).abs() <= 1e-6 * noise,
                    (_, _) => false,
                };
                prop_assert!(agree(ours, theirs) || is_noise, "{text} at {at}: {ours:?}, not {theirs:?}");
            }
        }
    }
}
