//! Producer id, epochs and sequences: the part of Kafka's `TransactionManager` that producers without
//! transactions need, too (KIP-98, KIP-360).
//!
//! A partition whose sequences may have a gap restarts at 0 under a bumped epoch. Java rewrites
//! the sequences of batches that are on the wire, too; here the bump waits until the partition has
//! nothing on the wire, as librdkafka does.

use super::accumulator::PartitionQueue;
use super::batch::{ProducerBatch, ProducerId, next_sequence};
use super::machine::{Call, Producer};
use crate::client::io::ClientCx;
use crate::client::wakeup::NEVER;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::protocol::{
    InitProducerIdRequest, InitProducerIdResponse, ProducePartitionResponse, Request,
};

/// Identity of an idempotent producer.
#[derive(Debug)]
pub(crate) struct Idempotence {
    /// Off: batches carry no sequences.
    pub(crate) enabled: bool,
    /// Id and epoch for partitions that restart.
    pub(crate) producer: ProducerId,
    /// Where sequences begin in the first epoch of an id.
    first_sequence: i32,
    asked: bool,
    failures: u32,
    retry_ns: u64,
    /// Partitions that want an epoch bump.
    bumps: Vec<u32>,
}

impl Idempotence {
    /// Without an id yet.
    pub(crate) fn new(enabled: bool, first_sequence: i32) -> Self {
        Self {
            enabled,
            producer: ProducerId::NONE,
            first_sequence,
            asked: false,
            failures: 0,
            retry_ns: 0,
            bumps: Vec::new(),
        }
    }

    /// Whether the first waiting batch of a partition may be sent now.
    pub(crate) fn allows(&self, queue: &PartitionQueue, first: &ProducerBatch) -> bool {
        if !self.enabled {
            return true;
        }
        if self.producer == ProducerId::NONE || queue.bump_wanted {
            return false;
        }
        if first.order > 0 {
            // retries go one after the other, in order
            return queue.in_flight.front().is_none_or(|other| first.order < other.order);
        }
        let stale = queue.producer != self.producer;
        queue.unresolved.is_none() && (!stale || queue.in_flight.is_empty())
    }

    /// Gives a batch that is sent for the first time its sequence.
    pub(crate) fn assign(&self, queue: &mut PartitionQueue, batch: &mut ProducerBatch) {
        if !self.enabled {
            return;
        }
        if queue.producer != self.producer {
            assert!(queue.in_flight.is_empty(), "sequences restart with nothing on the wire");
            restart(queue, self.producer, self.first_of(self.producer));
        }
        batch.set_sequence(queue.producer, queue.next_sequence);
        queue.next_sequence = next_sequence(queue.next_sequence, batch.count());
    }

    /// Notes an acknowledged batch.
    pub(crate) fn acked(&self, queue: &mut PartitionQueue, batch: &ProducerBatch) {
        if self.enabled && batch.producer == queue.producer && batch.sequence >= 0 {
            let last = next_sequence(batch.sequence, batch.count() - 1);
            // after the largest comes 0
            let ahead = (i64::from(last) - i64::from(queue.acked_sequence)).rem_euclid(1 << 31);
            if ahead < 1 << 30 {
                queue.acked_sequence = last;
            }
        }
    }

    /// Whether an error of the broker calls for another try.
    pub(crate) fn can_retry(
        &mut self,
        partition: usize,
        queue: &mut PartitionQueue,
        batch: &ProducerBatch,
        answer: &ProducePartitionResponse,
    ) -> bool {
        match answer.error {
            ErrorCode::UnknownProducerId if self.enabled => {
                // the log start tells that the broker forgot us, and not that it is behind
                if answer.log_start_offset >= 0 {
                    self.want_bump(partition, queue);
                }
                true
            }
            ErrorCode::OutOfOrderSequenceNumber if self.enabled => {
                let next = next_sequence(queue.acked_sequence, 1);
                let gap = match queue.unresolved {
                    // an earlier batch must come first: its retry is under way
                    None => batch.sequence == next,
                    Some(after) => batch.sequence == after,
                };
                if gap {
                    self.want_bump(partition, queue);
                }
                true
            }
            error => error.is_retriable(),
        }
    }

    /// Where a partition's sequences begin. A broker that knows nothing of a producer takes any, but none of a
    /// later epoch.
    pub(super) fn first_of(&self, producer: ProducerId) -> i32 {
        if producer.epoch == 0 { self.first_sequence } else { 0 }
    }

    /// Asks for a new epoch for a partition.
    pub(crate) fn want_bump(&mut self, partition: usize, queue: &mut PartitionQueue) {
        if !queue.bump_wanted {
            queue.bump_wanted = true;
            self.bumps.push(u32::try_from(partition).unwrap_or(u32::MAX));
        }
    }

