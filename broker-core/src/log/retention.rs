//! Deleting the oldest segments: by age, by size, and below a log start that was moved (Kafka's
//! `deleteOldSegments`). Where older segments go to remote storage, local retention decides here what
//! leaves the disk; what is there stays part of the log.

use super::partition_log::Log;
use super::segment::Segment;
use crate::ids::Offset;
use crate::plant::{Plant, planted};
use crate::records::Records;
use crate::seam::DiskOpKind;

/// What is too old, too much, or below the log start.
#[derive(Default)]
struct Expired {
    /// How many of the first segments may go.
    count: usize,
    /// The active one is too old or too much, too, as the first of those that stay: it is not in remote storage yet.
    is_active_kept: bool,
}

impl Log {
    /// Deletes segments that are too old, too many, or below the log start, but nothing at or above
    /// the high watermark. An expired active segment is rolled first. Returns the new log start if
    /// it has moved; the move comes before the deletion (LOG-20). Of a log with remote storage,
    /// nothing goes that is not there, and its start stays; its active segment is rolled, so that it is copied, and
    /// goes later (KAFKA-15047). Not for a log that was loaded and whose topic's configs are not known yet.
    pub fn retention(
        &mut self,
        wall_ms: i64,
        high_watermark: Offset,
        ops: &mut Vec<DiskOpKind>,
    ) -> Option<Offset> {
        let Expired { count, is_active_kept } = self.expired_segments(wall_ms, high_watermark);
        if is_active_kept || count == self.segments.len() {
            self.roll(ops);
        }
        if is_active_kept {
            self.create_active_file(ops);
        }
        if count == 0 {
            return None;
        }
        if self.is_tiered() {
            self.delete_first(count, ops);
            return None;
        }
        let new_start = self.segments[count].base;
        let moved = new_start > self.log_start;
        if !planted(self.config.plant, Plant::StartStaysBehind) {
            self.log_start = self.log_start.max(new_start);
        }
        self.delete_first(count, ops);
        let trim = match planted(self.config.plant, Plant::EpochTrimOneOff) {
            true => self.log_start + 1,
            false => self.log_start,
        };
        self.trim_epochs(trim, ops);
        moved.then_some(self.log_start)
    }

    /// Raises the log start: records below are no longer readable, and segments wholly below are
    /// deleted. Beyond the log's end, the log is emptied and goes on at `to`. Returns whether the
    /// log start moved.
    pub fn advance_log_start(&mut self, to: Offset, ops: &mut Vec<DiskOpKind>) -> bool {
        if to <= self.log_start {
            return false;
        }
        if to > self.next_offset {
            self.truncate_fully_and_start_at(to, ops);
            return true;
        }
        self.log_start = to;
        let count = self.segment_floor(to);
        if count > 0 {
            self.delete_first(count, ops);
        }
        self.trim_epochs(to, ops);
        true
    }

    /// Forgets the epochs of deleted records. Of what is left nothing new is said.
    fn trim_epochs(&mut self, start: Offset, ops: &mut Vec<DiskOpKind>) {
        if self.epochs.truncate_from_start(start) {
            self.checkpoint_epochs(Offset::MAX, ops);
        }
    }

    /// What may go.
    fn expired_segments(&self, wall_ms: i64, high_watermark: Offset) -> Expired {
        let (limit_bytes, limit_ms) = self.retention_limits();
        let mut excess = match limit_bytes {
            Some(limit) => self.size_bytes().saturating_sub(limit),
            None => 0,
        };
        let mut expired = Expired::default();
        for (index, segment) in self.segments.iter().enumerate() {
            let next = self.segments.get(index + 1);
            let end = next.map_or(self.next_offset, |next| next.base);
            // an append in flight still needs its segment
            let is_open = end > high_watermark
                && !planted(self.config.plant, Plant::RetentionPassesHighWatermark);
            if segment.bytes == 0 || is_open || end > self.log_end {
                break;
            }
            let one_more = planted(self.config.plant, Plant::RetentionOneMore);
            let too_much = excess > 0 && (one_more || excess >= u64::from(segment.bytes));
            let below_start = end <= self.log_start;
            if !(too_much || below_start || is_too_old(segment, wall_ms, limit_ms)) {
                break;
            }
            if !below_start && self.is_needed_here(end) {
                expired.is_active_kept = next.is_none();
                break;
            }
            excess = excess.saturating_sub(u64::from(segment.bytes));
            expired.count = index + 1;
        }
        expired
    }

    /// By size, bytes, and by age, ms: of the local part, where there is a remote one.
    fn retention_limits(&self) -> (Option<u64>, Option<i64>) {
        match &self.config.tiering {
            Some(local) => (local.local_retention_bytes, local.local_retention_ms),
            None => (self.config.retention_bytes, self.config.retention_ms),
        }
    }

    /// Whether records below `end` are nowhere but here, or a restart would not find them elsewhere: without
    /// them nothing but the checkpoint tells their epochs (hunt seed 7013344).
    fn is_needed_here(&self, end: Offset) -> bool {
        let is_elsewhere = self.tier.is_on_record && end <= self.epochs_written_below();
        self.is_tiered() && (end > self.tier.remote_end || !is_elsewhere)
    }

    /// An `Append` of nothing creates it.
    fn create_active_file(&self, ops: &mut Vec<DiskOpKind>) {
        let (tp, segment) = (self.tp, self.active().base);
        ops.push(DiskOpKind::Append { tp, segment, records: Records::default() });
    }

    fn delete_first(&mut self, count: usize, ops: &mut Vec<DiskOpKind>) {
        self.revision += 1;
        let segments: Vec<Offset> =
            self.segments.drain(..count).map(|segment| segment.base).collect();
        if self.oldest().bytes == 0 {
            // the file's name is all that keeps the log's end, and a roll or a cut has made none yet
            self.create_active_file(ops);
        }
        let start = self.oldest().base;
        self.recovery_point = self.recovery_point.max(start);
        while let Some(sync) = self.syncs.pop_front_if(|sync| sync.segment < start) {
            // it may stand for later ones that are done (hunt seed 7010504)
            self.recovery_point = self.recovery_point.max(sync.confirms);
        }
        self.txn_indexes_under_way.retain(|base| !segments.contains(base));
        ops.push(DiskOpKind::DeleteSegments { tp: self.tp, segments });
        self.drop_old_snapshots(ops);
        self.drop_old_txn_indexes(ops);
    }
}

fn is_too_old(segment: &Segment, wall_ms: i64, limit_ms: Option<i64>) -> bool {
    let age_ms = wall_ms.saturating_sub(segment.largest_timestamp());
    limit_ms.is_some_and(|limit| age_ms > limit)
}
