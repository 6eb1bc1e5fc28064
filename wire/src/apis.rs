//! What is served: the one table behind ApiVersions, dispatch, and the choice of encodings.

/// A Kafka API that is served; values are Kafka's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are Kafka's")]
pub enum ApiKey {
    Produce = 0,
    Fetch = 1,
    ListOffsets = 2,
    Metadata = 3,
    OffsetCommit = 8,
    OffsetFetch = 9,
    FindCoordinator = 10,
    JoinGroup = 11,
    Heartbeat = 12,
    LeaveGroup = 13,
    SyncGroup = 14,
    DescribeGroups = 15,
    ListGroups = 16,
    SaslHandshake = 17,
    ApiVersions = 18,
    CreateTopics = 19,
    DeleteTopics = 20,
    DeleteRecords = 21,
    InitProducerId = 22,
    OffsetForLeaderEpoch = 23,
    AddPartitionsToTxn = 24,
    AddOffsetsToTxn = 25,
    EndTxn = 26,
    WriteTxnMarkers = 27,
    TxnOffsetCommit = 28,
    DescribeAcls = 29,
    CreateAcls = 30,
    DeleteAcls = 31,
    DescribeConfigs = 32,
    AlterConfigs = 33,
    AlterReplicaLogDirs = 34,
    DescribeLogDirs = 35,
    SaslAuthenticate = 36,
    CreatePartitions = 37,
    CreateDelegationToken = 38,
    RenewDelegationToken = 39,
    ExpireDelegationToken = 40,
    DescribeDelegationToken = 41,
    DeleteGroups = 42,
    ElectLeaders = 43,
    IncrementalAlterConfigs = 44,
    AlterPartitionReassignments = 45,
    ListPartitionReassignments = 46,
    OffsetDelete = 47,
    DescribeClientQuotas = 48,
    AlterClientQuotas = 49,
    DescribeUserScramCredentials = 50,
    DescribeQuorum = 55,
    UpdateFeatures = 57,
    DescribeCluster = 60,
    DescribeProducers = 61,
    UnregisterBroker = 64,
    DescribeTransactions = 65,
    ListTransactions = 66,
    ConsumerGroupHeartbeat = 68,
    ConsumerGroupDescribe = 69,
    ListConfigResources = 74,
    DescribeTopicPartitions = 75,
}

/// An API and the versions in which it is served, each of them in full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Api {
    /// Which.
    pub key: ApiKey,
    /// Oldest version.
    pub min: i16,
    /// Newest version.
    pub max: i16,
    /// First version with compact lengths and tagged fields.
    pub flexible_from: i16,
}

/// First flexible version of what has none.
const NEVER: i16 = i16::MAX;

const fn api(key: ApiKey, min: i16, max: i16, flexible_from: i16) -> Api {
    Api { key, min, max, flexible_from }
}

