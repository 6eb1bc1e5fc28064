//! A broker's first moments: what it makes of metadata that tells of its earlier life.

use super::{Boot, Broker, recover_logs};
use crate::BrokerLimits;
use crate::config::{NodeConfig, ServerConfig};
use crate::error::ErrorCode;
use crate::forwarding::tests::create;
use crate::ids::{ConnectionId, CorrelationId, NodeId, Offset, TopicId, TopicPartition};
use crate::log::testing::{self, MemoryDisk, client, records, sequenced};
use crate::log::{Log, LogConfig};
use crate::metadata::{MetadataRecord, PartitionRecord, RegisterBrokerRecord, encode_batch};
use crate::protocol::{
    BrokerRegistrationResponse, CreateTopicsResponse, CreatedTopic, FetchPartitionResponse,
    FetchResponse, LeaderAndEpoch, Request, Response,
};
use crate::raft::tests::TestDisk;
use crate::records::Records;
use crate::seam::{DiskOp, Effects, FileName, Input, PeerRequest, Reply, TimerKey, TraceEvent};
use crate::step::{Owner, owner_of};
use crate::time::Instant;
use std::sync::Arc;

const CONTROLLER: NodeId = NodeId(10_001);
const TOPIC: TopicId = TopicId(77);

/// Broker 1, whose controller is played by the test.
struct Rig {
    broker: Broker,
    effects: Effects,
    disk: TestDisk,
    /// Offset of the next metadata record.
    end: Offset,
    traced: Vec<TraceEvent>,
    now_ms: u64,
}

fn config(limits: BrokerLimits) -> NodeConfig {
    NodeConfig {
        node: NodeId(1),
        broker: true,
        controller: false,
        voters: vec![CONTROLLER],
        rack: None,
        endpoint: None,
        server: ServerConfig::kafka_defaults(),
        limits,
        features: crate::features::UNCHOSEN,
        seed: 7,
        incarnation: 2,
        first_producer_epoch: 0,
        plant: None,
    }
}

impl Rig {
    fn new() -> Self {
        Self::with_limits(BrokerLimits::default())
    }

    fn with_limits(limits: BrokerLimits) -> Self {
        Self::of(config(limits))
    }

    /// A node with both roles, in a quorum of these.
    fn with_both_roles(voters: Vec<NodeId>) -> Self {
        Self::of(NodeConfig { controller: true, voters, ..config(BrokerLimits::default()) })
    }

    fn of(config: NodeConfig) -> Self {
        let disk = TestDisk::default();
        let broker = Broker::new(config, &disk);
        let (effects, traced) = (Effects::default(), Vec::new());
        let mut rig = Self { broker, effects, disk, end: 0, traced, now_ms: 1_000 };
        rig.step(Input::Start);
        rig
    }

    fn step(&mut self, input: Input) {
        let now = Instant::from_nanos(self.now_ms * 1_000_000);
        self.broker.step(now, input, &mut self.effects);
        self.traced.append(&mut self.effects.trace);
    }

    /// The metadata log's file operations take effect; others are none of this test's business.
    fn settle(&mut self) {
        while !self.effects.disk.is_empty() {
            for DiskOp { id, kind } in std::mem::take(&mut self.effects.disk) {
                let is_ours = owner_of(id.0) == Some(Owner::Raft);
                if is_ours {
                    let result = self.disk.apply(kind);
                    self.step(Input::Disk { id, result });
                }
            }
        }
    }

    /// Takes what was sent to the controller.
    fn sent(&mut self, is_it: impl Fn(&Request) -> bool) -> PeerRequest {
        self.settle();
        let sends = &mut self.effects.sends;
        let at = sends.iter().position(|sent| is_it(&sent.request)).expect("it was sent");
        sends.remove(at)
    }

    fn answer(&mut self, sent: &PeerRequest, response: Response) {
        let (correlation, result) = (sent.correlation, Ok(response));
        self.step(Input::Response { from: CONTROLLER, correlation, result });
        self.settle();
    }

