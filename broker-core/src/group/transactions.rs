//! Positions that are committed within a transaction (TxnOffsetCommit): in the log at once, but of
//! effect only when the transaction's marker follows them there, unless the log has something later of a
//! position that counts already (`OffsetMetadataManager.replayEndTransactionMarker`): whoever loads the
//! log once it is compacted finds that alone.

use super::OFFSETS_TOPIC;
use super::coordinator::{Group, GroupCoordinator, OffsetsPartition, Place, Recorded};
use super::membership::CommitBy;
use super::writes::Write;
use crate::error::ErrorCode;
use crate::ids::{LeaderEpoch, TopicPartition};
use crate::metadata::MetadataImage;
use crate::protocol::{
    OffsetCommitRequest, Response, TxnOffsetCommitRequest, TxnOffsetCommitResponse,
};
use crate::records::{Batch, EndTxnMarker};
use crate::replica::ReplicaManager;
use crate::step::{ReplyTo, Step};
use std::sync::Arc;

impl GroupCoordinator {
    /// Where a group's positions are kept, when this broker coordinates it.
    pub(crate) fn partition_of(
        &mut self,
        image: &MetadataImage,
        group: &str,
    ) -> Result<TopicPartition, ErrorCode> {
        if group.is_empty() {
            return Err(ErrorCode::InvalidGroupId);
        }
        self.ready(image, group).map(|partition| partition.tp)
    }

    /// TxnOffsetCommit of a transaction that is known to have the group's partition.
    pub(crate) fn commit_in_transaction(
        &mut self,
        step: &mut Step<'_>,
        replicas: &mut ReplicaManager,
        image: &MetadataImage,
        to: ReplyTo,
        request: TxnOffsetCommitRequest,
    ) {
        let TxnOffsetCommitRequest {
            producer, group, generation, member, instance, offsets, ..
        } = request;
        // before KIP-447 producers could not say for which member they commit: that is taken whatever members the
        // group has, in either protocol (KAFKA-18060)
        let of_member = generation >= 0 || !member.is_empty() || instance.is_some();
        let request = OffsetCommitRequest {
            group,
            generation,
            member,
            instance,
            offsets,
            knows_epochs: true,
        };
        let place = if of_member {
            // producers know members by generations, in a group that is gone as well
            self.check_commit(step, replicas, image, (&request, CommitBy::Producer)).map_err(
                |error| match error {
                    ErrorCode::StaleMemberEpoch | ErrorCode::GroupIdNotFound => {
                        ErrorCode::IllegalGeneration
                    }
                    error => error,
                },
            )
        } else {
            self.ready(image, &request.group).map(|partition| (partition.tp, partition.epoch))
        };
        let place = match place {
            Ok(place) => place,
            Err(error) => {
                return reply(step, to, request.offsets.iter().map(|at| (at.tp, error)));
            }
        };
        match self.begin_commit(step, image, to, request, Some(producer.id)) {
            Ok((commit, records)) => {
                let write = Write::Positions(commit);
                self.writes.append_in_transaction(step, replicas, place, producer, records, write);
            }
            Err(refused) => reply(step, to, refused.into_iter()),
        }
    }

    /// In which epoch this broker coordinates groups in a partition that a transaction's marker is for; `None`: it
    /// keeps no positions.
    ///
    /// # Errors
    /// What is there has not been read. The log may have the producer's transaction before, whose end is yet to be
    /// read, and the marker would be taken for that. Who asks is to come again
    /// (`KafkaApis.handleWriteTxnMarkersRequest`).
    pub(crate) fn coordinated(
        &self,
        image: &MetadataImage,
        tp: TopicPartition,
    ) -> Result<Option<LeaderEpoch>, ErrorCode> {
        if image.topic(tp.topic).is_none_or(|topic| *topic.name != *OFFSETS_TOPIC) {
            return Ok(None);
        }
        let known = self.partitions.get(&tp.partition);
        let loaded = known.filter(|state| state.tp == tp && state.loading.is_none());
        loaded.map(|state| Some(state.epoch)).ok_or(ErrorCode::NotLeaderOrFollower)
    }

    /// A transaction's marker is in a partition of `__consumer_offsets`. Who leads it in a later epoch than it was
    /// appended in has read it there, perhaps with what the producer's next transaction says.
    pub(crate) fn transaction_ended(&mut self, place: Place, producer_id: i64, commit: bool) {
        let (tp, epoch) = place;
        let known = self.partitions.get_mut(&tp.partition);
        if let Some(state) = known.filter(|state| (state.tp, state.epoch) == (tp, epoch)) {
            state.transaction_ended(producer_id, commit);
        }
    }
}

impl OffsetsPartition {
    pub(super) fn transaction_ended(&mut self, producer_id: i64, commit: bool) {
        for group in self.groups.values_mut().filter(|group| !group.pending.is_empty()) {
            let ended = group.pending.remove(&producer_id).filter(|_| commit);
            for (place, said) in ended.into_iter().flatten() {
                let known = group.positions.get(&place);
                if known.is_none_or(|known| known.at < said.at) {
                    group.positions.insert(place, said);
                }
            }
        }
    }

    /// Takes a control batch of the log.
    pub(super) fn replay_marker(&mut self, batch: &Batch) {
        if let Some(marker) = EndTxnMarker::of(batch) {
            self.transaction_ended(batch.header.producer_id, marker.commit);
        }
    }
}

impl Group {
    /// The log has a position: it counts, or waits for the end of its producer's transaction.
    pub(super) fn record(
        &mut self,
        place: (Arc<str>, i32),
        said: Recorded,
        producer_id: Option<i64>,
    ) {
        let positions = match producer_id {
            Some(producer_id) => self.pending.entry(producer_id).or_default(),
            None => &mut self.positions,
        };
        positions.insert(place, said);
    }

    /// A position was deleted: what open transactions said of it before counts no more.
    pub(super) fn forget_open(&mut self, place: &(Arc<str>, i32)) {
        self.pending.retain(|_, positions| {
            positions.remove(place);
            !positions.is_empty()
        });
    }

    /// Whether an open transaction says something of a position.
    pub(super) fn is_unstable(&self, topic: &Arc<str>, partition: i32) -> bool {
        let place = (Arc::clone(topic), partition);
        self.pending.values().any(|positions| positions.contains_key(&place))
    }
}

/// Answers a TxnOffsetCommit.
pub(super) fn reply(
    step: &mut Step<'_>,
    to: ReplyTo,
    partitions: impl Iterator<Item = (TopicPartition, ErrorCode)>,
) {
    let response = TxnOffsetCommitResponse { partitions: partitions.collect() };
    step.reply(to, Response::TxnOffsetCommit(response));
}
