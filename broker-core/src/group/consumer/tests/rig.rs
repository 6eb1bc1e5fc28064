//! A group, its clients, its log and its clock.

use crate::config::ServerConfig;
use crate::error::ErrorCode;
use crate::group::codec::{Key, decode_key};
use crate::group::consumer::state::{Change, State};
use crate::group::consumer::{
    Answer, ConsumerCx, ConsumerGroup, ConsumerSettings, Drafted, check, refusal,
};
use crate::group::timers::Timers;
use crate::ids::{ConnectionId, CorrelationId, NodeId, TopicId, TopicPartition};
use crate::metadata::{
    MetadataImage, MetadataRecord, PartitionChangeRecord, PartitionRecord, RegisterBrokerRecord,
};
use crate::plant::Plant;
use crate::protocol::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, Response};
use crate::records::Record;
use crate::seam::Effects;
use crate::step::{IdCounters, ReplyTo, Step};
use crate::time::Instant;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(super) const SESSION_MS: u64 = 45_000;
pub(super) const REBALANCE_MS: i32 = 20_000;

pub(super) type Beat = ConsumerGroupHeartbeatRequest;
pub(super) type Told = ConsumerGroupHeartbeatResponse;

/// A group, and what it said so far.
pub(super) struct Rig {
    pub(super) group: ConsumerGroup,
    pub(super) image: MetadataImage,
    pub(super) settings: ConsumerSettings,
    pub(super) now_ms: u64,
    /// Every record that the log has taken, with the append that it is part of.
    pub(super) log: Vec<(u64, Record)>,
    /// The last append that is confirmed.
    pub(super) confirmed: u64,
    /// Whether the log takes anything.
    pub(super) refuses: bool,
    pub(super) answers: BTreeMap<u64, Told>,
    pub(super) plant: Option<Plant>,
    appends: u64,
    effects: Effects,
    ids: IdCounters,
    timers: Timers,
    asked: u64,
    /// Where heartbeats come from.
    pub(super) conn: ConnectionId,
}

impl Rig {
    /// With a topic `a` of so many partitions.
    pub(super) fn new(partitions: i32) -> Self {
        let mut rig = Self {
            group: ConsumerGroup::new(&"billing".into()),
            image: MetadataImage::default(),
            settings: ConsumerSettings::new(&ServerConfig::kafka_defaults()),
            now_ms: 1000,
            log: Vec::new(),
            confirmed: 0,
            refuses: false,
            answers: BTreeMap::new(),
            plant: None,
            appends: 0,
            effects: Effects::default(),
            ids: IdCounters::default(),
            timers: Timers::default(),
            asked: 0,
            conn: ConnectionId(1),
        };
        rig.create("a", 1, partitions);
        rig
    }

    pub(super) fn create(&mut self, name: &str, id: u128, partitions: i32) {
        let topic = MetadataRecord::Topic { name: name.into(), id: TopicId(id) };
        self.image.apply(&topic).unwrap();
        self.grow(id, 0..partitions);
    }

    /// A topic gets partitions.
    pub(super) fn grow(&mut self, id: u128, partitions: std::ops::Range<i32>) {
        for index in partitions {
            let tp = TopicPartition::new(TopicId(id), index);
            let record = PartitionRecord::in_sync(tp, &[NodeId(1)]);
            self.image.apply(&MetadataRecord::Partition(record)).unwrap();
        }
        let name = Arc::clone(&self.image.topic(TopicId(id)).unwrap().name);
        self.group.topic_changed(&name);
    }

    /// A broker registers.
    pub(super) fn register(&mut self, broker: i32, rack: &str) {
        let record = RegisterBrokerRecord {
            broker: NodeId(broker),
            incarnation: 1,
            epoch: 1,
            rack: Some(rack.into()),
            endpoint: None,
            fenced: false,
            in_controlled_shutdown: false,
        };
        self.image.apply(&MetadataRecord::RegisterBroker(record)).unwrap();
        self.group.brokers_changed(&self.image);
    }

