//! Nothing leaves a local disk that is not in remote storage.

use super::ledger::{Check, Ledger, Promise};
use super::partition::{Partition, Replica};
use super::state::Waits;
use std::collections::BTreeMap;
use std::ops::Range;
use stormglass_broker_core::ids::{LeaderEpoch, NO_EPOCH, Offset, RemoteSegmentId};
use stormglass_broker_core::log::EpochEntry;
use stormglass_broker_core::seam::RemoteSegment;

pub(crate) const PROMISE: Promise = Promise {
    name: "remote-before-local",
    text: "of a log with remote storage, no segment leaves a replica's disk before it is in remote \
           storage, unless the log begins above it",
};

/// What remote storage holds of a partition: first and last offsets.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    segments: BTreeMap<RemoteSegmentId, (Offset, Offset)>,
    /// Leader epochs of what is in them.
    epochs: BTreeMap<RemoteSegmentId, Vec<EpochEntry>>,
    /// Last offsets and bytes of all that were ever there, by their first offsets.
    sizes: BTreeMap<Offset, (Offset, u64)>,
    /// Several leaders have copied the same.
    is_doubled: bool,
    /// What is not there yet.
    pub(crate) waits: Option<Waits>,
    /// Where the log starts, as far as any replica has said.
    pub(crate) log_start: Offset,
}

impl Stored {
    /// A copy was finished.
    pub(crate) fn add(&mut self, segment: &RemoteSegment) {
        let before = self.sizes.range(..=segment.end).next_back();
        self.is_doubled |= before.is_some_and(|(_, (end, _))| *end >= segment.base);
        self.sizes.insert(segment.base, (segment.end, u64::from(segment.bytes)));
        self.segments.insert(segment.id, (segment.base, segment.end));
        self.epochs.insert(segment.id, segment.epochs.clone());
    }

    /// A segment was deleted.
    pub(crate) fn remove(&mut self, segment: &RemoteSegment) {
        self.segments.remove(&segment.id);
        self.epochs.remove(&segment.id);
    }

    /// A replica's log starts here now.
    pub(crate) fn log_starts(&mut self, offset: Offset) {
        self.log_start = self.log_start.max(offset);
    }

    /// Bytes of a log whose leader has just made it begin at `start`, as it is about to delete what is before; `local`:
    /// of those that are nowhere else. `None` where others may have deleted it, or what they have copied is counted
    /// twice. What others have taken away meanwhile counts: the leader may not know of that.
    pub(crate) fn bytes_from(&self, start: Offset, local: u64) -> Option<u64> {
        let is_there = self.segments.values().any(|(_, end)| end + 1 == start);
        let left = self.sizes.values().filter(|(end, _)| *end >= start);
        let left: u64 = left.map(|(_, bytes)| bytes).sum();
        (is_there && !self.is_doubled).then_some(left + local)
    }

    /// An offset within some of which a log knows another epoch than all say that hold it: what a deposed leader has
    /// copied may be there, too (hunt seed 15000393).
    pub(crate) fn differs(
        &self,
        within: Range<Offset>,
        epoch_at: &dyn Fn(Offset) -> LeaderEpoch,
    ) -> Option<Offset> {
        let said_of = |at: Offset| {
            let holding = self.segments.iter().filter(move |(_, of)| (of.0..=of.1).contains(&at));
            let entries = holding.filter_map(|(id, _)| self.epochs.get(id));
            entries.filter_map(move |known| known.iter().rfind(|entry| entry.start_offset <= at))
        };
        let ends = self.segments.values().flat_map(|of| [of.0.max(within.start), of.1]);
        let is_other = |at: &Offset| {
            let mut said = said_of(*at).peekable();
            said.peek().is_some() && said.all(|entry| entry.epoch != epoch_at(*at))
        };
        ends.filter(|at| within.contains(at)).filter(is_other).min()
    }

    /// The first offset of some that no segment holds in the epoch that a log knows there: what is there is of another
    /// history, and nothing of this one is. `epoch_of`: of an offset, and where that ends in the log.
    pub(crate) fn uncovered(
        &self,
        within: Range<Offset>,
        epoch_of: &dyn Fn(Offset) -> (LeaderEpoch, Offset),
    ) -> Option<Offset> {
        let mut next = within.start;
        while next < within.end {
            let (epoch, epoch_end) = epoch_of(next);
            if epoch == NO_EPOCH {
                return None; // nothing tells
            }
            let holding = self.segments.iter().filter(|(_, of)| (of.0..=of.1).contains(&next));
            let ends = holding.filter_map(|(id, (_, last))| {
                let known = self.epochs.get(id)?;
                let after = known.partition_point(|entry| entry.start_offset <= next);
                let is_same = after.checked_sub(1).is_some_and(|at| known[at].epoch == epoch);
                let their_end = known.get(after).map_or(last + 1, |of| of.start_offset);
                is_same.then(|| their_end.min(last + 1))
            });
            match ends.map(|end| end.min(epoch_end)).max().filter(|end| *end > next) {
                Some(end) => next = end,
                None => return Some(next),
            }
        }
        None
    }

