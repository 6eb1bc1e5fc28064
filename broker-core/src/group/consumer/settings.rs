//! `group.consumer.*` of server.properties, as far as groups read them.

use super::assignor::Assignor;
use crate::config::{GroupConfig, ServerConfig};
use crate::metadata::{ConfigResource, MetadataImage};
use crate::time::Duration;
use std::borrow::Cow;
use std::sync::Arc;

/// Settings of all groups in the consumer protocol.
#[derive(Debug, Clone)]
pub(in crate::group) struct ConsumerSettings {
    /// Whether `group.coordinator.rebalance.protocols` has the protocol.
    pub(in crate::group) enabled: bool,
    pub(super) session_timeout: Duration,
    pub(super) heartbeat_interval_ms: i32,
    pub(super) size_max: usize,
    /// The first is the default.
    pub(super) assignors: Vec<Assignor>,
    server: ServerConfig,
}

impl ConsumerSettings {
    pub(in crate::group) fn new(server: &ServerConfig) -> Self {
        let millis = u64::try_from(server.group_consumer_session_timeout_ms).unwrap_or(0);
        Self {
            enabled: server.group_coordinator_rebalance_protocols.consumer,
            session_timeout: Duration::from_millis(millis),
            heartbeat_interval_ms: server.group_consumer_heartbeat_interval_ms,
            size_max: usize::try_from(server.group_consumer_max_size).unwrap_or(0),
            assignors: server.group_consumer_assignors.0.clone(),
            server: server.clone(),
        }
    }

    /// With what a group has of its own.
    pub(in crate::group) fn of_group(&self, image: &MetadataImage, id: &Arc<str>) -> Cow<'_, Self> {
        let own = image.configs(&ConfigResource::Group(Arc::clone(id)));
        let Some(Ok(config)) = own.map(|own| GroupConfig::new(&self.server, Some(own))) else {
            return Cow::Borrowed(self);
        };
        let millis = u64::try_from(config.session_timeout_ms).unwrap_or(0);
        Cow::Owned(Self {
            session_timeout: Duration::from_millis(millis),
            heartbeat_interval_ms: config.heartbeat_interval_ms,
            ..self.clone()
        })
    }
}
