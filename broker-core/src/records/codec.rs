//! The bytes of v2 batches: encoding, decoding without copies, and walking a file of them.
//! Leaves out the older formats (refused) and compression (bodies stay opaque).

use super::{BATCH_OVERHEAD, Batch, BatchHeader, Body, Records};
use crate::error::ErrorCode;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use std::fmt;
use std::sync::Arc;

/// The only format that is spoken.
const MAGIC: i8 = 2;
/// Bytes before and in `batchLength`, which does not count them.
const LENGTH_END: usize = 12;
/// Where the CRC is; it covers everything after itself.
const CRC_AT: usize = 17;
/// Where the bytes that the CRC covers begin.
const CRC_END: usize = CRC_AT + 4;
/// Bytes of a header, in the type of slices.
const HEADER_BYTES: usize = BATCH_OVERHEAD as usize;

/// What is wrong with the bytes of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchError {
    /// The bytes end before the batch does.
    TooShort {
        /// Bytes needed.
        needed: usize,
        /// Bytes there.
        found: usize,
    },
    /// `batchLength` is smaller than a header.
    BadLength(i32),
    /// Not format v2.
    UnsupportedMagic(i8),
    /// The CRC is another one.
    BadCrc {
        /// CRC in the header.
        stored: u32,
        /// CRC of the bytes.
        computed: u32,
    },
    /// Record count or last offset delta is negative.
    NegativeCount,
    /// More records than offsets.
    CountMismatch {
        /// Records.
        record_count: i32,
        /// Last offset minus first.
        last_offset_delta: i32,
    },
}

impl BatchError {
    /// What a client is told.
    #[must_use]
    pub fn error_code(&self) -> ErrorCode {
        match self {
            // as Kafka has it: a batch without its end, or of a format that once was, is well known
            Self::NegativeCount
            | Self::CountMismatch { .. }
            | Self::TooShort { .. }
            | Self::UnsupportedMagic(0 | 1) => ErrorCode::InvalidRecord,
            Self::BadLength(_) | Self::UnsupportedMagic(_) | Self::BadCrc { .. } => {
                ErrorCode::CorruptMessage
            }
        }
    }
}

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { needed, found } => write!(f, "batch of {needed} bytes, {found} there"),
            Self::BadLength(length) => write!(f, "batch length {length}"),
            Self::UnsupportedMagic(magic) => write!(f, "message format v{magic}, not v2"),
            Self::BadCrc { stored, computed } => {
                write!(f, "CRC {stored:08x} in the header, {computed:08x} of the bytes")
            }
            Self::NegativeCount => f.write_str("negative record count or offset delta"),
            Self::CountMismatch { record_count, last_offset_delta } => {
                write!(f, "{record_count} records with last offset delta {last_offset_delta}")
            }
        }
    }
}

impl std::error::Error for BatchError {}

impl Batch {
    /// Appends the batch's bytes, with length and CRC.
    pub fn encode(&self, out: &mut BytesMut) {
        let start = out.len();
        out.reserve(self.size_bytes() as usize);
        let body = self.encode_header(out);
        out.put_slice(&body);
        debug_assert_eq!(out.len() - start, self.size_bytes() as usize);
    }

    /// Appends the header's bytes, with length and CRC, and returns those that follow, which are
    /// shared and not copied.
    pub fn encode_header(&self, out: &mut BytesMut) -> Bytes {
        let start = out.len();
        let header = &self.header;
        let body = self.body.to_bytes();
        out.put_i64(header.base_offset);
        out.put_i32(i32::try_from(HEADER_BYTES - LENGTH_END + body.len()).unwrap_or(i32::MAX));
        out.put_i32(header.partition_leader_epoch);
        out.put_i8(MAGIC);
        out.put_u32(0);
        out.put_i16(header.attributes);
        out.put_i32(header.last_offset_delta);
        out.put_i64(header.base_timestamp);
        out.put_i64(header.max_timestamp);
        out.put_i64(header.producer_id);
        out.put_i16(header.producer_epoch);
        out.put_i32(header.base_sequence);
        out.put_i32(header.record_count);
        let crc = crc32c::crc32c_append(crc32c::crc32c(&out[start + CRC_END..]), &body);
        out[start + CRC_AT..start + CRC_END].copy_from_slice(&crc.to_be_bytes());
        body
    }

