//! All checkers behind one door: trace events, outcomes and crashes go in, summaries and violations
//! come out. Looks only; never changes what it looks at.

use super::acked_loss::Acked;
use super::ages::{Ages, aged_topics};
use super::appends::{self, Origin};
use super::compaction::Keys;
use super::configured::{
    changed_sessions, compacted_topics, creates_topics, group_heartbeat_ms, has_client_quotas,
    has_drift, has_right_clocks, interval_ms, lag_max_ns, lowest_min_isr, positions_expire,
    read_committed, transactional_topics, trimmed_topics,
};
use super::consumed::Reader;
use super::copies::{self, Copied};
use super::epoch_log::EpochLog;
use super::final_state::{FinalPartition, FinalState};
use super::history::Turn;
use super::ledger::Ledger;
use super::messages::Talk;
use super::one_leader::Quorum;
use super::ownership::{Group, Ownership, Reign};
use super::partition::Partition;
use super::roles::{self, Change};
use super::state::{
    Changes, Chores, Cleaned, Elections, Followed, Forgotten, Heartbeats, InTouch, Kept, Lasting,
    Learners, Overdue, Recorded, Segments, SessionEnds, Standing, Unaware,
};
use super::table::Entry;
use super::timeouts::Timeouts;
use super::transactions::Transactions;
use super::unclean::Unclean;
use super::void::Cause;
use super::{
    acked_loss, commits, consumed, high_watermark, isr_rules, log_starts, one_value, tiering,
};
use crate::client::Outcome;
use crate::partition_index::PartitionIndex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use stormglass_broker_core::ids::TopicPartition;
use stormglass_broker_core::inspect::partition_for_group;
use stormglass_broker_core::records::Records;
use stormglass_broker_core::seam::{RemoteSegment, TraceEvent};
use stormglass_reports::recording::{CheckerSummary, Violation};
use stormglass_scenarios::plan::Plan;

