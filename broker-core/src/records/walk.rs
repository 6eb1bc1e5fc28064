//! Walking the records inside a body, where they are.

use super::build::NULL;
use super::compression::{Codec, UNPACKED_BYTES_MAX};
use super::{Batch, Record, RecordError, RecordHeader};
use crate::ids::Offset;
use bytes::Bytes;

/// A record whose parts are still in its batch's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordView<'a> {
    /// Offset minus the batch's base offset.
    pub(crate) offset_delta: i32,
    /// Timestamp minus the batch's base timestamp, ms.
    pub(crate) timestamp_delta: i64,
    /// Key.
    pub(crate) key: Option<&'a [u8]>,
    /// Value; `None` is a tombstone.
    pub(crate) value: Option<&'a [u8]>,
    /// Number of headers, and their bytes, which are that many headers.
    headers: (i32, &'a [u8]),
}

impl<'a> RecordView<'a> {
    /// The next record of a body.
    pub(super) fn decode(input: &mut &'a [u8]) -> Result<Self, RecordError> {
        let length = usize::try_from(get_varint(input)?).map_err(|_| RecordError::BadLength)?;
        let mut content = split(input, length)?;
        split(&mut content, 1)?; // attributes: none are defined
        let timestamp_delta = get_varint(&mut content)?;
        let offset_delta = get_int(&mut content)?;
        let (key, value) = (get_bytes(&mut content)?, get_bytes(&mut content)?);
        let headers = (get_int(&mut content)?, content);
        for _ in 0..headers.0 {
            get_header(&mut content)?;
        }
        if content.is_empty() {
            Ok(Self { offset_delta, timestamp_delta, key, value, headers })
        } else {
            Err(RecordError::BadLength)
        }
    }

    /// The record with parts that share the body that it was found in.
    pub(crate) fn to_record(self, body: &Bytes) -> Record {
        let share = |part: &[u8]| body.slice_ref(part);
        let (count, mut headers) = self.headers;
        let headers = (0..count).map_while(|_| get_header(&mut headers).ok());
        let header = |(key, value): (&[u8], Option<&[u8]>)| RecordHeader {
            key: share(key),
            value: value.map(share),
        };
        Record {
            offset_delta: self.offset_delta,
            timestamp_delta: self.timestamp_delta,
            key: self.key.map(share),
            value: self.value.map(share),
            headers: headers.map(header).collect(),
        }
    }
}

fn split<'a>(input: &mut &'a [u8], length: usize) -> Result<&'a [u8], RecordError> {
    let (part, rest) = input.split_at_checked(length).ok_or(RecordError::TooShort)?;
    *input = rest;
    Ok(part)
}

pub(super) fn get_varint(input: &mut &[u8]) -> Result<i64, RecordError> {
    // most are one byte
    match input.split_first() {
        Some((byte, rest)) if byte & 0x80 == 0 => {
            *input = rest;
            Ok(zigzag(u64::from(*byte)))
        }
        _ => get_long_varint(input),
    }
}

fn get_long_varint(input: &mut &[u8]) -> Result<i64, RecordError> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = input.split_first().ok_or(RecordError::TooShort)?;
        *input = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(zigzag(value));
        }
    }
    Err(RecordError::BadVarint)
}

fn zigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

fn get_int(input: &mut &[u8]) -> Result<i32, RecordError> {
    i32::try_from(get_varint(input)?).map_err(|_| RecordError::BadVarint)
}

fn get_bytes<'a>(input: &mut &'a [u8]) -> Result<Option<&'a [u8]>, RecordError> {
    let length = get_varint(input)?;
    if length == NULL {
        return Ok(None);
    }
    let length = usize::try_from(length).map_err(|_| RecordError::BadLength)?;
    split(input, length).map(Some)
}

fn get_header<'a>(input: &mut &'a [u8]) -> Result<(&'a [u8], Option<&'a [u8]>), RecordError> {
    let key = get_bytes(input)?.ok_or(RecordError::BadLength)?;
    Ok((key, get_bytes(input)?))
}

impl Batch {
    /// Its records, as many as the header says.
    ///
    /// # Errors
    /// The body cannot be unpacked, or is not these records.
    pub fn records(&self) -> Result<Vec<Record>, RecordError> {
        let body = self.unpack()?;
        let records = self.views(&body)?.into_iter();
        Ok(records.map(|record| record.to_record(&body)).collect())
    }

