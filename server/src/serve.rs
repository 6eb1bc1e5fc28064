//! A cluster in one process: opens directories and sockets, starts nodes, waits for their end.

use crate::clock::Clock;
use crate::config::{Options, SocketLimits};
use crate::data_dir::{DataDir, check_size, node_dir};
use crate::error::ServeError;
use crate::net::{Door, listen};
use crate::node::{Directory, Event, Inbox, Node, Outbox, Parts, SharedDirectory};
use crate::storage::Store;
use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use stormglass_broker_core::config::ServerConfig;
use stormglass_broker_core::ids::NodeId;
use tokio::runtime::{Builder, Runtime};

/// How often a start looks whether a node has failed meanwhile.
const START_POLL: Duration = Duration::from_millis(50);

/// A running cluster.
#[derive(Debug)]
pub struct Server {
    addresses: Vec<SocketAddr>,
    cluster_id: String,
    outboxes: BTreeMap<NodeId, Outbox>,
    nodes: Vec<JoinHandle<Result<(), ServeError>>>,
    runtime: Runtime,
    /// Locked until the end.
    _dirs: Vec<DataDir>,
}

/// Stops a cluster from elsewhere.
#[derive(Debug, Clone)]
pub struct Stopper {
    outboxes: Vec<Outbox>,
}

impl Stopper {
    /// Begins a controlled shutdown.
    pub fn stop(&self) {
        for outbox in &self.outboxes {
            // a node that is gone has stopped
            let _ = outbox.send(Event::Shutdown);
        }
    }
}

/// What a node needs before it starts.
struct Place {
    node: NodeId,
    dir: DataDir,
    listener: TcpListener,
    inbox: Inbox,
}

impl Server {
    /// Starts a cluster, and returns when all its brokers serve.
    ///
    /// # Errors
    /// What the operator must see to.
    pub fn start(options: &Options) -> Result<Self, ServeError> {
        let server_config = options.server_config()?;
        let limits = options.socket_limits()?;
        let (places, outboxes) = open(options)?;
        let cluster_id = places[0].dir.cluster_id.clone();
        let mut addresses = Vec::new();
        for place in &places {
            addresses.push(place.listener.local_addr().map_err(|error| socket_error(&error))?);
        }
        let endpoints = options.nodes().into_iter().zip(&addresses);
        let endpoints = endpoints
            .map(|(node, address)| (node, (advertised(options, *address), address.port())))
            .collect();
        let directory = Directory::new(&cluster_id, endpoints);
        let runtime = Builder::new_multi_thread()
            .thread_name("sockets")
            .enable_io()
            .enable_time()
            .build()
            .map_err(|error| thread_error(&error))?;
        let mut starting = Starting {
            options,
            server_config,
            limits,
            directory,
            outboxes: &outboxes,
            clock: Clock::start(),
            connections: Arc::new(AtomicU64::new(1)),
        };
        let (nodes, dirs) = starting.start(places, &runtime)?;
        Ok(Self { addresses, cluster_id, outboxes, nodes, runtime, _dirs: dirs })
    }

    /// Where the brokers listen.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The cluster's id.
    #[must_use]
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// A handle that stops it.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        Stopper { outboxes: self.outboxes.values().cloned().collect() }
    }

    /// Waits until all nodes have stopped.
    ///
    /// # Errors
    /// Why one of them did not stop in order.
    pub fn wait(self) -> Result<(), ServeError> {
        let outcome = join(self.nodes);
        self.runtime.shutdown_background();
        outcome
    }
}

/// Everything that the nodes of a process share while they start.
struct Starting<'a> {
    options: &'a Options,
    server_config: ServerConfig,
    limits: SocketLimits,
    directory: Directory,
    outboxes: &'a BTreeMap<NodeId, Outbox>,
    clock: Clock,
    connections: Arc<AtomicU64>,
}

type Nodes = Vec<JoinHandle<Result<(), ServeError>>>;

