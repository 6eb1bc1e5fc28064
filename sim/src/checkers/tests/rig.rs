//! A partition of three replicas whose history is written by hand.
//!
//! Batches hold ten records and are named by a number: number n of producer 1 has sequence 10 n.

use crate::checkers::appends;
use crate::checkers::{Cause, Checkers, FinalPartition, FinalState, Findings, LogView};
use crate::client::Outcome;
use crate::recorder::testing::{batch, batch_done, plan, producer_plan, tp, transactions_plan};
use std::sync::Arc;
use stormglass_broker_core::ids::{LeaderEpoch, NO_EPOCH, NodeId, Offset, TopicId, TopicPartition};
use stormglass_broker_core::records::{Batch, Records};
use stormglass_broker_core::seam::TraceEvent;

pub(super) const GROUPS: usize = 2;
/// Producer group with `acks=all`.
pub(super) const ALL: usize = 0;
/// Producer group with `acks=1`.
pub(super) const ONE: usize = 1;

pub(super) fn ids(nodes: &[i32]) -> Vec<NodeId> {
    nodes.iter().copied().map(NodeId).collect()
}

/// Batch number `name` as appended at an offset in an epoch.
pub(super) fn named(base: Offset, epoch: LeaderEpoch, name: u64) -> Arc<Batch> {
    let mut batch = (*batch(base, 10, name)).clone();
    batch.header.partition_leader_epoch = epoch;
    batch.header.base_sequence = i32::try_from(name).unwrap() * 10;
    Arc::new(batch)
}

#[derive(Debug)]
struct Log {
    start: Offset,
    batches: Vec<Arc<Batch>>,
}

impl LogView for Log {
    fn log_start(&self) -> Offset {
        self.start
    }

    fn visit(&self, from: Offset, visit: &mut dyn FnMut(&Batch)) {
        self.batches
            .iter()
            .filter(|batch| batch.next_offset() > from)
            .for_each(|batch| visit(batch));
    }
}

/// How the cluster looks at the end; the default is healthy.
#[derive(Debug)]
pub(super) struct End {
    /// `(base, epoch, name)` of the leader's batches.
    pub(super) log: Vec<(Offset, LeaderEpoch, u64)>,
    pub(super) log_start: Offset,
    pub(super) high_watermark: Offset,
    pub(super) leader: Option<i32>,
    pub(super) isr: Vec<i32>,
    pub(super) running: [bool; GROUPS],
    pub(super) throttled: [Vec<i32>; GROUPS],
    pub(super) stuck: Vec<String>,
    pub(super) notes: Vec<String>,
    pub(super) coming_up: Vec<i32>,
    pub(super) drained: bool,
}

impl End {
    pub(super) fn of(log: &[(Offset, LeaderEpoch, u64)]) -> Self {
        Self {
            log: log.to_vec(),
            log_start: 0,
            high_watermark: log.last().map_or(0, |(base, ..)| base + 10),
            leader: Some(1),
            isr: vec![1, 2, 3],
            running: [true; GROUPS],
            throttled: Default::default(),
            stuck: Vec::new(),
            notes: Vec::new(),
            coming_up: Vec::new(),
            drained: true,
        }
    }
}

#[derive(Debug)]
pub(super) struct Rig {
    pub(super) checkers: Checkers,
    now_ns: u64,
}

impl Rig {
    /// Node 1 leads in epoch 0, all are in sync, `min.insync.replicas` is 2.
    pub(super) fn new() -> Self {
        let mut rig = Self::without_leader();
        rig.lead(1, 0, 0, &[1, 2, 3]);
        rig
    }

    /// Nothing has happened yet; leaders may come from outside the ISR.
    pub(super) fn without_leader() -> Self {
        Self::with_unclean_elections("true")
    }

    /// As [`Self::new`], and the producers have transactions, whose coordinator is node 1 alone.
    pub(super) fn with_transactions() -> Self {
        let mut plan = plan();
        let mut producer = producer_plan("p", "all");
        producer.transactions = Some(transactions_plan());
        plan.producers = vec![producer];
        let mut rig = Self { checkers: Checkers::new(&plan), now_ns: 1_000_000_000 };
        rig.checkers.topic(tp(0), "t", 2);
        let coordinator = TopicPartition::new(TopicId(0xc0), 0);
        rig.checkers.topic(coordinator, "__transaction_state", 2);
        for (tp, isr) in [(tp(0), ids(&[1, 2, 3])), (coordinator, ids(&[1]))] {
            rig.trace(1, &TraceEvent::BecameLeader { tp, epoch: 0, start: 0, isr });
        }
        rig
    }

