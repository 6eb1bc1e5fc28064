//! What a log tells of its producers: DescribeProducers, and whether a transaction is open.

use super::partition_log::Log;
use crate::ids::{NO_OFFSET, Offset};

/// A producer that has written to a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActiveProducer {
    /// Producer.
    pub id: i64,
    /// Its newest epoch.
    pub epoch: i16,
    /// Its last sequence, `-1` = none.
    pub last_sequence: i32,
    /// Timestamp of its newest batch, ms since the epoch.
    pub last_timestamp: i64,
    /// Epoch of the coordinator that wrote its last marker, `-1` = none.
    pub coordinator_epoch: i32,
    /// First offset of its open transaction, `-1` = none.
    pub open_transaction: Offset,
}

impl Log {
    /// Producers, by id.
    #[must_use]
    pub fn active_producers(&self) -> Vec<ActiveProducer> {
        let describe = |producer: &super::producers::Producer| ActiveProducer {
            id: producer.id,
            epoch: producer.epoch,
            last_sequence: producer.last_sequence(),
            last_timestamp: producer.last_timestamp,
            coordinator_epoch: producer.coordinator_epoch,
            open_transaction: producer.open_transaction.unwrap_or(NO_OFFSET),
        };
        self.producers.entries().iter().map(describe).collect()
    }

    /// Where the newest producer snapshot was taken, if there is one.
    #[must_use]
    pub fn newest_snapshot(&self) -> Option<Offset> {
        self.snapshots.last().copied()
    }

    /// Newest epoch of a producer, if it is known here.
    #[must_use]
    pub fn producer_epoch(&self, producer_id: i64) -> Option<i16> {
        self.producers.get(producer_id).map(|producer| producer.epoch)
    }

    /// Whether a producer's transaction is open here, in this epoch of the producer.
    #[must_use]
    pub fn has_open_transaction(&self, producer_id: i64, producer_epoch: i16) -> bool {
        self.producers.get(producer_id).is_some_and(|producer| {
            producer.epoch == producer_epoch && producer.open_transaction.is_some()
        })
    }
}
