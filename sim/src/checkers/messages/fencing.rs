//! Who must be refused: members of groups and producers that are not, or no more, who they say.

use crate::checkers::suite::OFFSETS_TOPIC;
use std::cmp::Ordering;
use std::sync::Arc;
use stormglass_broker_core::Broker;
use stormglass_broker_core::ids::{Offset, TopicPartition};
use stormglass_broker_core::inspect::{CoordinatorView, ProducerView};
use stormglass_broker_core::protocol::{
    DeleteRecordsRequest, ProduceRequest, ProducerIdAndEpoch, Request, Response, TransactionRules,
    TxnMarker, WriteTxnMarkersRequest,
};

/// Why a broker must not take what a member or a producer asks, as it stands before it does.
/// `None`: it may.
pub(super) fn objection(broker: &Broker, request: &Request) -> Option<String> {
    if let Some(objection) = unread(broker, request) {
        return Some(objection);
    }
    let of_member = match request {
        Request::OffsetCommit(asked) => Some((&asked.group, &asked.member, asked.generation)),
        Request::Heartbeat(asked) => Some((&asked.group, &asked.member, asked.generation)),
        Request::SyncGroup(asked) => Some((&asked.group, &asked.member, asked.generation)),
        Request::TxnOffsetCommit(asked) => Some((&asked.group, &asked.member, asked.generation)),
        _ => None,
    };
    if let Some((group, id, epoch)) = of_member {
        return member(broker, group, (id, epoch));
    }
    if let Some(objection) = speaks_otherwise(broker, request) {
        return Some(objection);
    }
    match request {
        Request::AddOffsetsToTxn(asked) => {
            transactional(broker, &asked.transactional_id, asked.producer)
        }
        Request::AddPartitionsToTxn(asked) => {
            let one = asked.transactions.first().filter(|_| asked.transactions.len() == 1)?;
            transactional(broker, &one.transactional_id, one.producer)
        }
        Request::EndTxn(asked) if asked.rules == TransactionRules::Added => {
            transactional(broker, &asked.transactional_id, asked.producer)
        }
        Request::Produce(asked) => produces(broker, asked).or_else(|| skips(broker, asked)),
        Request::TransactionalProduce(asked) => produces(broker, &asked.produce),
        Request::WriteTxnMarkers(asked) => {
            ends(broker, asked).or_else(|| ends_unread(broker, asked))
        }
        Request::DeleteRecords(asked) => deletes(broker, asked),
        _ => None,
    }
}

/// A member of a group of which not all is known yet: some of what the log had as its leader's epoch began is not on the
/// disk, and nobody can have read it. Heartbeats are answered as if it were known, in Kafka as here.
fn unread(broker: &Broker, request: &Request) -> Option<String> {
    let group = match request {
        Request::JoinGroup(asked) => &asked.group,
        Request::SyncGroup(asked) => &asked.group,
        Request::OffsetCommit(asked) => &asked.group,
        Request::ConsumerGroupHeartbeat(asked) => &asked.group,
        _ => return None,
    };
    let view = broker.replica_view(broker.partition_of_group(group)?)?;
    let begins = view.lead.as_ref()?.epoch_start;
    unread_up_to(group, begins, view.log.log_end_offset())
}

fn unread_up_to(group: &str, begins: Offset, end: Offset) -> Option<String> {
    let unread = || format!("it is of group {group}, of whose log to {begins} the disk has {end}");
    (end < begins).then(unread)
}

/// Somebody who would join a group whose members speak the other protocol: only groups without members go over.
fn speaks_otherwise(broker: &Broker, request: &Request) -> Option<String> {
    let (group, by_heartbeats) = match request {
        Request::ConsumerGroupHeartbeat(asked) => (&asked.group, true),
        Request::JoinGroup(asked) => (&asked.group, false),
        _ => return None,
    };
    let others = broker.speaks_by_heartbeats(group)?;
    (others != by_heartbeats)
        .then(|| format!("members of group {group} speak the other protocol (consumer: {others})"))
}

/// A marker of a coordinator, or of a producer's epoch, that the log knows to be over.
fn ends(broker: &Broker, asked: &WriteTxnMarkersRequest) -> Option<String> {
    let mut markers = asked.markers.iter();
    markers.find_map(|marker| marker.partitions.iter().find_map(|tp| ends_in(broker, marker, *tp)))
}

