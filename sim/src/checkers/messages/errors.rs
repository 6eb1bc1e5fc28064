//! Each API answers only with errors that Kafka's brokers have for it: of those that are not made for it, a client
//! knows none, and fails for good where it would only have to ask again. So coordinators say otherwise what became of
//! an append, and a request that is refused as a whole is not refused partition by partition.
//!
//! There is a table for each place in an answer. What old versions have by other names, `wire` translates; what only
//! brokers with authorization answer is left out, and that something unexpected went wrong, where nothing of what
//! they expect is told so.

mod tables;

use super::{Says, Speaker};
use std::iter::once;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::protocol::Response;
use tables::{
    ADD_OFFSETS, ADD_PARTITION, ALTER_CONFIGS, ALTER_QUOTAS, ASK_CONTROLLER, CLASSIC_GROUP, COMMIT,
    CONFIGS, CONSUMER, CONSUMER_GROUP, COORDINATOR, CREATE_PARTITIONS, CREATE_TOPIC, DELETE_GROUP,
    DELETE_POSITIONS, DELETE_RECORDS, DELETE_TOPIC, DELETED_POSITION, DESCRIBE_QUORUM, ELECT,
    ELECTED, END, EPOCH_END, FEATURES, FETCH, FETCHED, GROUPS, HEARTBEAT, INIT, ISR, JOIN, LEAVE,
    LEFT, LOG_DIRS, MARKER, OF_BROKER, OFFSETS, PARTITION, POSITIONS, PRODUCE, PRODUCERS, QUORUM,
    QUOTAS, REASSIGNED, REGISTER, SNAPSHOT, SYNC, TOPIC, TRANSACTION, TRANSACTIONS, TXN_COMMIT,
    Table, UNREGISTER,
};

/// A node answers.
pub(super) fn answer(says: &mut Says<'_>, by: Speaker<'_>, answer: &Response) {
    let strange = strange(answer);
    says.rule(strange.is_none(), &|| {
        format!("node {} says {strange:?}, as no Kafka broker does there: {answer:?}", by.node)
    });
}

/// An error that no Kafka broker has for such an answer.
fn strange(answer: &Response) -> Option<ErrorCode> {
    match answer {
        Response::Produce(told) => other(told.partitions.iter().map(|of| of.error), PRODUCE),
        Response::Fetch(told) => other(once(told.error), FETCH)
            .or_else(|| other(told.partitions.iter().map(|of| of.error), FETCHED)),
        Response::ListOffsets(told) => other(told.partitions.iter().map(|of| of.error), OFFSETS),
        Response::OffsetForLeaderEpoch(told) => {
            other(told.partitions.iter().map(|of| of.1), EPOCH_END)
        }
        Response::DeleteRecords(told) => {
            other(told.partitions.iter().map(|of| of.2), DELETE_RECORDS)
        }
        Response::DescribeProducers(told) => {
            let errors = told.partitions.iter().filter_map(|(_, found)| found.as_ref().err());
            other(errors.copied(), PRODUCERS)
        }
        Response::AlterReplicaLogDirs(told) => {
            other(told.partitions.iter().map(|of| of.1), LOG_DIRS)
        }
        _ => of_group(answer),
    }
}

/// Of a coordinator of groups.
fn of_group(answer: &Response) -> Option<ErrorCode> {
    match answer {
        Response::FindCoordinator(told) => {
            other(told.coordinators.iter().map(|of| of.error), COORDINATOR)
        }
        Response::OffsetCommit(told) => other(told.partitions.iter().map(|of| of.1), COMMIT),
        Response::TxnOffsetCommit(told) => other(told.partitions.iter().map(|of| of.1), TXN_COMMIT),
        Response::OffsetFetch(told) => other(told.groups.iter().map(|of| of.error), POSITIONS),
        Response::JoinGroup(told) => other(once(told.error), JOIN),
        Response::SyncGroup(told) => other(once(told.error), SYNC),
        Response::Heartbeat(told) => other(once(told.error), HEARTBEAT),
        Response::LeaveGroup(told) => other(once(told.error), LEAVE)
            .or_else(|| other(told.members.iter().map(|of| of.2), LEFT)),
        Response::ConsumerGroupHeartbeat(told) => other(once(told.error), CONSUMER),
        Response::ConsumerGroupDescribe(told) => {
            other(told.groups.iter().map(|of| of.error), CONSUMER_GROUP)
        }
        Response::DescribeGroups(told) => {
            other(told.groups.iter().map(|of| of.error), CLASSIC_GROUP)
        }
        Response::ListGroups(told) => other(once(told.error), GROUPS),
        Response::DeleteGroups(told) => other(told.groups.iter().map(|of| of.1), DELETE_GROUP),
        Response::OffsetDelete(told) => other(once(told.error), DELETE_POSITIONS)
            .or_else(|| other(told.partitions.iter().map(|of| of.1), DELETED_POSITION)),
        _ => of_transaction(answer),
    }
}

