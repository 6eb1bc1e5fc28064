//! What groups and brokers look like, for tests that change what they are about.

use std::sync::Arc;
use stormglass_broker_core::ids::NodeId;
use stormglass_broker_core::inspect::ClassicGroupView;
use stormglass_broker_core::metadata::RegisterBrokerRecord;
use stormglass_broker_core::protocol::GroupState;

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
