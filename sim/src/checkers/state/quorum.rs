//! The quorum commits what a majority has on disk.

use super::NodeView;
use crate::checkers::history::History;
use crate::checkers::ledger::{Check, Ledger, Promise};
use crate::checkers::partition::Partition;
use std::collections::{BTreeMap, VecDeque};
use stormglass_broker_core::ids::{LeaderEpoch, Offset};

pub(crate) const PROMISE: Promise = Promise {
    name: "quorum-durability",
    text: "the metadata quorum commits only what a majority of its voters has on disk and agrees \
           on, and only when that ends with a record of its leader's own epoch; once all is well again, all \
           controllers learn of it",
};

/// The quorum's leader commits up to an offset.
pub(crate) fn commits(
    p: &Partition,
    ledger: &mut Ledger,
    (node, epoch, offset): (i32, LeaderEpoch, Offset),
    durable: &[(i32, Offset)],
) {
    ledger.checked(Check::Quorum, 1);
    let leader = p.known_replica(node);
    let agrees = |voter: i32| match (leader, p.known_replica(voter)) {
        (Some(leader), Some(replica)) => replica.log.agrees(&leader.log, offset),
        _ => true,
    };
    let have = durable.iter().filter(|(voter, end)| *end >= offset && agrees(*voter)).count();
    if have * 2 <= durable.len() {
        ledger.broken(Check::Quorum, p.about(), &|| {
            let ends: Vec<String> =
                durable.iter().map(|(voter, end)| format!("{voter} up to {end}")).collect();
            format!(
                "controller {node} commits metadata up to {offset} in epoch {epoch}, but of the \
                 voters only {have} would keep its records after a power failure: on disk have {}",
                ends.join(", ")
            )
        });
    }
    let last = leader.and_then(|leader| leader.log.epoch_at(offset - 1));
    if let Some(last) = last.filter(|last| *last != epoch) {
        ledger.broken(Check::Quorum, p.about(), &|| {
            format!(
                "controller {node} commits metadata up to {offset} in epoch {epoch}, and the last \
                 record below is of epoch {last}: a later leader may still replace it"
            )
        });
    }
}

/// How late a controller may learn of the metadata, ns.
const PATIENCE_NS: u64 = 3_000_000_000;

/// Who is there in a healed cluster, and what is known of the metadata there.
#[derive(Debug, Default)]
pub(crate) struct Learners {
    /// Since when a node has been there, ns.
    since: BTreeMap<i32, u64>,
    /// The highest high watermark of any of them, and when it was seen, ns.
    shown: VecDeque<(u64, Offset)>,
}

impl Learners {
    /// A process ended.
    pub(crate) fn node_down(&mut self, node: i32) {
        self.since.remove(&node);
    }

    /// Every controller knows to be committed what one of them knew a while ago. Brokers are left out: one whose
    /// volume was slow may need longer than a cluster takes to heal (hunt seed 921470).
    pub(crate) fn look(&mut self, ledger: &mut Ledger, nodes: &[NodeView<'_>]) {
        let controllers = nodes.iter().filter(|view| view.broker.metadata().is_none());
        let known = controllers.map(|view| (view.node, view.broker.quorum().high_watermark));
        self.learn(ledger, &known.collect::<Vec<_>>());
    }

    fn learn(&mut self, ledger: &mut Ledger, known: &[(i32, Offset)]) {
        let now_ns = ledger.now_ns;
        while self.shown.get(1).is_some_and(|(at_ns, _)| now_ns - at_ns >= PATIENCE_NS) {
            self.shown.pop_front();
        }
        let past = self.shown.front().filter(|(at_ns, _)| now_ns - at_ns >= PATIENCE_NS).copied();
        for (node, high_watermark) in known {
            let since_ns = *self.since.entry(*node).or_insert(now_ns);
            let Some((at_ns, due)) = past.filter(|(at_ns, _)| since_ns <= *at_ns) else { continue };
            ledger.checked(Check::Quorum, 1);
            if *high_watermark < due {
                ledger.broken(Check::Quorum, ("", &History::default()), &|| {
                    format!(
                        "node {node} knows the metadata to be committed up to {high_watermark}; another \
                         one knew of {due} {} ms ago, in a healed cluster",
                        (now_ns - at_ns) / 1_000_000
                    )
                });
            }
        }
        let highest = known.iter().map(|(_, high_watermark)| *high_watermark).max();
        self.shown.extend(highest.map(|highest| (now_ns, highest)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_does_not_learn_of_the_metadata_is_seen() {
        let (mut learners, mut ledger) = (Learners::default(), Ledger::default());
        for second in 0..6 {
            ledger.now_ns = second * PATIENCE_NS / 3;
            let end = 10 + i64::try_from(second).unwrap();
            // node 2 is late, node 3 is there since second 4, and knows nothing yet
            let mut known = vec![(1, end), (2, end - 2)];
            known.extend((second >= 4).then_some((3, 0)));
            learners.learn(&mut ledger, &known);
        }
        assert_eq!(ledger.finish().1.len(), 0);
        let mut ledger = Ledger::default();
        ledger.now_ns = 2 * PATIENCE_NS;
        learners.learn(&mut ledger, &[(1, 16), (2, 12)]);
        assert_eq!(ledger.finish().1.len(), 1);
    }
}
