//! Broker 1 of brokers 1 to 3, and one partition that all three hold.

use crate::config::{NodeConfig, ServerConfig};
use crate::error::ErrorCode;
use crate::ids::{
    ConnectionId, CorrelationId, LeaderEpoch, NO_OFFSET, NodeId, Offset, TopicId, TopicPartition,
};
use crate::log::testing::sequenced;
use crate::metadata::{
    LeaderUpdate, MetadataDelta, MetadataImage, MetadataRecord, PartitionChangeRecord,
    PartitionRecord, RegisterBrokerRecord,
};
use crate::protocol::{
    Acks, FetchPartition, FetchPartitionResponse, FetchRequest, FetchResponse, IsolationLevel,
    ProducePartition, ProduceRequest, ReplicaState, Request, Response, SESSION_EPOCH_FINAL,
};
use crate::records::{Batch, Records};
use crate::replica::{AppendOrigin, Partition, ReplicaManager};
use crate::seam::{DiskOp, DiskOpKind, DiskResult, Effects, PeerRequest, TraceEvent};
use crate::step::{IdCounters, Owner, ReplyTo, Step, owner_of};
use crate::time::Instant;
use std::sync::Arc;

/// Topic of the partition.
pub(crate) const TOPIC: TopicId = TopicId(77);
/// The partition.
pub(crate) const TP: TopicPartition = TopicPartition::new(TOPIC, 0);

/// The manager, and what it wanted so far.
pub(crate) struct Rig {
    pub(crate) replicas: ReplicaManager,
    pub(crate) image: MetadataImage,
    pub(crate) effects: Effects,
    ids: IdCounters,
    pub(crate) now_ms: u64,
    sequence: i32,
}

impl Rig {
    /// A topic of that name; nobody leads its partition yet.
    pub(crate) fn new(topic: &str, change: impl FnOnce(&mut ServerConfig)) -> Self {
        let mut server = ServerConfig::kafka_defaults();
        change(&mut server);
        let config = NodeConfig {
            node: NodeId(1),
            broker: true,
            controller: false,
            voters: vec![NodeId(10_001)],
            rack: None,
            endpoint: None,
            server,
            limits: crate::BrokerLimits::default(),
            features: crate::features::UNCHOSEN,
            seed: 7,
            incarnation: 1,
            first_producer_epoch: 0,
            plant: None,
        };
        let mut rig = Self {
            replicas: ReplicaManager::new(config, Vec::new()),
            image: MetadataImage::default(),
            effects: Effects::default(),
            ids: IdCounters::default(),
            now_ms: 1_000,
            sequence: 0,
        };
        let brokers = [(1, "a"), (2, "b"), (3, "c")].map(|(id, rack)| {
            MetadataRecord::RegisterBroker(RegisterBrokerRecord {
                broker: NodeId(id),
                incarnation: 1,
                epoch: i64::from(id) * 10,
                rack: Some(rack.into()),
                endpoint: None,
                fenced: false,
                in_controlled_shutdown: false,
            })
        });
        rig.apply(&brokers);
        rig.apply(&[MetadataRecord::Topic { name: topic.into(), id: TOPIC }]);
        rig
    }

    /// A led or followed partition from epoch 0 on.
    pub(crate) fn with_partition(leader: i32, isr: &[i32]) -> Self {
        let mut rig = Self::new("orders", |_| {});
        rig.create(leader, isr);
        rig
    }

    /// Creates the partition.
    pub(crate) fn create(&mut self, leader: i32, isr: &[i32]) {
        self.apply(&[MetadataRecord::Partition(PartitionRecord {
            tp: TP,
            replicas: [1, 2, 3].map(NodeId).to_vec(),
            isr: isr.iter().copied().map(NodeId).collect(),
            moving: None,
            leader: Some(NodeId(leader)),
            recovering: false,
            leader_epoch: 0,
            partition_epoch: 0,
        })]);
    }

    /// The next leader epoch.
    pub(crate) fn elect(&mut self, leader: i32) -> MetadataDelta {
        let mut change = PartitionChangeRecord::new(TP);
        change.leader = LeaderUpdate::Elected(NodeId(leader));
        self.apply(&[MetadataRecord::PartitionChange(change)])
    }

    pub(crate) fn apply(&mut self, records: &[MetadataRecord]) -> MetadataDelta {
        let mut delta = MetadataDelta::default();
        let last = self.image.offset() + records.len() as Offset;
        self.image.apply_batch(last, 1, records, &mut delta).unwrap();
        let image = self.image.clone();
        self.act(|replicas, step| replicas.apply_metadata(step, &image, &delta));
        delta
    }