fn ends_in(broker: &Broker, marker: &TxnMarker, tp: TopicPartition) -> Option<String> {
    let view = broker.replica_view(tp).filter(|view| view.lead.is_some())?;
    let ProducerIdAndEpoch { id, epoch } = marker.producer;
    if marker.rules == TransactionRules::EpochEach && view.log.has_open_transaction(id, epoch) {
        return Some(format!("it has {marker:?}, whose epoch is that of the next transaction"));
    }
    let known = view.log.active_producers();
    let known = known.iter().find(|known| known.id == id)?;
    let known = (known.coordinator_epoch, known.epoch);
    is_over(marker, known).then(|| {
        format!("it has {marker:?}, where the log has epochs {known:?} of coordinator and producer")
    })
}

/// A marker for groups' positions of which not all have been read: what is known of its producer may be of a
/// transaction before, whose own marker comes later in the log, and would end as this one does. Kafka's coordinators of
/// groups write markers themselves, once they have loaded (`GroupCoordinator.completeTransaction`).
fn ends_unread(broker: &Broker, asked: &WriteTxnMarkersRequest) -> Option<String> {
    let offsets = broker.metadata()?.topic_named(OFFSETS_TOPIC)?.id;
    let coordinated = broker.coordinated();
    let mut named = asked.markers.iter().flat_map(|marker| &marker.partitions);
    let tp = named.find(|tp| tp.topic == offsets && is_unread(tp.partition, &coordinated))?;
    Some(format!("{tp:?} has positions of groups that are still being read"))
}

/// Whether groups are coordinated in a partition, and some of it has not been read.
fn is_unread(partition: i32, coordinated: &[CoordinatorView]) -> bool {
    coordinated.iter().any(|at| at.partition == partition && !at.is_loaded)
}

/// Whether a marker is older than what is known: epochs of the coordinator and of the producer.
fn is_over(marker: &TxnMarker, known: (i32, i16)) -> bool {
    marker.coordinator_epoch < known.0 || marker.producer.epoch < known.1
}

/// Records that are not committed are nobody's to delete.
fn deletes(broker: &Broker, asked: &DeleteRecordsRequest) -> Option<String> {
    let [(tp, before)] = asked.partitions.as_slice() else { return None };
    let view = broker.replica_view(*tp).filter(|view| view.lead.is_some())?;
    (*before > view.high_watermark).then(|| {
        format!(
            "it would delete what is below {before}, the high watermark is {}",
            view.high_watermark
        )
    })
}

/// A member of a group, with its generation or epoch. Whoever has one has it of a group that is gone, if there is none.
fn member(broker: &Broker, group: &str, (id, epoch): (&Arc<str>, i32)) -> Option<String> {
    if epoch < 0 || id.is_empty() {
        return None; // no member: a manual assignment
    }
    let known = broker.member_epoch(group, id).flatten();
    (known != Some(epoch) && broker.has_loaded_group(group)).then(|| {
        format!("it is of member {id} of {group} in epoch or generation {epoch}, not in {known:?}")
    })
}

/// A producer with a transactional id.
fn transactional(broker: &Broker, id: &str, asked: ProducerIdAndEpoch) -> Option<String> {
    let known = broker.transactional_producer(id)?;
    let is_fenced = known.id != asked.id || asked.epoch < known.epoch;
    is_fenced.then(|| format!("it is of {asked:?} for {id}, which is {known:?} now"))
}

/// A batch that leaves sequences out, or that begins a new epoch amid them. One within a transaction may wait for
/// others that come before.
fn skips(broker: &Broker, asked: &ProduceRequest) -> Option<String> {
    asked.partitions.iter().find_map(|data| {
        let header = data.records.batches().first()?.header;
        if header.producer_id < 0 || header.is_transactional() {
            return None;
        }
        let view = broker.replica_view(data.tp).filter(|view| view.lead.is_some())?;
        let known = view.log.producer_view(header.producer_id)?;
        does_skip((header.producer_epoch, header.base_sequence), &known)
            .then(|| format!("it has sequence {} of {known:?}", header.base_sequence))
    })
}