    /// The broker fetches these records, committed.
    fn learn(&mut self, records: &[MetadataRecord]) {
        let batches = if records.is_empty() {
            Records::default()
        } else {
            Records::single(Arc::new(encode_batch(self.end, 1, 0, records)))
        };
        self.end += records.len() as Offset;
        let sent = self.sent(|request| matches!(request, Request::Fetch(_)));
        let partition = FetchPartitionResponse {
            tp: TopicPartition::METADATA,
            error: ErrorCode::None,
            high_watermark: self.end,
            last_stable_offset: self.end,
            log_start_offset: 0,
            diverging_epoch: None,
            snapshot_id: None,
            current_leader: Some(LeaderAndEpoch { leader: CONTROLLER, epoch: 1 }),
            preferred_read_replica: None,
            aborted: None,
            records: batches,
        };
        let response = FetchResponse {
            throttle_ms: 0,
            error: ErrorCode::None,
            session_id: 0,
            partitions: vec![partition],
        };
        self.answer(&sent, Response::Fetch(response));
    }

    fn led_epochs(&self) -> Vec<i32> {
        let led = self.traced.iter().filter_map(|event| match event {
            TraceEvent::BecameLeader { epoch, .. } => Some(*epoch),
            _ => None,
        });
        led.collect()
    }
}

fn registration(incarnation: u128, epoch: Offset) -> MetadataRecord {
    registration_of(1, incarnation, epoch)
}

fn registration_of(broker: i32, incarnation: u128, epoch: Offset) -> MetadataRecord {
    MetadataRecord::RegisterBroker(RegisterBrokerRecord {
        broker: NodeId(broker),
        incarnation,
        epoch,
        rack: None,
        endpoint: None,
        fenced: false,
        in_controlled_shutdown: false,
    })
}

#[test]
fn raft_02_a_restarted_broker_leads_nothing_before_its_new_registration_is_known_to_it() {
    let mut rig = Rig::new();
    rig.learn(&[]); // who leads the quorum
    let tp = TopicPartition::new(TOPIC, 0);
    let old = [
        registration(1, 0),
        MetadataRecord::Topic { name: "orders".into(), id: TOPIC },
        MetadataRecord::Partition(PartitionRecord::in_sync(tp, &[NodeId(1)])),
    ];
    rig.learn(&old);
    assert!(rig.led_epochs().is_empty(), "its log may have lost what it wrote in that epoch");
    let sent = rig.sent(|request| matches!(request, Request::BrokerRegistration(_)));
    let registered = BrokerRegistrationResponse { error: ErrorCode::None, broker_epoch: 3 };
    rig.answer(&sent, Response::BrokerRegistration(registered));
    assert!(rig.led_epochs().is_empty());
    rig.learn(&[registration(2, 3)]);
    assert_eq!(rig.led_epochs(), [0]);
}

#[test]
fn brokers_that_are_up_share_the_quotas_of_their_cluster() {
    let third = BrokerLimits {
        produce_bytes_per_sec: Some(100),
        shared_by: Some(3),
        ..BrokerLimits::default()
    };
    let mut rig = Rig::with_limits(third);
    let produce = |rig: &Rig| {
        let (role, _) = rig.broker.broker.as_ref().unwrap();
        role.quotas.limits().produce_bytes_per_sec
    };
    rig.learn(&[]); // who leads the quorum
    rig.learn(&[registration_of(2, 7, 0), registration_of(3, 8, 1)]);
    assert_eq!(produce(&rig), Some(100), "nothing counts before its own registration");
    let sent = rig.sent(|request| matches!(request, Request::BrokerRegistration(_)));
    let registered = BrokerRegistrationResponse { error: ErrorCode::None, broker_epoch: 2 };
    rig.answer(&sent, Response::BrokerRegistration(registered));
    rig.learn(&[registration(2, 2)]);
    assert_eq!(produce(&rig), Some(100));
    let change = |fenced: bool| MetadataRecord::BrokerRegistrationChange {
        broker: NodeId(3),
        epoch: 1,
        fenced: Some(fenced),
        in_controlled_shutdown: false,
    };
    rig.learn(&[change(true)]);
    assert_eq!(produce(&rig), Some(150), "two share what three had");
    rig.learn(&[change(false)]);
    assert_eq!(produce(&rig), Some(100));
}

