//! Records of groups in the consumer protocol: keys 3 to 8 and 16, and their values in version 0,
//! as Kafka writes them. Keys have fixed-size lengths, values compact ones.

use super::state::{Change, Current, GroupEpoch, MemberState, Partitions, Resolved, Subscription};
use crate::group::codec::{put_string, take_string};
use crate::ids::{TopicId, TopicPartition};
use crate::records::Record;
use bytes::{Buf, BufMut, BytesMut};
use std::sync::Arc;

/// The only version of all values that Kafka has.
const VALUE_VERSION: i16 = 0;
/// The tagged field of a group's epoch that has the hash of its topics (KIP-1101).
const HASH_TAG: usize = 0;

/// Types of records; the version of a key tells them apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::group) enum ConsumerKey {
    Group(Arc<str>),
    Topics(Arc<str>),
    Member(Arc<str>, Arc<str>),
    TargetEpoch(Arc<str>),
    Target(Arc<str>, Arc<str>),
    Current(Arc<str>, Arc<str>),
    Regex(Arc<str>, Arc<str>),
}

impl ConsumerKey {
    /// The group.
    pub(in crate::group) fn group(&self) -> &Arc<str> {
        match self {
            Self::Group(group)
            | Self::Topics(group)
            | Self::Member(group, _)
            | Self::TargetEpoch(group)
            | Self::Target(group, _)
            | Self::Current(group, _)
            | Self::Regex(group, _) => group,
        }
    }

    /// Reads the rest of a key. `None` for garbage and other types.
    pub(in crate::group) fn take(version: i16, bytes: &mut &[u8]) -> Option<Self> {
        if !matches!(version, 3..=8 | 16) {
            return None;
        }
        let group = take_string(bytes)?;
        Some(match version {
            3 => Self::Group(group),
            4 => Self::Topics(group),
            5 => Self::Member(group, take_string(bytes)?),
            6 => Self::TargetEpoch(group),
            7 => Self::Target(group, take_string(bytes)?),
            8 => Self::Current(group, take_string(bytes)?),
            _ => Self::Regex(group, take_string(bytes)?),
        })
    }

    /// What a record says; a value that cannot be read says nothing.
    pub(in crate::group) fn change(&self, value: Option<&[u8]>) -> Option<Change> {
        let Some(mut value) = value else { return Some(self.removal()) };
        let from = &mut value;
        if from.try_get_i16().ok()? != VALUE_VERSION {
            return None;
        }
        Some(match self {
            Self::Group(_) => Change::Group(Some(take_group(from)?)),
            Self::Topics(_) => {
                take_len(from)?; // what they were is no matter: their hash is not known
                Change::Topics(Some(()))
            }
            Self::Member(_, id) => Change::Member(Arc::clone(id), Some(take_subscription(from)?)),
            Self::TargetEpoch(_) => Change::TargetEpoch(Some(from.try_get_i32().ok()?)),
            Self::Target(_, id) => {
                Change::Target(Arc::clone(id), Some(Arc::new(take_partitions(from)?)))
            }
            Self::Current(_, id) => Change::Current(Arc::clone(id), Some(take_current(from)?)),
            Self::Regex(_, regex) => Change::Regex(Arc::clone(regex), Some(take_resolved(from)?)),
        })
    }

    fn removal(&self) -> Change {
        match self {
            Self::Group(_) => Change::Group(None),
            Self::Topics(_) => Change::Topics(None),
            Self::Member(_, id) => Change::Member(Arc::clone(id), None),
            Self::TargetEpoch(_) => Change::TargetEpoch(None),
            Self::Target(_, id) => Change::Target(Arc::clone(id), None),
            Self::Current(_, id) => Change::Current(Arc::clone(id), None),
            Self::Regex(_, regex) => Change::Regex(Arc::clone(regex), None),
        }
    }
}

