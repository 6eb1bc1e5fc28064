//! Shared bodies of record batches: valid v2 records sections, one per shape.
//!
//! A shape is a number of records and the size of each. Batches of records of different sizes
//! share the template of their mean size, rounded up to five significant bits, so that the number
//! of templates stays small: at most 1/16 more bytes than intended. Left out: keys as separate
//! fields (their bytes count in the value), timestamp deltas (all zero) and real compression (a
//! compressed batch is modelled as smaller records).
//!
//! Where a topic is compacted, records have keys of their own: drawn evenly from as many as the
//! source has, batch by batch, whatever its distribution and whichever partition they are in. One
//! batch in eight ends with a tombstone.

use bytes::{BufMut, Bytes, BytesMut};
use rustc_hash::FxHashMap;
use std::sync::Arc;
use stormglass_broker_core::records::{BodyTemplate, Record};

/// Templates by (value size, record count).
#[derive(Debug, Default)]
pub struct Templates {
    by_shape: FxHashMap<(u32, u32), Arc<BodyTemplate>>,
    with_keys: FxHashMap<Keyed, Arc<BodyTemplate>>,
}

/// Shape of a body with keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Keyed {
    /// Of key and value, bytes.
    bytes: u32,
    count: u32,
    /// Different keys.
    keys: u64,
    /// Whether the last record is a tombstone.
    deletes: bool,
}

/// One batch in so many ends with a tombstone.
const TOMBSTONE_EVERY: u64 = 8;

impl Templates {
    /// The body of `count` records with values of `value_bytes` each.
    pub fn body(&mut self, value_bytes: u32, count: u32) -> Arc<BodyTemplate> {
        let build = || Arc::new(build_body(value_bytes, count));
        self.by_shape.entry((value_bytes, count)).or_insert_with(build).clone()
    }

    /// The body of `count` records of `bytes` each, with one of `keys` keys, for a batch with a tag.
    pub fn keyed(&mut self, bytes: u32, count: u32, (keys, tag): (u64, u64)) -> Arc<BodyTemplate> {
        let shape = Keyed { bytes, count, keys, deletes: tag.is_multiple_of(TOMBSTONE_EVERY) };
        let build = || Arc::new(build_keyed(shape));
        self.with_keys.entry(shape).or_insert_with(build).clone()
    }

    /// Number of shapes in memory.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_shape.len() + self.with_keys.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Rounds up to five significant bits.
pub(crate) fn round_shape(bytes: u32) -> u32 {
    let step = 1u32 << (32 - bytes.leading_zeros()).saturating_sub(5);
    bytes.div_ceil(step).saturating_mul(step)
}

/// Encoded bytes of one record at `offset_delta`, its length prefix included.
pub(crate) fn record_bytes(value_bytes: u32, offset_delta: u32) -> u32 {
    let content = record_content_bytes(value_bytes, offset_delta);
    varint_len(content) + content
}

fn record_content_bytes(value_bytes: u32, offset_delta: u32) -> u32 {
    // attributes, timestamp delta 0, key length -1, header count 0: one byte each
    4 + varint_len(offset_delta) + varint_len(value_bytes) + value_bytes
}

/// Bytes of the zigzag varint of a non-negative number.
fn varint_len(value: u32) -> u32 {
    let zigzag = u64::from(value) << 1;
    (64 - zigzag.leading_zeros()).div_ceil(7).max(1)
}

fn put_varint(out: &mut BytesMut, value: i32) {
    let mut rest = (i64::from(value) << 1) ^ (i64::from(value) >> 63);
    while rest >= 0x80 {
        out.put_u8(u8::try_from(rest & 0x7f).unwrap_or(0) | 0x80);
        rest >>= 7;
    }
    out.put_u8(u8::try_from(rest).unwrap_or(0));
}

fn put_length(out: &mut BytesMut, value: u32) {
    put_varint(out, i32::try_from(value).unwrap_or(i32::MAX));
}

fn build_body(value_bytes: u32, count: u32) -> BodyTemplate {
    let mut out = BytesMut::new();
    let mut tag_at = 0;
    for index in 0..count {
        put_length(&mut out, record_content_bytes(value_bytes, index));
        out.put_u8(0); // attributes
        put_varint(&mut out, 0); // timestamp delta
        put_length(&mut out, index);
        put_varint(&mut out, -1); // no key
        put_length(&mut out, value_bytes);
        if index == 0 {
            // a short value cannot hold the tag; then it must not overwrite the next record
            tag_at = if value_bytes >= 8 { out.len() } else { usize::MAX - 8 };
        }
        out.put_bytes(b'x', value_bytes as usize);
        put_varint(&mut out, 0); // no headers
    }
    BodyTemplate::new(Bytes::from(out), tag_at)
}

fn build_keyed(Keyed { bytes, count, keys, deletes }: Keyed) -> BodyTemplate {
    /// The tag, which makes a value unique.
    const VALUE_BYTES_MIN: usize = 8;
    let value_bytes = (bytes as usize).saturating_sub(BodyTemplate::KEY_BYTES);
    let value = Bytes::from(vec![b'x'; value_bytes.max(VALUE_BYTES_MIN)]);
    let key = Bytes::from(vec![b'0'; BodyTemplate::KEY_BYTES]);
    let (mut out, mut slots, mut tag_at) = (BytesMut::new(), Vec::new(), usize::MAX - 8);
    for index in 0..count {
        let is_tombstone = deletes && index + 1 == count;
        let value = (!is_tombstone).then(|| value.clone());
        let tail = value.as_ref().map_or(1, |value| {
            let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
            varint_len(length) as usize + value.len()
        }) + 1;
        let mut record = Record::new(Some(key.clone()), value);
        record.offset_delta = i32::try_from(index).unwrap_or(i32::MAX);
        record.encode(&mut out);
        slots.push(out.len() - tail - key.len());
        if index == 0 && !is_tombstone {
            tag_at = out.len() - 1 - value_bytes.max(VALUE_BYTES_MIN);
        }
    }
    BodyTemplate::new(out.freeze(), tag_at).with_keys(keys, slots)
}

#[cfg(test)]
mod tests {
    use super::*;
    use stormglass_broker_core::records::Body;

