//! From a plan to a running cluster: hosts, nodes, topics, backlog, clients.

use super::clients::{Client, ClientKind};
use super::conn_table::ConnTable;
use super::event::Event;
use super::lags::Lags;
use super::node::{Node, PoolQueue, Tally};
use super::slab::Slab;
use super::throttle::Throttled;
use super::{SECOND_NS, WALL_EPOCH_MS, World, client_quotas};
use crate::checkers::{Cause, Checkers, Marks, Story};
use crate::client::{
    Admin, ClientShared, ConnectionConfig, ConsumerConfig, CreatedTopic, ProducerConfig,
};
use crate::clock::NodeClock;
use crate::cpu::{CostProfile, Cpu, CpuConfig, PoolSizes, constant};
use crate::disk::{Disk, DiskConfig, Preload, recovery_permille};
use crate::kernel::{Audit, EventQueue, Order};
use crate::net::{HostId, HostSpec, NetConfig, Network};
use crate::recorder::{BACKLOG_TAGS, Recorder};
use crate::rng::{Stream, Streams};
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use stormglass_broker_core::BrokerLimits;
use stormglass_broker_core::config::{NodeConfig, ServerConfig};
use stormglass_broker_core::ids::{NodeId, TopicPartition};
use stormglass_broker_core::plant::Plant;
use stormglass_broker_core::protocol::{NewTopic, Placement};
use stormglass_scenarios::plan::{Action, ClientProfile, NodePlan, Plan, RatePlan, TopicPlan};

/// Events between checkpoints of the audit.
const CHECKPOINT_EVENTS: u64 = 1 << 17;
/// A client host's NIC, bytes per second: 10 Gbit/s. Clients are not what is being measured.
const CLIENT_NIC: u64 = 1_250_000_000;
/// Age of a backlog that exists before the run, ms.
pub(super) const BACKLOG_AGE_MS: i64 = 3_600_000;

/// Where coordinators keep transactions.
const TRANSACTIONS_TOPIC: &str = "__transaction_state";

/// Why a plan cannot be simulated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetupError(pub String);

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SetupError {}

/// A client host's NIC, and the cap of a flow, bytes per second.
pub(super) fn client_nic(plan: &Plan) -> (RatePlan, u64) {
    let nic = plan.model.constants.get("client.nic_bytes_per_sec");
    let nic = nic.map_or(CLIENT_NIC, |c| c.value.unsigned_abs());
    let rate = RatePlan { baseline_per_sec: nic, burst_per_sec: nic, bucket: 0, initial: 0 };
    let flow = plan.cluster.brokers.first().map_or(nic, |b| b.host.flow_cap_bytes_per_sec);
    (rate, flow.min(nic))
}

/// How far set-up is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nodes boot, topics are created.
    Creating,
    /// Nodes boot again, with the backlog on their disks.
    Reloading,
    /// All partitions have leaders; waiting for full ISRs.
    Settling,
    /// The run's time has begun.
    Running,
}

/// How long processes take to come up.
#[derive(Debug, Clone, Copy)]
pub(super) struct BootTimes {
    pub(super) process_start_ns: u64,
    pub(super) host_boot_ns: u64,
}

fn setup_error(error: impl fmt::Display) -> SetupError {
    SetupError(error.to_string())
}

