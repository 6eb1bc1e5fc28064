//! What an active controller does by itself, and when.

use crate::broker::Broker;
use crate::config::ServerConfig;
use crate::controller::Controller;
use crate::ids::{LeaderEpoch, NodeId};
use crate::metadata::MetadataImage;
use crate::time::Instant;

/// An active controller. Times are on the node's monotonic clock.
#[derive(Debug, Clone, Copy)]
pub struct ControllerView<'a> {
    /// Node id.
    pub node: NodeId,
    /// Epoch in which it is active.
    pub epoch: LeaderEpoch,
    /// server.properties.
    pub server: &'a ServerConfig,
    /// Metadata, proposals that are not committed yet included.
    pub image: &'a MetadataImage,
    /// When it looks next which leaderships are to go back to preferred replicas.
    pub balance_at: Instant,
    /// When it looks next at partitions that nobody leads; `None`: no look is to come.
    pub unclean_at: Option<Instant>,
    /// When the session of a broker ends, the first of them.
    pub session_ends_at: Option<Instant>,
    /// When it writes a record that says nothing, if it has written no other by then.
    pub idle_at: Option<Instant>,
    /// When its timer rings; `None`: none is armed.
    pub rings_at: Option<Instant>,
}

impl Broker {
    /// The controller of this node, while it is active.
    #[must_use]
    pub fn active_view(&self) -> Option<ControllerView<'_>> {
        self.controller().and_then(Controller::view)
    }
}
