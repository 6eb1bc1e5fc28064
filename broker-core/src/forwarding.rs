//! Requests that the active controller decides: what clients ask of any broker (KIP-590, Kafka's
//! `ForwardingManager`), and what a broker asks for itself. A client's request waits while no
//! controller is known, and is sent again when the one that had it was none or is gone, as in
//! Kafka's `NodeToControllerChannelManager`. Leaves out the client's identity.

use crate::api;
use crate::error::ErrorCode;
use crate::ids::{ConnectionId, CorrelationId, NodeId};
use crate::pending::Pending;
use crate::protocol::{
    AllocateProducerIdsResponse, CreateTopicsRequest, CreateTopicsResponse, CreatedTopic,
    ElectLeadersResponse, NewTopic, Request, Response,
};
use crate::role::BrokerRole;
use crate::seam::{Channel, PeerError, TimerKey};
use crate::step::{Owner, ReplyTo, Step};
use crate::time::{Duration, Instant};

/// Longest wait of a client's request, as in Kafka's `BrokerServer`.
const FORWARD_TIMEOUT: Duration = Duration::from_millis(60_000);
/// Pause before the same controller is asked again.
const RETRY: Duration = Duration::from_millis(100);

/// What the controller was asked, or will be.
#[derive(Debug, Default)]
pub(crate) struct Forwarding {
    in_flight: Pending<Asked>,
    /// In order of arrival.
    held: Vec<Held>,
    /// When the timer rings, if it is armed.
    armed: Option<Instant>,
}

#[derive(Debug)]
struct Asked {
    request: Request,
    /// `None` when this broker asks for itself.
    client: Option<Client>,
    /// Who has it.
    controller: NodeId,
}

#[derive(Debug, Clone, Copy)]
struct Client {
    to: ReplyTo,
    give_up_at: Instant,
}

/// A client's request that waits for a controller.
#[derive(Debug)]
struct Held {
    request: Request,
    client: Client,
    /// Who did not take it, and when it may be asked again.
    refused: Option<(NodeId, Instant)>,
}

impl Held {
    fn may_ask(&self, controller: NodeId, now: Instant) -> bool {
        self.refused.is_none_or(|(by, retry_at)| by != controller || now >= retry_at)
    }

    /// When it is looked at again. A pause that is over ends nothing: whoever still waits then waits
    /// for a controller to be known (hunt seed 14).
    fn due_at(&self, now: Instant) -> Instant {
        let retry_at = self.refused.map(|(_, retry_at)| retry_at).filter(|at| *at > now);
        retry_at.unwrap_or(Instant::FAR_FUTURE).min(self.client.give_up_at)
    }
}

impl Forwarding {
    pub(crate) fn holds_requests(&self) -> bool {
        !self.held.is_empty()
    }

    /// What this broker is asking the controller for itself, for checkers.
    pub(crate) fn own(&self) -> impl Iterator<Item = &Request> {
        let own = self.in_flight.values().filter(|asked| asked.client.is_none());
        own.map(|asked| &asked.request)
    }

    /// Since when a client's request that is held back could be sent to this controller, for checkers: since its pause
    /// is over, or since it has come.
    pub(crate) fn idle(&self, controller: NodeId) -> Option<Instant> {
        let came = |held: &Held| {
            let ns = held.client.give_up_at.as_nanos().saturating_sub(FORWARD_TIMEOUT.as_nanos());
            Instant::from_nanos(ns)
        };
        let pause_of = |held: &Held| held.refused.filter(|(by, _)| *by == controller);
        let since = |held: &Held| pause_of(held).map_or_else(|| came(held), |(_, until)| until);
        self.held.iter().map(since).min()
    }

    /// Requests of clients that are not answered, for checkers.
    pub(crate) fn answers_owed(&self) -> usize {
        let asked = self.in_flight.values().filter(|asked| asked.client.is_some());
        self.held.len() + asked.count()
    }

    /// Whether a client's request is held back, and nothing ends that when its time is over; for checkers.
    pub(crate) fn is_unwatched(&self) -> bool {
        let give_up_at = self.held.iter().map(|held| held.client.give_up_at).min();
        give_up_at.is_some_and(|at| self.armed.is_none_or(|armed| armed > at))
    }

    /// When the timer rings, for checkers.
    pub(crate) fn armed(&self) -> Option<Instant> {
        self.armed
    }

    /// What that connection asked and no controller has is not asked any more.
    pub(crate) fn drop_connection(&mut self, conn: ConnectionId) {
        self.held.retain(|held| held.client.to.conn != conn);
    }

    fn arm(&mut self, step: &mut Step<'_>) {
        let Some(due_at) = self.held.iter().map(|held| held.due_at(step.now)).min() else { return };
        if self.armed.is_none_or(|armed| due_at < armed) {
            self.armed = Some(due_at);
            step.timer(due_at, TimerKey::Forward);
        }
    }
}

