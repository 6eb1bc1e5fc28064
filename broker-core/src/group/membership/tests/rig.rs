//! A group, its clients and its clock.

use crate::error::ErrorCode;
use crate::group::membership::{Cx, Membership, Store};
use crate::group::timers::Timers;
use crate::ids::{ConnectionId, CorrelationId};
use crate::protocol::{
    GroupState, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, Response, SyncGroupRequest,
    SyncGroupResponse,
};
use crate::random::SplitMix64;
use crate::seam::Effects;
use crate::step::{IdCounters, ReplyTo, Step};
use crate::time::{Duration, Instant};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// `group.initial.rebalance.delay.ms`.
pub(super) const DELAY_MS: u64 = 3000;
/// Sessions of members.
pub(super) const SESSION_MS: i32 = 10_000;
/// Rebalance timeouts of members.
pub(super) const REBALANCE_MS: i32 = 60_000;

/// A group, and what it said so far.
pub(super) struct Rig {
    pub(super) group: Membership,
    pub(super) now_ms: u64,
    /// Writes that have not ended.
    pub(super) stores: VecDeque<Store>,
    pub(super) answers: BTreeMap<u64, Response>,
    effects: Effects,
    ids: IdCounters,
    timers: Timers,
    random: SplitMix64,
    asked: u64,
}

impl Rig {
    pub(super) fn new() -> Self {
        Self::of(Membership::new("billing".into()))
    }

    pub(super) fn of(group: Membership) -> Self {
        Self {
            group,
            now_ms: 1_000,
            stores: VecDeque::new(),
            answers: BTreeMap::new(),
            effects: Effects::default(),
            ids: IdCounters::default(),
            timers: Timers::default(),
            random: SplitMix64::new(7),
            asked: 0,
        }
    }

    pub(super) fn act<T>(&mut self, act: impl FnOnce(&mut Membership, &mut Cx<'_, '_>) -> T) -> T {
        let Self { group, effects, ids, timers, random, .. } = self;
        let now = Instant::from_nanos(self.now_ms * 1_000_000);
        let wall_ms = i64::try_from(self.now_ms).unwrap();
        let mut step = Step { now, wall_ms, effects, ids };
        let mut stores = Vec::new();
        let initial_delay = Duration::from_millis(DELAY_MS);
        let mut cx = Cx { step: &mut step, timers, stores: &mut stores, random, initial_delay };
        let result = act(group, &mut cx);
        self.stores.extend(stores);
        for reply in self.effects.replies.drain(..) {
            let response = reply.response.expect("groups answer everything");
            let before = self.answers.insert(reply.correlation.0, response);
            assert!(before.is_none(), "answered twice");
        }
        result
    }

    pub(super) fn forget_deadlines(&mut self) {
        self.timers = Timers::default();
    }

    fn ask(&mut self) -> ReplyTo {
        self.asked += 1;
        ReplyTo { conn: ConnectionId(1), correlation: CorrelationId(self.asked) }
    }

    /// JoinGroup; the number of the question.
    pub(super) fn join_as(&mut self, request: JoinGroupRequest) -> u64 {
        self.join_of(request, usize::MAX)
    }

    pub(super) fn join_of(&mut self, request: JoinGroupRequest, size_max: usize) -> u64 {
        let to = self.ask();
        self.act(|group, cx| group.join(cx, to, request, size_max));
        self.asked
    }

    /// Joins with the member id that a first JoinGroup gives.
    pub(super) fn join_new(&mut self, client: &str) -> (Arc<str>, u64) {
        let asked = self.join_as(join(client, ""));
        let first = self.joined(asked);
        assert_eq!(first.error, ErrorCode::MemberIdRequired);
        assert!(first.member.starts_with(&format!("{client}-")), "{}", first.member);
        let id = first.member;
        let asked = self.join_as(join(client, &id));
        (id, asked)
    }

    pub(super) fn is_open(&self, asked: u64) -> bool {
        !self.answers.contains_key(&asked)
    }

    #[track_caller]
    pub(super) fn joined(&mut self, asked: u64) -> JoinGroupResponse {
        match self.answers.remove(&asked) {
            Some(Response::JoinGroup(answer)) => *answer,
            other => panic!("{other:?}"),
        }
    }

