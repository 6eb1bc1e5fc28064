//! A whole request through a broker of one node, its disk's page cache included: produce, fetch
//! with data, a fetch that waits and is answered by the next append.

mod common;

use criterion::{Criterion, criterion_group, criterion_main};
use std::collections::BTreeMap;
use std::sync::Arc;
use stormglass_broker_core::Broker;
use stormglass_broker_core::config::{NodeConfig, ServerConfig};
use stormglass_broker_core::ids::{ConnectionId, CorrelationId, NodeId, TopicPartition};
use stormglass_broker_core::protocol::{
    Acks, CreateTopicsRequest, FetchPartition, FetchRequest, IsolationLevel, NewTopic, Placement,
    ProducePartition, ProduceRequest, Request, Response,
};
use stormglass_broker_core::records::{Batch, Body, BodyTemplate, Record, Records};
use stormglass_broker_core::seam::{Effects, Input, PeerRequest, Reply, TimerKey};
use stormglass_broker_core::time::Instant;
use stormglass_sim::disk::Disk;
use stormglass_sim::rng::Streams;

const NODE: NodeId = NodeId(1);
const CLIENT: ConnectionId = ConnectionId(7);
/// The broker's own connection to the controller that it is itself.
const OWN: ConnectionId = ConnectionId(8);
const PARTITIONS: i32 = 20;
/// 16 KiB each 160 us are 100 MB/s.
const GAP_NS: u64 = 160_000;

/// A broker with a disk, alone in the world. Time passes only when told.
struct Node {
    broker: Broker,
    disk: Disk,
    effects: Effects,
    timers: BTreeMap<TimerKey, u64>,
    now_ns: u64,
    replies: Vec<Response>,
}

impl Node {
    fn new() -> Self {
        let mut server = ServerConfig::kafka_defaults();
        let single =
            [("offsets.topic.replication.factor", "1"), ("default.replication.factor", "1")];
        let single = single.map(|(key, value)| (key.to_owned(), value.to_owned()));
        server.apply(&BTreeMap::from(single)).expect("valid");
        let config = NodeConfig {
            node: NODE,
            broker: true,
            controller: true,
            voters: vec![NODE],
            rack: None,
            endpoint: None,
            server,
            limits: stormglass_broker_core::BrokerLimits::default(),
            features: stormglass_broker_core::features::UNCHOSEN,
            seed: 1,
            incarnation: 1,
            first_producer_epoch: 0,
            plant: None,
        };
        let disk = Disk::new(common::disk_config(), &Streams::new(1), 1);
        let broker = Broker::new(config, &disk);
        let (effects, timers) = (Effects::default(), BTreeMap::new());
        let mut node =
            Self { broker, disk, effects, timers, now_ns: 1_000_000, replies: Vec::new() };
        node.step(Input::WallClock(1_800_000_000_000));
        node.step(Input::Start);
        node
    }

    /// One input with all that follows from it at once.
    fn step(&mut self, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            self.broker.step(Instant::from_nanos(self.now_ns), input, &mut self.effects);
            self.effects.trace.clear();
            self.effects.work.take();
            for op in self.effects.disk.drain(..) {
                let done = self.disk.submit(self.now_ns, op);
                inputs.push(Input::Disk { id: done.id, result: done.result });
            }
            for PeerRequest { correlation, request, .. } in self.effects.sends.drain(..) {
                inputs.push(Input::Request { conn: OWN, correlation, request });
            }
            for Reply { conn, correlation, response, .. } in self.effects.replies.drain(..) {
                match response {
                    Some(response) if conn == OWN => {
                        let result = Ok(response);
                        inputs.push(Input::Response { from: NODE, correlation, result });
                    }
                    response => self.replies.extend(response),
                }
            }
            for (at, key) in self.effects.timers.drain(..) {
                self.timers.insert(key, at.as_nanos());
            }
        }
    }

    fn request(&mut self, request: Request) {
        self.step(Input::Request { conn: CLIENT, correlation: CorrelationId(1), request });
    }

    /// Lets time pass, timers firing on their way, until the client has an answer.
    fn wait(&mut self) -> Response {
        while self.replies.is_empty() {
            let (&key, &due) = self.timers.iter().min_by_key(|(_, at)| **at).expect("a timer");
            self.timers.remove(&key);
            self.now_ns = self.now_ns.max(due);
            self.step(Input::Timer(key));
        }
        self.replies.pop().expect("an answer")
    }
}

/// A node with a topic, and 16 KiB in each of its partitions.
struct Rig {
    node: Node,
    partitions: Vec<TopicPartition>,
    template: Arc<BodyTemplate>,
    next: usize,
}

