//! The engine against Prometheus's own test scripts, and against text that makes no sense.

mod faults;
mod hostile;
mod second_opinion;

use std::path::{Path, PathBuf};

use proptest::prelude::*;

use crate::label::Labels;
use crate::promql::notation::{parse_labels, parse_values};
use crate::promql::script::{self, Memory};
use crate::promql::{
    Evaluated, Limits, Options, Value, eval_instant, eval_range, parse, parse_matchers,
};
use crate::sample::Millis;

/// Passed and skipped cases of each file; none may fail. What is skipped needs native histograms.
const FILES: [(&str, usize, usize); 7] = [
    ("aggregators.test", 125, 35),
    ("functions.test", 323, 108),
    ("histograms.test", 83, 102),
    ("literals.test", 25, 0),
    ("range_queries.test", 16, 2),
    ("selectors.test", 31, 0),
    ("trig_functions.test", 19, 0),
];

#[test]
fn prometheus_scripts_pass() {
    let Some(folder) = conformance() else { return };
    for (name, passed, skipped) in FILES {
        let report = run(name, &read(&folder.join(name)));
        assert_eq!((report.passed, report.skipped), (passed, skipped), "{name}");
    }
}

#[test]
fn our_own_cases_pass() {
    let report = run("cases.test", include_str!("tests/cases.test"));
    assert_eq!((report.passed, report.skipped), (67, 0));
}

