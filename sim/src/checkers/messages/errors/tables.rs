//! Errors that Kafka 4.1's brokers have for each place in an answer, from their source: what a table names is where
//! they come from. Names of responses stand for "Possible error codes" there.

use stormglass_broker_core::error::ErrorCode::{
    self, BrokerIdNotRegistered, ConcurrentTransactions, CoordinatorLoadInProgress,
    CoordinatorNotAvailable, CorruptMessage, DuplicateBrokerRegistration, ElectionNotNeeded,
    EligibleLeadersNotAvailable, FencedInstanceId, FencedLeaderEpoch, FencedMemberEpoch,
    FetchSessionIdNotFound, GroupIdNotFound, GroupMaxSizeReached, GroupSubscribedToTopic,
    IllegalGeneration, InconsistentGroupProtocol, InconsistentTopicId, InconsistentVoterSet,
    IneligibleReplica, InvalidConfig, InvalidFetchSessionEpoch, InvalidGroupId, InvalidPartitions,
    InvalidProducerEpoch, InvalidProducerIdMapping, InvalidRecord, InvalidRegularExpression,
    InvalidReplicaAssignment, InvalidReplicationFactor, InvalidRequest, InvalidRequiredAcks,
    InvalidSessionTimeout, InvalidTimestamp, InvalidTopic, InvalidTransactionTimeout,
    InvalidTxnState, InvalidUpdateVersion, KafkaStorageError, LeaderNotAvailable, LogDirNotFound,
    MemberIdRequired, MessageTooLarge, NewLeaderElected, NoReassignmentInProgress, NonEmptyGroup,
    NotController, NotCoordinator, NotEnoughReplicas, NotEnoughReplicasAfterAppend,
    NotLeaderOrFollower, OffsetMetadataTooLarge, OffsetMovedToTieredStorage, OffsetNotAvailable,
    OffsetOutOfRange, OperationNotAttempted, OutOfOrderSequenceNumber, PolicyViolation,
    PositionOutOfRange, PreferredLeaderNotAvailable, ProducerFenced, RebalanceInProgress,
    RecordListTooLarge, ReplicaNotAvailable, RequestTimedOut, SnapshotNotFound, StaleBrokerEpoch,
    StaleMemberEpoch, TopicAlreadyExists, TopicDeletionDisabled, TransactionAbortable,
    TransactionCoordinatorFenced, TransactionalIdAuthorizationFailed, TransactionalIdNotFound,
    UnknownLeaderEpoch, UnknownMemberId, UnknownServerError, UnknownTopicId,
    UnknownTopicOrPartition, UnreleasedInstanceId, UnsupportedAssignor, UnsupportedVersion,
};

/// Errors that there may be in one place.
pub(super) type Table = [ErrorCode];

