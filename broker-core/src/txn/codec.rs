//! Keys and values of `__transaction_state`: TransactionLogKey v0; TransactionLogValue v0, and v1,
//! which is written with `transaction.version` 1 and later.

use super::state::{NOBODY, NamedPartition, Values};
use crate::features::TRANSACTION_VERSION;
use crate::metadata::MetadataImage;
use crate::protocol::{ProducerIdAndEpoch, TransactionRules, TransactionState};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The only version of TransactionLogKey.
const KEY_VERSION: i16 = 0;
/// The oldest version of TransactionLogValue.
const VALUE_VERSION: i16 = 0;
/// The version with compact lengths and tagged fields.
const FLEXIBLE_VERSION: i16 = 1;
/// Tagged fields.
mod tag {
    pub(super) const PREVIOUS_PRODUCER_ID: usize = 0;
    pub(super) const NEXT_PRODUCER_ID: usize = 1;
    pub(super) const CLIENT_TRANSACTION_VERSION: usize = 2;
}
/// The client's version of transactions where each has an epoch.
const EPOCH_EACH: i16 = 2;

/// The version that is written. What only the newer one can say is never lost.
pub(super) fn value_version(image: &MetadataImage, values: &Values) -> i16 {
    match image.feature(TRANSACTION_VERSION) {
        None | Some(0) if values.rules == TransactionRules::Added => VALUE_VERSION,
        _ => FLEXIBLE_VERSION,
    }
}

pub(super) fn encode_key(id: &str) -> Bytes {
    let mut out = BytesMut::with_capacity(4 + id.len());
    out.put_i16(KEY_VERSION);
    put_string(&mut out, id);
    out.freeze()
}

/// `None` for keys of other versions and for garbage.
pub(super) fn decode_key(mut bytes: &[u8]) -> Option<Arc<str>> {
    if bytes.try_get_i16().ok()? != KEY_VERSION {
        return None;
    }
    let len = bytes.try_get_i16().ok()?;
    take_text(&mut bytes, usize::try_from(len).ok()?)
}

pub(super) fn encode_value(values: &Values, version: i16) -> Bytes {
    let flexible = version == FLEXIBLE_VERSION;
    // room for a few partitions: most values need no more
    let mut out = BytesMut::with_capacity(128);
    out.put_i16(version);
    out.put_i64(values.producer.id);
    out.put_i16(values.producer.epoch);
    out.put_i32(values.timeout_ms);
    out.put_i8(values.state as i8);
    let in_topics = (values.state != TransactionState::Empty).then_some(&values.partitions);
    if flexible {
        put_partitions_compact(&mut out, in_topics);
    } else {
        put_partitions(&mut out, in_topics);
    }
    out.put_i64(values.update_ms);
    out.put_i64(values.start_ms);
    if flexible {
        put_tags(&mut out, values);
    }
    out.freeze()
}

fn by_topic(partitions: &BTreeSet<NamedPartition>) -> BTreeMap<&str, Vec<i32>> {
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for (topic, partition) in partitions {
        topics.entry(topic).or_default().push(*partition);
    }
    topics
}

fn put_partitions(out: &mut BytesMut, partitions: Option<&BTreeSet<NamedPartition>>) {
    let Some(partitions) = partitions else { return out.put_i32(-1) };
    let topics = by_topic(partitions);
    put_len(out, topics.len());
    for (topic, partitions) in topics {
        put_string(out, topic);
        put_len(out, partitions.len());
        partitions.into_iter().for_each(|partition| out.put_i32(partition));
    }
}

fn put_partitions_compact(out: &mut BytesMut, partitions: Option<&BTreeSet<NamedPartition>>) {
    let Some(partitions) = partitions else { return put_uvarint(out, 0) };
    let topics = by_topic(partitions);
    put_uvarint(out, topics.len() + 1);
    for (topic, partitions) in topics {
        put_uvarint(out, topic.len() + 1);
        out.put_slice(topic.as_bytes());
        put_uvarint(out, partitions.len() + 1);
        partitions.into_iter().for_each(|partition| out.put_i32(partition));
        put_uvarint(out, 0); // tags
    }
}