fn does_skip((epoch, sequence): (i16, i32), known: &ProducerView) -> bool {
    /// Sequences that are further apart are taken for ones that have wrapped.
    const AHEAD_MAX: i64 = 1 << 30;
    let last = known.newest.map_or(-1, |(sequence, _)| sequence);
    let ahead = i64::from(sequence) - i64::from(last);
    match epoch.cmp(&known.epoch) {
        Ordering::Greater => sequence != 0,
        Ordering::Equal => (2..AHEAD_MAX).contains(&ahead),
        Ordering::Less => false,
    }
}

/// An idempotent producer whose batches are of an epoch that a newer one has ended.
fn produces(broker: &Broker, asked: &ProduceRequest) -> Option<String> {
    asked.partitions.iter().find_map(|data| {
        let header = data.records.batches().first()?.header;
        let known = newest_epoch(broker, data.tp, header.producer_id)?;
        (header.producer_epoch < known).then(|| {
            format!(
                "it has a batch of producer {} in epoch {} for {:?}, where epoch {known} has written",
                header.producer_id, header.producer_epoch, data.tp
            )
        })
    })
}

fn newest_epoch(broker: &Broker, tp: TopicPartition, producer: i64) -> Option<i16> {
    if producer < 0 {
        return None;
    }
    let view = broker.replica_view(tp).filter(|view| view.lead.is_some())?;
    view.log.producer_epoch(producer)
}

/// Whether a transactional request, or one of a producer, was taken.
pub(super) fn is_taken(answer: &Response) -> bool {
    match answer {
        Response::TxnOffsetCommit(answer) => {
            answer.partitions.iter().any(|(_, error)| error.is_ok())
        }
        Response::AddOffsetsToTxn(answer) => answer.error.is_ok(),
        Response::AddPartitionsToTxn(answer) => {
            let results = answer.transactions.iter().flat_map(|one| &one.partitions);
            results.clone().count() > 0 && results.clone().all(|(_, error)| error.is_ok())
        }
        Response::EndTxn(answer) => answer.error.is_ok(),
        Response::ConsumerGroupHeartbeat(answer) => answer.error.is_ok(),
        Response::WriteTxnMarkers(answer) => {
            let outcomes = answer.markers.iter().flat_map(|(_, outcomes)| outcomes);
            outcomes.clone().count() > 0 && outcomes.clone().all(|(_, error)| error.is_ok())
        }
        Response::DeleteRecords(answer) => {
            answer.partitions.iter().any(|(_, _, error)| error.is_ok())
        }
        Response::Produce(answer) => {
            !answer.partitions.is_empty() && answer.partitions.iter().all(|p| p.error.is_ok())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_known_when_all_of_its_log_can_be_read() {
        assert_eq!((unread_up_to("g", 9, 9), unread_up_to("g", 9, 12)), (None, None));
        assert!(unread_up_to("g", 9, 8).is_some());
    }

    #[test]
    fn markers_wait_for_what_is_being_read() {
        let at = |partition, is_loaded| CoordinatorView { partition, epoch: 3, is_loaded };
        let coordinated = [at(0, true), at(1, false)];
        let unread = |partition| is_unread(partition, &coordinated);
        assert_eq!([0, 1, 2].map(unread), [false, true, false]);
    }

    #[test]
    fn batches_leave_nothing_out() {
        let known = ProducerView {
            id: 7,
            epoch: 2,
            batches: 1,
            newest: Some((9, 30)),
            last_ms: 0,
            is_open: false,
        };
        let skips = |epoch, sequence| does_skip((epoch, sequence), &known);
        assert!(!skips(2, 10) && !skips(2, 5) && !skips(3, 0), "in order, repeated, begun anew");
        assert!(skips(2, 11) && skips(3, 10));
        let last = ProducerView { newest: Some((i32::MAX, 30)), ..known };
        assert!(!does_skip((2, 0), &last), "sequences wrap");
    }

    #[test]
    fn markers_of_coordinators_and_producers_that_are_over_are_refused() {
        let of = |epoch: i16, coordinator_epoch: i32| {
            let producer = ProducerIdAndEpoch { id: 7, epoch };
            let rules = TransactionRules::Added;
            let (commit, partitions) = (true, Vec::new());
            is_over(&TxnMarker { producer, commit, coordinator_epoch, rules, partitions }, (5, 3))
        };
        assert!(!of(3, 5) && !of(4, 6));
        assert!(of(3, 4), "another coordinator has decided since");
        assert!(of(2, 5), "the producer has a newer epoch");
    }
}
