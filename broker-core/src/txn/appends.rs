//! WriteTxnMarkers, as the leaders of a transaction's partitions do it: a control batch is appended
//! with `acks=all`, and positions of groups that are kept there take effect. Who has yet to read them
//! takes no marker.

use super::MARKER_TOKEN;
use super::coordinator::Cx;
use crate::error::ErrorCode;
use crate::ids::{LeaderEpoch, TopicPartition};
use crate::protocol::{
    Acks, ProducePartition, ProduceRequest, ProducerIdAndEpoch, Response, TxnMarker,
    WriteTxnMarkersRequest, WriteTxnMarkersResponse,
};
use crate::records::{EndTxnMarker, Records};
use crate::replica::{AppendOrigin, Partition, ProduceOutcome};
use crate::seam::TraceEvent;
use crate::step::{ReplyTo, Step};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Requests whose markers are not all replicated.
#[derive(Debug, Default)]
pub(crate) struct MarkerAppends {
    requests: BTreeMap<u64, Unfinished>,
    appends: BTreeMap<u64, Append>,
    next: u64,
}

#[derive(Debug)]
struct Unfinished {
    to: ReplyTo,
    answer: WriteTxnMarkersResponse,
    open: usize,
}

/// A marker on its way into a log.
#[derive(Debug, Clone, Copy)]
struct Append {
    /// `None`: it took too long, which was the answer.
    request: Option<u64>,
    marker: usize,
    partition: usize,
    ended: Ended,
}

/// A transaction that has ended in a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ended {
    /// Where.
    pub(crate) tp: TopicPartition,
    /// In which epoch groups are coordinated there; `None`: no positions are kept there.
    pub(crate) epoch: Option<LeaderEpoch>,
    /// Whose.
    pub(crate) producer_id: i64,
    /// Whether it was committed.
    pub(crate) commit: bool,
}

impl MarkerAppends {
    /// Appends the markers of a request, which is answered when all are replicated. `coordinated` tells in which
    /// epoch groups are coordinated in a partition, if they are, or why it takes no marker.
    pub(crate) fn write(
        &mut self,
        cx: &mut Cx<'_, '_>,
        to: ReplyTo,
        request: &WriteTxnMarkersRequest,
        coordinated: impl Fn(TopicPartition) -> Result<Option<LeaderEpoch>, ErrorCode>,
    ) {
        self.next += 1;
        let id = self.next;
        let unanswered = |marker: &TxnMarker| {
            let outcomes = marker.partitions.iter().map(|tp| (*tp, ErrorCode::None));
            (marker.producer.id, outcomes.collect())
        };
        let markers: Vec<(i64, Vec<_>)> = request.markers.iter().map(unanswered).collect();
        let open = markers.iter().map(|(_, partitions)| partitions.len()).sum();
        let answer = WriteTxnMarkersResponse { markers };
        let timeout_ms = cx.replicas.config.server.request_timeout.as_millis();
        let timeout_ms = i32::try_from(timeout_ms).unwrap_or(i32::MAX);
        self.requests.insert(id, Unfinished { to, answer, open });
        for (index, marker) in request.markers.iter().enumerate() {
            let producer = marker.producer;
            let content =
                EndTxnMarker { commit: marker.commit, coordinator_epoch: marker.coordinator_epoch };
            let batch = content.to_batch(producer.id, producer.epoch, cx.step.wall_ms);
            let batch = Arc::new(batch);
            for (partition, tp) in marker.partitions.iter().enumerate() {
                let epoch = match coordinated(*tp) {
                    Ok(epoch) => epoch,
                    Err(error) => {
                        note_refusal(cx, *tp);
                        self.settle(id, (index, partition), error);
                        continue;
                    }
                };
                if is_of_the_past(cx, marker, *tp) {
                    self.settle(id, (index, partition), ErrorCode::InvalidProducerEpoch);
                    continue;
                }
                self.next += 1;
                let token = MARKER_TOKEN | self.next;
                let (tp, commit) = (*tp, marker.commit);
                let ended = Ended { tp, epoch, producer_id: producer.id, commit };
                let request = Some(id);
                self.appends.insert(token, Append { request, marker: index, partition, ended });
                let records = Records::single(Arc::clone(&batch));
                let request = ProduceRequest {
                    acks: Acks::All,
                    timeout_ms,
                    partitions: vec![ProducePartition { tp, records }],
                };
                cx.replicas.produce(cx.step, AppendOrigin::Coordinator(token), request);
            }
        }
        self.finish(cx.step, id);
    }

    /// A marker is replicated, or failed, or takes too long. Tells which transaction has ended here.
    pub(crate) fn append_done(
        &mut self,
        step: &mut Step<'_>,
        outcome: ProduceOutcome,
    ) -> Option<Ended> {
        let append = self.appends.get_mut(&outcome.token)?;
        let Append { marker, partition, ended, .. } = *append;
        let request = append.request.take();
        if !outcome.is_overdue {
            self.appends.remove(&outcome.token);
        }
        if let Some(request) = request {
            self.settle(request, (marker, partition), outcome.error);
            self.finish(step, request);
        }
        outcome.error.is_ok().then_some(ended)
    }

    /// Requests that are not answered, for checkers.
    pub(crate) fn answers_owed(&self) -> usize {
        self.requests.len()
    }

    /// Markers under way whose appends are none of the open ones, for checkers.
    pub(crate) fn lost_writes(&self, open: &BTreeSet<u64>) -> usize {
        self.appends.keys().filter(|token| !open.contains(*token)).count()
    }

    /// The answer about a marker and one of its partitions is known.
    fn settle(&mut self, request: u64, (marker, partition): (usize, usize), error: ErrorCode) {
        if let Some(unfinished) = self.requests.get_mut(&request) {
            unfinished.answer.markers[marker].1[partition].1 = error;
            unfinished.open -= 1;
        }
    }

    fn finish(&mut self, step: &mut Step<'_>, request: u64) {
        if self.requests.get(&request).is_some_and(|unfinished| unfinished.open == 0)
            && let Some(Unfinished { to, answer, .. }) = self.requests.remove(&request)
        {
            step.reply(to, Response::WriteTxnMarkers(answer));
        }
    }
}

/// A partition of groups' positions takes no marker: perhaps whoever leads it has yet to read it.
fn note_refusal(cx: &mut Cx<'_, '_>, tp: TopicPartition) {
    if cx.replicas.find(tp).is_some_and(Partition::is_leader) {
        cx.step.trace(TraceEvent::Mark("transaction-marker-too-early"));
    }
}

/// Whether a marker began the epoch of the transaction that is open now: it is a copy that was on its way for
/// so long that another one has ended its transaction (KIP-1228). Where epochs last for a session, nothing tells
/// such a copy from the marker that is to come, in Kafka as here.
fn is_of_the_past(cx: &Cx<'_, '_>, marker: &TxnMarker, tp: TopicPartition) -> bool {
    let partition = cx.replicas.find(tp).filter(|_| marker.rules.has_epochs());
    let ProducerIdAndEpoch { id, epoch } = marker.producer;
    partition.is_some_and(|partition| partition.log.has_open_transaction(id, epoch))
}
