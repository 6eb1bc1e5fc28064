//! Producer ids and transactions.

use super::records::{produced, transactional_batch};
use super::{ABSENT, Script, TOPIC, await_transactions, group, text, topic, transactional};
use kafka_protocol::messages::add_partitions_to_txn_request::{
    AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction,
};
use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, DescribeProducersRequest,
    DescribeTransactionsRequest, EndTxnRequest, InitProducerIdRequest, ListTransactionsRequest,
    ProducerId, TxnOffsetCommitRequest,
};

const ID: &str = "payments";
/// Versions of before the second part of KIP-890 leave it to the client to name its partitions.
const CLIENTS_ADD: i16 = 3;

pub(super) fn all(script: &mut Script) -> Result<(), String> {
    await_transactions(script, &[ID, "t", "nobody"])?;
    init(script);
    refused(script);
    let first = script.once("InitProducerId, a transactional id", |_, _| initial(ID));
    let Some((ours, theirs)) = first else { return Ok(()) };
    let ids = (ours.producer_id, theirs.producer_id);
    let own = script.own_of(ids.0, ids.1);
    open(script, &own);
    end(script, &own);
    Ok(())
}

fn initial(id: &str) -> InitProducerIdRequest {
    InitProducerIdRequest::default()
        .with_transactional_id(Some(transactional(id)))
        .with_transaction_timeout_ms(60_000)
}

fn init(script: &mut Script) {
    script.every("InitProducerId, idempotent", |_, _| {
        InitProducerIdRequest::default().with_transactional_id(None)
    });
    script.every("InitProducerId, no name", |_, _| initial(""));
    script.every("InitProducerId, no time", |_, _| initial("t").with_transaction_timeout_ms(0));
    script.every("InitProducerId, a long time", |_, _| {
        initial("t").with_transaction_timeout_ms(i32::MAX)
    });
    script.every("InitProducerId, of somebody unknown", |_, version| {
        let request = initial("t");
        if version < 3 {
            return request.with_transaction_timeout_ms(0);
        }
        request.with_producer_id(ProducerId(4711)).with_producer_epoch(3)
    });
    script.every("InitProducerId, an id without an epoch", |_, version| {
        let request = initial("t");
        if version < 3 {
            return request.with_transaction_timeout_ms(0);
        }
        request.with_producer_id(ProducerId(4711)).with_producer_epoch(-1)
    });
}

fn ended(id: &str, producer: ProducerId, epoch: i16) -> EndTxnRequest {
    EndTxnRequest::default()
        .with_transactional_id(transactional(id))
        .with_producer_id(producer)
        .with_producer_epoch(epoch)
        .with_committed(true)
}

fn offsets(id: &str, producer: ProducerId, epoch: i16) -> AddOffsetsToTxnRequest {
    AddOffsetsToTxnRequest::default()
        .with_transactional_id(transactional(id))
        .with_producer_id(producer)
        .with_producer_epoch(epoch)
        .with_group_id(group("payers"))
}

fn added(
    id: &str,
    (producer, epoch): (ProducerId, i16),
    (name, partition): (&str, i32),
    version: i16,
) -> AddPartitionsToTxnRequest {
    let asked =
        AddPartitionsToTxnTopic::default().with_name(topic(name)).with_partitions(vec![partition]);
    if version >= 4 {
        let transaction = AddPartitionsToTxnTransaction::default()
            .with_transactional_id(transactional(id))
            .with_producer_id(producer)
            .with_producer_epoch(epoch)
            .with_topics(vec![asked]);
        return AddPartitionsToTxnRequest::default().with_transactions(vec![transaction]);
    }
    AddPartitionsToTxnRequest::default()
        .with_v3_and_below_transactional_id(transactional(id))
        .with_v3_and_below_producer_id(producer)
        .with_v3_and_below_producer_epoch(epoch)
        .with_v3_and_below_topics(vec![asked])
}

fn positions(id: &str, producer: ProducerId, epoch: i16) -> TxnOffsetCommitRequest {
    let position = TxnOffsetCommitRequestPartition::default()
        .with_partition_index(0)
        .with_committed_offset(2)
        .with_committed_leader_epoch(-1)
        .with_committed_metadata(Some(text("note")));
    let asked = TxnOffsetCommitRequestTopic::default()
        .with_name(topic(TOPIC))
        .with_partitions(vec![position]);
    TxnOffsetCommitRequest::default()
        .with_transactional_id(transactional(id))
        .with_group_id(group("payers"))
        .with_producer_id(producer)
        .with_producer_epoch(epoch)
        .with_topics(vec![asked])
}

