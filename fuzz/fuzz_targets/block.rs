//! Blocks of the journal of samples: as they lie on the disk, and with any body under a good seal.

#![no_main]

use libfuzzer_sys::fuzz_target;
use watchbell_metrics::sample::{Sample, Source, TimeRange};
use watchbell_metrics::segment::{Encoder, TargetPart, decode, merge};
use watchbell_metrics::series::{Retention, Store};

const ALWAYS: TimeRange = TimeRange { from: i64::MIN, to: i64::MAX };

/// Longer blocks are not damaged bit by bit: it takes their length squared.
const DAMAGED_BYTES_MAX: usize = 256;

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    check(&seal(bytes));
});

fn check(block: &[u8]) {
    let store = Store::new(Retention::default());
    let Ok(parts) = decode(block) else {
        assert!(store.replay(block).is_err());
        assert_eq!(store.stats().ingested, 0);
        return;
    };
    damage(block);
    let copy = decode(&encode(&parts)).expect("what was encoded is good");
    assert_eq!(exact(&copy), exact(&parts));
    let merged = merge([block, block], true).expect("both are good");
    let merged = decode(&merged).expect("what was merged is good");
    let taken = store.replay(block).expect("it was decoded");
    assert!(taken <= parts.iter().flat_map(|part| &part.series).map(|one| one.samples.len()).sum());
    assert!(merged.len() <= parts.len());
    assert_eq!(store.replay(block).expect("it was decoded"), 0, "given twice, taken once");
    for view in store.select(&[], ALWAYS) {
        let mut samples: Vec<Sample> = Vec::new();
        view.samples(ALWAYS, &mut samples);
        assert!(samples.is_sorted_by(|one, next| one.at < next.at));
    }
    store.expire(0);
    store.expire(i64::MAX);
    decode(&store.take_block()).expect("its own block is good");
}

/// Cuts a good block everywhere and flips each of its bits: all of it is refused.
fn damage(block: &[u8]) {
    if DAMAGED_BYTES_MAX < block.len() {
        return;
    }
    for length in 1..block.len() {
        assert!(decode(&block[..length]).is_err(), "cut at {length}");
    }
    let mut flipped = block.to_vec();
    for bit in 0..block.len() * 8 {
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(decode(&flipped).is_err(), "bit {bit}");
        flipped[bit / 8] ^= 1 << (bit % 8);
    }
}

/// Puts a body under a seal that is in order, so that its reader is reached.
fn seal(body: &[u8]) -> Vec<u8> {
    let mut sealed = u64::try_from(body.len()).expect("it is short").to_le_bytes().to_vec();
    sealed.extend(lz4_flex::block::compress(body));
    let mut sum = 0xcbf2_9ce4_8422_2325_u64;
    for byte in &sealed {
        sum = (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    let mut block = b"WBSAMP\x00\x01".to_vec();
    block.extend(sum.to_le_bytes());
    block.extend(sealed);
    block
}

fn encode(parts: &[TargetPart]) -> Vec<u8> {
    let mut encoder = Encoder::default();
    for part in parts {
        encoder.target(part.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        for series in &part.series {
            let labels = series.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            encoder.series(labels, series.traits, &series.samples);
        }
    }
    encoder.finish()
}

/// Lists everything, values by their bits.
fn exact(parts: &[TargetPart]) -> Vec<String> {
    let mut lines = Vec::new();
    for part in parts {
        lines.push(format!("{:?}", part.labels));
        for series in &part.series {
            let bits: Vec<(i64, u64)> =
                series.samples.iter().map(|one| (one.at, one.value.to_bits())).collect();
            lines.push(format!("{:?} {:?} {bits:?}", series.labels, series.traits));
        }
    }
    lines
}