impl World {
    /// A world in which nodes are about to boot.
    pub(crate) fn new(plan: Plan, plant: Option<Plant>, order: Order) -> Result<Self, SetupError> {
        let streams = Streams::new(plan.seed);
        let mut net = Network::new(NetConfig::from_plan(&plan.model), streams);
        let nodes = build_nodes(&plan, plant, &mut net, &streams)?;
        let node_index = (0u16..).zip(&nodes).map(|(at, node)| (node.id, at)).collect();
        let host_node = (0u16..).zip(&nodes).map(|(at, _)| Some(at)).collect();
        let boot_times = BootTimes {
            process_start_ns: constant(&plan.model, "node.process_start_ns")
                .map_err(setup_error)?,
            host_boot_ns: constant(&plan.model, "node.host_boot_ns").map_err(setup_error)?,
        };
        let mut world = Self {
            now: 0,
            origin_ns: u64::MAX,
            ends_ns: u64::MAX,
            queue: EventQueue::new(order),
            audit: Audit::new(nodes.len() + 1, CHECKPOINT_EVENTS),
            net,
            net_out: Vec::new(),
            nodes,
            node_index,
            host_node,
            clients: Vec::new(),
            conns: ConnTable::default(),
            payloads: Slab::default(),
            shared: ClientShared::default(),
            effects: None,
            client_effects: None,
            completed: VecDeque::new(),
            later: VecDeque::new(),
            reading_later: false,
            tls_client: plan.cluster.tls_client,
            tls_in_cluster: plan.cluster.tls_in_cluster,
            topics: BTreeMap::new(),
            partition_names: BTreeMap::new(),
            samples: Vec::new(),
            samples_replicas: true,
            setup: Stage::Creating,
            boot_times,
            booting: BTreeSet::new(),
            rules: BTreeMap::new(),
            rolling: BTreeMap::new(),
            rolling_waits: BTreeMap::new(),
            second: 0,
            watches: Self::is_watched(&plan),
            drained: false,
            recorder: Recorder::new(&plan),
            checkers: Checkers::new(&plan),
            marks: Marks::default(),
            story: Story::new(),
            story_out: Vec::new(),
            instances: BTreeMap::new(),
            lags: Lags::new(plan.consumers.len()),
            remote: None,
            apps: None,
            wire: plan.wire.then(Box::default),
            has_client_quotas: client_quotas::are_set(&plan),
            streams,
            plan,
        };
        world.check_clients()?;
        world.add_remote_storage()?;
        for index in 0..world.nodes.len() {
            let node = u16::try_from(index).unwrap_or(u16::MAX);
            world.booting.insert(node);
            world.at(0, Event::Boot { node, life: 0 });
        }
        world.at(SECOND_NS, Event::Settle);
        Ok(world)
    }

    /// Config values that do not parse are found before anything runs.
    fn check_clients(&self) -> Result<(), SetupError> {
        for producer in &self.plan.producers {
            ProducerConfig::parse(producer).map_err(setup_error)?;
        }
        for consumer in &self.plan.consumers {
            ConsumerConfig::parse(consumer).map_err(setup_error)?;
        }
        Ok(())
    }

    pub(super) fn setup_failed(&self) -> SetupError {
        let up = self.nodes.iter().filter(|n| n.is_up()).count();
        SetupError(format!(
            "the cluster did not come up within {} simulated seconds: {up} of {} processes run, \
             controller {:?}, {} of {} topics exist, {} partitions under-replicated; look at \
             node.process_start_ns and at the replica assignment",
            super::SETUP_LIMIT_NS / SECOND_NS,
            self.nodes.len(),
            self.nodes.iter().find_map(|n| n.broker.as_ref()?.active_controller()),
            self.topics.len(),
            self.plan.topics.len() + 1,
            self.under_replicated(),
        ))
    }

    pub(super) fn add_client(&mut self, kind: ClientKind, az: usize, origin_ns: u64) -> u32 {
        let (nic, flow_cap_bytes_per_sec) = client_nic(&self.plan);
        let host = self.net.add_host(HostSpec { az, nic, flow_cap_bytes_per_sec });
        self.host_node.push(None);
        self.add_client_at(kind, (az, host), origin_ns)
    }

    /// A client on a host that is there.
    pub(super) fn add_client_at(
        &mut self,
        kind: ClientKind,
        (az, host): (usize, HostId),
        origin_ns: u64,
    ) -> u32 {
        self.clients.push(Client::new(kind, az, host, origin_ns));
        u32::try_from(self.clients.len() - 1).unwrap_or(u32::MAX)
    }

    pub(super) fn bootstrap(&self) -> Vec<NodeId> {
        self.nodes.iter().filter(|n| n.is_broker).map(|n| n.id).collect()
    }

    pub(super) fn draws(&self, kind: &str, number: u64) -> Stream {
        self.streams.stream((kind, number), "client")
    }

    fn add_admin(&mut self, start_ns: u64) {
        let config = ConnectionConfig::parse(ClientProfile::Java, &BTreeMap::new())
            .expect("the defaults parse");
        let mut topics: Vec<NewTopic> = self.plan.topics.iter().map(new_topic).collect();
        topics.push(self.offsets_topic());
        let producers = &self.plan.producers;
        if self.apps.is_some() || producers.iter().any(|it| it.transactions.is_some()) {
            topics.push(self.transactions_topic());
        }
        let draws = self.draws("admin", self.clients.len() as u64);
        let admin = Admin::new(config, &self.bootstrap(), topics, draws);
        let client = self.add_client(ClientKind::Admin(admin), 0, 0);
        self.at(start_ns, Event::ClientStart { client, life: 0 });
    }

