//! Keys and values of `__consumer_offsets`: OffsetCommitKey v0-1, OffsetCommitValue v0-3,
//! GroupMetadataKey v2, GroupMetadataValue v0-3; written are the newest of them, as Kafka does.
//! Groups in the consumer protocol have records of their own (`consumer/codec`).

use super::consumer::ConsumerKey;
use crate::ids::{LeaderEpoch, NO_EPOCH, Offset};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use std::sync::Arc;

/// Newest version of OffsetCommitKey.
const OFFSET_KEY_VERSION: i16 = 1;
/// Newest version of OffsetCommitValue that is not flexible.
const OFFSET_VALUE_VERSION: i16 = 3;
/// The version that tells GroupMetadataKey from the others.
const GROUP_KEY_VERSION: i16 = 2;
/// Newest version of GroupMetadataValue that is not flexible.
const GROUP_VALUE_VERSION: i16 = 3;
/// Length of a null string or blob.
const NULL: i16 = -1;

/// What a record is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    /// A position.
    Offset(OffsetKey),
    /// Members of a group in the classic protocol.
    Group(Arc<str>),
    /// Something of a group in the consumer protocol.
    Consumer(ConsumerKey),
}

/// Whose position.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct OffsetKey {
    pub(super) group: Arc<str>,
    pub(super) topic: Arc<str>,
    pub(super) partition: i32,
}

/// The position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OffsetValue {
    pub(super) offset: Offset,
    pub(super) leader_epoch: LeaderEpoch,
    /// `None` = empty.
    pub(super) metadata: Option<Arc<str>>,
    pub(super) commit_ms: i64,
}

/// A group's members after a rebalance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GroupValue {
    pub(super) protocol_type: Arc<str>,
    pub(super) generation: i32,
    pub(super) protocol: Option<Arc<str>>,
    pub(super) leader: Option<Arc<str>>,
    /// When the group came into this state; `-1` = unknown.
    pub(super) state_since_ms: i64,
    pub(super) members: Vec<MemberValue>,
}

/// A member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MemberValue {
    pub(super) id: Arc<str>,
    pub(super) instance: Option<Arc<str>>,
    pub(super) client_id: Arc<str>,
    pub(super) client_host: Arc<str>,
    pub(super) rebalance_timeout_ms: i32,
    pub(super) session_timeout_ms: i32,
    pub(super) subscription: Bytes,
    pub(super) assignment: Bytes,
}

pub(super) fn encode_offset_key(key: &OffsetKey) -> Bytes {
    let mut bytes = BytesMut::with_capacity(10 + key.group.len() + key.topic.len());
    bytes.put_i16(OFFSET_KEY_VERSION);
    put_string(&mut bytes, &key.group);
    put_string(&mut bytes, &key.topic);
    bytes.put_i32(key.partition);
    bytes.freeze()
}

pub(super) fn encode_offset_value(value: &OffsetValue) -> Bytes {
    let metadata = value.metadata.as_deref().unwrap_or("");
    let mut bytes = BytesMut::with_capacity(24 + metadata.len());
    bytes.put_i16(OFFSET_VALUE_VERSION);
    bytes.put_i64(value.offset);
    bytes.put_i32(value.leader_epoch);
    put_string(&mut bytes, metadata);
    bytes.put_i64(value.commit_ms);
    bytes.freeze()
}

pub(super) fn encode_group_key(group: &str) -> Bytes {
    let mut bytes = BytesMut::with_capacity(4 + group.len());
    bytes.put_i16(GROUP_KEY_VERSION);
    put_string(&mut bytes, group);
    bytes.freeze()
}

pub(super) fn encode_group_value(value: &GroupValue) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_i16(GROUP_VALUE_VERSION);
    put_string(&mut bytes, &value.protocol_type);
    bytes.put_i32(value.generation);
    put_nullable(&mut bytes, value.protocol.as_deref());
    put_nullable(&mut bytes, value.leader.as_deref());
    bytes.put_i64(value.state_since_ms);
    bytes.put_i32(i32::try_from(value.members.len()).unwrap_or(i32::MAX));
    for member in &value.members {
        put_string(&mut bytes, &member.id);
        put_nullable(&mut bytes, member.instance.as_deref());
        put_string(&mut bytes, &member.client_id);
        put_string(&mut bytes, &member.client_host);
        bytes.put_i32(member.rebalance_timeout_ms);
        bytes.put_i32(member.session_timeout_ms);
        put_blob(&mut bytes, &member.subscription);
        put_blob(&mut bytes, &member.assignment);
    }
    bytes.freeze()
}

