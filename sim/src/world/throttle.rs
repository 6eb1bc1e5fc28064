//! What quotas do to a connection: after a throttled answer it is not read for as long as the broker
//! says (KIP-219). The client hears of it as well, and sends nothing meanwhile.

use super::World;
use super::event::Event;
use super::node::Node;
use stormglass_broker_core::ids::ConnectionId;
use stormglass_broker_core::protocol::Response;
use stormglass_reports::recording::{QuotaOf, QuotaWait};

/// Answers that quotas held back, by direction.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Throttled {
    /// Answers to producers.
    pub(super) produce: Held,
    /// Answers to consumers.
    pub(super) fetch: Held,
}

/// Number and sum.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Held {
    pub(super) answers: u64,
    pub(super) wait_ms: u64,
}

impl World {
    /// A client is over a quota.
    #[cold]
    pub(super) fn throttle(
        &mut self,
        node: u16,
        conn: ConnectionId,
        throttle_ms: u32,
        response: Option<&Response>,
    ) {
        let is_measured =
            self.origin_ns != u64::MAX && self.phase_at(self.now - self.origin_ns).is_measured();
        let at = &mut self.nodes[node as usize];
        let held = match response {
            Some(Response::Fetch(_)) => &mut at.throttled.fetch,
            _ => &mut at.throttled.produce,
        };
        if is_measured {
            held.answers += 1;
            held.wait_ms += u64::from(throttle_ms);
        }
        let (life, due) = (at.life, self.now + u64::from(throttle_ms) * 1_000_000);
        self.at(due, Event::Unmute { node, life, conn });
    }

    /// What quotas did to the run.
    pub(super) fn quota_waits(&self) -> Vec<QuotaWait> {
        let of_node = |node: &Node| {
            let (broker, Throttled { produce, fetch }) = (node.id.0, node.throttled);
            let waits =
                move |(of, Held { answers, wait_ms })| QuotaWait { broker, of, answers, wait_ms };
            [(QuotaOf::Producers, produce), (QuotaOf::Consumers, fetch)].map(waits)
        };
        self.nodes.iter().flat_map(of_node).filter(|wait| wait.answers > 0).collect()
    }

    /// The wait is over: the next request is read.
    pub(super) fn unmute(&mut self, node: u16, conn: ConnectionId) {
        let Some(accepted) = self.nodes[node as usize].accepted.get_mut(conn) else { return };
        if accepted.ends {
            return;
        }
        accepted.busy = false;
        if let Some(next) = accepted.inbox.pop_front() {
            self.later.push_back((conn, next));
            self.read_next_requests(node);
        }
    }
}
