//! When a counter is known to have been zero.

use super::*;

#[test]
fn a_counter_that_appears_in_a_known_target_was_zero_a_scrape_ago() {
    let cases = [
        ("e_total 1", Some(10)),
        ("e_bucket{le=\"1\"} 1", Some(10)),
        ("e_count 1", Some(10)),
        ("e_sum 1", Some(10)),
        ("e 1", None),
        ("# TYPE e counter\ne 1", Some(10)),
        ("# TYPE e gauge\ne_total 1", Some(10)),
        ("# TYPE e_total gauge\ne_total 1", None),
        ("# TYPE e histogram\ne_bucket{le=\"1\"} 1", Some(10)),
        ("# TYPE e summary\ne{quantile=\"0.5\"} 1", None),
        ("# TYPE e summary\ne_count 1", Some(10)),
        ("# TYPE e_total untyped\ne_total 1", Some(10)),
        ("e_total 1 15", Some(10)),
        ("e_total 1 10", None),
    ];
    for (body, expected) in cases {
        let store = store();
        let mut target = open(&store);
        good(&mut target, "a 1\n", 10);
        good(&mut target, &format!("a 1\n{body}\n"), 20);
        let like_e = Matcher::new("__name__", MatchOp::Regex, "e.*").unwrap();
        let views = store.select(&[like_e], ALWAYS);
        assert_eq!(views[0].zero_at(), expected, "{body}");
    }
}

#[test]
fn a_counter_that_may_have_been_there_before_was_not_known_to_be_zero() {
    type Before = fn(&mut Target);
    let cases: [(&str, Before); 4] = [
        ("first scrape", |_| ()),
        ("last scrape failed", |target| {
            good(target, "a 1\n", 5);
            target.fail(10, 0.0);
        }),
        ("last scrape passed a limit", |target| {
            good(target, "a 1\n", 5);
            target.append(b"", Format::Text, 10, 0.0);
        }),
        ("it was there and ended", |target| {
            good(target, "e_total 9\n", 5);
            good(target, "a 1\n", 10);
        }),
    ];
    for (name, before) in cases {
        let store = store();
        let mut target = open(&store);
        before(&mut target);
        good(&mut target, "a 1\ne_total 1\n", 20);
        assert_eq!(store.select(&named("e_total"), ALWAYS)[0].zero_at(), None, "{name}");
    }
}
