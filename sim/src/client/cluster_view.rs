//! What a client knows of the cluster: brokers, leaders and epochs, and when to ask again, as
//! Kafka's `Metadata` keeps it.
//!
//! Leader epochs older than the known ones are ignored. Left out: re-bootstrapping (KIP-1102).

use super::config::ConnectionConfig;
use super::wakeup::NEVER;
use crate::rng::Stream;
use std::sync::Arc;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{LeaderEpoch, NO_EPOCH, NodeId, TopicId};
use stormglass_broker_core::protocol::{
    LeaderAndEpoch, MetadataPartition, MetadataRequest, MetadataResponse, MetadataTopic, Request,
};

/// Leader of a partition as known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PartitionView {
    /// Leader, if there is one.
    pub(crate) leader: Option<NodeId>,
    /// Its epoch.
    pub(crate) epoch: LeaderEpoch,
}

/// A topic as known.
#[derive(Debug)]
pub(crate) struct TopicView {
    /// Name.
    pub(crate) name: Arc<str>,
    /// Id; `None` until metadata has come.
    pub(crate) id: Option<TopicId>,
    /// Partitions by index.
    pub(crate) partitions: Vec<PartitionView>,
}

/// Metadata cache and its refresh.
#[derive(Debug)]
pub(crate) struct ClusterView {
    config: ConnectionConfig,
    /// Known brokers; at first the bootstrap servers.
    brokers: Vec<NodeId>,
    topics: Vec<TopicView>,
    /// A refresh is wanted before the cache expires.
    wanted: bool,
    /// Asked, not answered yet.
    asked: bool,
    last_success_ns: u64,
    /// No request before, ns.
    backoff_until_ns: u64,
    /// Requests in a row that failed or told nothing new.
    fruitless: u32,
    /// Changes whenever leaders or brokers do.
    version: u64,
}

impl ClusterView {
    /// Knows the bootstrap servers and wants these topics.
    pub(crate) fn new(
        config: ConnectionConfig,
        bootstrap: &[NodeId],
        topics: impl IntoIterator<Item = Arc<str>>,
    ) -> Self {
        let unknown = |name| TopicView { name, id: None, partitions: Vec::new() };
        Self {
            config,
            brokers: bootstrap.to_vec(),
            topics: topics.into_iter().map(unknown).collect(),
            wanted: true,
            asked: false,
            last_success_ns: 0,
            backoff_until_ns: 0,
            fruitless: 0,
            version: 0,
        }
    }

    /// Brokers to choose from.
    pub(crate) fn brokers(&self) -> &[NodeId] {
        &self.brokers
    }

    /// Topics in the order given.
    pub(crate) fn topics(&self) -> &[TopicView] {
        &self.topics
    }

    /// A partition of a topic, by the topic's position.
    pub(crate) fn partition(&self, topic: usize, partition: usize) -> Option<PartitionView> {
        self.topics.get(topic)?.partitions.get(partition).copied()
    }

    /// Changes whenever leaders or brokers do.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Something did not fit: leaders must be looked up soon.
    pub(crate) fn want_refresh(&mut self) {
        self.wanted = true;
    }

    /// When to ask next, ns.
    pub(crate) fn refresh_ns(&self) -> u64 {
        if self.asked {
            return NEVER;
        }
        let expiry_ns = self.last_success_ns + self.config.metadata_max_age_ns;
        let wish_ns = if self.wanted { 0 } else { expiry_ns };
        wish_ns.max(self.backoff_until_ns)
    }

    /// The request; from here until [`ClusterView::update`] or [`ClusterView::failed`] no other.
    pub(crate) fn request(&mut self) -> Request {
        self.asked = true;
        self.wanted = false;
        let names = self.topics.iter().map(|topic| topic.name.clone()).collect();
        Request::Metadata(MetadataRequest {
            topics: Some(names),
            // MSK switches it off
            allow_auto_topic_creation: false,
        })
    }

    /// The request failed.
    #[cold]
    pub(crate) fn failed(&mut self, draws: &mut Stream, now_ns: u64) {
        self.asked = false;
        self.wanted = true;
        self.back_off(draws, now_ns);
    }

    fn back_off(&mut self, draws: &mut Stream, now_ns: u64) {
        self.backoff_until_ns = now_ns + self.config.retry_backoff().after(self.fruitless, draws);
        self.fruitless = self.fruitless.saturating_add(1);
    }

    /// Takes an answer in.
    #[cold]
    pub(crate) fn update(&mut self, response: &MetadataResponse, draws: &mut Stream, now_ns: u64) {
        self.asked = false;
        self.last_success_ns = now_ns;
        if !response.brokers.is_empty() {
            let brokers: Vec<NodeId> = response.brokers.iter().map(|(id, _)| *id).collect();
            if brokers != self.brokers {
                self.brokers = brokers;
                self.version += 1;
            }
        }
        let before = self.version;
        for answer in &response.topics {
            self.update_topic(answer);
        }
        if self.version == before {
            self.back_off(draws, now_ns);
        } else {
            self.fruitless = 0;
            // as in Kafka, two updates are never closer than the first back-off
            self.backoff_until_ns = now_ns + self.config.retry_backoff_ns;
        }
    }

