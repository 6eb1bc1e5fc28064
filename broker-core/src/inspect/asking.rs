//! What a broker asks the controller for by itself, and the timers that its parts count on.

use crate::broker::Broker;
use crate::controller::Controller;
use crate::lifecycle::Lifecycle;
use crate::protocol::Request;
use crate::time::Instant;
use std::sync::Arc;

impl Broker {
    /// Whether a block of producer ids is to come, and nobody is being asked for it.
    #[must_use]
    pub fn has_lost_producer_ids(&self) -> bool {
        let Some(role) = self.role() else { return false };
        let is_it = |asked: &Request| matches!(asked, Request::AllocateProducerIds(_));
        role.producer_ids.is_to_come() && !role.forwarding.own().any(is_it)
    }

    /// A topic that this broker takes to be on its way, and nobody is being asked for it.
    #[must_use]
    pub fn lost_topic(&self) -> Option<&Arc<str>> {
        let role = self.role()?;
        let is_asked = |name: &&Arc<str>| {
            role.forwarding.own().any(|asked| {
                let Request::CreateTopics(asked) = asked else { return false };
                asked.topics.iter().any(|topic| topic.name == **name)
            })
        };
        role.creating_topics.iter().find(|name| !is_asked(name))
    }

    /// Since when the active controller, which this broker knows, could have a client's request that is held back here,
    /// on the node's monotonic clock.
    #[must_use]
    pub fn idle_forward(&self) -> Option<Instant> {
        let role = self.role()?;
        role.forwarding.idle(role.controller?)
    }

    /// When timers are due that are not armed again before that, and what they are for, on the node's
    /// monotonic clock.
    pub fn armed_timers(&self) -> impl Iterator<Item = (&'static str, Instant)> {
        let role = self.role();
        let of = [
            ("requests that wait", role.and_then(|role| role.replicas.armed())),
            ("deadlines of groups", role.and_then(|role| role.groups.armed())),
            ("questions about transactions", role.and_then(|role| role.verifier.asks_again_at())),
            ("forwarded requests", role.and_then(|role| role.forwarding.armed())),
            ("heartbeats to the controller", self.lifecycle().and_then(Lifecycle::armed)),
            ("what a controller does by itself", self.controller().and_then(Controller::rings_at)),
        ];
        of.into_iter().filter_map(|(what, at)| Some((what, at?)))
    }
}
