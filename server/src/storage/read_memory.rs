//! Memory that records take from the moment they are read until they are with whoever asked. Kafka
//! sends them from the file, so a client that does not read its answer costs it nothing; here it
//! would cost the answer. A client has one answer under way at a time, and none gets more than a share
//! of what is left; when nothing is, reads are short, so that everybody still gets on: clients,
//! followers, coordinators and the cleaner.

use bytes::Bytes;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes under way at most, but for short reads. A quarter of Kafka's usual heap.
const BYTES_MAX: usize = 256 << 20;
/// The part of what is left that one read may take.
const SHARE: usize = 8;
/// Bytes of a short read: one batch of the default `message.max.bytes` would take as much.
const SHORT: usize = 1 << 20;

static BYTES: AtomicUsize = AtomicUsize::new(0);

#[cfg(test)]
std::thread_local! {
    /// How much each read of this thread was.
    static LENGTHS: std::cell::RefCell<Vec<usize>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// How much each read of this thread was since this was last called.
#[cfg(test)]
pub(super) fn take_lengths() -> Vec<usize> {
    LENGTHS.take()
}

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
    #[cfg(test)]
    LENGTHS.with_borrow_mut(|lengths| lengths.push(bytes.len()));
    BYTES.fetch_add(bytes.len(), Ordering::Relaxed);
    Bytes::from_owner(Counted { bytes })
}

/// How much a read may return that asks for so much, bytes.
pub(super) fn allowed(wanted: u32) -> u32 {
    let left = BYTES_MAX.saturating_sub(BYTES.load(Ordering::Relaxed));
    wanted.min(u32::try_from((left / SHARE).max(SHORT)).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_get_short_while_their_answers_are_held() {
        const WANTED: u32 = 55 << 20;
        let short = u32::try_from(SHORT).unwrap();
        assert_eq!(allowed(1000), 1000);
        let five: Vec<Bytes> = (0..5).map(|_| count(vec![0; allowed(WANTED) as usize])).collect();
        assert!(allowed(WANTED) > 10 << 20, "clients that do not read leave something to others");
        let rest = count(vec![0; BYTES_MAX / 2]);
        let held: Vec<Bytes> = five.iter().chain([&rest]).map(|bytes| bytes.slice(..1)).collect();
        drop((five, rest));
        assert_eq!(allowed(WANTED), short);
        assert_eq!(allowed(1000), 1000);
        drop(held);
        assert!(allowed(WANTED) > 10 << 20);
    }
}
