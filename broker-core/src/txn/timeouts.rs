//! Transactions that take longer than their producers have said are aborted; transactional ids that
//! nobody has used for `transactional.id.expiration.ms` are forgotten.

use super::coordinator::{Cx, Then, TransactionCoordinator};
use crate::plant::{Plant, planted};
use crate::seam::{TimerKey, TraceEvent};
use crate::step::Step;
use crate::time::Instant;
use std::sync::Arc;

/// When to look.
#[derive(Debug, Default)]
pub(super) struct Timeouts {
    is_armed: bool,
    /// When unused ids are looked for next.
    expiry_at: Option<Instant>,
}

impl TransactionCoordinator {
    /// Open transactions that nothing will look at: the timer is not armed.
    pub(crate) fn unwatched(&self) -> usize {
        if self.timeouts.is_armed {
            return 0;
        }
        let loaded = self.partitions.values().filter(|partition| partition.loading.is_none());
        let all = loaded.flat_map(|partition| partition.transactions.values());
        all.filter(|transaction| transaction.is_late(i64::MAX)).count()
    }

    /// Looks from now on, as there are transactions to look at.
    pub(super) fn arm_timeouts(&mut self, step: &mut Step<'_>) {
        if !std::mem::replace(&mut self.timeouts.is_armed, true) {
            step.timer(step.now + self.limits.timeout_check, TimerKey::TxnTimeouts);
            self.timeouts.expiry_at = Some(step.now + self.limits.expiration_check);
        }
    }

    /// Timer.
    pub(crate) fn timeouts_due(&mut self, cx: &mut Cx<'_, '_>) {
        self.timeouts.is_armed = false;
        self.abort_late(cx);
        if self.timeouts.expiry_at.is_some_and(|at| at <= cx.step.now) {
            self.forget_unused(cx);
            self.timeouts.expiry_at = None;
        }
        let once = planted(cx.replicas.config.plant, Plant::TransactionTimerOnce);
        if !self.partitions.is_empty() && !once {
            let expiry_at = self.timeouts.expiry_at;
            self.arm_timeouts(cx.step);
            self.timeouts.expiry_at = expiry_at.or(self.timeouts.expiry_at);
        }
    }

    fn abort_late(&mut self, cx: &mut Cx<'_, '_>) {
        let wall_ms = cx.step.wall_ms;
        let unfenced = planted(cx.replicas.config.plant, Plant::TimeoutWithoutFence);
        let mut late = Vec::new();
        for (index, partition) in self.partitions.iter_mut().filter(|(_, p)| p.loading.is_none()) {
            for (id, transaction) in &mut partition.transactions {
                if transaction.is_late(wall_ms) {
                    let values = match unfenced {
                        true => transaction.abort_in_epoch(wall_ms),
                        false => transaction.fence(wall_ms),
                    };
                    late.push((*index, Arc::clone(id), values));
                }
            }
        }
        for (index, id, values) in late {
            cx.step.trace(TraceEvent::Mark("transaction-timed-out"));
            self.write(cx, index, &id, Some(values), Then::Fenced(None));
        }
    }

    fn forget_unused(&mut self, cx: &mut Cx<'_, '_>) {
        let oldest_ms = cx.step.wall_ms.saturating_sub(self.limits.expiration_ms);
        let mut unused = Vec::new();
        for (index, partition) in self.partitions.iter_mut().filter(|(_, p)| p.loading.is_none()) {
            for (id, transaction) in &mut partition.transactions {
                if transaction.is_unused(oldest_ms) {
                    transaction.is_changing = true;
                    unused.push((*index, Arc::clone(id)));
                }
            }
        }
        for (index, id) in unused {
            self.write(cx, index, &id, None, Then::Forgotten);
        }
    }
}
