//! BrokerRegistration, BrokerHeartbeat and UnregisterBroker: who is in the cluster, fenced or not, and
//! controlled shutdown (Kafka's `ClusterControlManager`, KIP-631).

use super::state::{Controller, heartbeat_error};
use crate::error::ErrorCode;
use crate::ids::{NodeId, Offset};
use crate::metadata::{BrokerImage, MetadataRecord, RegisterBrokerRecord};
use crate::plant::{Plant, planted};
use crate::protocol::{
    BrokerHeartbeatRequest, BrokerHeartbeatResponse, BrokerRegistrationRequest,
    BrokerRegistrationResponse, Response, UnregisterBrokerResponse,
};
use crate::raft::Raft;
use crate::step::Step;

/// What a heartbeat leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Stay,
    Fence,
    Unfence,
    BeginShutdown,
    ShutDownNow,
}

impl Controller {
    pub(super) fn register_broker(
        &mut self,
        step: &mut Step<'_>,
        raft: &Raft,
        request: &BrokerRegistrationRequest,
    ) -> Response {
        let broker = request.broker;
        let (error, broker_epoch) = match self.image.broker(broker).cloned() {
            Some(known) if known.incarnation == request.incarnation => {
                // the answer to its first try was lost, or this one comes late: what it has said since stays
                // (hunt seed 2318467)
                self.sessions().touch(broker, step.now);
                (ErrorCode::None, known.epoch)
            }
            // what was registered before the broker of this very process ended with the last one
            Some(_)
                if request.incarnation != self.incarnation
                    && self.has_valid_session(broker, step.now) =>
            {
                (ErrorCode::DuplicateBrokerRegistration, -1)
            }
            known => {
                let epoch = self.register_anew(raft, request, known.as_ref());
                self.sessions().restart(broker, step.now);
                (ErrorCode::None, epoch)
            }
        };
        Response::BrokerRegistration(BrokerRegistrationResponse { error, broker_epoch })
    }

    fn register_anew(
        &mut self,
        raft: &Raft,
        request: &BrokerRegistrationRequest,
        known: Option<&BrokerImage>,
    ) -> Offset {
        let broker = request.broker;
        if known.is_some_and(|known| !known.fenced) {
            // its process has ended: what it led needs another leader
            self.fence(broker);
        }
        let epoch = raft.log_end_offset() + self.staged() as Offset;
        self.stage(MetadataRecord::RegisterBroker(RegisterBrokerRecord {
            broker,
            incarnation: request.incarnation,
            epoch,
            rack: request.rack.clone(),
            endpoint: request.endpoint.clone(),
            fenced: true,
            in_controlled_shutdown: false,
        }));
        epoch
    }

    /// Ends a registration, whose broker may be gone or not, as in Kafka: one that lives registers
    /// anew.
    pub(super) fn unregister_broker(&mut self, broker: NodeId) -> Response {
        let Some(epoch) = self.image.broker(broker).map(|known| known.epoch) else {
            let error = ErrorCode::BrokerIdNotRegistered;
            return Response::UnregisterBroker(UnregisterBrokerResponse { error });
        };
        // it leads nothing and is in no ISR that has another member
        self.fence(broker);
        self.stage(MetadataRecord::UnregisterBroker { broker, epoch });
        Response::UnregisterBroker(UnregisterBrokerResponse { error: ErrorCode::None })
    }

    /// Error of a request that names a registration which is not the current one (ISR-22).
    pub(super) fn check_broker_epoch(&self, broker: NodeId, epoch: Offset) -> ErrorCode {
        let takes_old = planted(self.plant, Plant::OldBrokerEpochAccepted);
        match self.image.broker(broker) {
            Some(known) if known.epoch == epoch || takes_old => ErrorCode::None,
            _ => ErrorCode::StaleBrokerEpoch,
        }
    }

