//! A cluster of three processes under load, each of which is killed, paused and stopped: what was
//! acknowledged is there, once, and a consumer reads all of it.

use crate::common::Place;
use crate::kafka::{Client, batch, retry, text, topic_name};
use bytes::Bytes;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::{CreateTopicsRequest, MetadataRequest};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead as _, BufReader, ErrorKind};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::time::Duration;

const TOPIC: &str = "orders";
const NODES: usize = 3;
/// A UUID, like every cluster's id.
const CLUSTER: &str = "storm-over-three-nodes";
/// Records of a batch.
const BATCH: usize = 5;
/// Batches that must be acknowledged amid a fault, and after it.
const PROGRESS: u64 = 20;
/// How long a client waits for an answer before it tries another broker.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Times short enough for a test, for what Kafka waits for.
const TIMES: &str = "\
broker.session.timeout.ms = 2000
broker.heartbeat.interval.ms = 300
replica.lag.time.max.ms = 3000
replica.fetch.wait.max.ms = 100
replica.fetch.backoff.ms = 100
replica.socket.timeout.ms = 2000
controller.quorum.election.timeout.ms = 500
controller.quorum.fetch.timeout.ms = 1000
";

/// Three processes, each of which may be gone.
pub(crate) struct Cluster {
    place: Place,
    ports: Vec<u16>,
    nodes: Vec<Option<Child>>,
}

/// Ports that nobody uses, below those that the system gives to clients.
fn free_ports(count: usize) -> Vec<u16> {
    static CLUSTERS: AtomicU16 = AtomicU16::new(0);
    // tests run side by side, and what is free is so for another one, too
    let before = CLUSTERS.fetch_add(1, Ordering::SeqCst);
    let first = 10_000 + u16::try_from(std::process::id() % 20_000).unwrap() + 100 * before;
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let found: Vec<u16> = (first..32_000).filter(free).take(count).collect();
    assert_eq!(found.len(), count);
    found
}

impl Cluster {
    /// Nodes 1 to 3 in racks `az-1` to `az-3`.
    pub(crate) fn start() -> Self {
        let mut cluster = Self::prepare();
        cluster.start_from(0);
        cluster
    }

    /// The same, none of which runs yet.
    fn prepare() -> Self {
        let (place, ports) = (Place::new(), free_ports(2 * NODES));
        let voters: Vec<String> =
            (0..NODES).map(|n| format!("{}@127.0.0.1:{}", n + 1, ports[NODES + n])).collect();
        for n in 0..NODES {
            let mut config = String::from(TIMES);
            let _ = write!(
                config,
                "node.id = {id}\nprocess.roles = \"broker,controller\"\n\
                 controller.quorum.voters = \"{voters}\"\n\
                 listeners = \"PLAINTEXT://127.0.0.1:{},CONTROLLER://127.0.0.1:{}\"\n\
                 controller.listener.names = \"CONTROLLER\"\nbroker.rack = \"az-{id}\"\n\
                 replica.selector.class = \
                 \"org.apache.kafka.common.replica.RackAwareReplicaSelector\"\n\
                 log.dirs = \"data-{id}\"\ncluster.id = \"{CLUSTER}\"\n\
                 default.replication.factor = 3\nmin.insync.replicas = 2\n",
                ports[n],
                ports[NODES + n],
                id = n + 1,
                voters = voters.join(","),
            );
            place.write(&format!("node-{}.toml", n + 1), config);
        }
        Self { place, ports, nodes: (0..NODES).map(|_| None).collect() }
    }

    /// This node and those that follow, none of which serves without the others.
    fn start_from(&mut self, first: usize) {
        let lines: Vec<_> = (first..NODES).map(|n| self.spawn(n)).collect();
        for (n, mut out) in (first..).zip(lines) {
            self.await_ready(n, &mut out);
        }
    }

    fn spawn(&mut self, n: usize) -> BufReader<std::process::ChildStdout> {
        let mut command =
            self.place.command(&["serve", "--config", &format!("node-{}.toml", n + 1)]);
        let log = self.place.path(&format!("node-{}.log", n + 1));
        command.stderr(File::options().create(true).append(true).open(log).unwrap());
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        self.nodes[n] = Some(child);
        out
    }