impl Starting<'_> {
    /// Starts the nodes; once all of them serve, their sockets.
    fn start(
        &mut self,
        places: Vec<Place>,
        runtime: &Runtime,
    ) -> Result<(Nodes, Vec<DataDir>), ServeError> {
        let (ready, announced) = channel();
        let (mut nodes, mut dirs, mut doors) = (Vec::new(), Vec::new(), Vec::new());
        for Place { node, dir, listener, inbox } in places {
            let directory = SharedDirectory::new(self.directory.clone());
            let parts = Parts {
                config: self.options.node_config(node, self.server_config.clone()),
                store: Store::open(&dir.path)?,
                inbox,
                outboxes: self.outboxes.clone(),
                directory: directory.clone(),
                clock: self.clock,
                ready: ready.clone(),
            };
            let thread = thread::Builder::new()
                .name(format!("node-{node}"))
                .spawn(move || Node::new(parts)?.run())
                .map_err(|error| thread_error(&error))?;
            let outbox = self.outboxes[&node].clone();
            let (limits, connections) = (self.limits, Arc::clone(&self.connections));
            doors.push((listener, Door { outbox, directory, limits, connections }));
            nodes.push(thread);
            dirs.push(dir);
        }
        let mut waiting = nodes.len();
        while waiting > 0 {
            match announced.recv_timeout(START_POLL) {
                Ok(_) => waiting -= 1,
                Err(RecvTimeoutError::Timeout) if nodes.iter().any(JoinHandle::is_finished) => {
                    return Err(self.abandon(nodes));
                }
                Err(_) => {}
            }
        }
        for (listener, door) in doors {
            let _guard = runtime.enter();
            let listener = tokio::net::TcpListener::from_std(listener)
                .map_err(|error| socket_error(&error))?;
            runtime.spawn(listen(listener, door));
        }
        Ok((nodes, dirs))
    }

    /// A node has failed while starting: the others stop too.
    fn abandon(&self, nodes: Nodes) -> ServeError {
        for outbox in self.outboxes.values() {
            let _ = outbox.send(Event::Shutdown);
        }
        let stopped = ServeError::new("a node stopped while starting", "see the log above");
        join(nodes).err().unwrap_or(stopped)
    }
}

/// Locks directories, binds sockets, makes the ways between nodes.
fn open(options: &Options) -> Result<(Vec<Place>, BTreeMap<NodeId, Outbox>), ServeError> {
    let (mut places, mut outboxes) = (Vec::new(), BTreeMap::new());
    let mut cluster_id = options.cluster_id.clone();
    check_size(&options.data_dir, options.brokers)?;
    for (index, node) in (0..).zip(options.nodes()) {
        let dir = DataDir::open(
            &node_dir(&options.data_dir, node, options.brokers),
            node,
            cluster_id.as_deref(),
        )?;
        cluster_id.get_or_insert_with(|| dir.cluster_id.clone());
        let listener = bind(options.listen, index)?;
        let (outbox, inbox) = channel();
        outboxes.insert(node, outbox);
        places.push(Place { node, dir, listener, inbox });
    }
    Ok((places, outboxes))
}

fn bind(first: SocketAddr, index: u16) -> Result<TcpListener, ServeError> {
    let port = match first.port() {
        0 => Some(0),
        port => port.checked_add(index),
    };
    let Some(port) = port else {
        return Err(ServeError::new(
            "the ports go past 65535",
            "choose a lower port with --listen",
        ));
    };
    let address = SocketAddr::new(first.ip(), port);
    let listener = TcpListener::bind(address).map_err(|error| bind_error(address, &error))?;
    listener.set_nonblocking(true).map_err(|error| socket_error(&error))?;
    Ok(listener)
}

/// What clients are told to connect to.
fn advertised(options: &Options, address: SocketAddr) -> String {
    match &options.advertised_host {
        Some(host) => host.clone(),
        // a client on another machine needs --advertised-host
        None if address.ip().is_unspecified() => "localhost".to_owned(),
        None => address.ip().to_string(),
    }
}

fn join(nodes: Nodes) -> Result<(), ServeError> {
    let mut outcome = Ok(());
    for node in nodes {
        let ended = node.join().unwrap_or_else(|_| {
            Err(ServeError::new(
                "a node stopped because of a bug of Stormglass",
                "please report it with the log above; what was acknowledged is on disk",
            ))
        });
        outcome = outcome.and(ended);
    }
    outcome
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

fn thread_error(error: &io::Error) -> ServeError {
    ServeError::new(format!("cannot start a thread: {error}"), "raise the limit on threads")
}
