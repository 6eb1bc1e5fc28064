//! Metadata records: what the controller decides, as typed values.
//!
//! Only the record types that this controller writes; of their fields only those that it reads.
//! Encoding is in `codec.rs`.

use super::quotas::QuotaOwner;
use crate::ids::{LeaderEpoch, NodeId, Offset, TopicId, TopicPartition};
use crate::protocol::{BrokerEndpoint, QuotaValue};
use std::sync::Arc;

/// One record of the metadata log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetadataRecord {
    /// A broker registered, or registered again.
    RegisterBroker(RegisterBrokerRecord),
    /// A broker left the cluster for good.
    UnregisterBroker {
        /// Broker.
        broker: NodeId,
        /// Epoch of the registration that ends.
        epoch: Offset,
    },
    /// A broker was fenced or unfenced, or began its controlled shutdown.
    BrokerRegistrationChange {
        /// Broker.
        broker: NodeId,
        /// Epoch of its registration.
        epoch: Offset,
        /// `Some(true)` fences, `Some(false)` unfences.
        fenced: Option<bool>,
        /// Whether controlled shutdown begins; only a new registration ends it.
        in_controlled_shutdown: bool,
    },
    /// A topic was created.
    Topic {
        /// Name.
        name: Arc<str>,
        /// Id.
        id: TopicId,
    },
    /// A topic and all its partitions were deleted.
    RemoveTopic {
        /// Id.
        id: TopicId,
    },
    /// A partition was created.
    Partition(PartitionRecord),
    /// A partition changed.
    PartitionChange(PartitionChangeRecord),
    /// A config was set, or removed with `None`.
    Config {
        /// Whose.
        resource: ConfigResource,
        /// Key.
        key: Arc<str>,
        /// Value.
        value: Option<Arc<str>>,
    },
    /// A quota of clients was set, or removed with `None`.
    ClientQuota {
        /// Whose.
        owner: QuotaOwner,
        /// Key, such as `producer_byte_rate`.
        key: Arc<str>,
        /// Value.
        value: Option<QuotaValue>,
    },
    /// A block of producer ids was handed out.
    ProducerIds {
        /// To whom.
        broker: NodeId,
        /// Epoch of its registration.
        broker_epoch: Offset,
        /// First id of the next block.
        next_producer_id: i64,
    },
    /// A feature's finalized level.
    FeatureLevel {
        /// Feature, such as `metadata.version`.
        name: Arc<str>,
        /// Level.
        level: i16,
    },
    /// Nothing; moves the log's end so that lag can be seen.
    NoOp,
}

/// A broker's registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterBrokerRecord {
    /// Broker.
    pub broker: NodeId,
    /// Unique per process start.
    pub incarnation: u128,
    /// Broker epoch: the offset of this record.
    pub epoch: Offset,
    /// `broker.rack`.
    pub rack: Option<Arc<str>>,
    /// Where it listens, unless the shell knows.
    pub endpoint: Option<Arc<BrokerEndpoint>>,
    /// Whether it starts fenced.
    pub fenced: bool,
    /// Whether it is shutting down.
    pub in_controlled_shutdown: bool,
}

/// A partition's first state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionRecord {
    /// Partition.
    pub tp: TopicPartition,
    /// Replicas, preferred leader first.
    pub replicas: Vec<NodeId>,
    /// In-sync replicas.
    pub isr: Vec<NodeId>,
    /// What a reassignment changes, if one is under way.
    pub moving: Option<Box<Moving>>,
    /// Leader.
    pub leader: Option<NodeId>,
    /// Whether an unclean leader still recovers.
    pub recovering: bool,
    /// Leader epoch.
    pub leader_epoch: LeaderEpoch,
    /// Partition epoch.
    pub partition_epoch: i32,
}

#[cfg(test)]
impl PartitionRecord {
    /// All replicas are in sync, and the first one leads.
    pub(crate) fn in_sync(tp: TopicPartition, replicas: &[NodeId]) -> Self {
        Self {
            tp,
            replicas: replicas.to_vec(),
            isr: replicas.to_vec(),
            moving: None,
            leader: replicas.first().copied(),
            recovering: false,
            leader_epoch: 0,
            partition_epoch: 0,
        }
    }
}

/// What a reassignment changes (KIP-455). The replicas are those before and after together, until all
/// that are added are in sync.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Moving {
    /// Replicas that will be gone.
    pub removing: Vec<NodeId>,
    /// Replicas that were not there before, among them perhaps some that will be gone again.
    pub adding: Vec<NodeId>,
}

impl Moving {
    /// Replicas that were not there before, and will be there.
    pub fn staying(&self) -> impl Iterator<Item = &NodeId> {
        self.adding.iter().filter(|node| !self.removing.contains(node))
    }

    /// As partitions keep it: most are never reassigned.
    #[must_use]
    pub fn kept(self) -> Option<Box<Self>> {
        (self != Self::default()).then(|| Box::new(self))
    }
}

/// What changes in a partition. The partition epoch grows by one with each; the leader epoch with
/// each change of the leader, to nobody included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionChangeRecord {
    /// Partition.
    pub tp: TopicPartition,
    /// New ISR.
    pub isr: Option<Vec<NodeId>>,
    /// New leader.
    pub leader: LeaderUpdate,
    /// New assignment.
    pub replicas: Option<Vec<NodeId>>,
    /// What a reassignment changes from now on; empty when it has ended.
    pub moving: Option<Moving>,
    /// `Some(true)` with an unclean election, `Some(false)` once the leader has recovered.
    pub recovering: Option<bool>,
}

impl PartitionChangeRecord {
    /// A record that changes nothing yet.
    #[must_use]
    pub fn new(tp: TopicPartition) -> Self {
        Self {
            tp,
            isr: None,
            leader: LeaderUpdate::Unchanged,
            replicas: None,
            moving: None,
            recovering: None,
        }
    }

    /// Whether it would change nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::new(self.tp)
    }
}

/// What happens to a partition's leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaderUpdate {
    /// Stays, as does the leader epoch.
    Unchanged,
    /// There is none from now on.
    NoLeader,
    /// Elected, or elected again in a new epoch.
    Elected(NodeId),
}

/// Whose configs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConfigResource {
    /// A topic, by name.
    Topic(Arc<str>),
    /// A broker, by id.
    Broker(NodeId),
    /// All brokers.
    AllBrokers,
    /// A group, by id.
    Group(Arc<str>),
    /// A subscription to metrics of clients, by its name (KIP-714).
    ClientMetrics(Arc<str>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_added_and_goes_again_does_not_stay() {
        let ids = |of: &[i32]| -> Vec<NodeId> { of.iter().copied().map(NodeId).collect() };
        let moving = Moving { removing: ids(&[1, 4]), adding: ids(&[3, 4]) };
        assert_eq!(moving.staying().copied().collect::<Vec<_>>(), ids(&[3]));
    }
}
