//! A controller, its Raft node, its disk, and short words for what tests say.

use crate::controller::Controller;
use crate::error::ErrorCode;
use crate::ids::{ConnectionId, CorrelationId, NodeId, Offset, TopicId, TopicPartition};
use crate::metadata::{BrokerImage, ConfigResource, PartitionImage};
use crate::protocol::{
    AlterPartitionData, AlterPartitionRequest, AlterPartitionResult, BrokerHeartbeatRequest,
    BrokerHeartbeatResponse, BrokerRegistrationRequest, CreateTopicsRequest, NewTopic, Placement,
    Request, Response,
};
use crate::raft::Raft;
use crate::raft::tests::{Solo, TestDisk, alone, config};
use crate::seam::TraceEvent;
use crate::step::{ReplyTo, Step};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) const SECOND: u64 = 1_000_000_000;

pub(super) struct Rig {
    pub(super) controller: Controller,
    pub(super) solo: Solo,
    pub(super) disk: TestDisk,
}

impl Rig {
    /// An active controller of a quorum of one.
    pub(super) fn new() -> Self {
        Self::with_features(crate::features::UNCHOSEN)
    }

    /// The same in a cluster that begins with these levels.
    pub(super) fn with_features(features: crate::features::InitialLevels) -> Self {
        let mut disk = TestDisk::default();
        let solo = alone(&mut disk);
        let config = crate::config::NodeConfig { features, ..config(1) };
        let mut rig = Self { controller: Controller::new(&config), solo, disk };
        rig.settle();
        assert_eq!(rig.controller.active(), Some(rig.solo.raft.epoch()));
        rig
    }

    /// With brokers 1 to `count`, unfenced, racks a, b, c in turn.
    pub(super) fn with_brokers(count: i32) -> Self {
        let mut rig = Self::new();
        for broker in 1..=count {
            rig.join(broker);
        }
        rig
    }

