//! Transactions, against a real broker: what readers of committed records see, fencing, positions
//! within transactions, and what is left of all that after a kill.

use crate::common::Place;
use crate::kafka::{
    Client, Serving, batch, group_id, retry, text, topic_name, transactional_batch,
};
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, CreateTopicsRequest,
    DescribeProducersRequest, DescribeTransactionsRequest, EndTxnRequest, FetchRequest,
    FindCoordinatorRequest, InitProducerIdRequest, ListOffsetsRequest, ListTransactionsRequest,
    OffsetFetchRequest, ProduceRequest, TransactionalId, TxnOffsetCommitRequest,
};
use kafka_protocol::records::RecordBatchDecoder;

const TOPIC: &str = "orders";
const GROUP: &str = "billing";
const CONCURRENT: i16 = 51;

/// A transactional producer, with connections to its coordinator and to the topic's leader.
struct Producer {
    id: String,
    coordinator: Client,
    leader: Client,
    producer_id: i64,
    epoch: i16,
    sequence: i32,
}

fn id_of(id: &str) -> TransactionalId {
    TransactionalId(text(id))
}

/// Node that coordinates a key.
fn coordinator(client: &mut Client, key: &str, kind: i8) -> usize {
    let request = FindCoordinatorRequest::default().with_key(text(key)).with_key_type(kind);
    retry(|| {
        let answer = client.call(3, &request);
        (answer.error_code == 0).then(|| usize::try_from(answer.node_id.0).unwrap())
    })
}

impl Producer {
    /// A session of a transactional id.
    fn begin(serving: &Serving, id: &str) -> Self {
        let mut producer = Self::connect(serving, id);
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(id_of(id)))
            .with_transaction_timeout_ms(60_000);
        let answer = retry(|| {
            let answer = producer.coordinator.call(4, &request);
            assert!(matches!(answer.error_code, 0 | 14..=16 | CONCURRENT), "{answer:?}");
            (answer.error_code == 0).then_some(answer)
        });
        (producer.producer_id, producer.epoch) = (answer.producer_id.0, answer.producer_epoch);
        producer
    }

    fn connect(serving: &Serving, id: &str) -> Self {
        let mut client = serving.client();
        let node = coordinator(&mut client, id, 1);
        let leader = usize::try_from(client.topic(TOPIC)).unwrap();
        Self {
            id: id.to_owned(),
            coordinator: Client::connect(&serving.addresses[node - 1]),
            leader: Client::connect(&serving.addresses[leader - 1]),
            producer_id: -1,
            epoch: -1,
            sequence: 0,
        }
    }

    /// The same session, after the cluster was restarted.
    fn reconnect(self, serving: &Serving) -> Self {
        let Self { producer_id, epoch, sequence, .. } = self;
        Self { producer_id, epoch, sequence, ..Self::connect(serving, &self.id) }
    }

    fn add_partition(&mut self) -> i16 {
        let topic = AddPartitionsToTxnTopic::default()
            .with_name(topic_name(TOPIC))
            .with_partitions(vec![0]);
        let request = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(id_of(&self.id))
            .with_v3_and_below_producer_id(self.producer_id.into())
            .with_v3_and_below_producer_epoch(self.epoch)
            .with_v3_and_below_topics(vec![topic]);
        retry(|| {
            let answer = self.coordinator.call(3, &request);
            let first = &answer.results_by_topic_v3_and_below[0].results_by_partition[0];
            let error = first.partition_error_code;
            (!matches!(error, 14..=16 | CONCURRENT)).then_some(error)
        })
    }

    /// Records, in a partition that has or has not been added; error and base offset.
    fn produce(&mut self, values: &[&str]) -> (i16, i64) {
        self.produce_in(9, values)
    }

    fn produce_in(&mut self, version: i16, values: &[&str]) -> (i16, i64) {
        let records = transactional_batch(values, (self.producer_id, self.epoch, self.sequence));
        let data = PartitionProduceData::default().with_records(Some(records));
        let data = TopicProduceData::default()
            .with_name(topic_name(TOPIC))
            .with_partition_data(vec![data]);
        let request = ProduceRequest::default()
            .with_transactional_id(Some(id_of(&self.id)))
            .with_acks(-1)
            .with_timeout_ms(20_000)
            .with_topic_data(vec![data]);
        let outcome = retry(|| {
            let answer = self.leader.call(version, &request);
            let partition = &answer.responses[0].partition_responses[0];
            let outcome = (partition.error_code, partition.base_offset);
            (!matches!(outcome.0, 6 | 19)).then_some(outcome)
        });
        if outcome.0 == 0 {
            self.sequence += i32::try_from(values.len()).unwrap();
        }
        outcome
    }

    /// A transaction's records, the first of which begin it.
    fn write(&mut self, values: &[&str]) -> i64 {
        assert_eq!(self.add_partition(), 0);
        let (error, offset) = self.produce(values);
        assert_eq!(error, 0);
        offset
    }

    fn end(&mut self, commit: bool) -> i16 {
        let request = EndTxnRequest::default()
            .with_transactional_id(id_of(&self.id))
            .with_producer_id(self.producer_id.into())
            .with_producer_epoch(self.epoch)
            .with_committed(commit);
        retry(|| {
            let error = self.coordinator.call(3, &request).error_code;
            (!matches!(error, 14..=16 | CONCURRENT)).then_some(error)
        })
    }

    /// Commit or abort where each transaction has an epoch: the next one is this producer's.
    fn end_each(&mut self, commit: bool) -> i16 {
        let request = EndTxnRequest::default()
            .with_transactional_id(id_of(&self.id))
            .with_producer_id(self.producer_id.into())
            .with_producer_epoch(self.epoch)
            .with_committed(commit);
        let answer = retry(|| {
            let answer = self.coordinator.call(5, &request);
            (!matches!(answer.error_code, 14..=16 | CONCURRENT)).then_some(answer)
        });
        if answer.error_code == 0 {
            (self.producer_id, self.epoch) = (answer.producer_id.0, answer.producer_epoch);
            self.sequence = 0;
        }
        answer.error_code
    }

    fn state(&mut self) -> String {
        let request =
            DescribeTransactionsRequest::default().with_transactional_ids(vec![id_of(&self.id)]);
        retry(|| {
            let answer = self.coordinator.call(0, &request);
            let state = &answer.transaction_states[0];
            (!matches!(state.error_code, 14..=16)).then(|| state.transaction_state.to_string())
        })
    }
}

