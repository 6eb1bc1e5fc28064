//! Of several positions that are committed at once, those that a coordinator acknowledges are in its log, whatever is
//! wrong with others of them; and producers are refused as producers are.

use super::written::BYTES_MAX;
use super::{Says, Speaker};
use crate::checkers::state::said_positions;
use std::collections::BTreeSet;
use std::sync::Arc;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{Offset, TopicPartition};
use stormglass_broker_core::inspect::PositionKey;
use stormglass_broker_core::protocol::{CommittedOffset, Request, Response};

/// A coordinator answers.
pub(super) fn answer(says: &mut Says<'_>, by: Speaker<'_>, asked: &Request, answer: &Response) {
    let (group, offsets, told) = match (asked, answer) {
        (Request::OffsetCommit(asked), Response::OffsetCommit(answer)) => {
            (&asked.group, &asked.offsets, &answer.partitions)
        }
        (Request::TxnOffsetCommit(asked), Response::TxnOffsetCommit(answer)) => {
            (&asked.group, &asked.offsets, &answer.partitions)
        }
        _ => return,
    };
    let of_producer = matches!(asked, Request::TxnOffsetCommit(_));
    says.rule(!of_producer || knows_generations(told), &|| {
        format!("coordinator {} tells a producer of epochs of members: {told:?}", by.node)
    });
    let acknowledged = acknowledged(offsets, told);
    if acknowledged.is_empty() {
        return;
    }
    let Some(image) = by.broker.metadata() else { return };
    let replica = by.broker.partition_of_group(group).and_then(|tp| by.broker.replica_view(tp));
    let Some(replica) = replica.filter(|replica| replica.log.size_bytes() <= BYTES_MAX) else {
        return;
    };
    let batches = by.disk.batches(replica.tp, &(0..Offset::MAX));
    let said = said_positions(batches.iter().map(Arc::as_ref));
    let lost = acknowledged.into_iter().find_map(|(tp, offset)| {
        let topic = Arc::clone(&image.topic(tp.topic)?.name);
        let key: PositionKey = (Arc::clone(group), topic, tp.partition);
        is_lost(&said, (key, offset))
    });
    says.rule(lost.is_none(), &|| {
        format!(
            "coordinator {} acknowledges a position that its log does not have: {lost:?}, of {told:?}",
            by.node
        )
    });
}

/// A producer that commits for a member knows of generations only: an epoch in which a member is not is one of those for
/// it (Kafka's `validateTransactionalOffsetCommit`), and ends the transaction, not the producer.
fn knows_generations(told: &[(TopicPartition, ErrorCode)]) -> bool {
    told.iter().all(|(_, error)| *error != ErrorCode::StaleMemberEpoch)
}

/// What is acknowledged, where something else is not.
fn acknowledged(
    offsets: &[CommittedOffset],
    told: &[(TopicPartition, ErrorCode)],
) -> Vec<(TopicPartition, Offset)> {
    if told.iter().all(|(_, error)| error.is_ok()) {
        return Vec::new();
    }
    let both = offsets.iter().zip(told).filter(|(at, (tp, error))| at.tp == *tp && error.is_ok());
    both.map(|(at, _)| (at.tp, at.offset)).collect()
}

fn is_lost(
    said: &BTreeSet<(PositionKey, Offset)>,
    position: (PositionKey, Offset),
) -> Option<(PositionKey, Offset)> {
    (!said.contains(&position)).then_some(position)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::testing::tp;

    fn at(partition: i32, offset: Offset) -> CommittedOffset {
        CommittedOffset { offset, ..CommittedOffset::none(tp(partition)) }
    }

    #[test]
    fn what_is_acknowledged_beside_an_error_is_looked_for() {
        let (none, unknown) = (ErrorCode::None, ErrorCode::UnknownTopicOrPartition);
        let offsets = [at(7, 3), at(0, 5)];
        let of = |first| acknowledged(&offsets, &[(tp(7), first), (tp(0), none)]);
        assert_eq!((of(none), of(unknown)), (Vec::new(), vec![(tp(0), 5)]));
        let all = acknowledged(&offsets, &[(tp(7), unknown), (tp(0), unknown)]);
        assert!(all.is_empty(), "nothing is promised");
    }

    #[test]
    fn a_producer_hears_nothing_of_epochs_of_members() {
        let knows = |error| knows_generations(&[(tp(0), ErrorCode::None), (tp(1), error)]);
        assert!(knows(ErrorCode::None) && knows(ErrorCode::IllegalGeneration));
        assert!(!knows(ErrorCode::StaleMemberEpoch));
    }

    #[test]
    fn what_the_log_does_not_have_is_lost() {
        let key = |group: &str| -> PositionKey { (group.into(), "t".into(), 0) };
        let said = BTreeSet::from([(key("g"), 5)]);
        assert_eq!(is_lost(&said, (key("g"), 5)), None);
        assert!(is_lost(&said, (key("g"), 6)).is_some());
        assert!(is_lost(&said, (key("h"), 5)).is_some());
    }
}
