//! Remote storage (KIP-405): rolled segments are copied there by their leader, deleted there when the
//! whole log's retention says so, and read from there by consumers that are far behind. Follows
//! `kafka.log.remote.RemoteLogManager` without its threads. What differs:
//!
//! - Metadata comes from a store that is strongly consistent ([`RemoteOpKind::List`]), once when a
//!   leader epoch begins and then once per task interval. Kafka follows a topic.
//! - A copy that was begun and never finished leaves no trace in the metadata.
//! - Quotas for copies and reads (KIP-956) are left out, and so is `remote.log.copy.disable`.

mod copy;
mod expire;
mod fetch;
mod rebuild;
#[cfg(test)]
mod tests;
mod views;

pub(super) use fetch::RemoteRead;

use super::ReplicaManager;
use crate::config::ServerConfig;
use crate::ids::{DiskOpId, Offset, RemoteOpId, RemoteSegmentId, TopicPartition};
use crate::log::Log;
use crate::seam::{
    FileName, RemoteError, RemoteOpKind, RemoteResult, RemoteSegment, TimerKey, TraceEvent,
};
use crate::step::{Owner, Step};
use copy::Copies;
use fetch::RemoteFetches;
use rebuild::Rebuild;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Everything about remote storage. Only there with `remote.log.storage.system.enable`.
#[derive(Debug, Default)]
pub(super) struct Tier {
    /// Logs with a part in remote storage, by slot.
    logs: BTreeMap<u32, RemoteLog>,
    /// Operations under way, and whose.
    ops: BTreeMap<u64, Op>,
    copies: Copies,
    fetches: RemoteFetches,
    rebuilds: BTreeMap<u32, Rebuild>,
    /// The write that puts on record which logs may begin in remote storage, and these logs.
    recording: Option<(DiskOpId, Vec<TopicPartition>)>,
    /// Segments that this process has named.
    named: u64,
}

/// What remote storage has of one log.
#[derive(Debug)]
struct RemoteLog {
    tp: TopicPartition,
    /// As listed last, with what this leader copied and deleted since; in order of base offsets.
    segments: Vec<Arc<RemoteSegment>>,
    /// Whether they were listed since the leader epoch began.
    is_listed: bool,
    /// The leader's log is to start where they do, and could not yet: its high watermark was behind.
    start_pending: bool,
    /// A list is under way, and whether another one is wanted after it.
    listing: Option<Again>,
    copying: bool,
    deleting: BTreeSet<RemoteSegmentId>,
}

/// Whether to list once more.
type Again = bool;

/// An operation under way.
#[derive(Debug)]
enum Op {
    List {
        slot: u32,
        tp: TopicPartition,
    },
    Copy {
        slot: u32,
        tp: TopicPartition,
    },
    Delete {
        slot: u32,
        tp: TopicPartition,
        segment: RemoteSegmentId,
    },
    DeletePartition,
    Read {
        fetch: u64,
    },
    /// A follower that begins anew lists what is before its leader's local log, or asks the leader.
    Rebuild {
        slot: u32,
    },
}

impl Tier {
    /// With remote storage, if there is any.
    pub(super) fn new(server: &ServerConfig) -> Option<Box<Self>> {
        server.remote_log_storage_system_enable.then(Box::default)
    }
}

impl RemoteLog {
    fn new(tp: TopicPartition) -> Self {
        Self {
            tp,
            segments: Vec::new(),
            is_listed: false,
            start_pending: false,
            listing: None,
            copying: false,
            deleting: BTreeSet::new(),
        }
    }

    /// The segment that holds an offset, or the first one after it.
    fn find(&self, log: &Log, offset: Offset) -> Option<(&Arc<RemoteSegment>, Offset)> {
        let ends = self.segments.iter().map(|segment| (segment, log.lineage_end(segment)));
        let candidates = ends.filter(|(segment, end)| *end > segment.base && *end > offset);
        // of two copies of the same records, any will do: the one that goes furthest
        candidates.min_by_key(|(segment, end)| (segment.base.max(offset), -*end))
    }
}

