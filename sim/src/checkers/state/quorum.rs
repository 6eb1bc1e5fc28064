//! The quorum commits what a majority has on disk.

use crate::checkers::ledger::{Check, Ledger, Promise};
use crate::checkers::partition::Partition;
use stormglass_broker_core::ids::{LeaderEpoch, Offset};

pub(crate) const PROMISE: Promise = Promise {
    name: "quorum-durability",
    text: "the metadata quorum commits only what a majority of its voters has on disk and agrees \
           on, and only when that ends with a record of its leader's own epoch",
};

/// The quorum's leader commits up to an offset.
pub(crate) fn commits(
    p: &Partition,
    ledger: &mut Ledger,
    (node, epoch, offset): (i32, LeaderEpoch, Offset),
    durable: &[(i32, Offset)],
) {
    ledger.checked(Check::Quorum, 1);
    let leader = p.known_replica(node);
    let agrees = |voter: i32| match (leader, p.known_replica(voter)) {
        (Some(leader), Some(replica)) => replica.log.agrees(&leader.log, offset),
        _ => true,
    };
    let have = durable.iter().filter(|(voter, end)| *end >= offset && agrees(*voter)).count();
    if have * 2 <= durable.len() {
        ledger.broken(Check::Quorum, p.about(), &|| {
            let ends: Vec<String> =
                durable.iter().map(|(voter, end)| format!("{voter} up to {end}")).collect();
            format!(
                "controller {node} commits metadata up to {offset} in epoch {epoch}, but of the \
                 voters only {have} would keep its records after a power failure: on disk have {}",
                ends.join(", ")
            )
        });
    }
    let last = leader.and_then(|leader| leader.log.epoch_at(offset - 1));
    if let Some(last) = last.filter(|last| *last != epoch) {
        ledger.broken(Check::Quorum, p.about(), &|| {
            format!(
                "controller {node} commits metadata up to {offset} in epoch {epoch}, and the last \
                 record below is of epoch {last}: a later leader may still replace it"
            )
        });
    }
}
