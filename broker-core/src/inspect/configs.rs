//! Configs of a node: what it was started with, and what it goes by.

use crate::broker::Broker;
use crate::config::ServerConfig;

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

impl Broker {
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
