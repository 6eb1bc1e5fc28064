//! What groups, brokers, partitions and remote segments look like, for tests that change what they are about.

use crate::recorder::testing::tp;
use std::sync::Arc;
use stormglass_broker_core::ids::{NodeId, Offset, RemoteSegmentId, TopicPartition};
use stormglass_broker_core::inspect::ClassicGroupView;
use stormglass_broker_core::metadata::{PartitionRecord, RegisterBrokerRecord};
use stormglass_broker_core::protocol::GroupState;
use stormglass_broker_core::seam::{RemoteIndexes, RemoteSegment};

/// A group in the classic protocol whose generation 4 has just begun, with nothing of its members.
pub(super) fn classic_group(group: &Arc<str>) -> ClassicGroupView<'_> {
    ClassicGroupView {
        group,
        epoch: 1,
        state: GroupState::CompletingRebalance,
        generation: 4,
        is_put_off: false,
        is_logged: true,
        protocol: None,
        leader: None,
        members: Vec::new(),
        places: Vec::new(),
        instances: Vec::new(),
    }
}

/// The registration of a broker that is not fenced.
pub(super) fn registered(id: i32) -> RegisterBrokerRecord {
    RegisterBrokerRecord {
        broker: NodeId(id),
        incarnation: 1,
        epoch: 0,
        rack: None,
        endpoint: None,
        fenced: false,
        in_controlled_shutdown: false,
    }
}

/// A partition of which the first replica leads, and is alone in sync.
pub(super) fn partition_record(tp: TopicPartition, replicas: &[i32]) -> PartitionRecord {
    let replicas: Vec<NodeId> = replicas.iter().copied().map(NodeId).collect();
    PartitionRecord {
        tp,
        isr: replicas.first().copied().into_iter().collect(),
        moving: None,
        leader: replicas.first().copied(),
        replicas,
        recovering: false,
        leader_epoch: 0,
        partition_epoch: 0,
    }
}

/// A segment in remote storage, from its first to its last offset, without leader epochs.
pub(super) fn segment(id: u128, (base, end): (Offset, Offset)) -> RemoteSegment {
    RemoteSegment {
        id: RemoteSegmentId(id),
        tp: tp(0),
        base,
        end,
        bytes: 100,
        max_timestamp: 0,
        epochs: Vec::new(),
        indexes: RemoteIndexes::default(),
    }
}
