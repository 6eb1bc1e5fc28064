//! Records as applications write and read them.

use super::hub::Delivery;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use stormglass_broker_core::ids::{LeaderEpoch, Offset, TopicPartition};
use stormglass_broker_core::protocol::CommittedOffset;
use stormglass_broker_core::records::{Record as Raw, RecordHeader};

/// Header that says which record another one was made from: `partition:offset`.
const SOURCE: &str = "source";

/// A record to be written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    pub(super) raw: Raw,
    pub(super) partition: Option<u32>,
}

impl Record {
    /// A record with a value.
    pub fn value(value: impl Into<Bytes>) -> Self {
        Self { raw: Raw::new(None, Some(value.into())), partition: None }
    }

    /// With a key: records with the same key go to the same partition, in order.
    #[must_use]
    pub fn key(mut self, key: impl Into<Bytes>) -> Self {
        self.raw.key = Some(key.into());
        self
    }

    /// With another header.
    #[must_use]
    pub fn header(mut self, key: &str, value: impl Into<Bytes>) -> Self {
        let key = Bytes::copy_from_slice(key.as_bytes());
        self.raw.headers.push(RecordHeader { key, value: Some(value.into()) });
        self
    }

    /// To this partition.
    #[must_use]
    pub fn partition(mut self, partition: i32) -> Self {
        self.partition = Some(u32::try_from(partition).unwrap_or(u32::MAX));
        self
    }

    /// With a header that says from which record this one was made, as [`Message::source`] reads it.
    #[must_use]
    pub fn made_from(self, message: &Message) -> Self {
        self.header(SOURCE, format!("{}:{}", message.partition, message.offset))
    }
}

/// A record that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: Offset,
    /// Key.
    pub key: Option<Bytes>,
    /// Value.
    pub value: Option<Bytes>,
    /// Headers.
    pub headers: Vec<(String, Option<Bytes>)>,
    pub(super) tp: TopicPartition,
    pub(super) epoch: LeaderEpoch,
}

impl Message {
    pub(crate) fn new(tp: TopicPartition, epoch: LeaderEpoch, base: Offset, raw: Raw) -> Self {
        let header = |header: RecordHeader| {
            (String::from_utf8_lossy(&header.key).into_owned(), header.value)
        };
        Self {
            partition: tp.partition,
            offset: base + Offset::from(raw.offset_delta),
            key: raw.key,
            value: raw.value,
            headers: raw.headers.into_iter().map(header).collect(),
            tp,
            epoch,
        }
    }

    /// The first header of that name.
    #[must_use]
    pub fn header(&self, key: &str) -> Option<&Bytes> {
        self.headers.iter().find(|(name, _)| name == key)?.1.as_ref()
    }

    /// Partition and offset that [`Record::made_from`] has noted.
    #[must_use]
    pub fn source(&self) -> Option<(i32, Offset)> {
        let text = std::str::from_utf8(self.header(SOURCE)?).ok()?;
        let (partition, offset) = text.split_once(':')?;
        Some((partition.parse().ok()?, offset.parse().ok()?))
    }
}

/// The records of a delivery.
pub(super) fn messages_of(delivery: &Delivery) -> Vec<Message> {
    let Delivery { tp, batch, first, count, .. } = delivery;
    let epoch = batch.header.partition_leader_epoch;
    let upto = first + Offset::from(*count);
    let records = batch.records().unwrap_or_else(|error| {
        panic!("a record of partition {} at offset {first} cannot be read: {error}", tp.partition)
    });
    let messages =
        records.into_iter().map(|raw| Message::new(*tp, epoch, batch.base_offset(), raw));
    messages.filter(|message| (*first..upto).contains(&message.offset)).collect()
}

/// Positions to commit: the next offset to read, per partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Positions {
    next: BTreeMap<TopicPartition, (Offset, LeaderEpoch)>,
}

impl Positions {
    /// Behind all of these messages.
    #[must_use]
    pub fn after(messages: &[Message]) -> Self {
        let mut positions = Self::default();
        for message in messages {
            positions.advance(message);
        }
        positions
    }

    /// Behind this message, too.
    pub fn advance(&mut self, message: &Message) {
        let next = (message.offset + 1, message.epoch);
        let known = self.next.entry(message.tp).or_insert(next);
        *known = next.max(*known);
    }

    /// Whether there is nothing to commit.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.next.is_empty()
    }

    pub(super) fn to_commit(&self) -> Vec<CommittedOffset> {
        let entry = |(tp, (offset, leader_epoch)): (&TopicPartition, &(Offset, LeaderEpoch))| {
            CommittedOffset {
                tp: *tp,
                offset: *offset,
                leader_epoch: *leader_epoch,
                metadata: None::<Arc<str>>,
            }
        };
        self.next.iter().map(entry).collect()
    }
}