    /// A partition of topic `a` has other replicas.
    pub(super) fn place(&mut self, index: i32, replicas: &[i32]) {
        let replicas = replicas.iter().map(|node| NodeId(*node)).collect();
        let tp = TopicPartition::new(TopicId(1), index);
        let change =
            PartitionChangeRecord { replicas: Some(replicas), ..PartitionChangeRecord::new(tp) };
        self.image.apply(&MetadataRecord::PartitionChange(change)).unwrap();
        self.group.topic_changed("a");
    }

    pub(super) fn act<T>(
        &mut self,
        act: impl FnOnce(&mut ConsumerGroup, &mut ConsumerCx<'_, '_>, &MetadataImage) -> T,
    ) -> T {
        let Self { group, effects, ids, timers, image, settings, plant, .. } = self;
        let now = Instant::from_nanos(self.now_ms * 1_000_000);
        let wall_ms = i64::try_from(self.now_ms).unwrap();
        let mut step = Step { now, wall_ms, effects, ids };
        let mut cx = ConsumerCx { step: &mut step, timers, settings, plant: *plant };
        let result = act(group, &mut cx, image);
        for reply in self.effects.replies.drain(..) {
            let Some(Response::ConsumerGroupHeartbeat(told)) = reply.response else {
                panic!("an answer to something else");
            };
            let before = self.answers.insert(reply.correlation.0, *told);
            assert!(before.is_none(), "answered twice");
        }
        result
    }

    /// A heartbeat; its number, under which there may be an answer later.
    pub(super) fn send(&mut self, beat: &Beat) -> u64 {
        self.asked += 1;
        let asked = self.asked;
        let member: Arc<str> =
            if beat.member.is_empty() { format!("m{asked}").into() } else { beat.member.clone() };
        let (checked, conn) = (check(beat, &self.settings), self.conn);
        let thought = checked.and_then(|()| {
            self.act(|group, cx, image| group.heartbeat(cx, image, (&member, conn), beat))
        });
        match thought {
            Err(why) => {
                self.answers.insert(asked, refusal(why));
            }
            Ok((drafted, told)) => {
                let to = ReplyTo { conn, correlation: CorrelationId(asked) };
                let taken = self.settle(drafted, Some((to, told)));
                if taken && beat.epoch >= 0 {
                    self.act(|group, cx, _| group.heard(cx, &member, conn));
                }
            }
        }
        asked
    }

    /// As the coordinator does it. Whether the log took the changes.
    fn settle(&mut self, mut drafted: Drafted, waiting: Option<(ReplyTo, Told)>) -> bool {
        let told = |told| Response::ConsumerGroupHeartbeat(Box::new(told));
        if drafted.is_unchanged() {
            let Some((to, answer)) = &waiting else { return true };
            match self.group.answer_to_unchanged() {
                Answer::Now => {
                    self.answers.insert(to.correlation.0, answer.clone());
                    return true;
                }
                Answer::Later => {
                    self.group.wait(*to, told(answer.clone()));
                    return true;
                }
                Answer::Probe => drafted = self.group.probe(),
            }
        }
        if self.refuses {
            if let Some((to, _)) = waiting {
                let error = refusal(ErrorCode::CoordinatorNotAvailable.into());
                self.answers.insert(to.correlation.0, error);
            }
            return false;
        }
        self.appends += 1;
        let records = self.group.records(&drafted).into_iter();
        self.log.extend(records.map(|record| (self.appends, record)));
        self.group.appended(self.appends, drafted, waiting.map(|(to, answer)| (to, told(answer))));
        true
    }

    /// The log confirms all that it has.
    pub(super) fn confirm(&mut self) {
        let token = self.appends;
        self.confirmed = token;
        self.act(|group, cx, _| group.written(cx.step, token, ErrorCode::None));
    }

    /// The log has not confirmed the last append in time.
    pub(super) fn time_out(&mut self) {
        let (token, error) = (self.appends, ErrorCode::CoordinatorNotAvailable);
        if token > self.confirmed {
            self.act(|group, cx, _| group.written(cx.step, token, error));
        }
    }

    /// A heartbeat that is answered once the log has confirmed everything.
    #[track_caller]
    pub(super) fn beat(&mut self, beat: &Beat) -> Told {
        let asked = self.send(beat);
        self.confirm();
        self.answers.remove(&asked).expect("answered")
    }