    /// SyncGroup, with assignments when the leader asks.
    pub(super) fn sync(&mut self, id: &str, given: &[(&Arc<str>, &'static str)]) -> u64 {
        let assignments =
            given.iter().map(|(id, what)| (Arc::clone(id), Bytes::from_static(what.as_bytes())));
        let request = SyncGroupRequest {
            group: "billing".into(),
            generation: self.generation(),
            member: id.into(),
            instance: None,
            protocol_type: Some("consumer".into()),
            protocol: None,
            assignments: assignments.collect(),
        };
        self.sync_as(request)
    }

    pub(super) fn sync_as(&mut self, request: SyncGroupRequest) -> u64 {
        let to = self.ask();
        self.act(|group, cx| group.sync(cx, to, request));
        self.asked
    }

    #[track_caller]
    pub(super) fn synced(&mut self, asked: u64) -> SyncGroupResponse {
        match self.answers.remove(&asked) {
            Some(Response::SyncGroup(answer)) => *answer,
            other => panic!("{other:?}"),
        }
    }

    /// The oldest write ends.
    pub(super) fn written(&mut self, error: ErrorCode) {
        let store = self.stores.pop_front().expect("something is being written");
        self.act(|group, cx| group.stored(cx, store.then, error));
    }

    pub(super) fn beat(&mut self, id: &str, generation: i32) -> ErrorCode {
        let request = HeartbeatRequest {
            group: "billing".into(),
            generation,
            member: id.into(),
            instance: None,
        };
        self.act(|group, cx| group.heartbeat(cx, &request))
    }

    pub(super) fn leave(&mut self, id: &str) -> ErrorCode {
        let id = id.into();
        self.act(|group, cx| group.leave(cx, &id, None))
    }

    /// Time passes, and what is due happens.
    pub(super) fn wait(&mut self, ms: u64) {
        let until = self.now_ms + ms;
        let end = Instant::from_nanos(until * 1_000_000);
        while let Some(deadline) = self.timers.pop(end) {
            self.now_ms = self.now_ms.max(deadline.at.as_millis());
            self.act(|group, cx| group.due(cx, deadline.at, &deadline.due));
        }
        self.now_ms = until;
    }

    pub(super) fn state(&self) -> GroupState {
        self.group.state()
    }

    pub(super) fn generation(&self) -> i32 {
        self.group.value(None).generation
    }

    pub(super) fn ids(&self) -> Vec<Arc<str>> {
        self.group.value(None).members.into_iter().map(|member| member.id).collect()
    }

    /// Two members, the first of which leads, in a stable group; their ids.
    pub(super) fn stable(&mut self) -> (Arc<str>, Arc<str>) {
        let (a, first) = self.join_new("a");
        let (b, second) = self.join_new("b");
        self.wait(2 * DELAY_MS);
        assert_eq!(self.joined(first).leader, a);
        self.joined(second);
        self.settle(&a, &b);
        (a, b)
    }

    /// The first of two members assigns.
    pub(super) fn settle(&mut self, a: &Arc<str>, b: &Arc<str>) {
        let other = self.sync(b, &[]);
        let leader = self.sync(a, &[(a, "A"), (b, "B")]);
        self.written(ErrorCode::None);
        assert_eq!(self.synced(leader).assignment, "A");
        assert_eq!(self.synced(other).assignment, "B");
        assert_eq!(self.state(), GroupState::Stable);
    }
}

/// A JoinGroup of a consumer.
pub(super) fn join(client: &str, member: &str) -> JoinGroupRequest {
    JoinGroupRequest {
        group: "billing".into(),
        member: member.into(),
        instance: None,
        session_timeout_ms: SESSION_MS,
        rebalance_timeout_ms: REBALANCE_MS,
        protocol_type: "consumer".into(),
        protocols: vec![("range".into(), Bytes::from_static(b"topics"))],
        requires_known_member: true,
        can_skip_assignment: true,
        client_id: client.into(),
        client_host: "/127.0.0.1".into(),
    }
}

/// The same with these protocols.
pub(super) fn join_with(client: &str, member: &str, protocols: &[&str]) -> JoinGroupRequest {
    let protocols = protocols.iter().map(|name| ((*name).into(), Bytes::from_static(b"topics")));
    JoinGroupRequest { protocols: protocols.collect(), ..join(client, member) }
}

/// The same of a static member.
pub(super) fn join_fixed(instance: &str, member: &str) -> JoinGroupRequest {
    JoinGroupRequest { instance: Some(instance.into()), ..join("client", member) }
}
