//! What becomes of a transactional id with each request that its coordinator takes follows from what it was and what
//! was asked: who its producer is, which partitions its transaction has, since when, and who may come again. Who has to
//! wait for a producer id is looked at less closely, as others may come first.

use super::{Says, Speaker, endable, fenced, fencing};
use std::collections::BTreeSet;
use std::sync::Arc;
use stormglass_broker_core::Broker;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::TopicPartition;
use stormglass_broker_core::inspect::TransactionalIdView as View;
use stormglass_broker_core::protocol::{
    EndTxnRequest, InitProducerIdRequest, InitProducerIdResponse, ProducerIdAndEpoch, Request,
    Response, TransactionRules, TransactionState, TxnMarker, WriteTxnMarkersRequest,
};

/// Right clocks of nodes may be behind by this much all the same, ms.
const SLACK_MS: i64 = 100;
/// The first epoch that nobody may have after another one.
pub(super) const EXHAUSTED: i16 = i16::MAX - 1;

/// A transactional id, as it was when its coordinator was asked.
#[derive(Debug)]
pub(super) struct Before {
    id: Arc<str>,
    known: Option<View>,
    /// Partitions that are to be part of its transaction.
    named: BTreeSet<(Arc<str>, i32)>,
    /// The time, ms, where clocks are right.
    wall_ms: Option<i64>,
}

impl Before {
    /// Of a request that may change one.
    pub(super) fn of(broker: &Broker, request: &Request, wall_ms: Option<i64>) -> Option<Self> {
        let (id, named) = match request {
            Request::InitProducerId(asked) => {
                (&asked.transactional.as_ref()?.id, BTreeSet::default())
            }
            Request::AddPartitionsToTxn(asked) => {
                // the first of several may have gone on before the last one is answered
                let [one] = asked.transactions.as_slice() else { return None };
                if one.verify_only {
                    return None;
                }
                (&one.transactional_id, names(broker, one.partitions.iter().copied()))
            }
            Request::AddOffsetsToTxn(asked) => {
                let place = broker.partition_of_group(&asked.group);
                (&asked.transactional_id, names(broker, place.into_iter()))
            }
            Request::EndTxn(asked) => (&asked.transactional_id, BTreeSet::default()),
            _ => return None,
        };
        let known = broker.transactional_id(id);
        Some(Self { id: Arc::clone(id), known, named, wall_ms })
    }

    /// It is answered.
    pub(super) fn answered(
        &self,
        says: &mut Says<'_>,
        by: Speaker<'_>,
        asked: &Request,
        answer: &Response,
    ) {
        let known = self.known.as_ref();
        let unsound = known.and_then(unsound);
        says.rule(unsound.is_none(), &|| {
            let flaw = unsound.unwrap_or_default();
            format!(
                "coordinator {} has transactional id {}, and {flaw}: {known:?}",
                by.node, self.id
            )
        });
        let Some(after) = by.broker.transactional_id(&self.id) else { return };
        let flaw = self.flaw(&after, asked, answer);
        says.rule(flaw.is_none(), &|| {
            let flaw = flaw.unwrap_or_default();
            format!(
                "coordinator {} answers {asked:?} with {answer:?}, and {flaw}: it was {known:?}, and is \
                 {after:?}",
                by.node
            )
        });
    }

    fn flaw(&self, after: &View, asked: &Request, answer: &Response) -> Option<&'static str> {
        let known = self.known.as_ref();
        let refused = known.and_then(|known| {
            let flaw = fenced::wrongly(known, asked, answer);
            flaw.or_else(|| endable::wrongly(known, asked, answer))
        });
        if refused.is_some() {
            return refused;
        }
        match (asked, answer) {
            (Request::InitProducerId(asked), Response::InitProducerId(answer)) => {
                match answer.error {
                    ErrorCode::None => begun(known, after, asked, answer),
                    ErrorCode::ConcurrentTransactions => aborted(known?, after),
                    _ => None,
                }
            }
            (Request::AddPartitionsToTxn(asked), answer) if fencing::is_taken(answer) => {
                self.added(after, asked.transactions.first()?.producer)
            }
            (Request::AddOffsetsToTxn(asked), answer) if fencing::is_taken(answer) => {
                self.added(after, asked.producer)
            }
            (Request::EndTxn(asked), Response::EndTxn(answer)) if answer.error.is_ok() => {
                ended(known, after, asked, answer.producer)
            }
            _ => None,
        }
    }

    /// Partitions are part of a transaction, which goes on or begins.
    fn added(&self, after: &View, producer: ProducerIdAndEpoch) -> Option<&'static str> {
        let known = self.known.as_ref()?;
        let goes_on = known.state == TransactionState::Ongoing;
        let mut partitions = self.named.clone();
        if goes_on {
            partitions.extend(known.partitions.iter().cloned());
        }
        let is_old = self.wall_ms.is_some_and(|wall_ms| after.began_ms < wall_ms - SLACK_MS);
        let of = (after.producer, after.timeout_ms, after.last);
        first(&[
            (known.is_changing, "another change was under way"),
            (known.state.is_ending(), "the end of the last transaction was under way"),
            (after.state != TransactionState::Ongoing, "no transaction is open"),
            (of != (producer, known.timeout_ms, known.last), "it is another producer's"),
            (after.partitions != partitions, "its transaction has other partitions"),
            (goes_on && after.began_ms != known.began_ms, "its transaction begins anew"),
            (!goes_on && is_old, "its transaction began long before"),
        ])
    }
}

