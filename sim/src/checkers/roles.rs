//! Elections, ISR changes and high watermarks of one partition.

use super::history::Turn;
use super::ledger::Ledger;
use super::partition::Partition;
use super::void::Void;
use super::{completeness, high_watermark, isr_rules, one_leader, one_value};
use stormglass_broker_core::ids::{LeaderEpoch, NodeId, Offset};

/// A replica leads.
pub(crate) fn leads(
    p: &mut Partition,
    ledger: &mut Ledger,
    (at, epoch): (usize, LeaderEpoch),
    (start, isr): (Offset, &[NodeId]),
) {
    let replica = &mut p.replicas[at];
    let node = replica.node;
    // its log ends there, whatever it had before: one of which cleaning left nothing below a cut, or rot nothing
    // above, ends earlier after a restart (hunt seeds 1301306, 1302863)
    replica.log.truncate(start);
    if !replica.known {
        if start > replica.log.end() {
            replica.log.restart(start); // filled before the run, or by a life that nobody saw
        }
        replica.known = true;
    }
    replica.lead_isr = (epoch, isr.to_vec());
    replica.leads = Some(epoch);
    replica.lead_start = start;
    replica.turned = true;
    if replica.cut_deep {
        p.guessed_in.insert(epoch);
    }
    p.history.push(ledger.now_ns, node, Turn::Leads { epoch, start, isr: isr.to_vec() });
    let is_newest = epoch >= p.newest().0;
    one_leader::leads(p, ledger, node, epoch);
    isr_rules::committed(p, ledger, NodeId(node), isr);
    if is_newest {
        completeness::leads(p, ledger, at, epoch);
        p.follow_new_leader(ledger.now_ns, at, epoch);
        if !p.isr_from_controller {
            p.set_isr(isr);
        }
    } else {
        p.leads_late(ledger.now_ns, at, epoch);
    }
}

/// A leader knows of a committed ISR.
pub(crate) fn isr_committed(
    p: &mut Partition,
    ledger: &mut Ledger,
    (at, epoch): (usize, LeaderEpoch),
    (old, isr): (&[NodeId], &[NodeId]),
) {
    let node = p.replicas[at].node;
    p.history.push(ledger.now_ns, node, Turn::Isr { epoch, isr: isr.to_vec() });
    isr_rules::committed(p, ledger, NodeId(node), isr);
    p.replicas[at].lead_isr = (epoch, isr.to_vec());
    if epoch >= p.newest().0 {
        let start = p.replicas[at].lead_start;
        isr_rules::joined(p, ledger, (old, isr), start);
        if !p.isr_from_controller {
            p.set_isr(isr);
        }
    }
}

/// What the controller committed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change<'a> {
    pub(crate) leader: Option<NodeId>,
    pub(crate) epoch: LeaderEpoch,
    pub(crate) isr: &'a [NodeId],
    pub(crate) unclean: bool,
}

/// The active controller committed a change.
pub(crate) fn changed(p: &mut Partition, ledger: &mut Ledger, node: i32, change: Change<'_>) {
    let Change { leader, epoch, isr, unclean } = change;
    let isr_list = isr.to_vec();
    let turn = Turn::Changed { epoch, leader, isr: isr_list, unclean };
    p.history.push(ledger.now_ns, node, turn);
    if let Some(leader) = leader {
        isr_rules::committed(p, ledger, leader, isr);
    }
    if let Some(leader) = leader.filter(|_| !unclean && epoch > p.controller_epoch) {
        isr_rules::marked(p, ledger, leader, isr);
    }
    if unclean {
        isr_rules::unclean(p, ledger, leader);
        p.make_void(ledger.now_ns, node, Void::Unclean);
        p.void_until = epoch;
    }
    p.isr_from_controller = true;
    p.controller_epoch = epoch;
    p.set_isr(isr);
}

/// A leader's high watermark moved.
pub(crate) fn leader_high_watermark(
    p: &mut Partition,
    ledger: &mut Ledger,
    at: usize,
    (epoch, offset): (LeaderEpoch, Offset),
) {
    high_watermark::leader_moved(p, ledger, at, (epoch, offset));
    isr_rules::rises(p, ledger, at, (epoch, offset));
    completeness::commits(p, ledger, at, offset);
    if offset <= p.committed.end() {
        return;
    }
    // a leader that has not heard of an election without promises shows what is given up (hunt seeds 30060,
    // 887641)
    let given_up = p.losses.given_up_from(epoch).unwrap_or(offset);
    let Partition { committed, replicas, .. } = p;
    let log = &replicas[at].log;
    committed.extend_from(log, offset.min(given_up));
    p.shown = p.shown.max(offset.min(log.end()));
}

/// A follower's high watermark moved.
pub(crate) fn follower_high_watermark(
    p: &Partition,
    ledger: &mut Ledger,
    at: usize,
    offset: Offset,
) {
    high_watermark::follower_moved(p, ledger, at, offset);
    one_value::follower_committed(p, ledger, at, offset);
}