/// Everything that is served, ascending by key. Oldest versions are those of Kafka 4 (KIP-896) or,
/// where librdkafka looks for an older one before it uses a feature, that one. Newest versions end
/// where a request asks for what `broker-core` does not do: topic ids in commits.
pub const APIS: [Api; 58] = [
    api(ApiKey::Produce, 3, 13, 9),
    api(ApiKey::Fetch, 4, 18, 12),
    api(ApiKey::ListOffsets, 1, 10, 6),
    api(ApiKey::Metadata, 0, 13, 9),
    api(ApiKey::OffsetCommit, 2, 9, 8),
    api(ApiKey::OffsetFetch, 1, 9, 6),
    api(ApiKey::FindCoordinator, 0, 6, 3),
    api(ApiKey::JoinGroup, 0, 9, 6),
    api(ApiKey::Heartbeat, 0, 4, 4),
    api(ApiKey::LeaveGroup, 0, 5, 4),
    api(ApiKey::SyncGroup, 0, 5, 4),
    api(ApiKey::DescribeGroups, 0, 6, 5),
    api(ApiKey::ListGroups, 0, 5, 3),
    api(ApiKey::SaslHandshake, 0, 1, NEVER),
    api(ApiKey::ApiVersions, 0, 4, 3),
    api(ApiKey::CreateTopics, 2, 7, 5),
    api(ApiKey::DeleteTopics, 1, 6, 4),
    api(ApiKey::DeleteRecords, 0, 2, 2),
    api(ApiKey::InitProducerId, 0, 5, 2),
    api(ApiKey::OffsetForLeaderEpoch, 2, 4, 4),
    api(ApiKey::AddPartitionsToTxn, 0, 5, 3),
    api(ApiKey::AddOffsetsToTxn, 0, 4, 3),
    api(ApiKey::EndTxn, 0, 5, 3),
    api(ApiKey::WriteTxnMarkers, 1, 1, 1),
    api(ApiKey::TxnOffsetCommit, 0, 5, 3),
    api(ApiKey::DescribeAcls, 1, 3, 2),
    api(ApiKey::CreateAcls, 1, 3, 2),
    api(ApiKey::DeleteAcls, 1, 3, 2),
    api(ApiKey::DescribeConfigs, 1, 4, 4),
    api(ApiKey::AlterConfigs, 0, 2, 2),
    api(ApiKey::AlterReplicaLogDirs, 1, 2, 2),
    api(ApiKey::DescribeLogDirs, 1, 4, 2),
    api(ApiKey::SaslAuthenticate, 0, 2, 2),
    api(ApiKey::CreatePartitions, 0, 3, 2),
    api(ApiKey::CreateDelegationToken, 1, 3, 2),
    api(ApiKey::RenewDelegationToken, 1, 2, 2),
    api(ApiKey::ExpireDelegationToken, 1, 2, 2),
    api(ApiKey::DescribeDelegationToken, 1, 3, 2),
    api(ApiKey::DeleteGroups, 0, 2, 2),
    api(ApiKey::ElectLeaders, 0, 2, 2),
    api(ApiKey::IncrementalAlterConfigs, 0, 1, 1),
    api(ApiKey::AlterPartitionReassignments, 0, 1, 0),
    api(ApiKey::ListPartitionReassignments, 0, 0, 0),
    api(ApiKey::OffsetDelete, 0, 0, NEVER),
    api(ApiKey::DescribeClientQuotas, 0, 1, 1),
    api(ApiKey::AlterClientQuotas, 0, 1, 1),
    api(ApiKey::DescribeUserScramCredentials, 0, 0, 0),
    api(ApiKey::DescribeQuorum, 0, 2, 0),
    api(ApiKey::UpdateFeatures, 0, 2, 0),
    api(ApiKey::DescribeCluster, 0, 2, 0),
    api(ApiKey::DescribeProducers, 0, 0, 0),
    api(ApiKey::UnregisterBroker, 0, 0, 0),
    api(ApiKey::DescribeTransactions, 0, 0, 0),
    api(ApiKey::ListTransactions, 0, 2, 0),
    api(ApiKey::ConsumerGroupHeartbeat, 0, 1, 0),
    api(ApiKey::ConsumerGroupDescribe, 0, 1, 0),
    api(ApiKey::ListConfigResources, 0, 1, 0),
    api(ApiKey::DescribeTopicPartitions, 0, 0, 0),
];

impl Api {
    /// By Kafka's number.
    #[must_use]
    pub fn find(key: i16) -> Option<Self> {
        APIS.into_iter().find(|api| api.key as i16 == key)
    }

    /// Of an API that is known to be served.
    #[must_use]
    pub fn of(key: ApiKey) -> Self {
        APIS.into_iter().find(|api| api.key == key).expect("the table has every key")
    }

    /// Whether it is served in a version.
    #[must_use]
    pub fn serves(self, version: i16) -> bool {
        (self.min..=self.max).contains(&version)
    }

    /// Oldest version that ApiVersions tells. librdkafka up to at least 2.3 compresses with gzip,
    /// Snappy and LZ4 only for a broker that has Produce v0; others get records as they are,
    /// without a word. So Kafka tells of v0 to v2, though it refuses them (KAFKA-18659).
    #[must_use]
    pub fn told_from(self) -> i16 {
        if self.key == ApiKey::Produce { 0 } else { self.min }
    }

    /// Whether a version has compact lengths and tagged fields.
    #[must_use]
    pub fn is_flexible(self, version: i16) -> bool {
        version >= self.flexible_from
    }
}
