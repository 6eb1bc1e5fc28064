//! AlterPartition: a leader proposes its partition's ISR (KIP-497, KIP-841, KIP-903).

use super::elections::{Election, elect};
use super::state::Controller;
use crate::error::ErrorCode;
use crate::ids::{NodeId, TopicPartition};
use crate::metadata::{LeaderUpdate, MetadataRecord, PartitionImage};
use crate::plant::{Plant, planted};
use crate::protocol::{
    AlterPartitionData, AlterPartitionRequest, AlterPartitionResponse, AlterPartitionResult,
    Response,
};

impl Controller {
    pub(super) fn alter_partition(&mut self, request: &AlterPartitionRequest) -> Response {
        let error = self.check_broker_epoch(request.broker, request.broker_epoch);
        let partitions = if error.is_ok() {
            request.partitions.iter().map(|data| self.alter_one(request.broker, data)).collect()
        } else {
            Vec::new()
        };
        Response::AlterPartition(AlterPartitionResponse { error, partitions })
    }

    fn alter_one(&mut self, from: NodeId, data: &AlterPartitionData) -> AlterPartitionResult {
        let mut error = self.check_proposal(from, data);
        if error.is_ok() {
            error = self.change_isr(data);
        }
        result(data.tp, error, self.image.partition(data.tp))
    }

    fn check_proposal(&self, from: NodeId, data: &AlterPartitionData) -> ErrorCode {
        let Some(topic) = self.image.topic(data.tp.topic) else {
            return ErrorCode::UnknownTopicId;
        };
        let Some(partition) = self.image.partition(data.tp) else {
            assert!(!topic.name.is_empty(), "the topic exists, its partition does not");
            return ErrorCode::UnknownTopicOrPartition;
        };
        if data.leader_epoch > partition.leader_epoch
            || data.partition_epoch > partition.partition_epoch
        {
            return ErrorCode::NotController; // the leader knows more: this node is behind
        }
        if data.leader_epoch < partition.leader_epoch {
            return ErrorCode::FencedLeaderEpoch;
        }
        if partition.leader != Some(from) {
            return ErrorCode::InvalidRequest;
        }
        let takes_old = planted(self.plant, Plant::OldPartitionEpochAccepted);
        if data.partition_epoch < partition.partition_epoch && !takes_old {
            return ErrorCode::InvalidUpdateVersion;
        }
        self.check_isr(from, partition, data)
    }

    fn check_isr(
        &self,
        leader: NodeId,
        partition: &PartitionImage,
        data: &AlterPartitionData,
    ) -> ErrorCode {
        let mut members: Vec<NodeId> = data.new_isr.iter().map(|(node, _)| *node).collect();
        let has_leader = members.contains(&leader);
        let are_replicas = members.iter().all(|node| partition.is_replica(*node));
        members.sort_unstable();
        members.dedup();
        if !has_leader || !are_replicas || members.len() != data.new_isr.len() {
            return ErrorCode::InvalidRequest;
        }
        let eligible = data.new_isr.iter().all(|(node, epoch)| {
            // an epoch of an earlier life says nothing about what its log holds now (KIP-903)
            self.image
                .broker(*node)
                .is_some_and(|broker| broker.is_active() && (*epoch < 0 || *epoch == broker.epoch))
        });
        let takes_any = planted(self.plant, Plant::FencedReplicaJoins);
        if eligible || takes_any { ErrorCode::None } else { ErrorCode::IneligibleReplica }
    }

    fn change_isr(&mut self, data: &AlterPartitionData) -> ErrorCode {
        let Some(partition) = self.image.partition(data.tp) else {
            return ErrorCode::UnknownTopicOrPartition;
        };
        let target: Vec<NodeId> = data.new_isr.iter().map(|(node, _)| *node).collect();
        let is_active = |node| self.image.is_active(node);
        let mut change = elect(data.tp, partition, &target, Election::Clean, &is_active);
        if partition.recovering {
            change.recovering = Some(false);
        }
        let elected = change.leader != LeaderUpdate::Unchanged;
        if !change.is_empty() {
            self.stage(MetadataRecord::PartitionChange(change));
        }
        if elected { ErrorCode::NewLeaderElected } else { ErrorCode::None }
    }
}

fn result(
    tp: TopicPartition,
    error: ErrorCode,
    partition: Option<&PartitionImage>,
) -> AlterPartitionResult {
    let told = partition.filter(|_| matches!(error, ErrorCode::None | ErrorCode::NewLeaderElected));
    AlterPartitionResult {
        tp,
        error,
        leader: told.and_then(|partition| partition.leader),
        leader_epoch: told.map_or(-1, |partition| partition.leader_epoch),
        isr: told.map(|partition| partition.isr.clone()).unwrap_or_default(),
        partition_epoch: told.map_or(-1, |partition| partition.partition_epoch),
    }
}
