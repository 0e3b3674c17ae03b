//! Series whose samples have times of their own: they lag behind the scrape, and no marker of a
//! missing series may overtake them.

use super::*;

#[test]
fn a_missing_series_with_own_times_gets_no_marker_and_loses_no_late_sample() {
    let store = store();
    let mut target = open(&store);
    good(&mut target, "late 1 900\nnow 1\n", 1000);
    good(&mut target, "other 1\n", 2000);
    assert_eq!(values(&store, "late"), "900:1");
    assert_eq!(values(&store, "now"), "1000:1 2000:end");
    let back = good(&mut target, "late 2 1900\n", 3000);
    assert_eq!((back.samples, back.fault_count), (1, 0));
    assert_eq!(values(&store, "late"), "900:1 1900:2");
}

#[test]
fn a_failed_scrape_ends_only_series_without_own_times() {
    let store = store();
    let mut target = open(&store);
    good(&mut target, "late 1 900\nnow 1\n", 1000);
    target.fail(2000, 0.0);
    good(&mut target, "late 2 1500\nnow 2\n", 3000);
    assert_eq!(values(&store, "late"), "900:1 1500:2");
    assert_eq!(values(&store, "now"), "1000:1 2000:end 3000:2");
    assert_eq!(values(&store, "up"), "1000:1 2000:0 3000:1");
}

#[test]
fn a_closed_target_ends_only_series_without_own_times() {
    let store = store();
    let mut target = open(&store);
    good(&mut target, "late 1 900\nnow 1\n", 1000);
    target.close(2000);
    assert_eq!(values(&store, "late"), "900:1");
    assert_eq!(values(&store, "now"), "1000:1 2000:end");
    assert_eq!(values(&store, "up"), "1000:1 2000:end");
}

#[test]
fn the_newest_sample_decides_whether_a_series_has_own_times() {
    let cases = [
        ("a 1 900\n", "a 2\n", "900:1 2000:2 3000:end"),
        ("a 1\n", "a 2 1500\n", "1000:1 1500:2"),
        // Given again with the same time, it is still alive by its own account.
        ("a 1 900\n", "a 1 900\n", "900:1"),
    ];
    for (first, second, expected) in cases {
        let store = store();
        let mut target = open(&store);
        good(&mut target, first, 1000);
        good(&mut target, second, 2000);
        good(&mut target, "b 1\n", 3000);
        assert_eq!(values(&store, "a"), expected, "{first:?} {second:?}");
    }
}

#[test]
fn a_restart_remembers_which_series_have_own_times() {
    let (store, copy) = (store(), store());
    good(&mut open(&store), "late 1 900\nnow 1\n", 1000);
    copy.replay(&store.take_block()).unwrap();
    let mut target = open(&copy);
    target.fail(2000, 0.0);
    good(&mut target, "late 2 1500\nnow 2\n", 3000);
    assert_eq!(values(&copy, "late"), "900:1 1500:2");
    assert_eq!(values(&copy, "now"), "1000:1 2000:end 3000:2");
}

#[test]
fn series_of_rules_end_although_they_have_own_times() {
    let store = store();
    let mut target = store.open_own(&Labels::empty(), LIMITS);
    good(&mut target, "a 1 900\nb 1 900\n", 1000);
    good(&mut target, "a 2 1900\n", 2000);
    assert_eq!(values(&store, "a"), "900:1 1900:2");
    assert_eq!(values(&store, "b"), "900:1 2000:end");
}

#[test]
fn a_stream_of_new_series_with_own_times_is_bounded() {
    let store = store();
    let mut target = open(&store);
    for step in 1..=1000_i64 {
        let body = format!("m{{id=\"{step}\"}} 1 {}\n", step * 10);
        assert_eq!(good(&mut target, &body, step * 10).samples, 1);
    }
    let stats = store.stats();
    let known = stats.read + stats.unread;
    assert!(known <= 4 * LIMITS.series_max, "{known} series are known");
    assert!(0 < stats.evicted);
    assert_eq!(dump(&store, &named("up")).len(), 1);
}
