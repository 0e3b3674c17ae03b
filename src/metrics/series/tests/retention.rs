//! Who reads what, and how long it is kept.

use super::*;

const MINUTE: Millis = 60_000;

fn read(reader: usize, matchers: Vec<Matcher>, reach: Millis) -> Read {
    Read { reader, matchers, reach }
}

#[test]
fn a_target_knows_who_reads_it() {
    let reads = vec![
        read(7, named("a"), MINUTE),
        read(3, named("a"), MINUTE),
        read(3, vec![equal("__name__", "b"), equal("instance", "a:1")], MINUTE),
        read(4, vec![equal("__name__", "b"), equal("instance", "z:1")], MINUTE),
        read(5, vec![equal("job", "api"), equal("x", "y")], MINUTE),
        read(6, named("up"), MINUTE),
    ];
    let store = Store::new(Retention { reads, ..Retention::default() });
    let mut target = open(&store);
    assert_eq!(target.readers(), [0; 0]);
    good(&mut target, "a 1\n", 10);
    assert_eq!(target.readers(), [3, 6, 7]);
    good(&mut target, "a 1\nb 1\nc{x=\"y\"} 1\nc 1\n", 20);
    assert_eq!(target.readers(), [3, 5, 6, 7]);
    assert_eq!((store.stats().read, store.stats().unread), (4, 5));
    store.configure(Retention { reads: vec![read(1, named("c"), MINUTE)], ..Retention::default() });
    assert_eq!(target.readers(), [1]);
    assert_eq!((store.stats().read, store.stats().unread), (2, 7));
}

#[test]
fn without_raw_only_the_last_sample_of_an_unread_series_stays() {
    let store =
        Store::new(Retention { reads: vec![read(0, named("a"), MINUTE)], ..Retention::default() });
    let mut target = open(&store);
    for at in [10, 20, 30] {
        good(&mut target, "a 1\nb 1\n", at);
    }
    assert_eq!(values(&store, "a"), "10:1 20:1 30:1");
    assert_eq!(values(&store, "b"), "30:1");
    let kept = vec![Matchers(named("b"))];
    store.configure(Retention { matchers: kept, ..Retention::default() });
    good(&mut target, "a 1\nb 1\n", 40);
    assert_eq!(values(&store, "a"), "40:1");
    assert_eq!(values(&store, "b"), "30:1 40:1");
}

#[test]
fn samples_stay_as_long_as_they_are_needed() {
    let retention = Retention {
        reads: vec![read(0, named("a"), 60 * MINUTE), read(1, named("b"), 10 * MINUTE)],
        raw: 15 * MINUTE,
        keep: 30 * MINUTE,
        matchers: vec![Matchers(named("kept"))],
    };
    let store = Store::new(retention);
    let mut target = open(&store);
    // 1,200 samples at 10 s: 200 minutes.
    for step in 1..=1200_i64 {
        good(&mut target, "a 1\nb 1\nkept 1\nc 1\n", step * 10_000);
    }
    let now = 1200 * 10_000;
    store.expire(now);
    for (name, minutes) in [("a", 60), ("b", 30), ("kept", 30), ("c", 15)] {
        let view = store.select(&named(name), ALWAYS).remove(0);
        let oldest = samples_of(view.as_ref(), ALWAYS)[0].at;
        assert!(oldest <= now - minutes * MINUTE, "{name} lost samples: from {oldest}");
        // A chunk of 120 samples is 20 minutes long, a read has a margin of 5.
        assert!(now - (minutes + 25) * MINUTE - 10_000 <= oldest, "{name} is kept too long");
    }
}

#[test]
fn ended_series_are_dropped_after_their_time() {
    let store = Store::new(Retention {
        reads: vec![read(0, named("a"), 60 * MINUTE)],
        raw: 15 * MINUTE,
        ..Retention::default()
    });
    let mut target = open(&store);
    good(&mut target, "a 1\nb 1\nc 1\n", MINUTE);
    good(&mut target, "c 1\n", 2 * MINUTE);
    let mut left = Vec::new();
    for minute in [10, 18, 68] {
        good(&mut target, "c 1\n", minute * MINUTE);
        store.expire(minute * MINUTE);
        left.push(["a", "b", "c"].map(|name| store.select(&named(name), ALWAYS).len()));
    }
    assert_eq!(left, [[1, 1, 1], [1, 0, 1], [0, 0, 1]]);
    assert_eq!(target.readers(), [0; 0], "nobody reads what is gone");
}

#[test]
fn a_slot_used_again_is_not_mistaken_for_its_former_series() {
    let store = store();
    let mut target = open(&store);
    good(&mut target, "a 1\nb 1\n", 10);
    target.fail(20, 0.0);
    let later = 3 * 86_400_000;
    store.expire(later);
    assert_eq!(dump(&store, &[]), [""; 0]);
    good(&mut target, "c 1\n", later + 10);
    good(&mut target, "a 2\nb 2\n", later + 20);
    assert_eq!(values(&store, "a"), format!("{}:2", later + 20));
    assert_eq!(values(&store, "c"), format!("{}:1 {}:end", later + 10, later + 20));
}

#[test]
fn a_target_that_is_gone_leaves_nothing_behind() {
    let store = store();
    let mut target = open(&store);
    good(&mut target, "a 1\n", 10);
    target.close(20);
    drop(target);
    store.expire(2 * 86_400_000);
    assert_eq!(store.0.shards.read().len(), 0);
}
