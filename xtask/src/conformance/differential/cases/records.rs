//! Records: written, read, found by time, deleted; epochs of leaders.

use super::{ABSENT, Script, TOPIC, topic, transactional};
use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};
use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    BrokerId, DeleteRecordsRequest, DescribeProducersRequest, FetchRequest, ListOffsetsRequest,
    OffsetForLeaderEpochRequest, ProduceRequest,
};
use kafka_protocol::records::{
    Compression, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};

/// Place of the magic byte in a batch.
const MAGIC: usize = 16;
/// Place of the checksum in a batch.
const CRC: usize = 17;

/// What becomes of the bytes of a batch.
type Breakage = fn(Vec<u8>) -> Vec<u8>;
/// Who writes: id, epoch, first sequence.
pub(super) type Writer = (i64, i16, i32);
const NOBODY: Writer = (-1, -1, -1);

pub(super) fn all(script: &mut Script) {
    produce(script);
    idempotent(script);
    fetch(script);
    sessions(script);
    offsets(script);
    epochs(script);
    delete(script);
}

/// A batch of records whose times begin at `time_ms`.
pub(super) fn batch(values: &[&str], (id, epoch, sequence): Writer, time_ms: i64) -> Bytes {
    encode(values, (id, epoch, sequence), time_ms, false)
}

/// The same within a transaction.
pub(super) fn transactional_batch(values: &[&str], writer: Writer) -> Bytes {
    encode(values, writer, 1_700_000_000_000, true)
}

fn encode(
    values: &[&str],
    (producer_id, producer_epoch, sequence): Writer,
    time_ms: i64,
    transactional: bool,
) -> Bytes {
    let record = |(delta, value): (i32, &&str)| Record {
        transactional,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: -1,
        producer_id,
        producer_epoch,
        timestamp_type: TimestampType::Creation,
        offset: i64::from(delta),
        // counted up in any case: where it is not, the encoder begins another batch
        sequence: sequence + delta,
        timestamp: time_ms + i64::from(delta),
        key: None,
        value: Some(Bytes::from((*value).to_owned())),
        headers: indexmap::IndexMap::default(),
    };
    let records: Vec<Record> = (0..).zip(values).map(record).collect();
    let mut out = BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    // it fails for codecs that are not built in, and for no other reason
    let encoded = RecordBatchEncoder::encode(&mut out, &records, &options);
    debug_assert!(encoded.is_ok(), "uncompressed records can be written");
    out.freeze()
}

/// Version 13 names topics by their ids.
pub(super) fn produced(id: uuid::Uuid, name: &str, records: Bytes, version: i16) -> ProduceRequest {
    let data = PartitionProduceData::default().with_records(Some(records));
    let data = TopicProduceData::default().with_partition_data(vec![data]);
    let data = if version >= 13 { data.with_topic_id(id) } else { data.with_name(topic(name)) };
    ProduceRequest::default().with_acks(-1).with_timeout_ms(10_000).with_topic_data(vec![data])
}

