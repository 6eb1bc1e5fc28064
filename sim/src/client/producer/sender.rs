//! Which batches go out now: Kafka's `Sender` and `RecordAccumulator.ready` and `drain`.
//!
//! A broker is ready when some partition that it leads has a batch that is full, has lingered, or
//! has waited out its back-off. Then the first batch of *every* partition led by it is taken, one
//! per partition, up to `max.request.size`.

use super::accumulator::PartitionQueue;
use super::batch::ProducerBatch;
use super::machine::{Call, Producer, SentBatch};
use crate::client::io::{ClientCx, Outcome};
use crate::client::wakeup::NEVER;
use stormglass_broker_core::ids::{NO_EPOCH, NO_OFFSET, NodeId};
use stormglass_broker_core::protocol::{
    Acks, ProducePartition, ProduceRequest, Request, TransactionalProduceRequest,
};
use stormglass_broker_core::records::Records;

impl Producer {
    /// Sends everything that can be sent. When to come back for what waits already, ns.
    pub(crate) fn send_ready(&mut self, cx: &mut ClientCx<'_>) -> u64 {
        let id_wake_ns = match self.transactions {
            None => self.ensure_producer_id(cx),
            Some(_) => self.transact(cx),
        };
        loop {
            self.apply_bumps(cx);
            self.accumulator.prune();
            if self.accumulator.active.is_empty() {
                return id_wake_ns;
            }
            let mut ready = std::mem::take(&mut self.ready_scratch);
            let wake_ns = self.find_ready(&mut ready, cx);
            let mut sent = 0;
            for node in ready.drain(..) {
                sent += self.drain(node, cx);
            }
            self.ready_scratch = ready;
            if sent == 0 {
                return wake_ns.min(id_wake_ns);
            }
        }
    }

    fn find_ready(&mut self, ready: &mut Vec<NodeId>, cx: &mut ClientCx<'_>) -> u64 {
        let mut wake_ns = NEVER;
        for at in 0..self.accumulator.active.len() {
            let partition = self.accumulator.active[at] as usize;
            let queue = &self.accumulator.partitions[partition];
            let Some(first) = queue.waiting.front() else { continue };
            let known = self.network.view.partition(0, partition);
            let Some(leader) = known.and_then(|known| known.leader) else {
                self.network.view.want_refresh();
                continue;
            };
            if ready.contains(&leader) || !self.may_send(partition, queue, first) {
                continue;
            }
            let epoch = known.map_or(NO_EPOCH, |known| known.epoch);
            let batch_ns = self.ready_ns(queue, first, epoch);
            let node_ns = self.network.connections.sendable_ns(leader, self.config.in_flight_max);
            if batch_ns.max(node_ns) > cx.now_ns {
                wake_ns = wake_ns.min(batch_ns.max(node_ns));
                continue;
            }
            match self.network.ready(leader, cx) {
                Ok(node) => ready.push(node),
                Err(retry_ns) => wake_ns = wake_ns.min(retry_ns),
            }
        }
        wake_ns
    }

    /// When a partition's first waiting batch makes its leader worth a request.
    fn ready_ns(&self, queue: &PartitionQueue, first: &ProducerBatch, leader_epoch: i32) -> u64 {
        if first.sends > 0 {
            // a new leader needs no back-off (KIP-951)
            return if leader_epoch > first.sent_epoch { 0 } else { first.retry_ns };
        }
        let now = self.flushing
            || first.closed
            || queue.waiting.len() > 1
            || (self.intake.is_blocked() && self.intake.exhausted);
        if now { 0 } else { first.created_ns.saturating_add(self.config.linger_ns) }
    }

    fn may_send(&self, at: usize, queue: &PartitionQueue, first: &ProducerBatch) -> bool {
        if let Some(transactions) = &self.transactions
            && !transactions.allows(u32::try_from(at).unwrap_or(u32::MAX))
        {
            return false;
        }
        if self.config.in_flight_max == 1 && !queue.in_flight.is_empty() {
            return false;
        }
        self.idempotence.allows(queue, first)
    }

