//! Keys and values of `__consumer_offsets` (OffsetCommitKey v1, OffsetCommitValue v3).

use crate::ids::{LeaderEpoch, Offset};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use std::sync::Arc;

const KEY_VERSION: i16 = 1;
const VALUE_VERSION: i16 = 3;

/// Whose position.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct OffsetKey {
    pub(super) group: Arc<str>,
    pub(super) topic: Arc<str>,
    pub(super) partition: i32,
}

/// The position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OffsetValue {
    pub(super) offset: Offset,
    pub(super) leader_epoch: LeaderEpoch,
    pub(super) commit_ms: i64,
}

pub(super) fn encode_key(key: &OffsetKey) -> Bytes {
    let mut bytes = BytesMut::with_capacity(10 + key.group.len() + key.topic.len());
    bytes.put_i16(KEY_VERSION);
    put_string(&mut bytes, &key.group);
    put_string(&mut bytes, &key.topic);
    bytes.put_i32(key.partition);
    bytes.freeze()
}

pub(super) fn encode_value(value: &OffsetValue) -> Bytes {
    let mut bytes = BytesMut::with_capacity(24);
    bytes.put_i16(VALUE_VERSION);
    bytes.put_i64(value.offset);
    bytes.put_i32(value.leader_epoch);
    put_string(&mut bytes, "");
    bytes.put_i64(value.commit_ms);
    bytes.freeze()
}

/// `None` for keys of other kinds (group metadata) and for garbage.
pub(super) fn decode_key(mut bytes: &[u8]) -> Option<OffsetKey> {
    let version = bytes.try_get_i16().ok()?;
    if !(0..=KEY_VERSION).contains(&version) {
        return None;
    }
    let group = take_string(&mut bytes)?;
    let topic = take_string(&mut bytes)?;
    Some(OffsetKey { group, topic, partition: bytes.try_get_i32().ok()? })
}

/// `None` for garbage and for versions before leader epochs.
pub(super) fn decode_value(mut bytes: &[u8]) -> Option<OffsetValue> {
    if bytes.try_get_i16().ok()? != VALUE_VERSION {
        return None;
    }
    let offset = bytes.try_get_i64().ok()?;
    let leader_epoch = bytes.try_get_i32().ok()?;
    take_string(&mut bytes)?;
    Some(OffsetValue { offset, leader_epoch, commit_ms: bytes.try_get_i64().ok()? })
}

fn put_string(bytes: &mut BytesMut, text: &str) {
    let len = text.len().min(i16::MAX as usize);
    bytes.put_i16(i16::try_from(len).unwrap_or(i16::MAX));
    bytes.put_slice(&text.as_bytes()[..len]);
}

fn take_string(bytes: &mut &[u8]) -> Option<Arc<str>> {
    let len = usize::try_from(bytes.try_get_i16().ok()?).ok()?;
    let (text, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(std::str::from_utf8(text).ok()?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_read_back() {
        let key = OffsetKey { group: "billing".into(), topic: "orders".into(), partition: 7 };
        let value = OffsetValue { offset: 1 << 40, leader_epoch: 3, commit_ms: 1_700_000_000_000 };
        assert_eq!(decode_key(&encode_key(&key)), Some(key));
        assert_eq!(decode_value(&encode_value(&value)), Some(value));
    }

    #[test]
    fn garbage_is_no_position() {
        let key = OffsetKey { group: "g".into(), topic: "t".into(), partition: 0 };
        let bytes = encode_key(&key);
        for cut in 0..bytes.len() {
            assert_eq!(decode_key(&bytes[..cut]), None, "cut at {cut}");
        }
        assert_eq!(decode_key(&[0, 9, 0, 0]), None);
        assert_eq!(decode_value(&[]), None);
    }
}