/// `None` for keys of other kinds and for garbage.
pub(super) fn decode_key(mut bytes: &[u8]) -> Option<Key> {
    match bytes.try_get_i16().ok()? {
        0..=OFFSET_KEY_VERSION => {
            let group = take_string(&mut bytes)?;
            let topic = take_string(&mut bytes)?;
            let partition = bytes.try_get_i32().ok()?;
            Some(Key::Offset(OffsetKey { group, topic, partition }))
        }
        GROUP_KEY_VERSION => take_string(&mut bytes).map(Key::Group),
        version => ConsumerKey::take(version, &mut bytes).map(Key::Consumer),
    }
}

/// Whether a key is a position's.
pub(super) fn is_offset_key(mut bytes: &[u8]) -> bool {
    matches!(bytes.try_get_i16(), Ok(0..=OFFSET_KEY_VERSION))
}

/// `None` for garbage and for flexible versions.
pub(super) fn decode_offset_value(mut bytes: &[u8]) -> Option<OffsetValue> {
    let version = bytes.try_get_i16().ok()?;
    if !(0..=OFFSET_VALUE_VERSION).contains(&version) {
        return None;
    }
    let offset = bytes.try_get_i64().ok()?;
    let leader_epoch = if version >= 3 { bytes.try_get_i32().ok()? } else { NO_EPOCH };
    let metadata = take_string(&mut bytes)?;
    let metadata = (!metadata.is_empty()).then_some(metadata);
    Some(OffsetValue { offset, leader_epoch, metadata, commit_ms: bytes.try_get_i64().ok()? })
}

/// `None` for garbage and for flexible versions.
pub(super) fn decode_group_value(mut bytes: &[u8]) -> Option<GroupValue> {
    let version = bytes.try_get_i16().ok()?;
    if !(0..=GROUP_VALUE_VERSION).contains(&version) {
        return None;
    }
    let protocol_type = take_string(&mut bytes)?;
    let generation = bytes.try_get_i32().ok()?;
    let protocol = take_nullable(&mut bytes)?;
    let leader = take_nullable(&mut bytes)?;
    let state_since_ms = if version >= 2 { bytes.try_get_i64().ok()? } else { -1 };
    let count = usize::try_from(bytes.try_get_i32().ok()?).ok()?;
    let mut members = Vec::new();
    for _ in 0..count {
        members.push(take_member(&mut bytes, version)?);
    }
    Some(GroupValue { protocol_type, generation, protocol, leader, state_since_ms, members })
}

fn take_member(bytes: &mut &[u8], version: i16) -> Option<MemberValue> {
    let id = take_string(bytes)?;
    let instance = if version >= 3 { take_nullable(bytes)? } else { None };
    let (client_id, client_host) = (take_string(bytes)?, take_string(bytes)?);
    // before there were rebalance timeouts, sessions had that meaning, too
    let rebalance = if version >= 1 { Some(bytes.try_get_i32().ok()?) } else { None };
    let session_timeout_ms = bytes.try_get_i32().ok()?;
    Some(MemberValue {
        id,
        instance,
        client_id,
        client_host,
        rebalance_timeout_ms: rebalance.unwrap_or(session_timeout_ms),
        session_timeout_ms,
        subscription: take_blob(bytes)?,
        assignment: take_blob(bytes)?,
    })
}

/// Topics that a consumer's metadata (`ConsumerProtocolSubscription`) names; `None` for metadata
/// of another kind.
pub(super) fn subscribed_topics(mut metadata: &[u8]) -> Option<Vec<Arc<str>>> {
    metadata.try_get_i16().ok()?;
    let count = usize::try_from(metadata.try_get_i32().ok()?).ok()?;
    let mut topics = Vec::new();
    for _ in 0..count {
        topics.push(take_string(&mut metadata)?);
    }
    Some(topics)
}

pub(super) fn put_string(bytes: &mut BytesMut, text: &str) {
    let len = text.len().min(i16::MAX as usize);
    bytes.put_i16(i16::try_from(len).unwrap_or(i16::MAX));
    bytes.put_slice(&text.as_bytes()[..len]);
}

fn put_nullable(bytes: &mut BytesMut, text: Option<&str>) {
    match text {
        Some(text) => put_string(bytes, text),
        None => bytes.put_i16(NULL),
    }
}

fn put_blob(bytes: &mut BytesMut, blob: &[u8]) {
    bytes.put_i32(i32::try_from(blob.len()).unwrap_or(i32::MAX));
    bytes.put_slice(blob);
}

pub(super) fn take_string(bytes: &mut &[u8]) -> Option<Arc<str>> {
    take_nullable(bytes)?
}