    /// A node says so when the cluster lets it serve.
    fn await_ready(&self, n: usize, out: &mut BufReader<std::process::ChildStdout>) {
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let expected = format!("serving Kafka clients on 127.0.0.1:{}\n", self.ports[n]);
        assert_eq!(line, expected, "{}", self.place.read(&format!("node-{}.log", n + 1)));
    }

    fn restart(&mut self, n: usize) {
        let mut out = self.spawn(n);
        self.await_ready(n, &mut out);
    }

    fn signal(&self, n: usize, name: &str) {
        let id = self.nodes[n].as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self, n: usize) {
        let mut child = self.nodes[n].take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// SIGTERM; the process must end well.
    fn stop(&mut self, n: usize) {
        self.signal(n, "-TERM");
        let status = self.nodes[n].take().unwrap().wait().unwrap();
        assert!(status.success(), "{}", self.place.read(&format!("node-{}.log", n + 1)));
    }

    /// The node that leads the partition.
    pub(crate) fn leader(&self) -> Option<usize> {
        let (addresses, leader) = (self.addresses(), view(&self.addresses())?.leader);
        addresses.iter().position(|address| *address == leader)
    }

    pub(crate) fn addresses(&self) -> Vec<String> {
        self.ports[..NODES].iter().map(|port| format!("127.0.0.1:{port}")).collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for child in self.nodes.iter_mut().flatten() {
            // a test that failed leaves no process behind, not even a paused one
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// What a client knows of the topic's one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
struct View {
    leader: String,
    isr: usize,
}

/// Asks one broker after the other.
fn view(addresses: &[String]) -> Option<View> {
    addresses.iter().find_map(|address| {
        let mut client = Client::try_connect(address, PATIENCE).ok()?;
        let asked = kafka_protocol::messages::metadata_request::MetadataRequestTopic::default()
            .with_name(Some(topic_name(TOPIC)));
        let request = MetadataRequest::default().with_topics(Some(vec![asked]));
        let answer = client.try_call(9, &request).ok()?;
        let partition = answer.topics[0].partitions.first().filter(|p| p.error_code == 0)?;
        let leader = answer.brokers.iter().find(|b| b.node_id == partition.leader_id)?;
        let leader = format!("{}:{}", leader.host.as_str(), leader.port);
        Some(View { leader, isr: partition.isr_nodes.len() })
    })
}

/// Does something with the leader, again with the next one whenever it gives nothing.
fn with_leader<T>(
    addresses: &[String],
    client: &mut Option<Client>,
    mut act: impl FnMut(&mut Client) -> Option<T>,
) -> T {
    retry(|| {
        if client.is_none() {
            *client = Client::try_connect(&view(addresses)?.leader, PATIENCE).ok();
        }
        let done = client.as_mut().and_then(&mut act);
        if done.is_none() {
            *client = None;
        }
        done
    })
}

fn value(number: u64) -> String {
    format!("value-{number}")
}

/// Produces batch after batch, each until it is acknowledged; counts them.
fn produce(addresses: &[String], producer: i64, acked: &AtomicU64, ends: &AtomicBool) {
    let mut client = None;
    while !ends.load(Ordering::SeqCst) {
        let first = acked.load(Ordering::SeqCst) * BATCH as u64;
        let values: Vec<String> = (first..).take(BATCH).map(value).collect();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let sequence = i32::try_from(first).unwrap();
        let bytes = batch(&values, Some((producer, sequence)));
        with_leader(addresses, &mut client, |client| {
            match client.try_produce(TOPIC, bytes.clone()).ok()? {
                (0 | 46, _) => Some(()), // 46: a repetition of what is no longer remembered
                (45, _) => panic!("out of order: something before was lost"),
                _ => None,
            }
        });
        acked.fetch_add(1, Ordering::SeqCst);
    }
}

/// Reads until there is nothing more after the end has come.
fn consume(addresses: &[String], ends: &AtomicBool) -> BTreeMap<i64, Bytes> {
    let (mut client, mut found, mut next) = (None, BTreeMap::new(), 0);
    loop {
        let is_end = ends.load(Ordering::SeqCst);
        let read = with_leader(addresses, &mut client, |client| {
            client.try_consume(TOPIC, next).ok().flatten()
        });
        if read.is_empty() && is_end {
            return found;
        }
        for (offset, value) in read {
            assert_eq!(offset, next, "no gap and no way back");
            found.insert(offset, value);
            next += 1;
        }
    }
}

/// Everything that the clients of a storm share.
struct Load {
    addresses: Vec<String>,
    acked: Arc<AtomicU64>,
}

impl Load {
    /// Waits until more is acknowledged.
    fn progresses(&self) {
        let target = self.acked.load(Ordering::SeqCst) + PROGRESS;
        retry(|| (self.acked.load(Ordering::SeqCst) >= target).then_some(()));
    }

    /// Waits until all replicas are in sync.
    fn heals(&self) {
        retry(|| (view(&self.addresses)?.isr == NODES).then_some(()));
        self.progresses();
    }
}

/// One node after the other goes in each of three ways, the leader among them.
fn storm(cluster: &mut Cluster, load: &Load) {
    for n in 0..NODES {
        cluster.kill(n);
        load.progresses();
        cluster.restart(n);
        load.heals();
    }
    let leader = retry(|| cluster.leader());
    cluster.signal(leader, "-STOP");
    load.progresses();
    cluster.signal(leader, "-CONT");
    load.heals();
    let leader = retry(|| cluster.leader());
    cluster.stop(leader);
    load.progresses();
    cluster.restart(leader);
    load.heals();
}

#[expect(clippy::disallowed_methods, reason = "clients beside the storm")]
fn spawn<T: Send + 'static>(
    act: impl FnOnce() -> T + Send + 'static,
) -> std::thread::JoinHandle<T> {
    std::thread::spawn(act)
}

#[test]
fn what_is_acknowledged_outlives_every_node() {
    let mut cluster = Cluster::start();
    let addresses = cluster.addresses();
    let mut client = Client::connect(&addresses[0]);
    let topic = CreatableTopic::default()
        .with_name(topic_name(TOPIC))
        .with_num_partitions(1)
        .with_replication_factor(3);
    let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000);
    assert_eq!(client.call(5, &request).topics[0].error_code, 0);
    let producer = client.producer();
    let (acked, produced, ends) = (
        Arc::new(AtomicU64::new(0)),
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicBool::new(false)),
    );
    let writer = {
        let (addresses, acked, ends) =
            (addresses.clone(), Arc::clone(&acked), Arc::clone(&produced));
        spawn(move || produce(&addresses, producer, &acked, &ends))
    };
    let reader = {
        let (addresses, ends) = (addresses.clone(), Arc::clone(&ends));
        spawn(move || consume(&addresses, &ends))
    };
    let load = Load { addresses, acked: Arc::clone(&acked) };
    load.progresses();
    storm(&mut cluster, &load);
    produced.store(true, Ordering::SeqCst);
    writer.join().unwrap();
    ends.store(true, Ordering::SeqCst);
    let found = reader.join().unwrap();
    let total = acked.load(Ordering::SeqCst) * BATCH as u64;
    let expected: Vec<String> = (0..total).map(value).collect();
    let found: Vec<&[u8]> = found.values().map(|value| &value[..]).collect();
    let expected: Vec<&[u8]> = expected.iter().map(|value| value.as_bytes()).collect();
    assert_eq!(found.len(), expected.len(), "none lost, none twice");
    assert!(found == expected, "in the order of the producer");
    let named = text(TOPIC);
    assert!(cluster.place.path(&format!("data-1/{}-0", named.as_str())).exists());
    for n in 0..NODES {
        let log = cluster.place.read(&format!("node-{}.log", n + 1));
        assert!(!log.contains("panicked"), "{log}");
    }
}

/// As with Kafka's brokers: whoever finds nobody goes to the next one at once.
#[test]
fn a_client_that_comes_too_early_is_not_connected() {
    let mut cluster = Cluster::prepare();
    let mut out = cluster.spawn(0);
    // all its sockets have their addresses by then
    let controller = ("127.0.0.1", cluster.ports[NODES]);
    retry(|| TcpStream::connect(controller).ok());
    let address = cluster.addresses().swap_remove(0);
    let early = TcpStream::connect(&address).unwrap_err();
    assert_eq!(early.kind(), ErrorKind::ConnectionRefused);
    cluster.start_from(1);
    cluster.await_ready(0, &mut out);
    let request = MetadataRequest::default().with_topics(None);
    let answer = Client::connect(&address).call(9, &request);
    assert_eq!(answer.cluster_id, Some(text(CLUSTER)));
}
