//! Fills a broker with one of everything that has files: a topic of several segments, a compacted one
//! that has been cleaned, transactions that were committed and aborted, a group's positions.

use super::asker::{Asker, Topic};
use super::disk::{Kept, Logs};
use super::written::{TRIES, append, pause};
use crate::conformance::differential::peer::{Answer, Peer};
use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    AddPartitionsToTxnRequest, EndTxnRequest, InitProducerIdRequest, InitProducerIdResponse,
    ProduceRequest, TopicName, TransactionalId,
};
use kafka_protocol::protocol::StrBytes;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{Offset, TopicId, TopicPartition};
use stormglass_broker_core::protocol::{
    CommittedOffset, CoordinatorKind, CreateTopicsRequest, FindCoordinatorRequest, NewTopic,
    OffsetCommitRequest, Placement, Request, Response,
};
use stormglass_broker_core::records::{Batch, Record};

/// Partitions of `orders`.
const PARTITIONS: i32 = 2;
/// Batches in each.
const BATCHES: usize = 40;
/// Bytes of a record's value.
const VALUE_BYTES: usize = 700;
/// Batches of `accounts`, and the keys that they are about.
const CHANGES: usize = 60;
const KEYS: usize = 7;
/// Transactions of `payments`: of three, one is aborted.
const TRANSACTIONS: usize = 9;
/// The group whose position is kept, and where it is.
pub(super) const GROUP: &str = "billing";
pub(super) const POSITION: Offset = 31;
/// The transactional id.
pub(super) const PAYER: &str = "payer";
/// Time of all records, ms since the epoch.
const TIME_MS: i64 = 1_700_000_000_000;

/// Topics and what is in them.
#[derive(Debug, Clone)]
pub(super) struct Filled {
    /// `orders`, `accounts` and `payments`, with their numbers of partitions.
    pub(super) topics: [(Topic, i32); 3],
    /// Epoch of the transactional id.
    pub(super) epoch: i16,
}

/// Makes topics and fills them.
pub(super) fn fill(address: SocketAddr) -> Result<Filled, String> {
    let orders = create(address, "orders", PARTITIONS, &[("segment.bytes", "20000")])?;
    let compact = [
        ("cleanup.policy", "compact"),
        ("segment.bytes", "3000"),
        ("min.cleanable.dirty.ratio", "0.01"),
    ];
    let accounts = create(address, "accounts", 1, &compact)?;
    let payments = create(address, "payments", 1, &[("segment.bytes", "3000")])?;
    let mut asker = Asker::connect(address, orders.clone())?;
    for partition in 0..PARTITIONS {
        for number in 0..BATCHES {
            append(&mut asker, partition, &Arc::new(order(partition, number)))?;
        }
    }
    commit(&mut asker, orders.id)?;
    let mut asker = Asker::connect(address, accounts.clone())?;
    for number in 0..CHANGES {
        append(&mut asker, 0, &Arc::new(change(number)))?;
    }
    let epoch = pay(address)?;
    Ok(Filled { topics: [(orders, PARTITIONS), (accounts, 1), (payments, 1)], epoch })
}

fn create(
    address: SocketAddr,
    name: &str,
    partitions: i32,
    config: &[(&str, &str)],
) -> Result<Topic, String> {
    let unknown = Topic { name: name.into(), id: TopicId(0) };
    let mut asker = Asker::connect(address, unknown)?;
    let config = config.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    let new = NewTopic {
        name: name.into(),
        placement: Placement::Automatic { partitions, replication_factor: 1 },
        config: config.collect::<BTreeMap<_, _>>(),
    };
    let create = CreateTopicsRequest { topics: vec![new], validate_only: false };
    match asker.ask(&Request::CreateTopics(create))? {
        Response::CreateTopics(created) if created.topics[0].error == ErrorCode::None => {
            Ok(Topic { name: name.into(), id: created.topics[0].id })
        }
        other => Err(format!("{name} was not created: {other:?}")),
    }
}