impl ReplicaManager {
    /// Arms the timer for copies and deletions.
    pub(super) fn arm_tier(&self, step: &mut Step<'_>) {
        if self.tier.is_some() {
            let every = self.config.server.remote_log_manager_task_interval;
            step.timer(step.now + every, TimerKey::RemoteLog);
        }
    }

    /// A topic's configs may have changed: where nothing was remote before, something may be now.
    pub(super) fn tiering_may_begin(&mut self, step: &mut Step<'_>, slot: u32) {
        let is_tiered = self.partition(slot).is_some_and(|p| p.log.is_tiered());
        let was = self.tier.as_ref().is_some_and(|tier| tier.logs.contains_key(&slot));
        if is_tiered != was {
            self.note_tiering(step, slot);
        }
    }

    /// A replica may have come, or changed its role.
    pub(super) fn note_tiering(&mut self, step: &mut Step<'_>, slot: u32) {
        let Self { tier: Some(tier), partitions, .. } = self else { return };
        let Some(partition) = partitions.get(slot as usize).and_then(Option::as_ref) else {
            return;
        };
        if !partition.log.is_tiered() {
            tier.logs.remove(&slot);
            return;
        }
        let tp = partition.tp;
        let log = tier.logs.entry(slot).or_insert_with(|| RemoteLog::new(tp));
        log.is_listed = false;
        if !partition.log.is_tiering_on_record() && tier.recording.is_none() {
            self.record_tiering(step);
        }
        self.list(step, slot);
    }

    /// Puts on disk which logs may begin before their first segment does.
    fn record_tiering(&mut self, step: &mut Step<'_>) {
        let tiered = self.iter().filter(|partition| partition.log.is_tiered()).map(|p| p.tp);
        let tiered: Vec<TopicPartition> = tiered.collect();
        let starts = self.log_starts();
        let id = self.write_checkpoint(step, FileName::LogStartOffsets, starts);
        if let Some(tier) = &mut self.tier {
            tier.recording = id.map(|id| (id, tiered));
        }
    }

    /// A write has ended; it may have been that one.
    pub(super) fn tiering_recorded(&mut self, step: &mut Step<'_>, id: DiskOpId) {
        let Some(tier) = &mut self.tier else { return };
        let Some((_, tps)) = tier.recording.take_if(|(waits, _)| *waits == id) else { return };
        for tp in tps {
            if let Some(partition) = self.slot(tp).and_then(|slot| self.partition_mut(slot)) {
                partition.log.tiering_is_on_record();
            }
        }
        // topics that came meanwhile
        if self.iter().any(|p| p.log.is_tiered() && !p.log.is_tiering_on_record()) {
            self.record_tiering(step);
        }
    }

    /// A replica is gone from here. Where its topic was deleted, the leader deletes what is remote.
    pub(super) fn forget_tiering(&mut self, slot: u32) {
        if let Some(tier) = &mut self.tier {
            tier.logs.remove(&slot);
            tier.rebuilds.remove(&slot);
        }
    }

    /// A topic is deleted: the leader deletes its remote part, too.
    pub(super) fn delete_remote_log(&mut self, step: &mut Step<'_>, tp: TopicPartition) {
        let leads = self.find(tp).is_some_and(|p| p.is_leader() && p.log.is_tiered());
        let Some(tier) = self.tier.as_mut().filter(|_| leads) else { return };
        let id = step.remote(Owner::Remote, RemoteOpKind::DeletePartition { tp });
        tier.ops.insert(id.0, Op::DeletePartition);
    }

    /// Timer: every log's task (`RLMTask`).
    pub(crate) fn remote_log_due(&mut self, step: &mut Step<'_>) {
        let slots: Vec<u32> = self.tier.iter().flat_map(|tier| tier.logs.keys().copied()).collect();
        for slot in slots {
            self.list(step, slot);
        }
        self.arm_tier(step);
    }

