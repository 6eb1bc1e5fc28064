//! What the plan's administrator looks at a little after it has asked for something: whether what it has deleted is
//! gone, what there is to read from where it has set somebody, and more of what it has asked about. And what it tries
//! out before: whether a change could be made.

use super::operations::UNMADE;
use super::{World, client_quotas};
use crate::client::Task;
use stormglass_broker_core::ids::{LeaderEpoch, NO_EPOCH, NO_OFFSET, Offset, TopicPartition};
use stormglass_broker_core::protocol::{
    AddPartitionsToTxnRequest, DescribeTopicPartitionsRequest, FetchPartition, FetchRequest,
    IsolationLevel, ListOffsetsRequest, MetadataRequest, OffsetForLeaderEpochRequest, OffsetSpec,
    PartitionCursor, ProducerIdAndEpoch, Request, SESSION_EPOCH_FINAL, TransactionalId,
    TxnPartitions,
};
use stormglass_scenarios::plan::{Action, EventPlan, Operation};

/// Until it looks, ns.
const LOOK_AFTER_NS: u64 = 150_000_000;
const NS_PER_MS: u64 = 1_000_000;
/// So long before a change it asks whether that could be made, ns.
const REHEARSED_BEFORE_NS: u64 = 40_000_000;
/// One in so many changes is tried out.
const REHEARSED_EVERY: u64 = 2;
/// No log of a run gets so far.
const AHEAD: Offset = 1 << 40;

impl World {
    /// The look that belongs to an event, if one does.
    pub(super) fn look_after(&self, event: &EventPlan) -> Option<Task> {
        let Action::Admin { operation } = &event.action else { return None };
        let at_ms = event.at_ns / NS_PER_MS;
        let request = match operation {
            Operation::DeleteTopic { topic } => self.whether_gone(topic),
            Operation::DeleteRecords { topic, .. } => self.oldest_records(topic)?,
            Operation::ListOffsets { topic, .. } => match at_ms.is_multiple_of(2) {
                true => self.epochs(topic, at_ms)?,
                false => page(topic, at_ms),
            },
            Operation::CommitPositions { topic, offset, .. } => self.reader(topic, *offset)?,
            Operation::BeginTransaction { topic } => joins_transaction(topic),
            _ => return None,
        };
        let of_own_topic = self.own_topic(operation);
        Some(Task { due_ns: event.at_ns + LOOK_AFTER_NS, request, of_own_topic })
    }

    /// A change of topics or configs in words of `validate_only`, which is asked for before the change itself, now and
    /// then. In hunts only: others go as they went.
    pub(super) fn rehearsal_of(&self, event: &EventPlan) -> Option<Task> {
        let Action::Admin { operation } = &event.action else { return None };
        let is_tried = matches!(
            operation,
            Operation::CreateTopic { .. }
                | Operation::PlaceTopic { .. }
                | Operation::PlaceTopics { .. }
                | Operation::AddPartitions { .. }
                | Operation::SetTopicConfig { .. }
                | Operation::SetBrokerConfig { .. }
                | Operation::SetGroupConfig { .. }
        );
        let is_its_turn = (event.at_ns / NS_PER_MS).is_multiple_of(REHEARSED_EVERY);
        if !self.plan.shuffled || !is_tried || !is_its_turn {
            return None;
        }
        let request = rehearsed(self.request_of(event.at_ns, operation)?)?;
        let due_ns = event.at_ns.saturating_sub(REHEARSED_BEFORE_NS);
        Some(Task { due_ns, request, of_own_topic: None })
    }

    /// Who reads from a position on, or from far ahead. Not where clients are under quotas, which it does not heed.
    fn reader(&self, topic: &str, offset: u32) -> Option<Request> {
        if client_quotas::are_set(&self.plan) {
            return None;
        }
        let ahead = if offset.is_multiple_of(2) { AHEAD } else { 0 };
        let part = |tp| FetchPartition {
            tp,
            current_leader_epoch: NO_EPOCH,
            fetch_offset: Offset::from(offset) + ahead,
            last_fetched_epoch: NO_EPOCH,
            log_start_offset: NO_OFFSET,
            max_bytes: 4_096,
        };
        Some(Request::Fetch(Box::new(FetchRequest {
            replica: None,
            max_wait_ms: 100,
            min_bytes: 1,
            max_bytes: 65_536,
            isolation: IsolationLevel::ReadUncommitted,
            session_id: 0,
            session_epoch: SESSION_EPOCH_FINAL,
            partitions: self.partitions_of(topic)?.map(part).collect(),
            forgotten: Vec::new(),
            rack: Some("".into()),
        })))
    }