    /// `__consumer_offsets` would come with the first group; it is there before the run.
    fn offsets_topic(&self) -> NewTopic {
        let brokers = self.bootstrap();
        let replicas = self.setting("offsets.topic.replication.factor", 3).clamp(1, brokers.len());
        let placement = (0..self.setting("offsets.topic.num.partitions", 50))
            .map(|p| (0..replicas).map(|r| brokers[(p + r) % brokers.len()]).collect())
            .collect();
        // that it is compacted goes without saying
        let segment = self.setting("offsets.topic.segment.bytes", 100 << 20);
        let config = BTreeMap::from([("segment.bytes".to_owned(), segment.to_string())]);
        NewTopic {
            name: "__consumer_offsets".into(),
            placement: Placement::Manual(placement),
            config,
        }
    }

    /// `__transaction_state`, as the first transactional producer of a cluster brings it about.
    fn transactions_topic(&self) -> NewTopic {
        let brokers = self.bootstrap();
        let replicas = self.setting("transaction.state.log.replication.factor", 3);
        let replicas = replicas.clamp(1, brokers.len());
        let partitions = self.setting("transaction.state.log.num.partitions", 50);
        let placement = (0..partitions)
            .map(|p| (0..replicas).map(|r| brokers[(p + r + 1) % brokers.len()]).collect())
            .collect();
        let segment = self.setting("transaction.state.log.segment.bytes", 100 << 20);
        let min_isr = self.setting("transaction.state.log.min.isr", 2);
        let config = [
            ("cleanup.policy", "compact".to_owned()),
            ("compression.type", "uncompressed".to_owned()),
            ("min.insync.replicas", min_isr.to_string()),
            ("segment.bytes", segment.to_string()),
            ("unclean.leader.election.enable", "false".to_owned()),
        ];
        let config = config.map(|(key, value)| (key.to_owned(), value));
        NewTopic {
            name: TRANSACTIONS_TOPIC.into(),
            placement: Placement::Manual(placement),
            config: BTreeMap::from(config),
        }
    }

    /// A number of server.properties.
    fn setting(&self, key: &str, default: usize) -> usize {
        self.plan.cluster.config.get(key).and_then(|v| v.parse().ok()).unwrap_or(default)
    }

    /// The topics exist and are led.
    pub(super) fn topics_ready(&mut self, topics: Vec<CreatedTopic>) {
        for topic in &topics {
            self.topics.insert(topic.name.to_string(), topic.id);
            for partition in 0..i32::try_from(topic.partitions).unwrap_or(0) {
                let tp = TopicPartition::new(topic.id, partition);
                self.partition_names.insert(tp, format!("{}-{partition}", topic.name));
            }
        }
        if self.setup == Stage::Creating && self.plan.topics.iter().any(|t| t.preload_bytes > 0) {
            self.setup = Stage::Reloading;
            return self.preload();
        }
        self.name_partitions();
        self.setup = Stage::Settling;
        self.at(self.now + 1, Event::Settle);
    }

    fn min_isr(&self, topic: Option<&TopicPlan>) -> usize {
        const KEY: &str = "min.insync.replicas";
        let own = topic.and_then(|t| t.config.get(KEY));
        let value = own.or_else(|| self.plan.cluster.config.get(KEY));
        value.and_then(|v| v.parse().ok()).unwrap_or(1)
    }

    fn name_partitions(&mut self) {
        for (name, id) in &self.topics {
            let name: Arc<str> = Arc::from(name.as_str());
            self.recorder.topic(*id, &name);
            self.story.topic(*id, &name);
        }
        for (tp, name) in &self.partition_names {
            let Some((topic, _)) = name.rsplit_once('-') else { continue };
            let plan = self.plan.topics.iter().find(|t| t.name == topic);
            let replicas = plan.map_or(3, |t| t.assignment.first().map_or(1, Vec::len));
            let min_isr = match topic {
                TRANSACTIONS_TOPIC => self.setting("transaction.state.log.min.isr", 2),
                _ => self.min_isr(plan),
            };
            let min_isr = min_isr.min(replicas);
            self.checkers.topic(*tp, topic, min_isr);
        }
    }

