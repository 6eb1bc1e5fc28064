//! A client's connections: set-up, back-off, requests in flight and their timeouts, as Kafka's
//! `NetworkClient` and `ClusterConnectionStates` keep them.
//!
//! A request that is not answered within its timeout closes the connection and fails everything
//! in flight on it; that is how a half-open connection is noticed. Left out: idle connections are
//! never closed (`connections.max.idle.ms`), and one broker has one address.

use super::backoff::pick;
use super::config::ConnectionConfig;
use super::io::{ClientCx, ClientSend};
use super::wakeup::NEVER;
use crate::rng::Stream;
use std::collections::VecDeque;
use stormglass_broker_core::ids::NodeId;
use stormglass_broker_core::protocol::Request;

/// A request without an answer, with what the client keeps about it.
#[derive(Debug)]
pub(crate) struct InFlight<T> {
    /// Correlation id.
    pub(crate) correlation: u64,
    /// When the client gives up, ns.
    deadline_ns: u64,
    /// What it was for.
    pub(crate) call: T,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// May connect from then on, ns.
    Disconnected {
        retry_ns: u64,
    },
    /// Gives up at that time, ns.
    Connecting {
        deadline_ns: u64,
    },
    Connected,
}

#[derive(Debug)]
struct Node<T> {
    id: NodeId,
    state: State,
    /// Disconnects since the connection was last set up.
    failures: u32,
    /// Set-up timeouts since the connection was last set up.
    setup_timeouts: u32,
    in_flight: VecDeque<InFlight<T>>,
    /// The broker's quotas ask for silence until then, ns (KIP-219); on the next connection, too, as with Java's
    /// `ClusterConnectionStates`.
    throttled_ns: u64,
}

/// Connections to the brokers that a client has talked to.
#[derive(Debug)]
pub(crate) struct Connections<T> {
    config: ConnectionConfig,
    /// In order of id.
    nodes: Vec<Node<T>>,
    next_correlation: u64,
    /// No deadline is earlier than this, ns. Deadlines that are met do not raise it: the client
    /// wakes once too often, at most once per timeout.
    floor_ns: u64,
}

impl<T> Connections<T> {
    /// No connections.
    pub(crate) fn new(config: ConnectionConfig) -> Self {
        Self { config, nodes: Vec::new(), next_correlation: 0, floor_ns: NEVER }
    }

    fn find(&self, id: NodeId) -> Option<&Node<T>> {
        self.nodes.binary_search_by_key(&id, |node| node.id).ok().map(|at| &self.nodes[at])
    }

    fn find_mut(&mut self, id: NodeId) -> Option<&mut Node<T>> {
        self.nodes.binary_search_by_key(&id, |node| node.id).ok().map(|at| &mut self.nodes[at])
    }

    /// Whether requests can be sent now; begins to connect when not and the back-off is over.
    pub(crate) fn ready(&mut self, id: NodeId, draws: &mut Stream, cx: &mut ClientCx<'_>) -> bool {
        let config = self.config;
        let at = match self.nodes.binary_search_by_key(&id, |node| node.id) {
            Ok(at) => at,
            Err(at) => {
                let state = State::Disconnected { retry_ns: 0 };
                let in_flight = VecDeque::new();
                let (failures, setup_timeouts, throttled_ns) = (0, 0, 0);
                let node = Node { id, state, failures, setup_timeouts, in_flight, throttled_ns };
                self.nodes.insert(at, node);
                at
            }
        };
        let node = &mut self.nodes[at];
        match node.state {
            State::Connected => node.throttled_ns <= cx.now_ns,
            State::Connecting { .. } => false,
            State::Disconnected { retry_ns } => {
                if retry_ns <= cx.now_ns {
                    let timeout_ns = config.setup_timeout().after(node.setup_timeouts, draws);
                    let deadline_ns = cx.now_ns + timeout_ns;
                    node.state = State::Connecting { deadline_ns };
                    self.floor_ns = self.floor_ns.min(deadline_ns);
                    cx.effects.connects.push(id);
                }
                false
            }
        }
    }

    /// Whether the last attempt to connect has failed, or the connection was lost, and no new attempt is made yet
    /// (`NetworkClient.connectionFailed`).
    pub(crate) fn has_failed(&self, id: NodeId) -> bool {
        self.find(id).is_some_and(|node| matches!(node.state, State::Disconnected { .. }))
    }

