//! Configs of a node: what it was started with, and what it goes by.

use crate::broker::Broker;
use crate::config::ServerConfig;
use crate::ids::TopicPartition;

/// What a broker goes by, with what was set for it while it ran.
#[derive(Debug, Clone, Copy)]
pub struct InForceView<'a> {
    /// What server.properties comes to.
    pub server: &'a ServerConfig,
    /// Bytes per second that throttled replicas are sent, as their leader; `None`: no limit.
    pub leader_rate: Option<u64>,
    /// Bytes per second that throttled replicas copy.
    pub follower_rate: Option<u64>,
}

/// A hosted replica, and which replication quotas it is under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThrottledView {
    /// Partition.
    pub tp: TopicPartition,
    /// While this broker leads it.
    pub as_leader: bool,
    /// While this broker copies it.
    pub as_follower: bool,
}

impl Broker {
    /// Hosted replicas, and which replication quotas they are under.
    pub fn throttled(&self) -> impl Iterator<Item = ThrottledView> {
        self.role().into_iter().flat_map(|role| role.replicas.throttled_views())
    }

    /// Whether what is sent to followers, and what is copied, is looked at for replication quotas.
    #[must_use]
    pub fn counts_throttled(&self) -> (bool, bool) {
        self.role().map_or((false, false), |role| role.replicas.counts_throttled())
    }

    /// server.properties of a broker.
    #[must_use]
    pub fn properties(&self) -> Option<&ServerConfig> {
        self.role().map(|role| &role.config.server)
    }

    /// What a broker's replicas go by.
    #[must_use]
    pub fn in_force(&self) -> Option<InForceView<'_>> {
        let replicas = &self.role()?.replicas;
        let (leader_rate, follower_rate) = replicas.throttled_rates();
        Some(InForceView { server: &replicas.config.server, leader_rate, follower_rate })
    }
}