    #[test]
    fn bodies_have_the_computed_size_and_a_unique_tag() {
        let mut templates = Templates::default();
        for (size, count) in [(0, 1), (3, 2), (8, 1), (100, 70), (1024, 15), (20_000, 3)] {
            let template = templates.body(size, count);
            let expected: u32 = (0..count).map(|index| record_bytes(size, index)).sum();
            assert_eq!(template.len(), expected as usize, "{size} x {count}");
            let body = |tag| Body::Template { template: template.clone(), tag };
            assert_eq!(body(1).to_bytes() != body(2).to_bytes(), size >= 8);
            assert_ne!(body(1).fingerprint(), body(2).fingerprint());
        }
        assert_eq!(templates.len(), 6);
    }

    #[test]
    fn keys_are_drawn_from_the_tag_and_some_records_are_tombstones() {
        let mut templates = Templates::default();
        let mut header =
            stormglass_broker_core::records::Batch::build(0, &mut [Record::default()]).header;
        let (mut seen, mut tombstones) = (std::collections::BTreeSet::new(), 0);
        for tag in 0..80 {
            let template = templates.keyed(100, 10, (50, tag));
            assert!(tag % 8 == 0 || template.len() == templates.body(100, 10).len());
            let body = Body::Template { template, tag };
            header.record_count = 10;
            let batch = stormglass_broker_core::records::Batch { header, body };
            let records = batch.records().unwrap();
            assert_eq!(records, batch.records().unwrap());
            assert_eq!(records.len(), 10);
            assert_eq!(&records[0].value.as_ref().unwrap()[..8], tag.to_be_bytes());
            tombstones += records.iter().filter(|record| record.value.is_none()).count();
            seen.extend(records.into_iter().map(|record| record.key.unwrap()));
        }
        assert_eq!((seen.len(), tombstones), (50, 10));
        assert!(seen.iter().all(|key| key.len() == 16 && key.starts_with(b"00000000000000")));
    }

    #[test]
    fn a_one_byte_record_is_encoded_as_the_format_says() {
        // length 7 (zigzag 14), attributes 0, timestamp 0, offset 0, key -1 (zigzag 1),
        // value length 1 (zigzag 2), value, headers 0
        let template = Templates::default().body(1, 1);
        let bytes = Body::Template { template, tag: 0 }.to_bytes();
        assert_eq!(bytes.as_ref(), [14, 0, 0, 0, 1, 2, b'x', 0]);
    }

    #[test]
    fn rounding_adds_at_most_a_sixteenth() {
        for bytes in 1..5_000 {
            let rounded = round_shape(bytes);
            assert!(rounded >= bytes && rounded <= bytes + bytes / 16 + 1, "{bytes}: {rounded}");
        }
    }
}
