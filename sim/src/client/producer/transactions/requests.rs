//! What a producer asks of its transactions' coordinator, and how it finds that.

use super::{Coordinator, Stage, TransactionCall, tell};
use crate::client::io::{ClientCx, TransactionStep};
use crate::client::producer::batch::ProducerId;
use crate::client::producer::machine::{Call, Producer};
use crate::client::wakeup::NEVER;
use stormglass_broker_core::ids::{NodeId, TopicPartition};
use stormglass_broker_core::protocol::{
    AddPartitionsToTxnRequest, CoordinatorKind, EndTxnRequest, FindCoordinatorRequest,
    InitProducerIdRequest, ProducerIdAndEpoch, Request, TransactionalId, TxnPartitions,
};

impl Producer {
    pub(super) fn ask_coordinator(&mut self, cx: &mut ClientCx<'_>) -> u64 {
        let Some((call, request)) = self.next_request(cx) else { return NEVER };
        let node = match self.transaction_coordinator(cx) {
            Ok(node) => node,
            Err(retry_ns) => return retry_ns,
        };
        let Some(txn) = self.transactions.as_mut() else { return NEVER };
        if txn.retry_ns > cx.now_ns {
            return txn.retry_ns;
        }
        txn.is_asked = true;
        match (call, &request) {
            (TransactionCall::AddPartitions | TransactionCall::AddOffsets, _) => {
                txn.is_known = true
            }
            (TransactionCall::End, Request::EndTxn(EndTxnRequest { commit: true, .. })) => {
                tell(TransactionStep::CommitSent { number: txn.number }, cx);
            }
            _ => {}
        }
        cx.effects.cpu_ns += self.costs.request_ns;
        self.network.connections.send(node, request, Some(Call::Transaction(call)), cx);
        NEVER
    }

    /// What has to be asked of the coordinator now, if anything.
    fn next_request(&mut self, cx: &mut ClientCx<'_>) -> Option<(TransactionCall, Request)> {
        let is_quiet = self.is_quiet();
        let topic = self.network.view.topics().first().and_then(|topic| topic.id);
        let txn = self.transactions.as_mut()?;
        if txn.is_asked {
            return None;
        }
        let id = txn.id();
        let held = self.idempotence.producer;
        let producer = ProducerIdAndEpoch { id: held.id, epoch: held.epoch };
        match txn.stage {
            Stage::Ready => None,
            Stage::Init if txn.waits_to_begin() => None,
            Stage::Init => {
                let timeout_ms = txn.setup.timeout_ms;
                let held = txn.held.unwrap_or(ProducerId::NONE);
                let request = InitProducerIdRequest {
                    transactional: Some(Box::new(TransactionalId { id, timeout_ms })),
                    producer_id: held.id,
                    producer_epoch: held.epoch,
                };
                Some((TransactionCall::Init, Request::InitProducerId(request)))
            }
            Stage::Ending { commit } if is_quiet && txn.has_sent_offsets() => {
                if !txn.is_known {
                    self.transaction_ended(cx);
                    return None;
                }
                let rules = txn.rules();
                let request = EndTxnRequest { transactional_id: id, producer, commit, rules };
                Some((TransactionCall::End, Request::EndTxn(request)))
            }
            Stage::Ending { commit: false } => None,
            Stage::Open | Stage::Ending { .. } => {
                let partitions = &self.accumulator.partitions;
                let waits = |at: &&u32| !partitions[**at as usize].waiting.is_empty();
                let active = self.accumulator.active.iter().filter(waits);
                let missing = active.filter(|at| !txn.allows(**at));
                txn.adding = missing.copied().collect();
                txn.adding.sort_unstable();
                if txn.adding.is_empty() {
                    return Self::add_offsets_request(txn, producer);
                }
                let topic = topic?;
                let index = |at: &u32| i32::try_from(*at).unwrap_or(i32::MAX);
                let partitions =
                    txn.adding.iter().map(|at| TopicPartition::new(topic, index(at))).collect();
                let transactions = vec![TxnPartitions {
                    transactional_id: id,
                    producer,
                    verify_only: false,
                    partitions,
                }];
                let request = AddPartitionsToTxnRequest { transactions, by_broker: false };
                Some((TransactionCall::AddPartitions, Request::AddPartitionsToTxn(request)))
            }
        }
    }

    /// The coordinator, connected; otherwise works towards it and says when to come back, ns.
    fn transaction_coordinator(&mut self, cx: &mut ClientCx<'_>) -> Result<NodeId, u64> {
        let Some(txn) = self.transactions.as_mut() else { return Err(NEVER) };
        match txn.coordinator {
            Coordinator::Known(node) => {
                let ready = self.network.coordinator_ready(node, cx);
                ready.unwrap_or_else(|| Err(self.lose_transaction_coordinator(cx.now_ns)))
            }
            Coordinator::Asked => Err(NEVER),
            Coordinator::Unknown { retry_ns } if retry_ns > cx.now_ns => Err(retry_ns),
            Coordinator::Unknown { .. } => {
                let keys = vec![txn.id()];
                let node = self.network.any_ready(cx)?;
                let request = FindCoordinatorRequest { kind: CoordinatorKind::Transaction, keys };
                let request = Request::FindCoordinator(request);
                let call = Call::Transaction(TransactionCall::FindCoordinator);
                self.network.connections.send(node, request, Some(call), cx);
                txn.coordinator = Coordinator::Asked;
                Err(NEVER)
            }
        }
    }

    /// The coordinator must be looked for; from when on, ns.
    pub(super) fn lose_transaction_coordinator(&mut self, now_ns: u64) -> u64 {
        let retry_ns = now_ns + self.transaction_backoff();
        if let Some(txn) = self.transactions.as_mut() {
            txn.coordinator = Coordinator::Unknown { retry_ns };
        }
        retry_ns
    }

    pub(super) fn transaction_backoff(&mut self) -> u64 {
        let backoff = self.config.connection.retry_backoff();
        let Some(txn) = self.transactions.as_mut() else { return 0 };
        let wait_ns = backoff.after(txn.failures, &mut self.network.draws);
        txn.failures = txn.failures.saturating_add(1);
        wait_ns
    }
}