/// One answer to a reader of committed records.
fn fetch_committed(client: &mut Client, from: i64) -> PartitionData {
    let partition =
        FetchPartition::default().with_fetch_offset(from).with_partition_max_bytes(10 << 20);
    let topic =
        FetchTopic::default().with_topic(topic_name(TOPIC)).with_partitions(vec![partition]);
    let request = FetchRequest::default()
        .with_max_wait_ms(10)
        .with_min_bytes(1)
        .with_max_bytes(50 << 20)
        .with_isolation_level(1)
        .with_topics(vec![topic]);
    retry(|| {
        let mut answer = client.call(11, &request);
        let partition = answer.responses.remove(0).partitions.remove(0);
        (partition.error_code == 0).then_some(partition)
    })
}

/// Values that a reader of committed records may see, and the last stable offset.
fn read_committed(client: &mut Client) -> (Vec<String>, i64) {
    let (mut seen, mut next) = (Vec::new(), 0);
    loop {
        let partition = fetch_committed(client, next);
        let mut bytes = partition.records.unwrap_or_default();
        if bytes.is_empty() {
            return (seen, partition.last_stable_offset);
        }
        let aborted = partition.aborted_transactions.iter().flatten();
        let mut aborted: Vec<(i64, i64)> =
            aborted.map(|aborted| (aborted.first_offset, aborted.producer_id.0)).collect();
        for record in
            RecordBatchDecoder::decode_all(&mut bytes).unwrap().into_iter().flat_map(|s| s.records)
        {
            next = record.offset + 1;
            let is_of = |aborted: &(i64, i64)| {
                aborted.0 <= record.offset && aborted.1 == record.producer_id
            };
            if record.control {
                // the marker of an abort ends what is left out
                let is_abort = record.key.as_deref() == Some(&[0, 0, 0, 0]);
                if let Some(at) = aborted.iter().position(is_of).filter(|_| is_abort) {
                    aborted.remove(at);
                }
            } else if !(record.transactional && aborted.iter().any(is_of)) {
                let value = record.value.unwrap_or_default();
                seen.push(String::from_utf8(value.to_vec()).unwrap());
            }
        }
    }
}

fn seen(client: &mut Client) -> Vec<String> {
    read_committed(client).0
}

/// Until a reader of committed records may read up to here.
fn stable_at(client: &mut Client, offset: i64) {
    retry(|| (fetch_committed(client, 0).last_stable_offset == offset).then_some(()));
}