    /// Asks what is there.
    fn list(&mut self, step: &mut Step<'_>, slot: u32) {
        let Some(tier) = &mut self.tier else { return };
        let Some(log) = tier.logs.get_mut(&slot) else { return };
        if let Some(again) = &mut log.listing {
            *again = true;
            return;
        }
        log.listing = Some(false);
        let tp = log.tp;
        let id = step.remote(Owner::Remote, RemoteOpKind::List { tp });
        tier.ops.insert(id.0, Op::List { slot, tp });
    }

    /// An operation on remote storage has ended.
    pub(crate) fn remote_done(
        &mut self,
        step: &mut Step<'_>,
        id: RemoteOpId,
        result: RemoteResult,
    ) {
        let Some(op) = self.tier.as_mut().and_then(|tier| tier.ops.remove(&id.0)) else { return };
        if let RemoteResult::Failed(error) = &result {
            step.trace(TraceEvent::Mark(match error {
                RemoteError::SlowDown => "remote-slow-down",
                RemoteError::Unavailable => "remote-unavailable",
                RemoteError::NotFound => "remote-not-found",
            }));
        }
        match op {
            Op::List { slot, tp } => self.listed(step, (slot, tp), result),
            Op::Copy { slot, tp } => self.copied(step, (slot, tp), result),
            Op::Delete { slot, tp, segment } => self.deleted(step, (slot, tp), segment, &result),
            Op::DeletePartition => {}
            Op::Read { fetch } => self.remotely_read(step, fetch, result),
            Op::Rebuild { slot } => self.rebuild_listed(step, slot, result),
        }
    }

    fn listed(
        &mut self,
        step: &mut Step<'_>,
        (slot, tp): (u32, TopicPartition),
        result: RemoteResult,
    ) {
        let Some(log) = self.remote_log(slot, tp) else { return };
        // what has changed since it was asked for is not in it
        if log.listing.take() == Some(true) {
            return self.list(step, slot);
        }
        if let RemoteResult::Listed(segments) = result {
            log.segments = segments;
            log.is_listed = true;
            self.took_stock(step, slot);
        }
    }

    /// What is in remote storage is known: the log learns of it, its leader goes on copying and
    /// deletes what is too old.
    fn took_stock(&mut self, step: &mut Step<'_>, slot: u32) {
        let Self { tier: Some(tier), partitions, .. } = self else { return };
        let Some(partition) = partitions.get_mut(slot as usize).and_then(Option::as_mut) else {
            return;
        };
        let Some(log) = tier.logs.get(&slot) else { return };
        partition.log.note_remote(log.segments.iter().map(|segment| &**segment));
        if partition.is_leader() {
            self.raise_to_remote_start(step, slot);
            self.expire_remote(step, slot);
            self.copy_next(step, slot);
        }
    }

    fn remote_log(&mut self, slot: u32, tp: TopicPartition) -> Option<&mut RemoteLog> {
        let log = self.tier.as_mut()?.logs.get_mut(&slot)?;
        (log.tp == tp).then_some(log)
    }

    /// Whether it is known what a log has in remote storage; of a log without such a part it is.
    pub(crate) fn knows_remote_part(&self, tp: TopicPartition) -> bool {
        let Some((slot, tier)) = self.slot(tp).zip(self.tier.as_ref()) else { return true };
        tier.logs.get(&slot).is_none_or(|log| log.is_listed)
    }

    /// The remote segment in which a timestamp is to be looked for, behind one that was searched.
    pub(crate) fn remote_for_timestamp(
        &self,
        tp: TopicPartition,
        timestamp: i64,
        after: Option<Offset>,
    ) -> Option<(RemoteSegmentId, Offset)> {
        let slot = self.slot(tp)?;
        let (remote, log) = (self.tier.as_ref()?.logs.get(&slot)?, &self.partition(slot)?.log);
        let found = remote.segments.iter().find(|segment| {
            after.is_none_or(|after| segment.base > after)
                && segment.max_timestamp >= timestamp
                && segment.base < log.local_log_start_offset()
                && log.lineage_end(segment) > segment.base
        })?;
        Some((found.id, found.base))
    }
}
