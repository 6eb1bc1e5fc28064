//! A cluster with one topic, for the codec.

use std::sync::Arc;
use stormglass_broker_core::ids::{NodeId, TopicId};
use stormglass_wire::{Cluster, Endpoint};

/// Every name is that of the topic, and every node is at the same place.
pub(crate) struct OneTopic;

impl Cluster for OneTopic {
    fn topic_id(&self, name: &str) -> Option<TopicId> {
        (!name.is_empty()).then_some(TopicId(1 << 64))
    }

    fn topic_name(&self, _: TopicId) -> Option<Arc<str>> {
        Some("topic".into())
    }

    fn endpoint(&self, _: NodeId) -> Option<Endpoint<'_>> {
        Some(Endpoint { host: "localhost", port: 9092, rack: None })
    }

    fn cluster_id(&self) -> &str {
        "cluster"
    }
}
