//! A single node that is stepped by hand.

use super::cluster::MS;
use super::disk::TestDisk;
use crate::config::{NodeConfig, ServerConfig};
use crate::error::ErrorCode;
use crate::ids::{ConnectionId, CorrelationId, NodeId, TopicPartition};
use crate::protocol::{
    FetchPartition, FetchRequest, IsolationLevel, ReplicaState, Request, Response, VoteRequest,
    VoteResponse,
};
use crate::raft::{Raft, RoleName};
use crate::seam::Effects;
use crate::step::{IdCounters, ReplyTo, Step};
use crate::time::Instant;

/// Node 0 of a quorum with Kafka's timeouts.
pub(crate) fn config(voters: i32) -> NodeConfig {
    NodeConfig {
        node: NodeId(0),
        broker: false,
        controller: true,
        voters: (0..voters).map(NodeId).collect(),
        rack: None,
        endpoint: None,
        server: ServerConfig::kafka_defaults(),
        limits: crate::BrokerLimits::default(),
        features: crate::features::UNCHOSEN,
        seed: 7,
        incarnation: 1,
        first_producer_epoch: 0,
        plant: None,
    }
}

/// The node and what it wanted so far.
pub(crate) struct Solo {
    pub(crate) raft: Raft,
    pub(crate) effects: Effects,
    pub(crate) ids: IdCounters,
    /// Nanoseconds.
    pub(crate) now: u64,
}

impl Solo {
    pub(crate) fn new(voters: i32, disk: &TestDisk) -> Self {
        let config = config(voters);
        let (effects, ids) = (Effects::default(), IdCounters::default());
        let mut solo = Self { raft: Raft::new(&config, disk), effects, ids, now: 0 };
        solo.act(Raft::on_start);
        solo
    }

    pub(crate) fn act<T>(&mut self, act: impl FnOnce(&mut Raft, &mut Step<'_>) -> T) -> T {
        let now = Instant::from_nanos(self.now);
        let (effects, ids) = (&mut self.effects, &mut self.ids);
        act(&mut self.raft, &mut Step { now, wall_ms: 0, effects, ids })
    }

    pub(crate) fn ask(&mut self, request: Request) {
        let reply_to = ReplyTo { conn: ConnectionId(1), correlation: CorrelationId(1) };
        self.act(|raft, step| raft.on_request(step, reply_to, request));
    }

    /// Completes all disk operations on `disk`.
    pub(crate) fn complete(&mut self, disk: &mut TestDisk) {
        while !self.effects.disk.is_empty() {
            for op in std::mem::take(&mut self.effects.disk) {
                let result = disk.apply(op.kind);
                self.act(|raft, step| raft.on_disk(step, op.id, result));
            }
        }
    }

    pub(crate) fn vote(&mut self, epoch: i32, candidate: i32) {
        self.ask(Request::Vote(VoteRequest {
            epoch,
            candidate: NodeId(candidate),
            last_offset_epoch: -1,
            last_offset: 0,
            pre_vote: false,
        }));
    }

    pub(crate) fn granted(&mut self) -> Option<bool> {
        match self.effects.replies.pop()?.response? {
            Response::Vote(vote) => Some(vote.granted),
            other => panic!("{other:?}"),
        }
    }
}

/// The leader of a quorum of one, its opening record committed.
pub(crate) fn alone(disk: &mut TestDisk) -> Solo {
    let mut solo = Solo::new(1, disk);
    solo.complete(disk);
    solo.now = 2_000 * MS;
    assert_eq!(solo.raft.role(), RoleName::Leader);
    solo
}

/// A fetch of voter 1.
pub(crate) fn fetch(epoch: i32, offset: i64, last_epoch: i32) -> Request {
    Request::Fetch(Box::new(FetchRequest {
        replica: Some(ReplicaState { id: NodeId(1), epoch: -1 }),
        max_wait_ms: 500,
        min_bytes: 0,
        max_bytes: 1 << 20,
        isolation: IsolationLevel::ReadUncommitted,
        session_id: 0,
        session_epoch: -1,
        partitions: vec![FetchPartition {
            tp: TopicPartition::METADATA,
            current_leader_epoch: epoch,
            fetch_offset: offset,
            last_fetched_epoch: last_epoch,
            log_start_offset: -1,
            max_bytes: 1 << 20,
        }],
        forgotten: Vec::new(),
        rack: None,
    }))
}

/// A node that won the election of a three-voter quorum, its opening record fsynced.
pub(crate) fn elected(disk: &mut TestDisk) -> Solo {
    let mut solo = Solo::new(3, disk);
    solo.stand(disk);
    let (voter, id) = solo.asked_for_votes()[0];
    solo.grant(voter, id, solo.raft.epoch());
    solo.complete(disk);
    assert_eq!(solo.raft.role(), RoleName::Leader);
    solo
}

impl Solo {
    /// Waits until it is a candidate, its pre-votes granted.
    pub(crate) fn stand(&mut self, disk: &mut TestDisk) {
        for _ in 0..9 {
            self.now += 2_000 * MS;
            self.act(Raft::on_timer);
            self.complete(disk);
            if self.raft.role() == RoleName::Prospective {
                let (voter, id) = self.asked_for_votes()[0];
                self.grant(voter, id, self.raft.epoch());
                self.complete(disk);
                assert_eq!(self.raft.role(), RoleName::Candidate);
                return;
            }
        }
        panic!("it never stands: {:?}", self.raft.role());
    }

    /// Whom it has asked for a vote since the last call.
    pub(crate) fn asked_for_votes(&mut self) -> Vec<(NodeId, CorrelationId)> {
        let sends = std::mem::take(&mut self.effects.sends);
        let votes = sends.into_iter().filter(|send| matches!(send.request, Request::Vote(_)));
        votes.map(|send| (send.to, send.correlation)).collect()
    }

    /// A voter says yes.
    pub(crate) fn grant(&mut self, from: NodeId, id: CorrelationId, epoch: i32) {
        let response = VoteResponse { error: ErrorCode::None, leader: None, epoch, granted: true };
        self.act(|raft, step| raft.on_response(step, from, id, Ok(Response::Vote(response))));
    }
}
