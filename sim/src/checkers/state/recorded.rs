//! Checkpoints are of logs that are here. Of one that is gone they say nothing any more: one that comes in its place
//! would be taken for it (`LogManager.asyncDelete`). And what they take for flushed is on the volume: after a crash
//! nobody looks at it.

use super::NodeView;
use super::kept::Checkpoints;
use super::replicas::check;
use crate::checkers::ledger::Ledger;
use crate::checkers::partition::Partition;
use crate::disk::Disk;
use std::collections::{BTreeMap, BTreeSet};
use stormglass_broker_core::ids::{Offset, TopicId, TopicPartition};

/// What nodes have on record of their logs. What an earlier life of a process has left there may be wrong, in Kafka as
/// here.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    /// Logs of which a node's checkpoints have said nothing wrong, in this life of its process.
    sound: BTreeSet<(i32, TopicPartition)>,
    /// Recovery points that an earlier life has left, of logs that ended before as this one began.
    left: BTreeMap<(i32, TopicPartition), Offset>,
}

impl Recorded {
    /// A node's process has started, with recovery points on record, and logs that end somewhere. A log is cut before
    /// the lower recovery point is written (`LogManager.truncateTo`): a loss of power in between leaves the higher one
    /// there. Whoever loads the log goes by its end (`LogLoader.recoverLog`), but leaves the record as it is until it
    /// is written next (`LogManager.startupWithConfigOverrides`). What is copied meanwhile lies below what is on
    /// record, and is not flushed (hunt seed 30013981).
    pub(crate) fn started(
        &mut self,
        node: i32,
        points: &BTreeMap<TopicPartition, Offset>,
        ends: &BTreeMap<TopicPartition, Offset>,
    ) {
        self.left.retain(|(of, _), _| *of != node);
        for (tp, point) in points {
            if ends.get(tp).is_none_or(|end| end < point) {
                self.left.insert((node, *tp), *point);
            }
        }
    }

    /// A node's process ended.
    pub(crate) fn node_down(&mut self, node: i32) {
        self.sound.retain(|(of, _)| *of != node);
    }

    /// Logs that were at a node, or are.
    pub(crate) fn known(&self, view: &NodeView<'_>) -> BTreeSet<TopicPartition> {
        let before = self.sound.range((view.node, LOWEST)..).take_while(|(of, _)| *of == view.node);
        before.map(|(_, tp)| *tp).chain(view.broker.replica_views().map(|of| of.tp)).collect()
    }

