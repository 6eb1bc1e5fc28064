//! What remote storage shows to checkers.

use super::{Op, RemoteLog, Tier};

impl Tier {
    /// Operations that logs wait for, those of followers that begin anew included, or that keep a reader thread busy,
    /// and that are not under way.
    pub(in crate::replica) fn lost(&self) -> usize {
        let of_logs: usize = self.logs.iter().map(|(slot, log)| self.lost_of(*slot, log)).sum();
        let reads = self.ops.values().filter(|op| matches!(op, Op::Read { .. })).count();
        of_logs + self.fetches.running().abs_diff(reads) + self.idle_rebuilds()
    }

    /// Followers that are to begin after what is in remote storage, and that nobody will tell what they have asked for:
    /// until their leader changes they would not ask again.
    fn idle_rebuilds(&self) -> usize {
        let is_asked = |slot: u32| {
            let mut ops = self.ops.values();
            ops.any(|op| matches!(op, Op::Rebuild { slot: of } if *of == slot))
        };
        self.rebuilds.keys().filter(|slot| !is_asked(**slot)).count()
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
