//! What is committed stays on every later leader and on every in-sync replica.

use super::ledger::{Check, Ledger, Promise};
use super::partition::Partition;
use stormglass_broker_core::ids::{LeaderEpoch, Offset};

pub(crate) const PROMISE: Promise = Promise {
    name: "leader-completeness",
    text: "a new leader holds everything below every high watermark shown before, and no in-sync \
           replica cuts any of it off, unless the election was unclean or every in-sync copy lost \
           unsynced bytes",
};

/// A replica leads, its log being known.
pub(crate) fn leads(p: &Partition, ledger: &mut Ledger, at: usize, epoch: LeaderEpoch) {
    ledger.checked(Check::Completeness, 1);
    let log = &p.replicas[at].log;
    if p.void.is_some() || log.agrees(&p.committed, p.exposed()) {
        return;
    }
    let node = p.replicas[at].node;
    let missing = p.committed.first_missing_in(log, p.exposed()).unwrap_or(log.end());
    ledger.broken(Check::Completeness, p.about(), &|| {
        format!(
            "node {node} leads in epoch {epoch} with its log ending at {}, but offsets from \
             {missing} up to {} were committed with epoch {:?} and are not there",
            log.end(),
            p.exposed(),
            p.committed.epoch_at(missing)
        )
    });
}

/// A leader commits up to an offset: its log must go on where the committed one is.
pub(crate) fn commits(p: &Partition, ledger: &mut Ledger, at: usize, upto: Offset) {
    ledger.checked(Check::Completeness, 1);
    let replica = &p.replicas[at];
    let upto = upto.min(p.exposed()).min(replica.log.end());
    if !replica.known || p.void.is_some() || replica.log.agrees(&p.committed, upto) {
        return;
    }
    let differs = replica.log.first_missing_in(&p.committed, upto).unwrap_or(upto - 1);
    if p.holds_lost(replica, differs) {
        return;
    }
    ledger.broken(Check::Completeness, p.about(), &|| {
        format!(
            "leader {} commits offset {differs} with epoch {:?}, where epoch {:?} is committed",
            replica.node,
            replica.log.epoch_at(differs),
            p.committed.epoch_at(differs)
        )
    });
}

/// A replica is about to cut its log.
pub(crate) fn cuts(p: &Partition, ledger: &mut Ledger, at: usize, to: Offset) {
    ledger.checked(Check::Completeness, 1);
    let replica = &p.replicas[at];
    if let Some(epoch) = replica.leads.filter(|_| p.has_isr()) {
        ledger.broken(Check::Completeness, p.about(), &|| {
            let (node, end) = (replica.node, replica.log.end());
            format!("replica {node} leads in epoch {epoch} and cuts its own log from {end} to {to}")
        });
    }
    let bound = !p.has_isr() || p.is_in_sync(replica.node);
    if !replica.known || !bound || p.void.is_some() || to >= p.exposed() {
        return;
    }
    let committed = p.committed.epoch_at(to);
    if committed.is_none() || replica.log.epoch_at(to) != committed {
        return;
    }
    ledger.broken(Check::Completeness, p.about(), &|| {
        let end = replica.log.end();
        format!(
            "in-sync replica {} cuts its log from {end} to {to}, although offsets below {} are \
             committed and it held them",
            replica.node,
            p.exposed()
        )
    });
}
