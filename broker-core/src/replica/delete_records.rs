//! DeleteRecords: moving a leader's log start up to the high watermark (KIP-107).

use super::{ReplicaManager, is_internal};
use crate::error::ErrorCode;
use crate::ids::{NO_OFFSET, Offset, TopicPartition};
use crate::seam::TraceEvent;
use crate::step::Step;

/// "Up to the high watermark."
const HIGH_WATERMARK: Offset = -1;

impl ReplicaManager {
    /// Deletes records before an offset; the offset at which the log starts then.
    pub(crate) fn delete_records(
        &mut self,
        step: &mut Step<'_>,
        tp: TopicPartition,
        before: Offset,
    ) -> Result<Offset, ErrorCode> {
        let slot = self.slot(tp).ok_or(ErrorCode::UnknownTopicOrPartition)?;
        let partition = self.partition_mut(slot).ok_or(ErrorCode::UnknownTopicOrPartition)?;
        if is_internal(&partition.topic) {
            return Err(ErrorCode::InvalidTopic);
        }
        if !partition.is_leader() {
            return Err(ErrorCode::NotLeaderOrFollower);
        }
        if !partition.log.config().deletes {
            return Err(ErrorCode::PolicyViolation);
        }
        let high_watermark = partition.high_watermark;
        let to = if before == HIGH_WATERMARK { high_watermark } else { before };
        if to <= NO_OFFSET || to > high_watermark {
            return Err(ErrorCode::OffsetOutOfRange);
        }
        let mut ops = Vec::new();
        let moved = partition.log.advance_log_start(to, &mut ops);
        let start = partition.log.log_start_offset();
        for kind in ops {
            self.carry_out(step, kind);
        }
        if moved {
            step.trace(TraceEvent::LogStart { tp, offset: to });
            self.wake_watchers(slot);
        }
        Ok(start)
    }
}
