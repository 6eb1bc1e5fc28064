//! All checkers behind one door: trace events, outcomes and crashes go in, summaries and violations
//! come out. Looks only; never changes what it looks at.

mod coordinators;
mod ending;
mod outcomes;
mod traced;

use super::ages::{Ages, aged_topics};
use super::compaction::Keys;
use super::configured::{
    changed_sessions, compacted_topics, creates_topics, deletes_positions, group_heartbeat_ms,
    has_client_quotas, has_drift, has_right_clocks, interval_ms, lag_max_ns, lowest_min_isr,
    positions_expire, read_committed, transactional_topics, trimmed_topics,
};
use super::consumed::Reader;
use super::epoch_log::EpochLog;
use super::ledger::Ledger;
use super::messages::Talk;
use super::one_leader::Quorum;
use super::ownership::Ownership;
use super::partition::Partition;
use super::state::{
    AsFound, Changes, Chooses, Chores, Elections, Expired, Followed, Forgotten, Heartbeats,
    InTouch, Kept, Lasting, Learners, Overdue, Recorded, Segments, SessionEnds, Standing, Unaware,
};
use super::timeouts::Timeouts;
use super::transactions::Transactions;
use super::unclean::Unclean;
use super::void::Cause;
use crate::partition_index::PartitionIndex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use stormglass_broker_core::ids::TopicPartition;
use stormglass_broker_core::seam::RemoteSegment;
use stormglass_reports::recording::{CheckerSummary, Violation};
use stormglass_scenarios::plan::Plan;

/// Batches kept one by one in all partitions together.
const WINDOW_TOTAL: usize = 3 << 20;
/// Batches that every partition may keep.
const WINDOW_MIN: usize = 1_024;
/// Where groups' positions are.
pub(super) const OFFSETS_TOPIC: &str = "__consumer_offsets";
/// Where coordinators keep transactions.
pub(super) const TRANSACTIONS_TOPIC: &str = "__transaction_state";
/// How often brokers look for producers that are idle.
const EXPIRY_CHECK: &str = "producer.id.expiration.check.interval.ms";
/// How often coordinators look for transactions that take too long.
const LATE_CHECK: &str = "transaction.abort.timed.out.transaction.cleanup.interval.ms";

/// What the checkers found.
#[derive(Debug)]
pub struct Findings {
    /// One entry per checker, in a fixed order.
    pub checkers: Vec<CheckerSummary>,
    /// Broken promises in order of detection, at most a few per checker.
    pub violations: Vec<Violation>,
    /// Acknowledged records that are gone, those whose loss breaks no promise included.
    pub lost_records: u64,
}

/// The checkers of one run.
#[derive(Debug)]
pub struct Checkers {
    pub(super) partitions: Vec<Partition>,
    appends: Vec<u32>,
    index: PartitionIndex,
    pub(super) ledger: Ledger,
    quorum: Quorum,
    /// Whether each producer group uses `acks=all`.
    acks_all: Vec<bool>,
    /// Topics of each consumer group.
    subscriptions: Vec<Vec<String>>,
    window_max: usize,
    lost_records: u64,
    /// The partitions of `__consumer_offsets`.
    pub(super) positions: Vec<usize>,
    /// The partitions of `__transaction_state`.
    pub(super) coordinators: Vec<usize>,
    /// One of them has been where Kafka promises nothing, or is kept for a short time only: positions may be gone.
    pub(super) positions_void: bool,
    /// A coordinator that did not know of its successor ended then, ns.
    stale_coordinator_ns: Option<u64>,
    /// `replica.lag.time.max.ms`, ns.
    pub(super) lag_max_ns: u64,
    /// Where a replica outside the ISR may lead, or must.
    pub(super) unclean: Unclean,
    /// Compacted topics with their `delete.retention.ms`.
    compacted: BTreeMap<String, u64>,
    /// No clock jumps or drifts.
    pub(super) has_right_clocks: bool,
    /// `producer.id.expiration.check.interval.ms`
    pub(super) expiry_check_ms: i64,
    /// `transaction.abort.timed.out.transaction.cleanup.interval.ms`
    pub(super) late_check_ms: i64,
    /// Topics of which an administrator deletes records.
    trimmed: BTreeSet<String>,
    /// The lowest `min.insync.replicas` that an administrator sets, by topic.
    lowest_min_isr: BTreeMap<String, usize>,
    /// Topics that retention by time alone shortens, with their `retention.ms`.
    aged: BTreeMap<String, i64>,
    /// Topics that have transactions.
    transactional: BTreeSet<String>,
    /// Ids of the consumer groups.
    pub(super) groups: Vec<String>,
    pub(super) talk: Talk,
    pub(super) timeouts: Timeouts,
    pub(super) kept: Kept,
    pub(super) learners: Learners,
    pub(super) followed: Followed,
    pub(super) heartbeats: Heartbeats,
    pub(super) in_touch: InTouch,
    pub(super) recorded: Recorded,
    pub(super) as_found: AsFound,
    pub(super) changes: Changes,
    pub(super) chooses: Chooses,
    pub(super) chores: Chores,
    pub(super) overdue: Overdue,
    pub(super) elections: Elections,
    pub(super) expired: Expired,
    pub(super) segments: Segments,
    pub(super) standing: Standing,
    pub(super) lasting: Lasting,
    pub(super) unaware: Unaware,
    pub(super) session_ends: SessionEnds,
    /// Where somebody commits positions in topics that are deleted.
    pub(super) forgotten: Option<Box<Forgotten>>,
    /// `group.consumer.heartbeat.interval.ms`
    pub(super) group_heartbeat_ms: i32,
    /// `auto.create.topics.enable`
    pub(super) creates_topics: bool,
    /// Groups whose members' sessions become longer or shorter.
    pub(super) changed_sessions: BTreeSet<Arc<str>>,
    /// Where some producer has transactions.
    pub(super) transactions: Option<Box<Transactions>>,
    pub(super) ownership: Ownership,
    /// Groups that read committed records only.
    read_committed: Vec<bool>,
    /// Groups whose members divide partitions among themselves.
    with_members: Vec<bool>,
}

