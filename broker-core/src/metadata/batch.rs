//! Metadata records as the records of a v2 batch. Keys, headers and compression are not used.

use super::codec::{decode_record, encode_record};
use super::records::MetadataRecord;
use super::wire::{DecodeError, Reader, Writer};
use crate::ids::{LeaderEpoch, NodeId, Offset};
use crate::records::{Batch, BatchHeader, Body};
use bytes::Bytes;

/// Type of the control record that opens a leader's epoch.
const CONTROL_LEADER_CHANGE: i16 = 2;

/// A batch of metadata records, atomic in the log.
#[must_use]
pub fn encode_batch(
    base_offset: Offset,
    epoch: LeaderEpoch,
    timestamp_ms: i64,
    records: &[MetadataRecord],
) -> Batch {
    assert!(!records.is_empty(), "a batch has records");
    let mut body = Writer::default();
    let mut value = Vec::new();
    for (delta, record) in records.iter().enumerate() {
        value.clear();
        encode_record(record, &mut value);
        push_record(&mut body, delta as i64, None, &value);
    }
    batch(base_offset, epoch, timestamp_ms, records.len(), body.bytes)
}

/// The control batch with which a new leader opens its epoch (KIP-595).
#[must_use]
pub fn encode_leader_change(
    base_offset: Offset,
    epoch: LeaderEpoch,
    timestamp_ms: i64,
    leader: NodeId,
    voters: &[NodeId],
    granting: &[NodeId],
) -> Batch {
    let mut key = Writer::default();
    key.i16(0);
    key.i16(CONTROL_LEADER_CHANGE);
    let mut value = Writer::default();
    value.i16(0); // message version
    value.i16(0); // `Version` field
    value.i32(leader.0);
    for nodes in [voters, granting] {
        value.uvarint(nodes.len() as u64 + 1);
        for node in nodes {
            value.i32(node.0);
            value.tags(&[]);
        }
    }
    value.tags(&[]);
    let mut body = Writer::default();
    push_record(&mut body, 0, Some(&key.bytes), &value.bytes);
    let mut batch = batch(base_offset, epoch, timestamp_ms, 1, body.bytes);
    batch.header = batch.header.as_control();
    batch
}

fn push_record(body: &mut Writer, delta: i64, key: Option<&[u8]>, value: &[u8]) {
    let mut record = Writer::default();
    record.i8(0); // attributes
    record.varint(0); // timestamp delta
    record.varint(delta);
    match key {
        None => record.varint(-1),
        Some(key) => {
            record.varint(key.len() as i64);
            record.bytes.extend_from_slice(key);
        }
    }
    record.varint(value.len() as i64);
    record.bytes.extend_from_slice(value);
    record.varint(0); // headers
    body.varint(record.bytes.len() as i64);
    body.bytes.extend_from_slice(&record.bytes);
}

fn batch(
    base_offset: Offset,
    epoch: LeaderEpoch,
    timestamp_ms: i64,
    count: usize,
    body: Vec<u8>,
) -> Batch {
    let count = i32::try_from(count).expect("a metadata batch holds fewer than 2^31 records");
    Batch {
        header: BatchHeader {
            base_offset,
            partition_leader_epoch: epoch,
            attributes: 0,
            last_offset_delta: count - 1,
            base_timestamp: timestamp_ms,
            max_timestamp: timestamp_ms,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            record_count: count,
        },
        body: Body::Owned(Bytes::from(body)),
    }
}

/// The records of a batch; none for a control batch.
///
/// # Errors
/// Anything that [`encode_batch`] would not have written. A node that cannot read committed
/// metadata must stop (RAFT-22).
pub fn decode_batch(batch: &Batch) -> Result<Vec<MetadataRecord>, DecodeError> {
    if batch.header.is_control() {
        return Ok(Vec::new());
    }
    let bytes = batch.body.to_bytes();
    let mut reader = Reader::new(&bytes);
    let mut records = Vec::new();
    for _ in 0..batch.header.record_count {
        let mut record = Reader::new(length(&mut reader).and_then(|len| reader.take(len))?);
        record.i8()?;
        record.varint()?;
        record.varint()?;
        if record.varint()? != -1 {
            return Err(DecodeError("metadata record has a key"));
        }
        let len = length(&mut record)?;
        records.push(decode_record(record.take(len)?)?);
    }
    if reader.is_empty() { Ok(records) } else { Err(DecodeError("bytes left over")) }
}

fn length(reader: &mut Reader<'_>) -> Result<usize, DecodeError> {
    usize::try_from(reader.varint()?).map_err(|_| DecodeError("negative length"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::TopicId;

    #[test]
    fn batches_survive_the_round_trip() {
        let records: Vec<_> = (0..300)
            .map(|n| MetadataRecord::Topic { name: format!("t{n}").into(), id: TopicId(n) })
            .collect();
        let batch = encode_batch(40, 3, 1_000, &records);
        assert_eq!(batch.last_offset(), 339);
        assert_eq!(decode_batch(&batch), Ok(records));
    }

    #[test]
    fn control_batches_hold_no_metadata() {
        let batch = encode_leader_change(7, 2, 0, NodeId(1), &[NodeId(1), NodeId(2)], &[NodeId(1)]);
        assert!(batch.header.is_control());
        assert_eq!((batch.base_offset(), batch.next_offset()), (7, 8));
        assert_eq!(decode_batch(&batch), Ok(Vec::new()));
    }

    #[test]
    fn a_damaged_body_is_refused() {
        let mut batch = encode_batch(0, 1, 0, &[MetadataRecord::NoOp, MetadataRecord::NoOp]);
        let bytes = batch.body.to_bytes();
        batch.body = Body::Owned(bytes.slice(..bytes.len() - 1));
        assert!(decode_batch(&batch).is_err());
    }
}
