//! The newest offset of each key in the dirty part (Kafka's `SkimpyOffsetMap`). Where Kafka keeps
//! hashes of keys, whole keys are kept, so that no two are ever taken for one.

use crate::ids::Offset;
use rustc_hash::FxHashMap;

/// Bytes that Kafka's map has for any key: an MD5 hash.
const HASH_BYTES: usize = 16;
/// Bytes of an entry besides its key: the offset, and what the map needs to find both (a pointer, a
/// length, the allocator's word, and slots that are empty).
const ENTRY_BYTES: u64 = 8 + 32;
/// `log.cleaner.io.buffer.load.factor`, percent.
const LOAD_PERCENT: u64 = 90;

/// Keys with offsets, as many as fit the buffer. A pass over what has more of them ends earlier, and
/// the next one goes on.
#[derive(Debug)]
pub(super) struct OffsetMap {
    /// Looked up only, never iterated.
    offsets: FxHashMap<Box<[u8]>, Offset>,
    free_bytes: u64,
    latest: Option<Offset>,
}

impl OffsetMap {
    /// Room for at least one key, whatever its length: each pass gets further.
    pub(super) fn with_buffer(bytes: u64) -> Self {
        let free_bytes = bytes / 100 * LOAD_PERCENT + bytes % 100 * LOAD_PERCENT / 100;
        Self { offsets: FxHashMap::default(), free_bytes, latest: None }
    }

    /// Notes a key; offsets only go up. Returns false when there is no room for it.
    pub(super) fn put(&mut self, key: &[u8], offset: Offset) -> bool {
        let bytes = key.len().max(HASH_BYTES) as u64 + ENTRY_BYTES;
        let has_room = bytes <= self.free_bytes || self.offsets.is_empty();
        match self.offsets.get_mut(key) {
            Some(known) => *known = offset,
            None if !has_room => return false,
            None => {
                self.free_bytes = self.free_bytes.saturating_sub(bytes);
                self.offsets.insert(key.into(), offset);
            }
        }
        self.note_read(offset);
        true
    }

    /// Everything up to an offset, itself included, is known.
    pub(super) fn note_read(&mut self, offset: Offset) {
        self.latest = self.latest.max(Some(offset));
    }

    /// Offset up to which everything is known; `None` before the first record.
    pub(super) fn latest(&self) -> Option<Offset> {
        self.latest
    }

    /// Whether a record of a later offset has the same key.
    pub(super) fn has_newer(&self, key: &[u8], offset: Offset) -> bool {
        self.offsets.get(key).is_some_and(|newest| *newest > offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys_taken(buffer_bytes: u64, key_bytes: usize) -> usize {
        let mut map = OffsetMap::with_buffer(buffer_bytes);
        let key = |number: usize| {
            let mut key = vec![0; key_bytes];
            key[..4].copy_from_slice(&u32::try_from(number).unwrap().to_be_bytes());
            key
        };
        (0..10_000).take_while(|number| map.put(&key(*number), *number as Offset)).count()
    }

    #[test]
    fn the_buffer_is_filled_by_bytes_and_takes_any_first_key() {
        assert_eq!(keys_taken(100_000, 4), 90_000 / 56);
        assert_eq!(keys_taken(100_000, 16), 90_000 / 56);
        assert_eq!(keys_taken(100_000, 10_000), 8);
        assert_eq!(keys_taken(100_000, 1 << 20), 1);
        assert_eq!(keys_taken(0, 4), 1);
        let mut map = OffsetMap::with_buffer(0);
        assert!(map.put(b"a", 1) && map.put(b"a", 2) && !map.put(b"b", 3));
        assert_eq!((map.latest(), map.has_newer(b"a", 1)), (Some(2), true));
    }
}
