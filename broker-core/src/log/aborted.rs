//! Transactions that were aborted, as readers of committed records must know them (Kafka's
//! `TransactionIndex`). Kept in memory for the whole log; each segment's part is written beside it
//! as `.txnindex`, in Kafka's format, when the segment is rolled or the log is closed. What a crash
//! loses of it is read back from the batches and written again, before the segment is trusted.

use super::partition_log::Log;
use crate::ids::Offset;
use crate::protocol::AbortedTransaction;
use crate::seam::{DiskOpKind, FileName};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use std::collections::BTreeMap;

/// Version of an entry.
const VERSION: i16 = 0;
/// Bytes of an entry.
const ENTRY_BYTES: usize = 2 + 4 * 8;

/// An aborted transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Aborted {
    /// Producer.
    pub(crate) producer_id: i64,
    /// Offset of its first record here.
    pub(crate) first_offset: Offset,
    /// Offset of its marker.
    pub(crate) last_offset: Offset,
    /// Last stable offset once it had ended: transactions that end later begin there or after it.
    pub(crate) last_stable_offset: Offset,
}

/// Encodes the entries of one segment.
pub(crate) fn encode(entries: &[Aborted]) -> Bytes {
    let mut out = BytesMut::with_capacity(entries.len() * ENTRY_BYTES);
    for entry in entries {
        out.put_i16(VERSION);
        out.put_i64(entry.producer_id);
        out.put_i64(entry.first_offset);
        out.put_i64(entry.last_offset);
        out.put_i64(entry.last_stable_offset);
    }
    out.freeze()
}

/// Decodes the entries of one segment, up to the first that makes no sense.
pub(crate) fn decode(mut bytes: &[u8]) -> Vec<Aborted> {
    let mut entries: Vec<Aborted> = Vec::new();
    while bytes.len() >= ENTRY_BYTES {
        let version = bytes.get_i16();
        let entry = Aborted {
            producer_id: bytes.get_i64(),
            first_offset: bytes.get_i64(),
            last_offset: bytes.get_i64(),
            last_stable_offset: bytes.get_i64(),
        };
        let goes_up = entries.last().is_none_or(|last| last.last_offset < entry.last_offset);
        if version != VERSION || entry.first_offset > entry.last_offset || !goes_up {
            break;
        }
        entries.push(entry);
    }
    entries
}

impl Log {
    /// Aborted transactions with records at or after `from` and below `upto`, by marker.
    #[must_use]
    pub fn aborted_transactions(&self, from: Offset, upto: Offset) -> Vec<AbortedTransaction> {
        let all = self.producers.aborted();
        let first = all.partition_point(|entry| entry.last_offset < from);
        let mut found = Vec::new();
        for entry in &all[first..] {
            if entry.first_offset < upto {
                let Aborted { producer_id, first_offset, .. } = *entry;
                found.push(AbortedTransaction { producer_id, first_offset });
            }
            if entry.last_stable_offset >= upto {
                break;
            }
        }
        found
    }

    /// Writes the index of the active segment, or deletes one that is no longer true. Whether it writes.
    pub(super) fn push_txn_index(&mut self, ops: &mut Vec<DiskOpKind>) -> bool {
        let base = self.active().base;
        let all = self.producers.aborted();
        let own = &all[all.partition_point(|entry| entry.last_offset < base)..];
        let known = self.txn_indexes.last() == Some(&base);
        let file = FileName::TransactionIndex(self.tp, base);
        if !own.is_empty() {
            ops.push(DiskOpKind::WriteFile { file, bytes: encode(own) });
            if !known {
                self.txn_indexes.push(base);
            }
        } else if known {
            ops.push(DiskOpKind::DeleteFile { file });
            self.txn_indexes.pop();
        }
        !own.is_empty()
    }

    /// Writes the indexes of sealed segments that are not what their batches say: power took them, or
    /// they are of batches that were cut. The active one's is written when it is rolled. `found` is
    /// what the disk has.
    pub(super) fn mend_txn_indexes(
        &mut self,
        found: &BTreeMap<Offset, Bytes>,
        ops: &mut Vec<DiskOpKind>,
    ) {
        let bases: Vec<Offset> = self.segments.iter().map(|segment| segment.base).collect();
        for sealed in bases.windows(2) {
            let (base, next) = (sealed[0], sealed[1]);
            let all = self.producers.aborted();
            let from = all.partition_point(|entry| entry.last_offset < base);
            let upto = all.partition_point(|entry| entry.last_offset < next);
            let (own, before) = (&all[from..upto], found.get(&base));
            let file = FileName::TransactionIndex(self.tp, base);
            if own.is_empty() {
                if before.is_some() {
                    ops.push(DiskOpKind::DeleteFile { file });
                    self.txn_indexes.retain(|known| *known != base);
                }
                continue;
            }
            let bytes = encode(own);
            if before == Some(&bytes) {
                continue;
            }
            ops.push(DiskOpKind::WriteFile { file, bytes });
            if let Err(at) = self.txn_indexes.binary_search(&base) {
                self.txn_indexes.insert(at, base);
            }
            self.txn_indexes_under_way.push(base);
        }
    }

    /// The log ends in its active segment: indexes of later ones go.
    pub(super) fn drop_later_txn_indexes(&mut self, ops: &mut Vec<DiskOpKind>) {
        let base = self.active().base;
        self.txn_indexes_under_way.retain(|index| *index < base);
        while let Some(later) = self.txn_indexes.pop_if(|index| *index > base) {
            let file = FileName::TransactionIndex(self.tp, later);
            ops.push(DiskOpKind::DeleteFile { file });
        }
    }

    /// Segments before the oldest one are gone, and with them what was aborted there.
    pub(super) fn drop_old_txn_indexes(&mut self, ops: &mut Vec<DiskOpKind>) {
        let base = self.oldest().base;
        self.producers.forget_aborted_below(base);
        let count = self.txn_indexes.partition_point(|index| *index < base);
        for index in self.txn_indexes.drain(..count) {
            let file = FileName::TransactionIndex(self.tp, index);
            ops.push(DiskOpKind::DeleteFile { file });
        }
    }

    /// All segments are gone.
    pub(super) fn drop_txn_indexes(&mut self, ops: &mut Vec<DiskOpKind>) {
        for index in self.txn_indexes.drain(..) {
            let file = FileName::TransactionIndex(self.tp, index);
            ops.push(DiskOpKind::DeleteFile { file });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_read_back_up_to_the_first_bad_one() {
        let entry = |last_offset| Aborted {
            producer_id: 9,
            first_offset: last_offset - 3,
            last_offset,
            last_stable_offset: last_offset + 1,
        };
        let entries = [entry(10), entry(20)];
        let bytes = encode(&entries);
        assert_eq!(bytes.len(), 68);
        assert_eq!(decode(&bytes), entries);
        assert_eq!(decode(&bytes[..67]), entries[..1]);
        assert_eq!(decode(&encode(&[entry(10), entry(9)])), entries[..1]);
    }
}