/// `ProduceResponse`, `ReplicaManager.handleProduceAppend`: what the coordinator of a transaction
/// says is told in words that producers know from leaders.
pub(super) const PRODUCE: &Table = &[
    CorruptMessage,
    UnknownTopicOrPartition,
    NotLeaderOrFollower,
    RequestTimedOut,
    MessageTooLarge,
    RecordListTooLarge,
    InvalidTopic,
    NotEnoughReplicas,
    NotEnoughReplicasAfterAppend,
    InvalidRequiredAcks,
    InvalidTimestamp,
    InvalidRequest,
    OutOfOrderSequenceNumber,
    InvalidProducerEpoch,
    InvalidTxnState,
    InvalidProducerIdMapping,
    ConcurrentTransactions,
    TransactionalIdAuthorizationFailed,
    OperationNotAttempted,
    KafkaStorageError,
    InvalidRecord,
    TransactionAbortable,
    UnknownServerError,
];
/// `FetchSession`: of the session.
pub(super) const FETCH: &Table = &[FetchSessionIdNotFound, InvalidFetchSessionEpoch];
/// `FetchResponse`, `ReplicaManager.readFromLog`, and `KafkaRaftClient` of the metadata log.
pub(super) const FETCHED: &Table = &[
    OffsetOutOfRange,
    CorruptMessage,
    UnknownTopicOrPartition,
    NotLeaderOrFollower,
    ReplicaNotAvailable,
    InvalidRequest,
    KafkaStorageError,
    FencedLeaderEpoch,
    UnknownLeaderEpoch,
    OffsetNotAvailable,
    UnknownTopicId,
    InconsistentTopicId,
    OffsetMovedToTieredStorage,
    UnknownServerError,
];
/// `ListOffsetsResponse`, `ReplicaManager.fetchOffset`.
pub(super) const OFFSETS: &Table = &[
    UnknownTopicOrPartition,
    NotLeaderOrFollower,
    ReplicaNotAvailable,
    UnsupportedVersion,
    InvalidRequest,
    KafkaStorageError,
    FencedLeaderEpoch,
    UnknownLeaderEpoch,
    OffsetNotAvailable,
    UnknownServerError,
];
/// `OffsetsForLeaderEpochResponse`.
pub(super) const EPOCH_END: &Table = &[
    UnknownTopicOrPartition,
    NotLeaderOrFollower,
    KafkaStorageError,
    FencedLeaderEpoch,
    UnknownLeaderEpoch,
];
/// `DeleteRecordsResponse`, `ReplicaManager.deleteRecordsOnLocalLog`.
pub(super) const DELETE_RECORDS: &Table = &[
    OffsetOutOfRange,
    UnknownTopicOrPartition,
    NotLeaderOrFollower,
    RequestTimedOut,
    InvalidTopic,
    PolicyViolation,
    KafkaStorageError,
];
/// `ReplicaManager.activeProducerState`.
pub(super) const PRODUCERS: &Table = &[UnknownTopicOrPartition, NotLeaderOrFollower, InvalidTopic];
/// `AlterReplicaLogDirsResponse`.
pub(super) const LOG_DIRS: &Table = &[
    UnknownTopicOrPartition,
    ReplicaNotAvailable,
    InvalidTopic,
    KafkaStorageError,
    LogDirNotFound,
];
/// `KafkaApis.getCoordinator`.
pub(super) const COORDINATOR: &Table = &[CoordinatorNotAvailable, InvalidRequest];
/// `OffsetMetadataManager.validateOffsetCommit`, `CoordinatorOperationExceptionHelper`. That a
/// commit is too large, or took too long, coordinators before Kafka 4 told otherwise.
pub(super) const COMMIT: &Table = &[
    UnknownTopicOrPartition,
    OffsetMetadataTooLarge,
    CoordinatorLoadInProgress,
    CoordinatorNotAvailable,
    NotCoordinator,
    IllegalGeneration,
    InvalidGroupId,
    UnknownMemberId,
    RebalanceInProgress,
    UnsupportedVersion,
    GroupIdNotFound,
    FencedInstanceId,
    StaleMemberEpoch,
    UnknownServerError,
];
/// `OffsetMetadataManager.validateTransactionalOffsetCommit`, and what comes of asking the
/// transaction's coordinator: producers know no epochs of members.
pub(super) const TXN_COMMIT: &Table = &[
    UnknownTopicOrPartition,
    OffsetMetadataTooLarge,
    CoordinatorLoadInProgress,
    CoordinatorNotAvailable,
    NotCoordinator,
    IllegalGeneration,
    InvalidGroupId,
    UnknownMemberId,
    InvalidRequest,
    InvalidProducerEpoch,
    InvalidTxnState,
    InvalidProducerIdMapping,
    ConcurrentTransactions,
    FencedInstanceId,
    TransactionAbortable,
    UnknownServerError,
];
/// `OffsetFetchResponse`, `GroupCoordinatorService.handleOffsetFetchException`.
pub(super) const POSITIONS: &Table = &[
    CoordinatorLoadInProgress,
    CoordinatorNotAvailable,
    NotCoordinator,
    UnknownMemberId,
    StaleMemberEpoch,
];
/// `GroupMetadataManager.classicGroupJoin`.
pub(super) const JOIN: &Table = &[
    CoordinatorLoadInProgress,
    CoordinatorNotAvailable,
    NotCoordinator,
    InconsistentGroupProtocol,
    InvalidGroupId,
    UnknownMemberId,
    InvalidSessionTimeout,
    RebalanceInProgress,
    MemberIdRequired,
    GroupMaxSizeReached,
    FencedInstanceId,
    UnknownServerError,
];
/// `GroupMetadataManager.validateSyncGroup`, `appendGroupMetadataErrorToResponseError`. That a
/// coordinator is loading, members are not told: they are to join again.
pub(super) const SYNC: &Table = &[
    CoordinatorNotAvailable,
    NotCoordinator,
    IllegalGeneration,
    InconsistentGroupProtocol,
    InvalidGroupId,
    UnknownMemberId,
    RebalanceInProgress,
    FencedInstanceId,
    UnknownServerError,
];
/// `HeartbeatResponse`, `GroupCoordinatorService.heartbeat`: while a coordinator is loading, all is
/// well.
pub(super) const HEARTBEAT: &Table = &[
    CoordinatorNotAvailable,
    NotCoordinator,
    IllegalGeneration,
    InvalidGroupId,
    UnknownMemberId,
    RebalanceInProgress,
    FencedInstanceId,
];
/// `LeaveGroupResponse`, of the request as a whole: clients ask again.
pub(super) const LEAVE: &Table = &[
    CoordinatorLoadInProgress,
    CoordinatorNotAvailable,
    NotCoordinator,
    InvalidGroupId,
    UnknownServerError,
];
/// `LeaveGroupResponse`, of members: that is final.
pub(super) const LEFT: &Table = &[UnknownMemberId, FencedInstanceId];
/// `ConsumerGroupHeartbeatResponse`, `GroupMetadataManager.consumerGroupHeartbeat`.
pub(super) const CONSUMER: &Table = &[
    CoordinatorLoadInProgress,
    CoordinatorNotAvailable,
    NotCoordinator,
    UnknownMemberId,
    UnsupportedVersion,
    InvalidRequest,
    GroupIdNotFound,
    GroupMaxSizeReached,
    FencedInstanceId,
    FencedMemberEpoch,
    UnreleasedInstanceId,
    UnsupportedAssignor,
    InvalidRegularExpression,
    UnknownServerError,
];
/// `ConsumerGroupDescribeResponse`.
pub(super) const CONSUMER_GROUP: &Table = &[
    CoordinatorLoadInProgress,
    CoordinatorNotAvailable,
    NotCoordinator,
    InvalidGroupId,
    UnsupportedVersion,
    GroupIdNotFound,
];
/// `DescribeGroupsResponse`, and KIP-1043.
pub(super) const CLASSIC_GROUP: &Table =
    &[CoordinatorLoadInProgress, CoordinatorNotAvailable, NotCoordinator, GroupIdNotFound];
