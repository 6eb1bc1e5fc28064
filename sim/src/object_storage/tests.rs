//! The storage against what its limits and latencies promise.

use super::{ChunkCache, ObjectStorage, StorageFault, Verb};
use crate::disk::testing::{Maker, Shape};
use crate::rng::Streams;
use std::collections::BTreeMap;
use stormglass_broker_core::ids::{RemoteSegmentId, TopicId, TopicPartition};
use stormglass_broker_core::seam::{RemoteIndexes, RemoteSegment};
use stormglass_scenarios::plan::{Constant, ModelPlan, Quantiles};

const TP: TopicPartition = TopicPartition::new(TopicId(7), 0);

fn storage(overrides: &[(&str, i64)]) -> ObjectStorage {
    let table = [
        ("remote.part_bytes", 8 << 20),
        ("remote.chunk_bytes", 4 << 20),
        ("remote.readahead_bytes", 16 << 20),
        ("remote.cache_bytes", 64 << 20),
        ("remote.attempts", 3),
        ("remote.backoff_ns", 1000),
        ("remote.metadata_ns", 1000),
        ("remote.request_bytes_per_sec", 1000),
        ("remote.put_per_sec", 3500),
        ("remote.get_per_sec", 5500),
        ("remote.prefixes", 1),
    ];
    let constant = |value: i64| Constant {
        value,
        unit: String::new(),
        source: String::new(),
        confidence: "U".to_owned(),
    };
    let all = table.iter().chain(overrides);
    let constants: BTreeMap<String, Constant> =
        all.map(|(name, value)| ((*name).to_owned(), constant(*value))).collect();
    let flat = |ns: u64| Quantiles {
        points: vec![(0, ns), (1_000_000, 3 * ns)],
        source: String::new(),
        confidence: "U".to_owned(),
    };
    let model = ModelPlan {
        version: String::new(),
        catalogue_digest: String::new(),
        cpu_profile: String::new(),
        constants,
        latency_same_az: flat(1),
        latency_cross_az: flat(1),
        volume_read: flat(1),
        volume_write: flat(1),
        remote_request: Some(flat(10_000_000)),
    };
    ObjectStorage::new(&model, &Streams::new(3)).unwrap()
}

/// Requests of an even stream that are admitted in a second, after a second of it.
fn admitted(storage: &mut ObjectStorage, verb: Verb, per_sec: u64) -> u64 {
    let mut count = 0;
    for index in 0..2 * per_sec {
        let now_ns = index * 1_000_000_000 / per_sec;
        let answer = storage.answer(now_ns, TP, (verb, 1));
        count += u64::from(answer.admitted && index >= per_sec);
    }
    count
}

#[test]
fn a_prefix_admits_its_rate_and_no_more() {
    for (verb, limit) in [(Verb::Put, 3500), (Verb::Get, 5500)] {
        assert_eq!(admitted(&mut storage(&[]), verb, limit / 2), limit / 2);
        // the second that was saved up is used by the first second of the overload
        let through = admitted(&mut storage(&[]), verb, limit * 3);
        assert!(through.abs_diff(limit) <= 1, "{through} of {limit}");
    }
}

#[test]
fn each_prefix_has_a_rate_of_its_own() {
    let mut storage = storage(&[("remote.prefixes", 4), ("remote.get_per_sec", 1)]);
    let mut get = |partition| {
        let tp = TopicPartition::new(TopicId(7), partition);
        storage.answer(0, tp, (Verb::Get, 1)).admitted
    };
    assert_eq!([get(0), get(1), get(2), get(3), get(4)], [true, true, true, true, false]);
}

#[test]
fn latencies_have_the_mean_of_the_table_and_a_fault_adds_to_them() {
    let mut storage = storage(&[]);
    let mean = |storage: &mut ObjectStorage| {
        let all = (0..4000).map(|i| storage.answer(i * 1_000_000, TP, (Verb::Get, 1)).latency_ns);
        all.sum::<u64>() / 4000
    };
    assert!(mean(&mut storage).abs_diff(20_000_000) < 400_000);
    let mut slow = self::storage(&[]);
    slow.fault = StorageFault { reject_permille: 0, extra_latency_ns: 7_000_000 };
    assert!(mean(&mut slow).abs_diff(27_000_000) < 400_000);
}

#[test]
fn a_fault_rejects_its_share() {
    let mut storage = storage(&[]);
    storage.fault = StorageFault { reject_permille: 250, extra_latency_ns: 0 };
    let rejected =
        (0..4000).filter(|i| !storage.answer(i * 1_000_000, TP, (Verb::Get, 1)).admitted).count();
    assert!(rejected.abs_diff(1000) < 100, "{rejected}");
    assert_eq!(storage.meters.rejected as usize, rejected);
    storage.fault.reject_permille = 1000;
    assert!(!storage.answer(5_000_000_000, TP, (Verb::Put, 1)).admitted);
}

#[test]
fn what_is_stored_is_read_back_by_offset_and_time() {
    let mut storage = storage(&[]);
    let batches = Maker::new(Shape::default()).batches(300);
    let (base, end) = (batches[0].base_offset(), batches[299].last_offset());
    let content = storage.objects.pack(&mut batches.iter().cloned());
    let segment = RemoteSegment {
        id: RemoteSegmentId(9),
        tp: TP,
        base,
        end,
        bytes: content.end_position(),
        max_timestamp: 0,
        epochs: Vec::new(),
        indexes: RemoteIndexes::default(),
    };
    let stored = storage.objects.bytes();
    storage.objects.add(segment, content);
    assert!(storage.objects.bytes() > stored && storage.objects.list(TP).len() == 1);
    let from = batches[17].last_offset();
    let two = batches[17].size_bytes() + batches[18].size_bytes();
    let read = |upto, max| storage.objects.read(RemoteSegmentId(9), (from, upto), max).unwrap();
    assert_eq!(read(end + 1, two).0.batches(), &batches[17..19]);
    assert_eq!(read(end + 1, 1).0.batches(), &batches[17..18], "one in any case");
    assert_eq!(read(batches[18].base_offset(), u32::MAX).0.batches().len(), 1);
    assert_eq!(storage.objects.remove(RemoteSegmentId(9)).map(|s| s.base), Some(base));
    assert_eq!((storage.objects.bytes(), storage.objects.list(TP).len()), (0, 0));
}

#[test]
fn readers_wait_for_a_chunk_once_and_the_oldest_goes_first() {
    let mut cache = ChunkCache::default();
    let chunk = |index| (RemoteSegmentId(1), index);
    cache.ask(chunk(0));
    assert!(cache.wants(chunk(0), 5) && cache.wants(chunk(0), 6));
    assert_eq!(cache.came(chunk(0), 2), [5, 6]);
    assert!(!cache.wants(chunk(0), 7), "it is here");
    for index in [1, 2] {
        cache.ask(chunk(index));
        cache.came(chunk(index), 2);
    }
    assert!(!cache.knows(chunk(0)) && cache.knows(chunk(1)));
    cache.ask(chunk(3));
    cache.wants(chunk(3), 8);
    assert_eq!((cache.failed(chunk(3)), cache.knows(chunk(3))), (vec![8], false));
}
