//! Memory that records take from the moment they are read until they are with whoever asked. Kafka
//! sends them from the file, so a client that does not read its answer costs it nothing; here it
//! would cost the answer. When too much is under way in the process, reads get short: they return a
//! batch each, so that everybody still gets on.

use bytes::Bytes;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes under way at most, but for a batch per read. A quarter of Kafka's usual heap.
const BYTES_MAX: usize = 256 << 20;

static BYTES: AtomicUsize = AtomicUsize::new(0);

/// Bytes that count until nobody has a slice of them.
struct Counted {
    bytes: Vec<u8>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        BYTES.fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}

/// Makes bytes that were read count.
pub(super) fn count(bytes: Vec<u8>) -> Bytes {
    BYTES.fetch_add(bytes.len(), Ordering::Relaxed);
    Bytes::from_owner(Counted { bytes })
}

/// How much a read may return that asks for so much, bytes.
pub(super) fn allowed(wanted: u32) -> u32 {
    let left = BYTES_MAX.saturating_sub(BYTES.load(Ordering::Relaxed));
    wanted.min(u32::try_from(left).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_get_short_while_their_answers_are_held() {
        assert_eq!(allowed(1000), 1000);
        let held: Vec<Bytes> = (0..4).map(|_| count(vec![0; BYTES_MAX / 4])).collect();
        let slices: Vec<Bytes> = held.iter().map(|bytes| bytes.slice(..1)).collect();
        drop(held);
        assert_eq!(allowed(1000), 0);
        drop(slices);
        assert_eq!(allowed(1000), 1000);
    }
}
