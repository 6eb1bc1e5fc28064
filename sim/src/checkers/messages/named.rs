//! An answer names what was asked about, all of it and nothing else, in the order of the question. Who has to wait for
//! its quota and begins a fetch session hears of no partition, and has no session: Kafka's fetchers take some of the
//! partitions for a mistake (KIP-219).

use super::Says;
use stormglass_broker_core::ids::TopicPartition;
use stormglass_broker_core::protocol::{
    FetchRequest, FetchResponse, ListOffsetsResponse, Request, Response, SESSION_EPOCH_INITIAL,
};

/// What is answered is compared with what was asked.
pub(super) fn answer(says: &mut Says<'_>, node: i32, asked: &Request, answer: &Response) {
    if let Some(holds) = is_complete(asked, answer) {
        says.rule(holds, &|| {
            format!("node {node} answers something else than it was asked: {asked:?}, {answer:?}")
        });
    }
}

/// `None`: of such answers nothing is said here.
fn is_complete(asked: &Request, answer: &Response) -> Option<bool> {
    let produced = match asked {
        Request::Produce(asked) => Some(asked),
        Request::TransactionalProduce(asked) => Some(&asked.produce),
        _ => None,
    };
    if let (Some(asked), Response::Produce(answer)) = (produced, answer) {
        let asked = asked.partitions.iter().map(|part| part.tp);
        return Some(asked.eq(answer.partitions.iter().map(|part| part.tp)));
    }
    Some(match (asked, answer) {
        (Request::Fetch(asked), Response::Fetch(answer)) => return begins_none(asked, answer),
        (Request::ListOffsets(asked), Response::ListOffsets(answer)) => {
            lists(asked.partitions.iter().map(|(tp, ..)| *tp), answer)
        }
        (Request::OffsetForLeaderEpoch(asked), Response::OffsetForLeaderEpoch(answer)) => {
            let asked = asked.partitions.iter().map(|(tp, ..)| *tp);
            asked.eq(answer.partitions.iter().map(|(tp, ..)| *tp))
        }
        (Request::OffsetCommit(asked), Response::OffsetCommit(answer)) => {
            let asked = asked.offsets.iter().map(|at| at.tp);
            asked.eq(answer.partitions.iter().map(|(tp, _)| *tp))
        }
        (Request::TxnOffsetCommit(asked), Response::TxnOffsetCommit(answer)) => {
            let asked = asked.offsets.iter().map(|at| at.tp);
            asked.eq(answer.partitions.iter().map(|(tp, _)| *tp))
        }
        (Request::DeleteRecords(asked), Response::DeleteRecords(answer)) => {
            let asked = asked.partitions.iter().map(|(tp, _)| *tp);
            asked.eq(answer.partitions.iter().map(|(tp, ..)| *tp))
        }
        (Request::AddPartitionsToTxn(asked), Response::AddPartitionsToTxn(answer)) => {
            let asked =
                asked.transactions.iter().map(|one| (&one.transactional_id, &one.partitions));
            let told = answer.transactions.iter();
            let told = told.map(|one| (&one.transactional_id, &one.partitions));
            asked.len() == told.len()
                && asked.zip(told).all(|((id, tps), (of, outcomes))| {
                    id == of && tps.iter().eq(outcomes.iter().map(|(tp, _)| tp))
                })
        }
        (Request::WriteTxnMarkers(asked), Response::WriteTxnMarkers(answer)) => {
            let asked = asked.markers.iter().map(|marker| (marker.producer.id, &marker.partitions));
            let told = answer.markers.iter();
            asked.len() == told.len()
                && asked.zip(told).all(|((id, tps), (of, outcomes))| {
                    id == *of && tps.iter().eq(outcomes.iter().map(|(tp, _)| tp))
                })
        }
        _ => return None,
    })
}

/// Of who has to wait before it may have a fetch session.
fn begins_none(asked: &FetchRequest, answer: &FetchResponse) -> Option<bool> {
    let waits = asked.session_epoch == SESSION_EPOCH_INITIAL && answer.throttle_ms > 0;
    waits.then_some(answer.session_id == 0 && answer.partitions.is_empty())
}

/// What is asked twice is answered once.
fn lists(asked: impl Iterator<Item = TopicPartition>, answer: &ListOffsetsResponse) -> bool {
    let mut once: Vec<TopicPartition> = Vec::new();
    for tp in asked {
        if !once.contains(&tp) {
            once.push(tp);
        }
    }
    once.into_iter().eq(answer.partitions.iter().map(|part| part.tp))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::testing::tp;
    use stormglass_broker_core::error::ErrorCode;
    use stormglass_broker_core::protocol::{
        DeleteRecordsRequest, DeleteRecordsResponse, IsolationLevel,
    };

    #[test]
    fn who_has_to_wait_begins_no_session() {
        let told = |session_epoch, throttle_ms, session_id| {
            let asked = FetchRequest {
                replica: None,
                max_wait_ms: 0,
                min_bytes: 1,
                max_bytes: 1 << 20,
                isolation: IsolationLevel::ReadUncommitted,
                session_id: 0,
                session_epoch,
                partitions: Vec::new(),
                forgotten: Vec::new(),
                rack: None,
            };
            let (error, partitions) = (ErrorCode::None, Vec::new());
            begins_none(&asked, &FetchResponse { throttle_ms, error, session_id, partitions })
        };
        assert_eq!(
            (told(SESSION_EPOCH_INITIAL, 5, 0), told(SESSION_EPOCH_INITIAL, 0, 7)),
            (Some(true), None)
        );
        assert_eq!((told(SESSION_EPOCH_INITIAL, 5, 7), told(3, 5, 7)), (Some(false), None));
    }

    #[test]
    fn an_answer_leaves_nothing_out() {
        let asked = DeleteRecordsRequest { partitions: vec![(tp(0), 1), (tp(1), 1)] };
        let asked = Request::DeleteRecords(asked);
        let told = |of: &[i32]| {
            let partitions = of.iter().map(|index| (tp(*index), 1, ErrorCode::None)).collect();
            let answer = Response::DeleteRecords(DeleteRecordsResponse { partitions });
            is_complete(&asked, &answer)
        };
        assert_eq!(told(&[0, 1]), Some(true));
        assert_eq!(
            (told(&[0]), told(&[1, 0]), told(&[0, 1, 1])),
            (Some(false), Some(false), Some(false))
        );
    }
}