    /// Nothing has happened yet.
    pub(super) fn with_unclean_elections(enable: &str) -> Self {
        let mut plan = plan();
        let key = "unclean.leader.election.enable".to_owned();
        plan.cluster.config.insert(key, enable.to_owned());
        plan.producers.push(producer_plan("q", "1"));
        let mut rig = Self { checkers: Checkers::new(&plan), now_ns: 1_000_000_000 };
        rig.checkers.topic(tp(0), "t", 2);
        rig
    }

    pub(super) fn trace(&mut self, node: i32, event: &TraceEvent) {
        self.now_ns += 1_000_000;
        self.checkers.trace(self.now_ns, node, event);
    }

    pub(super) fn lead(&mut self, node: i32, epoch: LeaderEpoch, start: Offset, isr: &[i32]) {
        let isr = ids(isr);
        self.trace(node, &TraceEvent::BecameLeader { tp: tp(0), epoch, start, isr });
    }

    pub(super) fn lead_append(&mut self, node: i32, batch: Arc<Batch>) {
        let records = Records::single(batch);
        self.trace(node, &TraceEvent::LeaderAppended { tp: tp(0), records });
    }

    pub(super) fn follow_append(&mut self, node: i32, batch: Arc<Batch>) {
        let records = Records::single(batch);
        self.trace(node, &TraceEvent::FollowerAppended { tp: tp(0), records });
    }

    /// A leader appends a batch, and followers copy it.
    pub(super) fn write(
        &mut self,
        (leader, followers): (i32, &[i32]),
        (base, epoch, name): (Offset, LeaderEpoch, u64),
    ) {
        self.lead_append(leader, named(base, epoch, name));
        for node in followers {
            self.follow_append(*node, named(base, epoch, name));
        }
    }

    pub(super) fn high_watermark(&mut self, node: i32, epoch: LeaderEpoch, offset: Offset) {
        let tp = tp(0);
        self.trace(node, &TraceEvent::HighWatermark { tp, offset, leader: true, epoch });
    }

    pub(super) fn follower_high_watermark(&mut self, node: i32, offset: Offset) {
        let (tp, epoch) = (tp(0), 0);
        self.trace(node, &TraceEvent::HighWatermark { tp, offset, leader: false, epoch });
    }

    pub(super) fn cut(&mut self, node: i32, from: Offset, to: Offset) {
        // nobody cuts what it leads
        let (epoch, leader) = (0, None);
        self.trace(node, &TraceEvent::BecameFollower { tp: tp(0), epoch, leader });
        self.cut_as_it_is(node, from, to);
    }

    pub(super) fn cut_as_it_is(&mut self, node: i32, from: Offset, to: Offset) {
        let high_watermark = to;
        self.trace(node, &TraceEvent::Truncated { tp: tp(0), to, from, high_watermark });
    }

    pub(super) fn isr(&mut self, node: i32, epoch: LeaderEpoch, old: &[i32], isr: &[i32]) {
        let (old, isr) = (ids(old), ids(isr));
        self.trace(node, &TraceEvent::IsrCommitted { tp: tp(0), epoch, old, isr });
    }

    /// The host of a node loses power, by the plan's event of that number.
    pub(super) fn power_off(&mut self, node: i32, event: u32) {
        self.now_ns += 1_000_000;
        let cause = Cause { event: Some(event), what: format!("host of node {node} loses power") };
        self.checkers.fault(self.now_ns, &cause.what);
        self.checkers.node_down(self.now_ns, node, (true, &cause));
    }

    /// The process of a node is killed.
    pub(super) fn kill(&mut self, node: i32) {
        let cause = Cause { event: None, what: "killed".to_owned() };
        self.checkers.node_down(self.now_ns, node, (false, &cause));
    }