/// The outer `None` is garbage, the inner one a null.
fn take_nullable(bytes: &mut &[u8]) -> Option<Option<Arc<str>>> {
    let len = bytes.try_get_i16().ok()?;
    if len == NULL {
        return Some(None);
    }
    let (text, rest) = bytes.split_at_checked(usize::try_from(len).ok()?)?;
    *bytes = rest;
    Some(Some(std::str::from_utf8(text).ok()?.into()))
}

fn take_blob(bytes: &mut &[u8]) -> Option<Bytes> {
    let len = bytes.try_get_i32().ok()?;
    let (blob, rest) = bytes.split_at_checked(usize::try_from(len).ok()?)?;
    *bytes = rest;
    Some(Bytes::copy_from_slice(blob))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kafka_protocol::messages as theirs;
    use kafka_protocol::protocol::{Encodable, StrBytes};

    fn offset_key() -> OffsetKey {
        OffsetKey { group: "billing".into(), topic: "orders".into(), partition: 7 }
    }

    fn group_value() -> GroupValue {
        let member = |id: &str, instance: Option<&str>| MemberValue {
            id: id.into(),
            instance: instance.map(Into::into),
            client_id: "client".into(),
            client_host: "/10.0.0.1".into(),
            rebalance_timeout_ms: 300_000,
            session_timeout_ms: 45_000,
            subscription: Bytes::from_static(b"topics"),
            assignment: Bytes::from_static(b"partitions"),
        };
        GroupValue {
            protocol_type: "consumer".into(),
            generation: 4,
            protocol: Some("range".into()),
            leader: Some("a".into()),
            state_since_ms: 1_700_000_000_000,
            members: vec![member("a", None), member("b", Some("static-b"))],
        }
    }

    #[test]
    fn keys_and_values_read_back() {
        let value = OffsetValue {
            offset: 1 << 40,
            leader_epoch: 3,
            metadata: Some("why".into()),
            commit_ms: 1_700_000_000_000,
        };
        let key = offset_key();
        assert_eq!(decode_key(&encode_offset_key(&key)), Some(Key::Offset(key)));
        assert_eq!(decode_offset_value(&encode_offset_value(&value)), Some(value));
        let group = Key::Group("billing".into());
        assert_eq!(decode_key(&encode_group_key("billing")), Some(group));
        let empty = GroupValue { protocol: None, leader: None, members: vec![], ..group_value() };
        for value in [group_value(), empty] {
            assert_eq!(decode_group_value(&encode_group_value(&value)), Some(value));
        }
    }

    #[test]
    fn older_versions_are_read() {
        let mut v1 = BytesMut::new();
        v1.put_i16(1);
        v1.put_i64(42);
        put_string(&mut v1, "note");
        v1.put_i64(1000); // commit
        v1.put_i64(2000); // expiry, which is not read
        let read = decode_offset_value(&v1).unwrap();
        assert_eq!((read.offset, read.leader_epoch, read.commit_ms), (42, NO_EPOCH, 1000));
        let mut v0 = BytesMut::new();
        v0.put_i16(0);
        put_string(&mut v0, "consumer");
        v0.put_i32(3);
        put_nullable(&mut v0, None);
        put_nullable(&mut v0, Some("a"));
        v0.put_i32(1);
        put_string(&mut v0, "a");
        put_string(&mut v0, "client");
        put_string(&mut v0, "/10.0.0.1");
        v0.put_i32(9000);
        put_blob(&mut v0, b"topics");
        put_blob(&mut v0, b"");
        let read = decode_group_value(&v0).unwrap();
        assert_eq!((read.generation, read.state_since_ms), (3, -1));
        assert_eq!(read.members[0].rebalance_timeout_ms, 9000);
    }

    #[test]
    fn garbage_is_neither_a_position_nor_a_group() {
        let bytes = encode_offset_key(&offset_key());
        for cut in 0..bytes.len() {
            assert_eq!(decode_key(&bytes[..cut]), None, "cut at {cut}");
        }
        assert_eq!(decode_key(&[0, 9, 0, 0]), None);
        assert_eq!(decode_offset_value(&[]), None);
        let bytes = encode_group_value(&group_value());
        for cut in 0..bytes.len() {
            assert_eq!(decode_group_value(&bytes[..cut]), None, "cut at {cut}");
        }
    }

    #[test]
    fn what_consumers_subscribe_to_is_read() {
        let body = theirs::ConsumerProtocolSubscription::default()
            .with_topics(vec![StrBytes::from_static_str("a"), StrBytes::from_static_str("b")]);
        let mut bytes = BytesMut::new();
        bytes.put_i16(3);
        body.encode(&mut bytes, 3).unwrap();
        assert_eq!(subscribed_topics(&bytes), Some(vec!["a".into(), "b".into()]));
        assert_eq!(subscribed_topics(b"\0\0\x7f\xff\xff\xff"), None);
    }
}
