//! Exact sizes of messages on the wire without encoding them: length prefix, header and body.
//!
//! Leaves out what typed messages do not carry, and takes fixed lengths for it: topic names in
//! APIs that do not speak topic ids, host names and the cluster id. Partitions of one topic are
//! taken to stand next to each other, as clients send them.

mod describe;
mod groups;
mod quotas;
mod requests;
mod responses;
#[cfg(test)]
mod tests;
mod topics;
mod txn;

use super::{Request, Response};
use crate::ids::TopicId;

/// Bytes taken for a topic's name where a message carries the name and we carry the id.
pub const TOPIC_NAME_BYTES: u64 = 16;
/// Bytes taken for a broker's host name; those of MSK have about this length.
pub const HOST_BYTES: u64 = 53;
/// Bytes of a cluster id: a UUID in base64.
pub const CLUSTER_ID_BYTES: u64 = 22;
/// Bytes taken for the path of a log directory: `/var/lib/kafka/data`.
const LOG_DIR_BYTES: u64 = 19;
/// Bytes of `__cluster_metadata`.
const METADATA_TOPIC_BYTES: u64 = 18;

/// The size that precedes each message.
const LENGTH_PREFIX: u64 = 4;
/// API key, version and correlation id.
const REQUEST_HEADER: u64 = 2 + 2 + 4;
/// Correlation id.
const RESPONSE_HEADER: u64 = 4;
/// An empty set of tagged fields.
const TAGS: u64 = 1;
/// A null string, array or blob of a flexible version.
const NULL: u64 = 1;
/// A UUID.
const UUID: u64 = 16;

impl Request {
    /// Bytes on the wire, for a client id of the given length.
    #[must_use]
    pub fn wire_size(&self, client_id_bytes: u64) -> u64 {
        let client_id = 2 + client_id_bytes;
        let tags = if self.is_flexible() { TAGS } else { 0 };
        LENGTH_PREFIX + REQUEST_HEADER + client_id + tags + requests::body(self)
    }

    fn is_flexible(&self) -> bool {
        !matches!(self, Self::BeginQuorumEpoch(_) | Self::EndQuorumEpoch(_) | Self::OffsetDelete(_))
    }
}

impl Response {
    /// Bytes on the wire.
    #[must_use]
    pub fn wire_size(&self) -> u64 {
        let tags = if self.is_flexible() { TAGS } else { 0 };
        LENGTH_PREFIX + RESPONSE_HEADER + tags + responses::body(self)
    }

    fn is_flexible(&self) -> bool {
        !matches!(self, Self::BeginQuorumEpoch(_) | Self::EndQuorumEpoch(_) | Self::OffsetDelete(_))
    }
}

/// Bytes of an unsigned varint.
fn uvarint(value: u64) -> u64 {
    match value {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        _ => u64::from((64 - value.leading_zeros()).div_ceil(7)),
    }
}

/// Bytes of an array's length.
fn array(len: usize) -> u64 {
    uvarint(len as u64 + 1)
}

/// Bytes of a string or blob of a known length.
fn blob(len: u64) -> u64 {
    uvarint(len + 1) + len
}

/// Bytes of a string that may be null.
fn nullable(text: Option<&str>) -> u64 {
    text.map_or(NULL, |text| blob(text.len() as u64))
}

/// Bytes of an array of node ids.
fn nodes(len: usize) -> u64 {
    array(len) + 4 * len as u64
}

/// A tagged field: its number, the length of its content, and the content.
fn tagged(content: u64) -> u64 {
    1 + uvarint(content) + content
}

/// An array of topics with their partitions. `topic` is the size of a topic's name or id.
fn by_topic<T>(
    partitions: &[T],
    topic: u64,
    topic_of: impl Fn(&T) -> TopicId,
    size: impl Fn(&T) -> u64,
) -> u64 {
    let (mut topics, mut total) = (0, 0);
    for group in partitions.chunk_by(|a, b| topic_of(a) == topic_of(b)) {
        topics += 1;
        total += topic + array(group.len()) + TAGS + group.iter().map(&size).sum::<u64>();
    }
    array(topics) + total
}

/// A topic by the name that we do not have.
fn topic_name() -> u64 {
    blob(TOPIC_NAME_BYTES)
}

/// The metadata topic with one partition of a given size, in a flexible version.
fn metadata_topic(partition: u64) -> u64 {
    array(1) + blob(METADATA_TOPIC_BYTES) + array(1) + partition + TAGS
}

/// The same in a version with fixed-size lengths.
fn metadata_topic_rigid(partition: u64) -> u64 {
    4 + 2 + METADATA_TOPIC_BYTES + 4 + partition
}
