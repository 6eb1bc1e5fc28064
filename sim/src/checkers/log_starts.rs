//! A log begins later than before: old records are deleted, or an administrator, or a leader, has said so.

use super::ages;
use super::ledger::Ledger;
use super::partition::Partition;
use stormglass_broker_core::ids::Offset;

/// A replica's log begins here from now on.
pub(super) fn begins(p: &mut Partition, ledger: &mut Ledger, node: i32, offset: Offset) {
    p.stored.log_starts(offset);
    let wall_ms = ledger.wall_ms(ledger.now_ns);
    ages::deleted(p, ledger, node, (offset, wall_ms));
    p.producers.forgotten_below = p.producers.forgotten_below.max(offset);
    let replica = p.replica(node);
    // What a follower deletes as its leader has may have been of another history: whoever was away
    // finds no epoch there to cut its log at, in Kafka as here (hunt seed 826857).
    let others = p.replicas.iter().filter(|other| other.node != node);
    let is_told = others.map(|other| other.log_start).max() >= Some(offset);
    let replica = &mut p.replicas[replica];
    if is_told {
        replica.log.forget_below(offset);
    }
    replica.log_start = offset;
    replica.deleted = replica.leads.is_some();
}