    /// Set-up goes on when all brokers serve and all replicas are in sync; then the run begins at
    /// the next whole second.
    pub(super) fn settle(&mut self) {
        let serves = |node: &Node| {
            !node.is_broker || node.broker.as_ref().is_some_and(|b| b.gauges().unfenced)
        };
        if self.under_replicated() > 0 || !self.nodes.iter().all(serves) {
            return self.at(self.now + SECOND_NS / 10, Event::Settle);
        }
        if self.setup != Stage::Settling {
            return self.add_admin(self.now);
        }
        let begins = (self.now / SECOND_NS + 1) * SECOND_NS;
        self.at(begins, Event::Phase { index: 0 });
    }

    /// A backlog is what a cluster finds on its disks when it starts: processes stop, the logs
    /// are put there as of a clean shutdown, processes start.
    fn preload(&mut self) {
        for index in 0..self.nodes.len() {
            let node = u16::try_from(index).unwrap_or(u16::MAX);
            self.process_ended(node, &Cause { event: None, what: "set-up".to_owned() });
        }
        for plan in self.plan.topics.clone() {
            let Some(id) = self.topics.get(&plan.name).copied() else { continue };
            for (partition, replicas) in (0i32..).zip(&plan.assignment) {
                let tp = TopicPartition::new(id, partition);
                self.checkers.preloaded(tp);
                for replica in replicas {
                    self.preload_replica(tp, &plan, *replica);
                }
                if plan.is_tiered() {
                    self.preload_tiers(tp, &plan, replicas);
                }
            }
        }
        self.record_preloaded_tiers();
        let ids: Vec<i32> = self.nodes.iter().map(|n| n.id.0).collect();
        for id in ids {
            self.boot_later(id, 0);
        }
        self.at(self.now + SECOND_NS, Event::Settle);
    }

    fn preload_replica(&mut self, tp: TopicPartition, plan: &TopicPlan, replica: i32) {
        let Some(&node) = self.node_index.get(&NodeId(replica)) else { return };
        let record = u32::try_from(plan.preload_record_bytes.clamp(1, 1 << 20)).unwrap_or(1024);
        let records_per_batch = (16_384 / record).max(1);
        let writers = self.plan.producers.iter().filter(|producer| producer.topic == plan.name);
        let keys = writers.filter_map(|producer| self.keys_in_bodies(producer)).max();
        let template = match keys {
            Some(keys) => self.shared.templates.keyed(record, records_per_batch, (keys, 1)),
            None => self.shared.templates.body(record, records_per_batch),
        };
        let segment = plan.config.get("segment.bytes").and_then(|v| v.parse().ok());
        let preload = Preload {
            bytes: plan.preload_bytes,
            template,
            records_per_batch,
            first_timestamp_ms: WALL_EPOCH_MS - BACKLOG_AGE_MS,
            last_timestamp_ms: WALL_EPOCH_MS,
            segment_bytes: segment.unwrap_or(1 << 30),
            leader_epoch: 0,
            // Above every client's tags, and the same on every replica.
            first_tag: BACKLOG_TAGS | u64::from(tp.partition.unsigned_abs()) << 40,
        };
        self.nodes[node as usize].disk.preload(tp, &preload);
    }
}

fn new_topic(plan: &TopicPlan) -> NewTopic {
    let replicas = |ids: &Vec<i32>| ids.iter().map(|id| NodeId(*id)).collect();
    NewTopic {
        name: Arc::from(plan.name.as_str()),
        placement: Placement::Manual(plan.assignment.iter().map(replicas).collect()),
        config: plan.config.clone(),
    }
}

