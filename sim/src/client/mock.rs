//! A scripted cluster in memory for tests of clients: logs without replication, sequence checks,
//! fetch sessions, and switches for faults. One client, fixed latency each way.

use super::io::{ClientCx, ClientEffects, ClientInput, ClientShared, Outcome};
use super::{Admin, Consumer, Operator, Producer};
use crate::client::arrivals::{Arrival, Arrivals};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{NodeId, Offset, TopicId, TopicPartition};
use stormglass_broker_core::protocol::*;
use stormglass_broker_core::records::{Batch, Records};

/// Nanoseconds of a millisecond.
pub(crate) const MS: u64 = 1_000_000;
/// The one topic.
pub(crate) const TOPIC: TopicId = TopicId(77);

/// The client under test.
pub(crate) trait Client {
    fn step(&mut self, input: ClientInput, cx: &mut ClientCx<'_>);
}

macro_rules! clients {
    ($($name:ident),*) => {$(
        impl Client for $name {
            fn step(&mut self, input: ClientInput, cx: &mut ClientCx<'_>) {
                $name::step(self, input, cx);
            }
        }
    )*};
}
clients!(Producer, Consumer, Admin, Operator);

/// Epoch, and (base sequence, last sequence, base offset) of five batches.
type ProducerState = (i16, VecDeque<(i32, i32, Offset)>);

/// One partition's log.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) leader: i32,
    pub(crate) epoch: i32,
    pub(crate) start: Offset,
    pub(crate) batches: Vec<Arc<Batch>>,
    producers: BTreeMap<i64, ProducerState>,
}

impl Log {
    pub(crate) fn end(&self) -> Offset {
        self.batches.last().map_or(self.start, |batch| batch.next_offset())
    }

    pub(crate) fn append(&mut self, batch: &Batch) -> Offset {
        let mut batch = batch.clone();
        batch.header.base_offset = self.end();
        batch.header.partition_leader_epoch = self.epoch;
        let base = batch.header.base_offset;
        self.batches.push(Arc::new(batch));
        base
    }

    fn produce(&mut self, batch: &Batch) -> (ErrorCode, Offset) {
        let header = batch.header;
        if header.producer_id < 0 {
            return (ErrorCode::None, self.append(batch));
        }
        let fresh = (header.producer_epoch, VecDeque::new());
        let state = self.producers.entry(header.producer_id).or_insert(fresh);
        if header.producer_epoch > state.0 {
            *state = (header.producer_epoch, VecDeque::new());
        }
        let ends = (header.base_sequence, header.last_sequence());
        if let Some(seen) = state.1.iter().find(|seen| (seen.0, seen.1) == ends) {
            return (ErrorCode::None, seen.2);
        }
        let next = state.1.back().map_or(0, |last| last.1 + 1);
        if header.base_sequence != next {
            return (ErrorCode::OutOfOrderSequenceNumber, -1);
        }
        let base = self.append(batch);
        let state = self.producers.entry(header.producer_id).or_default();
        state.1.push_back((ends.0, ends.1, base));
        if state.1.len() > 5 {
            state.1.pop_front();
        }
        (ErrorCode::None, base)
    }

    /// Forgets a producer, as a broker that lost its state would.
    pub(crate) fn forget_producers(&mut self) {
        self.producers.clear();
    }
}

#[derive(Debug)]
enum Event {
    Input(ClientInput),
    Request { node: NodeId, connection: u64, correlation: u64, request: Request, answer: bool },
    Response { node: NodeId, connection: u64, correlation: u64, response: Response },
}

/// A produce request as the broker saw it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) node: NodeId,
    /// Partition, base sequence, records.
    pub(crate) parts: Vec<(i32, i32, i32)>,
}

#[derive(Debug, Default)]
struct FetchSession {
    id: i32,
    epoch: i32,
    partitions: BTreeMap<TopicPartition, FetchPartition>,
}