#[test]
fn a_script_that_is_wrong_fails_where_it_is_wrong() {
    let text = "\
load 1m
  up 1 1

eval instant at 1m up
  up 2

eval instant at 1m up
  down 1

eval instant at 1m up
  up 1
  up{a=\"b\"} 1

eval instant at 1m up +
  up 1

eval instant at 1m up
  expect fail

eval instant at 1m rate(up[1m])
  expect no_info

eval range from 0 to 1m step 1m up
  up 1

eval instant at 1m histogram_count(up)

eval instant at 1m rate(up[5m + 1m])

eval instant at 1m up[word]

fetch something

eval instant at 1m up
  up 1.0000001
";
    let report = script::run(text);
    let lines: Vec<usize> = report.failed.iter().map(|failure| failure.line).collect();
    assert_eq!(lines, [4, 7, 10, 14, 17, 20, 23, 30, 32]);
    assert_eq!((report.passed, report.skipped), (1, 2));
}

/// Spellings that promtool 3.5 accepts although few would write them.
#[test]
fn what_promtool_accepts_is_accepted() {
    for text in [
        r#"{"a", "b"}"#,
        r#"{"a", __name__=~"b"}"#,
        "up offset --5m",
        "up offset +-+5m",
        "up[+5m]",
        "up[--5m:+1m]",
        "up @ -5m",
        "up @ START()",
        "up + on() 1",
        "up + ignoring() group_left(a) 1",
        "sum by (a:b, on, by) (up)",
        "sum by (\"a b\",) (up)",
        "up{sum='a', nan=\"b\", on=`c`,}",
        "by + without + and + offset",
        "up[0x10]",
        "1_000 + 0x7fffffffffffffff + 0x1_f + 017 + 08 + 09.5 + 1e1_0 + .5 + 5. + 1e-400",
        "1h30m + -up",
        "+-+up",
        r#""\x41\101\u00e9\U0001F600\a\b\f\n\r\t\v\\\"""#,
        r"'\''",
    ] {
        assert!(parse(text).is_ok(), "{text}: {}", parse(text).unwrap_err());
    }
}

/// Rule tests compare to the last bit; the values are promtool's.
#[test]
fn rates_are_equal_to_the_last_bit() {
    let mut source = Memory::default();
    let series = [
        ("c_total{a=\"1\"}", "0 1 3 4 4 6 9 9 13 17 18"),
        ("c_total{a=\"2\"}", "5 1 3 7 11 6 9 9 13 17 19"),
    ]
    .map(|(labels, values)| (parse_labels(labels).unwrap(), parse_values(values).unwrap()));
    source.load(30_000, &series).unwrap();
    for (text, at, expected) in [
        ("rate(c_total[2m])", 180_000, [5.555_555_555_555_555e-2, 1.444_444_444_444_444_3e-1]),
        ("rate(c_total[3m])", 240_000, [6e-2, 1.133_333_333_333_333_3e-1]),
        ("rate(c_total[100s])", 300_000, [0.1, 1.111_111_111_111_111_2e-1]),
        ("increase(c_total[100s])", 300_000, [10.0, 11.111_111_111_111_11]),
    ] {
        let found = eval_instant(&parse(text).unwrap(), &source, at, &Options::default()).unwrap();
        let Value::Vector(vector) = found.value else { panic!("no vector") };
        let values: Vec<f64> = vector.iter().map(|one| one.value).collect();
        assert_eq!(values, expected, "{text}");
    }
}

#[test]
fn no_length_and_no_depth_exhausts_the_stack() {
    for text in [
        "(".repeat(60_000),
        format!("{}1{}", "(".repeat(150), ")".repeat(150)),
        format!("{}1", "1+".repeat(30_000)),
        format!("{}1", "1^".repeat(30_000)),
        "-".repeat(60_000),
        format!("{}up", "-".repeat(150)),
        format!("{}up{}", "abs(".repeat(150), ")".repeat(150)),
        format!("up{}", "[5m:]".repeat(10_000)),
        format!("{}up", "up or ".repeat(400)),
        "a".repeat(70_000),
        "up{a=\"b\",".repeat(7_000),
    ] {
        if let Ok(expr) = parse(&text) {
            evaluate(&text, 0).unwrap();
            assert_eq!(parse(&expr.to_string()).unwrap(), expr);
        }
    }
    assert!(parse(&format!("{}up", "up or ".repeat(400))).is_ok());
    assert!(parse(&format!("{}1{}", "(".repeat(150), ")".repeat(150))).is_ok());
}

#[test]
fn canonical_text_reads_back_and_is_stable() {
    for (text, expected) in [
        ("SUM BY(job)(up)", "sum by (job) (up)"),
        ("sum(up) without ()", "sum without () (up)"),
        ("up{job = 'a',x=~`\\d`} offset -1h30m", r#"up{job="a",x=~"\\d"} offset -1h30m"#),
        ("{__name__='my.metric'}", r#"{__name__="my.metric"}"#),
        ("{'my.metric', 'a b'=\"c\"}", r#"{"my.metric","a b"="c"}"#),
        ("{'sum'}", r#"{"sum"}"#),
        ("{'up', 'down', __name__=~'u.*'}", r#"{"up",__name__="down",__name__=~"u.*"}"#),
        ("job:up:sum", "job:up:sum"),
        ("up[90s:] @ 1.5 offset 36h", "up[1m30s:] @ 1.500 offset 1d12h"),
        ("rate(up[5m] @ end())[1h:30]", "rate(up[5m] @ end())[1h:30s]"),
        ("a/on(x)group_left(y)b", "a / on (x) group_left (y) b"),
        ("a>bool ignoring() b", "a > bool ignoring () b"),
        ("-1^2 + Inf - nan * 1e-9 + 1e300", "-1 ^ 2 + Inf - NaN * 1e-9 + 1e300"),
        (r#"topk(3, up) by ("inf", a:b)"#, r#"topk by ("inf", "a:b") (3, up)"#),
        ("(1)-- 1", "(1) - -1"),
        ("\"a\\n\\\"\"", "\"a\\n\\\"\""),
    ] {
        let expr = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(expr.to_string(), expected);
        assert_eq!(parse(expected).unwrap(), expr, "{text}");
    }
}

#[test]
fn selectors_say_how_far_back_they_read() {
    const MINUTE: Millis = 60_000;
    for (text, reaches) in [
        ("up", vec![5 * MINUTE]),
        ("rate(up[10m])", vec![10 * MINUTE]),
        ("up offset 1h", vec![65 * MINUTE]),
        ("up offset -1h", vec![0]),
        ("max_over_time(rate(up[5m])[1h:])", vec![65 * MINUTE]),
        ("max_over_time(rate(up[5m] offset 5m)[1h:] offset 10m)", vec![80 * MINUTE]),
        ("up @ end()", vec![5 * MINUTE]),
        ("a / on() b[3m:] or 1", vec![]),
        ("sum(a) / scalar(b)", vec![5 * MINUTE, 5 * MINUTE]),
        ("topk(scalar(k), a)", vec![5 * MINUTE, 5 * MINUTE]),
    ] {
        let Ok(expr) = parse(text) else {
            assert!(reaches.is_empty(), "{text}");
            continue;
        };
        let found: Vec<Millis> = expr.selectors().iter().map(|one| one.reach).collect();
        assert_eq!(found, reaches, "{text}");
    }
    let pinned = parse("up @ 100").unwrap().selectors();
    assert!(pinned[0].reach > 300 * 86_400_000);
    assert_eq!(pinned[0].matchers[0].to_string(), "__name__=\"up\"");
}

#[test]
fn bounds_name_themselves() {
    let expr = parse("count_over_time(up[1h])").unwrap();
    let mut options = Options::default();
    options.limits.samples_max = 10;
    let error = eval_instant(&expr, &source(), 3_600_000, &options).unwrap_err();
    assert!(error.message.contains("samples_max = 10"), "{error}");
    options.limits = Limits { steps_max: 5, ..Limits::default() };
    let error = eval_range(&expr, &source(), 0..=60_000, 10_000, &options).unwrap_err();
    assert!(error.message.contains("7 steps") && error.message.contains("steps_max = 5"));
    let expr = parse("count_over_time(up[100y:1ms])").unwrap();
    let error = eval_instant(&expr, &source(), 0, &Options::default()).unwrap_err();
    assert!(error.message.contains("steps_max"), "{error}");
    assert!(eval_range(&expr, &source(), 0..=1, 0, &Options::default()).is_err());
}

#[test]
fn labels_do_not_grow_without_bound() {
    let mut text = "label_replace(up, 'a', '0123456789', '', '')".to_owned();
    for _ in 0..40 {
        text = format!("label_replace({text}, 'a', '$1$1', 'a', '(.*)')");
    }
    assert!(evaluate(&text, 0).unwrap_err().contains("longer than"));
}

#[test]
fn a_counter_that_appears_counts_from_zero_only_when_asked() {
    let mut source = Memory::default();
    let errors = parse_labels("errors_total").unwrap();
    source.load(15_000, &[(errors.clone(), parse_values("_x4 3 3 5").unwrap())]).unwrap();
    source.zero_at(&errors, 45_000);
    let value = |text: &str, at: Millis, counters_from_zero: bool| {
        let options = Options { counters_from_zero, ..Options::default() };
        let found = eval_instant(&parse(text).unwrap(), &source, at, &options).unwrap();
        match found.value {
            Value::Vector(vector) => vector.first().map(|one| one.value),
            _ => None,
        }
    };
    assert_eq!(value("increase(errors_total[1m])", 60_000, false), None);
    assert_eq!(value("increase(errors_total[1m])", 60_000, true), Some(3.0));
    assert_eq!(value("irate(errors_total[1m])", 60_000, true), Some(0.2));
    assert_eq!(value("increase(errors_total[1m])", 90_000, true), Some(5.0));
    // The zero lies before the window, and other functions never see it.
    assert_eq!(
        value("increase(errors_total[16s])", 75_000, true),
        value("increase(errors_total[16s])", 75_000, false)
    );
    assert_eq!(value("count_over_time(errors_total[1m])", 60_000, true), Some(1.0));
    // Before its first sample a series is not there, whatever was known later.
    assert_eq!(value("increase(errors_total[1m])", 50_000, true), None);
}

#[test]
fn growth_is_a_function_like_any_other() {
    let mut source = Memory::default();
    let labels = parse_labels("memory_bytes{job=\"api\"}").unwrap();
    source.load(60_000, &[(labels, parse_values("1000+0.5x360").unwrap())]).unwrap();
    let expr = parse("growth_per_hour(memory_bytes[6h])").unwrap();
    let at = 6 * 3_600_000;
    let found = eval_instant(&expr, &source, at, &Options::default()).unwrap();
    let Value::Vector(vector) = found.value else { panic!("no vector") };
    assert_eq!(vector[0].labels, Labels::from_pairs([("job", "api")]));
    assert!((vector[0].value - 0.03).abs() < 1e-4, "{}", vector[0].value);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn token_soup_never_panics(words in prop::collection::vec(0..SOUP.len(), 1..24)) {
        let text: Vec<&str> = words.iter().map(|word| SOUP[*word]).collect();
        taste(&text.join(" "))?;
        taste(&text.concat())?;
    }

    #[test]
    fn any_text_never_panics(text in "\\PC{0,80}") {
        taste(&text)?;
        parse_values(&text).ok();
        parse_labels(&text).ok();
        parse_matchers(&text).ok();
        prop_assert_eq!(script::run(&text).passed, 0);
        let script = format!("load 1m\n {text}\n\neval instant at 1m {text}\n {text}");
        prop_assert!(script::run(&script).passed <= 1);
    }

    #[test]
    fn any_pattern_never_panics(pattern in "[\\[\\](){}\\\\a-c0-9*+?^$|.:&~-]{0,24}") {
        if let Ok(regex) = crate::label::compile(&pattern) {
            regex.is_match("abc");
        }
    }
}

/// What a range query must agree on with instant queries.
const AGREE: [&str; 20] = [
    "up",
    "up offset 45s",
    "up offset -45s",
    "up @ 300",
    "up @ end() - up @ start()",
    "rate(up[2m])",
    "increase(up[90s] offset 1m)",
    "irate(up[1m])",
    "delta(down[2m])",
    "sum_over_time(up[1m] @ 400)",
    "avg_over_time(up[3m])",
    "quantile_over_time(0.3, down[2m])",
    "max_over_time(rate(up[1m])[3m:20s])",
    "count_over_time((up or down)[2m:15s] offset 1m)",
    "sum by (a) (down) / on() group_left up",
    "topk(1, down)",
    "absent(up)",
    "absent_over_time(up[30s])",
    "timestamp(down)",
    "deriv(up[2m]) > 0",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_range_query_is_instant_queries_side_by_side(
        values in prop::collection::vec(0..10_i32, 3 * 80),
        start in 0..600_000_i64,
        step in 1_000..200_000_i64,
        which in 0..AGREE.len(),
    ) {
        // 0 ends the series, 1 and 2 are gaps.
        let words = |from: usize| {
            let word = |value: &i32| match value {
                0 => "stale".to_owned(),
                1 | 2 => "_".to_owned(),
                value => value.to_string(),
            };
            values[from..from + 80].iter().map(word).collect::<Vec<String>>().join(" ")
        };
        let mut source = Memory::default();
        let series = [("up", 0), ("down{a=\"b\"}", 80), ("down{a=\"c\"}", 160)].map(
            |(labels, from)| (parse_labels(labels).unwrap(), parse_values(&words(from)).unwrap()),
        );
        source.load(15_000, &series).unwrap();
        // The ends of the range are pins of their own, so they are written out.
        let end = start + 12 * step;
        let text = AGREE[which]
            .replace("start()", &format!("{}.{:03}", start / 1000, start % 1000))
            .replace("end()", &format!("{}.{:03}", end / 1000, end % 1000));
        let expr = parse(&text).unwrap();
        let ranged = parse(AGREE[which]).unwrap();
        let options = Options::default();
        let whole = eval_range(&ranged, &source, start..=end, step, &options).unwrap().value;
        let Value::Matrix(whole) = whole else { panic!("no matrix") };
        for at in (start..=end).step_by(usize::try_from(step).unwrap()) {
            let one = eval_instant(&expr, &source, at, &options).unwrap().value;
            let Value::Vector(mut one) = one else { panic!("no vector") };
            one.sort_by(|left, right| left.labels.cmp(&right.labels));
            let expected: Vec<(String, u64)> =
                one.iter().map(|one| (one.labels.to_string(), one.value.to_bits())).collect();
            let found: Vec<(String, u64)> = whole
                .iter()
                .filter_map(|series| {
                    let sample = series.samples.iter().find(|sample| sample.at == at)?;
                    Some((series.labels.to_string(), sample.value.to_bits()))
                })
                .collect();
            prop_assert_eq!(found, expected, "{} at {}", text, at);
        }
    }
}

const SOUP: [&str; 54] = [
    "up",
    "down{a=\"b\"}",
    "(",
    ")",
    "(",
    ")",
    "[5m]",
    "[1h:1m]",
    "{",
    "}",
    "[",
    "]",
    ",",
    "+",
    "-",
    "*",
    "/",
    "%",
    "^",
    "==",
    "!=",
    "<",
    "> bool",
    "and",
    "or",
    "unless",
    "atan2",
    "on(a)",
    "ignoring(b)",
    "group_left",
    "group_right(c)",
    "offset",
    "5m",
    "-1h",
    "@ 60",
    "@ start()",
    "1",
    "0.5",
    "Inf",
    "NaN",
    "\"a\"",
    "'(.*)'",
    "sum",
    "topk",
    "by (a)",
    "without (b)",
    "rate(",
    "histogram_quantile(",
    "label_replace(",
    "absent(",
    "time()",
    "é",
    "#",
    "1e400",
];

/// Whatever reads, prints, reads back to the same, and evaluates to a value or an error.
fn taste(text: &str) -> Result<(), TestCaseError> {
    let Ok(expr) = parse(text) else { return Ok(()) };
    let printed = expr.to_string();
    let again = parse(&printed);
    prop_assert_eq!(again.as_ref(), Ok(&expr), "{} -> {}", text, printed);
    prop_assert_eq!(again.map(|one| one.to_string()), Ok(printed));
    let limits = Limits { samples_max: 10_000, steps_max: 100, elements_max: 100_000 };
    let options = Options { limits, ..Options::default() };
    eval_instant(&expr, &source(), 600_000, &options).ok();
    eval_range(&expr, &source(), 0..=600_000, 60_000, &options).ok();
    Ok(())
}

fn source() -> Memory {
    let mut source = Memory::default();
    let series = ["up", "down{a=\"b\"}", "down{a=\"c\", le=\"1\"}"]
        .map(|labels| (parse_labels(labels).unwrap(), parse_values("0+1x60").unwrap()));
    source.load(15_000, &series).unwrap();
    source
}

fn evaluate(text: &str, at: Millis) -> Result<Evaluated, String> {
    let expr = parse(text).map_err(|error| error.to_string())?;
    eval_instant(&expr, &source(), at, &Options::default()).map_err(|error| error.to_string())
}

fn run(name: &str, text: &str) -> script::Report {
    let report = script::run(text);
    let line = |one: &script::Failure| format!("{name}:{}: {}", one.line, one.message);
    let failures: Vec<String> = report.failed.iter().map(line).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    report
}

#[allow(clippy::disallowed_methods, reason = "the scripts are files beside the repository")]
fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

fn conformance() -> Option<PathBuf> {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance/promqltest");
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(std::env::var_os("CI").is_none(), "the conformance data is absent");
    println!("the conformance data is absent");
    None
}
