//! Markers on their way to the leaders of a transaction's partitions (Kafka's
//! `TransactionMarkerChannelManager`). What fails is sent again until it is written, as nothing
//! else ends a decided transaction; what answers too late is known by its number (TXN-06). Kafka
//! gathers the markers of several transactions for a broker; here each is sent at once.

use super::coordinator::{Cx, LogPartition, Then, TransactionCoordinator};
use super::state::{NamedPartition, Values};
use crate::error::ErrorCode;
use crate::ids::{CorrelationId, LeaderEpoch, NodeId, TopicPartition};
use crate::metadata::MetadataImage;
use crate::plant::{Plant, planted};
use crate::protocol::{
    ProducerIdAndEpoch, Request, Response, TransactionRules, TransactionState, TxnMarker,
    WriteTxnMarkersRequest,
};
use crate::seam::{Channel, PeerError, TimerKey, TraceEvent};
use crate::step::{Owner, Step};
use crate::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// `retry.backoff.ms` between brokers.
const BACKOFF: Duration = Duration::from_millis(100);

/// A transaction whose end is decided.
#[derive(Debug)]
struct Sending {
    partition: i32,
    id: Arc<str>,
    coordinator_epoch: LeaderEpoch,
    producer: ProducerIdAndEpoch,
    rules: TransactionRules,
    commit: bool,
    /// Partitions without a marker.
    left: BTreeSet<NamedPartition>,
    /// Those of them that nobody has been asked for.
    unsent: BTreeSet<NamedPartition>,
}

/// A request under way.
#[derive(Debug)]
struct Asked {
    sending: u64,
    partitions: Vec<(TopicPartition, NamedPartition)>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Markers {
    open: BTreeMap<u64, Sending>,
    next: u64,
    asked: BTreeMap<u64, Asked>,
    /// Transactions that are over, which the log could not be told.
    untold: Vec<(i32, Arc<str>)>,
    is_armed: bool,
}

impl Markers {
    fn arm(&mut self, step: &mut Step<'_>) {
        if !std::mem::replace(&mut self.is_armed, true) {
            step.timer(step.now + BACKOFF, TimerKey::TxnMarkers);
        }
    }

    /// The log did not take the end of a transaction: it is told again.
    pub(super) fn complete_later(&mut self, step: &mut Step<'_>, partition: i32, id: &Arc<str>) {
        self.untold.push((partition, Arc::clone(id)));
        self.arm(step);
    }

    /// Whether something brings about the end of a transaction that is decided, for checkers: what has no marker has
    /// been asked for or will be, or the log will be told again. One without a partition that lacks a marker waits for
    /// nothing: its end is being written, or forgotten.
    pub(super) fn goes_on_with(&self, partition: i32, id: &Arc<str>) -> bool {
        let mut untold = self.untold.iter();
        let is_untold = untold.any(|(of, other)| (*of, other) == (partition, id));
        let mut open = self.open.iter();
        let is_sent = open.any(|(number, sending)| {
            (sending.partition, &sending.id) == (partition, id) && self.goes_on(*number, sending)
        });
        is_sent || is_untold && self.is_armed
    }

    /// Partitions that are to get a marker of a decided end, and of which there is no topic; for checkers.
    pub(super) fn homeless<'a>(
        &'a self,
        image: &'a MetadataImage,
    ) -> impl Iterator<Item = (&'a Arc<str>, &'a NamedPartition)> {
        let open = self.open.values();
        let unsent =
            open.flat_map(|sending| sending.unsent.iter().map(move |named| (&sending.id, named)));
        unsent.filter(|(_, named)| find(image, named).is_none())
    }

    /// What a request has asked a leader to write, as far as it is not known to be written: the number of the end, the
    /// partition, and its name; for checkers.
    pub(super) fn asked_by(
        &self,
        correlation: u64,
    ) -> impl Iterator<Item = (u64, TopicPartition, &NamedPartition)> {
        let asked = self.asked.get(&correlation);
        let all = asked.into_iter().flat_map(|asked| {
            asked.partitions.iter().map(move |(tp, named)| (asked.sending, *tp, named))
        });
        all.filter(move |(number, _, named)| self.lacks(*number, named))
    }

