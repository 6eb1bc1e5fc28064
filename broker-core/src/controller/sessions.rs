//! When the active controller last heard from each broker, and what it said (Kafka's
//! `BrokerHeartbeatManager`). Not replicated: a new controller gives everybody a fresh session.

use super::state::Controller;
use crate::ids::{NO_OFFSET, NodeId, Offset};
use crate::plant::{Plant, planted};
use crate::raft::Raft;
use crate::step::Step;
use crate::time::Instant;
use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub(super) struct Sessions {
    by_broker: BTreeMap<NodeId, Session>,
}

/// One broker's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Session {
    pub(super) contact: Instant,
    /// Metadata offset that it had reached.
    pub(super) metadata_offset: Offset,
    /// Offset that the others must reach before it may shut down.
    pub(super) shutdown_offset: Offset,
}

impl Sessions {
    /// The broker was heard.
    pub(super) fn touch(&mut self, broker: NodeId, now: Instant) -> &mut Session {
        let fresh =
            Session { contact: now, metadata_offset: NO_OFFSET, shutdown_offset: NO_OFFSET };
        let session = self.by_broker.entry(broker).or_insert(fresh);
        session.contact = now;
        session
    }

    /// A new registration starts without a past.
    pub(super) fn restart(&mut self, broker: NodeId, now: Instant) {
        self.by_broker.remove(&broker);
        self.touch(broker, now);
    }

    pub(super) fn of(&self, broker: NodeId) -> Option<&Session> {
        self.by_broker.get(&broker)
    }
}

impl Controller {
    fn expiry(&self, broker: NodeId) -> Option<Instant> {
        let session = self.active.as_ref()?.sessions.of(broker)?;
        let timeout = self.server.broker_session_timeout;
        let half = crate::time::Duration::from_nanos(timeout.as_nanos() / 2);
        let halved = planted(self.plant, Plant::SessionsHalved);
        Some(session.contact + if halved { half } else { timeout })
    }

    /// Whether an unfenced broker is taken to be alive.
    pub(super) fn has_valid_session(&self, broker: NodeId, now: Instant) -> bool {
        self.image.broker(broker).is_some_and(|image| !image.fenced)
            && self.expiry(broker).is_some_and(|expiry| now < expiry)
    }

    /// When the next session ends.
    pub(super) fn session_deadline(&self) -> Option<Instant> {
        let unfenced = self.image.brokers().filter(|(_, image)| !image.fenced);
        unfenced.filter_map(|(broker, _)| self.expiry(broker)).min()
    }

    /// Fences brokers whose session has ended, each in a batch of its own that builds on the one
    /// before (ISR-18).
    pub(super) fn fence_silent_brokers(&mut self, step: &mut Step<'_>, raft: &mut Raft) {
        let silent: Vec<NodeId> = self
            .image
            .brokers()
            .filter(|(broker, image)| !image.fenced && !self.has_valid_session(*broker, step.now))
            .map(|(broker, _)| broker)
            .collect();
        if planted(self.plant, Plant::ExpirationsFromOneBase) {
            return self.fence_from_one_base(step, raft, &silent);
        }
        for broker in silent {
            self.fence(broker);
            self.submit(step, raft);
        }
    }

    /// Smallest metadata offset that the active brokers have reported.
    pub(super) fn lowest_active_offset(&self) -> Offset {
        let sessions = self.active.as_ref().map(|active| &active.sessions);
        self.image
            .brokers()
            .filter(|(_, image)| image.is_active())
            .filter_map(|(broker, _)| sessions?.of(broker))
            .map(|session| session.metadata_offset)
            .min()
            .unwrap_or(Offset::MAX)
    }
}