    /// Compares a node's checkpoints with one of its logs.
    pub(crate) fn look(
        &mut self,
        p: &Partition,
        ledger: &mut Ledger,
        (view, tp): (&NodeView<'_>, TopicPartition),
        checkpoints: &Checkpoints,
    ) {
        let is_here = view.broker.replica_view(tp).is_some();
        let point = checkpoints.points.get(&tp);
        let holds = if is_here {
            self.is_so(view.disk, (view.node, tp), point)
        } else {
            point.is_none() && checkpoints.starts.get(&tp).is_none()
        };
        self.says(p, ledger, (view.node, tp, is_here), (holds, checkpoints));
    }

    /// Whether a log that is there is flushed up to what is on record, or this life is not to blame for that.
    fn is_so(&mut self, disk: &Disk, of: (i32, TopicPartition), point: Option<Offset>) -> bool {
        let is_left = self.is_left(disk, of, point);
        is_left || point.is_none_or(|point| is_flushed(disk, of.1, point))
    }

    /// Whether a recovery point is still the one that an earlier life has left. Once another one is on record, or the
    /// log is on the volume up to there, what comes then is this life's.
    fn is_left(&mut self, disk: &Disk, of: (i32, TopicPartition), point: Option<Offset>) -> bool {
        let Some(left) = self.left.get(&of).copied() else { return false };
        let is_left = point == Some(left) && disk.durable_end(of.1).is_none_or(|end| end < left);
        if !is_left {
            self.left.remove(&of);
        }
        is_left
    }

    /// Once nothing wrong was said of a log, nothing is.
    fn says(
        &mut self,
        p: &Partition,
        ledger: &mut Ledger,
        (node, tp, is_here): (i32, TopicPartition, bool),
        (holds, checkpoints): (bool, &Checkpoints),
    ) {
        let was_sound = self.sound.contains(&(node, tp));
        if is_here && holds {
            self.sound.insert((node, tp));
        }
        check(p, ledger, holds || !was_sound, &|| {
            let (point, start) = (checkpoints.points.get(&tp), checkpoints.starts.get(&tp));
            let what = if is_here { "is not on its volume up to there" } else { "is gone" };
            format!(
                "broker {node} has recovery point {point:?} and log start {start:?} on record of a log that \
                 {what}"
            )
        });
    }
}

/// Of all partitions the first.
const LOWEST: TopicPartition = TopicPartition { topic: TopicId(0), partition: i32::MIN };

fn is_flushed(disk: &Disk, tp: TopicPartition, point: Offset) -> bool {
    disk.has_synced(tp, point) || disk.durable_end(tp).is_none_or(|end| end >= point)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::testing::{Maker, Shape, config};
    use crate::recorder::testing::tp;
    use crate::rng::Streams;
    use stormglass_broker_core::ids::DiskOpId;
    use stormglass_broker_core::records::Records;
    use stormglass_broker_core::seam::{DiskOp, DiskOpKind};

    /// A log in one segment, of batches with 16 records each.
    struct OneLog {
        disk: Disk,
        now_ns: u64,
        maker: Maker,
    }

    impl OneLog {
        /// It is flushed, and ends there.
        fn until(end: usize) -> Self {
            let disk = Disk::new(config(), &Streams::new(5), 1);
            let mut log = Self { disk, now_ns: 0, maker: Maker::new(Shape::default()) };
            log.append(end);
            log.sync();
            log
        }

        fn submit(&mut self, kind: DiskOpKind) {
            let done = self.disk.submit(self.now_ns, DiskOp { id: DiskOpId(1), kind });
            self.now_ns = done.at_ns;
            self.disk.catch_up(self.now_ns);
        }

        fn append(&mut self, count: usize) {
            let records = Records::new(self.maker.batches(count / 16));
            self.submit(DiskOpKind::Append { tp: tp(0), segment: 0, records });
        }

        fn sync(&mut self) {
            self.submit(DiskOpKind::Sync { tp: tp(0), segment: 0 });
        }

        fn cut(&mut self, to: Offset) {
            self.submit(DiskOpKind::Truncate { tp: tp(0), to });
            self.maker.continue_at(to);
        }
    }

    /// Of a node's process that has started with that recovery point on record, and a log that ends there.
    fn started(point: Offset, end: Offset) -> Recorded {
        let mut recorded = Recorded::default();
        recorded.started(1, &BTreeMap::from([(tp(0), point)]), &BTreeMap::from([(tp(0), end)]));
        recorded
    }

    #[test]
    fn what_an_earlier_life_has_left_beyond_a_log_is_not_this_ones() {
        let (of, point) = ((1, tp(0)), Some(160));
        let (mut recorded, mut log) = (started(160, 80), OneLog::until(80));
        assert!(recorded.is_so(&log.disk, of, point), "it ends before");
        log.append(96);
        assert!(recorded.is_so(&log.disk, of, point), "what was copied is not flushed");
        assert!(!started(160, 160).is_so(&log.disk, of, point), "this life has cut it");
        log.sync();
        assert!(recorded.is_so(&log.disk, of, point), "flushed up to there");
        log.cut(80);
        log.append(96);
        assert!(!recorded.is_so(&log.disk, of, point), "cut since");
    }

    #[test]
    fn what_is_written_anew_is_this_lifes() {
        let of = (1, tp(0));
        let (mut recorded, mut log) = (started(160, 80), OneLog::until(80));
        log.append(96);
        assert!(recorded.is_so(&log.disk, of, Some(160)), "left");
        assert!(!recorded.is_so(&log.disk, of, Some(96)), "another one, that is not flushed");
        assert!(!recorded.is_so(&log.disk, of, Some(160)), "and one as before");
        recorded.started(1, &BTreeMap::from([(tp(0), 160)]), &BTreeMap::new());
        assert!(recorded.is_so(&log.disk, of, Some(160)), "of one that was not there at all");
        recorded.started(1, &BTreeMap::new(), &BTreeMap::new());
        assert!(!recorded.is_so(&log.disk, of, Some(160)), "nothing was left");
    }

    #[test]
    fn what_is_on_record_of_a_log_goes_with_it() {
        let says = |looks: &[(bool, bool)]| {
            let (p, mut ledger) = (Partition::new("t-0".to_owned(), 1), Ledger::default());
            let (mut recorded, checkpoints) = (Recorded::default(), Checkpoints::default());
            for (is_here, holds) in looks {
                let of = (1, tp(0), *is_here);
                recorded.says(&p, &mut ledger, of, (*holds, &checkpoints));
            }
            ledger.finish().1.len()
        };
        assert_eq!(says(&[(true, true), (false, true), (true, true)]), 0);
        assert_eq!(says(&[(true, true), (false, false)]), 1, "it is gone, and on record");
        assert_eq!(says(&[(true, true), (true, false)]), 1, "another one in its place");
        assert_eq!(says(&[(false, false), (true, false)]), 0, "left by an earlier life");
    }
}
