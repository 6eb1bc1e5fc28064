//! Equal epochs at an offset mean equal logs up to there.

use super::ledger::{Check, Ledger, Promise};
use super::partition::Partition;
use super::table::Entry;
use stormglass_broker_core::ids::LeaderEpoch;

pub(crate) const PROMISE: Promise = Promise {
    name: "log-matching",
    text: "two replicas that hold a batch of the same leader epoch at the same offset hold the same \
           batch, and the same epoch before it",
};

/// Two batches at one offset and epoch.
pub(crate) fn same_batch(p: &Partition, ledger: &mut Ledger, old: &Entry, new: &Entry, node: i32) {
    ledger.checked(Check::LogMatching, 1);
    if old.fingerprint == new.fingerprint && old.count == new.count {
        return;
    }
    ledger.broken(Check::LogMatching, p.about(), &|| {
        format!(
            "node {node} appends batch {:016x} ({} offsets) at offset {} in epoch {}; another \
             replica holds batch {:016x} ({} offsets) there in the same epoch",
            new.fingerprint, new.count, new.base, new.epoch, old.fingerprint, old.count
        )
    });
}

/// The epochs before a batch that two logs share: the replica's, and that of the leader's log.
pub(crate) fn same_past(
    p: &Partition,
    ledger: &mut Ledger,
    (entry, node): (&Entry, i32),
    (ours, leaders): (Option<LeaderEpoch>, Option<LeaderEpoch>),
) {
    let Some((ours, leaders)) = ours.zip(leaders) else { return };
    if ours == leaders {
        return;
    }
    ledger.broken(Check::LogMatching, p.about(), &|| {
        format!(
            "node {node} appends offset {} of epoch {} after offset {} of epoch {ours}; in the \
             leader's log that one is of epoch {leaders}",
            entry.base,
            entry.epoch,
            entry.base - 1
        )
    });
}
