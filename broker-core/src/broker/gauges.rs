//! What a reader outside may ask a node: counts, positions, and what it knows of the cluster.

use super::Broker;
use crate::controller::Controller;
use crate::effective::Dynamic;
use crate::ids::{NodeId, Offset, TopicId, TopicPartition};
use crate::lifecycle::Lifecycle;
use crate::protocol::BrokerEndpoint;
use crate::quota::ConnectionLimits;
use crate::raft::Raft;
use crate::role::BrokerRole;
use std::sync::Arc;

/// What a reader outside may know of a broker, for metrics and checkers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BrokerGauges {
    /// Partitions led.
    pub leaders: u32,
    /// Replicas hosted.
    pub partitions: u32,
    /// Partitions led with an ISR smaller than the replica set.
    pub under_replicated: u32,
    /// Partitions led with an ISR below `min.insync.replicas`.
    pub under_min_isr: u32,
    /// Whether the controller lets it serve.
    pub unfenced: bool,
    /// Bytes of all logs.
    pub log_bytes: u64,
}

/// A replica's position, for checkers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplicaState {
    /// Partition.
    pub tp: TopicPartition,
    /// Whether it leads.
    pub is_leader: bool,
    /// Leader epoch.
    pub leader_epoch: i32,
    /// First offset.
    pub log_start_offset: Offset,
    /// Offset after the last record.
    pub log_end_offset: Offset,
    /// High watermark.
    pub high_watermark: Offset,
    /// Size of the ISR, when leading.
    pub isr_len: u32,
}

impl Broker {
    /// Counts for metrics.
    #[must_use]
    pub fn gauges(&self) -> BrokerGauges {
        let Some((role, lifecycle)) = &self.broker else { return BrokerGauges::default() };
        let mut gauges = BrokerGauges { unfenced: !lifecycle.is_fenced(), ..Default::default() };
        for partition in role.replicas.iter() {
            gauges.partitions += 1;
            gauges.log_bytes += partition.log.size_bytes();
            if let Some(lead) = partition.leadership() {
                gauges.leaders += 1;
                gauges.under_replicated += u32::from(lead.isr.len() < partition.replicas.len());
                gauges.under_min_isr += u32::from(lead.isr.len() < partition.min_isr);
            }
        }
        gauges
    }

    /// Partitions without a leader, in this node's view.
    #[must_use]
    pub fn offline_partitions(&self) -> u32 {
        let image = match (&self.controller, &self.broker) {
            (Some(controller), _) => controller.image(),
            (None, Some((role, _))) => &role.image,
            (None, None) => return 0,
        };
        let count = image.partitions().filter(|(_, p)| p.leader.is_none()).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// ISR of a partition in this node's view of the metadata.
    #[must_use]
    pub fn isr(&self, tp: TopicPartition) -> Option<Vec<NodeId>> {
        let image = match (&self.controller, &self.broker) {
            (Some(controller), _) => controller.image(),
            (None, Some((role, _))) => &role.image,
            (None, None) => return None,
        };
        image.partition(tp).map(|partition| partition.isr.clone())
    }

    /// Topics that this broker knows.
    pub fn topics(&self) -> impl Iterator<Item = (TopicId, &Arc<str>)> {
        let image = self.broker.iter().map(|(role, _)| &role.image);
        image.flat_map(|image| image.topics().map(|topic| (topic.id, &topic.name)))
    }

    /// Where registered brokers listen, as far as their registration says it, and their racks.
    pub fn endpoints(&self) -> impl Iterator<Item = (NodeId, &BrokerEndpoint, Option<&Arc<str>>)> {
        let image = self.broker.iter().map(|(role, _)| &role.image);
        image.flat_map(|image| {
            let brokers = image.brokers();
            brokers.filter_map(|(id, of)| Some((id, &**of.endpoint.as_ref()?, of.rack.as_ref())))
        })
    }

    /// Offset of the last metadata record that this broker knows, and levels of features as of then.
    #[must_use]
    pub fn features(&self) -> (Offset, Vec<(Arc<str>, i16)>) {
        let Some((role, _)) = &self.broker else { return (-1, Vec::new()) };
        let chosen = role.image.features().filter(|(_, level)| *level > 0);
        (role.image.offset(), chosen.map(|(name, level)| (Arc::clone(name), level)).collect())
    }

    /// How many connections there may be, and come; as this broker knows it.
    #[must_use]
    pub fn connection_limits(&self) -> ConnectionLimits {
        let server = &self.config.server;
        match &self.broker {
            Some((role, _)) => {
                let dynamic = Dynamic::of(&role.image, self.config.node);
                ConnectionLimits::new(&dynamic.over(server), role.image.quotas())
            }
            None => ConnectionLimits::of_server(server),
        }
    }

    /// Whether [`Input::Spent`](crate::seam::Input::Spent) has to be told, as a client's thread time is limited.
    #[must_use]
    pub fn counts_thread_time(&self) -> bool {
        self.broker.as_ref().is_some_and(|(role, _)| role.quotas.counts_thread_time())
    }

    /// A number that is another one after each change of [`Self::topics`], [`Self::endpoints`] or
    /// levels of [`Self::features`].
    #[must_use]
    pub fn topics_revision(&self) -> u64 {
        self.topics_revision
    }

    /// The same for [`Self::connection_limits`].
    #[must_use]
    pub fn limits_revision(&self) -> u64 {
        self.limits_revision
    }

    /// Active controller as this node knows it.
    #[must_use]
    pub fn active_controller(&self) -> Option<NodeId> {
        self.raft.leader()
    }

    /// The broker role.
    pub(crate) fn role(&self) -> Option<&BrokerRole> {
        self.broker.as_ref().map(|(role, _)| role)
    }

    /// The broker's registration and heartbeats.
    pub(crate) fn lifecycle(&self) -> Option<&Lifecycle> {
        self.broker.as_ref().map(|(_, lifecycle)| lifecycle)
    }

    /// Its part in the quorum.
    pub(crate) fn raft(&self) -> &Raft {
        &self.raft
    }

    /// The controller role.
    pub(crate) fn controller(&self) -> Option<&Controller> {
        self.controller.as_ref()
    }

    /// Whether replicas are what the metadata says: what was committed before this process's own
    /// registration is withheld from them.
    #[must_use]
    pub fn applies_metadata(&self) -> bool {
        self.withheld.is_none()
    }

    /// Replicas hosted here, for checkers.
    #[must_use]
    pub fn replicas(&self) -> Vec<ReplicaState> {
        let Some((role, _)) = &self.broker else { return Vec::new() };
        role.replicas
            .iter()
            .map(|p| ReplicaState {
                tp: p.tp,
                is_leader: p.is_leader(),
                leader_epoch: p.leader_epoch,
                log_start_offset: p.log.log_start_offset(),
                log_end_offset: p.log.log_end_offset(),
                high_watermark: p.high_watermark,
                isr_len: p.leadership().map_or(0, |l| u32::try_from(l.isr.len()).unwrap_or(0)),
            })
            .collect()
    }
}
