//! AddPartitionsToTxn and AddOffsetsToTxn, and the question of leaders whether a partition is part
//! of a transaction (KIP-890).

use super::coordinator::{Cx, Then, TransactionCoordinator};
use super::state::NamedPartition;
use crate::error::ErrorCode;
use crate::group::{OFFSETS_TOPIC, partition_for};
use crate::ids::TopicPartition;
use crate::metadata::MetadataImage;
use crate::protocol::{
    AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse, Response, TxnPartitions, TxnPartitionsResult,
};
use crate::step::{ReplyTo, Step};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Requests of which the log has not taken everything yet.
#[derive(Debug, Default)]
pub(super) struct Additions {
    requests: BTreeMap<u64, Unfinished>,
    next: u64,
}

#[derive(Debug)]
struct Unfinished {
    to: ReplyTo,
    results: Vec<Option<TxnPartitionsResult>>,
}

impl Additions {
    fn open(&mut self, to: ReplyTo, count: usize) -> u64 {
        self.next += 1;
        self.requests.insert(self.next, Unfinished { to, results: vec![None; count] });
        self.next
    }

    /// Requests that are not answered, for checkers.
    pub(super) fn answers_owed(&self) -> usize {
        self.requests.len()
    }

    /// The outcome for one transaction; the last one answers the request.
    pub(super) fn settle(
        &mut self,
        step: &mut Step<'_>,
        request: u64,
        index: usize,
        result: TxnPartitionsResult,
    ) {
        if let Some(unfinished) = self.requests.get_mut(&request) {
            unfinished.results[index] = Some(result);
        }
        self.finish(step, request);
    }

    fn finish(&mut self, step: &mut Step<'_>, request: u64) {
        let Some(unfinished) = self.requests.get(&request) else { return };
        if unfinished.results.iter().any(Option::is_none) {
            return;
        }
        if let Some(Unfinished { to, results }) = self.requests.remove(&request) {
            let transactions = results.into_iter().flatten().collect();
            let response = AddPartitionsToTxnResponse { transactions };
            step.reply(to, Response::AddPartitionsToTxn(response));
        }
    }
}

impl TransactionCoordinator {
    /// AddPartitionsToTxn.
    pub(crate) fn add_partitions(
        &mut self,
        cx: &mut Cx<'_, '_>,
        to: ReplyTo,
        request: AddPartitionsToTxnRequest,
    ) {
        let id = self.additions.open(to, request.transactions.len());
        for (index, asked) in request.transactions.into_iter().enumerate() {
            let transactional_id = Arc::clone(&asked.transactional_id);
            let partitions = if asked.verify_only {
                Some(self.verify(cx.image, &asked))
            } else {
                self.add_to_one(cx, &asked, (id, index))
            };
            if let Some(partitions) = partitions {
                let result = TxnPartitionsResult { transactional_id, partitions };
                self.additions.settle(cx.step, id, index, result);
            }
        }
        self.additions.finish(cx.step, id);
    }

    /// What is known at once; `None` when the log is being told.
    fn add_to_one(
        &mut self,
        cx: &mut Cx<'_, '_>,
        asked: &TxnPartitions,
        (request, index): (u64, usize),
    ) -> Option<Vec<(TopicPartition, ErrorCode)>> {
        let named: Vec<_> = asked.partitions.iter().map(|tp| (*tp, name(cx.image, *tp))).collect();
        if named.iter().any(|(_, name)| name.is_none()) {
            let error = |name: Option<NamedPartition>| match name {
                Some(_) => ErrorCode::OperationNotAttempted,
                None => ErrorCode::UnknownTopicOrPartition,
            };
            return Some(named.into_iter().map(|(tp, name)| (tp, error(name))).collect());
        }
        let all = |error| asked.partitions.iter().map(|tp| (*tp, error)).collect::<Vec<_>>();
        let wall_ms = cx.step.wall_ms;
        let partitions = named.into_iter().filter_map(|(_, name)| name).collect();
        let added = self.known(cx.image, &asked.transactional_id).and_then(|(place, known)| {
            Ok((place, known.add(asked.producer, partitions, wall_ms)?))
        });
        match added {
            Ok((_, None)) => Some(all(ErrorCode::None)),
            Ok((place, Some(values))) => {
                let id = &asked.transactional_id;
                let partitions = all(ErrorCode::None);
                let result = TxnPartitionsResult { transactional_id: Arc::clone(id), partitions };
                let then = Then::Added { request, index, result };
                self.write(cx, place, id, Some(values), then);
                None
            }
            Err(error) => Some(all(error)),
        }
    }

    fn verify(
        &mut self,
        image: &MetadataImage,
        asked: &TxnPartitions,
    ) -> Vec<(TopicPartition, ErrorCode)> {
        let known = self.known(image, &asked.transactional_id).and_then(|(_, known)| {
            known.verify(asked.producer)?;
            Ok(&known.values.partitions)
        });
        let answer = |tp: &TopicPartition| {
            let error = match &known {
                Ok(part) if name(image, *tp).is_some_and(|name| part.contains(&name)) => {
                    ErrorCode::None
                }
                Ok(_) => ErrorCode::TransactionAbortable,
                Err(error) => *error,
            };
            (*tp, error)
        };
        asked.partitions.iter().map(answer).collect()
    }

    /// AddOffsetsToTxn: the partition where the group's positions are kept becomes part of it.
    pub(crate) fn add_offsets(
        &mut self,
        cx: &mut Cx<'_, '_>,
        to: ReplyTo,
        request: &AddOffsetsToTxnRequest,
    ) {
        let AddOffsetsToTxnRequest { transactional_id: id, producer, group } = request;
        let wall_ms = cx.step.wall_ms;
        let offsets = cx.image.topic_named(OFFSETS_TOPIC).ok_or(ErrorCode::CoordinatorNotAvailable);
        let added = offsets.and_then(|topic| {
            let count = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
            let partition = (Arc::clone(&topic.name), partition_for(group, count));
            let (place, known) = self.known(cx.image, id)?;
            Ok((place, known.add(*producer, BTreeSet::from([partition]), wall_ms)?))
        });
        let error = match added {
            Ok((place, Some(values))) => {
                return self.write(cx, place, id, Some(values), Then::AddedOffsets(to));
            }
            Ok((_, None)) => ErrorCode::None,
            Err(error) => error,
        };
        cx.step.reply(to, Response::AddOffsetsToTxn(AddOffsetsToTxnResponse { error }));
    }
}

/// A partition that exists, by its topic's name.
fn name(image: &MetadataImage, tp: TopicPartition) -> Option<NamedPartition> {
    let topic = image.topic(tp.topic)?;
    usize::try_from(tp.partition).ok().filter(|index| *index < topic.partitions.len())?;
    Some((Arc::clone(&topic.name), tp.partition))
}
