//! The end of a run: what should be there is compared with what is.

use super::Checkers;
use crate::checkers::compaction::Keys;
use crate::checkers::copies::{self, Copied};
use crate::checkers::final_state::{FinalPartition, FinalState};
use crate::checkers::transactions::Transactions;
use crate::checkers::{acked_loss, consumed, high_watermark};

/// Replicas are away for longer than this in storms, ns.
const FORGOTTEN_SOON_NS: u64 = 10_000_000_000;

impl Checkers {
    /// What is committed by now has to reach every group before the run ends.
    pub fn deadline(&mut self) {
        for partition in &mut self.partitions {
            partition.due = Some(partition.exposed());
        }
    }

    /// The run is over: compares what should be there with what is.
    pub fn final_state(&mut self, now_ns: u64, state: &FinalState<'_>) {
        self.ledger.now_ns = now_ns;
        // a transaction whose coordinator has lost records may never end, in Kafka as here (hunt seed 168)
        if state.drained && !self.transactions.as_ref().is_some_and(|t| t.is_void) {
            consumed::check_producers(&mut self.ledger, state);
        }
        if let Some(transactions) = &self.transactions {
            let of = |last: &FinalPartition<'_>| self.index.get(last.tp);
            let indices: Vec<Option<usize>> = state.partitions.iter().map(of).collect();
            let label = |at: &Option<usize>| at.map_or("", |at| &self.partitions[at].label);
            let labels: Vec<&str> = indices.iter().map(label).collect();
            transactions.check_final(&mut self.ledger, state, &labels);
        }
        let returns = self.members_may_return();
        for last in &state.partitions {
            let at = self.partition(last.tp);
            let (p, ledger) = (&self.partitions[at], &mut self.ledger);
            if let Some(log) = last.log {
                high_watermark::check_final(p, ledger, last.high_watermark);
                self.lost_records += acked_loss::check_final(p, ledger, log);
            }
            if state.drained {
                // a transaction that has lost its coordinator's record, or its marker, stays open
                let now_ns = ledger.now_ns;
                let may_hang = |t: &Transactions| t.may_hang(&p.label, now_ns);
                let lost = self.transactions.as_deref().is_some_and(may_hang);
                let waits_for_ever = |group: usize| {
                    lost && self.read_committed[group]
                        || returns && self.with_members[group]
                        || self.ownership.is_left_alone(group, last.tp)
                };
                consumed::check_final(p, ledger, (state, last), waits_for_ever);
            }
        }
    }

    /// Whether members that have left may be back: a coordinator that was away while their removal was compacted
    /// away gives them partitions, and one that knows of the removal sees no reason to share out anew, in Kafka
    /// as here (hunt seed 910201).
    fn members_may_return(&self) -> bool {
        let of = self.positions.iter().filter_map(|at| self.partitions[*at].keys.as_ref());
        of.filter_map(Keys::forgets_after).any(|after_ns| after_ns < FORGOTTEN_SOON_NS)
    }

    /// What applications promise of their copies, unless Kafka promises nothing of what they rest on, or
    /// the log cleaner takes records of it away.
    pub(crate) fn copies(&mut self, copied: &Copied<'_>, state: &FinalState<'_>) {
        let tps = copied.from.iter().chain(&copied.to);
        let of: Vec<_> = tps.map(|tp| (*tp, self.partition(*tp))).collect();
        let Self { ledger, partitions, transactions, .. } = self;
        let now_ns = ledger.now_ns;
        let is_void = |at: &usize| {
            let p = &partitions[*at];
            let may_hang = |known: &Transactions| known.may_hang(&p.label, now_ns);
            p.void.is_some() || p.was_unclean() || transactions.as_deref().is_some_and(may_hang)
        };
        let own = of.iter().map(|(_, at)| at);
        let mut rests_on = own.clone().chain(&self.coordinators).chain(&self.positions);
        let mut own = own.map(|at| &partitions[*at]);
        if self.positions_void || rests_on.any(is_void) || own.any(|p| p.keys.is_some()) {
            return;
        }
        let at = |tp| of.iter().find(|(known, _)| *known == tp).expect("a copied partition").1;
        copies::check_final(ledger, copied, state, &|tp| partitions[at(tp)].about());
    }
}
