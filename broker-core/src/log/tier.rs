//! A log whose rolled segments go to remote storage (KIP-405): where its local part begins, what is
//! to be copied next, which remote segments belong to its history, and how a replica begins at its
//! leader's local log start. Leaves out the operations on remote storage.

use super::aborted;
use super::epochs::EpochCache;
use super::partition_log::Log;
use super::snapshot;
use crate::ids::{NO_EPOCH, Offset, RemoteSegmentId};
use crate::protocol::AbortedTransaction;
use crate::seam::{DiskOpKind, FileName, RemoteIndexes, RemoteSegment};

/// What a log knows of its part in remote storage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct TierState {
    /// Everything below is in remote storage (Kafka's `highestOffsetInRemoteStorage`, plus one).
    pub(super) remote_end: Offset,
    /// The disk knows that the log may begin before its first segment does. Until then nothing local
    /// is deleted: a restart would take the first segment for the beginning.
    pub(super) is_on_record: bool,
}

/// Where a log starts whose older part is in remote storage.
#[derive(Debug)]
pub(crate) struct TierStart<'a> {
    /// First offset of the local log.
    pub(crate) local_start: Offset,
    /// First offset of the log.
    pub(crate) log_start: Offset,
    /// The segment before the local log.
    pub(crate) segment: &'a RemoteSegment,
    /// Wall clock, ms since the epoch.
    pub(crate) wall_ms: i64,
}

impl Log {
    /// Whether rolled segments go to remote storage.
    #[must_use]
    pub fn is_tiered(&self) -> bool {
        self.config.tiering.is_some()
    }

    /// First offset on the local disk that may be read. Without remote storage the log's first one.
    #[must_use]
    pub fn local_log_start_offset(&self) -> Offset {
        if self.is_tiered() { self.log_start.max(self.oldest().base) } else { self.log_start }
    }

    /// Where the log begins as far as this disk tells, before its topic's configs are known.
    #[must_use]
    pub fn first_local_offset(&self) -> Offset {
        if self.tier.is_on_record { self.log_start.max(self.oldest().base) } else { self.log_start }
    }

    /// Everything below, from the log start on, is in remote storage; 0 when nothing is.
    #[must_use]
    pub fn remote_end_offset(&self) -> Offset {
        self.tier.remote_end
    }

    /// Whether a restart would find that the log may begin in remote storage.
    #[must_use]
    pub fn is_tiering_on_record(&self) -> bool {
        self.tier.is_on_record
    }

    /// The checkpoint of log starts that says so is on disk.
    pub(crate) fn tiering_is_on_record(&mut self) {
        self.tier.is_on_record = true;
    }

    /// Takes stock of what is in remote storage. Segments of other histories do not count
    /// (KAFKA-15241).
    pub(crate) fn note_remote<'a>(&mut self, all: impl Iterator<Item = &'a RemoteSegment>) {
        let ends = all.map(|segment| (segment.base, self.lineage_end(segment)));
        let reached = ends.filter(|(base, end)| end > base).map(|(_, end)| end).max();
        self.tier.remote_end = reached.unwrap_or(0);
    }

    /// The oldest rolled segment that is not in remote storage and lies wholly below `stable`, the
    /// last stable offset (`RLMCopyTask.candidateLogSegments`).
    pub(crate) fn next_to_copy(
        &self,
        stable: Offset,
        id: RemoteSegmentId,
    ) -> Option<RemoteSegment> {
        let rolled = self.segments.len() - 1;
        let first = self.segment_floor(self.tier.remote_end.max(self.log_start));
        let segment = self
            .segments
            .iter()
            .take(rolled)
            .skip(first)
            .find(|segment| segment.bytes > 0 && segment.next_offset > self.tier.remote_end)?;
        // its files are there to be copied once they are on this disk
        if segment.next_offset > stable.min(self.recovery_point()) {
            return None;
        }
        let mut epochs = self.epochs.clone();
        epochs.truncate_from_end(segment.next_offset);
        Some(RemoteSegment {
            id,
            tp: self.tp,
            base: segment.base,
            end: segment.next_offset - 1,
            bytes: segment.bytes,
            max_timestamp: segment.largest_timestamp(),
            epochs: epochs.entries().to_vec(),
            indexes: RemoteIndexes::default(),
        })
    }

    /// Bytes that are on the local disk only (`UnifiedLog.onlyLocalLogSegmentsSize`).
    pub(crate) fn only_local_bytes(&self) -> u64 {
        let local = self.segments.iter().filter(|s| s.next_offset > self.tier.remote_end);
        local.map(|segment| u64::from(segment.bytes)).sum()
    }

    /// First offset at which a remote segment holds no longer what this log has, or had; its base when
    /// it holds nothing of it. Where offset and epoch of a record agree, all before it does.
    pub(crate) fn lineage_end(&self, segment: &RemoteSegment) -> Offset {
        let (mut at, end) = (segment.base.max(self.log_start), segment.end + 1);
        let entries = &segment.epochs;
        while at < end {
            let after = entries.partition_point(|entry| entry.start_offset <= at);
            let theirs = after.checked_sub(1).map_or(NO_EPOCH, |i| entries[i].epoch);
            if theirs == NO_EPOCH || self.epochs.epoch_at(at) != theirs {
                break;
            }
            let their_end = entries.get(after).map_or(end, |next| next.start_offset.min(end));
            let our_end = self.epochs.end_offset_for(theirs, self.next_offset).end_offset;
            if our_end < their_end {
                at = our_end;
                break;
            }
            at = their_end;
        }
        if at == segment.base.max(self.log_start) { segment.base } else { at }
    }

    /// Drops the local log, which goes on after a segment in remote storage, with the epochs and the
    /// producers that belong there (`ReplicaFetcherTierStateMachine.buildRemoteLogAuxState`), but for those
    /// that are idle for too long (`ProducerStateManager.loadFromSnapshot`).
    pub(crate) fn start_after_tier(&mut self, start: &TierStart<'_>, ops: &mut Vec<DiskOpKind>) {
        let TierStart { local_start, log_start, segment, wall_ms } = *start;
        self.truncate_fully_and_start_at(local_start, ops);
        self.log_start = log_start.min(local_start);
        self.epochs = EpochCache::of(&segment.epochs);
        self.epochs.truncate_from_start(self.log_start);
        self.checkpoint_epochs(local_start, ops);
        self.tier.remote_end = local_start;
        let (tp, bytes) = (self.tp, segment.indexes.producers.clone());
        if let Some(found) = snapshot::decode(&bytes).filter(|s| s.offset == local_start) {
            self.producers = found.producers;
            self.expire_producers(wall_ms);
            self.snapshots.push(local_start);
            let file = FileName::ProducerSnapshot(tp, local_start);
            ops.push(DiskOpKind::WriteFile { file, bytes });
        }
    }
}

/// Aborted transactions in the index of a remote segment: those whose markers are at or after
/// `reached`, with records at or after `from` and below `upto`. Returns whether later ones cannot have
/// any.
pub(crate) fn aborted_in(
    segment: &RemoteSegment,
    (reached, from, upto): (Offset, Offset, Offset),
    found: &mut Vec<AbortedTransaction>,
) -> bool {
    for entry in aborted::decode(&segment.indexes.aborted) {
        let is_new = entry.last_offset >= reached;
        if is_new && entry.last_offset >= from && entry.first_offset < upto {
            let (producer_id, first_offset) = (entry.producer_id, entry.first_offset);
            found.push(AbortedTransaction { producer_id, first_offset });
        }
        if entry.last_stable_offset >= upto {
            return true;
        }
    }
    false
}
