//! Walking the batches of a segment: from header to header, or with their content.

use super::chunks::Chunks;
use super::layout::OFFSETS_END;
use bytes::Buf as _;
use std::fs::File;
use std::io;
use stormglass_broker_core::ids::Offset;
use stormglass_broker_core::records::{BATCH_OVERHEAD, Batch};

/// Bytes before `batchLength` ends, which does not count them.
const LENGTH_END: u64 = 12;
const MAGIC: i8 = 2;

/// What finding one's way takes of a batch's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) position: u64,
    pub(super) size: u64,
    pub(super) base_offset: Offset,
    pub(super) last_offset: Offset,
    pub(super) max_timestamp: i64,
}

impl Head {
    /// Position after the batch.
    pub(super) fn end(&self) -> u64 {
        self.position + self.size
    }
}

/// Why a batch could not be taken.
#[derive(Debug)]
pub(super) enum WalkError {
    /// The bytes are not a whole, sound batch.
    Corrupt,
    /// The file could not be read.
    Io(io::Error),
}

/// A walk over a segment.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    chunks: Chunks<'a>,
    position: u64,
}

impl<'a> Walk<'a> {
    /// From a batch's position on; `size` is where the segment ends.
    pub(super) fn new(file: &'a File, size: u64, position: u64, chunk: usize) -> Self {
        Self { chunks: Chunks::new(file, size, chunk), position }
    }

    /// Reads so much of the file at a time from now on.
    pub(super) fn set_chunk(&mut self, chunk: usize) {
        self.chunks.set_chunk(chunk);
    }

    /// Bytes that have not been walked.
    pub(super) fn rest(&self) -> u64 {
        self.chunks.size() - self.position
    }

    /// The batch at the position; `None` at the end and where no whole batch is.
    pub(super) fn head(&mut self) -> io::Result<Option<Head>> {
        let position = self.position;
        let Some(mut bytes) = self.chunks.get(position, BATCH_OVERHEAD as usize)? else {
            return Ok(None);
        };
        let base_offset = bytes.get_i64();
        let length = bytes.get_i32();
        bytes.advance(4); // leader epoch
        let magic = bytes.get_i8();
        bytes.advance(4 + 2); // CRC, attributes
        let last_offset_delta = bytes.get_i32();
        bytes.advance(8); // base timestamp
        let max_timestamp = bytes.get_i64();
        let size = LENGTH_END + u64::try_from(length).unwrap_or(0);
        let is_whole = size >= u64::from(BATCH_OVERHEAD) && size <= self.rest();
        // no CRC protects the base offset
        let is_offset = (0..OFFSETS_END).contains(&base_offset);
        let is_sound = magic == MAGIC && is_offset && last_offset_delta >= 0;
        Ok((is_whole && is_sound).then(|| Head {
            position,
            size,
            base_offset,
            last_offset: base_offset.saturating_add(Offset::from(last_offset_delta)),
            max_timestamp,
        }))
    }

    /// Goes on behind a batch.
    pub(super) fn skip(&mut self, head: &Head) {
        self.position = head.end();
    }

    /// The batch itself, CRC checked; then goes on behind it.
    pub(super) fn take(&mut self, head: &Head) -> Result<Batch, WalkError> {
        let size = usize::try_from(head.size).map_err(|_| WalkError::Corrupt)?;
        let bytes = self.chunks.get(head.position, size).map_err(WalkError::Io)?;
        let batch =
            Batch::decode(&mut bytes.ok_or(WalkError::Corrupt)?).map_err(|_| WalkError::Corrupt)?;
        self.position = head.end();
        Ok(batch)
    }
}