fn latest(client: &mut Client, isolation: i8) -> i64 {
    let partition = ListOffsetsPartition::default().with_timestamp(-1);
    let topic =
        ListOffsetsTopic::default().with_name(topic_name(TOPIC)).with_partitions(vec![partition]);
    let request = ListOffsetsRequest::default()
        .with_replica_id((-1).into())
        .with_isolation_level(isolation)
        .with_topics(vec![topic]);
    client.call(7, &request).topics[0].partitions[0].offset
}

#[test]
fn readers_of_committed_records_see_what_was_committed_and_a_kill_changes_nothing() {
    let place = Place::new();
    let serving = Serving::start(&place, "data", &[]);
    let mut producer = Producer::begin(&serving, "t-1");
    assert_eq!(producer.write(&["a", "b"]), 0);
    let mut client = serving.client();
    assert_eq!((latest(&mut client, 0), latest(&mut client, 1)), (2, 0));
    assert_eq!(read_committed(&mut client), (vec![], 0));
    assert_eq!(producer.end(true), 0);
    stable_at(&mut client, 3);
    assert_eq!(producer.write(&["c"]), 3);
    assert_eq!(producer.end(false), 0);
    stable_at(&mut client, 5);
    assert_eq!(client.produce(TOPIC, batch(&["d"], None)), (0, 5));
    producer.write(&["e"]);
    assert_eq!((latest(&mut client, 0), latest(&mut client, 1)), (7, 6));
    let expected = ["a", "b", "d"];
    assert_eq!(seen(&mut client), expected);
    assert_eq!(producer.state(), "Ongoing");
    serving.kill();

    let serving = Serving::start(&place, "data", &[]);
    let mut client = serving.client();
    client.topic(TOPIC);
    stable_at(&mut client, 6);
    assert_eq!(seen(&mut client), expected);
    let mut producer = producer.reconnect(&serving);
    assert_eq!(producer.state(), "Ongoing");
    assert_eq!(producer.produce(&["f"]), (0, 7), "it goes on where it was");
    assert_eq!(producer.end(true), 0);
    stable_at(&mut client, 9);
    assert_eq!(seen(&mut client), ["a", "b", "d", "e", "f"]);
    serving.stop();

    let serving = Serving::start(&place, "data", &[]);
    let mut client = serving.client();
    client.topic(TOPIC);
    stable_at(&mut client, 9);
    assert_eq!(seen(&mut client), ["a", "b", "d", "e", "f"]);
}

#[test]
fn a_successor_fences_and_late_records_begin_nothing() {
    let place = Place::new();
    let serving = Serving::start(&place, "data", &[]);
    let mut first = Producer::begin(&serving, "t-1");
    first.write(&["lost"]);
    let mut second = Producer::begin(&serving, "t-1");
    assert_eq!(second.producer_id, first.producer_id);
    assert!(second.epoch > first.epoch);
    assert_eq!(first.end(true), 90, "fenced");
    assert_eq!(first.add_partition(), 90);
    assert_eq!(first.produce(&["late"]).0, 47, "its epoch is over here, too");
    second.write(&["kept"]);
    assert_eq!(second.end(true), 0);
    retry(|| (second.state() == "CompleteCommit").then_some(()));
    assert_eq!(second.produce(&["late"]).0, 48, "KIP-890: it is in no transaction");
    let mut client = serving.client();
    stable_at(&mut client, 4);
    assert_eq!(seen(&mut client), ["kept"]);
    assert_eq!(second.end(false), 48, "it was committed");
    // whoever writes in a transaction must say in whose
    let records = transactional_batch(&["stray"], (second.producer_id, second.epoch, 1));
    assert_eq!(client.produce(TOPIC, records).0, 53);
}

/// Position of the group, or the error when it is not stable.
fn position(client: &mut Client) -> Result<i64, i16> {
    let topic = OffsetFetchRequestTopics::default()
        .with_name(topic_name(TOPIC))
        .with_partition_indexes(vec![0]);
    let group = OffsetFetchRequestGroup::default()
        .with_group_id(group_id(GROUP))
        .with_topics(Some(vec![topic]));
    let request = OffsetFetchRequest::default().with_groups(vec![group]).with_require_stable(true);
    retry(|| {
        let answer = client.call(8, &request);
        let group = &answer.groups[0];
        let found = (group.error_code == 0).then(|| &group.topics[0].partitions[0])?;
        Some(if found.error_code == 0 { Ok(found.committed_offset) } else { Err(found.error_code) })
    })
}

