//! Quotas of clients (KIP-13, KIP-124, KIP-546): brokers learn who is at the other end of a connection and what its
//! requests take of a thread, where an administrator of the plan sets any. What quotas do to a connection is in
//! `throttle`.

use super::clients::ClientKind;
use super::{End, World};
use std::sync::Arc;
use stormglass_broker_core::ids::ConnectionId;
use stormglass_broker_core::protocol::{
    AlterClientQuotasRequest, AlterQuotas, DescribeClientQuotasRequest, QuotaFilter, QuotaMatch,
    QuotaValue, Request,
};
use stormglass_broker_core::seam::Input;
use stormglass_broker_core::time::Duration;
use stormglass_scenarios::plan::{Action, EventPlan, Operation, Plan, QuotaOf};

/// Whether some client is under a quota at some time of the plan.
pub(super) fn are_set(plan: &Plan) -> bool {
    let is_set = |action: &Action| {
        matches!(action, Action::Admin { operation: Operation::SetClientQuota { .. } })
    };
    plan.events.iter().any(|event| is_set(&event.action))
}

/// Whether an administrator that starts anew asks for a quota again, as it cannot know whether it got through: it is
/// the last that was to be asked for before, of its owner and name.
pub(super) fn may_be_open(events: &[EventPlan], index: usize, now_ns: u64) -> bool {
    let named = |event: &EventPlan| match &event.action {
        Action::Admin { operation: Operation::SetClientQuota { of, key, .. } } => {
            Some((of.clone(), key.clone()))
        }
        _ => None,
    };
    let Some(own) = named(&events[index]) else { return false };
    let mut later = events[index + 1..].iter().filter(|event| event.at_ns < now_ns);
    !later.any(|event| named(event).is_some_and(|other| other == own))
}

/// A quota is to be set, or taken away. What is no number is not a quota, and refused.
pub(super) fn change(of: &QuotaOf, key: &str, value: Option<&str>) -> Request {
    let name = |name: &str| (name != QuotaOf::DEFAULT).then(|| Arc::from(name));
    let entity = of.parts().map(|(kind, part)| (Arc::from(kind), name(part))).collect();
    let number = |text: &str| text.parse().unwrap_or(f64::NAN);
    let value = value.map(|text| QuotaValue::from_bits(number(text).to_bits()));
    let entries = vec![AlterQuotas { entity, changes: vec![(Arc::from(key), value)] }];
    Request::AlterClientQuotas(AlterClientQuotasRequest { entries, validate_only: false })
}

/// Quotas are asked for.
pub(super) fn question(of: &QuotaOf, strict: bool) -> Request {
    let matches = |name: &str| match name {
        QuotaOf::DEFAULT => QuotaMatch::Default,
        QuotaOf::ANY => QuotaMatch::Any,
        name => QuotaMatch::Exact(name.into()),
    };
    let filter =
        |(kind, name): (&str, &str)| QuotaFilter { kind: Arc::from(kind), matches: matches(name) };
    let components = of.parts().map(filter).collect();
    Request::DescribeClientQuotas(DescribeClientQuotasRequest { components, strict })
}

impl World {
    /// A broker has accepted a connection: it hears of the client's `client.id`.
    #[cold]
    pub(super) fn tell_client(&mut self, node: u16, conn: ConnectionId) {
        let Some(End::Client { client, .. }) = self.conns.get(conn).copied() else { return };
        let client_id = match &self.clients[client as usize].kind {
            ClientKind::Producer { group, .. } => self.plan.producers[*group].name.as_str(),
            ClientKind::Consumer { group, .. } => self.plan.consumers[*group].group.as_str(),
            ClientKind::Admin(_) | ClientKind::Operator(_) => "admin",
            ClientKind::Application(_) => "application",
        };
        let client_id = Arc::from(client_id);
        if self.nodes[node as usize].is_up() {
            self.step_node(node, Input::Client { conn, client_id }, None);
        }
    }

    /// A request of a client has taken so much of a thread, ns.
    #[cold]
    pub(super) fn tell_spent(&mut self, node: u16, conn: ConnectionId, spent_ns: u64) {
        let at = &self.nodes[node as usize];
        let counts = at.broker.as_ref().is_some_and(|broker| broker.counts_thread_time());
        if counts && at.accepted.get(conn).is_some_and(|accepted| accepted.is_client) {
            let time = Duration::from_nanos(spent_ns);
            self.step_node(node, Input::Spent { conn, time }, None);
        }
    }
}