/// Of a coordinator of transactions, or about what it has decided.
fn of_transaction(answer: &Response) -> Option<ErrorCode> {
    match answer {
        Response::InitProducerId(told) => other(once(told.error), INIT),
        Response::AddPartitionsToTxn(told) => {
            let errors = told.transactions.iter().flat_map(|of| &of.partitions);
            other(errors.map(|of| of.1), ADD_PARTITION)
        }
        Response::AddOffsetsToTxn(told) => other(once(told.error), ADD_OFFSETS),
        Response::EndTxn(told) => other(once(told.error), END),
        Response::WriteTxnMarkers(told) => {
            let errors = told.markers.iter().flat_map(|(_, partitions)| partitions);
            other(errors.map(|of| of.1), MARKER)
        }
        Response::DescribeTransactions(told) => {
            let errors = told.transactions.iter().filter_map(|(_, found)| found.as_ref().err());
            other(errors.copied(), TRANSACTION)
        }
        Response::ListTransactions(told) => other(once(told.error), TRANSACTIONS),
        _ => of_cluster(answer),
    }
}

/// About topics, configs and quotas.
fn of_cluster(answer: &Response) -> Option<ErrorCode> {
    match answer {
        Response::Metadata(told) => {
            let partitions = told.topics.iter().flat_map(|topic| &topic.partitions);
            other(told.topics.iter().map(|of| of.error), TOPIC)
                .or_else(|| other(partitions.map(|of| of.error), PARTITION))
        }
        Response::DescribeTopicPartitions(told) => {
            let partitions = told.topics.iter().flat_map(|topic| &topic.partitions);
            other(told.topics.iter().map(|of| of.error), TOPIC)
                .or_else(|| other(partitions.map(|of| of.at.error), PARTITION))
        }
        Response::CreateTopics(told) => other(told.topics.iter().map(|of| of.error), CREATE_TOPIC),
        Response::DeleteTopics(told) => other(told.topics.iter().map(|of| of.error), DELETE_TOPIC),
        Response::CreatePartitions(told) => {
            other(told.topics.iter().map(|of| of.1), CREATE_PARTITIONS)
        }
        Response::AlterConfigs(told) => {
            other(told.resources.iter().map(|of| of.error), ALTER_CONFIGS)
        }
        Response::DescribeConfigs(told) => other(told.resources.iter().map(|of| of.error), CONFIGS),
        Response::AlterClientQuotas(told) => {
            other(told.entries.iter().map(|of| of.error), ALTER_QUOTAS)
        }
        Response::DescribeClientQuotas(told) => other(once(told.error), QUOTAS),
        Response::ElectLeaders(told) => other(once(told.error), ELECT)
            .or_else(|| other(told.partitions.iter().map(|of| of.1), ELECTED)),
        Response::AlterPartitionReassignments(told) => other(once(told.error), ASK_CONTROLLER)
            .or_else(|| other(told.partitions.iter().map(|of| of.1), REASSIGNED)),
        Response::ListPartitionReassignments(told) => other(once(told.error), ASK_CONTROLLER),
        Response::UpdateFeatures(told) => other(once(told.error), FEATURES),
        Response::UnregisterBroker(told) => other(once(told.error), UNREGISTER),
        _ => of_nodes(answer),
    }
}

/// Between nodes, and about their quorum.
fn of_nodes(answer: &Response) -> Option<ErrorCode> {
    match answer {
        Response::AlterPartition(told) => other(once(told.error), OF_BROKER)
            .or_else(|| other(told.partitions.iter().map(|of| of.error), ISR)),
        Response::BrokerRegistration(told) => other(once(told.error), REGISTER),
        Response::BrokerHeartbeat(told) => other(once(told.error), OF_BROKER),
        Response::AllocateProducerIds(told) => other(once(told.error), OF_BROKER),
        Response::Vote(told) => other(once(told.error), QUORUM),
        Response::BeginQuorumEpoch(told) => other(once(told.error), QUORUM),
        Response::EndQuorumEpoch(told) => other(once(told.error), QUORUM),
        Response::FetchSnapshot(told) => other(once(told.error), SNAPSHOT),
        Response::DescribeQuorum(told) => other(once(told.error), DESCRIBE_QUORUM),
        _ => None,
    }
}