/// The cluster and the clock.
#[derive(Debug)]
pub(crate) struct Mock<C> {
    pub(crate) client: C,
    pub(crate) now_ns: u64,
    pub(crate) logs: Vec<Log>,
    pub(crate) nodes: i32,
    /// One way.
    pub(crate) latency_ns: u64,
    /// Requests to these brokers vanish, connections stay open.
    pub(crate) half_open: BTreeSet<NodeId>,
    /// These brokers refuse connections.
    pub(crate) down: BTreeSet<NodeId>,
    /// Answers to produce requests vanish.
    pub(crate) lose_acks: bool,
    /// Answers for the next produce partitions.
    pub(crate) produce_errors: VecDeque<ErrorCode>,
    /// Error for the next fetch requests as a whole.
    pub(crate) fetch_errors: VecDeque<ErrorCode>,
    /// `max.message.bytes`
    pub(crate) message_bytes_max: u32,
    pub(crate) preferred_replica: Option<NodeId>,
    pub(crate) committed: BTreeMap<TopicPartition, (Offset, i32)>,
    pub(crate) coordinator: i32,
    /// Errors of the next AddPartitionsToTxn and EndTxn requests.
    pub(crate) transaction_errors: VecDeque<ErrorCode>,
    /// Errors of the next heartbeats, heartbeats so far, and members that left.
    pub(crate) heartbeat_errors: VecDeque<ErrorCode>,
    pub(crate) heartbeats: u32,
    pub(crate) left: u32,
    /// What a member in the consumer protocol shall have, and what it has said.
    pub(crate) assignment: Vec<TopicPartition>,
    pub(crate) told_heartbeats: Vec<ConsumerGroupHeartbeatRequest>,
    /// Members that came without an id, and generations of their group.
    members: i32,
    generation: i32,
    /// Epochs given to a transactional producer.
    pub(crate) sessions_begun: i16,
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) marks: Vec<&'static str>,
    pub(crate) produced: Vec<Seen>,
    pub(crate) fetches: Vec<(u64, NodeId, FetchRequest)>,
    pub(crate) connects: Vec<(u64, NodeId)>,
    pub(crate) closes: Vec<(u64, NodeId)>,
    pub(crate) timers: u64,
    pub(crate) steps: u64,
    pub(crate) created: bool,
    /// Unanswered produce requests per broker, now and at most.
    pub(crate) in_flight: BTreeMap<NodeId, (u32, u32)>,
    connections: BTreeMap<NodeId, u64>,
    sessions: BTreeMap<NodeId, FetchSession>,
    next_session: i32,
    queue: BTreeMap<(u64, u64), Event>,
    sequence: u64,
    shared: ClientShared,
}

impl<C: Client> Mock<C> {
    /// A cluster of `nodes` brokers; partition p is led by broker 1 + p % nodes. The client starts.
    pub(crate) fn new(client: C, nodes: i32, partitions: i32) -> Self {
        let log = |p: i32| Log { leader: 1 + p % nodes, epoch: 1, ..Log::default() };
        let mut mock = Self {
            client,
            now_ns: 0,
            logs: (0..partitions).map(log).collect(),
            nodes,
            latency_ns: 250_000,
            half_open: BTreeSet::new(),
            down: BTreeSet::new(),
            lose_acks: false,
            produce_errors: VecDeque::new(),
            fetch_errors: VecDeque::new(),
            message_bytes_max: 1_048_588,
            preferred_replica: None,
            committed: BTreeMap::new(),
            coordinator: 1,
            transaction_errors: VecDeque::new(),
            heartbeat_errors: VecDeque::new(),
            heartbeats: 0,
            left: 0,
            assignment: Vec::new(),
            told_heartbeats: Vec::new(),
            members: 0,
            generation: 0,
            sessions_begun: 0,
            outcomes: Vec::new(),
            marks: Vec::new(),
            produced: Vec::new(),
            fetches: Vec::new(),
            connects: Vec::new(),
            closes: Vec::new(),
            timers: 0,
            steps: 0,
            created: true,
            in_flight: BTreeMap::new(),
            connections: BTreeMap::new(),
            sessions: BTreeMap::new(),
            next_session: 1,
            queue: BTreeMap::new(),
            sequence: 0,
            shared: ClientShared::default(),
        };
        mock.push(0, Event::Input(ClientInput::Start));
        mock
    }

