//! Hostile targets meet their limits.

use super::*;

#[test]
fn a_body_beyond_a_limit_is_a_failure_that_names_it() {
    let many: String = (0..101).map(|index| format!("m{{i=\"{index}\"}} 1\n")).collect();
    let repeated = many.repeat(3);
    let labels: Vec<String> = (0..11).map(|index| format!("l{index}=\"x\"")).collect();
    let long = "x".repeat(101);
    let cases = [
        (many, "the body has 101 series, at most 100 are allowed (max_series)"),
        (repeated, "the body has 303 series, at most 100 are allowed (max_series)"),
        (
            format!("a 1\nm{{{}}} 1\n", labels.join(",")),
            "line 2: m has 11 labels, at most 10 are allowed",
        ),
        (format!("m{{a=\"{long}\"}} 1"), "line 1: a label of 101 bytes, at most 100 are allowed"),
        (format!("m{{{long}=\"b\"}} 1"), "line 1: a label of 101 bytes, at most 100 are allowed"),
        (format!("{long} 1"), "line 1: a label of 101 bytes, at most 100 are allowed"),
    ];
    for (body, reason) in cases {
        let store = store();
        let mut target = open(&store);
        good(&mut target, "x 1\n", 10);
        let appended = target.append(body.as_bytes(), Format::Text, 20, 0.0);
        assert_eq!(appended.failed.as_deref(), Some(reason));
        assert_eq!((appended.samples, appended.added, appended.series), (0, 0, 0));
        assert_eq!(values(&store, "up"), "10:1 20:0");
        assert_eq!(values(&store, "x"), "10:1 20:end");
        assert!(store.select(&named("m"), ALWAYS).is_empty());
        good(&mut target, "x 3\n", 30);
        assert_eq!(values(&store, "x"), "10:1 20:end 30:3");
    }
}

#[test]
fn exactly_the_limit_is_allowed() {
    let body: String = (0..100).map(|index| format!("m{{i=\"{index}\"}} 1\n")).collect();
    let store = store();
    let mut target = open(&store);
    assert_eq!(good(&mut target, &body, 10).samples, 100);
    assert_eq!(good(&mut target, &body, 20).samples, 100);
}

#[test]
fn a_storm_of_new_labels_is_bounded_and_told() {
    let store = store();
    let mut target = open(&store);
    for scrape in 1..40_i64 {
        let body: String =
            (0..90).map(|index| format!("m{{i=\"{scrape}-{index}\"}} 1\n")).collect();
        let appended = good(&mut target, &format!("steady {scrape}\n{body}"), scrape * 1000);
        assert_eq!((appended.samples, appended.added), (91, if scrape == 1 { 91 } else { 90 }));
        let stats = store.stats();
        assert!(stats.read + stats.unread <= 400 + 5, "{stats:?}");
    }
    assert!(0 < store.stats().evicted);
    assert_eq!(values(&store, "steady").split(' ').count(), 39);
}
