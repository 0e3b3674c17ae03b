//! Cases of single lines.

use proptest::prelude::*;

use super::*;

/// Words what a line means: labels in order, value, time.
fn word(text: &[u8], format: Format) -> String {
    match parse_line(text, format) {
        Err(message) => format!("fault: {message}"),
        Ok(Line::Blank) => "blank".to_owned(),
        Ok(Line::End) => "end".to_owned(),
        Ok(Line::Help { name, text }) => format!("help {name}: {text}"),
        Ok(Line::Type { name, kind }) => format!("type {name}: {}", kind.as_str()),
        Ok(Line::Sample(sample)) => {
            let labels: Vec<String> =
                sample.labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
            let at = sample.point.at.map(|at| format!(" @{at}")).unwrap_or_default();
            format!("{} {}{at}", labels.join(" "), sample.point.value)
        }
    }
}

fn check(format: Format, cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(word(text.as_bytes(), format), *expected, "{text:?}");
    }
}

/// Tells whether a line is understood or refused in words of a bounded length.
fn is_answered(line: &[u8]) -> bool {
    [Format::Text, Format::OpenMetrics]
        .into_iter()
        .all(|format| parse_line(line, format).map_or_else(|message| message.len() < 500, |_| true))
}

#[test]
fn samples_of_both_formats() {
    let cases = [
        ("a 1", r#"__name__="a" 1"#),
        ("a_b:c9\t 1.5 ", r#"__name__="a_b:c9" 1.5"#),
        ("  a  {  }  1", r#"__name__="a" 1"#),
        ("a{}1", r#"__name__="a" 1"#),
        (r#"a{b="c",d="e",} 1"#, r#"__name__="a" b="c" d="e" 1"#),
        (r#"a { b = "c" , d = "e" } 1"#, r#"__name__="a" b="c" d="e" 1"#),
        (r#"a{b="} 2 # \"x\\\n\t"} 1"#, r#"__name__="a" b="} 2 # \"x\\\n\\t" 1"#),
        (r#"a{b=""} NaN"#, r#"__name__="a" b="" NaN"#),
        (r#"a{le="+Inf"} +Inf"#, r#"__name__="a" le="+Inf" inf"#),
        (r#"a{b="Grüße 世界"} -Inf"#, r#"__name__="a" b="Grüße 世界" -inf"#),
        (r#"{"my.metric",a="b"} 1"#, r#"__name__="my.metric" a="b" 1"#),
        (r#"{"a b","c d"="e"} 1"#, r#"__name__="a b" c d="e" 1"#),
        (r#"{"quo\"ted\\"} 1"#, r#"__name__="quo\"ted\\" 1"#),
        ("a 1 # {trace=\"x\"} 0.5", r#"__name__="a" 1"#),
        ("", "blank"),
        (" \t", "blank"),
        ("#", "blank"),
        ("# a comment", "blank"),
        ("#TYPE a counter", "type a: counter"),
        ("# TYPE a untyped", "type a: unknown"),
        ("# TYPE \"my.metric\" gauge", "type my.metric: gauge"),
        ("# HELP a", "help a: "),
        (r"# HELP a b\\c\nd", "help a: b\\c\nd"),
    ];
    check(Format::Text, &cases);
    check(Format::OpenMetrics, &cases);
}

#[test]
fn what_only_one_format_means() {
    check(
        Format::Text,
        &[
            ("a 1 1395066363000", r#"__name__="a" 1 @1395066363000"#),
            ("# EOF", "blank"),
            ("# UNIT a seconds", "blank"),
            (r#"# HELP a \"b\""#, r#"help a: \"b\""#),
            ("a 1 1.5", "fault: \"1.5\" is not a time in whole milliseconds"),
        ],
    );
    check(
        Format::OpenMetrics,
        &[
            ("a_total 1 1395066363.5", r#"__name__="a_total" 1 @1395066363500"#),
            ("a_bucket{le=\"1\"} 1 5 # {t=\"x\"} 0.5 4.5", r#"__name__="a_bucket" le="1" 1 @5000"#),
            ("# EOF", "end"),
            ("# UNIT a seconds", "blank"),
            (r#"# HELP a \"b\""#, r#"help a: "b""#),
            ("# TYPE a stateset", "type a: stateset"),
            ("# TYPE a unknown", "type a: unknown"),
        ],
    );
}

#[test]
fn faults_say_what_is_wrong() {
    check(
        Format::Text,
        &[
            ("a", "fault: a value is expected behind the series"),
            ("a{b=\"c\"}", "fault: a value is expected behind the series"),
            ("a one", "fault: \"one\" is not a number"),
            ("a 1 2 3", "fault: \"3\" stands behind the time and means nothing there"),
            ("9a 1", "fault: \"9a\" is no metric name: it begins with a digit"),
            ("a-b 1", "fault: \"-b 1\" cannot be part of a metric name"),
            ("= 1", "fault: a metric name is expected instead of \"= 1\""),
            ("{} 1", "fault: the series has no metric name"),
            ("{a=\"b\"} 1", "fault: the series has no metric name"),
            ("a{b} 1", "fault: an equals sign is expected instead of \"} 1\""),
            ("a{\"b\"} 1", "fault: an equals sign is expected instead of \"} 1\""),
            ("a{b=c} 1", "fault: the value of label \"b\" is not quoted"),
            ("a{b=\"c} 1", "fault: the quote before \"c} 1\" is not closed"),
            ("a{b=\"c\\", "fault: the quote before \"c\\\\\" is not closed"),
            (
                "a{b=\"c\" d=\"e\"} 1",
                "fault: a comma or a closing brace is expected instead of \"d=\\\"e\\\"} 1\"",
            ),
            (
                "a{b=\"c\"",
                "fault: a comma or a closing brace is expected instead of the end of the line",
            ),
            ("a{1=\"c\"} 1", "fault: a label name is expected instead of \"1=\\\"c\\\"} 1\""),
            ("a{,} 1", "fault: a label name is expected instead of \",} 1\""),
            ("a{__name__=\"b\"} 1", "fault: \"__name__\" is no label that a target may set"),
            ("# TYPE a thing", "fault: \"thing\" is no type of metric"),
            ("# TYPE", "fault: a metric name is expected behind TYPE"),
        ],
    );
    assert_eq!(word(b"a{b=\"\xff\"} 1", Format::Text), "fault: byte 6 is not valid UTF-8");
    let long = format!("a {}", "x".repeat(500));
    assert!(word(long.as_bytes(), Format::Text).len() < 100);
}

#[test]
fn lines_end_with_or_without_carriage_returns() {
    let lines: Vec<&[u8]> = Lines::new(b"a 1\r\n\n# b\nc 2").collect();
    assert_eq!(lines, [b"a 1".as_slice(), b"", b"# b", b"c 2"]);
}

#[test]
fn the_length_of_the_series_ends_before_the_blank() {
    for (text, expected) in [("a 1", 1), ("a{b=\"c d\"} 1", 10), ("a {b=\"c\"}\t1", 8 + 1)] {
        let Ok(Line::Sample(sample)) = parse_line(text.as_bytes(), Format::Text) else {
            panic!("{text}");
        };
        assert_eq!(sample.series_length, expected, "{text}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for line in Lines::new(&bytes) {
            prop_assert!(is_answered(line));
        }
    }

    #[test]
    fn no_text_that_looks_right_makes_it_panic(
        text in "[#a{}\"\\\\=, \t\n1.eN世]{0,60}"
    ) {
        for line in Lines::new(text.as_bytes()) {
            prop_assert!(is_answered(line));
        }
    }

    #[test]
    fn any_label_value_is_read_as_it_was_written(value in any::<String>(), name in "[^\0]{1,20}") {
        let escape = |text: &str| {
            text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
        };
        let text = format!("{{\"{}\",l=\"{}\"}} 1", escape(&name), escape(&value));
        let Ok(Line::Sample(sample)) = parse_line(text.as_bytes(), Format::Text) else {
            panic!("{text:?}");
        };
        prop_assert_eq!(&sample.labels[0].1, &name);
        prop_assert_eq!(&sample.labels[1].1, &value);
    }
}
