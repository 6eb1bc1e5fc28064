//! When a node's sockets take connections. All of them are bound first, so that an address in use is told
//! before anything is formatted. One that is only bound refuses connections, as Kafka's do until their
//! acceptors start: clients go to the next bootstrap server at once, and who looks whether a port is open
//! is told the truth. Clients' listeners are opened when the cluster lets the broker serve. Those that are
//! open from the beginning, and the one for counts, listen before anything is formatted, too: whatever may
//! fail does so while there is nothing to stop.
//!
//! Nodes need no more of each other before that than controllers. Votes, fetches of metadata,
//! registrations and heartbeats, changes of ISRs, and what brokers forward go to voters, where
//! `controller.quorum.voters` says, and are answered on the connection that they came on. Fetches of
//! replicas, markers of transactions, and questions whether one is open go to leaders and coordinators:
//! to voters at the same address, to other brokers where they have registered, which is a listener
//! for clients. Who is fenced leads and coordinates nothing, and who has just started anew is asked again
//! until its listener is open, as while it was down.
//!
//! So the listeners that other nodes find controllers at are open from the beginning
//! (`NodeOptions::listens_early`). Where that is one for clients, too, these are sent away until the node
//! serves.

use crate::error::ServeError;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::net::{TcpListener, TcpSocket};

/// Connections that may wait until they are accepted, as many as the standard library has.
const BACKLOG: u32 = 128;

/// Whether the nodes of a process serve clients yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Serving(Arc<AtomicBool>);