    /// Whether a partition is to get the marker of an end; for checkers.
    pub(super) fn lacks(&self, number: u64, named: &NamedPartition) -> bool {
        self.open.get(&number).is_some_and(|sending| sending.left.contains(named))
    }

    fn goes_on(&self, number: u64, sending: &Sending) -> bool {
        let asked = self.asked.values().filter(|asked| asked.sending == number);
        let asked = asked.flat_map(|asked| asked.partitions.iter().map(|(_, named)| named));
        let asked: BTreeSet<&NamedPartition> = asked.collect();
        let will_be = |named: &NamedPartition| self.is_armed && sending.unsent.contains(named);
        let mut left = sending.left.iter();
        !sending.left.is_empty() && left.all(|named| asked.contains(named) || will_be(named))
    }

    /// This broker coordinates a partition no more.
    pub(super) fn forget(&mut self, partition: i32) {
        self.open.retain(|_, sending| sending.partition != partition);
        self.untold.retain(|(other, _)| *other != partition);
    }
}

impl TransactionCoordinator {
    /// The end is decided: tells the leaders of all partitions.
    pub(super) fn send_markers(
        &mut self,
        cx: &mut Cx<'_, '_>,
        partition: i32,
        id: &Arc<str>,
        values: &Values,
    ) {
        let Some(LogPartition { epoch, .. }) = self.partitions.get(&partition) else { return };
        self.markers.next += 1;
        let number = self.markers.next;
        let sending = Sending {
            partition,
            id: Arc::clone(id),
            coordinator_epoch: *epoch,
            producer: values.producer,
            rules: values.rules,
            commit: values.state == TransactionState::PrepareCommit,
            left: values.partitions.clone(),
            unsent: values.partitions.clone(),
        };
        self.markers.open.insert(number, sending);
        self.send_unsent(cx, number);
    }

    fn send_unsent(&mut self, cx: &mut Cx<'_, '_>, number: u64) {
        let timeout = cx.replicas.config.server.request_timeout;
        let Some(sending) = self.markers.open.get_mut(&number) else { return };
        let mut by_leader: BTreeMap<NodeId, Vec<(TopicPartition, NamedPartition)>> =
            BTreeMap::new();
        for named in std::mem::take(&mut sending.unsent) {
            match find(cx.image, &named) {
                Some((tp, Some(leader))) => by_leader.entry(leader).or_default().push((tp, named)),
                Some((_, None)) => {
                    sending.unsent.insert(named);
                }
                // its topic was deleted
                None => {
                    sending.left.remove(&named);
                }
            }
        }
        let waits = !sending.unsent.is_empty();
        let is_over = sending.left.is_empty();
        let Sending { producer, rules, commit, coordinator_epoch, .. } = *sending;
        for (leader, partitions) in by_leader {
            let marker = TxnMarker {
                producer,
                commit,
                coordinator_epoch,
                rules,
                partitions: partitions.iter().map(|(tp, _)| *tp).collect(),
            };
            let request =
                Request::WriteTxnMarkers(WriteTxnMarkersRequest { markers: vec![marker] });
            let channel = Channel::Transactions;
            let asked = cx.step.send(Owner::Transactions, leader, channel, timeout, request);
            self.markers.asked.insert(asked.0, Asked { sending: number, partitions });
        }
        if waits {
            self.markers.arm(cx.step);
        }
        if is_over {
            self.markers_written(cx, number);
        }
    }

    /// A leader answered, or did not. False: it was not asked for markers.
    pub(crate) fn markers_answered(
        &mut self,
        cx: &mut Cx<'_, '_>,
        id: CorrelationId,
        result: &Result<Response, PeerError>,
    ) -> bool {
        let Some(Asked { sending: number, partitions }) = self.markers.asked.remove(&id.0) else {
            return false;
        };
        let outcomes: BTreeMap<TopicPartition, ErrorCode> = match result {
            Ok(Response::WriteTxnMarkers(answer)) => {
                answer.markers.iter().flat_map(|(_, outcomes)| outcomes).copied().collect()
            }
            _ => BTreeMap::new(),
        };
        let Some(sending) = self.markers.open.get_mut(&number) else { return true };
        let mut is_fenced = false;
        for (tp, named) in partitions {
            match outcomes.get(&tp) {
                Some(ErrorCode::None) => {
                    sending.left.remove(&named);
                }
                // somebody else decides now, with a newer epoch
                Some(ErrorCode::InvalidProducerEpoch | ErrorCode::TransactionCoordinatorFenced) => {
                    is_fenced = true
                }
                Some(_) if planted(cx.replicas.config.plant, Plant::MarkerErrorIsFinal) => {
                    sending.left.remove(&named);
                }
                _ => {
                    sending.unsent.insert(named);
                }
            }
        }
        let (is_over, waits) = (sending.left.is_empty(), !sending.unsent.is_empty());
        if is_fenced {
            cx.step.trace(TraceEvent::Mark("transaction-marker-fenced"));
            self.markers.open.remove(&number);
        } else if is_over {
            self.markers_written(cx, number);
        } else if waits {
            cx.step.trace(TraceEvent::Mark("transaction-marker-retried"));
            self.markers.arm(cx.step);
        }
        true
    }