    pub(super) fn heartbeat(
        &mut self,
        step: &mut Step<'_>,
        raft: &Raft,
        request: BrokerHeartbeatRequest,
    ) -> Response {
        let error = self.check_broker_epoch(request.broker, request.broker_epoch);
        if !error.is_ok() {
            return Response::BrokerHeartbeat(heartbeat_error(error));
        }
        let session = self.sessions().touch(request.broker, step.now);
        session.metadata_offset = request.current_metadata_offset;
        let next = self.next_state(&request);
        match next {
            Next::Stay => {}
            Next::Fence | Next::ShutDownNow => self.fence(request.broker),
            Next::Unfence => self.unfence(request.broker),
            Next::BeginShutdown => {
                self.begin_controlled_shutdown(request.broker);
                let last = raft.log_end_offset() + self.staged() as Offset - 1;
                self.sessions().touch(request.broker, step.now).shutdown_offset = last;
            }
        }
        let is_fenced = self.image.broker(request.broker).is_none_or(|broker| broker.fenced);
        Response::BrokerHeartbeat(BrokerHeartbeatResponse {
            error,
            is_caught_up: request.current_metadata_offset >= request.broker_epoch,
            is_fenced,
            should_shut_down: next == Next::ShutDownNow,
        })
    }

    fn next_state(&self, request: &BrokerHeartbeatRequest) -> Next {
        let Some(broker) = self.image.broker(request.broker) else { return Next::Stay };
        if broker.fenced {
            return match request {
                _ if request.want_shut_down => Next::ShutDownNow,
                _ if request.want_fence => Next::Stay,
                // it must know of its own registration, or it would act on the one before
                _ if request.current_metadata_offset >= broker.epoch
                    || planted(self.plant, Plant::UnfencedBlindly) =>
                {
                    Next::Unfence
                }
                _ => Next::Stay,
            };
        }
        if broker.in_controlled_shutdown {
            let known_to_all = self
                .active
                .as_ref()
                .and_then(|active| active.sessions.of(request.broker))
                .is_none_or(|session| session.shutdown_offset <= self.lowest_active_offset());
            let may_lead = planted(self.plant, Plant::ShutsDownLeading);
            let done = may_lead || !self.leads_something(request.broker) && known_to_all;
            return if done { Next::ShutDownNow } else { Next::Stay };
        }
        match (request.want_fence, request.want_shut_down) {
            (true, true) => Next::ShutDownNow,
            (true, false) => Next::Fence,
            (false, true) if self.leads_something(request.broker) => Next::BeginShutdown,
            (false, true) => Next::ShutDownNow,
            (false, false) => Next::Stay,
        }
    }

    fn leads_something(&self, broker: NodeId) -> bool {
        self.image.partitions().any(|(_, partition)| partition.leader == Some(broker))
    }

    /// Fences a broker and takes its leaderships and ISR memberships away.
    pub(super) fn fence(&mut self, broker: NodeId) {
        self.change_registration(broker, Some(true), false);
        self.remove_from_isrs(broker);
    }

    fn unfence(&mut self, broker: NodeId) {
        self.change_registration(broker, Some(false), false);
        self.elect_for_leaderless(broker);
    }

    fn begin_controlled_shutdown(&mut self, broker: NodeId) {
        self.change_registration(broker, None, true);
        self.remove_from_isrs(broker);
    }

    pub(super) fn change_registration(
        &mut self,
        broker: NodeId,
        fenced: Option<bool>,
        in_controlled_shutdown: bool,
    ) {
        let image = self.image.broker(broker).expect("callers checked the registration");
        let changes = fenced.is_some_and(|fenced| fenced != image.fenced)
            || (in_controlled_shutdown && !image.in_controlled_shutdown);
        if changes {
            let epoch = image.epoch;
            self.stage(MetadataRecord::BrokerRegistrationChange {
                broker,
                epoch,
                fenced,
                in_controlled_shutdown,
            });
        }
    }

    fn sessions(&mut self) -> &mut super::sessions::Sessions {
        &mut self.active.as_mut().expect("requests are refused unless active").sessions
    }
}
