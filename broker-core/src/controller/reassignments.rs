//! AlterPartitionReassignments and ListPartitionReassignments (KIP-455; Kafka's
//! `PartitionReassignmentReplicas` and `PartitionReassignmentRevert`).
//!
//! A partition first has the replicas of both assignments. Once all that are added are in sync, which
//! the leader's AlterPartition tells, the others go.

use super::elections::{Election, elect};
use super::state::Controller;
use crate::error::ErrorCode;
use crate::ids::{NodeId, TopicPartition};
use crate::metadata::{
    Change, LeaderUpdate, MetadataRecord, Moving, PartitionChangeRecord, PartitionImage,
};
use crate::plant::{Plant, planted};
use crate::protocol::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse, Reassignment, Response,
};

/// What a partition is once its reassignment has ended, if its ISR allows that: all that stay are in
/// sync, so that as many copies are left as are wanted.
pub(super) fn completed(partition: &PartitionImage, isr: &[NodeId]) -> Option<PartitionImage> {
    let moving = partition.moving.as_ref()?;
    let stays = |node: &NodeId| !moving.removing.contains(node);
    let isr: Vec<NodeId> = isr.iter().copied().filter(stays).collect();
    let replicas: Vec<NodeId> = partition.replicas.iter().copied().filter(stays).collect();
    let is_complete = !replicas.is_empty() && replicas.iter().all(|node| isr.contains(node));
    is_complete.then(|| PartitionImage { replicas, isr, moving: None, ..partition.clone() })
}

/// What is in one list and not in another, by id (Kafka's `calculateDifference`).
fn difference(of: &[NodeId], without: &[NodeId]) -> Vec<NodeId> {
    let mut rest: Vec<NodeId> = of.iter().copied().filter(|id| !without.contains(id)).collect();
    rest.sort_unstable();
    rest
}

/// The replicas of both assignments, the new ones first, and what changes. Where nothing is added, or nothing
/// goes, what the reassignment under way adds or takes away stays as it is (Kafka's
/// `changePartitionReassignment`): one that is asked for again can still be taken back.
fn united(now: &PartitionImage, target: &[NodeId]) -> (Vec<NodeId>, Moving) {
    let mut moving = now.moving.as_deref().cloned().unwrap_or_default();
    let removing = difference(&now.replicas, target);
    let adding = difference(target, &now.replicas);
    let replicas = [target, &removing].concat();
    if !removing.is_empty() {
        moving.removing = removing;
    }
    if !adding.is_empty() {
        moving.adding = adding;
    }
    (replicas, moving)
}

/// How many replicas a partition has once its reassignment, if there is one, has ended (KIP-860, Kafka's
/// `validatePartitionReplicationFactorUnchanged`).
fn factor(partition: &PartitionImage) -> usize {
    let Some(moving) = &partition.moving else { return partition.replicas.len() };
    partition.replicas.iter().filter(|node| !moving.removing.contains(node)).count()
}

/// Whether a change may be the end of a partition's reassignment that has come to what it was to come to.
fn may_complete(before: &PartitionImage, after: &PartitionImage) -> bool {
    completed(before, &after.isr).is_some_and(|ended| ended.replicas == after.replicas)
}

impl Controller {
    /// Whether a reassignment was cancelled that had all that is in sync (`PartitionReassignmentRevert`'s
    /// unclean case). The record does not say so where the first of those who stay is put in the ISR: Kafka
    /// has that one lead like any other. Otherwise none of those in sync that were added is left only where a
    /// reassignment is asked for that takes away all that one before it has added, and ends with all others:
    /// one that is left alone by then may be either, if any replica may lead.
    pub(super) fn reverts_uncleanly(
        &self,
        tp: TopicPartition,
        change: &Change,
        after: &PartitionImage,
    ) -> bool {
        let Change::Partition(_, Some(before)) = change else { return false };
        let Some(moving) = &before.moving else { return false };
        let is_added = |node: &NodeId| moving.adding.contains(node);
        before.isr.iter().all(is_added)
            && !after.isr.iter().any(is_added)
            && (after.replicas.len() == 1 || !may_complete(before, after))
            && self.election_for(tp) == Election::Unclean
    }

    pub(super) fn alter_reassignments(
        &mut self,
        request: &AlterPartitionReassignmentsRequest,
    ) -> Response {
        let mut partitions = Vec::with_capacity(request.partitions.len());
        for (tp, target) in &request.partitions {
            let change = match target {
                Some(target) => self.reassign(*tp, target, request.allow_replication_factor_change),
                None => self.cancel_reassignment(*tp),
            };
            let error = match change {
                Ok(change) if change.is_empty() => ErrorCode::None,
                Ok(change) => {
                    self.stage(MetadataRecord::PartitionChange(change));
                    ErrorCode::None
                }
                Err(error) => error,
            };
            partitions.push((*tp, error));
        }
        Response::AlterPartitionReassignments(AlterPartitionReassignmentsResponse {
            error: ErrorCode::None,
            allow_replication_factor_change: request.allow_replication_factor_change,
            partitions,
        })
    }

