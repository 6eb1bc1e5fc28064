//! Accepting connections.

use super::connection;
use super::counted::{Admission, Counted};
use super::opening::Serving;
use crate::clock::Clock;
use crate::config::SocketLimits;
use crate::metrics::Counters;
use crate::node::{Outbox, SharedDirectory};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use stormglass_broker_core::ids::{ConnectionId, NodeId};
use tokio::net::TcpListener;
use tokio::time::sleep;

/// Pause after a connection could not be accepted, as when file handles have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The way from sockets into a node.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    /// The node behind it.
    pub(crate) node: NodeId,
    pub(crate) outbox: Outbox,
    pub(crate) directory: SharedDirectory,
    pub(crate) limits: SocketLimits,
    /// Whether clients are served.
    pub(crate) clients: bool,
    /// Whether nodes of other processes are.
    pub(crate) peers: bool,
    /// Clients are sent away before that.
    pub(crate) serving: Serving,
    /// Next connection's id, shared by all listeners of the process.
    pub(crate) connections: Arc<AtomicU64>,
    /// Connections of the node.
    pub(crate) counted: Counted,
    pub(crate) clock: Clock,
    /// What clients do, if somebody may ask for it.
    pub(crate) counters: Option<Counters>,
}

/// Accepts for ever.
pub(crate) async fn listen(listener: TcpListener, door: Door) {
    loop {
        match listener.accept().await {
            Ok((stream, mut client)) => {
                // on an IPv6 socket, too, an IPv4 address has its quota
                client.set_ip(client.ip().to_canonical());
                let admission = if door.clients {
                    let wait = door.counted.arrives(door.clock.now());
                    if !wait.is_zero() {
                        sleep(wait).await; // and nobody else is let in meanwhile
                    }
                    door.counted.admit(client.ip(), door.clock.now())
                } else {
                    // clients that use up their limits do not keep controllers apart
                    Admission::Place(door.counted.place(client.ip()))
                };
                let place = match admission {
                    Admission::Place(place) => place,
                    Admission::TooMany => {
                        tracing::warn!(%client, "too many connections; closed");
                        continue;
                    }
                    Admission::TooFast(wait) => {
                        tracing::warn!(%client, ?wait, "too many new connections; closed later");
                        tokio::spawn(async move {
                            sleep(wait).await;
                            drop(stream);
                        });
                        continue;
                    }
                };
                let id = ConnectionId(door.connections.fetch_add(1, Ordering::Relaxed));
                let served = connection::serve(stream, client, door.clone(), id);
                tokio::spawn(async move {
                    served.await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
