//! Loaded history beside what is scraped.

use proptest::prelude::*;

use super::*;
use crate::segment::{Encoder, Traits};

const HITS: [(&str, &str); 3] = [("__name__", "hits"), ("instance", "a:1"), ("job", "api")];

/// A block as a backfill writes it: whole label sets under a target without labels.
fn block(labels: &[(&str, &str)], samples: &[(Millis, f64)]) -> Vec<u8> {
    let samples: Vec<Sample> =
        samples.iter().map(|(at, value)| Sample { at: *at, value: *value }).collect();
    let mut encoder = Encoder::default();
    encoder.target(std::iter::empty());
    encoder.series(labels.iter().copied(), Traits::default(), &samples);
    encoder.finish()
}

#[test]
fn a_target_that_continues_a_loaded_series_gives_one_series() {
    let store = store();
    assert_eq!(store.replay_loaded(&block(&HITS, &[(10, 1.0), (20, 2.0)])), Ok(2));
    let mut target = open(&store);
    good(&mut target, "hits 3\n", 30);
    let expected = [r#"hits{instance="a:1", job="api"} 10:1 20:2 30:3"#];
    assert_eq!(dump(&store, &named("hits")), expected);
    good(&mut target, "other 1\n", 40);
    assert_eq!(values(&store, "hits"), "10:1 20:2 30:3 40:end", "the loaded half ends with it");
}

#[test]
fn which_labels_are_the_target_s_own_makes_no_difference() {
    let labels = [("__name__", "hits"), ("code", "500"), ("env", "prod"), ("job", "api")];
    for target in [vec![("job", "api")], vec![("env", "prod"), ("job", "api")], vec![]] {
        let store = store();
        store.replay_loaded(&block(&labels, &[(10, 1.0)])).unwrap();
        let body: String = labels[1..]
            .iter()
            .filter(|label| !target.contains(label))
            .map(|(name, value)| format!("{name}=\"{value}\","))
            .collect();
        let mut target = store.open(&Labels::from_pairs(target), LIMITS);
        good(&mut target, &format!("hits{{{body}}} 2\n"), 20);
        assert_eq!(values(&store, "hits"), "10:1 20:2", "{body}");
    }
}

#[test]
fn loaded_samples_fill_gaps_and_never_replace_scraped_ones() {
    let store = store();
    let mut target = open(&store);
    good(&mut target, "hits 1\n", 10);
    good(&mut target, "hits 4\n", 40);
    let loaded = [(5, 0.5), (10, 9.0), (20, 2.0), (30, 3.0), (40, 9.0), (50, 5.0)];
    store.replay_loaded(&block(&HITS, &loaded)).unwrap();
    assert_eq!(values(&store, "hits"), "5:0.5 10:1 20:2 30:3 40:4 50:5");
    for (to, expected) in [(9, 0.5), (10, 1.0), (39, 3.0), (40, 4.0), (99, 5.0)] {
        let range = TimeRange { from: 0, to };
        let newest = store.select(&named("hits"), range)[0].newest(range);
        assert_eq!(newest.map(|one| one.value), Some(expected), "up to {to}");
    }
}

#[test]
fn a_counter_with_loaded_history_is_not_taken_for_a_new_one() {
    let store = store();
    let labels = [("__name__", "hits_total"), ("instance", "a:1"), ("job", "api")];
    store.replay_loaded(&block(&labels, &[(10, 100.0)])).unwrap();
    let mut target = open(&store);
    good(&mut target, "a 1\n", 20);
    good(&mut target, "a 1\nhits_total 101\n", 30);
    assert_eq!(store.select(&named("hits_total"), ALWAYS)[0].zero_at(), None);
}

#[test]
fn loaded_series_are_kept_as_long_as_scraped_ones_and_stay_out_of_the_journal() {
    let reads = vec![Read { reader: 0, matchers: named("hits"), reach: 1_000_000 }];
    let store = Store::new(Retention { reads, ..Retention::default() });
    store.replay_loaded(&block(&HITS, &[(10, 1.0), (20, 2.0)])).unwrap();
    store.replay_loaded(&block(&[("__name__", "unread")], &[(10, 1.0), (20, 2.0)])).unwrap();
    assert_eq!(values(&store, "hits"), "10:1 20:2");
    assert_eq!(values(&store, "unread"), "20:2");
    assert!(store.take_block().is_empty());
    assert_eq!((store.stats().read, store.stats().unread), (1, 1));
    store.configure(Retention { raw: 1000, ..Retention::default() });
    assert_eq!((store.stats().read, store.stats().unread), (0, 2));
    store.expire(1_000_000_000);
    assert_eq!(dump(&store, &[]), [""; 0]);
}

proptest! {
    #[test]
    fn halves_joined_are_the_union_of_both(
        scraped in prop::collection::btree_map(1..200_i64, 0..9_u8, 1..40),
        loaded in prop::collection::btree_map(1..200_i64, 10..19_u8, 1..40),
        from in 0..200_i64,
        length in 1..200_i64,
    ) {
        let store = store();
        let mut target = open(&store);
        for (at, value) in &scraped {
            good(&mut target, &format!("hits {value}\n"), *at);
        }
        let samples: Vec<(Millis, f64)> =
            loaded.iter().map(|(at, value)| (*at, f64::from(*value))).collect();
        store.replay_loaded(&block(&HITS, &samples)).unwrap();
        let mut all = loaded;
        all.extend(scraped);
        let range = TimeRange { from, to: from + length };
        let expected: Vec<String> = all
            .range(from + 1..=range.to)
            .map(|(at, value)| format!("{at}:{value}"))
            .collect();
        let views = store.select(&named("hits"), range);
        prop_assert!(views.len() <= 1);
        let found = views.first().map(|view| samples_of(view.as_ref(), range)).unwrap_or_default();
        prop_assert_eq!(word(&found), expected.join(" "));
        let newest = views.first().and_then(|view| view.newest(range));
        prop_assert_eq!(word(newest.as_slice()), expected.last().cloned().unwrap_or_default());
    }
}
