//! What the world shows of the cluster when the run is over.

use std::fmt;
use stormglass_broker_core::ids::{NodeId, Offset, TopicPartition};
use stormglass_broker_core::records::Batch;

/// A leader's log.
pub trait LogView {
    /// First offset.
    fn log_start(&self) -> Offset;
    /// Calls `visit` with each batch that holds an offset at or after `from`, in order.
    fn visit(&self, from: Offset, visit: &mut dyn FnMut(&Batch));
}

/// One partition at the end.
pub struct FinalPartition<'a> {
    /// Which.
    pub tp: TopicPartition,
    /// Leader, as the active controller sees it.
    pub leader: Option<NodeId>,
    /// Replicas.
    pub replicas: Vec<NodeId>,
    /// ISR, as the active controller sees it.
    pub isr: Vec<NodeId>,
    /// The leader's high watermark.
    pub high_watermark: Offset,
    /// The leader's log; `None` when there is no leader to show one.
    pub log: Option<&'a dyn LogView>,
}

impl fmt::Debug for FinalPartition<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FinalPartition")
            .field("tp", &self.tp)
            .field("leader", &self.leader)
            .field("isr", &self.isr)
            .field("high_watermark", &self.high_watermark)
            .finish_non_exhaustive()
    }
}

/// The cluster at the end.
#[derive(Debug, Default)]
pub struct FinalState<'a> {
    /// Partitions of the plan's topics.
    pub partitions: Vec<FinalPartition<'a>>,
    /// Names of the consumer groups, in plan order.
    pub groups: Vec<String>,
    /// Whether each group reads; a group that a fault stopped for good need not have everything.
    pub running: Vec<bool>,
    /// Brokers whose quotas have made some member of each group wait in the last seconds, in plan order.
    pub throttled: Vec<Vec<NodeId>>,
    /// Producers that have had no acknowledgement for seconds, a sentence each.
    pub stuck: Vec<String>,
    /// Who waits for whom, a sentence each; those that name a `topic-partition` go to its account.
    pub notes: Vec<String>,
    /// Nodes that load their logs. With gigabytes to recover that may take longer than a run has left.
    pub coming_up: Vec<NodeId>,
    /// Whether heal and drain ran to their end, and the quorum is up; else liveness is not asked for.
    pub drained: bool,
}

impl FinalState<'_> {
    /// Whether a group may be behind in what these brokers have, as their quotas make it wait.
    pub(super) fn is_throttled(&self, group: usize, replicas: &[NodeId]) -> bool {
        let by = self.throttled.get(group);
        by.is_some_and(|by| by.iter().any(|id| replicas.contains(id)))
    }
}
