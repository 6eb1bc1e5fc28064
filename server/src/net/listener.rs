//! Accepting connections.

use super::connection;
use crate::config::SocketLimits;
use crate::node::{Outbox, SharedDirectory};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use stormglass_broker_core::ids::ConnectionId;
use tokio::net::TcpListener;

/// Pause after a connection could not be accepted, as when file handles have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The way from sockets into a node.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    pub(crate) outbox: Outbox,
    pub(crate) directory: SharedDirectory,
    pub(crate) limits: SocketLimits,
    /// Next connection's id, shared by all listeners of the process.
    pub(crate) connections: Arc<AtomicU64>,
}

/// Accepts for ever.
pub(crate) async fn listen(listener: TcpListener, door: Door) {
    loop {
        match listener.accept().await {
            Ok((stream, client)) => {
                let id = ConnectionId(door.connections.fetch_add(1, Ordering::Relaxed));
                tokio::spawn(connection::serve(stream, client, door.clone(), id));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
