//! Backlogs that were produced before a run: whole runs of batches that are alike, durable from the start.

use super::{Store, open};
use crate::disk::run::Run;
use crate::disk::segment::Segment;
use std::sync::Arc;
use stormglass_broker_core::ids::{LeaderEpoch, TopicPartition};
use stormglass_broker_core::records::{BATCH_OVERHEAD, BodyTemplate};

/// A backlog that was produced before the run.
#[derive(Debug, Clone)]
pub struct Preload {
    /// About this many bytes; whole batches, rounded down.
    pub bytes: u64,
    /// Body of every batch.
    pub template: Arc<BodyTemplate>,
    /// Records in that body.
    pub records_per_batch: u32,
    /// Timestamp of the first batch, ms since the epoch.
    pub first_timestamp_ms: i64,
    /// Timestamp that the last batch approaches, ms since the epoch.
    pub last_timestamp_ms: i64,
    /// Largest segment, bytes.
    pub segment_bytes: u32,
    /// Epoch of the leader that wrote it.
    pub leader_epoch: LeaderEpoch,
    /// Tag of the first body; the following ones count up.
    pub first_tag: u64,
}

impl Store {
    /// Adds a backlog at the end of a log, durable and in no cache.
    pub(crate) fn preload(&mut self, tp: TopicPartition, preload: &Preload) {
        assert!(preload.records_per_batch > 0, "a batch has records");
        let body = u32::try_from(preload.template.len()).expect("a batch is below 4 GiB");
        let batch_bytes = body + BATCH_OVERHEAD;
        let total = preload.bytes / u64::from(batch_bytes);
        let span_ms = preload.last_timestamp_ms.saturating_sub(preload.first_timestamp_ms).max(0);
        let step_ns = span_ms.unsigned_abs().saturating_mul(1_000_000) / total.max(1);
        let per_segment = (preload.segment_bytes / batch_bytes).max(1);
        let template = self.dictionary.template_index(&preload.template);
        self.log_or_create(tp);
        let at = self.index.get(tp).expect("made above");
        let log = self.logs[at].as_mut().expect("made above");
        let start = log.segments.last().map_or(0, Segment::next_offset);
        let mut done = 0;
        while done < total {
            let count = u32::try_from((total - done).min(u64::from(per_segment)))
                .expect("at most per_segment");
            let records = i64::from(preload.records_per_batch);
            let since_ms = u128::from(step_ns) * u128::from(done) / 1_000_000;
            let run = Run {
                count,
                batch_bytes,
                records: i32::try_from(records).expect("records fit a batch"),
                template,
                first_tag: preload.first_tag.wrapping_add(done),
                base_offset: start + i64::try_from(done).expect("fits an offset") * records,
                leader_epoch: preload.leader_epoch,
                first_timestamp_ms: preload.first_timestamp_ms
                    + i64::try_from(since_ms).expect("within the span"),
                step_ns,
            };
            open(log, run.base_offset, at, &mut self.owners, &mut self.dictionary);
            let segment = log.segments.last_mut().expect("opened above");
            segment.saw(run.timestamp_ms(count - 1), run.next_offset() - 1);
            segment.modified_ms = run.timestamp_ms(count - 1);
            segment.content.push_run(run);
            segment.durable = segment.bytes();
            self.used_bytes[log.volume] += segment.bytes();
            done += u64::from(count);
        }
    }
}
