//! The application's thread: `poll()` hands over at most `max.poll.records`, then processes them.
//!
//! A record counts as delivered when `poll()` returns it. Records fetched meanwhile wait; their
//! partitions are not fetched again until `poll()` has taken them, as in Java.

use super::machine::Consumer;
use crate::client::io::{ClientCx, Outcome};
use std::collections::VecDeque;
use std::sync::Arc;
use stormglass_broker_core::ids::{NodeId, Offset};
use stormglass_broker_core::records::Batch;

/// Fetched records of one partition.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// Position among the assigned partitions.
    pub(crate) at: usize,
    /// Not yet handed over; the first perhaps in part.
    pub(crate) batches: VecDeque<Arc<Batch>>,
    /// Next offset to hand over.
    pub(crate) next: Offset,
    /// Replica that sent it.
    pub(crate) from: NodeId,
}

impl Consumer {
    /// Polls as often as the processing allows.
    pub(crate) fn poll(&mut self, cx: &mut ClientCx<'_>) {
        // without processing time polls follow at once, and need not be told apart
        let instant = self.config.process_ns_per_record == 0;
        let records_max = if instant { u32::MAX } else { self.config.poll_records_max };
        while !self.paused && !self.chunks.is_empty() && cx.now_ns >= self.busy_until_ns {
            let mut records = 0u32;
            while records < records_max && !self.chunks.is_empty() {
                records += self.hand_over(records_max - records, cx);
            }
            let work_ns = u64::from(records).saturating_mul(self.config.process_ns_per_record);
            self.busy_until_ns = cx.now_ns.saturating_add(work_ns);
        }
    }

    /// Hands over records of the first chunk, at most from one batch.
    fn hand_over(&mut self, records_max: u32, cx: &mut ClientCx<'_>) -> u32 {
        let Some(chunk) = self.chunks.front_mut() else { return 0 };
        let (at, from_broker) = (chunk.at, chunk.from);
        let Some(batch) = chunk.batches.front().cloned() else {
            self.chunks.pop_front();
            self.partitions[at].buffered = false;
            self.touch(at, cx.now_ns);
            return 0;
        };
        // a batch may begin before the position
        let first_offset = chunk.next.max(batch.base_offset());
        let left = u32::try_from(batch.next_offset() - first_offset).unwrap_or(0);
        // control records are skipped without being counted
        let count = if batch.header.is_control() { left } else { left.min(records_max) };
        chunk.next = first_offset + Offset::from(count);
        if count == left {
            chunk.batches.pop_front();
        }
        let next = chunk.next;
        if chunk.batches.is_empty() {
            self.chunks.pop_front();
            self.partitions[at].buffered = false;
        }
        self.consumed(at, next, batch.header.partition_leader_epoch);
        if !self.partitions[at].buffered {
            self.touch(at, cx.now_ns);
        }
        if batch.header.is_control() || count == 0 {
            return 0;
        }
        if let Some(tp) = self.tp(at) {
            let delivered_ns = cx.now_ns;
            let outcome =
                Outcome::Delivered { tp, batch, first_offset, count, delivered_ns, from_broker };
            cx.effects.outcomes.push(outcome);
        }
        count
    }

    fn consumed(&mut self, at: usize, next: Offset, epoch: i32) {
        let state = &mut self.partitions[at];
        (state.consumed, state.consumed_epoch) = (next, epoch);
        if !state.uncommitted && self.config.commit_interval_ns.is_some() {
            state.uncommitted = true;
            self.uncommitted.push(u32::try_from(at).unwrap_or(u32::MAX));
        }
    }

    /// Drops what was fetched of a partition and not handed over.
    pub(crate) fn drop_buffered(&mut self, at: usize) {
        if self.partitions[at].buffered {
            self.chunks.retain(|chunk| chunk.at != at);
            self.partitions[at].buffered = false;
        }
    }
}