fn commit_offset(producer: &mut Producer, group: &mut Client, offset: i64) {
    let request = AddOffsetsToTxnRequest::default()
        .with_transactional_id(id_of(&producer.id))
        .with_producer_id(producer.producer_id.into())
        .with_producer_epoch(producer.epoch)
        .with_group_id(group_id(GROUP));
    retry(|| (producer.coordinator.call(3, &request).error_code == 0).then_some(()));
    let request = commit_of(producer, offset);
    let answer = group.call(3, &request);
    assert_eq!(answer.topics[0].partitions[0].error_code, 0);
}

/// A position of the group within a producer's transaction.
fn commit_of(producer: &Producer, offset: i64) -> TxnOffsetCommitRequest {
    let partition = TxnOffsetCommitRequestPartition::default()
        .with_committed_offset(offset)
        .with_committed_metadata(Some(text("")));
    let topic = TxnOffsetCommitRequestTopic::default()
        .with_name(topic_name(TOPIC))
        .with_partitions(vec![partition]);
    TxnOffsetCommitRequest::default()
        .with_transactional_id(id_of(&producer.id))
        .with_group_id(group_id(GROUP))
        .with_producer_id(producer.producer_id.into())
        .with_producer_epoch(producer.epoch)
        .with_topics(vec![topic])
}

#[test]
fn positions_take_effect_with_their_transaction() {
    let place = Place::new();
    let serving = Serving::start(&place, "data", &[]);
    let mut group = serving.client();
    coordinator(&mut group, GROUP, 0);
    let mut producer = Producer::begin(&serving, "t-1");
    assert_eq!(position(&mut group), Ok(-1));
    commit_offset(&mut producer, &mut group, 17);
    assert_eq!(position(&mut group), Err(88), "unstable");
    assert_eq!(producer.end(true), 0);
    retry(|| (position(&mut group) == Ok(17)).then_some(()));
    commit_offset(&mut producer, &mut group, 99);
    assert_eq!(producer.end(false), 0);
    retry(|| (position(&mut group) == Ok(17)).then_some(()));
    commit_offset(&mut producer, &mut group, 20);
    serving.kill();

    let serving = Serving::start(&place, "data", &[]);
    let mut group = serving.client();
    coordinator(&mut group, GROUP, 0);
    assert_eq!(position(&mut group), Err(88), "the next coordinator knows of it");
    let mut producer = producer.reconnect(&serving);
    assert_eq!(producer.end(true), 0);
    retry(|| (position(&mut group) == Ok(20)).then_some(()));
}

#[test]
fn positions_outside_of_the_transaction_are_refused() {
    let place = Place::new();
    let serving = Serving::start(&place, "data", &[]);
    let mut group = serving.client();
    coordinator(&mut group, GROUP, 0);
    let producer = Producer::begin(&serving, "t-1");
    let request = commit_of(&producer, 5);
    let error = retry(|| {
        let answer = group.call(3, &request);
        let error = answer.topics[0].partitions[0].error_code;
        (!matches!(error, 14..=16)).then_some(error)
    });
    assert_eq!(error, 48, "AddOffsetsToTxn comes first");
}

#[test]
fn three_brokers_carry_a_transaction_over_a_kill() {
    let place = Place::new();
    let start = || Serving::start(&place, "data", &["--brokers", "3"]);
    let serving = start();
    let mut client = serving.client();
    let topic = CreatableTopic::default()
        .with_name(topic_name(TOPIC))
        .with_num_partitions(1)
        .with_replication_factor(3);
    let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(5000);
    retry(|| matches!(client.call(4, &request).topics[0].error_code, 0 | 36).then_some(()));
    let mut kept = Producer::begin(&serving, "t-1");
    let mut dropped = Producer::begin(&serving, "t-2");
    assert_ne!(kept.producer_id, dropped.producer_id);
    kept.write(&["a"]);
    dropped.write(&["x"]);
    assert_eq!(dropped.end(false), 0);
    kept.produce(&["b"]);
    serving.kill();

    let serving = start();
    let mut kept = kept.reconnect(&serving);
    assert_eq!(kept.state(), "Ongoing");
    assert_eq!(kept.produce(&["c"]).0, 0);
    assert_eq!(kept.end(true), 0);
    let mut dropped = dropped.reconnect(&serving);
    retry(|| (dropped.state() == "CompleteAbort").then_some(()));
    retry(|| (seen(&mut kept.leader) == ["a", "b", "c"]).then_some(()));
}