    fn reassign(
        &self,
        tp: TopicPartition,
        target: &[NodeId],
        may_change_factor: bool,
    ) -> Result<PartitionChangeRecord, ErrorCode> {
        let partition = self.image.partition(tp).ok_or(ErrorCode::UnknownTopicOrPartition)?;
        let mut distinct = target.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        let known = target.iter().all(|node| self.image.broker(*node).is_some());
        if target.is_empty() || distinct.len() != target.len() || !known {
            return Err(ErrorCode::InvalidReplicaAssignment);
        }
        if !may_change_factor && target.len() != factor(partition) {
            return Err(ErrorCode::InvalidReplicationFactor);
        }
        let (replicas, moving) = united(partition, target);
        let during = PartitionImage { replicas, moving: moving.kept(), ..partition.clone() };
        // nothing has to catch up where nothing is added, or what is added is in sync already
        let in_sync = match planted(self.plant, Plant::MovesUnsynced) {
            true => &during.replicas,
            false => &partition.isr,
        };
        let after = completed(&during, in_sync).unwrap_or(during);
        // as in Kafka, whoever is not in sync does not lead yet, whatever the config says: what nobody leads waits
        // for the next look at that
        Ok(self.change_to(tp, (partition, &after), Election::Clean))
    }

    /// The replicas that there were before (`PartitionReassignmentRevert`). If none of them is in sync,
    /// the first one is said to be, at the price of records, where unclean elections are allowed: it
    /// leads if it can, another one of them is elected uncleanly if that can, and else the partition
    /// waits for either with an ISR that is not empty.
    fn cancel_reassignment(&self, tp: TopicPartition) -> Result<PartitionChangeRecord, ErrorCode> {
        let partition = self.image.partition(tp).ok_or(ErrorCode::UnknownTopicOrPartition)?;
        let moving = partition.moving.as_ref().ok_or(ErrorCode::NoReassignmentInProgress)?;
        let stays = |node: &NodeId| !moving.adding.contains(node);
        let replicas: Vec<NodeId> = partition.replicas.iter().copied().filter(stays).collect();
        let mut isr: Vec<NodeId> = partition.isr.iter().copied().filter(stays).collect();
        let election = self.election_for(tp);
        if isr.is_empty() {
            let may_lose = election == Election::Unclean;
            let first = replicas.first().copied().filter(|_| may_lose);
            isr.push(first.ok_or(ErrorCode::InvalidReplicaAssignment)?);
        }
        let after = PartitionImage { replicas, isr, moving: None, ..partition.clone() };
        Ok(self.change_to(tp, (partition, &after), election))
    }

    fn change_to(
        &self,
        tp: TopicPartition,
        (before, after): (&PartitionImage, &PartitionImage),
        election: Election,
    ) -> PartitionChangeRecord {
        let is_active = |node| self.image.is_active(node);
        let change = elect(tp, after, &[], election, &is_active);
        change.assigning(before, after)
    }

    pub(super) fn list_reassignments(
        &self,
        request: &ListPartitionReassignmentsRequest,
    ) -> Response {
        let one = |(tp, partition): (TopicPartition, &PartitionImage)| {
            let moving = partition.moving.as_ref()?;
            Some(Reassignment {
                tp,
                replicas: partition.replicas.clone(),
                adding: moving.adding.clone(),
                removing: moving.removing.clone(),
            })
        };
        let partitions = match &request.partitions {
            None => self.image.partitions().filter_map(one).collect(),
            Some(asked) => {
                asked.iter().filter_map(|tp| one((*tp, self.image.partition(*tp)?))).collect()
            }
        };
        Response::ListPartitionReassignments(ListPartitionReassignmentsResponse {
            error: ErrorCode::None,
            partitions,
        })
    }
}

impl PartitionChangeRecord {
    /// The same with the assignment of `after`, whose leader this change elects. A replica that goes
    /// ends the leader's epoch, so that it cannot be taken for one that is in sync; also where nobody
    /// leads, as in Kafka.
    pub(super) fn assigning(mut self, before: &PartitionImage, after: &PartitionImage) -> Self {
        if self.isr.is_none() && after.isr != before.isr {
            self.isr = Some(after.isr.clone());
        }
        if after.replicas != before.replicas {
            self.replicas = Some(after.replicas.clone());
        }
        if after.moving != before.moving {
            self.moving = Some(after.moving.as_deref().cloned().unwrap_or_default());
        }
        let one_goes = before.replicas.iter().any(|node| !after.is_replica(*node));
        if one_goes && self.leader == LeaderUpdate::Unchanged {
            self.leader = after.leader.map_or(LeaderUpdate::NoLeader, LeaderUpdate::Elected);
        }
        self
    }
}
