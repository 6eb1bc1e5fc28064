//! Who waits for an answer of a broker, by what it has asked for, as the parts of the broker know that.

use crate::broker::Broker;

/// Requests that are not answered. Some may have come on connections that have ended since.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OwedView {
    /// Produce, within transactions and without.
    pub produces: usize,
    /// TxnOffsetCommit.
    pub commits: usize,
    /// InitProducerId, AddPartitionsToTxn, AddOffsetsToTxn and EndTxn.
    pub transactions: usize,
    /// WriteTxnMarkers.
    pub markers: usize,
    /// ListOffsets.
    pub lookups: usize,
    /// What the active controller decides.
    pub forwarded: usize,
}

impl Broker {
    /// Requests that this broker has not answered.
    #[must_use]
    pub fn owed(&self) -> OwedView {
        let Some(role) = self.role() else { return OwedView::default() };
        let (produces, commits) = role.verifier.answers_owed();
        OwedView {
            produces: produces + role.replicas.answers_owed(),
            commits: commits + role.groups.producers_owed(),
            transactions: role.producer_ids.answers_owed() + role.transactions.answers_owed(),
            markers: role.markers.answers_owed(),
            lookups: role.list_offsets.answers_owed(),
            forwarded: role.forwarding.answers_owed(),
        }
    }

    /// Whether a client's request is held back, and nothing ends that when its time is over.
    #[must_use]
    pub fn has_unwatched_forward(&self) -> bool {
        self.role().is_some_and(|role| role.forwarding.is_unwatched())
    }
}
