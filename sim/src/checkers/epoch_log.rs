//! A replica's log as ranges of leader epochs.
//!
//! Log matching makes this enough: two logs that hold the same epoch at the same offset hold the
//! same batches up to there, so a log is known by the epochs along it.

use stormglass_broker_core::ids::{LeaderEpoch, Offset};

/// Offsets `start..end`, and which epoch appended which of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct EpochLog {
    /// `(epoch, first offset)`, rising.
    ranges: Vec<(LeaderEpoch, Offset)>,
    start: Offset,
    end: Offset,
}

impl EpochLog {
    /// Offset after the last one.
    pub(crate) fn end(&self) -> Offset {
        self.end
    }

    /// First offset whose epoch is known.
    pub(crate) fn known_from(&self) -> Offset {
        self.start
    }

    /// Whether nothing is known to be in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.start >= self.end
    }

    /// Adds `base..next` if it goes on where the log ends, in the epoch of its end: whether it does.
    #[inline]
    pub(crate) fn go_on(&mut self, epoch: LeaderEpoch, base: Offset, next: Offset) -> bool {
        let goes_on = base == self.end && self.start < base && self.last_epoch() == Some(epoch);
        if goes_on {
            self.end = next;
        }
        goes_on
    }

    /// Adds `base..next`. What was there is cut first; after a hole the log is known from `base`.
    pub(crate) fn append(&mut self, epoch: LeaderEpoch, base: Offset, next: Offset) {
        debug_assert!(base < next, "a batch holds an offset");
        if base > self.end || self.is_empty() {
            self.ranges.clear();
            self.start = base;
        } else if base < self.end {
            self.truncate(base);
        }
        if self.ranges.last().is_none_or(|(last, _)| *last != epoch) {
            self.ranges.push((epoch, base));
        }
        self.end = next;
    }

    /// Cuts everything at and after an offset.
    pub(crate) fn truncate(&mut self, to: Offset) {
        self.end = self.end.min(to);
        self.start = self.start.min(self.end);
        while self.ranges.last().is_some_and(|(_, start)| *start >= self.end) {
            self.ranges.pop();
        }
    }

    /// Forgets what lies below an offset. Beyond its end the log is known from there on: the node had more
    /// than is known here, as after a crash that came before a cut was on disk (hunt seed 891518).
    pub(crate) fn forget_below(&mut self, start: Offset) {
        if start > self.end {
            return self.restart(start);
        }
        if start <= self.start {
            return;
        }
        let first = self.ranges.partition_point(|(_, from)| *from <= start).saturating_sub(1);
        self.ranges.drain(..first);
        self.start = start;
        if self.is_empty() {
            self.ranges.clear();
        } else if let Some((_, from)) = self.ranges.first_mut() {
            *from = start;
        }
    }

    /// Forgets everything: the log is known from an offset on, and empty there.
    pub(crate) fn restart(&mut self, at: Offset) {
        self.ranges.clear();
        (self.start, self.end) = (at, at);
    }

    /// Epoch at an offset, when known.
    #[inline]
    pub(crate) fn epoch_at(&self, offset: Offset) -> Option<LeaderEpoch> {
        if !(self.start..self.end).contains(&offset) {
            return None;
        }
        match self.ranges.last() {
            // nearly always
            Some((epoch, start)) if *start <= offset => Some(*epoch),
            _ => self.ranges.iter().rfind(|(_, start)| *start <= offset).map(|(epoch, _)| *epoch),
        }
    }

    /// Epoch of the last offset.
    pub(crate) fn last_epoch(&self) -> Option<LeaderEpoch> {
        self.ranges.last().map(|(epoch, _)| *epoch)
    }

    /// Whether both logs hold everything below `upto`, and the same. What lies before a log's known
    /// start is taken as right.
    pub(crate) fn agrees(&self, other: &Self, upto: Offset) -> bool {
        let last = upto - 1;
        let before_start = |log: &Self| last < log.start;
        if self.end < upto || other.end < upto {
            return before_start(self) && self.end >= upto || upto <= 0;
        }
        before_start(self) || before_start(other) || self.epoch_at(last) == other.epoch_at(last)
    }

    /// First offset below `upto` that `self` holds and `other` does not, or in another epoch.
    pub(crate) fn first_missing_in(&self, other: &Self, upto: Offset) -> Option<Offset> {
        let upto = upto.min(self.end);
        let from = self.start.max(other.start);
        let mut bounds: Vec<Offset> = [&self.ranges, &other.ranges]
            .into_iter()
            .flatten()
            .map(|(_, start)| *start)
            .chain([from, other.end])
            .filter(|offset| (from..upto).contains(offset))
            .collect();
        bounds.sort_unstable();
        bounds.into_iter().find(|offset| self.epoch_at(*offset) != other.epoch_at(*offset))
    }

    /// Takes over what `other` holds from this log's end up to `upto`.
    pub(crate) fn extend_from(&mut self, other: &Self, upto: Offset) {
        let upto = upto.min(other.end);
        if self.end < other.start && self.end < upto {
            self.restart(other.start);
        }
        for (index, (epoch, start)) in other.ranges.iter().enumerate() {
            let range_end = other.ranges.get(index + 1).map_or(other.end, |(_, next)| *next);
            let (base, next) = ((*start).max(self.end), range_end.min(upto));
            if base < next {
                self.append(*epoch, base, next);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(ranges: &[(LeaderEpoch, Offset, Offset)]) -> EpochLog {
        let mut log = EpochLog::default();
        for &(epoch, base, next) in ranges {
            log.append(epoch, base, next);
        }
        log
    }

    #[test]
    fn what_is_forgotten_is_taken_as_right() {
        let leader = log(&[(1, 0, 10), (2, 10, 20)]);
        let mut stale = log(&[(1, 0, 5), (3, 5, 15), (2, 15, 20)]);
        assert_eq!(stale.first_missing_in(&leader, 20), Some(5));
        assert!(!stale.agrees(&leader, 12));
        stale.forget_below(15);
        assert!(stale.agrees(&leader, 12) && stale.agrees(&leader, 20));
        assert_eq!((stale.epoch_at(14), stale.epoch_at(15)), (None, Some(2)));
        stale.forget_below(30);
        assert!(stale.is_empty() && stale.end() == 30, "it had more than is known");
    }

    #[test]
    fn agreement_is_equal_epochs_along_the_way() {
        let leader = log(&[(1, 0, 10), (2, 10, 20), (4, 20, 30)]);
        let behind = log(&[(1, 0, 10), (2, 10, 15)]);
        let forked = log(&[(1, 0, 10), (2, 10, 18), (3, 18, 40)]);
        assert!(leader.agrees(&behind, 15) && !leader.agrees(&behind, 16));
        assert!(leader.agrees(&forked, 18) && !leader.agrees(&forked, 19));
        assert_eq!(leader.first_missing_in(&behind, 30), Some(15));
        assert_eq!(leader.first_missing_in(&forked, 30), Some(18));
        assert_eq!(leader.first_missing_in(&forked, 18), None);
        assert!(leader.agrees(&EpochLog::default(), 0));
    }

    #[test]
    fn truncation_and_overwriting_forget_later_epochs() {
        let mut cut = log(&[(1, 0, 10), (2, 10, 20)]);
        cut.truncate(10);
        assert_eq!((cut.end(), cut.last_epoch(), cut.epoch_at(10)), (10, Some(1), None));
        cut.append(5, 6, 9);
        assert_eq!([5, 6, 8, 9].map(|at| cut.epoch_at(at)), [Some(1), Some(5), Some(5), None]);
    }

    #[test]
    fn extending_takes_epochs_over() {
        let leader = log(&[(1, 0, 10), (2, 10, 20)]);
        let mut committed = EpochLog::default();
        for upto in [3, 10, 12, 50] {
            committed.extend_from(&leader, upto);
        }
        assert_eq!(committed.end(), 20);
        assert_eq!([9, 10].map(|at| committed.epoch_at(at)), [Some(1), Some(2)]);
    }

    #[test]
    fn a_hole_starts_the_known_part_again() {
        let mut preloaded = log(&[(0, 1_000, 1_010)]);
        assert_eq!((preloaded.epoch_at(5), preloaded.epoch_at(1_000)), (None, Some(0)));
        let leader = log(&[(0, 1_000, 1_020)]);
        assert!(preloaded.agrees(&leader, 1_000) && preloaded.agrees(&leader, 1_010));
        preloaded.append(3, 2_000, 2_001);
        assert_eq!(preloaded.epoch_at(1_005), None);
    }
}