impl Rig {
    fn new() -> Self {
        let mut node = Node::new();
        let placement = Placement::Automatic { partitions: PARTITIONS, replication_factor: 1 };
        let topic = NewTopic { name: "orders".into(), placement, config: BTreeMap::new() };
        let request = CreateTopicsRequest { topics: vec![topic], validate_only: false };
        // The broker registers with itself first.
        let id = loop {
            node.request(Request::CreateTopics(request.clone()));
            match node.wait() {
                Response::CreateTopics(answer) if answer.topics[0].partitions == PARTITIONS => {
                    break answer.topics[0].id;
                }
                _ => node.now_ns += 100_000_000,
            }
        };
        let partitions = (0..PARTITIONS).map(|p| TopicPartition::new(id, p)).collect();
        let template = Arc::new(BodyTemplate::of_records(15, 0, 1024));
        let mut rig = Self { node, partitions, template, next: 0 };
        for _ in 0..PARTITIONS {
            rig.produce();
        }
        rig
    }

    /// One batch of 15 records of 1 KiB to the next partition. Returns where it went.
    fn produce(&mut self) -> (TopicPartition, i64) {
        self.node.now_ns += GAP_NS;
        let tp = self.partitions[self.next % self.partitions.len()];
        self.next += 1;
        let mut batch = Batch::build(1_800_000_000_000, &mut vec![Record::default(); 15]);
        batch.body = Body::Template { template: Arc::clone(&self.template), tag: 7 };
        let records = Records::single(Arc::new(batch));
        let partitions = vec![ProducePartition { tp, records }];
        let request = ProduceRequest { acks: Acks::All, timeout_ms: 30_000, partitions };
        self.node.request(Request::Produce(request));
        let answers = std::mem::take(&mut self.node.replies);
        let offset = answers.iter().find_map(|answer| match answer {
            Response::Produce(answer) => Some(answer.partitions[0].base_offset),
            _ => None,
        });
        self.node.replies.extend(answers.into_iter().filter(|a| matches!(a, Response::Fetch(_))));
        (tp, offset.filter(|offset| *offset >= 0).expect("acknowledged"))
    }

    fn fetch(&mut self, session: (i32, i32), positions: &[(TopicPartition, i64)]) {
        let partitions = positions.iter().map(|&(tp, fetch_offset)| FetchPartition {
            tp,
            current_leader_epoch: -1,
            fetch_offset,
            last_fetched_epoch: -1,
            log_start_offset: -1,
            max_bytes: 1 << 20,
        });
        let request = FetchRequest {
            replica: None,
            max_wait_ms: 500,
            min_bytes: 1,
            max_bytes: 50 << 20,
            isolation: IsolationLevel::ReadUncommitted,
            session_id: session.0,
            session_epoch: session.1,
            partitions: partitions.collect(),
            forgotten: Vec::new(),
            rack: None,
        };
        self.node.request(Request::Fetch(request.into()));
    }

    fn fetched(&mut self) -> (i32, u32) {
        match self.node.replies.pop().expect("answered") {
            Response::Fetch(answer) => {
                let bytes = answer.partitions.iter().map(|part| part.records.size_bytes()).sum();
                (answer.session_id, bytes)
            }
            other => panic!("not a Fetch answer: {other:?}"),
        }
    }
}

fn requests(c: &mut Criterion) {
    let mut group = c.benchmark_group("broker");
    group.bench_function("produce a batch, acks=all, one replica", |b| {
        let mut rig = Rig::new();
        b.iter(|| rig.produce());
    });
    group.bench_function("fetch of 20 partitions without a session", |b| {
        let mut rig = Rig::new();
        let positions: Vec<_> = rig.partitions.iter().map(|tp| (*tp, 0)).collect();
        b.iter(|| {
            rig.fetch((0, -1), &positions);
            let (_, bytes) = rig.fetched();
            assert!(bytes > 20 * 15 * 1024, "{bytes}");
        });
    });
    group.bench_function("fetch in a session that waits, and the append that answers it", |b| {
        let mut rig = Rig::new();
        let positions: Vec<_> = rig.partitions.iter().map(|tp| (*tp, 15)).collect();
        rig.fetch((0, 0), &positions);
        let (tp, _) = rig.produce();
        let (session, _) = rig.fetched();
        let (mut epoch, mut changed) = (0, vec![(tp, 30)]);
        b.iter(|| {
            epoch = epoch % (i32::MAX - 1) + 1;
            rig.fetch((session, epoch), &changed);
            assert!(rig.node.replies.is_empty(), "nothing new yet");
            let (tp, base_offset) = rig.produce();
            let (_, bytes) = rig.fetched();
            assert!(bytes > 15 * 1024, "{bytes}");
            changed[0] = (tp, base_offset + 15);
        });
    });
    group.finish();
}

criterion_group!(benches, requests);
criterion_main!(benches);
