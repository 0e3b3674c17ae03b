//! A string of bits that grows at its end, and its reader; most significant bit first.

/// Bits that are appended.
#[derive(Clone, Debug, Default)]
pub(super) struct Bits {
    bytes: Vec<u8>,
    /// Unused low bits of the last byte.
    free: u8,
}

impl Bits {
    /// Appends the lowest `count` bits of `value`, at most 64.
    pub(super) fn push(&mut self, value: u64, count: u32) {
        let mut left = count;
        while 0 < left {
            if self.free == 0 {
                self.bytes.push(0);
                self.free = 8;
            }
            let take = left.min(u32::from(self.free));
            let part = (value >> (left - take)).to_le_bytes()[0] & (0xff >> (8 - take));
            if let Some(last) = self.bytes.last_mut() {
                *last |= part << (u32::from(self.free) - take);
            }
            self.free -= take.to_le_bytes()[0];
            left -= take;
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn into_bytes(self) -> Box<[u8]> {
        self.bytes.into_boxed_slice()
    }
}

/// A place in a string of bits.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// Reads `count` bits, 1 to 64; `None` behind the end.
    pub(super) fn read(&mut self, count: u32) -> Option<u64> {
        let offset = self.position % 8;
        let tail = self.bytes.get(self.position / 8..)?;
        let wanted = usize::try_from(count).ok()?;
        let mut window = [0_u8; 16];
        let taken = tail.len().min(9);
        window.get_mut(..taken)?.copy_from_slice(tail.get(..taken)?);
        if taken * 8 < offset + wanted {
            return None;
        }
        self.position += wanted;
        let bits = u128::from_be_bytes(window) << offset >> (128 - wanted);
        u64::try_from(bits).ok()
    }

    pub(super) fn read_bit(&mut self) -> Option<bool> {
        let byte = self.bytes.get(self.position / 8)?;
        let bit = byte >> (7 - self.position % 8) & 1;
        self.position += 1;
        Some(bit == 1)
    }
}