    /// A sent batch was given up. `known`: the broker surely does not have it.
    pub(crate) fn given_up(
        &mut self,
        partition: usize,
        queue: &mut PartitionQueue,
        batch: &ProducerBatch,
        known: bool,
    ) {
        if !self.enabled || batch.sequence < 0 || batch.producer != queue.producer {
            return;
        }
        if known {
            self.want_bump(partition, queue);
        } else {
            queue.unresolved = Some(next_sequence(batch.sequence, batch.count()));
        }
    }

    /// With nothing sent any more, an unresolved sequence is either covered by later
    /// acknowledgements or a gap.
    pub(crate) fn resolve(&mut self, partition: usize, queue: &mut PartitionQueue) {
        let retries = queue.waiting.front().is_some_and(|first| first.order > 0);
        if queue.unresolved.is_none() || retries || !queue.in_flight.is_empty() {
            return;
        }
        queue.unresolved = None;
        if next_sequence(queue.acked_sequence, 1) != queue.next_sequence {
            self.want_bump(partition, queue);
        }
    }

    /// Whether a partition has asked for a new epoch. Asked by producers with transactions, whose
    /// epochs the coordinator gives.
    pub(crate) fn take_bumps(&mut self) -> bool {
        !std::mem::take(&mut self.bumps).is_empty()
    }

    /// The coordinator has given an epoch: every partition begins anew.
    pub(crate) fn begin_session(&mut self, producer: ProducerId, queues: &mut [PartitionQueue]) {
        self.producer = producer;
        self.bumps.clear();
        for queue in queues {
            restart(queue, producer, self.first_of(producer));
        }
    }

    /// Takes the answer to InitProducerId.
    pub(crate) fn initialised(&mut self, answer: InitProducerIdResponse) -> bool {
        self.asked = false;
        if answer.error.is_ok() {
            self.failures = 0;
            self.producer = ProducerId { id: answer.producer_id, epoch: answer.producer_epoch };
        }
        answer.error.is_ok()
    }
}

/// Sequences start anew; retries that wait are numbered anew.
fn restart(queue: &mut PartitionQueue, producer: ProducerId, first: i32) {
    queue.producer = producer;
    queue.acked_sequence = first - 1;
    queue.unresolved = None;
    queue.bump_wanted = false;
    let mut sequence = first;
    for batch in queue.waiting.iter_mut().take_while(|batch| batch.order > 0) {
        batch.set_sequence(producer, sequence);
        sequence = next_sequence(sequence, batch.count());
    }
    queue.next_sequence = sequence;
}

impl Producer {
    /// Asks for a producer id when one is missing. When to come back, ns.
    pub(crate) fn ensure_producer_id(&mut self, cx: &mut ClientCx<'_>) -> u64 {
        let idempotence = &self.idempotence;
        let has_id = idempotence.producer != ProducerId::NONE;
        if !idempotence.enabled || has_id || idempotence.asked {
            return NEVER;
        }
        if cx.now_ns < idempotence.retry_ns {
            return idempotence.retry_ns;
        }
        match self.network.any_ready(cx) {
            Ok(node) => {
                self.idempotence.asked = true;
                let request = InitProducerIdRequest {
                    transactional: None,
                    producer_id: -1,
                    producer_epoch: -1,
                };
                let request = Request::InitProducerId(request);
                self.network.connections.send(node, request, Some(Call::InitProducerId), cx);
                NEVER
            }
            Err(retry_ns) => retry_ns,
        }
    }

    /// InitProducerId failed.
    pub(crate) fn producer_id_failed(&mut self, now_ns: u64) {
        let backoff = self.config.connection.retry_backoff();
        let idempotence = &mut self.idempotence;
        idempotence.asked = false;
        idempotence.retry_ns =
            now_ns + backoff.after(idempotence.failures, &mut self.network.draws);
        idempotence.failures = idempotence.failures.saturating_add(1);
    }

    /// Bumps the epoch once no partition that wants it has anything on the wire.
    pub(crate) fn apply_bumps(&mut self, cx: &mut ClientCx<'_>) {
        let idempotence = &mut self.idempotence;
        let partitions = &mut self.accumulator.partitions;
        let quiet = |at: &u32| partitions[*at as usize].in_flight.is_empty();
        if idempotence.bumps.is_empty() || !idempotence.bumps.iter().all(quiet) {
            return;
        }
        if idempotence.producer.epoch == i16::MAX {
            idempotence.producer = ProducerId::NONE;
            return;
        }
        if idempotence.producer != ProducerId::NONE {
            idempotence.producer.epoch += 1;
            for at in idempotence.bumps.drain(..) {
                restart(&mut partitions[at as usize], idempotence.producer, 0);
            }
            cx.effects.marks.push("producer: epoch bumped");
        }
    }
}