/// Fields that hold their default are left out.
fn put_tags(out: &mut BytesMut, values: &Values) {
    let id = |tag, id: i64| (tag, id.to_be_bytes().to_vec());
    let previous =
        (values.last.id != NOBODY.id).then(|| id(tag::PREVIOUS_PRODUCER_ID, values.last.id));
    let next = values.next_id.map(|next| id(tag::NEXT_PRODUCER_ID, next));
    let rules = (values.rules == TransactionRules::EpochEach)
        .then(|| (tag::CLIENT_TRANSACTION_VERSION, EPOCH_EACH.to_be_bytes().to_vec()));
    let fields: Vec<_> = [previous, next, rules].into_iter().flatten().collect();
    put_uvarint(out, fields.len());
    for (tag, content) in fields {
        put_uvarint(out, tag);
        put_uvarint(out, content.len());
        out.put_slice(&content);
    }
}

/// `None` for values of other versions and for garbage.
pub(super) fn decode_value(mut bytes: &[u8]) -> Option<Values> {
    let input = &mut bytes;
    let version = input.try_get_i16().ok()?;
    if !(VALUE_VERSION..=FLEXIBLE_VERSION).contains(&version) {
        return None;
    }
    let flexible = version == FLEXIBLE_VERSION;
    let id = input.try_get_i64().ok()?;
    let producer = ProducerIdAndEpoch { id, epoch: input.try_get_i16().ok()? };
    let timeout_ms = input.try_get_i32().ok()?;
    let state = TransactionState::from_value(input.try_get_i8().ok()?)?;
    let mut partitions = BTreeSet::new();
    for _ in 0..take_len(input, flexible)? {
        let topic = if flexible {
            let len = take_uvarint(input)?.checked_sub(1)?;
            take_text(input, len)?
        } else {
            let len = input.try_get_i16().ok()?;
            take_text(input, usize::try_from(len).ok()?)?
        };
        for _ in 0..take_len(input, flexible)? {
            partitions.insert((Arc::clone(&topic), input.try_get_i32().ok()?));
        }
        if flexible {
            skip_tags(input)?;
        }
    }
    let update_ms = input.try_get_i64().ok()?;
    let start_ms = input.try_get_i64().ok()?;
    let mut values = Values {
        producer,
        last: NOBODY,
        next_id: None,
        rules: TransactionRules::Added,
        timeout_ms,
        state,
        partitions,
        start_ms,
        update_ms,
    };
    if flexible {
        take_tags(input, &mut values)?;
    }
    Some(values)
}

fn take_tags(input: &mut &[u8], values: &mut Values) -> Option<()> {
    for _ in 0..take_uvarint(input)? {
        let tag = take_uvarint(input)?;
        let len = take_uvarint(input)?;
        let (mut content, rest) = input.split_at_checked(len)?;
        *input = rest;
        match tag {
            tag::PREVIOUS_PRODUCER_ID => values.last.id = content.try_get_i64().ok()?,
            tag::NEXT_PRODUCER_ID => {
                values.next_id = Some(content.try_get_i64().ok()?).filter(|id| *id >= 0);
            }
            tag::CLIENT_TRANSACTION_VERSION => {
                let is_each = content.try_get_i16().ok()? >= EPOCH_EACH;
                let (each, added) = (TransactionRules::EpochEach, TransactionRules::Added);
                values.rules = if is_each { each } else { added };
            }
            _ => {}
        }
    }
    Some(())
}

