//! The ISR holds the leader, and everything committed.

use super::history::nodes;
use super::ledger::{Check, Ledger, Promise};
use super::partition::Partition;
use crate::client::BatchDone;
use stormglass_broker_core::ids::{LeaderEpoch, NodeId, Offset};

pub(crate) const PROMISE: Promise = Promise {
    name: "isr-rules",
    text: "a committed ISR contains its leader, the high watermark rises only while the ISR has \
           min.insync.replicas members that all hold what becomes committed, who joins the ISR \
           holds everything committed and all that its leader began with, nobody is elected from outside it unless \
           unclean.leader.election.enable says so, and acks=all waits for the high watermark",
};

/// An ISR is committed, as the leader or the controller says.
pub(crate) fn committed(p: &Partition, ledger: &mut Ledger, leader: NodeId, isr: &[NodeId]) {
    if !p.has_isr() {
        return;
    }
    ledger.checked(Check::IsrRules, 1);
    if !isr.contains(&leader) {
        ledger.broken(Check::IsrRules, p.about(), &|| {
            format!("the committed ISR is {}, without leader {leader}", nodes(isr))
        });
    }
}

/// The controller elects from outside the ISR.
pub(crate) fn unclean(p: &Partition, ledger: &mut Ledger, leader: Option<NodeId>) {
    ledger.checked(Check::IsrRules, 1);
    if p.has_isr() && !p.unclean {
        ledger.broken(Check::IsrRules, p.about(), &|| {
            format!(
                "{leader:?} is elected from outside the ISR, although \
                 unclean.leader.election.enable is false"
            )
        });
    }
}

/// An election that is not said to be one from outside the ISR is none: who is in sync alone now was in sync before.
/// With others, the old leader may have taken it in with the same change.
pub(crate) fn marked(p: &Partition, ledger: &mut Ledger, leader: NodeId, isr: &[NodeId]) {
    ledger.checked(Check::IsrRules, 1);
    let was_in_sync = p.isr.iter().any(|member| member.node == leader);
    if isr == [leader] && p.isr_from_controller && p.has_isr() && !was_in_sync {
        ledger.broken(Check::IsrRules, p.about(), &|| {
            format!("{leader} was not in the ISR, and its election is not marked as unclean")
        });
    }
}

/// A leader learns of an ISR with new members. Its log up to the begin of its epoch may be committed,
/// whatever its own high watermark says so far (KAFKA-7128).
pub(crate) fn joined(
    p: &Partition,
    ledger: &mut Ledger,
    (old, isr): (&[NodeId], &[NodeId]),
    lead_start: Offset,
) {
    for node in isr.iter().filter(|node| !old.contains(node)) {
        ledger.checked(Check::IsrRules, 1);
        let Some(replica) = p.known_replica(node.0) else { continue };
        if p.void.is_some() {
            continue;
        }
        if replica.log.end() < lead_start {
            ledger.broken(Check::IsrRules, p.about(), &|| {
                format!(
                    "node {node} joins the ISR with its log ending at {}, but its leader's epoch \
                     begins at {lead_start}",
                    replica.log.end()
                )
            });
            continue;
        }
        // what was committed has been deleted, and nobody reads what a replica has in its place: that
        // cannot be told from it any more, as in Kafka (hunt seed 700597)
        let is_gone = p.exposed() <= p.stored.log_start && replica.log.end() >= p.exposed();
        if is_gone || replica.log.agrees(&p.committed, p.exposed()) {
            continue;
        }
        ledger.broken(Check::IsrRules, p.about(), &|| {
            format!(
                "node {node} joins the ISR with its log ending at {}, but lacks committed records \
                 below {}",
                replica.log.end(),
                p.exposed()
            )
        });
    }
}

/// A leader's high watermark rises.
pub(crate) fn rises(
    p: &Partition,
    ledger: &mut Ledger,
    at: usize,
    (epoch, offset): (LeaderEpoch, Offset),
) {
    let leader = &p.replicas[at];
    let (isr_epoch, isr) = &leader.lead_isr;
    if !p.has_isr() || *isr_epoch != epoch || offset <= p.exposed() {
        return;
    }
    ledger.checked(Check::IsrRules, 1);
    if isr.len() < p.min_isr {
        ledger.broken(Check::IsrRules, p.about(), &|| {
            format!(
                "leader {} raises its high watermark to {offset} with ISR {}, but \
                 min.insync.replicas is {}",
                leader.node,
                nodes(isr),
                p.min_isr
            )
        });
    }
    // whoever the controller has taken in counts, whatever the leader has been told of it (KIP-497)
    let taken_in = p.isr.iter().map(|member| member.node).filter(|_| p.controller_epoch == epoch);
    let unknown = taken_in.filter(|member| !isr.contains(member));
    let members = isr.iter().copied().chain(unknown);
    for member in members.filter(|member| member.0 != leader.node && p.is_in_sync(member.0)) {
        let Some(replica) = p.known_replica(member.0) else { continue };
        if replica.log.agrees(&leader.log, offset) || p.holds_lost(leader, offset - 1) {
            continue;
        }
        ledger.broken(Check::IsrRules, p.about(), &|| {
            format!(
                "leader {} raises its high watermark to {offset}, but in-sync replica {member} \
                 has its log ending at {} in epoch {:?}",
                leader.node,
                replica.log.end(),
                replica.log.last_epoch()
            )
        });
    }
}

/// A producer with `acks=all` got its acknowledgement.
pub(crate) fn acked(p: &Partition, ledger: &mut Ledger, done: &BatchDone) {
    let Some(batch) = done.batch.as_ref().filter(|_| done.base_offset >= 0) else { return };
    if !p.has_isr() || p.void.is_some() {
        return;
    }
    ledger.checked(Check::IsrRules, 1);
    let next = done.base_offset + Offset::from(batch.header.last_offset_delta) + 1;
    if next > p.shown {
        ledger.broken(Check::IsrRules, p.about(), &|| {
            format!(
                "broker {} acknowledged offsets {}..{next} with acks=all, but only offsets below \
                 {} are committed",
                done.broker, done.base_offset, p.shown
            )
        });
    }
}
