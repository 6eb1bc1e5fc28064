//! Takes fields from the front of a frame. Lengths are believed only as far as bytes follow, and
//! the number of elements of all arrays together is limited, so that a small frame cannot ask for
//! much memory.

use crate::error::WireError;
use bytes::{Buf, Bytes};
use std::sync::Arc;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::TopicId;

/// Elements of all arrays of a request; ten thousand partitions with everything about them are
/// far below.
const ELEMENTS_MAX: usize = 1_000_000;
/// Kafka's limit on strings.
const STRING_BYTES_MAX: usize = i16::MAX as usize;

/// The rest of a frame.
#[derive(Debug)]
pub(crate) struct Reader {
    bytes: Bytes,
    flexible: bool,
    elements_left: usize,
}

impl Reader {
    /// Fields in the older encoding, until [`Self::set_flexible`].
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self { bytes, flexible: false, elements_left: ELEMENTS_MAX }
    }

    pub(crate) fn set_flexible(&mut self, flexible: bool) {
        self.flexible = flexible;
    }

    /// The request must end here.
    pub(crate) fn end(&self) -> Result<(), WireError> {
        match self.bytes.len() {
            0 => Ok(()),
            rest => Err(WireError::TrailingBytes(rest)),
        }
    }

    /// Skips up to this many bytes at the end of the request.
    pub(crate) fn ignore(&mut self, bytes_max: usize) {
        if self.bytes.len() <= bytes_max {
            self.bytes.clear();
        }
    }

    pub(crate) fn i8(&mut self) -> Result<i8, WireError> {
        self.bytes.try_get_i8().map_err(|_| WireError::CutShort)
    }

    pub(crate) fn bool(&mut self) -> Result<bool, WireError> {
        Ok(self.i8()? != 0)
    }

    pub(crate) fn i16(&mut self) -> Result<i16, WireError> {
        self.bytes.try_get_i16().map_err(|_| WireError::CutShort)
    }

    pub(crate) fn i32(&mut self) -> Result<i32, WireError> {
        self.bytes.try_get_i32().map_err(|_| WireError::CutShort)
    }

    pub(crate) fn i64(&mut self) -> Result<i64, WireError> {
        self.bytes.try_get_i64().map_err(|_| WireError::CutShort)
    }

    pub(crate) fn topic_id(&mut self) -> Result<TopicId, WireError> {
        self.bytes.try_get_u128().map(TopicId).map_err(|_| WireError::CutShort)
    }

    fn uvarint(&mut self) -> Result<u32, WireError> {
        let mut value = 0_u64;
        for shift in (0..35).step_by(7) {
            let byte = self.bytes.try_get_u8().map_err(|_| WireError::CutShort)?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return u32::try_from(value).map_err(|_| WireError::BadLength);
            }
        }
        Err(WireError::BadLength)
    }

    fn take(&mut self, len: usize) -> Result<Bytes, WireError> {
        if len > self.bytes.len() {
            return Err(WireError::CutShort);
        }
        Ok(self.bytes.split_to(len))
    }

    /// A length that is a compact or an `int32` one; `None` = null.
    fn len32(&mut self) -> Result<Option<usize>, WireError> {
        if self.flexible {
            return Ok(self.uvarint()?.checked_sub(1).map(|len| len as usize));
        }
        match self.i32()? {
            -1 => Ok(None),
            len => usize::try_from(len).map(Some).map_err(|_| WireError::BadLength),
        }
    }

    /// A string in whichever encoding the version has.
    pub(crate) fn nullable_string(&mut self) -> Result<Option<Arc<str>>, WireError> {
        if !self.flexible {
            return self.short_string();
        }
        let len = self.len32()?;
        len.map(|len| self.text(len)).transpose()
    }

    /// A string with an `int16` length, whatever the version.
    pub(crate) fn short_string(&mut self) -> Result<Option<Arc<str>>, WireError> {
        match self.i16()? {
            -1 => Ok(None),
            len => {
                let len = usize::try_from(len).map_err(|_| WireError::BadLength)?;
                self.text(len).map(Some)
            }
        }
    }

    fn text(&mut self, len: usize) -> Result<Arc<str>, WireError> {
        if len > STRING_BYTES_MAX {
            return Err(WireError::BadLength);
        }
        let bytes = self.take(len)?;
        std::str::from_utf8(&bytes).map(Arc::from).map_err(|_| WireError::NotUtf8)
    }

    pub(crate) fn string(&mut self) -> Result<Arc<str>, WireError> {
        self.nullable_string()?.ok_or(WireError::Null)
    }

    /// A blob that shares the frame's memory.
    pub(crate) fn nullable_bytes(&mut self) -> Result<Option<Bytes>, WireError> {
        let len = self.len32()?;
        len.map(|len| self.take(len)).transpose()
    }

    pub(crate) fn bytes(&mut self) -> Result<Bytes, WireError> {
        self.nullable_bytes()?.ok_or(WireError::Null)
    }

    /// An array; `None` = null.
    pub(crate) fn nullable_array<T>(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<T, WireError>,
    ) -> Result<Option<Vec<T>>, WireError> {
        let Some(count) = self.len32()? else { return Ok(None) };
        // each element takes a byte at least
        if count > self.bytes.len() {
            return Err(WireError::BadLength);
        }
        self.elements_left =
            self.elements_left.checked_sub(count).ok_or(WireError::TooManyElements)?;
        let mut elements = Vec::new();
        for _ in 0..count {
            elements.push(element(self)?);
        }
        Ok(Some(elements))
    }

    pub(crate) fn array<T>(
        &mut self,
        element: impl FnMut(&mut Self) -> Result<T, WireError>,
    ) -> Result<Vec<T>, WireError> {
        self.nullable_array(element)?.ok_or(WireError::Null)
    }

    /// A structure that may be null.
    pub(crate) fn nullable<T>(
        &mut self,
        take: impl FnOnce(&mut Self) -> Result<T, WireError>,
    ) -> Result<Option<T>, WireError> {
        if self.i8()? < 0 { Ok(None) } else { take(self).map(Some) }
    }

    /// Kafka's number of an error that this broker answers with.
    pub(crate) fn error(&mut self) -> Result<ErrorCode, WireError> {
        let unknown = WireError::Forbidden("an error that this broker does not know");
        ErrorCode::from_code(self.i16()?).ok_or(unknown)
    }

    /// Skips tagged fields, of which versions without compact lengths have none.
    pub(crate) fn skip_tags(&mut self) -> Result<(), WireError> {
        self.tags(|_, _| Ok(()))
    }

    /// Visits tagged fields; a visitor leaves alone what it does not know.
    pub(crate) fn tags(
        &mut self,
        mut visit: impl FnMut(u32, &mut Self) -> Result<(), WireError>,
    ) -> Result<(), WireError> {
        if !self.flexible {
            return Ok(());
        }
        for _ in 0..self.uvarint()? {
            let tag = self.uvarint()?;
            let len = self.uvarint()? as usize;
            let bytes = self.take(len)?;
            let (flexible, elements_left) = (self.flexible, self.elements_left);
            let mut field = Self { bytes, flexible, elements_left };
            visit(tag, &mut field)?;
        }
        Ok(())
    }
}
