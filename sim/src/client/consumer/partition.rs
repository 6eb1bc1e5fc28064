//! What a consumer knows of one assigned partition: Kafka's `SubscriptionState.TopicPartitionState`.

use crate::client::config::AutoOffsetReset;
use stormglass_broker_core::ids::{LeaderEpoch, NO_EPOCH, NO_OFFSET, NodeId, Offset};
use stormglass_broker_core::protocol::FetchPartition;

/// What has to happen before the partition can be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The committed offset is asked for.
    Committed,
    /// The position is looked up at the log's start or end.
    Reset(AutoOffsetReset),
    /// The leader changed: whether the log still has the position is asked for (KIP-320).
    Validate,
    /// Nothing.
    Fetch,
    /// No position and no policy to find one.
    Stopped,
    /// Read no further: it is given up as soon as its position is committed (KIP-848).
    Revoking,
    /// Another member's.
    Unassigned,
}

/// An assigned partition.
#[derive(Debug)]
pub(crate) struct PartitionState {
    /// Topic's position in the cluster view.
    pub(crate) topic: usize,
    /// Partition index.
    pub(crate) partition: usize,
    /// What is next.
    pub(crate) phase: Phase,
    /// A request for the phase is in flight.
    pub(crate) pending: bool,
    /// When the committed offset was asked for last, ns.
    pub(crate) asked_ns: u64,
    /// Nothing is asked for this partition before, ns.
    pub(crate) retry_ns: u64,
    /// Next offset to fetch; `-1` before the first position.
    pub(crate) position: Offset,
    /// Epoch of the record before the position, `-1` = unknown.
    pub(crate) position_epoch: LeaderEpoch,
    /// Leader epoch that the position was validated against.
    pub(crate) leader_epoch: LeaderEpoch,
    /// Next offset that the application gets.
    pub(crate) consumed: Offset,
    /// Epoch of the record before it.
    pub(crate) consumed_epoch: LeaderEpoch,
    /// Listed for the next commit.
    pub(crate) uncommitted: bool,
    /// Fetched records wait for `poll()`.
    pub(crate) buffered: bool,
    /// Follower to read from, and until when, ns (KIP-392).
    pub(crate) preferred: Option<(NodeId, u64)>,
    /// Session that it is in, as an index.
    pub(crate) session: Option<usize>,
    /// What that session's broker was told last.
    pub(crate) sent: Option<FetchPartition>,
    /// Which of the consumer's takes brought its last records.
    pub(crate) taken: u64,
}

impl PartitionState {
    /// Before anything is known.
    pub(crate) fn new(topic: usize, partition: usize, phase: Phase) -> Self {
        Self {
            topic,
            partition,
            phase,
            pending: false,
            asked_ns: 0,
            retry_ns: 0,
            position: NO_OFFSET,
            position_epoch: NO_EPOCH,
            leader_epoch: NO_EPOCH,
            consumed: NO_OFFSET,
            consumed_epoch: NO_EPOCH,
            uncommitted: false,
            buffered: false,
            preferred: None,
            session: None,
            sent: None,
            taken: 0,
        }
    }

    /// Goes to an offset.
    pub(crate) fn seek(&mut self, offset: Offset, epoch: LeaderEpoch) {
        (self.position, self.position_epoch) = (offset, epoch);
        (self.consumed, self.consumed_epoch) = (offset, epoch);
    }

    /// Whether it can be fetched now.
    pub(crate) fn is_fetchable(&self, now_ns: u64) -> bool {
        self.phase == Phase::Fetch && !self.buffered && self.retry_ns <= now_ns
    }

    /// Whether a request has to be made before it can be fetched.
    pub(crate) fn is_unsettled(&self) -> bool {
        !matches!(self.phase, Phase::Fetch | Phase::Stopped | Phase::Revoking | Phase::Unassigned)
    }
}
