//! Sizes of the bodies of requests and responses about transactions, in the version named beside
//! each.

use super::{NULL, TAGS, array, blob, by_topic, requests, topic_name};
use crate::protocol::{
    CommittedOffset, DescribedTransaction, Request, Response, TransactionalId, TxnMarker,
    TxnPartitions, TxnPartitionsResult,
};
use std::sync::Arc;

/// Producer id and epoch.
const PRODUCER: u64 = 8 + 2;

pub(super) fn request(request: &Request) -> u64 {
    match request {
        // v11, as Produce
        Request::TransactionalProduce(request) => {
            requests::produce(&request.produce, text(&request.transactional_id))
        }
        // v5
        Request::AddPartitionsToTxn(request) => {
            let transaction = |asked: &TxnPartitions| {
                let topics = by_topic(&asked.partitions, topic_name(), |tp| tp.topic, |_| 4);
                text(&asked.transactional_id) + PRODUCER + 1 + topics + TAGS
            };
            let all: u64 = request.transactions.iter().map(transaction).sum();
            array(request.transactions.len()) + all + TAGS
        }
        // v4
        Request::AddOffsetsToTxn(request) => {
            text(&request.transactional_id) + PRODUCER + text(&request.group) + TAGS
        }
        // v4
        Request::EndTxn(request) => text(&request.transactional_id) + PRODUCER + 1 + TAGS,
        // v1
        Request::WriteTxnMarkers(request) => {
            let marker = |marker: &TxnMarker| {
                let topics = by_topic(&marker.partitions, topic_name(), |tp| tp.topic, |_| 4);
                PRODUCER + 1 + topics + 4 + TAGS
            };
            let all: u64 = request.markers.iter().map(marker).sum();
            array(request.markers.len()) + all + TAGS
        }
        // v4: per partition index, offset, epoch, metadata
        Request::TxnOffsetCommit(request) => {
            let partition = |at: &CommittedOffset| {
                let metadata = blob(at.metadata.as_deref().map_or(0, str::len) as u64);
                4 + 8 + 4 + metadata + TAGS
            };
            let offsets = by_topic(&request.offsets, topic_name(), |at| at.tp.topic, partition);
            let ids = text(&request.transactional_id) + text(&request.group);
            let instance = request.instance.as_deref().map_or(NULL, text);
            ids + PRODUCER + 4 + text(&request.member) + instance + offsets + TAGS
        }
        // v0
        Request::DescribeProducers(request) => {
            by_topic(&request.partitions, topic_name(), |tp| tp.topic, |_| 4) + TAGS
        }
        // v0
        Request::DescribeTransactions(request) => texts(&request.transactional_ids) + TAGS,
        // v2
        Request::ListTransactions(request) => {
            let ids = array(request.producer_ids.len()) + 8 * request.producer_ids.len() as u64;
            let pattern = request.pattern.as_deref().map_or(NULL, text);
            texts(&request.states) + ids + 8 + pattern + TAGS
        }
        _ => 0,
    }
}

/// v5: transactional id, timeout, producer.
pub(super) fn init_producer_id(transactional: Option<&TransactionalId>) -> u64 {
    transactional.map_or(NULL, |transactional| text(&transactional.id)) + 4 + PRODUCER + TAGS
}

pub(super) fn response(response: &Response) -> u64 {
    match response {
        // v5: throttle, error
        Response::AddPartitionsToTxn(response) => {
            let transaction = |result: &TxnPartitionsResult| {
                let topics =
                    by_topic(&result.partitions, topic_name(), |p| p.0.topic, |_| 4 + 2 + TAGS);
                text(&result.transactional_id) + topics + TAGS
            };
            let all: u64 = response.transactions.iter().map(transaction).sum();
            4 + 2 + array(response.transactions.len()) + all + TAGS
        }
        // v4: throttle, error
        Response::AddOffsetsToTxn(_) => 4 + 2 + TAGS,
        // v4; v5 where each transaction has an epoch
        Response::EndTxn(response) => 4 + 2 + response.producer.map_or(0, |_| PRODUCER) + TAGS,
        // v1
        Response::WriteTxnMarkers(response) => {
            let marker = |(_, partitions): &(i64, Vec<_>)| {
                let size = |_: &(crate::ids::TopicPartition, crate::error::ErrorCode)| 4 + 2 + TAGS;
                8 + by_topic(partitions, topic_name(), |p| p.0.topic, size) + TAGS
            };
            let all: u64 = response.markers.iter().map(marker).sum();
            array(response.markers.len()) + all + TAGS
        }
        // v4: throttle
        Response::TxnOffsetCommit(response) => {
            4 + by_topic(&response.partitions, topic_name(), |p| p.0.topic, |_| 4 + 2 + TAGS) + TAGS
        }
        // v0: throttle; per partition index, error, no message, producers
        Response::DescribeProducers(response) => {
            let producer = 8 + 4 + 4 + 8 + 4 + 8 + TAGS;
            let partition = |(_, found): &(_, Result<Vec<_>, _>)| {
                let count = found.as_ref().map_or(0, Vec::len);
                4 + 2 + NULL + array(count) + producer * count as u64 + TAGS
            };
            4 + by_topic(&response.partitions, topic_name(), |p| p.0.topic, partition) + TAGS
        }
        // v0: throttle
        Response::DescribeTransactions(response) => {
            let transactions = response.transactions.iter().map(|(id, found)| {
                let found = found.as_ref().ok();
                let state = blob(found.map_or(0, |found| found.state.name().len()) as u64);
                2 + text(id) + state + 4 + 8 + PRODUCER + named(found) + TAGS
            });
            let all: u64 = transactions.sum();
            4 + array(response.transactions.len()) + all + TAGS
        }
        // v1: throttle, error
        Response::ListTransactions(response) => {
            let transactions = response
                .transactions
                .iter()
                .map(|(id, _, state)| text(id) + 8 + blob(state.name().len() as u64) + TAGS);
            let all: u64 = transactions.sum();
            4 + 2
                + texts(&response.unknown_states)
                + array(response.transactions.len())
                + all
                + TAGS
        }
        _ => 0,
    }
}

/// Partitions by the name of their topic.
fn named(transaction: Option<&DescribedTransaction>) -> u64 {
    let topics = transaction.map_or(&[][..], |transaction| &transaction.partitions);
    let size = |(topic, list): &(Arc<str>, Vec<i32>)| {
        text(topic) + array(list.len()) + 4 * list.len() as u64 + TAGS
    };
    array(topics.len()) + topics.iter().map(size).sum::<u64>()
}

fn text(text: &str) -> u64 {
    blob(text.len() as u64)
}

fn texts(list: &[Arc<str>]) -> u64 {
    array(list.len()) + list.iter().map(|entry| text(entry)).sum::<u64>()
}
