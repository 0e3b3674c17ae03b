//! Append-only compressed runs of samples: delta-of-delta times and XORed values.
//!
//! The scheme is that of Gorilla (VLDB 2015, section 4.1), over milliseconds and with wider steps
//! for far jumps. Every bit of a value survives, NaN payloads and stale markers included. Times
//! rise strictly; whoever appends sees to that. A sealed chunk never changes, so what is derived
//! from its samples once may be kept beside them.

mod bits;

use std::sync::OnceLock;

use self::bits::{Bits, Reader};
use crate::sample::{Millis, Sample, Summary, TimeRange, summarise};

/// Samples of a full chunk.
pub const SAMPLES_MAX: usize = 120;

/// Control bits and width of each step of a delta of deltas, narrow ones first.
const STEPS: [(u64, u32, u32); 3] = [(0b10, 2, 7), (0b110, 3, 12), (0b1110, 4, 20)];
/// Control bits of a delta of deltas that is written in full.
const FULL_STEP: (u64, u32) = (0b1111, 4);

/// The chunk that a series appends to.
#[derive(Clone, Debug)]
pub struct OpenChunk {
    bits: Bits,
    count: u32,
    first_at: Millis,
    last: Sample,
    delta: Millis,
    window: Window,
}

/// A chunk that will not change any more.
#[derive(Debug)]
pub struct Chunk {
    bits: Box<[u8]>,
    count: usize,
    first_at: Millis,
    last_at: Millis,
    /// Made when it is first asked for: most chunks are read by short windows only.
    summary: OnceLock<Option<Box<Summary>>>,
}

/// Decodes a chunk from its first sample to its last.
#[derive(Clone, Debug)]
pub struct Samples<'a> {
    bits: Reader<'a>,
    left: usize,
    is_first: bool,
    at: Millis,
    delta: Millis,
    value: u64,
    window: Window,
}

/// Which bits of an XORed value are written.
#[derive(Clone, Copy, Debug)]
struct Window {
    leading: u8,
    width: u8,
}

impl Window {
    const NONE: Self = Self { leading: 0, width: 0 };

    fn new(leading: u32, width: u32) -> Option<Self> {
        if width == 0 || 64 < leading + width {
            return None;
        }
        Some(Self { leading: u8::try_from(leading).ok()?, width: u8::try_from(width).ok()? })
    }

    fn width(self) -> u32 {
        u32::from(self.width)
    }

    fn trailing(self) -> u32 {
        64 - u32::from(self.leading) - self.width()
    }

    fn holds(self, bits: u64) -> bool {
        0 < self.width
            && u32::from(self.leading) <= bits.leading_zeros()
            && self.trailing() <= bits.trailing_zeros()
    }
}

impl OpenChunk {
    /// Begins a chunk with its first sample.
    #[must_use]
    pub fn new(first: Sample) -> Self {
        let mut bits = Bits::default();
        bits.push(first.value.to_bits(), 64);
        let window = Window::NONE;
        Self { bits, count: 1, first_at: first.at, last: first, delta: 0, window }
    }

    /// Appends a sample that is newer than the last one.
    pub fn append(&mut self, sample: Sample) {
        debug_assert!(self.last.at < sample.at);
        let delta = sample.at.wrapping_sub(self.last.at);
        self.push_step(delta.wrapping_sub(self.delta));
        self.push_value(sample.value.to_bits() ^ self.last.value.to_bits());
        self.delta = delta;
        self.last = sample;
        self.count += 1;
    }

    /// Tells whether it is time to seal it.
    #[must_use]
    pub fn is_full(&self) -> bool {
        SAMPLES_MAX <= self.count()
    }

    /// Returns the number of samples, at least one.
    #[must_use]
    pub fn count(&self) -> usize {
        usize::try_from(self.count).unwrap_or(usize::MAX)
    }

    /// Returns the time of the first sample.
    #[must_use]
    pub fn first_at(&self) -> Millis {
        self.first_at
    }

    /// Returns the time of the last sample.
    #[must_use]
    pub fn last_at(&self) -> Millis {
        self.last.at
    }

    /// Decodes it.
    #[must_use]
    pub fn samples(&self) -> Samples<'_> {
        Samples::new(self.bits.as_bytes(), self.count(), self.first_at)
    }

    /// Ends it.
    #[must_use]
    pub fn seal(self) -> Chunk {
        Chunk {
            count: self.count(),
            bits: self.bits.into_bytes(),
            first_at: self.first_at,
            last_at: self.last.at,
            summary: OnceLock::new(),
        }
    }

    fn push_step(&mut self, step: Millis) {
        if step == 0 {
            self.bits.push(0, 1);
            return;
        }
        for (control, control_width, width) in STEPS {
            let half = 1_i64 << (width - 1);
            if (-half..half).contains(&step) {
                self.bits.push(control, control_width);
                self.bits.push(step.cast_unsigned(), width);
                return;
            }
        }
        self.bits.push(FULL_STEP.0, FULL_STEP.1);
        self.bits.push(step.cast_unsigned(), 64);
    }

    fn push_value(&mut self, changed: u64) {
        if changed == 0 {
            self.bits.push(0, 1);
            return;
        }
        if self.window.holds(changed) {
            self.bits.push(0b10, 2);
        } else {
            let leading = changed.leading_zeros().min(31);
            let width = 64 - leading - changed.trailing_zeros();
            self.window = Window::new(leading, width).unwrap_or(Window::NONE);
            self.bits.push(0b11, 2);
            self.bits.push(u64::from(leading), 5);
            self.bits.push(u64::from(width - 1), 6);
        }
        self.bits.push(changed >> self.window.trailing(), self.window.width());
    }
}

