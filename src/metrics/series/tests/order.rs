//! Times out of order, own times, and lines that change their places.

use proptest::prelude::*;

use super::*;

#[test]
fn a_sample_that_is_not_newer_is_dropped_and_counted() {
    let store = store();
    let mut target = open(&store);
    good(&mut target, "a 1\n", 20);
    for at in [20, 10] {
        let appended = good(&mut target, "a 2\n", at);
        assert_eq!((appended.samples, appended.dropped, appended.fault_count), (0, 1, 0));
    }
    assert_eq!(values(&store, "a"), "20:1");
    assert_eq!(store.stats().dropped, 2);
}

#[test]
fn own_times_are_taken_within_bounds() {
    let cases = [
        ("a 1 900", "900:1 1000:2", 0, 0),
        ("a 1 1000", "1000:1", 1, 0),
        ("a 1 1001", "1001:1", 0, 1),
        ("a 1 601000", "601000:1", 0, 1),
        ("a 1 601001", "1000:2", 0, 0),
    ];
    for (body, expected, dropped, faults) in cases {
        let store = store();
        let mut target = open(&store);
        target.append(format!("b 0\n{body}\n").as_bytes(), Format::Text, 1000, 0.0);
        let second = good(&mut target, "b 0\na 2 1000\n", 2000);
        assert_eq!(values(&store, "a"), expected, "{body}");
        assert_eq!((second.dropped, second.fault_count), (dropped, faults), "{body}");
    }
}

#[test]
fn a_sample_too_far_in_the_future_is_a_fault_with_its_line() {
    let store = store();
    let appended = good(&mut open(&store), "a 1\nb 1 601001\n", 1000);
    assert_eq!((appended.samples, appended.fault_count), (1, 1));
    assert_eq!(appended.faults[0].line, 2);
}

#[test]
fn the_end_of_a_series_stands_behind_its_own_times() {
    let store = store();
    let mut target = store.open_own(&api(), LIMITS);
    good(&mut target, "a 1 1500\n", 1000);
    target.fail(1200, 0.0);
    assert_eq!(values(&store, "a"), "1500:1 1501:end");
}

#[test]
fn the_first_of_a_series_given_twice_wins() {
    let store = store();
    let mut target = open(&store);
    for at in [10, 20] {
        let appended = good(&mut target, "a{x=\"1\",y=\"2\"} 1\na{y=\"2\",x=\"1\"} 2\nb 3\n", at);
        assert_eq!((appended.samples, appended.fault_count), (2, 1));
        assert_eq!(appended.faults[0].line, 2);
    }
    assert_eq!(values(&store, "a"), "10:1 20:1");
}

#[test]
fn a_series_given_at_several_rising_times_is_taken_whole() {
    let store = store();
    let mut target = open(&store);
    let appended = good(&mut target, "a 1 100\nb 1 100\na 2 200\nb 2 50\n", 1000);
    assert_eq!((appended.samples, appended.fault_count), (3, 1));
    assert_eq!(values(&store, "a"), "100:1 200:2");
    let appended = good(&mut target, "a 3 300\nb 3 300\na 4 400\n", 2000);
    assert_eq!((appended.samples, appended.fault_count), (3, 0));
    assert_eq!(values(&store, "a"), "100:1 200:2 300:3 400:4");
}

#[test]
fn another_spelling_is_the_same_series() {
    let store = store();
    let mut target = open(&store);
    let spellings =
        ["a{x=\"1\",y=\"2\"} 1", " a {y = \"2\" , x=\"1\",}\t2", "{\"a\",x=\"1\",\"y\"=\"2\"} 3"];
    for (step, spelling) in (1_i64..).zip(spellings) {
        assert_eq!(good(&mut target, spelling, step * 10).samples, 1, "{spelling}");
    }
    assert_eq!(values(&store, "a"), "10:1 20:2 30:3");
}

#[test]
fn openmetrics_without_its_end_loses_only_the_torn_line() {
    let cases = [
        ("a 1\nb 2\n# EOF\n", 2, 0),
        ("a 1\nb 2\n# EOF", 2, 0),
        ("a 1\nb 2\n", 2, 1),
        ("a 1\nb 2", 1, 1),
        ("a 1\n# EOF\nb 2\n", 1, 1),
    ];
    for (body, samples, faults) in cases {
        let store = store();
        let mut target = open(&store);
        for at in [10, 20] {
            let appended = target.append(body.as_bytes(), Format::OpenMetrics, at, 0.0);
            assert_eq!((appended.samples, appended.fault_count), (samples, faults), "{body:?}");
        }
    }
}

#[test]
fn two_handles_of_one_target_do_not_mix_series_up() {
    let store = store();
    let (mut one, mut other) = (open(&store), open(&store));
    good(&mut one, "a 1\nb 1\n", 10);
    good(&mut other, "b 2\nc 2\n", 20);
    good(&mut one, "a 3\nb 3\n", 30);
    assert_eq!(values(&store, "a"), "10:1 20:end 30:3");
    assert_eq!(values(&store, "b"), "10:1 20:2 30:3");
    assert_eq!(values(&store, "c"), "20:2 30:end");
}

proptest! {
    /// Bodies of changing lines in changing order, against a store that sees each body fresh.
    #[test]
    fn what_is_remembered_of_a_body_never_shows(
        bodies in prop::collection::vec(prop::collection::vec((0..12_u8, 0..100_u8), 0..14), 1..8),
    ) {
        let (warm, cold) = (store(), store());
        let mut target = open(&warm);
        for (step, lines) in (1_i64..).zip(&bodies) {
            let mut body = String::from("# TYPE m gauge\nfirst 1\n");
            for (series, value) in lines {
                let line = match series {
                    10 => format!("# note {value}\n"),
                    11 => "m{ broken\n".to_owned(),
                    _ => format!("m{{i=\"{series}\"}} {value}\n"),
                };
                body.push_str(&line);
            }
            let mut fresh = open(&cold);
            let expected = good(&mut fresh, &body, step * 1000);
            prop_assert_eq!(good(&mut target, &body, step * 1000), expected);
        }
        prop_assert_eq!(dump(&warm, &[]), dump(&cold, &[]));
    }
}

proptest! {
    #[test]
    fn good_lines_between_arbitrary_bytes_are_kept(
        junk in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..30), 1..20),
    ) {
        let store = store();
        let mut target = open(&store);
        for at in [10, 20] {
            let mut body = Vec::new();
            for (index, junk) in junk.iter().enumerate() {
                body.extend_from_slice(format!("good{{i=\"{index}\"}} {index}\n").as_bytes());
                body.extend(junk.iter().filter(|byte| **byte != b'\n'));
                body.push(b'\n');
            }
            let appended = target.append(&body, Format::Text, at, 0.0);
            prop_assert_eq!(appended.failed, None);
        }
        let kept = dump(&store, &named("good"));
        prop_assert_eq!(kept.len(), junk.len());
        prop_assert!(kept.iter().all(|line| line.contains(" 10:") && line.contains(" 20:")));
    }
}
