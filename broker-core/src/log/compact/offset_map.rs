//! The newest offset of each key in the dirty part (Kafka's `SkimpyOffsetMap`). Where Kafka keeps
//! hashes of keys, whole keys are kept, so that no two are ever taken for one.

use crate::ids::Offset;
use rustc_hash::FxHashMap;

/// Bytes of an entry in Kafka's map: an MD5 hash and an offset.
const ENTRY_BYTES: u64 = 16 + 8;
/// `log.cleaner.io.buffer.load.factor`, percent.
const LOAD_PERCENT: u64 = 90;

/// Keys with offsets, as many as Kafka's buffer of the same size has room for.
#[derive(Debug)]
pub(super) struct OffsetMap {
    /// Looked up only, never iterated.
    offsets: FxHashMap<Box<[u8]>, Offset>,
    capacity: usize,
    latest: Option<Offset>,
}

impl OffsetMap {
    /// Room for at least one key.
    pub(super) fn with_buffer(bytes: u64) -> Self {
        let entries = (bytes / ENTRY_BYTES).saturating_mul(LOAD_PERCENT) / 100;
        let capacity = usize::try_from(entries).unwrap_or(usize::MAX).max(1);
        Self { offsets: FxHashMap::default(), capacity, latest: None }
    }

    /// Notes a key; offsets only go up. Returns false when there is no room for it.
    pub(super) fn put(&mut self, key: &[u8], offset: Offset) -> bool {
        let has_room = self.offsets.len() < self.capacity;
        match self.offsets.get_mut(key) {
            Some(known) => *known = offset,
            None if !has_room => return false,
            None => {
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