impl Chunk {
    /// Returns the number of samples, at least one.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Returns the time of the first sample.
    #[must_use]
    pub fn first_at(&self) -> Millis {
        self.first_at
    }

    /// Returns the time of the last sample.
    #[must_use]
    pub fn last_at(&self) -> Millis {
        self.last_at
    }

    /// Decodes it.
    #[must_use]
    pub fn samples(&self) -> Samples<'_> {
        Samples::new(&self.bits, self.count, self.first_at)
    }

    /// Returns what its samples come to, stale markers left out; nothing where it has no others.
    #[must_use]
    pub fn summary(&self) -> Option<&Summary> {
        self.summary.get_or_init(|| summarise(self.samples()).map(Box::new)).as_deref()
    }
}

impl<'a> Samples<'a> {
    fn new(bytes: &'a [u8], count: usize, first_at: Millis) -> Self {
        Self {
            bits: Reader::new(bytes),
            left: count,
            is_first: true,
            at: first_at,
            delta: 0,
            value: 0,
            window: Window::NONE,
        }
    }

    /// Reduces the iterator to the samples of a range.
    pub fn within(self, range: TimeRange) -> impl Iterator<Item = Sample> + 'a {
        self.skip_while(move |sample| sample.at <= range.from)
            .take_while(move |sample| sample.at <= range.to)
    }

    fn read_step(&mut self) -> Option<Millis> {
        if !self.bits.read_bit()? {
            return Some(0);
        }
        for (_, _, width) in STEPS {
            if !self.bits.read_bit()? {
                let unused = 64 - width;
                return Some(self.bits.read(width)?.cast_signed() << unused >> unused);
            }
        }
        Some(self.bits.read(64)?.cast_signed())
    }

    fn read_change(&mut self) -> Option<u64> {
        if !self.bits.read_bit()? {
            return Some(0);
        }
        if self.bits.read_bit()? {
            let leading = u32::try_from(self.bits.read(5)?).ok()?;
            let width = u32::try_from(self.bits.read(6)?).ok()? + 1;
            self.window = Window::new(leading, width)?;
        }
        if self.window.width == 0 {
            return None;
        }
        Some(self.bits.read(self.window.width())? << self.window.trailing())
    }
}

impl Iterator for Samples<'_> {
    type Item = Sample;

    fn next(&mut self) -> Option<Sample> {
        self.left = self.left.checked_sub(1)?;
        if self.is_first {
            self.is_first = false;
            self.value = self.bits.read(64)?;
        } else {
            self.delta = self.delta.wrapping_add(self.read_step()?);
            self.at = self.at.wrapping_add(self.delta);
            self.value ^= self.read_change()?;
        }
        Some(Sample { at: self.at, value: f64::from_bits(self.value) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sample::STALE_BITS;

    fn encode(samples: &[(Millis, u64)]) -> OpenChunk {
        let mut samples =
            samples.iter().map(|(at, bits)| Sample { at: *at, value: f64::from_bits(*bits) });
        let mut chunk = OpenChunk::new(samples.next().unwrap());
        samples.for_each(|sample| chunk.append(sample));
        chunk
    }

    fn decode(samples: impl Iterator<Item = Sample>) -> Vec<(Millis, u64)> {
        samples.map(|sample| (sample.at, sample.value.to_bits())).collect()
    }

    #[test]
    fn every_bit_of_odd_values_and_far_times_survives() {
        let nan_with_payload = 0xfff8_0000_dead_beef;
        let samples = [
            (i64::MIN, 0),
            (-1, STALE_BITS),
            (0, nan_with_payload),
            (1, f64::INFINITY.to_bits()),
            (2, (-0.0_f64).to_bits()),
            (i64::MAX - 1, u64::MAX),
            (i64::MAX, 1),
        ];
        let open = encode(&samples);
        assert_eq!(decode(open.samples()), samples);
        assert_eq!(decode(open.seal().samples()), samples);
    }

    #[test]
    fn a_steady_gauge_costs_two_bits_a_sample() {
        let samples: Vec<_> = (0..120).map(|step| (step * 15_000, 42.5_f64.to_bits())).collect();
        let chunk = encode(&samples).seal();
        assert!(chunk.bits.len() <= 8 + 5 + 120 / 4, "{} bytes", chunk.bits.len());
    }

    #[test]
    fn a_range_is_left_open_and_right_closed() {
        let chunk = encode(&[(10, 1), (20, 2), (30, 3), (40, 4)]);
        let within = chunk.samples().within(TimeRange { from: 10, to: 30 });
        assert_eq!(decode(within), [(20, 2), (30, 3)]);
    }

    prop_compose! {
        fn any_samples()(
            start in any::<i32>(),
            steps in prop::collection::vec(
                (
                    prop_oneof![Just(15_000_i64), 1..200_i64, 1..10_000_000_i64, 1..1_i64 << 55],
                    prop_oneof![
                        any::<u64>(),
                        (0..1000_u32).prop_map(|count| f64::from(count).to_bits()),
                        Just(STALE_BITS),
                    ],
                ),
                1..150,
            ),
        ) -> Vec<(Millis, u64)> {
            let mut at = i64::from(start);
            steps.into_iter().map(|(step, bits)| { at += step; (at, bits) }).collect()
        }
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(samples in any_samples()) {
            let open = encode(&samples);
            prop_assert_eq!(open.count(), samples.len());
            prop_assert_eq!(&decode(open.samples()), &samples);
            let sealed = open.seal();
            prop_assert_eq!(sealed.first_at(), samples[0].0);
            prop_assert_eq!(sealed.last_at(), samples[samples.len() - 1].0);
            prop_assert_eq!(&decode(sealed.samples()), &samples);
        }
    }
}
