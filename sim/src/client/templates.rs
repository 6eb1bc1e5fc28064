//! Shared bodies of record batches: valid v2 records sections, one per shape.
//!
//! A shape is a number of records and the size of each. Batches of records of different sizes
//! share the template of their mean size, rounded up to five significant bits, so that the number
//! of templates stays small: at most 1/16 more bytes than intended. Left out: keys as separate
//! fields (their bytes count in the value), timestamp deltas (all zero) and real compression (a
//! compressed batch is modelled as smaller records).

use bytes::{BufMut, Bytes, BytesMut};
use rustc_hash::FxHashMap;
use std::sync::Arc;
use stormglass_broker_core::records::BodyTemplate;

/// Templates by (value size, record count).
#[derive(Debug, Default)]
pub struct Templates {
    by_shape: FxHashMap<(u32, u32), Arc<BodyTemplate>>,
}

impl Templates {
    /// The body of `count` records with values of `value_bytes` each.
    pub fn body(&mut self, value_bytes: u32, count: u32) -> Arc<BodyTemplate> {
        let build = || Arc::new(build_body(value_bytes, count));
        self.by_shape.entry((value_bytes, count)).or_insert_with(build).clone()
    }

    /// Number of shapes in memory.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_shape.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_shape.is_empty()
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
