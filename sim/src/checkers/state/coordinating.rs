//! A broker coordinates the transactions of what it leads of `__transaction_state`. What it has found in a log counts once
//! all of it is committed, and then at once: what is not may be lost with this leader, and be decided otherwise by the
//! next one (hunt seed 1011714). What a coordinator of groups has found counts at once, committed or not; but all of it
//! has to be on the disk, as there is nothing to read before.

use super::metadata::says;
use super::{Moment, NodeView};
use crate::checkers::ledger::Ledger;
use crate::checkers::suite::{OFFSETS_TOPIC, TRANSACTIONS_TOPIC};
use std::collections::BTreeSet;
use stormglass_broker_core::ids::Offset;
use stormglass_broker_core::inspect::{ReplicaView, TransactionView, TransactionsLogView};

/// A coordinator of groups that has read all of a log has read what was there as its leader's epoch began.
pub(super) fn has_read(ledger: &mut Ledger, view: &NodeView<'_>) {
    for at in view.broker.coordinated().into_iter().filter(|at| at.is_loaded) {
        let Some(log) = view.offsets_log(at.partition) else { continue };
        let Some(lead) = log.lead.as_ref().filter(|_| log.leader_epoch == at.epoch) else {
            continue;
        };
        let (begins, end) = (lead.epoch_start, log.log.log_end_offset());
        is_whole(ledger, (view.node, at.partition), (begins, end));
    }
}

fn is_whole(ledger: &mut Ledger, (node, partition): (i32, i32), (begins, end): (Offset, Offset)) {
    says(ledger, OFFSETS_TOPIC, end >= begins, &|| {
        format!(
            "coordinator {node} has read its log of partition {partition}, of which the disk has what is below {end}, \
             and its epoch begins at {begins}"
        )
    });
}

/// A coordinator of transactions, between two inputs.
pub(super) fn look(ledger: &mut Ledger, view: &NodeView<'_>, moment: Moment) {
    let Some(image) = view.broker.metadata().filter(|_| view.broker.applies_metadata()) else {
        return;
    };
    let topic = image.topic_named(TRANSACTIONS_TOPIC).map(|topic| topic.id);
    let of_topic = |replica: &ReplicaView<'_>| Some(replica.tp.topic) == topic;
    let led = view.broker.replica_views().filter(|of| of.lead.is_some() && of_topic(of));
    let led: BTreeSet<_> = led.map(|replica| (replica.tp, replica.leader_epoch)).collect();
    let logs = view.broker.transactions_logs();
    let has: BTreeSet<_> = logs.iter().map(|log| (log.tp, log.epoch)).collect();
    says(ledger, TRANSACTIONS_TOPIC, led == has, &|| {
        format!(
            "broker {} leads partitions {led:?} of __transaction_state (with their epochs), and coordinates {has:?}",
            view.node
        )
    });
    for log in logs {
        if let Some(replica) = view.broker.replica_view(log.tp) {
            counts(ledger, view.node, &log, is_committed(&replica, &log));
        }
        says(ledger, TRANSACTIONS_TOPIC, log.is_loaded || moment != Moment::Drained, &|| {
            format!("broker {} still loads {log:?}", view.node)
        });
    }
}

/// A coordinator has told leaders of ends as it has written them. `otherwise`: those by which it went, and what it has
/// written.
pub(super) fn as_written(
    ledger: &mut Ledger,
    node: i32,
    otherwise: &[(TransactionView, TransactionView)],
) {
    says(ledger, TRANSACTIONS_TOPIC, otherwise.is_empty(), &|| {
        let first = otherwise.first();
        let (goes_by, written) = (first.map(|of| &of.0), first.map(|of| &of.1));
        format!("coordinator {node} ends a transaction by {goes_by:?}, and has written {written:?}")
    });
}

/// Whether all that a leader has found in its log is committed; `None`: it leads in another epoch, or no more.
fn is_committed(replica: &ReplicaView<'_>, log: &TransactionsLogView) -> Option<bool> {
    let lead = replica.lead.as_ref().filter(|_| replica.leader_epoch == log.epoch)?;
    Some(replica.high_watermark >= lead.epoch_start)
}

fn counts(ledger: &mut Ledger, node: i32, log: &TransactionsLogView, is_committed: Option<bool>) {
    let Some(is_committed) = is_committed else { return };
    says(ledger, TRANSACTIONS_TOPIC, is_committed || !log.is_loaded, &|| {
        format!("coordinator {node} goes by what is not committed: {log:?}")
    });
    says(ledger, TRANSACTIONS_TOPIC, !is_committed || !log.is_stalled, &|| {
        format!(
            "coordinator {node} waits for what it has found to be committed, which it is: {log:?}"
        )
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::testing::tp;
    use stormglass_broker_core::protocol::{ProducerIdAndEpoch, TransactionState};

    #[test]
    fn ends_are_as_they_are_written() {
        let end = |next_producer_id| TransactionView {
            producer: ProducerIdAndEpoch { id: 7, epoch: i16::MAX },
            state: TransactionState::PrepareCommit,
            partitions: Vec::new(),
            began_ms: 500,
            timeout_ms: 60,
            is_epoch_each: true,
            previous_producer_id: Some(-1),
            next_producer_id,
        };
        let broken = |otherwise: &[(TransactionView, TransactionView)]| {
            let mut ledger = Ledger::default();
            as_written(&mut ledger, 1, otherwise);
            ledger.finish().1.len()
        };
        assert_eq!((broken(&[]), broken(&[(end(Some(9)), end(None))])), (0, 1));
    }

    #[test]
    fn a_log_is_read_when_the_disk_has_what_was_there() {
        let broken = |begins, end| {
            let mut ledger = Ledger::default();
            is_whole(&mut ledger, (1, 0), (begins, end));
            ledger.finish().1.len()
        };
        assert_eq!((broken(9, 9), broken(9, 12), broken(9, 8)), (0, 0, 1));
    }

    fn broken((is_loaded, is_stalled): (bool, bool), is_committed: Option<bool>) -> usize {
        let mut ledger = Ledger::default();
        let log = TransactionsLogView { tp: tp(0), epoch: 3, is_loaded, is_stalled };
        counts(&mut ledger, 1, &log, is_committed);
        ledger.finish().1.len()
    }

    #[test]
    fn what_a_log_says_counts_when_it_is_committed() {
        assert_eq!(broken((true, false), Some(true)), 0);
        assert_eq!(broken((false, true), Some(false)), 0, "it waits");
        assert_eq!(broken((false, false), Some(true)), 0, "it reads");
        assert_eq!(broken((true, false), Some(false)), 1);
        assert_eq!(broken((false, true), Some(true)), 1);
        assert_eq!(broken((false, true), None), 0);
    }
}