    /// Whether a topic is gone. That must not bring it back: either it, or the brokers, allow no creation.
    fn whether_gone(&self, topic: &str) -> Request {
        let brokers = self.plan.cluster.config.get("auto.create.topics.enable");
        Request::Metadata(MetadataRequest {
            topics: Some(vec![topic.into()]),
            allow_auto_topic_creation: brokers.is_some_and(|create| create == "false"),
        })
    }

    /// What the oldest records are that are left: any are young enough.
    fn oldest_records(&self, topic: &str) -> Option<Request> {
        let partitions = self.partitions_of(topic)?;
        Some(Request::ListOffsets(ListOffsetsRequest {
            isolation: IsolationLevel::ReadUncommitted,
            partitions: partitions.map(|tp| (tp, NO_EPOCH, OffsetSpec::Timestamp(0))).collect(),
        }))
    }

    /// Where an epoch ends in partitions whose leader epoch is, or is not, what is taken for it.
    fn epochs(&self, topic: &str, at_ms: u64) -> Option<Request> {
        let epoch = |number: u64| LeaderEpoch::try_from(number).unwrap_or(0);
        let partitions = (at_ms / 8..).zip(self.partitions_of(topic)?);
        // one in four does not say
        let partitions =
            partitions.map(|(turn, tp)| (tp, epoch(turn % 4) - 1, epoch(at_ms / 2 % 4)));
        Some(Request::OffsetForLeaderEpoch(OffsetForLeaderEpochRequest {
            partitions: partitions.collect(),
        }))
    }
}

/// The same question without a consequence; `None`: there is none.
fn rehearsed(mut request: Request) -> Option<Request> {
    match &mut request {
        Request::CreateTopics(asked) => asked.validate_only = true,
        Request::CreatePartitions(asked) => asked.validate_only = true,
        Request::AlterConfigs(asked) => asked.validate_only = true,
        _ => return None,
    }
    Some(request)
}

/// Whose transaction the administrator begins in a topic of its own, and until when its coordinator ends it.
pub(super) fn transactional_id(topic: &str) -> TransactionalId {
    TransactionalId { id: format!("spare-{topic}").into(), timeout_ms: 1_500 }
}

/// The topic's first partition is to be part of that. The producer is known by then, or none is.
fn joins_transaction(topic: &str) -> Request {
    let transaction = TxnPartitions {
        transactional_id: transactional_id(topic).id,
        producer: ProducerIdAndEpoch { id: -1, epoch: -1 },
        verify_only: false,
        partitions: vec![TopicPartition::new(UNMADE, 0)],
    };
    let transactions = vec![transaction];
    Request::AddPartitionsToTxn(AddPartitionsToTxnRequest { transactions, by_broker: false })
}

/// A few partitions, from the first one on or from one of a topic.
fn page(topic: &str, at_ms: u64) -> Request {
    let number = |of: u64| i32::try_from(of).unwrap_or(0);
    let from = PartitionCursor { topic: topic.into(), partition: number(at_ms / 16 % 3) };
    Request::DescribeTopicPartitions(Box::new(DescribeTopicPartitionsRequest {
        topics: Vec::new(),
        partition_limit: number(at_ms / 2 % 6) + 1,
        cursor: (at_ms / 8).is_multiple_of(2).then_some(from),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use stormglass_broker_core::protocol::{CreatePartitionsRequest, DeleteTopicsRequest};

    #[test]
    fn changes_are_tried_out_without_a_consequence() {
        let asked = CreatePartitionsRequest { topics: Vec::new(), validate_only: false };
        let Some(Request::CreatePartitions(tried)) = rehearsed(Request::CreatePartitions(asked))
        else {
            panic!("it can be tried out");
        };
        assert!(tried.validate_only);
        let topics = Vec::new();
        assert!(rehearsed(Request::DeleteTopics(DeleteTopicsRequest { topics })).is_none());
    }

    #[test]
    fn pages_are_of_all_sizes_and_begin_anywhere() {
        let all: Vec<(i32, Option<i32>)> = (0..200)
            .map(|at_ms| match page("t", at_ms) {
                Request::DescribeTopicPartitions(asked) => {
                    (asked.partition_limit, asked.cursor.map(|from| from.partition))
                }
                other => panic!("{other:?}"),
            })
            .collect();
        assert!((1..=6).all(|limit| all.iter().any(|(of, _)| *of == limit)));
        let begins = [None, Some(0), Some(1), Some(2)];
        assert!(begins.iter().all(|from| all.iter().any(|(_, of)| of == from)));
    }
}