/// What nobody has begun.
fn refused(script: &mut Script) {
    let nobody = ProducerId(4711);
    script.every("EndTxn, unknown", |_, _| ended("nobody", nobody, 0));
    script.every("EndTxn, no name", |_, _| ended("", nobody, 0));
    script.every("AddOffsetsToTxn, unknown", |_, _| offsets("nobody", nobody, 0));
    script.every("AddPartitionsToTxn, unknown", |_, version| {
        added("nobody", (nobody, 0), (TOPIC, 0), version.min(CLIENTS_ADD))
    });
    let describe = |id: &str| {
        DescribeTransactionsRequest::default().with_transactional_ids(vec![transactional(id)])
    };
    script.every("DescribeTransactions, unknown", |_, _| describe("nobody"));
    script.every("DescribeTransactions, no name", |_, _| describe(""));
    script.every("ListTransactions, an unknown state", |_, _| {
        ListTransactionsRequest::default().with_state_filters(vec![text("Resting")])
    });
}

/// A transaction while it is open; versions in which clients add partitions themselves.
fn open(script: &mut Script, own: &impl Fn(&super::super::peer::Peer) -> ProducerId) {
    let describe = |script: &mut Script, question| {
        script.every(question, |_, _| {
            DescribeTransactionsRequest::default().with_transactional_ids(vec![transactional(ID)])
        });
    };
    describe(script, "DescribeTransactions, empty");
    script.in_version("EndTxn, an empty one", 3, |peer| ended(ID, own(peer), 0));
    script.in_version("AddPartitionsToTxn, an unknown topic", 3, |peer| {
        added(ID, (own(peer), 0), (ABSENT, 0), 3)
    });
    script.in_version("AddPartitionsToTxn, an unknown partition", 3, |peer| {
        added(ID, (own(peer), 0), (TOPIC, 99), 3)
    });
    script.in_version("AddPartitionsToTxn, an older epoch", 3, |peer| {
        added(ID, (own(peer), -1), (TOPIC, 2), 3)
    });
    script.in_version("AddPartitionsToTxn, another producer", 3, |_| {
        added(ID, (ProducerId(4711), 0), (TOPIC, 2), 3)
    });
    script.in_version("Produce, to a partition that is not in it", 11, |peer| {
        let records = transactional_batch(&["a"], (own(peer).0, 0, 0));
        let mut request = produced(peer.id(TOPIC), TOPIC, records, 11);
        request.topic_data[0].partition_data[0].index = 3;
        request.with_transactional_id(Some(transactional(ID)))
    });
    script
        .in_version("AddPartitionsToTxn, one", 3, |peer| added(ID, (own(peer), 0), (TOPIC, 2), 3));
    script.in_version("Produce, in the transaction", 11, |peer| {
        let records = transactional_batch(&["a", "b"], (own(peer).0, 0, 0));
        let mut request = produced(peer.id(TOPIC), TOPIC, records, 11);
        request.topic_data[0].partition_data[0].index = 2;
        request.with_transactional_id(Some(transactional(ID)))
    });
    script.in_version("AddOffsetsToTxn, a group", 3, |peer| offsets(ID, own(peer), 0));
    script.in_version("TxnOffsetCommit, without members", 3, |peer| positions(ID, own(peer), 0));
    script.in_version("TxnOffsetCommit, a member of nowhere", 3, |peer| {
        positions(ID, own(peer), 0).with_generation_id(4).with_member_id(text("nobody"))
    });
    describe(script, "DescribeTransactions, ongoing");
    script.every("ListTransactions", |_, _| ListTransactionsRequest::default());
    script.every("DescribeProducers, in a transaction", |_, _| {
        let asked = TopicRequest::default().with_name(topic(TOPIC)).with_partition_indexes(vec![2]);
        DescribeProducersRequest::default().with_topics(vec![asked])
    });
}

fn end(script: &mut Script, own: &impl Fn(&super::super::peer::Peer) -> ProducerId) {
    script.in_version("EndTxn, an older epoch", 3, |peer| ended(ID, own(peer), -1));
    script.in_version("EndTxn, another producer", 3, |_| ended(ID, ProducerId(4711), 0));
    script.in_version("EndTxn, commit", 3, |peer| ended(ID, own(peer), 0));
    let complete = |_: &_, _| {
        DescribeTransactionsRequest::default().with_transactional_ids(vec![transactional(ID)])
    };
    let done = script.until("the end of a transaction", complete, |_, answer| {
        answer.transaction_states.iter().all(|it| it.transaction_state.contains("Complete"))
    });
    if done.is_err() {
        return;
    }
    script.every("DescribeTransactions, committed", complete);
    script.in_version("EndTxn, commit again", 3, |peer| ended(ID, own(peer), 0));
    script.in_version("EndTxn, abort after the commit", 3, |peer| {
        ended(ID, own(peer), 0).with_committed(false)
    });
    script.once("InitProducerId, again", |_, _| initial(ID));
    script.in_version("AddPartitionsToTxn, fenced", 3, |peer| {
        added(ID, (own(peer), 0), (TOPIC, 2), 3)
    });
    script.in_version("EndTxn, fenced", 3, |peer| ended(ID, own(peer), 0));
}