#[test]
fn tools_see_transactions_and_producers() {
    let place = Place::new();
    let serving = Serving::start(&place, "data", &[]);
    let mut producer = Producer::begin(&serving, "t-1");
    producer.write(&["a", "b"]);
    let mut client = serving.client();
    let topic =
        TopicRequest::default().with_name(topic_name(TOPIC)).with_partition_indexes(vec![0, 7]);
    let request = DescribeProducersRequest::default().with_topics(vec![topic]);
    let answer = client.call(0, &request);
    let [first, second] = &answer.topics[0].partitions[..] else { panic!("{answer:?}") };
    let active = &first.active_producers[0];
    assert_eq!(active.producer_id.0, producer.producer_id);
    assert_eq!((active.last_sequence, active.current_txn_start_offset), (1, 0));
    assert_eq!(second.error_code, 3);

    let ids = vec![id_of("t-1"), id_of("nobody")];
    let request = DescribeTransactionsRequest::default().with_transactional_ids(ids);
    let answer = client.call(0, &request);
    let [first, second] = &answer.transaction_states[..] else { panic!("{answer:?}") };
    assert_eq!(first.transaction_state.as_str(), "Ongoing");
    assert_eq!((first.topics[0].topic.as_str(), &first.topics[0].partitions), (TOPIC, &vec![0]));
    assert_eq!(second.error_code, 105);

    let request = ListTransactionsRequest::default().with_state_filters(vec![text("Ongoing")]);
    let listed = client.call(0, &request).transaction_states;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].producer_id.0, producer.producer_id);
    assert_eq!(producer.end(true), 0);
    retry(|| client.call(0, &request).transaction_states.is_empty().then_some(()));
}

/// The version of Produce whose records add their partition to the transaction.
const ADDS: i16 = 12;

#[test]
fn with_an_epoch_each_records_begin_a_transaction_and_late_ones_are_fenced() {
    let place = Place::new();
    let serving = Serving::start(&place, "data", &[]);
    let mut reader = serving.client();
    let mut producer = Producer::begin(&serving, "t-1");
    for (epoch, (value, commit)) in (0..).zip([("a", true), ("x", false), ("b", true)]) {
        assert_eq!(producer.epoch, epoch);
        assert_eq!(producer.produce_in(ADDS, &[value]).0, 0);
        assert_eq!(producer.produce_in(ADDS, &["more"]).0, 0);
        assert_eq!(producer.end_each(commit), 0);
    }
    stable_at(&mut reader, 9);
    assert_eq!(seen(&mut reader), ["a", "more", "b", "more"]);

    // the answer to the last end was lost: it is asked for again, and late records come with it
    let mut late = Producer { epoch: 2, sequence: 2, ..producer.reconnect(&serving) };
    assert_eq!(late.produce_in(ADDS, &["late"]).0, 47);
    assert_eq!((late.end_each(true), late.epoch), (0, 3));
    assert_eq!(late.produce_in(ADDS, &["open"]).0, 0);
    serving.kill();

    let serving = Serving::start(&place, "data", &[]);
    let mut late = late.reconnect(&serving);
    assert_eq!((late.end_each(true), late.epoch), (0, 4));
    let mut successor = Producer::begin(&serving, "t-1");
    assert_eq!(successor.epoch, 5);
    assert_eq!(late.produce_in(ADDS, &["zombie"]).0, 47);
    assert_eq!(late.end_each(true), 90);
    // an older client goes on, and a newer one after it
    successor.write(&["old"]);
    assert_eq!((successor.end(true), successor.epoch), (0, 5));
    retry(|| (successor.state() == "CompleteCommit").then_some(()));
    assert_eq!(successor.produce_in(ADDS, &["new"]).0, 0);
    assert_eq!((successor.end_each(true), successor.epoch), (0, 6));
    let mut reader = serving.client();
    let all = ["a", "more", "b", "more", "open", "old", "new"];
    retry(|| (seen(&mut reader) == all).then_some(()));
}

#[test]
fn with_an_epoch_each_positions_need_no_announcement() {
    let place = Place::new();
    let serving = Serving::start(&place, "data", &[]);
    let mut group = serving.client();
    coordinator(&mut group, GROUP, 0);
    let mut producer = Producer::begin(&serving, "t-1");
    for (offset, commit) in [(17, true), (99, false), (20, true)] {
        let request = commit_of(&producer, offset);
        retry(|| {
            let answer = group.call(5, &request);
            let error = answer.topics[0].partitions[0].error_code;
            assert!(matches!(error, 0 | 14..=16 | CONCURRENT), "{error}");
            (error == 0).then_some(())
        });
        assert_eq!(position(&mut group), Err(88), "unstable");
        assert_eq!(producer.end_each(commit), 0);
        let stands = if commit { offset } else { 17 };
        retry(|| (position(&mut group) == Ok(stands)).then_some(()));
    }
}