    fn update_topic(&mut self, answer: &MetadataTopic) {
        let Some(topic) = self.topics.iter_mut().find(|topic| topic.name == answer.name) else {
            return;
        };
        if !answer.error.is_ok() {
            self.wanted = true;
            return;
        }
        let recreated = topic.id.is_some_and(|id| id != answer.id);
        if topic.id != Some(answer.id) {
            topic.id = Some(answer.id);
            self.version += 1;
        }
        if recreated || topic.partitions.len() < answer.partitions.len() {
            let unknown = PartitionView { leader: None, epoch: NO_EPOCH };
            if recreated {
                topic.partitions.clear();
            }
            topic.partitions.resize(answer.partitions.len(), unknown);
            self.version += 1;
        }
        for (known, told) in topic.partitions.iter_mut().zip(&answer.partitions) {
            let leader = told_leader(told);
            self.wanted |= leader.is_none();
            let new = PartitionView { leader, epoch: told.leader_epoch };
            if told.leader_epoch >= known.epoch && *known != new {
                *known = new;
                self.version += 1;
            }
        }
    }

    /// Takes a leader from an error response (KIP-951). Whether it was news.
    #[cold]
    pub(crate) fn hint(&mut self, topic: usize, partition: usize, told: LeaderAndEpoch) -> bool {
        let slot = self.topics.get_mut(topic).and_then(|topic| topic.partitions.get_mut(partition));
        let Some(known) = slot else { return false };
        if told.epoch <= known.epoch || !self.brokers.contains(&told.leader) {
            return false;
        }
        *known = PartitionView { leader: Some(told.leader), epoch: told.epoch };
        self.version += 1;
        true
    }
}

fn told_leader(told: &MetadataPartition) -> Option<NodeId> {
    told.leader.filter(|_| told.error != ErrorCode::LeaderNotAvailable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use stormglass_scenarios::plan::ClientProfile;

    const MS: u64 = 1_000_000;

    fn view() -> (ClusterView, Stream) {
        let config = ConnectionConfig::parse(ClientProfile::Java, &Default::default()).unwrap();
        (
            ClusterView::new(config, &[NodeId(1), NodeId(2)], [Arc::from("t")]),
            crate::rng::Streams::new(1).stream("client", "draws"),
        )
    }

    fn answer(leader: Option<i32>, leader_epoch: i32) -> MetadataResponse {
        let partition = MetadataPartition {
            error: ErrorCode::None,
            leader: leader.map(NodeId),
            leader_epoch,
            replicas: vec![NodeId(1), NodeId(2)],
            isr: vec![NodeId(1)],
        };
        let topic = MetadataTopic {
            error: ErrorCode::None,
            name: Arc::from("t"),
            id: TopicId(9),
            partitions: vec![partition],
        };
        let brokers = vec![(NodeId(1), None), (NodeId(2), None)];
        MetadataResponse { brokers, controller: None, topics: vec![topic] }
    }

    #[test]
    fn older_epochs_are_ignored() {
        let (mut view, mut draws) = view();
        view.update(&answer(Some(2), 5), &mut draws, 0);
        view.update(&answer(Some(1), 4), &mut draws, MS);
        let known = view.partition(0, 0).unwrap();
        assert_eq!(known, PartitionView { leader: Some(NodeId(2)), epoch: 5 });
        assert!(!view.hint(0, 0, LeaderAndEpoch { leader: NodeId(1), epoch: 5 }));
        assert!(view.hint(0, 0, LeaderAndEpoch { leader: NodeId(1), epoch: 6 }));
    }

    #[test]
    fn refresh_backs_off_while_a_leader_is_missing_and_expires_otherwise() {
        let (mut view, mut draws) = view();
        assert_eq!(view.refresh_ns(), 0);
        let _ = view.request();
        assert_eq!(view.refresh_ns(), NEVER);
        view.update(&answer(None, 1), &mut draws, 0);
        let mut waits = Vec::new();
        let mut now_ns = 0;
        for _ in 0..6 {
            waits.push(view.refresh_ns() - now_ns);
            now_ns = view.refresh_ns();
            let _ = view.request();
            view.update(&answer(None, 1), &mut draws, now_ns);
        }
        assert_eq!(waits[0], 100 * MS);
        assert!(waits[5] > 700 * MS && waits[5] <= 1_200 * MS, "{waits:?}");
        let _ = view.request();
        view.update(&answer(Some(1), 2), &mut draws, now_ns);
        assert_eq!(view.refresh_ns(), now_ns + 300_000 * MS);
    }
}
