//! Only who leads a partition says something of it, or deletes of it, and only in the epoch that a client knows: others
//! may have another history, or not know what has become of this one (KIP-101, KIP-320).

use super::Says;
use stormglass_broker_core::Broker;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{LeaderEpoch, NO_EPOCH, TopicPartition};
use stormglass_broker_core::inspect::ReplicaView;
use stormglass_broker_core::protocol::{ProducePartition, Request, Response};

/// Partitions of a request that must be refused, as a broker begins to work on it.
pub(super) fn unled(broker: &Broker, asked: &Request) -> Vec<TopicPartition> {
    let mut unled = Vec::new();
    let mut look = |tp: TopicPartition, epoch: LeaderEpoch| {
        let is_led = broker.replica_view(tp).is_some_and(|view| leads_in(&view, epoch));
        unled.extend((!is_led).then_some(tp));
    };
    match asked {
        Request::ListOffsets(asked) => {
            asked.partitions.iter().for_each(|(tp, epoch, _)| look(*tp, *epoch));
        }
        Request::OffsetForLeaderEpoch(asked) => {
            asked.partitions.iter().for_each(|(tp, epoch, _)| look(*tp, *epoch));
        }
        Request::DeleteRecords(asked) => {
            asked.partitions.iter().for_each(|(tp, _)| look(*tp, NO_EPOCH));
        }
        Request::Produce(asked) if !asked.partitions.iter().any(may_wait) => {
            asked.partitions.iter().for_each(|data| look(data.tp, NO_EPOCH));
        }
        _ => {}
    }
    unled
}

/// Whether a broker leads a partition, in the epoch that is asked for if one is.
fn leads_in(view: &ReplicaView<'_>, epoch: LeaderEpoch) -> bool {
    view.lead.is_some() && (epoch < 0 || epoch == view.leader_epoch)
}

/// What is part of a transaction may wait for its coordinator, and others with it, and be led by then.
fn may_wait(data: &ProducePartition) -> bool {
    data.records.batches().iter().any(|batch| batch.header.is_transactional())
}

/// It is answered. `unled`: what had to be refused.
pub(super) fn answer(says: &mut Says<'_>, node: i32, unled: &[TopicPartition], answer: &Response) {
    if unled.is_empty() {
        return;
    }
    let taken = match answer {
        Response::ListOffsets(answer) => {
            first(unled, answer.partitions.iter().map(|part| (part.tp, part.error)))
        }
        Response::OffsetForLeaderEpoch(answer) => {
            first(unled, answer.partitions.iter().map(|(tp, error, _)| (*tp, *error)))
        }
        Response::DeleteRecords(answer) => {
            first(unled, answer.partitions.iter().map(|(tp, _, error)| (*tp, *error)))
        }
        Response::Produce(answer) => {
            first(unled, answer.partitions.iter().map(|part| (part.tp, part.error)))
        }
        _ => None,
    };
    says.rule(taken.is_none(), &|| {
        format!(
            "broker {node} answers for {taken:?}, which it did not lead in the epoch that it was asked for"
        )
    });
}

/// The first partition that should have been refused, and was not.
fn first(
    unled: &[TopicPartition],
    mut told: impl Iterator<Item = (TopicPartition, ErrorCode)>,
) -> Option<TopicPartition> {
    told.find(|(tp, error)| error.is_ok() && unled.contains(tp)).map(|(tp, _)| tp)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{broken_by, log, view};
    use super::*;
    use crate::recorder::testing::tp;
    use stormglass_broker_core::protocol::DeleteRecordsResponse;

    #[test]
    fn a_leader_answers_in_its_epoch() {
        let log = log();
        let mut view = view(&log);
        assert!(leads_in(&view, 3) && leads_in(&view, NO_EPOCH));
        assert!(!leads_in(&view, 2) && !leads_in(&view, 4));
        view.lead = None;
        assert!(!leads_in(&view, 3) && !leads_in(&view, NO_EPOCH));
    }

    #[test]
    fn who_does_not_lead_refuses() {
        let broken = |unled: &[TopicPartition], error| {
            let partitions = vec![(tp(0), 5, ErrorCode::None), (tp(1), 5, error)];
            let told = Response::DeleteRecords(DeleteRecordsResponse { partitions });
            broken_by(|says| answer(says, 1, unled, &told))
        };
        assert_eq!(broken(&[tp(1)], ErrorCode::None), 1);
        assert_eq!(broken(&[tp(1)], ErrorCode::NotLeaderOrFollower), 0);
        assert_eq!(broken(&[], ErrorCode::None), 0);
    }
}