/// A coordinator tells leaders how a transaction ends: as was decided, in the epoch that was, and of its partitions only.
pub(super) fn markers(says: &mut Says<'_>, by: Speaker<'_>, asked: &WriteTxnMarkersRequest) {
    for marker in &asked.markers {
        let known = by.broker.transactional_id_of(marker.producer.id);
        let named = names(by.broker, marker.partitions.iter().copied());
        let holds = known.as_ref().is_some_and(|known| is_end_of(known, marker, &named));
        says.rule(holds, &|| format!("coordinator {} sends {marker:?}; it has {known:?}", by.node));
    }
}

/// Whether a coordinator hears that somebody else decides, with a newer epoch: it gives up what it has decided.
pub(super) fn overrules(answer: &Response) -> bool {
    use ErrorCode::{InvalidProducerEpoch, TransactionCoordinatorFenced};
    let Response::WriteTxnMarkers(answer) = answer else { return false };
    let mut outcomes = answer.markers.iter().flat_map(|(_, outcomes)| outcomes);
    outcomes.any(|(_, told)| matches!(told, InvalidProducerEpoch | TransactionCoordinatorFenced))
}

fn is_end_of(known: &View, marker: &TxnMarker, named: &BTreeSet<(Arc<str>, i32)>) -> bool {
    let decided = match marker.commit {
        true => TransactionState::PrepareCommit,
        false => TransactionState::PrepareAbort,
    };
    let is_each = marker.rules == TransactionRules::EpochEach;
    (known.producer, known.state, known.is_epoch_each) == (marker.producer, decided, is_each)
        && named.is_subset(&known.partitions)
}

/// Partitions by the names of their topics.
fn names(
    broker: &Broker,
    partitions: impl Iterator<Item = TopicPartition>,
) -> BTreeSet<(Arc<str>, i32)> {
    let name = |tp: TopicPartition| {
        let topic = broker.metadata()?.topic(tp.topic)?;
        Some((Arc::clone(&topic.name), tp.partition))
    };
    partitions.filter_map(name).collect()
}

