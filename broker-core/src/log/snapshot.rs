//! The file that keeps producer state across restarts. Its form is our own, versioned and with a
//! CRC; Kafka's differs. Leaves out the writing.

use super::producers::{BatchMeta, Producer, Producers, REMEMBERED_BATCHES};
use crate::ids::{LeaderEpoch, Offset};
use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Version of the form.
const VERSION: u16 = 2;
/// The version without coordinators' epochs, for logs that have had no transactions.
const VERSION_WITHOUT_COORDINATORS: u16 = 1;
/// Bytes before the producers: CRC, version, offset, epoch, count.
const HEADER_BYTES: usize = 4 + 2 + 8 + 4 + 4;
/// Bytes of a producer without its batches.
const PRODUCER_BYTES: usize = 8 + 2 + 8 + 8 + 4 + 1;
/// Bytes of a batch.
const BATCH_BYTES: usize = 4 + 4 + 8 + 8;
/// Stands for "no open transaction".
const NO_TRANSACTION: i64 = -1;

/// Producer state as of an offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProducerSnapshot {
    /// Records below this offset are taken into account.
    pub(crate) offset: Offset,
    /// Leader epoch of the record before `offset`. A log whose record there has another epoch has
    /// another history, and must not use the snapshot.
    pub(crate) last_epoch: LeaderEpoch,
    /// State.
    pub(crate) producers: Producers,
}

/// Encodes the state as of `offset`; `last_epoch` as in [`ProducerSnapshot`].
pub(crate) fn encode(offset: Offset, last_epoch: LeaderEpoch, producers: &Producers) -> Bytes {
    let entries = producers.entries();
    let capacity =
        HEADER_BYTES + entries.len() * (PRODUCER_BYTES + REMEMBERED_BATCHES * BATCH_BYTES);
    let mut out = BytesMut::with_capacity(capacity);
    out.put_u32(0);
    let has_coordinators = entries.iter().any(|producer| producer.coordinator_epoch >= 0);
    out.put_u16(if has_coordinators { VERSION } else { VERSION_WITHOUT_COORDINATORS });
    out.put_i64(offset);
    out.put_i32(last_epoch);
    out.put_u32(u32::try_from(entries.len()).unwrap_or(u32::MAX));
    for producer in entries {
        out.put_i64(producer.id);
        out.put_i16(producer.epoch);
        out.put_i64(producer.last_timestamp);
        out.put_i64(producer.open_transaction.unwrap_or(NO_TRANSACTION));
        if has_coordinators {
            out.put_i32(producer.coordinator_epoch);
        }
        out.put_u8(u8::try_from(producer.batches().len()).unwrap_or(0));
        for batch in producer.batches() {
            out.put_i32(batch.last_sequence);
            out.put_i32(batch.offset_delta);
            out.put_i64(batch.last_offset);
            out.put_i64(batch.timestamp);
        }
    }
    let crc = crc32c::crc32c(&out[4..]);
    out[..4].copy_from_slice(&crc.to_be_bytes());
    out.freeze()
}

/// Decodes a snapshot; `None` when it is damaged.
pub(crate) fn decode(bytes: &[u8]) -> Option<ProducerSnapshot> {
    let mut input = bytes;
    let crc = input.try_get_u32().ok()?;
    if crc32c::crc32c(input) != crc {
        return None;
    }
    let version = input.try_get_u16().ok()?;
    if !(VERSION_WITHOUT_COORDINATORS..=VERSION).contains(&version) {
        return None;
    }
    let offset = input.try_get_i64().ok()?;
    let last_epoch = input.try_get_i32().ok()?;
    let count = input.try_get_u32().ok()?;
    let mut entries = Vec::new();
    for _ in 0..count {
        entries.push(decode_producer(&mut input, version)?);
    }
    let producers = Producers::from_entries(entries);
    input.is_empty().then_some(ProducerSnapshot { offset, last_epoch, producers })
}

fn decode_producer(input: &mut &[u8], version: u16) -> Option<Producer> {
    let id = input.try_get_i64().ok()?;
    let mut producer = Producer::new(id, input.try_get_i16().ok()?);
    producer.last_timestamp = input.try_get_i64().ok()?;
    let open = input.try_get_i64().ok()?;
    producer.open_transaction = (open != NO_TRANSACTION).then_some(open);
    if version > VERSION_WITHOUT_COORDINATORS {
        producer.coordinator_epoch = input.try_get_i32().ok()?;
    }
    let batches = input.try_get_u8().ok()?;
    if usize::from(batches) > REMEMBERED_BATCHES {
        return None;
    }
    for _ in 0..batches {
        producer.push(BatchMeta {
            last_sequence: input.try_get_i32().ok()?,
            offset_delta: input.try_get_i32().ok()?,
            last_offset: input.try_get_i64().ok()?,
            timestamp: input.try_get_i64().ok()?,
        });
    }
    Some(producer)
}