    /// Sends one request to a broker. How many batches it carries.
    fn drain(&mut self, node: NodeId, cx: &mut ClientCx<'_>) -> usize {
        let mut chosen = std::mem::take(&mut self.drain_scratch);
        chosen.clear();
        self.drainable(node, cx.now_ns, &mut chosen);
        let mut request = Vec::with_capacity(chosen.len());
        let mut sent = Vec::with_capacity(chosen.len());
        let mut bytes = 0u64;
        for partition in &chosen {
            let at = *partition as usize;
            let size = self.accumulator.partitions[at].waiting.front().map_or(0, |b| b.size_bytes);
            let is_full = bytes + u64::from(size) > u64::from(self.config.request_bytes_max);
            if !sent.is_empty() && (is_full || sent.len() >= self.partitions_max()) {
                self.drain_start = at;
                break;
            }
            bytes += u64::from(size);
            let Some(part) = self.take_first(at, node, cx) else { continue };
            sent.push(part.1);
            request.push(part.0);
            self.drain_start = at + 1;
        }
        self.drain_scratch = chosen;
        let count = sent.len();
        if count > 0 {
            self.send_produce(node, request, sent, cx);
        }
        count
    }

    fn partitions_max(&self) -> usize {
        self.config.request_partitions_max as usize
    }

    /// Partitions led by a broker whose first batch can go, from the rotating start.
    fn drainable(&self, node: NodeId, now_ns: u64, chosen: &mut Vec<u32>) {
        for partition in &self.accumulator.active {
            let at = *partition as usize;
            let known = self.network.view.partition(0, at);
            let Some(known) = known.filter(|known| known.leader == Some(node)) else { continue };
            let queue = &self.accumulator.partitions[at];
            let Some(first) = queue.waiting.front() else { continue };
            let backing_off = first.sends > 0 && self.ready_ns(queue, first, known.epoch) > now_ns;
            if !backing_off && self.may_send(at, queue, first) {
                chosen.push(*partition);
            }
        }
        let start = u32::try_from(self.drain_start).unwrap_or(0);
        chosen.sort_unstable_by_key(|partition| (*partition < start, *partition));
    }

    fn take_first(
        &mut self,
        at: usize,
        node: NodeId,
        cx: &mut ClientCx<'_>,
    ) -> Option<(ProducePartition, SentBatch)> {
        let known = self.network.view.partition(0, at)?;
        let tp = self.tp(at)?;
        let queue = &mut self.accumulator.partitions[at];
        let mut batch = queue.waiting.pop_front()?;
        batch.closed = true;
        if batch.order == 0 {
            self.idempotence.assign(queue, &mut batch);
            batch.order = queue.next_order;
            queue.next_order += 1;
            if let Some(transactions) = &mut self.transactions {
                batch.is_transactional = true;
                transactions.wrote(tp, batch.tag, batch.records.len(), cx);
            }
        }
        let built = batch.build(self.config.keys, cx);
        batch.sends += 1;
        batch.sent_ns = cx.now_ns;
        if batch.sends == 1 {
            batch.first_sent_ns = cx.now_ns;
        }
        batch.sent_epoch = known.epoch;
        batch.broker = node;
        batch.correlation = self.network.connections.next_correlation();
        cx.effects.cpu_ns += self.costs.batch_ns;
        let sent = SentBatch { partition: u32::try_from(at).unwrap_or(u32::MAX), tag: batch.tag };
        // a retry goes before the batches that were sent first after it
        if queue.in_flight.back().is_none_or(|last| last.order < batch.order) {
            queue.in_flight.push_back(batch);
        } else {
            let position = queue.in_flight.iter().take_while(|b| b.order < batch.order).count();
            queue.in_flight.insert(position, batch);
        }
        Some((ProducePartition { tp, records: Records::single(built) }, sent))
    }

    fn send_produce(
        &mut self,
        node: NodeId,
        partitions: Vec<ProducePartition>,
        sent: Vec<SentBatch>,
        cx: &mut ClientCx<'_>,
    ) {
        cx.effects.cpu_ns += self.costs.request_ns;
        let (acks, timeout_ms) = (self.config.acks, self.config.produce_timeout_ms);
        let request = ProduceRequest { acks, timeout_ms, partitions };
        let request = match &self.transactions {
            None => Request::Produce(request),
            Some(transactions) => {
                Request::TransactionalProduce(Box::new(TransactionalProduceRequest {
                    transactional_id: transactions.id(),
                    rules: transactions.rules(),
                    produce: request,
                }))
            }
        };
        if acks != Acks::None {
            self.network.connections.send(node, request, Some(Call::Produce(sent)), cx);
            return;
        }
        self.network.connections.send(node, request, None, cx);
        for SentBatch { partition, tag } in sent {
            let at = partition as usize;
            if let Some(batch) = self.accumulator.partitions[at].take_in_flight(tag) {
                self.finish(at, batch, NO_OFFSET, Outcome::Acked, cx);
            }
        }
    }
}
