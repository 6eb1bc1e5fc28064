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
    /// `broker.rack`. Wherever a broker is named it is the same one: to Java's clients a node with another rack is
    /// another node.
    pub rack: Option<&'a str>,
}

/// Path of the log directory of a node without files.
pub const NO_LOG_DIR: &str = "/var/lib/kafka/data";

/// Finalized levels of features (KIP-584).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Levels<'a> {
    /// Grows with every change; `-1` when nothing is known yet.
    pub epoch: i64,
    /// Features with a level.
    pub levels: &'a [(Arc<str>, i16)],
}

impl Levels<'static> {
    /// Nothing is known yet.
    pub const NONE: Self = Self { epoch: -1, levels: &[] };
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
    /// Finalized levels of features.
    fn features(&self) -> Levels<'_> {
        Levels::NONE
    }
    /// Path of the log directory of the node that answers.
    fn log_dir(&self) -> &str {
        NO_LOG_DIR
    }
    /// Bytes of the volume that it is on, and those that may still be used; `None` = unknown. Whoever
    /// calls has the volume asked.
    fn log_dir_room(&self) -> Option<(i64, i64)> {
        None
    }
}
