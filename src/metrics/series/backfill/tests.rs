//! Cases of loading: what is taken, what is refused, and in which words.

use proptest::prelude::*;

use super::*;
use crate::segment::decode;

const BOUNDS: Bounds = Bounds { oldest: 1_600_000_000_000, newest: 1_700_000_000_000 };
/// In seconds, the start of a window.
const START: i64 = 1_650_002_400;

fn load(text: &str, format: Format) -> Result<Loader, (usize, String)> {
    let mut loader = Loader::new(format, BOUNDS);
    for (index, line) in text.split_terminator('\n').enumerate() {
        loader.read_line(line.as_bytes()).map_err(|why| (index + 1, why))?;
    }
    match loader.finish() {
        Ok(()) => Ok(loader),
        Err(why) => Err((0, why)),
    }
}

/// Words the windows: `from: labels at:value ...`, times in seconds after START.
fn word(windows: &[Window]) -> Vec<String> {
    let mut lines = Vec::new();
    for window in windows {
        for series in decode(&window.block).unwrap().into_iter().flat_map(|part| part.series) {
            let samples: Vec<String> = series
                .samples
                .iter()
                .map(|one| format!("{}:{}", (one.at - START * 1000) as f64 / 1000.0, one.value))
                .collect();
            let labels = Labels::from_pairs(series.labels);
            lines.push(format!("{} {labels} {}", window.from / 1000 - START, samples.join(" ")));
        }
    }
    lines
}

#[test]
fn series_are_cut_into_windows_with_their_labels_as_they_are() {
    let later = START + 7200;
    let text = format!(
        "# TYPE hits counter\n# HELP hits All of them.\n\
         hits_total{{job=\"api\",instance=\"a:1\"}} 1 {START}\n\
         hits_total{{job=\"api\",instance=\"a:1\"}} 2 {later}.5 # {{id=\"x\"}} 1\n\
         hits_total{{instance=\"b:1\",job=\"api\"}} 3 {START}\n\
         up 1 {later}\n# EOF\n"
    );
    let mut loader = load(&text, Format::OpenMetrics).unwrap();
    let expected = [
        r#"0 hits_total{instance="a:1", job="api"} 0:1"#,
        r#"0 hits_total{instance="b:1", job="api"} 0:3"#,
        r#"7200 hits_total{instance="a:1", job="api"} 7200.5:2"#,
        "7200 up 7200:1",
    ];
    assert_eq!(loader.waiting(), 4);
    assert_eq!(word(&loader.take_windows()), expected);
    assert_eq!((loader.waiting(), loader.take_windows()), (0, Vec::new()));
    let counts = loader.counts();
    assert_eq!((counts.samples, counts.series, counts.too_old, counts.repeated), (4, 3, 0, 0));
    assert_eq!(counts.first_at, Some(START * 1000));
    assert_eq!(counts.last_at, Some(later * 1000 + 500));
}

#[test]
fn other_spellings_of_a_series_are_the_same_series() {
    let at = START;
    let text = format!(
        "m{{a=\"1\",b=\"}}\\\"\"}} 1 {at}000\nm{{b=\"}}\\\"\", a=\"1\"}} 2 {at}001\n\
         {{\"m\",a=\"1\",b=\"}}\\\"\"}} 3 {at}002\nm{{a=\"1\",b=\"}}\\\"\"}} 4 {at}003\n"
    );
    let mut loader = load(&text, Format::Text).unwrap();
    let expected = [r#"0 m{a="1", b="}\""} 0:1 0.001:2 0.002:3 0.003:4"#];
    assert_eq!(word(&loader.take_windows()), expected);
}

#[test]
fn samples_past_their_time_and_repeated_lines_are_counted() {
    let text = "m 1 1599999999999\nm 2 1600000000000\nm 2 1600000000000\n";
    let counts = load(text, Format::Text).unwrap().counts();
    assert_eq!((counts.samples, counts.too_old, counts.repeated), (1, 1, 1));
}

#[test]
fn faults_say_the_line_and_what_is_wrong() {
    let cases = [
        ("m 1\n", Format::Text, 1, "the sample has no time: it cannot be put into the past"),
        (
            "m 1 1650000000\n",
            Format::Text,
            1,
            "the time 1650000000 lies before 1973: it may be in seconds, as OpenMetrics has it",
        ),
        (
            "m 1 1700000000.001\n# EOF\n",
            Format::OpenMetrics,
            1,
            "the time 1700000000001 (in milliseconds) lies in the future",
        ),
        (
            "m 1 1650000001\nn 1 1650000001\nm 1 1650000000\n# EOF\n",
            Format::OpenMetrics,
            3,
            "the sample is not newer than the one before of its series; samples of a series must \
             stand in order of time",
        ),
        (
            "m 1 1650000001\n",
            Format::OpenMetrics,
            0,
            "the file does not end with \"# EOF\": it may be cut off",
        ),
        (
            "m 1 1650000001\n# EOF\nm 1 1650000002\n",
            Format::OpenMetrics,
            3,
            "nothing may stand behind \"# EOF\"",
        ),
        ("m{a=\"1\",a=\"2\"} 1 1650000000000\n", Format::Text, 1, "the label \"a\" is given twice"),
        ("ok 1 1650000000000\nm x\n", Format::Text, 2, "\"x\" is not a number"),
    ];
    for (text, format, line, why) in cases {
        let found = load(text, format).map(|_| ()).unwrap_err();
        assert_eq!(found, (line, why.to_owned()), "{text:?}");
    }
}

#[test]
fn the_text_that_names_a_series_is_found_in_any_line() {
    let cases: [(&str, Option<&str>); 9] = [
        ("up 1 2", Some("up")),
        ("m{} 1 2", Some("m{}")),
        ("m{a=\"}\"} 1", Some("m{a=\"}\"}")),
        ("m{a=\"\\\"}\"} 1", Some("m{a=\"\\\"}\"}")),
        ("m{a=\"\\\\\"} 1", Some("m{a=\"\\\\\"}")),
        ("m{a=\"", None),
        ("m{a=\"\\", None),
        ("m", None),
        ("", None),
    ];
    for (line, expected) in cases {
        let found = naming_length(line.as_bytes()).and_then(|length| line.get(..length));
        assert_eq!(found, expected, "{line:?}");
    }
}

proptest! {
    #[test]
    fn no_line_makes_it_panic(
        lines in prop::collection::vec(
            prop_oneof![
                prop::collection::vec(any::<u8>(), 0..60),
                "[a-c]?[{]?[a-c]?=?\"?[a-c\\\\]?\"?[}]? -?[0-9.]{0,3} [0-9]{0,14}".prop_map(String::into_bytes),
            ],
            0..20,
        ),
        is_open in any::<bool>(),
    ) {
        let format = if is_open { Format::OpenMetrics } else { Format::Text };
        let mut loader = Loader::new(format, Bounds { oldest: i64::MIN, newest: i64::MAX });
        let mut taken = 0;
        for line in &lines {
            if loader.read_line(line).is_ok() && loader.waiting() % 3 == 2 {
                taken += sample_count(&loader.take_windows());
            }
        }
        taken += sample_count(&loader.take_windows());
        prop_assert_eq!(u64::try_from(taken).unwrap(), loader.counts().samples);
    }
}

fn sample_count(windows: &[Window]) -> usize {
    let series =
        |window: &Window| decode(&window.block).unwrap().into_iter().flat_map(|one| one.series);
    windows.iter().flat_map(series).map(|series| series.samples.len()).sum()
}