/// Replicas are away for longer than this in storms, ns.
const FORGOTTEN_SOON_NS: u64 = 10_000_000_000;
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
/// An answer is on its way for less than this, ns.
const ANSWER_NS: u64 = 2_000_000_000;
/// A partition is trimmed after this many appends.
const TRIM_EVERY: u32 = 512;

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
    pub(super) changes: Changes,
    pub(super) chores: Chores,
    pub(super) overdue: Overdue,
    pub(super) elections: Elections,
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
            positions_void: positions_expire(plan),
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
            changes: Changes::default(),
            chores: Chores::default(),
            overdue: Overdue::default(),
            elections: Elections::default(),
            segments: Segments::default(),
            standing: Standing::default(),
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

    /// Something changed inside a node.
    pub fn trace(&mut self, now_ns: u64, node: i32, event: &TraceEvent) {
        self.ledger.now_ns = now_ns;
        match event {
            TraceEvent::LeaderAppended { tp, records } => {
                let at = self.partition(*tp);
                let p = &mut self.partitions[at];
                if let Some(keys) = &mut p.keys {
                    for batch in records.batches() {
                        keys.appended(now_ns, batch);
                        p.shapes.appended(batch);
                    }
                }
                if let Some(ages) = &mut self.partitions[at].ages {
                    records.batches().iter().for_each(|batch| ages.appended(batch));
                }
                if let Some(transactions) = &mut self.transactions {
                    transactions.written.appended(now_ns, *tp, records);
                }
                self.appended(*tp, node, Origin::Leader, records);
                self.look_for_revived(at, records);
                self.lets_in(node, (at, *tp), records);
            }
            TraceEvent::FollowerAppended { tp, records } => {
                self.appended(*tp, node, Origin::Follower, records);
            }
            TraceEvent::HighWatermark { tp, offset, leader, epoch } => {
                let at = self.partition(*tp);
                let (p, ledger) = (&mut self.partitions[at], &mut self.ledger);
                let replica = p.replica(node);
                if *leader {
                    roles::leader_high_watermark(p, ledger, replica, (*epoch, *offset));
                } else {
                    roles::follower_high_watermark(p, ledger, replica, *offset);
                }
            }
            TraceEvent::ControllerElected { epoch } => {
                self.timeouts.trace((&mut self.ledger, now_ns), node, event);
                self.quorum.elected(&mut self.ledger, node, *epoch);
            }
            TraceEvent::Voted { epoch, candidate } => {
                self.quorum.voted(&mut self.ledger, node, (*epoch, *candidate));
            }
            TraceEvent::BrokerFenced { .. } | TraceEvent::ControllerResigned { .. } => {
                self.timeouts.trace((&mut self.ledger, now_ns), node, event);
            }
            TraceEvent::GroupRemoved { group } => {
                let index = self.groups.iter().position(|name| **name == **group);
                index.into_iter().for_each(|index| self.ownership.removed(index, now_ns));
                self.standing.removed(group);
            }
            TraceEvent::IsrProposed { tp, isr, .. } => self.proposed(node, *tp, isr),
            TraceEvent::Recovered { truncated_bytes, .. } => {
                for p in &mut self.partitions {
                    if let Some(replica) = p.replicas.iter_mut().find(|r| r.node == node) {
                        replica.known &= *truncated_bytes == 0;
                        replica.forget_horizons();
                        (replica.turned, replica.recovered) = (true, true);
                        replica.one_known_below = replica.log.end();
                    }
                }
            }
            _ => {
                self.talk.traced(now_ns, node, event);
                self.turned(node, event);
            }
        }
    }

    /// An outcome of a client of producer group `producer` (index into the plan).
    pub fn produced(&mut self, now_ns: u64, producer: usize, outcome: &Outcome) {
        if let (Outcome::Transaction(step), Some(transactions)) = (outcome, &mut self.transactions)
        {
            transactions.step(now_ns, *step);
        }
        let Outcome::Acked(done) = outcome else { return };
        self.ledger.now_ns = now_ns;
        let acks_all = self.acks_all[producer];
        let at = self.partition(done.tp);
        let (p, ledger) = (&mut self.partitions[at], &mut self.ledger);
        let Some(acked) = Acked::of(p, done) else { return };
        one_value::acked(p, ledger, &acked);
        acked_loss::acked(p, ledger, &acked, acks_all);
        if acks_all {
            isr_rules::acked(p, ledger, done);
        }
    }

    /// An outcome of a client of consumer group `consumer` (index into the plan).
    pub fn consumed(&mut self, now_ns: u64, consumer: usize, outcome: &Outcome) {
        self.ledger.now_ns = now_ns;
        let tp = match outcome {
            Outcome::PositionFound { tp, .. }
            | Outcome::Delivered { tp, .. }
            | Outcome::Skipped { tp, .. }
            | Outcome::OffsetReset { tp, .. }
            | Outcome::CommitSent { tp, .. }
            | Outcome::Committed { tp, .. }
            | Outcome::TruncationDetected { tp, .. } => *tp,
            Outcome::Assigned { .. } | Outcome::Holds { .. } | Outcome::Released { .. } => {
                let is_stale = self.coordinator_may_be_stale();
                let is_told = matches!(outcome, Outcome::Assigned { .. });
                let group = Group {
                    index: consumer,
                    name: &self.groups[consumer],
                    is_void: self.positions_void,
                    is_in_doubt: self.positions_void || is_stale,
                    reign: is_told.then(|| self.reign_of(&self.groups[consumer])).flatten(),
                };
                return self.ownership.outcome(&mut self.ledger, &group, outcome);
            }
            _ => return,
        };
        let at = self.partition(tp);
        let asks = matches!(outcome, Outcome::PositionFound { .. });
        let positions_void = self.positions_void || (asks && self.coordinator_may_be_stale());
        let (p, ledger) = (&mut self.partitions[at], &mut self.ledger);
        let Some(reader) = p.readers.iter().position(|reader| reader.group == consumer) else {
            return;
        };
        match outcome {
            Outcome::PositionFound { offset, committed, asked_ns, .. } => {
                let told = (*committed, *asked_ns);
                commits::found(p, ledger, (reader, *offset), told, positions_void);
                p.readers[reader].found(*offset, *committed, positions_void);
            }
            Outcome::CommitSent { offset, .. } => commits::sent(&mut p.readers[reader], *offset),
            Outcome::Committed { offset, .. } => {
                commits::acked(p, ledger, (reader, *offset), self.with_members[consumer]);
            }
            Outcome::OffsetReset { to, .. } => p.readers[reader].reset(*to),
            Outcome::TruncationDetected { to, .. } => p.readers[reader].truncated(*to),
            Outcome::Delivered { batch, first_offset, count, .. } => {
                let mut hint = p.readers[reader].hint;
                one_value::delivered(p, ledger, (batch, &mut hint));
                let next = first_offset + i64::from(*count);
                high_watermark::delivered(p, ledger, next);
                p.readers[reader].hint = hint;
                // what compaction has removed is no hole
                let jumps = p.keys.is_some().then_some(p.readers[reader].reached).flatten();
                let from = jumps.map_or(*first_offset, |reached| reached.min(*first_offset));
                p.readers[reader].delivered(from, next);
                if let Some(transactions) = &mut self.transactions {
                    transactions.delivered(ledger, (consumer, &p.label), batch);
                }
            }
            Outcome::Skipped { batch, first_offset, next, .. } => {
                let jumps = p.keys.is_some().then_some(p.readers[reader].reached).flatten();
                let from = jumps.map_or(*first_offset, |reached| reached.min(*first_offset));
                p.readers[reader].delivered(from, *next);
                if let Some(transactions) = &mut self.transactions {
                    transactions.skipped(ledger, (consumer, &p.label), batch);
                }
            }
            _ => {}
        }
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
        self.chores.node_down(node);
        self.overdue.node_down(node);
        self.elections.node_down(node);
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

    /// What is committed by now has to reach every group before the run ends.
    pub fn deadline(&mut self) {
        for partition in &mut self.partitions {
            partition.due = Some(partition.exposed());
        }
    }

    /// The run is over: compares what should be there with what is.
    pub fn final_state(&mut self, now_ns: u64, state: &FinalState<'_>) {
        self.ledger.now_ns = now_ns;
        // a transaction whose coordinator has lost records may never end, in Kafka as here (hunt seed 168)
        if state.drained && !self.transactions.as_ref().is_some_and(|t| t.is_void) {
            consumed::check_producers(&mut self.ledger, state);
        }
        if let Some(transactions) = &self.transactions {
            let of = |last: &FinalPartition<'_>| self.index.get(last.tp);
            let indices: Vec<Option<usize>> = state.partitions.iter().map(of).collect();
            let label = |at: &Option<usize>| at.map_or("", |at| &self.partitions[at].label);
            let labels: Vec<&str> = indices.iter().map(label).collect();
            transactions.check_final(&mut self.ledger, state, &labels);
        }
        let returns = self.members_may_return();
        for last in &state.partitions {
            let at = self.partition(last.tp);
            let (p, ledger) = (&self.partitions[at], &mut self.ledger);
            if let Some(log) = last.log {
                high_watermark::check_final(p, ledger, last.high_watermark);
                self.lost_records += acked_loss::check_final(p, ledger, log);
            }
            if state.drained {
                // a transaction that has lost its coordinator's record, or its marker, stays open
                let now_ns = ledger.now_ns;
                let may_hang = |t: &Transactions| t.may_hang(&p.label, now_ns);
                let lost = self.transactions.as_deref().is_some_and(may_hang);
                let waits_for_ever = |group: usize| {
                    lost && self.read_committed[group]
                        || returns && self.with_members[group]
                        || self.ownership.is_left_alone(group, last.tp)
                };
                consumed::check_final(p, ledger, (state, last), waits_for_ever);
            }
        }
    }

    /// Applications write to these topics, in transactions.
    pub(crate) fn expect_applications(&mut self, plan: &Plan) {
        self.acks_all.push(true);
        self.transactional.extend(plan.topics.iter().map(|topic| topic.name.clone()));
        self.transactions.get_or_insert_with(|| Box::new(Transactions::expected(plan)));
    }

    /// Whether members that have left may be back: a coordinator that was away while their removal was compacted
    /// away gives them partitions, and one that knows of the removal sees no reason to share out anew, in Kafka
    /// as here (hunt seed 910201).
    fn members_may_return(&self) -> bool {
        let of = self.positions.iter().filter_map(|at| self.partitions[*at].keys.as_ref());
        of.filter_map(Keys::forgets_after).any(|after_ns| after_ns < FORGOTTEN_SOON_NS)
    }

    /// What applications promise of their copies, unless Kafka promises nothing of what they rest on, or
    /// the log cleaner takes records of it away.
    pub(crate) fn copies(&mut self, copied: &Copied<'_>, state: &FinalState<'_>) {
        let tps = copied.from.iter().chain(&copied.to);
        let of: Vec<_> = tps.map(|tp| (*tp, self.partition(*tp))).collect();
        let Self { ledger, partitions, transactions, .. } = self;
        let now_ns = ledger.now_ns;
        let is_void = |at: &usize| {
            let p = &partitions[*at];
            let may_hang = |known: &Transactions| known.may_hang(&p.label, now_ns);
            p.void.is_some() || p.was_unclean() || transactions.as_deref().is_some_and(may_hang)
        };
        let own = of.iter().map(|(_, at)| at);
        let mut rests_on = own.clone().chain(&self.coordinators).chain(&self.positions);
        let mut own = own.map(|at| &partitions[*at]);
        if self.positions_void || rests_on.any(is_void) || own.any(|p| p.keys.is_some()) {
            return;
        }
        let at = |tp| of.iter().find(|(known, _)| *known == tp).expect("a copied partition").1;
        copies::check_final(ledger, copied, state, &|tp| partitions[at(tp)].about());
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

    fn appended(&mut self, tp: TopicPartition, node: i32, origin: Origin, records: &Records) {
        let at = self.partition(tp);
        let (p, ledger) = (&mut self.partitions[at], &mut self.ledger);
        let replica = p.replica(node);
        let now_ms = ledger.wall_ms(ledger.now_ns);
        for batch in records.batches() {
            appends::appended(p, ledger, (replica, origin), &Entry::of(batch));
            p.replicas[replica].taken_late.appended(&batch.header, now_ms);
            if !p.is_gapless && batch.header.is_control() {
                let marker = (batch.header.producer_id, batch.base_offset());
                let is_whole = batch.header.record_count > 0;
                p.replicas[replica].markers.insert(marker, is_whole);
            }
        }
        self.appends[at] += 1;
        if self.appends[at] >= TRIM_EVERY {
            self.appends[at] = 0;
            p.trim(self.window_max);
        }
    }

    /// Turning points: rare.
    fn turned(&mut self, node: i32, event: &TraceEvent) {
        let now_ns = self.ledger.now_ns;
        self.timeouts.trace((&mut self.ledger, now_ns), node, event);
        let tp = match event {
            TraceEvent::Truncated { tp, .. }
            | TraceEvent::LogStart { tp, .. }
            | TraceEvent::LocalLogStart { tp, .. }
            | TraceEvent::Compacted { tp, .. }
            | TraceEvent::BecameLeader { tp, .. }
            | TraceEvent::BecameFollower { tp, .. }
            | TraceEvent::IsrCommitted { tp, .. }
            | TraceEvent::PartitionChanged { tp, .. } => *tp,
            _ => return,
        };
        let at = self.partition(tp);
        let (p, ledger) = (&mut self.partitions[at], &mut self.ledger);
        match event {
            TraceEvent::PartitionChanged { leader, epoch, isr, unclean, .. } => {
                if let Some(keys) = &mut p.keys {
                    keys.in_sync(isr);
                    if let Some((after_ns, of)) =
                        keys.forgets_after().zip(self.transactions.as_mut())
                    {
                        of.left_behind(&p.label, after_ns);
                    }
                }
                let change = Change { leader: *leader, epoch: *epoch, isr, unclean: *unclean };
                roles::changed(p, ledger, node, change);
                return self.note_positions_void();
            }
            TraceEvent::LocalLogStart { offset, .. } => {
                return tiering::deleted(p, ledger, node, *offset);
            }
            TraceEvent::LogStart { offset, .. } => {
                return log_starts::begins(p, ledger, node, *offset);
            }
            TraceEvent::BecameFollower { epoch, leader, .. } => {
                let turn = Turn::Follows { epoch: *epoch, leader: *leader };
                p.history.push(ledger.now_ns, node, turn);
                // a replica that comes again has another log
                let replica = p.replica(node);
                p.replicas[replica].forget_horizons();
                let now_ns = ledger.now_ns;
                return self.resigns(at, node, now_ns);
            }
            _ => {}
        }
        let replica = p.replica(node);
        match event {
            TraceEvent::Compacted { from, upto, .. } => {
                let replica = &mut p.replicas[replica];
                replica.turned = true;
                let part = (*from, *upto);
                replica.cleaned = Some(Cleaned::with(replica.cleaned, part, now_ns));
                replica.tombstones.cleaned(part);
            }
            TraceEvent::Truncated { to, from, high_watermark, .. } => {
                self.kept.cut(node, tp);
                self.segments.cut(node, tp);
                p.replicas[replica].markers.retain(|(_, marker), _| marker < to);
                p.replicas[replica].forget_horizons();
                p.replicas[replica].cleaned = None;
                appends::truncated(p, ledger, (replica, *to), (*from, *high_watermark));
            }
            TraceEvent::BecameLeader { epoch, start, isr, .. } => {
                roles::leads(p, ledger, (replica, *epoch), (*start, isr));
            }
            TraceEvent::IsrCommitted { epoch, old, isr, .. } => {
                roles::isr_committed(p, ledger, (replica, *epoch), (old, isr));
            }
            _ => {}
        }
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

    /// A node leads a partition no longer.
    fn resigns(&mut self, at: usize, node: i32, now_ns: u64) {
        let p = &mut self.partitions[at];
        let was_stale = self.positions.contains(&at) && p.has_stale_leader();
        p.resigns(node);
        if was_stale && !p.has_stale_leader() {
            self.stale_coordinator_ns = Some(now_ns);
        }
    }

    /// Whether a position may come, or be on its way, from a coordinator that does not know of its
    /// successor. Kafka's answers OffsetFetch from memory: nothing fences it until it hears of the
    /// new leader.
    fn coordinator_may_be_stale(&self) -> bool {
        let now_ns = self.ledger.now_ns;
        let mut positions = self.positions.iter().map(|at| &self.partitions[*at]);
        self.stale_coordinator_ns.is_some_and(|ended_ns| now_ns - ended_ns < ANSWER_NS)
            || positions.any(Partition::has_stale_leader)
    }

    fn note_positions_void(&mut self) {
        let mut positions = self.positions.iter().map(|at| &self.partitions[*at]);
        self.positions_void |= positions.any(|p| p.void.is_some());
        if self.transactions.is_some() {
            self.note_transactions_void();
        }
    }

    /// Whether there are transactions, and everything is promised of them.
    pub(super) fn has_sound_transactions(&self) -> bool {
        self.transactions.as_ref().is_some_and(|transactions| !transactions.is_void)
    }

    #[cold]
    fn note_transactions_void(&mut self) {
        let Some(transactions) = &mut self.transactions else { return };
        for (at, p) in self.partitions.iter().enumerate().filter(|(_, p)| p.void.is_some()) {
            transactions.is_void |= self.coordinators.contains(&at);
            transactions.gave_up(&p.label);
        }
        if !transactions.is_void {
            return;
        }
        for p in self.partitions.iter_mut().filter(|p| !p.producers.epochs_return) {
            let topic = p.label.rsplit_once('-').map(|(topic, _)| topic);
            p.producers.epochs_return = topic.is_some_and(|it| self.transactional.contains(it));
        }
    }

    /// How the log of a group is led.
    fn reign_of(&self, group: &str) -> Option<Reign> {
        let count = i32::try_from(self.positions.len()).ok().filter(|count| *count > 0)?;
        let index = partition_for_group(group, count);
        let label = format!("{OFFSETS_TOPIC}-{index}");
        let mut all = self.positions.iter().map(|at| &self.partitions[*at]);
        all.find(|p| p.label == label).map(Partition::reign)
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