/// `GroupCoordinatorService.listGroups`.
pub(super) const GROUPS: &Table = &[CoordinatorLoadInProgress, CoordinatorNotAvailable];
/// `DeleteGroupsResponse`, `CoordinatorOperationExceptionHelper`.
pub(super) const DELETE_GROUP: &Table = &[
    CoordinatorLoadInProgress,
    CoordinatorNotAvailable,
    NotCoordinator,
    InvalidGroupId,
    NonEmptyGroup,
    GroupIdNotFound,
    UnknownServerError,
];
/// `OffsetDeleteResponse`, of the request as a whole: clients ask again.
pub(super) const DELETE_POSITIONS: &Table = &[
    CoordinatorLoadInProgress,
    CoordinatorNotAvailable,
    NotCoordinator,
    InvalidGroupId,
    NonEmptyGroup,
    GroupIdNotFound,
    UnknownServerError,
];
/// `OffsetDeleteResponse`, of partitions: that is final.
pub(super) const DELETED_POSITION: &Table = &[UnknownTopicOrPartition, GroupSubscribedToTopic];
/// `TransactionCoordinator.handleInitProducerId`, `TransactionStateManager.appendTransactionToLog`.
pub(super) const INIT: &Table = &[
    CoordinatorLoadInProgress,
    CoordinatorNotAvailable,
    NotCoordinator,
    InvalidRequest,
    InvalidTransactionTimeout,
    ConcurrentTransactions,
    ProducerFenced,
    UnknownServerError,
];
/// `TransactionCoordinator.handleAddPartitionsToTransaction`,
/// `handleVerifyPartitionsInTransaction`, `KafkaApis.handleAddPartitionsToTxnRequest`.
pub(super) const ADD_PARTITION: &Table = &[
    UnknownTopicOrPartition,
    CoordinatorLoadInProgress,
    CoordinatorNotAvailable,
    NotCoordinator,
    InvalidRequest,
    InvalidProducerIdMapping,
    ConcurrentTransactions,
    OperationNotAttempted,
    ProducerFenced,
    TransactionAbortable,
    UnknownServerError,
];
/// `TransactionCoordinator.handleAddPartitionsToTransaction`.
pub(super) const ADD_OFFSETS: &Table = &[
    CoordinatorLoadInProgress,
    CoordinatorNotAvailable,
    NotCoordinator,
    InvalidRequest,
    InvalidProducerIdMapping,
    ConcurrentTransactions,
    ProducerFenced,
    UnknownServerError,
];
/// `TransactionCoordinator.endTransaction`.
pub(super) const END: &Table = &[
    CoordinatorLoadInProgress,
    CoordinatorNotAvailable,
    NotCoordinator,
    InvalidRequest,
    InvalidTxnState,
    InvalidProducerIdMapping,
    ConcurrentTransactions,
    ProducerFenced,
    UnknownServerError,
];
/// `WriteTxnMarkersResponse`, `TransactionMarkerRequestCompletionHandler`: it takes any other for a
/// bug.
pub(super) const MARKER: &Table = &[
    CorruptMessage,
    UnknownTopicOrPartition,
    NotLeaderOrFollower,
    RequestTimedOut,
    MessageTooLarge,
    RecordListTooLarge,
    NotEnoughReplicas,
    NotEnoughReplicasAfterAppend,
    InvalidProducerEpoch,
    TransactionCoordinatorFenced,
    KafkaStorageError,
];
/// `TransactionCoordinator.handleDescribeTransactions`.
pub(super) const TRANSACTION: &Table = &[
    CoordinatorLoadInProgress,
    CoordinatorNotAvailable,
    NotCoordinator,
    InvalidRequest,
    TransactionalIdNotFound,
];
/// `TransactionCoordinator.handleListTransactions`, and KIP-1152.
pub(super) const TRANSACTIONS: &Table =
    &[CoordinatorLoadInProgress, CoordinatorNotAvailable, InvalidRegularExpression];