/// The first of these that is so.
fn first(flaws: &[(bool, &'static str)]) -> Option<&'static str> {
    flaws.iter().find(|(is_so, _)| *is_so).map(|(_, flaw)| *flaw)
}

/// What must hold at any time.
fn unsound(known: &View) -> Option<&'static str> {
    use TransactionState::{CompleteAbort, CompleteCommit, Empty};
    let is_over = matches!(known.state, CompleteAbort | CompleteCommit | Empty);
    let is_last = known.producer.epoch == i16::MAX;
    first(&[
        (is_over && !known.partitions.is_empty(), "partitions of a transaction that is over"),
        (is_over && known.next_id.is_some(), "a producer id that is not yet its producer's"),
        (!is_over && known.next_id.is_some() && !is_last, "another id before epochs have ended"),
        (is_over && known.is_epoch_each && is_last, "the epoch that is for markers alone"),
    ])
}

/// A session has begun.
fn begun(
    known: Option<&View>,
    after: &View,
    asked: &InitProducerIdRequest,
    answer: &InitProducerIdResponse,
) -> Option<&'static str> {
    let InitProducerIdResponse { producer_id: id, producer_epoch: epoch, .. } = *answer;
    let given = ProducerIdAndEpoch { id, epoch };
    let timeout_ms = asked.transactional.as_ref().map_or(0, |of| of.timeout_ms);
    let values = (after.state, after.began_ms, after.timeout_ms, after.next_id);
    let flaw = first(&[
        (after.producer != given, "tells its producer of another epoch"),
        (values != (TransactionState::Empty, -1, timeout_ms, None), "does not begin anew"),
        (!after.partitions.is_empty(), "has partitions before there is a transaction"),
    ]);
    let Some(known) = known.filter(|known| known.producer.epoch >= 0) else { return flaw };
    let is_busy = known.is_changing || known.state.is_ending();
    let flaw = flaw.or_else(|| {
        first(&[
            (is_busy, "a change was under way"),
            (known.state == TransactionState::Ongoing, "a transaction was open"),
        ])
    });
    let held = fenced::held(asked);
    let is_retry = held == Some(ProducerIdAndEpoch { epoch: known.last.epoch, ..known.producer });
    if known.producer.epoch >= EXHAUSTED && !is_retry {
        let keeps = given.id == known.producer.id;
        // for another id it may have had to wait, and others may have got one before it
        let retries = held.map_or(-1, |held| held.epoch);
        let last = ProducerIdAndEpoch { epoch: retries, ..known.producer };
        let is_first = given.epoch == 0;
        return flaw.or_else(|| {
            first(&[
                (keeps, "keeps the id whose epochs have ended"),
                (is_first && after.last != last, "lets somebody else come again"),
            ])
        });
    }
    let next = next(known, held);
    flaw.or_else(|| first(&[(next != Some((given, after.last)), "gives it to the wrong producer")]))
}

/// Who a producer is that begins a session with what it held before, and who may come again then. `None`: it is fenced.
pub(super) fn next(
    known: &View,
    held: Option<ProducerIdAndEpoch>,
) -> Option<(ProducerIdAndEpoch, ProducerIdAndEpoch)> {
    let View { producer, last, .. } = *known;
    let bumped = ProducerIdAndEpoch { epoch: producer.epoch.saturating_add(1), ..producer };
    // whoever had the id before this one cannot come again once there is another epoch
    let last_of = |epoch| ProducerIdAndEpoch { id: -1, epoch };
    let Some(held) = held else { return Some((bumped, last_of(-1))) };
    let is_of_last = held.id == last.id && held.epoch >= EXHAUSTED;
    if held.id != producer.id && !is_of_last {
        return None;
    }
    if held.epoch == producer.epoch {
        return Some((bumped, last_of(producer.epoch)));
    }
    (held.epoch == last.epoch).then_some((producer, last))
}

/// Who asks for a session while a transaction is open is told to come again: it is aborted in another epoch, and nobody
/// who was fenced may take that for the answer to a request of its own.
fn aborted(known: &View, after: &View) -> Option<&'static str> {
    if known.state != TransactionState::Ongoing || known.is_changing {
        return None; // something else is under way
    }
    let epoch = known.producer.epoch.saturating_add(1);
    let expected = View {
        producer: ProducerIdAndEpoch { epoch, ..known.producer },
        last: ProducerIdAndEpoch { epoch: -1, ..known.last },
        state: TransactionState::PrepareAbort,
        is_epoch_each: false,
        is_changing: after.is_changing,
        ..known.clone()
    };
    first(&[(*after != expected, "does not fence whose transaction was open")])
}