/// Three records like no others.
fn order(partition: i32, number: usize) -> Batch {
    let value = |record: i32| {
        let mut text = format!("{partition} {number} {record} ");
        text.extend(std::iter::repeat_n('v', VALUE_BYTES));
        Record::new(None, Some(Bytes::from(text)))
    };
    Batch::build(TIME_MS + number as i64, &mut [value(0), value(1), value(2)])
}

/// Two accounts change; one in seven changes closes an account.
fn change(number: usize) -> Batch {
    let record = |key: usize, number: usize| {
        let value = format!("account {key} after change {number}");
        let value = (!number.is_multiple_of(7)).then(|| Bytes::from(value));
        Record::new(Some(Bytes::from(format!("{key}"))), value)
    };
    let mut records = [record(number % KEYS, number), record((number + 3) % KEYS, number + 1)];
    Batch::build(TIME_MS + number as i64, &mut records)
}

/// A batch that a topic has not had before.
pub(super) fn fresh(topic: &str) -> Batch {
    if topic == "accounts" { change(CHANGES) } else { order(0, BATCHES) }
}

/// That the disk has all of `orders`, as it was acknowledged.
pub(super) fn check_orders(logs: &Logs) -> Result<(), String> {
    for partition in 0..PARTITIONS {
        let log = &logs[&format!("orders-{partition}")];
        let same = |(number, kept): (usize, &Kept)| {
            kept.batch.body.to_bytes() == order(partition, number).body.to_bytes()
        };
        if log.len() != BATCHES || !log.iter().enumerate().all(same) {
            return Err(format!("orders-{partition} is not on the disk as it was acknowledged"));
        }
    }
    Ok(())
}

/// Whether the log cleaner has been at `accounts`.
pub(super) fn is_cleaned(logs: &Logs) -> bool {
    let records = |kept: &Kept| usize::try_from(kept.batch.header.record_count).unwrap_or(0);
    let count: usize = logs.get("accounts-0").into_iter().flatten().map(records).sum();
    count > 0 && count < CHANGES
}

fn commit(asker: &mut Asker, topic: TopicId) -> Result<(), String> {
    let mut tries = 0;
    loop {
        find_coordinator(asker, GROUP, CoordinatorKind::Group)?;
        let tp = TopicPartition::new(topic, 0);
        let at =
            CommittedOffset { tp, offset: POSITION, leader_epoch: -1, metadata: Some("m".into()) };
        let commit = OffsetCommitRequest::without_member(GROUP.into(), vec![at]);
        match asker.ask(&Request::OffsetCommit(Box::new(commit)))? {
            Response::OffsetCommit(answer) => match answer.partitions[0].1 {
                ErrorCode::None => return Ok(()),
                error if error.is_retriable() && tries < TRIES => pause(&mut tries),
                error => return Err(format!("no position is taken: {error:?}")),
            },
            other => return Err(format!("a commit was answered with {other:?}")),
        }
    }
}

