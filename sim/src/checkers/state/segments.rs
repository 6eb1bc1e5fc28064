//! Segments of a log in memory: one begins where the one before ends, in bytes, too, as what retention deletes is
//! reckoned from that; and the age of the active one is counted from one batch of it, and no later one, so that it is
//! rolled in time (`segment.ms`).

use super::replicas::{Of, check};
use crate::checkers::ledger::Ledger;
use crate::checkers::partition::Partition;
use rustc_hash::FxHashMap;
use stormglass_broker_core::ids::TopicPartition;
use stormglass_broker_core::log::SegmentView;

/// An active segment as it was looked at, and the age at which it is to be rolled, ms.
type Seen = (SegmentView, i64);

/// Active segments, by node and partition.
#[derive(Debug, Default)]
pub(crate) struct Segments(FxHashMap<(i32, TopicPartition), Seen>);

impl Segments {
    /// A node's process ended.
    pub(crate) fn node_down(&mut self, node: i32) {
        self.0.retain(|(of, _), _| *of != node);
    }

    /// A replica was cut, or is gone.
    pub(crate) fn cut(&mut self, node: i32, tp: TopicPartition) {
        self.0.remove(&(node, tp));
    }

    /// Looks at the segments of a replica.
    pub(crate) fn look(&mut self, p: &Partition, ledger: &mut Ledger, of: Of<'_>) {
        let Of { node, replica } = of;
        let log = replica.log;
        let apart = apart(log.segment_views());
        check(p, ledger, apart.is_none(), &|| {
            format!("replica {node} has segments that do not follow each other: {apart:?}")
        });
        let Some(active) = log.segment_views().next_back() else { return };
        let now = (active, log.config().segment_age_ms);
        let Some(before) = self.0.insert((node, replica.tp), now) else { return };
        check(p, ledger, has_one_age(before, now), &|| {
            format!(
                "replica {node} counts the age of its active segment from another batch than before, or has not \
                 rolled it in time: {before:?}, {now:?} (age at which it is to be rolled, ms)"
            )
        });
    }
}

/// Two neighbours of which the second does not begin where the first one ends.
fn apart(segments: impl Iterator<Item = SegmentView>) -> Option<(SegmentView, SegmentView)> {
    let mut last: Option<SegmentView> = None;
    for segment in segments {
        let before = last.replace(segment);
        let is_next = |before: &SegmentView| {
            before.base < segment.base
                && before.start_bytes + u64::from(before.bytes) == segment.start_bytes
        };
        if let Some(before) = before.filter(|before| !is_next(before)) {
            return Some((before, segment));
        }
    }
    None
}

/// Whether a segment that is still the active one has the age that it had, and what was appended to it since is not too
/// young for it. Nothing is said of a new one, or of one that was empty. Where the first batch has no time, the wall
/// clock counts.
fn has_one_age((before, age_before): Seen, (now, age_now): Seen) -> bool {
    if before.base != now.base || before.bytes == 0 {
        return true;
    }
    let span = now.max_timestamp.saturating_sub(now.first_timestamp);
    let is_in_time = now.first_timestamp < 0
        || now.max_timestamp == before.max_timestamp
        || span <= age_before.max(age_now);
    now.first_timestamp == before.first_timestamp && is_in_time
}

#[cfg(test)]
mod tests {
    use super::super::tests::{LOG, log, view};
    use super::*;
    use crate::recorder::testing::tp;

    fn segment(base: i64, start_bytes: u64, (first_timestamp, max_timestamp): (i64, i64)) -> Seen {
        (SegmentView { base, start_bytes, bytes: 10, max_timestamp, first_timestamp }, 500)
    }

    #[test]
    fn segments_follow_each_other() {
        let apart = |starts: [u64; 3]| {
            let all = (0..).zip(starts).map(|(base, start)| segment(base, start, (5, 5)).0);
            apart(all).is_some()
        };
        assert!(!apart([0, 10, 20]) && !apart([70, 80, 90]), "the oldest ones may be gone");
        assert!(apart([0, 10, 30]), "bytes that are gone count");
        assert!(apart([0, 5, 15]));
    }

    #[test]
    fn the_age_of_a_segment_is_that_of_one_batch() {
        let of = |base, times| segment(base, 0, times);
        assert!(has_one_age(of(0, (5, 5)), of(0, (5, 400))));
        assert!(!has_one_age(of(0, (5, 5)), of(0, (400, 400))), "counted from the newest");
        assert!(has_one_age(of(0, (5, 5)), of(9, (400, 400))), "another one");
        assert!(!has_one_age(of(0, (-1, 5)), of(0, (9, 9))), "its first batch gets no time later");
        assert!(has_one_age(of(0, (-1, 5)), of(0, (-1, 9_000))), "the wall clock counts");
        let empty = SegmentView { bytes: 0, ..of(0, (-1, -1)).0 };
        assert!(has_one_age((empty, 500), of(0, (9, 9))), "it had none");
    }

    #[test]
    fn what_is_too_young_goes_to_another_segment() {
        let of = |times| segment(0, 0, times);
        assert!(!has_one_age(of((5, 5)), of((5, 506))));
        assert!(
            has_one_age(of((5, 506)), of((5, 506))),
            "it was there, from before a restart perhaps"
        );
        let longer = (of((5, 506)).0, 9_000);
        assert!(has_one_age(of((5, 5)), longer), "its topic wants it to be rolled later now");
    }

    #[test]
    fn a_sound_log_passes_and_a_cut_forgets() {
        let log = log(&LOG);
        let replica = view(&log);
        let (p, mut ledger) = (Partition::new("t-0".to_owned(), 2), Ledger::default());
        let mut segments = Segments::default();
        for _ in 0..2 {
            segments.look(&p, &mut ledger, Of { node: 1, replica: &replica });
        }
        assert!(ledger.finish().1.is_empty());
        segments.cut(1, tp(0));
        assert!(segments.0.is_empty());
    }
}
