//! What administrators look at: partitions of topics, page by page, and log directories.

use super::MetadataPartition;
use crate::error::ErrorCode;
use crate::ids::{NodeId, TopicId, TopicPartition};
use std::sync::Arc;

/// DescribeTopicPartitions (KIP-966): partitions of topics, as many as one answer may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribeTopicPartitionsRequest {
    /// Topics; none = all.
    pub topics: Vec<Arc<str>>,
    /// Most partitions that the answer may have.
    pub partition_limit: i32,
    /// Where the answer begins; `None` = at the first partition.
    pub cursor: Option<PartitionCursor>,
}

/// A place in the partitions of all topics, which are sorted by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionCursor {
    /// Topic.
    pub topic: Arc<str>,
    /// Partition of it.
    pub partition: i32,
}

/// Answer to [`DescribeTopicPartitionsRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribeTopicPartitionsResponse {
    /// Topics, sorted by name.
    pub topics: Vec<DescribedTopic>,
    /// Where the next answer is to begin; `None` = this was all.
    pub next: Option<PartitionCursor>,
}

/// A topic with some of its partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedTopic {
    /// Outcome.
    pub error: ErrorCode,
    /// Name.
    pub name: Arc<str>,
    /// Id.
    pub id: TopicId,
    /// Partitions in order of index.
    pub partitions: Vec<DescribedPartition>,
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedPartition {
    /// Its index.
    pub index: i32,
    /// Its leader and replicas.
    pub at: MetadataPartition,
    /// Replicas whose brokers are fenced or unknown.
    pub offline: Vec<NodeId>,
}

/// DescribeLogDirs: what the node's log directory holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribeLogDirsRequest {
    /// Partitions; `None` = all.
    pub partitions: Option<Vec<TopicPartition>>,
}

/// Answer to [`DescribeLogDirsRequest`]. Where the directory is, and how much room there is, the
/// shell knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribeLogDirsResponse {
    /// Replicas that are asked for and hosted, in order of partition.
    pub replicas: Vec<ReplicaLog>,
}

/// A replica's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplicaLog {
    /// Partition.
    pub tp: TopicPartition,
    /// Bytes of all its segments.
    pub size_bytes: i64,
    /// How far its end is behind the high watermark, records.
    pub offset_lag: i64,
}

/// AlterReplicaLogDirs: where replicas are to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlterReplicaLogDirsRequest {
    /// Partitions, and whether the directory wanted is the one that this node has.
    pub partitions: Vec<(TopicPartition, bool)>,
}

/// Answer to [`AlterReplicaLogDirsRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlterReplicaLogDirsResponse {
    /// Outcome per partition, in the request's order.
    pub partitions: Vec<(TopicPartition, ErrorCode)>,
}