/// The record of a change.
pub(super) fn record(group: &str, change: &Change) -> Record {
    let (version, name, value): (i16, Option<&Arc<str>>, Option<BytesMut>) = match change {
        Change::Group(epoch) => (3, None, epoch.map(put_group)),
        Change::Topics(topics) => (4, None, topics.map(|()| put_no_topics())),
        Change::Member(id, subscription) => {
            (5, Some(id), subscription.as_ref().map(put_subscription))
        }
        Change::TargetEpoch(epoch) => (6, None, epoch.map(put_epoch)),
        Change::Target(id, target) => {
            (7, Some(id), target.as_ref().map(|target| put_target(target)))
        }
        Change::Current(id, current) => (8, Some(id), current.as_ref().map(put_current)),
        Change::Regex(regex, resolved) => (16, Some(regex), resolved.as_ref().map(put_resolved)),
    };
    let mut key = BytesMut::new();
    key.put_i16(version);
    put_string(&mut key, group);
    if let Some(name) = name {
        put_string(&mut key, name);
    }
    Record::new(Some(key.freeze()), value.map(BytesMut::freeze))
}

fn begin() -> BytesMut {
    let mut out = BytesMut::new();
    out.put_i16(VALUE_VERSION);
    out
}

fn put_epoch(epoch: i32) -> BytesMut {
    let mut out = begin();
    out.put_i32(epoch);
    no_tags(&mut out);
    out
}

fn put_group(group: GroupEpoch) -> BytesMut {
    let mut out = begin();
    out.put_i32(group.epoch);
    // as all of Kafka's tagged fields: what has its default is left out
    if group.metadata_hash == 0 {
        no_tags(&mut out);
        return out;
    }
    put_uvarint(&mut out, 1);
    put_uvarint(&mut out, HASH_TAG);
    put_uvarint(&mut out, size_of::<i64>());
    out.put_i64(group.metadata_hash);
    out
}

fn take_group(from: &mut &[u8]) -> Option<GroupEpoch> {
    let epoch = from.try_get_i32().ok()?;
    let mut metadata_hash = 0;
    for _ in 0..take_uvarint(from)? {
        let tag = take_uvarint(from)?;
        let len = take_uvarint(from)?;
        let (mut field, rest) = from.split_at_checked(len)?;
        if tag == HASH_TAG {
            metadata_hash = field.try_get_i64().ok()?;
        }
        *from = rest;
    }
    Some(GroupEpoch { epoch, metadata_hash })
}

fn put_no_topics() -> BytesMut {
    let mut out = begin();
    put_len(&mut out, 0);
    no_tags(&mut out);
    out
}

fn put_subscription(subscription: &Subscription) -> BytesMut {
    let mut out = begin();
    put_nullable(&mut out, subscription.instance.as_deref());
    put_nullable(&mut out, subscription.rack.as_deref());
    put_text(&mut out, &subscription.client_id);
    put_text(&mut out, &subscription.client_host);
    put_len(&mut out, subscription.topics.len());
    subscription.topics.iter().for_each(|topic| put_text(&mut out, topic));
    put_nullable(&mut out, subscription.regex.as_deref());
    out.put_i32(subscription.rebalance_timeout_ms);
    put_nullable(&mut out, subscription.assignor.as_deref());
    no_tags(&mut out); // nothing of members that speak the classic protocol
    out
}

fn take_subscription(from: &mut &[u8]) -> Option<Subscription> {
    let (instance, rack) = (take_nullable(from)?, take_nullable(from)?);
    let (client_id, client_host) = (take_text(from)?, take_text(from)?);
    let count = take_len(from)?;
    let topics = (0..count).map(|_| take_text(from)).collect::<Option<_>>()?;
    let regex = take_nullable(from)?.filter(|regex| !regex.is_empty());
    let rebalance_timeout_ms = from.try_get_i32().ok()?;
    let assignor = take_nullable(from)?;
    Some(Subscription {
        instance,
        rack,
        client_id,
        client_host,
        topics,
        regex,
        rebalance_timeout_ms,
        assignor,
    })
}

fn put_target(target: &Partitions) -> BytesMut {
    let mut out = begin();
    put_partitions(&mut out, target);
    no_tags(&mut out);
    out
}

fn put_current(current: &Current) -> BytesMut {
    let mut out = begin();
    out.put_i32(current.epoch);
    out.put_i32(current.previous_epoch);
    out.put_i8(current.state as i8);
    put_partitions(&mut out, &current.assigned);
    put_partitions(&mut out, &current.revoking);
    no_tags(&mut out);
    out
}