    /// Its records where they are in its unpacked body, as many as the header says.
    ///
    /// # Errors
    /// The body is not these records.
    pub(crate) fn views<'a>(&self, body: &'a Bytes) -> Result<Vec<RecordView<'a>>, RecordError> {
        // the header's count ends the walk, but little is reserved for it: it may be anybody's
        let mut records = Vec::with_capacity(self.header.record_count.clamp(0, 16) as usize);
        self.walk(body, |record| {
            records.push(record);
            Ok::<(), RecordError>(())
        })?;
        Ok(records)
    }

    /// Looks at the offset, key and value of its records one after the other, and copies none.
    ///
    /// # Errors
    /// The body cannot be unpacked, or is not these records: some may have been looked at by then.
    pub fn visit(
        &self,
        mut look: impl FnMut(Offset, Option<&[u8]>, Option<&[u8]>),
    ) -> Result<(), RecordError> {
        let body = self.unpack()?;
        self.walk(&body, |record| {
            let offset = self.base_offset() + Offset::from(record.offset_delta);
            look(offset, record.key, record.value);
            Ok(())
        })
    }

    /// Looks at the records of its unpacked body one after the other, and copies none.
    ///
    /// # Errors
    /// The body is not as many records as the header says; or `look` returns an error.
    pub(crate) fn walk<'a, E: From<RecordError>>(
        &self,
        body: &'a Bytes,
        mut look: impl FnMut(RecordView<'a>) -> Result<(), E>,
    ) -> Result<(), E> {
        let (mut left, mut count) = (body.as_ref(), self.header.record_count);
        while !left.is_empty() {
            if count <= 0 {
                return Err(RecordError::BadCount.into());
            }
            count -= 1;
            look(RecordView::decode(&mut left)?)?;
        }
        if count == 0 { Ok(()) } else { Err(RecordError::BadCount.into()) }
    }

    /// The bytes of its records.
    ///
    /// # Errors
    /// They cannot be unpacked.
    pub(crate) fn unpack(&self) -> Result<Bytes, RecordError> {
        self.unpack_up_to(UNPACKED_BYTES_MAX)
    }

    /// The bytes of its records, if they are no more than that: for what strangers have sent.
    ///
    /// # Errors
    /// They cannot be unpacked, or are more.
    pub(crate) fn unpack_up_to(&self, bytes_max: u64) -> Result<Bytes, RecordError> {
        let body = self.body.to_bytes();
        match self.header.codec_bits().filter(|_| !body.is_empty()) {
            Some(bits) => {
                let codec = Codec::of_bits(bits).ok_or(RecordError::BadCompression)?;
                codec.unpack(&body, bytes_max)
            }
            None => Ok(body),
        }
    }

    /// Offset of one of its records.
    ///
    /// # Errors
    /// It is not within the batch.
    pub(crate) fn offset_of(&self, record: RecordView<'_>) -> Result<Offset, RecordError> {
        let is_within = (0..=self.header.last_offset_delta).contains(&record.offset_delta);
        let offset = || self.base_offset() + Offset::from(record.offset_delta);
        is_within.then(offset).ok_or(RecordError::BadOffset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_whether_they_take_one_byte_or_more() {
        let largest: Vec<u8> = [&[0xfe][..], &[0xff; 8], &[1]].concat();
        let numbers: [(&[u8], i64); 7] = [
            (&[0], 0),
            (&[1], -1),
            (&[0x7e], 63),
            (&[0x7f], -64),
            (&[0x80, 1], 64),
            (&[0xac, 2], 150),
            (&largest, i64::MAX),
        ];
        for (bytes, number) in numbers {
            let input = [bytes, &[7]].concat();
            let mut left = input.as_slice();
            assert!(get_varint(&mut left).is_ok_and(|read| read == number), "{number}");
            assert_eq!(left, [7], "what follows {number} is left");
        }
        let broken: [&[u8]; 3] = [&[], &[0x80], &[0x80; 11]];
        for broken in broken {
            assert!(get_varint(&mut &*broken).is_err(), "{broken:?}");
        }
    }
}