fn produce(script: &mut Script) {
    let some = || batch(&["a", "b"], NOBODY, 1_700_000_000_000);
    script.every("Produce, two records", |peer, version| {
        produced(peer.id(TOPIC), TOPIC, some(), version)
    });
    script.every("Produce, acks=1", |peer, version| {
        produced(peer.id(TOPIC), TOPIC, some(), version).with_acks(1)
    });
    script.every("Produce, acks=2", |peer, version| {
        produced(peer.id(TOPIC), TOPIC, some(), version).with_acks(2)
    });
    script.every("Produce, an unknown topic", |_, version| {
        produced(uuid::Uuid::from_u128(7), ABSENT, some(), version)
    });
    script.every("Produce, an unknown partition", |peer, version| {
        let mut request = produced(peer.id(TOPIC), TOPIC, some(), version);
        request.topic_data[0].partition_data[0].index = 99;
        request
    });
    let broken: [(&'static str, Breakage); 6] = [
        ("Produce, a wrong checksum", |mut batch| {
            batch[CRC] ^= 1;
            batch
        }),
        ("Produce, records of an older format", |mut batch| {
            batch[MAGIC] = 1;
            batch
        }),
        ("Produce, an unknown format", |mut batch| {
            batch[MAGIC] = 3;
            batch
        }),
        ("Produce, half a batch", |batch| batch[..batch.len() / 2].to_vec()),
        ("Produce, two batches", |batch| batch.repeat(2)),
        ("Produce, an offset of its own", |mut batch| {
            batch[7] = 5;
            batch
        }),
    ];
    for (question, breakage) in broken {
        script.every(question, |peer, version| {
            let records = Bytes::from(breakage(some().to_vec()));
            produced(peer.id(TOPIC), TOPIC, records, version)
        });
    }
    script.every("Produce, nothing", |peer, version| {
        produced(peer.id(TOPIC), TOPIC, Bytes::new(), version)
    });
    script.every("Produce, more than fits", |peer, version| {
        let value = "x".repeat(1_100_000);
        produced(peer.id(TOPIC), TOPIC, batch(&[&value], NOBODY, 1_700_000_000_000), version)
    });
    script.every("Produce, far in the future", |peer, version| {
        produced(peer.id(TOPIC), TOPIC, batch(&["a"], NOBODY, 4_000_000_000_000), version)
    });
}

fn idempotent(script: &mut Script) {
    let ask = |script: &mut Script, question, writer: Writer| {
        script.once(question, |peer, version| {
            let records = batch(&["a", "b"], writer, 1_700_000_000_000);
            let mut request = produced(peer.id(TOPIC), TOPIC, records, version);
            request.topic_data[0].partition_data[0].index = 1;
            request
        });
    };
    ask(script, "Produce, a producer's first batch", (5000, 0, 0));
    ask(script, "Produce, the same batch again", (5000, 0, 0));
    ask(script, "Produce, the next batch", (5000, 0, 2));
    ask(script, "Produce, a gap", (5000, 0, 6));
    ask(script, "Produce, from the middle of a batch", (5000, 0, 3));
    ask(script, "Produce, a higher epoch not from 0", (5000, 1, 4));
    ask(script, "Produce, a higher epoch", (5000, 1, 0));
    ask(script, "Produce, an older epoch", (5000, 0, 4));
    ask(script, "Produce, an unknown producer not from 0", (6000, 0, 10));
    script.once("Produce, in a transaction without an id", |peer, version| {
        let records = transactional_batch(&["a"], (5000, 1, 2));
        produced(peer.id(TOPIC), TOPIC, records, version)
    });
    script.once("Produce, an id without a transaction", |peer, version| {
        let records = batch(&["a"], (8000, 0, 0), 1_700_000_000_000);
        produced(peer.id(TOPIC), TOPIC, records, version)
            .with_transactional_id(Some(transactional("nobody")))
    });
    let producers = |name: &str, partitions: Vec<i32>| {
        let asked =
            TopicRequest::default().with_name(topic(name)).with_partition_indexes(partitions);
        DescribeProducersRequest::default().with_topics(vec![asked])
    };
    script.every("DescribeProducers", |_, _| producers(TOPIC, vec![0, 1]));
    script.every("DescribeProducers, unknown", |_, _| producers(ABSENT, vec![0]));
    script.every("DescribeProducers, an unknown partition", |_, _| producers(TOPIC, vec![99]));
}

fn fetched(id: uuid::Uuid, name: &str, partition: FetchPartition, version: i16) -> FetchRequest {
    let asked = FetchTopic::default().with_partitions(vec![partition]);
    let asked = if version >= 13 { asked.with_topic_id(id) } else { asked.with_topic(topic(name)) };
    let request = FetchRequest::default()
        .with_max_wait_ms(50)
        .with_min_bytes(1)
        .with_max_bytes(50 << 20)
        .with_topics(vec![asked]);
    if version >= 15 { request } else { request.with_replica_id(BrokerId(-1)) }
}

fn from(offset: i64) -> FetchPartition {
    FetchPartition::default().with_fetch_offset(offset).with_partition_max_bytes(1 << 20)
}

fn fetch(script: &mut Script) {
    let cases: [(&'static str, i64); 5] = [
        ("Fetch, from the beginning", 0),
        ("Fetch, from within a batch", 1),
        ("Fetch, behind the end", 1_000_000),
        ("Fetch, below 0", -1),
        ("Fetch, from the last batches", 40),
    ];
    for (question, offset) in cases {
        script
            .every(question, |peer, version| fetched(peer.id(TOPIC), TOPIC, from(offset), version));
    }
    script.every("Fetch, an idempotent producer's partition", |peer, version| {
        fetched(peer.id(TOPIC), TOPIC, from(0).with_partition(1), version)
    });
    script.every("Fetch, an empty partition", |peer, version| {
        fetched(peer.id(TOPIC), TOPIC, from(0).with_partition(3), version)
    });
    script.every("Fetch, committed records", |peer, version| {
        fetched(peer.id(TOPIC), TOPIC, from(0), version).with_isolation_level(1)
    });
    script.every("Fetch, no more than a byte", |peer, version| {
        let asked = from(0).with_partition_max_bytes(1);
        fetched(peer.id(TOPIC), TOPIC, asked, version).with_max_bytes(1)
    });
    script.every("Fetch, half a batch", |peer, version| {
        let asked = from(2).with_partition_max_bytes(100);
        fetched(peer.id(TOPIC), TOPIC, asked, version)
    });
    script.every("Fetch, an unknown topic", |_, version| {
        fetched(uuid::Uuid::from_u128(7), ABSENT, from(0), version)
    });
    script.every("Fetch, an unknown partition", |peer, version| {
        fetched(peer.id(TOPIC), TOPIC, from(0).with_partition(99), version)
    });
    script.every("Fetch, a leader epoch to come", |peer, version| {
        let epoch = if version >= 9 { 9 } else { -1 };
        fetched(peer.id(TOPIC), TOPIC, from(0).with_current_leader_epoch(epoch), version)
    });
    script.every("Fetch, a last epoch that never was", |peer, version| {
        let epoch = if version >= 12 { 9 } else { -1 };
        fetched(peer.id(TOPIC), TOPIC, from(2).with_last_fetched_epoch(epoch), version)
    });
}

fn sessions(script: &mut Script) {
    let with = |request: FetchRequest, id: i32, epoch: i32| {
        request.with_session_id(id).with_session_epoch(epoch)
    };
    script.once("Fetch session, opened", |peer, version| {
        with(fetched(peer.id(TOPIC), TOPIC, from(0).with_partition(3), version), 0, 0)
    });
    script.once("Fetch session, unknown", |peer, version| {
        with(fetched(peer.id(TOPIC), TOPIC, from(0), version), 4711, 5)
    });
    script.once("Fetch session, of no id in epoch 5", |peer, version| {
        with(fetched(peer.id(TOPIC), TOPIC, from(0), version), 0, 5)
    });
    script.once("Fetch session, closed and unknown", |peer, version| {
        with(fetched(peer.id(TOPIC), TOPIC, from(0), version), 4711, -1)
    });
    script.once("Fetch session, forgets what it never had", |peer, version| {
        let gone = ForgottenTopic::default().with_topic_id(peer.id(TOPIC)).with_partitions(vec![2]);
        let request = fetched(peer.id(TOPIC), TOPIC, from(0).with_partition(3), version);
        with(request, 0, 0).with_forgotten_topics_data(vec![gone])
    });
}

fn offsets(script: &mut Script) {
    let request = |name: &str, partition: i32, timestamp: i64| {
        let asked = ListOffsetsPartition::default()
            .with_partition_index(partition)
            .with_current_leader_epoch(-1)
            .with_timestamp(timestamp);
        let asked = ListOffsetsTopic::default().with_name(topic(name)).with_partitions(vec![asked]);
        ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![asked])
    };
    let cases: [(&'static str, &'static str, i32, i64); 10] = [
        ("ListOffsets, earliest", TOPIC, 0, -2),
        ("ListOffsets, latest", TOPIC, 0, -1),
        ("ListOffsets, of an empty partition", TOPIC, 3, -1),
        ("ListOffsets, by a time", TOPIC, 0, 1_700_000_000_001),
        ("ListOffsets, by a time of an empty partition", TOPIC, 3, 1_700_000_000_001),
        ("ListOffsets, before all", TOPIC, 0, 1),
        ("ListOffsets, after all", TOPIC, 0, 5_000_000_000_000),
        ("ListOffsets, a special time that is none", TOPIC, 0, -77),
        ("ListOffsets, an unknown topic", ABSENT, 0, -1),
        ("ListOffsets, an unknown partition", TOPIC, 99, -1),
    ];
    for (question, name, partition, time) in cases {
        script.every(question, |_, _| request(name, partition, time));
    }
    script.every("ListOffsets, the latest committed", |_, version| {
        request(TOPIC, 0, -1).with_isolation_level(i8::from(version >= 2))
    });
    script.every("ListOffsets, highest time", |_, version| {
        request(TOPIC, 0, if version >= 7 { -3 } else { -1 })
    });
    script.every("ListOffsets, highest time of an empty partition", |_, version| {
        request(TOPIC, 3, if version >= 7 { -3 } else { -1 })
    });
    script.every("ListOffsets, a leader epoch to come", |_, version| {
        let mut request = request(TOPIC, 0, -1);
        let epoch = if version >= 4 { 9 } else { -1 };
        request.topics[0].partitions[0].current_leader_epoch = epoch;
        request
    });
    script.every("ListOffsets, a partition twice", |_, _| {
        let mut request = request(TOPIC, 0, -1);
        let again = request.topics[0].partitions[0].clone();
        request.topics[0].partitions.push(again);
        request
    });
}

fn epochs(script: &mut Script) {
    let request = |name: &str, partition: i32, (current, epoch): (i32, i32)| {
        let asked = OffsetForLeaderPartition::default()
            .with_partition(partition)
            .with_current_leader_epoch(current)
            .with_leader_epoch(epoch);
        let asked =
            OffsetForLeaderTopic::default().with_topic(topic(name)).with_partitions(vec![asked]);
        OffsetForLeaderEpochRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_topics(vec![asked])
    };
    let cases: [(&'static str, &'static str, i32, (i32, i32)); 6] = [
        ("OffsetForLeaderEpoch, the present one", TOPIC, 0, (-1, 0)),
        ("OffsetForLeaderEpoch, one to come", TOPIC, 0, (-1, 5)),
        ("OffsetForLeaderEpoch, none", TOPIC, 0, (-1, -1)),
        ("OffsetForLeaderEpoch, of a leader to come", TOPIC, 0, (5, 0)),
        ("OffsetForLeaderEpoch, an unknown topic", ABSENT, 0, (-1, 0)),
        ("OffsetForLeaderEpoch, an unknown partition", TOPIC, 99, (-1, 0)),
    ];
    for (question, name, partition, epochs) in cases {
        script.every(question, |_, version| {
            let request = request(name, partition, epochs);
            if version >= 3 { request } else { request.with_replica_id(BrokerId(-1)) }
        });
    }
}

fn delete(script: &mut Script) {
    let request = |name: &str, partition: i32, offset: i64| {
        let asked =
            DeleteRecordsPartition::default().with_partition_index(partition).with_offset(offset);
        let asked =
            DeleteRecordsTopic::default().with_name(topic(name)).with_partitions(vec![asked]);
        DeleteRecordsRequest::default().with_topics(vec![asked]).with_timeout_ms(10_000)
    };
    let cases: [(&'static str, &'static str, i32, i64); 7] = [
        ("DeleteRecords, up to 3", TOPIC, 1, 3),
        ("DeleteRecords, below the start", TOPIC, 1, 1),
        ("DeleteRecords, behind the end", TOPIC, 1, 1_000_000),
        ("DeleteRecords, below 0", TOPIC, 1, -5),
        ("DeleteRecords, all", TOPIC, 1, -1),
        ("DeleteRecords, an unknown topic", ABSENT, 0, 1),
        ("DeleteRecords, an unknown partition", TOPIC, 99, 1),
    ];
    for (question, name, partition, offset) in cases {
        script.every(question, |_, _| request(name, partition, offset));
    }
    script.every("Fetch, deleted records", |peer, version| {
        fetched(peer.id(TOPIC), TOPIC, from(0).with_partition(1), version)
    });
}
