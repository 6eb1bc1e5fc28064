//! What administrators do to topics: deletion, more partitions, configs, deletion of records.

use crate::config::ConfigKind;
use crate::error::ErrorCode;
use crate::ids::{NodeId, Offset, TopicId, TopicPartition};
use std::borrow::Cow;
use std::sync::Arc;

/// A topic by either of its names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum TopicRef {
    /// Name.
    Name(Arc<str>),
    /// Id (KIP-516).
    Id(TopicId),
}

/// DeleteTopics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteTopicsRequest {
    /// Topics.
    pub topics: Vec<TopicRef>,
}

/// Answer to [`DeleteTopicsRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteTopicsResponse {
    /// In the request's order, after those that it names more than once.
    pub topics: Vec<DeletedTopic>,
}

/// What became of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletedTopic {
    /// Name; `None` when an id was given that no topic has.
    pub name: Option<Arc<str>>,
    /// Id; 0 when a name was given that no topic has.
    pub id: TopicId,
    /// Outcome.
    pub error: ErrorCode,
}

impl DeletedTopic {
    /// The topic was not deleted, and nothing is told of it but what was asked.
    #[must_use]
    pub fn refused(asked: &TopicRef, error: ErrorCode) -> Self {
        match asked {
            TopicRef::Name(name) => Self { name: Some(Arc::clone(name)), id: TopicId(0), error },
            TopicRef::Id(id) => Self { name: None, id: *id, error },
        }
    }
}

/// CreatePartitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatePartitionsRequest {
    /// Topics.
    pub topics: Vec<NewPartitions>,
    /// Only checks whether they could be created.
    pub validate_only: bool,
}

/// More partitions of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPartitions {
    /// Topic.
    pub name: Arc<str>,
    /// Partitions that there shall be.
    pub count: i32,
    /// Replicas of each new partition; `None` = the controller places them.
    pub assignments: Option<Vec<Vec<NodeId>>>,
}

/// Answer to [`CreatePartitionsRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatePartitionsResponse {
    /// Outcome per topic, in the request's order.
    pub topics: Vec<(Arc<str>, ErrorCode)>,
}

/// Whose configs. Kafka's numbers for kinds, as requests may name any.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConfigTarget {
    /// [`Self::TOPIC`], [`Self::BROKER`], [`Self::CLIENT_METRICS`], [`Self::GROUP`] or another.
    pub kind: i8,
    /// Topic, subscription, group, or id of the broker; empty = all brokers.
    pub name: Arc<str>,
}

impl ConfigTarget {
    /// A topic.
    pub const TOPIC: i8 = 2;
    /// A broker.
    pub const BROKER: i8 = 4;
    /// Loggers of a broker (KIP-412), which its shell may have.
    pub const BROKER_LOGGER: i8 = 8;
    /// A subscription to metrics of clients (KIP-714).
    pub const CLIENT_METRICS: i8 = 16;
    /// A group.
    pub const GROUP: i8 = 32;
}

/// AlterConfigs and IncrementalAlterConfigs (KIP-339).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlterConfigsRequest {
    /// What to change.
    pub resources: Vec<AlteredResource>,
    /// Only checks whether it could be changed.
    pub validate_only: bool,
}

/// Changes of one resource's configs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlteredResource {
    /// Whose.
    pub target: ConfigTarget,
    /// Whether keys that are not named lose their values (AlterConfigs).
    pub replace: bool,
    /// Changes.
    pub changes: Vec<ConfigChange>,
}

/// A change of one config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigChange {
    /// Key.
    pub key: Arc<str>,
    /// What to do.
    pub op: ConfigOp,
    /// Value, where the operation needs one.
    pub value: Option<Arc<str>>,
}

/// What to do with a config.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigOp {
    /// Give it a value.
    Set,
    /// Back to the default.
    Delete,
    /// Add to a list.
    Append,
    /// Take out of a list.
    Subtract,
    /// None of these, which is refused.
    Unknown,
}

/// Answer to [`AlterConfigsRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlterConfigsResponse {
    /// In the request's order.
    pub resources: Vec<AlteredConfigs>,
}

/// Outcome for one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlteredConfigs {
    /// Whose.
    pub target: ConfigTarget,
    /// Outcome.
    pub error: ErrorCode,
    /// What is wrong.
    pub message: Option<Arc<str>>,
}

/// DescribeConfigs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribeConfigsRequest {
    /// Resources, each with the keys wanted; `None` = all.
    pub resources: Vec<(ConfigTarget, Option<Vec<Arc<str>>>)>,
}

/// Answer to [`DescribeConfigsRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribeConfigsResponse {
    /// In the request's order.
    pub resources: Vec<DescribedConfigs>,
}

/// Configs of one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedConfigs {
    /// Whose.
    pub target: ConfigTarget,
    /// Outcome.
    pub error: ErrorCode,
    /// What is wrong.
    pub message: Option<Arc<str>>,
    /// Configs in order of key.
    pub entries: Vec<ConfigEntry>,
}

/// A config with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Key. Brokers may have some that nobody knows.
    pub key: Cow<'static, str>,
    /// Effective value.
    pub value: Arc<str>,
    /// Where it comes from.
    pub source: ConfigSource,
    /// Type of the value.
    pub kind: ConfigKind,
    /// Whether it can be changed while the broker runs.
    pub read_only: bool,
    /// What it would be without an override of its own: key, value and source.
    pub inherited: Option<(&'static str, Arc<str>, ConfigSource)>,
}

/// Where a value comes from; values are Kafka's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i8)]
pub enum ConfigSource {
    /// Set for the topic.
    Topic = 1,
    /// Set for one broker.
    Broker = 2,
    /// Set for all brokers.
    AllBrokers = 3,
    /// server.properties.
    Static = 4,
    /// Nobody has set it.
    Default = 5,
    /// Level of a broker's logger.
    BrokerLogger = 6,
    /// Set for a subscription to metrics of clients.
    ClientMetrics = 7,
    /// Set for the group.
    Group = 8,
}

/// ListConfigResources (KIP-1142).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListConfigResourcesRequest {
    /// Kinds of resources, as in [`ConfigTarget`]; empty = all.
    pub kinds: Vec<i8>,
}

/// Answer to [`ListConfigResourcesRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListConfigResourcesResponse {
    /// Outcome.
    pub error: ErrorCode,
    /// Topics and brokers that there are, and groups and subscriptions to metrics that have configs of their own.
    pub resources: Vec<ConfigTarget>,
}

/// DeleteRecords.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteRecordsRequest {
    /// Partition, and the offset before which records go; `-1` = the high watermark.
    pub partitions: Vec<(TopicPartition, Offset)>,
}

/// Answer to [`DeleteRecordsRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteRecordsResponse {
    /// Partition, first offset that is left (`-1` on error), outcome; in the request's order.
    pub partitions: Vec<(TopicPartition, Offset, ErrorCode)>,
}