    /// A node is back, with a log of one epoch up to an offset; of what is deleted it knows no epoch.
    pub(super) fn recovered(&mut self, node: i32, end: Offset, epoch: LeaderEpoch) {
        self.trace(node, &TraceEvent::Recovered { scanned_bytes: 0, truncated_bytes: 0 });
        let at = self.checkers.partition(tp(0));
        let p = &mut self.checkers.partitions[at];
        let mine = p.replica(node);
        let start = p.replicas[mine].log_start;
        let epoch_at = |at| if at < start { NO_EPOCH } else { epoch };
        if let Some((origin, offsets)) = appends::recovered(p, mine, end, &epoch_at) {
            let batch = named(offsets.start, epoch, 2);
            appends::found(p, &mut self.checkers.ledger, (mine, origin), &batch);
        }
    }

    pub(super) fn ack(&mut self, producer: usize, base: Offset, name: u64) {
        let mut done = batch_done(tp(0), name, &[self.now_ns; 10], self.now_ns);
        done.base_offset = base;
        done.batch = Some(named(0, -1, name));
        self.checkers.produced(self.now_ns, producer, &Outcome::Acked(done));
    }

    /// Another batch of the first producer, with any sequence, is acknowledged.
    pub(super) fn ack_as(&mut self, base: Offset, (name, sequence): (u64, i32)) {
        let mut done = batch_done(tp(0), name, &[self.now_ns; 10], self.now_ns);
        let mut batch = (*named(0, -1, name)).clone();
        batch.header.base_sequence = sequence;
        (done.base_offset, done.batch) = (base, Some(batch.into()));
        self.checkers.produced(self.now_ns, ALL, &Outcome::Acked(done));
    }

    pub(super) fn deliver(&mut self, (base, epoch, name): (Offset, LeaderEpoch, u64)) {
        for group in 0..GROUPS {
            self.deliver_to(group, (base, epoch, name));
        }
    }

    pub(super) fn deliver_to(
        &mut self,
        group: usize,
        (base, epoch, name): (Offset, LeaderEpoch, u64),
    ) {
        let outcome = Outcome::Delivered {
            tp: tp(0),
            batch: named(base, epoch, name),
            first_offset: base,
            count: 10,
            delivered_ns: self.now_ns,
            from_broker: NodeId(1),
        };
        self.checkers.consumed(self.now_ns, group, &outcome);
    }

    /// Writes, commits, acknowledges and delivers batches 0, 1, ... in epoch 0.
    pub(super) fn healthy(&mut self, batches: u64) -> Vec<(Offset, LeaderEpoch, u64)> {
        let log: Vec<_> =
            (0..batches).map(|name| (i64::try_from(name).unwrap() * 10, 0, name)).collect();
        for &(base, epoch, name) in &log {
            self.write((1, &[2, 3]), (base, epoch, name));
            self.high_watermark(1, 0, base + 10);
            self.follower_high_watermark(2, base + 10);
            self.ack(ALL, base, name);
            self.deliver((base, epoch, name));
            let committed = Outcome::Committed { tp: tp(0), offset: base + 10 };
            self.checkers.consumed(self.now_ns, 0, &committed);
        }
        log
    }

    pub(super) fn end(mut self, end: &End) -> Findings {
        let batches = end.log.iter().map(|&(base, epoch, name)| named(base, epoch, name)).collect();
        let log = Log { start: end.log_start, batches };
        let last = FinalPartition {
            tp: tp(0),
            leader: end.leader.map(NodeId),
            replicas: ids(&[1, 2, 3]),
            isr: ids(&end.isr),
            high_watermark: end.high_watermark,
            log: end.leader.map(|_| &log as &dyn LogView),
        };
        let state = FinalState {
            partitions: vec![last],
            groups: vec!["c0".to_owned(), "c1".to_owned()],
            running: end.running.to_vec(),
            throttled: end.throttled.iter().map(|by| ids(by)).collect(),
            stuck: end.stuck.clone(),
            notes: end.notes.clone(),
            coming_up: ids(&end.coming_up),
            drained: end.drained,
        };
        self.checkers.final_state(self.now_ns, &state);
        self.checkers.finish()
    }

    /// Names of the checkers that fired so far, each once per violation.
    pub(super) fn fired(self) -> Vec<&'static str> {
        fired(&self.checkers.finish())
    }
}

/// Names of the checkers that fired, once per account.
pub(super) fn fired(findings: &Findings) -> Vec<&'static str> {
    let names = super::super::ledger::NAMES;
    let name_of = |violation: &stormglass_reports::recording::Violation| {
        names.into_iter().find(|name| *name == violation.checker).unwrap()
    };
    findings.violations.iter().map(name_of).collect()
}