impl BrokerRole {
    /// Asks the active controller for a client.
    #[cold]
    pub(crate) fn forward(&mut self, step: &mut Step<'_>, to: ReplyTo, request: Request) {
        let client = Client { to, give_up_at: step.now + FORWARD_TIMEOUT };
        self.forwarding.held.push(Held { request, client, refused: None });
        self.resume_forwarding(step);
    }

    /// Asks the active controller for this broker, which knows how to go on without an answer.
    #[cold]
    pub(crate) fn ask_controller(&mut self, step: &mut Step<'_>, request: Request) {
        match self.controller {
            Some(controller) => self.send_to_controller(step, controller, request, None),
            None => self.told(step, failure_of(&request, ErrorCode::NotController)),
        }
    }

    fn send_to_controller(
        &mut self,
        step: &mut Step<'_>,
        controller: NodeId,
        request: Request,
        client: Option<Client>,
    ) {
        let timeout = self.replicas.config.server.controller_socket_timeout;
        let channel = Channel::Controller;
        let id = step.send(Owner::Forward, controller, channel, timeout, request.clone());
        self.forwarding.in_flight.insert(id.0, Asked { request, client, controller });
    }

    /// A controller may be known now, or time is over.
    #[cold]
    pub(crate) fn resume_forwarding(&mut self, step: &mut Step<'_>) {
        for held in std::mem::take(&mut self.forwarding.held) {
            match self.controller {
                _ if step.now >= held.client.give_up_at => {
                    let answer = failure_of(&held.request, ErrorCode::RequestTimedOut);
                    step.reply(held.client.to, answer);
                }
                Some(controller) if held.may_ask(controller, step.now) => {
                    self.send_to_controller(step, controller, held.request, Some(held.client));
                }
                _ => self.forwarding.held.push(held),
            }
        }
        self.forwarding.arm(step);
    }

    /// `TimerKey::Forward`.
    #[cold]
    pub(crate) fn forwarding_due(&mut self, step: &mut Step<'_>) {
        if self.forwarding.armed.is_some_and(|armed| step.now >= armed) {
            self.forwarding.armed = None;
        }
        self.resume_forwarding(step);
    }

    /// The answer to a request with `Owner::Forward`.
    #[cold]
    pub(crate) fn forwarded_response(
        &mut self,
        step: &mut Step<'_>,
        id: CorrelationId,
        result: Result<Response, PeerError>,
    ) {
        let Some(asked) = self.forwarding.in_flight.remove(id.0) else { return };
        let answer = result.ok().filter(|response| !is_from_no_controller(response));
        match (asked.client, answer) {
            (Some(client), Some(response)) => step.reply(client.to, response),
            (Some(client), None) => {
                let refused = Some((asked.controller, step.now + RETRY));
                self.forwarding.held.push(Held { request: asked.request, client, refused });
                self.resume_forwarding(step);
            }
            (None, Some(response)) => self.told(step, response),
            (None, None) => self.told(step, failure_of(&asked.request, ErrorCode::NotController)),
        }
    }

    /// What this broker asked for itself is answered.
    fn told(&mut self, step: &mut Step<'_>, response: Response) {
        match response {
            Response::AllocateProducerIds(response) => {
                api::init_producer_id::allocated(self, step, Some(response));
            }
            Response::CreateTopics(response) => {
                for topic in &response.topics {
                    self.creating_topics.remove(&topic.name);
                }
            }
            _ => {}
        }
    }
}

/// Whether who answered is not the active controller, or is it no longer.
fn is_from_no_controller(response: &Response) -> bool {
    let not_controller = |error: ErrorCode| error == ErrorCode::NotController;
    match response {
        Response::CreateTopics(response) => {
            response.topics.iter().any(|topic| not_controller(topic.error))
        }
        Response::DeleteTopics(response) => {
            response.topics.iter().any(|topic| not_controller(topic.error))
        }
        Response::CreatePartitions(response) => {
            response.topics.iter().any(|(_, error)| not_controller(*error))
        }
        Response::AlterConfigs(response) => {
            response.resources.iter().any(|resource| not_controller(resource.error))
        }
        Response::AlterClientQuotas(response) => {
            response.entries.iter().any(|entry| not_controller(entry.error))
        }
        Response::ElectLeaders(response) => not_controller(response.error),
        Response::AlterPartitionReassignments(response) => not_controller(response.error),
        Response::ListPartitionReassignments(response) => not_controller(response.error),
        Response::AllocateProducerIds(response) => not_controller(response.error),
        Response::UpdateFeatures(response) => not_controller(response.error),
        Response::UnregisterBroker(response) => not_controller(response.error),
        Response::DescribeQuorum(response) => {
            response.error == ErrorCode::NotLeaderOrFollower || not_controller(response.error)
        }
        _ => false,
    }
}

/// What is answered when no controller has.
fn failure_of(request: &Request, error: ErrorCode) -> Response {
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

#[cfg(test)]
pub(crate) mod tests;
