//! The control record that ends a transaction in a partition (Kafka's `EndTransactionMarker`).

use super::{Batch, Record, RecordError};
use bytes::{Buf, BufMut, BytesMut};

/// Version of the key and of the value; there is no other.
const VERSION: i16 = 0;
/// Type of a control record that aborts.
const ABORT: i16 = 0;
/// Type of a control record that commits.
const COMMIT: i16 = 1;

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndTxnMarker {
    /// Whether it was committed.
    pub commit: bool,
    /// Leader epoch of the coordinator's partition of `__transaction_state`.
    pub coordinator_epoch: i32,
}

impl EndTxnMarker {
    /// The control batch of a producer's marker.
    #[must_use]
    pub fn to_batch(self, producer_id: i64, producer_epoch: i16, timestamp_ms: i64) -> Batch {
        let mut key = BytesMut::with_capacity(4);
        key.put_i16(VERSION);
        key.put_i16(if self.commit { COMMIT } else { ABORT });
        let mut value = BytesMut::with_capacity(6);
        value.put_i16(VERSION);
        value.put_i32(self.coordinator_epoch);
        let record = Record::new(Some(key.freeze()), Some(value.freeze()));
        let mut batch = Batch::build(timestamp_ms, &mut [record]);
        batch.header = batch.header.as_transactional().as_control();
        batch.header.producer_id = producer_id;
        batch.header.producer_epoch = producer_epoch;
        batch
    }

    /// What a control batch says; `None` for control batches of other kinds and for garbage.
    #[must_use]
    pub fn of(batch: &Batch) -> Option<Self> {
        if !batch.header.is_control() {
            return None;
        }
        let body = batch.unpack().ok()?;
        let mut first = None;
        let walked = batch.walk(&body, |record| {
            first.get_or_insert(record);
            Ok::<(), RecordError>(())
        });
        walked.ok()?;
        let (mut key, mut value) = (first?.key?, first?.value?);
        key.try_get_i16().ok()?;
        let commit = match key.try_get_i16().ok()? {
            ABORT => false,
            COMMIT => true,
            _ => return None,
        };
        value.try_get_i16().ok()?;
        Some(Self { commit, coordinator_epoch: value.try_get_i32().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use kafka_protocol::messages as theirs;
    use kafka_protocol::protocol::Encodable;

    #[test]
    fn markers_are_kafkas_and_read_back() {
        for commit in [false, true] {
            let marker = EndTxnMarker { commit, coordinator_epoch: 7 };
            let batch = marker.to_batch(1000, 3, 1_700_000_000_000);
            assert_eq!(EndTxnMarker::of(&batch), Some(marker));
            let header = batch.header;
            assert!(header.is_control() && header.is_transactional());
            assert_eq!((header.producer_id, header.producer_epoch), (1000, 3));
            assert_eq!(header.base_sequence, -1);
            let mut value = BytesMut::new();
            value.put_i16(0);
            let body = theirs::EndTxnMarker::default().with_coordinator_epoch(7);
            body.encode(&mut value, 0).unwrap();
            assert_eq!(batch.records().unwrap()[0].value, Some(value.freeze()));
        }
    }

    #[test]
    fn other_batches_are_no_markers() {
        let record = || Record::new(Some(Bytes::from_static(b"key")), None);
        let mut batch = Batch::build(0, &mut [record()]);
        assert_eq!(EndTxnMarker::of(&batch), None);
        batch.header = batch.header.as_control();
        assert_eq!(EndTxnMarker::of(&batch), None);
    }
}