    fn push(&mut self, at_ns: u64, event: Event) {
        self.sequence += 1;
        self.queue.insert((at_ns, self.sequence), event);
    }

    /// An input now.
    pub(crate) fn input(&mut self, input: ClientInput) {
        let mut effects = ClientEffects::default();
        let now_ns = self.now_ns;
        let wall_ms = 1_700_000_000_000 + i64::try_from(now_ns / MS).unwrap();
        let shared = &mut self.shared;
        self.steps += 1;
        self.client.step(input, &mut ClientCx { now_ns, wall_ms, shared, effects: &mut effects });
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: ClientEffects) {
        for node in effects.closes {
            self.closes.push((self.now_ns, node));
            self.connections.remove(&node);
            self.in_flight.entry(node).or_default().0 = 0;
        }
        for node in effects.connects {
            self.connects.push((self.now_ns, node));
            let at_ns = self.now_ns + 2 * self.latency_ns;
            if self.down.contains(&node) {
                self.push(at_ns, Event::Input(ClientInput::ConnectFailed { node }));
            } else if !self.half_open.contains(&node) {
                self.connections.insert(node, self.sequence);
                self.push(at_ns, Event::Input(ClientInput::Connected { node }));
            }
        }
        for send in effects.sends {
            let connection = self.connections[&send.node];
            let is_produce =
                matches!(send.request, Request::Produce(_) | Request::TransactionalProduce(_));
            if is_produce && send.expects_response {
                let count = self.in_flight.entry(send.node).or_default();
                count.0 += 1;
                count.1 = count.1.max(count.0);
            }
            let (node, answer) = (send.node, send.expects_response);
            let (correlation, request) = (send.correlation, send.request);
            let event = Event::Request { node, connection, correlation, request, answer };
            self.push(self.now_ns + self.latency_ns, event);
        }
        for (at_ns, timer) in effects.timers {
            self.timers += 1;
            assert!(at_ns > self.now_ns, "a timer is in the future");
            self.push(at_ns, Event::Input(ClientInput::Timer(timer)));
        }
        self.outcomes.extend(effects.outcomes);
        self.marks.extend(effects.marks);
    }