fn put_uvarint(out: &mut BytesMut, mut value: usize) {
    while value >= 0x80 {
        out.put_u8((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

fn put_len(out: &mut BytesMut, len: usize) {
    out.put_i32(i32::try_from(len).unwrap_or(i32::MAX));
}

fn put_string(out: &mut BytesMut, text: &str) {
    let len = text.len().min(i16::MAX as usize);
    out.put_i16(i16::try_from(len).unwrap_or(i16::MAX));
    out.put_slice(&text.as_bytes()[..len]);
}

fn take_text(input: &mut &[u8], len: usize) -> Option<Arc<str>> {
    let (text, rest) = input.split_at_checked(len)?;
    *input = rest;
    Some(std::str::from_utf8(text).ok()?.into())
}

/// Length of an array; a null one is empty.
fn take_len(input: &mut &[u8], flexible: bool) -> Option<usize> {
    if flexible {
        return Some(take_uvarint(input)?.saturating_sub(1));
    }
    match input.try_get_i32().ok()? {
        -1 => Some(0),
        len => usize::try_from(len).ok(),
    }
}

fn take_uvarint(input: &mut &[u8]) -> Option<usize> {
    let mut value = 0_u64;
    for shift in (0..35).step_by(7) {
        let byte = input.try_get_u8().ok()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return usize::try_from(value).ok();
        }
    }
    None
}

fn skip_tags(input: &mut &[u8]) -> Option<()> {
    for _ in 0..take_uvarint(input)? {
        take_uvarint(input)?;
        let len = take_uvarint(input)?;
        *input = input.split_at_checked(len)?.1;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(state: TransactionState) -> Values {
        let partitions = [("a", 3), ("b", 0), ("b", 1)];
        let partitions = partitions.map(|(topic, index)| (Arc::from(topic), index));
        let empty = state == TransactionState::Empty;
        Values {
            producer: ProducerIdAndEpoch { id: 4000, epoch: 2 },
            last: NOBODY,
            next_id: None,
            rules: TransactionRules::Added,
            timeout_ms: 60_000,
            state,
            partitions: if empty { BTreeSet::new() } else { BTreeSet::from(partitions) },
            start_ms: 1_700_000_000_000,
            update_ms: 1_700_000_000_005,
        }
    }

    #[test]
    fn keys_and_values_read_back() {
        assert_eq!(decode_key(&encode_key("billing-1")), Some("billing-1".into()));
        for state in [TransactionState::Empty, TransactionState::PrepareCommit] {
            let values = values(state);
            for version in [VALUE_VERSION, FLEXIBLE_VERSION] {
                let bytes = encode_value(&values, version);
                assert_eq!(decode_value(&bytes), Some(values.clone()), "v{version}");
            }
            let values = Values {
                last: ProducerIdAndEpoch { id: 3000, ..NOBODY },
                next_id: Some(5000),
                rules: TransactionRules::EpochEach,
                ..values
            };
            assert_eq!(decode_value(&encode_value(&values, FLEXIBLE_VERSION)), Some(values));
        }
    }

    #[test]
    fn the_layout_is_kafkas() {
        let bytes = encode_value(&values(TransactionState::Ongoing), VALUE_VERSION);
        let mut expected = BytesMut::new();
        expected.put_i16(0); // version
        expected.put_i64(4000);
        expected.put_i16(2);
        expected.put_i32(60_000);
        expected.put_i8(1); // ongoing
        expected.put_i32(2); // topics
        expected.put_slice(b"\0\x01a\0\0\0\x01\0\0\0\x03");
        expected.put_slice(b"\0\x01b\0\0\0\x02\0\0\0\0\0\0\0\x01");
        expected.put_i64(1_700_000_000_005);
        expected.put_i64(1_700_000_000_000);
        assert_eq!(bytes, expected.freeze());
    }

    #[test]
    fn the_layout_of_the_flexible_version_is_kafkas() {
        let mut bytes = BytesMut::new();
        bytes.put_i16(1);
        bytes.put_i64(4000);
        bytes.put_i16(2);
        bytes.put_i32(60_000);
        bytes.put_i8(2);
        bytes.put_slice(b"\x03\x02a\x02\0\0\0\x03\0\x02b\x03\0\0\0\0\0\0\0\x01\0");
        bytes.put_i64(1_700_000_000_005);
        bytes.put_i64(1_700_000_000_000);
        // tags: previous and next producer id, the client's version
        bytes.put_slice(b"\x03\x00\x08\0\0\0\0\0\0\0\x07");
        bytes.put_slice(b"\x01\x08\0\0\0\0\0\0\0\x09\x02\x02\0\x02");
        let values = Values {
            last: ProducerIdAndEpoch { id: 7, ..NOBODY },
            next_id: Some(9),
            rules: TransactionRules::EpochEach,
            ..values(TransactionState::PrepareCommit)
        };
        assert_eq!(encode_value(&values, FLEXIBLE_VERSION), bytes);
        assert_eq!(decode_value(&bytes), Some(values));
    }

    #[test]
    fn garbage_is_nothing() {
        for version in [VALUE_VERSION, FLEXIBLE_VERSION] {
            let bytes = encode_value(&values(TransactionState::Ongoing), version);
            for cut in 0..bytes.len() {
                assert_eq!(decode_value(&bytes[..cut]), None, "v{version} cut at {cut}");
            }
        }
        assert_eq!(decode_key(&[0, 0, 0, 9, b'a']), None);
        assert_eq!(decode_key(&[0, 1, 0, 0]), None);
    }
}