/// `MetadataResponse`, `DescribeTopicPartitionsRequestHandler`.
pub(super) const TOPIC: &Table =
    &[UnknownTopicOrPartition, InvalidTopic, InvalidRequest, UnknownTopicId];
/// `MetadataResponse`, of partitions.
pub(super) const PARTITION: &Table = &[LeaderNotAvailable, ReplicaNotAvailable];
/// `CreateTopicsResponse`, `ReplicationControlManager.createTopics`.
pub(super) const CREATE_TOPIC: &Table = &[
    RequestTimedOut,
    InvalidTopic,
    TopicAlreadyExists,
    InvalidPartitions,
    InvalidReplicationFactor,
    InvalidReplicaAssignment,
    InvalidConfig,
    NotController,
    InvalidRequest,
    PolicyViolation,
];
/// `DeleteTopicsResponse`, `ControllerApis.deleteTopics`.
pub(super) const DELETE_TOPIC: &Table = &[
    UnknownTopicOrPartition,
    RequestTimedOut,
    NotController,
    InvalidRequest,
    TopicDeletionDisabled,
    UnknownTopicId,
];
/// `ReplicationControlManager.createPartitions`.
pub(super) const CREATE_PARTITIONS: &Table = &[
    UnknownTopicOrPartition,
    RequestTimedOut,
    InvalidPartitions,
    InvalidReplicationFactor,
    InvalidReplicaAssignment,
    NotController,
    InvalidRequest,
];
/// `ConfigurationControlManager`.
pub(super) const ALTER_CONFIGS: &Table = &[
    UnknownTopicOrPartition,
    RequestTimedOut,
    InvalidTopic,
    InvalidConfig,
    NotController,
    InvalidRequest,
    PolicyViolation,
    BrokerIdNotRegistered,
    UnknownServerError,
];
/// `ConfigHelper.describeConfigs`.
pub(super) const CONFIGS: &Table = &[UnknownTopicOrPartition, InvalidTopic, InvalidRequest];
/// `ClientQuotaControlManager`.
pub(super) const ALTER_QUOTAS: &Table = &[NotController, RequestTimedOut, InvalidRequest];
/// `ClientQuotasImage.describe`.
pub(super) const QUOTAS: &Table = &[UnsupportedVersion, InvalidRequest];
/// What a controller as such may say, and who forwards to it (KIP-590).
pub(super) const ASK_CONTROLLER: &Table = &[NotController, RequestTimedOut];
/// `ReplicationControlManager.electLeaders`.
pub(super) const ELECT: &Table = &[RequestTimedOut, NotController, InvalidRequest];
/// `ReplicationControlManager.electLeader`, of partitions.
pub(super) const ELECTED: &Table = &[
    UnknownTopicOrPartition,
    PreferredLeaderNotAvailable,
    EligibleLeadersNotAvailable,
    ElectionNotNeeded,
];
/// `ReplicationControlManager.alterPartitionReassignment`, and KIP-860.
pub(super) const REASSIGNED: &Table = &[
    UnknownTopicOrPartition,
    InvalidReplicationFactor,
    InvalidReplicaAssignment,
    NoReassignmentInProgress,
];
/// `UpdateFeaturesResponse`, `FeatureControlManager.invalidUpdateVersion`.
pub(super) const FEATURES: &Table =
    &[RequestTimedOut, NotController, InvalidRequest, InvalidUpdateVersion];
