//! Produce with some partitions refused by the transaction coordinator.

use super::append::AppendOrigin;
use super::purgatory::DelayedProduce;
use super::{ReplicaManager, deadline, has_duplicates};
use crate::error::ErrorCode;
use crate::ids::TopicPartition;
use crate::protocol::{ProducePartitionResponse, ProduceRequest};
use crate::step::Step;

impl ReplicaManager {
    /// As [`Self::produce`], without the partitions that are refused.
    pub(crate) fn produce_verified(
        &mut self,
        step: &mut Step<'_>,
        origin: AppendOrigin,
        request: ProduceRequest,
        refused: &[(TopicPartition, ErrorCode)],
    ) {
        if refused.is_empty() || has_duplicates(request.partitions.iter().map(|p| p.tp)) {
            return self.produce(step, origin, request);
        }
        let ProduceRequest { acks, timeout_ms, partitions } = request;
        let until = deadline(step.now, timeout_ms);
        let produce =
            self.purgatory.open(DelayedProduce::new(origin, acks, until, partitions.len()));
        for (index, partition) in (0u32..).zip(partitions) {
            match refused.iter().find(|(tp, _)| *tp == partition.tp) {
                Some((tp, error)) => {
                    let answer = ProducePartitionResponse::refused(*tp, *error);
                    self.purgatory.settle(produce, index, answer);
                }
                None => self.produce_partition(step, origin, acks, produce, index, partition),
            }
        }
        self.finish_produce(step, produce);
    }
}
