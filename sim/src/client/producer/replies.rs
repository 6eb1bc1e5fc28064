//! What answers, lost connections and time-outs do to batches: Kafka's `Sender.completeBatch`.

use super::application::answer_sends;
use super::batch::ProducerBatch;
use super::machine::{Call, Producer, SentBatch};
use crate::client::connections::InFlight;
use crate::client::io::{BatchDone, ClientCx, FailReason, Outcome};
use crate::client::wakeup::NEVER;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{NO_OFFSET, NodeId, Offset};
use stormglass_broker_core::protocol::{ProducePartitionResponse, Response};

impl Producer {
    /// Takes an answer.
    pub(crate) fn answered(
        &mut self,
        node: NodeId,
        correlation: u64,
        response: &Response,
        cx: &mut ClientCx<'_>,
    ) {
        let Some(request) = self.network.connections.answered(node, correlation) else { return };
        match (request.call, response) {
            (Call::Produce(sent), Response::Produce(answer)) => {
                if answer.throttle_ms > 0 {
                    self.network.connections.throttle(node, answer.throttle_ms, cx.now_ns);
                }
                for (sent, answer) in sent.into_iter().zip(&answer.partitions) {
                    self.produce_answered(sent, answer, cx);
                }
            }
            (Call::Metadata, Response::Metadata(answer)) => {
                self.network.view.update(answer, &mut self.network.draws, cx.now_ns);
                let count = self.network.view.topics().first().map_or(0, |t| t.partitions.len());
                self.accumulator.resize(count);
            }
            (Call::InitProducerId, Response::InitProducerId(answer)) => {
                if !self.idempotence.initialised(*answer) {
                    self.producer_id_failed(cx.now_ns);
                }
            }
            (Call::Transaction(call), response) => self.transaction_answered(call, response, cx),
            (call, _) => {
                debug_assert!(false, "an answer has its request's kind");
                self.call_lost(call, cx);
            }
        }
    }

    fn produce_answered(
        &mut self,
        sent: SentBatch,
        answer: &ProducePartitionResponse,
        cx: &mut ClientCx<'_>,
    ) {
        let at = sent.partition as usize;
        // gone when the delivery timeout was faster
        let Some(batch) = self.accumulator.partitions[at].take_in_flight(sent.tag) else { return };
        match answer.error {
            ErrorCode::None | ErrorCode::DuplicateSequenceNumber => {
                self.idempotence.acked(&mut self.accumulator.partitions[at], &batch);
                self.finish(at, batch, answer.base_offset, Outcome::Acked, cx);
                self.settle(at);
            }
            ErrorCode::MessageTooLarge if batch.records.len() > 1 => self.split(at, batch, cx),
            error => {
                self.learn_from_error(at, answer);
                let (idempotence, queue) =
                    (&mut self.idempotence, &mut self.accumulator.partitions[at]);
                if idempotence.can_retry(at, queue, &batch, answer) {
                    self.retry(at, batch, FailReason::RetriesExhausted(error), cx);
                } else {
                    self.idempotence.given_up(at, queue, &batch, true);
                    self.fail(at, batch, FailReason::Fatal(error), cx);
                }
                self.settle(at);
            }
        }
    }

    #[cold]
    fn learn_from_error(&mut self, at: usize, answer: &ProducePartitionResponse) {
        let stale = matches!(
            answer.error,
            ErrorCode::NotLeaderOrFollower
                | ErrorCode::LeaderNotAvailable
                | ErrorCode::FencedLeaderEpoch
                | ErrorCode::UnknownLeaderEpoch
                | ErrorCode::UnknownTopicOrPartition
                | ErrorCode::UnknownTopicId
                | ErrorCode::KafkaStorageError
        );
        if stale {
            self.network.view.want_refresh();
            if let Some(told) = answer.current_leader {
                self.network.view.hint(0, at, told);
            }
        }
    }

    /// A connection ended: everything in flight on it failed.
    #[cold]
    pub(crate) fn disconnected(&mut self, node: NodeId, cx: &mut ClientCx<'_>) {
        let network = &mut self.network;
        let lost = network.connections.disconnected(node, &mut network.draws, cx.now_ns);
        network.view.want_refresh();
        // the batch sent last goes back first, so that the earliest ends up at the front
        for InFlight { call, .. } in lost.into_iter().rev() {
            self.call_lost(call, cx);
        }
    }

    #[cold]
    fn call_lost(&mut self, call: Call, cx: &mut ClientCx<'_>) {
        match call {
            Call::Metadata => self.network.view.failed(&mut self.network.draws, cx.now_ns),
            Call::InitProducerId => self.producer_id_failed(cx.now_ns),
            Call::Transaction(call) => self.transaction_call_lost(call, cx.now_ns),
            Call::Produce(sent) => {
                for SentBatch { partition, tag } in sent {
                    let at = partition as usize;
                    let taken = self.accumulator.partitions[at].take_in_flight(tag);
                    if let Some(mut batch) = taken {
                        batch.ambiguous = true;
                        self.retry(at, batch, FailReason::Disconnected, cx);
                        self.settle(at);
                    }
                }
            }
        }
    }