    /// Time passes, and what is due happens.
    pub(super) fn wait(&mut self, ms: u64) {
        let until = self.now_ms + ms;
        let end = Instant::from_nanos(until * 1_000_000);
        while let Some(deadline) = self.timers.pop(end) {
            self.now_ms = self.now_ms.max(deadline.at.as_millis());
            let drafted =
                self.act(|group, cx, image| group.due(cx, image, deadline.at, &deadline.due));
            if let Some(drafted) = drafted
                && !self.settle(drafted, None)
            {
                self.act(|group, cx, _| group.due_again(cx, &deadline.due));
            }
        }
        self.now_ms = until;
    }

    /// The state that follows from the log up to an append.
    pub(super) fn replayed(&self, until: u64) -> State {
        let mut state = State::default();
        for (_, record) in self.log.iter().filter(|(append, _)| *append <= until) {
            state.apply(&change_of(record));
        }
        state
    }

    pub(super) fn state(&self) -> &State {
        &self.group.current
    }

    pub(super) fn committed(&self) -> &State {
        &self.group.committed
    }

    /// Whether it waits for members.
    pub(super) fn keeps_deadlines(&self) -> bool {
        !self.group.deadlines.is_empty()
    }

    pub(super) fn appends(&self) -> u64 {
        self.appends
    }
}

/// What a record says.
pub(super) fn change_of(record: &Record) -> Change {
    let key = decode_key(record.key.as_ref().unwrap()).expect("a key that is read");
    let Key::Consumer(key) = key else { panic!("a record of something else") };
    assert_eq!(&**key.group(), "billing");
    key.change(record.value.as_deref()).expect("a value that is read")
}

/// A first heartbeat.
pub(super) fn join(member: &str, topics: &[&str]) -> Beat {
    Beat {
        group: "billing".into(),
        member: member.into(),
        epoch: 0,
        instance: None,
        rack: None,
        rebalance_timeout_ms: REBALANCE_MS,
        topics: Some(topics.iter().map(|topic| (*topic).into()).collect()),
        regex: None,
        assignor: None,
        owned: Some(Vec::new()),
        makes_member_id: true,
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
    }
}

/// A first heartbeat of a static member.
pub(super) fn join_static(member: &str, instance: &str) -> Beat {
    Beat { instance: Some(instance.into()), ..join(member, &["a"]) }
}

/// A heartbeat that says nothing new.
pub(super) fn alive(member: &str, epoch: i32) -> Beat {
    Beat { epoch, rebalance_timeout_ms: -1, topics: None, owned: None, ..join(member, &[]) }
}

/// A heartbeat that says what the member has.
pub(super) fn owns(member: &str, epoch: i32, owned: &[TopicPartition]) -> Beat {
    Beat { owned: Some(owned.to_vec()), ..alive(member, epoch) }
}

/// Partitions of topic `a`.
pub(super) fn a(indices: impl IntoIterator<Item = i32>) -> Vec<TopicPartition> {
    indices.into_iter().map(|index| TopicPartition::new(TopicId(1), index)).collect()
}

/// A client that does as it is told.
#[derive(Debug, Clone, Default)]
pub(super) struct Client {
    pub(super) epoch: i32,
    pub(super) owned: BTreeSet<TopicPartition>,
}

impl Client {
    /// Takes an answer. What is not its own any more it gives up at once, and says so next time.
    pub(super) fn hear(&mut self, told: &Told) {
        match told.error {
            ErrorCode::None => {
                self.epoch = told.epoch;
                if let Some(assignment) = &told.assignment {
                    self.owned = assignment.iter().copied().collect();
                }
            }
            ErrorCode::FencedMemberEpoch | ErrorCode::UnknownMemberId => *self = Self::default(),
            _ => {}
        }
    }

    /// Its next heartbeat, which says everything.
    pub(super) fn next(&self, member: &str, topics: &[&str]) -> Beat {
        let owned = self.owned.iter().copied().collect();
        Beat { epoch: self.epoch, owned: Some(owned), ..join(member, topics) }
    }
}
