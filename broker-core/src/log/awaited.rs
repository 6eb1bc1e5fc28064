//! Lowest sequences with which producers were to begin in a log (Kafka's `VerificationStateEntry`). Where partitions
//! are added first, a producer of whom nothing is known may begin with any, so what is behind the lowest one has to
//! wait for it. With an epoch for each transaction such a producer begins with 0, whatever is noted here
//! (`txn/verify`). The log forgets a sequence once it has something of the producer, whoever led it then; that its
//! leader begins another epoch is no reason to.

use super::partition_log::Log;
use crate::protocol::ProducerIdAndEpoch;
use std::collections::BTreeMap;

/// By producer id.
#[derive(Debug, Default)]
pub(super) struct Awaited(BTreeMap<i64, Lowest>);

#[derive(Debug, Clone, Copy)]
struct Lowest {
    /// Of the producer.
    epoch: i16,
    sequence: i32,
    /// Since when, ms since the epoch.
    since_ms: i64,
}

impl Awaited {
    /// The log has a batch of a producer's transaction, or a marker.
    pub(super) fn written(&mut self, producer_id: i64) {
        self.0.remove(&producer_id);
    }

    /// Forgets producers that have not been heard of for too long, as the log forgets those that it knows.
    pub(super) fn expire(&mut self, wall_ms: i64, expiration_ms: i64) {
        self.0.retain(|_, lowest| wall_ms.saturating_sub(lowest.since_ms) < expiration_ms);
    }

    /// Forgets everything: what the log does not have any more, another leader may have let in.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

impl Log {
    /// A producer is to begin a transaction here with a sequence; the lowest one of its newest epoch counts.
    pub(crate) fn await_sequence(
        &mut self,
        producer: ProducerIdAndEpoch,
        sequence: i32,
        wall_ms: i64,
    ) {
        let new = Lowest { epoch: producer.epoch, sequence, since_ms: wall_ms };
        let lowest = self.awaited.0.entry(producer.id).or_insert(new);
        let is_lower = new.epoch == lowest.epoch && new.sequence < lowest.sequence;
        if is_lower || new.epoch > lowest.epoch {
            *lowest = new;
        }
    }

    /// Whether a producer of whom nothing is known here would leave out what it has sent before. Of the others the log
    /// knows what comes next.
    pub(crate) fn awaits_before(&self, producer: ProducerIdAndEpoch, sequence: i32) -> bool {
        let is_left_out =
            |lowest: &Lowest| lowest.epoch == producer.epoch && lowest.sequence < sequence;
        self.producers.get(producer.id).is_none()
            && self.awaited.0.get(&producer.id).is_some_and(is_left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::LogConfig;
    use crate::log::testing::{TP, numbered, sequenced};
    use crate::records::{Batch, EndTxnMarker};

    const PRODUCER: ProducerIdAndEpoch = ProducerIdAndEpoch { id: 9, epoch: 3 };
    const EXPIRATION_MS: i64 = 86_400_000;

    /// Sequence 5 was to be the first, at 1000 ms.
    fn awaiting() -> Log {
        let mut log = Log::create(TP, LogConfig::kafka_defaults(), 0);
        log.await_sequence(PRODUCER, 5, 1000);
        log
    }

    fn within_a_transaction() -> Batch {
        let mut batch = sequenced(PRODUCER.id, PRODUCER.epoch, 0, 1);
        batch.header = batch.header.as_transactional();
        batch
    }

    fn follows(log: &mut Log, batch: Batch) {
        let records = numbered(batch, log.next_offset(), 1);
        log.append_as_follower(records, 0, &mut Vec::new()).unwrap();
    }

    /// The producer is forgotten; what was to come first is, too, if anything was written.
    fn still_awaits(mut log: Log) -> bool {
        log.producers.clear();
        log.awaits_before(PRODUCER, 7)
    }

    #[test]
    fn the_lowest_sequence_of_the_newest_epoch_comes_first() {
        let mut log = awaiting();
        assert!(log.awaits_before(PRODUCER, 6) && !log.awaits_before(PRODUCER, 5));
        log.await_sequence(PRODUCER, 7, 1000);
        log.await_sequence(PRODUCER, 4, 1000);
        assert!(log.awaits_before(PRODUCER, 5) && !log.awaits_before(PRODUCER, 4));
        let late = ProducerIdAndEpoch { epoch: 2, ..PRODUCER };
        log.await_sequence(late, 0, 1000);
        assert!(log.awaits_before(PRODUCER, 5) && !log.awaits_before(late, 5));
        let next = ProducerIdAndEpoch { epoch: 4, ..PRODUCER };
        log.await_sequence(next, 8, 1000);
        assert!(log.awaits_before(next, 9) && !log.awaits_before(PRODUCER, 5));
    }

    #[test]
    fn another_leader_may_have_let_it_in_which_a_follower_learns() {
        let mut log = awaiting();
        follows(&mut log, within_a_transaction());
        assert!(!log.awaits_before(PRODUCER, 7), "the log knows what comes next");
        assert!(!still_awaits(log));
        let mut log = awaiting();
        let marker = EndTxnMarker { commit: false, coordinator_epoch: 0 };
        follows(&mut log, marker.to_batch(PRODUCER.id, PRODUCER.epoch, 1000));
        assert!(!still_awaits(log), "its transaction is over");
        let mut log = awaiting();
        follows(&mut log, sequenced(PRODUCER.id + 1, 0, 0, 1));
        assert!(still_awaits(log), "of another producer");
    }

    #[test]
    fn it_is_forgotten_as_a_log_begins_anew_or_the_producer_expires() {
        let mut log = awaiting();
        log.truncate_fully_and_start_at(10, &mut Vec::new());
        assert!(!still_awaits(log));
        let mut log = awaiting();
        log.expire_producers(1000 + EXPIRATION_MS - 1);
        assert!(log.awaits_before(PRODUCER, 7));
        log.expire_producers(1000 + EXPIRATION_MS);
        assert!(!still_awaits(log));
    }
}
