//! The application's thread: `poll()` hands over at most `max.poll.records`, then processes them.
//!
//! A record counts as delivered when `poll()` returns it. Records fetched meanwhile wait; their
//! partitions are not fetched again until `poll()` has taken them, as in Java.

use super::aborted::Aborted;
use super::machine::Consumer;
use crate::client::io::{ClientCx, Outcome};
use std::sync::Arc;
use stormglass_broker_core::ids::{NodeId, Offset};
use stormglass_broker_core::records::Records;

/// Fetched records of one partition.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// Position among the assigned partitions.
    pub(crate) at: usize,
    /// As they came.
    pub(crate) records: Records,
    /// How many batches are handed over; the next one perhaps in part.
    pub(crate) done: usize,
    /// Next offset to hand over.
    pub(crate) next: Offset,
    /// Replica that sent it.
    pub(crate) from: NodeId,
    /// What a reader of committed records leaves out.
    pub(crate) aborted: Option<Box<Aborted>>,
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
    pub(super) fn hand_over(&mut self, records_max: u32, cx: &mut ClientCx<'_>) -> u32 {
        let Some(chunk) = self.chunks.front_mut() else { return 0 };
        let (at, from_broker) = (chunk.at, chunk.from);
        let batches = chunk.records.batches();
        let (batch, is_last) = (&batches[chunk.done], chunk.done + 1 == batches.len());
        // a batch may begin before the position
        let first_offset = chunk.next.max(batch.base_offset());
        let left = u32::try_from(batch.next_offset() - first_offset).unwrap_or(0);
        // markers, what is aborted, and batches that compaction has emptied are passed over without
        // being counted
        let epoch = batch.header.partition_leader_epoch;
        let aborted = chunk.aborted.as_mut().is_some_and(|aborted| aborted.hides(batch));
        let is_hidden = aborted || batch.header.is_control() || batch.header.record_count == 0;
        let count = if is_hidden { left } else { left.min(records_max) };
        let next = first_offset + Offset::from(count);
        let batch = if count == left && is_last {
            self.partitions[at].buffered = false;
            self.chunks.pop_front().and_then(|chunk| chunk.records.into_last())
        } else {
            let batch = Arc::clone(batch);
            chunk.next = next;
            chunk.done += usize::from(count == left);
            Some(batch)
        };
        self.consumed(at, next, epoch);
        if !self.partitions[at].buffered {
            self.touch(at, cx.now_ns);
        }
        if count == 0 {
            return 0;
        }
        if is_hidden {
            if let Some((tp, batch)) = self.tp(at).zip(batch) {
                cx.effects.outcomes.push(Outcome::Skipped { tp, batch, first_offset, next });
            }
            return 0;
        }
        if let Some((tp, batch)) = self.tp(at).zip(batch) {
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
