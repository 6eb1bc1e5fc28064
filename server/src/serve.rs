//! A cluster in one process, or one node of several: opens directories and sockets, starts nodes,
//! waits for their end.

use crate::clock::Clock;
use crate::config::{Options, SocketLimits};
use crate::data_dir::{DataDir, check_cluster_id, check_size, is_formatted, node_dir};
use crate::error::ServeError;
use crate::file_limit;
use crate::ids;
use crate::metrics::{self, Counters, Exposed};
use crate::net::{Binder, Bound, Counted, Door, Links, Serving, listen};
use crate::node::{
    Directory, Endpoints, Event, Inbox, Node, Outbox, Parts, Registered, SharedDirectory,
};
use crate::node_config::{Address, NodeOptions};
use crate::storage::Store;
use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use stormglass_broker_core::config::NodeConfig;
use stormglass_broker_core::ids::NodeId;
use stormglass_broker_core::protocol::BrokerEndpoint;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

/// How often a start looks whether a node has failed meanwhile.
const START_POLL: Duration = Duration::from_millis(50);

/// A running cluster, or one node of a cluster of several processes.
#[derive(Debug)]
pub struct Server {
    addresses: Vec<SocketAddr>,
    cluster_id: String,
    outboxes: BTreeMap<NodeId, Outbox>,
    nodes: Nodes,
    stopping: Arc<AtomicBool>,
    announced: Receiver<NodeId>,
    /// Opened when all nodes serve.
    doors: Vec<(Bound, Door)>,
    serving: Serving,
    /// Where counts are asked for.
    metrics: Option<SocketAddr>,
    runtime: Runtime,
    /// Locked until the end.
    _dirs: Vec<DataDir>,
}

/// Stops a cluster from elsewhere.
#[derive(Debug, Clone)]
pub struct Stopper {
    outboxes: Vec<Outbox>,
    stopping: Arc<AtomicBool>,
}

impl Stopper {
    /// Begins a controlled shutdown.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        for outbox in &self.outboxes {
            // a node that is gone has stopped
            let _ = outbox.send(Event::Shutdown);
        }
    }
}

/// What a node needs before it starts.
struct Place {
    config: NodeConfig,
    dir: DataDir,
    listeners: Vec<Listening>,
    inbox: Inbox,
}

/// Where a node listens, or is going to.
#[derive(Debug)]
struct Listening {
    address: SocketAddr,
    socket: Socket,
    /// Whether clients are served there.
    clients: bool,
}

/// Listens from the beginning if other nodes need it before this one serves.
#[derive(Debug)]
enum Socket {
    Early(TcpListener),
    Late(Bound),
}

impl Server {
    /// Starts a cluster of one process. [`Self::ready`] waits until its brokers serve.
    ///
    /// # Errors
    /// What the operator must see to.
    pub fn start(options: &Options, metrics: Option<SocketAddr>) -> Result<Self, ServeError> {
        let limits = options.socket_limits()?;
        let runtime = runtime()?;
        let mut binder = Binder::default();
        let metrics = listen_for_scrapes(&runtime, &mut binder, metrics)?;
        let (places, outboxes) = open(options, &mut binder)?;
        let addresses: Vec<SocketAddr> =
            places.iter().flat_map(|place| &place.listeners).map(|l| l.address).collect();
        let endpoints = options.nodes().into_iter().zip(&addresses);
        let endpoints = endpoints
            .map(|(node, address)| {
                let (host, port) = (advertised(options, *address).into(), address.port());
                (node, Registered { host, port, rack: None })
            })
            .collect();
        let shared = Shared::new(runtime, limits, outboxes, endpoints, None);
        shared.start(places, addresses, metrics)
    }

    /// Starts one node of a cluster of several processes. Where the others look for controllers it
    /// listens at once: they must reach it before any of them serves.
    ///
    /// # Errors
    /// What the operator must see to.
    pub fn start_node(
        options: &NodeOptions,
        metrics: Option<SocketAddr>,
    ) -> Result<Self, ServeError> {
        let limits = options.socket_limits()?;
        let runtime = runtime()?;
        let mut binder = Binder::default();
        let metrics = listen_for_scrapes(&runtime, &mut binder, metrics)?;
        let (place, outbox) = open_node(options, &runtime, &mut binder)?;
        let clients = place.listeners.iter().filter(|listener| listener.clients);
        let addresses = clients.map(|listener| listener.address).collect();
        let mut voters = options.voters.clone();
        voters.remove(&options.node);
        let outboxes = BTreeMap::from([(options.node, outbox)]);
        let shared = Shared::new(runtime, limits, outboxes, Endpoints::new(), Some(voters));
        shared.start(vec![place], addresses, metrics)
    }

