//! The broker role of a node: replicas, groups, and this broker's view of the cluster.

use crate::api;
use crate::api::init_producer_id::ProducerIds;
use crate::api::list_offsets::ListOffsetsWaits;
use crate::config::NodeConfig;
use crate::effective::Dynamic;
use crate::forwarding::Forwarding;
use crate::group::GroupCoordinator;
use crate::ids::NodeId;
use crate::log::Log;
use crate::metadata::{ConfigResource, MetadataDelta, MetadataImage};
use crate::protocol::Request;
use crate::quota::Quotas;
use crate::replica::ReplicaManager;
use crate::seam::DiskResult;
use crate::step::{ReplyTo, Step};
use crate::txn::{Cx, MarkerAppends, TransactionCoordinator, Verifier};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Everything of the broker role.
#[derive(Debug)]
pub(crate) struct BrokerRole {
    pub(crate) config: NodeConfig,
    pub(crate) image: MetadataImage,
    pub(crate) replicas: ReplicaManager,
    pub(crate) groups: GroupCoordinator,
    pub(crate) transactions: Box<TransactionCoordinator>,
    pub(crate) markers: MarkerAppends,
    pub(crate) verifier: Verifier,
    pub(crate) list_offsets: ListOffsetsWaits,
    pub(crate) producer_ids: ProducerIds,
    /// Active controller, as the metadata quorum says.
    pub(crate) controller: Option<NodeId>,
    /// Epoch of this broker's registration, `-1` before it.
    pub(crate) broker_epoch: i64,
    /// Topics that this broker has asked the controller to create.
    pub(crate) creating_topics: BTreeSet<Arc<str>>,
    pub(crate) forwarding: Forwarding,
    pub(crate) quotas: Quotas,
}

impl BrokerRole {
    pub(crate) fn new(config: NodeConfig, logs: Vec<(Log, i64)>) -> Self {
        Self {
            replicas: ReplicaManager::new(config.clone(), logs),
            groups: GroupCoordinator::new(&config),
            transactions: Box::new(TransactionCoordinator::new(&config)),
            markers: MarkerAppends::default(),
            verifier: Verifier::default(),
            image: MetadataImage::default(),
            list_offsets: ListOffsetsWaits::default(),
            producer_ids: ProducerIds::default(),
            controller: None,
            broker_epoch: -1,
            creating_topics: BTreeSet::new(),
            forwarding: Forwarding::default(),
            quotas: Quotas::new(config.limits),
            config,
        }
    }

    /// A client's or follower's request.
    pub(crate) fn request(&mut self, step: &mut Step<'_>, to: ReplyTo, mut request: Request) {
        if self.quotas.is_active() {
            self.quotas.asked(to, &mut request);
        }
        match request {
            Request::Produce(request) => api::produce::handle(self, step, to, request),
            Request::Fetch(request) => api::fetch::handle(self, step, to, request),
            rare => self.rare_request(step, to, rare),
        }
    }

    /// Everything but records.
    #[cold]
    fn rare_request(&mut self, step: &mut Step<'_>, to: ReplyTo, request: Request) {
        match request {
            Request::ListOffsets(request) => api::list_offsets::handle(self, step, to, request),
            Request::Metadata(request) => api::metadata::handle(self, step, to, request),
            Request::OffsetForLeaderEpoch(request) => {
                api::offset_for_leader_epoch::handle(self, step, to, request);
            }
            Request::InitProducerId(request) => {
                api::init_producer_id::handle(self, step, to, request);
            }
            Request::FindCoordinator(_)
            | Request::OffsetCommit(_)
            | Request::OffsetFetch(_)
            | Request::JoinGroup(_)
            | Request::SyncGroup(_)
            | Request::Heartbeat(_)
            | Request::LeaveGroup(_)
            | Request::ConsumerGroupHeartbeat(_)
            | Request::ConsumerGroupDescribe(_)
            | Request::DescribeGroups(_)
            | Request::ListGroups(_)
            | Request::DeleteGroups(_)
            | Request::OffsetDelete(_) => self.group_request(step, to, request),
            Request::DescribeQuorum(_)
            | Request::UpdateFeatures(_)
            | Request::UnregisterBroker(_)
            | Request::CreateTopics(_)
            | Request::ElectLeaders(_)
            | Request::DeleteTopics(_)
            | Request::CreatePartitions(_)
            | Request::AlterPartitionReassignments(_)
            | Request::ListPartitionReassignments(_)
            | Request::AlterClientQuotas(_)
            | Request::AlterConfigs(_) => api::create_topics::forward(self, step, to, request),
            Request::DeleteRecords(request) => {
                api::delete_records::handle(self, step, to, request);
            }
            Request::ListConfigResources(_)
            | Request::DescribeConfigs(_)
            | Request::DescribeClientQuotas(_)
            | Request::DescribeTopicPartitions(_)
            | Request::DescribeLogDirs(_)
            | Request::AlterReplicaLogDirs(_)
            | Request::DescribeProducers(_) => self.tool_request(step, to, request),
            Request::TransactionalProduce(_)
            | Request::AddPartitionsToTxn(_)
            | Request::AddOffsetsToTxn(_)
            | Request::EndTxn(_)
            | Request::WriteTxnMarkers(_)
            | Request::TxnOffsetCommit(_)
            | Request::DescribeTransactions(_)
            | Request::ListTransactions(_) => api::transactions::handle(self, step, to, request),
            Request::Produce(_) | Request::Fetch(_) => self.request(step, to, request),
            // Quorum and controller requests never reach a broker's data listener.
            Request::AlterPartition(_)
            | Request::BrokerRegistration(_)
            | Request::BrokerHeartbeat(_)
            | Request::AllocateProducerIds(_)
            | Request::Vote(_)
            | Request::BeginQuorumEpoch(_)
            | Request::EndQuorumEpoch(_)
            | Request::FetchSnapshot(_) => {}
        }
    }

