//! A group finds the position that it committed.

use super::ledger::{Check, Ledger, Promise};
use super::partition::Partition;
use stormglass_broker_core::ids::Offset;

pub(crate) const PROMISE: Promise = Promise {
    name: "committed-positions",
    text: "a group that asks where it was is told the position that it was last told is committed, \
           or a later one, unless __consumer_offsets itself lost records that Kafka does not promise \
           to keep",
};

/// The coordinator acknowledged a commit of reader `reader`.
pub(crate) fn acked(p: &mut Partition, ledger: &mut Ledger, (reader, offset): (usize, Offset)) {
    ledger.checked(Check::Commits, 1);
    p.readers[reader].committed = Some((offset, ledger.now_ns));
}

/// A reader that starts was told its position; `committed` when a commit said so. `void` when
/// positions may be gone.
pub(crate) fn found(
    p: &Partition,
    ledger: &mut Ledger,
    (reader, offset, committed): (usize, Offset, bool),
    void: bool,
) {
    let Some((before, at_ns)) = p.readers[reader].committed.filter(|_| !void) else { return };
    ledger.checked(Check::Commits, 1);
    if committed && offset >= before {
        return;
    }
    ledger.broken(Check::Commits, p.about(), &|| {
        let told = match committed {
            true => format!("was told {offset}"),
            false => "was told that it has none".to_owned(),
        };
        format!(
            "a group that asked for its position of {} {told}, after position {before} was \
             acknowledged as committed at {}",
            p.label,
            super::history::seconds(at_ns)
        )
    });
}
