//! What the records of a bench carry: a stamp by which a consumer knows them, and bytes that compress
//! as the plan says.

use stormglass_scenarios::plan::SizeDist;
use stormglass_sim::rng::Stream;

/// Who a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Of the run.
    pub(crate) run: u64,
    /// Of the record, unique in the run.
    pub(crate) tag: u64,
}

const MAGIC: [u8; 8] = *b"STORMGLS";

impl Stamp {
    /// Length, bytes.
    pub(crate) const BYTES: usize = 24;

    /// Whether every record has room for it.
    pub(crate) fn fits(size: SizeDist) -> bool {
        let least = match size {
            SizeDist::Fixed { bytes } => bytes,
            SizeDist::Uniform { min_bytes, .. } => min_bytes,
        };
        least as usize >= Self::BYTES + KEY_BYTES
    }

    fn write(self, value: &mut [u8]) {
        let Some(place) = value.get_mut(..Self::BYTES) else { return };
        place[..8].copy_from_slice(&MAGIC);
        place[8..16].copy_from_slice(&self.run.to_be_bytes());
        place[16..].copy_from_slice(&self.tag.to_be_bytes());
    }

    /// Of a value; `None` when it has none.
    pub(crate) fn read(value: &[u8]) -> Option<Self> {
        let (magic, rest) = value.get(..Self::BYTES)?.split_at(8);
        let number = |bytes: &[u8]| bytes.try_into().map(u64::from_be_bytes).ok();
        (magic == MAGIC)
            .then(|| Some(Self { run: number(&rest[..8])?, tag: number(&rest[8..])? }))
            .flatten()
    }
}

/// Length of a key, bytes.
pub(crate) const KEY_BYTES: usize = 4;

/// Values of records: random up to the share that the plan leaves after compression, zeros behind it.
#[derive(Debug)]
pub(crate) struct Values {
    bytes: Vec<u8>,
}

impl Values {
    /// For values of up to `longest` bytes.
    pub(crate) fn new(longest: usize, compression_permille: u32, stream: &mut Stream) -> Self {
        let random = longest * compression_permille.min(1000) as usize / 1000;
        let drawn = std::iter::repeat_with(|| stream.next_u64().to_be_bytes()).flatten();
        let bytes = drawn.take(random).chain(std::iter::repeat(0)).take(longest);
        Self { bytes: bytes.collect() }
    }

    /// The value of a record.
    pub(crate) fn stamped(&mut self, len: usize, stamp: Stamp) -> &[u8] {
        let len = len.min(self.bytes.len());
        stamp.write(&mut self.bytes[..len]);
        &self.bytes[..len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stormglass_sim::rng::Streams;

    #[test]
    fn a_stamp_is_found_where_there_is_room() {
        let mut stream = Streams::new(7).stream("t", "values");
        let mut values = Values::new(1000, 500, &mut stream);
        let stamp = Stamp { run: 9, tag: 1 << 40 | 3 };
        assert_eq!(Stamp::read(values.stamped(1000, stamp)), Some(stamp));
        assert_eq!(Stamp::read(values.stamped(24, stamp)), Some(stamp));
        assert_eq!(Stamp::read(values.stamped(23, stamp)), None);
        assert_eq!(Stamp::read(b"STORMGLS"), None);
        let zeros = values.bytes.iter().filter(|byte| **byte == 0).count();
        assert!((500..520).contains(&zeros), "half of it compresses: {zeros}");
    }
}
