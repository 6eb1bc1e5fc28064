//! Retention of a log as a whole, where its oldest part is in remote storage
//! (`RLMExpirationTask.cleanupExpiredRemoteLogSegments`): the log start moves first, then segments
//! are deleted. A deletion that failed is tried again by the next run of the log's task.

use super::{Op, RemoteLog};
use crate::ids::{Offset, RemoteSegmentId, TopicPartition};
use crate::log::Log;
use crate::replica::ReplicaManager;
use crate::seam::{RemoteOpKind, RemoteResult, TraceEvent};
use crate::step::{Owner, Step};

/// What is too old or too much.
#[derive(Debug, Default, PartialEq, Eq)]
struct Expired {
    /// Of the log, with their last offsets.
    segments: Vec<(RemoteSegmentId, Offset)>,
    /// Where the log starts then, if it is deleted for its age or size.
    log_start: Option<Offset>,
    /// What nobody reads: below the log, or of histories that ended before it begins.
    unreferenced: Vec<RemoteSegmentId>,
}

impl RemoteLog {
    fn expired(&self, log: &Log, wall_ms: i64) -> Expired {
        let config = log.config();
        let own = |end: Offset, base: Offset| end > base;
        let all = self.segments.iter().map(|segment| (segment, log.lineage_end(segment)));
        let (lineage, others): (Vec<_>, Vec<_>) =
            all.partition(|(segment, end)| own(*end, segment.base));
        let remote: u64 = lineage.iter().map(|(segment, _)| u64::from(segment.bytes)).sum();
        let total = remote + log.only_local_bytes();
        let mut excess = config.retention_bytes.map_or(0, |limit| total.saturating_sub(limit));
        let mut expired = Expired::default();
        for (segment, _) in lineage {
            let age_ms = wall_ms.saturating_sub(segment.max_timestamp);
            let too_old = segment.max_timestamp >= 0
                && config.retention_ms.is_some_and(|limit| age_ms >= limit);
            let too_much = excess > 0 && excess >= u64::from(segment.bytes);
            if !(too_old || too_much || segment.end < log.log_start_offset()) {
                break;
            }
            excess = excess.saturating_sub(u64::from(segment.bytes));
            expired.segments.push((segment.id, segment.end));
            expired.log_start = expired.log_start.max(Some(segment.end + 1));
        }
        let first_epoch = log.epoch_entries().first().map_or(0, |entry| entry.epoch);
        let unreferenced = others.iter().filter(|(segment, _)| {
            segment.end < log.log_start_offset() || segment.last_epoch() < first_epoch
        });
        expired.unreferenced.extend(unreferenced.map(|(segment, _)| segment.id));
        expired
    }
}

impl ReplicaManager {
    /// A leader that does not know how far its predecessor deleted starts its log where remote
    /// storage does (KAFKA-15351), also where its own disk begins earlier
    /// (`RemoteLogManager.findLogStartOffset`): what is below was deleted, is never copied again, and would
    /// be nowhere once local retention takes it from this disk. As far as its high watermark lets it: the rest
    /// is left for later.
    pub(super) fn raise_to_remote_start(&mut self, step: &mut Step<'_>, slot: u32) {
        let Self { tier: Some(tier), partitions, .. } = self else { return };
        let Some(partition) = partitions.get(slot as usize).and_then(Option::as_ref) else {
            return;
        };
        let Some(remote) = tier.logs.get_mut(&slot) else { return };
        let log = &partition.log;
        let own = |base: Offset, end: Offset| end > base;
        let bases = remote.segments.iter().filter(|s| own(s.base, log.lineage_end(s)));
        let first = bases.map(|segment| segment.base).min();
        let start = first.unwrap_or_else(|| log.local_log_start_offset());
        remote.start_pending = start > partition.high_watermark;
        self.raise_log_start(step, slot, start);
    }

    /// Deletes remote segments that are too old, or too much, once the log starts above them: that of a new
    /// leader may not for now, as its high watermark is behind (found by hunting with remote storage).
    pub(super) fn expire_remote(&mut self, step: &mut Step<'_>, slot: u32) {
        let Self { tier: Some(tier), partitions, .. } = self else { return };
        let Some(partition) = partitions.get(slot as usize).and_then(Option::as_ref) else {
            return;
        };
        let Some(remote) = tier.logs.get(&slot) else { return };
        let tp = remote.tp;
        let expired = remote.expired(&partition.log, step.wall_ms);
        if let Some(start) = expired.log_start {
            self.raise_log_start(step, slot, start);
        }
        let reached = self.partition(slot).map_or(0, |partition| partition.log.log_start_offset());
        let Some(tier) = &mut self.tier else { return };
        let passed = expired.segments.into_iter().filter(|(_, end)| *end < reached);
        for segment in passed.map(|(id, _)| id).chain(expired.unreferenced) {
            let is_new = tier.logs.get_mut(&slot).is_some_and(|log| log.deleting.insert(segment));
            if is_new {
                let id = step.remote(Owner::Remote, RemoteOpKind::Delete { segment });
                tier.ops.insert(id.0, Op::Delete { slot, tp, segment });
            }
        }
    }

    fn raise_log_start(&mut self, step: &mut Step<'_>, slot: u32, to: Offset) {
        let Some(partition) = self.partition_mut(slot) else { return };
        let to = to.min(partition.high_watermark);
        let mut ops = Vec::new();
        if !partition.log.advance_log_start(to, &mut ops) {
            return;
        }
        let tp = partition.tp;
        step.trace(TraceEvent::LogStart { tp, offset: to });
        for kind in ops {
            self.carry_out(step, kind);
        }
        self.wake_watchers(slot);
    }

    /// A deletion has ended.
    pub(super) fn deleted(
        &mut self,
        step: &mut Step<'_>,
        (slot, tp): (u32, TopicPartition),
        segment: RemoteSegmentId,
        result: &RemoteResult,
    ) {
        let Some(log) = self.remote_log(slot, tp) else { return };
        log.deleting.remove(&segment);
        if matches!(result, RemoteResult::Done) {
            log.segments.retain(|known| known.id != segment);
            step.trace(TraceEvent::Mark("remote-segment-deleted"));
        }
    }
}
