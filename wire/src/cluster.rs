//! What the codec must know of the cluster: names of topics that requests name, and addresses.

use std::sync::Arc;
use stormglass_broker_core::ids::{NodeId, TopicId};

/// Where a broker can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint<'a> {
    /// Advertised host.
    pub host: &'a str,
    /// Advertised port.
    pub port: u16,
}

/// The cluster as far as messages name parts of it that typed requests do not.
pub trait Cluster {
    /// Id of a topic.
    fn topic_id(&self, name: &str) -> Option<TopicId>;
    /// Name of a topic.
    fn topic_name(&self, id: TopicId) -> Option<Arc<str>>;
    /// Address of a broker.
    fn endpoint(&self, node: NodeId) -> Option<Endpoint<'_>>;
    /// Cluster id.
    fn cluster_id(&self) -> &str;
}
