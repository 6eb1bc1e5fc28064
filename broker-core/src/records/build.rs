//! Records inside a body: what they are, and building them.

use super::compression::Codec;
use super::{Batch, BatchHeader, Body, BodyTemplate};
use bytes::{BufMut, Bytes, BytesMut};
use std::fmt;

/// Length of a null key, value or header value.
pub(super) const NULL: i64 = -1;

/// A header of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordHeader {
    /// Key.
    pub key: Bytes,
    /// Value.
    pub value: Option<Bytes>,
}

/// A record: to be written, or as read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// Offset minus the batch's base offset.
    pub offset_delta: i32,
    /// Timestamp minus the batch's base timestamp, ms.
    pub timestamp_delta: i64,
    /// Key.
    pub key: Option<Bytes>,
    /// Value; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// Headers.
    pub headers: Vec<RecordHeader>,
}

/// The bytes of a body are not records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordError {
    /// The body is compressed in a way that is not known, or is not what its codec makes.
    BadCompression,
    /// It ends inside a record.
    TooShort,
    /// A number has more digits than its type.
    BadVarint,
    /// A length is negative, or a record's length is not that of its parts.
    BadLength,
    /// There are more or fewer records than the batch's header says.
    BadCount,
    /// A record has an offset outside of its batch.
    BadOffset,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadCompression => "compressed body cannot be unpacked",
            Self::TooShort => "body ends inside a record",
            Self::BadVarint => "variable-length number is too long",
            Self::BadLength => "length of a record or field is wrong",
            Self::BadCount => "number of records is not that of the header",
            Self::BadOffset => "offset of a record is outside of its batch",
        })
    }
}

impl std::error::Error for RecordError {}