    /// Takes one batch off the front; its body shares the input's memory. A compacted batch may
    /// have fewer records than offsets; whether a client may send one is the log's question
    /// (DUR-20).
    ///
    /// # Errors
    /// What is wrong with the bytes; the input is unchanged then.
    pub fn decode(input: &mut Bytes) -> Result<Self, BatchError> {
        let size = check_frame(input)?;
        let mut rest = input.slice(..size);
        let base_offset = rest.get_i64();
        rest.advance(LENGTH_END - 8);
        let partition_leader_epoch = rest.get_i32();
        rest.advance(CRC_END - LENGTH_END - 4);
        let header = BatchHeader {
            base_offset,
            partition_leader_epoch,
            attributes: rest.get_i16(),
            last_offset_delta: rest.get_i32(),
            base_timestamp: rest.get_i64(),
            max_timestamp: rest.get_i64(),
            producer_id: rest.get_i64(),
            producer_epoch: rest.get_i16(),
            base_sequence: rest.get_i32(),
            record_count: rest.get_i32(),
        };
        check_counts(&header)?;
        input.advance(size);
        Ok(Self { header, body: Body::Owned(rest) })
    }
}

/// Size of the batch at the front, when it is all there and its CRC is right.
fn check_frame(input: &Bytes) -> Result<usize, BatchError> {
    let found = input.len();
    if found < HEADER_BYTES {
        return Err(BatchError::TooShort { needed: HEADER_BYTES, found });
    }
    let mut front = &input[8..];
    let length = front.get_i32();
    front.advance(4);
    let (magic, stored) = (front.get_i8(), front.get_u32());
    let needed = usize::try_from(length).unwrap_or(0) + LENGTH_END;
    if needed < HEADER_BYTES {
        return Err(BatchError::BadLength(length));
    }
    if magic != MAGIC {
        return Err(BatchError::UnsupportedMagic(magic));
    }
    if found < needed {
        return Err(BatchError::TooShort { needed, found });
    }
    let computed = crc32c::crc32c(&input[CRC_END..needed]);
    if stored == computed { Ok(needed) } else { Err(BatchError::BadCrc { stored, computed }) }
}

fn check_counts(header: &BatchHeader) -> Result<(), BatchError> {
    let BatchHeader { record_count, last_offset_delta, .. } = *header;
    if record_count < 0 || last_offset_delta < 0 {
        return Err(BatchError::NegativeCount);
    }
    if record_count > last_offset_delta.saturating_add(1) {
        return Err(BatchError::CountMismatch { record_count, last_offset_delta });
    }
    Ok(())
}

impl Records {
    /// Appends the bytes of all batches.
    pub fn encode(&self, out: &mut BytesMut) {
        for batch in self.batches() {
            batch.encode(out);
        }
    }

    /// Decodes bytes that must be whole batches, as in a produce request.
    ///
    /// # Errors
    /// What is wrong with the first bad batch.
    pub fn decode(mut input: Bytes) -> Result<Self, BatchError> {
        let mut records = Self::default();
        while !input.is_empty() {
            records.push(Arc::new(Batch::decode(&mut input)?));
        }
        Ok(records)
    }

    /// Decodes the whole batches at the front, and leaves out a last one that is cut short, as a
    /// fetch response may end with.
    ///
    /// # Errors
    /// What is wrong with a batch that is there in full.
    pub fn decode_prefix(input: Bytes) -> Result<Self, BatchError> {
        let mut walk = BatchWalk::new(input);
        let mut records = Self::default();
        for (_, batch) in walk.by_ref() {
            records.push(batch);
        }
        match walk.error() {
            None | Some(BatchError::TooShort { .. }) => Ok(records),
            Some(error) => Err(error),
        }
    }
}

/// Walks the batches of a file, and stops at the first that is torn or corrupt.
#[derive(Debug)]
pub struct BatchWalk {
    rest: Bytes,
    position: u64,
    error: Option<BatchError>,
}

impl BatchWalk {
    /// From the first byte of a batch.
    #[must_use]
    pub fn new(bytes: Bytes) -> Self {
        Self { rest: bytes, position: 0, error: None }
    }

    /// Why the walk ended; `None` at the end of the bytes.
    #[must_use]
    pub fn error(&self) -> Option<BatchError> {
        self.error
    }

    /// Bytes after the last good batch.
    #[must_use]
    pub fn rest_bytes(&self) -> usize {
        self.rest.len()
    }
}

impl Iterator for BatchWalk {
    /// Position, bytes, and batch.
    type Item = (u64, Arc<Batch>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() || self.error.is_some() {
            return None;
        }
        match Batch::decode(&mut self.rest) {
            Ok(batch) => {
                let position = self.position;
                self.position += u64::from(batch.size_bytes());
                Some((position, Arc::new(batch)))
            }
            Err(error) => {
                self.error = Some(error);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests;
