//! Kafka's error codes, as far as this broker answers with them.

macro_rules! error_codes {
    ($(#[$about:meta])* pub enum $name:ident { $($(#[$doc:meta])* $variant:ident = $code:expr,)* }) => {
        $(#[$about])*
        pub enum $name { $($(#[$doc])* $variant = $code,)* }

        impl $name {
            /// Every code that this broker knows.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];
        }
    };
}

error_codes! {
/// A peer's or client's mistake, or a state that it must react to. Values are Kafka's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i16)]
#[non_exhaustive]
pub enum ErrorCode {
    /// The server met an unexpected error.
    UnknownServerError = -1,
    /// No error.
    None = 0,
    /// Fetch offset is out of the log's range.
    OffsetOutOfRange = 1,
    /// CRC or shape of a batch is wrong.
    CorruptMessage = 2,
    /// This broker does not host the topic or partition.
    UnknownTopicOrPartition = 3,
    /// No leader is elected.
    LeaderNotAvailable = 5,
    /// Leader moved, or this replica is not one.
    NotLeaderOrFollower = 6,
    /// The topic has the partition, but this broker has no replica of it.
    ReplicaNotAvailable = 9,
    /// Not done within the request's timeout.
    RequestTimedOut = 7,
    /// Batch larger than `max.message.bytes`.
    MessageTooLarge = 10,
    /// Metadata of a committed offset is longer than `offset.metadata.max.bytes`.
    OffsetMetadataTooLarge = 12,
    /// Coordinator is loading its state.
    CoordinatorLoadInProgress = 14,
    /// Coordinator has no leader now.
    CoordinatorNotAvailable = 15,
    /// Another broker is the coordinator.
    NotCoordinator = 16,
    /// Name is not legal.
    InvalidTopic = 17,
    /// Batch larger than a segment.
    RecordListTooLarge = 18,
    /// Not a member of the group, or not one of this generation's.
    UnknownMemberId = 25,
    /// ISR smaller than `min.insync.replicas`; nothing was appended.
    NotEnoughReplicas = 19,
    /// ISR shrank below `min.insync.replicas` after the append.
    NotEnoughReplicasAfterAppend = 20,
    /// `acks` is not -1, 0 or 1.
    InvalidRequiredAcks = 21,
    /// Not the group's current generation.
    IllegalGeneration = 22,
    /// Protocol type or protocols that the group's members do not share.
    InconsistentGroupProtocol = 23,
    /// Group id is empty.
    InvalidGroupId = 24,
    /// Session timeout outside of what the coordinator allows.
    InvalidSessionTimeout = 26,
    /// The group rebalances: join again.
    RebalanceInProgress = 27,
    /// A commit's records are larger than a batch may be.
    InvalidCommitOffsetSize = 28,
    /// Timestamp outside the allowed range.
    InvalidTimestamp = 32,
    /// SASL where nobody authenticates.
    IllegalSaslState = 34,
    /// API version not supported.
    UnsupportedVersion = 35,
    /// Topic exists.
    TopicAlreadyExists = 36,
    /// Partition count is wrong.
    InvalidPartitions = 37,
    /// Replication factor is wrong.
    InvalidReplicationFactor = 38,
    /// Replicas of partitions are wrong.
    InvalidReplicaAssignment = 39,
    /// Config value is wrong.
    InvalidConfig = 40,
    /// This node is not the active controller.
    NotController = 41,
    /// Request is malformed.
    InvalidRequest = 42,
    /// The topic's configs do not allow this.
    PolicyViolation = 44,
    /// Sequence is ahead of the expected one.
    OutOfOrderSequenceNumber = 45,
    /// Sequence was seen before, but is no longer among the remembered batches.
    DuplicateSequenceNumber = 46,
    /// A newer producer epoch exists.
    InvalidProducerEpoch = 47,
    /// The transaction's state does not allow this.
    InvalidTxnState = 48,
    /// The producer id is not the one of this transactional id.
    InvalidProducerIdMapping = 49,
    /// Transaction timeout is larger than `transaction.max.timeout.ms`.
    InvalidTransactionTimeout = 50,
    /// The transaction is being changed: try again.
    ConcurrentTransactions = 51,
    /// The coordinator that sent a marker has a successor.
    TransactionCoordinatorFenced = 52,
    /// Not allowed to use this transactional id.
    TransactionalIdAuthorizationFailed = 53,
    /// Nobody is authorized here, as nobody is authenticated.
    SecurityDisabled = 54,
    /// Not attempted, as another part of the request failed.
    OperationNotAttempted = 55,
    /// The log directory failed.
    KafkaStorageError = 56,
    /// The node has no such log directory.
    LogDirNotFound = 57,
    /// No state for this producer id.
    UnknownProducerId = 59,
    /// Delegation tokens are not for those who are not authenticated.
    DelegationTokenRequestNotAllowed = 64,
    /// The group has members.
    NonEmptyGroup = 68,
    /// The group does not exist.
    GroupIdNotFound = 69,
    /// Fetch session is not known.
    FetchSessionIdNotFound = 70,
    /// `delete.topic.enable` is off.
    TopicDeletionDisabled = 73,
    /// Fetch session epoch is not the next one.
    InvalidFetchSessionEpoch = 71,
    /// Request's leader epoch is older than the replica's.
    FencedLeaderEpoch = 74,
    /// Request's leader epoch is newer than the replica's.
    UnknownLeaderEpoch = 75,
    /// Broker epoch is not the registered one.
    StaleBrokerEpoch = 77,
    /// Offset is not available yet on a new leader.
    OffsetNotAvailable = 78,
    /// Join again with the member id in this answer (KIP-394).
    MemberIdRequired = 79,
    /// The group has `group.max.size` members.
    GroupMaxSizeReached = 81,
    /// Another member has taken over this `group.instance.id`.
    FencedInstanceId = 82,
    /// Members of the group read the topic.
    GroupSubscribedToTopic = 86,
    /// No preferred leader election needed.
    ElectionNotNeeded = 84,
    /// There is no reassignment to take back.
    NoReassignmentInProgress = 85,
    /// No replica can lead.
    EligibleLeadersNotAvailable = 83,
    /// Preferred leader is not eligible.
    PreferredLeaderNotAvailable = 80,
    /// Positions of an open transaction: ask again.
    UnstableOffsetCommit = 88,
    /// A newer producer with this transactional id exists.
    ProducerFenced = 90,
    /// What the request names is not there.
    ResourceNotFound = 91,
    /// The request names something twice.
    DuplicateResource = 92,
    /// Nobody uses this transactional id.
    TransactionalIdNotFound = 105,
    /// The transaction can only be aborted (KIP-1050).
    TransactionAbortable = 120,
    /// Record refused by validation.
    InvalidRecord = 87,
    /// Raft vote or fetch with inconsistent voters.
    InconsistentVoterSet = 94,
    /// Partition epoch or other update version is not the current one.
    InvalidUpdateVersion = 95,
    /// Broker id is in use by a live registration.
    DuplicateBrokerRegistration = 101,
    /// Broker id is not registered.
    BrokerIdNotRegistered = 102,
    /// Topic id is not known.
    UnknownTopicId = 100,
    /// Topic id does not match the one in the log.
    InconsistentTopicId = 103,
    /// Snapshot is not there.
    SnapshotNotFound = 98,
    /// Position outside the snapshot.
    PositionOutOfRange = 99,
    /// The member's epoch is not the coordinator's: it must give up its partitions and join anew.
    FencedMemberEpoch = 110,
    /// Another member has this `group.instance.id`, and has not left.
    UnreleasedInstanceId = 111,
    /// The coordinator has no such assignor.
    UnsupportedAssignor = 112,
    /// A member commits with an epoch that is not its own any more.
    StaleMemberEpoch = 113,
    /// The regular expression of a subscription does not compile.
    InvalidRegularExpression = 128,
    /// A replica proposed for the ISR is fenced or shutting down.
    IneligibleReplica = 107,
    /// Controllers were asked for where brokers listen.
    MismatchedEndpointType = 114,
    /// A kind of endpoint that does not exist.
    UnsupportedEndpointType = 115,
    /// AlterPartition succeeded, but leadership moved meanwhile.
    NewLeaderElected = 108,
    /// What a follower asks for is in remote storage only (KIP-405).
    OffsetMovedToTieredStorage = 109,
}
}

impl ErrorCode {
    /// The error that Kafka gives this number; `None` for those that this broker never answers with.
    #[must_use]
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.iter().copied().find(|error| *error as i16 == code)
    }

    /// Whether this is no error.
    #[must_use]
    pub fn is_ok(self) -> bool {
        self == Self::None
    }

    /// What clients of a coordinator are told when its log does not take a record, which fails with this error
    /// (`CoordinatorOperationExceptionHelper`, `GroupMetadataManager.appendGroupMetadataErrorToResponseError`,
    /// `TransactionStateManager.appendTransactionToLog`).
    pub(crate) fn told_by_coordinator(self) -> Self {
        match self {
            Self::None => Self::None,
            Self::NotLeaderOrFollower | Self::KafkaStorageError => Self::NotCoordinator,
            Self::MessageTooLarge | Self::RecordListTooLarge => Self::UnknownServerError,
            _ => Self::CoordinatorNotAvailable,
        }
    }

    /// Whether a client may retry after a metadata refresh or back-off (Kafka's RetriableException).
    #[must_use]
    pub fn is_retriable(self) -> bool {
        matches!(
            self,
            Self::UnknownTopicOrPartition
                | Self::CorruptMessage
                | Self::LeaderNotAvailable
                | Self::NotLeaderOrFollower
                | Self::RequestTimedOut
                | Self::ReplicaNotAvailable
                | Self::CoordinatorLoadInProgress
                | Self::CoordinatorNotAvailable
                | Self::NotCoordinator
                | Self::NotEnoughReplicas
                | Self::NotEnoughReplicasAfterAppend
                | Self::NotController
                | Self::KafkaStorageError
                | Self::ConcurrentTransactions
                | Self::UnstableOffsetCommit
                | Self::FetchSessionIdNotFound
                | Self::InvalidFetchSessionEpoch
                | Self::FencedLeaderEpoch
                | Self::UnknownLeaderEpoch
                | Self::OffsetNotAvailable
                | Self::UnknownTopicId
                | Self::InconsistentTopicId
                | Self::PreferredLeaderNotAvailable
                | Self::EligibleLeadersNotAvailable
        )
    }
}