    pub(super) fn act<T>(
        &mut self,
        act: impl FnOnce(&mut Controller, &mut Step<'_>, &mut Raft) -> T,
    ) -> T {
        let controller = &mut self.controller;
        let (effects, ids) = (&mut self.solo.effects, &mut self.solo.ids);
        let now = crate::time::Instant::from_nanos(self.solo.now);
        let mut step = Step { now, wall_ms: 0, effects, ids };
        act(controller, &mut step, &mut self.solo.raft)
    }

    /// A topic's own configs.
    pub(super) fn overrides(&self, topic: &str) -> BTreeMap<String, String> {
        let configs = self.controller.image().configs(&ConfigResource::Topic(topic.into()));
        let text = |(key, value): (&Arc<str>, &Arc<str>)| (key.to_string(), value.to_string());
        configs.into_iter().flatten().map(text).collect()
    }

    /// Hands over what is committed.
    pub(super) fn publish(&mut self) {
        self.act(|controller, step, raft| {
            let committed = raft.take_committed(step);
            controller.on_committed(step, raft, &committed);
        });
    }

    /// Lets the disk work until nothing is left to do.
    pub(super) fn settle(&mut self) {
        loop {
            self.solo.complete(&mut self.disk);
            self.publish();
            if self.solo.effects.disk.is_empty() {
                return;
            }
        }
    }

    pub(super) fn request(&mut self, request: Request) {
        let from = ReplyTo { conn: ConnectionId(1), correlation: CorrelationId(1) };
        self.act(|controller, step, raft| controller.on_request(step, raft, from, request));
    }

    /// Asks and waits for the answer.
    pub(super) fn ask(&mut self, request: Request) -> Response {
        self.solo.effects.replies.clear();
        self.request(request);
        self.settle();
        self.reply().expect("it is answered")
    }

    pub(super) fn reply(&mut self) -> Option<Response> {
        self.solo.effects.replies.pop()?.response
    }

    pub(super) fn wait(&mut self, seconds: u64) {
        self.solo.now += seconds * SECOND;
        self.act(Controller::on_timer);
        self.settle();
    }

    pub(super) fn register(&mut self, broker: i32, incarnation: u128) -> Result<Offset, ErrorCode> {
        let rack = ["a", "b", "c"][broker as usize % 3];
        let request = BrokerRegistrationRequest {
            broker: NodeId(broker),
            incarnation,
            rack: Some(rack.into()),
            endpoint: None,
            previous_broker_epoch: -1,
        };
        match self.ask(Request::BrokerRegistration(Box::new(request))) {
            Response::BrokerRegistration(r) if r.error.is_ok() => Ok(r.broker_epoch),
            Response::BrokerRegistration(r) => Err(r.error),
            other => panic!("{other:?}"),
        }
    }

    /// A heartbeat of the current registration, caught up.
    pub(super) fn beat(&mut self, broker: i32) -> BrokerHeartbeatResponse {
        self.beat_with(broker, |_| {})
    }

    pub(super) fn beat_with(
        &mut self,
        broker: i32,
        change: impl FnOnce(&mut BrokerHeartbeatRequest),
    ) -> BrokerHeartbeatResponse {
        let mut request = BrokerHeartbeatRequest {
            broker: NodeId(broker),
            broker_epoch: self.broker(broker).epoch,
            current_metadata_offset: self.controller.image().offset(),
            want_fence: false,
            want_shut_down: false,
        };
        change(&mut request);
        match self.ask(Request::BrokerHeartbeat(request)) {
            Response::BrokerHeartbeat(response) => response,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn join(&mut self, broker: i32) {
        self.register(broker, broker as u128).unwrap();
        assert!(!self.beat(broker).is_fenced);
    }

    /// Nine seconds in which only these are heard.
    pub(super) fn only_heard(&mut self, brokers: &[i32]) {
        for _ in 0..5 {
            self.wait(2);
            for broker in brokers {
                self.beat(*broker);
            }
        }
    }

    pub(super) fn broker(&self, broker: i32) -> &BrokerImage {
        self.controller.image().broker(NodeId(broker)).unwrap()
    }

    pub(super) fn create(
        &mut self,
        name: &str,
        placement: Placement,
        config: &[(&str, &str)],
    ) -> Result<TopicId, ErrorCode> {
        let config: BTreeMap<String, String> =
            config.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let topic = NewTopic { name: name.into(), placement, config };
        match self.ask(Request::CreateTopics(CreateTopicsRequest {
            topics: vec![topic],
            validate_only: false,
        })) {
            Response::CreateTopics(response) => {
                let created = &response.topics[0];
                if created.error.is_ok() { Ok(created.id) } else { Err(created.error) }
            }
            other => panic!("{other:?}"),
        }
    }

    /// A topic of one partition.
    pub(super) fn create_on(
        &mut self,
        replicas: &[i32],
        config: &[(&str, &str)],
    ) -> TopicPartition {
        let name = format!("t{}", self.controller.image().topics().count());
        let placement = Placement::Manual(vec![nodes(replicas)]);
        TopicPartition::new(self.create(&name, placement, config).unwrap(), 0)
    }

    pub(super) fn partition(&self, tp: TopicPartition) -> &PartitionImage {
        self.controller.image().partition(tp).unwrap()
    }

    /// Leader (0 = none), leader epoch and ISR.
    pub(super) fn state(&self, tp: TopicPartition) -> (i32, i32, Vec<i32>) {
        let partition = self.partition(tp);
        let isr = partition.isr.iter().map(|node| node.0).collect();
        (partition.leader.map_or(0, |node| node.0), partition.leader_epoch, isr)
    }

    pub(super) fn alter(
        &mut self,
        tp: TopicPartition,
        isr: &[i32],
        change: impl FnOnce(&mut AlterPartitionRequest),
    ) -> Result<AlterPartitionResult, ErrorCode> {
        let partition = self.partition(tp).clone();
        let from = partition.leader.unwrap();
        let new_isr = isr.iter().map(|node| (NodeId(*node), self.broker(*node).epoch)).collect();
        let mut request = AlterPartitionRequest {
            broker: from,
            broker_epoch: self.broker(from.0).epoch,
            partitions: vec![AlterPartitionData {
                tp,
                leader_epoch: partition.leader_epoch,
                new_isr,
                partition_epoch: partition.partition_epoch,
            }],
        };
        change(&mut request);
        match self.ask(Request::AlterPartition(request)) {
            Response::AlterPartition(mut r) if r.error.is_ok() => {
                let result = r.partitions.pop().unwrap();
                if result.error.is_ok() { Ok(result) } else { Err(result.error) }
            }
            Response::AlterPartition(r) => Err(r.error),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn traced(&self, event: &TraceEvent) -> bool {
        self.solo.effects.trace.contains(event)
    }
}

pub(super) fn nodes(ids: &[i32]) -> Vec<NodeId> {
    ids.iter().copied().map(NodeId).collect()
}
