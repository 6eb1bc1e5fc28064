//! Puts fields at the end of a response. Bodies of record batches are not copied: they become
//! slices of their own.

use crate::apis::Api;
use crate::frame::Frame;
use bytes::{BufMut, Bytes, BytesMut};
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::TopicId;
use stormglass_broker_core::records::Records;

/// A body that is shorter is copied: a slice of its own would cost more.
const SHARED_BYTES_MIN: usize = 1024;

/// A response that is being written.
#[derive(Debug)]
pub(crate) struct Writer {
    done: Vec<Bytes>,
    head: BytesMut,
    flexible: bool,
}

impl Writer {
    /// Begins a response with its header. `tagged`: whether the header has tagged fields.
    pub(crate) fn response(correlation: i32, flexible: bool, tagged: bool) -> Self {
        let mut writer = Self { done: vec![Bytes::new()], head: BytesMut::new(), flexible };
        writer.i32(correlation);
        if tagged {
            writer.no_tags();
        }
        writer
    }

    /// Begins a request with its header.
    pub(crate) fn request(api: Api, version: i16, correlation: i32, client_id: &str) -> Self {
        let mut writer = Self { done: vec![Bytes::new()], head: BytesMut::new(), flexible: false };
        writer.i16(api.key as i16);
        writer.i16(version);
        writer.i32(correlation);
        // has a fixed-size length in every version of the header
        writer.nullable_string(Some(client_id));
        writer.flexible = api.is_flexible(version);
        writer.no_tags();
        writer
    }

    /// Begins a message without a header, with compact lengths.
    pub(crate) fn bare() -> Self {
        Self { done: vec![Bytes::new()], head: BytesMut::new(), flexible: true }
    }

    /// A tagged field's content.
    pub(crate) fn field() -> Self {
        Self { done: Vec::new(), head: BytesMut::new(), flexible: true }
    }

    /// The whole message, length first.
    pub(crate) fn finish(mut self) -> Frame {
        self.done.push(self.head.freeze());
        let len: usize = self.done.iter().map(Bytes::len).sum();
        let prefix = i32::try_from(len).unwrap_or(i32::MAX).to_be_bytes();
        self.done[0] = Bytes::copy_from_slice(&prefix);
        Frame::new(self.done)
    }

    pub(crate) fn bool(&mut self, value: bool) {
        self.head.put_u8(u8::from(value));
    }

    pub(crate) fn i8(&mut self, value: i8) {
        self.head.put_i8(value);
    }

    pub(crate) fn i16(&mut self, value: i16) {
        self.head.put_i16(value);
    }

    pub(crate) fn error(&mut self, error: ErrorCode) {
        self.i16(error as i16);
    }

    pub(crate) fn i32(&mut self, value: i32) {
        self.head.put_i32(value);
    }

    pub(crate) fn i64(&mut self, value: i64) {
        self.head.put_i64(value);
    }

    pub(crate) fn topic_id(&mut self, id: TopicId) {
        self.head.put_u128(id.0);
    }

    fn uvarint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.head.put_u8((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.head.put_u8(value as u8);
    }

    fn len32(&mut self, len: Option<usize>) {
        let len = len.map(|len| u32::try_from(len).unwrap_or(u32::MAX >> 1));
        if self.flexible {
            self.uvarint(len.map_or(0, |len| len + 1));
        } else {
            self.i32(len.map_or(-1, |len| i32::try_from(len).unwrap_or(i32::MAX)));
        }
    }

    pub(crate) fn nullable_string(&mut self, text: Option<&str>) {
        if self.flexible {
            self.len32(text.map(str::len));
        } else {
            self.i16(text.map_or(-1, |text| i16::try_from(text.len()).unwrap_or(i16::MAX)));
        }
        if let Some(text) = text {
            self.head.put_slice(text.as_bytes());
        }
    }

    pub(crate) fn string(&mut self, text: &str) {
        self.nullable_string(Some(text));
    }

    /// A blob, copied.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.len32(Some(bytes.len()));
        self.head.put_slice(bytes);
    }

    pub(crate) fn array_len(&mut self, len: usize) {
        self.len32(Some(len));
    }

    pub(crate) fn null_array(&mut self) {
        self.len32(None);
    }

    pub(crate) fn array<T>(
        &mut self,
        elements: impl ExactSizeIterator<Item = T>,
        mut element: impl FnMut(&mut Self, T),
    ) {
        self.array_len(elements.len());
        for item in elements {
            element(self, item);
        }
    }

    /// A structure that may be null.
    pub(crate) fn nullable<T>(&mut self, value: Option<T>, put: impl FnOnce(&mut Self, T)) {
        match value {
            None => self.i8(-1),
            Some(value) => {
                self.i8(1);
                put(self, value);
            }
        }
    }

    /// Partitions below their topics. `topic` writes the topic's name or id.
    pub(crate) fn by_topic<T>(
        &mut self,
        partitions: &[T],
        topic_of: impl Fn(&T) -> TopicId,
        mut topic: impl FnMut(&mut Self, TopicId),
        mut partition: impl FnMut(&mut Self, &T),
    ) {
        let groups = partitions.chunk_by(|a, b| topic_of(a) == topic_of(b));
        self.array_len(groups.clone().count());
        for group in groups {
            topic(self, topic_of(&group[0]));
            self.array(group.iter(), &mut partition);
            self.no_tags();
        }
    }

    /// No tagged field; nothing in versions that have none.
    pub(crate) fn no_tags(&mut self) {
        self.tags(Vec::new());
    }

    /// Tagged fields in ascending order of tag.
    pub(crate) fn tags(&mut self, fields: Vec<(u32, Self)>) {
        if !self.flexible {
            return;
        }
        self.uvarint(u32::try_from(fields.len()).unwrap_or(0));
        for (tag, field) in fields {
            self.uvarint(tag);
            self.uvarint(u32::try_from(field.head.len()).unwrap_or(u32::MAX));
            self.head.put_slice(&field.head);
        }
    }

    /// Records with their length.
    pub(crate) fn records(&mut self, records: &Records) {
        self.len32(Some(records.size_bytes() as usize));
        for batch in records.batches() {
            let body = batch.encode_header(&mut self.head);
            if body.len() < SHARED_BYTES_MIN {
                self.head.put_slice(&body);
            } else {
                self.done.push(self.head.split().freeze());
                self.done.push(body);
            }
        }
    }
}
