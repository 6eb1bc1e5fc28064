//! First record at or after an offset and a timestamp inside a batch, from the records' own fields. Leaves out
//! decompression: of a compressed batch the first record is named, as reading from there finds
//! all that was asked for.

use super::varint::Reader;
use stormglass_broker_core::ids::Offset;
use stormglass_broker_core::records::Batch;

/// Bits of the attributes that name the compression codec.
const CODEC: i16 = 0x07;

/// `(timestamp, offset)` of that record, if the batch has one.
pub(crate) fn first_at_or_after(
    batch: &Batch,
    from: Offset,
    timestamp: i64,
) -> Option<(i64, Offset)> {
    let header = &batch.header;
    if header.max_timestamp < timestamp || header.record_count == 0 || batch.last_offset() < from {
        return None;
    }
    let base = header.base_offset.max(from);
    let first = (header.base_timestamp.max(timestamp).min(header.max_timestamp), base);
    if header.is_log_append_time() {
        return Some((header.max_timestamp, base));
    }
    // with a delete horizon the base is no record's time (KIP-534)
    if header.base_timestamp >= timestamp
        && header.delete_horizon_ms().is_none()
        && from <= header.base_offset
    {
        return Some((header.base_timestamp, header.base_offset));
    }
    if header.attributes & CODEC != 0 {
        return Some(first);
    }
    let bytes = batch.body.to_bytes();
    let mut reader = Reader::new(&bytes);
    for _ in 0..header.record_count {
        let Some((delta_ms, offset_delta)) = next_record(&mut reader) else {
            return Some(first);
        };
        let (at, offset) =
            (header.base_timestamp.saturating_add(delta_ms), header.base_offset + offset_delta);
        if at >= timestamp && offset >= from {
            return Some((at, offset));
        }
    }
    // Synthetic bodies share a template whose deltas need not reach the header's maximum.
    Some((header.max_timestamp, batch.last_offset()))
}

/// Timestamp and offset deltas of a record; moves behind it.
fn next_record(reader: &mut Reader<'_>) -> Option<(i64, i64)> {
    let length = usize::try_from(reader.signed()?).ok()?;
    let end = reader.position().checked_add(length)?;
    let _attributes = reader.byte()?;
    let deltas = (reader.signed()?, reader.signed()?);
    reader.seek(end);
    Some(deltas)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::testing::{Maker, Shape};
    use crate::disk::varint::put_signed;
    use bytes::Bytes;
    use std::sync::Arc;
    use stormglass_broker_core::records::Body;

    /// Three records at +0, +10 and +20 ms.
    fn batch() -> Batch {
        let mut body = Vec::new();
        for (offset, delta_ms) in [(0, 0), (1, 10), (2, 20)] {
            let mut record = vec![0];
            put_signed(&mut record, delta_ms);
            put_signed(&mut record, offset);
            record.extend_from_slice(&[1, 1, 0]);
            put_signed(&mut body, i64::try_from(record.len()).unwrap());
            body.extend_from_slice(&record);
        }
        let mut batch = Arc::unwrap_or_clone(Maker::new(Shape::default()).next());
        batch.header.base_offset = 500;
        batch.header.base_timestamp = 1000;
        batch.header.max_timestamp = 1020;
        batch.header.last_offset_delta = 2;
        batch.header.record_count = 3;
        batch.body = Body::Owned(Bytes::from(body));
        batch
    }

    #[test]
    fn the_record_is_found_inside_the_batch() {
        assert_eq!(first_at_or_after(&batch(), 0, 0), Some((1000, 500)));
        assert_eq!(first_at_or_after(&batch(), 0, 1000), Some((1000, 500)));
        assert_eq!(first_at_or_after(&batch(), 0, 1001), Some((1010, 501)));
        assert_eq!(first_at_or_after(&batch(), 0, 1020), Some((1020, 502)));
        assert_eq!(first_at_or_after(&batch(), 0, 1021), None);
        assert_eq!(first_at_or_after(&batch(), 501, 0), Some((1010, 501)));
        assert_eq!(first_at_or_after(&batch(), 503, 0), None);
    }

    #[test]
    fn a_compressed_batch_names_its_first_record() {
        let mut batch = batch();
        batch.header.attributes = 4;
        assert_eq!(first_at_or_after(&batch, 0, 1015), Some((1015, 500)));
        assert_eq!(first_at_or_after(&batch, 502, 1015), Some((1015, 502)));
    }
}