    /// Timer: sends again what was not written.
    pub(crate) fn markers_due(&mut self, cx: &mut Cx<'_, '_>) {
        self.markers.is_armed = false;
        for (partition, id) in std::mem::take(&mut self.markers.untold) {
            self.complete(cx, partition, &id);
        }
        let waiting = self.markers.open.iter().filter(|(_, sending)| !sending.unsent.is_empty());
        let waiting: Vec<u64> = waiting.map(|(number, _)| *number).collect();
        for number in waiting {
            self.send_unsent(cx, number);
        }
    }

    fn markers_written(&mut self, cx: &mut Cx<'_, '_>, number: u64) {
        if let Some(Sending { partition, id, .. }) = self.markers.open.remove(&number) {
            self.complete(cx, partition, &id);
        }
    }

    fn complete(&mut self, cx: &mut Cx<'_, '_>, partition: i32, id: &Arc<str>) {
        let wall_ms = cx.step.wall_ms;
        let completed = self.find(partition, id).and_then(|known| known.complete(wall_ms));
        if let Some(values) = completed {
            self.write(cx, partition, id, Some(values), Then::Completed);
        }
    }
}

/// A partition and its leader; `None` when its topic is no more.
fn find(
    image: &MetadataImage,
    (topic, partition): &NamedPartition,
) -> Option<(TopicPartition, Option<NodeId>)> {
    let topic = image.topic_named(topic)?;
    let state = topic.partitions.get(usize::try_from(*partition).ok()?)?;
    Some((TopicPartition::new(topic.id, *partition), state.leader))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decided_end_is_brought_about_by_what_is_asked_or_will_be() {
        let named: NamedPartition = ("t".into(), 0);
        let (id, mut markers): (Arc<str>, _) = ("id".into(), Markers::default());
        assert!(!markers.goes_on_with(3, &id), "nobody knows of it");
        let sending = Sending {
            partition: 3,
            id: Arc::clone(&id),
            coordinator_epoch: 0,
            producer: ProducerIdAndEpoch { id: 7, epoch: 0 },
            rules: TransactionRules::Added,
            commit: true,
            left: BTreeSet::from([named.clone()]),
            unsent: BTreeSet::from([named.clone()]),
        };
        markers.open.insert(1, sending);
        assert!(!markers.goes_on_with(3, &id), "no timer");
        markers.is_armed = true;
        assert!(markers.goes_on_with(3, &id) && !markers.goes_on_with(4, &id));
        markers.is_armed = false;
        let partitions = vec![(TopicPartition::METADATA, named.clone())];
        markers.asked.insert(9, Asked { sending: 1, partitions });
        assert!(markers.goes_on_with(3, &id), "an answer will come");
        let asked: Vec<_> = markers.asked_by(9).collect();
        assert_eq!(asked, [(1, TopicPartition::METADATA, &named)]);
        assert!(markers.asked_by(8).next().is_none() && markers.lacks(1, &named));
        markers.open.get_mut(&1).unwrap().left.clear();
        assert!(
            !markers.goes_on_with(3, &id),
            "nothing is left to be written, and the log is not told"
        );
        assert!(markers.asked_by(9).next().is_none() && !markers.lacks(1, &named));
        let mut untold = Markers { untold: vec![(3, Arc::clone(&id))], ..Markers::default() };
        assert!(!untold.goes_on_with(3, &id));
        untold.is_armed = true;
        assert!(untold.goes_on_with(3, &id));
    }
}