    /// Waits until all nodes serve, and opens the sockets that are not open yet. `false`: it was
    /// stopped before.
    ///
    /// # Errors
    /// Why a node has stopped meanwhile, or cannot listen after all.
    pub fn ready(&mut self) -> Result<bool, ServeError> {
        let mut waiting = self.nodes.len();
        while waiting > 0 && !self.is_stopping() {
            match self.announced.recv_timeout(START_POLL) {
                Ok(_) => waiting -= 1,
                // in this order: a stop is known before it ends a node
                Err(_) if self.nodes.iter().any(JoinHandle::is_finished) && !self.is_stopping() => {
                    let stopped =
                        ServeError::new("a node stopped while starting", "see the log above");
                    return self.give_up(stopped);
                }
                Err(_) => {}
            }
        }
        if self.is_stopping() {
            return join(std::mem::take(&mut self.nodes)).map(|()| false);
        }
        self.serving.begin();
        let doors = std::mem::take(&mut self.doors);
        match self.open_doors(doors) {
            Ok(()) => Ok(true),
            Err(taken) => self.give_up(taken),
        }
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    fn open_doors(&self, doors: Vec<(Bound, Door)>) -> Result<(), ServeError> {
        for (bound, door) in doors {
            self.runtime.spawn(listen(listen_now(&self.runtime, bound)?, door));
        }
        Ok(())
    }

    /// Stops all nodes for this reason, unless one of them has stopped for its own.
    fn give_up(&mut self, why: ServeError) -> Result<bool, ServeError> {
        self.stopper().stop();
        join(std::mem::take(&mut self.nodes)).and(Err(why))
    }

    /// Where the brokers listen.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where counts are asked for, if they are.
    #[must_use]
    pub fn metrics(&self) -> Option<SocketAddr> {
        self.metrics
    }

    /// The cluster's id.
    #[must_use]
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// A handle that stops it.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        let outboxes = self.outboxes.values().cloned().collect();
        Stopper { outboxes, stopping: Arc::clone(&self.stopping) }
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

type Nodes = Vec<JoinHandle<Result<(), ServeError>>>;
/// Where counts are asked for.
type Metrics = (SocketAddr, TcpListener);

/// Everything that the nodes of a process share.
struct Shared {
    limits: SocketLimits,
    outboxes: BTreeMap<NodeId, Outbox>,
    endpoints: Endpoints,
    /// Controllers of other processes, if there are other processes.
    voters: Option<BTreeMap<NodeId, Address>>,
    serving: Serving,
    clock: Clock,
    connections: Arc<AtomicU64>,
    runtime: Runtime,
}

impl Shared {
    fn new(
        runtime: Runtime,
        limits: SocketLimits,
        outboxes: BTreeMap<NodeId, Outbox>,
        endpoints: Endpoints,
        voters: Option<BTreeMap<NodeId, Address>>,
    ) -> Self {
        Self {
            limits,
            outboxes,
            endpoints,
            voters,
            serving: Serving::default(),
            clock: Clock::start(),
            connections: Arc::new(AtomicU64::new(1)),
            runtime,
        }
    }

    /// Starts the nodes. What may fail comes before the first of their threads: the directories are unlocked
    /// if this ends with an error.
    fn start(
        self,
        places: Vec<Place>,
        addresses: Vec<SocketAddr>,
        metrics: Option<Metrics>,
    ) -> Result<Server, ServeError> {
        let (ready, announced) = channel();
        let cluster_id = places[0].dir.cluster_id.clone();
        let directory = Directory::new(&cluster_id, self.endpoints.clone());
        let (mut all, mut dirs, mut exposed) = (Vec::new(), Vec::new(), Vec::new());
        let (mut early, mut doors) = (Vec::new(), Vec::new());
        let open_files_max = file_limit::log_files_max(file_limit::raise(), places.len());
        let here = self.voters.is_none().then(|| Arc::new(AtomicUsize::new(places.len())));
        for Place { config, dir, listeners, inbox } in places {
            let node = config.node;
            let directory = SharedDirectory::new(directory.clone().in_dir(&dir.path));
            let counts = Exposed {
                node,
                outbox: self.outboxes[&node].clone(),
                directory: directory.clone(),
                counted: Counted::default(),
                counters: Counters::default(),
            };
            for Listening { socket, clients, .. } in listeners {
                let door = self.door(&counts, clients, metrics.is_some());
                match socket {
                    Socket::Early(listener) => early.push((listener, door)),
                    Socket::Late(bound) => doors.push((bound, door)),
                }
            }
            let parts = Parts {
                links: self.links(node, &cluster_id, &directory),
                config,
                store: Store::open(&dir.path)?.with_open_files_max(open_files_max),
                inbox,
                outboxes: self.outboxes.clone(),
                directory,
                clock: self.clock,
                counted: counts.counted.clone(),
                peers_here: here.clone(),
                ready: ready.clone(),
            };
            exposed.push(counts);
            all.push(parts);
            dirs.push(dir);
        }
        let (outboxes, runtime) = (self.outboxes, self.runtime);
        let nodes = spawn(all, &outboxes)?;
        for (listener, door) in early {
            runtime.spawn(listen(listener, door));
        }
        let metrics = metrics.map(|(address, listener)| {
            runtime.spawn(metrics::serve(listener, exposed));
            address
        });
        Ok(Server {
            addresses,
            cluster_id,
            outboxes,
            nodes,
            stopping: Arc::default(),
            announced,
            doors,
            serving: self.serving,
            metrics,
            runtime,
            _dirs: dirs,
        })
    }

    fn door(&self, counts: &Exposed, clients: bool, has_metrics: bool) -> Door {
        Door {
            node: counts.node,
            outbox: counts.outbox.clone(),
            directory: counts.directory.clone(),
            limits: self.limits,
            clients,
            peers: self.voters.is_some(),
            serving: self.serving.clone(),
            connections: Arc::clone(&self.connections),
            counted: counts.counted.clone(),
            clock: self.clock,
            counters: has_metrics.then(|| counts.counters.clone()),
        }
    }

    fn links(&self, node: NodeId, cluster_id: &str, directory: &SharedDirectory) -> Option<Links> {
        let voters = self.voters.clone()?;
        let (runtime, outbox) = (self.runtime.handle().clone(), self.outboxes[&node].clone());
        Some(Links::new(runtime, cluster_id.into(), node, voters, directory.clone(), outbox))
    }
}

/// Binds sockets, locks directories, makes the ways between nodes. Sockets come first: no directory is
/// formatted for a start that ends there.
fn open(
    options: &Options,
    binder: &mut Binder,
) -> Result<(Vec<Place>, BTreeMap<NodeId, Outbox>), ServeError> {
    let (mut places, mut outboxes) = (Vec::new(), BTreeMap::new());
    let mut cluster_id = options.cluster_id.clone();
    let server = options.server_config()?;
    check_size(&options.data_dir, options.brokers)?;
    let nodes = options.nodes();
    let dir_of = |node: NodeId| node_dir(&options.data_dir, node, options.brokers);
    let is_new = !nodes.iter().any(|node| is_formatted(&dir_of(*node)));
    if let Some(id) = options.cluster_id.as_deref().filter(|_| is_new) {
        check_cluster_id(id)?;
    }
    let sockets = (0..).zip(&nodes).map(|(index, _)| bind_nth(binder, options.listen, index));
    let sockets = sockets.collect::<Result<Vec<Listening>, ServeError>>()?;
    for (node, listening) in nodes.into_iter().zip(sockets) {
        let dir = DataDir::open(&dir_of(node), node, cluster_id.as_deref())?;
        cluster_id.get_or_insert_with(|| dir.cluster_id.clone());
        let listeners = vec![listening];
        let (outbox, inbox) = channel();
        outboxes.insert(node, outbox);
        let config = options.node_config(node, server.clone());
        places.push(Place { config, dir, listeners, inbox });
    }
    Ok((places, outboxes))
}

/// The same for one node of several processes, which listens by then where others need it at once.
fn open_node(
    options: &NodeOptions,
    runtime: &Runtime,
    binder: &mut Binder,
) -> Result<(Place, Outbox), ServeError> {
    let formatted = is_formatted(&options.data_dir);
    if !formatted && options.cluster_id.is_none() && options.voters.len() > 1 {
        return Err(ServeError::new(
            "the node's directory is new, and nobody says which cluster it is to belong to",
            format!("add `cluster.id`, the same for all nodes, such as {}", ids::random_text()),
        ));
    }
    let mut all_bound = Vec::new();
    for listener in &options.listeners {
        all_bound.push((listener, binder.bind(resolve(&listener.address)?)?));
    }
    let mut listeners = Vec::new();
    for (listener, bound) in all_bound {
        let (address, clients) = (bound.address, listener.clients);
        let socket = if options.listens_early(listener) {
            Socket::Early(listen_now(runtime, bound)?)
        } else {
            Socket::Late(bound)
        };
        listeners.push(Listening { address, socket, clients });
    }
    if !formatted && let Some(Err(odd)) = options.cluster_id.as_deref().map(check_cluster_id) {
        // nothing tells whether the cluster is new, too, or has had this id for long
        tracing::warn!("{odd}; a new cluster should have one");
    }
    let dir = DataDir::open(&options.data_dir, options.node, options.cluster_id.as_deref())?;
    let clients = listeners.iter().find(|listener| listener.clients);
    let endpoint = clients.map(|listener| {
        let address = listener.address;
        let local = (told(address), address.port());
        let (host, port) = options.advertised.clone().unwrap_or(local);
        Arc::new(BrokerEndpoint { host: host.into(), port })
    });
    let config = NodeConfig {
        node: options.node,
        broker: options.broker,
        controller: options.controller,
        voters: options.voters.keys().copied().collect(),
        rack: options.rack.as_deref().map(Arc::from),
        endpoint,
        server: options.server_config()?,
        limits: stormglass_broker_core::BrokerLimits::default(),
        features: stormglass_broker_core::features::NEWEST,
        seed: (ids::random_u128() >> 64) as u64,
        incarnation: ids::random_uuid(),
        first_producer_epoch: 0,
        plant: None,
    };
    let (outbox, inbox) = channel();
    Ok((Place { config, dir, listeners, inbox }, outbox))
}

/// The address of a listener's host; an empty one stands for all addresses.
fn resolve((host, port): &Address) -> Result<SocketAddr, ServeError> {
    let host = if host.is_empty() { "0.0.0.0" } else { host };
    let found = (host, *port).to_socket_addrs().ok().and_then(|mut all| all.next());
    found.ok_or_else(|| {
        ServeError::new(
            format!("`listeners` has the host {host}, which has no address"),
            "name an address of this machine, or leave the host empty",
        )
    })
}

fn bind_nth(binder: &mut Binder, first: SocketAddr, index: u16) -> Result<Listening, ServeError> {
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
    let bound = binder.bind(SocketAddr::new(first.ip(), port))?;
    Ok(Listening { address: bound.address, socket: Socket::Late(bound), clients: true })
}

/// What clients are told to connect to.
fn advertised(options: &Options, address: SocketAddr) -> String {
    match &options.advertised_host {
        Some(host) => host.clone(),
        None => told(address),
    }
}

/// An address as a host's name; clients on other machines need to be told a better one.
fn told(address: SocketAddr) -> String {
    if address.ip().is_unspecified() { "localhost".to_owned() } else { address.ip().to_string() }
}

/// What serves sockets.
fn runtime() -> Result<Runtime, ServeError> {
    let mut runtime = Builder::new_multi_thread();
    runtime.thread_name("sockets").enable_io().enable_time();
    runtime.build().map_err(|error| thread_error(&error))
}

/// Takes connections from now on; they wait until somebody accepts them.
fn listen_now(runtime: &Runtime, bound: Bound) -> Result<TcpListener, ServeError> {
    let _guard = runtime.enter();
    bound.listen()
}

fn listen_for_scrapes(
    runtime: &Runtime,
    binder: &mut Binder,
    address: Option<SocketAddr>,
) -> Result<Option<Metrics>, ServeError> {
    let Some(address) = address else { return Ok(None) };
    let bound = binder.bind(address)?;
    Ok(Some((bound.address, listen_now(runtime, bound)?)))
}

/// Starts threads of nodes. Those that run are stopped if there cannot be another one.
fn spawn(all: Vec<Parts>, outboxes: &BTreeMap<NodeId, Outbox>) -> Result<Nodes, ServeError> {
    let mut nodes = Nodes::new();
    for parts in all {
        let thread = thread::Builder::new().name(format!("node-{}", parts.config.node));
        match thread.spawn(move || Node::new(parts)?.run()) {
            Ok(thread) => nodes.push(thread),
            Err(error) => {
                for outbox in outboxes.values() {
                    // a node that was not started hears nothing
                    let _ = outbox.send(Event::Shutdown);
                }
                return join(nodes).and(Err(thread_error(&error)));
            }
        }
    }
    Ok(nodes)
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

fn thread_error(error: &io::Error) -> ServeError {
    ServeError::new(format!("cannot start a thread: {error}"), "raise the limit on threads")
}

#[cfg(test)]
mod tests;
