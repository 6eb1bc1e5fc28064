//! The broker role of a node: replicas, groups, and this broker's view of the cluster.

use crate::api;
use crate::api::init_producer_id::ProducerIds;
use crate::api::list_offsets::ListOffsetsWaits;
use crate::config::NodeConfig;
use crate::error::ErrorCode;
use crate::group::GroupCoordinator;
use crate::ids::{CorrelationId, NodeId};
use crate::log::Log;
use crate::metadata::{MetadataDelta, MetadataImage};
use crate::pending::Pending;
use crate::protocol::{
    AllocateProducerIdsResponse, CreateTopicsRequest, CreateTopicsResponse, CreatedTopic,
    ElectLeadersResponse, NewTopic, Request, Response,
};
use crate::replica::ReplicaManager;
use crate::seam::{Channel, DiskResult, PeerError};
use crate::step::{Owner, ReplyTo, Step};
use crate::time::Duration;
use crate::txn::{Cx, MarkerAppends, TransactionCoordinator, Verifier};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Time-out of requests to the controller (`controller.socket.timeout.ms`).
const CONTROLLER_TIMEOUT: Duration = Duration::from_millis(30_000);

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
    forwarded: Pending<Forwarded>,
}

/// A request that the controller answers.
#[derive(Debug)]
struct Forwarded {
    /// Client that waits; `None` when this broker asks for itself.
    to: Option<ReplyTo>,
    failed: Response,
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
            forwarded: Pending::default(),
            config,
        }
    }

    /// A client's or follower's request.
    pub(crate) fn request(&mut self, step: &mut Step<'_>, to: ReplyTo, request: Request) {
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
            | Request::DescribeGroups(_)
            | Request::ListGroups(_)
            | Request::DeleteGroups(_)
            | Request::OffsetDelete(_) => self.group_request(step, to, request),
            Request::CreateTopics(_)
            | Request::ElectLeaders(_)
            | Request::DeleteTopics(_)
            | Request::CreatePartitions(_)
            | Request::AlterConfigs(_) => api::create_topics::forward(self, step, to, request),
            Request::DescribeConfigs(request) => {
                api::describe_configs::handle(self, step, to, &request);
            }
            Request::DeleteRecords(request) => {
                api::delete_records::handle(self, step, to, request);
            }
            Request::DescribeProducers(request) => {
                api::describe_producers::handle(self, step, to, request);
            }
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
            Request::DescribeGroups(request) => {
                api::describe_groups::handle(self, step, to, &request);
            }
            Request::ListGroups(request) => api::list_groups::handle(self, step, to, &request),
            Request::DeleteGroups(request) => api::delete_groups::handle(self, step, to, request),
            Request::OffsetDelete(request) => api::offset_delete::handle(self, step, to, request),
            _ => debug_assert!(false, "not about groups"),
        }
    }

    /// Asks the active controller, for a client or for this broker.
    pub(crate) fn ask_controller(
        &mut self,
        step: &mut Step<'_>,
        request: Request,
        to: Option<ReplyTo>,
    ) {
        let failed = failure_of(&request);
        let Some(controller) = self.controller else {
            return self.controller_answered(
                step,
                Forwarded { to, failed: failed.clone() },
                failed,
            );
        };
        let channel = Channel::Controller;
        let id = step.send(Owner::Forward, controller, channel, CONTROLLER_TIMEOUT, request);
        self.forwarded.insert(id.0, Forwarded { to, failed });
    }

    /// The controller's answer to a forwarded request.
    pub(crate) fn forwarded_response(
        &mut self,
        step: &mut Step<'_>,
        id: CorrelationId,
        result: Result<Response, PeerError>,
    ) {
        let Some(forwarded) = self.forwarded.remove(id.0) else { return };
        let response = result.unwrap_or_else(|_| forwarded.failed.clone());
        self.controller_answered(step, forwarded, response);
    }

    fn controller_answered(&mut self, step: &mut Step<'_>, asked: Forwarded, response: Response) {
        match (asked.to, response) {
            (Some(to), response) => step.reply(to, response),
            (None, Response::AllocateProducerIds(response)) => {
                api::init_producer_id::allocated(self, step, Some(response));
            }
            (None, Response::CreateTopics(response)) => {
                for topic in &response.topics {
                    self.creating_topics.remove(&topic.name);
                }
            }
            (None, _) => {}
        }
    }

    /// Committed metadata changed.
    pub(crate) fn apply_metadata(&mut self, step: &mut Step<'_>, delta: &MetadataDelta) {
        self.replicas.apply_metadata(step, &self.image, delta);
        self.groups.apply_metadata(step, &mut self.replicas, &self.image, delta);
        let Self { replicas, image, transactions, .. } = self;
        transactions.apply_metadata(&mut Cx { step, replicas, image }, delta);
    }

    /// A disk operation of the groups ended.
    pub(crate) fn group_disk_done(
        &mut self,
        step: &mut Step<'_>,
        id: crate::ids::DiskOpId,
        result: DiskResult,
    ) {
        self.groups.disk_done(step, &mut self.replicas, id, result);
    }

    /// Deadlines of groups.
    pub(crate) fn groups_due(&mut self, step: &mut Step<'_>) {
        self.groups.timer_due(step, &mut self.replicas);
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
        self.groups.finish_step(step, &mut self.replicas);
        if self.transactions.has_stalled_loads() {
            api::transactions::resume_loads(self, step);
        }
        self.replicas.finish_step(step, self.controller, self.broker_epoch);
    }
}

/// What is answered when no controller can be reached.
fn failure_of(request: &Request) -> Response {
    let error = ErrorCode::NotController;
    if let Some(refused) = crate::controller::refuse_topics(request, error) {
        return refused;
    }
    match request {
        Request::CreateTopics(CreateTopicsRequest { topics, .. }) => {
            let refused = |topic: &NewTopic| CreatedTopic::refused(topic.name.clone(), error, None);
            let topics = topics.iter().map(refused).collect();
            Response::CreateTopics(CreateTopicsResponse { topics })
        }
        Request::ElectLeaders(_) => {
            Response::ElectLeaders(ElectLeadersResponse { error, partitions: Vec::new() })
        }
        _ => Response::AllocateProducerIds(AllocateProducerIdsResponse { error, first: 0, len: 0 }),
    }
}