/// An end is decided, or has been before.
fn ended(
    known: Option<&View>,
    after: &View,
    asked: &EndTxnRequest,
    told: Option<ProducerIdAndEpoch>,
) -> Option<&'static str> {
    use TransactionState::{CompleteAbort, CompleteCommit, Ongoing, PrepareAbort, PrepareCommit};
    let (decided, complete) = match asked.commit {
        true => (PrepareCommit, CompleteCommit),
        false => (PrepareAbort, CompleteAbort),
    };
    let is_each = asked.rules == TransactionRules::EpochEach;
    let next = after.next_id.map_or(after.producer, |id| ProducerIdAndEpoch { id, epoch: 0 });
    let is_last = asked.producer.epoch >= EXHAUSTED;
    let keeps = told.is_some_and(|told| told.id == asked.producer.id);
    let flaw = first(&[
        (after.state != decided && after.state != complete, "it ends otherwise"),
        (told != is_each.then_some(next), "its producer is told of another epoch"),
        (told == Some(asked.producer), "its producer keeps the epoch of the transaction"),
        (is_last && keeps, "its producer keeps the id whose epochs have ended"),
    ]);
    let flaw = flaw.or_else(|| {
        let is_open = known.is_some_and(|known| known.state == Ongoing);
        let is_own = known.is_some_and(|known| known.producer == asked.producer);
        first(&[(is_each && is_open && !is_own, "it is the end of the transaction before")])
    });
    // for another id its coordinator may have had to wait
    let is_sure = |known: &&View| !is_each || known.producer.epoch < EXHAUSTED;
    let Some(known) = known.filter(is_sure) else { return flaw };
    if after.state == complete {
        return flaw.or_else(|| first(&[(after != known, "another try changes it")]));
    }
    let mut expected = View {
        state: decided,
        is_epoch_each: is_each,
        is_changing: after.is_changing,
        ..known.clone()
    };
    if is_each {
        expected.last.epoch = known.producer.epoch;
        expected.producer.epoch += 1;
    }
    let is_open = known.state == Ongoing;
    if !is_open {
        expected.began_ms = after.began_ms;
    }
    let may_end = is_open || is_each && !asked.commit && !known.state.is_ending();
    flaw.or_else(|| {
        first(&[
            (known.is_changing, "another change was under way"),
            (!may_end, "there is nothing to end"),
            (*after != expected, "more than its end is decided"),
        ])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use stormglass_broker_core::protocol::TransactionalId;

    fn producer(id: i64, epoch: i16) -> ProducerIdAndEpoch {
        ProducerIdAndEpoch { id, epoch }
    }

    /// For a session, with the epoch that its producer had before, or `-1`.
    fn asks(held: i16) -> InitProducerIdRequest {
        let transactional = TransactionalId { id: "x".into(), timeout_ms: 60 };
        InitProducerIdRequest {
            transactional: Some(Box::new(transactional)),
            producer_id: if held < 0 { -1 } else { 7 },
            producer_epoch: held,
        }
    }

    fn view(epoch: i16, state: TransactionState, partitions: &[i32]) -> View {
        View {
            producer: producer(7, epoch),
            last: producer(-1, -1),
            next_id: None,
            is_epoch_each: false,
            state,
            partitions: partitions.iter().map(|index| ("t".into(), *index)).collect(),
            began_ms: 500,
            timeout_ms: 60,
            is_changing: false,
        }
    }

    fn before(known: View, named: &[i32]) -> Before {
        let named = named.iter().map(|index| ("t".into(), *index)).collect();
        Before { id: "x".into(), known: Some(known), named, wall_ms: Some(550) }
    }

    #[test]
    fn a_transaction_keeps_its_time_and_its_partitions() {
        use TransactionState::{CompleteCommit, Ongoing};
        let open = before(view(3, Ongoing, &[0]), &[1]);
        let right = view(3, Ongoing, &[0, 1]);
        assert_eq!(open.added(&right, producer(7, 3)), None);
        let anew = View { began_ms: 600, ..right.clone() };
        assert!(open.added(&anew, producer(7, 3)).is_some());
        assert!(open.added(&view(3, Ongoing, &[1]), producer(7, 3)).is_some());
        assert!(open.added(&right, producer(7, 4)).is_some());
        let new = before(view(3, CompleteCommit, &[]), &[1]);
        assert_eq!(new.added(&view(3, Ongoing, &[1]), producer(7, 3)), None);
        let old = View { began_ms: 400, ..view(3, Ongoing, &[1]) };
        assert!(new.added(&old, producer(7, 3)).is_some());
    }

    #[test]
    fn sessions_begin_in_the_next_epoch_or_are_the_retry_of_one() {
        let known = View { last: producer(-1, 2), ..view(3, TransactionState::CompleteAbort, &[]) };
        let begun = |held: i16, (epoch, last): (i16, i16)| {
            let error = ErrorCode::None;
            let answer = InitProducerIdResponse { error, producer_id: 7, producer_epoch: epoch };
            let mut after = view(epoch, TransactionState::Empty, &[]);
            (after.last.epoch, after.began_ms) = (last, -1);
            begun(Some(&known), &after, &asks(held), &answer).is_none()
        };
        assert!(begun(-1, (4, -1)) && begun(3, (4, 3)) && begun(2, (3, 2)));
        assert!(!begun(1, (4, 1)) && !begun(-1, (3, -1)) && !begun(3, (3, 2)));
    }

    #[test]
    fn after_the_last_epoch_only_who_had_that_may_come_again() {
        let known = view(EXHAUSTED, TransactionState::CompleteAbort, &[]);
        let begun = |held: i16, last: i16| {
            let error = ErrorCode::None;
            let answer = InitProducerIdResponse { error, producer_id: 8, producer_epoch: 0 };
            let mut after = view(0, TransactionState::Empty, &[]);
            (after.producer, after.last) = (producer(8, 0), producer(7, last));
            after.began_ms = -1;
            begun(Some(&known), &after, &asks(held), &answer).is_none()
        };
        assert!(begun(EXHAUSTED, EXHAUSTED) && begun(-1, -1));
        assert!(!begun(-1, EXHAUSTED) && !begun(EXHAUSTED, -1));
    }

    #[test]
    fn a_retry_is_told_of_the_last_epoch_once_more() {
        let empty = view(EXHAUSTED, TransactionState::Empty, &[]);
        let known = View { last: producer(-1, EXHAUSTED - 1), ..empty };
        let begun = |held: i16, after: &View| {
            let ProducerIdAndEpoch { id, epoch } = after.producer;
            let error = ErrorCode::None;
            let answer = InitProducerIdResponse { error, producer_id: id, producer_epoch: epoch };
            begun(Some(&known), after, &asks(held), &answer).is_none()
        };
        let same = View { began_ms: -1, ..known.clone() };
        assert!(begun(EXHAUSTED - 1, &same) && !begun(EXHAUSTED, &same) && !begun(-1, &same));
        let other = View { producer: producer(8, 0), last: producer(7, -1), ..same };
        assert!(begun(-1, &other) && !begun(EXHAUSTED - 1, &other));
    }

    #[test]
    fn who_had_the_id_before_the_last_one_does_not_come_again() {
        let first = View { last: producer(6, EXHAUSTED), ..view(0, TransactionState::Empty, &[]) };
        let held = Some(producer(6, EXHAUSTED));
        assert_eq!(next(&first, held), Some((producer(7, 0), producer(6, EXHAUSTED))), "a retry");
        assert_eq!(next(&first, Some(producer(7, 0))), Some((producer(7, 1), producer(-1, 0))));
        assert_eq!(next(&first, None), Some((producer(7, 1), producer(-1, -1))));
    }

    #[test]
    fn who_is_fenced_is_no_retry() {
        let known = View { last: producer(-1, 2), ..view(3, TransactionState::Ongoing, &[0]) };
        let after = view(4, TransactionState::PrepareAbort, &[0]);
        assert_eq!(aborted(&known, &after), None);
        let retry = View { last: producer(-1, 2), ..after };
        assert!(aborted(&known, &retry).is_some());
    }

    #[test]
    fn an_end_takes_the_next_epoch_where_each_has_one() {
        use TransactionState::{CompleteCommit, Ongoing, PrepareCommit};
        let ended = |known: &View, after: &View, told: Option<ProducerIdAndEpoch>| {
            let asked = EndTxnRequest {
                transactional_id: "x".into(),
                producer: producer(7, 3),
                commit: true,
                rules: if told.is_some() {
                    TransactionRules::EpochEach
                } else {
                    TransactionRules::Added
                },
            };
            ended(Some(known), after, &asked, told).is_none()
        };
        let open = view(3, Ongoing, &[0]);
        assert!(ended(&open, &view(3, PrepareCommit, &[0]), None));
        assert!(!ended(&open, &view(3, PrepareCommit, &[]), None), "partitions are lost");
        let mut each = view(4, PrepareCommit, &[0]);
        (each.is_epoch_each, each.last.epoch) = (true, 3);
        assert!(ended(&open, &each, Some(producer(7, 4))));
        assert!(!ended(&open, &each, Some(producer(7, 3))));
        let over = View { is_epoch_each: true, ..view(4, CompleteCommit, &[]) };
        assert!(ended(&over, &over, Some(producer(7, 4))), "a retry");
        let next = View { is_epoch_each: true, ..view(4, Ongoing, &[0]) };
        let mut late = view(5, PrepareCommit, &[0]);
        (late.is_epoch_each, late.last.epoch) = (true, 4);
        assert!(!ended(&next, &late, Some(producer(7, 5))), "the next one has begun (KAFKA-17754)");
    }

    #[test]
    fn markers_are_those_of_what_was_decided() {
        let marker = |epoch: i16, commit: bool| TxnMarker {
            producer: producer(7, epoch),
            commit,
            coordinator_epoch: 0,
            rules: TransactionRules::Added,
            partitions: Vec::new(),
        };
        let known = view(3, TransactionState::PrepareCommit, &[0, 1]);
        let of = |epoch, commit, index: i32| {
            let named = BTreeSet::from([(Arc::from("t"), index)]);
            is_end_of(&known, &marker(epoch, commit), &named)
        };
        assert!(of(3, true, 1));
        assert!(!of(2, true, 1) && !of(3, false, 1) && !of(3, true, 2));
    }

    #[test]
    fn the_last_epoch_is_nobodys() {
        let of = |epoch| View {
            is_epoch_each: true,
            ..view(epoch, TransactionState::CompleteCommit, &[])
        };
        assert_eq!(unsound(&of(EXHAUSTED)), None);
        assert!(unsound(&of(i16::MAX)).is_some());
        assert!(unsound(&View { next_id: Some(8), ..of(3) }).is_some());
    }
}
