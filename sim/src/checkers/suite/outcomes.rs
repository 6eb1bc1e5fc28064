//! What clients tell: each outcome goes to the checkers that it concerns.

use super::Checkers;
use crate::checkers::acked_loss::{self, Acked};
use crate::checkers::ownership::Group;
use crate::checkers::{commits, high_watermark, isr_rules, one_value};
use crate::client::Outcome;

impl Checkers {
    /// An outcome of a client of producer group `producer` (index into the plan).
    pub fn produced(&mut self, now_ns: u64, producer: usize, outcome: &Outcome) {
        if let (Outcome::Transaction(step), Some(transactions)) = (outcome, &mut self.transactions)
        {
            transactions.step(now_ns, *step);
        }
        let Outcome::Acked(done) = outcome else { return };
        self.ledger.now_ns = now_ns;
        let acks_all = self.acks_all[producer];
        let at = self.partition(done.tp);
        let (p, ledger) = (&mut self.partitions[at], &mut self.ledger);
        let Some(acked) = Acked::of(p, done) else { return };
        one_value::acked(p, ledger, &acked);
        acked_loss::acked(p, ledger, &acked, acks_all);
        if acks_all {
            isr_rules::acked(p, ledger, done);
        }
    }

    /// An outcome of a client of consumer group `consumer` (index into the plan).
    pub fn consumed(&mut self, now_ns: u64, consumer: usize, outcome: &Outcome) {
        self.ledger.now_ns = now_ns;
        let tp = match outcome {
            Outcome::PositionFound { tp, .. }
            | Outcome::Delivered { tp, .. }
            | Outcome::Skipped { tp, .. }
            | Outcome::OffsetReset { tp, .. }
            | Outcome::CommitSent { tp, .. }
            | Outcome::Committed { tp, .. }
            | Outcome::TruncationDetected { tp, .. } => *tp,
            Outcome::Assigned { .. } | Outcome::Holds { .. } | Outcome::Released { .. } => {
                let is_stale = self.coordinator_may_be_stale();
                let is_told = matches!(outcome, Outcome::Assigned { .. });
                let group = Group {
                    index: consumer,
                    name: &self.groups[consumer],
                    is_void: self.positions_void,
                    is_in_doubt: self.positions_void || is_stale,
                    reign: is_told.then(|| self.reign_of(&self.groups[consumer])).flatten(),
                };
                return self.ownership.outcome(&mut self.ledger, &group, outcome);
            }
            _ => return,
        };
        let at = self.partition(tp);
        let asks = matches!(outcome, Outcome::PositionFound { .. });
        let positions_void = self.positions_void || (asks && self.coordinator_may_be_stale());
        let (p, ledger) = (&mut self.partitions[at], &mut self.ledger);
        let Some(reader) = p.readers.iter().position(|reader| reader.group == consumer) else {
            return;
        };
        match outcome {
            Outcome::PositionFound { offset, committed, asked_ns, .. } => {
                let told = (*committed, *asked_ns);
                commits::found(p, ledger, (reader, *offset), told, positions_void);
                p.readers[reader].found(*offset, *committed, positions_void);
            }
            Outcome::CommitSent { offset, .. } => commits::sent(&mut p.readers[reader], *offset),
            Outcome::Committed { offset, .. } => {
                commits::acked(p, ledger, (reader, *offset), self.with_members[consumer]);
            }
            Outcome::OffsetReset { to, .. } => p.readers[reader].reset(*to),
            Outcome::TruncationDetected { to, .. } => p.readers[reader].truncated(*to),
            Outcome::Delivered { batch, first_offset, count, .. } => {
                let mut hint = p.readers[reader].hint;
                one_value::delivered(p, ledger, (batch, &mut hint));
                let next = first_offset + i64::from(*count);
                high_watermark::delivered(p, ledger, next);
                p.readers[reader].hint = hint;
                // what compaction has removed is no hole
                let jumps = p.keys.is_some().then_some(p.readers[reader].reached).flatten();
                let from = jumps.map_or(*first_offset, |reached| reached.min(*first_offset));
                p.readers[reader].delivered(from, next);
                if let Some(transactions) = &mut self.transactions {
                    transactions.delivered(ledger, (consumer, &p.label), batch);
                }
            }
            Outcome::Skipped { batch, first_offset, next, .. } => {
                let jumps = p.keys.is_some().then_some(p.readers[reader].reached).flatten();
                let from = jumps.map_or(*first_offset, |reached| reached.min(*first_offset));
                p.readers[reader].delivered(from, *next);
                if let Some(transactions) = &mut self.transactions {
                    transactions.skipped(ledger, (consumer, &p.label), batch);
                }
            }
            _ => {}
        }
    }
}