/// Asking makes the coordinators' topic.
pub(super) fn find_coordinator(
    asker: &mut Asker,
    key: &str,
    kind: CoordinatorKind,
) -> Result<(), String> {
    let find = FindCoordinatorRequest { kind, keys: vec![key.into()] };
    asker.ask(&Request::FindCoordinator(find)).map(|_| ())
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn payer() -> TransactionalId {
    TransactionalId(text(PAYER))
}

/// Transactions of a producer, one after the other; its epoch.
fn pay(address: SocketAddr) -> Result<i16, String> {
    let mut peer = Peer::connect(&address.to_string())?;
    let unknown = Topic { name: "".into(), id: TopicId(0) };
    let mut asker = Asker::connect(address, unknown)?;
    find_coordinator(&mut asker, PAYER, CoordinatorKind::Transaction)?;
    let session = begin(&mut peer)?;
    let mut sequence = 0;
    for number in 0..TRANSACTIONS {
        add(&mut peer, &session)?;
        for _ in 0..2 {
            sequence = payment(&mut peer, &session, sequence)?;
        }
        let end = EndTxnRequest::default()
            .with_transactional_id(payer())
            .with_producer_id(session.producer_id)
            .with_producer_epoch(session.producer_epoch)
            .with_committed(number % 3 != 1);
        said("EndTxn", || match peer.ask(3, &end) {
            Answer::Said(answer) => Ok((answer.error_code, ())),
            other => Err(format!("{other:?}")),
        })?;
    }
    Ok(session.producer_epoch)
}

/// A session of the transactional id.
pub(super) fn begin(peer: &mut Peer) -> Result<InitProducerIdResponse, String> {
    let init = InitProducerIdRequest::default()
        .with_transactional_id(Some(payer()))
        .with_transaction_timeout_ms(60_000);
    said("InitProducerId", || match peer.ask(4, &init) {
        Answer::Said(answer) => Ok((answer.error_code, answer)),
        other => Err(format!("{other:?}")),
    })
}

fn add(peer: &mut Peer, session: &InitProducerIdResponse) -> Result<(), String> {
    let topic = AddPartitionsToTxnTopic::default()
        .with_name(TopicName(text("payments")))
        .with_partitions(vec![0]);
    let add = AddPartitionsToTxnRequest::default()
        .with_v3_and_below_transactional_id(payer())
        .with_v3_and_below_producer_id(session.producer_id)
        .with_v3_and_below_producer_epoch(session.producer_epoch)
        .with_v3_and_below_topics(vec![topic]);
    said("AddPartitionsToTxn", || match peer.ask(3, &add) {
        Answer::Said(answer) => {
            let first = &answer.results_by_topic_v3_and_below[0].results_by_partition[0];
            Ok((first.partition_error_code, ()))
        }
        other => Err(format!("{other:?}")),
    })
}

/// Three records within the transaction; the next one's sequence.
fn payment(
    peer: &mut Peer,
    session: &InitProducerIdResponse,
    sequence: i32,
) -> Result<i32, String> {
    let record = |number| {
        let value = format!("payment {number} {}", "p".repeat(150));
        Record::new(None, Some(Bytes::from(value)))
    };
    let mut batch = Batch::build(TIME_MS, &mut [record(0), record(1), record(2)]);
    batch.header = batch.header.as_transactional();
    batch.header.producer_id = session.producer_id.0;
    batch.header.producer_epoch = session.producer_epoch;
    batch.header.base_sequence = sequence;
    let mut records = BytesMut::new();
    batch.encode(&mut records);
    let data = PartitionProduceData::default().with_records(Some(records.freeze()));
    let data = TopicProduceData::default()
        .with_name(TopicName(text("payments")))
        .with_partition_data(vec![data]);
    let produce = ProduceRequest::default()
        .with_transactional_id(Some(payer()))
        .with_acks(-1)
        .with_timeout_ms(5000)
        .with_topic_data(vec![data]);
    said("Produce", || match peer.ask(9, &produce) {
        Answer::Said(answer) => Ok((answer.responses[0].partition_responses[0].error_code, ())),
        other => Err(format!("{other:?}")),
    })?;
    Ok(sequence + 3)
}

/// Asks until the answer is no error, or one that waiting does not mend.
fn said<T>(what: &str, mut ask: impl FnMut() -> Result<(i16, T), String>) -> Result<T, String> {
    let is_passing = |error| ErrorCode::from_code(error).is_some_and(ErrorCode::is_retriable);
    let mut tries = 0;
    loop {
        match ask()? {
            (0, answer) => return Ok(answer),
            (error, _) if is_passing(error) && tries < TRIES => pause(&mut tries),
            (error, _) => return Err(format!("{what} was answered with error {error}")),
        }
    }
}
