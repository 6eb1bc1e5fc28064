//! Incremental fetch sessions on the consumer's side (KIP-227): Kafka's `FetchSessionHandler`.
//!
//! A partition joins or leaves its broker's session when it becomes fetchable or not; the next
//! request carries only what changed.

use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{NodeId, TopicPartition};
use stormglass_broker_core::protocol::SESSION_EPOCH_INITIAL;

/// Session with one broker.
#[derive(Debug)]
pub(crate) struct Session {
    /// Broker.
    pub(crate) node: NodeId,
    /// Session id that the broker gave, 0 = none.
    pub(crate) id: i32,
    /// Epoch of the next request; initial = a full one.
    pub(crate) epoch: i32,
    /// A fetch is in flight.
    pub(crate) in_flight: bool,
    /// Partitions in the session.
    pub(crate) members: u32,
    /// Partitions that may have changed since the last request.
    pub(crate) changed: Vec<u32>,
    /// Partitions to take out.
    pub(crate) forgotten: Vec<TopicPartition>,
    /// Not before, ns: after an error of the whole request.
    pub(crate) retry_ns: u64,
}

impl Session {
    /// No session yet.
    pub(crate) fn new(node: NodeId) -> Self {
        Self {
            node,
            id: 0,
            epoch: SESSION_EPOCH_INITIAL,
            in_flight: false,
            members: 0,
            changed: Vec::new(),
            forgotten: Vec::new(),
            retry_ns: 0,
        }
    }

    /// Whether the next request must name every partition.
    pub(crate) fn is_full(&self) -> bool {
        self.epoch == SESSION_EPOCH_INITIAL
    }

    /// An answer came.
    pub(crate) fn answered(&mut self, error: ErrorCode, id: i32) {
        self.in_flight = false;
        match error {
            ErrorCode::None if id == 0 => self.restart(0),
            ErrorCode::None => {
                self.epoch = if self.id == id { next_epoch(self.epoch) } else { 1 };
                self.id = id;
            }
            ErrorCode::FetchSessionIdNotFound => self.restart(0),
            _ => self.restart(self.id),
        }
    }

    /// The request was lost; the broker may have moved on, so the session starts anew.
    pub(crate) fn lost(&mut self) {
        self.in_flight = false;
        self.restart(self.id);
    }

    /// Next comes a full request, which closes the session `id` if there is one.
    fn restart(&mut self, id: i32) {
        self.id = id;
        self.epoch = SESSION_EPOCH_INITIAL;
    }
}

fn next_epoch(epoch: i32) -> i32 {
    epoch.checked_add(1).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_count_up_and_errors_start_a_full_fetch() {
        let mut session = Session::new(NodeId(1));
        assert!(session.is_full());
        session.answered(ErrorCode::None, 7);
        assert_eq!((session.id, session.epoch), (7, 1));
        session.answered(ErrorCode::None, 7);
        assert_eq!((session.id, session.epoch), (7, 2));
        session.answered(ErrorCode::InvalidFetchSessionEpoch, 0);
        assert_eq!((session.id, session.is_full()), (7, true));
        session.answered(ErrorCode::None, 8);
        assert_eq!((session.id, session.epoch), (8, 1));
        session.answered(ErrorCode::FetchSessionIdNotFound, 0);
        assert_eq!((session.id, session.is_full()), (0, true));
        // a broker without room for sessions answers with id 0: every fetch is a full one
        session.answered(ErrorCode::None, 0);
        assert_eq!((session.id, session.is_full()), (0, true));
        assert_eq!(next_epoch(i32::MAX), 1);
    }
}