    /// Something happens; then the step ends.
    pub(crate) fn act<T>(
        &mut self,
        act: impl FnOnce(&mut ReplicaManager, &mut Step<'_>) -> T,
    ) -> T {
        let Self { replicas, effects, ids, .. } = self;
        let now = Instant::from_nanos(self.now_ms * 1_000_000);
        let wall_ms = i64::try_from(self.now_ms).unwrap();
        let mut step = Step { now, wall_ms, effects, ids };
        let result = act(replicas, &mut step);
        replicas.finish_step(&mut step, Some(NodeId(10_001)), 10);
        result
    }

    /// The disk does everything that was asked of it.
    pub(crate) fn disk(&mut self) -> Vec<DiskOpKind> {
        let ops = std::mem::take(&mut self.effects.disk);
        ops.into_iter().map(|op| self.disk_op(op)).collect()
    }

    /// The disk does one thing.
    pub(crate) fn disk_op(&mut self, DiskOp { id, kind }: DiskOp) -> DiskOpKind {
        if owner_of(id.0) == Some(Owner::Replica) {
            self.act(|replicas, step| replicas.disk_done(step, id, &DiskResult::Done));
        }
        kind
    }

    pub(crate) fn partition(&self) -> &Partition {
        self.replicas.find(TP).unwrap()
    }

    pub(crate) fn high_watermark(&self) -> Offset {
        self.partition().high_watermark
    }

    /// The next batch of a producer, of one record.
    pub(crate) fn batch(&mut self) -> Batch {
        self.sequence += 1;
        sequenced(9, 0, self.sequence - 1, 1)
    }

    /// A client's produce with `acks=all`; the disk has not confirmed it.
    pub(crate) fn produce(&mut self) {
        let records = Records::single(Arc::new(self.batch()));
        let request = ProduceRequest {
            acks: Acks::All,
            timeout_ms: 30_000,
            partitions: vec![ProducePartition { tp: TP, records }],
        };
        let origin = AppendOrigin::Client(client());
        self.act(|replicas, step| replicas.produce(step, origin, request));
    }

    /// A follower fetches, and with that says how far it is.
    pub(crate) fn fetched_by(&mut self, follower: i32, offset: Offset, last_epoch: LeaderEpoch) {
        let epoch = self.partition().leader_epoch;
        let request = FetchRequest {
            replica: Some(ReplicaState { id: NodeId(follower), epoch: i64::from(follower) * 10 }),
            max_wait_ms: 0,
            min_bytes: 1,
            max_bytes: 1 << 20,
            isolation: IsolationLevel::ReadUncommitted,
            session_id: 0,
            session_epoch: SESSION_EPOCH_FINAL,
            partitions: vec![FetchPartition {
                tp: TP,
                current_leader_epoch: epoch,
                fetch_offset: offset,
                last_fetched_epoch: last_epoch,
                log_start_offset: 0,
                max_bytes: 1 << 20,
            }],
            forgotten: Vec::new(),
            rack: None,
        };
        self.act(|replicas, step| replicas.fetch(step, client(), &request));
    }

    /// What went to peers since the last call.
    pub(crate) fn sent(&mut self) -> Vec<PeerRequest> {
        std::mem::take(&mut self.effects.sends)
    }

    /// The one fetch that went out since the last call.
    pub(crate) fn sent_fetch(&mut self) -> (CorrelationId, FetchRequest) {
        let sent = self.sent().pop().expect("something was sent");
        match sent.request {
            Request::Fetch(fetch) => (sent.correlation, *fetch),
            other => panic!("{other:?}"),
        }
    }

    /// The leader answers a fetch.
    pub(crate) fn answer_fetch(&mut self, id: CorrelationId, answer: FetchPartitionResponse) {
        let response = FetchResponse {
            throttle_ms: 0,
            error: ErrorCode::None,
            session_id: 5,
            partitions: vec![answer],
        };
        let result = Ok(Response::Fetch(response));
        self.act(|replicas, step| replicas.fetcher_response(step, id, result));
    }

    pub(crate) fn replies(&mut self) -> Vec<Response> {
        std::mem::take(&mut self.effects.replies).into_iter().filter_map(|r| r.response).collect()
    }

    pub(super) fn traced(&mut self) -> Vec<TraceEvent> {
        std::mem::take(&mut self.effects.trace)
    }
}

/// Who asks.
fn client() -> ReplyTo {
    ReplyTo { conn: ConnectionId(1), correlation: CorrelationId(1) }
}

/// A consumer's fetch.
pub(crate) fn consumer_fetch(
    session_id: i32,
    session_epoch: i32,
    partitions: Vec<FetchPartition>,
) -> FetchRequest {
    FetchRequest {
        replica: None,
        max_wait_ms: 500,
        min_bytes: 1,
        max_bytes: 1 << 20,
        isolation: IsolationLevel::ReadUncommitted,
        session_id,
        session_epoch,
        partitions,
        forgotten: Vec::new(),
        rack: None,
    }
}

/// A leader's answer without records.
pub(crate) fn nothing_new(high_watermark: Offset) -> FetchPartitionResponse {
    FetchPartitionResponse {
        tp: TP,
        error: ErrorCode::None,
        high_watermark,
        last_stable_offset: high_watermark,
        log_start_offset: 0,
        diverging_epoch: None,
        snapshot_id: None,
        current_leader: None,
        preferred_read_replica: None,
        aborted: None,
        records: Records::default(),
    }
}

/// No offset at all.
pub(super) const NOWHERE: Offset = NO_OFFSET;