    /// Runs until a time, inclusive.
    pub(crate) fn run_until(&mut self, until_ns: u64) {
        while let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= until_ns) {
            self.now_ns = entry.key().0;
            match entry.remove() {
                Event::Input(input) => self.input(input),
                Event::Request { node, connection, correlation, request, answer } => {
                    let alive = self.connections.get(&node) == Some(&connection);
                    if alive && !self.half_open.contains(&node) {
                        self.serve(node, connection, correlation, request, answer);
                    }
                }
                Event::Response { node, connection, correlation, response } => {
                    if self.connections.get(&node) == Some(&connection) {
                        if matches!(response, Response::Produce(_)) {
                            self.in_flight.entry(node).or_default().0 -= 1;
                        }
                        self.input(ClientInput::Response { node, correlation, response });
                    }
                }
            }
            assert!(self.steps < 5_000_000, "the client spins");
        }
        self.now_ns = until_ns;
    }

    /// A broker resets its connection.
    pub(crate) fn disconnect(&mut self, node: i32) {
        self.connections.remove(&NodeId(node));
        self.in_flight.entry(NodeId(node)).or_default().0 = 0;
        self.sessions.remove(&NodeId(node));
        self.input(ClientInput::Disconnected { node: NodeId(node) });
    }

    /// Moves a partition to another leader.
    pub(crate) fn elect(&mut self, partition: usize, leader: i32) {
        self.logs[partition].leader = leader;
        self.logs[partition].epoch += 1;
    }

    fn serve(
        &mut self,
        node: NodeId,
        connection: u64,
        correlation: u64,
        request: Request,
        answer: bool,
    ) {
        let mut delay_ns = self.latency_ns;
        let (link, node) = (node, broker_behind(node));
        let response = match request {
            Request::Metadata(_) => Response::Metadata(Box::new(self.metadata())),
            Request::Produce(request) => {
                let response = self.produce(node, &request);
                if self.lose_acks || !answer {
                    return;
                }
                Response::Produce(response)
            }
            Request::Fetch(request) => {
                let (response, empty) = self.fetch(node, (*request).clone());
                if empty {
                    delay_ns += u64::try_from(request.max_wait_ms).unwrap() * MS;
                }
                Response::Fetch(response)
            }
            Request::ListOffsets(request) => Response::ListOffsets(self.list_offsets(&request)),
            Request::OffsetForLeaderEpoch(request) => {
                let end = |(tp, _, epoch): &(TopicPartition, i32, i32)| {
                    (*tp, ErrorCode::None, self.epoch_end(*tp, *epoch))
                };
                let partitions = request.partitions.iter().map(end).collect();
                Response::OffsetForLeaderEpoch(OffsetForLeaderEpochResponse { partitions })
            }
            Request::FindCoordinator(request) => {
                let found = |key| FoundCoordinator {
                    key,
                    error: ErrorCode::None,
                    node: Some(NodeId(self.coordinator)),
                };
                let coordinators = request.keys.into_iter().map(found).collect();
                Response::FindCoordinator(FindCoordinatorResponse { coordinators })
            }
            Request::OffsetCommit(request) => Response::OffsetCommit(self.commit(node, *request)),
            Request::OffsetFetch(request) => Response::OffsetFetch(self.committed(&request)),
            Request::CreateTopics(request) => {
                let first = !std::mem::replace(&mut self.created, true);
                let error = if first { ErrorCode::RequestTimedOut } else { ErrorCode::None };
                let names = request.topics.iter().map(|topic| topic.name.clone());
                let created =
                    |name| CreatedTopic { id: TOPIC, ..CreatedTopic::refused(name, error, None) };
                let topics = names.map(created).collect();
                Response::CreateTopics(CreateTopicsResponse { topics })
            }
            Request::ElectLeaders(_) => {
                for (at, log) in (0..).zip(&mut self.logs) {
                    log.leader = 1 + at % self.nodes;
                }
                let partitions = Vec::new();
                Response::ElectLeaders(ElectLeadersResponse { error: ErrorCode::None, partitions })
            }
            other => self.serve_session(node, other),
        };
        let event = Event::Response { node: link, connection, correlation, response };
        self.push(self.now_ns + delay_ns, event);
    }

    /// Producer ids, transactions and membership.
    fn serve_session(&mut self, node: NodeId, request: Request) -> Response {
        match request {
            Request::InitProducerId(request) => {
                let is_session = request.transactional.is_some();
                self.sessions_begun += i16::from(is_session);
                Response::InitProducerId(InitProducerIdResponse {
                    error: ErrorCode::None,
                    producer_id: 4_000,
                    producer_epoch: if is_session { self.sessions_begun } else { 0 },
                })
            }
            Request::AddPartitionsToTxn(request) => {
                let error = self.transaction_errors.pop_front().unwrap_or(ErrorCode::None);
                let transactions = request.transactions.into_iter().map(|asked| {
                    let partitions = asked.partitions.iter().map(|tp| (*tp, error)).collect();
                    TxnPartitionsResult { transactional_id: asked.transactional_id, partitions }
                });
                let transactions = transactions.collect();
                Response::AddPartitionsToTxn(AddPartitionsToTxnResponse { transactions })
            }
            Request::TxnOffsetCommit(request) => {
                let partitions = request.offsets.iter().map(|at| (at.tp, ErrorCode::None));
                let partitions = partitions.collect();
                Response::TxnOffsetCommit(TxnOffsetCommitResponse { partitions })
            }
            Request::EndTxn(request) => {
                let error = self.transaction_errors.pop_front().unwrap_or(ErrorCode::None);
                let ProducerIdAndEpoch { id, epoch } = request.producer;
                let has_next = error.is_ok() && request.rules == TransactionRules::EpochEach;
                let producer = has_next.then_some(ProducerIdAndEpoch { id, epoch: epoch + 1 });
                Response::EndTxn(EndTxnResponse { error, producer })
            }
            Request::TransactionalProduce(request) => {
                Response::Produce(self.produce(node, &request.produce))
            }
            Request::JoinGroup(request) => Response::JoinGroup(Box::new(self.join(*request))),
            Request::SyncGroup(request) => Response::SyncGroup(Box::new(SyncGroupResponse {
                error: ErrorCode::None,
                protocol_type: request.protocol_type,
                protocol: request.protocol,
                assignment: request.assignments[0].1.clone(),
            })),
            Request::Heartbeat(_) => {
                self.heartbeats += 1;
                let error = self.heartbeat_errors.pop_front().unwrap_or(ErrorCode::None);
                Response::Heartbeat(HeartbeatResponse { error })
            }
            Request::LeaveGroup(_) => {
                self.left += 1;
                let members = Vec::new();
                Response::LeaveGroup(LeaveGroupResponse { error: ErrorCode::None, members })
            }
            Request::ConsumerGroupHeartbeat(request) => {
                Response::ConsumerGroupHeartbeat(Box::new(self.consumer_heartbeat(*request)))
            }
            other => panic!("the mock does not serve {other:?}"),
        }
    }

    /// A group in the consumer protocol with this member, which may have what the test says.
    fn consumer_heartbeat(
        &mut self,
        request: ConsumerGroupHeartbeatRequest,
    ) -> ConsumerGroupHeartbeatResponse {
        self.heartbeats += 1;
        self.left += u32::from(request.epoch < 0);
        let error = self.heartbeat_errors.pop_front().unwrap_or(ErrorCode::None);
        self.generation += i32::from(request.epoch == 0 && error.is_ok());
        let assignment = self.assignment.clone();
        self.told_heartbeats.push(request.clone());
        ConsumerGroupHeartbeatResponse {
            error,
            message: None,
            member: Some(request.member),
            epoch: self.generation,
            heartbeat_interval_ms: 500,
            assignment: Some(assignment),
        }
    }

    /// A group of one.
    fn join(&mut self, request: JoinGroupRequest) -> JoinGroupResponse {
        let is_new = request.member.is_empty();
        self.members += i32::from(is_new);
        self.generation += i32::from(!is_new);
        let member: Arc<str> = match is_new {
            true => format!("member-{}", self.members).into(),
            false => request.member,
        };
        let (name, metadata) = request.protocols[0].clone();
        let joined = JoinedMember { member: Arc::clone(&member), instance: None, metadata };
        JoinGroupResponse {
            error: if is_new { ErrorCode::MemberIdRequired } else { ErrorCode::None },
            generation: self.generation,
            protocol_type: Some(request.protocol_type),
            protocol: Some(name),
            leader: Arc::clone(&member),
            skip_assignment: false,
            member,
            members: vec![joined],
        }
    }

    fn metadata(&self) -> MetadataResponse {
        let alive = |leader: i32| !self.down.contains(&NodeId(leader));
        let partition = |log: &Log| MetadataPartition {
            error: if alive(log.leader) { ErrorCode::None } else { ErrorCode::LeaderNotAvailable },
            leader: alive(log.leader).then_some(NodeId(log.leader)),
            leader_epoch: log.epoch,
            replicas: Vec::new(),
            isr: Vec::new(),
        };
        let topic = MetadataTopic {
            error: ErrorCode::None,
            name: Arc::from("t"),
            id: TOPIC,
            partitions: self.logs.iter().map(partition).collect(),
        };
        let brokers = (1..=self.nodes).map(|node| (NodeId(node), None)).collect();
        MetadataResponse { brokers, controller: None, topics: vec![topic] }
    }

    fn produce(&mut self, node: NodeId, request: &ProduceRequest) -> ProduceResponse {
        let mut seen = Seen { node, parts: Vec::new() };
        let mut partitions = Vec::new();
        for part in &request.partitions {
            let [batch] = part.records.batches() else { panic!("one batch per partition") };
            let header = batch.header;
            seen.parts.push((part.tp.partition, header.base_sequence, header.record_count));
            let log = &mut self.logs[usize::try_from(part.tp.partition).unwrap()];
            let (mut base_offset, mut current_leader, error);
            (base_offset, current_leader) = (-1, None);
            if let Some(scripted) = self.produce_errors.pop_front().filter(|e| !e.is_ok()) {
                error = scripted;
            } else if NodeId(log.leader) != node {
                error = ErrorCode::NotLeaderOrFollower;
                let leader = NodeId(log.leader);
                current_leader = Some(LeaderAndEpoch { leader, epoch: log.epoch });
            } else if batch.size_bytes() > self.message_bytes_max {
                error = ErrorCode::MessageTooLarge;
            } else {
                (error, base_offset) = log.produce(batch);
            }
            partitions.push(ProducePartitionResponse {
                tp: part.tp,
                error,
                base_offset,
                log_append_time_ms: -1,
                log_start_offset: log.start,
                current_leader,
                invalid: None,
            });
        }
        self.produced.push(seen);
        ProduceResponse { partitions, throttle_ms: 0 }
    }

    fn fetch(&mut self, node: NodeId, request: FetchRequest) -> (FetchResponse, bool) {
        self.fetches.push((self.now_ns, node, request.clone()));
        let failed = |error| {
            let partitions = Vec::new();
            (FetchResponse { throttle_ms: 0, error, session_id: 0, partitions }, false)
        };
        if let Some(error) = self.fetch_errors.pop_front() {
            return failed(error);
        }
        let session = self.sessions.entry(node).or_default();
        if request.session_epoch == SESSION_EPOCH_INITIAL {
            *session = FetchSession { id: self.next_session, ..FetchSession::default() };
            self.next_session += 1;
        } else if session.id != request.session_id {
            return failed(ErrorCode::FetchSessionIdNotFound);
        } else if session.epoch != request.session_epoch {
            return failed(ErrorCode::InvalidFetchSessionEpoch);
        }
        session.epoch += 1;
        session.partitions.extend(request.partitions.iter().map(|part| (part.tp, *part)));
        session.partitions.retain(|tp, _| !request.forgotten.contains(tp));
        let asked: Vec<FetchPartition> = session.partitions.values().copied().collect();
        let session_id = session.id;
        let full = request.session_epoch == SESSION_EPOCH_INITIAL;
        let parts = asked.iter().map(|part| self.fetch_partition(node, *part));
        let said = |part: &FetchPartitionResponse| {
            !part.records.is_empty() || !part.error.is_ok() || part.preferred_read_replica.is_some()
        };
        let all: Vec<_> = parts.collect();
        let empty = !all.iter().any(said);
        let partitions = all.into_iter().filter(|part| full || said(part)).collect();
        (FetchResponse { throttle_ms: 0, error: ErrorCode::None, session_id, partitions }, empty)
    }

    fn fetch_partition(&self, node: NodeId, asked: FetchPartition) -> FetchPartitionResponse {
        let log = &self.logs[usize::try_from(asked.tp.partition).unwrap()];
        let leader = NodeId(log.leader);
        let mut part = FetchPartitionResponse {
            tp: asked.tp,
            error: ErrorCode::None,
            high_watermark: log.end(),
            last_stable_offset: log.end(),
            log_start_offset: log.start,
            diverging_epoch: None,
            snapshot_id: None,
            current_leader: None,
            preferred_read_replica: None,
            aborted: None,
            records: Records::default(),
        };
        if leader != node && self.preferred_replica != Some(node) {
            part.error = ErrorCode::NotLeaderOrFollower;
            part.current_leader = Some(LeaderAndEpoch { leader, epoch: log.epoch });
        } else if asked.fetch_offset < log.start || asked.fetch_offset > log.end() {
            part.error = ErrorCode::OffsetOutOfRange;
        } else if leader == node && self.preferred_replica.is_some() {
            part.preferred_read_replica = self.preferred_replica;
        } else {
            let mut bytes = 0;
            let fresh = log.batches.iter().filter(|b| b.last_offset() >= asked.fetch_offset);
            for batch in fresh {
                if bytes > 0 && bytes + batch.size_bytes() > asked.max_bytes.unsigned_abs() {
                    break;
                }
                bytes += batch.size_bytes();
                part.records.push(batch.clone());
            }
        }
        part
    }

    fn list_offsets(&self, request: &ListOffsetsRequest) -> ListOffsetsResponse {
        let answer = |(tp, _, spec): &(TopicPartition, i32, OffsetSpec)| {
            let log = &self.logs[usize::try_from(tp.partition).unwrap()];
            let offset = if *spec == OffsetSpec::Latest { log.end() } else { log.start };
            let (error, timestamp, leader_epoch) = (ErrorCode::None, -1, log.epoch);
            ListOffsetsPartitionResponse { tp: *tp, error, timestamp, offset, leader_epoch }
        };
        ListOffsetsResponse { partitions: request.partitions.iter().map(answer).collect() }
    }

    fn epoch_end(&self, tp: TopicPartition, epoch: i32) -> EpochEndOffset {
        let log = &self.logs[usize::try_from(tp.partition).unwrap()];
        let mut newest = log.batches.iter().rev();
        let last = newest.find(|batch| batch.header.partition_leader_epoch <= epoch);
        last.map_or(EpochEndOffset { epoch: -1, end_offset: -1 }, |last| EpochEndOffset {
            epoch: last.header.partition_leader_epoch,
            end_offset: if epoch == log.epoch { log.end() } else { last.next_offset() },
        })
    }

    fn commit(&mut self, node: NodeId, request: OffsetCommitRequest) -> OffsetCommitResponse {
        let right = node.0 == self.coordinator;
        let error = if right { ErrorCode::None } else { ErrorCode::NotCoordinator };
        let mut partitions = Vec::new();
        for at in request.offsets {
            if right {
                self.committed.insert(at.tp, (at.offset, at.leader_epoch));
            }
            partitions.push((at.tp, error));
        }
        OffsetCommitResponse { partitions }
    }

    fn committed(&self, request: &OffsetFetchRequest) -> OffsetFetchResponse {
        let find = |tp: &TopicPartition| {
            let (offset, leader_epoch) = self.committed.get(tp).copied().unwrap_or((-1, -1));
            CommittedOffset { tp: *tp, offset, leader_epoch, metadata: None }
        };
        let groups = request.groups.iter().map(|asked| OffsetFetchGroupResponse {
            group: Arc::clone(&asked.group),
            error: ErrorCode::None,
            offsets: asked.partitions.iter().flatten().map(find).collect(),
            unstable: Vec::new(),
        });
        OffsetFetchResponse { groups: groups.collect() }
    }
}

/// The broker of a connection, which may be the second one to it.
fn broker_behind(node: NodeId) -> NodeId {
    let is_second = node.0 > super::COORDINATOR_IDS / 2;
    if is_second { NodeId(super::COORDINATOR_IDS - node.0) } else { node }
}

/// Arrivals from a list.
#[derive(Debug)]
pub(crate) struct Listed(pub(crate) VecDeque<Arrival>);

impl Listed {
    /// `count` records of a size, evenly spaced, without keys.
    pub(crate) fn even(first_ns: u64, step_ns: u64, count: u64, bytes: u32) -> Box<Self> {
        let at = |index| Arrival { intended_ns: first_ns + index * step_ns, bytes, key_hash: None };
        Box::new(Self((0..count).map(at).collect()))
    }
}

impl Arrivals for Listed {
    fn peek_ns(&self) -> Option<u64> {
        self.0.front().map(|arrival| arrival.intended_ns)
    }

    fn pull(&mut self) -> Option<Arrival> {
        self.0.pop_front()
    }

    fn set_rate(&mut self, _now_ns: u64, rate_permille: u32) {
        if rate_permille == 0 {
            self.0.clear();
        }
    }
}