    /// A request about groups.
    fn group_request(&mut self, step: &mut Step<'_>, to: ReplyTo, request: Request) {
        match request {
            Request::FindCoordinator(request) => {
                api::find_coordinator::handle(self, step, to, request);
            }
            Request::OffsetCommit(request) => api::offset_commit::handle(self, step, to, *request),
            Request::OffsetFetch(request) => api::offset_fetch::handle(self, step, to, request),
            Request::JoinGroup(request) => api::join_group::handle(self, step, to, *request),
            Request::SyncGroup(request) => api::sync_group::handle(self, step, to, *request),
            Request::Heartbeat(request) => api::heartbeat::handle(self, step, to, &request),
            Request::LeaveGroup(request) => api::leave_group::handle(self, step, to, request),
            Request::ConsumerGroupHeartbeat(request) => {
                api::consumer_group_heartbeat::handle(self, step, to, &request);
            }
            Request::ConsumerGroupDescribe(request) => {
                api::consumer_group_describe::handle(self, step, to, &request);
            }
            Request::DescribeGroups(request) => {
                api::describe_groups::handle(self, step, to, &request);
            }
            Request::ListGroups(request) => api::list_groups::handle(self, step, to, &request),
            Request::DeleteGroups(request) => api::delete_groups::handle(self, step, to, request),
            Request::OffsetDelete(request) => api::offset_delete::handle(self, step, to, request),
            _ => debug_assert!(false, "not about groups"),
        }
    }

    /// What tools look at.
    fn tool_request(&mut self, step: &mut Step<'_>, to: ReplyTo, request: Request) {
        match request {
            Request::ListConfigResources(request) => {
                api::list_config_resources::handle(self, step, to, &request);
            }
            Request::DescribeConfigs(request) => {
                api::describe_configs::handle(self, step, to, &request);
            }
            Request::DescribeClientQuotas(request) => {
                api::describe_client_quotas::handle(self, step, to, &request);
            }
            Request::DescribeTopicPartitions(request) => {
                api::describe_topic_partitions::handle(self, step, to, &request);
            }
            Request::DescribeLogDirs(request) => {
                api::describe_log_dirs::handle(self, step, to, &request);
            }
            Request::AlterReplicaLogDirs(request) => {
                api::describe_log_dirs::alter(self, step, to, &request);
            }
            Request::DescribeProducers(request) => {
                api::describe_producers::handle(self, step, to, request);
            }
            _ => debug_assert!(false, "not about what tools look at"),
        }
    }

    /// Committed metadata changed.
    pub(crate) fn apply_metadata(&mut self, step: &mut Step<'_>, delta: &MetadataDelta) {
        let own = ConfigResource::Broker(self.config.node);
        if delta.configs.contains(&ConfigResource::AllBrokers) || delta.configs.contains(&own) {
            let dynamic = Dynamic::of(&self.image, self.config.node);
            let server = dynamic.over(&self.config.server);
            self.replicas.set_server(server);
            self.replicas.set_throttled_rates(
                dynamic.rate("leader.replication.throttled.rate"),
                dynamic.rate("follower.replication.throttled.rate"),
            );
        }
        self.replicas.apply_metadata(step, &self.image, delta);
        self.groups.apply_metadata(step, &mut self.replicas, &self.image, delta);
        let Self { replicas, image, transactions, .. } = self;
        transactions.apply_metadata(&mut Cx { step, replicas, image }, delta);
        if delta.quotas {
            self.quotas.set_client_quotas(self.image.quotas().clone());
        }
        if !delta.brokers.is_empty() {
            let active = self.image.brokers().filter(|(_, broker)| broker.is_active()).count();
            self.quotas.set_active_brokers(u32::try_from(active).unwrap_or(u32::MAX));
        }
    }

    /// A disk operation of the groups ended.
    pub(crate) fn group_disk_done(
        &mut self,
        step: &mut Step<'_>,
        id: crate::ids::DiskOpId,
        result: DiskResult,
    ) {
        self.groups.disk_done(step, (&mut self.replicas, &self.image), id, result);
    }

    /// Deadlines of groups.
    pub(crate) fn groups_due(&mut self, step: &mut Step<'_>) {
        self.groups.timer_due(step, &mut self.replicas, &self.image);
    }

    /// Lets positions of groups expire.
    pub(crate) fn groups_expire(&mut self, step: &mut Step<'_>) {
        self.groups.expiry_due(step, &mut self.replicas);
    }

    /// After every input.
    pub(crate) fn finish_step(&mut self, step: &mut Step<'_>) {
        // what follows from one append may be another that is refused at once
        while self.replicas.has_outcomes() {
            for outcome in self.replicas.take_outcomes() {
                api::transactions::append_done(self, step, outcome);
            }
        }
        self.groups.finish_step(step, &mut self.replicas, &self.image);
        if self.transactions.has_stalled_loads() {
            api::transactions::resume_loads(self, step);
        }
        self.replicas.finish_step(step, self.controller, self.broker_epoch);
        if self.quotas.awaits_answers() {
            self.quotas.answering(step, &mut self.replicas);
        }
    }
}
