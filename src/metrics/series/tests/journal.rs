//! What the journal brings back.

use proptest::prelude::*;

use super::*;
use crate::segment::merge;

/// Words times, bits and zero of every series over a window.
fn exact(store: &Store, range: TimeRange) -> Vec<String> {
    let mut lines: Vec<String> = store
        .select(&[], range)
        .iter()
        .map(|view| {
            let samples: Vec<(Millis, u64)> = samples_of(view.as_ref(), range)
                .iter()
                .map(|sample| (sample.at, sample.value.to_bits()))
                .collect();
            format!("{} {:?} {samples:?}", view.labels(), view.zero_at())
        })
        .collect();
    lines.sort();
    lines
}

#[test]
fn a_block_holds_what_was_appended_since_the_last() {
    let (store, copy) = (store(), store());
    assert!(store.take_block().is_empty());
    let mut target = open(&store);
    good(&mut target, "a 1\n", 10);
    let first = store.take_block();
    assert!(store.take_block().is_empty());
    good(&mut target, "a 2\n", 20);
    good(&mut target, "a 3\n", 30);
    let second = store.take_block();
    assert_eq!(copy.replay(&first), Ok(6));
    assert_eq!(values(&copy, "a"), "10:1");
    assert_eq!(copy.replay(&second), Ok(12));
    assert_eq!(copy.replay(&second), Ok(0), "a block given twice changes nothing");
    assert_eq!(exact(&copy, ALWAYS), exact(&store, ALWAYS));
    assert!(copy.take_block().is_empty(), "what comes from the journal is in the journal");
}

#[test]
fn series_without_a_range_are_not_in_a_block() {
    let reads = vec![Read { reader: 0, matchers: named("a"), reach: 1 }];
    let store = Store::new(Retention { reads, ..Retention::default() });
    good(&mut open(&store), "a 1\nb 1\n", 10);
    let copy = super::store();
    assert_eq!(copy.replay(&store.take_block()), Ok(1));
    assert_eq!(dump(&copy, &[]), [r#"a{instance="a:1", job="api"} 10:1"#]);
}

#[test]
fn an_opened_target_continues_what_was_replayed() {
    let (store, copy) = (store(), store());
    let mut target = open(&store);
    good(&mut target, "a 1\nb 1\n", 10);
    copy.replay(&store.take_block()).unwrap();
    let mut target = open(&copy);
    let appended = good(&mut target, "a 2\nc_total 2\n", 20);
    assert_eq!(appended.added, 1);
    assert_eq!(values(&copy, "a"), "10:1 20:2");
    assert_eq!(values(&copy, "b"), "10:1 20:end");
    assert_eq!(values(&copy, "up"), "10:1 20:1");
    let views = copy.select(&named("c_total"), ALWAYS);
    assert_eq!(views[0].zero_at(), None, "the scrape before the start is not known to be good");
}

#[test]
fn nothing_of_a_damaged_block_is_taken() {
    let store = store();
    good(&mut open(&store), "a 1\nb 2\n", 10);
    let block = store.take_block();
    let copy = super::store();
    for index in 0..block.len() {
        let mut damaged = block.clone();
        damaged[index] ^= 0x10;
        assert!(copy.replay(&damaged).is_err(), "byte {index}");
        if 0 < index {
            assert!(copy.replay(&block[..index]).is_err(), "cut at {index}");
        }
    }
    assert_eq!(dump(&copy, &[]), [""; 0]);
    assert_eq!(copy.stats(), Stats::default());
}

proptest! {
    #[test]
    fn replayed_series_answer_every_window_alike(
        scrapes in prop::collection::vec(
            (1..100_000_i64, prop::collection::btree_map(0..6_u8, any::<f64>(), 0..6), 0..10_u8),
            1..40,
        ),
    ) {
        let (store, replayed, merged) = (store(), store(), store());
        let mut targets = [open(&store), store.open(&Labels::empty(), LIMITS)];
        let (mut at, mut blocks, mut times) = (0, Vec::new(), vec![0]);
        for (step, series, choice) in scrapes {
            at += step;
            times.push(at);
            let body: String =
                series.iter().map(|(index, value)| format!("m{index}_total {value}\n")).collect();
            for target in &mut targets {
                if choice == 0 {
                    target.fail(at, 0.1);
                } else {
                    target.append(body.as_bytes(), Format::Text, at, 0.1);
                }
            }
            if choice % 3 == 1 {
                blocks.push(store.take_block());
            }
        }
        blocks.push(store.take_block());
        for block in &blocks {
            replayed.replay(block).unwrap();
        }
        merged.replay(&merge(blocks.iter().map(Vec::as_slice), true).unwrap()).unwrap();
        for from in times.iter().step_by(3) {
            for to in times.iter().step_by(2).filter(|to| from < to) {
                let range = TimeRange { from: *from, to: *to };
                let expected = exact(&store, range);
                prop_assert_eq!(exact(&replayed, range), expected.clone());
                prop_assert_eq!(exact(&merged, range), expected);
            }
        }
    }
}