impl Serving {
    /// They do from now on.
    pub(crate) fn begin(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub(super) fn has_begun(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Binds all sockets of a process.
#[derive(Debug, Default)]
pub(crate) struct Binder {
    taken: Vec<SocketAddr>,
}

impl Binder {
    /// Takes an address, on which nobody can connect yet. Port 0 is any that is free.
    ///
    /// # Errors
    /// The address is none of this machine's, or in use, be it that another process has only bound it.
    pub(crate) fn bind(&mut self, address: SocketAddr) -> Result<Bound, ServeError> {
        if self.taken.iter().any(|taken| excludes(*taken, address)) {
            // two sockets of one process may be bound there, too, but only one can listen
            return Err(bind_error(address, &io::ErrorKind::AddrInUse.into()));
        }
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        };
        let socket = socket.map_err(|error| socket_error(&error))?;
        match socket.bind(address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => bind_again(&socket, address)?,
            bound => bound.map_err(|error| bind_error(address, &error))?,
        }
        let address = socket.local_addr().map_err(|error| socket_error(&error))?;
        self.taken.push(address);
        Ok(Bound { socket, address })
    }
}

/// Connections of an earlier process that have not quite ended do not keep an address. Two sockets that share
/// addresses could both be bound to one, until one of them listens; so it shares no longer than it takes to bind it.
fn bind_again(socket: &TcpSocket, address: SocketAddr) -> Result<(), ServeError> {
    socket.set_reuseaddr(true).map_err(|error| socket_error(&error))?;
    socket.bind(address).map_err(|error| bind_error(address, &error))?;
    socket.set_reuseaddr(false).map_err(|error| socket_error(&error))
}

/// Whether nobody can listen on one address while somebody does on the other.
fn excludes(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() == other.port() && (has(one, other) || has(other, one))
}

/// Whether who listens on an address gets what comes to another.
fn has(address: SocketAddr, other: SocketAddr) -> bool {
    match address.ip() {
        IpAddr::V4(all) if all.is_unspecified() => other.is_ipv4(),
        IpAddr::V6(all) if all.is_unspecified() => true,
        one => one == other.ip(),
    }
}

/// A socket that has its address.
#[derive(Debug)]
pub(crate) struct Bound {
    socket: TcpSocket,
    /// Where it is, with its port even if any was asked for.
    pub(crate) address: SocketAddr,
}

impl Bound {
    /// Takes connections from now on. To be called within a runtime.
    ///
    /// # Errors
    /// Another process listens there by now.
    pub(crate) fn listen(self) -> Result<TcpListener, ServeError> {
        let address = self.address;
        // its connections do not keep the address once this process has ended
        self.socket.set_reuseaddr(true).map_err(|error| socket_error(&error))?;
        self.socket.listen(BACKLOG).map_err(|error| bind_error(address, &error))
    }
}

fn bind_error(address: SocketAddr, error: &io::Error) -> ServeError {
    let help = match error.kind() {
        io::ErrorKind::AddrInUse => "stop what listens there, or choose another port with --listen",
        io::ErrorKind::AddrNotAvailable => "choose an address of this machine with --listen",
        io::ErrorKind::PermissionDenied => "choose a port above 1023 with --listen",
        _ => "choose another address with --listen",
    };
    ServeError::new(format!("cannot listen on {address}: {error}"), help)
}

fn socket_error(error: &io::Error) -> ServeError {
    ServeError::new(format!("cannot use a socket: {error}"), "raise the limit on open files")
}

#[cfg(test)]
mod tests {
    use super::super::connection::serve;
    use super::super::counted::Counted;
    use super::super::listener::Door;
    use super::*;
    use crate::clock::Clock;
    use crate::config::SocketLimits;
    use crate::node::{Directory, Endpoints, Event, Inbox, SharedDirectory};
    use std::sync::mpsc::channel;
    use std::time::Duration;
    use stormglass_broker_core::ids::{ConnectionId, NodeId};
    use stormglass_wire::Hello;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;
    use tokio::task::JoinHandle;
    use tokio::time::timeout;

    /// ApiVersions v0 with the number 7, of nobody in particular.
    const ASKED: &[u8] = b"\0\0\0\x0a\0\x12\0\0\0\0\0\x07\xff\xff";
    /// What takes longer has failed.
    const PATIENCE: Duration = Duration::from_secs(30);

    /// A connection to a node that serves no clients yet, through a listener that other nodes need.
    struct Early {
        serving: Serving,
        inbox: Inbox,
        client: TcpStream,
        served: JoinHandle<()>,
    }

    impl Early {
        /// One on which this has come.
        async fn with(said: &[u8]) -> Self {
            let serving = Serving::default();
            let (outbox, inbox) = channel();
            let door = Door {
                node: NodeId(1),
                outbox,
                directory: SharedDirectory::new(Directory::new("cluster", Endpoints::new())),
                limits: SocketLimits { frame_bytes_max: 1000, idle_ms_max: 600_000 },
                clients: true,
                peers: true,
                serving: serving.clone(),
                connections: Arc::default(),
                counted: Counted::default(),
                clock: Clock::start(),
                counters: None,
            };
            let bound = Binder::default().bind(any_port()).unwrap();
            let (address, listener) = (bound.address, bound.listen().unwrap());
            let mut client = TcpStream::connect(address).await.unwrap();
            let (stream, from) = listener.accept().await.unwrap();
            client.write_all(said).await.unwrap();
            let served = tokio::spawn(serve(stream, from, door, ConnectionId(1)));
            Self { serving, inbox, client, served }
        }
    }

    fn any_port() -> SocketAddr {
        at("127.0.0.1:0")
    }

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    async fn ends(served: JoinHandle<()>) {
        timeout(PATIENCE, served).await.expect("the connection is closed").unwrap();
    }

    /// In a thread, in which the other tasks go on while this one waits.
    fn block_on(test: impl Future<Output = ()>) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_io().enable_time().build().unwrap().block_on(test);
    }

    #[test]
    fn nobody_can_connect_before_the_node_listens() {
        block_on(async {
            let bound = Binder::default().bind(any_port()).unwrap();
            let address = bound.address;
            let early = TcpStream::connect(address).await.unwrap_err();
            assert_eq!(early.kind(), io::ErrorKind::ConnectionRefused);
            let listener = bound.listen().unwrap();
            assert_eq!(listener.local_addr().unwrap(), address);
            TcpStream::connect(address).await.unwrap();
        });
    }

    #[test]
    fn an_address_that_somebody_listens_on_is_not_bound() {
        let other = std::net::TcpListener::bind(any_port()).unwrap();
        let taken = other.local_addr().unwrap();
        let error = Binder::default().bind(taken).unwrap_err();
        assert!(error.to_string().starts_with(&format!("cannot listen on {taken}: ")), "{error}");
    }

    /// Each of two processes has a binder of its own.
    #[test]
    fn an_address_that_another_process_has_bound_is_refused_before_it_listens() {
        let first = Binder::default().bind(any_port()).unwrap();
        let error = Binder::default().bind(first.address).unwrap_err();
        assert!(error.to_string().contains("in use"), "{error}");
    }

    /// The side that ends a connection first keeps its address for a while.
    #[test]
    fn a_process_that_starts_again_has_its_address_for_itself() {
        block_on(async {
            let bound = Binder::default().bind(any_port()).unwrap();
            let (address, listener) = (bound.address, bound.listen().unwrap());
            let mut client = TcpStream::connect(address).await.unwrap();
            drop(listener.accept().await.unwrap());
            assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
            drop((client, listener));
            let again = Binder::default().bind(address).unwrap();
            assert!(Binder::default().bind(address).is_err());
            let listener = again.listen().unwrap();
            assert!(Binder::default().bind(address).is_err());
            drop(listener);
        });
    }

    #[test]
    fn an_address_is_bound_once_though_nobody_listens_there_yet() {
        let mut binder = Binder::default();
        let first = binder.bind(any_port()).unwrap().address;
        assert!(binder.bind(first).is_err());
        assert_ne!(binder.bind(any_port()).unwrap().address, first);
        for (one, other, expected) in [
            ("127.0.0.1:9092", "127.0.0.1:9093", false),
            ("127.0.0.1:9092", "127.0.0.2:9092", false),
            ("127.0.0.1:9092", "127.0.0.1:9092", true),
            ("0.0.0.0:9092", "127.0.0.1:9092", true),
            ("[::]:9092", "127.0.0.1:9092", true),
            ("0.0.0.0:9092", "[::1]:9092", false),
        ] {
            assert_eq!(excludes(at(one), at(other)), expected, "{one} {other}");
            assert_eq!(excludes(at(other), at(one)), expected, "{other} {one}");
        }
    }

    #[test]
    fn a_client_is_sent_away_until_the_node_serves() {
        block_on(async {
            let mut early = Early::with(ASKED).await;
            ends(early.served).await;
            assert_eq!(early.client.read(&mut [0]).await.unwrap(), 0);
            assert!(matches!(early.inbox.try_recv(), Ok(Event::Closed(_))));
            assert!(early.inbox.try_recv().is_err(), "what it asked is not done");
        });
    }

    #[test]
    fn a_client_is_answered_once_the_node_serves() {
        block_on(async {
            let mut early = Early::with(&[]).await;
            early.serving.begin();
            early.client.write_all(ASKED).await.unwrap();
            let answer = timeout(PATIENCE, async {
                let _len = early.client.read_i32().await.unwrap();
                early.client.read_i32().await.unwrap()
            });
            assert_eq!(answer.await.unwrap(), 7);
        });
    }

    #[test]
    fn a_node_of_the_cluster_is_heard_before_that() {
        block_on(async {
            let hello = Hello { cluster_id: "cluster".into(), from: NodeId(2), to: NodeId(1) };
            let early = Early::with(&hello.encode().to_bytes()).await;
            let mut served = early.served;
            let still = timeout(Duration::from_millis(50), &mut served).await;
            assert!(still.is_err(), "it may go on");
            drop(early.client);
            ends(served).await;
        });
    }
}
