//! Once the cleaner has said until when it keeps tombstones and markers of a batch, it keeps to that
//! (KIP-534): the time does not change, and a marker does not go before. In runs whose clocks are right.

use super::replicas::{Of, check};
use crate::checkers::ledger::Ledger;
use crate::checkers::partition::Partition;
use std::collections::BTreeMap;
use stormglass_broker_core::ids::Offset;
use stormglass_broker_core::records::Batch;

/// Times after which tombstones and markers may go, ms, by the base offsets of their batches; whether it is a
/// marker.
pub(crate) type Horizons = BTreeMap<Offset, (i64, bool)>;

/// Compares a log's batches with what they said before.
pub(super) fn kept<'a>(
    p: &mut Partition,
    ledger: &mut Ledger,
    Of { node, replica }: Of<'_>,
    batches: impl Iterator<Item = &'a Batch>,
) {
    let mine = p.replica(node);
    let before = std::mem::replace(&mut p.replicas[mine].horizons, horizons(batches));
    let start = replica.log.log_start_offset();
    let now_ms = ledger.wall_ms(ledger.now_ns);
    for (base, (horizon_ms, is_marker)) in before.range(start..).map(|(at, of)| (*at, *of)) {
        let after = p.replicas[mine].horizons.get(&base).map(|(after_ms, _)| *after_ms);
        let holds = match after {
            Some(after_ms) => after_ms == horizon_ms,
            // a tombstone goes with a newer record of its key, too
            None => !is_marker || horizon_ms <= now_ms,
        };
        check(p, ledger, holds, &|| {
            format!(
                "replica {node} was to keep the tombstones or the marker at offset {base} until \
                 {horizon_ms}; now, at {now_ms}, that is {after:?}"
            )
        });
    }
}

fn horizons<'a>(batches: impl Iterator<Item = &'a Batch>) -> Horizons {
    let of = |batch: &Batch| {
        let horizon_ms = batch.header.delete_horizon_ms()?;
        let is_there = batch.header.record_count > 0;
        is_there.then_some((batch.base_offset(), (horizon_ms, batch.header.is_control())))
    };
    batches.filter_map(of).collect()
}
