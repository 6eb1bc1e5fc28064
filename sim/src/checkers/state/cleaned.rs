//! The cleaner leaves alone what is not stable: a transaction that is open may be aborted yet. Where clocks are
//! right, it leaves alone what is younger than `min.compaction.lag.ms`, too.

use super::replicas::{Of, check};
use crate::checkers::ledger::Ledger;
use crate::checkers::partition::Partition;
use std::ops::Range;
use std::sync::Arc;
use stormglass_broker_core::ids::Offset;
use stormglass_broker_core::records::Batch;

/// Offsets that the cleaner went over, and when, ns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cleaned {
    from: Offset,
    upto: Offset,
    at_ns: u64,
}

impl Cleaned {
    /// More of the same pass.
    pub(crate) fn with(before: Option<Self>, (from, upto): (Offset, Offset), at_ns: u64) -> Self {
        let more = Self { from, upto, at_ns };
        let Some(before) = before else { return more };
        Self { from: before.from.min(from), upto: before.upto.max(upto), at_ns }
    }

    pub(super) fn offsets(&self) -> Range<Offset> {
        self.from..self.upto
    }
}

/// Looks at what the cleaner has gone over since the last look. `batches`: of offsets.
pub(crate) fn look(
    p: &mut Partition,
    ledger: &mut Ledger,
    of: Of<'_>,
    has_right_clocks: bool,
    batches: impl FnOnce(Offset, Offset) -> Vec<Arc<Batch>>,
) {
    let mine = p.replica(of.node);
    let Some(cleaned) = p.replicas[mine].cleaned.take() else { return };
    // what was stable then still is
    stable(p, ledger, of, cleaned);
    if has_right_clocks {
        old_enough(p, ledger, of, cleaned, batches);
    }
}

fn stable(p: &Partition, ledger: &mut Ledger, Of { node, replica }: Of<'_>, cleaned: Cleaned) {
    let stable = replica.log.last_stable_offset(replica.high_watermark);
    check(p, ledger, cleaned.upto <= stable, &|| {
        format!(
            "the cleaner of replica {node} goes over offsets {}..{}; from {stable} on they are not stable",
            cleaned.from, cleaned.upto
        )
    });
}

/// Compares the ages of what is left with the least that they may have.
fn old_enough(
    p: &Partition,
    ledger: &mut Ledger,
    Of { node, replica }: Of<'_>,
    Cleaned { from, upto, at_ns }: Cleaned,
    batches: impl FnOnce(Offset, Offset) -> Vec<Arc<Batch>>,
) {
    let Some(lag_ms) = replica.log.config().compaction.map(|config| config.min_lag_ms) else {
        return;
    };
    if lag_ms == 0 {
        return;
    }
    let cleaned_ms = ledger.wall_ms(at_ns);
    let batches = batches(from, upto);
    let young = batches.iter().find(|batch| cleaned_ms - batch.header.max_timestamp < lag_ms);
    check(p, ledger, young.is_none(), &|| {
        let (base, time_ms) = young.map_or((-1, 0), |b| (b.base_offset(), b.header.max_timestamp));
        format!(
            "the cleaner of replica {node} goes over offsets {from}..{upto}; the batch at {base} is \
             {} ms old, and min.compaction.lag.ms is {lag_ms}",
            cleaned_ms - time_ms
        )
    });
}
