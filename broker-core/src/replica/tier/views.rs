//! What remote storage shows to checkers.

use super::{Op, RemoteLog, Tier};

impl Tier {
    /// Operations that logs wait for, or that keep a reader thread busy, and that are not under way.
    pub(in crate::replica) fn lost(&self) -> usize {
        let of_logs: usize = self.logs.iter().map(|(slot, log)| self.lost_of(*slot, log)).sum();
        let reads = self.ops.values().filter(|op| matches!(op, Op::Read { .. })).count();
        of_logs + self.fetches.running().abs_diff(reads)
    }

    fn lost_of(&self, slot: u32, log: &RemoteLog) -> usize {
        let (mut lists, mut copies, mut deletes) = (0, 0, Vec::new());
        for op in self.ops.values() {
            match op {
                Op::List { slot: at, tp } if (*at, *tp) == (slot, log.tp) => lists += 1,
                Op::Copy { slot: at, tp } if (*at, *tp) == (slot, log.tp) => copies += 1,
                Op::Delete { slot: at, tp, segment } if (*at, *tp) == (slot, log.tp) => {
                    deletes.push(*segment);
                }
                _ => {}
            }
        }
        let unlisted = usize::from(log.listing.is_some() && lists == 0);
        let uncopied = usize::from(log.copying && copies == 0);
        unlisted + uncopied + log.deleting.iter().filter(|id| !deletes.contains(id)).count()
    }
}
