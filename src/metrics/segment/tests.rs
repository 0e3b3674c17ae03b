//! Cases of blocks.

use proptest::prelude::*;

use super::*;

fn pairs(texts: &[(&str, &str)]) -> Pairs {
    texts.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn sample(at: Millis, value: f64) -> Sample {
    Sample { at, value }
}

fn block(target: &str, series: &[(&str, Traits, &[Sample])]) -> Vec<u8> {
    let mut encoder = Encoder::default();
    encoder.target([("job", target)]);
    for (name, traits, samples) in series {
        encoder.series([("__name__", *name)], *traits, samples);
    }
    encoder.finish()
}

/// Words a block: target, series, traits, samples.
fn word(bytes: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    for target in decode(bytes).unwrap() {
        for series in target.series {
            let samples: Vec<String> = series
                .samples
                .iter()
                .map(|sample| format!("{}:{}", sample.at, sample.value))
                .collect();
            let raw = if series.traits.is_raw { " raw" } else { "" };
            let zero = series.traits.zero_at.map(|at| format!(" zero {at}")).unwrap_or_default();
            let own = if series.traits.has_own_times { " own" } else { "" };
            let (job, name) = (&target.labels[0].1, &series.labels[0].1);
            lines.push(format!("{job} {name}{raw}{own}{zero}: {}", samples.join(" ")));
        }
    }
    lines
}

const READ: Traits = Traits { is_raw: false, zero_at: None, has_own_times: false };
const RAW: Traits = Traits { is_raw: true, ..READ };
const ZERO: Traits = Traits { zero_at: Some(5), ..READ };
const OWN: Traits = Traits { has_own_times: true, ..READ };

#[test]
fn nothing_gives_no_bytes_and_no_bytes_give_nothing() {
    assert!(Encoder::default().finish().is_empty());
    assert!(decode(&[]).unwrap().is_empty());
}

#[test]
fn a_block_stands_for_itself() {
    let bytes = block(
        "api",
        &[
            ("a", READ, &[sample(1000, 1.0), sample(2000, 1.5), sample(2001, -0.0)]),
            ("b", RAW, &[sample(1000, f64::INFINITY)]),
            ("c", ZERO, &[sample(-5, 0.1)]),
            ("d", OWN, &[sample(7, 2.0)]),
            ("none", READ, &[]),
        ],
    );
    let expected = [
        "api a: 1000:1 2000:1.5 2001:-0",
        "api b raw: 1000:inf",
        "api c zero 5: -5:0.1",
        "api d own: 7:2",
    ];
    assert_eq!(word(&bytes), expected);
}

#[test]
fn blocks_say_why_they_are_refused() {
    let good = block("api", &[("a", READ, &[sample(1000, 1.0)])]);
    let mut newer = good.clone();
    newer[7] = 2;
    let mut damaged = good.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let mut greedy = good[..16].to_vec();
    let mut sealed = u64::MAX.to_le_bytes().to_vec();
    sealed.extend_from_slice(&good[24..]);
    greedy[8..16].copy_from_slice(&checksum(&sealed).to_le_bytes());
    greedy.extend(sealed);
    let cases: [(&[u8], &str); 5] = [
        (b"WBSAMP", "the journal block is cut off inside its header"),
        (b"something else entirely", "the journal block does not begin as one"),
        (&newer, "the journal block has a version that this program does not know"),
        (&damaged, "the journal block fails its checksum: it is cut off or damaged"),
        (&greedy, "the journal block claims more than it can hold"),
    ];
    for (bytes, expected) in cases {
        assert_eq!(decode(bytes).unwrap_err().to_string(), expected);
    }
}

#[test]
fn merged_blocks_name_each_series_once() {
    let first = block("api", &[("a", ZERO, &[sample(10, 1.0)]), ("b", RAW, &[sample(10, 1.0)])]);
    let second = block("db", &[("a", READ, &[sample(11, 7.0)])]);
    let third = block(
        "api",
        &[("a", READ, &[sample(10, 9.0), sample(20, 2.0)]), ("b", RAW, &[sample(20, 2.0)])],
    );
    let blocks = || [first.as_slice(), &second, &third];
    let all = merge(blocks(), true).unwrap();
    let expected = ["api a zero 5: 10:1 20:2", "api b raw: 10:1 20:2", "db a: 11:7"];
    assert_eq!(word(&all), expected);
    let read = merge(blocks(), false).unwrap();
    assert_eq!(word(&read), ["api a zero 5: 10:1 20:2", "db a: 11:7"]);
    assert!(merge([first.as_slice(), b"damage"], true).is_err());
}

#[test]
fn merged_samples_stand_in_order_of_time_and_the_first_of_one_time_stays() {
    let blocks = [
        block("api", &[("a", READ, &[sample(20, 2.0), sample(40, 4.0)])]),
        block("api", &[("a", READ, &[sample(10, 1.0), sample(20, 9.0), sample(30, 3.0)])]),
        block("api", &[("a", READ, &[sample(40, 9.0), sample(50, 5.0)])]),
    ];
    let merged = merge(blocks.iter().map(Vec::as_slice), true).unwrap();
    assert_eq!(word(&merged), ["api a: 10:1 20:2 30:3 40:4 50:5"]);
}

#[test]
fn a_day_of_steady_scrapes_is_small_when_merged() {
    let names: Vec<String> = (0..50).map(|index| format!("http_requests_total_{index}")).collect();
    let blocks: Vec<Vec<u8>> = (0..240_i64)
        .map(|step| {
            let mut encoder = Encoder::default();
            encoder.target([("job", "api"), ("instance", "host:9100")]);
            for name in &names {
                let samples = [sample(step * 15_000, 100.0 * (step / 4) as f64)];
                encoder.series([("__name__", name.as_str())], READ, &samples);
            }
            encoder.finish()
        })
        .collect();
    let merged = merge(blocks.iter().map(Vec::as_slice), true).unwrap();
    assert!(merged.len() < 4 * 50 * 240, "{} bytes", merged.len());
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        body in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        prop_assert!(bytes.is_empty() || decode(&bytes).is_err());
        // A body of nonsense under a good seal.
        let parts = read_body(&mut Reader::new(&body)).unwrap_or_default();
        prop_assert!(parts.len() <= body.len());
    }

    #[test]
    fn every_bit_of_a_block_survives(
        start in any::<i64>(),
        samples in prop::collection::vec((1..i64::MAX / 512, any::<u64>()), 1..200),
    ) {
        let mut at = start.min(0);
        let samples: Vec<Sample> = samples
            .iter()
            .map(|(step, bits)| {
                at = at.saturating_add(*step);
                sample(at, f64::from_bits(*bits))
            })
            .collect();
        let bytes = block("x", &[("a", READ, &samples), ("b", RAW, &samples)]);
        for series in &decode(&bytes).unwrap()[0].series {
            let exact = |samples: &[Sample]| -> Vec<(Millis, u64)> {
                samples.iter().map(|one| (one.at, one.value.to_bits())).collect()
            };
            prop_assert_eq!(exact(&series.samples), exact(&samples));
        }
    }
}

#[test]
fn labels_survive_whatever_they_hold() {
    let labels = pairs(&[("a", ""), ("b", "\u{0}\u{ffff}"), ("c d", &"x".repeat(300))]);
    let mut encoder = Encoder::default();
    encoder.target(std::iter::empty());
    let texts = labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    encoder.series(texts, READ, &[sample(1, 1.0)]);
    let parts = decode(&encoder.finish()).unwrap();
    assert_eq!(parts[0].labels, pairs(&[]));
    assert_eq!(parts[0].series[0].labels, labels);
}