impl Checkers {
    /// For a plan's clients.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let acks = |config: &BTreeMap<String, String>| {
            config.get("acks").is_none_or(|acks| acks == "all" || acks == "-1")
        };
        Self {
            partitions: Vec::new(),
            appends: Vec::new(),
            index: PartitionIndex::default(),
            ledger: Ledger::default(),
            quorum: Quorum::default(),
            acks_all: plan.producers.iter().map(|producer| acks(&producer.config)).collect(),
            subscriptions: plan.consumers.iter().map(|group| group.topics.clone()).collect(),
            window_max: WINDOW_TOTAL,
            lost_records: 0,
            positions: Vec::new(),
            coordinators: Vec::new(),
            positions_void: positions_expire(plan) || deletes_positions(plan),
            stale_coordinator_ns: None,
            lag_max_ns: lag_max_ns(plan),
            unclean: Unclean::of(plan),
            compacted: compacted_topics(plan),
            has_right_clocks: has_right_clocks(plan),
            expiry_check_ms: interval_ms(plan, EXPIRY_CHECK, 600_000),
            late_check_ms: interval_ms(plan, LATE_CHECK, 10_000),
            trimmed: trimmed_topics(plan),
            lowest_min_isr: lowest_min_isr(plan),
            aged: aged_topics(plan),
            transactional: transactional_topics(plan),
            groups: plan.consumers.iter().map(|group| group.group.clone()).collect(),
            talk: match has_client_quotas(plan) {
                true => Talk::with_quotas(!has_drift(plan)),
                false => Talk::default(),
            },
            timeouts: Timeouts::new(plan),
            kept: Kept::new(plan),
            learners: Learners::default(),
            followed: Followed::new(plan),
            heartbeats: Heartbeats::new(plan),
            in_touch: InTouch::new(plan),
            recorded: Recorded::default(),
            as_found: AsFound::default(),
            changes: Changes::default(),
            chooses: Chooses::default(),
            chores: Chores::default(),
            overdue: Overdue::default(),
            elections: Elections::default(),
            expired: Expired::default(),
            segments: Segments::default(),
            standing: Standing::of(plan),
            lasting: Lasting::of(plan),
            unaware: Unaware::new(plan),
            session_ends: SessionEnds::default(),
            forgotten: Forgotten::of(plan).map(Box::new),
            group_heartbeat_ms: group_heartbeat_ms(plan),
            creates_topics: creates_topics(plan),
            changed_sessions: changed_sessions(plan),
            transactions: Transactions::of(plan).map(Box::new),
            ownership: Ownership::of(plan),
            read_committed: read_committed(plan),
            with_members: plan.consumers.iter().map(|group| group.membership.is_some()).collect(),
        }
    }

    /// Makes a partition of the plan known, before its first outcome. `min_isr` is
    /// `min.insync.replicas`, at most the number of replicas.
    pub fn topic(&mut self, tp: TopicPartition, topic: &str, min_isr: usize) {
        let at = self.partition(tp);
        if topic == OFFSETS_TOPIC {
            self.positions.push(at);
        }
        if topic == TRANSACTIONS_TOPIC {
            self.coordinators.push(at);
        }
        let partition = &mut self.partitions[at];
        partition.label = format!("{topic}-{}", tp.partition);
        partition.is_gapless = !topic.starts_with("__") && !self.compacted.contains_key(topic);
        partition.is_trimmed = self.trimmed.contains(topic);
        partition.ages = self.aged.get(topic).map(|retention_ms| Ages::new(*retention_ms));
        let lowest = self.lowest_min_isr.get(topic).copied().unwrap_or(min_isr);
        partition.min_isr = min_isr.min(lowest).max(1);
        partition.unclean = self.unclean.may_be(topic);
        partition.keys = self.compacted.get(topic).map(|retention_ms| {
            let keys = Keys::new(*retention_ms);
            if self.transactional.contains(topic) { keys.incomplete() } else { keys }
        });
        let groups = self.subscriptions.iter().enumerate();
        let reads = groups.filter(|(_, topics)| topics.iter().any(|name| name == topic));
        partition.readers = reads.map(|(group, _)| Reader::new(group)).collect();
    }

    /// The run begins, at a time on the clock that is the wall clocks', ns.
    pub fn begins(&mut self, origin_ns: u64) {
        self.ledger.origin_ns = origin_ns;
    }

    /// A fault or operation of the plan begins or ends.
    pub fn fault(&mut self, now_ns: u64, what: &str) {
        self.ledger.faults.push(now_ns, what);
    }

    /// A node's process ended, and why; with `lost_unsynced` its host lost power.
    pub fn node_down(&mut self, now_ns: u64, node: i32, (lost_unsynced, cause): (bool, &Cause)) {
        self.falls_silent(node);
        self.timeouts.node_down(node);
        self.kept.node_down(node);
        self.learners.node_down(node);
        self.heartbeats.node_down(node);
        self.in_touch.node_down(node);
        self.recorded.node_down(node);
        self.as_found.node_down(node);
        self.chooses.node_down(node);
        self.chores.node_down(node);
        self.overdue.node_down(node);
        self.elections.node_down(node);
        self.expired.rest();
        self.segments.node_down(node);
        self.standing.node_down(node);
        self.lasting.node_down(node);
        self.unaware.node_down(node);
        self.session_ends.node_down(node);
        for at in 0..self.partitions.len() {
            self.resigns(at, node, now_ns);
            self.partitions[at].node_down(now_ns, node, (lost_unsynced, cause));
        }
        self.note_positions_void();
    }

    /// A node deletes the log of a replica that it holds no more.
    pub fn log_deleted(&mut self, node: i32, tp: TopicPartition) {
        self.kept.cut(node, tp);
        self.segments.cut(node, tp);
        let at = self.partition(tp);
        self.partitions[at].log_deleted(node);
    }

    /// A partition's logs were replaced before the run: what replicas had is no longer so.
    pub fn preloaded(&mut self, tp: TopicPartition) {
        let at = self.partition(tp);
        for replica in &mut self.partitions[at].replicas {
            replica.log = EpochLog::default();
            replica.known = false;
        }
    }

    /// Applications write to these topics, in transactions.
    pub(crate) fn expect_applications(&mut self, plan: &Plan) {
        self.acks_all.push(true);
        self.transactional.extend(plan.topics.iter().map(|topic| topic.name.clone()));
        self.transactions.get_or_insert_with(|| Box::new(Transactions::expected(plan)));
    }

    /// What was found.
    #[must_use]
    pub fn finish(self) -> Findings {
        let (checkers, violations) = self.ledger.finish();
        Findings { checkers, violations, lost_records: self.lost_records }
    }

    /// Batches kept one by one, for memory tests.
    #[must_use]
    pub fn batches_kept(&self) -> usize {
        self.partitions.iter().map(|p| p.table.main.len() + p.table.forks.len()).sum()
    }

    /// A segment is in remote storage, and in its metadata.
    pub fn remote_added(&mut self, at_ns: u64, segment: &RemoteSegment) {
        self.ledger.now_ns = at_ns;
        let at = self.partition(segment.tp);
        self.partitions[at].stored.add(segment);
    }

    /// A segment is in remote storage no longer.
    pub fn remote_removed(&mut self, at_ns: u64, segment: &RemoteSegment) {
        self.ledger.now_ns = at_ns;
        let at = self.partition(segment.tp);
        self.partitions[at].stored.remove(segment);
    }

    /// Whether there are transactions, and everything is promised of them.
    pub(super) fn has_sound_transactions(&self) -> bool {
        self.transactions.as_ref().is_some_and(|transactions| !transactions.is_void)
    }

    #[inline]
    pub(super) fn partition(&mut self, tp: TopicPartition) -> usize {
        match self.index.get(tp) {
            Some(at) => at,
            None => self.new_partition(tp),
        }
    }

    fn new_partition(&mut self, tp: TopicPartition) -> usize {
        let is_metadata = tp == TopicPartition::METADATA;
        let id = || format!("{:x}", { tp.topic.0 });
        let topic = if is_metadata { "__cluster_metadata".to_owned() } else { id() };
        let at = self.partitions.len();
        self.partitions.push(Partition::new(format!("{topic}-{}", tp.partition), 0));
        self.appends.push(0);
        self.index.insert(tp, at);
        self.window_max = (WINDOW_TOTAL / self.partitions.len()).max(WINDOW_MIN);
        at
    }
}
