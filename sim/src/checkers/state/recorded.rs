//! Checkpoints are of logs that are here. Of one that is gone they say nothing any more: one that comes in its place
//! would be taken for it (`LogManager.asyncDelete`). And what they take for flushed is on the volume: after a crash
//! nobody looks at it.

use super::NodeView;
use super::kept::Checkpoints;
use super::replicas::check;
use crate::checkers::ledger::Ledger;
use crate::checkers::partition::Partition;
use std::collections::BTreeSet;
use stormglass_broker_core::ids::{Offset, TopicId, TopicPartition};

/// Logs of which a node's checkpoints have said nothing wrong, in this life of its process. What an earlier life has
/// left on record may be wrong, in Kafka as here.
#[derive(Debug, Default)]
pub(crate) struct Recorded(BTreeSet<(i32, TopicPartition)>);

impl Recorded {
    /// A node's process ended.
    pub(crate) fn node_down(&mut self, node: i32) {
        self.0.retain(|(of, _)| *of != node);
    }

    /// Logs that were at a node, or are.
    pub(crate) fn known(&self, view: &NodeView<'_>) -> BTreeSet<TopicPartition> {
        let before = self.0.range((view.node, LOWEST)..).take_while(|(of, _)| *of == view.node);
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
        let holds = match checkpoints.points.get(&tp) {
            Some(point) if is_here => is_flushed(view, tp, *point),
            None if is_here => true,
            point => point.is_none() && !checkpoints.starts.contains_key(&tp),
        };
        self.says(p, ledger, (view.node, tp, is_here), (holds, checkpoints));
    }

    /// Once nothing wrong was said of a log, nothing is.
    fn says(
        &mut self,
        p: &Partition,
        ledger: &mut Ledger,
        (node, tp, is_here): (i32, TopicPartition, bool),
        (holds, checkpoints): (bool, &Checkpoints),
    ) {
        let was_sound = self.0.contains(&(node, tp));
        if is_here && holds {
            self.0.insert((node, tp));
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

fn is_flushed(view: &NodeView<'_>, tp: TopicPartition, point: Offset) -> bool {
    view.disk.has_synced(tp, point) || view.disk.durable_end(tp).is_none_or(|end| end >= point)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::testing::tp;

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
