//! Copying rolled segments (`RLMCopyTask`): one at a time per log, oldest first, and not more at one
//! time than Kafka has threads for it. A copy that failed is tried again by the next run of the log's
//! task.

use super::{Op, RemoteLog};
use crate::ids::{RemoteSegmentId, TopicPartition};
use crate::replica::ReplicaManager;
use crate::seam::{RemoteOpKind, RemoteResult, TraceEvent};
use crate::step::{Owner, Step};
use std::collections::VecDeque;

/// Copies of all logs.
#[derive(Debug, Default)]
pub(super) struct Copies {
    running: usize,
    /// Slots that wait for others.
    waiting: VecDeque<u32>,
}

impl ReplicaManager {
    /// Begins the next copy of a log, if there is one to make.
    pub(super) fn copy_next(&mut self, step: &mut Step<'_>, slot: u32) {
        let threads = self.config.server.remote_log_manager_copier_threads.max(1).unsigned_abs();
        let seed = self.config.seed;
        let Self { tier: Some(tier), partitions, .. } = self else { return };
        let Some(partition) = partitions.get(slot as usize).and_then(Option::as_ref) else {
            return;
        };
        let Some(log) = tier.logs.get_mut(&slot).filter(|log| log.is_listed && !log.copying) else {
            return;
        };
        if !partition.is_leader() {
            return;
        }
        let id = RemoteSegmentId(u128::from(seed) << 64 | u128::from(tier.named));
        let stable = partition.log.last_stable_offset(partition.high_watermark);
        let Some(segment) = partition.log.next_to_copy(stable, id) else { return };
        if tier.copies.running >= threads as usize {
            if !tier.copies.waiting.contains(&slot) {
                tier.copies.waiting.push_back(slot);
            }
            return;
        }
        tier.named += 1;
        tier.copies.running += 1;
        log.copying = true;
        let tp = log.tp;
        let id = step.remote(Owner::Remote, RemoteOpKind::Copy { segment });
        tier.ops.insert(id.0, Op::Copy { slot, tp });
    }

    /// A copy has ended.
    pub(super) fn copied(
        &mut self,
        step: &mut Step<'_>,
        (slot, tp): (u32, TopicPartition),
        result: RemoteResult,
    ) {
        if let Some(tier) = &mut self.tier {
            tier.copies.running -= 1;
        }
        if let Some(log) = self.remote_log(slot, tp) {
            log.copying = false;
            if let RemoteResult::Copied(segment) = result {
                log.add(segment);
                // a listing under way may not have it yet
                log.listing = log.listing.map(|_| true);
                self.learned_of_copy(slot);
                self.copy_next(step, slot);
            } else {
                step.trace(TraceEvent::Mark("remote-copy-failed"));
            }
        }
        let next = self.tier.as_mut().and_then(|tier| tier.copies.waiting.pop_front());
        if let Some(next) = next {
            self.copy_next(step, next);
        }
    }

    fn learned_of_copy(&mut self, slot: u32) {
        let Self { tier: Some(tier), partitions, .. } = self else { return };
        let Some(log) = tier.logs.get(&slot) else { return };
        if let Some(partition) = partitions.get_mut(slot as usize).and_then(Option::as_mut) {
            partition.log.note_remote(log.segments.iter().map(|segment| &**segment));
        }
    }
}

impl RemoteLog {
    fn add(&mut self, segment: std::sync::Arc<crate::seam::RemoteSegment>) {
        if self.segments.iter().all(|known| known.id != segment.id) {
            let at = self.segments.partition_point(|known| known.base <= segment.base);
            self.segments.insert(at, segment);
        }
    }
}
