//! A log that cannot be read is not cleaned again: as it stays the dirtiest one, no other log would be cleaned any
//! more, and those of coordinators would grow without end (KAFKA-7215, KIP-346).

use super::replicas::check;
use crate::checkers::suite::Checkers;
use stormglass_broker_core::Broker;
use stormglass_broker_core::inspect::CleanerView;
use stormglass_broker_core::seam::TimerKey;

/// The node whose cleaner chooses a log in this very step, if one may.
#[derive(Debug, Default)]
pub(crate) struct Chooses(Option<i32>);

impl Chooses {
    /// A node's process ended.
    pub(crate) fn node_down(&mut self, node: i32) {
        self.0.take_if(|of| *of == node);
    }

    /// A node's timer rings.
    pub(super) fn rings(&mut self, node: i32, key: TimerKey) {
        self.0 = (key == TimerKey::Cleaner).then_some(node);
    }

    /// Whether a node that has taken an input may have chosen.
    fn taken(&mut self, node: i32) -> bool {
        self.0.take() == Some(node)
    }
}

impl Checkers {
    /// A node has taken an input: its cleaner may have begun a pass.
    pub(super) fn has_chosen(&mut self, node: i32, broker: &Broker) {
        if !self.chooses.taken(node) {
            return;
        }
        let Some(view) = broker.cleaner() else { return };
        let Some(tp) = view.cleans else { return };
        let at = self.partition(tp);
        check(&self.partitions[at], &mut self.ledger, !is_tried_again(&view), &|| {
            format!("the cleaner of broker {node} goes over a log that it could not read: {view:?}")
        });
    }
}

fn is_tried_again(view: &CleanerView<'_>) -> bool {
    view.cleans.is_some_and(|tp| view.unreadable.contains(&tp))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::testing::tp;
    use std::collections::BTreeSet;

    #[test]
    fn who_chooses_a_log_is_looked_at_once() {
        let mut chooses = Chooses::default();
        chooses.rings(1, TimerKey::Retention);
        assert!(!chooses.taken(1), "it looks for something else");
        chooses.rings(1, TimerKey::Cleaner);
        assert!(chooses.taken(1) && !chooses.taken(1));
        chooses.rings(1, TimerKey::Cleaner);
        assert!(!chooses.taken(2));
        chooses.rings(1, TimerKey::Cleaner);
        chooses.node_down(1);
        assert!(!chooses.taken(1), "it has ended meanwhile");
    }

    #[test]
    fn a_log_that_cannot_be_read_is_left_alone() {
        let unreadable = BTreeSet::from([tp(1)]);
        let is_wrong = |cleans| is_tried_again(&CleanerView { cleans, unreadable: &unreadable });
        assert!(!is_wrong(None) && !is_wrong(Some(tp(0))));
        assert!(is_wrong(Some(tp(1))));
    }
}
