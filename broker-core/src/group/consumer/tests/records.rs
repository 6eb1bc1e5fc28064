//! Records in Kafka's own format, and garbage.

use super::super::codec::record;
use super::super::state::{
    Change, Current, GroupEpoch, MemberState, Partitions, Resolved, State, Subscription,
};
use super::rig::{a, change_of};
use crate::group::codec::{Key, decode_key};
use std::sync::Arc;

fn changes() -> Vec<Change> {
    let some: Partitions = a([0, 2, 5]).into_iter().collect();
    let subscription = Subscription {
        instance: Some("one".into()),
        rack: None,
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        topics: ["a".into(), "b".into()].into(),
        regex: Some("a.*".into()),
        rebalance_timeout_ms: 300_000,
        assignor: Some("range".into()),
    };
    let current = Current {
        epoch: 7,
        previous_epoch: 6,
        state: MemberState::UnrevokedPartitions,
        assigned: some.clone(),
        revoking: a([1]).into_iter().collect(),
    };
    let resolved = Resolved { topics: ["a".into()].into(), version: 9, at_ms: 1_700_000_000_000 };
    vec![
        Change::Group(Some(GroupEpoch { epoch: 7, metadata_hash: -5 })),
        Change::Topics(Some(())),
        Change::Member("x".into(), Some(subscription)),
        Change::TargetEpoch(Some(7)),
        Change::Target("x".into(), Some(Arc::new(some))),
        Change::Current("x".into(), Some(current)),
        Change::Regex("a.*".into(), Some(resolved)),
        Change::Group(None),
        Change::Topics(None),
        Change::Member("x".into(), None),
        Change::TargetEpoch(None),
        Change::Target("x".into(), None),
        Change::Current("x".into(), None),
        Change::Regex("a.*".into(), None),
    ]
}

#[test]
fn what_is_written_is_read() {
    for change in changes() {
        assert_eq!(change_of(&record("billing", &change)), change);
        assert_eq!(record("billing", &change).value.is_none(), change.is_removal());
    }
}

/// KAFKA-19862: of a log that is compacted while it is read, the record may be gone by which a member gave something
/// up.
#[test]
fn what_the_log_has_given_to_another_since_is_not_free() {
    let mut state = State::default();
    let mut has = |id: &str, of: &[i32]| {
        let current =
            Current { assigned: a(of.iter().copied()).into_iter().collect(), ..Current::default() };
        state.apply(&Change::Current(id.into(), Some(current)));
        state.misowned()
    };
    assert_eq!((has("x", &[0]), has("y", &[0]), has("x", &[1])), (None, None, None));
    // two have it, which no log says: the one that had it first has what is nobody's then
    assert_eq!(has("x", &[0, 1]), None);
    assert_eq!(has("x", &[1]), a([0]).into_iter().next());
}

#[test]
fn bytes_are_kafkas() {
    let bytes = |change: Change| {
        let record = record("g", &change);
        (record.key.unwrap().to_vec(), record.value.unwrap().to_vec())
    };
    let group = |metadata_hash| Change::Group(Some(GroupEpoch { epoch: 3, metadata_hash }));
    assert_eq!(bytes(group(0)), (vec![0, 3, 0, 1, b'g'], vec![0, 0, 0, 0, 0, 3, 0]));
    let hash = [1, 0, 8, 0, 0, 0, 0, 0, 0, 1, 2]; // one tagged field: 0, of eight bytes
    assert_eq!(bytes(group(0x102)).1, [&[0, 0, 0, 0, 0, 3][..], &hash].concat());
    let (key, value) =
        bytes(Change::Target("m".into(), Some(Arc::new(a([4]).into_iter().collect()))));
    assert_eq!(key, [0, 7, 0, 1, b'g', 0, 1, b'm']);
    let mut expected = vec![0, 0, 2];
    expected.extend(1_u128.to_be_bytes());
    expected.extend([2, 0, 0, 0, 4, 0, 0]);
    assert_eq!(value, expected);
    let current = Current { epoch: 2, previous_epoch: 1, ..Current::default() };
    let (key, value) = bytes(Change::Current("m".into(), Some(current)));
    assert_eq!(key, [0, 8, 0, 1, b'g', 0, 1, b'm']);
    assert_eq!(value, [0, 0, 0, 0, 0, 2, 0, 0, 0, 1, 0, 1, 1, 0]);
}

#[test]
fn garbage_says_nothing() {
    for change in changes() {
        let record = record("billing", &change);
        let key = record.key.unwrap();
        for cut in 0..key.len() {
            assert_eq!(decode_key(&key[..cut]), None);
        }
        let Some(Key::Consumer(key)) = decode_key(&key) else { panic!("no key") };
        let Some(value) = record.value else { continue };
        // values may end before their tagged fields: nothing in those is read
        for cut in 0..value.len() - 1 {
            assert_eq!(key.change(Some(&value[..cut])), None, "{change:?} cut at {cut}");
        }
        let mut newer = value.to_vec();
        newer[1] = 9;
        assert_eq!(key.change(Some(&newer)), None);
    }
}