    /// Puts a batch back, unless its time or tries are used up.
    #[cold]
    fn retry(
        &mut self,
        at: usize,
        mut batch: Box<ProducerBatch>,
        exhausted: FailReason,
        cx: &mut ClientCx<'_>,
    ) {
        let queue = &mut self.accumulator.partitions[at];
        let timed_out =
            batch.created_ns.saturating_add(self.config.delivery_timeout_ns) <= cx.now_ns;
        if timed_out || batch.sends > self.config.retries_max {
            let reason = if timed_out { FailReason::DeliveryTimeout } else { exhausted };
            self.idempotence.given_up(at, queue, &batch, false);
            self.fail(at, batch, reason, cx);
            return;
        }
        let backoff = self.config.connection.retry_backoff();
        let failures = batch.sends.saturating_sub(1);
        batch.retry_ns = cx.now_ns + backoff.after(failures, &mut self.network.draws);
        queue.put_back(batch, self.idempotence.enabled);
        self.accumulator.activate(at);
    }

    #[cold]
    fn split(&mut self, at: usize, mut batch: Box<ProducerBatch>, cx: &mut ClientCx<'_>) {
        cx.effects.marks.push("producer: batch split");
        let tag = self.accumulator.tag();
        let mut rest = Box::new(batch.split(tag, cx.shared.times()));
        // the halves go on at once, and in order even without idempotence
        rest.order = batch.order;
        (batch.retry_ns, rest.retry_ns) = (cx.now_ns, cx.now_ns);
        rest.sends = batch.sends;
        if let Some((tp, txn)) = self.tp(at).zip(self.transactions.as_mut()) {
            txn.wrote(tp, tag, 0, cx);
        }
        let queue = &mut self.accumulator.partitions[at];
        (rest.first_sent_ns, rest.broker) = (batch.first_sent_ns, batch.broker);
        queue.put_back(rest, self.idempotence.enabled);
        queue.put_back(batch, self.idempotence.enabled);
        self.accumulator.activate(at);
    }

    #[cold]
    fn fail(
        &mut self,
        at: usize,
        batch: Box<ProducerBatch>,
        reason: FailReason,
        cx: &mut ClientCx<'_>,
    ) {
        self.spoil_transaction();
        self.give_up(at, batch, reason, cx);
    }

    /// Ends a batch that the application has given up.
    pub(super) fn give_up(
        &mut self,
        at: usize,
        batch: Box<ProducerBatch>,
        reason: FailReason,
        cx: &mut ClientCx<'_>,
    ) {
        self.finish(at, batch, NO_OFFSET, |done| Outcome::Failed(done, reason), cx);
    }

    /// Ends a batch: memory is freed, the outcome told.
    pub(crate) fn finish(
        &mut self,
        at: usize,
        mut batch: Box<ProducerBatch>,
        base_offset: Offset,
        outcome: impl FnOnce(BatchDone) -> Outcome,
        cx: &mut ClientCx<'_>,
    ) {
        self.accumulator.release(&batch, &self.config);
        self.intake.completed(cx.now_ns, batch.records.len() as u64);
        if let Some(tp) = self.tp(at) {
            let contents = std::mem::take(&mut batch.contents);
            let outcome = outcome(batch.finish(tp, base_offset, cx.now_ns));
            if !contents.is_empty() {
                answer_sends(contents, &outcome, cx);
            }
            cx.effects.outcomes.push(outcome);
        }
    }

    fn settle(&mut self, at: usize) {
        if self.idempotence.enabled {
            self.idempotence.resolve(at, &mut self.accumulator.partitions[at]);
        }
    }

    /// Fails batches older than the delivery timeout, sent or not.
    pub(crate) fn expire_batches(&mut self, cx: &mut ClientCx<'_>) {
        if cx.now_ns < self.expiry_floor_ns {
            return;
        }
        let timeout_ns = self.config.delivery_timeout_ns;
        let mut floor_ns = NEVER;
        for at in 0..self.accumulator.partitions.len() {
            loop {
                let queue = &mut self.accumulator.partitions[at];
                let is_due = |batch: &ProducerBatch| {
                    batch.created_ns.saturating_add(timeout_ns) <= cx.now_ns
                };
                let batch = if let Some(position) =
                    queue.in_flight.iter().position(|batch| is_due(batch))
                {
                    queue.in_flight.remove(position)
                } else if let Some(position) = queue.waiting.iter().position(|batch| is_due(batch))
                {
                    queue.waiting.remove(position)
                } else {
                    break;
                };
                let Some(mut batch) = batch else { break };
                batch.ambiguous |= batch.sends > 0;
                self.idempotence.given_up(at, queue, &batch, false);
                self.fail(at, batch, FailReason::DeliveryTimeout, cx);
                self.settle(at);
            }
            let queue = &self.accumulator.partitions[at];
            let ages = queue.in_flight.iter().chain(&queue.waiting).map(|batch| batch.created_ns);
            floor_ns = floor_ns.min(ages.min().map_or(NEVER, |ns| ns.saturating_add(timeout_ns)));
        }
        self.expiry_floor_ns = floor_ns;
    }
}