    /// The first offset in `from..upto` that is not there.
    pub(crate) fn missing(&self, from: Offset, upto: Offset) -> Option<Offset> {
        let mut next = from;
        while next < upto {
            let holds = |range: &&(Offset, Offset)| (range.0..=range.1).contains(&next);
            let ends = self.segments.values().filter(holds).map(|(_, end)| *end);
            match ends.max() {
                Some(end) => next = end + 1,
                None => return Some(next),
            }
        }
        None
    }
}

/// A replica deleted local segments: its disk begins at `offset` now.
pub(crate) fn deleted(p: &Partition, ledger: &mut Ledger, node: i32, offset: Offset) {
    ledger.checked(Check::Tiering, 1);
    let Some(missing) = p.stored.missing(p.stored.log_start, offset) else { return };
    // Who was elected out of sync deletes remote segments of the history that it ended; a replica of that
    // history may not have heard of it yet (hunt seed 4100042).
    let holds_lost = |replica: &Replica| replica.node == node && p.holds_lost(replica, missing);
    if p.void.is_some() || p.replicas.iter().any(holds_lost) {
        return;
    }
    ledger.broken(Check::Tiering, p.about(), &|| {
        format!(
            "replica {node} deletes what is below {offset} from its disk, but offset {missing} is not \
             in remote storage, and the log starts at {}",
            p.stored.log_start
        )
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::testing::segment;

    fn stored(segments: &[(Offset, Offset)]) -> Stored {
        let mut stored = Stored::default();
        for (id, of) in (0..).zip(segments.iter().copied()) {
            stored.add(&segment(id, of));
        }
        stored
    }

    #[test]
    fn what_is_left_of_a_log_is_counted_once() {
        let stored = stored(&[(0, 9), (10, 19), (20, 29)]);
        assert_eq!(stored.bytes_from(10, 7), Some(207));
        assert_eq!(stored.bytes_from(20, 7), Some(107));
        assert_eq!(stored.bytes_from(15, 7), None, "it begins amid a segment");
    }

    #[test]
    fn what_others_may_have_deleted_is_not_judged() {
        let mut stored = stored(&[(0, 9), (10, 19), (20, 29)]);
        stored.segments.remove(&RemoteSegmentId(0));
        assert_eq!(stored.bytes_from(10, 7), None);
        assert_eq!(stored.bytes_from(20, 7), Some(107));
    }

    #[test]
    fn a_log_knows_the_epochs_of_what_is_stored_of_it() {
        let mut stored = stored(&[(0, 9), (10, 19)]);
        let known = |epoch, start_offset| EpochEntry { epoch, start_offset };
        stored.epochs.insert(RemoteSegmentId(0), vec![known(0, 0), known(2, 5)]);
        stored.epochs.insert(RemoteSegmentId(1), vec![known(2, 10)]);
        let right = |at: Offset| if at < 5 { 0 } else { 2 };
        assert_eq!(stored.differs(0..20, &right), None);
        assert_eq!(stored.differs(0..20, &|_| 2), Some(0));
        assert_eq!(stored.differs(6..20, &|_| 2), None, "it begins later");
        assert_eq!(stored.differs(0..20, &|at| if at < 15 { right(at) } else { -1 }), Some(19));
    }

    #[test]
    fn what_is_of_another_history_stands_for_nothing() {
        let mut stored = stored(&[(0, 9), (10, 29)]);
        let known = |epoch, start_offset| EpochEntry { epoch, start_offset };
        stored.epochs.insert(RemoteSegmentId(0), vec![known(0, 0)]);
        stored.epochs.insert(RemoteSegmentId(1), vec![known(0, 0)]);
        let same = |_: Offset| (0, 40);
        assert_eq!(stored.uncovered(0..30, &same), None);
        assert_eq!(stored.uncovered(0..31, &same), Some(30), "it is not there");
        let other = |at: Offset| if at < 15 { (0, 15) } else { (2, 40) };
        assert_eq!(stored.uncovered(0..15, &other), None);
        assert_eq!(stored.uncovered(0..30, &other), Some(15));
        assert_eq!(stored.uncovered(20..30, &other), Some(20));
        assert_eq!(stored.uncovered(0..30, &|_| (NO_EPOCH, 40)), None, "nothing tells");
        stored.add(&segment(2, (15, 34)));
        stored.epochs.insert(RemoteSegmentId(2), vec![known(0, 0), known(2, 15)]);
        assert_eq!(stored.uncovered(0..30, &other), None, "it was copied again");
    }

    #[test]
    fn what_was_copied_twice_is_not_judged() {
        assert_eq!(stored(&[(0, 9), (5, 14)]).bytes_from(10, 0), None);
        assert_eq!(stored(&[(10, 19), (0, 9)]).bytes_from(10, 0), Some(100));
    }
}