/// The first error that is not in the table.
fn other(mut told: impl Iterator<Item = ErrorCode>, table: &Table) -> Option<ErrorCode> {
    told.find(|error| !error.is_ok() && !table.contains(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::testing::tp;
    use stormglass_broker_core::error::ErrorCode::{
        BrokerIdNotRegistered, ConcurrentTransactions, CoordinatorLoadInProgress,
        CoordinatorNotAvailable, FencedInstanceId, FetchSessionIdNotFound, GroupSubscribedToTopic,
        IllegalGeneration, IneligibleReplica, InvalidProducerEpoch, KafkaStorageError,
        MessageTooLarge, NewLeaderElected, NonEmptyGroup, NotController, NotCoordinator,
        NotEnoughReplicas, NotLeaderOrFollower, ProducerFenced, RebalanceInProgress,
        RequestTimedOut, StaleBrokerEpoch, StaleMemberEpoch, TransactionCoordinatorFenced,
        UnknownMemberId, UnknownServerError,
    };
    use stormglass_broker_core::protocol::{
        AlterPartitionResponse, AlterPartitionResult, BrokerHeartbeatResponse,
        DeleteGroupsResponse, EndTxnResponse, FetchResponse, HeartbeatResponse, LeaveGroupResponse,
        OffsetCommitResponse, OffsetDeleteResponse, ProducePartitionResponse, ProduceResponse,
        SyncGroupResponse, TxnOffsetCommitResponse, WriteTxnMarkersResponse,
    };

    /// Which of them are seen, where each is the one error of such an answer.
    fn seen(told: impl Fn(ErrorCode) -> Response, errors: &[ErrorCode]) -> Vec<ErrorCode> {
        errors.iter().filter_map(|error| strange(&told(*error))).collect()
    }

    #[test]
    fn leaders_do_not_tell_producers_what_coordinators_say() {
        let produce = |error| {
            let sound = ProducePartitionResponse::refused(tp(0), ErrorCode::None);
            let partitions = vec![sound, ProducePartitionResponse::refused(tp(1), error)];
            Response::Produce(ProduceResponse { partitions, throttle_ms: 0 })
        };
        let sound = [ErrorCode::None, NotEnoughReplicas, InvalidProducerEpoch, RequestTimedOut];
        assert!(seen(produce, &sound).is_empty());
        let wrong = [NotCoordinator, ProducerFenced, ErrorCode::DuplicateSequenceNumber];
        assert_eq!(seen(produce, &wrong), wrong);
        let marker = |error| {
            let markers = vec![(7, vec![(tp(0), ErrorCode::None), (tp(1), error)])];
            Response::WriteTxnMarkers(WriteTxnMarkersResponse { markers })
        };
        assert!(seen(marker, &[NotEnoughReplicas, TransactionCoordinatorFenced]).is_empty());
        assert_eq!(seen(marker, &[NotCoordinator, ProducerFenced]).len(), 2);
    }

    #[test]
    fn a_fetch_and_its_partitions_have_errors_of_their_own() {
        let fetch = |error| {
            let partitions = Vec::new();
            Response::Fetch(FetchResponse { throttle_ms: 0, error, session_id: 0, partitions })
        };
        assert!(seen(fetch, &[ErrorCode::None, FetchSessionIdNotFound]).is_empty());
        assert_eq!(seen(fetch, &[NotLeaderOrFollower]), [NotLeaderOrFollower]);
    }

    #[test]
    fn members_are_not_told_that_their_coordinator_is_loading() {
        let beat = |error| Response::Heartbeat(HeartbeatResponse { error });
        assert!(seen(beat, &[ErrorCode::None, RebalanceInProgress, NotCoordinator]).is_empty());
        assert_eq!(seen(beat, &[CoordinatorLoadInProgress]), [CoordinatorLoadInProgress]);
        let sync = |error| {
            Response::SyncGroup(Box::new(SyncGroupResponse {
                error,
                protocol_type: None,
                protocol: None,
                assignment: bytes::Bytes::new(),
            }))
        };
        assert!(seen(sync, &[RebalanceInProgress, CoordinatorNotAvailable]).is_empty());
        assert_eq!(seen(sync, &[CoordinatorLoadInProgress]), [CoordinatorLoadInProgress]);
    }

    #[test]
    fn what_a_log_refuses_is_told_as_its_coordinator_has_it() {
        let partitions = |error| vec![(tp(0), ErrorCode::None), (tp(1), error)];
        let commit =
            |error| Response::OffsetCommit(OffsetCommitResponse { partitions: partitions(error) });
        let in_transaction = |error| {
            Response::TxnOffsetCommit(TxnOffsetCommitResponse { partitions: partitions(error) })
        };
        let of_log = [NotEnoughReplicas, NotLeaderOrFollower, KafkaStorageError, MessageTooLarge];
        assert_eq!((seen(commit, &of_log).len(), seen(in_transaction, &of_log).len()), (4, 4));
        let sound = [CoordinatorNotAvailable, NotCoordinator, CoordinatorLoadInProgress];
        assert!(seen(commit, &sound).is_empty() && seen(in_transaction, &sound).is_empty());
        assert!(seen(commit, &[StaleMemberEpoch, RebalanceInProgress]).is_empty());
        assert_eq!(seen(in_transaction, &[StaleMemberEpoch, RebalanceInProgress]).len(), 2);
        assert!(seen(in_transaction, &[InvalidProducerEpoch, IllegalGeneration]).is_empty());
        let delete = |error| {
            let groups = vec![("g".into(), error)];
            Response::DeleteGroups(DeleteGroupsResponse { groups })
        };
        assert!(seen(delete, &[NonEmptyGroup, UnknownServerError]).is_empty());
        let too_large = ErrorCode::InvalidCommitOffsetSize;
        assert_eq!(seen(delete, &[too_large]), [too_large]);
        let end = |error| Response::EndTxn(EndTxnResponse::refused(error));
        assert!(seen(end, &[ConcurrentTransactions, ProducerFenced]).is_empty());
        assert_eq!(seen(end, &[NotEnoughReplicas, RequestTimedOut]).len(), 2);
    }

    #[test]
    fn a_request_is_refused_as_a_whole() {
        let leaves = |error| {
            let members = vec![("m".into(), None, error)];
            Response::LeaveGroup(LeaveGroupResponse { error: ErrorCode::None, members })
        };
        let leave = |error| Response::LeaveGroup(LeaveGroupResponse { error, members: Vec::new() });
        let deletes = |error| {
            let partitions = vec![(tp(0), error)];
            Response::OffsetDelete(OffsetDeleteResponse { error: ErrorCode::None, partitions })
        };
        let delete =
            |error| Response::OffsetDelete(OffsetDeleteResponse { error, partitions: Vec::new() });
        let whole = [CoordinatorNotAvailable, NotCoordinator, CoordinatorLoadInProgress];
        assert!(seen(leave, &whole).is_empty() && seen(delete, &whole).is_empty());
        assert_eq!((seen(leaves, &whole).len(), seen(deletes, &whole).len()), (3, 3));
        assert!(seen(leaves, &[UnknownMemberId, FencedInstanceId]).is_empty());
        assert!(seen(deletes, &[GroupSubscribedToTopic]).is_empty());
        assert_eq!(seen(delete, &[GroupSubscribedToTopic]).len(), 1);
    }

    #[test]
    fn controllers_tell_brokers_what_they_know_what_to_do_about() {
        let beat = |error| {
            Response::BrokerHeartbeat(BrokerHeartbeatResponse {
                error,
                is_caught_up: false,
                is_fenced: true,
                should_shut_down: false,
            })
        };
        assert!(seen(beat, &[ErrorCode::None, NotController, StaleBrokerEpoch]).is_empty());
        assert_eq!(seen(beat, &[BrokerIdNotRegistered, RequestTimedOut]).len(), 2);
        let isr = |error| {
            let (leader, leader_epoch, isr, partition_epoch) = (None, -1, Vec::new(), -1);
            let tp = tp(0);
            let told =
                AlterPartitionResult { tp, error, leader, leader_epoch, isr, partition_epoch };
            let partitions = vec![told];
            Response::AlterPartition(AlterPartitionResponse { error: ErrorCode::None, partitions })
        };
        assert!(seen(isr, &[NewLeaderElected, IneligibleReplica, NotController]).is_empty());
        assert_eq!(seen(isr, &[StaleBrokerEpoch]), [StaleBrokerEpoch]);
    }
}