/// `ReplicationControlManager.unregisterBroker`.
pub(super) const UNREGISTER: &Table = &[NotController, RequestTimedOut, BrokerIdNotRegistered];
/// `ClusterControlManager.registerBroker`.
pub(super) const REGISTER: &Table = &[NotController, DuplicateBrokerRegistration];
/// `ClusterControlManager.checkBrokerEpoch`.
pub(super) const OF_BROKER: &Table = &[NotController, StaleBrokerEpoch];
/// `ReplicationControlManager.alterPartition`, of partitions.
pub(super) const ISR: &Table = &[
    UnknownTopicOrPartition,
    NotController,
    InvalidRequest,
    FencedLeaderEpoch,
    InvalidUpdateVersion,
    UnknownTopicId,
    IneligibleReplica,
    NewLeaderElected,
];
/// `VoteResponse`, `BeginQuorumEpochResponse`, `EndQuorumEpochResponse`.
pub(super) const QUORUM: &Table =
    &[UnknownTopicOrPartition, InvalidRequest, FencedLeaderEpoch, InconsistentVoterSet];
/// `KafkaRaftClient.handleFetchSnapshotRequest`.
pub(super) const SNAPSHOT: &Table = &[
    UnknownTopicOrPartition,
    NotLeaderOrFollower,
    FencedLeaderEpoch,
    UnknownLeaderEpoch,
    SnapshotNotFound,
    PositionOutOfRange,
];
/// `DescribeQuorumResponse`, and who forwards it.
pub(super) const DESCRIBE_QUORUM: &Table =
    &[UnknownTopicOrPartition, NotLeaderOrFollower, RequestTimedOut, NotController];
