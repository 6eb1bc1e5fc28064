//! Shows the checkers what nodes hold in memory and on disk.

use super::World;
use super::node::Node;
use crate::checkers::{Moment, NodeView};
use std::collections::BTreeMap;
use stormglass_broker_core::ids::{LeaderEpoch, NodeId, Offset, TopicPartition};
use stormglass_broker_core::seam::FileName;
use stormglass_broker_core::time::Instant;
use stormglass_reports::recording::ReplicaSecond;
use stormglass_scenarios::plan::Plan;

/// Replicas of a cluster small enough to be looked at every second: hunts, not benchmarks.
const REPLICAS_MAX: usize = 64;

/// Of a node that is up. One whose log directory has failed is about to end, and has planned with what it
/// will never write.
fn view_of(node: &Node, now_ns: u64) -> Option<NodeView<'_>> {
    let awake_ns = match node.paused_until_ns {
        0 => u64::MAX,
        until => now_ns.saturating_sub(until),
    };
    let broker = node.broker.as_ref().filter(|_| !node.disk.is_offline())?;
    let mono = Instant::from_nanos(node.clock.monotonic_ns(now_ns));
    let backlog_ns = node.disk.backlog_ns(now_ns);
    Some(NodeView { node: node.id.0, broker, disk: &node.disk, awake_ns, backlog_ns, mono })
}

impl World {
    /// Lets the checkers look at every node that is up.
    pub(super) fn show_state(&mut self, moment: Moment) {
        if !self.watches || self.origin_ns == u64::MAX {
            return;
        }
        let now_ns = self.now - self.origin_ns;
        let Self { nodes, checkers, now, .. } = self;
        nodes.iter_mut().for_each(|node| node.disk.catch_up(*now));
        let up = nodes.iter().filter_map(|node| view_of(node, *now));
        let views: Vec<NodeView<'_>> = up.collect();
        checkers.state(now_ns, &views, moment);
        if moment != Moment::Drained && self.samples_replicas {
            self.sample();
        }
    }

    /// Nobody will look at more than the verdict.
    pub(crate) fn wants_verdict_only(&mut self) {
        self.samples_replicas = false;
        self.nodes.iter_mut().for_each(|node| node.disk.keeps_whole_batches());
        self.recorder.counts_only();
    }

    /// Whether a cluster is small enough for that.
    pub(super) fn is_watched(plan: &Plan) -> bool {
        let topics = plan.topics.iter().flat_map(|topic| &topic.assignment);
        topics.map(Vec::len).sum::<usize>() <= REPLICAS_MAX
    }

    /// Lets the checkers look at one node, where something has changed.
    #[cold]
    pub(super) fn show_node(&mut self, node: u16) {
        let now_ns = self.now - self.origin_ns;
        let Self { nodes, checkers, now, .. } = self;
        let at = &mut nodes[node as usize];
        at.disk.catch_up(*now);
        if let Some(view) = view_of(at, *now) {
            checkers.node_state(now_ns, &view);
        }
    }

    /// A process has closed its logs, and is about to end.
    pub(super) fn show_closed(&mut self, node: u16) {
        let now_ns = self.now - self.origin_ns;
        let Self { nodes, checkers, now, .. } = self;
        let at = &mut nodes[node as usize];
        at.disk.catch_up(*now);
        if let Some(view) = view_of(at, *now) {
            checkers.node_closed(now_ns, &view);
        }
    }

    /// Notes where the replicas stand as a second ends.
    fn sample(&mut self) {
        let second = self.second.saturating_sub(1);
        let mut isrs: BTreeMap<TopicPartition, (LeaderEpoch, &[NodeId])> = BTreeMap::new();
        let brokers = self.nodes.iter().filter_map(|node| Some((node.id, node.broker.as_ref()?)));
        let views: Vec<_> = brokers
            .flat_map(|(node, broker)| broker.replica_views().map(move |view| (node, view)))
            .collect();
        for (_, view) in &views {
            let Some(lead) = &view.lead else { continue };
            let known = isrs.entry(view.tp).or_insert((view.leader_epoch, lead.isr));
            if known.0 < view.leader_epoch {
                *known = (view.leader_epoch, lead.isr);
            }
        }
        let samples = views.iter().filter_map(|(node, view)| {
            Some(ReplicaSecond {
                second,
                partition: self.partition_names.get(&view.tp)?.as_str().into(),
                node: node.0,
                leads: view.lead.is_some(),
                in_sync: isrs.get(&view.tp).is_some_and(|(_, isr)| isr.contains(node)),
                epoch: view.leader_epoch,
                log_end: view.log.log_end_offset(),
                high_watermark: view.high_watermark,
            })
        });
        self.samples.extend(samples);
    }

    /// The quorum's leader commits metadata.
    #[cold]
    pub(super) fn show_quorum(&mut self, at_ns: u64, commit: (i32, LeaderEpoch, Offset)) {
        let now_ns = self.now;
        let voters = self.nodes.iter_mut().filter(|node| node.config.controller);
        let durable = voters.map(|node| {
            node.disk.catch_up(now_ns);
            let log = node.disk.durable_end(TopicPartition::METADATA).unwrap_or(0);
            // what a snapshot replaced in the log is in the snapshot
            let snapshots = node.disk.metadata_snapshots().map(|(name, _)| match name {
                FileName::MetadataSnapshot(end, _) => *end,
                _ => 0,
            });
            (node.id.0, snapshots.fold(log, Offset::max))
        });
        let durable: Vec<(i32, Offset)> = durable.collect();
        self.checkers.quorum_commits(at_ns, commit, &durable);
    }
}