    /// When [`Connections::ready`] is worth asking again, ns: the end of the back-off, or of what
    /// quotas ask for. `NEVER` while an input will tell.
    pub(crate) fn retry_ns(&self, id: NodeId) -> u64 {
        match self.find(id).map(|node| (node.state, node.throttled_ns)) {
            Some((State::Disconnected { retry_ns }, _)) => retry_ns,
            Some((State::Connected, throttled_ns)) if throttled_ns > 0 => throttled_ns,
            None => 0,
            Some(_) => NEVER,
        }
    }

    /// An answer says that nothing shall be sent for so long, ms.
    #[cold]
    pub(crate) fn throttle(&mut self, id: NodeId, throttle_ms: i32, now_ns: u64) {
        let until_ns = now_ns + u64::from(throttle_ms.unsigned_abs()) * 1_000_000;
        if let Some(node) = self.find_mut(id) {
            node.throttled_ns = node.throttled_ns.max(until_ns);
        }
    }

    /// Until when the quotas of some broker ask for silence, ns; 0 if none has ever asked.
    pub(crate) fn throttled_ns(&self) -> u64 {
        self.nodes.iter().map(|node| node.throttled_ns).max().unwrap_or(0)
    }

    /// Brokers whose quotas have asked for silence until later than this, ns.
    pub(crate) fn throttled_after(&self, at_ns: u64) -> impl Iterator<Item = NodeId> + '_ {
        let throttled = self.nodes.iter().filter(move |node| node.throttled_ns > at_ns);
        throttled.map(|node| node.id)
    }

    /// From when on a request can be sent, or the connection set up, ns. `NEVER`: an input will
    /// tell, as the connection is being set up or has `in_flight_max` requests in flight.
    pub(crate) fn sendable_ns(&self, id: NodeId, in_flight_max: u32) -> u64 {
        let Some(node) = self.find(id) else { return 0 };
        match node.state {
            State::Connected if node.in_flight.len() < in_flight_max as usize => node.throttled_ns,
            State::Connected | State::Connecting { .. } => NEVER,
            State::Disconnected { retry_ns } => retry_ns,
        }
    }

    /// The broker to ask for things that any broker knows: connected and least busy, else
    /// connecting, else one that may be connected to. Ties go to the first from a random start.
    #[cold]
    pub(crate) fn least_loaded(
        &self,
        candidates: &[NodeId],
        draws: &mut Stream,
        now_ns: u64,
    ) -> Option<NodeId> {
        let start = pick(draws, candidates.len());
        let (before, after) = candidates.split_at(start.min(candidates.len()));
        let rank = |id: &NodeId| match self.find(*id) {
            Some(node) => match node.state {
                State::Connected if node.throttled_ns > now_ns => None,
                State::Connected => Some((0, node.in_flight.len())),
                State::Connecting { .. } => Some((1, 0)),
                State::Disconnected { retry_ns } if retry_ns <= now_ns => Some((2, 0)),
                State::Disconnected { .. } => None,
            },
            None => Some((2, 0)),
        };
        let ranked = after.iter().chain(before).filter_map(|id| rank(id).map(|rank| (rank, *id)));
        ranked.min_by_key(|(rank, _)| *rank).map(|(_, id)| id)
    }

    /// Sends on a connection that is ready. With `call`, an answer is awaited.
    pub(crate) fn send(
        &mut self,
        id: NodeId,
        request: Request,
        call: Option<T>,
        cx: &mut ClientCx<'_>,
    ) -> u64 {
        let timeout_ns = self.config.request_timeout_ns;
        self.send_within(id, request, call, timeout_ns, cx)
    }

    /// As [`Connections::send`], with a time-out of its own.
    pub(crate) fn send_within(
        &mut self,
        id: NodeId,
        request: Request,
        call: Option<T>,
        timeout_ns: u64,
        cx: &mut ClientCx<'_>,
    ) -> u64 {
        self.next_correlation += 1;
        let correlation = self.next_correlation;
        let expects_response = call.is_some();
        if let Some(call) = call {
            let deadline_ns = cx.now_ns + timeout_ns;
            self.floor_ns = self.floor_ns.min(deadline_ns);
            if let Some(node) = self.find_mut(id) {
                assert!(node.state == State::Connected, "a request needs a connection");
                node.in_flight.push_back(InFlight { correlation, deadline_ns, call });
            }
        }
        cx.effects.sends.push(ClientSend { node: id, correlation, request, expects_response });
        correlation
    }

    /// Correlation id of the next request.
    pub(crate) fn next_correlation(&self) -> u64 {
        self.next_correlation + 1
    }

    /// A connection is set up. `false`: the client no longer waits for it.
    pub(crate) fn connected(&mut self, id: NodeId) -> bool {
        let Some(node) = self.find_mut(id) else { return false };
        if !matches!(node.state, State::Connecting { .. }) {
            return false;
        }
        node.state = State::Connected;
        node.failures = 0;
        node.setup_timeouts = 0;
        true
    }

    /// A connection was refused, closed or given up: what was in flight on it.
    #[cold]
    pub(crate) fn disconnected(
        &mut self,
        id: NodeId,
        draws: &mut Stream,
        now_ns: u64,
    ) -> VecDeque<InFlight<T>> {
        let backoff = self.config.reconnect_backoff();
        let Some(node) = self.find_mut(id) else { return VecDeque::new() };
        if matches!(node.state, State::Disconnected { .. }) {
            return VecDeque::new();
        }
        let retry_ns = now_ns + backoff.after(node.failures, draws);
        node.failures = node.failures.saturating_add(1);
        node.state = State::Disconnected { retry_ns };
        std::mem::take(&mut node.in_flight)
    }

    /// The request that an answer belongs to; `None` when the client has given it up.
    pub(crate) fn answered(&mut self, id: NodeId, correlation: u64) -> Option<InFlight<T>> {
        let node = self.find_mut(id)?;
        // answers come in order
        if node.in_flight.front()?.correlation == correlation {
            return node.in_flight.pop_front();
        }
        let at = node.in_flight.iter().position(|request| request.correlation == correlation)?;
        node.in_flight.remove(at)
    }

    /// A broker whose connection must be given up now: set-up or a request took too long. The
    /// caller goes on with [`Connections::disconnected`] and asks again.
    pub(crate) fn expired(&mut self, cx: &mut ClientCx<'_>) -> Option<NodeId> {
        if cx.now_ns < self.floor_ns { None } else { self.find_expired(cx) }
    }

    #[cold]
    fn find_expired(&mut self, cx: &mut ClientCx<'_>) -> Option<NodeId> {
        let mut floor_ns = NEVER;
        let mut due = None;
        for node in &mut self.nodes {
            let deadline_ns = match node.state {
                State::Disconnected { .. } => NEVER,
                State::Connecting { deadline_ns } => deadline_ns,
                State::Connected => node.in_flight.front().map_or(NEVER, |first| first.deadline_ns),
            };
            if deadline_ns <= cx.now_ns && due.is_none() {
                due = Some(node.id);
                if matches!(node.state, State::Connecting { .. }) {
                    node.setup_timeouts = node.setup_timeouts.saturating_add(1);
                }
            }
            floor_ns = floor_ns.min(deadline_ns);
        }
        self.floor_ns = floor_ns;
        if let Some(id) = due {
            cx.effects.closes.push(id);
            cx.effects.marks.push("client: connection given up after a timeout");
        }
        due
    }

    /// No deadline is earlier, ns.
    pub(crate) fn deadline_ns(&self) -> u64 {
        self.floor_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stormglass_scenarios::plan::ClientProfile;

    #[test]
    fn a_new_connection_ends_no_wait_for_a_quota() {
        let config = ConnectionConfig::parse(ClientProfile::Java, &Default::default()).unwrap();
        let mut connections: Connections<()> = Connections::new(config);
        let (id, in_flight) = (NodeId(1), VecDeque::new());
        let (failures, setup_timeouts, throttled_ns) = (0, 0, 0);
        let state = State::Connecting { deadline_ns: NEVER };
        let node = Node { id, state, failures, setup_timeouts, in_flight, throttled_ns };
        connections.nodes.push(node);
        assert!(connections.connected(id));
        connections.throttle(id, 5, 1);
        connections.nodes[0].state = state;
        assert!(connections.connected(id));
        assert_eq!(connections.sendable_ns(id, 1), 5_000_001);
        assert_eq!(connections.throttled_ns(), 5_000_001);
        assert_eq!(connections.throttled_after(5_000_000).collect::<Vec<_>>(), [id]);
        assert_eq!(connections.throttled_after(5_000_001).count(), 0);
    }
}