/// Hunt seed 14000136: a replica was new when its process ended, and no high watermark of it on record. What it had
/// flushed was not read, and a cut forgot producers whose batches were still there.
#[test]
fn idem_08_a_log_without_a_high_watermark_on_record_may_be_cut_anywhere() {
    let small = LogConfig { segment_bytes: 300, ..LogConfig::kafka_defaults() };
    let (mut log, mut disk) = (Log::create(testing::TP, small, 0), MemoryDisk::default());
    let mut ops = Vec::new();
    for sequence in 0..9 {
        let batch = records(sequenced(9, 0, sequence, 1));
        let appended = log.append_as_leader(&batch, client(1), &mut ops).unwrap();
        log.append_done(appended.number);
    }
    disk.apply(&ops);
    assert!(log.active_segment() > 3);
    let topic = testing::TP.topic.0;
    let flushed = format!("0\n1\n{topic:x} 3 9\n");
    disk.files.insert(FileName::RecoveryPoints, flushed.into());
    let node = config(BrokerLimits::default());
    let (mut log, high_watermark) = recover_logs(&node, &disk, &mut Boot::default()).remove(0);
    assert_eq!((log.next_offset(), high_watermark), (9, 0));
    log.truncate_to(3, &mut Vec::new()); // more than a producer's five remembered batches
    let mut append = |sequence| {
        let batch = records(sequenced(9, 0, sequence, 1));
        log.append_as_leader(&batch, client(2), &mut Vec::new())
    };
    assert!(append(2).unwrap().duplicate);
    append(5).unwrap_err();
    assert!(!append(3).unwrap().duplicate);
}

impl Rig {
    fn asked(&mut self, conn: ConnectionId, correlation: CorrelationId, request: Request) {
        self.step(Input::Request { conn, correlation, request });
        self.settle();
    }

    /// Who is answered, and what of the topic.
    fn told(&mut self) -> Vec<(ConnectionId, ErrorCode)> {
        let replies = std::mem::take(&mut self.effects.replies).into_iter();
        let one = |reply: Reply| match reply.response {
            Some(Response::CreateTopics(answer)) => (reply.conn, answer.topics[0].error),
            other => panic!("{other:?}"),
        };
        replies.map(one).collect()
    }
}

/// Kafka's brokers go through their `ForwardingManager` even where the controller is in the same process.
#[test]
fn a_client_of_a_node_with_both_roles_does_not_hear_that_its_controller_resigns() {
    let (client, own) = (ConnectionId(5), ConnectionId(6));
    let mut rig = Rig::with_both_roles(vec![NodeId(1)]);
    rig.settle();
    rig.asked(client, CorrelationId(9), create());
    let sent = rig.sent(|request| matches!(request, Request::CreateTopics(_)));
    assert_eq!((sent.to, rig.told()), (NodeId(1), Vec::new()));
    let topics = vec![CreatedTopic::refused("orders".into(), ErrorCode::NotController, None)];
    rig.answer(&sent, Response::CreateTopics(CreateTopicsResponse { topics }));
    assert!(rig.told().is_empty(), "it comes again");
    rig.now_ms += 100;
    rig.step(Input::Timer(TimerKey::Forward));
    let again = rig.sent(|request| matches!(request, Request::CreateTopics(_)));
    rig.asked(own, again.correlation, again.request.clone());
    let told = rig.told();
    assert!(matches!(told[..], [(of, error)] if of == own && error != ErrorCode::NotController));
    let topics = vec![CreatedTopic::refused("orders".into(), told[0].1, None)];
    rig.answer(&again, Response::CreateTopics(CreateTopicsResponse { topics }));
    assert_eq!(rig.told(), [(client, told[0].1)]);
}

#[test]
fn another_broker_hears_from_a_node_with_both_roles_that_it_is_no_controller() {
    let (broker, forwarded) = (ConnectionId(5), CorrelationId((Owner::Forward as u64) << 56 | 3));
    assert_eq!(owner_of(forwarded.0), Some(Owner::Forward));
    let mut rig = Rig::with_both_roles(vec![NodeId(1), CONTROLLER]);
    rig.asked(broker, forwarded, create());
    assert_eq!(rig.told(), [(broker, ErrorCode::NotController)]);
}