/// Bytes of a number in Kafka's zigzag varint.
#[must_use]
pub fn varint_len(value: i64) -> usize {
    let bits = 64 - zigzag(value).leading_zeros();
    bits.div_ceil(7).max(1) as usize
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

fn put_varint(out: &mut BytesMut, value: i64) {
    let mut rest = zigzag(value);
    while rest >= 0x80 {
        out.put_u8((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out.put_u8(rest as u8);
}

fn bytes_len(value: Option<&Bytes>) -> usize {
    value.map_or(varint_len(NULL), |bytes| varint_len(bytes.len() as i64) + bytes.len())
}

fn put_bytes(out: &mut BytesMut, value: Option<&Bytes>) {
    match value {
        None => put_varint(out, NULL),
        Some(bytes) => {
            put_varint(out, bytes.len() as i64);
            out.put_slice(bytes);
        }
    }
}

impl Record {
    /// A record with a key and a value.
    #[must_use]
    pub fn new(key: Option<Bytes>, value: Option<Bytes>) -> Self {
        Self { key, value, ..Self::default() }
    }

    /// Encoded size, bytes, without the length before it.
    fn content_len(&self) -> usize {
        let headers: usize = self
            .headers
            .iter()
            .map(|header| bytes_len(Some(&header.key)) + bytes_len(header.value.as_ref()))
            .sum();
        1 + varint_len(self.timestamp_delta)
            + varint_len(i64::from(self.offset_delta))
            + bytes_len(self.key.as_ref())
            + bytes_len(self.value.as_ref())
            + varint_len(self.headers.len() as i64)
            + headers
    }

    /// Encoded size, bytes.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let content = self.content_len();
        varint_len(content as i64) + content
    }

    /// Appends the record's bytes.
    pub fn encode(&self, out: &mut BytesMut) {
        put_varint(out, self.content_len() as i64);
        out.put_i8(0); // attributes: none are defined
        put_varint(out, self.timestamp_delta);
        put_varint(out, i64::from(self.offset_delta));
        put_bytes(out, self.key.as_ref());
        put_bytes(out, self.value.as_ref());
        put_varint(out, self.headers.len() as i64);
        for header in &self.headers {
            put_bytes(out, Some(&header.key));
            put_bytes(out, header.value.as_ref());
        }
    }
}

/// The bytes of records, for which memory is asked once.
fn encode_all(records: &[Record]) -> Bytes {
    let mut body = BytesMut::with_capacity(records.iter().map(Record::size_bytes).sum());
    records.iter().for_each(|record| record.encode(&mut body));
    body.freeze()
}

impl Batch {
    /// An uncompressed batch of at least one record. Offset deltas are set to 0, 1, 2...; offset,
    /// epoch and producer are left to be assigned.
    #[must_use]
    pub fn build(base_timestamp: i64, records: &mut [Record]) -> Self {
        assert!(!records.is_empty(), "a batch has records");
        for (delta, record) in (0..).zip(records.iter_mut()) {
            record.offset_delta = delta;
        }
        let body = encode_all(records);
        let youngest = records.iter().map(|record| record.timestamp_delta).max().unwrap_or(0);
        let record_count = i32::try_from(records.len()).unwrap_or(i32::MAX);
        Self {
            header: BatchHeader {
                base_offset: 0,
                partition_leader_epoch: -1,
                attributes: 0,
                last_offset_delta: record_count - 1,
                base_timestamp,
                max_timestamp: base_timestamp.saturating_add(youngest),
                producer_id: -1,
                producer_epoch: -1,
                base_sequence: -1,
                record_count,
            },
            body: Body::Owned(body),
        }
    }

    /// The batch with only some of its records, which keep their offsets and timestamps; so do
    /// header and producer. With `horizon_ms` the delete horizon is set (KIP-534).
    ///
    /// # Errors
    /// The body cannot be compressed again.
    pub(crate) fn with_records(
        &self,
        mut records: Vec<Record>,
        horizon_ms: Option<i64>,
    ) -> Result<Self, RecordError> {
        let mut header = self.header;
        let first = records.first().map_or(0, |record| record.timestamp_delta);
        // a client may have sent any timestamps: they are only kept from wrapping around
        let from_first = header.base_timestamp.saturating_add(first);
        header.base_timestamp = header.delete_horizon_ms().unwrap_or(from_first);
        if let Some(horizon_ms) = horizon_ms {
            header = header.with_delete_horizon(horizon_ms);
        }
        let moved = self.header.base_timestamp.saturating_sub(header.base_timestamp);
        for record in &mut records {
            record.timestamp_delta = record.timestamp_delta.saturating_add(moved);
        }
        let mut body = encode_all(&records);
        if !header.is_log_append_time() {
            let youngest = records.iter().map(|record| record.timestamp_delta).max();
            let base = header.base_timestamp;
            header.max_timestamp = youngest.map_or(-1, |delta| base.saturating_add(delta));
        }
        header.record_count = i32::try_from(records.len()).unwrap_or(i32::MAX);
        if let Some(bits) = header.codec_bits() {
            body = Codec::of_bits(bits).ok_or(RecordError::BadCompression)?.pack(&body)?;
        }
        Ok(Self { header, body: Body::Owned(body) })
    }
}

impl BodyTemplate {
    /// A body of `count` records, each with a key and a value of the given sizes (no key at 0).
    /// The tag is the start of the first value; a value shorter than 8 bytes has none.
    #[must_use]
    pub fn of_records(count: u32, key_bytes: usize, value_bytes: usize) -> Self {
        let filled = |length| Bytes::from(vec![b'x'; length]);
        let key = (key_bytes > 0).then(|| filled(key_bytes));
        let mut record = Record::new(key, Some(filled(value_bytes)));
        let mut body = BytesMut::new();
        let mut tag_at = usize::MAX - 8;
        for delta in 0..count {
            record.offset_delta = i32::try_from(delta).unwrap_or(i32::MAX);
            record.encode(&mut body);
            if delta == 0 && value_bytes >= 8 {
                // the value is followed by the number of headers only
                tag_at = body.len() - value_bytes - varint_len(0);
            }
        }
        Self::new(body.freeze(), tag_at)
    }
}

#[cfg(test)]
mod tests;
