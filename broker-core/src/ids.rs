//! Names of things. Offsets and epochs are plain integers, as arithmetic on them is everywhere.

use std::fmt;

/// Position of a record in a partition.
pub type Offset = i64;

/// Leadership term of a partition; `-1` = unknown.
pub type LeaderEpoch = i32;

/// No offset known.
pub const NO_OFFSET: Offset = -1;

/// No leader epoch known.
pub const NO_EPOCH: LeaderEpoch = -1;

/// `node.id` of a broker or controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub i32);

/// Kafka's topic UUID. Packed, so that what holds one needs no 16-byte alignment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C, packed(8))]
pub struct TopicId(pub u128);

impl TopicId {
    /// `__cluster_metadata`, the topic of the KRaft quorum (Kafka's reserved UUID 1).
    pub const METADATA: Self = Self(1);
}

/// A segment in remote storage: another one after each copy, whatever it holds (Kafka's
/// `RemoteLogSegmentId`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RemoteSegmentId(pub u128);

/// A partition of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// Topic.
    pub topic: TopicId,
    /// Index within the topic.
    pub partition: i32,
}

impl TopicPartition {
    /// The one partition of the metadata log.
    pub const METADATA: Self = Self { topic: TopicId::METADATA, partition: 0 };

    /// A partition of a topic.
    #[must_use]
    pub const fn new(topic: TopicId, partition: i32) -> Self {
        Self { topic, partition }
    }
}

/// A client's or peer's connection to this node, chosen by the shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// Pairs a response with its request on one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CorrelationId(pub u64);

/// Identifies a disk operation until its completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DiskOpId(pub u64);

/// Identifies an operation on remote storage until its completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RemoteOpId(pub u64);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TopicId({:x})", { self.0 })
    }
}
