//! Accepting connections.

use super::connection;
use crate::config::SocketLimits;
use crate::metrics::Counters;
use crate::node::{Outbox, SharedDirectory};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use stormglass_broker_core::ids::{ConnectionId, NodeId};
use tokio::net::TcpListener;

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
    /// Next connection's id, shared by all listeners of the process.
    pub(crate) connections: Arc<AtomicU64>,
    /// Connections of the node.
    pub(crate) counted: Counted,
    /// What clients do, if somebody may ask for it.
    pub(crate) counters: Option<Counters>,
}

/// Open connections of a node by address.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counted {
    open: Arc<Mutex<BTreeMap<IpAddr, usize>>>,
}

/// A connection that counts while this is there.
#[derive(Debug)]
struct Place {
    counted: Counted,
    from: IpAddr,
}

impl Counted {
    /// Connections that are open.
    pub(crate) fn total(&self) -> usize {
        self.lock().values().sum()
    }

    /// Counts one more, unless there are too many.
    fn admit(&self, from: IpAddr, limits: SocketLimits) -> Option<Place> {
        let mut open = self.lock();
        let total: usize = open.values().sum();
        let here = open.get(&from).copied().unwrap_or(0);
        if total >= limits.connections_max || here >= limits.connections_per_ip_max {
            return None;
        }
        open.insert(from, here + 1);
        Some(Place { counted: self.clone(), from })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<IpAddr, usize>> {
        // counts are whole after every statement, so a panic elsewhere has not broken them
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.counted.lock();
        match open.get_mut(&self.from) {
            Some(here) if *here > 1 => *here -= 1,
            _ => drop(open.remove(&self.from)),
        }
    }
}

/// Accepts for ever.
pub(crate) async fn listen(listener: TcpListener, door: Door) {
    loop {
        match listener.accept().await {
            Ok((stream, client)) => {
                let Some(place) = door.counted.admit(client.ip(), door.limits) else {
                    tracing::warn!(%client, "too many connections; closed");
                    continue;
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
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_count_while_they_are_open() {
        let limits = SocketLimits {
            frame_bytes_max: 1,
            idle_ms_max: 1,
            connections_max: 3,
            connections_per_ip_max: 2,
        };
        let (near, far) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([10, 0, 0, 1]));
        let counted = Counted::default();
        let first = counted.admit(near, limits).unwrap();
        let second = counted.admit(near, limits).unwrap();
        assert!(counted.admit(near, limits).is_none(), "two of one address");
        let third = counted.admit(far, limits).unwrap();
        assert!(counted.admit(far, limits).is_none(), "three in all");
        assert_eq!(counted.total(), 3);
        drop(first);
        let fourth = counted.admit(far, limits).unwrap();
        drop((second, third, fourth));
        assert_eq!(counted.total(), 0);
    }
}
