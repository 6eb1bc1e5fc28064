//! Tombstones go once the time is over that the cleaner has set for them (KIP-534): the next pass that goes over them
//! leaves them out. In runs whose clocks are right.

use super::replicas::{Of, check};
use crate::checkers::ledger::Ledger;
use crate::checkers::partition::Partition;
use crate::disk::Disk;
use std::collections::BTreeMap;
use std::sync::Arc;
use stormglass_broker_core::ids::Offset;
use stormglass_broker_core::inspect::offsets_of_checkpoint;
use stormglass_broker_core::records::Batch;
use stormglass_broker_core::seam::{DiskImage, FileName};

/// Passes over tombstones whose time is over. One may have begun before it was, and one may have found nothing dirty:
/// whoever learns of no key leaves all as it is.
const PASSES_MAX: u32 = 3;

/// Tombstones that are to go.
#[derive(Debug, Clone, Copy)]
struct Due {
    /// Last offset of their batch.
    last: Offset,
    /// Passes over it since they were seen to be due.
    passes: u32,
}

/// Tombstones of a replica that are to go, by the base offsets of their batches.
#[derive(Debug, Default)]
pub(crate) struct Tombstones(BTreeMap<Offset, Due>);

impl Tombstones {
    /// The cleaner has gone over these offsets.
    pub(crate) fn cleaned(&mut self, (from, upto): (Offset, Offset)) {
        let due = self.0.range_mut(from..upto.max(from)).map(|(_, due)| due);
        due.filter(|due| due.last < upto).for_each(|due| due.passes += 1);
    }

    /// The log has changed otherwise, or the process has ended.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

/// Looks at a replica whose cleaner has been at work since the last look.
pub(crate) fn look(p: &mut Partition, ledger: &mut Ledger, of: Of<'_>, disk: &Disk) {
    let (mine, tp) = (p.replica(of.node), of.replica.tp);
    if p.replicas[mine].cleaned.is_none() {
        return;
    }
    let checkpoint = disk.file(&FileName::CleanerOffsets);
    let clean = checkpoint.and_then(|bytes| offsets_of_checkpoint(&bytes).get(&tp).copied());
    let clean = clean.unwrap_or(0);
    let batches = disk.batches(tp, &(0..clean));
    cleaned(p, ledger, of.node, (clean, &batches));
}

/// A log was cleaned. `clean`: what is below has been cleaned by the last pass that has ended, so that the
/// next one knows newer keys than any there.
fn cleaned(
    p: &mut Partition,
    ledger: &mut Ledger,
    node: i32,
    (clean, batches): (Offset, &[Arc<Batch>]),
) {
    let now_ms = ledger.wall_ms(ledger.now_ns);
    let mine = p.replica(node);
    let before = std::mem::take(&mut p.replicas[mine].tombstones);
    let mut due = BTreeMap::new();
    let is_due = |batch: &&Arc<Batch>| is_due(batch, now_ms) && batch.next_offset() <= clean;
    for batch in batches.iter().filter(is_due) {
        let (base, last) = (batch.base_offset(), batch.last_offset());
        let known = before.0.get(&base).filter(|known| known.last == last);
        due.insert(base, known.copied().unwrap_or(Due { last, passes: 0 }));
    }
    let late = due.iter().find(|(_, due)| due.passes >= PASSES_MAX);
    check(p, ledger, late.is_none(), &|| {
        format!(
            "the cleaner of replica {node} leaves tombstones whose time is over, pass after pass, by the base \
             offset of their batch: {late:?}"
        )
    });
    p.replicas[mine].tombstones = Tombstones(due);
}

/// Whether a batch has tombstones that the next pass is to leave out.
fn is_due(batch: &Batch, now_ms: i64) -> bool {
    let header = &batch.header;
    let is_over = header.delete_horizon_ms().is_some_and(|horizon_ms| horizon_ms < now_ms);
    is_over && !header.is_control() && header.record_count > 0 && has_tombstones(batch)
}

fn has_tombstones(batch: &Batch) -> bool {
    let mut is_any = false;
    let seen = batch.visit(|_, _, value| is_any |= value.is_none());
    seen.is_ok() && is_any
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::wall_ms;
    use bytes::Bytes;
    use stormglass_broker_core::records::Record;

    /// The attribute of a batch with a delete horizon.
    const HAS_HORIZON: i16 = 0x40;
    const NOW_NS: u64 = 9_000_000_000;

    /// A batch at offset 10 of a value and a tombstone, or of two values, that is to go at a time.
    fn batch(has_tombstone: bool, horizon_ms: i64) -> Arc<Batch> {
        let text = |text: &'static str| Bytes::from_static(text.as_bytes());
        let last = (!has_tombstone).then(|| text("2"));
        let value = Record::new(Some(text("a")), Some(text("1")));
        let mut batch = Batch::build(0, &mut [value, Record::new(Some(text("b")), last)]);
        batch.header.base_offset = 10;
        batch.header.attributes |= HAS_HORIZON;
        batch.header.base_timestamp = horizon_ms;
        Arc::new(batch)
    }

    /// Accounts of a log that still has a batch after so many passes, of which each goes up to an offset.
    fn broken(batch: &Arc<Batch>, passes: u32, (clean, upto): (Offset, Offset)) -> usize {
        let (mut p, mut ledger) = (Partition::new("t-0".to_owned(), 1), Ledger::default());
        ledger.now_ns = NOW_NS;
        let mine = p.replica(1);
        let batches = [Arc::clone(batch)];
        cleaned(&mut p, &mut ledger, 1, (clean, &batches));
        (0..passes).for_each(|_| p.replicas[mine].tombstones.cleaned((0, upto)));
        cleaned(&mut p, &mut ledger, 1, (clean, &batches));
        ledger.finish().1.len()
    }

    #[test]
    fn tombstones_go_when_their_time_is_over() {
        let now_ms = wall_ms(NOW_NS);
        let late = batch(true, now_ms - 1);
        assert_eq!((broken(&late, 2, (12, 12)), broken(&late, 3, (12, 12))), (0, 1));
        assert_eq!(broken(&late, 9, (11, 12)), 0, "the next pass may know of no newer key");
        assert_eq!(broken(&late, 9, (12, 11)), 0, "no pass goes over it");
        assert_eq!(broken(&batch(true, now_ms), 9, (12, 12)), 0, "not yet");
        assert_eq!(broken(&batch(false, now_ms - 1), 9, (12, 12)), 0, "none is left");
    }
}
