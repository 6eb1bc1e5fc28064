//! A segment of a log: its content, and how much of that would survive a power failure.

use super::content::Content;
use super::dictionary::Dictionary;
use stormglass_broker_core::ids::Offset;

/// A segment's file, unique over the life of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileId(pub(crate) u32);

/// A segment of a log.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) base: Offset,
    pub(crate) file: FileId,
    pub(crate) content: Content,
    /// Bytes from the start that survive a power failure.
    pub(crate) durable: u64,
    /// End of what has reached the volume, possibly with gaps before it.
    pub(super) reached: u64,
    /// Bytes of a torn batch behind the last whole one.
    pub(crate) torn: u64,
    pub(crate) max_timestamp: i64,
    pub(crate) max_timestamp_offset: Offset,
    /// Wall clock of its last append or cut, ms since the epoch.
    pub(super) modified_ms: i64,
}

impl Segment {
    pub(super) fn new(base: Offset, file: FileId) -> Self {
        Self {
            base,
            file,
            content: Content::default(),
            durable: 0,
            reached: 0,
            torn: 0,
            max_timestamp: -1,
            max_timestamp_offset: base,
            modified_ms: 0,
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        u64::from(self.content.end_position())
    }

    pub(crate) fn len(&self) -> u64 {
        self.bytes() + self.torn
    }

    pub(crate) fn next_offset(&self) -> Offset {
        self.content.next_offset().unwrap_or(self.base)
    }

    pub(super) fn saw(&mut self, max_timestamp: i64, last_offset: Offset) {
        if max_timestamp > self.max_timestamp {
            self.max_timestamp = max_timestamp;
            self.max_timestamp_offset = last_offset;
        }
    }

    pub(super) fn truncate(&mut self, to: Offset, dictionary: &Dictionary) {
        self.content.truncate(to, dictionary);
        self.torn = 0;
        self.durable = self.durable.min(self.bytes());
        self.reached = self.reached.min(self.bytes());
        (self.max_timestamp, self.max_timestamp_offset) = (-1, self.base);
        let largest = self
            .content
            .batches_from(self.base, dictionary)
            .map(|found| (found.max_timestamp(), found.last_offset()))
            .reduce(|best, next| if next.0 > best.0 { next } else { best });
        if let Some((timestamp, offset)) = largest {
            self.saw(timestamp, offset);
        }
    }

    /// Keeps `cut` bytes: whole batches, and the rest of them as a torn one.
    pub(super) fn tear(&mut self, cut: u64, dictionary: &Dictionary) {
        if let Some((offset, position)) = self.content.batch_across(cut, dictionary) {
            self.truncate(offset, dictionary);
            self.torn = cut - u64::from(position);
        }
        self.durable = self.len();
        self.reached = self.durable;
    }
}

pub(super) fn find(segments: &[Segment], base: Offset) -> Option<usize> {
    match segments.last() {
        Some(last) if last.base == base => Some(segments.len() - 1),
        _ => segments.binary_search_by_key(&base, |segment| segment.base).ok(),
    }
}