fn take_current(from: &mut &[u8]) -> Option<Current> {
    let (epoch, previous_epoch) = (from.try_get_i32().ok()?, from.try_get_i32().ok()?);
    let state = match from.try_get_i8().ok()? {
        0 => MemberState::Stable,
        1 => MemberState::UnrevokedPartitions,
        2 => MemberState::UnreleasedPartitions,
        _ => MemberState::Unknown,
    };
    let (assigned, revoking) = (take_partitions(from)?, take_partitions(from)?);
    Some(Current { epoch, previous_epoch, state, assigned, revoking })
}

fn put_resolved(resolved: &Resolved) -> BytesMut {
    let mut out = begin();
    put_len(&mut out, resolved.topics.len());
    resolved.topics.iter().for_each(|topic| put_text(&mut out, topic));
    out.put_i64(resolved.version);
    out.put_i64(resolved.at_ms);
    no_tags(&mut out);
    out
}

fn take_resolved(from: &mut &[u8]) -> Option<Resolved> {
    let count = take_len(from)?;
    let topics = (0..count).map(|_| take_text(from)).collect::<Option<_>>()?;
    let (version, at_ms) = (from.try_get_i64().ok()?, from.try_get_i64().ok()?);
    Some(Resolved { topics, version, at_ms })
}

fn put_partitions(out: &mut BytesMut, partitions: &Partitions) {
    let flat: Vec<TopicPartition> = partitions.iter().copied().collect();
    let topics = flat.chunk_by(|a, b| a.topic == b.topic);
    put_len(out, topics.clone().count());
    for list in topics {
        if let Some(first) = list.first() {
            out.put_u128(first.topic.0);
        }
        put_len(out, list.len());
        list.iter().for_each(|tp| out.put_i32(tp.partition));
        no_tags(out);
    }
}

fn take_partitions(from: &mut &[u8]) -> Option<Partitions> {
    let mut partitions = Partitions::new();
    for _ in 0..take_len(from)? {
        let topic = TopicId(from.try_get_u128().ok()?);
        for _ in 0..take_len(from)? {
            partitions.insert(TopicPartition::new(topic, from.try_get_i32().ok()?));
        }
        skip_tags(from)?;
    }
    Some(partitions)
}

fn put_uvarint(out: &mut BytesMut, mut value: usize) {
    while value >= 0x80 {
        out.put_u8((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

fn take_uvarint(from: &mut &[u8]) -> Option<usize> {
    let mut value = 0;
    for shift in (0..35).step_by(7) {
        let byte = from.try_get_u8().ok()?;
        value |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn put_len(out: &mut BytesMut, len: usize) {
    put_uvarint(out, len + 1);
}

/// A length that bytes can follow.
fn take_len(from: &mut &[u8]) -> Option<usize> {
    take_uvarint(from)?.checked_sub(1).filter(|len| *len <= from.len())
}

fn put_text(out: &mut BytesMut, text: &str) {
    put_len(out, text.len());
    out.put_slice(text.as_bytes());
}

fn put_nullable(out: &mut BytesMut, text: Option<&str>) {
    match text {
        Some(text) => put_text(out, text),
        None => put_uvarint(out, 0),
    }
}

fn take_text(from: &mut &[u8]) -> Option<Arc<str>> {
    take_nullable(from)?
}

/// The outer `None` is garbage, the inner one a null.
fn take_nullable(from: &mut &[u8]) -> Option<Option<Arc<str>>> {
    let Some(len) = take_uvarint(from)?.checked_sub(1) else { return Some(None) };
    let (text, rest) = from.split_at_checked(len)?;
    *from = rest;
    Some(Some(std::str::from_utf8(text).ok()?.into()))
}

fn no_tags(out: &mut BytesMut) {
    put_uvarint(out, 0);
}

fn skip_tags(from: &mut &[u8]) -> Option<()> {
    for _ in 0..take_uvarint(from)? {
        take_uvarint(from)?;
        let len = take_uvarint(from)?;
        *from = from.split_at_checked(len)?.1;
    }
    Some(())
}
