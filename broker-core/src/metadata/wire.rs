//! Kafka's flexible encoding as far as metadata records need it: integers, varints, compact
//! strings and arrays, tagged fields.

use crate::ids::NodeId;
use std::fmt;
use std::sync::Arc;

/// Bytes that are not what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeError(pub &'static str);

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "metadata cannot be decoded: {}", self.0)
    }
}

impl std::error::Error for DecodeError {}

/// Appends encoded fields.
#[derive(Debug, Default)]
pub(super) struct Writer {
    pub(super) bytes: Vec<u8>,
}

impl Writer {
    pub(super) fn i8(&mut self, value: i8) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn bool(&mut self, value: bool) {
        self.bytes.push(u8::from(value));
    }

    pub(super) fn i16(&mut self, value: i16) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn i32(&mut self, value: i32) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn i64(&mut self, value: i64) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn u128(&mut self, value: u128) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn uvarint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    pub(super) fn varint(&mut self, value: i64) {
        self.uvarint(((value << 1) ^ (value >> 63)).cast_unsigned());
    }

    pub(super) fn compact_len(&mut self, len: usize) {
        self.uvarint(len as u64 + 1);
    }

    pub(super) fn string(&mut self, value: &str) {
        self.compact_len(value.len());
        self.bytes.extend_from_slice(value.as_bytes());
    }

    pub(super) fn nullable_string(&mut self, value: Option<&str>) {
        match value {
            Some(value) => self.string(value),
            None => self.uvarint(0),
        }
    }

    pub(super) fn nodes(&mut self, nodes: &[NodeId]) {
        self.compact_len(nodes.len());
        for node in nodes {
            self.i32(node.0);
        }
    }

    pub(super) fn empty_array(&mut self) {
        self.compact_len(0);
    }

    /// Tagged fields in ascending order of tag.
    pub(super) fn tags(&mut self, fields: &[(u64, Self)]) {
        self.uvarint(fields.len() as u64);
        for (tag, field) in fields {
            self.uvarint(*tag);
            self.uvarint(field.bytes.len() as u64);
            self.bytes.extend_from_slice(&field.bytes);
        }
    }
}

/// Takes encoded fields from the front.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let (head, tail) = self.bytes.split_at_checked(len).ok_or(DecodeError("cut short"))?;
        self.bytes = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (head, tail) = self.bytes.split_first_chunk().ok_or(DecodeError("cut short"))?;
        self.bytes = tail;
        Ok(*head)
    }

    pub(super) fn i8(&mut self) -> Result<i8, DecodeError> {
        self.array().map(i8::from_be_bytes)
    }

    pub(super) fn bool(&mut self) -> Result<bool, DecodeError> {
        Ok(self.i8()? != 0)
    }

    pub(super) fn i16(&mut self) -> Result<i16, DecodeError> {
        self.array().map(i16::from_be_bytes)
    }

    pub(super) fn i32(&mut self) -> Result<i32, DecodeError> {
        self.array().map(i32::from_be_bytes)
    }

    pub(super) fn i64(&mut self) -> Result<i64, DecodeError> {
        self.array().map(i64::from_be_bytes)
    }

    pub(super) fn u128(&mut self) -> Result<u128, DecodeError> {
        self.array().map(u128::from_be_bytes)
    }

    pub(super) fn uvarint(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(DecodeError("varint too long"))
    }

    pub(super) fn varint(&mut self) -> Result<i64, DecodeError> {
        let raw = self.uvarint()?;
        Ok((raw >> 1).cast_signed() ^ -((raw & 1).cast_signed()))
    }

    /// A length that the rest of the bytes can hold.
    pub(super) fn len(&mut self) -> Result<usize, DecodeError> {
        let len = self.uvarint()?;
        usize::try_from(len)
            .ok()
            .filter(|len| *len <= self.bytes.len())
            .ok_or(DecodeError("length beyond the end"))
    }

    /// Length of a compact array or string; `None` = null.
    pub(super) fn compact_len(&mut self) -> Result<Option<usize>, DecodeError> {
        let Some(len) = self.uvarint()?.checked_sub(1) else { return Ok(None) };
        usize::try_from(len)
            .ok()
            .filter(|len| *len <= self.bytes.len())
            .map(Some)
            .ok_or(DecodeError("length beyond the end"))
    }

    pub(super) fn nullable_string(&mut self) -> Result<Option<Arc<str>>, DecodeError> {
        let Some(len) = self.compact_len()? else { return Ok(None) };
        let text = std::str::from_utf8(self.take(len)?).map_err(|_| DecodeError("not UTF-8"))?;
        Ok(Some(Arc::from(text)))
    }

    pub(super) fn string(&mut self) -> Result<Arc<str>, DecodeError> {
        self.nullable_string()?.ok_or(DecodeError("string is null"))
    }

    pub(super) fn nullable_nodes(&mut self) -> Result<Option<Vec<NodeId>>, DecodeError> {
        let Some(len) = self.compact_len()? else { return Ok(None) };
        (0..len).map(|_| self.i32().map(NodeId)).collect::<Result<_, _>>().map(Some)
    }

    pub(super) fn nodes(&mut self) -> Result<Vec<NodeId>, DecodeError> {
        self.nullable_nodes()?.ok_or(DecodeError("array is null"))
    }

    /// Visits the tagged fields; unknown ones are the visitor's to skip.
    pub(super) fn tags(
        &mut self,
        visit: &mut dyn FnMut(u64, Self) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        for _ in 0..self.uvarint()? {
            let tag = self.uvarint()?;
            let len = self.len()?;
            visit(tag, Reader::new(self.take(len)?))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_are_kafkas() {
        let mut writer = Writer::default();
        writer.uvarint(300);
        writer.varint(-1);
        writer.varint(i64::MIN);
        assert_eq!(writer.bytes[..3], [0xac, 0x02, 0x01]);
        let mut reader = Reader::new(&writer.bytes);
        assert_eq!(reader.uvarint(), Ok(300));
        assert_eq!(reader.varint(), Ok(-1));
        assert_eq!(reader.varint(), Ok(i64::MIN));
        assert!(reader.is_empty());
    }

    #[test]
    fn lengths_beyond_the_end_are_refused() {
        assert!(Reader::new(&[0x7f, 0x00]).compact_len().is_err());
        assert!(Reader::new(&[0xff; 12]).uvarint().is_err());
        assert!(Reader::new(&[]).i32().is_err());
    }
}
