//! Expressions of any text: refused with a place inside it, or printed, read back and evaluated.
//!
//! What is printed means the same, and one step of a range gives what the instant gives.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use watchbell_metrics::exposition::Format;
use watchbell_metrics::label::Labels;
use watchbell_metrics::promql::{
    Evaluated, Limits, MatrixSeries, Options, Value, ValueType, eval_instant, eval_range, parse,
    parse_matchers,
};
use watchbell_metrics::sample::Millis;
use watchbell_metrics::series::{self, Retention, Store};

const INTERVAL: Millis = 15_000;
const SCRAPES: i32 = 40;
const END: Millis = 1_700_000_000_000;
const MOMENTS: [Millis; 3] = [END - 120_000, END, END + 1_000_000];

/// Low bounds, so that every evaluation is short.
const OPTIONS: Options<'_> = Options {
    lookback: 300_000,
    subquery_step: 60_000,
    counters_from_zero: true,
    limits: Limits { samples_max: 20_000, steps_max: 100, elements_max: 100_000 },
    stop: None,
};

static SOURCE: LazyLock<Store> = LazyLock::new(source);

fuzz_target!(|text: &str| {
    if let Err(error) = parse_matchers(text) {
        assert!(text.get(error.span).is_some());
    }
    let expr = match parse(text) {
        Ok(expr) => expr,
        Err(error) => {
            assert!(text.get(error.span.clone()).is_some(), "{:?} in {text:?}", error.span);
            assert!(!error.message.is_empty());
            return;
        }
    };
    let printed = expr.to_string();
    match parse(&printed) {
        Ok(again) => assert_eq!(again, expr, "{printed}"),
        Err(error) => panic!("{printed}: {error}"),
    }
    for at in MOMENTS {
        let instant = eval_instant(&expr, &*SOURCE, at, &OPTIONS);
        let range = eval_range(&expr, &*SOURCE, at..=at, 1, &OPTIONS);
        // An instant has no step, so what asks for it differs.
        let is_comparable = matches!(expr.value_type(), ValueType::Scalar | ValueType::Vector)
            && !printed.contains("step()");
        if is_comparable && let (Ok(instant), Ok(range)) = (instant, range) {
            assert_eq!(points(&instant), points(&range), "{printed} at {at}");
        }
    }
    drop(eval_range(&expr, &*SOURCE, END - 600_000..=END, 30_000, &OPTIONS));
});

/// Lists labels and values; each series of a range has one sample here.
fn points(evaluated: &Evaluated) -> Vec<String> {
    let word = |labels: &Labels, value: f64| format!("{labels} {value}");
    let mut points: Vec<String> = match &evaluated.value {
        Value::Scalar(number) => vec![word(&Labels::default(), *number)],
        Value::String(text) => vec![text.clone()],
        Value::Vector(vector) => vector.iter().map(|one| word(&one.labels, one.value)).collect(),
        Value::Matrix(matrix) => {
            let samples = |one: &MatrixSeries| -> Vec<String> {
                one.samples.iter().map(|sample| word(&one.labels, sample.value)).collect()
            };
            matrix.iter().flat_map(samples).collect()
        }
    };
    points.sort();
    points
}

/// Counters with a reset, gauges that end and are no numbers, a histogram; two targets.
fn source() -> Store {
    let store = Store::new(Retention { raw: i64::MAX / 4, ..Retention::default() });
    let limits = series::Limits { series_max: 100, labels_max: 20, label_length_max: 200 };
    for instance in ["a", "b"] {
        let labels = Labels::from_pairs([("job", "api"), ("instance", instance)]);
        let mut target = store.open(&labels, limits);
        for scrape in 0..SCRAPES {
            let at = END - INTERVAL * Millis::from(SCRAPES - 1 - scrape);
            let body = body(scrape);
            let appended = target.append(body.as_bytes(), Format::Text, at, 0.01);
            assert_eq!(appended.fault_count, 0);
        }
    }
    store
}

fn body(scrape: i32) -> String {
    let count = scrape % 25 * 3;
    let mut body = format!(
        "# TYPE a counter\na{{code=\"200\"}} {count}\na{{code=\"500\"}} {scrape}\n\
         # TYPE b gauge\nb {}\nb{{x=\"1\"}} NaN\nb{{x=\"2\"}} -Inf\n\
         # TYPE h histogram\nh_bucket{{le=\"0.1\"}} {scrape}\nh_bucket{{le=\"1\"}} {}\n\
         h_bucket{{le=\"+Inf\"}} {}\nh_sum {scrape}\nh_count {}\n",
        f64::from(scrape) / 7.0,
        scrape * 2,
        scrape * 3,
        scrape * 3,
    );
    if scrape % 10 < 7 {
        body.push_str("# TYPE c gauge\nc 1e300\n");
    }
    body
}
