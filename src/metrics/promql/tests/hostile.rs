//! Expressions that would take all memory or all day: each meets a bound that names itself.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::promql::notation::{parse_labels, parse_values};
use crate::promql::script::Memory;
use crate::promql::{Limits, Options, Stop, eval_instant, eval_range, parse};

/// Low, so that the tests are quick; what holds here holds in proportion.
const LIMITS: Limits = Limits { samples_max: 200_000, steps_max: 2_000, elements_max: 300_000 };
const HOUR: i64 = 3_600_000;

/// 300 series of 240 samples, and an hour of one metric.
static SOURCE: LazyLock<Memory> = LazyLock::new(|| {
    let mut source = Memory::default();
    let long = "v".repeat(200);
    let series: Vec<_> = (0..300)
        .map(|index| {
            let labels = format!("big{{a=\"{index}\", b=\"{}\", long=\"{long}\"}}", index % 7);
            let values = parse_values(&format!("{index}+1x240")).unwrap();
            (parse_labels(&labels).unwrap(), values)
        })
        .collect();
    source.load(15_000, &series).unwrap();
    source
});

#[test]
fn what_grows_meets_a_bound_that_names_itself() {
    let nested = |open: &str, inner: &str, close: &str, times: usize| {
        format!("{}{inner}{}", open.repeat(times), close.repeat(times))
    };
    for (text, bound) in [
        ("sum_over_time(big[1h])".to_owned(), "elements_max"),
        ("sum(big) + count(big) + avg(big)".to_owned(), "samples_max"),
        ("max_over_time(sum(big)[1h:1s])".to_owned(), "elements_max"),
        ("max_over_time(big[10m:1s])".to_owned(), "samples_max"),
        ("sum_over_time(sum_over_time(big[1h:1s])[1h:1s])".to_owned(), "samples_max"),
        ("max_over_time(vector(1)[100y:1ms])".to_owned(), "steps_max"),
        ("max_over_time(max_over_time(vector(1)[10y:5m])[10y:5m])".to_owned(), "steps_max"),
        (vec!["max_over_time(vector(1)[100000s:1s])"; 20].join(" + "), "elements_max"),
        ("count_values('v', big * time())".to_owned(), "samples_max"),
        ("topk(1e9, big)".to_owned(), "samples_max"),
        ("count(sort(big) or sort_desc(big))".to_owned(), "elements_max"),
        ("count(big * on(b) group_left(long) topk(1, big) by (b))".to_owned(), "elements_max"),
        ("count(big * on(a) group_right(long) big)".to_owned(), "elements_max"),
        (nested("abs(", "big", ")", 150), "elements_max"),
        (format!("{}big", "big or ".repeat(400)), "samples_max"),
        (format!("{}1", "1 + ".repeat(400)), "elements_max"),
        (nested("label_replace(", "big", ", 'long', '$1$1', 'long', '(.*)')", 40), "samples_max"),
        (nested("label_join(", "big", ", 'x', '-', 'x', 'long', 'a')", 150), "samples_max"),
        (
            format!(
                "{}big{}",
                "label_join(".repeat(60),
                (0..60).map(|at| format!(", 'l{at}', '', 'long', 'long')")).collect::<String>()
            ),
            "samples_max",
        ),
        (format!("label_join(big, 'x', '{}', {})", "s".repeat(9_000), "'a', 'a', 'a'"), "longer"),
        (
            format!("label_replace(big, 'x', '{}', 'long', '(.*)')", "$1".repeat(9_000)),
            "longer than",
        ),
    ] {
        let expr = parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let options = Options { limits: LIMITS, ..Options::default() };
        let range = eval_range(&expr, &*SOURCE, 0..=HOUR, 2_000, &options);
        let error = range.expect_err(&text).message;
        assert!(error.contains(bound), "{text}: {error}");
        // One time alone is a value or an error, and soon.
        eval_instant(&expr, &*SOURCE, HOUR, &options).ok();
    }
}

#[test]
fn a_caller_without_patience_is_asked_often_and_heard_at_once() {
    let limit = "rule timeout = 10s";
    for text in ["sum_over_time(big[1h])", "big + big", "max_over_time(sum(big)[1h:1s])"] {
        let expr = parse(text).unwrap();
        let asked = AtomicUsize::new(0);
        let due = || asked.fetch_add(1, Ordering::Relaxed) == 3;
        let options = Options { stop: Some(Stop::new(&due, limit)), ..Options::default() };
        let error = eval_range(&expr, &*SOURCE, 0..=HOUR, 1_000, &options).unwrap_err().message;
        assert!(error.contains("stopped after") && error.contains(limit), "{text}: {error}");
        assert_eq!(asked.load(Ordering::Relaxed), 4, "{text}");
        // Asked before anything is computed, so that a late query costs nothing.
        let options = Options { stop: Some(Stop::new(&|| true, limit)), ..Options::default() };
        let error = eval_instant(&expr, &*SOURCE, HOUR, &options).unwrap_err().message;
        assert!(error.contains("stopped after"), "{text}: {error}");
    }
}

#[test]
fn patterns_are_bounded_together() {
    // Each needs a megabyte, so that one is fine and a hundred are not.
    let pattern = |index: usize| format!("a{index}=~\"(\\\\pL{{9}}x){{9}}\"");
    let list = |count: usize| (0..count).map(pattern).collect::<Vec<String>>().join(", ");
    assert!(parse(&format!("up{{{}}}", list(2))).is_ok());
    let error = parse(&format!("up{{{}}}", list(100))).unwrap_err();
    assert!(error.message.contains("together need more than 64 MiB"), "{error}");
    let many = (0..60).map(|at| format!("label_replace(up, 'a', '', 'b', '\\\\pL{{90}}{at}')"));
    let error = parse(&many.collect::<Vec<String>>().join(" + ")).unwrap_err();
    assert!(error.message.contains("together"), "{error}");
    let error = parse(r#"up{a=~"(\\pL{30}){30}"}"#).unwrap_err();
    assert!(error.message.contains("too big"), "{error}");
    // Hundreds of ordinary ones are no matter.
    let plain: Vec<String> = (0..500).map(|at| format!("a{at}=~\"x{at}|y.*\"")).collect();
    assert!(parse(&format!("up{{{}}}", plain.join(","))).is_ok());
}
