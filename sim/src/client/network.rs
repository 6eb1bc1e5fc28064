//! Connections and cluster view of one client together: metadata requests find their own way.

use super::cluster_view::ClusterView;
use super::config::ConnectionConfig;
use super::connections::Connections;
use super::io::ClientCx;
use super::wakeup::NEVER;
use crate::rng::Stream;
use std::sync::Arc;
use stormglass_broker_core::ids::NodeId;

/// What every client has. `T` says what a request in flight is for.
#[derive(Debug)]
pub(crate) struct Network<T> {
    /// Connections.
    pub(crate) connections: Connections<T>,
    /// Leaders.
    pub(crate) view: ClusterView,
    /// Jitter and choices.
    pub(crate) draws: Stream,
}

impl<T> Network<T> {
    /// Not connected, knowing the bootstrap servers only.
    pub(crate) fn new(
        config: ConnectionConfig,
        bootstrap: &[NodeId],
        topics: impl IntoIterator<Item = Arc<str>>,
        draws: Stream,
    ) -> Self {
        let view = ClusterView::new(config, bootstrap, topics);
        Self { connections: Connections::new(config), view, draws }
    }

    /// Sends a metadata request when one is due. When to come back, ns.
    pub(crate) fn refresh(&mut self, call: T, cx: &mut ClientCx<'_>) -> u64 {
        let due_ns = self.view.refresh_ns();
        if due_ns > cx.now_ns { due_ns } else { self.refresh_now(call, cx) }
    }

    #[cold]
    fn refresh_now(&mut self, call: T, cx: &mut ClientCx<'_>) -> u64 {
        match self.any_ready(cx) {
            Ok(node) => {
                let request = self.view.request();
                self.connections.send(node, request, Some(call), cx);
                NEVER
            }
            Err(retry_ns) => retry_ns,
        }
    }

    /// Some connected broker; otherwise begins to connect to one and says when to come back, ns.
    pub(crate) fn any_ready(&mut self, cx: &mut ClientCx<'_>) -> Result<NodeId, u64> {
        let brokers = self.view.brokers();
        let chosen = self.connections.least_loaded(brokers, &mut self.draws, cx.now_ns);
        let Some(node) = chosen else {
            let retries = brokers.iter().map(|id| self.connections.retry_ns(*id));
            return Err(retries.min().unwrap_or(NEVER));
        };
        self.ready(node, cx)
    }

    /// A coordinator, as [`Network::ready`]; `None` where there is no way to it: it may have moved, and Java looks for
    /// it again (`Sender.maybeFindCoordinatorAndRetry`, `AbstractCoordinator.ensureCoordinatorReady`).
    pub(crate) fn coordinator_ready(
        &mut self,
        node: NodeId,
        cx: &mut ClientCx<'_>,
    ) -> Option<Result<NodeId, u64>> {
        let ready = self.ready(node, cx);
        let is_lost = ready.is_err() && self.connections.has_failed(node);
        (!is_lost).then_some(ready)
    }

    /// A broker that must be this one; otherwise as [`Network::any_ready`].
    pub(crate) fn ready(&mut self, node: NodeId, cx: &mut ClientCx<'_>) -> Result<NodeId, u64> {
        if self.connections.ready(node, &mut self.draws, cx) {
            Ok(node)
        } else {
            Err(self.connections.retry_ns(node))
        }
    }
}