fn build_nodes(
    plan: &Plan,
    plant: Option<Plant>,
    net: &mut Network,
    streams: &Streams,
) -> Result<Vec<Node>, SetupError> {
    let mut server = ServerConfig::kafka_defaults();
    server.apply(&plan.cluster.config).map_err(setup_error)?;
    server.check_groups().map_err(setup_error)?;
    let limits = broker_limits(plan);
    let voters: Vec<NodeId> = plan.cluster.controllers.iter().map(|n| NodeId(n.id)).collect();
    let brokers = plan.cluster.brokers.iter().map(|n| (n, true));
    let controllers = plan.cluster.controllers.iter().map(|n| (n, false));
    brokers
        .chain(controllers)
        .map(|(node, is_broker)| {
            let config = NodeConfig {
                node: NodeId(node.id),
                broker: is_broker,
                controller: !is_broker,
                voters: voters.clone(),
                rack: plan.cluster.azs.get(node.az).map(|az| Arc::from(az.as_str())),
                endpoint: None,
                server: server.clone(),
                limits: if is_broker { limits } else { BrokerLimits::default() },
                features: stormglass_broker_core::features::UNCHOSEN,
                seed: streams
                    .stream(("node", u64::from(node.id.unsigned_abs())), "core")
                    .next_u64(),
                incarnation: 0,
                first_producer_epoch: plan.first_producer_epoch,
                plant,
            };
            build_node(plan, node, is_broker, config, net, streams)
        })
        .collect()
}

/// Quotas of the service for each broker.
fn broker_limits(plan: &Plan) -> BrokerLimits {
    let Some(limits) = &plan.cluster.limits else { return BrokerLimits::default() };
    BrokerLimits {
        produce_bytes_per_sec: limits.in_bytes_per_sec,
        fetch_bytes_per_sec: limits.out_bytes_per_sec,
        partition_produce_bytes_per_sec: limits.partition_in_bytes_per_sec,
        partition_fetch_bytes_per_sec: limits.partition_out_bytes_per_sec,
        requests_per_sec: limits.requests_per_sec,
        shared_by: limits.shared_by,
    }
}

fn build_node(
    plan: &Plan,
    node: &NodePlan,
    is_broker: bool,
    config: NodeConfig,
    net: &mut Network,
    streams: &Streams,
) -> Result<Node, SetupError> {
    let number = u64::from(node.id.unsigned_abs());
    let peers = u32::try_from(plan.cluster.brokers.len()).unwrap_or(1).saturating_sub(1).max(1);
    let sizes = PoolSizes {
        network: u32::from(config.server.num_network_threads),
        handler: u32::from(config.server.num_io_threads),
        fetcher: u32::from(config.server.num_replica_fetchers) * peers,
        remote: u32::try_from(
            config.server.remote_log_manager_copier_threads
                + config.server.remote_log_reader_threads,
        )
        .unwrap_or(1),
    };
    let pauses = streams.stream(("node", number), "pauses");
    let cpu = CpuConfig::new(&node.host, &plan.model, sizes, pauses).map_err(setup_error)?;
    let disk = DiskConfig::new(&node.host, &plan.model).map_err(setup_error)?;
    let host: HostId = net.add_host(HostSpec {
        az: node.az,
        nic: node.host.nic,
        flow_cap_bytes_per_sec: node.host.flow_cap_bytes_per_sec,
    });
    Ok(Node {
        id: NodeId(node.id),
        is_broker,
        az: node.az,
        host,
        nic: node.host.nic,
        // A day's earnings, as AWS documents for t3.
        credit_cap_ms: u64::from(node.host.vcpus)
            * u64::from(node.host.cpu_baseline_permille % 1000)
            * 86_400,
        config,
        broker: None,
        starting: None,
        life: 0,
        powered: true,
        paused_until_ns: 0,
        disk: Disk::new(disk, streams, number).with_wall_epoch_ms(WALL_EPOCH_MS),
        recovery_permille: recovery_permille(&node.host, &plan.model).map_err(setup_error)?,
        cpu: Cpu::new(cpu),
        profile: CostProfile::new(&plan.model, node.host.cpu_speed_permille)
            .map_err(setup_error)?,
        clock: NodeClock::new(WALL_EPOCH_MS * 1_000_000, 0, 0),
        armed: drifts(plan, node.id).then(Vec::new),
        writeback_at: None,
        jobs: Slab::default(),
        queues: [PoolQueue::default(), PoolQueue::default(), PoolQueue::default()],
        results: Slab::default(),
        accepted: ConnTable::default(),
        links: Vec::new(),
        link_index: FxHashMap::default(),
        tally: Tally::default(),
        throttled: Throttled::default(),
    })
}

/// Whether a node's clock has another rate at some time of the plan.
fn drifts(plan: &Plan, id: i32) -> bool {
    let is_it = |action: &Action| matches!(action, Action::ClockDrift { node, .. } if *node == id);
    plan.events.iter().any(|event| is_it(&event.action))
}
